"""What the ledger says of an agent: of what is signed, remembered, and bounding the level."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path

import pytest
from click.testing import CliRunner

from runner.cli.main import cli
from runner.errors import ConfigError, InfraError
from runner.ledger.ledger import StoredLedger, open_ledger
from runner.ledger.outcomes import Told
from runner.ledger.rekeying import Keeper
from runner.ledger.score import SOAK_DAYS
from runner.policy.lattice import decide
from runner.policy.levels import levelled
from runner.policy.plan import identify
from runner.records.base import Sha256
from runner.records.evidence import About, AgentId, Statement
from runner.records.identity import Agent
from runner.records.level import Contribution
from runner.records.merge import LayerName
from runner.records.policy import Layer
from runner.records.trust import OutcomeKind, Trust
from runner.trusting import (
    agents,
    bounds,
    calibrated,
    foreseen,
    named,
    promote,
    read_book,
    scores,
    trust_of,
)
from tests.fake_world import make_plan

ME = Agent(model="gpt-5.5", codex_version="0.163.0", policy_sha256=Sha256("0" * 64))
NOW = datetime.now(UTC) + timedelta(days=1)
"""Tomorrow: whatever is signed meanwhile is of before, also when midnight comes."""


class Today(datetime):
    """Whose now is `NOW`."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Today:
        return cls.fromtimestamp(NOW.timestamp(), tz)


@pytest.fixture(autouse=True)
def _today(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.trusting.datetime", Today)


def told(kind: OutcomeKind, days_ago: float, name: str, agent: Agent = ME) -> Statement:
    return Told(
        opportunity=name,
        agent=agent.id,
        generation=agent.generation,
        kind=kind,
        at=NOW - timedelta(days=days_ago),
        cluster=name[-1],
        size=1000,
        independent=True,
        remote="/srv/r.git",
        target="main",
        commit="c" * 40,
    ).statement()


@contextmanager
def ledger_with(state: Path, *statements: Statement) -> Iterator[StoredLedger]:
    """With keys of all roles."""
    keeper = Keeper(state, open_ledger)
    if not (state / "keys" / "approver.key").exists():
        keeper.create("approver")
        keeper.create("verifier")
    with open_ledger(state) as ledger:
        for each in statements:
            ledger.append(each)
        yield ledger


def clean(days: int) -> list[Statement]:
    """One merge a day, the youngest of which counts since today."""
    return [told("merged", SOAK_DAYS + days - 1 - n, f"r{n}") for n in range(days)]


def test_the_score_of_what_is_signed(tmp_path: Path) -> None:
    with ledger_with(tmp_path, *clean(10), told("merged", 9, "other", _other())) as ledger:
        trust = trust_of(tmp_path, ledger, ME.id, ME.generation)
        assert (trust.score.score, trust.score.n_eff, trust.outcomes) == (574, 8, 10)
        assert trust.score.state == "measured" and trust.ladder.level == 0
        (merged, *_) = trust.score.factors
        assert all(ledger.entry(receipt) is not None for receipt in merged.receipts)
        assert set(agents(tmp_path, ledger)) == {ME.id, _other().id}


def _other() -> Agent:
    return ME.model_copy(update={"name": "other"})


def test_it_is_remembered_until_the_ledger_grows(tmp_path: Path) -> None:
    with ledger_with(tmp_path, *clean(3)) as ledger:
        first = trust_of(tmp_path, ledger, ME.id, ME.generation)
        row = tmp_path / "ledger" / "trust" / f"{ME.id}.json"
        forged = json.loads(row.read_bytes())
        forged["trust"]["outcomes"] = 77
        row.write_text(json.dumps(forged))
        assert trust_of(tmp_path, ledger, ME.id, ME.generation).outcomes == 77
        ledger.append(told("reverted", 0, "r1"))
        again = trust_of(tmp_path, ledger, ME.id, ME.generation)
        assert again.outcomes == 4 and again.score.score < first.score.score
        tomorrow = trust_of(tmp_path, ledger, ME.id, now=NOW + timedelta(days=1))
        assert tomorrow.at > again.at


@pytest.mark.parametrize("broken", [b"", b"{", b'{"made": 1}', b"\xff"])
def test_a_memory_that_cannot_be_read_is_made_anew(tmp_path: Path, broken: bytes) -> None:
    with ledger_with(tmp_path, *clean(3)) as ledger:
        first = trust_of(tmp_path, ledger, ME.id)
        for path in (tmp_path / "ledger" / "trust").iterdir():
            path.write_bytes(broken)
        again = trust_of(tmp_path, ledger, ME.id, now=first.at)
        assert again == first


def test_another_ledger_is_not_what_is_remembered(tmp_path: Path) -> None:
    """Although it is as long."""
    with ledger_with(tmp_path / "a", *clean(3)) as ledger:
        trust_of(tmp_path / "a", ledger, ME.id)
    with ledger_with(tmp_path / "b", *(told("closed", 1, f"x{n}") for n in range(3))) as ledger:
        (tmp_path / "b" / "ledger" / "trust").mkdir()
        for path in (tmp_path / "a" / "ledger" / "trust").iterdir():
            (tmp_path / "b" / "ledger" / "trust" / path.name).write_bytes(path.read_bytes())
        assert trust_of(tmp_path / "b", ledger, ME.id).score.n_eff == 0


def test_what_the_wrong_key_signed_is_told_and_changes_nothing(tmp_path: Path) -> None:
    with ledger_with(tmp_path, *clean(3)) as ledger:
        before = trust_of(tmp_path, ledger, ME.id)
    with open_ledger(tmp_path) as ledger:
        signers = {**ledger.signers, "verifier": ledger.signers["gate"]}
    with open_ledger(tmp_path, signers) as ledger:
        ledger.append(told("merged", 5, "forged"))
    with open_ledger(tmp_path) as ledger:
        after = trust_of(tmp_path, ledger, ME.id, now=before.at)
        assert after.score == before.score
        (ignored,) = after.ignored
        assert "it is the gate's" in ignored.why


def test_what_becomes_of_an_agent_is_told_in_its_order(tmp_path: Path) -> None:
    mixed = (told("merged", 3, "r1"), _decided("ALLOW"), _decided("DENY"), told("closed", 1, "r2"))
    with ledger_with(tmp_path, *mixed) as ledger:
        book = read_book(tmp_path, ledger)
        assert [each.kind for each in book.outcomes] == ["merged", "denied_forbidden", "closed"]
        assert book.seq == ledger.size and book.ignored == ()


def test_a_word_hidden_among_decisions_is_told(tmp_path: Path) -> None:
    """Those that deny nothing are passed over; whoever writes the file cannot call another one."""
    with ledger_with(tmp_path, told("reverted", 3, "r1"), _decided("ALLOW")) as ledger:
        with closing(sqlite3.connect(tmp_path / "ledger" / "ledger.sqlite")) as foreign:
            foreign.execute("DROP TRIGGER entries_kept")
            foreign.execute("UPDATE entries SET kind = 'decision' WHERE kind = 'merged'")
            foreign.commit()
        with pytest.raises(InfraError, match="was changed: what it is found by"):
            read_book(tmp_path, ledger)


def _decided(word: str) -> Statement:
    predicate = {"decision": word, "rule": "rule", "reason": "because"}
    return Statement("decision", {"a": {"sha256": "0" * 64}}, predicate, About(agent=ME.id))


def test_promotion_takes_numbers_a_reason_and_a_person(tmp_path: Path) -> None:
    with ledger_with(tmp_path, *clean(12)) as ledger:
        for level, reason, why in ((2, "good", "one rung"), (1, " ", "a reason")):
            with pytest.raises(ConfigError, match=why):
                promote(tmp_path, ledger, ME.id, level, reason)  # type: ignore[arg-type]
        promote(tmp_path, ledger, ME.id, 1, "good")
        trust = trust_of(tmp_path, ledger, ME.id)
        assert trust.ladder.level == 1 and trust.ladder.next == 2
        with pytest.raises(ConfigError, match="not ready for level 2: 7 days on level 1"):
            promote(tmp_path, ledger, ME.id, 2, "good")
        with pytest.raises(ConfigError, match="already"):
            promote(tmp_path, ledger, ME.id, 1, "good")


def test_an_agent_that_failed_is_not_let_up(tmp_path: Path) -> None:
    bad = (told("reverted", 1, f"r{n}") for n in range(9))
    with ledger_with(tmp_path, *clean(30), *bad) as ledger:
        with pytest.raises(ConfigError, match="a score of 580"):
            promote(tmp_path, ledger, ME.id, 1, "good")
        assert trust_of(tmp_path, ledger, ME.id).ladder.level == 0


def test_a_fresh_installation_is_not_bounded(tmp_path: Path) -> None:
    assert foreseen(tmp_path, ME, enforce=False) == ()
    assert not (tmp_path / "ledger").exists()
    (bound,) = foreseen(tmp_path, ME, enforce=True)
    assert bound.level == 0 and bound.who == "agent"
    assert foreseen(tmp_path, None, enforce=True) == ()


def test_a_poor_score_bounds_only_where_it_is_enforced(tmp_path: Path) -> None:
    with ledger_with(tmp_path, *clean(15), told("closed", 1, "bad")) as ledger:
        promote(tmp_path, ledger, ME.id, 1, "good")
        trust = trust_of(tmp_path, ledger, ME.id, ME.generation)
        assert tuple(bounds(trust, enforce=False)) == ()
        (bound,) = bounds(trust, enforce=True)
        assert bound.level == 1 and "score " in bound.why


@pytest.mark.parametrize(
    ("gate", "code", "level"),
    [("evidence", "evidence.disk", 0), ("secrets", "secrets.aws", 1), ("tests", "tests.x", None)],
)
def test_what_is_severe_bounds_in_any_case(
    tmp_path: Path, gate: str, code: str, level: int | None
) -> None:
    rows = [{"gate": gate, "verdict": "refused", "findings": [code]}]
    subject = {"commit": {"gitCommit": "c" * 40}}
    refused = Statement("verdict", subject, {"codexrunner_gates": rows}, About(agent=ME.id))
    with ledger_with(tmp_path, refused):
        found = foreseen(tmp_path, ME, enforce=False)
    assert [each.level for each in found] == ([] if level is None else [level])


def layer(name: LayerName, **values: object) -> Layer:
    return Layer(name, name, {key.replace("__", "."): each for key, each in values.items()})


@pytest.mark.parametrize(
    ("layers", "holds"),
    [
        ((), False),
        ((layer("user", trust__enforce=True),), True),
        ((layer("organisation", trust__enforce=True), layer("user", trust__enforce=False)), True),
        ((layer("user", trust__enforce=False), layer("repository", trust__enforce=True)), True),
        ((layer("task", trust__enforce=True),), True),
    ],
)
def test_whoever_enforces_trust_enforces_it(layers: tuple[Layer, ...], holds: bool) -> None:
    assert decide(layers).policy.trust.enforce is holds


def test_who_an_agent_is_does_not_depend_on_task_and_repository() -> None:
    def generation(*layers: Layer, model: str = "m") -> str:
        return identify("codex", model, "0.163.0", decide(layers)).generation

    user = layer("user", level=3)
    below = (layer("repository", level=1), layer("task", limits__lines=5))
    assert generation(user, *below) == generation(user)
    assert generation(layer("user", level=2)) != generation(user)
    assert generation(user, model="n") != generation(user)


def test_the_agent_is_one_more_bound() -> None:
    plan, decided = make_plan(), decide((layer("user", level=3),))
    places = lambda path: iter(())  # noqa: E731
    low = Contribution(who="agent", level=0, why="score 300", where="codex-runner trust")
    made = levelled(plan, decided, {}, places, (low,))
    assert made.standing.level == 0 and made.standing.reason.startswith("agent: score 300")
    assert made.remote is None
    high = low.model_copy(update={"level": 3})
    assert levelled(plan, decided, {}, places, (high,)).standing.level == (
        levelled(plan, decided, {}, places).standing.level
    )


def test_json_for_the_gateway(tmp_path: Path) -> None:
    with ledger_with(tmp_path, *clean(10)) as ledger:
        one = scores(tmp_path, ledger, ME.id)
        assert one["score"] == 574 and one["band"] == "untrusted" and one["state"] == "measured"
        factors = one["factors"]
        assert isinstance(factors, list)
        assert sum(each["delta"] for each in factors) == 274
        assert json.loads(json.dumps(scores(tmp_path, ledger, None)))["agents"] == [one]
        nobody = scores(tmp_path, ledger, AgentId("ag_0000000000000000"))
        assert nobody["state"] == "insufficient" and nobody["score"] == 300


def test_predictions_are_made_before_their_outcomes(tmp_path: Path) -> None:
    bad = (told("closed", 60 - n, f"b{n}") for n in range(20))
    with ledger_with(tmp_path, *bad, *clean(40)) as ledger:
        told_ = calibrated(tmp_path, ledger, ME.id).calibration
        assert told_.n == 60 and sum(band.n for band in told_.bands) == 60
        assert told_.state == "insufficient" and "one band" in told_.why
        (band,) = told_.bands
        assert band.observed == 666


def test_few_outcomes_calibrate_nothing(tmp_path: Path) -> None:
    with ledger_with(tmp_path, *clean(9)) as ledger:
        assert calibrated(tmp_path, ledger, ME.id).calibration.why.startswith("9 outcomes")


def test_on_the_terminal(tmp_path: Path) -> None:
    with ledger_with(tmp_path, *clean(10), told("closed", 0, "bad")):
        pass
    said = CliRunner().invoke(cli, ["trust", "codex", "--state", str(tmp_path)])
    assert said.exit_code == 0
    assert ME.id in said.output and "untrusted" in said.output and "closed" in said.output
    assert "a score of 580" in said.output and "insufficient" in said.output
    shown = CliRunner().invoke(cli, ["trust", "--json", "--state", str(tmp_path)])
    (row,) = json.loads(shown.stdout)
    assert Trust.model_validate_json(json.dumps(row)).agent == named("codex") == ME.id


def test_promotion_on_the_terminal(tmp_path: Path) -> None:
    with ledger_with(tmp_path):
        pass
    words = ["trust", "promote", "codex", "1", "--reason", "good", "--state", str(tmp_path)]
    said = CliRunner().invoke(cli, words)
    assert said.exit_code == 0 and "is on level 1 now" in said.output
    again = CliRunner().invoke(cli, words)
    assert isinstance(again.exception, ConfigError)


@pytest.mark.parametrize("words", [("show", "ag_zz"), ("promote", "ag_zz", "1", "--reason", "x")])
def test_what_is_no_id_is_no_agent(tmp_path: Path, words: tuple[str, ...]) -> None:
    with ledger_with(tmp_path):
        pass
    said = CliRunner().invoke(cli, ["trust", *words, "--state", str(tmp_path)])
    assert isinstance(said.exception, ConfigError) and "'ag_zz'" in said.exception.problem


def test_nobody_here_has_this_name(tmp_path: Path) -> None:
    with ledger_with(tmp_path, *clean(1)):
        pass
    for name, told in (("codx", True), ("codex", False)):
        said = CliRunner().invoke(cli, ["trust", name, "--state", str(tmp_path)])
        assert ("nothing became of anybody" in said.output) is told


@pytest.mark.parametrize(
    ("words", "role"),
    [
        (("trust", "promote", "codex", "1", "--reason", "x"), "approver"),
        (("outcomes", "sync"), "verifier"),
    ],
)
def test_without_the_key_it_says_how_to_make_one(
    tmp_path: Path, words: tuple[str, ...], role: str
) -> None:
    said = CliRunner().invoke(cli, [*words, "--state", str(tmp_path)])
    assert isinstance(said.exception, ConfigError)
    assert role in said.exception.problem
    assert said.exception.remedy == f"codex-runner keys create {role} --state {tmp_path}"
