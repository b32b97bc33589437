"""Which engine: the one asked for, or docker when it is ready, else bubblewrap."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from runner.errors import InfraError
from runner.ports import Engine
from runner.records.sandbox import Check, EngineName
from runner.sandbox.resources import resource
from runner.tried import Tried

Wish = Literal["auto", "bubblewrap", "docker"]
Makers = Mapping[EngineName, Callable[[], Engine]]


@dataclass(frozen=True, slots=True)
class Examination:
    """What an engine has to pass besides its own checks: the posture of its sandboxes."""

    examine: Callable[[Engine], Iterable[Check]]
    about: str
    """Changes when its result could, beside what the engine's own fingerprint tells."""


def posture_digest() -> str:
    """Of all that decides what a posture is found to be: the self-test's text and the filter."""
    here = Path(__file__).parent
    files = (*sorted(here.glob("posture*.py")), resource("seccomp.json"), resource("syscalls.json"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:16]


def choose(
    wish: Wish, makers: Makers, docker_ready: Callable[[], bool], tried: Tried, posture: Examination
) -> Engine:
    """An engine whose checks passed on this machine, now or before (`tried` remembers).

    Raises:
        InfraError: names every failed check with its remedy.
    """
    if wish != "auto":
        return _checked(makers[wish](), tried, posture)
    order: Sequence[EngineName] = ("docker", "bubblewrap") if docker_ready() else ("bubblewrap",)
    failures: list[str] = []
    for name in order:
        engine = makers[name]()
        failed = _failed(engine, tried, posture)
        if not failed:
            return engine
        failures += [f"{name}: {text}" for text in failed]
    if "docker" not in order:
        failures.append("docker: no engine answers, or its image is missing")
    raise InfraError(
        "no sandbox engine works here: " + "; ".join(failures),
        "mend one of these, or start Docker and run `codex-runner images build`",
    )


def _checked(engine: Engine, tried: Tried, posture: Examination) -> Engine:
    failed = _failed(engine, tried, posture)
    if failed:
        raise InfraError(f"engine {engine.name} does not work here: {'; '.join(failed)}", _TRY)
    return engine


_TRY = 'mend these, or choose the other engine with --engine (or engine = "auto")'


def _failed(engine: Engine, tried: Tried, posture: Examination) -> list[str]:
    """Failed checks in words; passing is remembered until the machine or a version changes.

    The posture is only looked at when the engine works at all.
    """
    key = f"engine {engine.name} {engine.fingerprint} {posture.about}"
    if tried.worked(key):
        return []
    failed = _wanting(engine.checks()) or _wanting(posture.examine(engine))
    if not failed:
        tried.remember(key)
    return failed


def _wanting(checks: Iterable[Check]) -> list[str]:
    return [_words(check) for check in checks if check.required and not check.ok]


def _words(check: Check) -> str:
    remedy = f" ({check.remedy})" if check.remedy else ""
    return f"{check.name}: {check.detail}{remedy}"
