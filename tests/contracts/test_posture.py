"""The posture self-test holds in every engine, and finds every wall that is taken down.

The weak surroundings are the real engines with one thing spoilt: what the judge then says is the
proof that its silence means something.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.errors import InfraError
from runner.ports import Engine, Watch
from runner.records.sandbox import Bind, Exit, SandboxSpec
from runner.sandbox import bubblewrap, bubblewrap_spec, docker_spec, posture_table
from runner.sandbox.bubblewrap_tree import Tree
from runner.sandbox.posture import examine, judged_inside, listening
from tests.contracts.conftest import _engine as make_engine

ALLOW_ALL = struct.pack("=HBBI", 0x06, 0, 0, 0x7FFF0000)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path.resolve()


def wanting(engine: Engine, folder: Path, *, nested: bool = True) -> dict[str, str]:
    """Guarantees the judge does not find, with its words."""
    with listening() as host:
        checks = judged_inside(engine, folder / "sandbox", host, nested)
    assert {check.name for check in checks} == posture_table.GUARANTEES.keys()
    return {check.name: check.detail for check in checks if not check.ok}


@pytest.mark.parametrize("nested", [True, False])
def test_every_guarantee_holds_and_nothing_is_left(
    engine: Engine, folder: Path, nested: bool
) -> None:
    checks = examine(engine, folder, nested)
    assert [check for check in checks if not check.ok] == []
    assert [check.name for check in checks] == ["self-test", *posture_table.GUARANTEES]
    assert list(folder.iterdir()) == []


class Given:
    """An engine that is handed something else than it was asked for."""

    def __init__(self, engine: Engine, change: Callable[[SandboxSpec], SandboxSpec]) -> None:
        self._engine, self._change = engine, change

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def run(self, spec: SandboxSpec, stdin: bytes, watch: Watch) -> Exit:
        return self._engine.run(self._change(spec), stdin, watch)


def uncovered(spec: SandboxSpec) -> SandboxSpec:
    assert spec.workspace is not None
    return replace(spec, workspace=replace(spec.workspace, covers={}))


def with_a_secret(spec: SandboxSpec) -> SandboxSpec:
    return replace(spec, env={**spec.env, "GITHUB_TOKEN": "canary"})


def without_limits(spec: SandboxSpec) -> SandboxSpec:
    walls = replace(spec.walls, memory_mib=1024, pids=512, file_mib=64, open_files=1024)
    return replace(spec, walls=walls)


@pytest.mark.parametrize(
    ("change", "names"),
    [
        (uncovered, {"protected paths"}),
        (with_a_secret, {"clean environment", "processes"}),
        (without_limits, {"limits in force"}),
        (lambda spec: replace(spec, nested=True), {"system calls", "protected paths"}),
        (lambda spec: replace(spec, argv=("/bin/false",)), posture_table.GUARANTEES.keys()),
        (lambda spec: replace(spec, binds=spec.binds[:1]), {"no control sockets"}),
    ],
    ids=["uncovered", "secret", "unlimited", "namespaces", "nothing said", "control"],
)
def test_a_sandbox_other_than_planned_is_found(
    folder: Path, change: Callable[[SandboxSpec], SandboxSpec], names: set[str]
) -> None:
    engine = Given(make_engine("bubblewrap"), change)
    assert wanting(engine, folder, nested=False).keys() == names


def test_a_strange_socket_is_found(folder: Path) -> None:
    strange = folder / "strange"
    strange.mkdir()
    strange.chmod(0o755)
    with socket.socket(socket.AF_UNIX) as listener:
        number = os.open(strange, os.O_PATH)
        listener.bind(f"/proc/self/fd/{number}/docker.sock")
        os.close(number)

    def shown(spec: SandboxSpec) -> SandboxSpec:
        return replace(spec, binds=(*spec.binds, Bind(strange, "/mnt/strange")))

    engine = Given(make_engine("bubblewrap"), shown)
    found = wanting(engine, folder)
    assert found == {"no control sockets": "sees /mnt/strange/docker.sock"}


def spoil_words(patch: pytest.MonkeyPatch, change: Callable[[list[str]], list[str]]) -> None:
    """bubblewrap with other arguments."""
    whole = bubblewrap_spec.arguments
    patch.setattr(bubblewrap_spec, "arguments", lambda *given: change(whole(*given)))


def without_pids(words: list[str]) -> list[str]:
    return [word for word in words if word != "--unshare-all"]


def with_devices(words: list[str]) -> list[str]:
    at = words.index("--dev")
    return [*words[:at], "--dev-bind", "/dev", *words[at + 1 :]]


def shared_network(patch: pytest.MonkeyPatch) -> None:
    spoil_words(patch, lambda words: [*PRIVATE, "--unshare-pid", *without_pids(words)])


def shared_processes(patch: pytest.MonkeyPatch) -> None:
    spoil_words(patch, lambda words: [*PRIVATE, "--unshare-net", *without_pids(words)])


def writable_root(patch: pytest.MonkeyPatch) -> None:
    spoil_words(patch, lambda words: words[: words.index("--remount-ro")])


def devices(patch: pytest.MonkeyPatch) -> None:
    spoil_words(patch, with_devices)


def unfiltered(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(bubblewrap, "bpf_program", lambda nested: ALLOW_ALL)


def privileged(patch: pytest.MonkeyPatch) -> None:
    whole = Tree.arguments
    patch.setattr(Tree, "arguments", lambda self: [*whole(self), "--cap-add", "CAP_NET_RAW"])
    patch.setattr(Tree, "command", lambda self, argv: [*argv])


PRIVATE = ("--unshare-ipc", "--unshare-uts", "--unshare-cgroup")


@pytest.mark.parametrize(
    ("spoil", "names"),
    [
        (shared_network, {"no network", "separation"}),
        (shared_processes, {"separation"}),
        (writable_root, {"read-only system"}),
        (devices, {"kernel interfaces"}),
        (unfiltered, {"socket families", "system calls"}),
        (privileged, {"no privileges"}),
    ],
)
def test_a_weak_bubblewrap_is_found(
    spoil: Callable[[pytest.MonkeyPatch], None],
    names: set[str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spoil(monkeypatch)
    assert names <= wanting(make_engine("bubblewrap"), folder).keys()


@pytest.mark.docker
@pytest.mark.parametrize(
    ("body", "host", "names"),
    [
        (
            {"NetworkDisabled": False},
            {"NetworkMode": "host", "PidMode": "host"},
            {"no network", "separation"},
        ),
        (
            {"User": "0:0"},
            {
                "SecurityOpt": ["seccomp=unconfined"],
                "CapAdd": ["NET_RAW"],
                "ReadonlyRootfs": False,
                "PidsLimit": 0,
                "Ulimits": [],
                "Devices": [
                    {
                        "PathOnHost": "/dev/full",
                        "PathInContainer": "/dev/odd",
                        "CgroupPermissions": "r",
                    }
                ],
            },
            {
                *("socket families", "system calls", "no privileges", "read-only system"),
                *("kernel interfaces", "limits in force"),
            },
        ),
    ],
    ids=["host's namespaces", "privileges"],
)
def test_a_weak_container_is_found(
    body: dict[str, Any],
    host: dict[str, Any],
    names: set[str],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = make_engine("docker")
    if not engine.reachable():  # type: ignore[attr-defined]
        pytest.skip("no Docker engine answers, or its image is missing")
    whole = docker_spec.container

    def weak(*given: Any) -> dict[str, Any]:
        made: dict[str, Any] = whole(*given)
        if not any("posture_look" in word for word in made["Cmd"]):
            return made  # the engine's own
        return {**made, **body, "HostConfig": {**made["HostConfig"], **host}}

    monkeypatch.setattr(docker_spec, "container", weak)
    assert names <= wanting(engine, folder).keys()


def test_a_judge_that_finds_no_fault_is_not_believed(
    engine: Engine, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The plain process that has to fail is what the whole self-test stands on."""
    nothing = posture_table.Guarantee("anything", lambda facts: iter(()), "")
    blind = dict.fromkeys(posture_table.GUARANTEES, nothing)
    monkeypatch.setattr(posture_table, "GUARANTEES", blind)
    first = examine(engine, folder, nested=True)[0]
    assert (first.name, first.ok, first.required) == ("self-test", False, True)
    assert "a plain process passes: clean environment, no network" in first.detail


def test_a_kernel_that_needs_room_gets_it(folder: Path) -> None:
    """gVisor does not start in the smallest sandbox, or ends in it."""

    class Cramped(Given):
        def run(self, spec: SandboxSpec, stdin: bytes, watch: Watch) -> Exit:
            if spec.walls.pids < 128:
                raise InfraError("no room for its own threads", "")
            return super().run(spec, stdin, watch)

    engine = Cramped(make_engine("bubblewrap"), lambda spec: spec)
    assert wanting(engine, folder) == {}


def test_a_sandbox_that_cannot_be_made_is_a_failure(folder: Path) -> None:
    class Broken:
        python, path, uid, attributes = "python3", "/usr/bin", os.geteuid(), "user.overlay."

        def run(self, spec: SandboxSpec, stdin: bytes, watch: Watch) -> Exit:
            raise InfraError("no sandbox today", "come back tomorrow")

    (check,) = examine(Broken(), folder, nested=True)  # type: ignore[arg-type]

    assert (check.ok, check.detail, check.remedy) == (
        False,
        "no sandbox today",
        "come back tomorrow",
    )
    assert list(folder.iterdir()) == []
