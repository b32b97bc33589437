"""A work tree looked at: names and small files. No link is followed, nothing of it is run."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import islice
from pathlib import Path

from runner.errors import ConfigError
from runner.records.paths import encode_path

MAX_NAMES = 20_000
MAX_BYTES = 1024 * 1024
Read = Callable[[Path, int], bytes | None]
"""A regular file of at most so many bytes, None when absent; raises ConfigError, as for a link."""


@dataclass(frozen=True)
class Tree:
    """One directory. `Tree(root, read).within("tests").files` -> `("test_a.py",)`"""

    root: Path
    read: Read
    unread: dict[str, str] = field(default_factory=dict)
    """What could not be looked into, and why; shared with every tree below."""
    there: bool = True
    """False = as if it were empty."""

    @cached_property
    def _names(self) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Directories, and all else, sorted."""
        if not self.there:
            return (), ()
        found: tuple[list[str], list[str]] = ([], [])
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(self.root, flags)
        except OSError as error:
            self._skip(self.root, f"{_shown(self.root)}: {error.strerror}")
            return (), ()
        try:
            with os.scandir(descriptor) as entries:
                for entry in islice(entries, MAX_NAMES):
                    found[not entry.is_dir(follow_symlinks=False)].append(entry.name)
                if next(entries, None) is not None:
                    self._skip(self.root, f"{_shown(self.root)} has over {MAX_NAMES} entries")
        finally:
            os.close(descriptor)
        return tuple(sorted(found[0])), tuple(sorted(found[1]))

    @property
    def directories(self) -> tuple[str, ...]:
        return self._names[0]

    @property
    def files(self) -> tuple[str, ...]:
        """All names that are no directories: FIFOs and links too, which `text` does not read."""
        return self._names[1]

    def first(self, *patterns: str) -> str | None:
        """The first file, in the order of the patterns, that one matches."""
        return next((n for p in patterns for n in self.files if fnmatchcase(n, p)), None)

    def within(self, *names: str) -> Tree:
        """A directory below; empty when there is none, or a link on the way."""
        name, *rest = names
        below = Tree(self.root / name, self.read, self.unread, name in self.directories)
        return below.within(*rest) if rest else below

    def text(self, name: str) -> str:
        """What a file says, empty when there is none or it cannot be read."""
        if name not in self.files:
            return ""
        try:
            data = self.read(self.root / name, MAX_BYTES)
        except ConfigError as error:
            self._skip(self.root / name, error.problem)
            return ""
        return (data or b"").decode(errors="replace")

    def _skip(self, path: Path, why: str) -> None:
        self.unread[str(path)] = why


def _shown(path: Path) -> str:
    return encode_path(os.fsencode(path))
