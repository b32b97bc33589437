"""What the embedded engine does with this machine, and says when it cannot."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

from runner.errors import ConfigError, InfraError
from runner.records.base import RunId
from runner.records.sandbox import Check, Overlay, SandboxSpec, Scratch, Walls
from runner.sandbox import cgroups, scope
from runner.sandbox.bubblewrap import BubblewrapEngine
from runner.sandbox.codex_package import CodexPackage, locate
from tests.contracts.conftest import Heard, Probe
from tests.contracts.test_limits import MEMORY, PRELUDE


@pytest.fixture(scope="module")
def codex() -> CodexPackage:
    return locate()


@pytest.fixture
def own(codex: CodexPackage, tmp_path: Path) -> Probe:
    return Probe(BubblewrapEngine(codex), tmp_path.resolve())


def failed(checks: tuple[Check, ...]) -> dict[str, Check]:
    return {check.name: check for check in checks if not check.ok and check.required}


def test_checks_pass_and_leave_nothing(codex: CodexPackage, tmp_path: Path) -> None:
    assert failed(BubblewrapEngine(codex, scratch=tmp_path).checks()) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_broken_bubblewrap_is_named(tmp_path: Path) -> None:
    package = CodexPackage(tmp_path, "0.163.0")
    assert failed(BubblewrapEngine(package).checks()).keys() == {"bubblewrap"}
    assert failed(BubblewrapEngine(None).checks()).keys() == {"bubblewrap"}
    (tmp_path / "codex-resources").mkdir()
    package.bubblewrap.write_text("#!/bin/sh\necho 'bwrap: No permissions' >&2; exit 1\n")
    package.bubblewrap.chmod(0o755)
    check = failed(BubblewrapEngine(package).checks())["user namespaces"]
    assert "No permissions" in check.detail
    assert check.remedy


def test_root_is_nobody_inside(own: Probe) -> None:
    """The sandbox's user on this machine is never root, whoever the runner is."""
    assert own.engine.uid == (10001 if os.geteuid() == 0 else os.geteuid())
    overlay = own.overlay({})
    assert own.with_(workspace=overlay).sh("id -u; : >made").out == "1000\n"
    assert (overlay.upper / "made").stat().st_uid == own.engine.uid


def test_a_workspace_that_cannot_be_mounted(own: Probe) -> None:
    overlay = own.overlay({})
    file = own.folder / "file"
    file.write_text("")
    broken = Overlay(overlay.lowers, overlay.upper, file, {})
    with pytest.raises(InfraError, match="bubblewrap made no sandbox: bwrap: "):
        own.with_(workspace=broken).sh("true")


@pytest.mark.parametrize(
    ("ending", "status"), [("exit 9", "status 9"), ("kill -9 $$", "status -9")]
)
def test_one_that_ends_without_a_word_is_told_by_its_status(
    tmp_path: Path, ending: str, status: str
) -> None:
    package = CodexPackage(tmp_path, "0.163.0")
    (tmp_path / "codex-resources").mkdir()
    package.bubblewrap.write_text(f"#!/bin/sh\n{ending}\n")
    package.bubblewrap.chmod(0o755)
    with pytest.raises(InfraError, match=f"{status} before its first .* and told nothing"):
        Probe(BubblewrapEngine(package), tmp_path.resolve()).sh("true")


def test_a_nul_byte_names_no_second_option(own: Probe) -> None:
    with pytest.raises(ConfigError, match="NUL"):
        own.with_(env={"A": "b\0--bind\0/\0/mnt"}).sh("true")
    with pytest.raises(ConfigError, match="NUL"):
        own.sh("true\0")


def test_no_control_group_and_no_descriptor_is_left(own: Probe) -> None:
    own.sh("true")
    before = sorted(os.listdir("/proc/self/fd"))
    for _ in range(3):
        own.sh("true")
    with pytest.raises(InfraError):
        own.with_(cwd="/nonexistent").sh("true")
    assert sorted(os.listdir("/proc/self/fd")) == before
    assert groups() == []


def groups() -> list[Path]:
    """Of this process: other workers make theirs meanwhile."""
    mine = f"{cgroups.PREFIX}*.{os.getpid()}.*"
    with cgroups.group("looking", Walls(wall_s=1), frozenset({"memory"})) as group:
        found = {path for made in group.directories.values() for path in made.parent.glob(mine)}
        return sorted(found - {*group.directories.values()})


def test_what_a_killed_runner_left_is_swept(own: Probe) -> None:
    with cgroups.group("first", Walls(wall_s=1), frozenset({"memory"})) as group:
        if not group.directories:
            pytest.skip("this user may not make control groups")
        parent = group.directories["memory"].parent
    left = parent / f"{cgroups.PREFIX}gone.{2**22 + 1}.ffff"
    left.mkdir()
    own.sh("true")
    assert not left.exists()


@pytest.fixture
def alone(own: Probe, monkeypatch: pytest.MonkeyPatch) -> Probe:
    """The engine where nobody makes control groups."""
    monkeypatch.setattr(cgroups, "_parents", dict)
    monkeypatch.setattr(scope, "user_manager", lambda: None)
    return own.with_(scratch=(Scratch("/tmp", 512),), walls=Walls(wall_s=45, memory_mib=96))


@pytest.mark.parametrize("load", MEMORY)
def test_memory_is_watched_where_there_is_no_control_group(alone: Probe, load: str) -> None:
    ended = alone.python(PRELUDE + MEMORY[load]).exit
    assert (ended.stopped, ended.code, ended.out_of_memory) == (None, 137, True)
    assert "memory_mib" in ended.unenforced


def test_files_in_scratch_are_watched_as_memory(alone: Probe) -> None:
    script = "for number in range(10**6): os.close(os.open(f'/tmp/{number}', os.O_CREAT))"
    ended = alone.python(PRELUDE + script).exit
    assert (ended.code, ended.out_of_memory) == (137, True)


def test_shared_memory_of_forks_counts_once(alone: Probe) -> None:
    script = """
x = [bytes([n]) * 2**20 for n in range(48)]
for _ in range(8):
    if not os.fork(): time.sleep(1); os._exit(0)
for _ in range(8): os.wait()
"""
    ended = alone.python(PRELUDE + script).exit
    assert (ended.code, ended.out_of_memory) == (0, False)


def test_an_interrupted_start_leaves_nothing(own: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    """An engine that cannot set a limit ends what it has begun."""

    def refuse(self: cgroups.Group, pid: int) -> None:
        raise InfraError(f"no group for {pid}", "none")

    monkeypatch.setattr(cgroups.Group, "add", refuse)
    with pytest.raises(InfraError, match="no group for") as told:
        own.sh("true")
    assert not Path("/proc", told.value.problem.split()[-1], "exe").exists()


def test_another_root_file_system(codex: CodexPackage, tmp_path: Path) -> None:
    """Only its /usr, and what stands beside it, is seen."""
    root = tmp_path.resolve() / "root"
    root.mkdir()
    for name in ("bin", "lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    (root / "usr").mkdir()
    engine = BubblewrapEngine(codex, rootfs=root)
    spec = SandboxSpec(RunId("r"), "probe", ("/bin/sh", "-c", "true"), {}, Walls(wall_s=30))
    assert engine.run(replace(spec, cwd="/"), b"", Heard()).code == 127
