"""The ladder through the real CLI: what waits, what a person lets out, what is only told."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.demo.model import Say, Shell
from tests.live.terminal import at_terminal
from tests.live.world import FIX, World

pytestmark = pytest.mark.live


def at_level(world: World, level: int) -> None:
    world.sample.task.write_text(
        world.sample.task.read_text().replace("+++\n", f"+++\nlevel = {level}\n", 1)
    )


def test_a_supervised_run_waits_and_one_word_lets_out_exactly_that(world: World) -> None:
    at_level(world, 1)
    world.settings["CODEX_RUNNER_FORGE"] = ""  # it is remembered where the request belongs
    ended = world.run(world.task, "--forge", "local")
    assert (ended.code, ended.report.conclusion) == (6, "needs-approval"), ended
    assert not world.branches() and "level 1, task: level = 1" in ended.error[0]
    run = ended.report.run
    assert f"codex-runner approve {run}" in ended.error[1]

    shown = world.cli("approve", run)
    assert shown.code == 6 and ended.report.patch is not None
    assert ended.report.patch.tree.encode() in shown.stdout
    digest = shown.stdout.decode().split()[-1]
    told = json.loads(world.cli("approve", run, "--json").stdout)
    assert (told["tree"], told["digest"]) == (ended.report.patch.tree, digest)
    assert at_terminal(world, "approve", run, "0" * 12).code == 2
    assert world.cli("approve", run, digest).code == 2, "a pipe is no person"
    assert not world.branches()

    done = at_terminal(world, "approve", run, digest[:12])
    assert done.code == 0, done
    (commit,) = world.branches().values()
    assert world.git("rev-parse", f"{commit}^{{tree}}") == ended.report.patch.tree
    assert at_terminal(world, "approve", run, digest[:12]).code == 2, "once"
    assert len(world.branches()) == 1
    for verb in ("explain", "show"):
        assert b"it was let out since: codex-runner show " in world.cli(verb, run).stdout


def test_another_policy_is_another_action(world: World) -> None:
    at_level(world, 1)
    ended = world.run()
    run = ended.report.run
    digest = world.cli("approve", run).stdout.decode().split()[-1]
    config = world.home / ".config/codex-runner/config.toml"
    config.parent.mkdir(parents=True)
    for text, why in (
        ("[limits]\nlines = 77\n", "the policy is another one now"),
        ("level = 0\n", "nothing of level 0 is published: operator: level = 0"),
    ):
        config.write_text(text)
        refused = at_terminal(world, "approve", run, digest)
        assert refused.code == 1 and why in refused.text, refused
    assert not world.branches()


def test_a_wider_change_than_its_task_is_kept(world: World) -> None:
    put = Shell("mkdir -p tally/auth && echo 'LIMIT = 3' > tally/auth/rules.py")
    ended = world.run(steps=(put, *FIX))
    assert (ended.code, ended.report.conclusion) == (6, "needs-approval"), ended
    assert "tally/auth/rules.py" in ended.error[0] and not world.branches()
    assert ended.report.standing is not None and ended.report.standing.level == 1


def test_an_audit_tells_and_leaves_nothing(world: World, tmp_path: Path) -> None:
    at_level(world, 0)
    write = Shell("echo x > tally/made.py; echo x >> tally/stats.py; ls tally")
    ended = world.run(steps=(write, Say("Read it.\n- `tally/stats.py:3`: it sorts twice\nno:1: x")))
    assert (ended.code, ended.report.conclusion) == (0, "audited"), ended
    assert ended.report.patch is None and not (ended.path / "patch").exists()
    assert not world.branches() and ended.report.plan is not None
    assert ended.report.plan.remote is None
    assert ended.report.agent is not None and ended.report.agent.inner_sandbox
    assert "Read-only file system" in (ended.path / "events.jsonl").read_text()
    shown = world.cli("show", ended.report.run, "--annotations")
    assert b"::warning file=tally/stats.py,title=audit.remark,line=3::" in shown.stderr, shown
    sarif = tmp_path / "audit.sarif"
    assert world.cli("show", ended.report.run, "--sarif", str(sarif)).code == 0
    (result,) = json.loads(sarif.read_text())["runs"][0]["results"]
    place = result["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "tally/stats.py"
    assert (place["region"]["startLine"], result["level"]) == (3, "warning")


def test_full_ci_offers_documents_ready(world: World) -> None:
    config = world.home / ".config/codex-runner/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('level = 3\nqueue_label = "queue"\n')
    world.ask(title="Mend the docs", test=False, paths=["docs/**"], labels=["bug"])
    ended = world.run(steps=(Shell("mkdir -p docs; echo hello > docs/use.md"), Say("Done.")))
    assert ended.code == 0, ended
    (facts,) = [
        json.loads((Path(ended.report.publication.url).parent / name).read_text())
        for name in world.requests()
        if ended.report.publication is not None and name.endswith(".json")
    ]
    assert facts["draft"] is False and facts["labels"] == ["bug", "queue"]
