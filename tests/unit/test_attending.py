"""A session's gate over its own socket: asked as codex's hook asks, and closed with an account."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Event, Thread

import pytest

from runner.attending import Attending
from runner.errors import InfraError
from runner.gateway import hooks as module
from runner.gateway import shim
from runner.gateway.asking import State
from runner.process import run
from runner.records.approval import ApprovalRules
from runner.records.base import Sha256
from runner.records.decision import Proposal
from runner.records.identity import Agent
from runner.records.kill import Kill
from runner.records.level import Standing
from runner.records.plan import Plan
from runner.records.usage import ToolCall
from runner.world import Held
from tests.fake_ledger import FakeLedger
from tests.fake_world import FakeLease, make_plan, told_by_agent
from tests.unit.test_gating import KILL

AGENT = Agent(model="m", codex_version="0.163.0", policy_sha256=Sha256("a" * 64))
PLAN = make_plan().model_copy(update={"policy_sha256": AGENT.policy_sha256, "agent": AGENT})
WAITING = PLAN.model_copy(
    update={"standing": Standing(level=1), "approvals": ApprovalRules(commands=True)}
)


@dataclass
class Lent(FakeLease):
    known: tuple[ToolCall, ...] = ()

    def calls(self) -> tuple[ToolCall, ...]:
        return self.known

    def quiet_s(self) -> float:
        return 77.0


@dataclass
class Person:
    """The port `Approvals`: answers when `word` is set."""

    word: State = "waiting"
    asked: Event = field(default_factory=Event)

    def ask(self, action: Proposal, summary: str) -> str | None:
        self.asked.set()
        return "ap_1"

    def state(self, id: str) -> State:
        return self.word

    def use(self, id: str, action: Proposal, now: datetime) -> str | None:
        return None

    def auto(self, _request: str) -> str:
        return ""

    def waiting(self) -> tuple[Mapping[str, object], ...]:
        return ()


@dataclass
class Site:
    """One gate that is up."""

    held: Held
    lease: Lent
    ledger: FakeLedger

    def ask(self, call: Mapping[str, object], verb: str = "ask") -> tuple[int, str]:
        place = str(self.lease.directory / "gate.sock")
        argv = [sys.executable, "-I", "-S", str(shim.__file__), verb, place, "30"]
        done = run(argv, stdin=json.dumps(call).encode())
        return done.code, done.stderr.decode().strip()

    def predicates(self, kind: str) -> list[dict[str, object]]:
        kept = [entry for entry in self.ledger.kept if entry.kind == kind]
        return [json.loads(entry.envelope)["predicate"] for entry in kept]


@contextmanager
def up(
    plan: Plan = PLAN,
    killed: Callable[[], Kill | None] = lambda: None,
    person: Person | None = None,
    patience_s: int = 0,
) -> Iterator[Site]:
    ledger = FakeLedger()
    with TemporaryDirectory(prefix="g-") as name:
        lease = Lent([], "m", directory=Path(name))
        attending = Attending(plan, ledger, killed)
        if person is not None:
            attending = Attending(plan, ledger, killed, person, patience_s)
        with attending("agent", "m", lease) as held:
            yield Site(held, lease, ledger)
        assert not (lease.directory / "gate.sock").exists()


def bash(command: str = "make", identity: str = "c1", **more: object) -> dict[str, object]:
    given = {"command": command}
    return {"tool_name": "Bash", "tool_input": given, "tool_use_id": identity, **more}


def test_an_allow_is_durable_before_it_is_told_and_names_whose_it_is() -> None:
    with up() as site:
        assert site.ask(bash()) == (0, "")
        (entry,) = site.ledger.kept
        assert (entry.about.run, entry.about.agent) == (PLAN.run, AGENT.id)
        (said,) = site.predicates("decision")
        assert said["decision"] == "ALLOW" and said["tools"] == ["Bash"]


def test_each_question_is_a_decision_of_its_own() -> None:
    with up() as site:
        for _ in range(3):
            assert site.ask(bash())[0] == 0
        assert len(site.predicates("decision")) == 3


def test_calls_with_long_names_are_told_apart() -> None:
    """One receipt would stand for two of them."""
    with up() as site:
        for end in "ab":
            assert site.ask(bash(identity="x" * 255 + end))[0] == 0
        first, second = (entry.id for entry in site.ledger.kept)
        assert first != second


def test_a_ledger_that_fails_allows_nothing() -> None:
    with up() as site:
        site.ledger.broken = True
        code, why = site.ask(bash())
        assert code == 2 and "ledger_unavailable" in why
        site.ledger.broken = False


def test_a_kill_reaches_the_next_question() -> None:
    kills: list[Kill] = []
    with up(killed=lambda: kills[0] if kills else None) as site:
        assert site.ask(bash())[0] == 0
        kills.append(KILL)
        code, why = site.ask(bash())
        assert code == 2 and "enough" in why


@pytest.mark.parametrize(
    "call",
    [
        {},
        {"tool_name": "Bash"},
        {"tool_name": "Bash", "tool_input": {}, "tool_use_id": "1"},
        {"tool_name": "Bash", "tool_input": {"command": 7}, "tool_use_id": "1"},
        {"tool_name": "Bash", "tool_input": {"command": "ls"}},
        {"tool_name": "", "tool_input": {"command": "ls"}, "tool_use_id": "1"},
        {"tool_name": ["Bash"], "tool_input": {"command": "ls"}, "tool_use_id": "1"},
        bash("ls\0"),
        bash("x" * 600_000),
        bash(identity="x" * 257),
        {**bash(), "tool_name": "x" * 257},
    ],
    ids=lambda call: repr(call)[:50],
)
def test_what_cannot_be_read_is_denied(call: dict[str, object]) -> None:
    with up() as site:
        code, why = site.ask(call)
        assert code == 2 and why == f"DENY {module.ODD}"


def test_a_tool_of_another_kind_is_judged_by_its_arguments() -> None:
    with up() as site:
        call = {"tool_name": "view_image", "tool_input": {"path": "a.png"}, "tool_use_id": "1"}
        assert site.ask(call)[0] == 0
        assert site.ask({**call, "tool_name": "mcp__a__b"})[0] == 2


def test_a_person_is_waited_for_and_who_waits_is_not_idle() -> None:
    person = Person()
    with up(WAITING, person=person, patience_s=60) as site:
        assert site.held.lease.quiet_s() == 77.0
        said: list[tuple[int, str]] = []
        asking = Thread(target=lambda: said.append(site.ask(bash())))
        asking.start()
        assert person.asked.wait(30)
        assert site.held.lease.quiet_s() == 0.0
        person.word = "approved"
        asking.join()
        assert said == [(0, "")]
        assert [each["decision"] for each in site.predicates("decision")] == ["PENDING", "ALLOW"]
        assert site.held.lease.quiet_s() == 77.0


def test_a_person_who_says_no_or_nothing_is_a_no() -> None:
    with up(WAITING, person=Person("denied"), patience_s=60) as site:
        assert site.ask(bash())[0] == 2
    with up(WAITING, person=Person(), patience_s=0) as site:
        code, why = site.ask(bash())
        assert code == 2 and why.startswith("PENDING a person has to approve")


def test_nobody_to_ask_is_a_no_at_once() -> None:
    with up(WAITING) as site:
        code, why = site.ask(bash())
        assert code == 2 and "approval_unavailable" in why


def answered(command: str, answer: str, identity: str = "c1") -> ToolCall:
    code, output = module._sha256(command), module._sha256(answer)
    return ToolCall(id=identity, tool="Bash", code_sha256=code, answer=answer, output_sha256=output)


def test_every_allow_gets_its_outcome_once() -> None:
    with up() as site:
        for number in range(4):
            assert site.ask(bash("make", f"c{number}"))[0] == 0
        assert site.ask(bash("make", "c3", tool_response="out"), "told")[0] == 2, "no ALLOW"
        site.lease.known = (
            answered("make", "Chunk ID: 1\nProcess exited with code 0\nOutput:", "c0"),
            answered("make", "Chunk ID: 1\nProcess exited with code 3\nOutput:", "c1"),
            answered("make", "Process running\nOutput:\nProcess exited with code 0\n", "c2"),
        )
        result = site.held.account(told_by_agent())
        assert result.gated is not None
        assert (result.gated.allowed, result.gated.open) == (4, 0)
        assert site.held.account(told_by_agent()) == result
    outcomes = site.predicates("outcome")
    assert [each["status"] for each in outcomes] == ["succeeded", "failed", "unknown", "unknown"]
    assert [each["exit_code"] for each in outcomes] == [0, 3, None, None]
    receipts = [entry.id for entry in site.ledger.kept if entry.kind == "decision"]
    assert [each["receipt"] for each in outcomes] == receipts
    assert outcomes[3]["output_sha256"] == module._sha256("out")


def test_a_call_behind_the_gate_s_back_is_in_the_account() -> None:
    with up() as site:
        site.lease.known = (answered("rm x", "Chunk ID: 1\nProcess exited with code 0"),)
        result = site.held.account(told_by_agent())
    assert result.gated is not None and len(result.gated.unreceipted) == 1


def test_after_the_account_nothing_is_allowed() -> None:
    with up() as site:
        site.held.account(told_by_agent())
        code, why = site.ask(bash())
        assert code == 2 and why == f"DENY {module.OVER}"


def test_a_session_that_breaks_closes_what_it_opened() -> None:
    sites: list[Site] = []

    def broken() -> None:
        with up() as site:
            sites.append(site)
            assert site.ask(bash())[0] == 0
            raise InfraError("no sandbox", "")

    with pytest.raises(InfraError, match="no sandbox"):
        broken()
    assert len(sites[0].predicates("outcome")) == 1


def test_outcomes_that_cannot_be_kept_are_an_error() -> None:
    with up() as site:
        assert site.ask(bash())[0] == 0
        site.ledger.broken = True
        with pytest.raises(InfraError):
            site.held.account(told_by_agent())


def test_one_session_asks_only_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_DECIDED", 2)
    with up() as site:
        assert [site.ask(bash())[0] for _ in range(3)] == [0, 0, 2]
        assert len(site.ledger.kept) == 2
