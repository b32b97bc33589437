"""A git directory somebody handed over is looked at before any program opens a file of it.

A FIFO in the place of `config` would block every reader, an include of /dev/zero fill its memory.
"""

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass
from pathlib import Path

from runner.errors import ConfigError
from runner.records.paths import encode_path

FILES = (
    *("HEAD", "config", "config.worktree", "commondir", "gitdir", "packed-refs", "shallow"),
    "index",
)
MAX_CONFIG_BYTES = 1024 * 1024
MAX_POINTER_BYTES = 4096
MAX_INCLUDES = 20
_SECTION = re.compile(r"\s*\[\s*(?P<name>[A-Za-z]*)")
_PATH = re.compile(r"(?:.*\])?\s*path\s*=\s*\"?(?P<path>[^\"\n]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """Where the parts of a repository are."""

    root: Path
    """The directory that holds `.git`; the repository itself when there is none."""
    directory: Path
    """Its git directory (of this work tree)."""
    common: Path
    """The git directory its work trees share."""


def locate(path: Path) -> Place | None:
    """The innermost repository `path` is in; None = there is none.

    Every administrative file of it is a regular one of decent size.

    Raises:
        ConfigError: names the one that is not.
    """
    place = _innermost(path.resolve())
    if place is None:
        return None
    for directory in {place.directory, place.common}:
        for name in FILES:
            is_regular(directory / name, None)
        for name in ("config", "config.worktree"):
            _require_plain_config([directory / name])
    whole = is_regular(place.directory / "HEAD", None) and (place.common / "objects").is_dir()
    return place if whole else None


def _innermost(path: Path) -> Place | None:
    for root in (path, *path.parents):
        dot_git = root / ".git"
        if dot_git.exists() or dot_git.is_symlink():
            directory = _pointed(dot_git).resolve()
            return Place(root, directory, _common(directory))
        if (root / "HEAD").exists() and (root / "objects").is_dir():
            return Place(root, root, root)
    return None


def _require_plain_config(chain: list[Path]) -> None:
    """A configuration file and, as git would, what it includes."""
    config = chain[-1]
    if len(chain) > MAX_INCLUDES:
        raise ConfigError(f"{_shown(chain[0])} includes too much", "remove some [include] sections")
    if not is_regular(config, MAX_CONFIG_BYTES):
        return
    including = False
    for row in config.read_text(errors="replace").splitlines():
        if section := _SECTION.match(row):
            including = section["name"].lower() in {"include", "includeif"}
        if including and (found := _PATH.match(row)):
            included = os.path.expanduser(found["path"].strip())
            _require_plain_config([*chain, config.parent / included])


def _common(directory: Path) -> Path:
    """A linked work tree's git directory says in `commondir` where the shared one is."""
    pointer = directory / "commondir"
    if not is_regular(pointer, MAX_POINTER_BYTES):
        return directory
    return (directory / pointer.read_text(errors="replace").strip()).resolve()


def _pointed(dot_git: Path) -> Path:
    """`.git` itself, or the directory a linked work tree's `.git` file names."""
    if dot_git.is_dir():
        return dot_git
    if not is_regular(dot_git, MAX_POINTER_BYTES):
        return dot_git
    pointer = dot_git.read_text(errors="replace").removeprefix("gitdir:").strip()
    return dot_git.parent / pointer


def is_regular(file: Path, max_bytes: int | None) -> bool:
    """Whether it is there. Raises ConfigError: it is something else, or larger."""
    try:
        found = file.stat()
    except OSError:
        return False
    if not stat.S_ISREG(found.st_mode):
        raise ConfigError(f"{_shown(file)} is not a regular file", "mend the repository")
    if max_bytes is not None and found.st_size > max_bytes:
        raise ConfigError(f"{_shown(file)} has more than {max_bytes} bytes", "mend the repository")
    return True


def _shown(path: Path) -> str:
    return encode_path(str(path).encode(errors="surrogateescape"))
