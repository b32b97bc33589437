"""What paths say: whether tests are there, a runner would find them, or they compare with it."""

from __future__ import annotations

import re

_TEST = re.compile(
    r"(?i)(?:^|/)(?:tests?|specs?|__tests__|testing|e2e|integration)/|(?:^|/)(?:test_|conftest\.)[^/]*$"
    r"|[_.-](?:tests?|spec)\.[^/]+$|(?:Tests?|Spec|IT)\.\w+$"
)
_PYTEST = re.compile(r"(?:^|/)(?:test[^/]*|[^/]*tests?)\.py$")
_PYTEST_PASSES = re.compile(r"(?:^|/)(?:\.[^/]*|build|dist|node_modules|venv|[^/]*\.egg)/")
"""Folders that pytest does not look into unless told to."""
_GO_PASSES = re.compile(
    r"(?:^|/)(?:testdata|vendor)/|(?:^|/)[_.][^/]*$|_(?:aix|android|darwin|dragonfly|freebsd|illumos"
    r"|ios|js|netbsd|openbsd|plan9|solaris|wasip1|windows|386|arm|arm64|loong64|mips\w*|ppc64\w*"
    r"|riscv64|s390x|wasm)_test\.go$"
)
"""What `go test` leaves out on a usual machine by the name alone."""
_SNAPSHOT = re.compile(
    r"(?:^|/)(?:__snapshots__|__image_snapshots__|__file_snapshots__)/[^/]+$"
    r"|\.(?:snap|snap\.new|ambr|storyshot|golden|approved\.\w+|verified\.\w+)$"
)
_DATA = re.compile(r"(?i)(?:^|/)(?:testdata|fixtures?|golden|goldens|expected|cassettes|corpus)/")
_NO_DATA = re.compile(
    r"(?i)\.(?:md|rst|py|pyi|[cm]?[jt]sx?|go|rs|java|kts?|rb|php|cs|sh|c|h|cc|cpp)$"
)


def is_test(path: str) -> bool:
    return _TEST.search(path) is not None


def is_collected(path: str) -> bool:
    """A test runner finds the tests of a file with this name."""
    if path.endswith(".py"):
        return _PYTEST.search(path) is not None and _PYTEST_PASSES.search(path) is None
    if path.endswith(".go"):
        return path.endswith("_test.go") and _GO_PASSES.search(path) is None
    return is_test(path)


def is_snapshot(path: str) -> bool:
    """A runner writes it anew where it is absent, and is content."""
    return _SNAPSHOT.search(path) is not None


def is_data(path: str) -> bool:
    """No code, and lies with tests: they may compare with it."""
    lies = is_test(path) or _DATA.search(path) is not None
    return lies and _NO_DATA.search(path) is None
