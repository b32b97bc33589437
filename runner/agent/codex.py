"""Runs `codex exec` in a sandbox, once per session, with nothing kept between sessions.

1. The command line is constant: no text of a task, model or repository is ever an argument.
2. The prompt goes in on stdin, the settings are read-only files made for this session.
3. CODEX_HOME, HOME and /tmp are private and gone with the sandbox.
4. Codex's word is not taken: a session is ok when exit status, event stream, sandbox and broker
   agree, and its last message is the one the broker saw leave upstream.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from runner.agent.config import ETC, HOME, PORT, Hook, Settings, config, requirements
from runner.agent.events import clean
from runner.agent.watch import SessionWatch
from runner.errors import InfraError
from runner.ports import Engine, Session
from runner.records.agent import AgentResult
from runner.records.base import RunId
from runner.records.plan import InnerSandbox
from runner.records.rules import CommandRule
from runner.records.sandbox import (
    BROKER,
    CODEX,
    Bind,
    Exit,
    SandboxSpec,
    Scratch,
    StopReason,
    Walls,
)
from runner.records.usage import Usage
from runner.tried import Tried

BIN = f"{CODEX}/bin/codex"
SCRATCH = (Scratch("/tmp", 1024), Scratch(HOME, 256))
EXEC = (
    *(BIN, "exec", "--json", "--strict-config", "--ignore-user-config", "--ignore-rules"),
    *("--ephemeral", "--skip-git-repo-check", "--color=never"),
)
PROBE_S = 30


@dataclass(frozen=True, slots=True)
class Gated:
    """A gate listens beside the model's socket; `shim` is the script that asks it."""

    shim: Path
    patience_s: int = 0
    """How long a person may take to answer."""


class CodexExec:
    """The `Coder`. `relay` is the script that pumps 127.0.0.1:PORT to the broker's socket."""

    def __init__(
        self,
        engine: Engine,
        version: str,
        relay: Path,
        inner_sandbox: InnerSandbox = "auto",
        tried: Tried | None = None,
        rules: tuple[CommandRule, ...] = (),
        features_off: tuple[str, ...] = (),
        gate: Gated | None = None,
    ) -> None:
        self._engine = engine
        self._version = version
        self._relay = relay
        self._wanted = inner_sandbox
        self._tried = tried
        self._gate = gate
        hook = None if gate is None else Hook(engine.python, gate.patience_s)
        self._bounds = (rules, features_off, hook)
        self._nests: bool | None = None

    @property
    def version(self) -> str:
        return self._version

    def work(self, session: Session) -> AgentResult:
        """Raises InfraError when the sandbox, or the inner one a policy requires, cannot start."""
        inner = session.role == "review" or self._inner()  # a reviewer has no commands to wall in
        path = self._engine.path
        bounds = (*self._bounds, session.read_only)
        settings = Settings(session.model, session.role, inner, path, *bounds)
        files = _texts(settings, self._relay, self._gate, session.schema)
        with _shown(files) as etc, session.events.open("wb") as raw:
            watch = SessionWatch(session, raw)
            spec = self._spec(session, etc, inner)
            end = self._engine.run(spec, session.prompt.encode(errors="replace"), watch)
            watch.close()
        usage = session.lease.usage()
        reason = why_not_ok(end, watch, usage)
        return AgentResult(
            ok=not reason,
            reason=reason,
            message=session.lease.message(),
            turns=watch.seen["turn", "completed"],
            commands=watch.seen["command", "completed"],
            codes=watch.codes,
            malformed_lines=watch.seen["malformed", "completed"],
            inner_sandbox=inner,
            usage=usage,
            exit=end,
        )

    def _spec(self, session: Session, etc: Path, inner: bool) -> SandboxSpec:
        schema = ("--output-schema", f"{ETC}/schema.json") if session.schema is not None else ()
        relay = (self._engine.python, "-I", "-S", f"{ETC}/relay.py", str(PORT))
        return SandboxSpec(
            run=session.run,
            role=session.role,
            argv=(*relay, f"{BROKER}/model.sock", "--", *EXEC, *schema, "-"),
            env=_env(self._engine.path),
            walls=session.walls,
            workspace=session.workspace,
            binds=(Bind(etc, ETC), Bind(session.lease.directory, BROKER)),
            scratch=SCRATCH,
            nested=inner and session.role == "agent",
            codex=True,
        )

    def _inner(self) -> bool:
        """Whether codex's own sandbox is used; a success is remembered, a failure tried again."""
        if self._wanted == "off":
            return False
        key = f"nesting {self._engine.name} {self._engine.fingerprint} codex {self._version}"
        if self._nests is None:
            known = self._tried is not None and self._tried.worked(key)
            self._nests = known or self._try_nesting()
            if self._nests and not known and self._tried is not None:
                self._tried.remember(key)
        if self._wanted == "required" and not self._nests:
            raise InfraError(
                f"codex's inner sandbox cannot start in the {self._engine.name} engine, and "
                'inner_sandbox = "required"',
                'allow unprivileged user namespaces on this machine, or set inner_sandbox = "auto"',
            )
        return self._nests

    def _try_nesting(self) -> bool:
        spec = SandboxSpec(
            run=RunId("preflight"),
            role="probe",
            argv=(BIN, "sandbox", "-P", ":workspace", "--", "true"),
            env=_env(self._engine.path),
            walls=Walls(wall_s=PROBE_S, output_mib=1),
            cwd="/tmp",
            scratch=SCRATCH,
            nested=True,
            codex=True,
        )
        return self._engine.run(spec, b"", _Deaf()).code == 0


class _Deaf:
    """A `Watch` for a command of which only the end matters."""

    def stdout(self, chunk: bytes) -> None: ...
    def stderr(self, chunk: bytes) -> None: ...
    def stop(self) -> StopReason | None:
        return None


def why_not_ok(end: Exit, watch: SessionWatch, usage: Usage) -> str:
    """Empty when everything agrees that one turn was completed; else the strongest objection."""
    if usage.exhausted is not None:
        return f"the budget ran out: {usage.exhausted}"
    if end.stopped is not None:
        return f"stopped by the runner: {end.stopped}"
    if end.out_of_memory:
        return "the sandbox ran out of memory"
    if watch.seen["failed", "completed"]:
        return f"codex's turn failed: {watch.complaint}"
    if end.code != 0:
        told = watch.complaint or clean(end.stderr_tail.strip()[-500:])
        return f"codex ended with exit status {end.code}" + (f": {told}" if told else "")
    turns = watch.seen["turn", "completed"]
    if turns != 1:
        return f"codex told of {turns} completed turns instead of one"
    return "" if usage.requests else "the broker served no request: nobody asked the model"


def _env(path: str) -> dict[str, str]:
    """Of codex itself; its commands get `shell_environment_policy`."""
    nowhere = "http://127.0.0.1:9"  # without a network a name look-up would wait for 5 s
    return {
        "PATH": path,
        "HOME": HOME,
        "CODEX_HOME": HOME,
        "LANG": "C.UTF-8",
        "HTTP_PROXY": nowhere,
        "HTTPS_PROXY": nowhere,
        "NO_PROXY": "127.0.0.1,localhost",
    }


def _texts(
    settings: Settings, relay: Path, gate: Gated | None, schema: Mapping[str, object] | None
) -> dict[str, str]:
    """What is to be seen at /etc/codex."""
    return {
        "config.toml": config(settings),
        "requirements.toml": requirements(settings),
        "relay.py": relay.read_text(),
        **({} if gate is None else {"shim.py": gate.shim.read_text()}),
        **({} if schema is None else {"schema.json": json.dumps(schema)}),
    }


@contextmanager
def _shown(texts: Mapping[str, str]) -> Iterator[Path]:
    """These files, readable by any uid."""
    with TemporaryDirectory(prefix="codex-runner-") as name:
        root = Path(name).resolve()
        root.chmod(0o755)
        for file, text in texts.items():
            (root / file).write_text(text)
            (root / file).chmod(0o644)
        yield root
