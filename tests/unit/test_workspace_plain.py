"""A handed-over git directory cannot block or fill the runner."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.errors import ConfigError
from runner.process import run
from runner.workspace.repository import find


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    run(["git", "init", "-q", "-b", "main", str(tmp_path / "r")])
    return tmp_path / "r"


def fifo(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


@pytest.mark.parametrize("name", ["HEAD", "config", "commondir", "packed-refs", "shallow"])
def test_a_fifo_is_named_not_opened(repository: Path, name: str) -> None:
    fifo(repository / ".git" / name)
    with pytest.raises(ConfigError, match=f"{name} is not a regular file"):
        find(repository)


def test_dot_git_itself_may_be_the_fifo(repository: Path) -> None:
    (repository / ".git").rename(repository / "away")
    fifo(repository / ".git")
    with pytest.raises(ConfigError):
        find(repository)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda config: config.write_text("[include]\n\tpath = /dev/zero\n"),
        lambda config: config.write_text("[include] path = /dev/zero\n"),
        lambda config: config.write_text("[include]\n\tpath = config\n"),
        lambda config: config.write_text('[IncludeIf "gitdir:/"]\n\tpath = /dev/zero\n'),
        lambda config: os.truncate(config, 3_000_000_000),
    ],
)
def test_a_config_that_would_grow_without_end(
    repository: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(repository / ".git" / "config")
    with pytest.raises(ConfigError, match=r"config|/dev/zero"):
        find(repository)


def test_credentials_included_from_a_plain_file_are_fine(repository: Path) -> None:
    (repository.parent / "extra").write_text("[http]\n\tsslVerify = true\n")
    with (repository / ".git" / "config").open("a") as config:
        config.write(f'[includeIf "gitdir:{repository}/.git"]\n\tpath = ../../extra\n')
    assert find(repository).root == repository


def test_a_linked_work_tree_and_a_sub_directory_are_fine(repository: Path) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "-C", str(repository)]
    run([*git, "commit", "-q", "--allow-empty", "-m", "x"])
    run([*git, "worktree", "add", "-q", str(repository.parent / "linked")])
    (repository / "sub").mkdir()
    assert find(repository / "sub").root == repository
    assert find(repository.parent / "linked").common == repository / ".git"
