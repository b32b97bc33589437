"""What a repository is, as far as its files tell."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from runner.starter.guesses import Guess, guess
from runner.starter.packages import Packages, packages
from runner.starter.projects import Project, projects
from runner.starter.tree import Tree

CI = Literal["GitHub Actions", "GitLab CI"]
DELICATE = (
    *("db", "deploy", "deployment", "helm", "infra", "infrastructure", "k8s", "kubernetes"),
    *("migrations", "ops", "terraform"),
)
"""Directories of the top that an agent has no business in, until somebody says so."""


@dataclass(frozen=True, slots=True)
class Found:
    """Everything the texts are made from; no character of it was chosen by the repository, but
    for names of directories in plain letters."""

    projects: tuple[Project, ...]
    test: Guess
    packages: tuple[Packages, ...]
    ci: CI | None
    github: bool
    """Whether a workflow for GitHub Actions is of use."""
    delicate: tuple[str, ...]
    """Directories that are there, of `DELICATE`."""
    unread: tuple[str, ...]
    """What could not be looked into, and why."""

    @property
    def languages(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(project.language for project in self.projects))


def look(tree: Tree, *, on_github: bool) -> Found:
    """`on_github`: the remote is a repository there."""
    every = projects(tree)
    ci = _ci(tree)
    return Found(
        projects=every,
        test=guess(tree, every),
        packages=packages(every),
        ci=ci,
        github=on_github or ci == "GitHub Actions",
        delicate=tuple(name for name in DELICATE if name in tree.directories),
        unread=tuple(sorted(tree.unread.values())),
    )


def _ci(tree: Tree) -> CI | None:
    if tree.within(".github", "workflows").first("*.yml", "*.yaml"):
        return "GitHub Actions"
    return "GitLab CI" if ".gitlab-ci.yml" in tree.files else None
