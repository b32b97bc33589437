"""`codex-runner policy`: show, explain, check, diff, schema."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner, Result

from runner.cli.policy import command
from runner.errors import RunnerError
from runner.policy.operator_files import KEYS
from runner.policy.readers import LEAVES
from runner.policy.task_file import KEYS as TASK_KEYS
from runner.records.policy import fields

POLICY = 'test = "make check"\nprotected = ["vault/"]\n[limits]\nlines = 100\nfiles = 900\n'
TASK = '+++\ntitle = "t"\n[limits]\nlines = 300\nbytes = 500\n+++\nGo.\n'


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(command, [str(word) for word in words], catch_exceptions=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    path = tmp_path / "repository"
    path.mkdir()
    (path / ".codex-runner.toml").write_text(POLICY)
    who = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-qm", "one"]):
        subprocess.run(["git", "-C", str(path), *words], check=True)
    (path / ".codex-runner.toml").write_text("this is not committed and not read")
    (tmp_path / "task.md").write_text(TASK)
    return path


def told(repository: Path, *words: str | Path) -> Any:
    done = call(*words, "-C", repository, "--task", repository.parent / "task.md", "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_explain_covers_every_field(repository: Path) -> None:
    every = told(repository, "explain")
    assert [each["field"] for each in every] == [*fields()]
    assert all(each["by"] and each["by"][-1]["where"] for each in every)


def test_each_can_be_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in (*fields(), *(key for key in KEYS if key not in {"setup", "review"})):
        (one,) = json.loads(call("explain", name, "--json").stdout)
        assert one["field"] == name


def test_explain_names_layer_line_and_what_was_dropped(repository: Path) -> None:
    (lines,) = told(repository, "explain", "limits.lines")
    assert lines["value"] == 100
    assert lines["by"] == [{"layer": "repository", "where": ".codex-runner.toml, line 4"}]
    (dropped,) = lines["dropped"]
    assert dropped["asked"] == 300 and dropped["by"]["where"].endswith("task.md, line 4")
    done = call("explain", "limits", "-C", repository)
    assert "limits.files = 50\n  by built-in\n  dropped: the repository's" in done.output
    assert [each["field"] for each in told(repository, "explain", "static")] == [
        name for name in fields() if name.startswith("static.")
    ]


def test_explain_says_what_a_level_stands_for(repository: Path) -> None:
    (level,) = told(repository, "explain", "level")
    assert (level["value"], level["means"]["publication"]) == (2, "draft")
    shown = call("explain", "level", "-C", repository).stdout
    assert "means autonomous with gates: sandbox workspace-write" in shown
    assert "approvals none, gates all, publication draft" in shown


def test_explain_says_where_a_task_would_start(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = repository.parent / "task.md"
    task.write_text('+++\ntitle = "Fix the login form"\n+++\nIts password field is wrong.\n')
    (level,) = told(repository, "explain", "level")
    assert level["value"] == 2 and level["starts_at"].startswith("1 supervised (class: security: ")
    shown = call("explain", "level", "-C", repository, "--task", task).stdout
    assert "\n  with this task a run starts at no more than 1 supervised (class: " in shown
    monkeypatch.setenv("GITHUB_EVENT_NAME", "issues")
    task.write_text('+++\ntitle = "Mend the docs"\npaths = ["docs/**"]\n+++\nGo.\n')
    assert "1 supervised (trigger: " in told(repository, "explain", "level")[0]["starts_at"]
    assert "starts_at" not in json.loads(call("explain", "level", "--json").stdout)[0]


def test_explain_tells_settings_too(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEX_RUNNER_ENGINE", "bubblewrap")
    (engine,) = told(repository, "explain", "engine")
    assert engine["value"] == "bubblewrap"
    assert engine["by"] == [{"layer": "settings", "where": "CODEX_RUNNER_ENGINE"}]


def test_an_unknown_field_is_told_with_a_near_one(repository: Path) -> None:
    done = call("explain", "limits.line", "-C", repository)
    assert "is no field" in str(done.exception)
    assert getattr(done.exception, "remedy", "") == "did you mean limits.lines?"


def test_a_field_that_cannot_be_explained_is_not_proposed(repository: Path) -> None:
    done = call("explain", "notes", "-C", repository)  # of the settings, but no key of a file
    assert "is no field" in str(done.exception)
    assert "notes" not in getattr(done.exception, "remedy", "notes")


def test_show(repository: Path) -> None:
    shown = told(repository, "show")
    assert shown["policy"]["limits"]["lines"] == 100
    assert shown["policy"]["protected"][-1] == "vault/"
    assert [each["layer"] for each in shown["layers"]] == ["built-in", "repository", "task"]
    assert shown["by"]["limits.lines"] == [".codex-runner.toml, line 4"]
    assert len(shown["policy_sha256"]) == 64 and len(shown["notes"]) == 2
    done = call("show", "-C", repository)
    for name in fields():
        assert f"{name} " in done.output
    assert f"policy: sha256:{told_digest(repository)}" in done.output


def told_digest(repository: Path) -> str:
    done = call("show", "-C", repository, "--json")
    return str(json.loads(done.stdout)["policy_sha256"])


def test_outside_of_every_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = call("show", "--json")
    assert [each["layer"] for each in json.loads(done.stdout)["layers"]] == ["built-in"]


def test_check(tmp_path: Path) -> None:
    right, wrong = tmp_path / "requirements.toml", tmp_path / "config.toml"
    right.write_text('pin = ["limits.lines"]\n[limits]\nlines = 3\n')
    wrong.write_text("[limits]\nline = 3\n")
    done = call("check", right, wrong, tmp_path / "absent.md")
    assert done.exit_code == 2
    assert done.stdout == f"ok: {right}: organisation, 1 fields, 1 pinned\n"
    assert f"error: {wrong}, line 2: limits.line: unknown key\ntry: did you mean" in done.stderr
    assert "absent.md: no such file" in done.stderr
    for name, why in {"absent.toml": ": no such file", "": " is a directory"}.items():
        done = call("check", tmp_path / name)
        assert (done.exit_code, str(done.exception)) == (2, "2")
        assert f"error: {tmp_path / name}{why}\ntry: " in done.stderr
    odd = tmp_path / "policy.txt"
    odd.write_text("pin = []\n")
    assert "--as" in call("check", odd).stderr
    assert call("check", odd, "--as", "organisation").exit_code == 0
    assert call("check", odd, "--as", "repository").exit_code == 2


@pytest.mark.parametrize("name", ["requirements.toml", "config.toml", ".codex-runner.toml", "t.md"])
@pytest.mark.parametrize("verb", ["check", "diff", "test", "replay"])
def test_whatever_a_file_is_two_lines_say_so(verb: str, name: str, tmp_path: Path) -> None:
    bad: dict[str, tuple[bytes | None, str]] = {
        "directory": (None, "is not a regular file"),
        "binary": (bytes(range(256)), "NUL byte"),
        "latin": (b'title = "\xe4"\n', "byte 0xe4 is not UTF-8"),
        "huge": (b"#" * 2_000_000, "is larger than"),
        "bom": (b'\xef\xbb\xbf# "x"\n', "begins with a byte order mark"),
        "cr": (b"a\rb\n", "carriage return without line feed"),
    }
    for kind, (content, why) in bad.items():
        place = tmp_path / kind
        place.mkdir()
        file = place / name
        file.mkdir() if content is None else file.write_bytes(content)
        words: dict[str, list[str | Path]] = {
            "diff": [file, file],
            "replay": ["--policy", file, "--state", tmp_path],
        }
        done = call(verb, *words.get(verb, [file]))
        error = done.exception
        told = "\n".join(error.lines()) if isinstance(error, RunnerError) else done.stderr
        assert why in told and len(told.strip().splitlines()) == 2, (kind, told)
        assert f"{file}" in told.splitlines()[0] and told.splitlines()[1].startswith("try: ")


def test_line_ends_of_windows_are_line_ends(tmp_path: Path) -> None:
    policy, task = tmp_path / ".codex-runner.toml", tmp_path / "t.md"
    policy.write_bytes(b"level = 1\r\n[limits]\r\nlines = 3\r\n")
    task.write_bytes(b'+++\r\ntitle = "t"\r\n+++\r\nGo.\r\n')
    assert call("check", policy, task).exit_code == 0
    policy.write_bytes(b'level = 1\r\n[limits]\r\nlines = "3"\r\n')
    assert f"{policy}, line 3: limits.lines: " in call("check", policy).stderr


def test_diff_of_a_list_is_what_comes_and_goes(tmp_path: Path) -> None:
    old, new = tmp_path / "requirements.toml", tmp_path / "config.toml"
    old.write_text('protected = ["a/", "b/"]\n')
    new.write_text('protected = ["b/", "c/"]\n')
    done = call("diff", old, new)
    assert done.stdout == 'changed  protected: - ["a/"] + ["c/"]\n', done.output


def test_diff_says_what_is_tighter_and_what_looser(tmp_path: Path) -> None:
    old, new = tmp_path / "a.toml", tmp_path / "b.toml"
    old.write_text(
        'gates = ["a"]\nmodels = ["m"]\ntest = "x"\n[limits]\nlines = 9\nfiles = 9\n'
        '[static]\nrefuse = "note"\n'
    )
    new.write_text(
        'gates = ["a", "b"]\nmodels = ["n"]\ntest = "y"\npin = ["limits.lines"]\n'
        '[limits]\nlines = 9\nfiles = 8\n[static]\nrefuse = "error"\n'
    )
    done = call("diff", old, new, "--as", "organisation", "--json")
    found = {each["field"]: each["what"] for each in json.loads(done.stdout)}
    assert found == {
        "limits.files": "tighter",
        "pin limits.lines": "tighter",
        "models": "changed",
        "test": "changed",
        "static.refuse": "looser",
        "gates": "tighter",
    }
    assert (
        'looser   static.refuse: "note" -> "error"\n'
        in call("diff", old, new, "--as", "organisation").output
    )
    assert call("diff", old, old, "--as", "organisation").output == "no field differs\n"


EXAMPLES = {
    "organisation": {
        "pin": ["engine"],
        "engine": "docker",
        "limits": {"lines": 3},
        "budget": {"run_usd": "2.50", "day_usd": 3, "day_tokens": 5},
        "setup": {"hosts": ["a.example"], "secrets": ["env:A"]},
        "review": {"approvals": 2, "instructions": "x", "reviewers": ["a"]},
        "static": {"analysers": {"own": {"command": "x", "paths": ["**"]}}},
    },
    "user": {"test": "make", "prices": {"m": {"input": "1"}}, "static": {"refuse": "note"}},
    "repository": {"test": False, "paths": ["src/**"], "setup": {"commands": ["x"]}},
    "task": {"title": "x", "labels": ["a"], "tests": {"retries": 0, "strict": True}},
}
WRONG = {
    "organisation": [{"limits": {"lines": 0}}, {"engine": "podman"}, {"paths": []}, {"limit": {}}],
    "user": [{"test": False}, {"pin": []}, {"static": {"refuse": "never"}}],
    "repository": [{"engine": "docker"}, {"budget": {"run_usd": 1.5}}, {"setup": {"ca": "/x"}}],
    "task": [{"tests": {"retries": 9}}, {"gates": ["x"]}, {"models": "m"}],
}


@pytest.mark.parametrize("kind", [*EXAMPLES])
def test_schema(kind: str) -> None:
    schema = json.loads(call("schema", kind).stdout)
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    assert [*validator.iter_errors(EXAMPLES[kind])] == []
    for document in WRONG[kind]:
        assert not validator.is_valid(document), document
    tops = schema["properties"]
    for leaf in LEAVES:
        head, _, tail = leaf.key.partition(".")
        if kind in leaf.layers:
            assert head in tops and (not tail or tail in tops[head]["properties"]), leaf.key
    others = {"organisation": KEYS, "user": KEYS, "task": TASK_KEYS}.get(kind, ())
    assert {*others} <= tops.keys()
