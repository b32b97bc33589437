"""Files of `images/`: beside the package in a checkout, inside it in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parents[1]


def resource(name: str) -> Path:
    """Path of one file, e.g. `resource("seccomp.json")`."""
    packaged = _PACKAGE / "_images" / name
    return packaged if packaged.exists() else _PACKAGE.parent / "images" / name
