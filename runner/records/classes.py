"""What kind of work a task asks for, or a change turned out to be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from runner.records.base import Record
from runner.records.level import DEFAULT, Level

ClassName = Literal[
    "ci",
    "security",
    "migration",
    "payments",
    "privacy",
    "infrastructure",
    "dependencies",
    "unread",
    "unknown",
    "code",
    "docs",
    "tests",
    "formatting",
]


class Caps(Record):
    """`[classes]`: the highest level of each. An operator may set them, others lower them."""

    ci: Level = 0
    security: Level = 1
    migration: Level = 1
    payments: Level = 1
    privacy: Level = 1
    infrastructure: Level = 1
    dependencies: Level = 1
    unread: Level = 1
    unknown: Level = 1
    code: Level = 2
    docs: Level = 3
    tests: Level = 3
    formatting: Level = 3

    def of(self, name: ClassName) -> Level:
        level: Level = getattr(self, name)
        return level


ABOUT: Mapping[ClassName, str] = {
    "ci": "CI, agent instructions or policy",
    "security": "authentication, authorisation, sessions or cryptography",
    "migration": "a database schema, its migration or its data",
    "payments": "payments",
    "privacy": "personal data",
    "infrastructure": "infrastructure or deployment",
    "dependencies": "a new major version of a dependency",
    "unread": "something that could not be read",
    "unknown": "a task of no known kind",
    "code": "ordinary source code",
    "docs": "documentation",
    "tests": "tests",
    "formatting": "formatting and comments",
}
PROTECTED: frozenset[ClassName] = frozenset(
    name for name in ABOUT if Caps().of(name) < DEFAULT and name != "unknown"
)


class Sighting(Record):
    """Why something is of a class."""

    name: ClassName
    why: str
    """E.g. `it changes a line with user_is_admin`."""
    path: str | None = None
    line: int | None = None
