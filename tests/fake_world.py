"""A world in memory: every port of the story as a small fake that records what it was asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from runner.errors import RunnerError
from runner.ports import Case, Engine, Request, Session, TestRun, Trial
from runner.records.agent import AgentEvent, AgentResult
from runner.records.base import Oid, RunId, Sha256
from runner.records.gate import GateReport, Verdict
from runner.records.patch import Patch
from runner.records.plan import Plan
from runner.records.report import Publication, RunReport
from runner.records.repository import Base
from runner.records.sandbox import Check, Exit, Overlay, SandboxSpec, StopReason
from runner.records.setup import Layer, Wanted
from runner.records.static import Analysed
from runner.records.task import Limits, Task
from runner.records.usage import Budget, ToolCall, Usage
from runner.world import World
from tests.fake_ledger import FakeLedger

BASE, TREE, COMMIT = Oid("a" * 40), Oid("b" * 40), Oid("c" * 40)
RUN = RunId("20261120-102233-7f3a9c")


def make_plan() -> Plan:
    task = Task(title="Fix it", prompt="Please fix it.", source="task.md", sha256=Sha256("0" * 64))
    return Plan(
        run=RUN,
        version="0",
        codex_version="0.163.0",
        task=task,
        limits=Limits(),
        engine="bubblewrap",
        inner_sandbox="auto",
        base_commit=BASE,
        target="main",
        branch=f"codex/fix-it-{RUN}",
        model="gpt-5.5",
        reviewer_model="gpt-5.6-terra",
        test="true",
        protected=(),
        paths=(),
        upstream="https://example.invalid/v1",
        remote="/srv/repo.git",
        forge="local",
    )


def make_patch(tree: Oid = TREE) -> Patch:
    return Patch(base_commit=BASE, base_tree=Oid("d" * 40), tree=tree, commit=COMMIT, changes=())


def ended(stopped: StopReason | None = None, code: int | None = 0) -> Exit:
    return Exit(code=None if stopped else code, stopped=stopped, duration_ms=1)


def told_by_agent(stopped: StopReason | None = None, *, ok: bool = True) -> AgentResult:
    usage = Usage(requests=2, completed=2, tool_calls=1)
    return AgentResult(ok=ok and not stopped, reason="", usage=usage, exit=ended(stopped))


class FakeEngine:
    name: Literal["bubblewrap"] = "bubblewrap"
    uid = 1000
    attributes: Literal["user.overlay."] = "user.overlay."
    python = "/usr/bin/python3"
    path = "/usr/bin:/bin"
    fingerprint = "fake"

    def checks(self) -> tuple[Check, ...]:
        return ()

    def run(self, spec: SandboxSpec, stdin: bytes, watch: object) -> Exit:
        return ended()


@dataclass
class FakeSource:
    log: list[str]
    patch: Patch = field(default_factory=make_patch)
    ingest_error: RunnerError | None = None
    push_error: RunnerError | None = None

    @property
    def base(self) -> Base:
        return Base(Path("/repo"), BASE, Oid("d" * 40), "main", "/srv/repo.git", "main")

    @contextmanager
    def workspace(
        self, engine: Engine, name: str, tree: Oid | None = None, over: tuple[Path, ...] = ()
    ) -> Iterator[Overlay]:
        self.log.append(f"workspace {name}" + (f" at {tree[:1]}" if tree else ""))
        yield Overlay((Path("/lower"),), Path("/upper"), Path("/work"))
        self.log.append(f"remove {name}")

    def layer(self, engine: Engine, wanted: Wanted) -> Layer:
        self.log.append("layer")
        wanted.make(Overlay((Path("/lower"),), Path("/upper"), Path("/work")))
        return Layer(Path("/layer"), Sha256("e" * 64), False, 1, 2, ())

    def ingest(self, overlay: Overlay, message: str) -> Patch:
        self.log.append("ingest")
        if self.ingest_error:
            raise self.ingest_error
        return self.patch

    def apply(self, patch: bytes) -> Oid:
        self.log.append("apply")
        return self.patch.tree

    def adopt(self, tree: Oid, commit: Oid | None = None, message: str = "") -> Patch:
        self.log.append(f"adopt {tree[:1]}")
        if self.ingest_error:
            raise self.ingest_error
        return self.patch

    def diff(self, patch: Patch) -> bytes:
        return b"the diff"

    def blob(self, oid: Oid) -> bytes:
        return b""

    def base_blob(self, path: str) -> bytes | None:
        return None

    def touched(self, overlay: Overlay) -> tuple[str, ...]:
        return ()

    def at_base(self, path: str) -> bool:
        return False

    def push(self, commit: Oid, remote: str, ref: str, token: str | None) -> None:
        self.log.append(f"push {commit[:1]} {ref}")
        if self.push_error:
            raise self.push_error

    def require_published(self, remote: str, target: str, token: str | None) -> None:
        self.log.append(f"look at {target}")

    def withdraw(self, commit: Oid, remote: str, ref: str, token: str | None) -> None:
        self.log.append(f"withdraw {ref}")


@dataclass
class FakeLease:
    log: list[str]
    model: str
    problem: str | None = None
    directory: Path = Path("/socket")

    def usage(self) -> Usage:
        return Usage(requests=1)

    def calls(self) -> tuple[ToolCall, ...]:
        return ()

    def message(self) -> str:
        return "done"

    def fault(self) -> str | None:
        return self.problem

    def quiet_s(self) -> float:
        return 0.0


@dataclass
class FakeLender:
    log: list[str]
    fault: str | None = None
    lent: list[tuple[str, Budget]] = field(default_factory=list)

    @contextmanager
    def lend(self, model: str, budget: Budget, log: Path) -> Iterator[FakeLease]:
        self.log.append(f"lend {model}")
        self.lent.append((model, budget))
        yield FakeLease(self.log, model, self.fault)
        self.log.append(f"take {model}")

    def holds(self) -> tuple[bytes, ...]:
        return (b"the-key",)


@dataclass
class FakeCoder:
    log: list[str]
    results: dict[str, AgentResult] = field(default_factory=dict)
    error: BaseException | None = None
    version: str = "0.163.0"

    def work(self, session: Session) -> AgentResult:
        self.log.append(f"codex {session.role}")
        if self.error:
            raise self.error
        return self.results.get(session.role, told_by_agent())


@dataclass
class FakeForge:
    log: list[str]
    error: RunnerError | None = None

    def token(self) -> str | None:
        self.log.append("token")
        return "t"

    def open(self, request: Request) -> Publication:
        self.log.append(f"open {request.branch}")
        if self.error:
            raise self.error
        return Publication(
            remote="/srv/repo.git", ref=request.branch, commit=request.commit, url="x", created=True
        )


@dataclass
class FakeFolder:
    log: list[str]
    files: dict[str, bytes] = field(default_factory=dict)
    sealed: RunReport | None = None
    path: Path = Path("/state/run")

    def write(self, name: str, content: bytes) -> Path:
        self.files[name] = content
        return self.path / name

    def seal(self, report: RunReport) -> Path:
        self.log.append("seal")
        self.sealed = report
        return self.path / "receipt.json"


@dataclass
class FakeProgress:
    phases: list[str] = field(default_factory=list)

    def phase(self, name: str) -> None:
        self.phases.append(name)

    def event(self, event: AgentEvent) -> None: ...
    def usage(self, usage: Usage) -> None: ...
    def gate(self, report: GateReport) -> None: ...


Hear = Callable[[GateReport], None]


def judge_with(
    verdict: Verdict, says: list[GateReport]
) -> Callable[[Case, Hear], tuple[GateReport, ...]]:
    """Runs the test and asks the reviewer as real gates would, then answers the next of `says`,
    or `verdict`, and classes the change as one that bounds nothing."""

    def judge(case: Case, on_report: Hear) -> tuple[GateReport, ...]:
        case.test(Trial("true"))
        case.review("prompt", {}, case.plan.reviewer_model)
        report = says.pop(0) if says else GateReport(gate="fake", verdict=verdict, summary="")
        classed = GateReport(gate="class", verdict="passed", summary="", evidence={"level": "3"})
        for each in (report, classed):
            on_report(each)
        return (report, classed)

    return judge


@dataclass
class Scene:
    """A world with its fakes at hand."""

    log: list[str] = field(default_factory=list)
    verdict: Verdict = "passed"
    says: list[GateReport] = field(default_factory=list)
    """Reports of the gate, one for each time it is asked."""
    attempts: int = 2
    test_exit: Exit = field(default_factory=ended)
    outbound: Callable[[Mapping[str, str]], None] = lambda _: None
    publish: bool = True
    halted: Callable[[], StopReason | None] = lambda: None

    def __post_init__(self) -> None:
        self.source = FakeSource(self.log)
        self.lender = self.reviewing = FakeLender(self.log)
        self.coder = FakeCoder(self.log)
        self.forge = FakeForge(self.log)
        self.folder = FakeFolder(self.log)
        self.ledger = FakeLedger()
        self.progress = FakeProgress()

    def world(self) -> World:
        plan = make_plan()
        return World(
            plan=plan.model_copy(update={"limits": Limits(attempts=self.attempts)}),
            engine=FakeEngine(),
            source=self.source,
            coder=self.coder,
            lender=self.lender,
            reviewing=self.reviewing,
            forge=self.forge if self.publish else None,
            folder=self.folder,
            ledger=self.ledger,
            progress=self.progress,
            halted=self.halted,
            repair_prompt=lambda plan, gates: "again",
            prompt=lambda plan: plan.task.prompt,
            commit_message=lambda plan: plan.task.title,
            request_text=lambda *_: ("title", "body"),
            outbound=self.outbound,
            test=lambda _overlay, _trial: TestRun(exit=self.test_exit, tail=""),
            analyse=lambda _overlay, _analysis: Analysed(ended(), b""),
            judge=judge_with(self.verdict, self.says),
        )
