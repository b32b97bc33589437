"""Settings -> a sandbox engine that works on this machine and holds what it promises."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from runner import __version__
from runner.policy.settings import Settings
from runner.ports import Engine
from runner.records.sandbox import Check
from runner.sandbox.choose import Examination, Makers, choose, posture_digest
from runner.sandbox.codex_package import CodexPackage
from runner.tried import Tried


def ready_engine(settings: Settings, package: CodexPackage, state: Path, tried: Tried) -> Engine:
    """The engine the settings ask for, its checks and its posture's passed.

    Raises:
        InfraError: none works here; names the check or guarantee that failed.
    """

    def docker_ready() -> bool:
        from runner.sandbox.docker import DockerEngine

        return DockerEngine(package, settings.image).reachable()

    def examine(engine: Engine) -> Iterable[Check]:
        from runner.sandbox import posture

        return posture.examine(engine, state, settings.inner_sandbox != "off")

    versions = f"runner {__version__} codex {package.version} posture {posture_digest()}"
    posture = Examination(examine, f"{versions} inner {settings.inner_sandbox}")
    return choose(
        settings.engine, makers(settings, package, state, tried), docker_ready, tried, posture
    )


def makers(
    settings: Settings, package: CodexPackage, state: Path, tried: Tried | None = None
) -> Makers:
    """Every engine there is, made when it is asked for. `state` is where its checks write."""

    def bubblewrap() -> Engine:
        from runner.sandbox.bubblewrap import BubblewrapEngine

        return BubblewrapEngine(package, settings.rootfs, state)

    def docker() -> Engine:
        from runner.sandbox.docker import DockerEngine

        engine = DockerEngine(package, settings.image, settings.runtime, state, tried)
        engine.reap()
        return engine

    return {"bubblewrap": bubblewrap, "docker": docker}
