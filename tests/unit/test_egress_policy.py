"""`[setup]` in the repository's policy and in the settings; the story's step over fakes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from runner import run
from runner.errors import ConfigError
from runner.policy.lattice import decide
from runner.policy.notes import notes
from runner.policy.repo_policy import parse_repo_policy
from runner.policy.settings import Settings, load_settings
from runner.policy.setup import decide_setup
from runner.policy.task_file import parse_task
from runner.records.report import RunReport
from runner.records.sandbox import Exit, Overlay
from runner.records.setup import Denied, Setup, SetupResult, Traffic
from runner.report.markdown import report_markdown
from runner.report.terminal import report_rows
from runner.setup import script
from runner.told import Told
from runner.world import Installer
from tests.fake_world import RUN, Scene, ended

REPOSITORY = b"""
[setup]
commands = ["make deps"]
hosts = ["Packages.example.com", "*.files.example.com:443", "other.example.com"]
lockfiles = ["requirements*.txt"]
"""
OPERATOR = """
[setup]
hosts = ["packages.example.com", "a.files.example.com"]
allow_private = ["packages.example.com", "10.1.0.0/16"]
secrets = ["env:INDEX_TOKEN", "NPM_TOKEN=file:/run/secrets/npm"]
"""


NOTHING = Traffic()


def settings(text: str, folder: Path) -> Settings:
    file = folder / "config.toml"
    file.write_text(text)
    return load_settings({}, None, file)


def decided(repository: bytes, user: str, folder: Path) -> tuple[Setup | None, list[str]]:
    operator = settings(user, folder)
    found = decide([*operator.layers, parse_repo_policy(repository, "policy")])
    return decide_setup(found, operator.setup), [*notes(found)]


def test_hosts_are_what_both_sides_say(tmp_path: Path) -> None:
    setup, told = decided(REPOSITORY, OPERATOR, tmp_path)
    assert setup is not None
    assert setup.hosts == ("a.files.example.com", "packages.example.com")
    assert setup.allowed == ("a.files.example.com", "packages.example.com")
    assert len(setup.asked) == 3
    assert setup.secrets == ("INDEX_TOKEN", "NPM_TOKEN")
    assert setup.lockfiles == ("requirements*.txt",)
    (note,) = told
    assert "other.example.com" in note and "config.toml" in note


def test_without_the_operators_word_there_is_no_network(tmp_path: Path) -> None:
    setup, told = decided(REPOSITORY, "", tmp_path)
    assert setup is not None and setup.hosts == () and len(told) == 3
    setup, told = decided(b'[setup]\ncommands = ["true"]', OPERATOR, tmp_path)
    assert setup is not None and setup.hosts == () and told == []


def test_without_commands_there_is_no_setup(tmp_path: Path) -> None:
    assert decided(b"", OPERATOR, tmp_path)[0] is None


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ('[setup]\nhosts = ["a.example.com"]', "setup.commands: there are none"),
        ('[setup]\ncommands = ["true"]\nhosts = ["10.0.0.1"]', "setup.hosts"),
        ('[setup]\ncommands = ["true"]\nhosts = ["*"]', "setup.hosts"),
        ('[setup]\ncommands = ["true"]\nsecrets = ["env:X"]', "setup.secrets: unknown key"),
        ('[setup]\ncommands = ["true"]\nallow_private = ["a"]', "setup.allow_private: unknown key"),
        ('[setup]\ncommands = ["true"]\nlockfiles = ["../x"]', "setup.lockfiles"),
        ('[setup]\ncommands = [" "]', "setup.commands"),
        ('setup = "make deps"', "setup: expected a table"),
    ],
)
def test_a_wrong_repository(text: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        parse_repo_policy(text.encode(), "policy")


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ('commands = ["true"]', "setup.commands: unknown key"),
        ('hosts = ["http://10.0.0.1"]', "setup.hosts"),
        ('allow_private = ["a.example.com:8443"]', "has a port"),
        ('allow_private = ["10.1.0.1/16"]', "no network"),
        ('secrets = ["the-secret-itself"]', "which variable"),
        ('secrets = ["file:/x"]', "which variable"),
        ('secrets = ["1X=file:/x"]', "name of a variable"),
        ('ca = "relative.pem"', "setup.ca"),
    ],
)
def test_wrong_settings(line: str, word: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=word) as caught:
        settings(f"[setup]\n{line}", tmp_path)
    assert "the-secret" not in caught.value.problem


def test_a_task_has_no_setup() -> None:
    with pytest.raises(ConfigError, match="setup: unknown key"):
        parse_task(b'+++\n[setup]\nhosts = ["a.example.com"]\n+++\nDo it.\n', "task.md")


def test_each_command_has_a_shell_of_its_own(tmp_path: Path) -> None:
    from runner.process import clean_env
    from runner.process import run as execute

    commands = ["echo 'one $HOME' # )", "cd /; X=1", 'echo "[$X]"; exit 3', "echo never"]
    done = execute(["/bin/sh", "-c", script(commands)], env=clean_env({"HOME": "/h"}))
    assert done.code == 3
    said = done.stdout.decode().splitlines()
    assert [each for each in said if not each.startswith("+")] == ["one $HOME", "[]"]


def play(end: Exit, traffic: Traffic = NOTHING, tail: str = "") -> tuple[Scene, RunReport]:
    scene = Scene()
    plain = scene.world()

    def install(overlay: Overlay) -> SetupResult:
        scene.log.append("install")
        return SetupResult(exit=end, tail=tail, traffic=traffic)

    plan = plain.plan.model_copy(update={"setup": Setup(commands=("make deps",))})
    world = replace(plain, plan=plan, setup=Installer(install, None))
    told = Told(RUN, scene.folder, scene.progress)
    with told:
        run.tell(world, told)
    assert told.report is not None
    return scene, told.report


def test_installed_before_the_agent_begins() -> None:
    scene, report = play(ended(code=0))
    assert report.conclusion == "published"
    order = ["layer", "install", "workspace agent"]
    assert [row for row in scene.log if row in order] == order
    assert scene.progress.phases[0] == "setup"
    assert report.setup is not None and report.setup.key == "e" * 64


DENIED = Denied(host="b.example.com", why="not in the operator's settings", remedy='hosts = ["b"]')


@pytest.mark.parametrize(
    ("end", "code", "words"),
    [
        (ended(code=1), 3, ("exit status 1: ERROR: no version found", "b.example.com")),
        (ended("wall-clock"), 3, ("setup_s 900",)),
        (ended("disk"), 5, ("disk",)),
        (ended("interrupted"), 130, ("interrupted",)),
        (ended("halted"), 4, ("halted",)),
    ],
)
def test_a_setup_that_ends_otherwise_ends_the_run(
    end: Exit, code: int, words: tuple[str, ...]
) -> None:
    tail = "looking ...\nERROR: no version found\n"
    scene, report = play(end, Traffic(denied=(DENIED,)), tail)
    assert report.exit_code == code
    assert report.problem is not None
    for word in words:
        assert word in report.problem.problem
    assert not [row for row in scene.log if row.startswith(("workspace", "lend", "push"))]
    if code == 3:
        assert report.problem.remedy.startswith('hosts = ["b"]; or ')
    assert report.setup is not None and report.setup.key == "" and report.setup.tail == tail


def test_the_report_names_the_line_that_would_allow_a_host() -> None:
    hostile = Denied(host="-", why="a\n| broken | `table` <b>", times=3)
    traffic = Traffic(reached=("a.example.com",), denied=(DENIED, hostile))
    _, report = play(ended(code=1), traffic, "::error::no\n")
    text = report_markdown(report)
    assert "### Setup" in text and "failed; 1 hosts reached, 2 denied" in text
    assert "denied `b.example.com`: `not in the operator's settings`; allowed by `hosts = " in text
    assert "(3 times)" in text and "<b>" not in text and "\n::error" not in text
    rows = [row for row, _ in report_rows(report, Path("/folder"))]
    assert any('allowed by hosts = ["b"]' in row for row in rows)
