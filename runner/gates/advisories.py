"""Known vulnerabilities of exact versions, from a folder of OSV records on this machine.

OSV's format: https://ossf.github.io/osv-schema/ (2026-11). A record that cannot be read ends the
run: an operator who gave a database wants an answer.
"""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial, reduce
from pathlib import Path

from packaging.utils import canonicalize_name

from runner.errors import InfraError
from runner.gates.packages import Table, UnreadableError, strings, table, tables, words
from runner.gates.versions import is_before

RECORD_BYTES = 16 * 1024 * 1024
OLD_DAYS = 30
_MODIFIED = re.compile(rb'"modified"\s*:\s*"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)')
_NAMES = re.compile(rb'"name"\s*:\s*"([^"]*)"')
_SEPARATORS = re.compile(rb"[-_.]+")

Pin = tuple[str, str, str]
"""Ecosystem as OSV calls it, name, exact version."""


@dataclass(frozen=True, slots=True)
class Advisory:
    """One record that says a pin is affected."""

    id: str
    aliases: tuple[str, ...]
    pin: Pin
    fixed: str
    """The first version without it; empty = the record names none."""
    summary: str
    is_certain: bool = True
    """False = the versions cannot be compared."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A database's whole answer."""

    records: int
    newest: datetime | None
    """When the last of its records was changed; None = it has none."""
    found: tuple[Advisory, ...]

    def age_days(self, now: datetime) -> int | None:
        return None if self.newest is None else (now - self.newest).days


def ask(place: Path, pins: Iterable[Pin]) -> Asked:
    """Raises InfraError: a record, or the folder, cannot be read."""
    wanted: dict[tuple[str, str], list[Pin]] = {}
    for pin in pins:
        wanted.setdefault(pin[:2], []).append(pin)
    names = {_folded(name.encode(errors="replace")) for _, name in wanted}
    records, newest, found = 0, "", list[Advisory]()
    for where, data in _records(place):
        records += 1
        if match := _MODIFIED.search(data):
            newest = max(newest, match[1].decode())
        said = _NAMES.findall(data)  # before anything is parsed: most records are of no interest
        if any(b"\\" in name or _folded(name) in names for name in said):
            found += _affecting(_parsed(where, data), wanted)
    at = datetime.fromisoformat(newest).replace(tzinfo=UTC) if newest else None
    return Asked(records, at, tuple(found))


def _folded(name: bytes) -> bytes:
    """One spelling for what an ecosystem may take for the same name."""
    return _SEPARATORS.sub(b"-", name.lower())


def _records(place: Path) -> Iterator[tuple[str, bytes]]:
    try:
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        for file in files:
            if file.suffix == ".json" and file.is_file():
                yield str(file), file.read_bytes()
            elif file.suffix == ".zip":
                with zipfile.ZipFile(file) as archive:
                    for entry in archive.infolist():
                        if entry.filename.endswith(".json"):
                            yield f"{file}/{entry.filename}", _entry(archive, entry)
    except (OSError, zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise _unreadable(str(place), str(error)) from error


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    if entry.file_size > RECORD_BYTES:
        raise _unreadable(entry.filename, f"larger than {RECORD_BYTES} bytes")
    return archive.read(entry)


def _parsed(where: str, data: bytes) -> Table:
    try:
        return table(json.loads(data))
    except (ValueError, RecursionError) as error:
        raise _unreadable(where, "not an OSV record") from error


def _unreadable(where: str, why: str) -> InfraError:
    return InfraError(
        f"the advisories cannot be read: {where}: {why}",
        "download them anew, or remove advisories under [dependencies] in config.toml",
    )


def _affecting(record: Table, wanted: dict[tuple[str, str], list[Pin]]) -> Iterator[Advisory]:
    if record.get("withdrawn"):
        return
    name = words(record.get("id"))
    try:
        for affected in tables(record.get("affected")):
            package = table(affected.get("package") or {})
            ecosystem = words(package.get("ecosystem")).partition(":")[0]
            for pin in wanted.get((ecosystem, _name(ecosystem, words(package.get("name")))), ()):
                hit, fixed = _judge(pin, affected)
                if hit is not False:
                    aliases = tuple(strings(record.get("aliases")))
                    summary = words(record.get("summary"))
                    yield Advisory(name, aliases, pin, fixed, summary, hit is True)
    except UnreadableError as error:
        raise _unreadable(name, str(error)) from error


def _name(ecosystem: str, name: str) -> str:
    if ecosystem == "PyPI":
        return canonicalize_name(name)
    return name.lower() if ecosystem in {"Packagist", "NuGet"} else name


def _judge(pin: Pin, affected: Table) -> tuple[bool | None, str]:
    """Whether it is hit (None = nobody can tell), and the version that mends it."""
    verdicts: list[bool | None] = [pin[2] in set(strings(affected.get("versions")))]
    fixes: list[str] = []
    for each in tables(affected.get("ranges")):
        if words(each.get("type")) != "GIT":
            verdict, fixed = _in_range(pin, tables(each.get("events")))
            verdicts.append(verdict)
            fixes += [fixed] if fixed else []
    if True in verdicts:
        return True, next(iter(fixes), "")
    return (None if None in verdicts else False), next(iter(fixes), "")


def _in_range(pin: Pin, events: list[Table]) -> tuple[bool | None, str]:
    """Affected = introduced at or before it, and since then neither fixed nor past the last one."""
    ecosystem, _, version = pin
    starts, fixes, lasts = (
        [words(event[kind]) for event in events if kind in event]
        for kind in ("introduced", "fixed", "last_affected")
    )
    before = partial(_before, ecosystem)

    def ended(start: str) -> bool:
        fixed = any(before(start, fix) and not before(version, fix) for fix in fixes)
        return fixed or any(not before(last, start) and before(last, version) for last in lasts)

    try:
        hit = any(not before(version, start) and not ended(start) for start in starts)
        later = [fix for fix in fixes if hit and before(version, fix)]
        first = reduce(lambda one, two: two if before(two, one) else one, later) if later else ""
    except _IncomparableError:
        return None, ""
    return hit, first


class _IncomparableError(Exception):
    """Nobody can tell which of two versions is older."""


def _before(ecosystem: str, one: str, other: str) -> bool:
    if "0" in {one, other}:  # before everything, in this format
        return one == "0" != other
    verdict = is_before(ecosystem, one, other)
    if verdict is None:
        raise _IncomparableError
    return verdict
