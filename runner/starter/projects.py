"""Which languages a work tree holds, and where: at its top, else one directory below."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from types import MappingProxyType

from runner.starter.tree import Tree

MARKERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "Python": (
            *("pyproject.toml", "setup.py", "setup.cfg", "requirements*.txt", "Pipfile"),
            *("tox.ini", "noxfile.py", "manage.py", "tests/test*.py", "test/test*.py"),
        ),
        "Node": ("package.json",),
        "Go": ("go.mod", "go.work"),
        "Rust": ("Cargo.toml",),
        "Java": ("pom.xml", "build.gradle", "build.gradle.kts"),
        "Ruby": ("Gemfile", "gems.rb", "*.gemspec", "Rakefile"),
        "PHP": ("composer.json", "phpunit.xml", "phpunit.xml.dist"),
        ".NET": ("*.sln", "*.slnx", "*.csproj", "*.fsproj"),
    }
)
"""Language -> files that speak for it, the plainest first."""

MAX_DIRECTORIES = 100
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")
"""A directory of another name is not looked into: its name would stand in a shell command."""
_FOREIGN = frozenset(
    {"doc", "docs", "example", "examples", "node_modules", "testdata", "third_party", "vendor"}
)


@dataclass(frozen=True)
class Project:
    """One language in one directory."""

    language: str
    directory: str
    """Empty = the top; else the name of a directory there, of plain characters."""
    tree: Tree
    evidence: str
    """The file that speaks for it: `web/package.json`."""


def projects(tree: Tree) -> tuple[Project, ...]:
    """By directory, then in the order of `MARKERS`."""
    if found := tuple(_in(tree, "")):
        return found
    names = [n for n in tree.directories if _PLAIN.fullmatch(n) and n not in _FOREIGN]
    return tuple(p for name in names[:MAX_DIRECTORIES] for p in _in(tree.within(name), name))


def _in(tree: Tree, directory: str) -> Iterator[Project]:
    for language, patterns in MARKERS.items():
        found = next((p for pattern in patterns if (p := _match(tree, pattern))), None)
        if found:
            yield Project(language, directory, tree, f"{directory}/{found}".lstrip("/"))


def _match(tree: Tree, pattern: str) -> str | None:
    """What matches it; of a pattern that others may have filled in, the pattern itself."""
    directory, _, name = pattern.rpartition("/")
    files = (tree.within(directory) if directory else tree).files
    return pattern if any(fnmatchcase(file, name) for file in files) else None
