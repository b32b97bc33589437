"""What only a Docker engine can get wrong: streams, ways out, things left behind."""

from __future__ import annotations

import os
import resource as rlimits
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from runner.errors import InfraError
from runner.records.base import RunId
from runner.records.sandbox import Overlay, SandboxSpec, StopReason, Walls
from runner.sandbox import docker_client, owner
from runner.sandbox.codex_package import locate
from runner.sandbox.docker import DockerEngine

pytestmark = pytest.mark.docker
RUN = RunId(f"test-{os.getpid()}")
MIB = 1024 * 1024


@dataclass
class Ears:
    """Remembers a little, counts everything; `because` may stop or raise."""

    because: Callable[[bytes], StopReason | None] = lambda out: None
    out: bytes = b""
    err: bytes = b""
    count: int = 0

    def stdout(self, chunk: bytes) -> None:
        self.count += len(chunk)
        self.out = (self.out + chunk)[-4096:]

    def stderr(self, chunk: bytes) -> None:
        self.err = (self.err + chunk)[-4096:]

    def stop(self) -> StopReason | None:
        return self.because(self.out)


@pytest.fixture(scope="module")
def engine() -> DockerEngine:
    engine = DockerEngine(locate())
    if not engine.reachable():
        pytest.skip(f"no Docker engine with image {engine.image}")
    return engine


@pytest.fixture(autouse=True)
def _nothing_left(engine: DockerEngine) -> Iterator[None]:
    yield
    assert left() == []


def left() -> list[str]:
    """Containers and volumes of this test run that the engine still has."""
    with docker_client.connected() as client:
        mine = {"label": f"{owner.LABEL}.run={RUN}"}
        boxes = [box["Id"] for box in client.containers(all=True, filters=mine)]
        volumes = client.volumes(filters=mine)["Volumes"] or []
        return boxes + [volume["Name"] for volume in volumes]


@pytest.fixture
def workspace(engine: DockerEngine, tmp_path: Path) -> Overlay:
    for name in ("lower", "upper", "work"):
        (tmp_path / name).mkdir()
        os.chown(tmp_path / name, engine.uid, engine.gid)
    return Overlay(
        (tmp_path / "lower",), tmp_path / "upper", tmp_path / "work", attributes=engine.attributes
    )


def spec(*argv: str, **changes: Any) -> SandboxSpec:
    given = SandboxSpec(RUN, "probe", argv, {"PATH": "/usr/bin:/bin"}, Walls(wall_s=60))
    return replace(given, **changes)


def shell(command: str, **changes: Any) -> SandboxSpec:
    return spec("/bin/sh", "-c", command, **changes)


def test_all_checks_pass_or_say_what_to_do(engine: DockerEngine) -> None:
    for check in engine.checks():
        assert check.ok or check.remedy, check
    assert {"engine", "image", "shares files", "network", "overlay"} <= {
        check.name for check in engine.checks() if check.ok
    }


def test_a_background_process_holds_up_nobody(engine: DockerEngine) -> None:
    ears = Ears()
    ended = engine.run(shell("sleep 60 & echo done"), b"", ears)
    assert (ended.code, ended.stopped, ears.out) == (0, None, b"done\n")


@pytest.mark.slow
def test_a_gigabyte_of_output_takes_no_memory(engine: DockerEngine) -> None:
    ears = Ears()
    walls = Walls(wall_s=120, output_mib=2048)
    before = rlimits.getrusage(rlimits.RUSAGE_SELF).ru_maxrss
    ended = engine.run(spec("head", "-c", str(1024 * MIB), "/dev/zero", walls=walls), b"", ears)
    grown_kib = rlimits.getrusage(rlimits.RUSAGE_SELF).ru_maxrss - before
    assert (ended.code, ended.stdout_bytes, ears.count) == (0, 1024 * MIB, 1024 * MIB)
    assert grown_kib < 32 * 1024


def test_a_flood_is_cut_at_its_wall(engine: DockerEngine) -> None:
    ears = Ears()
    ended = engine.run(spec("yes", walls=Walls(wall_s=60, output_mib=1)), b"", ears)
    assert (ended.stopped, ended.code, ears.count) == ("output", None, MIB)


def test_the_wall_clock_ends_it(engine: DockerEngine) -> None:
    ended = engine.run(spec("sleep", "60", walls=Walls(wall_s=0.3)), b"", Ears())
    assert (ended.stopped, ended.code) == ("wall-clock", None)


def test_an_interrupt_comes_first(engine: DockerEngine) -> None:
    """The command hears SIGINT and may say its last words.

    More than once, perhaps: `timeout` in front of it signals its child, and then its whole group.
    """
    ears = Ears(lambda out: "interrupted" if b"ready" in out else None)
    command = "trap 'echo heard; exit 0' INT; sleep 100 & echo ready; wait"
    ended = engine.run(shell(command), b"", ears)
    assert ended.stopped == "interrupted"
    assert ears.out.startswith(b"ready\nheard\n")


def test_who_ignores_signals_is_killed(engine: DockerEngine) -> None:
    ears = Ears(lambda out: "interrupted" if b"ready" in out else None)
    command = "trap '' INT TERM; echo ready; while :; do sleep 0.1; done"
    ended = engine.run(shell(command), b"", ears)
    assert (ended.stopped, ended.code) == ("interrupted", None)


def test_out_of_memory_is_told(engine: DockerEngine) -> None:
    walls = Walls(wall_s=60, memory_mib=64)
    hungry = spec("/usr/bin/python3", "-c", "b = b'x' * 200_000_000", walls=walls)
    ended = engine.run(hungry, b"", Ears())
    assert ended.out_of_memory
    assert ended.code == 137


class Bang(BaseException):
    """Stands for a ^C at any moment."""


def test_an_exception_leaves_nothing(engine: DockerEngine, workspace: Overlay) -> None:
    def bang(out: bytes) -> StopReason | None:
        if b"ready" in out:
            raise Bang
        return None

    with pytest.raises(Bang):
        engine.run(shell("echo ready; sleep 60", workspace=workspace), b"", Ears(bang))


def test_a_sandbox_that_cannot_start_leaves_nothing(
    engine: DockerEngine, workspace: Overlay
) -> None:
    (workspace.upper / "file").write_text("no directory, so no layer")
    broken = replace(workspace, lowers=(workspace.upper / "file",))
    with pytest.raises(InfraError, match="refused to start the sandbox"):
        engine.run(shell("true", workspace=broken), b"", Ears())


def test_the_runtime_asked_for_is_the_one_used(engine: DockerEngine) -> None:
    named = DockerEngine(None, runtime="runc")
    ears = Ears()
    assert named.run(shell("echo ran"), b"", ears).code == 0
    assert ears.out == b"ran\n"
    assert "runc" in named.fingerprint


def test_an_unknown_runtime_is_an_error(engine: DockerEngine) -> None:
    absent = DockerEngine(None, runtime="nowhere")
    with pytest.raises(InfraError, match="nowhere"):
        absent.run(spec("true"), b"", Ears())
    (failed,) = [check for check in absent.checks() if not check.ok and check.required]
    assert failed.name == "runtime" and "nowhere" in failed.detail
    assert "daemon.json" in failed.remedy


def test_a_flood_that_hears_no_signal_is_killed(engine: DockerEngine) -> None:
    """The engine answers a SIGKILL only when its streams have been read to their end."""
    ears = Ears(lambda out: "interrupted" if out else None)
    ended = engine.run(shell("trap '' INT TERM; yes"), b"", ears)
    assert (ended.stopped, ended.code) == ("interrupted", None)


def test_a_missing_image_names_the_remedy() -> None:
    engine = DockerEngine(None, image="codex-runner:absent")
    assert not engine.reachable()
    with pytest.raises(InfraError, match="no image codex-runner:absent") as caught:
        engine.run(spec("true"), b"", Ears())
    assert "images build --tag" in caught.value.remedy
    (failed,) = [check for check in engine.checks() if not check.ok]
    assert (failed.name, failed.remedy) == ("image", caught.value.remedy)


def test_an_image_with_an_environment_is_refused() -> None:
    engine = DockerEngine(None, image=f"codex-runner:{RUN}")
    with docker_client.connected() as client:
        empty_tar = bytes(10240)
        client.import_image_from_data(empty_tar, "codex-runner", RUN, ["ENV LEAK=1"])
        try:
            with pytest.raises(InfraError, match="sets ENV or VOLUME"):
                engine.run(spec("true"), b"", Ears())
        finally:
            client.remove_image(engine.image)


KILLED = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_docker import DockerEngine, Ears, Overlay, shell
class Loud(Ears):
    def stdout(self, chunk):
        print("started", flush=True)
engine = DockerEngine(None)
base = Path({base!r})
overlay = Overlay((base / "lower",), base / "upper", base / "work", attributes=engine.attributes)
from dataclasses import replace
engine.run(replace(shell("echo x; sleep 600", workspace=overlay), run={run!r}), b"", Loud())
"""


def test_a_killed_runner_is_cleaned_up_after_and_others_are_not(
    engine: DockerEngine, workspace: Overlay, tmp_path: Path
) -> None:
    script = KILLED.format(tests=str(Path(__file__).parent), base=str(tmp_path), run=RUN)
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == b"started\n"
        alive = left()
        engine.reap()
        assert left() == alive, "its runner lives"
        runner.send_signal(signal.SIGKILL)
    assert len(alive) == 2
    assert engine.reap() >= 2
