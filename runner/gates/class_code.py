"""A file's lines without what only people read, so that a comment about passwords is no password.

Of Python the language's own tokenizer says what is a comment. Elsewhere nobody here knows for
certain, so a comment is only taken out when it reads like prose: code in it stays.
"""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
import unicodedata
from functools import lru_cache

from runner.gates.encoding import is_piled, strange

MOST_BYTES = 1024 * 1024
_SUFFIXES = {
    "hash": "py pyi rb sh bash zsh yml yaml toml pl r ex exs cr jl nim tf hcl conf cfg ini mk ps1",
    "dash": "sql lua hs elm adb ads vhd",
    "xml": "xml html htm xhtml vue svelte svg xaml csproj props",
}
_FAMILY = {suffix: family for family, known in _SUFFIXES.items() for suffix in known.split()}
"""All others are written as C is."""
_STRING = r"\"(?:\\.|[^\"\\\n])*+\"?|'(?:\\.|[^'\\\n])*+'?|`[^`]*`"
"""One that is not closed goes to the end of its line: looking again from every quote in it would
take time by the square of its length."""
_COMMENTS = {
    "hash": re.compile(rf"(?P<string>{_STRING})|#[^\n]*"),
    "dash": re.compile(rf"(?P<string>{_STRING})|--[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL),
    "xml": re.compile(r"(?P<string>(?!))|<!--.*?(?:-->|\Z)", re.DOTALL),
    "slash": re.compile(rf"(?P<string>{_STRING})|//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL),
}
_CODE = re.compile(r"[;=]|\w[(\[]")
"""What prose does not have."""
_DOUBT = re.compile(r"[\"'`/\\#?%]")
"""Before what looks like a comment on its line: it may be in a string or a pattern."""
_BACK = 200
_LINE_CHARS = 2000
_PIECE_CHARS = 500
_QUOTED = re.compile(r"\"([^\"\n]*)\"|'([^'\n]*)'")
_PROSE = re.compile(r"(?=.*\s)[\w\s.,:!?'’…%/()-]*")
_BEFORE_STATEMENT = frozenset(
    {
        tokenize.NEWLINE,
        tokenize.NL,
        tokenize.INDENT,
        tokenize.DEDENT,
        tokenize.ENCODING,
        tokenize.COMMENT,
    }
)


@lru_cache(maxsize=8)
def code_lines(path: str, data: bytes) -> tuple[str, ...]:
    """Line by line as git counts them, comments blanked; compatible letters are made one."""
    text = data.decode(errors="surrogateescape")
    suffix = path.rpartition("/")[2].rpartition(".")[2].lower()
    if suffix in {"py", "pyi"}:
        text = text if strange(data) else _python(text)
    else:
        text = _generic(text, suffix)
    return tuple(map(composed, text.split("\n")))


def composed(line: str) -> str:
    """In pieces: marks on one letter take time by the square of their number."""
    pieces = (line[at : at + _PIECE_CHARS] for at in range(0, len(line), _PIECE_CHARS))
    return "".join(unicodedata.normalize("NFKC", piece) for piece in pieces)


def without_prose(line: str) -> str:
    """Strings of several words are for people: `"wrong password"`."""
    return _QUOTED.sub(
        lambda found: '""' if _PROSE.fullmatch(found[1] or found[2] or "") else found[0], line
    )


def is_formatting(path: str, old: bytes, new: bytes) -> bool:
    """Both sides mean the same to the language; where that cannot be told, the same to a reader."""
    suffix = path.rpartition(".")[2].lower()
    if suffix in {"py", "pyi"}:
        return _is_same_python(old, new)
    if suffix == "json":
        return _is_same_json(old, new)
    return _trimmed(old) == _trimmed(new)


def _trimmed(data: bytes) -> list[bytes]:
    return [line.rstrip() for line in data.split(b"\n") if line.strip()]


def _is_same_python(old: bytes, new: bytes) -> bool:
    """Statement by statement, up to the first that differs."""
    try:
        before, after = _statements(old), _statements(new)
        return len(before) == len(after) and all(
            ast.dump(one) == ast.dump(other) for one, other in zip(before, after, strict=True)
        )
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False


def _statements(data: bytes) -> list[ast.stmt]:
    """Raises SyntaxError, and others: it is no Python that everybody reads the same way."""
    if (why := strange(data)) is not None or is_piled(data):
        raise SyntaxError(why)
    return ast.parse(data).body


def _is_same_json(old: bytes, new: bytes) -> bool:
    try:
        before, after = (repr(json.loads(side, object_pairs_hook=tuple)) for side in (old, new))
    except (ValueError, RecursionError):
        return False
    return before == after


def _python(text: str) -> str:
    """What is no Python is left as it is."""
    rows = text.split("\n")
    if max(map(len, rows)) > _LINE_CHARS:  # the tokenizer takes time by the square of a line
        return text
    before = tokenize.ENCODING
    held: tokenize.TokenInfo | None = None
    try:
        for token in tokenize.generate_tokens(io.StringIO(text, newline="\n").readline):
            if token.type == tokenize.COMMENT:
                _blank(rows, token)
            if held is not None and token.type in {tokenize.NEWLINE, tokenize.ENDMARKER}:
                _blank(rows, held)
            is_statement = token.type == tokenize.STRING and before in _BEFORE_STATEMENT
            held = token if is_statement else held if token.type == tokenize.COMMENT else None
            before = token.type
    except (tokenize.TokenError, SyntaxError, ValueError):
        return text
    return "\n".join(rows)


def _blank(rows: list[str], token: tokenize.TokenInfo) -> None:
    (first, start), (last, end) = token.start, token.end
    for number in range(first, last + 1):
        row = rows[number - 1]
        head = row[:start] if number == first else ""
        rows[number - 1] = head + (row[end:] if number == last else "")


def _generic(text: str, suffix: str) -> str:
    pattern = _COMMENTS[_FAMILY.get(suffix, "slash")]

    def spared(found: re.Match[str]) -> str:
        before = text[max(0, found.start() - _BACK) : found.start()].rpartition("\n")[2]
        if found["string"] is not None or _CODE.search(found[0]) or _DOUBT.search(before):
            return found[0]
        return "\n" * found[0].count("\n")

    return pattern.sub(spared, text)
