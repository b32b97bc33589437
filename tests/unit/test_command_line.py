"""What the command line says of the policy: a layer that only tightens."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from runner.cli.policy import command
from runner.errors import ConfigError
from runner.policy.command_line import command_layers
from runner.policy.layers import decide_run
from runner.policy.levels import decide_level, policy_bounds
from runner.policy.origins import Origins
from runner.policy.plan import of_policy
from runner.policy.repo_policy import NONE, parse_repo_policy
from runner.policy.settings import Settings
from runner.records.task import Words
from tests.unit.test_plan import a_task

REPO = parse_repo_policy(b'paths = ["src/**"]\nlevel = 1\n[limits]\nlines = 100\n', "repo.toml")


def test_it_tightens_and_is_told_as_the_one_that_decides() -> None:
    said = Words(level=0, limits=("limits.lines=7", "run_usd=0.50"), paths=("src/a/**",))
    decided = decide_run(a_task(), (), REPO, (), said)
    policy = decided.policy
    assert (policy.level, policy.limits.lines, policy.budget.run_usd_micros) == (0, 7, 500_000)
    assert decided.fields["limits.lines"].by[-1].where == "--limit limits.lines=7"
    assert decided.fields["limits.lines"].by[-1].layer == "command line"
    assert not decided.dropped
    standing = decide_level(policy_bounds(decided))
    assert (standing.level, standing.reason) == (0, "task: level = 0, --level 0")
    made = of_policy(decided)
    assert (made["run_paths"], made["repo_paths"]) == (("src/a/**",), ("src/**",))
    origins = Origins(Settings(), decided)
    assert (origins.of("run_paths"), origins.of("repo_paths")) == ("--path", "repo.toml, line 1")


def test_what_is_looser_is_dropped_and_told() -> None:
    said = Words(level=3, limits=("lines=9000", "requests=999", "bytes=5"))
    decided = decide_run(a_task(limits={"bytes": 4}), (), REPO, (), said)
    policy = decided.policy
    assert (policy.level, policy.limits.lines, policy.limits.requests) == (1, 100, 200)
    told = {each.field: (each.asked, each.got, each.by.layer) for each in decided.dropped}
    assert told == {
        "level": (3, 1, "repository"),
        "limits.lines": (9000, 100, "repository"),
        "limits.requests": (999, 200, "built-in"),
        "limits.bytes": (5, 4, "task"),
    }


@given(st.integers(0, 3) | st.none(), st.integers(1, 10_000), st.integers(0, 3))
def test_nothing_it_says_makes_anything_looser(level: int | None, lines: int, mine: int) -> None:
    repo = parse_repo_policy(f"level = {mine}\n".encode(), "r")
    without = decide_run(a_task(), (), repo, ()).policy
    said = Words(level=level, limits=(f"lines={lines}",))
    policy = decide_run(a_task(), (), repo, (), said).policy
    assert policy.level <= without.level and policy.limits.lines <= without.limits.lines
    assert NONE.values == {}


def test_nothing_said_is_no_layer() -> None:
    assert command_layers(Words()) == ()


@pytest.mark.parametrize(
    ("words", "problem", "remedy"),
    [
        (("linez=5",), "--limit: 'linez' is no limit", "did you mean lines?"),
        (("level=5",), "is no limit", "known: "),
        (("budget.lines=5",), "is no limit", "known: "),
        (("lines",), "--limit lines: no value", "--limit lines=200"),
        (("lines=",), "expected a whole number", "whole number"),
        (("lines=1.5",), "expected a whole number", "whole number"),
        (("lines=0",), "--limit lines=0: limits.lines: ", "use 1 or more"),
        (("lines=-1",), "--limit lines=-1: limits.lines: ", "use 1 or more"),
        (("lines=" + "9" * 400,), "expected a whole number", "whole number"),
        (("run_usd=much",), "is not an amount of dollars", '"1.25"'),
        (("lines=1", "lines=2"), "limits.lines is given twice", "once"),
        (("\x1b[31m=1",), "is no limit", "known: "),
        (("lines=\x1b[31m",), "expected a whole number", "whole number"),
    ],
)
def test_a_bad_word_is_two_clear_lines(words: tuple[str, ...], problem: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        command_layers(Words(limits=words))
    assert problem in caught.value.problem and remedy in caught.value.remedy
    assert caught.value.problem.isprintable()
    assert len(caught.value.problem) < 300


@pytest.mark.parametrize("glob", ["", "a\nb", "../x", "a//b"])
def test_a_bad_glob_is_told(glob: str) -> None:
    with pytest.raises(ConfigError, match=r"^--path: paths: "):
        command_layers(Words(paths=(glob,)))


def test_explain_and_show_take_the_same_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["--limit", "lines=7", "--limit", "files=9000", "--level", "0", "--path", "docs/**"]
    run = CliRunner().invoke(command, ["explain", "--json", *words])
    told = {each["field"]: each for each in json.loads(run.stdout)}
    assert told["limits.lines"]["by"] == [{"layer": "command line", "where": "--limit lines=7"}]
    (dropped,) = told["limits.files"]["dropped"]
    assert "--limit files=9000 asks for 9000, cut to 50" in dropped["told"][0]
    assert told["level"]["value"] == 0 and told["level"]["means"]["publication"] == "none"
    assert told["paths"]["value"] == [["docs/**"]]
    shown = CliRunner().invoke(command, ["show", *words]).stdout
    assert "\ncommand line: the options of this command\n" in shown
    assert "note: limits.files: --limit files=9000 asks for 9000, cut to 50" in shown
    assert "command line" not in CliRunner().invoke(command, ["show"]).stdout
