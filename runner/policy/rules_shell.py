"""A shell script -> the simple commands in it, without running or expanding anything.

What the agent wrote is hostile: no shell and no parser written in C reads it here. Where this
reading differs from a shell's it finds more commands than there are, or says `unread`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

MAX_CHARACTERS = 16_384
Word = str | None
"""None = a pattern of file names, or a list in braces: any number of words."""

_TOKEN = re.compile(
    r"""(?P<gap>(?:[ \t\r]|\\\n)++ | \#[^\n]*+ )
      | (?P<to>(?:\d++|\{\w++\})?+(?:<<<|<<-?|<>|<&|>>|>\||>&|<(?!\()|>(?!\()) )
      | (?P<end>\n | ;;?&? | &&? | \|[|&]? | [<>]?\( | \) | ` )
      | (?P<word>(?: [^ \t\r\n\\'"$`;&|()<>]++ | \\. | '[^']*+' | "(?:[^"\\]|\\.)*+"
                   | \$'(?:[^'\\]|\\.)*+' | \$ )++ )""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_PIECE = re.compile(
    r"""(?P<plain>[^\\'"$]++) | \\(?P<escaped>.) | '(?P<single>[^']*+)'
      | "(?P<double>(?:[^"\\]|\\.)*+)" | (?P<dollar>\$'(?:[^'\\]|\\.)*+' | \$)""",
    re.VERBOSE | re.DOTALL,
)
_SIMPLE = re.compile(r"[^\\'\"$*?\[{~]++")
_DOUBLE = re.compile(r"\\([$`\"\\])|\\\n")
_EXPANDED = re.compile(r"(?<!\\)(?:\\\\)*+[$`]")
_SUBSTITUTED = re.compile(r"\$\(|`")
_ASSIGNMENT = re.compile(r"[A-Za-z_]\w*+(?:\[[^\]]*+\])?\+?=", re.ASCII)
_OPENERS = frozenset({"if", "then", "elif", "else", "while", "until", "do", "!", "{"})
"""Behind these words a command begins."""


@dataclass(slots=True)
class Script:
    """What was read of it."""

    commands: list[list[Word]] = field(default_factory=list)
    unread: str = ""
    """What kept the reading from being whole, the first such thing."""


def read(text: str) -> Script:
    """Every simple command, those in substitutions and here-documents too."""
    if len(text) > MAX_CHARACTERS or "\0" in text:
        return Script(unread=f"NUL, or a script of more than {MAX_CHARACTERS} characters")
    script = Script()
    words: list[Word] = []
    at, to = 0, False
    while at < len(text):
        token = _TOKEN.match(text, at)
        if token is None:
            _unread(script, "a quote that is not closed")
            break
        at = token.end()
        match token.lastgroup:
            case "word":
                word = _word(script, token[0])
                words += [] if to else [word]
                to = False
            case "to":
                to = True
                if "<<" in token[0]:
                    _unread(script, "a here-document")
            case "end":
                if ("(" in token[0] and (words or len(token[0]) > 1)) or token[0] == "`":
                    _unread(script, "a substitution or a function")
                _end(script, words)
                words, to = [], False
    _end(script, words)
    return script


def _end(script: Script, words: list[Word]) -> None:
    """One simple command, without what stands before it."""
    start = 0
    while start < len(words) and _before(words[start]):
        start += 1
    if words[start:]:
        script.commands.append(words[start:])


def _before(word: Word) -> bool:
    return word is not None and (word in _OPENERS or _ASSIGNMENT.match(word) is not None)


def _word(script: Script, raw: str) -> Word:
    if _SIMPLE.fullmatch(raw):
        return raw
    text = "".join(_pieces(script, raw))
    if text != raw and _SUBSTITUTED.search(text):  # quoted now; arithmetic and PS4 run it later
        script.commands += read(text).commands
    if _ASSIGNMENT.match(raw):
        return text
    unquoted = "".join(piece["plain"] or "'" for piece in _PIECE.finditer(raw))
    return None if _is_hole(unquoted) else text


def _is_hole(unquoted: str) -> bool:
    in_braces = "{" in unquoted and ("," in unquoted or ".." in unquoted)
    in_brackets = "]" in unquoted[unquoted.find("[") :] if "[" in unquoted else False
    return in_braces or in_brackets or "*" in unquoted or "?" in unquoted or unquoted[:1] == "~"


def _pieces(script: Script, raw: str) -> Iterator[str]:
    for piece in _PIECE.finditer(raw):
        match piece.lastgroup:
            case "plain" | "single":
                yield piece[piece.lastgroup]
            case "escaped":
                yield piece["escaped"].removeprefix("\n")
            case "double":
                if _EXPANDED.search(piece["double"]):
                    _inside(script, piece["double"])
                yield _DOUBLE.sub(r"\1", piece["double"])
            case _:
                _unread(script, "an expansion")
                yield piece[0]


def _inside(script: Script, text: str) -> None:
    """The commands of a substitution between double quotes."""
    _unread(script, "an expansion")
    script.commands += read(text).commands


def _unread(script: Script, why: str) -> None:
    script.unread = script.unread or why
