"""Gate `paths`: protected places, allowed places, submodules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from runner.gates import globs, paths
from runner.records.gate import GateReport
from tests.fakes import CaseBuilder, File


def check(*new: str, old: tuple[str, ...] = (), allowed: tuple[str, ...] = ()) -> GateReport:
    builder = CaseBuilder(
        old=dict.fromkeys(old, b"old\n"),
        new=dict.fromkeys(new, b"new\n"),
        protected=paths.PROTECTED,
        paths=allowed,
    )
    return paths.check(builder.case())


def codes(report: GateReport) -> list[str]:
    return [finding.code for finding in report.findings]


def test_every_default_rule_is_a_good_glob() -> None:
    assert len({globs.parse(pattern) for pattern in paths.PROTECTED}) == len(paths.PROTECTED)


@pytest.mark.parametrize(
    "path",
    [
        ".github/workflows/x.yml",
        ".GitHub/Workflows/x.yml",
        "sub/.github/x",
        ".gitattributes",
        "deep/down/.gitattributes",
        ".gitmodules",
        ".gitignore",
        ".gitlab-ci.yml",
        ".gitleaks.toml",
        ".codex/config.toml",
        ".codex",
        ".agents/skills/x/SKILL.md",
        "AGENTS.md",
        "sub/agents.override.MD",
        "CLAUDE.md",
        "Jenkinsfile",
        "ci/Jenkinsfile.release",
        ".circleci/config.yml",
        ".travis.yml",
        "azure-pipelines.yml",
        ".buildkite/pipeline.yml",
        ".woodpecker/a.yml",
        ".woodpecker.yml",
        "docs/CODEOWNERS",
        ".codex-runner.toml",
        ".husky/pre-commit",
        ".pre-commit-config.yaml",
        "lefthook.yml",
        ".envrc",
        ".vscode/tasks.json",
        "web/.npmrc",
        ".secrets.baseline",
    ],
)
def test_protected_by_default(path: str) -> None:
    report = check(path)
    assert (report.verdict, codes(report)) == ("refused", ["paths.protected"])
    assert report.findings[0].path == path
    assert report.findings[0].retryable


@pytest.mark.parametrize(
    "path", ["src/a.py", "git.py", "docs/github.md", "agents.py", "caf\udce9.txt", 'a"b\\c\n']
)
def test_ordinary_paths_pass(path: str) -> None:
    assert check(path).verdict == "passed"


def test_deleting_a_protected_file_is_refused() -> None:
    assert codes(check(old=("CODEOWNERS",))) == ["paths.protected"]


def test_a_rename_out_of_the_allowed_paths_is_seen_on_both_sides() -> None:
    report = check("elsewhere/a.py", old=("lib/a.py",), allowed=("src/",))
    assert codes(report) == ["paths.outside", "paths.outside"]


def test_allowed_paths_are_exact() -> None:
    assert check("src/a.py", allowed=("src/",)).verdict == "passed"
    assert codes(check("SRC/a.py", allowed=("src/",))) == ["paths.outside"]


def test_allowed_paths_do_not_open_protected_ones() -> None:
    assert codes(check(".github/x", allowed=("**",))) == ["paths.protected"]


@pytest.mark.parametrize("side", ["old", "new"])
def test_submodules_are_refused(side: str) -> None:
    link = {"vendor/lib": File(b"x" * 40, "160000")}
    builder = CaseBuilder(old=link) if side == "old" else CaseBuilder(new=link)
    assert codes(paths.check(builder.case())) == ["paths.submodule"]


def test_a_change_must_be_inside_of_the_tasks_and_of_the_repositorys_paths() -> None:
    case = CaseBuilder(new={"src/a.py": b"1", "src/b.txt": b"1", "docs/c.py": b"1"}).case()
    plan = case.plan.model_copy(update={"paths": ("src/**",), "repo_paths": ("**/*.py",)})
    report = paths.check(replace(case, plan=plan))
    refused = {(finding.path, finding.why.split(":")[0]) for finding in report.findings}
    assert refused == {
        ("src/b.txt", "src/b.txt (added) is outside of what the repository allows"),
        ("docs/c.py", "docs/c.py (added) is outside of what the task allows"),
    }
