"""What a run is to the switch, what the ledger remembers, and whose word lifts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.errors import ConfigError, HaltedError, InfraError
from runner.halting import (
    Halting,
    begun,
    lift_of,
    lifted,
    lifts,
    noted,
    opened,
    planned,
    recalled,
    statement_of,
    told_targets,
)
from runner.killswitch import Switch
from runner.ledger.dsse import seal
from runner.ledger.folder import RunFolder
from runner.ledger.keys import local_signer
from runner.ledger.ledger import StoredLedger, open_ledger
from runner.ledger.rekeying import Keeper
from runner.records.base import RunId, Sha256
from runner.records.identity import Agent
from runner.records.kill import Kill, Scope, Target
from runner.records.repository import Base
from runner.report.progress import watching
from runner.told import Told
from tests.fake_world import BASE, RUN, make_plan

KEY, POLICY, OPERATORS = "ab" * 32, Sha256("cd" * 32), Sha256("ef" * 32)
AGENT = Agent(name="codex", model="gpt-5.5", codex_version="0.163.0", policy_sha256=OPERATORS)
BEFORE = RunId("20261119-102233-7f3a9c")
PLAN = make_plan().model_copy(update={"agent": AGENT, "policy_sha256": POLICY, "resumed": BEFORE})


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """With an approver's key."""
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    Keeper(state, open_ledger).create("approver")
    return state


@pytest.fixture
def ledger(state: Path) -> Iterator[StoredLedger]:
    with open_ledger(state) as ledger:
        yield ledger


def base(repository: Path) -> Base:
    remote = "https://github.com/octo/tally.git"
    return Base(repository, BASE, BASE, "main", remote, "main")


@pytest.mark.parametrize(
    ("scope", "subject"),
    [
        ("all", ""),
        ("run", RUN),
        ("run", BEFORE),
        ("agent", AGENT.id),
        ("repo", "{tmp}/tally"),
        ("repo", "git@github.com:octo/tally"),
        ("repo", "/srv/repo.git"),
        ("key", KEY),
        ("policy", POLICY),
        ("policy", OPERATORS),
    ],
)
def test_a_run_is_known_by_all_its_names(tmp_path: Path, scope: Scope, subject: str) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "tally")
    targets = planned(PLAN, base(tmp_path / "tally"), KEY)
    switch = Switch(tmp_path)
    switch.pull(scope, subject.format(tmp=tmp_path), "loops", "user:ada")
    assert any(switch.hits(target) for target in targets)
    stranger = PLAN.model_copy(
        update={"run": "x", "agent": None, "resumed": None, "policy_sha256": "", "remote": None}
    )
    other = Base(tmp_path / "other", BASE, BASE, None, None, None)
    assert any(map(switch.hits, planned(stranger, other, ""))) is (scope == "all")


def test_a_link_to_a_repository_is_that_repository(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "tally")
    switch = Switch(tmp_path)
    switch.pull("repo", str(tmp_path / "link"), "loops", "user:ada")
    assert switch.hits(begun(RUN, tmp_path / "tally", KEY))


def test_a_run_tells_what_it_is_and_heeds_a_kill(tmp_path: Path) -> None:
    state, home = tmp_path / "state", tmp_path / "home"
    home.mkdir()
    with watching(True) as progress:
        told = Told(RUN, RunFolder.create(state, RUN), progress)
        switch = Switch(state)
        halting = Halting.ready(switch, home, told)
        halted = halting.heard(lambda: "interrupted")
        told.phase("prepare")
        halting.known(begun(RUN, tmp_path, KEY))
        assert halted() == "interrupted"
        kill = switch.pull("key", KEY, "the key is out", "user:ada")
        assert halted() == "halted" and halting.killed_by() == kill
        assert not told_targets(home), "it does not know all that it is"
        with pytest.raises(HaltedError, match="the key is out"):
            halting.published(*planned(PLAN, base(tmp_path), KEY))
        assert told_targets(home) == planned(PLAN, base(tmp_path), KEY)
        with pytest.raises(HaltedError, match="user:ada"):
            told.phase("publish")
        told.phase("ingest", anyway=True)


@pytest.mark.parametrize("error", [InfraError("gone", "look"), KeyboardInterrupt()])
def test_what_a_kill_has_broken_is_told_as_the_kill(tmp_path: Path, error: BaseException) -> None:
    with watching(True) as progress:
        told = Told(RUN, RunFolder.create(tmp_path / "state", RUN), progress)
        switch = Switch(tmp_path)
        told.killed_by = lambda: switch.hits(Target(run=RUN))
        with told:
            kill = switch.pull("run", RUN, "loops", "user:ada")
            raise error
    assert told.report is not None and told.report.problem is not None
    assert (told.report.conclusion, told.report.exit_code) == ("halted", 4)
    assert kill.id in told.report.problem.remedy and "loops" in told.report.problem.problem


def test_only_an_approvers_word_lifts(state: Path, ledger: StoredLedger) -> None:
    kill = Switch(state).pull("run", RUN, "loops", "user:ada")
    believed = lifts(state, ledger)
    word = lift_of(kill, "mended", "user:bob")
    assert believed(seal(word, local_signer(state, "approver"))) == kill.digest()
    assert believed(seal(word, local_signer(state))) is None, "the gate's"
    assert believed(seal(statement_of(kill), local_signer(state, "approver"))) is None
    elsewhere = state.with_name("elsewhere")
    Keeper(elsewhere, open_ledger).create("approver")
    assert believed(seal(word, local_signer(elsewhere, "approver"))) is None
    assert believed(b"{}") is None
    (state / "keys" / "history.jsonl").write_bytes(b"{")
    assert believed(seal(word, local_signer(elsewhere, "approver"))) is None


def test_a_lift_outlives_its_key_where_the_ledger_has_it(state: Path) -> None:
    kill, forged = (Switch(state).pull("run", RUN, why, "user:ada") for why in ("one", "two"))
    old = local_signer(state, "approver")
    assert lifted(state, kill.id, "mended", "user:bob") == kill
    Keeper(state, open_ledger).rotate("approver")
    with open_ledger(state) as ledger:
        assert opened(state, None, ledger).kills() == (forged,)
        envelope = seal(lift_of(forged, "mended", "user:eve"), old)
        with pytest.raises(ConfigError, match="does not lift"):
            opened(state, None, ledger).lift(forged.id, envelope)


def test_the_ledger_brings_a_kill_back_whose_file_is_gone(state: Path) -> None:
    kill = Switch(state).pull("all", "", "loops", "user:ada")
    assert noted(state, kill).startswith("rc_")
    for file in (state / "kill").iterdir():
        file.unlink()
    assert not Switch(state).kills()
    with open_ledger(state) as ledger:
        assert recalled(state, None, ledger).kills() == (kill,)
    assert lifted(state, kill.id[:6], "mended", "user:bob") == kill
    with open_ledger(state) as ledger:
        assert not recalled(state, None, ledger).kills()
        (state / "kill" / f"{kill.id}.lift").unlink()
        assert not recalled(state, None, ledger).kills(), "the ledger has the lift as well"


def test_what_is_no_kill_cannot_be_lifted(state: Path) -> None:
    Switch(state).pull("run", RUN, "loops", "user:ada")
    (state / "kill" / "STOP").touch()
    for word in ("", "feed", "file", "."):
        with pytest.raises(ConfigError):
            lifted(state, word, "mended", "user:bob")
    assert len(Switch(state).kills()) == 2


def test_without_an_approver_nobody_lifts(tmp_path: Path) -> None:
    kill: Kill = Switch(tmp_path).pull("all", "", "loops", "user:ada")
    with pytest.raises(ConfigError, match="approver"):
        lifted(tmp_path, kill.id, "mended", "user:bob")
    assert Switch(tmp_path).kills() == (kill,)
