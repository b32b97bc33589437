"""What the gates have to say of a real change: rules anybody can check, and readings by hand.

The rules count lines of text and know nothing of the gates' own code. Where reading a change
showed that they mislead, its label is in BY_HAND with the reason.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from configparser import RawConfigParser
from pathlib import PurePosixPath
from types import MappingProxyType

from tests.bench.labelled.diff import Edits, GateName, Tree

PROTECTED = frozenset(
    {".github", ".gitignore", ".gitattributes", ".git_archival.txt", ".pre-commit-config.yaml"}
    | {".readthedocs.yaml", ".readthedocs.yml"}
)
"""Names in the releases' paths that no run may touch."""
STEERING = frozenset(
    {"tox.ini", "noxfile.py", "Makefile", "Justfile", "pytest.ini", ".coveragerc", "codecov.yml"}
)
"""Files that decide how tests are run, as a whole."""
_TOOLS = ("pytest", "coverage", "tox", "nox")
_TEST_FILE = re.compile(r"(?:^|/)(?:tests?|testing)/.*\.py$|(?:^|/)test_[^/]*\.py$")
_TEST = re.compile(rb"(?m)^[ \t]*(?:async )?def (test\w*)")
_SKIP = re.compile(rb"(?m)^.*(?:\bskip|xfail|importorskip).*$")
_CHECK = re.compile(
    rb"(?m)^[ \t]*(?:assert\b|self\.assert\w+\(|with (?:pytest|self)\.\w*[rR]aises|pytest\.raises)"
)
_ADDRESS = re.compile(rb"(?m)^[^#\n]*://[^\n]*")

BY_HAND: Mapping[str, tuple[GateName, bool, str]] = MappingProxyType(
    {
        "packaging-23.1..23.2:requirements": (
            *("tamper", True),
            "test_error_on_invalid_url is gone with its cases; a new test hides that from a count",
        ),
        "urllib3-2.0.7..2.1.0:proxy_poolmanager": (
            *("tamper", True),
            "a test of an unsupported proxy is gone, and exact types became isinstance",
        ),
        "urllib3-2.0.7..2.1.0:util": ("tamper", True, "eight parameter sets became seven"),
    }
)
"""Change -> gate, whether it has to refuse, and what the rule does not see."""


def of(id: str, old: Tree, edits: Edits, *, is_binary: bool) -> Mapping[GateName, bool]:
    """A change of a few hundred lines out of a release; none of them has a secret in it."""
    told: dict[GateName, bool] = {
        "paths": protected(old, edits),
        "size": is_binary and any(entry is not None for entry in edits.values()),
        "secrets": False,
        "dependencies": foreign(old, edits),
        "tamper": weakens(old, edits),
    }
    if id in BY_HAND:
        gate, refuse, _ = BY_HAND[id]
        told[gate] = refuse
    return told


def protected(old: Tree, edits: Edits) -> bool:
    """A protected name on the way, or a new dot-file at the root."""
    roots = {path.partition("/")[0] for path in old}
    return any(
        not PROTECTED.isdisjoint(PurePosixPath(path).parts)
        or (path.startswith(".") and path.partition("/")[0] not in roots)
        for path in edits
    )


def weakens(old: Tree, edits: Edits) -> bool:
    """Fewer tests, fewer lines that check, more lines that skip, or another way to run them."""
    before = [old[path].data for path in edits if path in old and _TEST_FILE.search(path)]
    after = [entry.data for path, entry in edits.items() if entry and _TEST_FILE.search(path)]
    fewer = _found(_TEST, after) < _found(_TEST, before) or _found(_CHECK, after) < _found(
        _CHECK, before
    )
    return (
        fewer
        or _found(_SKIP, after) > _found(_SKIP, before)
        or any(
            _steers(path, old[path].data if path in old else b"", entry.data if entry else b"")
            for path, entry in edits.items()
        )
    )


def foreign(old: Tree, edits: Edits) -> bool:
    """Something else runs at installation, or a requirement is an address."""
    for path, entry in edits.items():
        before, after = old[path].data if path in old else b"", entry.data if entry else b""
        name = PurePosixPath(path).name
        if name == "setup.py" and after:
            return True
        if name == "pyproject.toml" and _built(before) != _built(after):
            return True
        if "requirements" in path and _ADDRESS.findall(after) != _ADDRESS.findall(before):
            return True
    return False


def _found(pattern: re.Pattern[bytes], texts: Iterable[bytes]) -> int:
    return sum(len(pattern.findall(text)) for text in texts)


def _steers(path: str, old: bytes, new: bytes) -> bool:
    match PurePosixPath(path).name:
        case "pyproject.toml":
            return _tables(old) != _tables(new)
        case "setup.cfg":
            return _sections(old) != _sections(new)
        case "conftest.py":
            return b"def pytest_" in old + new
        case name:
            return name in STEERING


def _tables(data: bytes) -> list[object]:
    tool = tomllib.loads(data.decode()).get("tool", {})
    return [tool.get(name) for name in _TOOLS]


def _sections(data: bytes) -> list[object]:
    parser = RawConfigParser()
    parser.read_string(data.decode())
    return [
        (name, parser.items(name))
        for name in parser.sections()
        if any(tool in name for tool in _TOOLS)
    ]


def _built(data: bytes) -> list[object]:
    """What builds it; its version bounds are no matter."""
    table = tomllib.loads(data.decode()).get("build-system", {})
    return [table.get("build-backend"), table.get("backend-path")]
