"""Three witnesses of one session, all outside the sandbox: the engine, the broker, the disk.

Codex's own word is not among them. Each witness is hard to forge alone; a story that only some of
them tell is not published.
1. The engine: the command ended by itself with status 0 and was not killed for its memory.
2. The broker: upstream finished an answer, and the last one asked for no tool whose result is due.
3. The disk: what was written in the workspace was written by tools the broker saw asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.records.agent import AgentResult
from runner.records.base import Oid
from runner.records.gate import Finding
from runner.records.patch import Patch

GATE = "evidence"


def objections(agent: AgentResult, patch: Patch, before: Oid) -> tuple[Finding, ...]:
    """Where the witnesses of a session that codex calls a success contradict each other.

    `before` is the tree that the session began with: an earlier one's work is not its doing.
    """
    return tuple(
        Finding(gate=GATE, code=f"{GATE}.{code}", why=why, remedy=_REMEDY, layer="built-in")
        for code, why in _contradictions(agent, patch, before)
    )


_REMEDY = "read `codex-runner logs` and the run's broker.jsonl; do not use the patch unread"


def _contradictions(agent: AgentResult, patch: Patch, before: Oid) -> Iterator[tuple[str, str]]:
    end, usage = agent.exit, agent.usage
    if end.code != 0 or end.stopped is not None or end.out_of_memory:
        yield "engine", f"the session is called a success, its sandbox ended with {end.code}"
    if not usage.completed:
        yield "broker", "the session is called a success, the model finished no answer"
    elif usage.unfinished:
        yield "broker", "codex says its turn is over, the model was still waiting for a tool"
    if usage.tool_calls:
        return
    if patch.tree != before or (patch.ignored and before == patch.base_tree):
        yield "disk", "files were written, but the model never asked for a tool"
    if agent.commands:
        yield "events", "codex told of commands, but the model never asked for a tool"
