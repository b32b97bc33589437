"""Settings -> a sandbox engine that works on this machine."""

from __future__ import annotations

from pathlib import Path

from runner.policy.settings import Settings
from runner.ports import Engine
from runner.sandbox.choose import Makers, choose
from runner.sandbox.codex_package import CodexPackage
from runner.tried import Tried


def ready_engine(settings: Settings, package: CodexPackage, state: Path, tried: Tried) -> Engine:
    """The engine the settings ask for, its checks passed.

    Raises:
        InfraError: none works here.
    """

    def bubblewrap() -> Engine:
        from runner.sandbox.bubblewrap import BubblewrapEngine

        return BubblewrapEngine(package, settings.rootfs, state)

    def docker() -> Engine:
        from runner.sandbox.docker import DockerEngine

        engine = DockerEngine(package, settings.image, scratch=state)
        engine.reap()
        return engine

    def docker_ready() -> bool:
        from runner.sandbox.docker import DockerEngine

        return DockerEngine(package, settings.image).reachable()

    makers: Makers = {"bubblewrap": bubblewrap, "docker": docker}
    return choose(settings.engine, makers, docker_ready, tried)
