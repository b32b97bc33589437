"""The `.git` a sandbox sees: one commit, no remote, no history, nobody's configuration."""

from __future__ import annotations

from pathlib import Path

from runner.workspace.snapshot import Snapshot
from runner.workspace.store import RAW, lay

BRANCH = "base"


def make_dot_git(directory: Path, snapshot: Snapshot, branch: str | None, *, sha256: bool) -> None:
    """Lay a repository whose only branch is at the base; packs and index are hard links.

    `git status` is cheap in it: the index has the times of the snapshot's files, which show
    through the overlay (`core.checkStat = minimal`: its inode numbers do not).
    """
    name = branch or BRANCH
    files = {
        "HEAD": f"ref: refs/heads/{name}\n".encode(),
        "packed-refs": f"{snapshot.card.commit} refs/heads/{name}\n".encode(),
        "shallow": f"{snapshot.card.commit}\n".encode(),
        "info/attributes": RAW.encode(),
    }
    lay(directory, sha256=sha256, files=files, bare=False)
    for pack in snapshot.packs.iterdir():
        (directory / "objects" / "pack" / pack.name).hardlink_to(pack)
    (directory / "index").hardlink_to(snapshot.index)
