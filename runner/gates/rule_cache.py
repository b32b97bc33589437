"""Compiled secret rules that all state directories of a user share: seconds of CPU, spent once.

They decide what counts as a secret, so a file is believed only where nobody else can have put it:
1. The directory and the file are as `user_cache` wants them.
2. The file's name has the digest of its bytes.
3. It is copied into the state directory and used there only; the compiler looks once more whether
   it is of the very same rules and version, by the first part of its name.
4. What is not believed is left alone, compiled anew, and replaced.
"""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path

from runner import user_cache

PLACE = "codex-runner/rules"
"""Below XDG_CACHE_HOME, or ~/.cache without one."""
MAX_BYTES = 64 * 1024 * 1024
MOST = 4
"""Versions that are kept."""
_COMPILED = "*.vscdb"
_ENTRY = re.compile(r"([0-9a-z]{8,64}\.vscdb)\.([0-9a-f]{64})")


def is_cold(rules: Path) -> bool:
    """Nothing is compiled there."""
    return not any(rules.glob(_COMPILED))


def fetch(rules: Path) -> None:
    """What is shared and can be believed, into a directory of the state."""
    with suppress(OSError), user_cache.opened(PLACE) as directory:
        for entry in _entries(directory):
            name, digest = entry.groups()
            if not os.path.lexists(rules / name):
                content = _believed(directory, entry[0], digest)
                if content is not None:
                    user_cache.write(rules, name, content)


def keep(rules: Path) -> None:
    """What was compiled there is shared from now on; where that cannot be, it is not."""
    with suppress(OSError), user_cache.opened(PLACE, make=True) as directory:
        for path in rules.glob(_COMPILED):
            content = path.read_bytes()
            user_cache.write(
                user_cache.name_of(directory),
                f"{path.name}.{hashlib.sha256(content).hexdigest()}",
                content,
            )
        for entry in _entries(directory)[MOST:]:
            os.unlink(entry[0], dir_fd=directory)


def _entries(directory: int) -> list[re.Match[str]]:
    """The newest first."""
    found = [match for name in os.listdir(directory) if (match := _ENTRY.fullmatch(name))]

    def age(entry: re.Match[str]) -> int:
        return -os.stat(entry[0], dir_fd=directory, follow_symlinks=False).st_mtime_ns

    return sorted(found, key=age)


def _believed(directory: int, entry: str, digest: str) -> bytes | None:
    content = user_cache.read(directory, entry, MAX_BYTES)
    if content is None:
        return None
    return content if hashlib.sha256(content).hexdigest() == digest else None
