"""How a change is reviewed, besides by the reviewer model."""

from __future__ import annotations

from runner.records.base import Record

OVER_BUDGET = "review.over-budget"
"""The one refusal that is no word about the change: with more to spend it may pass."""


class Review(Record):
    """`[review]` of config.toml, and of the repository's policy as far as that may speak."""

    upstream: str | None = None
    """Base URL of the reviewers' own provider, without credentials; None = the author's."""
    further: tuple[str, ...] = ()
    """Models beside the reviewer model, each in sessions of its own."""
    approvals: int | None = None
    """How many reviewers must approve; None = all."""
    instructions: tuple[str, ...] = ()
    """More criteria, the operator's before the repository's; they never replace the built-in."""
