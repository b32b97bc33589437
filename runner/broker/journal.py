"""One JSON line per request: sizes, counts and outcomes; never a body, never the key."""

from __future__ import annotations

import json
import os
from pathlib import Path
from types import TracebackType
from typing import Self

MAX_REFUSED = 1000
"""Lines about requests that never reached upstream; those that did are bounded by the budget."""


class Journal:
    """`with Journal(path) as journal:`; appends, every line at once."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
        self._number = os.open(path, flags, 0o600)
        self._left = MAX_REFUSED

    def write(self, entry: dict[str, object], *, served: bool) -> None:
        """Raises OSError when the disk is full."""
        if not served:
            self._left -= 1
            if self._left < 0:
                return
            entry = entry if self._left else {"truncated": "further refusals are only counted"}
        # ensure_ascii escapes every control character but DEL
        line = json.dumps(entry, ensure_ascii=True).replace("\x7f", "\\u007f").encode() + b"\n"
        os.write(self._number, line)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        os.close(self._number)
