"""How much of the change its tests reached: Cobertura's XML or lcov's, against the host's diff.

Told by code of the tree, so a floor can only refuse; no share of coverage makes a change good.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from runner.gates.bounded_xml import NotReadableError, read

_HUNK = re.compile(rb"@@ -\d+(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
Lines = Mapping[str, Mapping[int, bool]]
"""Path as the tool spells it -> line that can be executed -> whether it was."""


@dataclass(frozen=True, slots=True)
class Reached:
    """Of the added lines that can be executed."""

    covered: int
    total: int
    missed: tuple[tuple[str, int], ...]
    """Path and line."""

    @property
    def per_cent(self) -> int:
        """Rounded down; 100 when nothing added can be executed."""
        return 100 * self.covered // self.total if self.total else 100


def reached(diff: bytes, report: bytes) -> Reached | None:
    """None = the report is neither format."""
    lines = _cobertura(report) if report.lstrip()[:1] == b"<" else _lcov(report)
    if lines is None:
        return None
    missed: list[tuple[str, int]] = []
    total = 0
    for path, added in added_lines(diff).items():
        known = _known(lines, path)
        executable = [number for number in added if number in known]
        total += len(executable)
        missed += [(path, number) for number in executable if not known[number]]
    return Reached(total - len(missed), total, tuple(missed))


def added_lines(diff: bytes) -> dict[str, list[int]]:
    """Path -> numbers of added lines. Quoted (odd) paths are left out.

    Hunks are counted, so no line of content is taken for a header.
    """
    found: dict[str, list[int]] = defaultdict(list)
    path, number, old, new = "", 0, 0, 0
    for row in diff.split(b"\n"):
        if old > 0 or new > 0:
            kind = row[:1]
            if kind == b"+" and path:
                found[path].append(number)
            number += kind in (b"+", b" ")
            new -= kind in (b"+", b" ")
            old -= kind in (b"-", b" ")
        elif row.startswith(b"+++ "):
            path = row[6:].decode(errors="replace") if row.startswith(b"+++ b/") else ""
        elif match := _HUNK.match(row):
            old, new = int(match[1] or 1), int(match[3] or 1)
            number = int(match[2])
    return dict(found)


def _known(lines: Lines, path: str) -> Mapping[int, bool]:
    """Tools spell paths from the root, from a source directory, or absolutely."""
    spelled = {name.removeprefix("/work/").removeprefix("./"): name for name in lines}
    if path in spelled:
        return lines[spelled[path]]
    best = max((told for told in spelled if path.endswith("/" + told)), key=len, default=None)
    return {} if best is None else lines[spelled[best]]


def _cobertura(data: bytes) -> Lines | None:
    found: dict[str, dict[int, bool]] = defaultdict(dict)
    roots: list[str] = []
    current: list[str] = [""]

    def begin(name: str, attributes: Mapping[str, str]) -> None:
        roots.append(name)
        if name == "class":
            current[0] = attributes.get("filename", "")
        elif name == "line" and attributes.get("number", "").isdecimal():
            number, hits = int(attributes["number"][:9]), attributes.get("hits", "0")
            known = found[current[0]]
            known[number] = known.get(number, False) or hits.strip("0") != ""

    try:
        read(data, begin)
    except NotReadableError:
        return None
    return found if roots[0] == "coverage" else None


def _lcov(data: bytes) -> Lines | None:
    found: dict[str, dict[int, bool]] = defaultdict(dict)
    path = ""
    for row in data.decode(errors="replace").splitlines():
        kind, _, value = row.partition(":")
        if kind == "SF":
            path = value
        elif kind == "DA" and path:
            number, _, hits = value.partition(",")
            if number.isdecimal():
                count = hits.partition(",")[0]
                found[path][int(number[:9])] = count.strip("0") not in ("", "-")
    return found or None
