"""What the gateway has signed, and how it reads that again after a restart.

A decision's predicate, `gate-decision/v1`:

    {"decision": "ALLOW", "reason": "", "rule": "rule", "where": "config.toml, line 4",
     "constraints": {"level": 2, ...}, "approval_id": null, "agent": "ag_...", "tenant": "",
     "run": "...", "tools": ["Bash"], "code_sha256": "...", "plan_sha256": "...",
     "policy_sha256": "...", "idempotency_key": "...", "request_sha256": "..."}

Its subject `action` is the digest of the `Proposal`. A request that could not be read or was not
its agent's has the digest of its bytes as the subject `body`, and no key. Code and plan are kept
as digests only: they may hold a credential.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping

from pydantic import ValidationError

from runner.gateway.bodies import Outcome
from runner.gateway.callers import Caller
from runner.records.base import RunId, Sha256
from runner.records.decision import Answer, Constraints, Proposal, Request, Verdict
from runner.records.evidence import About, AgentId, Entry, ReceiptId, Statement

Json = Mapping[str, object]
AUTO = "auto"
"""The rule of an ALLOW that a reviewing model gave in a person's place."""


def decision(
    request: Request, proposal: Proposal, verdict: Verdict, approval: str | None, sha256: Sha256
) -> Statement:
    """`sha256` is the request's digest."""
    constraints = verdict.constraints
    predicate = {
        "decision": verdict.word,
        "reason": verdict.reason,
        "rule": verdict.rule,
        "where": verdict.where,
        "constraints": None if constraints is None else constraints.model_dump(),
        "approval_id": approval,
        "agent": proposal.agent,
        "tenant": proposal.tenant,
        "run": proposal.run,
        "tools": list(proposal.tools),
        "code_sha256": _sha256(proposal.code),
        "plan_sha256": _sha256(request.proposed_plan),
        "policy_sha256": proposal.policy,
        "idempotency_key": request.idempotency_key,
        "request_sha256": sha256,
    }
    about = About(proposal.run, proposal.agent, proposal.tenant)
    return Statement("decision", {"action": {"sha256": proposal.digest()}}, predicate, about)


def refusal(caller: Caller | None, body: bytes | None, rule: str, reason: str) -> Statement:
    """Of what is not judged at all; nothing in it is the client's word. No body = none was read."""
    digest = hashlib.sha256(body or b"").hexdigest()
    size = None if body is None else len(body)
    predicate = {"decision": "DENY", "reason": reason, "rule": rule, "bytes": size}
    return Statement("decision", {"body": {"sha256": digest}}, predicate, _about(caller))


def outcome(caller: Caller, decided: Json, said: Outcome, about: About) -> Statement:
    """`decided`: the statement of the ALLOW."""
    predicate = {
        "receipt": said.receipt_id,
        "status": said.status,
        "exit_code": said.exit_code,
        "output_sha256": said.output_sha256,
        "told_by": caller.agent,
    }
    return Statement("outcome", _subject(decided), predicate, about)


def score(caller: Caller, agent: AgentId, value: Json, size: int, root: Sha256) -> Statement:
    """What the score was, and of which entries anyone can compute it again."""
    predicate = {
        "event": "SCALAR_SCORE",
        "billable": False,
        "agent": agent,
        "score": value,
        "entries": {"first": 0, "size": size, "root": root},
        "emitted_by": caller.name,
    }
    digest = hashlib.sha256(agent.encode()).hexdigest()
    about = About(agent=agent, tenant=caller.tenant)
    return Statement("score", {"agent": {"sha256": digest}}, predicate, about)


def statement_of(entry: Entry) -> Json:
    """What was signed; the ledger answers for its signature."""
    document = _object(entry.envelope)
    payload = document.get("payload")
    if isinstance(payload, str):
        try:
            return _object(base64.b64decode(payload, validate=True))
        except binascii.Error:
            return {}
    return document


def predicate_of(entry: Entry) -> Json:
    """Its predicate; empty = it has none."""
    predicate = statement_of(entry).get("predicate")
    return predicate if isinstance(predicate, dict) else {}


def answer_of(entry: Entry) -> tuple[tuple[str, str], Sha256, Sha256, Answer] | None:
    """Tenant and key, digests of the request and of the policy, and what was answered; None = it
    had no key, or is no answer of a gate."""
    said = predicate_of(entry)
    policy = Sha256(str(said.get("policy_sha256")))
    key, sha256, word = (said.get(n) for n in ("idempotency_key", "request_sha256", "decision"))
    if not isinstance(key, str) or not isinstance(sha256, str):
        return None
    limits = said.get("constraints")
    approval = said.get("approval_id")
    try:
        answer = Answer.model_validate(
            {
                "decision": word,
                "receipt_id": entry.id,
                "reason": said.get("reason"),
                "constraints": None if limits is None else Constraints.model_validate(limits),
                "approval_id": approval,
            }
        )
    except ValidationError:
        return None
    return (entry.about.tenant, key), Sha256(sha256), policy, answer


def auto_approved(decided: Json) -> str | None:
    """What an ALLOW says that no person gave; `decided` is its statement."""
    match decided.get("predicate"):
        case {"decision": "ALLOW", "rule": rule, "reason": str(reason)} if rule == AUTO:
            return reason
        case _:
            return None


def allowed(entry: Entry | None, caller: Caller) -> ReceiptId | None:
    """The receipt of this ALLOW, if it was given to this caller."""
    if entry is None or entry.kind != "decision" or caller.agent is None:
        return None
    about = entry.about
    own = (about.agent, about.tenant) == (caller.agent, caller.tenant)
    if not own or caller.run not in {None, about.run}:
        return None
    return entry.id if predicate_of(entry).get("decision") == "ALLOW" else None


def _about(caller: Caller | None) -> About:
    if caller is None:
        return About()
    return About(caller.run or RunId(""), caller.agent or AgentId(""), caller.tenant)


def _subject(statement: Json) -> Mapping[str, Mapping[str, str]]:
    """In-toto's list of subjects -> name and digests, as `Statement` has them."""
    found = statement.get("subject")
    if isinstance(found, list):
        return {str(each["name"]): each["digest"] for each in found}
    return found if isinstance(found, dict) else {}


def _object(data: bytes) -> Json:
    try:
        document = json.loads(data)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
