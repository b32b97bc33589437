"""What the tests gate tells of its runs: one line, findings, and figures worth signing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from runner.gates import reach, steering
from runner.gates.ran import Try, ending
from runner.gates.reference import Doubt, new_failures
from runner.ports import Case
from runner.records.gate import Finding
from runner.records.results import Baseline, Results
from runner.text import line

NAME = "tests"
OF_A_KIND = 20
"""Findings with one code; more are counted."""
REGULAR = ("100644", "100755")


def findings(told: Iterable[Doubt]) -> tuple[Finding, ...]:
    """The refusals first, the first of each kind, and how many more there are."""
    seen: Counter[tuple[str, bool]] = Counter()
    kept: list[Doubt] = []
    for each in sorted(told, key=lambda each: each.warning):
        kind = (each.code, each.warning)
        seen[kind] += 1
        if seen[kind] <= OF_A_KIND:
            kept.append(each)
    for (code, warning), count in seen.items():
        if count > OF_A_KIND:
            last = next(each for each in kept if (each.code, each.warning) == (code, warning))
            kept.append(
                Doubt(code, f"{count - OF_A_KIND} more like this", last.remedy, None, warning)
            )
    return tuple(map(_finding, kept))


def _finding(each: Doubt) -> Finding:
    return Finding(
        gate=NAME,
        code=f"{NAME}.{each.code}",
        path=each.path,
        why=f"warning: {each.what}" if each.warning else each.what,
        remedy=each.remedy,
        retryable=True,
    )


def summary(command: str, counts: Try) -> str:
    seconds = counts.run.exit.duration_ms / 1000
    said = f"{line(command, 120)}: {ending(counts.run)} after {seconds:.1f} s"
    results = counts.results
    if results is None:
        return said
    parts = [f"{results.executed} executed"]
    parts += [f"{len(results.failing)} failed"] if results.failing else []
    parts += [f"{results.skipped} skipped"] if results.skipped else []
    return f"{said}; {', '.join(parts)}"


def of_base(base: Baseline | None, known: bool) -> str:
    if base is None:
        return "not compared with the base"
    how = "known" if known else f"{base.duration_ms / 1000:.1f} s"
    if base.code is None:
        return f"base: could not be run ({how})"
    executed = "" if base.results is None else f", {base.results.executed} executed"
    failing = len(base.results.failing) if base.results else 0
    failed = f", {failing} failed" if failing else ""
    return f"base: exit code {base.code}{executed}{failed} ({how})"


def steered(case: Case) -> str:
    """What the task allowed to change, so that a reader knows what passing means."""
    changed = []
    run = reach.paths(case.plan.test, case.base_blob)
    for each in case.patch.changes:
        old = case.blob(each.old_oid) if each.old_oid and each.old_mode in REGULAR else None
        new = case.blob(each.new_oid) if each.new_oid and each.new_mode in REGULAR else None
        if each.path in run or steering.steers(each.path, old, new) is not None:
            changed.append(each.path)
    if not changed:
        return ""
    return f"run with changed test configuration: {line(', '.join(changed), 200)}"


def evidence(counts: Try, tries: list[Try], base: Baseline | None, known: bool) -> dict[str, str]:
    """`counts` is the one of `tries` that decides."""
    end = counts.run.exit
    told = {
        "exit_code": str(end.code),
        "stopped": end.stopped or "",
        "duration_ms": str(end.duration_ms),
        "runs": "; ".join(f"{ending(each.run)}, {each.run.exit.duration_ms} ms" for each in tries),
        **_counted(counts.results, base.results if base else None),
    }
    if base is not None:
        told["base"] = base.digest()
        told["base_exit_code"] = str(base.code)
        told["base_known"] = str(known).lower()
    return told


def _counted(now: Results | None, base: Results | None) -> dict[str, str]:
    if now is None:
        return {}
    failing = len(now.failing)
    counts = {
        "told_by": now.source,
        "executed": now.executed,
        "skipped": now.skipped,
        **({"failed": failing, "passed": now.executed - failing} if now.tests else {}),
    }
    if base is not None and base.tests and now.tests:
        counts["new"] = len(now.ran - base.tests.keys())
        counts["gone"] = len(base.ran - now.tests.keys())
        counts["newly_failed"] = len(new_failures(base, now))
    return {name: str(value) for name, value in counts.items()}
