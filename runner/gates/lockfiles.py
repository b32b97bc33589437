"""Lockfiles, read; those of JavaScript are in `npm_locks`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.utils import canonicalize_name

from runner.gates.bounded_toml import read_toml
from runner.gates.packages import (
    Listing,
    Package,
    Table,
    UnreadableError,
    below,
    bounded,
    host,
    lines,
    read_json,
    strings,
    table,
    tables,
    text,
    words,
)

_DIRECT = ("git", "url", "path", "directory", "editable", "virtual", "hg", "svn", "file")
_GEM = re.compile(r"    ([A-Za-z0-9_.-]+) \(([^()\s]+)\)\Z")
_GEM_SUM = re.compile(r"  ([A-Za-z0-9_.-]+) \(([^()\s]+)\) (\S+)\Z")


def python(data: bytes) -> Listing:
    """uv.lock, poetry.lock, pdm.lock, pylock.toml."""
    document = read_toml(data)
    rows = tables(document.get("package") or document.get("packages"))
    own = ({"editable": "."}, {"virtual": "."})
    return Listing(bounded(_python(row) for row in rows if row.get("source") not in own))


def _python(row: Table) -> Package:
    source = row.get("source") or {}
    given = table(source)
    registry = words(given.get("registry")) or words(row.get("index"))
    kind = words(given.get("type"))
    direct = [f"{key}={words(given.get(key))}" for key in _DIRECT if key in given]
    direct += [f"{key}={words(row.get(key))}" for key in ("git", "path") if words(row.get(key))]
    direct += [f"{key}" for key in ("vcs", "directory", "archive") if key in row]
    if kind == "legacy":
        registry, direct = words(given.get("url")), []
    elif kind:
        direct = [f"{kind}={words(given.get('url'))}"]
    files = [*tables(row.get("wheels")), *tables(row.get("files"))]
    files += [table(row["sdist"])] if "sdist" in row else []
    hosts = host(registry).union(*(host(words(file.get("url"))) for file in files))
    return Package(
        canonicalize_name(words(row.get("name"))),
        words(row.get("version")),
        ", ".join(direct),
        hosts,
        frozenset(hash_ for file in files for hash_ in _hashes(file)),
        is_exact=True,
    )


def _hashes(file: Table) -> Iterator[str]:
    if words(file.get("hash")):
        yield words(file["hash"])
    for kind, value in below(file, "hashes").items():
        yield f"{kind}:{words(value)}"


def pipfile(data: bytes) -> Listing:
    document = read_json(data)
    sources = tables(below(document, "_meta").get("sources"))
    rows = [
        (name, table(row))
        for group, rows in document.items()
        if group != "_meta"
        for name, row in table(rows).items()
    ]
    found = (
        Package(
            canonicalize_name(name),
            words(row.get("version")).removeprefix("=="),
            next((f"{key}={words(row[key])}" for key in _DIRECT if key in row), ""),
            hashes=frozenset(strings(row.get("hashes"))),
            is_exact=True,
        )
        for name, row in rows
    )
    return Listing(bounded(found), frozenset(words(each.get("url")) for each in sources))


def cargo(data: bytes) -> Listing:
    rows = tables(read_toml(data).get("package"))
    return Listing(bounded(_cargo(row) for row in rows if words(row.get("source"))))


def _cargo(row: Table) -> Package:
    source = words(row.get("source"))
    is_registry = source.startswith(("registry+", "sparse+"))
    return Package(
        words(row.get("name")),
        words(row.get("version")),
        "" if is_registry else source,
        frozenset({source}) if is_registry else frozenset(),
        frozenset({words(row.get("checksum"))} - {""}),
        is_exact=True,
    )


def go(data: bytes) -> Listing:
    """go.sum: a module has two lines, of which one is about its go.mod alone."""
    found = {}
    for row in lines(text(data)):
        parts = row.split()
        if len(parts) != 3:
            if parts:
                raise UnreadableError("not as go writes it")
            continue
        if not parts[1].endswith("/go.mod"):
            found[parts[0], parts[1]] = parts[2]
    return Listing(
        bounded(
            Package(name, version, hashes=frozenset({hash_}), is_exact=True)
            for (name, version), hash_ in found.items()
        )
    )


def gems(data: bytes) -> Listing:
    """Gemfile.lock."""
    found: dict[tuple[str, str], tuple[str, str]] = {}
    sums: dict[tuple[str, str], str] = {}
    remotes, section, remote = set[str](), "", ""
    for row in lines(text(data)):
        if row and not row.startswith(" "):
            section, remote = row, ""
        elif row.startswith("  remote: "):
            remote = row[10:]
            remotes |= {remote} if section == "GEM" else set()
        elif (match := _GEM.fullmatch(row)) and section in {"GEM", "GIT", "PATH", "PLUGIN SOURCE"}:
            source = "" if section == "GEM" or remote == "." else f"{section.lower()}={remote}"
            found[match[1], match[2]] = source, remote
        elif section == "CHECKSUMS" and (match := _GEM_SUM.fullmatch(row)):
            sums[match[1], match[2]] = match[3]
    packages = (
        Package(
            name, version, source, frozenset() if source else host(place),
            frozenset({sums[name, version]} if (name, version) in sums else ()), is_exact=True,
        )
        for (name, version), (source, place) in found.items()
    )  # fmt: skip
    return Listing(bounded(packages), frozenset(remotes))


def composer(data: bytes) -> Listing:
    document = read_json(data)
    rows = [*tables(document.get("packages")), *tables(document.get("packages-dev"))]
    return Listing(bounded(map(_composer, rows)))


def _composer(row: Table) -> Package:
    """Git hosts serve this registry's archives: where from is told, not judged."""
    dist, source = below(row, "dist"), below(row, "source")
    is_path = words(dist.get("type")) == "path"
    hashes = {
        words(dist.get("shasum")),
        words(dist.get("reference")),
        words(source.get("reference")),
    }
    return Package(
        words(row.get("name")).lower(),
        words(row.get("version")).removeprefix("v"),
        words(dist.get("url")) if is_path else "",
        host(words(dist.get("url"))) | host(words(source.get("url")))
        if not is_path
        else frozenset(),
        frozenset(hashes - {""}),
        is_exact=True,
    )
