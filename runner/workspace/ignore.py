"""Which new files `.gitignore` keeps out: asked of git, over nothing but `.gitignore` files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from runner.errors import InfraError
from runner.process import OverdueError
from runner.workspace.git import Git, plain
from runner.workspace.trees import ancestry, join
from runner.workspace.walk import refuse

NAME = b".gitignore"
MAX_BYTES = 1 << 20
MAX_TOTAL_BYTES = 8 << 20
SECONDS = 10
"""For all patterns on all new files: some patterns take longer than any agent has time."""

Read = Callable[[bytes], bytes | None]
"""Content of the regular file at a path of the resulting tree, None when there is none."""


def ignored(git: Git, paths: Iterable[bytes], read: Read, scratch: Path) -> set[bytes]:
    """Those of `paths` that `git add` would leave out.

    The work tree git sees is `scratch`: directories and `.gitignore` files of our own making.

    Raises:
        RefusedError: a `.gitignore` over 1 MiB, over 8 MiB of them, or patterns that take too long.
    """
    asked = list(paths)
    scratch.mkdir()
    planted = _plant(asked, read, os.fsencode(scratch))
    if not planted:
        return set()
    # check-ignore knows no literal pathspecs; behind `./` no name is magic
    within = git.within(GIT_WORK_TREE=scratch, GIT_LITERAL_PATHSPECS="0")
    stdin = b"".join(b"./%s\0" % path for path in asked)
    try:
        done = within.ask(
            "check-ignore", "--no-index", "--stdin", "-z", stdin=stdin, timeout_s=SECONDS
        )
    except OverdueError:
        longest = max(planted, key=planted.__getitem__)
        why = f"{len(asked)} new files and its patterns take git more than {SECONDS} s"
        raise refuse(longest, why, "write fewer files, or fewer and simpler patterns") from None
    if done.code not in (0, 1):  # 1 = none of them
        raise InfraError(f"git check-ignore failed: {plain(done.error())}", "report this")
    return {path[2:] for path in done.stdout.split(b"\0") if path}


def _plant(paths: list[bytes], read: Read, scratch: bytes) -> dict[bytes, int]:
    """Path and size of each `.gitignore` above one of `paths`."""
    planted: dict[bytes, int] = {}
    total = 0
    directories = {above for path in paths for above in ancestry(path)[:-1]}
    for directory in sorted(directories):
        content = read(join(directory, NAME))
        if content is None:
            continue
        planted[join(directory, NAME)] = len(content)
        if len(content) > MAX_BYTES:
            raise refuse(join(directory, NAME), f"larger than {MAX_BYTES} bytes", "shorten it")
        if (total := total + len(content)) > MAX_TOTAL_BYTES:
            why = f"more than {MAX_TOTAL_BYTES} bytes of patterns with those above it"
            raise refuse(join(directory, NAME), why, "shorten them")
        place = join(scratch, directory)
        os.makedirs(place, exist_ok=True)
        with open(join(place, NAME), "xb") as file:
            file.write(content)
    return planted
