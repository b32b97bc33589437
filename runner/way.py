"""How a run goes when it is not the plain one: only gates, or from where another one ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from runner import run
from runner.ports import Lender
from runner.records.plan import Plan
from runner.records.policy import Layer
from runner.records.task import Task
from runner.told import Told
from runner.world import World


@dataclass(frozen=True, slots=True)
class Way:
    """`Way()` is the plain one."""

    story: Callable[[World, Told], None] = run.tell
    task: Callable[[Task, Layer], Task] = lambda task, _: task
    """The task under the repository's policy."""
    plan: Callable[[Plan], Plan] = lambda plan: plan
    """The last word on the plan; it may only tighten it. Raises ConfigError."""
    without: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Gates that are left out, and how a person said so."""
    authored: bool = True
    """An author's session may come; else its key is asked for only where reviewers share it."""
    lender: Lender | None = None
    """In the model's place, when no model is needed."""


PLAIN = Way()
