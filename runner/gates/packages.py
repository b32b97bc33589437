"""What a manifest or lockfile says, whatever its format; and how the formats are read safely.

Content is a stranger's: sizes, depth and numbers are bounded, a key that is there twice is an
error, XML has no entities, and nothing that is read is ever run.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

from runner.gates import bounded_xml

MOST_BYTES = 16 * 1024 * 1024
MOST_PACKAGES = 50_000
MOST_CHARS = 8_000
"""Of a line, where a format has lines: what reads them takes time by its square."""

Table = Mapping[str, object]
_REMOTE = re.compile(
    r"(?i)(?:[a-z0-9+.-]+:)?//|git@|(?:git|hg|svn|bzr)[+:]|(?:github|gitlab|bitbucket|gist):"
)
_ARCHIVE = re.compile(r"(?i)\.(?:tgz|tar(?:\.\w+)?|zip|whl|gem|crate|nupkg|egg)(?:[#?].*)?\Z")


class UnreadableError(ValueError):
    """`str(error)` says what is wrong."""


@dataclass(frozen=True, slots=True)
class Package:
    """One entry. Names are spelled as the ecosystem compares them."""

    name: str
    version: str = ""
    """Of a lockfile the exact one, of a manifest the requirement as it is written."""
    source: str = ""
    """Where it comes from if not from a registry by its name and version."""
    hosts: frozenset[str] = frozenset()
    """Of the registry and its files, where they are told."""
    hashes: frozenset[str] = frozenset()
    script: bool = False
    """It runs something when it is installed, says the lockfile."""
    is_exact: bool = False
    """`version` is one version, not a range."""
    is_direct: bool = True
    is_locked: bool = True
    """A lockfile has to have it, if there is one."""


@dataclass(frozen=True, slots=True)
class Listing:
    """One file, read."""

    packages: tuple[Package, ...] = ()
    options: frozenset[str] = frozenset()
    """What decides where packages come from, one line each."""
    hooks: Mapping[str, str] | None = None
    """What runs when the project is built or installed: name -> words."""


Reader = Callable[[bytes], Listing]


def bounded(found: Iterable[Package]) -> tuple[Package, ...]:
    packages = []
    for package in found:
        packages.append(package)
        if len(packages) > MOST_PACKAGES:
            raise UnreadableError(f"more than {MOST_PACKAGES} packages")
    return tuple(packages)


def text(data: bytes) -> str:
    if len(data) > MOST_BYTES:
        raise UnreadableError(f"larger than {MOST_BYTES} bytes")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError("not UTF-8") from error


def lines(document: str, most: int = 1_000_000) -> list[str]:
    """Raises UnreadableError: there are more than `most`, or one of them is too long."""
    found = document.splitlines()
    if len(found) > most:
        raise UnreadableError(f"more than {most} lines")
    if any(len(each) > MOST_CHARS for each in found):
        raise UnreadableError(f"a line of more than {MOST_CHARS} characters")
    return found


def read_json(data: bytes) -> Table:
    try:
        found = json.loads(text(data) or "{}", object_pairs_hook=_unique, parse_constant=_constant)
    except UnreadableError:
        raise
    except (ValueError, RecursionError) as error:
        raise UnreadableError("not JSON, or nested too deeply") from error
    return table(found)


def read_toml(data: bytes) -> Table:
    try:
        return tomllib.loads(text(data))
    except UnreadableError:
        raise
    except (ValueError, RecursionError) as error:
        raise UnreadableError("not TOML, or nested too deeply") from error


def read_xml(data: bytes) -> ET.Element:
    builder = ET.TreeBuilder()

    def begin(name: str, attributes: Mapping[str, str]) -> None:
        builder.start(name, dict(attributes))

    def end(name: str) -> None:
        builder.end(name)

    try:
        bounded_xml.read(text(data).encode(), begin, end, builder.data)
    except bounded_xml.NotReadableError as error:
        raise UnreadableError(f"not XML, or {error}") from error
    return builder.close()


def table(value: object) -> Table:
    """Raises UnreadableError: a table was expected."""
    if not isinstance(value, dict):
        raise UnreadableError("another shape than its format has")
    return value


def below(value: Table, *keys: str) -> Table:
    """A table in tables, empty when absent."""
    for key in keys:
        value = table(value.get(key) or {})
    return value


def tables(value: object) -> list[Table]:
    """A list of tables, empty when absent."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise UnreadableError("another shape than its format has")
    return [table(each) for each in value]


def words(value: object) -> str:
    """A string, empty when it is something else."""
    return value if isinstance(value, str) else ""


def strings(value: object) -> Iterator[str]:
    """A list of strings, empty when absent."""
    if value is not None and not isinstance(value, list):
        raise UnreadableError("another shape than its format has")
    for each in value or ():
        if not isinstance(each, str):
            raise UnreadableError("another shape than its format has")
        yield each


def plain(value: object) -> str:
    """Anything as one canonical line, to be compared."""
    try:
        return json.dumps(value, sort_keys=True, default=str)
    except (ValueError, RecursionError) as error:
        raise UnreadableError("nested too deeply") from error


def host(url: str) -> frozenset[str]:
    """The one of a web address, none of anything else."""
    try:
        name = urlsplit(url.partition("+")[2] if "+http" in url[:20] else url).netloc
    except ValueError as error:
        raise UnreadableError("a broken address") from error
    return frozenset({name.rpartition("@")[2].lower()}) if name else frozenset()


def is_remote(place: str) -> bool:
    """A repository, an address or an archive, as opposed to a version."""
    return _REMOTE.match(place) is not None or _ARCHIVE.search(place) is not None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise UnreadableError("a key is there twice")
    return found


def _constant(name: str) -> NoReturn:
    raise UnreadableError(f"{name} is no JSON")
