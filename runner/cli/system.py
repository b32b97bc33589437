"""What the operating system gives a command, and refuses it."""

from __future__ import annotations

import errno
import os
import sys

from runner.errors import InfraError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_DENIED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def open_streams() -> None:
    """A standard stream that the caller closed (`>&-`) leads nowhere: else its number would be that
    of the next file, which a child then takes for its output.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            opened = os.open(os.devnull, os.O_RDWR)
            if opened != number:
                os.dup2(opened, number)
                os.close(opened)
            os.set_inheritable(number, True)
            mode = "w" if number else "r"
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", errors="backslashreplace"))


def refusal(error: OSError) -> InfraError | None:
    """A full disk, or a place that may not be read or written; None = nobody foresaw it."""
    if error.errno in _FULL:
        return InfraError(f"disk full: {error.filename or error}", "free some space")
    if error.errno in _DENIED and error.filename is not None:
        return InfraError(
            f"cannot use {os.fsdecode(error.filename)}: {error.strerror}",
            "mend its permissions, or choose another --state",
        )
    return None
