"""A bare repository of many small files, made in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from tests.bench.command import finish, plain_env

WHO = b"Bench <bench@example.invalid> 1700000000 +0000"
CONFIG = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


def make_repository(directory: Path, files: int) -> None:
    """Branch `main` with one commit of `files` files, 100 to a directory."""
    git(directory.parent, "init", "-q", "--bare", "--initial-branch=main", str(directory))
    _import(directory, _commit(b"first", range(files), b""))


def change(directory: Path, numbers: Iterable[int], text: str) -> None:
    """One more commit, with another content of some files."""
    _import(directory, _commit(text.encode(), numbers, b"from refs/heads/main^0\n"))


def path_of(number: int) -> str:
    """`0/12/1234.txt` for 1234."""
    return f"{number // 10_000}/{number // 100}/{number}.txt"


def git(cwd: Path, *words: str, stdin: bytes = b"") -> str:
    """Git as a person would call it, without that person's configuration."""
    return finish(["git", *words], cwd=cwd, stdin=stdin, env=plain_env(**CONFIG)).decode()


def _import(directory: Path, script: Iterator[bytes]) -> None:
    git(directory, "fast-import", "--quiet", stdin=b"".join(script))


def _commit(text: bytes, numbers: Iterable[int], parent: bytes) -> Iterator[bytes]:
    yield b"commit refs/heads/main\ncommitter %s\ndata %d\n%s\n%s" % (WHO, len(text), text, parent)
    for number in numbers:
        content = b"%s\n" % text + b"line of file %d\n" % number * 10
        name = path_of(number).encode()
        yield b"M 100644 inline %s\ndata %d\n%s\n" % (name, len(content), content)
