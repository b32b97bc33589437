r"""The one sanitiser for text that reaches a terminal, a log, a forge or a file people render.

The text may be written by an enemy: codex's words, paths, test output, a server's message. What
cannot be seen becomes visible (`\x1b`, `\u202e`), what a machine would obey stops being an order,
and everything is bounded. Layers, each total and built on the one before:
`visible` (no controls) -> `log_text`, `line` (no CI commands, capped) -> `inert` (no mentions,
references, links) -> `code`, `block` (Markdown that cannot be broken out of).
"""

from __future__ import annotations

import html
import re
import sys
import unicodedata
from collections.abc import Iterator

from runner.text import cut, visible

_CI_COMMANDS = re.compile(
    r"(?<!\S)(?P<run>:{2,}|\^{3,})|(?P<prefix>\#\#(?:vso|teamcity)?)(?=\[)", re.IGNORECASE
)
"""GitHub takes `::` behind leading blanks and `##[` anywhere in a line; Azure `##vso[` anywhere;
Buildkite folds at a leading `^^^`.
https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs (read 2026-11)."""

_SKIP_CI = re.compile(
    r"\[(?P<words>(?:skip|no|ci|actions)[ -](?:ci|skip|actions))\]|\*\*\*NO_CI\*\*\*", re.IGNORECASE
)
_SIGNS = re.compile(
    r"(?P<mention>@)(?=[\w-])"
    r"|(?P<number>\#)(?=\d)"
    r"|(?P<issue>\bGH-)(?=\d)"
    r"|(?P<scheme>\b(?:javascript|data|vbscript|file|mailto)):(?=\S)"
    r"|(?P<address>://)"
    r"|(?P<www>\bwww)\.",
    re.IGNORECASE,
)


def line(text: str, limit: int = 200) -> str:
    """One line of at most `limit` characters, without controls or CI commands. Idempotent."""
    return cut(_no_ci_commands(" ".join(visible(text).split())), limit)


def log_text(text: str, lines: int = 10_000, limit: int = 2_000) -> str:
    """Several lines, each as safe as `line` but with its blanks; the rest is counted."""
    rows = visible(text).split("\n")
    kept = [cut(_no_ci_commands(row), limit) for row in rows[:lines]]
    if len(rows) > lines:
        kept.append(f"... {len(rows) - lines} more lines")
    return "\n".join(kept)


def framed(text: str, columns: int) -> list[str]:
    """All of it, in rows that no terminal wraps, each behind a mark: none passes for one of ours.
    Letters that are written from right to left, and turn what is between them, are spelled out."""
    told = log_text(text, lines=sys.maxsize, limit=sys.maxsize)
    rows = told if told.isascii() else "".join(map(_unturned, told))
    return [piece for row in rows.split("\n") for piece in _folded(row, max(columns - 2, 20))]


def inert(text: str) -> str:
    """Mentions, issue references, links and `[skip ci]` spelled so that nothing obeys them."""
    text = _SKIP_CI.sub(lambda found: f"({found['words'] or 'NO_CI'})", text)
    return _SIGNS.sub(_disarmed, text)


def subject(text: str, limit: int = 100) -> str:
    """A title or the first line of a commit message."""
    return cut(inert(line(text, limit * 4)), limit) or "(no title)"


def code(text: str, limit: int = 200) -> str:
    """One line as inline code in Markdown; also valid in a table cell."""
    shown = cut(inert(line(text, limit)), limit)
    if shown and not set(shown) & set("`|<>"):
        return f"`{shown}`"
    return "<code>" + "".join(map(_entity, shown)) + "</code>"


def block(text: str, limit_bytes: int) -> str:
    """Text as a preformatted block: HTML escaped, each line behind a bar, at most `limit_bytes`.

    `<pre>` ends only at a literal `</pre>`, which escaped text cannot contain; the bar keeps
    lines from being commands (`/merge`), trailers (`Signed-off-by:`) or fences.
    """
    kept: list[str] = []
    left = limit_bytes - len("<pre>\n</pre>") - 60
    rows = log_text(text, limit=500).strip("\n").split("\n")
    for number, row in enumerate(rows):
        shown = "| " + html.escape(inert(row), quote=False)
        left -= len(shown.encode()) + 1
        if left < 0:
            kept.append(f"| ... cut here, {len(rows) - number} more lines")
            break
        kept.append(shown)
    return "\n".join(("<pre>", *kept, "</pre>"))


def _unturned(char: str) -> str:
    turns = unicodedata.bidirectional(char) in {"R", "AL", "AN"}
    return f"⟦U+{ord(char):04X}⟧" if turns else char


def _folded(row: str, cells: int) -> Iterator[str]:
    mark, piece, used = "| ", "", 0
    for char in row:
        wide = 1 if char.isascii() else 2  # at most
        if used + wide > cells:
            yield mark + piece
            mark, piece, used = "\\ ", "", 0
        piece, used = piece + char, used + wide
    yield mark + piece


def _no_ci_commands(text: str) -> str:
    return _CI_COMMANDS.sub(lambda f: " ".join(f["run"]) if f["run"] else f["prefix"] + " ", text)


def _disarmed(found: re.Match[str]) -> str:
    match found.lastgroup:
        case "address":
            return "[:]//"
        case "scheme" | "www":
            return found[0][:-1] + f"[{found[0][-1]}]"
        case _:
            return found[0] + " "


def _entity(char: str) -> str:
    return char if char.isalnum() or char in " /._-" else f"&#{ord(char)};"
