"""Two accounts of one session compared: what the gate allowed, and what codex was seen to do.

Hooks fail open: one that is killed, or never starts, lets the command run. So the gate's word alone
proves nothing; every call that came back with an answer, as the broker saw it, has to have its own
ALLOW. So has every command that codex told of: out of code mode the broker sees none. An ALLOW for
other words does not count, for whoever reaches the socket can ask.

Pure: facts in, lines out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from runner.records.agent import AgentResult
from runner.records.base import Sha256
from runner.records.gate import Finding
from runner.records.gated import Decided, Gated
from runner.records.usage import ToolCall
from runner.text import line

GATE = "gate"
CODE = f"{GATE}.unreceipted"
BLOCKED = ("Command blocked by PreToolUse hook", "Tool call blocked by PreToolUse hook")
NEVER_RAN = (
    *BLOCKED,
    "failed to parse function arguments",
    "unsupported call: ",
    "unsupported custom tool call: ",
)
"""How codex 0.163.0 begins its answer to a call for which its hook did not run (2026-11). What a
tool printed never begins so: there is a head before it."""
CLOSED = "write_stdin failed: "
CONTAINERS = frozenset({"exec", "wait"})
"""Code mode: a script that can do nothing but call tools, each of which has its own hook."""
SHOWN = 64


def unreceipted(
    calls: Sequence[ToolCall], decided: Iterable[Decided], commands: Iterable[Sha256]
) -> Iterator[str]:
    """What ran without an ALLOW, one line each. `commands` are those that codex told of."""
    words: dict[str, Counter[tuple[str, str, str]]] = {"ALLOW": Counter(), "DENY": Counter()}
    for each in decided:
        word = "ALLOW" if each.word == "ALLOW" else "DENY"
        words[word][each.id, each.tool, each.code_sha256] += 1
    behind = Counter[str](commands)
    for (_, tool, code), count in words["ALLOW"].items():
        behind[code] -= count if tool == "Bash" else 0
    for call in calls:
        why = _objection(call, words["ALLOW"], words["DENY"])
        if why:
            yield line(f"{call.tool[:SHOWN] or 'a call'} {call.id[:SHOWN]}: {why}")
    for code, count in behind.items():
        if count > 0:
            yield f"codex told of a command that was not allowed, {count}x: sha256 {code}"


def _objection(
    call: ToolCall, allowed: Counter[tuple[str, str, str]], denied: Counter[tuple[str, str, str]]
) -> str:
    """Empty = there is none."""
    key = (call.id, call.tool, call.code_sha256)
    if call.answer is None or call.inert or call.tool in CONTAINERS:
        return ""
    if call.tool == "write_stdin":
        return "" if call.answer.startswith(CLOSED) else "input that no gate was asked about"
    if allowed[key]:
        allowed[key] -= 1
        return ""
    if denied[key]:
        denied[key] -= 1
        return "" if call.answer.startswith(BLOCKED) else "it ran although the gate denied it"
    return "" if call.answer.startswith(NEVER_RAN) else "it ran, and the gate was not asked"


def unasked(decided: Iterable[Decided], ended: Iterable[str]) -> Iterator[str]:
    """What codex's other hook told the end of, by id, and was not allowed: out of code mode that is
    all there is to know of a patch."""
    allowed = {each.id for each in decided if each.word == "ALLOW"}
    for identity in ended:
        if identity not in allowed:
            yield line(f"codex told the end of a call that was not allowed: {identity[:SHOWN]}")


def account(
    calls: Sequence[ToolCall],
    decided: Sequence[Decided],
    commands: Iterable[Sha256],
    closed: int,
    ended: Iterable[str] = (),
) -> Gated:
    """`closed` of the ALLOWs are known to have ended."""
    allowed = sum(each.word == "ALLOW" for each in decided)
    return Gated(
        allowed=allowed,
        denied=len(decided) - allowed,
        unreceipted=(*unreceipted(calls, decided, commands), *unasked(decided, ended)),
        open=allowed - closed,
    )


def objections(agent: AgentResult) -> tuple[Finding, ...]:
    """As findings, which refuse the change."""
    return tuple(
        Finding(
            gate=GATE,
            code=CODE,
            why=why,
            remedy="read `codex-runner logs`, and do not use the patch unread",
            layer="built-in",
        )
        for why in (agent.gated.unreceipted if agent.gated else ())
    )
