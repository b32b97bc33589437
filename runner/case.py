"""What a gate is given to judge, and what it may ask for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from runner.records.agent import AgentResult
from runner.records.base import Oid
from runner.records.patch import Patch
from runner.records.plan import Plan
from runner.records.sandbox import Exit
from runner.records.static import Analysed, Analysis

OUTPUT_BYTES = 4 * 1024 * 1024
"""Of the end of each stream of a test run: some 40,000 lines that name a test. It is copied a few
times while it is read, and the runner stays small."""
FILE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of a shell command to be, on a fresh checkout of the change's tree."""

    command: str
    name: str = "tests"
    """Of its workspace and its log."""
    base: bool = False
    """On the base's tree instead."""
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    files: tuple[str, ...] = ()
    """Regular files to bring back from its sandbox: paths in there, relative ones in the tree."""


@dataclass(frozen=True, slots=True)
class TestRun:
    """The test command's end in a sandbox of its own. Whatever it said, the tree's code said."""

    __test__ = False  # the name is not a test class's
    exit: Exit
    tail: str
    """The last 4 KiB of its output, control characters escaped."""
    tree_changed: tuple[str, ...] = ()
    """Tracked files the command wrote while it ran, be it the same again; not in the patch."""
    tree_unread: str = ""
    """Why that could not be told; empty = it could."""
    stdout: bytes = b""
    """Its last `OUTPUT_BYTES`."""
    stderr: bytes = b""
    files: Mapping[str, bytes] = field(default_factory=lambda: MappingProxyType({}))
    """Those of the asked ones that were there, each cut at `FILE_BYTES`."""


@dataclass(frozen=True, slots=True)
class Case:
    """What a gate may look at: the plan, one tree, and three things it may ask for."""

    plan: Plan
    patch: Patch
    blob: Callable[[Oid], bytes]
    at_base: Callable[[str], bool]
    """Whether the base has anything at a path (in the text form), a directory included."""
    base_blob: Callable[[str], bytes | None]
    """As `Source.base_blob`."""
    diff: Callable[[], bytes]
    texts: Mapping[str, str]
    """Everything else that would leave the machine: branch, commit message, title, body."""
    held: tuple[bytes, ...]
    """Credentials of the runner itself, searched for literally."""
    test: Callable[[Trial], TestRun]
    """Runs the test command on a fresh checkout; no network, no model."""
    analyse: Callable[[Analysis], Analysed]
    """Runs an analyser over some files; no network, no model."""
    review: Callable[[str, Mapping[str, object], str], AgentResult]
    """Puts a prompt and a schema to one of the plan's reviewers, by model."""
    author: str = ""
    """The model that answered the author, as its provider calls it; empty = it does not say."""
    ground: str = ""
    """All that decides how a command ends on the base, besides itself: tree, engine, setup."""
