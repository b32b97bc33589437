"""`[[examples]]` of a policy: how they are read, and what proves them."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from runner.cli.policy import command
from runner.cli.policy_layers import layer_of
from runner.errors import ConfigError, NothingToDoError
from runner.gates.judge import gates
from runner.gates.secrets import SecretsGate
from runner.guardrails.guard import GATE
from runner.policy.examples import GATES, KEYS, OF_CHANGE, examples_of
from runner.policy.operator_files import read_operator
from runner.policy.schema import schema
from runner.proving import Bench, Miss, claims, prove
from tests.fakes import nothing_found

POLICY = """\
protected = ["vault/"]
[limits]
lines = 500
[classes]
docs = 1
[[rules]]
pattern = ["git", "push"]
decision = "forbidden"
match = ["git push"]
"""


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=True)


def misses(tmp_path: Path, *rows: str, policy: str = POLICY) -> dict[str, Miss]:
    """Of one example, by what came out otherwise; its last line is what it expects."""
    file = tmp_path / "requirements.toml"
    file.write_text("\n".join((policy, "[[examples]]", 'name = "x"', *rows, "")))
    (claim,) = claims((layer_of(file, None),), {}, tmp_path)
    found = prove(claim, Bench(lambda: nothing_found, tmp_path)).misses
    return {miss.what: miss for miss in found}


@pytest.mark.parametrize(
    ("given", "decision"),
    [
        ('"git push origin"', "forbidden"),
        ('"true && sudo git push"', "forbidden"),
        ('["git", "push"]', "forbidden"),
        ('["echo", "git push"]', "allow"),
        ('"git pull"', "allow"),
        ('"bash -c \\"$(cat x)\\""', "prompt"),
    ],
)
def test_commands(tmp_path: Path, given: str, decision: str) -> None:
    for expected in ("forbidden", "prompt", "allow"):
        found = misses(tmp_path, f"command = {given}", f'expect = "{expected}"')
        assert (not found) == (expected == decision)
        if found:
            assert found["decision"].found == decision and found["decision"].by


def test_fields_are_what_they_come_to_under_the_wishes_of_lower_layers(tmp_path: Path) -> None:
    wishes = (
        "user = { limits = { files = 7, lines = 9000 }, gates = ['acme'] }",
        'repository = { protected = ["own/"], limits = { bytes = 9 } }',
        'task = { title = "Fix the login form", limits = { lines = 800, bytes = 5 } }',
    )
    expected = (
        "[examples.expect]\nlevel = 1\nlimits = { lines = 500, files = 7, bytes = 5 }\n"
        'protected = ["own/", "vault/"]\ngates = ["acme"]\nbudget.run_usd = "1"'
    )
    found = misses(tmp_path, *wishes, expected)
    assert [*found] == ["budget.run_usd_micros"]
    found = misses(tmp_path, *wishes, "expect = { level = 2, limits = { lines = 800 } }")
    assert (found["level"].found, found["limits.lines"].found) == (1, 500)
    assert found["level"].by.startswith("class: security: it says")
    assert found["limits.lines"].by.endswith("requirements.toml, line 3")


def test_only_what_is_added_up_may_be_told_in_part(tmp_path: Path) -> None:
    policy = 'models = ["a", "b"]\ngates = ["acme", "other"]\n'
    assert misses(tmp_path, 'expect = { models = ["a"] }', policy=policy)
    assert not misses(tmp_path, 'expect = { models = ["b", "a"] }', policy=policy)
    assert not misses(tmp_path, 'expect = { gates = ["acme"] }', policy=policy)
    assert misses(tmp_path, 'expect = { gates = ["acme", "third"] }', policy=policy)
    rule = '[[examples.expect.rules]]\npattern = ["git", "push"]\ndecision = "{}"'
    assert not misses(tmp_path, rule.format("forbidden"))
    assert misses(tmp_path, rule.format("prompt"))


def test_who_started_it_lowers_the_level(tmp_path: Path) -> None:
    assert not misses(tmp_path, "expect = { level = 2 }")
    assert not misses(tmp_path, 'event = "issues"', "expect = { level = 1 }")
    assert not misses(tmp_path, 'event = "push"', "expect = { level = 2 }")


@pytest.mark.parametrize(
    ("edit", "expect"),
    [
        (
            'path = ".github/workflows/ci.yml", before = "on: push", after = ""',
            'gate = "paths", verdict = "refused", code = "paths.protected"',
        ),
        ('path = "vault/a", after = "x"', 'code = "paths.protected"'),
        ('path = "vault/a", before = "x"', 'verdict = "refused"'),
        ('path = "a.py", before = "a = 1\\n", after = "a = 2\\n"', 'verdict = "passed", level = 2'),
        ('path = "a.md", before = "a\\n", after = "b\\n"', 'gate = "size", verdict = "passed"'),
        ('path = "docs/a.md", before = "a\\n", after = "b\\n"', "level = 1"),
        ('path = "auth/login.py", after = "password = check()\\n"', 'code = "class.security"'),
        ('path = "a", after = """' + "x\\n" * 501 + '"""', 'gate = "size", code = "size.lines"'),
        ('path = ".git/config", after = "x"', 'gate = "ingest", verdict = "refused"'),
        ('path = "a b\\"\\\\.py", after = "x"', 'gate = "ingest", verdict = "passed"'),
    ],
)
def test_changes_are_judged_by_the_gates(tmp_path: Path, edit: str, expect: str) -> None:
    assert not misses(tmp_path, f"diff = [{{ {edit} }}]", f"expect = {{ {expect} }}")


def test_what_a_change_came_to_is_told(tmp_path: Path) -> None:
    edit = 'diff = [{ path = "vault/a", after = "x" }, { path = "b", before = "y", after = "y" }]'
    found = misses(tmp_path, edit, 'expect = { verdict = "passed", level = 3, code = "x.y" }')
    assert found["verdict"].found == "refused"
    assert "is protected by the rule vault/ (" in found["verdict"].by
    assert found["verdict"].by.endswith("requirements.toml, line 1)")
    assert found["code"].found == ["paths.protected"] and found["level"].found == 2
    task = 'task = { title = "Fix b", paths = ["c/**"] }'
    found = misses(
        tmp_path,
        edit.replace('= "y" }]', '= "z" }]'),
        task,
        'expect = { gate = "paths", code = "paths.outside" }',
    )
    assert not found
    found = misses(tmp_path, 'diff = [{ path = ".git/x", after = "x" }]', "expect = { level = 2 }")
    assert found["level"].found is None, "what is not measured has no class"
    gate = 'expect = { gate = "paths", verdict = "passed" }'
    found = misses(tmp_path, 'diff = [{ path = ".git/x", after = "x" }]', gate)
    assert found["paths: verdict"].found == "not asked"


def test_the_gates_an_example_may_name_are_those_that_are_asked() -> None:
    cheap = [
        gate.NAME for gate, is_cheap in gates(nothing_found, SecretsGate(nothing_found)) if is_cheap
    ]
    assert {*GATES} == {"ingest", *cheap, GATE}


def git(place: Path, *words: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *words], cwd=place, check=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    place = tmp_path / "repository"
    place.mkdir()
    (place / ".codex-runner.toml").write_text(
        '[limits]\nlines = 9\n[[examples]]\nname = "ours"\nexpect = { limits = { lines = 9 } }\n'
    )
    (place / "a").write_text("one\n")
    git(place, "init", "-q", "-b", "main")
    git(place, "add", ".")
    git(place, "commit", "-qm", "one")
    return place


def test_a_patch_file_is_tried_on_the_repository(repository: Path, tmp_path: Path) -> None:
    (repository / "a").write_text("two\n")
    done = subprocess.run(["git", "diff"], cwd=repository, capture_output=True, check=True)
    git(repository, "checkout", "-q", ".")
    (tmp_path / "change.patch").write_bytes(done.stdout)
    file = tmp_path / "requirements.toml"

    def proved(policy: str, patch: str = "change.patch") -> bool:
        rows = f'patch = "{patch}"\nexpect = {{ gate = "paths", verdict = "refused" }}\n'
        file.write_text(f'{policy}\n[[examples]]\nname = "x"\n{rows}')
        (claim,) = claims((layer_of(file, None),), {str(file): tmp_path}, Path("/nowhere"))
        return not prove(claim, Bench(lambda: nothing_found, repository)).misses

    assert proved('protected = ["a"]') and not proved("")
    with pytest.raises(ConfigError, match=r"requirements\.toml, line 3: x: .*b: no such file"):
        proved("", "b")
    (tmp_path / "b").write_text("no patch\n")
    with pytest.raises(ConfigError, match="x: the patch does not apply"):
        proved("", "b")


WRONG = {
    'command = "a"\nexpect = "forbiden"': "expect",
    'command = "a"\nexpects = "allow"': "expects: unknown key",
    'command = ""\nexpect = "allow"': "command: is empty",
    'command = []\nexpect = "allow"': "command: is empty",
    'command = 3\nexpect = "allow"': "command: expected an array",
    'command = "a"\ndiff = []\nexpect = "allow"': "diff: beside command",
    'command = "a"': "expect: an example needs",
    "expect = {}": "it expects nothing",
    "expect = { limits = { line = 3 } }": "limits.line: unknown key",
    "expect = { limits = { lines = 0 } }": "limits.lines",
    'diff = []\nexpect = { verdict = "passed" }': "it changes nothing",
    'diff = [{ path = "../a", after = "" }]\nexpect = { level = 1 }': "path",
    'diff = [{ path = "a" }, { path = "a" }]\nexpect = { level = 1 }': "named once",
    'diff = [{ path = "a", mode = "x" }]\nexpect = { level = 1 }': "mode: unknown key",
    'diff = [{ path = "a" }]\nexpect = { gate = "path", code = "a.b" }': "gate",
    'diff = [{ path = "a" }]\nexpect = { gate = "paths" }': "what of this gate",
    'diff = [{ path = "a" }]\nexpect = { level = 4 }': "level: is too large",
    'diff = [{ path = "a" }]\nexpect = { verdicts = "passed" }': "verdicts: unknown key",
    "task = { titel = 'x' }\nexpect = { level = 1 }": "task.titel: unknown key",
    "user = { engine = 'docker' }\nexpect = { level = 1 }": "user.engine: unknown key",
    "repository = { setup = {lockfiles = []} }\nexpect = { level = 1 }": "setup.commands",
}


def test_nothing_to_test_is_no_success(tmp_path: Path) -> None:
    file = tmp_path / "requirements.toml"
    file.write_text("[limits]\nlines = 3\n")
    done = CliRunner().invoke(command, ["test", str(file)])
    assert isinstance(done.exception, NothingToDoError) and done.exception.exit_code == 7
    assert "no [[examples]] and no [[rules]]" in done.exception.problem
    file.write_text('[[rules]]\npattern = ["ls"]\ndecision = "forbidden"\nmatch = ["ls -l"]\n')
    done = CliRunner().invoke(command, ["test", str(file)])
    assert (done.exit_code, done.stdout) == (0, "examples: 0 hold, 0 failed; rules: 1\n")


@pytest.mark.parametrize("rows", [*WRONG])
def test_what_is_wrong_is_named_with_its_line(rows: str) -> None:
    data = f'[[examples]]\nname = "a"\nexpect = {{ level = 2 }}\n\n[[examples]]\nname = "x"\n{rows}'
    layer = read_operator(data.encode(), "requirements.toml", "organisation")
    with pytest.raises(ConfigError) as caught:
        examples_of(layer)
    place, _, rest = caught.value.problem.partition(": ")
    assert place.startswith("requirements.toml, line ") and int(place.rpartition(" ")[2]) >= 5
    assert WRONG[rows] in rest
    assert "no name" not in rest and caught.value.remedy


def test_a_change_that_changes_nothing_is_a_mistake(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"line 12: x: it changes nothing"):
        misses(tmp_path, 'diff = [{ path = "a", before = "a", after = "a" }]', "expect = {level=2}")


def test_only_policies_have_examples(tmp_path: Path) -> None:
    for kind in ("organisation", "user", "repository"):
        file = tmp_path / "policy.toml"
        file.write_text('[[examples]]\nname = "x"\nexpect = { level = 2 }\n')
        assert len(examples_of(layer_of(file, kind))) == 1
        file.write_text("examples = 3\n")
        with pytest.raises(ConfigError, match="examples: expected an array"):
            layer_of(file, kind)
    task = tmp_path / "task.md"
    task.write_text('+++\n[[examples]]\nname = "x"\n+++\nGo.\n')
    with pytest.raises(ConfigError, match="examples: unknown key"):
        layer_of(task, None)


def test_the_policy_in_force_is_tested_layer_by_layer(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requirements = tmp_path / "requirements.toml"
    expect = "expect = { limits = { lines = 500 } }"
    requirements.write_text(f'[limits]\nlines = 500\n[[examples]]\nname = "theirs"\n{expect}\n')
    monkeypatch.setenv("CODEX_RUNNER_REQUIREMENTS", str(requirements))
    further = tmp_path / "further.toml"
    further.write_text(f'[[examples]]\nname = "all"\n{expect}\n')
    done = call("test", "-C", repository)
    assert done.exit_code == 0, done.output
    assert f"ok      {requirements}, line 4: theirs\n" in done.output
    assert "ok      .codex-runner.toml, line 4: ours\n" in done.output
    assert "examples: 2 hold, 0 failed; rules: 0\n" in done.output
    done = call("test", further, "-C", repository)
    assert done.exit_code == 1
    assert "limits.lines: expected 500, found 9 (.codex-runner.toml, line 2)" in done.output
    done = call("test", further, requirements, "-C", repository, "--json")
    assert done.exit_code == 0
    told: Mapping[str, Any] = json.loads(done.stdout)
    assert [(each["name"], each["ok"]) for each in told["examples"]] == [
        ("theirs", True),
        ("all", True),
    ]


def test_bad_input_is_no_failed_test(tmp_path: Path) -> None:
    for name, content, word in (
        ("absent.toml", None, "no such file"),
        ("odd.toml", "[limits]\nlines = 3\n", "cannot be told from its name"),
        ("config.toml", '[[rules]]\npattern=["a"]\ndecision="allow"\nmatch=["b"]\n', "not match"),
        ("further.toml", '[[examples]]\nnam = "x"\n', "nam: unknown key"),
    ):
        if content is not None:
            (tmp_path / name).write_text(content)
        done = call("test", tmp_path / name)
        assert isinstance(done.exception, ConfigError) and word in done.exception.problem


def test_check_tries_the_examples_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "requirements.toml"
    rows = '[[examples]]\nname = "x"\ncommand = "ls"\nexpect = "{}"\n'
    file.write_text(rows.format("prompt"))
    done = call("check", file)
    assert done.exit_code == 1 and done.stdout.startswith("failed: ")
    assert 'decision: expected "prompt", found "allow" (no rule matches)' in done.stderr
    file.write_text(rows.format("allow"))
    assert call("check", file).exit_code == 0
    file.write_text(rows.format("never"))
    done = call("check", file)
    assert done.exit_code == 2 and "line 4: examples.0.expect" in done.stderr


def test_the_schema_knows_them() -> None:
    validator = jsonschema.Draft202012Validator(schema("repository"))
    example = schema("repository")["properties"]["examples"]["items"]
    assert {*example["properties"]} == {*KEYS}
    assert {*example["oneOf"][1]["properties"]["expect"]["properties"]} == {*OF_CHANGE}
    fields = {"name": "x", "task": {"title": "x"}, "expect": {"limits": {"lines": 5}}}
    change = {"name": "x", "diff": [{"path": "a"}], "expect": {"gate": "paths", "code": "a.b"}}
    words = {"name": "x", "command": "git push", "expect": "forbidden"}
    assert validator.is_valid({"examples": [fields, change, words]})
    for wrong in (
        {**words, "expect": "never"},
        {**words, "diff": [{"path": "a"}]},
        {**change, "expect": {"gates": "paths"}},
        {**fields, "expect": "allow"},
        {"name": "x"},
    ):
        assert not validator.is_valid({"examples": [wrong]})
    assert "examples" not in schema("task")["properties"]
