"""Building the image: what it must be, and what is said when it cannot be built."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from runner.cli.images import command
from runner.errors import ConfigError, InfraError
from runner.sandbox import bootstrap, images
from runner.sandbox.docker import DockerEngine
from runner.sandbox.docker_client import GONE, connected, speaking

STATUS = "Package: git\nStatus: install ok installed\nArchitecture: all\nVersion: 1:2\n\n"


@pytest.fixture
def tag() -> Iterator[str]:
    """Of an image that is removed again."""
    try:
        with connected():
            pass
    except InfraError as error:
        pytest.skip(f"no Docker engine: {error.problem}")
    name = f"codex-runner:test-{os.getpid()}"
    yield name
    with connected() as client, speaking("remove an image", GONE):
        client.remove_image(name)


def rootfs(path: Path, status: str = STATUS) -> Path:
    with tarfile.open(path, "w") as archive:
        member = tarfile.TarInfo("./var/lib/dpkg/status")
        member.size = len(status)
        archive.addfile(member, io.BytesIO(status.encode()))
    return path


def stand_in(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mmdebstrap that answers without a network."""
    tool = folder / "mmdebstrap"
    tool.write_text(f"#!/bin/sh\n{script}\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


def test_the_digest_is_of_what_is_installed(tmp_path: Path) -> None:
    other = STATUS.replace("Status: install ok installed\n", "Section: vcs\n")
    same = bootstrap.packages_digest(rootfs(tmp_path / "a"))
    assert same == bootstrap.packages_digest(rootfs(tmp_path / "b", other))
    newer = STATUS.replace("1:2", "1:3")
    assert same != bootstrap.packages_digest(rootfs(tmp_path / "c", newer))


@pytest.mark.parametrize("mirror", ["--help", "deb.debian.org", "http://a b", "ftp:x", ""])
def test_a_mirror_is_an_address(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(ConfigError, match="--mirror"):
        bootstrap.bootstrap(tmp_path / "tar", mirror, print)


def test_a_missing_tool_names_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InfraError, match="mmdebstrap is not installed") as caught:
        bootstrap.bootstrap(tmp_path / "tar", None, print)
    assert caught.value.remedy == "sudo apt-get install mmdebstrap"


def test_a_failed_bootstrap_gives_the_last_complaint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_in(tmp_path, "echo I: starting >&2; echo E: no route to mirror >&2; exit 25", monkeypatch)
    said: list[str] = []
    with pytest.raises(InfraError, match="mmdebstrap failed: no route to mirror"):
        bootstrap.bootstrap(tmp_path / "tar", None, said.append)
    assert said == ["starting", "no route to mirror"]


@pytest.mark.docker
def test_an_image_from_packages(tag: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tar = rootfs(tmp_path / "rootfs.tar")
    stand_in(tmp_path, f"exec cat {tar}", monkeypatch)
    arguments = ["build", "--from-packages", "--tag", tag, "--json"]
    done = CliRunner().invoke(command, arguments, catch_exceptions=False)
    made = json.loads(done.stdout)
    assert made["tags"] == [tag]
    assert made["base"] == f"packages@{bootstrap.packages_digest(tar)}"
    DockerEngine(None, image=tag).usable_image()
    with connected() as client:
        settings = client.inspect_image(tag)["Config"]
    assert not settings["Env"]
    assert (settings["User"], settings["WorkingDir"]) == ("10001:10001", "/work")
    listed = CliRunner().invoke(command, ["list", "--json"], catch_exceptions=False)
    assert made in json.loads(listed.stdout)


@pytest.mark.docker
def test_a_registry_out_of_reach_names_the_other_way(tag: str) -> None:
    with pytest.raises(InfraError, match=r"pull 127.0.0.1:1/debian:x") as caught:
        images.build_from_registry(tag, "127.0.0.1:1/debian:x", print)
    assert "--from-packages" in caught.value.remedy


@pytest.mark.parametrize(
    "arguments",
    [["--mirror", "http://m"], ["--from-packages", "--base", "b:1"], ["--tag", "host:5000/name"]],
)
def test_contradicting_options_are_bad_input(arguments: list[str]) -> None:
    assert CliRunner().invoke(command, ["build", *arguments]).exit_code == 2
