"""A run of level 0: the agent reads and tells; nothing it leaves is measured, judged or offered.

What it says is nobody's finding but its own. Lines that name a file of the base become advisory
findings there, so that a viewer of SARIF shows them beside the code; the rest is told as one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from runner import completeness, judging, session
from runner.errors import RefusedError
from runner.records.gate import Finding, GateReport
from runner.records.paths import encode_path
from runner.told import Told
from runner.world import World

GATE = "audit"
MOST = 200
WHY_CHARS = 1000
_ROW = re.compile(
    r"[-*\s]*`?(?P<path>[^\s`:*-][^`:]{0,400}):(?P<line>[1-9][0-9]{0,6})`?:?\s+(?P<why>\S.*)"
)
_REMEDY = "look at it yourself: an agent says so, and nothing has checked it"


def audit(world: World, told: Told, layers: tuple[Path, ...]) -> None:
    """Raises a RunnerError: the session did not end well."""
    with world.source.workspace(world.engine, "agent", over=layers) as overlay:
        told.phase("agent")
        agent = told.agent = session.work(world, overlay, world.prompt(world.plan), told.attempts)
    if not agent.ok:
        raise session.failure(world.plan, agent)
    if unseen := completeness.objections(agent):
        judging.refuse(told, "not all of it was asked about", unseen)
        raise RefusedError(unseen[0].why, unseen[0].remedy)
    findings = (*said(agent.message, world.source.at_base),)
    told.gates = (
        GateReport(
            gate=GATE,
            verdict="not-run",
            summary=f"{len(findings)} remarks of the agent, not checked",
            findings=findings,
        ),
    )
    told.audited = True


def said(message: str, at_base: Callable[[str], bool]) -> Iterator[Finding]:
    """`src/a.py:12: why` is a remark there, if the base has such a file."""
    found = 0
    for row in message.splitlines():
        match = _ROW.fullmatch(row.rstrip())
        path = encode_path(match["path"].encode()) if match else ""
        if match and found < MOST and at_base(path):
            found += 1
            yield _finding(match["why"], path, int(match["line"]))
    if not found:
        yield _finding(message or "it said nothing")


def _finding(why: str, path: str | None = None, line: int | None = None) -> Finding:
    return Finding(
        gate=GATE,
        code=f"{GATE}.remark",
        path=path,
        line=line,
        why=f"warning: the agent says: {why[:WHY_CHARS]}",
        remedy=_REMEDY,
    )
