"""Tokens that were paid for, and the word that no more may be."""

from __future__ import annotations

from dataclasses import dataclass

NOTED = 0.8
"""Share of a budget from which on a person is told."""


class ExhaustedError(Exception):
    """`line` is what ran out, e.g. `output_tokens 500000`."""

    def __init__(self, line: str) -> None:
        super().__init__(line)
        self.line = line


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens of one response, as upstream counted them; cached ones are a part of the input."""

    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0


def note(name: str, spent: int, cap: int, *, usd: bool = False) -> tuple[str, ...]:
    """`("83 % of day_usd is spent: $41.50 of $50.00",)`, or nothing while there is plenty."""
    if spent < NOTED * cap:
        return ()
    told, of = (dollars(spent), dollars(cap)) if usd else (f"{spent:,}", f"{cap:,}")
    return (f"{100 * spent // max(cap, 1)} % of {name} is spent: {told} of {of}",)


def dollars(usd_micros: int) -> str:
    """`$41.50`; rounded up to a cent."""
    return f"${-(-usd_micros // 10_000) / 100:,.2f}"
