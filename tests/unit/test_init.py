"""`codex-runner init`: what it writes, and above all what it leaves alone."""

from __future__ import annotations

import json
import os
import re
import stat
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from runner.cli.init import command
from runner.errors import ConfigError
from runner.policy.files import read_bounded
from runner.policy.repo_policy import LOCATIONS
from runner.process import clean_env, run
from runner.starter import task_text, workflow_text
from runner.starter.draft import draft
from tests.terminal import typed
from tests.unit.test_report_verbs import git

POLICY, TASK, WORKFLOW = LOCATIONS[0], task_text.PATH, workflow_text.PATH
TOP = Path(__file__).parents[2]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    path = tmp_path / "checkout"
    path.mkdir()
    git(path, "init", "-q", "-b", "main")
    git(path, "remote", "add", "origin", "https://github.com/o/r.git")
    (path / "go.mod").write_text("module r\n")
    save(path)
    return path


def save(path: Path) -> None:
    git(path, "add", "-A")
    git(path, "commit", "-qm", "all")


def init(checkout: Path, *options: str) -> Result:
    """As a script calls it: nobody to ask."""
    return CliRunner().invoke(command, ["-C", str(checkout), *options], catch_exceptions=True)


def done(checkout: Path, *options: str) -> Result:
    result = init(checkout, *options)
    assert result.exit_code == 0, result
    return result


def refused(checkout: Path, *options: str) -> ConfigError:
    before = files(checkout)
    error = init(checkout, *options).exception
    assert isinstance(error, ConfigError) and error.remedy
    assert files(checkout) == before
    return error


def files(checkout: Path) -> dict[str, str | bytes]:
    """All but git's own."""
    return {
        str(path.relative_to(checkout)): os.readlink(path) if path.is_symlink() else _content(path)
        for path in sorted(checkout.rglob("*"))
        if ".git" not in path.relative_to(checkout).parts
    }


def _content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else stat.filemode(path.lstat().st_mode).encode()


def answered(checkout: Path, answers: str) -> tuple[int, str]:
    """At a terminal: exit code, and everything that was said there."""
    return typed([sys.executable, "-m", "runner", "init", "-C", str(checkout)], answers)


def test_yes_writes_three_files(checkout: Path) -> None:
    result = done(checkout, "--yes")
    assert 'test = "go test ./..."' in (checkout / POLICY).read_text()
    assert (checkout / TASK).is_file()
    assert f"OWNER/codex-runner/workflows/run@{'0' * 40}" in (checkout / WORKFLOW).read_text()
    assert result.stdout.count("\n+++ b/") == 3
    for step in ("git add", "codex-runner doctor", f"run --dry-run {TASK}", "replace OWNER"):
        assert step in result.stdout
    assert not [name for name in files(checkout) if name.startswith(".codex-runner.toml.")]


def test_again_there_is_nothing_to_do(checkout: Path) -> None:
    done(checkout, "--yes")
    before = files(checkout)
    result = done(checkout)
    assert "+++" not in result.stdout and result.stdout.count("unchanged") == 3
    assert files(checkout) == before


def test_the_same_repository_makes_the_same_files(checkout: Path) -> None:
    assert done(checkout, "--print").stdout == done(checkout, "--print").stdout


def test_the_diff_is_a_patch(checkout: Path) -> None:
    """What is shown, applied with git, is what would be written."""
    (checkout / POLICY).write_text("# mine\r\nlines = 1")
    save(checkout)
    shown = done(checkout, "--print").stdout
    patch = "--- " + shown.partition("--- ")[2].partition("\nnot created")[0] + "\n"
    patch = re.sub(r"^kept .*\n", "", patch, flags=re.MULTILINE)
    git(checkout, "apply", "--ignore-whitespace", *_as_file(checkout, patch))
    applied = files(checkout)
    git(checkout, "checkout", "-q", "--", POLICY)
    done(checkout, "--yes", "--force")
    assert applied == files(checkout)


def _as_file(checkout: Path, patch: str) -> tuple[str]:
    path = checkout.parent / "patch"
    path.write_text(patch)
    return (str(path),)


def test_without_a_terminal_nothing_is_written(checkout: Path) -> None:
    error = refused(checkout)
    assert "nothing was written" in error.problem and "--yes" in error.remedy


def test_print_only_shows(checkout: Path) -> None:
    before = files(checkout)
    assert "+++ b/.codex-runner.toml" in done(checkout, "--print").stdout
    assert files(checkout) == before


def test_force_needs_yes(checkout: Path) -> None:
    assert init(checkout, "--force").exit_code == 2
    assert init(checkout, "--force", "--yes", "--print").exit_code == 2


@pytest.mark.parametrize(
    ("answers", "created", "replaced"),
    [
        ("y\ny\n", True, True),
        ("\n\n", True, False),
        ("n\ny\n", False, True),
        ("n\nn\n", False, False),
    ],
)
def test_at_a_terminal_one_is_asked(
    checkout: Path, answers: str, created: bool, replaced: bool
) -> None:
    (checkout / POLICY).write_text("test = false\n")
    save(checkout)
    code, said = answered(checkout, answers)
    assert code == 0, said
    assert f"Write {TASK}, {WORKFLOW}? [Y/n]" in said and f"Replace {POLICY}? [y/N]" in said
    assert (checkout / TASK).exists() == (checkout / WORKFLOW).exists() == created
    assert ((checkout / POLICY).read_text() != "test = false\n") == replaced


def test_a_terminal_that_goes_away_is_a_no(checkout: Path) -> None:
    before = files(checkout)
    code, _ = answered(checkout, "\x04")
    assert code == 130 and files(checkout) == before


def test_what_is_there_is_kept(checkout: Path) -> None:
    (checkout / POLICY).write_text("test = false\n")
    result = done(checkout, "--yes")
    assert (checkout / POLICY).read_text() == "test = false\n"
    assert f"kept         {POLICY}" in result.stdout and "-test = false" in result.stdout
    assert (checkout / TASK).exists()


def test_force_replaces_what_is_committed(checkout: Path) -> None:
    (checkout / POLICY).write_text("test = false\n")
    error = refused(checkout, "--yes", "--force")
    assert "not committed" in error.problem
    save(checkout)
    (checkout / POLICY).chmod(0o640)
    (checkout / POLICY).write_text("test = false\r\n")  # as git checks it out elsewhere
    assert f"replaced     {POLICY}" in done(checkout, "--yes", "--force").stdout
    assert "go test" in (checkout / POLICY).read_text()
    assert stat.S_IMODE((checkout / POLICY).stat().st_mode) == 0o640


def test_content_no_commit_has_is_named_in_the_question(checkout: Path) -> None:
    (checkout / POLICY).write_text("test = false\n")
    _, said = answered(checkout, "n\nn\n")
    assert f"Replace {POLICY}, the content of which is not committed?" in said


def test_a_repository_without_a_commit(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q")
    done(tmp_path, "--yes")
    (tmp_path / POLICY).write_text("test = false\n")
    assert "not committed" in refused(tmp_path, "--yes", "--force").problem


def test_the_policy_where_it_is(checkout: Path) -> None:
    """Two of them would be an error of every run."""
    (checkout / ".github").mkdir()
    (checkout / LOCATIONS[1]).write_text("test = false\n")
    result = done(checkout, "--yes")
    assert f"kept         {LOCATIONS[1]}" in result.stdout
    assert not (checkout / POLICY).exists()


def test_below_the_top(checkout: Path) -> None:
    (checkout / "sub").mkdir()
    done(checkout / "sub", "--yes")
    assert (checkout / POLICY).exists() and not list((checkout / "sub").iterdir())


def test_the_way_to_it_is_told(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(done(checkout, "--yes", "--json").stdout)["next"][0] == f"cd {checkout}"
    monkeypatch.chdir(checkout)
    assert json.loads(done(checkout, "--json").stdout)["next"][0].startswith("git add ")


@pytest.mark.parametrize(
    ("remote", "options", "written"),
    [
        ("https://gitlab.com/o/r.git", (), False),
        ("https://gitlab.com/o/r.git", ("--workflow",), True),
        ("git@github.com:o/r.git", (), True),
        ("git@github.com:o/r.git", ("--no-workflow",), False),
        ("/srv/r.git", (), False),
        (None, (), False),
    ],
)
def test_a_workflow_where_it_is_of_use(
    checkout: Path, remote: str | None, options: tuple[str, ...], written: bool
) -> None:
    git(checkout, "remote", "remove", "origin")
    if remote:
        git(checkout, "remote", "add", "origin", remote)
    told = done(checkout, "--yes", *options).stdout
    assert (checkout / WORKFLOW).exists() == written
    assert ("--no-publish" in told) == (remote is None or "github" not in remote)


def test_github_enterprise_is_github(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git(checkout, "remote", "set-url", "origin", "https://git.example.com/o/r.git")
    monkeypatch.setenv("CODEX_RUNNER_GITHUB_URL", "https://git.example.com")
    done(checkout, "--yes")
    assert (checkout / WORKFLOW).exists()


def test_json(checkout: Path) -> None:
    (checkout / "go.sum").touch()
    told = json.loads(done(checkout, "--json", "--yes").stdout)
    assert told["files"] == [{"path": p, "outcome": "created"} for p in (POLICY, TASK, WORKFLOW)]
    assert told["found"] == {
        "projects": [{"language": "Go", "directory": ".", "why": "go.mod"}],
        "test": {"command": "go test ./...", "why": "go.mod is Go's"},
        "packages": [{"manager": "go", "lockfile": "go.sum"}],
        "ci": None,
        "not_looked_into": [],
    }
    assert told["repository"] == str(checkout) and told["next"]
    again = json.loads(done(checkout, "--json").stdout)
    assert {each["outcome"] for each in again["files"]} == {"unchanged"}


def test_json_asks_nobody(checkout: Path) -> None:
    before = files(checkout)
    result = init(checkout, "--json")
    assert isinstance(result.exception, ConfigError)
    told = json.loads(result.stdout)
    assert {each["outcome"] for each in told["files"]} == {"not created"}
    assert told["next"] == []  # there is nothing to add, commit or run
    assert files(checkout) == before


def _a_link(path: Path) -> None:
    path.symlink_to(path.with_name("elsewhere"))


def _a_link_out(path: Path) -> None:
    away = path.parents[1] / "away"
    away.mkdir()
    path.symlink_to(away)


@pytest.mark.parametrize(
    ("name", "make", "words"),
    [
        (POLICY, _a_link, "symbolic link"),
        (POLICY, os.mkfifo, "not a regular file"),
        (POLICY, os.mkdir, "not a regular file"),
        (POLICY, lambda path: path.write_bytes(b"#" * 70_000), "larger than"),
        (".codex-runner", _a_link_out, "symbolic link"),
        (".codex-runner", lambda path: path.write_text(""), "not a directory"),
        (".github", _a_link_out, "symbolic link"),
        (".github", os.mkfifo, "not a directory"),
        (LOCATIONS[0], lambda path: path.symlink_to("/dev/zero"), "symbolic link"),
    ],
)
@pytest.mark.parametrize("options", [("--yes",), ("--print",)])
def test_nothing_is_written_through_or_over_odd_things(
    checkout: Path, name: str, make: Callable[[Path], object], words: str, options: tuple[str, ...]
) -> None:
    make(checkout / name)
    error = refused(checkout, *options)
    assert words in error.problem and str(checkout / name) in error.problem
    away = checkout.parent / "away"
    assert not away.exists() or not list(away.iterdir())


def test_no_repository_and_no_work_tree(tmp_path: Path) -> None:
    assert "not a git repository" in refused(tmp_path, "--yes").problem
    (tmp_path / "linked").mkdir()
    git(tmp_path, "init", "-q", "--separate-git-dir", "away", "elsewhere")
    (tmp_path / "linked" / ".git").symlink_to(tmp_path / "away")
    assert "does not know it" in refused(tmp_path / "linked", "--yes").problem
    git(tmp_path, "init", "-q", "--bare")
    assert "no work tree" in refused(tmp_path, "--yes").problem


@pytest.mark.parametrize("name", [".", ".codex-runner"])
def test_no_permission(checkout: Path, name: str) -> None:
    """Nothing is half done. Root, who may write anywhere, tries without that privilege."""
    (checkout / name).mkdir(exist_ok=True)
    before = files(checkout)
    (checkout / name).chmod(0o555)
    caps = "-dac_override,-dac_read_search"
    drop = ["setpriv", f"--inh-caps={caps}", f"--bounding-set={caps}", "--"]
    argv = [sys.executable, "-m", "runner", "init", "--yes", "-C", str(checkout)]
    ended = run([*(drop if os.geteuid() == 0 else ()), *argv], env=clean_env({"HOME": "/"}))
    (checkout / name).chmod(0o755)
    assert ended.code == 2, ended
    problem, remedy = ended.stderr.decode().splitlines()
    place = (checkout / name).resolve()
    assert problem == f"error: cannot write {place}: Permission denied" and remedy
    assert files(checkout) == before


def test_a_change_while_one_thinks_is_not_lost(checkout: Path) -> None:
    read = partial(read_bounded, follow=False)
    waiting = draft(checkout, POLICY, "new\n", read)
    (checkout / POLICY).write_text("mine\n")
    with pytest.raises(ConfigError, match="was changed"):
        waiting.write(read)
    assert (checkout / POLICY).read_text() == "mine\n"


def test_hostile_content_is_shown_harmless(checkout: Path) -> None:
    (checkout / POLICY).write_bytes(b"\x1b]0;pwned\x07\xff\n\xe2\x80\xaeabc\n")
    shown = done(checkout, "--print").stdout
    assert "\x1b" not in shown and "\u202e" not in shown and "-\\x1b]0;pwned" in shown


def test_line_ends_alone(checkout: Path) -> None:
    done(checkout, "--yes")
    text = (checkout / TASK).read_text()
    (checkout / TASK).write_text(text.replace("\n", "\r\n"), newline="")
    assert f"{TASK} differs in white space only" in done(checkout, "--print").stdout


def test_the_workflow_speaks_to_the_action() -> None:
    """The inputs it gives exist, the required ones are given, and checkout is the example's."""
    given = set(re.findall(r"^ {10}([a-z-]+): ", workflow_text.TEXT, re.MULTILINE))
    action = (TOP / "workflows/run/action.yml").read_text().partition("outputs:")[0]
    inputs = dict(re.findall(r"^  ([a-z-]+):\n((?:    .*\n)+)", action, re.MULTILINE))
    required = {name for name, rows in inputs.items() if "required: true" in rows}
    assert required
    assert required <= given - {"persist-credentials"} <= inputs.keys()
    assert workflow_text.CHECKOUT in (TOP / "workflows/nightly.yml").read_text()
    assert workflow_text.ACTION in (TOP / "workflows/nightly.yml").read_text()
