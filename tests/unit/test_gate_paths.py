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
        ".tekton/push.yaml",
        ".azure-pipelines/a.yml",
        "ci/azure-pipelines-release.yaml",
        "cloudbuild.json",
        "deploy/cloudbuild.yaml",
        ".readthedocs.yml",
        ".builds/a.yml",
        ".build.yml",
        ".zuul.yaml",
        ".zuul.d/jobs.yaml",
        "web/netlify.toml",
        "vercel.json",
        ".cargo/config.toml",
        ".zed/tasks.json",
        ".vs/launch.vs.json",
        ".idea/workspace.xml",
        "a.code-workspace",
        ".gemini/settings.json",
        "GEMINI.md",
        ".kiro/hooks/a",
        ".roo/rules",
        ".roomodes",
        ".clinerules",
        ".clinerules/a.md",
        ".windsurfrules",
        ".windsurf/rules",
        ".opencode/agent.md",
        ".junie/guidelines.md",
        ".cursor/rules",
        ".cursorrules",
        ".bazelrc",
        ".vimrc",
        "sub/.exrc",
        ".gdbinit",
        ".lldbinit",
        ".tool-versions",
        "mise.toml",
        "src/sitecustomize.py",
        "usercustomize.py",
        "a.PTH",
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


@pytest.mark.parametrize(
    "path", [".newtool", ".newtool/config", ".newtool/a/b", "\u200b.newtool", "."]
)
def test_a_dotfile_new_at_the_root_is_refused(path: str) -> None:
    for allowed in ((), ("**",), (".*",), ("**/.newtool/",), (".new/",), (".NewTool/",)):
        report = check(path, allowed=allowed)
        assert report.verdict == "refused"
        assert codes(report) in (["paths.new-dotfile"], ["paths.outside"])
    assert codes(check(path)) == ["paths.new-dotfile"]


@pytest.mark.parametrize("pattern", [".newtool", ".newtool/", ".newtool/**", "/.newtool/*"])
def test_a_task_may_name_a_new_dotfile(pattern: str) -> None:
    path = ".newtool" if pattern == ".newtool" else ".newtool/config"
    assert check(path, allowed=(pattern,)).verdict == "passed"


def test_dotfiles_of_the_base_stay_editable() -> None:
    assert check(".coveragerc", old=(".coveragerc",)).verdict == "passed"
    assert check(old=(".coveragerc",)).verdict == "passed"
    assert check(".tool/old", ".tool/new", old=(".tool/old",)).verdict == "passed"
    assert check("sub/.hidden", "src/.keep").verdict == "passed"
    assert codes(check(".tool/new", ".toolbox", old=(".tool/old",))) == ["paths.new-dotfile"]


@pytest.mark.parametrize("path", ["conftest.py", "package.json", "setup.py", "Makefile"])
def test_test_and_build_configuration_stays_editable(path: str) -> None:
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
    narrow = plan.model_copy(update={"run_paths": ("src/b*",)})
    told = [each.rule for each in paths.check(replace(case, plan=narrow)).findings]
    assert sorted(told) == ["paths", "repo_paths", "run_paths"], "the command line's come last"
    report = paths.check(replace(case, plan=plan))
    refused = {(finding.path, finding.why.split(":")[0]) for finding in report.findings}
    assert refused == {
        ("src/b.txt", "src/b.txt (added) is outside of what the repository allows"),
        ("docs/c.py", "docs/c.py (added) is outside of what the task allows"),
    }


@pytest.mark.parametrize(
    "path",
    [
        ".github./workflows/x.yml",
        ".github /workflows/x.yml",
        ".github::$INDEX_ALLOCATION/workflows/x.yml",
        ".github\\workflows\\x.yml",
        "sub\\AGENTS.md",
        "AGENTS.md::$DATA",
        "AGENTS.md:stream",
        ".g\u200dithub/x.yml",
        ".GITHUB/x.yml",
        "AGENT\u017f.md",
        "\u200bAGENTS.md",
    ],
)
def test_other_spellings_of_protected_places_are_protected(path: str) -> None:
    assert codes(check(path)) == ["paths.protected"]


@pytest.mark.parametrize(
    "path", ["GITHUB~1/workflows/x.yml", "AGENTS~1.MD", "sub/codex~2/config.toml", "agents~1.md."]
)
def test_new_short_names_are_refused(path: str) -> None:
    assert codes(check(path)) == ["paths.alias"]
    assert check("GITHUB~1/x", old=("GITHUB~1/x",)).verdict == "passed"


@pytest.mark.parametrize("path", ["a~b", "notes.txt~", "v1~2beta/x", "a:b/c", "x~1234567890"])
def test_tildes_and_colons_elsewhere_pass(path: str) -> None:
    assert check(path).verdict == "passed"


def test_mode_only_and_type_changes_of_protected_places_are_seen() -> None:
    old = {".husky/hook": File(b"x\n"), "a": File(b"x\n")}
    for new in (File(b"x\n", "100755"), File(b"../a", "120000")):
        tree = {".husky/hook": new, "a": File(b"x\n")}
        case = CaseBuilder(old=old, new=tree, protected=paths.PROTECTED).case()
        assert codes(paths.check(case)) == ["paths.protected"]


def test_findings_name_the_rule_that_decided() -> None:
    [finding] = check(".github/x").findings
    assert finding.rule == "protected **/.git*/"
    [finding] = check("docs/a", allowed=("src/",)).findings
    assert finding.rule == "paths"
