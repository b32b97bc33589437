"""A run that did not come to its end is continued: the same base, task and patch, a new receipt."""

from __future__ import annotations

import json
from signal import SIGINT, SIGKILL

import pytest

from runner.demo.model import Patch, Say, ScriptedModel, Shell, Step, verdict
from runner.ledger.folder import REPORT, folders
from runner.ledger.keys import local_public_key
from runner.ledger.receipt import examine
from runner.records.report import RunReport
from tests.live.world import FIX, NOWHERE, Ended, World, processes, stopped_in_review

pytestmark = pytest.mark.live
MEND = next(step for step in FIX if isinstance(step, Patch))
DONE = Say("Done.")


def broken_off(world: World, nap: str) -> Ended:
    """A run interrupted after its agent had mended the file, but not ended its turn."""
    steps = (MEND, Shell(f"trap '' INT TERM; sleep {nap}"))
    with ScriptedModel(steps) as model, world.started(model) as run:
        run.until(lambda: processes(nap), "the agent's command")
        run.signal(SIGINT)
        ended = run.end()
    assert ended.report.conclusion == "interrupted" and ended.report.unfinished
    return ended


def resumed(world: World, *words: str, steps: tuple[Step, ...] = (Shell("true"), DONE)) -> Ended:
    with ScriptedModel(steps) as model:
        return told(world, *words, upstream=model.url)


def told(world: World, *words: str, upstream: str = NOWHERE) -> Ended:
    before = folders(world.state)
    done = world.cli("resume", *words, upstream=upstream)
    return world.ended(done.code, done.stdout, done.stderr, before)


def test_an_interrupted_agent_goes_on_from_its_patch(world: World) -> None:
    first = broken_off(world, "601.1")
    with ScriptedModel((Shell("git diff --stat"), DONE)) as model:
        second = told(world, upstream=model.url)
    assert second.code == 0, second
    report = second.report
    assert report.conclusion == "published"
    assert report.plan and report.plan.resumed == first.report.run
    assert report.patch and first.report.patch
    assert report.patch.tree == first.report.patch.tree, "the agent left it as it was"
    assert [*world.branches().values()] == [report.patch.commit]
    assert "You were interrupted: interrupted" in json.dumps(model.requests[0].body)
    assert "middle" in json.dumps([heard.body for heard in model.requests]), "git showed the diff"
    assert len(report.attempts) == 1, "the session that was broken off counts"
    assert report.attempts[0].agent == first.report.agent
    world.check_signed(second)
    world.check_tidy()

    again = resumed(world, first.report.run)
    assert again.code == 2 and again.folder is None
    assert f"was resumed already, as {report.run}" in again.error[0]
    assert "published already" in resumed(world, report.run).error[0]


def test_a_finished_agent_is_not_asked_again(world: World) -> None:
    config = world.home / ".config/codex-runner/config.toml"
    config.parent.mkdir(parents=True)
    rule = '[[rules]]\npattern = ["wget"]\ndecision = "forbidden"\n'
    config.write_text(f'{rule}[dependencies]\nnew = "refuse"\n')
    first, _ = stopped_in_review(world)
    assert first.report.unfinished
    config.write_text(f'[dependencies]\nnew = "warn"\n{rule}')
    looser = resumed(world, first.report.run)
    assert looser.code == 2 and "began: dependencies.new" in looser.error[0], looser
    config.write_text(f'[limits]\nrequests = 300\n[dependencies]\nnew = "refuse"\n{rule}')
    with ScriptedModel((), review=verdict) as model:
        second = told(world, first.report.run, upstream=model.url)
    assert second.code == 0, second
    assert second.report.agent == first.report.agent and not second.report.attempts
    plan = second.report.plan
    assert plan and {heard.body["model"] for heard in model.requests} == {plan.reviewer_model}
    assert second.report.conclusion == "published"


def test_only_what_is_left_of_a_budget(world: World) -> None:
    world.ask(limits={"requests": 2})
    first = world.run(steps=(MEND, Shell("true"), Shell("true"), DONE))
    assert first.code == 5 and first.report.unfinished, first
    second = resumed(world)
    assert second.code == 5, second
    assert "nothing is left of requests 2" in second.error[0]
    assert second.report.patch and first.report.patch
    assert second.report.patch.tree == first.report.patch.tree, "it is kept on"
    third = resumed(world, second.report.run)
    assert third.code == 5 and "nothing is left of requests 2" in third.error[0]


def test_what_cannot_be_continued(world: World) -> None:
    assert "no runs" in resumed(world).error[0]
    first = broken_off(world, "601.2")
    name = first.report.run
    assert "no run" in resumed(world, "1999").error[0]

    patch = first.path / "patch"
    content = patch.read_bytes()
    patch.write_bytes(content.replace(b"middle", b"muddle"))
    ended = resumed(world, name)
    assert ended.code == 1 and "changed since it was signed: patch" in ended.error[0]
    patch.write_bytes(content)
    receipt = first.path / "receipt.json"
    signed = receipt.read_bytes()
    receipt.unlink()
    assert resumed(world, name).code != 0
    receipt.write_bytes(signed.replace(b'"sig":"', b'"sig":"AAAA'))
    ended = resumed(world, name)
    assert ended.code == 1 and "does not vouch" in ended.error[0]
    receipt.write_bytes(signed)

    here = world.sample.repository
    who = ("-c", "user.name=T", "-c", "user.email=t@example.invalid")
    world.git(*who, "commit", "-q", "--amend", "--allow-empty", "-m", "Rewritten", at=here)
    ended = resumed(world, name)
    assert ended.code == 2 and "no longer in the history" in ended.error[0]
    assert not world.branches()


def test_a_run_whose_runner_was_killed_goes_on(world: World) -> None:
    world.ask(limits={"tests_s": 2}, test="sleep 602.1")
    with ScriptedModel(FIX) as model, world.started(model) as run:
        run.heard("gate secrets")
        run.until(lambda: processes("602.1"), "the tests")
        run.signal(SIGKILL)
        run.end()
    (first,) = folders(world.state)
    assert world.cli("sweep").code == 0
    again = resumed(world, first.run)
    assert again.code == 1 and again.gates["tests"] == "refused", again
    assert again.report.plan and again.report.plan.resumed == first.run
    assert again.report.attempts or again.report.agent
    report = RunReport.model_validate_json(first.read(REPORT) or b"")
    assert report.conclusion == "abandoned" and report.unfinished
    assert report.patch and report.agent and report.agent.ok
    assert not (first.path / "so-far.json").exists()
    assert examine(first, local_public_key(world.state)).good


def test_at_level_0_nothing_is_gone_on_with(world: World) -> None:
    first = broken_off(world, "601.9")
    config = world.home / ".config/codex-runner/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("level = 0\n")
    look = Shell("git status --short; touch planted && echo WROTE")
    with ScriptedModel((look, Say("middle.py:1: nothing is wrong here"))) as model:
        second = told(world, first.report.run, upstream=model.url)
    assert (second.code, second.report.conclusion) == (0, "audited"), second
    plan = second.report.plan
    assert plan and plan.resumed == first.report.run and plan.standing.level == 0
    assert (plan.remote, plan.forge, second.report.patch) == (None, None, None)
    heard = json.dumps([each.body for each in model.requests])
    assert "It is read-only" in heard and "WROTE\\n" not in heard
    assert "You were interrupted" not in heard and not world.branches()
    world.check_signed(second)
    world.check_tidy()
