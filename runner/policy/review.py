"""The `[review]` tables: who reviews, how many must approve, and further criteria."""

from __future__ import annotations

from runner.errors import ConfigError
from runner.policy import names
from runner.policy.names import MisfitError
from runner.policy.toml import Table
from runner.records.base import Record
from runner.records.review import Review

MAX_INSTRUCTIONS = 4_000
"""Characters, of each layer."""
MAX_REVIEWERS = 9
_NAME = 'name models once: reviewers = ["model-a", "model-b"]'


class ReviewSettings(Record):
    """`[review]` of config.toml."""

    reviewers: tuple[str, ...] = ()
    """Models; the first is the reviewer model, unless that is named elsewhere. Empty = that one."""
    approvals: int | None = None
    """How many of them must approve; None = all."""
    instructions: str | None = None


def read_review_settings(table: Table) -> ReviewSettings:
    """Raises ConfigError naming source, line and key."""
    table.closed(ReviewSettings.model_fields)
    reviewers = table.strings("reviewers", names.model)
    if len(reviewers) > MAX_REVIEWERS:
        raise table.fail("reviewers", f"more than {MAX_REVIEWERS}", "name fewer")
    approvals = table.whole("approvals", 1)
    if approvals is not None and approvals > max(1, len(reviewers)):
        raise table.fail("approvals", "more than there are reviewers", "lower it, or leave it out")
    return ReviewSettings(
        reviewers=reviewers, approvals=approvals, instructions=read_instructions(table)
    )


def read_repo_review(table: Table) -> str | None:
    """Of the repository's policy, which may only add criteria. Raises ConfigError."""
    table.closed({"instructions"})
    return read_instructions(table)


def read_instructions(table: Table) -> str | None:
    return table.string("instructions", instructions)


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
    settings: ReviewSettings, repository: str | None, author: str, reviewer: str
) -> Review:
    """Raises ConfigError: a model would judge twice, or its own work."""
    further = settings.reviewers[1:]
    seen = {reviewer.casefold()}
    for model in further:
        if model.casefold() == author.casefold():
            raise ConfigError(f"{model} would review its own work", "take it from [review]")
        if model.casefold() in seen:
            raise ConfigError(f"{model} would review twice", _NAME)
        seen.add(model.casefold())
    said = (settings.instructions, repository)
    return Review(
        further=further,
        approvals=settings.approvals,
        instructions=tuple(text for text in said if text is not None),
    )
