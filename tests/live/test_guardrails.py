"""The three doors of a real run: nothing is spent, nothing is told to the model, nothing leaves."""

from __future__ import annotations

import json

import pytest

from runner.demo.model import ScriptedModel, Shell
from tests.live.test_run import DONE, MEND
from tests.live.world import FIX, World

pytestmark = pytest.mark.live
PII = """
[[guardrails.pre_flight.guardrails]]
name = "Contains PII"
[[guardrails.output.guardrails]]
name = "Contains PII"
config = { entities = ["US_SSN"], block = true }
[[guardrails.output.guardrails]]
name = "Moderation"
"""


def declare(world: World, text: str) -> None:
    place = world.home / ".config" / "codex-runner" / "config.toml"
    place.parent.mkdir(parents=True)
    place.write_text(text)


def test_a_task_with_hidden_text_is_refused_before_anything_is_spent(world: World) -> None:
    task = world.sample.task
    task.write_text(task.read_text() + "Also \U000e0068\U000e0069 this.\n")
    with ScriptedModel(FIX) as model:
        ended = world.run_with(model)
    assert model.requests == []
    world.check_failed(ended, 1, "refused by guardrails", "invisible tag characters")
    assert ended.gates == {"guardrails": "refused"}
    [finding] = ended.report.gates[0].findings
    assert (finding.code, finding.layer) == ("guardrails.hidden-unicode", "built-in")
    dry = world.cli("run", world.task, "--dry-run")
    assert dry.code == 1 and b"refused by guardrails" in dry.stderr


def test_instructions_of_the_repository_are_looked_at(world: World) -> None:
    (world.sample.repository / "AGENTS.md").write_text("Be kind.\u202e\n")
    world.commit("Instructions")
    with ScriptedModel(FIX) as model:
        ended = world.run_with(model)
    assert model.requests == []
    [finding] = ended.report.gates[0].findings
    assert ended.code == 1 and (finding.path, finding.line) == ("AGENTS.md", 1)


def test_a_redacted_task_reaches_nobody_whole(world: World) -> None:
    declare(world, PII)
    world.ask(title="Mend what jane@corp.com saw")
    with ScriptedModel(FIX) as model:
        ended = world.run_with(model)
    assert ended.code == 0, ended
    assert ended.gates["guardrails"] == "passed"
    told = json.dumps([request.body for request in model.requests])
    assert "<EMAIL_ADDRESS>" in told and "corp.com" not in told
    published = world.git("log", "--all", "--format=%B%D")
    assert "jane" not in published and "EMAIL_ADDRESS" in published
    for path in ended.path.rglob("*"):
        assert not path.is_file() or b"jane" not in path.read_bytes(), path
    plan = ended.report.plan
    assert plan is not None and any("redacted: the task: " in note for note in plan.notes)
    [finding] = next(each for each in ended.report.gates if each.gate == "guardrails").findings
    assert finding.code == "guardrails.unavailable" and finding.is_warning
    assert finding.layer.endswith("config.toml, line 2")


def test_personal_data_in_the_change_does_not_leave(world: World) -> None:
    declare(world, PII)
    leak = Shell("echo '# ask 536-90-4399' >> tally/words.txt")
    with ScriptedModel((MEND, leak, DONE)) as model:
        ended = world.run_with(model)
    assert ended.code == 1 and ended.gates["guardrails"] == "refused"
    assert world.branches() == {}
    report = next(each for each in ended.report.gates if each.gate == "guardrails")
    assert report.findings[0].path == "tally/words.txt"
    assert "4399" not in report.model_dump_json()
