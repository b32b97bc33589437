"""Which new files `.gitignore` keeps out: asked of git, over nothing but `.gitignore` files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

from runner.errors import InfraError
from runner.workspace.git import Git, plain
from runner.workspace.trees import ancestry, join
from runner.workspace.walk import refuse

NAME = b".gitignore"
MAX_BYTES = 1 << 20

Read = Callable[[bytes], bytes | None]
"""Content of the regular file at a path of the resulting tree, None when there is none."""


def ignored(git: Git, paths: Iterable[bytes], read: Read, scratch: Path) -> set[bytes]:
    """Those of `paths` that `git add` would leave out.

    The work tree git sees is `scratch`: directories and `.gitignore` files of our own making.

    Raises:
        RefusedError: a `.gitignore` over 1 MiB.
    """
    asked = list(paths)
    scratch.mkdir()
    if not _plant(asked, read, os.fsencode(scratch)):
        return set()
    # check-ignore knows no literal pathspecs; behind `./` no name is magic
    within = git.within(GIT_WORK_TREE=scratch, GIT_LITERAL_PATHSPECS="0")
    stdin = b"".join(b"./%s\0" % path for path in asked)
    done = within.ask("check-ignore", "--no-index", "--stdin", "-z", stdin=stdin)
    if done.code not in (0, 1):  # 1 = none of them
        raise InfraError(f"git check-ignore failed: {plain(done.error())}", "report this")
    return {path[2:] for path in done.stdout.split(b"\0") if path}


def _plant(paths: list[bytes], read: Read, scratch: bytes) -> bool:
    planted = False
    directories = {above for path in paths for above in ancestry(path)[:-1]}
    for directory in sorted(directories):
        content = read(join(directory, NAME))
        if content is None:
            continue
        if len(content) > MAX_BYTES:
            raise refuse(join(directory, NAME), f"larger than {MAX_BYTES} bytes", "shorten it")
        place = join(scratch, directory)
        os.makedirs(place, exist_ok=True)
        with open(join(place, NAME), "xb") as file:
            file.write(content)
        planted = True
    return planted
