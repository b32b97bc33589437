"""Which layer of the policy decided, down to its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.policy.layers import decide_run
from runner.policy.origins import Origins
from runner.policy.repo_policy import NONE, parse_repo_policy
from runner.policy.settings import load_settings
from runner.policy.task_file import parse_task
from runner.records.gate import Finding, GateReport
from runner.records.plan import Plan
from runner.records.task import Limits
from tests.fake_world import make_plan

POLICY = b'test = "make check"\nprotected = ["vault/"]\n\n[limits]\nfiles = 10\nlines = 100\n'
FILE = "[limits]\nlines = 900\nrequests = 40\n"


def origins(tmp_path: Path, policy: bytes | None = POLICY, **plan: object) -> Origins:
    user = tmp_path / "config.toml"
    user.write_text('inner_sandbox = "required"\n' + FILE)
    settings = load_settings({"CODEX_RUNNER_ENGINE": "bubblewrap"}, {}, user)
    made: Plan = make_plan().model_copy(
        update={"limits": Limits(lines=100, files=10, requests=40, bytes=500), **plan}
    )
    repo = NONE if policy is None else parse_repo_policy(policy, ".codex-runner.toml")
    asked = made.task.model_copy(update={"paths": made.paths, "test": "make"})
    if "task" not in plan:
        asked = asked.model_copy(update={"limits": {"bytes": 500}})
    return Origins(settings, decide_run(asked, settings.layers, repo, ("**/.git*/",)))


def test_limits(tmp_path: Path) -> None:
    found = origins(tmp_path)
    assert found.of("limits.lines") == ".codex-runner.toml, line 6"
    assert found.of("limits.files") == ".codex-runner.toml, line 5"
    assert found.of("limits.requests").endswith("config.toml, line 4")
    assert found.of("limits.wall_s") == "built-in"
    task = make_plan().task.source
    assert found.of("limits.bytes") == f"{task}, limits.bytes"


def test_settings(tmp_path: Path) -> None:
    found = origins(tmp_path)
    assert found.of("inner_sandbox").endswith("config.toml, line 1")
    assert found.of("engine") == "CODEX_RUNNER_ENGINE"
    assert found.of("model") == "built-in"


def test_places(tmp_path: Path) -> None:
    found = origins(tmp_path, paths=("src/**",))
    assert found.of("protected vault/") == ".codex-runner.toml, line 2"
    assert found.of("protected **/.git*/") == "built-in"
    assert found.of("paths") == f"{make_plan().task.source}, paths"
    assert found.of("test") == ".codex-runner.toml, line 1"
    assert origins(tmp_path, None).of("test") == f"{make_plan().task.source}, test"


def finding(code: str, rule: str = "") -> Finding:
    gate = code.partition(".")[0]
    return Finding(gate=gate, code=code, why="w", remedy="r", rule=rule)


@pytest.mark.parametrize(
    ("code", "rule", "layer"),
    [
        ("size.lines", "limits.lines", ".codex-runner.toml, line 6"),
        ("size.lines", "", ".codex-runner.toml, line 6"),
        ("paths.protected", "protected vault/", ".codex-runner.toml, line 2"),
        ("paths.protected", "protected **/.git*/", "built-in"),
        ("tests.failed", "", ".codex-runner.toml, line 1"),
        ("secrets.generic", "", "built-in"),
        ("somebodys.own", "", "built-in"),
    ],
)
def test_findings_are_told_with_their_layer(
    tmp_path: Path, code: str, rule: str, layer: str
) -> None:
    told = GateReport(gate="x", verdict="refused", summary="", findings=(finding(code, rule),))
    assert origins(tmp_path).named(told).findings[0].layer == layer


def test_a_task_is_told_with_its_line(tmp_path: Path) -> None:
    text = b'+++\ntitle = "t"\npaths = ["src/**"]\n[limits]\nbytes = 500\n+++\nGo.\n'
    task = parse_task(text, "task.md")
    found = origins(tmp_path, task=task, paths=("src/**",))
    assert found.of("paths") == "task.md, line 3"
    assert found.of("limits.bytes") == "task.md, line 5"
