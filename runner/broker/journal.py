"""One JSON line per request: sizes, counts and outcomes; never a body, never the key."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

MAX_BYTES = 16 * 1024 * 1024
"""A client may be refused for ever; the disk may not fill with that."""


class Journal:
    """`with Journal(path) as journal:`; appends, every line at once."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._number = os.open(path, flags, 0o600)
        self._left = MAX_BYTES

    def write(self, entry: dict[str, object]) -> None:
        """Raises OSError when the disk is full."""
        # ensure_ascii escapes every control character but DEL
        line = json.dumps(entry, ensure_ascii=True).replace("\x7f", "\\u007f").encode() + b"\n"
        if self._left > 0:
            os.write(self._number, line if len(line) < self._left else b'{"truncated": true}\n')
        self._left -= len(line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        os.close(self._number)
