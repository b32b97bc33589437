"""What Python projects declare, read: requirements files, pyproject.toml, setup.cfg, Pipfile."""

from __future__ import annotations

import configparser
import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from runner.gates.bounded_toml import read_toml
from runner.gates.packages import (
    Listing,
    Package,
    Table,
    UnreadableError,
    below,
    bounded,
    lines,
    plain,
    strings,
    table,
    tables,
    text,
    words,
)

MOST_LINES = 20_000
_CONTINUED = re.compile(r"\\\r?\n")
_COMMENT = re.compile(r"(?:^|\s)#.*")
_PLACES = ("git", "url", "path", "file", "hg", "svn", "index", "source", "workspace", "editable")
_TOOL_OPTIONS = (
    ("uv", "index"), ("uv", "index-url"), ("uv", "extra-index-url"), ("uv", "find-links"),
    ("uv", "no-index"), ("uv", "index-strategy"), ("uv", "pip"), ("uv", "sources"),
    ("uv", "allow-insecure-host"), ("uv", "override-dependencies"),
    ("poetry", "source"), ("pdm", "source"), ("pdm", "resolution"), ("pip",), ("pixi",),
)  # fmt: skip
"""Tables below `tool` that decide where packages come from."""
_TOOL_HOOKS = (
    ("setuptools", "cmdclass"), ("setuptools", "ext-modules"), ("hatch", "build", "hooks"),
    ("hatch", "metadata", "hooks"), ("hatch", "version", "source"), ("poetry", "build"),
    ("pdm", "build"), ("scikit-build",), ("maturin",), ("meson-python",),
)  # fmt: skip
"""Tables below `tool` that make building run more."""


def requirements(data: bytes) -> Listing:
    """requirements*.txt and constraints*.txt: what pip would make of each line."""
    found: list[Package] = []
    options: set[str] = set()
    for raw in lines(_CONTINUED.sub(" ", text(data)), MOST_LINES):
        row = _COMMENT.sub("", raw).strip()
        if row.startswith("-") and not row.startswith(("-e", "--editable")):
            options.add(" ".join(row.split()))
        elif row:
            found.append(_requirement_line(row))
    return Listing(bounded(found), frozenset(options))


def _requirement_line(row: str) -> Package:
    try:
        parts = shlex.split(row)
    except ValueError as error:
        raise UnreadableError(f"not a requirement: {row[:80]}") from error
    if parts[0] in {"-e", "--editable"} or parts[0].startswith(("--editable=", "-e")):
        return Package(_named(row), source=row)
    hashes = {part.partition("=")[2] for part in parts if part.startswith("--hash=")}
    rest = [part for part in parts if part.startswith("--") and not part.startswith("--hash=")]
    body, _, _ = row.partition(" --")
    if rest:
        return Package(_named(body), source=" ".join(rest))
    if (
        "://" in body.partition("@")[0]
        or body.startswith((".", "/", "~"))
        or "/" in body.partition(";")[0].partition("@")[0]
    ):
        return Package(_named(body), source=body)
    return _requirement(body, frozenset(hashes))


def _named(row: str) -> str:
    """`git+https://x/y.git@v1#egg=name` -> `name`; otherwise the whole line stands for it."""
    egg = re.search(r"[#&]egg=([A-Za-z0-9._-]+)", row)
    first = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", row)
    return canonicalize_name(egg[1] if egg else first[0] if first else row[:120])


def _requirement(row: str, hashes: frozenset[str] = frozenset()) -> Package:
    """PEP 508."""
    lines(row)  # none of them is too long
    try:
        found = Requirement(row)
    except (InvalidRequirement, RecursionError) as error:
        raise UnreadableError(f"not a requirement: {row[:80]}") from error
    pins = [
        each
        for each in found.specifier
        if each.operator in {"==", "==="} and "*" not in each.version
    ]
    return Package(
        canonicalize_name(found.name),
        pins[0].version if len(found.specifier) == 1 and pins else str(found.specifier),
        found.url or "",
        hashes=hashes,
        is_exact=len(found.specifier) == 1 and bool(pins),
    )


def pyproject(data: bytes) -> Listing:
    """PEP 621, dependency groups, uv, pdm and Poetry."""
    document = read_toml(data)
    tool, project = below(document, "tool"), below(document, "project")
    build = below(document, "build-system")
    rows = [*strings(project.get("dependencies"))]
    for group in below(project, "optional-dependencies").values():
        rows += strings(group)
    for group in below(document, "dependency-groups").values():
        rows += (row for row in _list(group) if isinstance(row, str))
    for name in ("dev-dependencies", "constraint-dependencies", "build-constraint-dependencies"):
        rows += strings(below(tool, "uv").get(name))
    for group in below(tool, "pdm", "dev-dependencies").values():
        rows += strings(group)
    poetry = below(tool, "poetry")
    groups = [below(poetry, "dependencies"), below(poetry, "dev-dependencies")]
    groups += [below(table(group), "dependencies") for group in below(poetry, "group").values()]
    found = [*map(_requirement, rows), *(each for group in groups for each in _poetry(group))]
    own = canonicalize_name(words(project.get("name")))  # an extra may name another one
    found = [each for each in found if each.name != own]
    tools = map(_requirement, strings(build.get("requires")))
    found += (replace(each, is_locked=False) for each in tools)
    hooks = {
        "build-backend": plain(build.get("build-backend")),
        "backend-path": plain(build.get("backend-path")),
    }
    hooks |= {"tool." + ".".join(path): plain(value) for path, value in _at(tool, _TOOL_HOOKS)}
    hooks = {name: value for name, value in hooks.items() if value != "null"}
    options = {
        f"tool.{'.'.join(path)} = {plain(value)}" for path, value in _at(tool, _TOOL_OPTIONS)
    }
    return Listing(bounded(found), frozenset(options), hooks)


def _list(value: object) -> Iterable[object]:
    return value if isinstance(value, list) else ()


def _at(tool: Table, paths: Iterable[tuple[str, ...]]) -> Iterator[tuple[tuple[str, ...], object]]:
    for path in paths:
        value: object = tool
        for key in path:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            yield path, value


def _poetry(group: Table) -> Iterator[Package]:
    for name, value in group.items():
        if name == "python":
            continue
        for each in value if isinstance(value, list) else (value,):
            given = table(each) if isinstance(each, dict) else {"version": each}
            place = [f"{key}={words(given[key])}" for key in _PLACES if key in given]
            yield Package(canonicalize_name(name), words(given.get("version")), ", ".join(place))


def pipfile(data: bytes) -> Listing:
    document = read_toml(data)
    groups = (
        value
        for name, value in document.items()
        if name not in {"source", "requires", "scripts", "pipenv"}
    )
    found = [package for group in groups for package in _poetry(table(group))]
    sources = {plain(each) for each in tables(document.get("source"))}
    return Listing(bounded(found), frozenset(sources))


def setup_cfg(data: bytes) -> Listing:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string("\n".join(lines(text(data), MOST_LINES)))
    except configparser.Error as error:
        raise UnreadableError("not an INI file, or a key is there twice") from error
    sections = {name: dict(parser[name]) for name in parser.sections()}
    options = sections.get("options", {})
    extras = sections.get("options.extras_require", {}).values()
    wanted = [
        options.get(name, "") for name in ("install_requires", "setup_requires", "tests_require")
    ]
    rows = (row.strip() for part in (*wanted, *extras) for row in part.splitlines())
    found = [_requirement(row) for row in rows if row and not row.startswith("#")]
    hooks = {
        f"options.{name}": options[name] for name in ("cmdclass", "ext_modules") if name in options
    }
    places = {
        f"easy_install = {plain(sections[name])}" for name in ("easy_install",) if name in sections
    }
    return Listing(bounded(found), frozenset(places), hooks)


def setup_py(data: bytes) -> Listing:
    """A program that runs at installation: every change of it counts."""
    return Listing(hooks={"setup.py": text(data)})
