"""What a session may spend, and what the broker counted."""

from __future__ import annotations

from collections.abc import Sequence

from runner.records.base import Record, Sha256


class Budget(Record):
    """Hard bounds of one lease of the model. 0 is not 'unlimited'."""

    requests: int
    input_tokens: int
    output_tokens: int
    tool_calls: int = 1000
    """Asked for by the model, as far as its responses say."""
    history_items: int = 5000
    """Of the conversation that one request carries."""
    history_mib: int = 8
    """Bytes of one request."""
    sent_mib: int = 64
    """Bytes of all of them."""
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
    completed: int = 0
    """Responses that upstream finished."""
    tool_calls: int = 0
    """Calls these asked codex to run: functions, custom tools, shell, patches."""
    unfinished: bool = False
    """The last response did not complete, or asked for a tool whose result was never sent."""
    exhausted: str | None = None
    """The budget line that ran out, e.g. `output_tokens 500000`; None = none did."""
    retries: int = 0
    """Requests sent again after a rate limit or a failure of upstream."""
    waited_s: int = 0
    """For these."""
    served: str = ""
    """The model that upstream said answered last; empty = it does not say."""
    waits: str = ""
    """What is being waited for now, e.g. `upstream limits the rate (429): try 2 in 20 s`."""
    notes: tuple[str, ...] = ()
    """Budgets of which four fifths or more are spent, one line each."""


class ToolCall(Record):
    """One that the model asked for, as the broker saw it pass."""

    id: str
    tool: str
    """As the gate is asked: `Bash`, `apply_patch`, `mcp__server__tool`."""
    code_sha256: Sha256
    """Of the command, the patch, or the arguments in canonical JSON."""
    inert: bool = False
    """It does nothing new: a `write_stdin` that looks, or interrupts."""
    answer: str | None = None
    """The beginning of what codex sent back; None = nothing."""
    output_sha256: Sha256 | None = None


def total(usages: Sequence[Usage]) -> Usage | None:
    """Of several sessions; None = there was none. What was last is said of the last one."""
    if not usages:
        return None
    last = usages[-1]
    sums = {
        name: sum(getattr(each, name) for each in usages)
        for name, value in last
        if type(value) is int and name != "cost_usd_micros"
    }
    costs = [each.cost_usd_micros for each in usages]
    cost = None if None in costs else sum(filter(None, costs))
    notes = dict.fromkeys(note for each in usages for note in each.notes)
    return last.model_copy(update={**sums, "cost_usd_micros": cost, "notes": (*notes,)})


class Allowance(Record):
    """What all leases together may spend; None = no bound. Input and output tokens are summed."""

    run_usd_micros: int | None = None
    """Of one run, author and reviewer."""
    day_usd_micros: int | None = None
    """Of all runs that share a state directory, per day in UTC."""
    day_tokens: int | None = None
    repository_day_usd_micros: int | None = None
    """Of those of one repository, per day in UTC."""
    repository_day_tokens: int | None = None
    organisation_day_usd_micros: int | None = None
    """Of those of all repositories whose remotes differ in the last part of their path only."""
    organisation_day_tokens: int | None = None

    @property
    def counts_usd(self) -> bool:
        """Only models of known price can be held to it."""
        return any(v is not None for name, v in self if name.endswith("_usd_micros"))


class Price(Record):
    """Of one model, in micro-dollars per million tokens."""

    input_usd_micros: int
    cached_usd_micros: int
    output_usd_micros: int

    def cost_usd_micros(self, input_tokens: int, cached_tokens: int, output_tokens: int) -> int:
        """Rounded up; `cached_tokens` are a part of `input_tokens`."""
        millionths = (
            (input_tokens - cached_tokens) * self.input_usd_micros
            + cached_tokens * self.cached_usd_micros
            + output_tokens * self.output_usd_micros
        )
        return -(-millionths // 1_000_000)
