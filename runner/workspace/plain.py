"""A git directory somebody handed over is looked at before any program opens a file of it.

A FIFO in the place of `config` would block every reader, an include of /dev/zero fill its memory.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from runner.errors import ConfigError
from runner.records.paths import encode_path

FILES = ("HEAD", "config", "config.worktree", "commondir", "gitdir", "packed-refs", "shallow")
MAX_CONFIG_BYTES = 1024 * 1024
MAX_POINTER_BYTES = 4096
MAX_INCLUDES = 20
_SECTION = re.compile(r"\s*\[\s*(?P<name>[A-Za-z]*)")
_PATH = re.compile(r"(?:.*\])?\s*path\s*=\s*\"?(?P<path>[^\"\n]+)", re.IGNORECASE)


def require_plain(path: Path) -> None:
    """Every administrative file of the repository `path` is in is a regular one of decent size.

    Raises:
        ConfigError: names the one that is not.
    """
    for directory in _git_directories(path.absolute()):
        for name in FILES:
            _regular(directory / name, None)
        for name in ("config", "config.worktree"):
            _require_plain_config([directory / name])


def _require_plain_config(chain: list[Path]) -> None:
    """A configuration file and, as git would, what it includes."""
    config = chain[-1]
    if len(chain) > MAX_INCLUDES:
        raise ConfigError(f"{_shown(chain[0])} includes too much", "remove some [include] sections")
    if not _regular(config, MAX_CONFIG_BYTES):
        return
    including = False
    for row in config.read_text(errors="replace").splitlines():
        if section := _SECTION.match(row):
            including = section["name"].lower() in {"include", "includeif"}
        if including and (found := _PATH.match(row)):
            included = os.path.expanduser(found["path"].strip())
            _require_plain_config([*chain, config.parent / included])


def _git_directories(path: Path) -> Iterator[Path]:
    """Of the innermost repository: its own git directory and the one it shares."""
    for place in (path, *path.parents):
        dot_git = place / ".git"
        if dot_git.exists() or dot_git.is_symlink():
            yield from _with_common(_pointed(dot_git))
            return
        if (place / "HEAD").exists() and (place / "objects").is_dir():
            yield from _with_common(place)
            return


def _with_common(directory: Path) -> Iterator[Path]:
    yield directory
    pointer = directory / "commondir"
    if _regular(pointer, MAX_POINTER_BYTES):
        yield directory / pointer.read_text(errors="replace").strip()


def _pointed(dot_git: Path) -> Path:
    """`.git` itself, or the directory a linked work tree's `.git` file names."""
    if dot_git.is_dir():
        return dot_git
    if not _regular(dot_git, MAX_POINTER_BYTES):
        return dot_git
    pointer = dot_git.read_text(errors="replace").removeprefix("gitdir:").strip()
    return dot_git.parent / pointer


def _regular(file: Path, max_bytes: int | None) -> bool:
    """Whether it is there."""
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
