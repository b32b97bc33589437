"""What an agent does to files, as data: `[["write", "a/b", "text"], ...]` on standard input.

Runs as a script inside a real overlay, and is called by tests on a plain copy; always on the
working directory. A step that fails is no step. Paths are `os.fsdecode`d.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import sys
from collections.abc import Callable, Sequence

Step = Sequence[str]
_ASIDE = "swap-in-progress"


def apply(steps: Sequence[Step]) -> None:
    for name, path, *rest in steps:
        try:
            _STEPS[name](path, *rest)
        except (OSError, shutil.Error):
            continue


def _parent(path: str) -> None:
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)


def _write(path: str, text: str) -> None:
    _parent(path)
    with open(path, "wb") as file:
        file.write(os.fsencode(text))


def _append(path: str, text: str) -> None:
    with open(path, "r+b") as file:
        file.seek(0, 2)
        file.write(os.fsencode(text))


def _same(path: str) -> None:
    with open(path, "r+b") as file:
        content = file.read()
        file.seek(0)
        file.write(content)


def _delete(path: str) -> None:
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    else:
        os.unlink(path)


def _rename(path: str, target: str) -> None:
    if os.path.lexists(target) or not os.path.lexists(path) or target.startswith(path + "/"):
        return
    _parent(target)
    shutil.move(path, target)


def _swap(path: str, other: str) -> None:
    if os.path.lexists(path) and os.path.lexists(other) and not other.startswith(path + "/"):
        _rename(path, _ASIDE)
        _rename(other, path)
        _rename(_ASIDE, other)


def _remake(path: str) -> None:
    shutil.rmtree(path)
    os.mkdir(path)


def _link(path: str, target: str) -> None:
    _parent(path)
    os.symlink(target, path)


def _hard(path: str, target: str) -> None:
    _parent(target)
    os.link(path, target, follow_symlinks=False)


def _chmod(path: str, mode: str) -> None:
    os.chmod(path, int(mode, 8))


def _chmod_file(path: str, mode: str) -> None:
    if os.path.isfile(path) and not os.path.islink(path):
        _chmod(path, mode)


def _socket(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(path)


def _many(path: str, count: str) -> None:
    os.makedirs(path)
    for number in range(int(count)):
        os.close(os.open(f"{path}/{number}", os.O_CREAT | os.O_WRONLY, 0o644))


def _sparse(path: str, size: str) -> None:
    with open(path, "wb") as file:
        file.truncate(int(size))


def _deep(path: str, count: str) -> None:
    start = os.open(".", os.O_RDONLY)
    try:
        for _ in range(int(count)):
            os.mkdir(path)
            os.chdir(path)
    finally:
        os.fchdir(start)
        os.close(start)


_STEPS: dict[str, Callable[..., object]] = {
    "write": _write,
    "append": _append,
    "same": _same,
    "delete": _delete,
    "rename": _rename,
    "swap": _swap,
    "remake": _remake,
    "mkdir": lambda path: os.makedirs(path, exist_ok=True),
    "touch": lambda path: os.utime(path, (1, 1)),
    "chmod": _chmod,
    "chmod-file": _chmod_file,
    "link": _link,
    "hard": _hard,
    "fifo": os.mkfifo,
    "socket": _socket,
    "sparse": _sparse,
    "many": _many,
    "deep": _deep,
}

if __name__ == "__main__":
    apply(json.load(sys.stdin))
