"""Command rules decide: the strictest rule that matches, of every command there is to be found.

Wrappers such as `sudo` or `bash -c` are seen through by looking at every word behind them as the
place where a command may begin: no list of their options has to be right.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from posixpath import basename

from runner.policy.rules_shell import Word, read
from runner.records.rules import STRICTNESS, CommandRule, Ruling

MAX_DEPTH = 8
"""Of scripts in scripts: `bash -c "bash -c ..."`."""
MAX_WORDS = 4096
SHELLS = frozenset({"bash", "sh", "dash", "zsh", "ksh", "mksh", "ash", "fish"})
SOURCES = frozenset({"source", "."})
FEEDERS = frozenset({"xargs", "parallel"})
"""Add words of their own to a command, or whole commands."""
NAMERS = frozenset({"alias", "hash"})
"""Give a command another name."""
SCRIPTED = frozenset(
    {*SHELLS, "env", "sudo", "su", "runuser", "eval", "trap", "watch", "script", "flock", "entr"}
    | {"parallel", "compgen", "complete", "mapfile", "readarray"}
)
"""May be given a command as one argument, such as `-c "a && b"`."""
WRAPPERS = (
    SCRIPTED
    | FEEDERS
    | SOURCES
    | {"command", "exec", "builtin", "coproc", "function", "time", "find", "doas", "timeout"}
    | {"nice", "ionice", "nohup", "setsid", "stdbuf", "chrt", "taskset", "setpriv", "unshare"}
    | {"nsenter", "bwrap", "chroot", "strace", "busybox", "systemd-run", "unbuffer"}
    | {"prlimit", "setarch", "linux32", "linux64", "choom", "runcon", "pkexec", "run0", "jobs"}
)
"""Programs and words of the shell that start the command behind them."""
_WORD = re.compile(r"[\w@%+=:,./-]*+", re.ASCII)
"""Nothing a shell would read anything into."""
_OPTION = re.compile(r"--[\w-]+=|-\w")
_TAKES_COMMAND = re.compile(r"-[A-Za-z]*c")
_WITH_VALUE = frozenset({"-o", "+o", "-O", "+O", "--rcfile", "--init-file"})
_READS_INPUT = re.compile(r"-[A-Za-z]*[si][A-Za-z]*|-|/dev/.*|/proc/.*")


Pattern = tuple[frozenset[str], ...]


class Rulebook:
    """Rules made ready: `Rulebook(rules).decide("git push")`. A list of words is judged as it is,
    a string as a shell script."""

    def __init__(self, rules: Iterable[CommandRule]) -> None:
        self._by_program: dict[str, list[tuple[Pattern, CommandRule]]] = {}
        self._strict = False
        for rule in sorted(rules, key=_order):
            self._strict = self._strict or rule.decision != "allow"
            for program in dict.fromkeys(rule.pattern[0]):
                self._by_program.setdefault(program, []).append((_pattern(rule), rule))

    def decide(self, command: str | Sequence[str]) -> Ruling:
        """The strictest word on any command in it; `allow` when no rule speaks. Never `allow` for
        what cannot be read."""
        judged = self._script(command, 0) if isinstance(command, str) else self._words(command, 0)
        best = Ruling("allow")
        for ruling in judged:
            if _rank(ruling) > _rank(best):
                best = ruling
        return best

    def _script(self, text: str, depth: int) -> Iterator[Ruling]:
        if depth > MAX_DEPTH:
            yield Ruling("prompt", unread="scripts in scripts, nested too deeply")
            return
        script = read(text)
        if script.unread:
            yield Ruling("prompt", unread=script.unread)
        for words in script.commands:
            yield from self._words(words, depth)

    def _words(self, words: Sequence[Word], depth: int) -> Iterator[Ruling]:
        """One simple command."""
        if len(words) > MAX_WORDS:
            yield Ruling("prompt", unread=f"a command of more than {MAX_WORDS} words")
            return
        if not words:
            return
        yield from self._at(words, 0)
        if words[0] in NAMERS and words[1:]:
            yield Ruling("prompt", unread=f"{words[0]} gives a command another name")
        if words[0] is not None and basename(words[0]) in WRAPPERS:
            yield from self._wrapped(words, depth)

    def _wrapped(self, words: Sequence[Word], depth: int) -> Iterator[Ruling]:
        scripted = False
        for start, word in enumerate(words):
            program = "" if word is None else basename(word)
            if program in FEEDERS:
                yield Ruling("prompt", unread=f"{program} adds words from elsewhere")
            reader = program in SHELLS or (program in SOURCES and not start)
            if reader and _reads_input(words[start + 1 :]):
                yield Ruling("prompt", unread=f"{program} reads its commands from elsewhere")
            if start:
                yield from self._at(words, start)
                if scripted and word is not None and _may_be_script(words[start - 1], word):
                    yield from self._text(word, depth)
            scripted = scripted or program in SCRIPTED

    def _text(self, word: str, depth: int) -> Iterator[Ruling]:
        """An argument that may be a script: `-c "a && b"`, `-S"a b"`, `--command="a b"`."""
        yield from self._script(word, depth + 1)
        if option := _OPTION.match(word):
            yield Ruling("prompt", unread="a command within an option")
            yield from self._script(word[option.end() :], depth + 1)

    def _at(self, words: Sequence[Word], start: int) -> Iterator[Ruling]:
        """The rules on the command that begins at this word."""
        program = words[start]
        if program is None:
            if self._strict:
                yield Ruling("prompt", unread="a program named by a pattern")
            return
        for name in dict.fromkeys((program, basename(program))):
            for pattern, rule in self._by_program.get(name, ()):
                fits = _fits(pattern, words, start)
                if fits:
                    yield Ruling(rule.decision, rule, tuple(map(_shown, words[start:])))
                    break  # the others are no stricter
                if fits is None and rule.decision != "allow":
                    yield Ruling("prompt", unread=f"a pattern where `{rule.shown}` may match")


def matches(rule: CommandRule, words: Sequence[str]) -> bool:
    """Whether a command begins as the rule says; nothing is seen through."""
    program = {words[0], basename(words[0])} if words else set()
    return not program.isdisjoint(rule.pattern[0]) and _fits(_pattern(rule), words, 0) is True


def _pattern(rule: CommandRule) -> Pattern:
    """Behind the program."""
    return tuple(map(frozenset, rule.pattern[1:]))


def _fits(pattern: Pattern, words: Sequence[Word], start: int) -> bool | None:
    """None = it depends on what a pattern of file names stands for."""
    for number, fitting in enumerate(pattern, start + 1):
        if number >= len(words):
            return False
        word = words[number]
        if word is None:
            return None
        if word not in fitting:
            return False
    return True


def _may_be_script(before: Word, word: str) -> bool:
    return not _WORD.fullmatch(word) or _TAKES_COMMAND.fullmatch(before or "") is not None


def _reads_input(arguments: Sequence[Word]) -> bool:
    """A shell that is given neither a script nor a file."""
    given = [word for word in arguments if word is not None]
    if len(given) < len(arguments):
        return True
    if any(map(_TAKES_COMMAND.match, given)):
        return False
    if any(map(_READS_INPUT.fullmatch, given)):
        return True
    values = {number + 1 for number, word in enumerate(given) if word in _WITH_VALUE}
    return all(number in values or word.startswith(("-", "+")) for number, word in enumerate(given))


def _order(rule: CommandRule) -> tuple[object, ...]:
    """Strictest first, and then one order whichever way they came."""
    return -STRICTNESS[rule.decision], rule.pattern, rule.justification, rule.where


def _rank(ruling: Ruling) -> tuple[int, bool]:
    return STRICTNESS[ruling.decision], ruling.rule is not None


def _shown(word: Word) -> str:
    return "*" if word is None else word
