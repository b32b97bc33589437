"""FS: any mixture of good and hostile entries is refused by the name of a hostile one."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.errors import RefusedError
from runner.workspace.source import GitSource, open_source
from tests.overlays import OVERLAYS, make_checkout


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{os.open(path.parent, os.O_PATH)}/{path.name}")


def _repository(path: Path) -> None:
    (path / ".git").mkdir(parents=True)
    (path / ".git" / "HEAD").write_text("ref: refs/heads/main\n")


def _setuid(path: Path) -> None:
    path.write_text("x")
    path.chmod(0o4755)


def _closed(path: Path) -> None:
    path.mkdir()
    (path / "inside").write_text("x")
    path.chmod(0)


def _up(path: Path) -> str:
    """From a file's directory to the top of its tree."""
    parts = path.parts
    return "../" * (len(parts) - parts.index("upper") - 2)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "fifo": os.mkfifo,
    "repository": _repository,
    "look-alike": lambda path: path.with_name(".GiT").write_text("gitdir: /x\n"),
    "ignorable": lambda path: path.with_name(".g\u200cit").write_text("gitdir: /x\n"),
    "short name": lambda path: path.with_name("GIT~1").write_text("gitdir: /x\n"),
    "absolute": lambda path: path.symlink_to("/etc/passwd"),
    "outwards": lambda path: path.symlink_to("../" * 30 + "etc/passwd"),
    "into git": lambda path: path.symlink_to(f"{_up(path)}.git/config"),
    "setuid": _setuid,
    "closed": _closed,
}
GOOD: dict[str, Callable[[Path], object]] = {
    "file": lambda path: path.write_text("x"),
    "empty": lambda path: path.touch(),
    "program": lambda path: path.touch(0o755),
    "link": lambda path: path.symlink_to("nowhere"),
    "folder": lambda path: path.mkdir(),
}
numbers = count()


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> GitSource:
    folder = tmp_path_factory.mktemp("trees")
    checkout = make_checkout(folder / "repository")
    checkout.commit({"a": "one\n", "d/e/f/a": "two\n"})
    return open_source(checkout.path, None, folder / "state")


@pytest.mark.parametrize("folder", ["", "d/e/f", "new/deep"])
@pytest.mark.parametrize("kind", HOSTILE)
def test_one_hostile_entry_is_enough(source: GitSource, kind: str, folder: str) -> None:
    with source.workspace(OVERLAYS[0], f"trees-{next(numbers)}") as overlay:
        (overlay.upper / folder).mkdir(parents=True, exist_ok=True)
        HOSTILE[kind](overlay.upper / folder / "entry")
        with pytest.raises(RefusedError):
            source.ingest(overlay, "x\n")


place = st.tuples(st.sampled_from(["", "d", "d/e/f", "new", "new/deep/er"]), st.integers(0, 999))


@settings(
    max_examples=40,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    good=st.dictionaries(place, st.sampled_from([*GOOD]), max_size=6),
    bad=st.dictionaries(place, st.sampled_from([*HOSTILE]), max_size=2),
)
def test_a_tree_is_measured_or_refused_by_name(
    source: GitSource, good: dict[tuple[str, int], str], bad: dict[tuple[str, int], str]
) -> None:
    made: list[Path] = []
    with source.workspace(OVERLAYS[0], f"trees-{next(numbers)}") as overlay:
        for kinds, entries in ((GOOD, good), (HOSTILE, bad)):
            for (folder, number), kind in entries.items():
                path = overlay.upper / folder / f"{kind}-{number}"
                path.parent.mkdir(parents=True, exist_ok=True)
                if not os.path.lexists(path):
                    kinds[kind](path)
                    made.append(path)
        if not bad:
            source.ingest(overlay, "x\n")
        else:
            with pytest.raises(RefusedError) as refusal:
                source.ingest(overlay, "x\n")
            assert str(refusal.value)
    assert not overlay.upper.exists(), "nothing of it is left"
