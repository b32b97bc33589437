"""Every way a command can fail, one exit code each.

An error carries two lines for a person: the problem (naming file and key) and the remedy.
| code | meaning | | code | meaning |
|---|---|---|---|---|
| 0 | done | | 5 | a budget ran out |
| 1 | a gate refused the change | | 6 | a person has to approve first |
| 2 | bad input or configuration | | 7 | nothing to do: the change is empty |
| 3 | infrastructure failed; retry may help | | 70 | a bug in codex-runner |
| 4 | halted by a person or the kill switch | | 130 | interrupted with ^C |
"""

from __future__ import annotations

from typing import ClassVar, Literal

Conclusion = Literal[
    "published",
    "judged",
    "audited",
    "refused",
    "config-error",
    "infra-error",
    "halted",
    "budget",
    "needs-approval",
    "empty",
    "interrupted",
    "bug",
    "abandoned",
]
"""How a run ended: the first three are successes, the last is said of a runner that was killed, the
others are each an error below."""


class RunnerError(Exception):
    """A failure with a remedy. `str(error)` is the problem, `error.remedy` what to try."""

    exit_code: ClassVar[int] = 70
    conclusion: ClassVar[Conclusion] = "bug"

    def __init__(self, problem: str, remedy: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy

    def lines(self) -> tuple[str, str]:
        """The two lines printed on stderr."""
        return f"error: {self.problem}", f"try: {self.remedy}"


class RefusedError(RunnerError):
    """A gate, or the ingest of the agent's tree, refused the change."""

    exit_code: ClassVar[int] = 1
    conclusion: ClassVar[Conclusion] = "refused"


class ConfigError(RunnerError):
    """The task, a configuration file or the command line is wrong; nothing was started."""

    exit_code: ClassVar[int] = 2
    conclusion: ClassVar[Conclusion] = "config-error"


class InfraError(RunnerError):
    """Docker, codex, the upstream model, the disk, the remote or the forge failed."""

    exit_code: ClassVar[int] = 3
    conclusion: ClassVar[Conclusion] = "infra-error"


class HaltedError(RunnerError):
    """A person or the kill switch stopped the run."""

    exit_code: ClassVar[int] = 4
    conclusion: ClassVar[Conclusion] = "halted"


class BudgetError(RunnerError):
    """Tokens, requests, bytes or wall-clock time ran out."""

    exit_code: ClassVar[int] = 5
    conclusion: ClassVar[Conclusion] = "budget"


class NeedsApprovalError(RunnerError):
    """A person has to approve before this can go on."""

    exit_code: ClassVar[int] = 6
    conclusion: ClassVar[Conclusion] = "needs-approval"


class NothingToDoError(RunnerError):
    """The agent ended without changing anything."""

    exit_code: ClassVar[int] = 7
    conclusion: ClassVar[Conclusion] = "empty"


class InterruptedRunError(RunnerError):
    """^C or SIGTERM reached the runner."""

    exit_code: ClassVar[int] = 130
    conclusion: ClassVar[Conclusion] = "interrupted"
