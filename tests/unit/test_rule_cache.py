"""Compiled rules are shared by a user's state directories, and by nobody else's hand."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from runner.gates import rule_cache
from runner.gates.scanner import Scanner
from runner.records.scan import Sample

KEY = "e17a09d2b89b6b11.vscdb"
CONTENT = b"compiled " * 1000


@pytest.fixture
def shared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache/codex-runner/rules"


def rules_of(tmp_path: Path, name: str, content: bytes | None = None) -> Path:
    place = tmp_path / name
    place.mkdir()
    if content is not None:
        (place / KEY).write_bytes(content)
    return place


def fetched(tmp_path: Path, name: str = "second") -> bytes | None:
    place = rules_of(tmp_path, name)
    rule_cache.fetch(place)
    assert rule_cache.is_cold(place) == (not [*place.iterdir()]), "whole files or none"
    return (place / KEY).read_bytes() if (place / KEY).exists() else None


@pytest.fixture
def entry(shared: Path, tmp_path: Path) -> Path:
    rule_cache.keep(rules_of(tmp_path, "first", CONTENT))
    [only] = shared.iterdir()
    return only


def test_what_one_state_compiled_another_begins_with(entry: Path, tmp_path: Path) -> None:
    assert entry.name == f"{KEY}.{hashlib.sha256(CONTENT).hexdigest()}"
    assert (entry.stat().st_mode & 0o777, entry.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert fetched(tmp_path) == CONTENT
    assert os.stat(tmp_path / "second" / KEY).st_ino != entry.stat().st_ino, "a copy of its own"
    mine = rules_of(tmp_path, "mine", b"newer")
    rule_cache.fetch(mine)
    assert (mine / KEY).read_bytes() == b"newer", "what is there is not replaced"


def test_nothing_is_shared_yet(shared: Path, tmp_path: Path) -> None:
    assert fetched(tmp_path) is None and not shared.exists()


@pytest.mark.parametrize("mode", [0o701, 0o710, 0o750, 0o770, 0o777])
def test_a_directory_open_to_others_is_not_believed(entry: Path, tmp_path: Path, mode: int) -> None:
    entry.parent.chmod(mode)
    assert fetched(tmp_path) is None
    before = {path.name for path in entry.parent.iterdir()}
    rule_cache.keep(rules_of(tmp_path, "third", b"other"))
    assert {path.name for path in entry.parent.iterdir()} == before, "nor written to"


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_can_write_is_not_believed(
    entry: Path, tmp_path: Path, mode: int
) -> None:
    entry.chmod(mode)
    assert fetched(tmp_path) is None


@pytest.mark.parametrize("content", [b"", b"poison", CONTENT[:-1], CONTENT + b"x"])
def test_other_bytes_are_not_believed_and_replaced(
    entry: Path, tmp_path: Path, content: bytes
) -> None:
    entry.write_bytes(content)
    assert fetched(tmp_path) is None
    rule_cache.keep(rules_of(tmp_path, "compiled", CONTENT))
    assert fetched(tmp_path, "third") == CONTENT


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
@pytest.mark.parametrize("whose", ["file", "directory"])
def test_another_owner_is_not_believed(entry: Path, tmp_path: Path, whose: str) -> None:
    os.chown(entry if whose == "file" else entry.parent, 65534, 65534)
    assert fetched(tmp_path) is None


def test_links_and_pipes_are_not_followed(entry: Path, tmp_path: Path) -> None:
    real = tmp_path / "elsewhere"
    entry.rename(real)
    entry.symlink_to(real)
    assert fetched(tmp_path) is None
    entry.unlink()
    os.mkfifo(entry, 0o600)
    assert fetched(tmp_path, "third") is None
    entry.unlink()
    real.rename(entry)
    entry.parent.rename(tmp_path / "moved")
    entry.parent.symlink_to(tmp_path / "moved")
    assert fetched(tmp_path, "fourth") is None


def test_a_checkout_brings_none(entry: Path, tmp_path: Path) -> None:
    (tmp_path / "cache/.git").write_text("gitdir: somewhere\n")
    assert fetched(tmp_path) is None


def test_old_versions_go(shared: Path, tmp_path: Path) -> None:
    for at in range(7):
        place = tmp_path / f"v{at}"
        place.mkdir()
        (place / f"{at}{KEY}").write_bytes(b"%d" % at)
        rule_cache.keep(place)
        os.utime(next(shared.glob(f"{at}e17*")), ns=(at, at))
    assert len([*shared.iterdir()]) == rule_cache.MOST
    assert [*shared.glob("6e17*")]


def test_the_scanner_shares_what_it_compiled(
    shared: Path, tmp_path: Path, warm_scanner: Path
) -> None:
    """Corrupt rules are compiled anew by the real one; its answers are the same."""
    [compiled] = (warm_scanner / "rules").iterdir()
    token = "p_".join(("gh", hashlib.sha256(b"sample").hexdigest()[:36]))
    sample = Sample(f"t = '{token}'\n".encode())
    state = tmp_path / "cold"
    (state / "rules").mkdir(parents=True)
    (state / "rules" / compiled.name).write_bytes(compiled.read_bytes()[:1000])
    with Scanner(state) as scanner:
        found = scanner.scan(sample, 120)
    assert found is not None and [hit.rule for hit in found.hits] == ["github-pat"]
    rule_cache.keep(warm_scanner / "rules")
    with Scanner(tmp_path / "warm") as scanner:
        assert not scanner.cold
        assert scanner.scan(sample, 120) is not None
    assert (tmp_path / "warm/rules" / compiled.name).read_bytes() == compiled.read_bytes()
