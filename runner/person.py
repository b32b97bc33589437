"""Who runs this, as the system knows them, whatever the environment says."""

from __future__ import annotations

import os
import pwd


def this_user() -> str:
    """`user:ada`."""
    try:
        return f"user:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"user:{os.getuid()}"
