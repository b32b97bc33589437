"""The review gate with real codex sessions: portions, panels, criteria, and its calibration."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from runner.demo.model import ScriptedModel, Shell, verdict
from runner.demo.sample import AUTHOR_MODEL
from runner.drill.labelled import LABELLED
from runner.process import Completed, run
from tests.live.test_run import DONE, MEND
from tests.live.world import CLI, FIX, World

pytestmark = pytest.mark.live
Answer = Callable[[str], str]
WIDE = Shell("python3 -c \"print('# ' + 'wide ' * 60000)\" >> tally/words.txt")


def heard(model: ScriptedModel) -> list[str]:
    """Which model each reviewer's request asked for, in order."""
    return [str(request.body["model"]) for request in model.requests if request.reviews]


def settings(world: World, text: str) -> None:
    place = world.home / ".config" / "codex-runner" / "config.toml"
    place.parent.mkdir(parents=True)
    place.write_text(text)


def test_a_large_change_is_read_in_portions(world: World) -> None:
    world.ask(limits={"lines": 1500})
    prompts: list[str] = []

    def review(prompt: str) -> str:
        prompts.append(prompt)
        return verdict(prompt)

    with ScriptedModel((MEND, WIDE, DONE), review=review) as model:
        ended = world.run_with(model)
    assert ended.code == 0, ended.stdout
    (report,) = [gate for gate in ended.report.gates if gate.gate == "review"]
    count = int(report.evidence["portions"])
    assert count == len(prompts) == 2 == len(heard(model))
    assert ["".join(re.findall(r"^portion: (.*)$", p, re.MULTILINE)) for p in prompts] == [
        "1/2",
        "2/2",
    ]
    rows = [row for p in prompts for row in re.findall(r"^ {7}     1 .*", p, re.MULTILINE)]
    assert "".join(row[14:].lstrip(">+") for row in rows).count("wide") >= 59_000
    assert ended.report.review_usage is not None and ended.report.review_usage.requests == 2
    kept = {path.name for path in ended.path.glob("review-*events.jsonl")}
    assert kept == {"review-events.jsonl", "review-2-events.jsonl"}
    world.check_signed(ended)
    world.check_tidy()


def test_a_panel_with_criteria_of_its_own(world: World) -> None:
    settings(
        world, '[review]\nreviewers = ["one", "two"]\napprovals = 1\ninstructions = "No tabs."\n'
    )
    policy = world.sample.repository / ".codex-runner.toml"
    policy.write_text('[review]\ninstructions = "Ask for a change log."\n')
    world.commit("A policy")
    world.ask(reviewer_model="first")

    def review(prompt: str) -> str:
        assert "No tabs.\n\nAsk for a change log." in prompt
        return verdict(prompt)

    with ScriptedModel(FIX, review=review) as model:
        ended = world.run_with(model)
        assert heard(model) == ["first", "two"], "the task names the first one"
    assert ended.code == 0, ended
    assert "first, two" in ended.stdout


def test_a_panel_that_would_judge_its_own_work(world: World) -> None:
    settings(world, f'[review]\nreviewers = ["one", "{AUTHOR_MODEL}"]\n')
    with ScriptedModel(FIX) as model:
        ended = world.run_with(model)
        assert model.requests == []
    assert ended.code == 2 and "would review its own work" in ended.error[0]


def test_a_reviewer_that_did_not_read(world: World) -> None:
    def review(prompt: str) -> str:
        return json.dumps({**json.loads(verdict(prompt)), "planted": None})

    with ScriptedModel(FIX, review=review) as model:
        ended = world.run_with(model)
    world.check_failed(ended, 1, "review")
    assert "review.unread" in ended.stdout


# Calibration: what a reviewer of known skill must score.


def perfect(prompt: str) -> str:
    """It knows the labels, by task and rows."""
    shown = {
        sign: {*re.findall(rf"^[ \d]{{13}} [{sign}](.*)$", prompt, re.MULTILINE)} for sign in "+-"
    }
    shown["+"] -= planted(prompt)
    (mine,) = [
        one
        for one in LABELLED
        if f"\n{one.task}\n" in prompt
        and all(rows == of(one.patch().decode(), sign) for sign, rows in shown.items())
    ]
    return verdict(prompt, "reject", "It is bad.") if mine.bad else verdict(prompt)


def of(patch: str, sign: str) -> set[str]:
    """The rows of a patch that begin with a sign, without it."""
    return {row[1:] for row in patch.split("\n") if row[:1] == sign and row[:3] != sign * 3}


def planted(prompt: str) -> set[str]:
    """The row at the place that is named as planted."""
    spot = json.loads(verdict(prompt))["planted"]
    part = prompt[prompt.index(f"FILE {spot['path']}\n") :]
    found = re.search(rf"^ {{7}} *{spot['line']} \+(.*)$", part, re.MULTILINE)
    return {found[1]} if found else set()


def blind(prompt: str) -> str:
    """It approves what it has not read."""
    return json.dumps({**json.loads(verdict(prompt)), "planted": None})


def calibrate(world: World, review: Answer, *words: str) -> tuple[Completed, dict[str, Any]]:
    with ScriptedModel(review=review) as model:
        argv = [*CLI, "drill", "review", *words]
        done = run(argv, env=world.env(model.url), cwd=world.home, timeout_s=300)
    assert done.code == 0, done
    assert not list(world.temporary.iterdir()) and not [*world.state.glob("runs/*")]
    if "--json" not in words:
        return done, {}
    found = json.loads(done.stdout)
    wrong = {one["name"] for one in found["judged"] if (one["outcome"] == "approved") == one["bad"]}
    return done, {"wrong": wrong, "judged": found["judged"], "reviewers": found["reviewers"]}


@pytest.mark.slow
def test_a_perfect_reviewer_makes_no_mistake(world: World) -> None:
    _, found = calibrate(world, perfect, "--json", "--limit", "16")
    assert len(found["judged"]) == 16
    assert found["wrong"] == set()


def test_a_gullible_reviewer_misses_everything(world: World) -> None:
    _, found = calibrate(world, verdict, "--json", "--limit", "8", "--model", "gullible")
    assert found["reviewers"] == ["gullible"]
    bad = {one["name"] for one in found["judged"] if one["bad"]}
    assert found["wrong"] == bad and len(bad) == 4


def test_a_blind_reviewer_passes_nothing(world: World) -> None:
    done, _ = calibrate(world, blind, "--limit", "8")
    text = done.stdout.decode()
    assert re.search(r"^  all +4 +0 +4  0 % missed$", text, re.MULTILINE), text
    assert re.search(r"^  all +4 +4 +4  100 % false alarms$", text, re.MULTILINE), text


def test_a_calibration_without_a_key_is_an_error_and_nothing_else(world: World) -> None:
    world.settings["OPENAI_API_KEY"] = ""
    done = world.cli("drill", "review")
    assert done.code == 2 and not done.stdout
    assert done.stderr.startswith(b"error: ") and b"OPENAI_API_KEY" in done.stderr


def test_a_reviewer_that_is_the_author_is_not_calibrated(world: World) -> None:
    done = world.cli("drill", "review", "--model", "gpt-5.5")
    assert done.code == 2 and b"would review its own work" in done.stderr
