"""Layers of installed files, kept: made once for a key, whole or not at all, the oldest removed.

One is believed only if every entry is as it was when the layer was kept, by owner, mode, size,
inode and times (the kernel sets ctime, nobody else): what was touched since is made again.
And only if nothing in it is at a path of the base it shall lie over: that base gets its own.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from runner.live import hold
from runner.records.base import Record, Sha256
from runner.records.paths import decode_path
from runner.remove import remove_tree
from runner.workspace.installed import Installed, is_free, is_tree
from runner.workspace.trees import Trees, join

KEPT = 4
"""For one repository; more than that are in use, or about to go."""
LOOK_S = 0.1
CARD, LAYER = "card.json", "layer"


class Card(Record):
    """What a layer is."""

    key: Sha256
    listing: Sha256
    """See `listing`."""
    files: int
    size_bytes: int
    tracked: tuple[str, ...]
    dropped: tuple[str, ...]


@dataclass(slots=True)
class Layers:
    """The cache of one repository, and locks on what this process uses of it."""

    directory: Path
    _locks: list[int] = field(default_factory=list)

    @contextmanager
    def claimed(
        self, about: str, base: Trees, wait: Callable[[], None]
    ) -> Iterator[tuple[Sha256, Card | None]]:
        """Its key, and a good layer, which then stays until `close()`; None = nobody else makes it.

        `wait` is called while another process makes it, or uses a damaged one.
        """
        key = Sha256(hashlib.sha256(about.encode()).hexdigest())
        with self._claimed(key, wait) as card:
            if card is None or self._fits(card, base):
                yield key, card
                return
        key = Sha256(hashlib.sha256(f"{about} {base.root}".encode()).hexdigest())
        with self._claimed(key, wait) as card:
            yield key, card

    @contextmanager
    def _claimed(self, key: Sha256, wait: Callable[[], None]) -> Iterator[Card | None]:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        while True:
            handle = self._lock(key, fcntl.LOCK_SH)
            card = None if handle is None else self._find(key)
            if card is None:
                if handle is not None:
                    os.close(handle)
                handle = self._lock(key, fcntl.LOCK_EX)
            if handle is not None:
                break
            wait()
            time.sleep(LOOK_S)
        self._locks.append(handle)
        card = card or self._find(key)  # somebody may have made it in between
        if card is not None:
            fcntl.flock(handle, fcntl.LOCK_SH)
            os.utime(self.directory / key)
        try:
            yield card
        except BaseException:  # it was not made: the next one may try
            self._locks.remove(handle)
            os.close(handle)
            raise

    def keep(self, key: Sha256, new: Path, made: Installed) -> Card:
        """`new/layer`, on the same file system, becomes the layer of a claimed key."""
        card = Card(
            key=key,
            listing=listing(new / LAYER),
            files=made.files,
            size_bytes=made.size_bytes,
            tracked=made.tracked,
            dropped=made.dropped,
        )
        (new / CARD).write_text(card.model_dump_json())
        remove_tree(self.directory / key)
        new.rename(self.directory / key)
        fcntl.flock(self._locks[-1], fcntl.LOCK_SH)
        self._evict()
        return card

    def path(self, key: Sha256) -> Path:
        return self.directory / key / LAYER

    def close(self) -> None:
        while self._locks:
            os.close(self._locks.pop())

    def _lock(self, key: str, kind: int) -> int | None:
        try:
            return hold(self.directory / f"{key}.use", kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return None

    def _find(self, key: Sha256) -> Card | None:
        try:
            card = Card.model_validate_json((self.directory / key / CARD).read_bytes())
            good = card.key == key and card.listing == listing(self.path(key))
        except (OSError, ValueError):
            return None
        return card if good else None

    def _fits(self, card: Card, base: Trees) -> bool:
        """Whether it hides nothing of `base`, and lacks only what `base` has."""
        for path, entry in _entries(self.path(card.key)):
            directory = entry.is_dir(follow_symlinks=False)
            if not (is_free(base, path) or (directory and is_tree(base, path))):
                return False
        return not any(is_free(base, decode_path(path)) for path in card.tracked)

    def _evict(self) -> None:
        places = [place for place in self.directory.iterdir() if place.is_dir()]
        for place in sorted(places, key=lambda place: place.stat().st_mtime_ns)[:-KEPT]:
            handle = self._lock(place.name, fcntl.LOCK_EX)
            if handle is not None:
                (place / CARD).unlink(missing_ok=True)  # a half-removed one is none
                remove_tree(place)
                os.close(handle)


def listing(layer: Path) -> Sha256:
    """Digest of all entries without their content.

    Raises:
        OSError: there is no such layer.
    """
    top = os.lstat(layer)
    if not stat.S_ISDIR(top.st_mode):
        raise NotADirectoryError(layer)
    digest = hashlib.sha256(str(top.st_uid).encode())
    for path, entry in _entries(layer):
        status = entry.stat(follow_symlinks=False)
        facts = [status.st_mode, status.st_uid]
        if not entry.is_dir(follow_symlinks=False):
            facts += [status.st_size, status.st_ino, status.st_mtime_ns, status.st_ctime_ns]
        digest.update(b"%s\0%s\0" % (path, repr(facts).encode()))
    return Sha256(digest.hexdigest())


def _entries(layer: Path) -> Iterator[tuple[bytes, os.DirEntry[bytes]]]:
    root = os.fsencode(layer)
    waiting = [b""]
    while waiting:
        directory = waiting.pop()
        with os.scandir(join(root, directory) if directory else root) as entries:
            found = sorted(entries, key=lambda entry: entry.name)
        for entry in found:
            path = join(directory, entry.name)
            if entry.is_dir(follow_symlinks=False):
                waiting.append(path)
            yield path, entry
