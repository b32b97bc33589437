"""`codex-runner policy replay`: old runs under another policy, on folders as a run leaves them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from runner.cli.policy import command
from runner.cli.policy_layers import layer_of
from runner.errors import ConfigError, NothingToDoError
from runner.ledger.folder import PATCH, REPORT, RunFolder, find
from runner.policy.settings import Settings
from runner.records.base import Oid, RunId, Sha256
from runner.records.gate import Finding, GateReport
from runner.records.level import Contribution, Standing
from runner.records.patch import Patch
from runner.records.policy import Layer
from runner.records.rules import CommandRule
from runner.records.task import Words
from runner.replaying import NO_PATCH, Replay, Under, replay
from tests.fakes import nothing_found
from tests.unit.test_report_markdown import make_report

RUN = "20261120-102233-7f3a9c"
OWN = "[limits]\nlines = 300\n"
CHEAP = ("paths", "size", "tamper", "dependencies", "secrets", "class", "guardrails")


def git(place: Path, *words: str) -> str:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *who, *words], cwd=place, check=True, capture_output=True)
    return done.stdout.decode().strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """With a change of one line beyond its only commit, in its index."""
    place = tmp_path / "repository"
    (place / "src").mkdir(parents=True)
    (place / ".codex-runner.toml").write_text(OWN)
    (place / "src/a.py").write_text("a = 1\n")
    git(place, "init", "-q", "-b", "main")
    git(place, "add", ".")
    git(place, "commit", "-qm", "one")
    (place / "src/a.py").write_text("a = 2\n")
    git(place, "add", ".")
    return place


def seal(
    state: Path, repository: Path, run: str = RUN, *, own: bool = True, **changes: Any
) -> RunFolder:
    """A run under the built-in policy and the repository's, whose gates passed; `changes` are of
    its plan."""
    folder = RunFolder.create(state, RunId(run))
    content = subprocess.run(
        ["git", "diff", "--cached", "--binary", "--full-index"],
        cwd=repository, check=True, capture_output=True,
    ).stdout  # fmt: skip
    folder.write(PATCH, content)
    decided = replay_plan(repository, own=own)
    report = make_report(run=run)
    assert report.plan is not None
    plan = report.plan.model_copy(update={**decided, "run": run, **changes})
    patch = Patch(
        base_commit=plan.base_commit,
        base_tree=Oid(git(repository, "rev-parse", "HEAD^{tree}")),
        tree=Oid(git(repository, "write-tree")),
        commit=Oid("c" * 40),
        changes=(),
    )
    passed = [
        GateReport(gate=name, verdict="passed", summary="") for name in CHEAP if name != "class"
    ]
    classed = GateReport(gate="class", verdict="passed", summary="code", evidence={"level": "2"})
    update = {"plan": plan, "patch": patch, "gates": (*passed, classed)}
    folder.seal(report.model_copy(update=update))
    return folder


def replay_plan(repository: Path, *, own: bool, words: Words | None = None) -> dict[str, Any]:
    """What a plan took over from the policy of then."""
    from runner.gates.paths import PROTECTED
    from runner.policy.layers import decide_run
    from runner.policy.plan import of_policy
    from runner.policy.repo_policy import NONE, parse_repo_policy
    from tests.fake_world import make_plan

    task = make_plan().task
    layer = parse_repo_policy(OWN.encode(), ".codex-runner.toml") if own else NONE
    found = of_policy(decide_run(task, (), layer, PROTECTED, words or Words()))
    head = Oid(git(repository, "rev-parse", "HEAD"))
    return {**found, "base_commit": head, "test": None}


def under(repository: Path, *layers: Layer) -> Under:
    return Under(Settings(layers=layers), repository, lambda: nothing_found)


def proposed(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "requirements.toml"
    path.write_text(text)
    return path


def test_under_the_same_policy_nothing_changes(repository: Path, tmp_path: Path) -> None:
    found = replay(seal(tmp_path / "state", repository), under(repository))
    assert found == Replay(run=RUN, title="Fix it", conclusion="published")
    assert not found.changed and not found.partial


def test_what_the_command_line_said_is_said_again(repository: Path, tmp_path: Path) -> None:
    words = Words(level=1, limits=("lines=20",), paths=("src/**",))
    then = replay_plan(repository, own=True, words=words)
    assert (then["limits"].lines, then["run_paths"]) == (20, ("src/**",))
    folder = seal(tmp_path / "state", repository, **then, words=words, standing=Standing(level=1))
    told = replay(folder, under(repository))
    assert (told.problem, told.fields) == ("", ())
    unsaid = seal(tmp_path / "other", repository, **then, standing=Standing(level=1))
    assert {"level", "limits.lines", "paths"} <= {
        each.field for each in replay(unsaid, under(repository)).fields
    }


def test_a_rule_is_the_same_on_another_line(repository: Path, tmp_path: Path) -> None:
    rule = CommandRule(pattern=(("wget",),), decision="forbidden", where="config.toml, line 4")
    folder = seal(tmp_path / "state", repository, rules=(rule,))
    moved = rule.model_copy(update={"where": "config.toml, line 9"})
    user = Layer("user", "config.toml", {"rules": (moved,)})
    assert not replay(folder, under(repository, user)).changed
    assert [each.field for each in replay(folder, under(repository)).fields] == ["rules"]


def test_what_changes_is_told_with_the_layer_that_decides(repository: Path, tmp_path: Path) -> None:
    folder = seal(tmp_path / "state", repository)
    text = (
        'protected = ["src/"]\nmodels = ["other"]\ntest = "make"\nlevel = 1\n'
        "[limits]\nfiles = 900\nlines = 1\n[classes]\ndocs = 0\n[budget]\nday_usd = 1\n"
        "[tests]\nretries = 0\n[review]\napprovals = 1\n"
    )
    path = proposed(tmp_path, text)
    found = replay(folder, under(repository, layer_of(path, None)))
    told = {each.field: (each.what, each.old, each.new, each.by) for each in found.fields}
    where = f"{path}, line "
    protected = told.pop("protected")
    assert protected[0] == "tighter" and {*protected[2]} - {*protected[1]} == {"src/"}
    assert protected[3] == f"built-in, {where}1"
    models = told.pop("models")
    assert models[:3] == ("tighter", None, ("other",))
    assert models[3] == f"{where}2; it used gpt-5.5, gpt-5.6-terra"
    assert told == {
        "level": ("tighter", 2, 1, f"operator: level = 1, {where}4"),
        "limits.files": ("looser", 50, 900, f"{where}6"),
        "limits.lines": ("tighter", 300, 1, f"{where}7"),
        "classes.docs": ("tighter", 3, 0, f"{where}9"),
        "budget.day_usd_micros": ("tighter", None, 1_000_000, f"{where}11"),
        "tests.retries": ("tighter", 1, 0, f"{where}13"),
        "review.approvals": ("looser", None, 1, f"{where}15"),
        "test": ("changed", None, "make", f"{where}3"),
    }
    assert [(each.gate, each.old, each.new) for each in found.gates] == [
        ("paths", "passed", "refused"),
        ("size", "passed", "refused"),
    ]
    assert found.gates[0].findings[0].layer == f"{where}1"
    assert found.gates[1].findings[0].layer == f"{where}7"


def test_what_was_refused_and_no_longer_is(repository: Path, tmp_path: Path) -> None:
    folder = seal(tmp_path / "state", repository)
    report = make_report(run=RUN)
    finding = Finding(gate="size", code="size.lines", why="too long", remedy="less")
    gates = (GateReport(gate="size", verdict="refused", summary="", findings=(finding,)),)
    content = json.loads(folder.read(REPORT) or b"")
    kept = type(report).model_validate_json(json.dumps(content))
    folder.seal(kept.model_copy(update={"gates": gates}))
    found = replay(folder, under(repository))
    assert [(each.gate, each.old, each.new) for each in found.gates] == [
        ("size", "refused", "passed")
    ]
    assert found.changed and not found.fields, "gates that pass and were not asked are no change"


def test_the_trigger_is_what_it_was(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    issue = Contribution(who="trigger", level=1, why="an issue", where="GITHUB_EVENT_NAME")
    folder = seal(tmp_path / "state", repository, standing=Standing().lowered((issue,)))
    assert not replay(folder, under(repository)).changed
    monkeypatch.setenv("GITHUB_EVENT_NAME", "issues")
    other = seal(tmp_path / "state", repository, "20261120-102234-7f3a9c")
    assert not replay(other, under(repository)).changed


def test_a_layer_that_cannot_be_read_is_never_taken_for_none(
    repository: Path, tmp_path: Path
) -> None:
    state, nowhere = tmp_path / "state", tmp_path / "nowhere"
    sources = {".codex-runner.toml": Sha256("0" * 64)}
    found = replay(
        seal(state, repository, policy_sources=sources, policy_sha256="1" * 64), under(nowhere)
    )
    assert found.partial and "cannot be read" in found.problem and not found.forged
    older = seal(state, repository, "20261120-102234-7f3a9c", policy_sha256="", policy_sources={})
    assert replay(older, under(nowhere)).problem, "another version did not say"
    without = seal(state, repository, "20261120-102235-7f3a9c", own=False, policy_sources={})
    found = replay(without, under(nowhere))
    assert not found.problem and found.partial and "does not exist" in found.unjudged
    assert not found.changed


def test_a_proposed_repository_policy(repository: Path, tmp_path: Path) -> None:
    folder = seal(tmp_path / "state", repository)
    path = tmp_path / ".codex-runner.toml"
    path.write_text("[limits]\nlines = 1\n")
    found = replay(
        folder, Under(Settings(), repository, lambda: nothing_found, layer_of(path, None))
    )
    assert [(each.field, each.new) for each in found.fields] == [("limits.lines", 1)]
    assert [each.gate for each in found.gates] == ["size"]


def test_only_what_the_receipt_vouches_for_is_believed(repository: Path, tmp_path: Path) -> None:
    folder = seal(tmp_path / "state", repository)
    path = folder.path / PATCH
    content = path.read_bytes()
    path.write_bytes(content.replace(b"+a = 2", b"+a = 3"))
    found = replay(folder, under(repository))
    assert found.forged and "changed since it was signed: patch" in found.problem
    path.unlink()
    os.mkfifo(path)
    assert replay(folder, under(repository)).problem
    path.unlink()
    path.write_bytes(content)
    assert not replay(folder, under(repository)).problem
    (folder.path / "receipt.json").unlink()
    assert replay(folder, under(repository)).problem == f"run {RUN} is running"


def test_a_patch_that_makes_another_tree_is_not_judged(repository: Path, tmp_path: Path) -> None:
    folder = seal(tmp_path / "state", repository)
    report = json.loads(folder.read(REPORT) or b"")
    report["patch"]["tree"] = "e" * 40
    kept = type(make_report()).model_validate_json(json.dumps(report))
    folder.seal(kept)
    found = replay(folder, under(repository))
    assert found.unjudged == "the patch does not make the tree that its receipt signs"
    assert found.partial and not found.changed
    (folder.path / PATCH).unlink()
    folder.seal(kept.model_copy(update={"patch": None}))
    found = replay(folder, under(repository))
    assert found.unjudged == NO_PATCH and not found.partial


def test_a_run_without_a_plan_or_of_another_version(repository: Path, tmp_path: Path) -> None:
    folder = seal(tmp_path / "state", repository)
    task = make_report().plan.task.model_copy(update={"policy": {"no.such": 3}})  # type: ignore[union-attr]
    other = seal(tmp_path / "state", repository, "20261120-102234-7f3a9c", task=task)
    assert "of an earlier run is not understood" in replay(other, under(repository)).problem
    wrong = task.model_copy(update={"policy": {"tests.retries": "many"}})
    other = seal(tmp_path / "state", repository, "20261120-102235-7f3a9c", task=wrong)
    assert "of an earlier run is not understood" in replay(other, under(repository)).problem
    folder.seal(make_report(run=RUN, plan=None, patch=None))
    assert "before it had a plan" in replay(folder, under(repository)).problem


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(command, ["replay", *map(str, words)], catch_exceptions=True)


@pytest.fixture
def state(repository: Path, tmp_path: Path) -> Path:
    """Two runs that kept no patch: no scanner is asked."""
    for run in (RUN, "20261120-102234-7f3a9c"):
        folder = seal(tmp_path / "state", repository, run)
        report = type(make_report()).model_validate_json(folder.read(REPORT) or b"")
        (folder.path / PATCH).unlink()
        folder.seal(report.model_copy(update={"patch": None, "gates": ()}))
    return tmp_path / "state"


def test_the_verb(state: Path, repository: Path, tmp_path: Path) -> None:
    here = ("--state", state, "-C", repository)
    done = call(*here)
    assert done.exit_code == 0, done.output
    assert done.output.startswith("20261120-102234-7f3a9c: published: Fix it\n")
    assert "  the patch is not judged: it kept no patch\n1 runs: 0 would change" in done.output
    assert call(*here, "--all", "--fail-on-change").exit_code == 0
    path = proposed(tmp_path, 'protected = ["vault/"]\n[limits]\nlines = 9\n')
    done = call(*here, "--last", "5", "--policy", path)
    assert done.exit_code == 0 and "2 runs: 2 would change, 0 not replayed\n" in done.output
    assert f"  tighter  limits.lines: 300 -> 9 ({path}, line 3)\n" in done.output
    assert f'  tighter  protected: + ["vault/"] (built-in, {path}, line 1)\n' in done.output
    assert call(*here, RUN, "--policy", path, "--fail-on-change").exit_code == 1
    (told,) = json.loads(call(*here, RUN, "--policy", path, "--json").stdout)
    assert told["run"] == RUN and told["changed"] and told["gates"] == []
    assert {each["field"]: each["new"] for each in told["fields"]}["limits.lines"] == 9


def test_a_proposed_file_takes_the_place_of_its_kind(
    state: Path, repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    force = tmp_path / "force.toml"
    force.write_text("[limits]\nlines = 8\nfiles = 8\n")
    monkeypatch.setenv("CODEX_RUNNER_REQUIREMENTS", str(force))
    path = proposed(tmp_path, "[limits]\nlines = 9\n")
    words = (RUN, "--state", state, "-C", repository, "--json")
    for more, lines, files in (((), 8, 8), (("--policy", path), 9, None)):
        (told,) = json.loads(call(*words, *more).stdout)
        fields = {each["field"]: each["new"] for each in told["fields"]}
        assert (fields["limits.lines"], fields.get("limits.files")) == (lines, files)
    path = tmp_path / "config.toml"
    path.write_text("[limits]\nlines = 7\n")
    (told,) = json.loads(call(*words, "--policy", path).stdout)
    fields = {each["field"]: each["new"] for each in told["fields"]}
    assert (fields["limits.lines"], fields["limits.files"]) == (7, 8)


def test_what_is_wrong_is_told(state: Path, repository: Path, tmp_path: Path) -> None:
    here = ("--state", state, "-C", repository)
    task = tmp_path / "task.md"
    task.write_text("Go.\n")
    for words, problem in (
        (("x",), "no run 'x'"),
        ((RUN, "--all"), "three ways"),
        (("--policy", task), "keeps its own task"),
        (("--policy", tmp_path / "requirements.toml"), "no such file"),
    ):
        done = call(*here, *words)
        assert isinstance(done.exception, ConfigError) and problem in done.exception.problem
    assert call(*here, "--fail-on-change", "-C", tmp_path).exit_code == 1, "it could not be judged"


def test_no_runs_are_no_proof(tmp_path: Path) -> None:
    """A check in CI must not pass because it looked into the wrong place."""
    (tmp_path / "empty").mkdir()
    for words in ((), ("--all",), ("--last", "3"), ("--all", "--fail-on-change", "--json")):
        done = call("--state", tmp_path / "empty", *words)
        assert isinstance(done.exception, NothingToDoError)
        assert done.exception.exit_code == 7
        assert "nothing to replay: there are no runs in" in done.exception.problem
        assert done.stdout.strip() == ("[]" if "--json" in words else "")


def test_a_hostile_state(state: Path, repository: Path) -> None:
    """Runs that are something else are told, and the others are replayed."""
    forged = state / "runs" / "20261120-102299-7f3a9c"
    forged.mkdir()
    (forged / REPORT).symlink_to("/etc/passwd")
    (forged / "receipt.json").write_text("{}")
    find(state, RUN).path.joinpath(REPORT).write_bytes(b"[" * 100_000)
    evil = seal(state, repository, "20261120-102288-7f3a9c")
    report = type(make_report()).model_validate_json(evil.read(REPORT) or b"")
    assert report.plan is not None
    task = report.plan.task.model_copy(update={"title": "x\x1b]0;\x07\n::error::y"})
    plan = report.plan.model_copy(update={"task": task})
    (evil.path / PATCH).unlink()
    evil.seal(report.model_copy(update={"plan": plan, "patch": None}))
    done = call("--all", "--state", state, "-C", repository)
    assert done.exit_code == 1, done.output
    assert "4 runs: 0 would change, 2 not replayed" in done.output
    assert "20261120-102299-7f3a9c: not replayed: the receipt of" in done.output
    assert "\x1b" not in done.output and "\n::error" not in done.output
