"""What analysers of the static gate are asked, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from runner.records.base import Record
from runner.records.merge import Strictest, Union
from runner.records.sandbox import Exit

Level = Literal["error", "warning", "note"]
Threshold = Literal["error", "warning", "note", "security"]
"""From which level on a new finding refuses; `security` = errors of security rules only."""
STRICTER: tuple[Threshold, ...] = ("note", "warning", "error", "security")
FILES = "/tmp/files"
"""Where an analyser's sandbox has the files, unless they lie over a checkout."""


class Analyser(Record):
    """A command of a policy that prints SARIF."""

    name: str
    command: str
    """A shell command, started in a checkout of the base with the changed files over it; their
    paths are its arguments: `lint --sarif -- "$@"`."""
    paths: tuple[str, ...]
    """Globs of the files it judges. All others, its configuration too, are the base's."""


class StaticRules(Record):
    """The policy's word on the static gate."""

    refuse: Annotated[Threshold, Strictest(order=STRICTER)] = "security"
    require: Annotated[tuple[str, ...], Union] = ()
    """Analysers that must have run where a file of their kind changed; absent = refused."""
    analysers: Annotated[tuple[Analyser, ...], Union] = ()
    """Besides the built-in ones."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """One analyser, once."""

    command: str
    """A shell command; the names of `files` are its arguments."""
    files: Mapping[str, bytes]
    """By a name below the place where they are put."""
    place: Literal["alone", "beside", "over"]
    """`alone`: nothing else is there. `beside`: in FILES, the command starts in a checkout of the
    base. `over`: in that checkout, over its own files."""
    tool: str | None = None
    """A program that the runner brings along if it is installed beside it, e.g. `ruff`."""


@dataclass(frozen=True, slots=True)
class Analysed:
    """How it ended, and all it printed."""

    exit: Exit
    output: bytes
    """Its standard output."""
