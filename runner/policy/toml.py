"""Strict reading of TOML: every key known, typed, in range, and named with its line when not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TypeVar

import tomli
from pydantic import ValidationError

from runner.errors import ConfigError
from runner.policy.names import MisfitError
from runner.records.task import Limits

MAX_BYTES = 64 * 1024
MAX_ITEMS = 100
MAX_DEPTH = 4
"""Of the tables whose keys get a line; none of ours is deeper."""
T = TypeVar("T")
KeyPath = tuple[str, ...]
_KINDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a decimal number",
    str: "a string",
    list: "an array",
    dict: "a table",
}
_BARE = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_HEAD = re.compile(r"\s*+\[*+\s*+([A-Za-z0-9_.-]{1,64})")
_DUPLICATE = re.compile(r"overwrite|twice|Duplicate|mutate")
_TOKEN = re.compile(
    r'"""(?:[^\\]|\\.)*?"{3,5}' r"|'''.*?'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*+"?' r"|'[^'\n]*+'?" r"|#[^\n]*|[\[{]|[\]}]|\n",
    re.DOTALL,
)  # fmt: skip
"""A string that is not closed is one too: each part of it would be looked at as a beginning."""


@dataclass(frozen=True, slots=True)
class Table:
    """One TOML table, its source and the lines of its keys, for messages."""

    source: str
    values: Mapping[str, object]
    lines: Mapping[KeyPath, int]
    path: KeyPath = ()

    def fail(self, key: str, why: str, remedy: str) -> ConfigError:
        """`task.md, line 4: limits.files: expected a whole number, found a string`."""
        return ConfigError(f"{self.where(key)}: {_dotted((*self.path, key))}: {why}", remedy)

    def where(self, key: str) -> str:
        """`config.toml, line 4`; the line of the nearest table when the key is absent."""
        path = (*self.path, key)
        for end in range(len(path), 0, -1):
            if path[:end] in self.lines:
                return f"{self.source}, line {self.lines[path[:end]]}"
        return self.source

    def closed(self, known: Collection[str]) -> None:
        """Raises ConfigError for the first key that is not in `known`."""
        for key in self.values:
            if key not in known:
                near = get_close_matches(key[:64], known, n=1)
                guess = f"did you mean {near[0]}? " if near else ""
                raise self.fail(key, "unknown key", f"{guess}known: {', '.join(sorted(known))}")

    def string(self, key: str, check: Callable[[str], T]) -> T | None:
        """A checked string, None when absent."""
        if key not in self.values:
            return None
        return self._checked(key, self._typed(key, self.values[key], str), check)

    def allowed(self, key: str, check: Callable[[str], T]) -> tuple[T, ...]:
        """As `strings`; empty = everything, so it is not written as an empty array."""
        if self.values.get(key) == []:
            raise self.fail(key, "an empty list allows nothing", "leave it out to allow every path")
        return self.strings(key, check)

    def strings(self, key: str, check: Callable[[str], T]) -> tuple[T, ...]:
        """An array of checked strings, empty when absent."""
        items = self._typed(key, self.values.get(key, []), list)
        if len(items) > MAX_ITEMS:
            raise self.fail(key, f"more than {MAX_ITEMS} items", "shorten it")
        return tuple(self._checked(key, self._typed(key, item, str), check) for item in items)

    def command(self, key: str, check: Callable[[str], str]) -> str | bool | None:
        """A checked string or `false`, None when absent."""
        if self.values.get(key) is False:
            return False
        if self.values.get(key) is True:
            raise self.fail(key, "true is no command", "write a command in quotes, or false")
        return self.string(key, check)

    def whole(self, key: str, least: int) -> int | None:
        """A whole number of at least so much, None when absent."""
        if key not in self.values:
            return None
        value = self._typed(key, self.values[key], int)
        if value < least:
            raise self.fail(key, "is too small", f"use {least} or more, or leave it out")
        return value

    def flag(self, key: str) -> bool | None:
        """`true` or `false`, None when absent."""
        return None if key not in self.values else self._typed(key, self.values[key], bool)

    def table(self, key: str) -> Table:
        """A table below, empty when absent."""
        values = self._typed(key, self.values.get(key, {}), dict)
        return Table(self.source, values, self.lines, (*self.path, key))

    def tables(self, key: str) -> tuple[Table, ...]:
        """An array of tables, empty when absent; each has its number in its path."""
        items = self._typed(key, self.values.get(key, []), list)
        return tuple(
            Table(self.source, self._typed(key, item, dict), self.lines, (*self.path, key, str(at)))
            for at, item in enumerate(items)
        )

    def limit(self, key: str) -> int:
        """One of `Limits`, in its own range."""
        value = self._typed(key, self.values[key], int)
        try:
            Limits.model_validate({key: value})
        except ValidationError as error:
            raise self.fail(key, _reason(error), _bound(error)) from error
        return value

    def _typed(self, key: str, value: object, kind: type[T]) -> T:
        if type(value) is kind:
            return value
        found = _KINDS.get(type(value), "a date or time")
        why = f"expected {_KINDS[kind]}, found {found}"
        raise self.fail(key, why, f"write {_dotted((*self.path, key))} as {_KINDS[kind]}")

    def _checked(self, key: str, value: str, check: Callable[[str], T]) -> T:
        try:
            return check(value)
        except MisfitError as misfit:
            raise self.fail(key, misfit.why, misfit.remedy) from misfit


def parse_toml(text: str, source: str, first_line: int = 1) -> Table:
    """Parse a document of which `text` begins at `first_line` of `source`.

    Raises:
        ConfigError: larger than 64 KiB, not TOML, a duplicate key, nested too deeply.
    """
    if len(text.encode()) > MAX_BYTES:
        raise ConfigError(
            f"{source}, line {first_line}: TOML of more than {MAX_BYTES} bytes", "shorten it"
        )
    try:
        values = tomli.loads(text)
    except tomli.TOMLDecodeError as error:
        raise _not_toml(text, source, first_line, error) from error
    except (RecursionError, ValueError) as error:
        raise ConfigError(
            f"{source}, line {first_line}: nested too deeply, or a number of many digits",
            "keep it flat",
        ) from error
    lines = {path: number + first_line - 1 for number, path in reversed(_keys(text))}
    return Table(source, values, lines)


def _not_toml(text: str, source: str, first_line: int, error: tomli.TOMLDecodeError) -> ConfigError:
    before = [statement for at, statement in _statements(text) if at <= error.lineno]
    head = _HEAD.match(before[-1]) if before else None
    key = f"{head[1]}: " if head else ""
    if _DUPLICATE.search(error.msg):
        why, remedy = "this key is there already", "keep one of them"
    else:
        why, remedy = f"not TOML: {error.msg}", 'write lines such as title = "..."'
    return ConfigError(f"{source}, line {error.lineno + first_line - 1}: {key}{why}", remedy)


def _keys(text: str) -> list[tuple[int, KeyPath]]:
    """Line and full path of every key in order, those of inline tables at their statement."""
    found: list[tuple[int, KeyPath]] = []
    header: KeyPath = ()
    items: Counter[KeyPath] = Counter()
    for number, statement in _statements(text):
        try:
            values = tomli.loads(statement)
        except (RecursionError, ValueError):
            continue
        paths = list(_paths(values, () if statement.lstrip().startswith("[") else header))
        found += [(number, path) for path in paths]
        if statement.lstrip().startswith("["):
            header = paths[-1] if paths else ()
        if statement.lstrip().startswith("[["):
            items[header] += 1
            header = (*header, str(items[header] - 1))
            found.append((number, header))
    return found


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Every key/value or header with the line it begins at."""
    start = depth = 0
    number = 1
    for token in _TOKEN.finditer(text + "\n"):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        if token[0] == "\n" and depth <= 0:
            statement = text[start : token.start()]
            yield number, statement
            number += statement.count("\n") + 1
            start, depth = token.end(), 0
    if start < len(text):
        yield number, text[start:]


def _paths(value: object, path: KeyPath) -> Iterator[KeyPath]:
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
        yield from _paths(value[0], path)
    elif isinstance(value, dict) and len(path) < MAX_DEPTH:
        for key, below in value.items():
            yield (*path, key)
            yield from _paths(below, (*path, key))


def _dotted(path: KeyPath) -> str:
    text = ".".join(path)
    return text if _BARE.fullmatch(text) else ascii(text[:64])


def _bound(error: ValidationError) -> str:
    """What the number would have to be: `use 1 or more, or leave it out`."""
    bounds = error.errors(include_url=False, include_input=False)[0].get("ctx", {})
    if "ge" in bounds:
        return f"use {bounds['ge']} or more, or leave it out"
    return f"use {bounds['le']} or less, or leave it out" if "le" in bounds else "leave it out"


def _reason(error: ValidationError) -> str:
    message = error.errors(include_url=False, include_input=False)[0]["msg"]
    return message[0].lower() + message[1:]
