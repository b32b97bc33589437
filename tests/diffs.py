"""Diffs as `git diff --binary --full-index --no-renames` writes them, made without git."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import SequenceMatcher

from runner.records.patch import Change

ZERO = "0" * 40


def diff_of(change: Change, old: bytes, new: bytes) -> bytes:
    """One file's section; the path of the header is quoted or not, nobody believes it."""
    name = change.path.strip('"').encode()
    rows = [b"diff --git a/%s b/%s" % (name, name)]
    if change.old_oid is None:
        rows.append(b"new file mode %s" % change.new_mode.encode())
    elif change.new_oid is None:
        rows.append(b"deleted file mode %s" % change.old_mode.encode())
    elif change.old_mode != change.new_mode:
        modes = (change.old_mode.encode(), change.new_mode.encode())
        rows += [b"old mode %s" % modes[0], b"new mode %s" % modes[1]]
    if change.old_oid != change.new_oid:
        rows.append(f"index {change.old_oid or ZERO}..{change.new_oid or ZERO}".encode())
        if change.binary:
            rows += [b"GIT binary patch", b"literal 9", b"zcmV+", b"", b"literal 0", b"HcmV?", b""]
        else:
            rows += [b"--- a/%s" % name, b"+++ b/%s" % name] if old or new else []
            rows += _hunks(_lines(old), _lines(new))
    return b"".join(row + b"\n" for row in rows)


def _lines(data: bytes) -> list[bytes]:
    lines = [line + b"\n" for line in data.split(b"\n")]
    return [*lines[:-1], *([lines[-1][:-1]] if lines[-1] != b"\n" else [])]


def _hunks(old: list[bytes], new: list[bytes]) -> Iterator[bytes]:
    if not old or not new:
        groups = [[("replace", 0, len(old), 0, len(new))]] if old or new else []
    else:
        groups = [
            [*group] for group in SequenceMatcher(None, old, new, False).get_grouped_opcodes(3)
        ]
    for group in groups:
        a, b, c, d = group[0][1], group[-1][2], group[0][3], group[-1][4]
        yield b"@@ -%s +%s @@ def x():" % (_span(a, b), _span(c, d))
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                yield from _signed(b" ", old[i1:i2])
            else:
                yield from _signed(b"-", old[i1:i2])
                yield from _signed(b"+", new[j1:j2])


def _signed(sign: bytes, lines: list[bytes]) -> Iterator[bytes]:
    for line in lines:
        yield sign + line.removesuffix(b"\n")
        if not line.endswith(b"\n"):
            yield b"\\ No newline at end of file"


def _span(start: int, end: int) -> bytes:
    count = end - start
    return b"%d" % (start + 1) if count == 1 else b"%d,%d" % (start + (count > 0), count)
