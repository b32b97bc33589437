"""What an organisation, a user, a repository and a task together allow: one record, one lattice.

A field of the policy is added in two lines:

1. here, or in a record that `Policy` holds, with its merge as annotation:
   `level: Annotated[Level, Least] = 2`. The default holds until a layer speaks that may replace it
   (`Merge.until`, by default the operator's); a `Union` is only ever added to.
2. in `runner.policy.readers.LEAVES`: `Leaf("level", read_level, ALL)`, which says how the key is
   read out of a TOML table (raising `table.fail(...)`), and which layers may name it.

`decide` then merges it, `policy show`, `explain`, `diff` and `schema` tell it, the organisation can
pin it, and `decided.policy.level` is its value. Values are immutable and hashable: tuples, frozen
records, no floats, no sets, no dictionaries.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Annotated, Any

from runner.records.approval import ApprovalRules
from runner.records.base import Record, Sha256
from runner.records.classes import Caps
from runner.records.dependencies import DependencyRules
from runner.records.guardrail import BUILT_IN, Guardrail
from runner.records.level import DEFAULT, Level
from runner.records.merge import (
    AnyTrue,
    Hosts,
    Intersection,
    LayerName,
    Least,
    Merge,
    Strictest,
    Upper,
    until,
)
from runner.records.merge import Union as AnyOf
from runner.records.rigour import Rigour
from runner.records.rules import CommandRule
from runner.records.static import StaticRules
from runner.records.task import Limits
from runner.records.usage import Allowance

MOST_APPROVALS = 9
Globs = tuple[str, ...]


class SetupRules(Record):
    """`[setup]`, as far as it is policy."""

    commands: Annotated[tuple[str, ...] | None, Upper()] = None
    """None = nothing is installed."""
    lockfiles: Annotated[Globs, Upper()] = ()
    """The only files the commands see; empty = all of them."""
    hosts: Annotated[tuple[str, ...], Hosts] = ()
    """What they may reach."""


class ReviewRules(Record):
    """`[review]`, as far as it is policy."""

    approvals: Annotated[int | None, Strictest(order=(None, *range(MOST_APPROVALS, 0, -1)))] = None
    """How many reviewers must approve; None = all."""
    instructions: Annotated[tuple[str, ...], AnyOf] = ()
    """Criteria, besides the built-in ones."""


class TrustRules(Record):
    """`[trust]`: what the ledger says of the agent."""

    enforce: Annotated[bool, AnyTrue] = False
    """No level is higher than the one the agent has earned and a person has given it."""


class Policy(Record):
    """All layers, decided."""

    limits: Annotated[Limits, Least] = Limits()
    budget: Annotated[Allowance, Least] = Allowance()
    """What all runs of this state directory may spend together."""
    models: Annotated[tuple[str, ...] | None, Intersection] = None
    """The only ones that may write or review; None = any."""
    paths: Annotated[tuple[Globs, ...], AnyOf] = ()
    """A changed path matches a glob of each of these; empty = anywhere."""
    protected: Annotated[Globs, AnyOf] = ()
    """Globs no change may touch."""
    test: Annotated[str | bool | None, Upper(weak=(False,))] = None
    """The tests gate's command; False = waived; None = nobody named one."""
    tests: Rigour = Rigour()
    setup: SetupRules = SetupRules()
    dependencies: DependencyRules = DependencyRules()
    static: StaticRules = StaticRules()
    gates: Annotated[tuple[str, ...], AnyOf] = ()
    """Of other packages, by the name of their entry point; one that is only installed is none."""
    guardrails: Annotated[tuple[Guardrail, ...], until("built-in", AnyOf)] = BUILT_IN
    """Checks on text, by stage; every layer only adds."""
    review: ReviewRules = ReviewRules()
    level: Annotated[Level, Least] = DEFAULT
    """How much a run may do with nobody watching."""
    classes: Annotated[Caps, Least] = Caps()
    approvals: ApprovalRules = ApprovalRules()
    trust: TrustRules = TrustRules()
    queue_label: Annotated[str | None, Upper()] = None
    """Put on the ready requests of level 3, for a merge queue."""
    rules: Annotated[tuple[CommandRule, ...], AnyOf] = ()
    """On the agent's commands; of all that match the strictest holds."""
    features_off: Annotated[tuple[str, ...], AnyOf] = ()
    """Features of codex that are switched off, besides those that always are."""


@dataclass(frozen=True, slots=True)
class Field:
    """One value of the policy, e.g. `limits.lines`."""

    name: str
    merge: Merge
    default: Any
    kind: Any
    """Its type, for the schema."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source says; a name that is missing is a field it says nothing of."""

    name: LayerName
    source: str
    """As a person knows it: `/etc/codex-runner/requirements.toml`."""
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """By the name of the field, e.g. `limits.lines`."""
    places: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Where a value stands: `config.toml, line 3`."""
    pins: frozenset[str] = frozenset()
    """Fields whose value no layer below may change, not even to tighten it."""
    void: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Words that do not count because of what a layer above said of another field."""
    sha256: Sha256 | None = None
    """Of the file's bytes."""
    examples: tuple[Any, ...] = ()
    """Its `[[examples]]`, as tables; read only where they are tried."""

    def place(self, name: str) -> str:
        return self.places.get(name, self.source)


@cache
def fields() -> Mapping[str, Field]:
    """All there are, by name, in the order of the records."""
    return MappingProxyType({each.name: each for each in _fields(Policy, "", None)})


def _fields(record: type[Record], prefix: str, outer: Merge | None) -> Iterator[Field]:
    for name, info in record.model_fields.items():
        merge = next((each for each in info.metadata if isinstance(each, Merge)), outer)
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, Record):
            yield from _fields(kind, f"{prefix}{name}.", merge)
        elif merge is None:
            raise TypeError(f"{record.__name__}.{name} does not say how it is merged")
        else:
            yield Field(prefix + name, merge, info.get_default(), kind)
