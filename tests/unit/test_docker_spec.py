"""What is asked of a Docker engine, without one."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from runner.records.base import RunId
from runner.records.sandbox import Bind, Overlay, SandboxSpec, Scratch, Walls
from runner.sandbox import docker_spec
from runner.sandbox.docker_stream import Frames

RUN = RunId("r1")
HOST = docker_spec.Host(
    image="sha256:1",
    uid=10001,
    gid=10001,
    cpus=2,
    seccomp="{}",
    files=(Bind(Path("/opt/wheel"), "/opt/codex"),),
)
OVERLAY = Overlay(
    lowers=(Path("/s/b:1"), Path("/s/a,\\")),
    upper=Path("/s/upper"),
    work=Path("/s/work"),
    covers={".git": Path("/s/git")},
    attributes="trusted.overlay.",
)


def spec(**changes: Any) -> SandboxSpec:
    given: dict[str, Any] = {
        "run": RUN,
        "role": "agent",
        "argv": ("true",),
        "env": {"A": "1", "PATH": "/bin"},
        "walls": Walls(wall_s=10, memory_mib=256, pids=64, cpus=8, file_mib=3, open_files=99),
    }
    return SandboxSpec(**{**given, **changes})


def body(**changes: Any) -> dict[str, Any]:
    return docker_spec.container(spec(**changes), HOST, "box", {"label": "1"})


def host_config(**changes: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", body(**changes)["HostConfig"])


def test_the_container_is_confined() -> None:
    made = host_config()
    assert body()["NetworkDisabled"] is True
    assert made["NetworkMode"] == "none"
    assert made["CapDrop"] == ["ALL"]
    assert made["SecurityOpt"] == ["no-new-privileges", "seccomp={}"]
    assert made["ReadonlyRootfs"] is True
    assert made["Privileged"] is False
    assert made["IpcMode"] == "private"
    assert made["LogConfig"] == {"Type": "none"}
    assert body()["User"] == "10001:10001"


def test_walls_become_limits_and_swap_is_none() -> None:
    made = host_config()
    assert made["Memory"] == made["MemorySwap"] == 256 * 1024 * 1024
    assert made["PidsLimit"] == 64
    assert made["NanoCpus"] == 2_000_000_000, "never more than the machine has"
    limits = {row["Name"]: (row["Soft"], row["Hard"]) for row in made["Ulimits"]}
    assert limits == {
        **dict.fromkeys(("core", "nice", "rtprio"), (0, 0)),
        "fsize": (3 * 2**20,) * 2,
        "memlock": (64 * 1024,) * 2,
        "msgqueue": (819_200,) * 2,
        "nofile": (99, 99),
        "sigpending": (1024, 1024),
    }


def test_the_environment_is_the_given_one() -> None:
    made = body()
    assert made["Env"] == ["A=1", "PATH=/bin"]
    assert made["Entrypoint"][:3] == ["/usr/bin/env", "--unset=HOME", "--unset=HOSTNAME"]


def test_an_orphan_ends_by_itself() -> None:
    assert body()["Entrypoint"][-3:] == ["/usr/bin/timeout", "--kill-after=5", "70"]
    assert body()["Cmd"] == ["true"]


def test_every_bind_is_read_only_and_private() -> None:
    binds = [Bind(Path("/s/broker"), "/run/broker")]
    rows = host_config(workspace=OVERLAY, binds=tuple(binds))["Mounts"]
    targets = {row["Target"]: row for row in rows}
    assert set(targets) == {"/opt/codex", "/run/broker", "/work", "/work/.git"}
    for row in rows:
        if row["Type"] == "bind":
            assert row["ReadOnly"] is True
            assert row["BindOptions"] == {"Propagation": "rprivate", "NonRecursive": True}
    assert targets["/work"]["Source"] == "box"
    assert targets["/work"]["VolumeOptions"] == {"NoCopy": True}


def test_without_a_workspace_work_is_empty_and_read_only() -> None:
    assert host_config()["Tmpfs"]["/work"].startswith("ro,")
    assert "/work" not in host_config(workspace=OVERLAY)["Tmpfs"]


def test_scratch_is_sized_in_bytes_and_files() -> None:
    made = host_config(scratch=(Scratch("/ch", 2),))["Tmpfs"]["/ch"]
    assert made == ("rw,exec,nosuid,nodev,size=2m,nr_inodes=512,mode=0700,uid=10001,gid=10001")


@pytest.mark.parametrize(
    ("attributes", "mark"),
    [("trusted.overlay.", "redirect_dir=on"), ("user.overlay.", "userxattr")],
)
def test_overlay_options(attributes: Any, mark: str) -> None:
    overlay = Overlay(OVERLAY.lowers, OVERLAY.upper, OVERLAY.work, attributes=attributes)
    made = docker_spec.volume(overlay)
    assert made["type"] == made["device"] == "overlay"
    assert made["o"] == (
        r"lowerdir=/s/b\:1:/s/a\,\\,upperdir=/s/upper,workdir=/s/work,"
        f"{mark},nodev,nosuid"
    )


def test_the_sweeper_sees_one_directory() -> None:
    sweeper = docker_spec.sweeper(RUN)
    made: dict[str, Any] = docker_spec.emptying(Path("/s/work/work"), sweeper, HOST, "box", {})
    assert made["User"] == "0:0"
    assert made["HostConfig"]["CapDrop"] == ["ALL"]
    (mount,) = made["HostConfig"]["Mounts"]
    assert (mount["Source"], mount["Target"], mount["ReadOnly"]) == ("/s/work/work", "/mnt", False)


def test_unenforced_names_walls() -> None:
    info = {"MemoryLimit": False, "PidsLimit": True}
    assert docker_spec.unenforced(info) == ("memory_mib",)


def test_frames_may_be_cut_anywhere() -> None:
    def frame(kind: int, content: bytes) -> bytes:
        return bytes([kind, 0, 0, 0]) + len(content).to_bytes(4) + content

    stream = frame(1, b"out") + frame(2, b"") + frame(2, b"error") + frame(1, b"!")
    for size in range(1, len(stream) + 1):
        frames, heard = Frames(), {1: b"", 2: b""}
        for at in range(0, len(stream), size):
            for kind, piece in frames.feed(stream[at : at + size]):
                heard[kind] += piece
        assert heard == {1: b"out!", 2: b"error"}
