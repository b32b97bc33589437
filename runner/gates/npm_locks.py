"""Lockfiles of npm, yarn and pnpm, read. No YAML: two of them have one shape, read by lines."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

from runner.gates.packages import (
    Listing,
    Package,
    Table,
    UnreadableError,
    below,
    bounded,
    host,
    is_remote,
    lines,
    read_json,
    table,
    text,
    words,
)

_YARN_VALUE = re.compile(
    r"\s+(version|resolved|integrity|resolution|checksum):?\s+\"?([^\"\s]+)\"?\s*\Z"
)
_PNPM_KEY = re.compile(r"  '?(/?[^'\s][^']*?)'?:\s*(?:\{.*)?\Z")
_PNPM_VALUE = re.compile(r"\b(integrity|tarball|repo|commit|directory): '?([^,'}\s]+)")


def npm(data: bytes) -> Listing:
    """package-lock.json of all versions, npm-shrinkwrap.json."""
    document = read_json(data)
    if "packages" in document:
        rows = ((path, table(row)) for path, row in below(document, "packages").items())
        return Listing(bounded(_npm(path, row) for path, row in rows if "node_modules/" in path))
    found: list[Package] = []
    stack = [below(document, "dependencies")]
    while stack:
        for name, row in stack.pop().items():
            found.append(_npm(f"node_modules/{name}", table(row)))
            stack.append(below(table(row), "dependencies"))
    return Listing(bounded(found))


def _npm(path: str, row: Table) -> Package:
    name = path.rpartition("node_modules/")[2]
    resolved, version = words(row.get("resolved")), words(row.get("version"))
    source = ""
    if row.get("link") is True:
        source = f"link {resolved}"
    elif words(row.get("name")) not in {"", name}:
        source = f"alias of {words(row['name'])}"
    elif is_remote(version) or not _is_tarball_of(name, resolved):
        source = resolved or version
    integrity = words(row.get("integrity"))
    return Package(
        name,
        version,
        source,
        host(resolved) if resolved and not source else frozenset(),
        frozenset(integrity.split()),
        script=row.get("hasInstallScript") is True,
        is_exact=True,
        is_direct=path.count("node_modules/") == 1,
    )


def _is_tarball_of(name: str, resolved: str) -> bool:
    """Nothing is told, or what registries serve for this name."""
    if not resolved:
        return True
    try:
        parts = urlsplit(resolved)
    except ValueError:
        return False
    path, is_registry, _ = unquote(parts.path).partition("/-/")
    named = path.endswith(f"/{name}") and bool(is_registry)
    return parts.scheme in {"http", "https"} and named


def yarn(data: bytes) -> Listing:
    """Both yarn.lock formats, line by line."""
    found: list[Package] = []
    name, wanted, values = "", "", dict[str, str]()
    for row in (*lines(text(data)), "end:"):
        if row[:1] not in {"", " ", "#", "\t"} and row.endswith(":"):
            if name and name != "__metadata":
                found.append(_yarn(name, wanted, values))
            first = row[:-1].split(",")[0].strip().strip('"')
            at = first.find("@", 1)
            name, wanted, values = first[:at] if at > 0 else first, first[at + 1 :], {}
        elif match := _YARN_VALUE.match(row):
            values.setdefault(match[1], match[2])
    return Listing(bounded(found))


def _yarn(name: str, wanted: str, values: dict[str, str]) -> Package:
    resolved, resolution = values.get("resolved", ""), values.get("resolution", "")
    source = ""
    if resolution:  # the newer format: `lodash@npm:4.17.21`
        package, _, place = resolution.rpartition("@npm:")
        if package != name or "::" in place or not place:
            source = resolution
    elif is_remote(wanted) or wanted.startswith(("npm:", "file:", "link:")):
        source = resolved or wanted
    elif not _is_tarball_of(name, resolved):
        # one host of yarn's own serves `/name/-/`; what it does not serve is no registry's
        source = resolved
    hashes = {values.get("integrity", ""), values.get("checksum", ""), resolved.partition("#")[2]}
    return Package(
        name,
        values.get("version", ""),
        source,
        host(resolved) if resolved and not source else frozenset(),
        frozenset(hashes - {""}),
        is_exact=True,
    )


def pnpm(data: bytes) -> Listing:
    """The `packages` of pnpm-lock.yaml, line by line: this program writes one shape only."""
    found: list[Package] = []
    key, values, script, inside = "", dict[str, str](), False, False
    for row in (*lines(text(data)), "end:"):
        if row.startswith(("&", "!", "%")) or "\t" in row[:8]:
            raise UnreadableError("not as pnpm writes it")
        match = _PNPM_KEY.fullmatch(row) if inside else None
        if (match or row[:1].strip()) and key:
            found.append(_pnpm(key, values, script))
            key = ""
        if row[:1].strip():
            inside = row == "packages:"
        elif match:
            key, values, script = match[1], {}, False
        if key:
            values |= dict(_PNPM_VALUE.findall(row))
            script = script or "requiresBuild: true" in row
    return Listing(bounded(found))


def _pnpm(key: str, values: dict[str, str], script: bool) -> Package:
    key = key.partition("(")[0]
    body = key.removeprefix("/")
    at = body.rfind("@")
    name, version = (body[:at], body[at + 1 :]) if at > 0 else body.rpartition("/")[::2]
    tarball = values.get("tarball", "")
    direct = next((values[each] for each in ("repo", "directory") if each in values), "")
    if not direct and (
        is_remote(version) or version.startswith("file:") or not version[:1].isdigit()
    ):
        direct = version or key
    if not direct and not _is_tarball_of(name, tarball):
        direct = tarball
    return Package(
        name, version, direct, host(tarball), frozenset({values.get("integrity", "")} - {""}),
        script=script, is_exact=True,
    )  # fmt: skip
