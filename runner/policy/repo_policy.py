"""What the repository itself asks of every run: `.codex-runner.toml` at the base commit.

It only tightens: never the agent's tree, and never more than the operator allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from runner.errors import ConfigError
from runner.policy import names
from runner.policy.dependencies import read_repo_dependencies
from runner.policy.review import read_repo_review
from runner.policy.setup import RepoSetup, read_repo_setup
from runner.policy.static import read_static
from runner.policy.tests import read_tests
from runner.policy.text import decode_text
from runner.policy.toml import parse_toml
from runner.records.dependencies import New
from runner.records.rigour import RigourAsked
from runner.records.static import StaticRules

LOCATIONS = (".codex-runner.toml", ".github/codex-runner.toml")
KEYS = frozenset(
    {"test", "limits", "paths", "protected", "setup", "tests", "review", "dependencies", "static"}
)


@dataclass(frozen=True, slots=True)
class RepoPolicy:
    """Empty = the repository asks for nothing."""

    test: str | bool | None = None
    """The tests gate's command; False = no command needed here; None = the task says."""
    limits: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    paths: tuple[str, ...] = ()
    """Globs every change must stay inside; empty = anywhere."""
    protected: tuple[str, ...] = ()
    """Globs no change may touch, besides the built-in ones."""
    setup: RepoSetup = field(default_factory=RepoSetup)
    """What is to be installed before the agent starts."""
    tests: RigourAsked = field(default_factory=RigourAsked)
    review: str | None = None
    """Criteria for the reviewers, besides the built-in ones."""
    dependencies: New | None = None
    """What becomes of a new dependency."""
    static: StaticRules = field(default_factory=StaticRules)


def read_repo_policy(
    blob: Callable[[str], bytes | None], there: Callable[[str], bool]
) -> RepoPolicy:
    """Look the policy up with `blob`, which reads a regular file of the base commit; `there` says
    whether the commit has anything of that name.

    Raises:
        ConfigError: the file is wrong or not a regular one, or there are two.
    """
    found = {name: data for name in LOCATIONS if (data := blob(name)) is not None}
    for name in LOCATIONS:
        if name not in found and there(name):
            raise ConfigError(
                f"{name} is not a regular file at the base commit",
                "commit the policy itself, not a link to it",
            )
    if len(found) > 1:
        raise ConfigError(f"{' and '.join(found)} both exist", "keep one of them")
    for name, data in found.items():
        return parse_repo_policy(data, name)
    return RepoPolicy()


def parse_repo_policy(data: bytes, source: str) -> RepoPolicy:
    """Raises ConfigError naming source, line and key."""
    table = parse_toml(decode_text(data, source), source)
    table.closed(KEYS)
    return RepoPolicy(
        test=table.command("test", names.command),
        limits=MappingProxyType(table.limits()),
        paths=table.allowed("paths", names.glob),
        protected=table.strings("protected", names.glob),
        setup=read_repo_setup(table.table("setup")),
        tests=read_tests(table.table("tests")),
        review=read_repo_review(table.table("review")),
        dependencies=read_repo_dependencies(table.table("dependencies")),
        static=read_static(table.table("static")),
    )
