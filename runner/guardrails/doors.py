"""Where a run asks: before it spends anything, and of what its agent will read.

The last door, of what would leave, is the gate.
"""

from __future__ import annotations

from collections.abc import Mapping

from runner.guardrails.guard import Guard, Outcome, Place

TASK = Place("the task", first_line=0)
"""Its title is line 0."""


def pre_flight(guard: Guard, title: str, prompt: str) -> Outcome:
    """The task as one text: its title, a line end, the prompt."""
    return guard.check("pre_flight", f"{title}\n{prompt}", TASK)


def task_input(guard: Guard, title: str, prompt: str) -> Outcome:
    """The task as the agent is told it; the caller lets `pre_flight` look first."""
    return guard.check("input", f"{title}\n{prompt}", TASK)


def documents(guard: Guard, texts: Mapping[str, str]) -> tuple[Outcome, ...]:
    """Instructions to agents that lie in the repository: by path, and nothing can be redacted."""
    return tuple(
        guard.check("input", text, Place(path, path, fixed=True)) for path, text in texts.items()
    )


def told_back(guard: Guard, source: str, text: str) -> Outcome:
    """What a run tells its agent besides the task: why it was refused, or broken off. Rules on a
    text as a whole are not for a part of the conversation."""
    return guard.check("input", text, Place(source, part="fragment"))
