"""Which engine: the one asked for, or docker when it is ready, else bubblewrap."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from runner.errors import InfraError
from runner.ports import Engine
from runner.records.sandbox import Check, EngineName

Wish = Literal["auto", "bubblewrap", "docker"]
Makers = Mapping[EngineName, Callable[[], Engine]]


def choose(wish: Wish, makers: Makers, docker_ready: Callable[[], bool], memory: Path) -> Engine:
    """An engine whose checks passed on this machine, now or before (`memory` remembers).

    Raises:
        InfraError: names every failed check with its remedy.
    """
    if wish != "auto":
        return _checked(makers[wish](), memory)
    order: Sequence[EngineName] = ("docker", "bubblewrap") if docker_ready() else ("bubblewrap",)
    failures: list[str] = []
    for name in order:
        engine = makers[name]()
        failed = _failed(engine, memory)
        if not failed:
            return engine
        failures += [f"{name}: {text}" for text in failed]
    if "docker" not in order:
        failures.append("docker: no engine answers, or its image is missing")
    raise InfraError(
        "no sandbox engine works here: " + "; ".join(failures),
        "mend one of these, or start Docker and run `codex-runner images build`",
    )


def _checked(engine: Engine, memory: Path) -> Engine:
    failed = _failed(engine, memory)
    if failed:
        raise InfraError(f"engine {engine.name} does not work here: {'; '.join(failed)}", _TRY)
    return engine


_TRY = 'mend these, or choose the other engine with --engine (or engine = "auto")'


def _failed(engine: Engine, memory: Path) -> list[str]:
    """Failed checks in words; passing is remembered until the machine or a version changes."""
    key = f"{engine.name} {engine.fingerprint} {platform.release()} uid {os.geteuid()} {_boot_id()}"
    if key in _recall(memory):
        return []
    failed = [_words(check) for check in engine.checks() if check.required and not check.ok]
    if not failed:
        _remember(memory, key)
    return failed


def _words(check: Check) -> str:
    remedy = f" ({check.remedy})" if check.remedy else ""
    return f"{check.name}: {check.detail}{remedy}"


def _recall(memory: Path) -> list[str]:
    try:
        known = json.loads(memory.read_text())
    except (FileNotFoundError, ValueError):
        return []
    return [key for key in known if isinstance(key, str)] if isinstance(known, list) else []


def _remember(memory: Path, key: str) -> None:
    memory.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = memory.with_suffix(f".{os.getpid()}")
    partial.write_text(json.dumps([*_recall(memory), key][-8:]))
    partial.replace(memory)


def _boot_id() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"
