"""Everything one run talks to, picked by the wiring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

from runner.case import Trial
from runner.ports import (
    Case,
    Coder,
    Engine,
    Folder,
    Forge,
    Lease,
    Ledger,
    Lender,
    Progress,
    Source,
    TestRun,
)
from runner.records.agent import AgentResult
from runner.records.gate import GateReport
from runner.records.patch import Patch
from runner.records.plan import Plan
from runner.records.sandbox import Overlay, StopReason
from runner.records.setup import SetupResult
from runner.records.static import Analysed, Analysis
from runner.records.usage import Usage

GateRole = Literal["agent", "review"]


Ask = Callable[[str, Mapping[str, object], Callable[[], bool]], AgentResult]
"""A prompt, the schema of an answer, and whether nobody needs it any more -> a reviewer's session.
A RunnerError = there was none."""


def unadvised(_ask: Ask) -> AbstractContextManager[None]:
    """No model looks at what waits for a person."""
    return nullcontext()


@dataclass(frozen=True, slots=True)
class Held:
    """A model that is lent, with the execution gate beside its socket."""

    lease: Lease
    account: Callable[[AgentResult], AgentResult]
    """Of the dead session: what the gate decided, and what ran without it."""
    advised: Callable[[Ask], AbstractContextManager[None]] = unadvised
    """Around the session: a reviewer may be asked about what waits."""


def ungated(_role: GateRole, _model: str, lease: Lease) -> AbstractContextManager[Held]:
    """Nobody to ask: a coder whose hook asks is denied everything."""
    return nullcontext(Held(lease, lambda result: result))


Admit = Callable[[str, str], tuple[str, tuple[str, ...]]]
"""What a text is, and the text -> what of it the agent may be told, and what was found in it."""


def unguarded(_source: str, text: str) -> tuple[str, tuple[str, ...]]:
    """Nothing is declared that would look at it."""
    return text, ()


@dataclass(frozen=True, slots=True)
class Installer:
    """What a run with a setup needs besides."""

    install: Callable[[Overlay], SetupResult]
    """Runs the commands over a workspace; their way out is closed again when it returns."""
    shows: Callable[[bytes], bool] | None
    """Which files of the base they see; None = all."""


@dataclass(frozen=True, slots=True)
class World:
    """Ports and a few pure functions; the story (`run.tell`) knows nothing else."""

    plan: Plan
    engine: Engine
    source: Source
    coder: Coder
    lender: Lender
    """The author's model."""
    reviewing: Lender
    """The reviewers'; the same one unless they have a provider of their own."""
    forge: Forge | None
    """None = judge only, publish nothing."""
    folder: Folder
    ledger: Ledger
    progress: Progress
    halted: Callable[[], StopReason | None]
    prompt: Callable[[Plan], str]
    repair_prompt: Callable[[Plan, tuple[GateReport, ...]], str]
    """What the author is told after a refusal."""
    commit_message: Callable[[Plan], str]
    request_text: Callable[
        [Plan, Patch, AgentResult, tuple[GateReport, ...], Usage | None], tuple[str, str]
    ]
    """Title and body, sanitised; the last is what the reviewer used."""
    outbound: Callable[[Mapping[str, str]], None]
    """The last look at all text before it leaves; raises RefusedError when it holds a secret."""
    test: Callable[[Overlay, Trial], TestRun]
    """Runs a shell command over a workspace in a sandbox without network or model."""
    analyse: Callable[[Overlay | None, Analysis], Analysed]
    """Runs an analyser, over a workspace of the base or without one, as `test` does."""
    judge: Callable[[Case, Callable[[GateReport], None]], tuple[GateReport, ...]]
    without: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Gates a person leaves out, and how he said so: `review` -> `--no-review`."""
    setup: Installer | None = None
    """None = the plan has none."""
    gate: Callable[[GateRole, str, Lease], AbstractContextManager[Held]] = ungated
    """The execution gate of one session with this model."""
    admit: Admit = unguarded
    """Asked of text from outside that goes back to the author; raises RefusedError."""
