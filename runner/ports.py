"""What the story of a run needs of the world, on one page. Rooms take these, never each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from runner.case import Case as Case  # noqa: PLC0414 - these are a part of this page
from runner.case import TestRun as TestRun  # noqa: PLC0414
from runner.case import Trial as Trial  # noqa: PLC0414
from runner.records.agent import AgentEvent, AgentResult
from runner.records.base import Oid, RunId
from runner.records.evidence import AgentId, Entry, Kind, ReceiptId, Statement
from runner.records.gate import GateReport
from runner.records.patch import Patch
from runner.records.report import Publication, RunReport
from runner.records.repository import Base
from runner.records.sandbox import Check, EngineName, Exit, Overlay, SandboxSpec, StopReason, Walls
from runner.records.setup import Layer, Wanted
from runner.records.usage import Budget, ToolCall, Usage


class Watch(Protocol):
    """Hears a sandbox and may stop it. Called from one thread."""

    def stdout(self, chunk: bytes) -> None: ...
    def stderr(self, chunk: bytes) -> None: ...
    def stop(self) -> StopReason | None:
        """Asked at least every 100 ms; a reason starts interrupt, terminate, kill."""


class Engine(Protocol):
    """Runs one process in one disposable sandbox."""

    @property
    def name(self) -> EngineName: ...
    @property
    def uid(self) -> int:
        """Host uid that owns what the sandbox writes; lower directories must belong to it."""

    @property
    def attributes(self) -> Literal["user.overlay.", "trusted.overlay."]:
        """How its overlay marks opaque and redirected directories."""

    @property
    def python(self) -> str:
        """Path of a python3 inside its sandboxes."""

    @property
    def path(self) -> str:
        """A PATH for its sandboxes."""

    @property
    def fingerprint(self) -> str:
        """Changes when the result of `checks()` could: version of the tool, image id, runtime."""

    def checks(self) -> tuple[Check, ...]:
        """Everything it needs of this machine, tried for real; all ok = it works."""

    def run(self, spec: SandboxSpec, stdin: bytes, watch: Watch) -> Exit:
        """Start, feed, watch, end, remove. When it returns no process of the sandbox is alive.

        Raises:
            InfraError: the sandbox could not be made (the command itself may fail freely).
        """


class Source(Protocol):
    """One repository at one base commit: workspaces out of it, patches into a private store."""

    @property
    def base(self) -> Base: ...
    def workspace(
        self, engine: Engine, name: str, tree: Oid | None = None, over: tuple[Path, ...] = ()
    ) -> AbstractContextManager[Overlay]:
        """A fresh overlay over the base, or over `tree` (a measured one), removed on leaving.
        `over` are paths of `layer`s: above the base, below what `tree` changes of it.

        `.git` (a minimal read-only repository with the base commit) and empty `.codex` and
        `.agents` are in `covers`. `name` is unique within the run, e.g. `agent`, `tests`.
        """

    def layer(self, engine: Engine, wanted: Wanted) -> Layer:
        """What `wanted.make` leaves in a workspace of its own (without `.git`), kept for later.

        Raises RefusedError: an entry that must not exist, or a credential, named by its path.
        """

    def ingest(self, overlay: Overlay, message: str) -> Patch:
        """The upper directory of a DEAD sandbox -> one tree id and one commit on the base.

        Raises:
            RefusedError: an entry that must not exist (special file, `.git` look-alike, escaping
                symlink, setuid, unreadable, too many, too deep), named by its path.
        """

    def apply(self, patch: bytes) -> Oid:
        """The tree that a patch file makes of the base; nothing is written outside the store.

        Raises ConfigError: it does not apply, or leads out of the repository.
        """

    def adopt(self, tree: Oid, commit: Oid | None = None, message: str = "") -> Patch:
        """A tree that no sandbox left, under the law of `ingest`; it is in `commit`, or in a new
        one with this message.

        Raises:
            RefusedError: as `ingest`.
        """

    def diff(self, patch: Patch) -> bytes:
        """`git diff --binary --full-index` from base to tree, applicable with `git apply`."""

    def blob(self, oid: Oid) -> bytes:
        """Content of one blob."""

    def base_blob(self, path: str) -> bytes | None:
        """Content of a file at the base commit; None = absent or not a regular file."""

    def touched(self, overlay: Overlay) -> tuple[str, ...]:
        """Tracked files that a DEAD sandbox wrote, removed or moved, be it the same again.

        Raises RefusedError: an entry that must not exist, so that it cannot be told.
        """

    def at_base(self, path: str) -> bool:
        """Whether the base commit has anything at `path`, a directory included."""

    def push(self, commit: Oid, remote: str, ref: str, token: str | None) -> None:
        """Create `ref` at `commit` on the remote: never force, expected to be absent or equal.

        Raises:
            InfraError: unreachable, refused, or the ref exists at another commit.
        """

    def require_published(self, remote: str, target: str, token: str | None) -> None:
        """The remote has the target branch and everything the base is made of.

        Raises:
            ConfigError: it lacks one of them; what nobody judged would be pushed along.
            InfraError: it cannot be asked.
        """

    def withdraw(self, commit: Oid, remote: str, ref: str, token: str | None) -> None:
        """Take `ref` back if it is still at `commit`: a request that failed leaves no branch."""


class Lease(Protocol):
    """Metered access to one model, for one session."""

    @property
    def directory(self) -> Path:
        """Holds `model.sock`, and a gate's; seen read-only at `/run/broker`."""

    def usage(self) -> Usage: ...
    def calls(self) -> tuple[ToolCall, ...]: ...
    def message(self) -> str:
        """Text of the last assistant message upstream completed; capped at 64 KiB."""

    def fault(self) -> str | None:
        """Why upstream could not be reached or refused the key, last seen; None = it answers."""

    def quiet_s(self) -> float:
        """Seconds since the last byte in either direction (since the start when none)."""


class Lender(Protocol):
    """Lends metered access to a model on a per-session UNIX socket; holds the key."""

    def lend(self, model: str, budget: Budget, log: Path) -> AbstractContextManager[Lease]:
        """Leaving takes the model away: socket closed and removed, connections cut.

        `log` gets one JSON line per request, refused ones included.
        """

    def holds(self) -> tuple[bytes, ...]:
        """Credentials in the runner's hands, for the exact-match scan; never logged."""


@dataclass(frozen=True, slots=True)
class Session:
    """One `codex exec` to be."""

    run: RunId
    role: Literal["agent", "review"]
    model: str
    prompt: str
    lease: Lease
    walls: Walls
    idle_s: float
    events: Path
    """Gets codex's JSONL whole (bounded by `walls.output_mib`)."""
    workspace: Overlay | None = None
    """None = an empty, read-only working directory."""
    read_only: bool = False
    """Its commands may write nothing in the workspace."""
    schema: Mapping[str, object] | None = None
    """JSON Schema the last message is asked to follow; never trusted to."""
    halted: Callable[[], StopReason | None] = lambda: None
    on_event: Callable[[AgentEvent], None] = lambda _: None
    on_usage: Callable[[Usage], None] = lambda _: None
    """The lease's usage, told about once a second."""


class Coder(Protocol):
    """Runs `codex exec` in a sandbox of the engine it was made with."""

    @property
    def version(self) -> str: ...
    def work(self, session: Session) -> AgentResult: ...


class Gate(Protocol):
    """A module of `runner.gates` with this shape."""

    NAME: str

    def check(self, case: Case) -> GateReport:
        """Refusing is a value.

        Raises:
            InfraError, BudgetError: it could not decide; the run stops without publishing.
        """


@dataclass(frozen=True, slots=True)
class Request:
    """A pull request to be, all text already sanitised."""

    run: RunId
    title: str
    body: str
    branch: str
    target: str
    commit: Oid
    labels: tuple[str, ...]
    draft: bool = True


class Forge(Protocol):
    """Where requests are opened."""

    def token(self) -> str | None:
        """The credential for the push; read only now. None = none needed."""

    def open(self, request: Request) -> Publication:
        """Open the request, or find the one this run opened before (same branch).

        Raises:
            InfraError: the forge refused or failed; the branch is pushed, nothing else.
        """


class Progress(Protocol):
    """A person watching."""

    def phase(self, name: str) -> None: ...
    def event(self, event: AgentEvent) -> None: ...
    def usage(self, usage: Usage) -> None: ...
    def gate(self, report: GateReport) -> None: ...


class Ledger(Protocol):
    """Signed statements, append-only; used by many threads at once."""

    def submit(self, statement: Statement) -> Future[Entry]:
        """Signed with the key of its kind; done when it is durable.

        Its future raises InfraError: the ledger cannot be written, or does not match itself.
        """

    def append(self, statement: Statement) -> Entry:
        """`submit`, waited for."""

    def entry(self, receipt: ReceiptId) -> Entry | None: ...
    def entries(
        self,
        *,
        run: RunId | None = None,
        agent: AgentId | None = None,
        kinds: tuple[Kind, ...] = (),
        first: int = 0,
    ) -> Iterator[Entry]:
        """In their order, from number `first` on; no kinds = all."""


class Folder(Protocol):
    """One run's evidence on disk, mode 0700."""

    @property
    def path(self) -> Path: ...
    def write(self, name: str, content: bytes) -> Path:
        """Atomically; an existing file is replaced."""

    def seal(self, report: RunReport) -> Path:
        """Writes report.json, report.md and the signed receipt.json; returns the receipt."""
