"""The engines as the product makes them, or the reason why there is none."""

from __future__ import annotations

from runner.errors import InfraError
from runner.ports import Engine
from runner.sandbox.codex_package import CodexPackage, locate
from tests.bench.row import UnmeasuredError


def package() -> CodexPackage:
    """Codex itself, with its bubblewrap."""
    try:
        return locate()
    except InfraError as error:
        raise UnmeasuredError(error.problem) from error


def bubblewrap() -> tuple[Engine, CodexPackage]:
    """The engine, and the package its bwrap comes from."""
    from runner.sandbox.bubblewrap import BubblewrapEngine

    found = package()
    return BubblewrapEngine(found), found


def docker() -> tuple[Engine, str]:
    """The engine, and its image."""
    from runner.sandbox.docker import DockerEngine

    engine = DockerEngine(package())
    if not engine.reachable():
        raise UnmeasuredError(f"no Docker engine answers, or image {engine.image} is missing")
    return engine, engine.image
