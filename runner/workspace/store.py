"""Git directories the product makes itself: every byte of their configuration is known."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from runner.records.paths import encode_path
from runner.workspace.git import Git

RAW = "* -text -crlf -ident -filter !eol !working-tree-encoding !diff !merge\n"
"""Outranks every .gitattributes of the tree: bytes stay bytes, and binary is what has a NUL."""

CONFIG = """\
[core]
\trepositoryFormatVersion = {version}
\tbare = {bare}
\tfileMode = true
\tprotectHFS = true
\tprotectNTFS = true
\tcommitGraph = false
\tmultiPackIndex = false
\tbigFileThreshold = 16m
\tfsmonitor = false
\thooksPath = /dev/null
\tlogAllRefUpdates = false
\tattributesFile = /dev/null
\texcludesFile = /dev/null
\tcheckStat = minimal
\ttrustctime = false
[gc]
\tauto = 0
[maintenance]
\tauto = false
[fastimport]
\tunpackLimit = 1
[transfer]
\tfsckObjects = true
[submodule]
\trecurse = false
[credential]
\thelper =
"""
SHA256 = "[extensions]\n\tobjectFormat = sha256\n"


def lay(directory: Path, *, sha256: bool, files: Mapping[str, bytes], bare: bool = True) -> Git:
    """A new git directory: `files` (e.g. `HEAD`, `objects/info/alternates`) over the minimum."""
    for name in ("objects/info", "objects/pack", "refs", "info"):
        (directory / name).mkdir(parents=True)
    config = CONFIG.format(bare=str(bare).lower(), version=int(sha256)) + SHA256 * sha256
    whole = {"HEAD": b"ref: refs/heads/none\n", "config": config.encode(), **files}
    for name, content in whole.items():
        (directory / name).write_bytes(content)
    return Git(directory)


def borrowing(objects: Path) -> bytes:
    """Content of `objects/info/alternates` for one other object directory."""
    return encode_path(os.fsencode(objects)).encode() + b"\n"
