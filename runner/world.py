"""Everything one run talks to, picked by the wiring."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from runner.ports import Case, Coder, Engine, Folder, Forge, Lender, Progress, Source, TestRun
from runner.records.agent import AgentResult
from runner.records.gate import GateReport
from runner.records.patch import Patch
from runner.records.plan import Plan
from runner.records.sandbox import Overlay, StopReason
from runner.records.usage import Usage


@dataclass(frozen=True, slots=True)
class World:
    """Ports and a few pure functions; the story (`run.tell`) knows nothing else."""

    plan: Plan
    engine: Engine
    source: Source
    coder: Coder
    lender: Lender
    forge: Forge | None
    """None = judge only, publish nothing."""
    folder: Folder
    progress: Progress
    halted: Callable[[], StopReason | None]
    prompt: Callable[[Plan], str]
    commit_message: Callable[[Plan], str]
    request_text: Callable[
        [Plan, Patch, AgentResult, tuple[GateReport, ...], Usage | None], tuple[str, str]
    ]
    """Title and body, sanitised; the last is what the reviewer used."""
    outbound: Callable[[Mapping[str, str]], None]
    """The last look at all text before it leaves; raises RefusedError when it holds a secret."""
    test: Callable[[Overlay, str], TestRun]
    """Runs a shell command over a workspace in a sandbox without network or model."""
    judge: Callable[[Case, Callable[[GateReport], None]], tuple[GateReport, ...]]
