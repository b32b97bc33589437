"""Files that decide how tests are run, and whether a change of one touches that."""

from __future__ import annotations

import fnmatch
import json
import re
import sys
from collections.abc import Callable, Mapping

from runner.gates import bounded_toml
from runner.gates.pytests import hooks

WHOLE = (
    *(
        "noxfile.py",
        "tasks.py",
        "dodo.py",
        "Makefile",
        "makefile",
        "GNUmakefile",
        "*.mk",
        "justfile",
    ),
    *("Justfile", "Taskfile.y*ml", "Rakefile", "build.xml", "phpunit.xml*", ".rspec", ".mocharc*"),
    *("jest.config.*", "jest.setup.*", "vitest.config.*", "vitest.setup.*", "vitest.workspace.*"),
    *("karma.conf.*", "ava.config.*", "playwright.config.*", "cypress.config.*", ".coveragerc"),
    *(".nycrc*", ".c8rc*", "codecov.y*ml", "run_tests*", "run-tests*", "runtests*", "test.sh"),
    *("pytest.ini", ".pytest.ini", "pytest.toml", ".pytest.toml"),
    *("pom.xml", "build.gradle*", "settings.gradle*", "gradle.properties", "vite.config.*"),
    *("babel.config.*", ".babelrc*", "sitecustomize.py", "usercustomize.py", "*.pth"),
    *("bunfig.toml", ".npmrc", ".yarnrc*", "go.work"),
)
"""Globs of names; every change of one counts."""
_FOLDERS = re.compile(
    r"(?i)(?:^|/)(?:[^/]*\.(?:dist|egg)-info|node_modules)/|(?:^|/)\.cargo/config"
)
"""What is found there is loaded unasked: entry points of plugins, modules, runners."""
_ON_DEMAND = re.compile(
    r"/(?:(?:GNUm|M|m)akefile|[^/]+\.mk|[Jj]ustfile|Taskfile\.ya?ml|Rakefile|tasks\.py|dodo\.py)\Z"
)
"""Below the root, these are only read by whoever asks for them."""
MOST_BYTES = 256 * 1024
_MAY_SHADOW = frozenset({"test", "tests", "this", "antigravity", "idlelib", "__main__"})
_RUNNERS = frozenset(
    {"pytest", "_pytest", "py", "pluggy", "nose", "nose2", "coverage", "pytest_cov", "xdist", "tox"}
    | {"nox", "hypothesis", "behave", "robot", "ward", "doctest", "unittest", "conftest_plugin"}
)
_PROGRAMS = frozenset(
    {"pytest", "py.test", "python", "python3", "node", "npm", "npx", "yarn", "pnpm", "make", "go"}
    | {
        "cargo",
        "sh",
        "bash",
        "env",
        "ruby",
        "bundle",
        "java",
        "mvn",
        "gradle",
        "dotnet",
        "php",
        "tox",
    }
)

Parts = Mapping[str, object]


def steers(path: str, old: bytes | None, new: bytes | None) -> str | None:
    """What a change of `path` decides about the tests, in words; None = nothing.

    None for content = the file does not exist there.
    """
    name = path.rpartition("/")[2]
    if name == "conftest.py":
        return _hooks_differ(old, new)
    if _FOLDERS.search(path) or any(fnmatch.fnmatchcase(name, pattern) for pattern in WHOLE):
        return f"{name} decides how tests are run"
    read = _READERS.get(name)
    if read is None:
        return None
    try:
        before, after = read(old or b""), read(new or b"")
        keys = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    except (ValueError, RecursionError):
        return f"{name} cannot be read, and may decide how tests are run"
    return f"{', '.join(keys)} of {name} decides how tests are run" if keys else None


def on_demand(path: str) -> bool:
    """It steers only tests whose command asks for it."""
    return _ON_DEMAND.search(path) is not None


def shadows(path: str, at_base: Callable[[str], bool]) -> str | None:
    """What a NEW file at `path` would be run or imported instead of; None = nothing. A package
    that was there before takes nobody's place."""
    parts = path.removeprefix("src/").split("/")
    name = parts[-1]
    if name in _PROGRAMS:
        return f"the program {name}"
    if name.endswith((".pyc", ".pyo")) or "__pycache__" in parts:
        return "its source: a compiled cache wins over the file it claims to come from"
    module = parts[0].removesuffix(".py") if len(parts) > 1 or name.endswith(".py") else ""
    if not module and len(parts) == 1:
        return None
    folder = path[: len(path) - len("/".join(parts[1:]))].rstrip("/")
    if len(parts) > 1 and at_base(folder):
        module = ""
    last = name.removesuffix(".py")
    if name.endswith(".py") and (module in _RUNNERS or last in _RUNNERS):
        return f"the module {module if module in _RUNNERS else last}"
    known = sys.stdlib_module_names - _MAY_SHADOW
    return f"the module {module}" if name.endswith(".py") and module in known else None


def _hooks_differ(old: bytes | None, new: bytes | None) -> str | None:
    before, after = hooks(old or b""), hooks(new or b"")
    if before is None or after is None:
        return "conftest.py cannot be read, and decides how tests are run"
    return None if before == after else "hooks of conftest.py decide how tests are run"


def _table(value: object) -> Parts:
    """Raises ValueError: another shape, which nobody can say how a test runner takes."""
    if not isinstance(value, dict):
        raise ValueError("not a table")
    return value


def _pyproject(data: bytes) -> Parts:
    document = bounded_toml.read(data, MOST_BYTES)
    tool = _table(document.get("tool", {}))
    tools = ("pytest", "coverage", "tox", "nox", "hatch", "poe", "taskipy", "pdm", "unittest")
    found = {f"tool.{name}": tool[name] for name in tools if name in tool}
    plugins = _table(_table(document.get("project", {})).get("entry-points", {}))
    return found | {f"entry-points.{name}": plugins[name] for name in plugins if name == "pytest11"}


def _package(data: bytes) -> Parts:
    document = _table(json.loads(data or b"{}"))
    keys = ("scripts", "jest", "mocha", "ava", "vitest", "nyc", "c8", "tap", "type", "babel")
    return {key: document[key] for key in keys if key in document}


def _cargo(data: bytes) -> Parts:
    document = bounded_toml.read(data, MOST_BYTES)
    keys = ("test", "bench", "profile", "lib", "bin")
    return {key: document[key] for key in keys if key in document}


_SECTION = re.compile(r"(?:tool:)?pytest|testenv.*|coverage.*|tox.*|nosetests|aliases|unittest")


def _ini(data: bytes) -> Parts:
    """Readers differ in what a header is, so a line counts for every section it may be in."""
    found: dict[str, list[str]] = {}
    current: set[str] = set()
    for raw in data.decode("utf-8-sig").splitlines():
        row = raw.strip()
        if row.startswith("["):
            names = {row[1:].partition("]")[0].strip(), row[1:].rpartition("]")[0].strip()}
            current = names if raw.startswith("[") else current | names
        if row and not row.startswith(("#", ";")):
            for name in filter(_SECTION.fullmatch, current):
                found.setdefault(name, []).append(raw.rstrip())
    return found


_READERS: Mapping[str, Callable[[bytes], Parts]] = {
    "pyproject.toml": _pyproject,
    "package.json": _package,
    "Cargo.toml": _cargo,
    "setup.cfg": _ini,
    "tox.ini": _ini,
}
