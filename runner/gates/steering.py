"""Files that decide how tests are run, and whether a change of one touches that."""

from __future__ import annotations

import configparser
import fnmatch
import json
import re
import shlex
import sys
import tomllib
from collections.abc import Callable, Mapping

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
)
"""Globs of names; every change of one counts."""
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
    if any(fnmatch.fnmatchcase(name, pattern) for pattern in WHOLE):
        return f"{name} decides how tests are run"
    read = _READERS.get(name)
    if read is None:
        return None
    try:
        before, after = read(old or b""), read(new or b"")
    except (ValueError, RecursionError, configparser.Error):
        return f"{name} cannot be read, and may decide how tests are run"
    keys = sorted(key for key in {*before, *after} if before.get(key) != after.get(key))
    return f"{', '.join(keys)} of {name} decides how tests are run" if keys else None


def shadows(path: str) -> str | None:
    """What a NEW file at `path` would be run or imported instead of; None = nothing."""
    parts = path.split("/")
    name = parts[-1]
    if name in _PROGRAMS:
        return f"the program {name}"
    if name.endswith((".pyc", ".pyo")) or "__pycache__" in parts:
        return "its source: a compiled cache wins over the file it claims to come from"
    module = parts[0].removesuffix(".py") if len(parts) > 1 or name.endswith(".py") else ""
    if not module and len(parts) == 1:
        return None
    last = name.removesuffix(".py")
    if name.endswith(".py") and (module in _RUNNERS or last in _RUNNERS):
        return f"the module {module if module in _RUNNERS else last}"
    known = sys.stdlib_module_names - _MAY_SHADOW
    return f"the module {module}" if name.endswith(".py") and module in known else None


def named(command: str | None, path: str) -> bool:
    """Whether the test command names this file."""
    try:
        words = shlex.split(command or "")
    except ValueError:
        words = (command or "").split()
    plain = {re.sub(r"^(?:\./)+", "", word) for word in words}
    return path in plain


def _hooks_differ(old: bytes | None, new: bytes | None) -> str | None:
    before, after = hooks(old or b""), hooks(new or b"")
    if before is None or after is None:
        return "conftest.py cannot be read, and decides how tests are run"
    return None if before == after else "hooks of conftest.py decide how tests are run"


def _pyproject(data: bytes) -> Parts:
    tool = tomllib.loads(data.decode()).get("tool", {})
    tools = ("pytest", "coverage", "tox", "nox", "hatch", "poe", "taskipy", "pdm", "unittest")
    return {f"tool.{name}": tool[name] for name in tools if name in tool}


def _package(data: bytes) -> Parts:
    document = json.loads(data or b"{}")
    if not isinstance(document, dict):
        raise ValueError("not an object")
    keys = ("scripts", "jest", "mocha", "ava", "vitest", "nyc", "c8", "tap", "type")
    return {key: document[key] for key in keys if key in document}


def _cargo(data: bytes) -> Parts:
    document = tomllib.loads(data.decode())
    keys = ("test", "bench", "profile", "lib", "bin")
    return {key: document[key] for key in keys if key in document}


def _ini(data: bytes) -> Parts:
    parser = configparser.RawConfigParser(strict=False)
    parser.read_string(data.decode())
    wanted = re.compile(r"(?:tool:)?pytest|testenv.*|coverage.*|tox.*|nosetests|aliases|unittest")
    return {name: dict(parser[name]) for name in parser.sections() if wanted.fullmatch(name)}


_READERS: Mapping[str, Callable[[bytes], Parts]] = {
    "pyproject.toml": _pyproject,
    "package.json": _package,
    "Cargo.toml": _cargo,
    "setup.cfg": _ini,
    "tox.ini": _ini,
}
