"""Which codex is used, and what is said when it is none or another."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.errors import ConfigError, InfraError
from runner.sandbox.codex_package import SUPPORTED, locate
from runner.sandbox.resources import resource


def package(root: Path, version: str, says: str) -> Path:
    (root / "bin").mkdir(parents=True)
    (root / "codex-package.json").write_text(json.dumps({"version": version}))
    (root / "bin/codex").write_text(f"#!/bin/sh\necho codex-cli {says}\n")
    (root / "bin/codex").chmod(0o755)
    return root


def test_the_installed_one() -> None:
    found = locate()
    assert found.version == SUPPORTED
    assert found.binary.is_file() and found.bubblewrap.is_file()


def test_another_place(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(package(tmp_path / "codex", SUPPORTED, SUPPORTED))
    assert locate(link).root == (tmp_path / "codex").resolve()
    assert len(locate(link).sha256()) == 64


@pytest.mark.parametrize(("version", "says"), [("0.1.0", "0.1.0"), (SUPPORTED, "0.1.0")])
def test_another_version(tmp_path: Path, version: str, says: str) -> None:
    with pytest.raises(InfraError, match=r"0\.1\.0") as told:
        locate(package(tmp_path / "codex", version, says))
    assert SUPPORTED in told.value.remedy


@pytest.mark.parametrize("metadata", ["", "[]", "{}", "null", '{"version"'])
def test_broken_metadata(tmp_path: Path, metadata: str) -> None:
    (tmp_path / "codex-package.json").write_text(metadata)
    with pytest.raises(ConfigError, match=r"codex-package\.json"):
        locate(tmp_path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        locate(tmp_path / "none")


def test_files_of_the_product() -> None:
    for name in ("seccomp.json", "syscalls.json", "hosts", "resolv.conf"):
        assert resource(name).is_file()
