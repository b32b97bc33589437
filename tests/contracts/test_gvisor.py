"""gVisor as a runtime of the docker engine: what it holds, and in which words it is refused.

Collected only where `runsc` is installed.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from runner.demo.sample import make_sample
from runner.records.sandbox import Check
from runner.sandbox.codex_package import locate
from runner.sandbox.docker import DockerEngine
from runner.sandbox.posture import examine
from tests.contracts.conftest import Probe
from tests.live.world import World

pytestmark = pytest.mark.docker


def gvisor(far: str, runtime: str = "gvisor") -> DockerEngine:
    return DockerEngine(locate(), runtime=runtime, address=far)


def failed(engine: DockerEngine, folder: Path, *, nested: bool) -> dict[str, Check]:
    checks = (*engine.checks(), *examine(engine, folder.resolve(), nested))
    return {check.name: check for check in checks if not check.ok}


def test_every_guarantee_holds_without_an_inner_sandbox(far: str, tmp_path: Path) -> None:
    engine = gvisor(far)
    (inner,) = failed(engine, tmp_path, nested=False).values()
    assert (inner.name, inner.required) == ("inner sandbox", False)
    assert 'inner_sandbox = "off"' in inner.remedy


def test_what_its_settings_lack_is_named(far: str, tmp_path: Path) -> None:
    found = failed(gvisor(far, "shut"), tmp_path, nested=False)
    assert "--host-uds=open" in found["no control sockets"].remedy
    assert "--oci-seccomp" in found["no privileges"].remedy
    assert "--ignore-cgroups" in found["limits in force"].remedy


@pytest.mark.parametrize("nested", [False, True])
def test_threads_start(far: str, tmp_path: Path, nested: bool) -> None:
    """The C library asks for one in the older way only when the newer one does not exist."""
    probe = Probe(gvisor(far), tmp_path.resolve()).with_(nested=nested)
    script = "import threading; t = threading.Thread(target=print, args=(7,)); t.start(); t.join()"
    assert probe.python(script).out == "7\n"


@pytest.mark.live
def test_a_whole_run(far: str, tmp_path: Path) -> None:
    with TemporaryDirectory(prefix="gvisor-") as temporary:
        world = World(tmp_path, Path(temporary), make_sample(tmp_path), "docker")
        world.settings["DOCKER_HOST"] = far
        world.settings["CODEX_RUNNER_RUNTIME"] = "gvisor"
        world.settings["CODEX_RUNNER_INNER_SANDBOX"] = "off"
        ended = world.run()
        assert ended.code == 0, ended
        assert len(world.branches()) == 1
        world.check_signed(ended)
        world.check_tidy()
