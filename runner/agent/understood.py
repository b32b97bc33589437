"""What codex itself makes of the settings it is given: the real binary is asked, in a sandbox.

`codex app-server` speaks JSON-RPC on stdio and goes when its stdin is closed, so a script inside
asks one question after the other. A requirement codex does not know, however deep, it warns of
and goes on without; one that nobody knows is put among them, so that its silence is an answer.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from runner.agent.codex import BIN, SCRATCH
from runner.agent.config import ETC, HOME, Hook, Settings, config, requirements
from runner.errors import InfraError
from runner.ports import Engine
from runner.records.base import RunId
from runner.records.sandbox import Bind, SandboxSpec, StopReason, Walls

ASK_S = 30
ANSWER_BYTES = 4 * 1024 * 1024
PROBE = "codex_runner_probe"
"""A requirement that no codex has."""
HARMLESS = ("Codex could not find bubblewrap on PATH.",)
"""Beginnings of warnings that speak of no setting: codex then takes its own."""
SCRIPT = """
import json, subprocess, sys
with subprocess.Popen([sys.argv[1], "app-server", "--strict-config"],
                      stdin=subprocess.PIPE, stdout=subprocess.PIPE) as codex:
    warnings = []
    def ask(number, method, params):
        message = {"id": number, "method": method, "params": params}
        codex.stdin.write(json.dumps(message).encode() + b"\\n")
        codex.stdin.flush()
        for line in codex.stdout:
            answer = json.loads(line)
            if answer.get("method") == "configWarning":
                warnings.append(answer["params"])
            if answer.get("id") == number:
                return answer.get("result")
        sys.exit()
    info = {"name": "codex-runner", "version": "1"}
    ask(1, "initialize", {"clientInfo": info, "capabilities": {"experimentalApi": True}})
    config = ask(2, "config/read", {"includeLayers": False})
    requirements = ask(3, "configRequirements/read", None)
    print(json.dumps([config["config"], requirements["requirements"], warnings]))
    codex.stdin.close()
"""


@dataclass(frozen=True, slots=True)
class Understood:
    """Codex's own reading of config.toml and requirements.toml, camel case in the latter."""

    config: Mapping[str, Any]
    requirements: Mapping[str, Any]


def ask_codex(engine: Engine, settings: Settings, scratch: Path) -> Understood:
    """Raises InfraError: codex does not start there, does not answer, or does not understand."""
    heard = _Heard()
    with TemporaryDirectory(prefix="ask-", dir=scratch) as name:
        etc = Path(name).resolve()
        etc.chmod(0o755)
        for file, text in (("config", config(settings)), ("requirements", demanded(settings))):
            (etc / f"{file}.toml").write_text(text)
            (etc / f"{file}.toml").chmod(0o644)
        spec = SandboxSpec(
            run=RunId("ask"),
            role="probe",
            argv=(engine.python, "-I", "-S", "-c", SCRIPT, BIN),
            env={"PATH": engine.path, "HOME": HOME, "CODEX_HOME": HOME},
            walls=Walls(wall_s=ASK_S),
            cwd="/tmp",
            binds=(Bind(etc, ETC),),
            scratch=SCRATCH,
            nested=settings.inner,
            codex=True,
        )
        end = engine.run(spec, b"", heard)
    try:
        understood, required, warnings = json.loads(heard.out)
        ignored = list(unheeded(warnings))
        answer = Understood({**understood}, {**required})
    except (ValueError, TypeError) as error:
        lines = end.stderr_tail.strip().splitlines() or [f"exit status {end.code}"]
        said = next((line for line in lines if line.startswith("Error: ")), lines[-1])
        raise InfraError(
            f"codex does not say how it understands its settings: {said}",
            "reinstall openai-codex-cli-bin",
        ) from error
    if ignored:
        raise InfraError(
            f"codex does not understand its settings: {ignored[0]}",
            "reinstall codex-runner and openai-codex-cli-bin together",
        )
    if settings.hook is not None and not hears(answer, settings.hook):
        raise InfraError(
            "codex does not understand that it is to ask the execution gate: hooks.PreToolUse",
            "reinstall codex-runner and openai-codex-cli-bin together",
        )
    return answer


def hears(answer: Understood, hook: Hook) -> bool:
    """It asks before every tool. Of an event that it does not know, codex does not warn."""
    hooks = answer.requirements.get("hooks") or {}
    asks = [
        (each["command"], each["timeoutSec"], each["async"])
        for group in hooks.get("PreToolUse") or ()
        if not group.get("matcher")
        for each in group["hooks"]
    ]
    return asks == [(hook.before, hook.timeout_s, False)]


def demanded(settings: Settings) -> str:
    """The requirements, and the one that no codex has."""
    return f"{PROBE} = true\n{requirements(settings)}"


def unheeded(warnings: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """Every complaint but those that are expected; one more if the expected one is missing."""
    probed = False
    for warning in warnings:
        head, *details = str(warning["summary"]).splitlines()
        probe = [line for line in details if f"`{PROBE}` is ignored" in line]
        probed = probed or bool(probe)
        rest = [line.strip() for line in details if line not in probe]
        if not probe and not head.startswith(HARMLESS):
            rest = rest or [" ".join((head, *str(warning.get("details") or "").splitlines()))]
        yield from rest
    if not probed:
        yield f"it does not complain of `{PROBE}`, so what else it ignores is unknown"


class _Heard:
    """A `Watch` that keeps the answer."""

    def __init__(self) -> None:
        self.out = b""

    def stdout(self, chunk: bytes) -> None:
        self.out = (self.out + chunk)[:ANSWER_BYTES]

    def stderr(self, chunk: bytes) -> None: ...
    def stop(self) -> StopReason | None:
        return None
