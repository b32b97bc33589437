"""What a session may spend, and what the broker counted."""

from __future__ import annotations

from runner.records.base import Record


class Budget(Record):
    """Hard bounds of one lease of the model. 0 is not 'unlimited'."""

    requests: int
    input_tokens: int
    output_tokens: int
    body_bytes: int = 64 * 1024 * 1024
    """Request bytes, summed."""
    stream_bytes: int = 256 * 1024 * 1024
    """Response bytes, summed."""
    wall_s: int


class Usage(Record):
    """Counted by the broker, from upstream's own stream."""

    requests: int = 0
    refused: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    sent_bytes: int = 0
    received_bytes: int = 0
    cost_usd_micros: int | None = None
    """None = the price of this model is not in the configuration."""
    exhausted: str | None = None
    """The budget line that ran out, e.g. `output_tokens 500000`; None = none did."""


class Price(Record):
    """Of one model, in micro-dollars per million tokens."""

    input_usd_micros: int
    cached_usd_micros: int
    output_usd_micros: int
