"""A Docker engine that is not there, or not here."""

from __future__ import annotations

import pytest

from runner.errors import InfraError
from runner.records.base import RunId
from runner.records.sandbox import SandboxSpec, StopReason, Walls
from runner.sandbox.docker import DockerEngine


class Deaf:
    def stdout(self, chunk: bytes) -> None: ...
    def stderr(self, chunk: bytes) -> None: ...
    def stop(self) -> StopReason | None:
        return None


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("unix:///nonexistent", "no docker engine answers at /nonexistent"),
        ("tcp://192.0.2.1:2375", "not a socket of this machine"),
    ],
)
def test_an_engine_out_of_reach_is_an_error(
    monkeypatch: pytest.MonkeyPatch, address: str, why: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    engine = DockerEngine(None)
    spec = SandboxSpec(RunId("r"), "probe", ("true",), {}, Walls(wall_s=1))
    assert not engine.reachable()
    assert engine.fingerprint == "unreachable"
    (check,) = engine.checks()
    assert not check.ok and why in check.detail and check.remedy
    with pytest.raises(InfraError, match=why):
        engine.run(spec, b"", Deaf())
