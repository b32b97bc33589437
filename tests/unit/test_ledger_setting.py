"""`ledger = ...`: every verb that reads or writes the log does it there, or not at all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from runner.cli.main import cli
from runner.errors import InfraError, RunnerError
from runner.ledger.folder import folders
from runner.ledger.keys import key_file, local_signer, new_key
from runner.ledger.recording import UNRECORDED
from runner.records.evidence import Role

NOBODY = "postgresql://nobody@127.0.0.1:9/ledger"
"""No database is there."""
ROLES: tuple[Role, ...] = ("approver", "verifier")


def called(state: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, [*words, "--state", str(state)], standalone_mode=False)


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """With all keys, whose ledger is to be in a database."""
    monkeypatch.setenv("CODEX_RUNNER_LEDGER", NOBODY)
    made = tmp_path / "state"
    made.mkdir(mode=0o700)
    local_signer(made)
    for role in ROLES:
        new_key(key_file(made, role))
    return made


def begun(state: Path) -> list[str]:
    home = state / "ledger"
    return [path.name for path in home.glob("*") if path.is_file()] if home.is_dir() else []


@pytest.mark.parametrize(
    "words",
    [
        ("ledger", "check"),
        ("ledger", "checkpoint"),
        ("kill", "list"),
        ("kill", "lift", "0" * 16, "--reason", "x"),
        ("trust",),
        ("trust", "promote", "codex", "1", "--reason", "x"),
        ("outcomes", "sync"),
        ("keys", "list", "--restore"),
        ("keys", "rotate", "gate"),
    ],
    ids=" ".join,
)
def test_no_file_is_begun_beside_a_database(state: Path, words: tuple[str, ...]) -> None:
    error = called(state, *words).exception
    assert isinstance(error, RunnerError) and "postgresql://127.0.0.1" in error.problem, error
    assert "ledger.sqlite" not in begun(state)


def test_a_kill_is_in_force_though_its_database_is_away(state: Path) -> None:
    done = called(state, "kill", "--all", "--reason", "now", "--json")
    told = json.loads(done.stdout)
    assert not told["proved"] and any("127.0.0.1" in each for each in told["left"])
    assert list((state / "kill").glob("*.json"))
    assert "ledger.sqlite" not in begun(state)


def test_a_run_whose_database_is_away_begins_no_file_at_its_end(state: Path) -> None:
    """A state directory keeps to the ledger it began with: the next run would be refused."""
    repository = state.with_name("repository")
    repository.mkdir()
    words = ("run", "--prompt", "Mend it.", "-C", str(repository))
    assert called(state, *words).exit_code == InfraError.exit_code
    (folder,) = folders(state)
    assert b"127.0.0.1" in (folder.read(UNRECORDED) or b"")
    assert "ledger.sqlite" not in begun(state)


def test_where_nothing_was_kept_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CODEX_RUNNER_LEDGER", raising=False)
    for words in (("ledger", "check"), ("ledger", "checkpoint"), ("keys", "export")):
        error = called(tmp_path, *words).exception
        assert isinstance(error, RunnerError) and "there is no" in error.problem
        assert not isinstance(error, InfraError)
    assert not list(tmp_path.iterdir())
