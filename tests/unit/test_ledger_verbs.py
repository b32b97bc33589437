"""`codex-runner ledger`, and the setting that says where it is."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from runner.errors import ConfigError
from runner.ledger.checkpoint import read_checkpoint
from runner.ledger.keys import local_public_key
from runner.ledger.ledger import open_ledger
from runner.policy.settings import load_settings
from runner.process import Completed, run
from runner.records.evidence import Statement

ROOT = Path(__file__).parents[2]
STATEMENT = Statement("decision", {"action": {"sha256": "a" * 64}}, {"word": "DENY"})


def ledger_verb(*words: str) -> Completed:
    return run([sys.executable, "-m", "runner", "ledger", *words], cwd=ROOT, timeout_s=60)


def test_a_whole_ledger_is_checked_against_a_checkpoint_kept_elsewhere(tmp_path: Path) -> None:
    state, kept = tmp_path / "state", tmp_path / "kept"
    state.mkdir(mode=0o700)
    with open_ledger(state) as ledger:
        ledger.append(STATEMENT)
    words = ("--state", str(state))
    told = ledger_verb("checkpoint", *words)
    public = local_public_key(state)
    assert public is not None
    checkpoint = read_checkpoint(told.stdout, [public])
    assert checkpoint.size == 1
    kept.write_bytes(told.stdout)
    with open_ledger(state) as ledger:
        ledger.append(STATEMENT)
    done = ledger_verb("check", "--json", "--since", str(kept), *words)
    assert (done.code, json.loads(done.stdout)) == (
        0,
        {"origin": checkpoint.origin, "size": 2, "ok": True},
    )
    assert "2 entries" in ledger_verb("check", *words).text()
    kept.write_text("nonsense")
    done = ledger_verb("check", "--since", str(kept), *words)
    assert (done.code, done.stderr.count(b"\n")) == (2, 2)


def test_the_first_wrong_entry_is_named(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        for _ in range(5):
            ledger.append(STATEMENT)
    file = tmp_path / "ledger" / "ledger.sqlite"
    with closing(sqlite3.connect(file, isolation_level=None)) as foreign:
        ((sql,),) = foreign.execute("SELECT sql FROM sqlite_schema WHERE name = 'entries_kept'")
        foreign.execute("DROP TRIGGER entries_kept")
        foreign.execute("UPDATE entries SET run = 'other' WHERE seq = 2")
        foreign.execute(sql)
    done = ledger_verb("check", "--state", str(tmp_path))
    assert done.code == 3
    problem, remedy = done.stderr.decode().splitlines()
    assert "entry 2 was changed: its 'run' does not fit" in problem
    assert remedy.startswith("try: find out who changed it")


def test_without_a_ledger_none_is_begun(tmp_path: Path) -> None:
    done = ledger_verb("check", "--state", str(tmp_path))
    assert (done.code, b"no ledger in" in done.stderr) == (2, True)
    assert not (tmp_path / "ledger").exists()


def test_the_sql_for_a_database_names_a_new_log_each_time() -> None:
    one, two = ledger_verb("ddl").text(), ledger_verb("ddl").text()
    assert one.startswith("BEGIN;") and one.endswith("COMMIT;")
    assert one != two


def test_the_setting_is_a_database_without_its_password() -> None:
    given = "postgresql://ci@db.example.com/receipts?sslmode=verify-full"
    assert load_settings({}).ledger is None
    assert load_settings({"CODEX_RUNNER_LEDGER": given}).ledger == given
    for bad in (
        "postgresql://ci:hunter2@db.example.com/receipts",
        "postgresql://db.example.com/receipts?password=hunter2",
        "mysql://hunter2@there/receipts",
        "hunter2",
        "postgresql://[hunter2",
    ):
        with pytest.raises(ConfigError, match="CODEX_RUNNER_LEDGER") as caught:
            load_settings({"CODEX_RUNNER_LEDGER": bad})
        assert "hunter2" not in str(caught.value.lines())
