"""Codex's own requirements.toml and .rules files as layers."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from runner.cli.policy import command
from runner.errors import ConfigError
from runner.policy.codex_requirements import codex_files, read_codex_file
from runner.policy.operator_files import Said, of_codex
from runner.policy.starlark import read_rules_file

REQUIREMENTS = """\
allowed_sandbox_modes = ["read-only", "workspace-write"]
allowed_approval_policies = ["never"]
allowed_web_search_modes = ["cached"]
enforce_residency = "us"

[features]
goals = false
hooks = true

[mcp_servers.calc.identity]
command = "python3"

[rules]
prefix_rules = [
  { pattern = [{ token = "git" }, { any_of = ["push", "fetch"] }], decision = "forbidden" },
  { pattern = [{ token = "curl" }], decision = "prompt", justification = "no network" },
]
"""


def test_requirements_become_a_layer_of_the_organisation() -> None:
    file = read_codex_file(REQUIREMENTS.encode(), "requirements.toml")
    layer = file.layer
    assert (layer.name, layer.source) == ("organisation", "requirements.toml")
    assert [each.shown for each in layer.values["rules"]] == ["git fetch|push", "curl"]
    assert layer.values["features_off"] == ("goals",)
    assert layer.place("features_off") == "requirements.toml, line 6"
    assert "level" not in layer.values
    assert file.inner_sandbox == "requirements.toml, line 1"
    assert file.notes == ("requirements.toml: codex-runner does not heed enforce_residency",)
    assert layer.sha256 and len(layer.sha256) == 64


@pytest.mark.parametrize(
    ("text", "level"),
    [
        ('allowed_sandbox_modes = ["read-only"]', 0),
        ('allowed_sandbox_modes = ["read-only", "external-sandbox"]', 0),
        ('allowed_sandbox_modes = ["read-only", "danger-full-access"]', None),
        ('allowed_approval_policies = ["on-request"]', 1),
        ("allowed_approval_policies = [{ granular = { rules = true } }]", 1),
        ('allowed_approval_policies = ["never", { granular = { rules = true } }]', None),
        ('allowed_approval_policies = ["untrusted"]\nallowed_sandbox_modes = ["read-only"]', 0),
        ("", None),
    ],
)
def test_modes_and_approvals_bound_the_level(text: str, level: int | None) -> None:
    layer = read_codex_file(text.encode(), "requirements.toml").layer
    assert layer.values.get("level") == level


def test_an_organisation_that_forbids_full_access_requires_the_inner_sandbox() -> None:
    for before in ("auto", "off", "required"):
        said = Said()
        said.put("inner_sandbox", before, "config.toml")
        of_codex(read_codex_file(REQUIREMENTS.encode(), "requirements.toml"), said)
        said.put("inner_sandbox", "off", "--inner-sandbox")
        assert said.values["inner_sandbox"] == "required"
        assert said.origin["inner_sandbox"] == "requirements.toml, line 1"


@pytest.mark.parametrize(
    ("old", "new", "problem", "remedy"),
    [
        ("enforce_residency", "enforce_residenc", "line 4: enforce_residenc: unknown key", "did"),
        ("workspace-write", "workspace-writ", "line 1: allowed_sandbox_modes: is none", "use"),
        ("goals = false", "goals = 'no'", "line 7: features.goals: expected true", "write"),
        ("prefix_rules", "prefix_rule", "line 14: rules.prefix_rule: unknown key", "did"),
        ('"prompt"', '"deny"', "line 14: rules.prefix_rules.1.decision: is none of", "write"),
        ("justification", "reason", "line 14: rules.prefix_rules.1.reason: unknown key", "known"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, problem: str, remedy: str) -> None:
    assert REQUIREMENTS.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        read_codex_file(REQUIREMENTS.replace(old, new).encode(), "requirements.toml")
    assert f"requirements.toml, {problem}" in caught.value.problem
    assert caught.value.remedy.startswith(remedy)


def test_both_spellings_of_a_table_count() -> None:
    text = b"features = { a = false }\nfeature_requirements = { b = false, c = true }\n"
    layer = read_codex_file(text, "requirements.toml").layer
    assert layer.values["features_off"] == ("a", "b")
    assert layer.place("features_off") == "requirements.toml, line 1"


RULES = """\
# what codex wrote itself
prefix_rule(pattern=["git", ["push", "fetch"]], decision="forbidden",
            justification="why", match=["git push x"], not_match=[["git", "status"]])
prefix_rule(["ls"], "allow")
host_executable(name="git", paths=["/usr/bin/git"])
"""


def test_a_rules_file_becomes_a_layer() -> None:
    file = read_codex_file(RULES.encode(), "default.rules")
    first, second = file.layer.values["rules"]
    assert (first.shown, first.decision, first.justification) == (
        *("git fetch|push", "forbidden", "why"),
    )
    assert (second.shown, second.decision) == ("ls", "allow")
    assert (first.where, second.where) == ("default.rules, line 2", "default.rules, line 4")
    assert file.notes == (
        "default.rules, line 5: host_executable: not heeded, the sandbox's walls decide",
    )
    assert not file.inner_sandbox


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('X = "git"', "line 1: only prefix_rule(...) is read"),
        ("\n\ndef f():\n  pass", "line 3: only prefix_rule(...) is read"),
        ('[prefix_rule(pattern=[x]) for x in ["a"]]', "line 1: only prefix_rule(...) is read"),
        ('load("//x", "y")', "line 1: only prefix_rule(...) is read"),
        ("__import__('os').system('true')", "line 1: only prefix_rule(...) is read"),
        ("prefix_rule(pattern=[\n X])", "line 2: pattern: is neither a string nor a list"),
        ("prefix_rule(pattern=[f'{1}'])", "line 1: pattern: is neither a string nor a list"),
        ("prefix_rule(pattern=['a' + 'b'])", "line 1: pattern: is neither a string nor a list"),
        ("prefix_rule(pattern=[['a',\n ['b']]])", "line 1: pattern: a word is a printable"),
        ("prefix_rule(pattern=[[['a', ['b']]]])", "line 1: pattern: is neither a string"),
        ("prefix_rule(pattern=['a'\n 'b'])", "line 2: two strings side by side"),
        ("prefix_rule(['a'], pattern=['a'])", "line 1: pattern: known once"),
        ("prefix_rule(patern=['a'])", "line 1: patern: known once"),
        ("prefix_rule(**{})", "line 1: known once"),
        ("prefix_rule('a', 'b', [], [], 'c', 'd')", "line 1: too many arguments"),
        ("prefix_rule(pattern=['a'],\n\n match=['b'])", "line 3: match: the example 'b' does not"),
        ("prefix_rule(pattern=['a'], decision='deny')", "line 1: decision: is none of"),
        ("prefix_rule(", "line 1: '(' was never closed"),
        ("x" * 70_000, "more than 65536 bytes"),
        ("-" * 60_000 + "1", "nested too deeply"),
        ("(" * 60_000, "line 1: too many nested parentheses"),
        ("a" + ".b" * 30_000, "nested too deeply"),
        ("prefix_rule(['a'])\n" * 501, "more than 500 rules"),
    ],
)
def test_more_than_literals_is_an_error_with_its_line(text: str, problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_rules_file(text, "x.rules")
    assert problem in caught.value.problem and caught.value.problem.startswith("x.rules")


def test_the_files_of_this_machine(tmp_path: Path) -> None:
    assert codex_files(tmp_path / "none") == ()
    (tmp_path / "rules").mkdir(mode=0o755)
    tmp_path.chmod(0o755)
    for name, text in (("requirements.toml", REQUIREMENTS), ("rules/b.rules", RULES)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o644)
    (tmp_path / "rules" / "a.txt").write_text("no rules")
    found = codex_files(tmp_path)
    assert [file.layer.source for file in found] == [
        *(str(tmp_path / "requirements.toml"), str(tmp_path / "rules" / "b.rules"))
    ]
    (tmp_path / "rules" / "c.rules").symlink_to("b.rules")
    assert len(codex_files(tmp_path)) == 3, "as a mounted ConfigMap has them"
    (tmp_path / "rules" / "b.rules").chmod(0o666)
    with pytest.raises(ConfigError, match="can be changed by other users"):
        codex_files(tmp_path)


def test_policy_check_reads_them(tmp_path: Path) -> None:
    good, bad = tmp_path / "default.rules", tmp_path / "requirements.toml"
    good.write_text(RULES)
    bad.write_text(REQUIREMENTS.replace("enforce_residency", "enforce_residenc"))
    done = CliRunner().invoke(command, ["check", str(good), "--as", "codex"])
    assert (done.exit_code, done.stdout) == (0, f"ok: {good}: organisation, 1 fields\n")
    assert CliRunner().invoke(command, ["check", str(good)]).exit_code == 0
    done = CliRunner().invoke(command, ["check", str(bad), "--as", "codex"])
    assert done.exit_code == 2 and "did you mean enforce_residency?" in done.stderr
