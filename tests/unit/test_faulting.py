"""`outcomes report`: a person's word of a run, that counts for its agent's trust."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from runner.cli.main import cli
from runner.errors import ConfigError, RefusedError, RunnerError
from runner.ledger.folder import PATCH, RunFolder
from runner.ledger.ledger import open_ledger
from runner.records.base import Sha256
from runner.records.identity import Agent
from runner.records.trust import Trust
from tests.sealed_run import keeper, plan_of, sealed

ME = Agent.model_construct(name="codex", tenant="")


def outcomes(state: Path, *words: str) -> str:
    """What it prints. Raises what it raises."""
    given = ["outcomes", "report", *words, "--state", str(state)]
    done = CliRunner().invoke(cli, given, standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.stdout


def trust(state: Path) -> Trust:
    words = ["trust", ME.id, "--json", "--state", str(state)]
    (told,) = json.loads(CliRunner().invoke(cli, words).stdout)
    return Trust.model_validate_json(json.dumps(told))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    agent = Agent(model="m", codex_version="1", policy_sha256=Sha256("b" * 64))
    plan = plan_of().model_copy(update={"agent": agent})
    return sealed(tmp_path, plan=plan)


@pytest.mark.parametrize("kind", ["incident", "escape"])
def test_what_did_harm_binds_the_level_at_once(folder: RunFolder, kind: str) -> None:
    state = folder.state
    keeper(state).create("approver")
    keeper(state).create("verifier")
    assert trust(state).severe is None
    words = (folder.run[:12], "--kind", kind, "--reason", "the site was down", "--json")
    told = json.loads(outcomes(state, *words))
    assert told["new"] and (told["run"], told["agent"]) == (folder.run, ME.id)
    found = trust(state)
    assert found.severe is not None and not found.ignored
    (factor,) = (each for each in found.score.factors if each.name == kind)
    assert factor.receipts == (told["receipt"],)
    again = json.loads(outcomes(state, *words))
    assert again == {**told, "new": False}, "it is told once"
    with open_ledger(state) as ledger:
        assert len([*ledger.entries(kinds=("merged",))]) == 1
        assert ledger.check()


def test_what_is_no_report(folder: RunFolder) -> None:
    state = folder.state
    words = (folder.run, "--kind", "reverted", "--reason")
    with pytest.raises(ConfigError, match="no key of the verifier"):
        outcomes(state, *words, "x")
    keeper(state).create("approver")
    keeper(state).create("verifier")
    with pytest.raises(ConfigError, match="needs a reason"):
        outcomes(state, *words, " ")
    with pytest.raises(ConfigError, match="no run 'nope'"):
        outcomes(state, "nope", *words[1:], "x")
    (folder.path / PATCH).write_bytes(b"another\n")
    with pytest.raises(RefusedError, match="does not vouch"):
        outcomes(state, *words, "x")


def test_a_run_without_an_agent_is_nobodys(tmp_path: Path) -> None:
    folder = sealed(tmp_path)
    keeper(tmp_path).create("approver")
    keeper(tmp_path).create("verifier")
    with pytest.raises(RunnerError, match="no agent worked"):
        outcomes(tmp_path, folder.run, "--kind", "escape", "--reason", "x")
