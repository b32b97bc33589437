"""The `[review]` tables: who reviews, how many must approve, and further criteria."""

from __future__ import annotations

from runner.errors import ConfigError
from runner.policy import names
from runner.policy.names import MisfitError
from runner.policy.provider import read_endpoint
from runner.policy.toml import Table
from runner.records.base import Record
from runner.records.policy import MOST_APPROVALS, ReviewRules
from runner.records.provider import Endpoint, same_at
from runner.records.review import Review

MAX_INSTRUCTIONS = 4_000
"""Characters, of each layer."""
MAX_REVIEWERS = MOST_APPROVALS
_NAME = 'name models once: reviewers = ["model-a", "model-b"]'


class ReviewSettings(Record):
    """`[review]` of config.toml."""

    reviewers: tuple[str, ...] = ()
    """Models; the first is the reviewer model, unless that is named elsewhere. Empty = that one."""
    provider: Endpoint | None = None
    """Where the reviewers are asked; None = where the author is."""

    def moved(self, upstream: str) -> ReviewSettings:
        """The same, its provider elsewhere."""
        if self.provider is None:
            return self
        provider = self.provider.model_copy(update={"upstream": upstream})
        return self.model_copy(update={"provider": provider})


def read_review_settings(table: Table) -> ReviewSettings:
    """Raises ConfigError naming source, line and key."""
    reviewers = table.strings("reviewers", names.model)
    if len(reviewers) > MAX_REVIEWERS:
        raise table.fail("reviewers", f"more than {MAX_REVIEWERS}", "name fewer")
    own = "provider" in table.values
    return ReviewSettings(
        reviewers=reviewers, provider=read_endpoint(table.table("provider")) if own else None
    )


def instructions(value: str) -> str:
    """Text of several lines for a reviewer."""
    if not value.strip():
        raise MisfitError("is empty", "say what else a reviewer should look for, or leave it out")
    if not all(char.isprintable() or char in "\n\t" for char in value):
        raise MisfitError("contains control or invisible characters", "remove them")
    if len(value) > MAX_INSTRUCTIONS:
        raise MisfitError(f"is longer than {MAX_INSTRUCTIONS} characters", "shorten it")
    return value


def decide_review(
    settings: ReviewSettings, rules: ReviewRules, author: str, reviewer: str, own: Endpoint
) -> Review:
    """`own` is the author's provider.

    Raises:
        ConfigError: a model would judge twice, or its own work, under whatever name; or more
            have to approve than there are.
    """
    further, there = settings.reviewers[1:], settings.provider or own
    known = [(author, own, "its own work", "name another reviewer_model, or author")]
    for model in (reviewer, *further):
        for other, place, what, remedy in known:
            if same_at(other, place, model, there):
                alias = "" if model == other else f": as far as names tell, it is {other}"
                raise ConfigError(f"{model} would review {what}{alias}", remedy)
        known.append((model, there, "twice", _NAME))
    if rules.approvals is not None and rules.approvals > 1 + len(further):
        problem = f"review.approvals: {rules.approvals} are more than there are reviewers"
        raise ConfigError(problem, "lower it, or name more reviewers under [review]")
    return Review(
        upstream=None if settings.provider is None else settings.provider.upstream,
        further=further,
        approvals=rules.approvals,
        instructions=rules.instructions,
    )
