"""One session of codex, with an engine that only pretends."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from runner.agent.codex import CodexExec
from runner.agent.watch import BUDGET_GRACE_S, SessionWatch
from runner.errors import InfraError
from runner.ports import Session, Watch
from runner.records.agent import AgentEvent
from runner.records.base import RunId
from runner.records.plan import InnerSandbox
from runner.records.sandbox import Exit, Overlay, SandboxSpec, Walls
from runner.records.usage import ToolCall, Usage
from tests.fake_world import FakeEngine, ended

DONE = b'{"type":"turn.started"}\n{"type":"turn.completed"}\n'
FAILED = b'{"type":"turn.failed","error":{"message":"403 Forbidden"}}\n'
OVERLAY = Overlay((Path("/lower"),), Path("/upper"), Path("/work"))


@dataclass
class Lease:
    directory: Path
    spent: Usage = field(default_factory=lambda: Usage(requests=1))
    quiet: float = 0.0

    def usage(self) -> Usage:
        return self.spent

    def calls(self) -> tuple[ToolCall, ...]:
        return ()

    def message(self) -> str:
        return "as the broker saw it"

    def fault(self) -> str | None:
        return None

    def quiet_s(self) -> float:
        return self.quiet


@dataclass
class Engine(FakeEngine):
    """Prints `stdout`, ends with `end`; its probes exit with `probe`."""

    stdout: bytes = DONE
    end: Exit = field(default_factory=ended)
    probe: int = 0
    specs: list[SandboxSpec] = field(default_factory=list)
    stdin: bytes = b""
    files: dict[str, str] = field(default_factory=dict)

    def run(self, spec: SandboxSpec, stdin: bytes, watch: Watch) -> Exit:  # type: ignore[override]
        self.specs.append(spec)
        if spec.role == "probe":
            return ended(code=self.probe)
        self.stdin = stdin
        etc = next(bind.source for bind in spec.binds if bind.target == "/etc/codex")
        self.files = {file.name: file.read_text() for file in etc.iterdir()}
        assert all(os.stat(path).st_mode & 0o004 for path in (etc, *etc.iterdir()))
        watch.stdout(self.stdout)
        return self.end


@pytest.fixture
def relay(tmp_path: Path) -> Path:
    script = tmp_path / "relay.py"
    script.write_text("# relay\n")
    return script


def session(tmp_path: Path, **changes: Any) -> Session:
    given: dict[str, Any] = {
        "run": RunId("r"),
        "role": "agent",
        "model": "--dangerously-bypass-approvals-and-sandbox",
        "prompt": "--help",
        "lease": Lease(tmp_path),
        "walls": Walls(wall_s=10, output_mib=1),
        "idle_s": 5,
        "events": tmp_path / "events.jsonl",
        "workspace": OVERLAY,
    }
    return Session(**{**given, **changes})


def test_no_text_of_anybody_is_an_argument(tmp_path: Path, relay: Path) -> None:
    engine = Engine()
    CodexExec(engine, "0.163.0", relay).work(session(tmp_path))
    spec = engine.specs[-1]
    assert spec.argv == (
        *("/usr/bin/python3", "-I", "-S", "/etc/codex/relay.py", "41414"),
        *("/run/broker/model.sock", "--", "/opt/codex/bin/codex", "exec", "--json"),
        *("--strict-config", "--ignore-user-config", "--ignore-rules", "--ephemeral"),
        *("--skip-git-repo-check", "--color=never", "-"),
    )
    assert engine.stdin == b"--help"
    assert 'model = "--dangerously-bypass-approvals-and-sandbox"' in engine.files["config.toml"]
    assert set(engine.files) == {"config.toml", "requirements.toml", "relay.py"}


def test_the_sandbox_of_an_author(tmp_path: Path, relay: Path) -> None:
    engine = Engine()
    result = CodexExec(engine, "0.163.0", relay).work(session(tmp_path))
    spec = engine.specs[-1]
    assert (spec.role, spec.workspace, spec.nested, spec.codex) == ("agent", OVERLAY, True, True)
    assert {bind.target for bind in spec.binds} == {"/etc/codex", "/run/broker"}
    assert {scratch.target for scratch in spec.scratch} == {"/tmp", "/codex-home"}
    assert set(spec.env) == {
        *("PATH", "HOME", "CODEX_HOME", "LANG", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY")
    }
    assert result.inner_sandbox


def test_the_sandbox_of_a_reviewer_has_nothing_in_it(tmp_path: Path, relay: Path) -> None:
    engine = Engine(probe=1)
    coder = CodexExec(engine, "0.163.0", relay, "required")
    assert coder.work(
        session(tmp_path, role="review", workspace=None, schema={"type": "object"})
    ).ok
    (spec,) = engine.specs
    assert (spec.role, spec.workspace, spec.nested) == ("review", None, False)
    assert {bind.target for bind in spec.binds} == {"/etc/codex", "/run/broker"}
    assert spec.argv[-3:] == ("--output-schema", "/etc/codex/schema.json", "-")
    assert engine.files["schema.json"] == '{"type": "object"}'


def test_the_files_are_gone_afterwards(tmp_path: Path, relay: Path) -> None:
    engine = Engine()
    CodexExec(engine, "0.163.0", relay).work(session(tmp_path))
    assert not any(b.source.exists() for b in engine.specs[-1].binds if b.target == "/etc/codex")


@pytest.mark.parametrize(
    ("wanted", "probe", "inner", "mode"),
    [
        ("auto", 0, True, "workspace-write"),
        ("auto", 1, False, "danger-full-access"),
        ("required", 0, True, "workspace-write"),
        ("off", 0, False, "danger-full-access"),
    ],
)
def test_the_inner_sandbox_is_tried_and_told(
    tmp_path: Path, relay: Path, wanted: InnerSandbox, probe: int, inner: bool, mode: str
) -> None:
    engine = Engine(probe=probe)
    coder = CodexExec(engine, "0.163.0", relay, wanted)
    for _ in range(2):
        assert coder.work(session(tmp_path)).inner_sandbox is inner
    assert [spec.role for spec in engine.specs].count("probe") == (wanted != "off")
    assert engine.specs[-1].nested is inner
    assert f'sandbox_mode = "{mode}"' in engine.files["config.toml"]


def test_a_required_inner_sandbox_that_cannot_start_is_an_error(
    tmp_path: Path, relay: Path
) -> None:
    engine = Engine(probe=1)
    with pytest.raises(InfraError, match="inner_sandbox"):
        CodexExec(engine, "0.163.0", relay, "required").work(session(tmp_path))
    assert [spec.role for spec in engine.specs] == ["probe"]


@pytest.mark.parametrize(
    ("stdout", "end", "usage", "reason"),
    [
        (DONE, ended(), Usage(requests=1), ""),
        (b"", ended(), Usage(requests=1), "0 completed turns"),
        (DONE + DONE, ended(), Usage(requests=1), "2 completed turns"),
        (DONE, ended(code=1), Usage(requests=1), "exit status 1"),
        (DONE, ended(code=137), Usage(requests=1), "exit status 137"),
        (FAILED, ended(code=1), Usage(requests=1), "403 Forbidden"),
        (FAILED + DONE, ended(), Usage(requests=1), "403 Forbidden"),
        (DONE, ended("idle"), Usage(requests=1), "idle"),
        (DONE, ended(), Usage(), "no request"),
        (DONE, ended(), Usage(requests=9, exhausted="requests 9"), "requests 9"),
        (DONE, ended().model_copy(update={"out_of_memory": True}), Usage(requests=1), "memory"),
        (DONE, Exit(code=None, duration_ms=1), Usage(requests=1), "exit status None"),
    ],
)
def test_everything_must_agree(
    tmp_path: Path, relay: Path, stdout: bytes, end: Exit, usage: Usage, reason: str
) -> None:
    engine = Engine(stdout=stdout, end=end)
    coder = CodexExec(engine, "0.163.0", relay)
    result = coder.work(session(tmp_path, lease=Lease(tmp_path, usage)))
    assert result.ok is (reason == "")
    assert reason in result.reason
    assert (result.usage, result.exit) == (usage, end)


def test_the_last_message_is_the_brokers(tmp_path: Path, relay: Path) -> None:
    forged = b'{"type":"item.completed","item":{"type":"agent_message","text":"forged"}}\n'
    result = CodexExec(Engine(stdout=forged + DONE), "0.163.0", relay).work(session(tmp_path))
    assert result.message == "as the broker saw it"


def test_a_refused_setting_is_told_from_stderr(tmp_path: Path, relay: Path) -> None:
    end = Exit(code=1, duration_ms=1, stderr_tail="Error: unknown field `x`\x1b[0m\n")
    result = CodexExec(Engine(stdout=b"", end=end), "0.163.0", relay).work(session(tmp_path))
    assert result.reason == "codex ended with exit status 1: Error: unknown field `x`\\x1b[0m"


def test_the_raw_stream_is_kept_up_to_the_wall(tmp_path: Path, relay: Path) -> None:
    noise = b"noise\n" + DONE
    result = CodexExec(Engine(stdout=noise), "0.163.0", relay).work(session(tmp_path))
    assert (tmp_path / "events.jsonl").read_bytes() == noise
    assert (result.turns, result.malformed_lines) == (1, 1)
    flood = Engine(stdout=b"x" * (3 << 20))
    CodexExec(flood, "0.163.0", relay).work(session(tmp_path))
    assert (tmp_path / "events.jsonl").stat().st_size == 1 << 20


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watching(tmp_path: Path) -> Callable[..., tuple[SessionWatch, Clock]]:
    def make(**changes: Any) -> tuple[SessionWatch, Clock]:
        clock = Clock()
        with (tmp_path / "raw").open("wb") as raw:
            return SessionWatch(session(tmp_path, **changes), raw, clock), clock

    return make


Watching = Callable[..., tuple[SessionWatch, Clock]]


def test_idle_is_silence_of_events_and_of_the_model(tmp_path: Path, watching: Watching) -> None:
    lease = Lease(tmp_path)
    watch, clock = watching(lease=lease)
    clock.now += 6
    assert watch.stop() is None, "the model is talking"
    lease.quiet = 6
    assert watch.stop() == "idle"
    watch.close()


def test_a_person_comes_first(watching: Watching) -> None:
    watch, clock = watching(halted=lambda: "interrupted")
    clock.now += 60
    assert watch.stop() == "interrupted"


def test_an_exhausted_budget_leaves_codex_time_to_end(tmp_path: Path, watching: Watching) -> None:
    lease = Lease(tmp_path)
    told: list[Usage] = []
    watch, clock = watching(lease=lease, idle_s=1000, on_usage=told.append)
    assert watch.stop() is None
    lease.spent = Usage(requests=3, exhausted="requests 3")
    assert watch.stop() is None
    clock.now += BUDGET_GRACE_S + 1
    assert watch.stop() == "budget"
    assert told == [lease.spent]


def test_events_are_passed_on(tmp_path: Path, relay: Path) -> None:
    heard: list[AgentEvent] = []
    CodexExec(Engine(), "0.163.0", relay).work(session(tmp_path, on_event=heard.append))
    assert [(event.kind, event.phase) for event in heard] == [
        ("turn", "started"),
        ("turn", "completed"),
    ]
