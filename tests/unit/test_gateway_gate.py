"""What the gate decides, keeps and answers, whatever the transport."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import pytest

from runner.errors import InfraError
from runner.gateway.bodies import Outcome
from runner.gateway.callers import Caller, Peer
from runner.gateway.gate import Gate
from runner.gateway.pace import Pace
from runner.gateway.statements import predicate_of
from runner.records.base import RunId, Sha256
from runner.records.decision import Constraints, Proposal, Verdict
from runner.records.evidence import Entry, Statement
from tests.fake_ledger import FakeLedger
from tests.gates import (
    AGENT,
    CALLER,
    CONSTRAINTS,
    OTHER,
    POLICY,
    FakeApprovals,
    asking,
    gate_of,
    judge,
    tell,
    tell_one,
)


def test_an_allow_has_a_receipt_and_constraints_and_is_on_record_first() -> None:
    ledger = FakeLedger()
    said = tell_one(gate_of(ledger), asking(code="curl hunter2"))
    assert (said.status, said.answer.decision) == (200, "ALLOW")
    assert said.answer.constraints == CONSTRAINTS
    (entry,) = ledger.kept
    assert entry.id == said.answer.receipt_id
    assert (entry.about.agent, entry.about.run) == (AGENT, "o1")
    found = predicate_of(entry)
    assert found["policy_sha256"] == POLICY and found["decision"] == "ALLOW"
    assert b"hunter2" not in entry.envelope  # what is to be executed may hold a credential


def test_a_deny_says_why() -> None:
    said = tell_one(gate_of(), asking(code="rm -rf /"))
    assert (said.status, said.answer.decision, said.answer.reason) == (200, "DENY", "no rm")
    assert said.answer.constraints is None and said.answer.receipt_id


def test_nobody_else_s_requests_are_among_a_run_s_evidence() -> None:
    """One decision under another policy, and the run would not verify any more."""
    ledger, run = FakeLedger(), RunId("20261120-102233-7f3a9c")
    said = tell_one(gate_of(ledger), asking(opportunity_id=run))
    assert (said.status, said.answer.decision) == (403, "DENY")
    (own,) = tell(gate_of(ledger), asking(opportunity_id=run), caller=Caller(AGENT, run=run))
    assert own.answer.decision == "ALLOW"
    assert [entry.about.run for entry in ledger.kept] == ["", run]
    told = {"receipt_id": own.answer.receipt_id, "status": "succeeded"}
    body = json.dumps(told).encode()
    reply = asyncio.run(gate_of(ledger).outcome(CALLER, body))
    assert reply.status == 404 and len(ledger.kept) == 2


def test_the_same_key_and_body_is_the_same_answer() -> None:
    ledger = FakeLedger()
    gate = gate_of(ledger)
    first, second = tell_one(gate, asking()), tell_one(gate, asking())
    assert not first.answer.replayed
    assert second.answer == first.answer.model_copy(update={"replayed": True})
    assert len(ledger.kept) == 1


def test_the_same_key_with_another_body_is_denied_with_a_receipt() -> None:
    ledger = FakeLedger()
    gate = gate_of(ledger)
    tell_one(gate, asking())
    other = tell_one(gate, asking(code="cat /etc/passwd"))
    assert (other.status, other.answer.decision) == (409, "DENY")
    assert other.answer.receipt_id == ledger.kept[1].id
    assert tell_one(gate, asking()).answer.decision == "ALLOW"


def test_what_was_answered_is_known_after_a_restart() -> None:
    ledger = FakeLedger()
    before = [tell_one(gate_of(ledger), asking(str(n), code=c)) for n, c in enumerate(("ls", "rm"))]
    gate = gate_of(ledger)
    for number, code in enumerate(("ls", "rm")):
        again = tell_one(gate, asking(str(number), code=code))
        assert again.answer == before[number].answer.model_copy(update={"replayed": True})
    assert tell_one(gate, asking("0", code="ps")).status == 409


def test_an_answer_that_no_gate_signed_is_none() -> None:
    ledger = FakeLedger()
    tell_one(gate_of(ledger, judge=lambda _: Verdict(word="ALLOW")), asking(code="rm"))
    foreign = Statement("decision", {"a": {"sha256": "0"}}, {"idempotency_key": "k", "decision": 1})
    ledger.append(replace(foreign, predicate={**foreign.predicate, "request_sha256": "0" * 64}))
    gate = gate_of(ledger, vouched=lambda _: False, judge=lambda _: PENDING)
    assert tell_one(gate, asking(code="rm")).answer.reason.startswith("approval_unavailable")
    gate = gate_of(ledger, vouched=lambda _: False)
    mine = tell_one(gate, asking("k2")).answer
    assert tell_one(gate, asking("k2")).answer == mine.model_copy(update={"replayed": True})


def test_keys_are_each_tenants_own() -> None:
    gate = gate_of()
    mine = tell(gate, asking(tenant_id="a"), caller=Caller(AGENT, "a"))[0]
    other = tell(gate, asking(tenant_id="b", code="ps"), caller=Caller(AGENT, "b"))[0]
    assert (mine.status, other.status) == (200, 200)


PENDING = Verdict(word="PENDING", reason="ask first", constraints=CONSTRAINTS)


class SlowLedger(FakeLedger):
    """Is durable only when it is told to be."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[Future[Entry], Statement]] = []

    def submit(self, statement: Statement) -> Future[Entry]:
        done: Future[Entry] = Future()
        self.open.append((done, statement))
        return done

    def write(self) -> None:
        for done, statement in self.open:
            done.set_result(FakeLedger.submit(self, statement).result())
        self.open = []


def test_equal_requests_at_one_time_are_decided_once_and_answered_when_it_is_durable() -> None:
    ledger = SlowLedger()
    gate = gate_of(ledger)

    async def ask() -> list[dict[str, Any]]:
        body = json.dumps(asking()).encode()
        tasks = [asyncio.create_task(gate.execute(CALLER, None, body)) for _ in range(5)]
        for _ in range(50):  # turns of the loop: more than all of it needs
            await asyncio.sleep(0)
        assert len(ledger.open) == 1 and not any(task.done() for task in tasks)
        ledger.write()
        return [json.loads((await task).body) for task in tasks]

    answers = asyncio.run(ask())
    assert len({answer["receipt_id"] for answer in answers}) == 1
    assert sorted(answer["replayed"] for answer in answers) == [False, True, True, True, True]


MALFORMED = {
    "not JSON": b"{",
    "not UTF-8": b'{"agent_id": "\xff"}',
    "a list": b"[]",
    "empty": b"",
    "a doubled key": json.dumps(asking()).encode()[:-1] + b', "code": "rm"}',
    "NaN": b'{"agent_id": NaN}',
    "a huge number": b'{"agent_id": ' + b"9" * 5000 + b"}",
    "deep": b"[" * 100_000,
    "an unknown key": json.dumps(asking(more=1)).encode(),
    "no key": json.dumps({**asking(), "idempotency_key": ""}).encode(),
    "a missing key": json.dumps({"code": "ls"}).encode(),
    "another type": json.dumps(asking(code=1)).encode(),
    "a NUL": json.dumps(asking(code="ls\0rm")).encode(),
    "half a pair": json.dumps(asking(code="\ud800")).encode(),
    "too many tools": json.dumps(asking(tools=["Bash"] * 65)).encode(),
    "a long tool": json.dumps(asking(tools=["B" * 201])).encode(),
    "too large": None,
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED)
def test_what_cannot_be_read_is_denied_with_a_receipt(body: bytes | None) -> None:
    ledger = FakeLedger()
    said = tell_one(gate_of(ledger), body)
    assert (said.status, said.answer.decision) == (400, "DENY")
    assert said.answer.reason and "\n" not in said.answer.reason
    (entry,) = ledger.kept
    assert entry.id == said.answer.receipt_id and entry.kind == "decision"
    assert "idempotency_key" not in predicate_of(entry)


@pytest.mark.parametrize("foreign", [{"agent_id": OTHER}, {"tenant_id": "theirs"}])
def test_who_names_another_agent_or_tenant_is_denied(foreign: dict[str, str]) -> None:
    ledger = FakeLedger()
    gate = gate_of(ledger)
    said = tell_one(gate, asking(**foreign))
    assert (said.status, said.answer.decision) == (403, "DENY")
    assert ledger.kept[0].about.agent == AGENT  # the one that it is
    assert tell_one(gate, asking()).status == 200  # its key was not taken


def test_a_stranger_is_denied_with_a_receipt() -> None:
    ledger = FakeLedger()
    reply = asyncio.run(gate_of(ledger).execute(None, Peer(1, 12345), b"{}"))
    assert reply.status == 401 and json.loads(reply.body)["receipt_id"] == ledger.kept[0].id


def test_a_ledger_that_fails_denies_without_a_receipt_and_is_counted() -> None:
    ledger = FakeLedger(broken=True)
    gate = gate_of(ledger)
    for body in (asking(), b"{"):
        said = tell_one(gate, body)
        assert (said.status, said.answer.decision, said.answer.receipt_id) == (503, "DENY", None)
        assert said.answer.reason.startswith("ledger_unavailable")
    assert (gate.unrecorded, gate.failing) == (2, True)
    ledger.broken = False
    assert tell_one(gate, asking()).answer.decision == "ALLOW"  # nothing false was remembered
    assert (gate.unrecorded, gate.failing) == (2, False)


def test_a_judge_that_fails_denies() -> None:
    def broken(_: Proposal) -> Verdict:
        raise InfraError("the rules are gone", "look")

    said = tell_one(gate_of(judge=broken), asking())
    assert said.answer.decision == "DENY" and "the rules are gone" in said.answer.reason


def test_an_allow_without_constraints_holds_under_the_least() -> None:
    said = tell_one(gate_of(judge=lambda _: Verdict(word="ALLOW")), asking())
    assert said.answer.constraints is not None
    assert (said.answer.constraints.level, said.answer.constraints.sandbox) == (0, "read-only")


def test_pending_stays_until_a_person_has_said_yes_and_then_it_is_allowed_once() -> None:
    ledger, people = FakeLedger(), FakeApprovals()
    gate = gate_of(ledger, approvals=people)
    body = asking(code="git push")
    first = tell_one(gate, body).answer
    assert (first.decision, first.approval_id) == ("PENDING", "ap_" + "0" * 16)
    assert first.constraints is None
    assert tell_one(gate, body).answer == first.model_copy(update={"replayed": True})
    people.said = "approved"
    allowed = tell_one(gate, body).answer
    assert (allowed.decision, allowed.constraints) == ("ALLOW", CONSTRAINTS)
    assert allowed.receipt_id != first.receipt_id and not allowed.replayed
    assert tell_one(gate, body).answer == allowed.model_copy(update={"replayed": True})
    assert people.used == [first.approval_id]
    assert tell_one(gate_of(ledger, approvals=people), body).answer.decision == "ALLOW"


@pytest.mark.parametrize("state", ["denied", "expired", "used", "unknown"])
def test_everything_but_a_yes_ends_in_a_final_deny(state: Any) -> None:
    people = FakeApprovals()
    gate = gate_of(approvals=people)
    body = asking(code="git push")
    tell_one(gate, body)
    people.said = state
    assert tell_one(gate, body).answer.decision == "DENY"
    people.said = "approved"
    again = tell_one(gate, body).answer
    assert (again.decision, again.replayed) == ("DENY", True)


def test_no_channel_is_an_immediate_deny() -> None:
    said = tell_one(gate_of(approvals=FakeApprovals(said=None)), asking(code="git push"))
    assert said.answer.decision == "DENY" and said.answer.reason.startswith("approval_unavailable")
    assert tell_one(gate_of(), asking(code="git push")).answer.decision == "DENY"


def test_an_approval_does_not_outlive_the_policy_it_was_given_under() -> None:
    ledger, people = FakeLedger(), FakeApprovals()
    body = asking(code="git push")
    tell_one(gate_of(ledger, approvals=people), body)
    people.said = "approved"
    later = Gate(ledger, judge, POLICY.replace("5", "6"), people)  # type: ignore[arg-type]
    said = tell_one(later, body).answer
    assert (said.decision, said.reason) == ("DENY", "it is for another action")


def test_what_is_denied_by_now_is_not_allowed_by_an_approval() -> None:
    people, now_denied = FakeApprovals(), False

    def changing(proposal: Proposal) -> Verdict:
        return Verdict(word="DENY", reason="killed") if now_denied else judge(proposal)

    gate = gate_of(approvals=people, judge=changing)
    body = asking(code="git push")
    tell_one(gate, body)
    people.said, now_denied = "approved", True
    assert tell_one(gate, body).answer.decision == "DENY"
    assert people.used == []


def test_a_kill_ends_what_was_allowed_before() -> None:
    killed = False

    def killable(proposal: Proposal) -> Verdict:
        dead = Verdict(word="DENY", reason="stopped", rule="kill")
        return dead if killed else judge(proposal)

    gate = gate_of(judge=killable)
    assert tell_one(gate, asking()).answer.decision == "ALLOW"
    killed = True
    assert tell_one(gate, asking()).answer.decision == "DENY"
    killed = False
    assert tell_one(gate, asking()).answer.decision == "DENY"  # and it stays ended


def test_what_was_allowed_is_decided_anew_when_only_less_is() -> None:
    level, ledger = 2, FakeLedger()

    def at_level(_: Proposal) -> Verdict:
        limits = Constraints(level=level, sandbox="workspace-write" if level else "read-only")
        return Verdict(word="ALLOW", constraints=limits)

    gate = gate_of(ledger, judge=at_level)
    before = tell_one(gate, asking()).answer
    level = 0
    now = tell_one(gate, asking()).answer
    assert before.constraints and now.constraints
    assert (before.constraints.level, now.constraints.sandbox) == (2, "read-only")
    assert not now.replayed and now.receipt_id == ledger.kept[1].id
    level = 2
    assert tell_one(gate, asking()).answer == now.model_copy(update={"replayed": True})


def test_what_a_person_has_to_decide_by_now_is_not_allowed_by_an_older_answer() -> None:
    ledger, people = FakeLedger(), FakeApprovals()
    before = Gate(ledger, lambda _: Verdict(word="ALLOW"), Sha256("6" * 64), people)
    body = asking(code="git push")
    assert tell_one(before, body).answer.decision == "ALLOW"
    now = tell_one(gate_of(ledger, approvals=people), body).answer
    assert (now.decision, now.approval_id) == ("PENDING", "ap_" + "0" * 16)


def test_a_kill_ends_what_waits_for_a_person() -> None:
    people, killed = FakeApprovals(), False

    def killable(proposal: Proposal) -> Verdict:
        return Verdict(word="DENY", reason="stopped") if killed else judge(proposal)

    gate = gate_of(approvals=people, judge=killable)
    body = asking(code="git push")
    assert tell_one(gate, body).answer.decision == "PENDING"
    killed = True
    assert tell_one(gate, body).answer.decision == "DENY"


def test_a_flood_is_denied_without_filling_the_ledger() -> None:
    ledger = FakeLedger()
    now = 0.0
    gate = gate_of(
        ledger,
        spam=Pace(per_s=1, burst=3, now=lambda: now),
        decisions=Pace(per_s=1, burst=4, now=lambda: now),
    )
    statuses = [tell_one(gate, b"{").status for _ in range(10)]
    assert statuses == [400] * 3 + [429] * 7 and len(ledger.kept) == 3
    statuses = [tell_one(gate, asking(str(n))).status for n in range(10)]
    assert statuses == [200] * 4 + [429] * 6 and len(ledger.kept) == 7
    now = 2.0
    assert [tell_one(gate, b"{").status for _ in range(3)] == [400, 400, 429]
    assert tell_one(gate, asking("9")).status == 200  # a 429 is no answer that is kept


def test_a_sessions_gate_knows_only_its_own_run() -> None:
    ledger = FakeLedger()
    one, two = (Caller(AGENT, run=RunId(name)) for name in ("r1", "r2"))
    tell(gate_of(ledger, run=RunId("r1")), asking(), caller=one)
    said = tell(gate_of(ledger, run=RunId("r2")), asking(code="ps"), caller=two)[0]
    assert said.answer.decision == "ALLOW"
    assert [entry.about.run for entry in ledger.kept] == ["r1", "r2"]  # whatever the body says


def _told(gate: Gate, receipt: str, caller: Caller = CALLER) -> int:
    body = Outcome.model_validate({"receipt_id": receipt, "status": "succeeded", "exit_code": 0})
    return asyncio.run(gate.outcome(caller, body.model_dump_json().encode())).status


def test_an_outcome_is_told_once_by_whom_it_was_allowed() -> None:
    ledger = FakeLedger()
    gate = gate_of(ledger)
    allowed = tell_one(gate, asking()).answer.receipt_id or ""
    denied = tell_one(gate, asking("k2", code="rm")).answer.receipt_id or ""
    assert _told(gate, denied) == 404
    assert _told(gate, "rc_" + "0" * 32) == 404
    assert _told(gate, allowed, Caller(OTHER)) == 404
    assert _told(gate, allowed) == 200
    assert _told(gate, allowed) == 409
    assert _told(gate_of(ledger), allowed) == 409  # after a restart
    last = ledger.kept[-1]
    assert (last.kind, predicate_of(last)["receipt"]) == ("outcome", allowed)
    decided = json.loads(ledger.kept[0].envelope)["subject"]
    assert json.loads(last.envelope)["subject"] == decided


def test_an_outcome_that_could_not_be_kept_can_be_told_again() -> None:
    ledger = FakeLedger()
    gate = gate_of(ledger)
    allowed = tell_one(gate, asking()).answer.receipt_id or ""
    ledger.broken = True
    assert _told(gate, allowed) == 503
    ledger.broken = False
    assert _told(gate, allowed) == 200
