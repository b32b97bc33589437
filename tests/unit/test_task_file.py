"""A task file says exactly what it means, or names its source, line and key and exits 2."""

from __future__ import annotations

import hashlib
import json
import os
import re
import string
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import ConfigError
from runner.gates import globs
from runner.policy.names import MisfitError, branch, glob
from runner.policy.task_file import MAX_BYTES, parse_task, prompt_task, read_task
from runner.policy.toml import parse_toml
from runner.process import run
from runner.records.task import Limits, Task

WHOLE = b"""+++
title = "Round totals half up"
base = "v1.2"
target = "main"
paths = [
  "src/**",  # the code
  "tests/**",
]
model = "gpt-5.5"
reviewer_model = "gpt-5.6-terra"
labels = ["automated", "good first issue"]
test = '''
make build
make test'''
[limits]
files = 3
wall_s = 60
+++

# Totals

Totals are cut instead of rounded.
+++
title = "not a setting"
+++
"""


def problem(data: bytes) -> str:
    with pytest.raises(ConfigError) as caught:
        parse_task(data, "task.md")
    assert caught.value.exit_code == 2
    assert caught.value.remedy
    assert caught.value.problem.isprintable()
    assert caught.value.problem.startswith("task.md")
    return caught.value.problem.removeprefix("task.md")


def front(text: str) -> bytes:
    return f"+++\n{text}\n+++\nDo it.\n".encode()


def test_every_key_is_read_and_the_body_is_only_the_first_block_s_rest() -> None:
    task = parse_task(WHOLE, "task.md")
    assert task == Task(
        title="Round totals half up",
        prompt='# Totals\n\nTotals are cut instead of rounded.\n+++\ntitle = "not a setting"\n+++',
        source="task.md",
        sha256=task.sha256,
        base="v1.2",
        target="main",
        paths=("src/**", "tests/**"),
        limits={"files": 3, "wall_s": 60},
        model="gpt-5.5",
        reviewer_model="gpt-5.6-terra",
        labels=("automated", "good first issue"),
        where=task.where,
        test="make build\nmake test",
    )
    assert task.sha256 == hashlib.sha256(WHOLE).hexdigest()


def test_crlf_means_the_same() -> None:
    assert parse_task(WHOLE.replace(b"\n", b"\r\n"), "x").prompt == parse_task(WHOLE, "x").prompt


def test_without_front_matter_all_is_body_and_the_title_its_first_words() -> None:
    task = parse_task(b"\n##  Fix\tthe \xe2\x80\xaebug\n\nNow.\n", "-")
    assert (task.title, task.prompt) == ("Fix the bug", "##  Fix\tthe \u202ebug\n\nNow.")
    assert len(parse_task(b"x" * 100, "-").title) == 72


def test_test_false_waives() -> None:
    assert parse_task(front("test = false"), "task.md").test is False


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", ", line 1: the task has no body"),
        (b"+++\n+++\n", ", line 3: the task has no body"),
        (b"+++\ntitle = 'x'\n+++\n \n\xe2\x80\x8b\n", ", line 4: the task has no body"),
        (b"+++\ntitle = 'x'\nbody\n", ", line 1: the front matter has no end"),
        (b"+++ \ntitle = 'x'\n+++\nbody\n", ", line 1: looks like front matter"),
        (b"\n+++\ntitle = 'x'\n+++\nbody\n", ", line 2: looks like front matter"),
        (b"---\nid: x\ntitle: y\n---\nbody\n", ", line 1: looks like front matter"),
        (b"\xef\xbb\xbf+++\n+++\nbody\n", ", line 1: begins with a byte order mark"),
        (WHOLE.decode().encode("utf-16"), ", line 1: begins with a byte order mark"),
        (b"a\nb\0c\n", ", line 2: NUL byte"),
        (b"a\nb\ncaf\xe9\n", ", line 3: byte 0xe9 is not UTF-8"),
        (b"a\n\xed\xa0\x80\n", ", line 2: byte 0xed is not UTF-8"),
        (b"+++\rtitle = 'x'\r+++\rbody\r", ", line 1: carriage return without line feed"),
        (b"a\r\nb\rc\n", ", line 2: carriage return without line feed"),
        (front("title = 'a'\nname = 1"), ", line 3: name: unknown key"),
        (front("# c\n\ntitel = 'a'"), ", line 4: titel: unknown key"),
        (front("[limits]\n\nfilse = 2"), ", line 4: limits.filse: unknown key"),
        (front("limits = { filse = 2 }"), ", line 2: limits.filse: unknown key"),
        (front("limits.filse = 2"), ", line 2: limits.filse: unknown key"),
        (front("paths = [\n'a',\n]\ntest = '''\nname = 1\n'''\nname = 1"), ", line 8: name:"),
        (front('"a\\u001b[2J" = 1'), ", line 2: 'a\\x1b[2J': unknown key"),
        (front("network = true"), ", line 2: network: unknown key"),
        (front("title = 'a'\ntitle = 'b'"), ", line 3: title: this key is there already"),
        (front("[limits]\nfiles=1\n[limits]"), ", line 4: limits: this key is there already"),
        (front("limits = {files=1, files=2}"), ", line 2: limits: this key is there already"),
        (front("title = a"), ", line 2: title: not TOML: Invalid value"),
        (front("title = 'a"), ", line 2: title: not TOML"),
        (front("title = 'a\x1bb'"), ", line 2: title: not TOML"),
        (front('title = "\\uD800"'), ", line 2: title: not TOML"),
        (front("title = [\n1,\n+"), ", line 4: title: not TOML"),
        (front("a=" + "[" * 5000 + "]" * 5000), ", line 2: nested too deeply"),
        (front(".".join("a" * 990) + " = 1"), ", line 2: a: unknown key"),
        (front("a=" + "[" * 390 + "]" * 390), ", line 2: a: unknown key"),
        (front("limits.files = " + "9" * 5000), ", line 2: nested too deeply, or a number"),
        (front("title = '" + "t" * 70_000 + "'"), ", line 2: TOML of more than 65536 bytes"),
        (front("title = 1"), ", line 2: title: expected a string, found a whole number"),
        (front('title = ""'), ", line 2: title: is empty"),
        (front('title = "a\\nb"'), ", line 2: title: contains control or invisible"),
        (front('title = "a\\u202eb"'), ", line 2: title: contains control or invisible"),
        (front('title = "' + "a" * 121 + '"'), ", line 2: title: is longer than 120"),
        (front("paths = 'src'"), ", line 2: paths: expected an array, found a string"),
        (front("paths = [\n1]"), ", line 2: paths: expected a string, found a whole number"),
        (front("paths = ['../x']"), ", line 2: paths: is not a pattern below"),
        (front("paths = ['a//b']"), ", line 2: paths: is not a pattern below"),
        (front("paths = ['a/b**']"), ", line 2: paths: is not a pattern below"),
        (front("paths = []"), ", line 2: paths: an empty list allows nothing"),
        (front("paths = ['!x']"), ", line 2: paths: is not a pattern below"),
        (front(f"paths = {['a'] * 101}"), ", line 2: paths: more than 100 items"),
        (front("limits = 3"), ", line 2: limits: expected a table, found a whole number"),
        (front("[limits]\nfiles = 0"), ", line 3: limits.files: input should be greater"),
        (front("[limits]\nfiles = 100001"), ", line 3: limits.files: input should be less"),
        (front("[limits]\nfiles = true"), ", line 3: limits.files: expected a whole number"),
        (front("[limits]\nfiles = 1.0"), ", line 3: limits.files: expected a whole number"),
        (front("[limits]\nfiles = nan"), ", line 3: limits.files: expected a whole number"),
        (front("[limits]\nfiles = inf"), ", line 3: limits.files: expected a whole number"),
        (front("[limits]\nfiles = '3'"), ", line 3: limits.files: expected a whole number"),
        (front("[limits]\nfiles = 2026-01-01"), "found a date or time"),
        (front("[[limits]]\nfiles = 1"), ", line 2: limits: expected a table, found an array"),
        (front("test = true"), ", line 2: test: true is no command"),
        (front("test = ' '"), ", line 2: test: is empty"),
        (front('test = "a\\u0000b"'), ", line 2: test: contains control"),
        (front("model = '--trust'"), ", line 2: model: is not a model name"),
        (front("model = 'a b'"), ", line 2: model: is not a model name"),
        (front("base = '--upload-pack=x'"), ", line 2: base: is not a branch name"),
        (front("target = 'HEAD'"), ", line 2: target: is not a branch name"),
        (front("target = '$(touch x)'"), ", line 2: target: is not a branch name"),
        (front("target = 'refs/heads/main'"), ", line 2: target: is not a branch name"),
        (front('labels = ["a\\tb"]'), ", line 2: labels: contains control"),
    ],
)
def test_bad_input_names_line_and_key(data: bytes, says: str) -> None:
    assert says in problem(data)


def test_near_miss_is_suggested() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_task(front("reviewer-model = 'x'"), "task.md")
    assert caught.value.remedy.startswith("did you mean reviewer_model? known: ")


def test_too_big() -> None:
    assert " is larger than 1048576 bytes" in problem(b"a" * (MAX_BYTES + 1))
    assert parse_task(b"a" * MAX_BYTES, "task.md").prompt


def test_read_task_shows_any_name_in_one_line(tmp_path: Path) -> None:
    for name in (b"-rf.md", b"$(touch h).md", b"new\nline.md", b"\xff.md", b"a" * 250 + b".md"):
        path = tmp_path / os.fsdecode(name)
        path.write_bytes(WHOLE)
        task = read_task(path)
        assert task.source.isprintable()
        assert task.canonical()


def _refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        read_task(path)
    return caught.value.problem


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("x")
    for name, target in (("link", "secret"), ("zero", "/dev/zero"), ("loop", "loop")):
        (tmp_path / name).symlink_to(target)
        assert "is a symbolic link" in _refused(tmp_path / name)
    os.mkfifo(tmp_path / "fifo")
    assert "is not a regular file" in _refused(tmp_path / "fifo")
    assert "is not a regular file" in _refused(tmp_path)
    assert "is not a regular file" in _refused(Path("/dev/zero"))
    assert "no such file" in _refused(tmp_path / "absent")
    assert "cannot read" in _refused(tmp_path / "secret" / "below")


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(1 << 40)
    assert "is larger than 1048576 bytes" in _refused(tmp_path / "huge")


def test_prompt_is_a_body_whatever_it_looks_like() -> None:
    text = '+++\ntest = false\n+++\n--dangerously-bypass "x"'
    task = prompt_task(text)
    assert (task.prompt, task.test, task.source, task.title) == (text, None, "--prompt", "+++")
    with pytest.raises(ConfigError, match="--prompt, line 1: the task has no body"):
        prompt_task(" ")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        prompt_task("caf\udce9")


GOOD_NAMES = ("main", "a/b", "v1.2", "0" * 40, "caf\u00e9", "a@b", "x.lock.y", "HEAD", "a/@")
BAD_NAMES = (
    *("", "+main", ":main", "x:refs/heads/main", "a..b", "a^", "a\tb", "a//b", "a\x7fb", "a\nb"),
    *("a/", "/a", ".a", "a/.b", "a\\b", "a*b", "a?b", "a[b", "a~1", "a b", "a.", "a.lock", "a@{b"),
    *("@{1}", "a.lock/b"),
)


@pytest.mark.parametrize("name", [*GOOD_NAMES, *BAD_NAMES])
def test_branch_agrees_with_git(name: str) -> None:
    assert _fits(name) == (name in GOOD_NAMES)
    git = run(["git", "check-ref-format", f"refs/heads/{name}"])
    assert _fits(name) == (git.code == 0) or name == "+main"


@pytest.mark.parametrize(
    "name", ["-D", "--upload-pack=x", "@", "refs/heads/main", "a\0b", "a\u200bb"]
)
def test_branch_is_stricter_than_git(name: str) -> None:
    assert not _fits(name)


@given(st.text("a/*.!", max_size=8))
def test_every_accepted_glob_can_be_matched(pattern: str) -> None:
    try:
        globs.parse(glob(pattern))
    except MisfitError as misfit:
        assert misfit.remedy  # noqa: PT017  either end is good, any other exception is not


def _fits(name: str) -> bool:
    try:
        return bool(branch(name))
    except MisfitError:
        return False


STATEMENTS = st.sampled_from(
    [
        "{} = 1 # [ ''' \"",
        "{} = '''\nx = 1\n[limits]\n'''",
        '{} = """\\"""\n[ # x = 1\n"""""',
        '{} = [ # ]\n  \']\', "\\"]",\n  [],\n]',
        "{} = {{ x = '}}', y = [\n] }}",
        "[{}]\n# x = 1",
        "[[{}]]",
        '"{}".x = ""',
        "",
        "# {} = '''",
    ]
)


@given(st.lists(STATEMENTS))
def test_lines_of_keys_are_exact(statements: list[str]) -> None:
    text = ""
    wanted: dict[str, int] = {}
    for number, statement in enumerate(statements):
        if statement.startswith(("{}", "[", '"')):
            wanted[f"k{number}"] = text.count("\n") + 1
        text += statement.format(f"k{number}") + "\n"
    lines = parse_toml(text, "x").lines
    assert {path[-1]: line for path, line in lines.items() if path[-1] in wanted} == wanted


@given(st.binary(max_size=300) | st.builds(front, st.text(max_size=200)).filter(bytes))
def test_arbitrary_bytes_give_a_task_or_a_config_error(data: bytes) -> None:
    try:
        task = parse_task(data, "-")
    except ConfigError as error:
        printable = error.problem.isprintable() and error.remedy.isprintable()
    else:
        printable = task.title.isprintable() and bool(task.canonical())
    assert printable


@st.composite
def tasks(draw: st.DrawFn) -> Task:
    line = st.text(st.characters(categories=("L", "N", "P", "S")), min_size=1, max_size=40)
    word = st.text(string.ascii_lowercase + "/", min_size=1, max_size=9)
    name = st.none() | word.map(lambda text: f"a{text}".replace("//", "/").rstrip("/"))
    globs = word.map(lambda text: re.sub("/+", "/", text).lstrip("/") or "**")
    limits = st.dictionaries(
        st.sampled_from(sorted({*Limits.model_fields} - {"attempts"})), st.integers(128, 1024)
    )
    return Task(
        title=draw(line),
        prompt=draw(line),
        source="-",
        sha256=prompt_task("x").sha256,
        base=draw(name),
        target=draw(name),
        paths=tuple(draw(st.lists(globs, max_size=3))),
        limits=draw(limits),
        model=draw(name),
        reviewer_model=draw(name),
        labels=tuple(draw(st.lists(line, max_size=3))),
        test=draw(st.none() | st.just(False) | line),
    )


def _written(task: Task) -> bytes:
    told = {"prompt", "source", "sha256", "limits", "where", "policy"}
    values = task.model_dump(exclude=told, exclude_none=True)
    values = {key: value for key, value in values.items() if value != ()}
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in values.items()]
    lines += ["[limits]", *(f"{key} = {value}" for key, value in task.limits.items())]
    return "\n".join(["+++", *lines, "+++", "", task.prompt, ""]).encode()


@given(tasks())
def test_a_valid_task_round_trips(task: Task) -> None:
    data = _written(task)
    digest = {"sha256": hashlib.sha256(data).hexdigest()}
    parsed = parse_task(data, "-")
    assert parsed == task.model_copy(update={**digest, "where": parsed.where})


def test_paths_whose_tests_may_change_are_exact() -> None:
    task = parse_task(b'+++\nmay_change_tests = ["tests/test_a.py"]\n+++\nGo.\n', "task.md")
    assert task.may_change_tests == ("tests/test_a.py",)
    for wrong in ("tests/", "tests/*.py", "../x.py"):
        with pytest.raises(ConfigError, match="may_change_tests"):
            parse_task(f'+++\nmay_change_tests = ["{wrong}"]\n+++\nGo.\n'.encode(), "task.md")
