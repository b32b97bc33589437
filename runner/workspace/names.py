"""Names a tree must not have: what some file system or tool would take for `.git`, and twins."""

from __future__ import annotations

import re
import unicodedata

COVERED = (b".git", b".codex", b".agents")
"""Names at the root that a sandbox sees as read-only directories of the product."""

_SHORT_NAME = re.compile(r"git~[0-9]+")
"""What NTFS and FAT call `.git` when asked for eight letters."""


def is_dot_git(name: bytes) -> bool:
    """Would some file system take this name for `.git`?

    `.GIT`, `.g\\u200cit` (HFS+ ignores it), `git~1`, `.git. `, `.git::$INDEX_ALLOCATION` (NTFS).
    """
    if name.isascii() and b"git" not in name.lower():
        return False
    return any(_is_dot_git(part) for part in identity(name).split("\\"))


def identity(name: bytes) -> str:
    """Equal for names that some file system cannot keep apart: case, composition, invisibles."""
    if name.isascii():
        return name.decode().lower()
    text = unicodedata.normalize("NFKC", name.decode(errors="surrogateescape"))
    seen = "".join(char for char in text if unicodedata.category(char) != "Cf")
    return unicodedata.normalize("NFC", seen.casefold())


def _is_dot_git(part: str) -> bool:
    stem = part.partition(":")[0].rstrip(". ")
    return stem == ".git" or bool(_SHORT_NAME.fullmatch(stem))
