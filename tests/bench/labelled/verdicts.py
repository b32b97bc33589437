"""What the real gates say of a change, asked as `codex-runner check` asks them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import NoReturn

from runner.case import Case
from runner.errors import InfraError, RefusedError
from runner.gates.judge import judge
from runner.gates.secrets import Scan
from runner.policy.task_file import prompt_task
from runner.records.gate import Finding, GateReport
from runner.records.plan import Plan
from runner.workspace.source import open_source
from tests.bench.labelled.diff import GATES, Diff
from tests.bench.labelled.store import Commits, Store

INGEST = "ingest"
COSTLY = ("static", "tests", "review")


@dataclass(frozen=True, slots=True)
class Verdict:
    """Refusing findings and warnings of the cheap gates, by gate."""

    refused: Mapping[str, tuple[Finding, ...]]
    warned: Mapping[str, tuple[Finding, ...]]
    seconds: float
    """Of the gates alone."""

    def more(self, gate: str, than: Verdict | None) -> tuple[Finding, ...]:
        """Findings that refuse, beyond another verdict's; the ingest's count for any gate."""
        known = Counter(map(_place, than.refused.get(gate, ()))) if than else Counter()
        found = []
        for each in (*self.refused.get(gate, ()), *self.refused.get(INGEST, ())):
            known[_place(each)] -= 1
            if known[_place(each)] < 0:
                found.append(each)
        return tuple(found)


def _place(finding: Finding) -> tuple[str, str | None]:
    return finding.code, finding.path


@dataclass(frozen=True, slots=True)
class Bench:
    """Where changes are judged."""

    store: Store
    plan: Plan
    """As a run would have it; what differs from change to change is set for each."""
    scan: Scan
    state: Path

    def verdict(self, diff: Diff, commits: Commits) -> Verdict:
        """Raises InfraError: a gate could not decide."""
        with closing(open_source(self.store.path, commits.base, self.state)) as source:
            try:
                patch = source.adopt(commits.tree, commits.change)
            except RefusedError as refusal:
                why = Finding(gate=INGEST, code="ingest.refused", why=refusal.problem, remedy="")
                return Verdict({INGEST: (why,)}, {}, 0)
            task = prompt_task(f"Judge {diff.carrier or diff.id}").model_copy(
                update={"test": self.plan.test}
            )
            case = Case(
                plan=self.plan.model_copy(update={"base_commit": commits.base, "task": task}),
                patch=patch,
                blob=source.blob,
                at_base=source.at_base,
                base_blob=source.base_blob,
                diff=lambda: source.diff(patch),
                texts=diff.texts,
                held=(),
                test=_never,
                analyse=_never,
                review=_never,
            )
            source.diff(patch)  # as a check does first, for its folder: it reads all blobs at once
            without = [] if diff.carrier else [gate for gate in GATES if gate not in diff.labels]
            return _judged(case, self.scan, (*COSTLY, *without))


def _judged(case: Case, scan: Scan, without: Sequence[str]) -> Verdict:
    reports: list[GateReport] = []
    began = perf_counter()
    judge(case, reports.append, scan, without=dict.fromkeys(without, "labelled"))
    seconds = perf_counter() - began
    refused = {
        each.gate: _of(each, warnings=False) for each in reports if each.verdict == "refused"
    }
    return Verdict(refused, {each.gate: _of(each, warnings=True) for each in reports}, seconds)


def _of(report: GateReport, *, warnings: bool) -> tuple[Finding, ...]:
    return tuple(each for each in report.findings if _is_warning(each) == warnings)


def _is_warning(finding: Finding) -> bool:
    return finding.is_warning or finding.code == "secrets.weak"


def _never(*_: object) -> NoReturn:
    raise InfraError("a cheap gate asked for something costly", "report this")
