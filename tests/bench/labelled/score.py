"""What the verdicts are worth: recall, precision and false alarms of each gate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from runner.records.gate import Finding
from runner.text import line
from tests.bench.labelled.diff import GATES, Diff, GateName
from tests.bench.labelled.verdicts import Verdict
from tests.bench.row import Row

WHOLE_RECALL = ("paths", "size")
"""Gates that may miss nothing; the figures of the others are told as they are."""
WHY_CHARS = 150


@dataclass(frozen=True, slots=True)
class Judged:
    """One labelled change, and what the gates said."""

    diff: Diff
    verdict: Verdict
    carrier: Verdict | None
    """Of the good change it was made of: what was said of that one already does not count."""

    def caught(self, gate: str) -> tuple[Finding, ...]:
        return self.verdict.more(gate, self.carrier)

    def by_any(self) -> tuple[Finding, ...]:
        return tuple(each for gate in GATES for each in self.caught(gate))

    def told(self, gate: str) -> Iterator[Finding]:
        """Warnings that were not there without the defect."""
        known = {each.why for each in self.carrier.warned.get(gate, ())} if self.carrier else set()
        return (each for each in self.verdict.warned.get(gate, ()) if each.why not in known)


def rows(judged: Sequence[Judged]) -> Iterator[Row]:
    for gate in GATES:
        bad = [each for each in judged if each.diff.labels.get(gate) is True]
        good = [each for each in judged if each.diff.labels.get(gate) is False]
        missed = [each for each in bad if not each.caught(gate)]
        alarms = [each for each in good if each.caught(gate)]
        found = len(bad) - len(missed)
        yield Row(
            f"labelled, {gate}: recall, {len(bad)} bad changes", "%",
            (_percent(found, len(bad)),), (), "itself",
            at_least=100.0 if gate in WHOLE_RECALL else None,
            notes=tuple(_missed(each, gate) for each in missed),
        )  # fmt: skip
        yield Row(
            f"labelled, {gate}: false alarms, {len(good)} good changes", "%",
            (_percent(len(alarms), len(good)),), (), "itself",
            notes=tuple(_alarm(each, gate) for each in alarms),
        )  # fmt: skip
        yield Row(
            f"labelled, {gate}: precision over both", "%",
            (_percent(found, found + len(alarms)),), (), "itself",
        )  # fmt: skip
    yield from _together(judged)


def _together(judged: Sequence[Judged]) -> Iterator[Row]:
    bad = [each for each in judged if each.diff.carrier]
    unseen = [each for each in bad if not each.by_any()]
    yield Row(
        f"labelled: passed all cheap gates, of {len(bad)} planted defects", "%",
        (_percent(len(unseen), len(bad)),), (), "itself",
    )  # fmt: skip
    real = len(judged) - len(bad)
    yield Row(
        f"labelled: cheap gates on one change, of {real} real and {len(bad)} with a defect", "s",
        (median(each.verdict.seconds for each in judged),), (), "itself",
    )  # fmt: skip


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0


def _missed(each: Judged, gate: GateName) -> str:
    others = sorted({finding.gate for finding in each.by_any()})
    warned = sorted({finding.code for finding in each.told(gate)})
    how = f"refused by {', '.join(others)}" if others else "passed"
    how += f", told as {', '.join(warned)}" if warned else ""
    where = f" (in {each.diff.carrier})" if each.diff.carrier else ""
    return f"missed by {gate}: {each.diff.id}{where}: {how}"


def _alarm(each: Judged, gate: GateName) -> str:
    found = each.caught(gate)
    why = f"{found[0].code}: {line(found[0].why, WHY_CHARS)}"
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f"false alarm of {gate}: {each.diff.id}: {why}{more}"


def by_id(diffs: Sequence[Diff], verdicts: Mapping[str, Verdict]) -> tuple[Judged, ...]:
    return tuple(Judged(each, verdicts[each.id], verdicts.get(each.carrier)) for each in diffs)
