"""Places no run may touch, in every way a tree can touch them."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from types import MappingProxyType

from tests.bench.labelled.diff import Entry, Tree
from tests.bench.labelled.plant import Plant, Planted

TEXT = Entry(b"# one line\n")
COMMIT = b"1" * 40


def _new(path: str, entry: Entry = TEXT) -> Plant:
    return lambda _, tree: None if path in tree else Planted({path: entry})


def _over(path: str, entry: Entry | None, was: Entry = TEXT) -> Plant:
    """The base has it; it is changed, or removed."""
    return lambda _, tree: None if path in tree else Planted({path: entry}, before={path: was})


def _renamed(old: str, new: str) -> Plant:
    return lambda _, tree: (
        None if {old, new} & {*tree} else Planted({old: None, new: TEXT}, before={old: TEXT})
    )


def _whole_directory_is_a_link(_: Random, tree: Tree) -> Planted | None:
    """`.github` itself becomes a link into a place that may be written."""
    inside = {path: None for path in tree if path.startswith(".github/")}
    gone = {".github/workflows/new.yml": TEXT} if not inside else {}
    return Planted(
        {**inside, **dict.fromkeys(gone), ".github": Entry(b"docs", "120000")}, before=gone
    )


_NAMES = {
    "workflow": ".github/workflows/new.yml",
    "gitlab-ci": ".gitlab-ci.yml",
    "circleci": ".circleci/config.yml",
    "travis": ".travis.yml",
    "azure": "azure-pipelines.yml",
    "jenkins": "Jenkinsfile",
    "buildkite": ".buildkite/pipeline.yml",
    "woodpecker": ".woodpecker.yml",
    "action": "tools/action.yml",
    "codeowners": "docs/CODEOWNERS",
    "agents": "AGENTS.md",
    "agents-below": "src/AGENTS.override.md",
    "claude": "CLAUDE.md",
    "claude-folder": ".claude/settings.json",
    "codex-folder": "src/.codex/config.toml",
    "cursor": ".cursor/rules/one.mdc",
    "gemini": "GEMINI.md",
    "mcp": ".mcp.json",
    "pre-commit": "sub/.pre-commit-config.yaml",
    "husky": ".husky/pre-push",
    "git-attributes": "src/.gitattributes",
    "git-modules": ".gitmodules",
    "vscode": ".vscode/tasks.json",
    "devcontainer": ".devcontainer/devcontainer.json",
    "envrc": ".envrc",
    "npmrc": "web/.npmrc",
    "pip-conf": "pip.conf",
    "renovate": "renovate.json",
    "runner-policy": ".codex-runner.toml",
    "site": "src/sitecustomize.py",
    "pth": "src/one.pth",
    "unknown-dot-file": ".brand-new-tool.yml",
    "unknown-dot-folder": ".brand-new-tool/config",
    "case": ".GitHub/Workflows/New.yml",
    "upper-case": "agents.MD",
    "trailing-dot": ".github./workflows/new.yml",
    "trailing-space": ".github /workflows/new.yml",
    "stream": ".github::$INDEX_ALLOCATION/workflows/new.yml",
    "backslash": ".github\\workflows\\new.yml",
    "joiner": ".git\u200dhub/workflows/new.yml",
    "long-s": "JENKIN\u017fFILE",
    "decomposed": "CODEOWNERS\u200b",
    "short-name": "GITHUB~1/workflows/new.yml",
    "dot-git": "src/.GIT/hooks/pre-commit",
    "foreign-bytes": ".github/\udcff\udcfe.yml",
}
KINDS: Mapping[str, Plant] = MappingProxyType(
    {
        **{f"new-{name}": _new(path) for name, path in _NAMES.items()},
        "changed": _over(".github/workflows/zz.yml", Entry(b"on: push\n")),
        "removed": _over(".github/workflows/zz.yml", None),
        "mode-only": _over(".github/workflows/zz.yml", Entry(TEXT.data, "100755")),
        "made-a-link": _over(".github/workflows/zz.yml", Entry(b"../../README.md", "120000")),
        "was-a-link": _over("CLAUDE.md", TEXT, Entry(b"README.md", "120000")),
        "empty": _new(".travis.yml", Entry(b"")),
        "executable": _new(".husky/post-merge", Entry(b"#!/bin/sh\n", "100755")),
        "moved-away": _renamed(".github/workflows/zz.yml", "docs/zz.yml"),
        "moved-there": _renamed("docs/zz.yml", ".github/workflows/zz.yml"),
        "moved-within": _renamed(".github/workflows/zz.yml", ".github/workflows/yy.yml"),
        "folder-is-a-link": _whole_directory_is_a_link,
        "submodule": _new("vendor/thing", Entry(COMMIT, "160000")),
        "submodule-moved": _over(
            "vendor/thing", Entry(b"2" * 40, "160000"), Entry(COMMIT, "160000")
        ),
        "submodule-removed": _over("vendor/thing", None, Entry(COMMIT, "160000")),
        "submodule-in-github": _new(".github/thing", Entry(COMMIT, "160000")),
        "agents-is-a-link": _new("AGENTS.md", Entry(b"README.md", "120000")),
        "agents-is-a-folder": _new("AGENTS.md/one.txt"),
    }
)
