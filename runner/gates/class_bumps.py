"""Whether a dependency file's change lets in a new major version of something."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from runner.gates.dependency_diff import differ
from runner.gates.package_files import format_of, is_unread
from runner.gates.packages import Listing, UnreadableError

_VERSION = re.compile(r"\d+(?:\.\d+)*")
_NAMED = 3
Major = tuple[int, ...]


def bumps(
    path: str, old: bytes | None, new: bytes | None, changed: Callable[[], list[str]]
) -> Iterator[str]:
    """Reasons; `changed` are the changed lines of both sides, asked for when nobody can read it."""
    format = format_of(path)
    if format is None:
        if is_unread(path) and any(_VERSION.search(line) for line in changed()):
            yield "it declares dependencies in a format that is not read here, and a number changed"
        return
    try:
        before, after = (Listing() if side is None else format.read(side) for side in (old, new))
    except UnreadableError as error:
        yield f"its dependencies cannot be read: {error}"
        return
    found = [
        f"{name} {'|'.join(was)[:40]} -> {'|'.join(now)[:40]}"
        for name, (was, now) in differ(before, after).changed.items()
        if _majors(was) != _majors(now)
    ]
    if found:
        more = f" and {len(found) - _NAMED} more" if len(found) > _NAMED else ""
        yield f"{', '.join(found[:_NAMED])}{more}"
    if before.options != after.options:
        yield "it changes where packages come from"


def _majors(versions: tuple[str, ...]) -> frozenset[Major | str]:
    """What the versions or requirements speak of; before 1.0 the second number is the major one.
    Without a number a requirement stands for itself."""
    return frozenset(
        _major(number)
        for version in versions
        for number in (_VERSION.findall(version.partition("#")[0]) or [version])
    )


def _major(version: str) -> Major | str:
    if not version[:1].isdecimal():
        return version
    first, *rest = (int(part[:9]) for part in version.split("."))
    return (first, *rest[:1]) if first == 0 else (first,)
