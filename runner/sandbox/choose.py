"""Which engine: the one asked for, or docker when it is ready, else bubblewrap."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from runner.errors import InfraError
from runner.ports import Engine
from runner.records.sandbox import Check, EngineName
from runner.tried import Tried

Wish = Literal["auto", "bubblewrap", "docker"]
Makers = Mapping[EngineName, Callable[[], Engine]]


def choose(wish: Wish, makers: Makers, docker_ready: Callable[[], bool], tried: Tried) -> Engine:
    """An engine whose checks passed on this machine, now or before (`tried` remembers).

    Raises:
        InfraError: names every failed check with its remedy.
    """
    if wish != "auto":
        return _checked(makers[wish](), tried)
    order: Sequence[EngineName] = ("docker", "bubblewrap") if docker_ready() else ("bubblewrap",)
    failures: list[str] = []
    for name in order:
        engine = makers[name]()
        failed = _failed(engine, tried)
        if not failed:
            return engine
        failures += [f"{name}: {text}" for text in failed]
    if "docker" not in order:
        failures.append("docker: no engine answers, or its image is missing")
    raise InfraError(
        "no sandbox engine works here: " + "; ".join(failures),
        "mend one of these, or start Docker and run `codex-runner images build`",
    )


def _checked(engine: Engine, tried: Tried) -> Engine:
    failed = _failed(engine, tried)
    if failed:
        raise InfraError(f"engine {engine.name} does not work here: {'; '.join(failed)}", _TRY)
    return engine


_TRY = 'mend these, or choose the other engine with --engine (or engine = "auto")'


def _failed(engine: Engine, tried: Tried) -> list[str]:
    """Failed checks in words; passing is remembered until the machine or a version changes."""
    key = f"engine {engine.name} {engine.fingerprint}"
    if tried.worked(key):
        return []
    failed = [_words(check) for check in engine.checks() if check.required and not check.ok]
    if not failed:
        tried.remember(key)
    return failed


def _words(check: Check) -> str:
    remedy = f" ({check.remedy})" if check.remedy else ""
    return f"{check.name}: {check.detail}{remedy}"
