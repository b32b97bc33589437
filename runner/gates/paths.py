"""Gate `paths`: the change stays out of protected places and inside the ones it was given.

A list of protected places is never complete, so a dot-file or dot-directory that is new at the
root is refused too, unless the task's `paths` have a pattern that begins with its very name.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from runner.gates import globs
from runner.ports import Case
from runner.records.gate import Finding, GateReport
from runner.records.patch import Change
from runner.records.paths import decode_path, encode_path

NAME = "paths"
GITLINK = "160000"
_SHORT = re.compile(rb"(?:^|/)[^/.]{1,8}~[0-9]{1,6}(?:\.[^/.]{0,3})?[. ]*(?:/|$)")
"""`GITHUB~1` opens `.github` on a file system that makes names of eight letters."""

PROTECTED = (
    # git's own files, and .github, .gitlab, .gitea, .gitleaks.toml, ...
    "**/.git*/",
    # instructions and configuration of coding agents
    "**/.agents/",
    "**/.claude/",
    "**/.clinerules/",
    "**/.codex/",
    "**/.cursor/",
    "**/.cursorrules",
    "**/.gemini/",
    "**/.junie/",
    "**/.kiro/",
    "**/.mcp.json",
    "**/.opencode/",
    "**/.roo*/",
    "**/.windsurf*/",
    "**/AGENTS.md/",
    "**/AGENTS.override.md/",
    "**/CLAUDE.md/",
    "**/CLAUDE.local.md/",
    "**/GEMINI.md/",
    # what CI or a host runs when a branch is pushed, before any person has looked
    "**/.azure-pipelines/",
    "**/.readthedocs.y*ml",
    "**/.tekton/",
    "**/Jenkinsfile*",
    "**/action.y*ml",
    "**/azure-pipelines*.y*ml",
    "**/cloudbuild.json",
    "**/cloudbuild.y*ml",
    "**/netlify.toml",
    "**/vercel.json",
    ".appveyor.yml",
    ".build.yml",
    ".buildkite/",
    ".builds/",
    ".circleci/",
    ".cirrus.star",
    ".cirrus.yml",
    ".drone.jsonnet",
    ".drone.star",
    ".drone.yml",
    ".forgejo/",
    ".semaphore/",
    ".teamcity/",
    ".travis.yml",
    ".woodpecker*/",
    ".zuul.d/",
    ".zuul.y*ml",
    "appveyor.yml",
    "bitbucket-pipelines.yml",
    "buildspec.y*ml",
    "codemagic.yaml",
    "zuul.d/",
    "zuul.y*ml",
    # bots that open requests of their own
    ".renovaterc*",
    "renovate.json*",
    # who has to approve
    "**/CODEOWNERS",
    # policy of this runner
    "**/.codex-runner*/",
    # what runs on a developer's machine by opening, entering, building or committing
    "**/*.code-workspace",
    "**/.bazelrc",
    "**/.cargo/",
    "**/.devcontainer/",
    "**/.envrc",
    "**/.exrc",
    "**/.gdbinit",
    "**/.husky/",
    "**/.idea/",
    "**/.lefthook*/",
    "**/.lldbinit",
    "**/.mise*.toml",
    "**/.npmrc",
    "**/.pre-commit-config.yaml",
    "**/.pre-commit-hooks.yaml",
    "**/.pypirc",
    "**/.tool-versions",
    "**/.vimrc",
    "**/.vs/",
    "**/.vscode/",
    "**/.yarnrc*",
    "**/.zed/",
    "**/lefthook*.yml",
    "**/mise.toml",
    "**/pip.conf",
    # what every start of Python runs
    "**/*.pth",
    "**/sitecustomize.py",
    "**/usercustomize.py",
    # what tells secret scanners to look away
    "**/.betterleaks*",
    "**/.kingfisher*",
    "**/.secretlint*",
    "**/.secrets.baseline",
    "**/.trufflehog*",
)
"""Globs no run may touch unless the operator's policy says otherwise; matched folded."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """Where one layer of the policy lets changes be; a path must be inside of every layer's."""

    who: str
    rule: str
    patterns: tuple[globs.Glob, ...]


def check(case: Case) -> GateReport:
    """Every entry of the patch, deletions included; a rename has two."""
    protected = [globs.parse(pattern) for pattern in case.plan.protected]
    allowed = [
        Allowed(who, rule, tuple(globs.parse(pattern) for pattern in patterns))
        for who, rule, patterns in (
            ("task", "paths", case.plan.paths),
            ("repository", "repo_paths", case.plan.repo_paths),
            ("command line", "run_paths", case.plan.run_paths),
        )
        if patterns
    ]
    found = [
        finding
        for change in case.patch.changes
        if (finding := _judge(change, protected, allowed) or _new_dotfile(change, case))
    ]
    count = len(case.patch.changes)
    return GateReport(
        gate=NAME,
        verdict="refused" if found else "passed",
        summary=f"{len(found)} of {count} paths refused" if found else f"{count} paths",
        findings=tuple(found),
    )


def _judge(change: Change, protected: list[globs.Glob], allowed: list[Allowed]) -> Finding | None:
    path = decode_path(change.path)
    for glob in protected:
        if glob.matches_folded(path):
            why = f"is protected by the rule {glob.pattern}"
            return _finding(change, "protected", why, f"protected {glob.pattern}")
    if GITLINK in (change.old_mode, change.new_mode):
        return _finding(change, "submodule", "is a submodule: its content cannot be judged")
    if change.old_oid is None and _SHORT.search(path):
        return _finding(change, "alias", "is a short name: Windows may take it for another file")
    for layer in allowed:
        if not any(glob.matches(path) for glob in layer.patterns):
            patterns = ", ".join(glob.pattern for glob in layer.patterns)
            why = f"is outside of what the {layer.who} allows: {patterns}"
            return _finding(change, "outside", why, layer.rule)
    return None


def _new_dotfile(change: Change, case: Case) -> Finding | None:
    """The next tool's file that no list knows yet begins with a dot, at the root."""
    if change.old_oid is not None or change.new_oid is None:
        return None
    root = decode_path(change.path).split(b"/", 1)[0]
    name = root.decode(errors="surrogateescape")
    named = {globs.parse(pattern).segments[0] for pattern in case.plan.paths}
    if not globs.fold(name).startswith(".") or name in named or case.at_base(encode_path(root)):
        return None
    why = "is below a new dot-file of the root: what tools read it is unknown; tasks may name it"
    return _finding(change, "new-dotfile", why)


def _finding(change: Change, kind: str, why: str, rule: str = "") -> Finding:
    return Finding(
        gate=NAME,
        code=f"{NAME}.{kind}",
        path=change.path,
        why=f"{change.path} ({change.status}) {why}",
        remedy="leave this path as it is at the base commit",
        retryable=True,
        rule=rule,
    )
