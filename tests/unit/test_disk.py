"""The count of a workspace on disk, and when it is taken."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.errors import InfraError
from runner.records.sandbox import Overlay, StopReason, Walls
from runner.sandbox import disk
from runner.sandbox.disk import RESERVE_MIB, Disk, Space
from runner.sandbox.tally import MAX_DEPTH, Tally, walk

MIB = 1024 * 1024
PLENTY = Space(2**50, 2**30)


@pytest.fixture
def overlay(tmp_path: Path) -> Overlay:
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    return Overlay((), tmp_path / "upper", tmp_path / "work")


def counted(root: Path) -> Tally:
    tally = Tally()
    for _ in walk(root, tally):
        pass
    return tally


@pytest.fixture(autouse=True)
def _one_entry_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "LOOK_S", 0)
    monkeypatch.setattr(disk, "REST", 0)


def told(watched: Disk) -> StopReason | None:
    """The first reason among enough looks for a few walks."""
    reasons = (watched.over() for _ in range(4 * MAX_DEPTH))
    return next(filter(None, reasons), None)


def shrinking(left: Space, by: Space) -> Callable[[Path], Space]:
    """A file system that somebody fills."""
    spaces = [left]

    def free(_path: Path) -> Space:
        spaces.append(spaces[-1].minus(by))
        return spaces[-1]

    return free


def test_everything_below_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/file").write_bytes(b"x" * MIB)
    (tmp_path / "a/link").symlink_to("/")
    os.truncate(tmp_path / "a/b/file", 2**40)
    os.mkfifo(tmp_path / "a/pipe")
    tally = counted(tmp_path)
    assert (tally.entries, tally.hidden) == (5, False)
    assert MIB <= tally.bytes < 2 * MIB


def test_links_share_their_blocks(tmp_path: Path) -> None:
    (tmp_path / "first").write_bytes(b"x" * MIB)
    for number in range(16):
        (tmp_path / f"{number}").hardlink_to(tmp_path / "first")
    tally = counted(tmp_path)
    assert tally.entries == 17
    assert MIB - 17 <= tally.bytes < MIB + 65536


def test_a_directory_that_becomes_a_link_leads_nowhere(tmp_path: Path) -> None:
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    for place in (inside / "a", inside / "b", outside):
        place.mkdir(parents=True)
        (place / "one").touch()
    (outside / "two").touch()
    tally = Tally()
    going = walk(inside, tally)
    next(going)  # one of them is open by now
    for name in ("a", "b"):
        (inside / name).rename(tmp_path / name)
        (inside / name).symlink_to(outside)
    assert list(going)
    assert tally.entries <= 3


def test_depth_takes_no_more_descriptors_than_there_are(tmp_path: Path) -> None:
    place = tmp_path
    for _ in range(MAX_DEPTH + 5):
        place /= "d"
        place.mkdir()
    tally = counted(tmp_path)
    assert tally.hidden
    assert MAX_DEPTH <= tally.entries < MAX_DEPTH + 5


def test_what_cannot_be_seen_is_charged_with_all_that_is_gone(overlay: Overlay) -> None:
    walls = Walls(wall_s=9, disk_mib=64, entries=1000)
    (overlay.upper / ("d/" * (MAX_DEPTH + 1))).mkdir(parents=True)
    filling = [Space(MIB, 0), Space(0, 50)]
    watched = [Disk(overlay, walls, free=shrinking(PLENTY, by)) for by in filling]
    assert [told(each) for each in watched] == ["disk", "entries"]


def test_what_others_write_is_not_charged(overlay: Overlay) -> None:
    walls = Walls(wall_s=9, disk_mib=64, entries=1000)
    (overlay.upper / "file").write_bytes(b"x" * MIB)
    for first in (lambda: None, os.getpid):
        watched = Disk(overlay, walls, first, shrinking(PLENTY, Space(50 * MIB, 900)))
        assert told(watched) is None


def test_nothing_is_walked_while_nothing_changes(overlay: Overlay) -> None:
    watched = Disk(overlay, Walls(wall_s=9, entries=3), free=lambda _: PLENTY)
    for number in range(9):
        (overlay.upper / str(number)).touch()
    assert told(watched) is None
    made_as_needed = Space(2**50, sys.maxsize)
    watched = Disk(overlay, Walls(wall_s=9, entries=3), free=lambda _: made_as_needed)
    assert told(watched) == "entries"


def test_a_look_is_short_and_the_next_goes_on(overlay: Overlay) -> None:
    for number in range(40):
        (overlay.upper / str(number)).touch()
    watched = Disk(overlay, Walls(wall_s=9, entries=30), free=shrinking(PLENTY, Space(1, 0)))
    looks = 0
    while watched.over() is None:
        looks += 1
    assert looks == 30
    assert watched._walk is not None
    assert held_below(overlay.upper)
    watched.close()
    assert not held_below(overlay.upper)


def held_below(root: Path) -> list[str]:
    """What this process has open there."""
    numbers = os.listdir("/proc/self/fd")
    places = [os.path.realpath(f"/proc/self/fd/{number}") for number in numbers]
    return [place for place in places if Path(place).is_relative_to(root)]


def test_the_host_keeps_a_reserve(overlay: Overlay) -> None:
    walls = Walls(wall_s=9, disk_mib=64, entries=100)
    full = shrinking(Space((RESERVE_MIB + 65) * MIB, 1000), Space(MIB, 0))
    watched = Disk(overlay, walls, free=full)
    with pytest.raises(InfraError, match="are kept for this machine"):
        told(watched)
    for left in (Space(RESERVE_MIB * MIB, 1000), Space(2**40, 99)):
        with pytest.raises(InfraError, match=str(overlay.upper)):
            Disk(overlay, walls, free=lambda _, left=left: left)  # type: ignore[misc]
