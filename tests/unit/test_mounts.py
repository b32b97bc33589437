"""Mount sources and targets are looked at without following links."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner.errors import InfraError
from runner.records.base import RunId
from runner.records.sandbox import Bind, Overlay, SandboxSpec, Walls
from runner.sandbox import mounts


@pytest.fixture
def spec(tmp_path: Path) -> SandboxSpec:
    for name in ("lower", "upper", "work", "git", "socket"):
        (tmp_path / name).mkdir()
    overlay = Overlay(
        (tmp_path / "lower",), tmp_path / "upper", tmp_path / "work", {".git": tmp_path / "git"}
    )
    bind = Bind(tmp_path / "socket", "/run/broker")
    return SandboxSpec(
        RunId("r"), "agent", ("true",), {}, Walls(wall_s=1), workspace=overlay, binds=(bind,)
    )


def test_plain_directories_pass(spec: SandboxSpec) -> None:
    mounts.verify(spec)


def test_a_link_on_the_way_to_a_source_is_refused(spec: SandboxSpec, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    bind = Bind(tmp_path / "link" / "socket", "/run/broker")
    with pytest.raises(InfraError, match=r"symbolic link at .*/link"):
        mounts.verify(replace(spec, binds=(bind,)))


@pytest.mark.parametrize("source", ["relative", "/tmp/../etc", "/nowhere/at/all"])
def test_odd_sources_are_refused(spec: SandboxSpec, source: str) -> None:
    with pytest.raises(InfraError, match="mount source"):
        mounts.verify(replace(spec, binds=(Bind(Path(source), "/mnt"),)))


def test_a_protected_name_that_is_a_link_in_a_layer_is_refused(
    spec: SandboxSpec, tmp_path: Path
) -> None:
    (tmp_path / "lower" / ".git").symlink_to("/etc")
    with pytest.raises(InfraError, match=r"\.git is a symbolic link"):
        mounts.verify(spec)


@pytest.mark.parametrize("name", ["../x", "/etc", ""])
def test_covers_stay_inside(spec: SandboxSpec, tmp_path: Path, name: str) -> None:
    assert spec.workspace is not None
    overlay = replace(spec.workspace, covers={name: tmp_path / "git"})
    with pytest.raises(InfraError, match="outside"):
        mounts.verify(replace(spec, workspace=overlay))
