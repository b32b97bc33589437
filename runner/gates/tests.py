"""Gate `tests`: the test command on a fresh checkout of the tree, in a sandbox of its own.

1. The same command runs on the base once; what it executed there is what has to be executed still.
2. What the change's own run says is never believed when it is good news; it may only add a
   refusal. (With `baseline = true` a failing run passes if nothing fails that did not before.)
3. A failure is tried again; a test that then passes is flaky, and named.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runner.gates import aftermath, recount
from runner.gates.baseline import FORGETFUL, Baselines
from runner.gates.ran import Try, doubts, ending, trial, understood
from runner.gates.recount import NAME
from runner.gates.reference import Doubt
from runner.ports import Case
from runner.records.gate import GateReport
from runner.records.results import Baseline

_TRY_AGAIN = frozenset({"failed", "failure", "contradiction"})


@dataclass(frozen=True, slots=True)
class TestsGate:
    """A `Gate`; `baselines` remembers how the base's tests ended."""

    __test__ = False  # the name is not a test class's
    baselines: Baselines = FORGETFUL

    NAME = NAME

    def check(self, case: Case) -> GateReport:
        """Raises InfraError: the sandbox could not be made."""
        command = case.plan.test
        if command is None:
            return GateReport(
                gate=NAME, verdict="waived", summary="no test command; waived by the task"
            )
        base, known = self._base(case, command)
        tries = [_attempt(case, command, NAME, base)]
        while _worth_another(tries, case.plan.rigour.retries):
            tries.append(_attempt(case, command, f"{NAME}-again-{len(tries)}", base))
        counts = tries[0] if tries[-1].refused else tries[-1]
        covered = aftermath.coverage(case, counts.run)
        told = (*counts.doubts, *_flaky(case, tries), *_no_base(case, base), *covered.doubts)
        parts = (recount.summary(command, counts), recount.of_base(base, known), covered.said)
        evidence = recount.evidence(counts, tries, base, known)
        return GateReport(
            gate=NAME,
            verdict="refused" if any(not each.warning for each in told) else "passed",
            summary="; ".join(filter(None, (*parts, recount.steered(case)))),
            findings=recount.findings(told),
            evidence={
                "command": command,
                **evidence,
                **({"coverage": covered.said} if covered.said else {}),
            },
        )

    def _base(self, case: Case, command: str) -> tuple[Baseline | None, bool]:
        """And whether it was known before."""
        if case.plan.rigour.baseline is False:
            return None, False
        about = f"{command}\n{case.ground}"
        if (found := self.baselines.get(about)) is not None:
            return found, True
        asked = trial(case.plan, command, f"{NAME}-base", base=True)
        run = case.test(asked)
        lasting = run.exit.stopped is None and not run.exit.out_of_memory
        made = Baseline(
            code=run.exit.code if lasting else None,
            results=understood(run, asked) if lasting else None,
            tree_changed=run.tree_changed,
            tree_unread=run.tree_unread,
            duration_ms=run.exit.duration_ms,
        )
        if lasting:
            self.baselines.keep(about, made)
        return made, False


def _attempt(case: Case, command: str, name: str, base: Baseline | None) -> Try:
    asked = trial(case.plan, command, name)
    run = case.test(asked)
    results = understood(run, asked)
    told = (*doubts(case, run, results, base), *aftermath.tree(case, run, base))
    return Try(run, results, told)


def _worth_another(tries: list[Try], retries: int) -> bool:
    """Only failures can be chance, and only those that the base does not have."""
    last = tries[-1]
    codes = {each.code for each in last.refused}
    failing = last.results is not None and bool(last.results.failing)
    is_old = failing and "failure" not in codes
    end = last.run.exit
    by_chance = bool(codes) and codes <= _TRY_AGAIN and not is_old
    stopped = end.stopped is not None or end.out_of_memory
    return by_chance and not stopped and len(tries) <= retries


def _flaky(case: Case, tries: list[Try]) -> Iterator[Doubt]:
    if len(tries) == 1 or tries[-1].refused:
        return
    names = [name for each in tries[:-1] if each.results for name in each.results.failing]
    ends = ", then ".join(ending(each.run) for each in tries)
    for name in dict.fromkeys(names or ["the test command"]):
        yield Doubt(
            "flaky",
            f"flaky: {name} failed and then passed, with nothing changed ({ends})",
            "make it end the same way every time",
            warning=not case.plan.rigour.strict,
        )


def _no_base(case: Case, base: Baseline | None) -> Iterator[Doubt]:
    if base is not None and base.code is None:
        yield Doubt(
            "base",
            "the tests could not be run to their end on the base: there is nothing to compare with",
            "raise tests_s or memory_mib under [limits], or set baseline = false under [tests]",
            warning=not case.plan.rigour.strict,
        )
