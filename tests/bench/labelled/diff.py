"""A labelled change: what it does to a release, and what each gate has to say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

Mode = str
GateName = Literal["paths", "size", "secrets", "tamper", "dependencies"]
GATES: tuple[GateName, ...] = ("paths", "size", "secrets", "tamper", "dependencies")


@dataclass(frozen=True, slots=True)
class Entry:
    """A file, a link with its target, or a submodule with its commit."""

    data: bytes
    mode: Mode = "100644"


Tree = Mapping[str, Entry]
Edits = Mapping[str, Entry | None]
"""None = removed."""


@dataclass(frozen=True, slots=True)
class Diff:
    """`Diff("click-8.1.6..8.1.7:types", "click-8.1.6", edits, {"size": False})`."""

    id: str
    release: str
    """The tree it starts from."""
    edits: Edits
    labels: Mapping[GateName, bool]
    """Gates that have to refuse it (True) or to pass it; of the others nothing is expected."""
    before: Edits = field(default_factory=lambda: MappingProxyType({}))
    """What is added to the release first: files that the change then spoils."""
    texts: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """What would leave beside the tree."""
    carrier: str = ""
    """Of a bad one: the good one it was made of."""
    kind: str = ""
    """What was planted, or what the label says."""


def applied(tree: Tree, *edits: Edits) -> Tree:
    """The tree afterwards."""
    result: dict[str, Entry | None] = {**tree}
    for each in edits:
        result |= each
    return {path: entry for path, entry in result.items() if entry is not None}
