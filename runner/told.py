"""What is known of a run so far. Sealed with a receipt on every way out: done, refused, ^C, bug."""

from __future__ import annotations

import errno
import traceback
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic
from types import TracebackType
from typing import Self

from runner import killswitch
from runner.errors import (
    BudgetError,
    Conclusion,
    HaltedError,
    InfraError,
    InterruptedRunError,
    RunnerError,
)
from runner.ports import Folder, Progress
from runner.records.agent import AgentResult
from runner.records.approval import Approval
from runner.records.base import RunId
from runner.records.gate import GateReport
from runner.records.kill import Kill
from runner.records.level import Standing
from runner.records.patch import Patch
from runner.records.plan import Plan
from runner.records.report import Attempt, Problem, Publication, RunReport
from runner.records.sandbox import StopReason
from runner.records.setup import SetupResult
from runner.records.task import how_to_raise
from runner.records.usage import Usage, total

INTERRUPTED = InterruptedRunError("interrupted", "run the command again; the run's folder is kept")
ABANDONED = InfraError(
    "the runner was killed, or its machine went down, before the run had ended",
    "run the task again",
)
SO_FAR = "so-far.json"
"""In a run's folder while it goes on, from the measurement of a patch on."""


_OF_A_STOP = (HaltedError, InterruptedRunError, InfraError)


def halted(kill: Kill) -> HaltedError:
    """Who has stopped it, why, and what would end that."""
    return HaltedError(killswitch.why(kill), killswitch.remedy(kill))


def stopped(reason: StopReason, what: str) -> RunnerError:
    """Why a sandbox was stopped, as the error that ends the run."""
    match reason:
        case "interrupted":
            return INTERRUPTED
        case "halted":
            return HaltedError(f"{what} was halted", "see who halted it, then run it again")
        case _:
            keys = {
                "wall-clock": "wall_s",
                "idle": "idle_s",
                "output": "output_mib",
                "disk": "disk_mib",
            }
            limit = keys.get(reason, reason)
            return BudgetError(f"{what} was stopped: {limit} ran out", how_to_raise(limit))


class Told:
    """Filled in as the story goes; a context manager that writes report and receipt at the end.

    Leaving swallows failures that have a code of their own (they are in `report`) and lets bugs
    through after sealing them.
    """

    def __init__(self, run: RunId, folder: Folder, progress: Progress) -> None:
        self.run, self.folder, self.progress = run, folder, progress
        self.plan: Plan | None = None
        self.setup: SetupResult | None = None
        self.attempts: tuple[Attempt, ...] = ()
        """Those that were refused and mended, or tried to be; the last one is told beside them."""
        self.agent: AgentResult | None = None
        self.patch: Patch | None = None
        self.gates: tuple[GateReport, ...] = ()
        self.reviews: tuple[AgentResult, ...] = ()
        """All sessions of reviewers so far, in their order."""
        self.standing: Standing | None = None
        """After the gates; None = they were not passed."""
        self.approval: Approval | None = None
        self.audited = False
        """It was to read and tell, and did."""
        self.publication: Publication | None = None
        self.report: RunReport | None = None
        self.killed_by: Callable[[], Kill | None] = lambda: None
        """The kill in force that stops this run."""
        self._started_at = datetime.now(UTC)
        self._phases_ms: dict[str, int] = {}
        self._phase = ("prepare", monotonic())

    @property
    def sessions(self) -> tuple[AgentResult, ...]:
        """All of the author's so far."""
        last = () if self.agent is None else (self.agent,)
        return (*(attempt.agent for attempt in self.attempts), *last)

    @property
    def review_usage(self) -> Usage | None:
        """Of all reviewers together; None = none was asked."""
        return total([review.usage for review in self.reviews])

    def next_attempt(self, refusal: str) -> None:
        """Puts what is known of this attempt aside."""
        assert self.agent is not None
        tree = None if self.patch is None else self.patch.tree
        ended = Attempt(agent=self.agent, tree=tree, gates=self.gates, refusal=refusal)
        self.attempts = (*self.attempts, ended)
        self.agent, self.gates = None, ()

    def keep(self) -> None:
        """What is known so far, for whoever finds this run when its runner was killed."""
        report = self._report(ABANDONED, None).model_copy(update={"conclusion": "abandoned"})
        self.folder.write(SO_FAR, report.model_dump_json().encode())

    def forget(self) -> None:
        """From here on nobody may go on from what was kept: it may have left the machine."""
        self.folder.write(SO_FAR, b"")

    def phase(self, name: str, *, anyway: bool = False) -> None:
        """Begins the next phase, and times the one before. Raises HaltedError: it may not begin;
        `anyway` is for what only keeps what is there."""
        self._end_phase()
        self._phase = (name, monotonic())
        if not anyway:
            self.heed_kill()
        self.progress.phase(name)

    def heed_kill(self) -> None:
        """Raises HaltedError: it may not go on."""
        if (kill := self.killed_by()) is not None:
            raise halted(kill)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> bool:
        self._end_phase()
        known = self._blamed(as_known(error))
        if error is not None and known is None:
            self.folder.write("bug.txt", "".join(traceback.format_exception(error)).encode())
        self.report = self._report(known, error)
        self.folder.seal(self.report)
        return known is not None

    def _blamed(self, known: RunnerError | None) -> RunnerError | None:
        """What a kill has stopped may have failed in many ways; told is the kill."""
        kill = self.killed_by() if isinstance(known, _OF_A_STOP) else None
        return known if kill is None else halted(kill)

    def _end_phase(self) -> None:
        name, began = self._phase
        elapsed = round((monotonic() - began) * 1000)
        self._phases_ms[name] = self._phases_ms.get(name, 0) + elapsed

    def _report(self, known: RunnerError | None, error: BaseException | None) -> RunReport:
        conclusion, code, problem = self._ending(known, error)
        return RunReport(
            run=self.run,
            conclusion=conclusion,
            exit_code=code,
            started_at=self._started_at,
            finished_at=datetime.now(UTC),
            plan=self.plan,
            setup=self.setup,
            attempts=self.attempts,
            agent=self.agent,
            patch=self.patch,
            gates=self.gates,
            review_usage=self.review_usage,
            standing=self.standing,
            approval=self.approval,
            publication=self.publication,
            problem=problem,
            phases_ms=self._phases_ms,
        )

    def _ending(
        self, known: RunnerError | None, error: BaseException | None
    ) -> tuple[Conclusion, int, Problem | None]:
        if known is not None:
            problem = Problem(problem=known.problem, remedy=known.remedy)
            return known.conclusion, known.exit_code, problem
        if error is not None:
            text = f"{type(error).__name__}: {error}"
            return "bug", 70, Problem(problem=text, remedy="report it with bug.txt of this run")
        if self.audited:
            return "audited", 0, None
        return ("published" if self.publication else "judged"), 0, None


def as_known(error: BaseException | None) -> RunnerError | None:
    """The failure in its two lines; None = no failure, or a bug."""
    if isinstance(error, RunnerError):
        return error
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return InfraError(
            f"disk full: {error.filename or error.strerror}", "free some space, run it again"
        )
    return None
