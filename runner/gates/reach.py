"""What a test command runs, as far as files of the base say: targets, scripts, and theirs."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Iterator

Read = Callable[[str], bytes | None]
"""Content of a file of the base; None = absent."""
MOST_FILES = 40
MOST_BYTES = 256 * 1024
_MAKEFILES = ("GNUmakefile", "makefile", "Makefile")
_WHOLE = {"tox": "tox.ini", "nox": "noxfile.py", "just": "justfile", "rake": "Rakefile"}
_SCRIPT = re.compile(r"(?:^|/)[\w.-]+$")
_TEXT = re.compile(r"(?:\.(?:sh|bash|zsh|mk|toml|ini|cfg|json|ya?ml)|(?:^|/)[^./]+)$")
"""Files whose words are commands; a program's own words are not read."""
_RUNS = frozenset({"run", "run-script", "exec"})
_READING = """
    ls cat head tail wc grep egrep fgrep rg diff cmp stat test [ echo printf touch mkdir rmdir rm cp
    mv cd true false mypy pyright ruff flake8 black isort pylint bandit eslint prettier tsc
    """
_READERS = frozenset(_READING.split())
"""Programs that run none of the files they are given."""
_BEFORE = frozenset({"!", "if", "then", "elif", "else", "do", "while", "until"})
_BETWEEN = re.compile(r"[;&|()`]+")


def paths(command: str | None, read: Read) -> frozenset[str]:
    """All that may be a path of what it runs; many are none."""
    return _Reach(read).of(command) if command else frozenset()


class _Reach:
    def __init__(self, read: Read) -> None:
        self._read = read
        self._seen: set[str] = set()

    def of(self, command: str) -> frozenset[str]:
        todo, found = [command], set[str]()
        while todo and len(self._seen) < MOST_FILES:
            for words in _commands(todo.pop()):
                paths = [re.sub(r"^(?:\./)+", "", word) for word in words]
                paths += [each.replace(".", "/") + ".py" for each in _modules(words)]
                found.update(paths)
                todo += self._files(paths)
                todo += self._targets(words)
        return frozenset(found)

    def _files(self, paths: list[str]) -> Iterator[str]:
        for path in paths:
            if _SCRIPT.search(path) and _TEXT.search(path) and (text := self._text(path)):
                yield text

    def _text(self, path: str) -> str | None:
        if path in self._seen:
            return None
        self._seen.add(path)
        data = self._read(path)
        return None if data is None else data[:MOST_BYTES].decode(errors="replace")

    def _targets(self, words: list[str]) -> Iterator[str]:
        for at, word in enumerate(words):
            program = word.rpartition("/")[2]
            asked = [each for each in words[at + 1 :] if not each.startswith("-")]
            if program == "make":
                yield from self._recipes(asked)
            elif program in ("npm", "yarn", "pnpm", "bun"):
                yield from self._scripts([each for each in asked if each not in _RUNS])
            elif (whole := _WHOLE.get(program)) and (text := self._text(whole)):
                yield text

    def _recipes(self, asked: list[str]) -> Iterator[str]:
        for name in _MAKEFILES:
            if (data := self._read(name)) is not None:
                rules = _rules(data[:MOST_BYTES].decode(errors="replace"))
                first = next(iter(rules), "")
                todo = [each for each in asked if each in rules] or [first]
                while todo:
                    target = todo.pop()
                    if target in rules and f"{name}:{target}" not in self._seen:
                        self._seen.add(f"{name}:{target}")
                        needs, recipe = rules[target]
                        todo += needs
                        yield recipe
                return

    def _scripts(self, asked: list[str]) -> Iterator[str]:
        try:
            document = json.loads(self._read("package.json") or b"{}")
        except (ValueError, RecursionError):
            return
        scripts = document.get("scripts") if isinstance(document, dict) else None
        if not isinstance(scripts, dict):
            return
        for name in asked[:1]:
            for full in (f"pre{name}", name, f"post{name}"):
                if isinstance(scripts.get(full), str) and f"script {full}" not in self._seen:
                    self._seen.add(f"script {full}")
                    yield scripts[full]


def _rules(text: str) -> dict[str, tuple[list[str], str]]:
    """Target -> what it needs, and its recipe."""
    found: dict[str, tuple[list[str], str]] = {}
    current: list[str] = []
    for row in text.replace("\\\n", " ").splitlines():
        rule = re.match(r"([\w./ -]+?)\s*::?(?!=)\s*([^;=]*)(?:;(.*))?$", row)
        if row.startswith("\t"):
            for name in current:
                found[name] = (found[name][0], f"{found[name][1]}\n{row.strip().lstrip('@-+')}")
        elif rule and not row.startswith("."):
            current = rule[1].split()
            for name in current:
                needs, recipe = found.get(name, ([], ""))
                found[name] = ([*needs, *rule[2].split()], f"{recipe}\n{rule[3] or ''}")
        elif row.strip() and not row.startswith("#"):
            current = []
    return found


def _modules(words: list[str]) -> Iterator[str]:
    yield from (words[at + 1] for at, word in enumerate(words[:-1]) if word == "-m")


def _commands(text: str) -> Iterator[list[str]]:
    """Words of each simple command that may run a file; also of a program that lists them."""
    for row in text.splitlines():
        for part in _BETWEEN.split(row):
            words = _words(part)
            first = next((word for word in words if word not in _BEFORE), "")
            if first.rpartition("/")[2] not in _READERS:
                yield words


def _words(text: str) -> list[str]:
    plain = re.sub(r"[\"',\[\]{}=]+", " ", text)
    try:
        return shlex.split(plain, comments=True)
    except ValueError:
        return plain.split()
