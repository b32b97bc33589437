"""Every key of the policy in TOML: how it is read, and which layers may name it.

One table for all layers, so that a key means the same wherever it stands.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, TypeVar

from runner.policy import names
from runner.policy.approvers import person
from runner.policy.budget import dollars
from runner.policy.guardrails import read_guardrails, read_guardrails_table
from runner.policy.review import instructions
from runner.policy.rules_read import read_rules
from runner.policy.static import read_analysers
from runner.policy.toml import Table
from runner.records.approval import LONGEST, LOW_RISK
from runner.records.base import Sha256
from runner.records.classes import Caps
from runner.records.dependencies import STRICTER as NEW
from runner.records.level import HIGHEST
from runner.records.merge import LayerName, normal_hosts
from runner.records.policy import MOST_APPROVALS, Layer
from runner.records.rigour import MOST_RETRIES
from runner.records.static import STRICTER
from runner.records.task import Limits

OPERATOR: frozenset[LayerName] = frozenset({"organisation", "user"})
REPOSITORY: frozenset[LayerName] = frozenset({"repository"})
TASK: frozenset[LayerName] = frozenset({"task"})
COMMAND: frozenset[LayerName] = frozenset({"command line"})
OWNERS = OPERATOR | REPOSITORY
ALL = OWNERS | TASK
EVERY = ALL | COMMAND
PIN = "pin"
UNPIN = "unpin"
"""Tables of settings that an organisation gives and that a user may replace all the same."""
EXAMPLES = "examples"
"""What the policy is to decide: `runner.policy.examples`."""
_NOTHING: Mapping[str, Collection[str]] = MappingProxyType({})
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Leaf:
    """One key."""

    key: str
    """As it is written: `budget.day_usd`."""
    read: Callable[[Table, str], Any]
    """Out of the table that has it, by the last part of its name; raises ConfigError."""
    layers: frozenset[LayerName]
    field: str = ""
    """The field's name, where that is another: `budget.day_usd_micros`."""

    @property
    def name(self) -> str:
        return self.field or self.key


def _word(check: Callable[[str], T]) -> Callable[[Table, str], Any]:
    return lambda table, key: table.string(key, check)


def _words(check: Callable[[str], T]) -> Callable[[Table, str], Any]:
    return lambda table, key: tuple(dict.fromkeys(table.strings(key, check)))


def _number(least: int, most: int) -> Callable[[Table, str], Any]:
    def read(table: Table, key: str) -> int | None:
        value = table.whole(key, least)
        if value is not None and value > most:
            raise table.fail(key, "is too large", f"use {most} or less, or leave it out")
        return value

    return read


def _some_models(table: Table, key: str) -> tuple[str, ...]:
    found = tuple(dict.fromkeys(table.strings(key, names.model)))
    if not found:
        raise table.fail(key, "an empty list allows none", "leave it out to allow every model")
    return found


LEAVES: tuple[Leaf, ...] = (
    *(Leaf(f"limits.{name}", Table.limit, EVERY) for name in Limits.model_fields),
    Leaf("budget.run_usd", dollars, EVERY, "budget.run_usd_micros"),
    Leaf("budget.day_usd", dollars, EVERY, "budget.day_usd_micros"),
    Leaf("budget.day_tokens", _number(1, 10**15), EVERY),
    Leaf("budget.repository_day_usd", dollars, EVERY, "budget.repository_day_usd_micros"),
    Leaf("budget.repository_day_tokens", _number(1, 10**15), EVERY),
    Leaf("budget.organisation_day_usd", dollars, EVERY, "budget.organisation_day_usd_micros"),
    Leaf("budget.organisation_day_tokens", _number(1, 10**15), EVERY),
    Leaf("models", _some_models, ALL),
    Leaf("paths", lambda table, key: (table.allowed(key, names.glob),), EVERY - OPERATOR),
    Leaf("protected", _words(names.glob), ALL),
    Leaf("test", _word(names.command), OPERATOR),
    Leaf("test", lambda table, key: table.command(key, names.command), ALL - OPERATOR),
    Leaf("tests.baseline", Table.flag, ALL),
    Leaf("tests.retries", _number(0, MOST_RETRIES), ALL),
    Leaf("tests.strict", Table.flag, ALL),
    Leaf("tests.coverage", _number(0, 100), ALL),
    Leaf("tests.coverage_file", _word(names.path), ALL),
    Leaf("setup.commands", lambda table, key: table.strings(key, names.command), REPOSITORY),
    Leaf("setup.lockfiles", _words(names.glob), REPOSITORY),
    Leaf("setup.hosts", lambda table, key: normal_hosts(table.strings(key, names.host)), OWNERS),
    Leaf("dependencies.new", _word(names.one_of(*NEW)), OWNERS),
    Leaf("dependencies.allow", _words(names.line(200)), OPERATOR),
    Leaf("dependencies.advisories", _word(names.absolute), OPERATOR),
    Leaf("static.refuse", _word(names.one_of(*STRICTER)), OWNERS),
    Leaf("static.require", _words(names.plain), OWNERS),
    Leaf("static.analysers", read_analysers, OWNERS),
    Leaf("gates", _words(names.plain), OPERATOR),
    Leaf("guardrails", read_guardrails, OPERATOR),
    Leaf("guardrails", read_guardrails_table, ALL - OPERATOR),
    Leaf("review.approvals", _number(1, MOST_APPROVALS), OPERATOR),
    Leaf("level", _number(0, HIGHEST), EVERY),
    *(Leaf(f"classes.{name}", _number(0, HIGHEST), OWNERS) for name in Caps.model_fields),
    Leaf("approvals.commands", Table.flag, ALL),
    Leaf("approvals.expires_s", _number(1, LONGEST // timedelta(seconds=1)), ALL),
    Leaf("approvals.auto", _words(names.one_of(*LOW_RISK)), OWNERS),
    Leaf("approvals.approvers", _words(person), OWNERS),
    Leaf("trust.enforce", Table.flag, ALL),
    Leaf("queue_label", _word(names.line(50)), OWNERS),
    Leaf("rules", read_rules, ALL),
    Leaf("features_off", _words(names.plain), ALL),
    Leaf("review.instructions", lambda table, key: (table.string(key, instructions),), OWNERS),
)


def leaves_of(layer: LayerName) -> dict[str, Leaf]:
    """The keys a layer may name."""
    return {leaf.key: leaf for leaf in LEAVES if layer in leaf.layers}


def read_layer(
    table: Table,
    layer: LayerName,
    others: Mapping[str, Collection[str]] = _NOTHING,
    sha256: Sha256 | None = None,
) -> Layer:
    """What a file says. `others` are its keys that are no policy; where one is a table that has
    policy too, with the keys of its own.

    Raises:
        ConfigError: an unknown key or a bad value, naming file, line and key.
    """
    may = {EXAMPLES} if layer in OWNERS else set()
    values, places = read_leaves(table, leaves_of(layer), {**others, **dict.fromkeys(may, ())})
    return Layer(
        name=layer,
        source=table.source,
        values=MappingProxyType(values),
        places=MappingProxyType(places),
        sha256=sha256,
        examples=table.tables(EXAMPLES),
    )


def read_leaves(
    table: Table, known: Mapping[str, Leaf], others: Mapping[str, Collection[str]] = _NOTHING
) -> tuple[dict[str, Any], dict[str, str]]:
    """Values and places by the names of the fields; `others` as for `read_layer`.

    Raises:
        ConfigError: as `read_layer`.
    """
    table.closed({key.partition(".")[0] for key in known} | others.keys())
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    for head in table.values:
        tails = {key.partition(".")[2] for key in known if key.partition(".")[0] == head}
        if tails - {""}:
            below = table.table(head)
            below.closed(tails | {*others.get(head, ())})
        for tail in tails:
            holder, key = (table.table(head), tail) if tail else (table, head)
            if key in holder.values:
                leaf = known[f"{head}.{tail}" if tail else head]
                values[leaf.name] = leaf.read(holder, key)
                places[leaf.name] = holder.where(key)
    return values, places


def read_pins(table: Table) -> frozenset[str]:
    """`pin = ["engine", "limits.lines", "static"]`: keys and tables of this very file, which has
    to say what they are pinned to.

    Raises:
        ConfigError: it does not name one of them.
    """
    pins = table.strings(PIN, names.line(100))
    there = {*table.values} - {PIN, UNPIN, EXAMPLES}
    for head, value in table.values.items():
        if isinstance(value, dict):
            there |= {f"{head}.{tail}" for tail in value}
    for pin in pins:
        if pin not in there:
            near = get_close_matches(pin, there, n=1)
            guess = f"did you mean {near[0]}? " if near else ""
            raise table.fail(PIN, f"{pin!a} is not set here", f"{guess}give it a value here")
    return frozenset(pins)


def pinned_fields(pins: Collection[str], layer: Layer) -> frozenset[str]:
    """The fields of the policy among what a file pins."""
    keys = {leaf.key: leaf.name for leaf in LEAVES}
    found = {name for key, name in keys.items() if {key, key.partition(".")[0]} & {*pins}}
    return frozenset(found & layer.values.keys())
