"""What the requests of one lease have to keep to."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, repr=False)
class Rules:
    """`Rules("gpt-5.5", "gpt-5.5", (b"sk-...",))`"""

    model: str
    """The one that is asked for."""
    deployment: str
    """Upstream's name for it."""
    held: tuple[bytes, ...]
    """Credentials of the runner: no sandbox can know them, so no request can contain one."""
