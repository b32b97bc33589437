"""What a check finds in a text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hit:
    """One place. `what` is told to people: it never repeats the text that was found."""

    start: int
    end: int
    """Offsets in the text."""
    kind: str
    """Second half of a finding's code, e.g. `pii`."""
    what: str
    mask: str | None = None
    """What stands there when it is redacted; None = it cannot be."""
    weak: bool = False
    """It only ever warns."""
    whole: bool = False
    """It speaks of the text as a whole, so not of one that is a part of another."""


def shape(text: str) -> str:
    """`123-45-6789` -> `###-##-####`: enough to find it again, not enough to have it."""
    shown = "".join(
        "#" if char.isdigit() else "x" if char.isalpha() else char if char in " .-+()@:/" else "?"
        for char in text[:24]
    )
    return shown + ("..." if len(text) > 24 else "")
