"""Snapshots and private directories under concurrency, kills and damage."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runner.errors import InfraError
from runner.live import take
from runner.process import clean_env, kill_group, run, stream
from runner.remove import remove_tree
from runner.sweep import sweep
from runner.workspace import snapshot
from runner.workspace.layer import give
from runner.workspace.source import GitSource, open_source
from tests.overlays import BubblewrapOverlay, Checkout, make_checkout

OVERLAYS = BubblewrapOverlay()
USE = """
import signal, sys
from pathlib import Path
from runner.workspace.source import open_source
from tests.overlays import BubblewrapOverlay
source = open_source(Path(sys.argv[1]), None, Path(sys.argv[2]))
with source.workspace(BubblewrapOverlay(), "agent") as overlay:
    print(overlay.lowers[0], flush=True)
    signal.pause() if sys.argv[3] == "stay" else source.close()
"""
ROOT = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = make_checkout(tmp_path / "repository")
    made.commit({f"d{number % 7}/f{number}": f"{number}\n" for number in range(300)})
    return made


def lower(source: GitSource) -> Path:
    with source.workspace(OVERLAYS, "probe") as overlay:
        return overlay.lowers[0]


def live(state: Path) -> list[Path]:
    return [path for path in (state / "live").iterdir() if path.is_dir()]


def test_processes_at_the_same_time_share_one_snapshot(checkout: Checkout, tmp_path: Path) -> None:
    def use(number: int) -> str:
        argv = [sys.executable, "-c", USE, str(checkout.path), str(tmp_path / "state"), "leave"]
        done = run(argv, env=clean_env(), cwd=ROOT)
        assert done.code == 0, done.stderr.decode()
        return done.text()

    with ThreadPoolExecutor(4) as pool:
        seen = set(pool.map(use, range(4)))
    assert len(seen) == 1
    assert len(list(Path(seen.pop()).rglob("f*"))) == 300
    assert live(tmp_path / "state") == []


def test_a_killed_process_leaves_nothing_for_long(checkout: Checkout, tmp_path: Path) -> None:
    state = tmp_path / "state"
    said: list[bytes] = []
    stream(
        [sys.executable, "-c", USE, checkout.path, state, "stay"],
        stdin=b"",
        env=clean_env(),
        cwd=ROOT,
        on_stdout=said.append,
        on_stderr=said.append,
        stop=lambda: bool(said),
        ladder=((kill_group, 5.0),),
    )
    sweep(state)
    source = open_source(checkout.path, None, state)
    assert live(state) == [source._scratch]
    assert str(lower(source)) == b"".join(said).decode().strip()
    source.close()


def test_a_living_process_keeps_its_directory(tmp_path: Path) -> None:
    first, second = take(tmp_path / "live"), take(tmp_path / "live")
    assert first.path.is_dir() and second.path.is_dir()
    first.close()
    second.close()
    assert live(tmp_path) == []


def test_a_half_made_snapshot_is_made_again(checkout: Checkout, tmp_path: Path) -> None:
    source = open_source(checkout.path, None, tmp_path / "state")
    made = lower(source).parent
    source.close()
    (made / "card.json").unlink()
    source = open_source(checkout.path, None, tmp_path / "state")
    assert lower(source).parent == made
    assert (made / "card.json").exists()
    source.close()
    (made / "card.json").write_text("{")
    source = open_source(checkout.path, None, tmp_path / "state")
    with pytest.raises(InfraError, match="is damaged"):
        lower(source)
    source.close()


def test_old_stacks_go_unless_they_are_in_use(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(snapshot, "KEPT_STACKS", 1)
    in_use = open_source(checkout.path, None, tmp_path / "state")
    kept = lower(in_use)
    unrelated = []
    for number in range(3):
        checkout.git("checkout", "-q", "--orphan", f"root-{number}")
        checkout.commit({"root": str(number)})
        source = open_source(checkout.path, None, tmp_path / "state")
        unrelated.append(lower(source))
        source.close()
    assert [path.exists() for path in unrelated] == [False, False, True]
    assert kept.exists()
    in_use.close()


def test_without_whiteouts_every_snapshot_is_whole(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: object, **named: object) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "mknod", refuse)
    first = open_source(checkout.path, None, tmp_path / "state")
    lower(first)
    first.close()
    checkout.git("rm", "-q", "d0/f0")
    checkout.commit({"new": "x"})
    source = open_source(checkout.path, None, tmp_path / "state")
    with source.workspace(OVERLAYS, "agent") as overlay:
        assert len(overlay.lowers) == 1
        assert not (overlay.lowers[0] / "d0/f0").exists()
        OVERLAYS.play(overlay, [["delete", "d1"]])
        tree = source.ingest(overlay, "x").tree
    with source.workspace(OVERLAYS, "tests", tree) as overlay:
        assert len(overlay.lowers) == 1
        assert not (overlay.lowers[0] / "d1").exists()
    source.close()


def test_files_keep_their_kind_and_bytes(checkout: Checkout, tmp_path: Path) -> None:
    checkout.write({"run": "#!/bin/sh\n", ".gitattributes": "* text eol=crlf ident\n"})
    (checkout.path / "run").chmod(0o755)
    (checkout.path / "link").symlink_to("run")
    checkout.commit({"id": "$Id$\n"})
    source = open_source(checkout.path, "HEAD", tmp_path / "state")
    layer = lower(source)
    assert (layer / "run").stat().st_mode & 0o777 == 0o755
    assert (layer / "d0/f0").stat().st_mode & 0o777 == 0o644
    assert (layer / "link").readlink() == Path("run")
    assert (layer / "id").read_bytes() == b"$Id$\n"
    assert all((layer / name).is_dir() for name in (".git", ".codex", ".agents"))
    source.close()


def test_files_belong_to_the_user_of_the_engine(checkout: Checkout, tmp_path: Path) -> None:
    source = open_source(checkout.path, None, tmp_path / "state")
    other = BubblewrapOverlay(uid=10001)
    if os.geteuid() != 0:
        with pytest.raises(InfraError, match="is not the user"), source.workspace(other, "x"):
            pass
        source.close()
        return
    with source.workspace(other, "agent") as overlay:
        for place in (*overlay.lowers, overlay.upper, overlay.work, *overlay.covers.values()):
            for path in (place, *place.rglob("*")):
                assert path.lstat().st_uid == 10001, path
    source.close()


def test_removal_follows_nothing(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    inside = tmp_path / "inside"
    (inside / "a").mkdir(parents=True)
    (inside / "a/link").symlink_to(outside)
    (inside / "link").symlink_to(outside)
    os.mkfifo(inside / "a/pipe")
    remove_tree(inside)
    remove_tree(inside)
    assert not inside.exists() and (outside / "kept").exists()
    give(outside, os.geteuid())
