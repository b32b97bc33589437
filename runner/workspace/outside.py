"""Nothing in a repository somebody handed over leads out of it: not into the operator's others.

A directory can be made so that git reads the objects of a stranger's repository through it; they
would be shown to the agent, and pushed. What git itself lays out elsewhere (linked work trees,
submodules) is known by the way back: the other end names this one.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from runner.errors import ConfigError
from runner.records.paths import encode_path
from runner.workspace.plain import FILES, MAX_POINTER_BYTES, Place, is_regular

TREES = ("objects", "refs", "logs", "info", "reftable")
MAX_ENTRIES = 2_000_000
MAX_ALTERNATES_BYTES = 65536
CLONE = "use a clone of its own: `git clone --no-local`"


def require_known_back(place: Place, worktree: str | None) -> None:
    """A git directory elsewhere names this work tree. `worktree` is its `core.worktree`.

    Raises:
        ConfigError: it does not, or is no work tree of the repository it calls the common one.
    """
    inside = place.directory.is_relative_to(place.root)
    linked = place.root / ".git" == _named(place.directory / "gitdir")
    named = worktree is not None and (place.directory / worktree).resolve() == place.root
    if not (inside or linked or named):
        raise ConfigError(
            f"{_shown(place.root)}/.git leads to {_shown(place.directory)}, which does not know it "
            "as its work tree",
            "if both are yours: `git worktree repair` for a linked work tree, else "
            f"`git config core.worktree {_shown(place.root)}`, there",
        )
    if place.common != place.directory and place.directory.parent != place.common / "worktrees":
        raise ConfigError(
            f"{_shown(place.directory)} is no work tree of {_shown(place.common)}, which it names "
            "in `commondir`",
            CLONE,
        )


def require_inside(place: Place, allowed: Sequence[Path]) -> None:
    """1. Every administrative file is a regular one in the repository. 2. So is all below its
    objects and refs; a link may lead to another file of them. 3. Objects are borrowed from
    directories in it, or from those in `allowed`, only.

    Raises:
        ConfigError: names what is not so.
    """
    ours = (place.directory, place.common)
    for directory in {*ours}:
        with os.scandir(directory) as entries:
            named = [e for e in entries if e.name in FILES or e.name.startswith("sharedindex.")]
        for entry in named:
            _check(entry, ours)
    _require_plain_trees([each / name for each in {*ours} for name in TREES], ours)
    _require_known_alternates(place, ours, allowed)


def _require_plain_trees(trees: Sequence[Path], ours: Sequence[Path]) -> None:
    waiting = [tree for tree in trees if _is_directory(tree)]
    seen = 0
    while waiting:
        directory = waiting.pop()
        with os.scandir(directory) as entries:
            for entry in entries:
                seen += 1
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(directory / entry.name)
                elif not entry.is_file(follow_symlinks=False):
                    _check(entry, ours)
        if seen > MAX_ENTRIES:
            raise ConfigError(
                f"{_shown(trees[0].parent)} has more than {MAX_ENTRIES} files", "run `git gc` there"
            )


def _require_known_alternates(place: Place, ours: Sequence[Path], allowed: Sequence[Path]) -> None:
    waiting, seen = [place.common / "objects"], set[Path]()
    while waiting:
        objects = waiting.pop()
        if objects in seen:
            continue
        seen.add(objects)
        for borrowed in _alternates(objects):
            if any(borrowed.is_relative_to(each) for each in (place.root, *ours)):
                _require_plain_trees([borrowed], (place.root, *ours))
                waiting.append(borrowed)
            elif not any(borrowed.is_relative_to(each.resolve()) for each in allowed):
                raise ConfigError(
                    f"{_shown(objects)}/info/alternates borrows the objects of {_shown(borrowed)}",
                    "run `git repack -a -d` there and remove that file, or allow it in your "
                    f'settings: alternates = "{_shown(borrowed)}"',
                )


def _alternates(objects: Path) -> Iterator[Path]:
    """Without symbolic links; what git would not understand leads nowhere for it either."""
    file = objects / "info" / "alternates"
    if not is_regular(file, MAX_ALTERNATES_BYTES):
        return
    for row in file.read_bytes().split(b"\n"):
        if row and not row.startswith(b"#"):
            if row.startswith(b'"'):
                raise ConfigError(f"{_shown(file)} has a quoted path", "write it without quotes")
            yield (objects / os.fsdecode(row)).resolve()


def _check(entry: os.DirEntry[str], ours: Sequence[Path]) -> None:
    """A regular file, or a link to one of the repository's own."""
    path = Path(entry.path)
    if entry.is_symlink():
        end = path.resolve()
        if end.is_dir() or not any(end.is_relative_to(each) for each in ours):
            raise ConfigError(f"{_shown(path)} is a link out of the repository", CLONE)
    if path.exists() and not path.is_file():
        raise ConfigError(f"{_shown(path)} is not a regular file", "mend the repository")


def _is_directory(tree: Path) -> bool:
    if tree.is_symlink():
        raise ConfigError(f"{_shown(tree)} is a link out of the repository", CLONE)
    return tree.is_dir()


def _named(pointer: Path) -> Path | None:
    """The path a file of git's names; None = there is no such file."""
    if not is_regular(pointer, MAX_POINTER_BYTES):
        return None
    text = pointer.read_text(errors="replace").strip()
    path = pointer.parent / text
    return path.parent.resolve() / path.name


def _shown(path: Path) -> str:
    return encode_path(os.fsencode(path))
