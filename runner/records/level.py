"""The trust ladder: how much a run may do with nobody watching, and who said so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

from runner.records.base import Record
from runner.records.gate import GateReport

Level = Literal[0, 1, 2, 3]
HIGHEST: Level = 3
DEFAULT: Level = 2
"""What holds when no operator names a level."""
CLASS_GATE = "class"
"""The gate that says what a change turned out to be."""
Who = Literal["operator", "repository", "task", "class", "agent", "trigger", "change"]
"""`class`: of the task, before the run; `change`: of what was measured, after it."""


class Contribution(Record):
    """One bound on the level. Bounds only lower."""

    who: Who
    level: Level
    why: str
    """E.g. `security: it says "password"`."""
    where: str = ""
    """Layer and line, if somebody wrote it: `config.toml, line 3`."""
    path: str | None = None


class Standing(Record):
    """The level that holds, and every bound on it."""

    level: Level = DEFAULT
    bounds: tuple[Contribution, ...] = ()

    @property
    def decisive(self) -> tuple[Contribution, ...]:
        """Those that are as low as the level itself."""
        return tuple(each for each in self.bounds if each.level == self.level)

    @property
    def reason(self) -> str:
        """The first of these in one line; empty = there is none."""
        for each in self.decisive:
            where = f", {each.where}" if each.where else ""
            return f"{each.who}: {each.why}{where}"
        return ""

    def lowered(self, bounds: Iterable[Contribution]) -> Standing:
        """With further bounds."""
        more = tuple(bounds)
        level = min((self.level, *(each.level for each in more)))
        return Standing(level=level, bounds=tuple(dict.fromkeys((*self.bounds, *more))))

    def measured(self, gates: Iterable[GateReport]) -> Standing:
        """Lowered by what the change turned out to be; nobody measured it = nobody vouches."""
        asked = [gate for gate in gates if gate.gate == CLASS_GATE]
        return self.lowered(map(_bound, asked or [_UNASKED]))


_UNASKED = GateReport(gate=CLASS_GATE, verdict="not-run", summary="the change was not classed")


def _bound(gate: GateReport) -> Contribution:
    """A class gate that was not asked vouches for nothing."""
    first = next(iter(gate.findings), None)
    levels: Mapping[str, Level] = {"0": 0, "1": 1, "2": 2, "3": 3}
    return Contribution(
        who="change",
        level=levels.get(gate.evidence.get("level", ""), 0),
        why=gate.summary if first is None else first.why.removeprefix("warning: "),
        path=None if first is None else first.path,
    )


class Bundle(Record):
    """What a level stands for."""

    name: str
    sandbox: Literal["read-only", "workspace-write"]
    """Codex's own mode, inside the disposable sandbox; its workspace is thrown away either way."""
    network: Literal["none"] = "none"
    """But for the model."""
    approvals: Literal["none", "publication"]
    """What waits for a person."""
    gates: Literal["none", "all"]
    publication: Literal["none", "draft", "ready"]


BUNDLES: Mapping[Level, Bundle] = {
    0: Bundle(
        name="read-only audit",
        sandbox="read-only",
        approvals="none",
        gates="none",
        publication="none",
    ),
    1: Bundle(
        name="supervised",
        sandbox="workspace-write",
        approvals="publication",
        gates="all",
        publication="draft",
    ),
    2: Bundle(
        name="autonomous with gates",
        sandbox="workspace-write",
        approvals="none",
        gates="all",
        publication="draft",
    ),
    3: Bundle(
        name="full CI",
        sandbox="workspace-write",
        approvals="none",
        gates="all",
        publication="ready",
    ),
}


def told(standing: Standing) -> str:
    """`1 supervised (class: security: it says "password", task.md)`."""
    reason = f" ({standing.reason})" if standing.reason else ""
    return f"{standing.level} {BUNDLES[standing.level].name}{reason}"
