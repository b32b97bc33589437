"""Who an agent is: what changes it, what it proves again, and that everybody says the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from runner.cli.main import cli
from runner.errors import ConfigError
from runner.ledger.chain import Sealed
from runner.ledger.dsse import Stamp, seal
from runner.ledger.ledger import StoredLedger
from runner.ledger.outcomes import Word
from runner.ledger.score import LEAST, SOAK_DAYS
from runner.policy.lattice import decide
from runner.policy.levels import levelled
from runner.policy.settings import load_settings
from runner.records.base import Sha256
from runner.records.identity import Agent
from runner.records.level import Level
from runner.trusting import foreseen, named, scores, trust_of
from tests.fake_world import make_plan
from tests.unit.test_trust import ME, NOW, layer, ledger_with, told

DAYS = 120
CHANGES: dict[str, dict[str, object]] = {
    "model": {"model": "gpt-6"},
    "codex": {"codex_version": "0.164.0"},
    "policy": {"policy_sha256": Sha256("1" * 64)},
}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[StoredLedger]:
    """Of an agent that was let up to level 2, long ago."""
    merges = (told("merged", SOAK_DAYS + DAYS - n, f"r{n}") for n in range(DAYS))
    with ledger_with(tmp_path, *merges) as ledger:
        promoted(ledger, 1, 60)
        promoted(ledger, 2, 30)
        yield ledger


def promoted(ledger: StoredLedger, level: Level, days_ago: int) -> None:
    """As if a person had said it then."""
    word = Word(agent=ME.id, level=level, reason="good", by="user:ada").statement()
    at = NOW - timedelta(days=days_ago)
    envelope = seal(word, ledger.signers["approver"], at)
    ledger.writer.put(Sealed(envelope, "promotion", Stamp(word.about, at))).result()


def level(state: Path, ledger: StoredLedger, agent: Agent) -> tuple[int, str]:
    """Of a run that this agent is to do, where trust is enforced, and why."""
    decided = decide((layer("user", level=3),))
    bounds = foreseen(state, agent, enforce=True, ledger=ledger)
    plan = make_plan().model_copy(update={"agent": agent})
    standing = levelled(plan, decided, {}, lambda _: iter(()), bounds).standing
    return standing.level, standing.reason


@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_an_agent_is_watched_until_it_has_proved_itself(
    tmp_path: Path, ledger: StoredLedger, change: str
) -> None:
    """The same agent, by its name; another generation of it."""
    assert level(tmp_path, ledger, ME)[0] == 2
    changed = ME.model_copy(update=CHANGES[change])
    assert changed.id == ME.id and changed.generation != ME.generation
    found, why = level(tmp_path, ledger, changed)
    assert found == 1 and f"0 of {LEAST} merges are its own" in why
    assert foreseen(tmp_path, changed, enforce=False, ledger=ledger) == ()
    for n in range(LEAST):
        ledger.append(told("merged", SOAK_DAYS + LEAST - n, f"n{n}", changed))
    assert level(tmp_path, ledger, changed)[0] == 2, "it has proved itself"
    assert level(tmp_path, ledger, ME)[0] == 2


def test_another_tenant_s_agent_is_another_one(tmp_path: Path, ledger: StoredLedger) -> None:
    theirs = ME.model_copy(update={"tenant": "acme"})
    assert theirs.id != ME.id and level(tmp_path, ledger, theirs)[0] == 0
    assert (named("codex"), named("codex", "acme")) == (ME.id, theirs.id)
    words = ["trust", "codex", "--json", "--state", str(tmp_path)]
    for more, agent, outcomes in (([], ME, DAYS), (["--tenant", "acme"], theirs, 0)):
        (row,) = json.loads(CliRunner().invoke(cli, [*words, *more]).stdout)
        assert (row["agent"], row["outcomes"]) == (agent.id, outcomes)


def test_what_was_asked_of_one_generation_is_not_told_of_another(
    tmp_path: Path, ledger: StoredLedger
) -> None:
    """Remembered from a dry run with another model, it would be told at the gateway's door."""
    changed = ME.model_copy(update=CHANGES["model"])
    assert scores(tmp_path, ledger, ME.id)["generation"] == ME.generation
    assert trust_of(tmp_path, ledger, ME.id, changed.generation).ladder.level == 1
    assert scores(tmp_path, ledger, ME.id)["generation"] == ME.generation
    assert trust_of(tmp_path, ledger, ME.id).ladder.level == 2


def test_the_tenant_is_a_setting(tmp_path: Path) -> None:
    nothing = tmp_path / "none"
    assert load_settings({}, None, nothing).tenant == ""
    environ = {"CODEX_RUNNER_TENANT": "acme-1"}
    assert load_settings(environ, None, nothing).tenant == "acme-1"
    for bad in ("A", "a/b", "a" * 65, "-a", "a\n", "ä"):
        with pytest.raises(ConfigError, match=r"CODEX_RUNNER_TENANT.*tenant's name"):
            load_settings({"CODEX_RUNNER_TENANT": bad}, None, nothing)


def test_it_is_told_with_the_names_that_others_know() -> None:
    told_ = ME.told()
    assert (told_["id"], told_["generation"]) == (ME.id, ME.generation)
    assert {*told_} == {*Agent.model_fields, "id", "generation"}
