"""What `init` takes a repository for, and the texts it makes of that."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from runner.policy.files import read_bounded
from runner.policy.repo_policy import parse_repo_policy
from runner.policy.task_file import parse_task
from runner.starter.look import Found, look
from runner.starter.packages import MANAGERS
from runner.starter.policy_text import policy_text
from runner.starter.projects import MARKERS
from runner.starter.task_text import task_text
from runner.starter.tree import MAX_BYTES, Tree

NODE = '{"scripts": {"test": "vitest"}}'
COMMENTED = re.compile(r"^# (?=\[+\w+\]+$|\w+ = )", re.MULTILINE)


def looked(root: Path, *, on_github: bool = False) -> Found:
    return look(Tree(root, partial(read_bounded, follow=False)), on_github=on_github)


def write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


CASES: list[tuple[dict[str, str], tuple[str, ...], str | None]] = [
    ({"pyproject.toml": "[tool.pytest.ini_options]"}, ("Python",), "python3 -m pytest -q"),
    ({"setup.py": "", "tests/conftest.py": ""}, ("Python",), "python3 -m pytest -q"),
    ({"requirements-dev.txt": "pytest==8\n"}, ("Python",), "python3 -m pytest -q"),
    ({"tests/test_a.py": "", "tests/__init__.py": ""}, ("Python",), "python3 -m unittest -q"),
    ({"test/test_a.py": ""}, ("Python",), "python3 -m unittest discover -q -s test"),
    ({"setup.cfg": "", "test_a.py": ""}, ("Python",), "python3 -m unittest -q"),
    ({"manage.py": "import django"}, ("Python",), "python3 manage.py test"),
    ({"tox.ini": "[tox]"}, ("Python",), "python3 -m tox"),
    ({"noxfile.py": "import nox"}, ("Python",), "python3 -m nox"),
    ({"noxfile.py": "session.run('pytest')"}, ("Python",), "python3 -m pytest -q"),
    ({"pyproject.toml": ""}, ("Python",), None),
    ({"package.json": NODE}, ("Node",), "npm test"),
    ({"package.json": NODE, "yarn.lock": ""}, ("Node",), "yarn test"),
    ({"package.json": NODE, "pnpm-lock.yaml": ""}, ("Node",), "pnpm test"),
    ({"package.json": NODE, "bun.lockb": ""}, ("Node",), "bun run test"),
    ({"package.json": '{"scripts": {"test": "echo no test specified"}}'}, ("Node",), None),
    ({"package.json": '{"scripts": {"test": 1}}'}, ("Node",), None),
    ({"package.json": '{"scripts": []}'}, ("Node",), None),
    ({"package.json": "[]"}, ("Node",), None),
    ({"go.mod": ""}, ("Go",), "go test ./..."),
    ({"Cargo.toml": ""}, ("Rust",), "cargo test --workspace --offline"),
    ({"pom.xml": ""}, ("Java",), "mvn --batch-mode --offline test"),
    ({"pom.xml": "", "mvnw": ""}, ("Java",), "./mvnw --batch-mode --offline test"),
    ({"build.gradle.kts": ""}, ("Java",), "gradle --no-daemon --offline test"),
    ({"build.gradle": "", "gradlew": ""}, ("Java",), "./gradlew --no-daemon --offline test"),
    ({"Gemfile": "", "spec/a_spec.rb": ""}, ("Ruby",), "bundle exec rspec"),
    ({"Rakefile": "", "test/a.rb": ""}, ("Ruby",), "rake test"),
    ({"Gemfile": ""}, ("Ruby",), None),
    ({"composer.json": "{}", "phpunit.xml.dist": ""}, ("PHP",), "vendor/bin/phpunit"),
    ({"composer.json": "{}"}, ("PHP",), None),
    ({"App.sln": ""}, (".NET",), "dotnet test --no-restore"),
    ({"Makefile": "all:\ntest: all\n"}, (), "make test"),
    ({"Makefile": "test := 1\n"}, (), None),
    ({"Makefile": "test:\n", "go.mod": ""}, ("Go",), "go test ./..."),
    ({"Makefile": "test:\n", "go.mod": "", "package.json": NODE}, ("Node", "Go"), "make test"),
    ({"go.mod": "", "package.json": NODE}, ("Node", "Go"), "npm test && go test ./..."),
    ({"pyproject.toml": "", "go.mod": ""}, ("Python", "Go"), "go test ./..."),
    (
        {"web/package.json": NODE, "api/go.mod": "", "vendor/x/go.mod": "", "docs/conf.py": ""},
        ("Go", "Node"),
        "(cd api && go test ./...) && (cd web && npm test)",
    ),
    ({"$(id)/go.mod": "", "a b/go.mod": "", "-x/go.mod": ""}, (), None),
    ({"README.md": ""}, (), None),
]


@pytest.mark.parametrize(("files", "languages", "command"), CASES)
def test_what_a_repository_is(
    tmp_path: Path, files: dict[str, str], languages: tuple[str, ...], command: str | None
) -> None:
    found = looked(write(tmp_path, files))
    assert (found.languages, found.test.command) == (languages, command)
    assert found.test.why and not found.unread
    check_texts(found)


def test_every_language_is_recognised(tmp_path: Path) -> None:
    covered = {language for _, languages, _ in CASES for language in languages}
    assert covered == MARKERS.keys()


def check_texts(found: Found) -> None:
    """The real readers take them, also with every commented key in force."""
    text = policy_text(found)
    parse_repo_policy(text.encode(), "policy")
    opened = COMMENTED.sub("", text)
    every = parse_repo_policy(opened.encode(), "policy")
    assert 'hosts = ["packages.example.com"]\n' in opened and every != parse_repo_policy(b"", "")
    task = task_text(found)
    assert parse_task(task.encode(), "task").paths == ("**/*.md",)
    keys = re.sub(r"^# (?=\w+ = )", "", task, flags=re.MULTILINE)
    assert parse_task(keys.encode(), "task").base == "main"


def test_every_key_is_commented(tmp_path: Path) -> None:
    """Above each key stands what it does; one comment may speak for neighbours."""
    texts = policy_text(looked(tmp_path)), task_text(looked(tmp_path))
    for rows in (text.split("+++\n")[-2:][0].splitlines() for text in texts):
        before = ""
        for row in rows:
            if re.match(r"(# )?\w+ = ", row):
                assert before.startswith("# ") or re.match(r"\w+ = ", before), row
            before = row


def test_setups_with_every_manager(tmp_path: Path) -> None:
    markers = {f"{name}/{files[0].replace('*', 'x')}": "" for name, files in MARKERS.items()}
    places = {f"p{number}/{each.lockfile}": "" for number, each in enumerate(MANAGERS)}
    more = {f"p{number}/go.mod": "" for number in range(len(MANAGERS))}
    found = looked(write(tmp_path, {**markers, **places, **more}))
    names = {each.manager.name for each in found.packages}
    assert names == {each.name for each in MANAGERS}
    check_texts(found)
    assert '"cd p0 && mkdir -p .deps' in policy_text(found)


def test_pip_only_without_a_lockfile_of_python(tmp_path: Path) -> None:
    write(tmp_path, {"pyproject.toml": "pytest", "requirements.txt": "", "package-lock.json": ""})
    found = looked(tmp_path)
    assert [each.lockfile for each in found.packages] == ["requirements.txt", "package-lock.json"]
    expected = r'#   test = "export PYTHONPATH=\"$PWD/.deps\" && python3 -m pytest -q"'
    assert expected in policy_text(found)
    write(tmp_path, {"uv.lock": ""})
    assert [each.manager.name for each in looked(tmp_path).packages] == ["uv", "npm"]


def test_ci_and_delicate_directories(tmp_path: Path) -> None:
    assert (looked(tmp_path).ci, looked(tmp_path).github) == (None, False)
    assert looked(tmp_path, on_github=True).github
    write(tmp_path, {".gitlab-ci.yml": "", "infra/a": "", "migrations/a": ""})
    found = looked(tmp_path)
    assert (found.ci, found.github, found.delicate) == ("GitLab CI", False, ("infra", "migrations"))
    assert 'protected = ["infra/", "migrations/"]' in policy_text(found)
    write(tmp_path, {".github/workflows/ci.yaml": ""})
    assert (looked(tmp_path).ci, looked(tmp_path).github) == ("GitHub Actions", True)


HOSTILE: dict[str, Callable[[Path], object]] = {
    "huge": lambda path: path.write_bytes(b"{" + b" " * MAX_BYTES),
    "deep": lambda path: path.write_text('{"scripts":' + "[" * 200_000),
    "digits": lambda path: path.write_text('{"scripts":' + "9" * 10_000),
    "bytes": lambda path: path.write_bytes(b'{"scripts": {"test": "\xff\xfe"}, \x00'),
    "fifo": os.mkfifo,
    "link": lambda path: path.symlink_to("/dev/zero"),
    "dangling": lambda path: path.symlink_to("nowhere"),
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("name", ["package.json", "pyproject.toml", "Makefile"])
def test_hostile_files_are_told_not_obeyed(tmp_path: Path, kind: str, name: str) -> None:
    HOSTILE[kind](tmp_path / name)
    found = looked(tmp_path)
    assert found.test.command is None
    assert bool(found.unread) == (kind in {"huge", "fifo", "link", "dangling"})
    assert all(str(tmp_path / name) in why for why in found.unread)
    check_texts(found)


def test_nothing_of_a_script_becomes_a_command(tmp_path: Path) -> None:
    evil = 'x"\n[limits]\nlines = 1\n; $(touch pwned) `id` \x1b]0;x\x07'
    write(tmp_path, {"package.json": json.dumps({"scripts": {"test": evil}, "name": evil})})
    found = looked(tmp_path)
    assert found.test.command == "npm test"
    assert "pwned" not in policy_text(found) + task_text(found)


def test_links_to_directories_are_not_followed(tmp_path: Path) -> None:
    write(tmp_path / "else", {"test_a.py": "", "workflows/ci.yml": "", "go.mod": ""})
    root = tmp_path / "root"
    root.mkdir()
    for name in ("tests", ".github", "api", "infra"):
        (root / name).symlink_to(tmp_path / "else")
    found = looked(root)
    assert (found.projects, found.ci, found.delicate) == ((), None, ())


def test_order_does_not_depend_on_the_disk(tmp_path: Path) -> None:
    names = ["zeta", "alpha", "Mid", "beta-2"]
    for number, order in enumerate((names, names[::-1])):
        root = write(tmp_path / str(number), {f"{name}/go.mod": "" for name in order})
        assert [project.directory for project in looked(root).projects] == sorted(names)


def test_odd_names_do_no_harm(tmp_path: Path) -> None:
    for name in (b"\xff\xfe", b"a\nb", b"--help", b"\x1b[2J.py", "e\u0301".encode()):
        (tmp_path / os.fsdecode(name)).mkdir()
        (tmp_path / os.fsdecode(name) / "go.mod").touch()
    found = looked(tmp_path)
    assert (found.projects, found.unread) == ((), ())
