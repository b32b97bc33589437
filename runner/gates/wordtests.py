"""Tests of other languages, told by their words: names, what skips them, how much they check."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

MOST_BYTES = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Language:
    """How one family of languages writes tests, line by line."""

    name: re.Pattern[bytes]
    """Group 1 is a test's name."""
    skip: re.Pattern[bytes]
    check: re.Pattern[bytes]
    trap: re.Pattern[bytes]
    """Ends the process, or asks who is running it."""


@dataclass(frozen=True, slots=True)
class Words:
    """One file: the lines that matter, without indentation."""

    tests: dict[str, int]
    """Name -> line."""
    skips: Counter[str]
    checks: Counter[str]
    traps: Counter[str]
    lines: dict[str, int]
    """Where a line of `skips` or `traps` stands first."""
    text: tuple[bytes, ...] = ()
    """All lines that are not blank."""


_SCRIPT = Language(
    re.compile(
        rb"\b(?:it|test|specify|scenario)(?:\.\w{1,40}){0,6}+\s*+\(\s*+[\"'`]([^\"'`\n]{1,200})"
    ),
    re.compile(
        rb"\b(?:it|test|describe|suite|context)\.(?:skip|todo|only|failing|fixme|skipIf|runIf)\b"
        rb"|\bx(?:it|describe|test|context)\s*\(|\bf(?:it|describe)\s*\(|\bthis\.skip\(|\bt\.skip\("
    ),
    re.compile(rb"\b(?:expect|assert)\b\s*[.(]|\bt\.(?:is|deepEqual|equal|ok|true|false|throws)\("),
    re.compile(
        rb"process\.(?:exit|reallyExit|kill|abort)\s*\(|process\.exitCode"
        rb"|process\.on\(\s*[\"'](?:exit|beforeExit)|JEST_WORKER_ID|VITEST|NODE_ENV[\"'\]]*\s*[!=]==?"
    ),
)
_GO = Language(
    re.compile(rb"^func\s+((?:Test|Fuzz|Example)\w*)\s*\("),
    re.compile(rb"\bt\.Skip(?:f|Now)?\(|^func\s+TestMain\b|^//go:build|^// \+build"),
    re.compile(rb"\bt\.(?:Error|Fatal|Fail)|\b(?:assert|require|is)\.\w+\("),
    re.compile(rb"\bos\.Exit\(|flag\.Lookup\(\"test\.|testing\.Testing\(|syscall\.Exit\("),
)
_RUST = Language(
    re.compile(rb"^\s*(?:pub\s+)?(?:async\s+)?fn\s+(\w+)\s*\("),
    re.compile(rb"#\[ignore|#\[should_panic|#!?\[cfg\("),
    re.compile(rb"\b(?:debug_)?assert\w*!\s*\(|\bpanic!\s*\("),
    re.compile(rb"process::(?:exit|abort)\s*\(|libc::_?exit\s*\("),
)
_JVM = Language(
    re.compile(
        rb"^\s*(?:public\s+|private\s+|internal\s+)?(?:void|fun|Task|async\s+Task)\s+`?(\w+)"
    ),
    re.compile(
        rb"@(?:Disabled|Ignore)|\[Ignore|Skip\s*=|\bassum(?:e|ing)\w*\(|Assert\.(?:Ignore|Inc)"
    ),
    re.compile(rb"\b[Aa]ssert\w*\s*[.(]|\bverify\s*\(|\bexpect\w*\s*\(|\bshould\w*\b|\bfail\s*\("),
    re.compile(rb"System\.exit\(|Runtime\.getRuntime\(\)\.halt|Environment\.Exit\(|exitProcess\("),
)
_RUBY = Language(
    re.compile(
        rb"^\s*(?:(?:it|specify|test)\s*\(?\s*[\"']([^\"'\n]{1,200})|(?:def\s+(?:test\w*)))"
    ),
    re.compile(rb"^\s*(?:x(?:it|describe|context)|skip|pending|fit|fdescribe)\b"),
    re.compile(rb"\b(?:expect|assert\w*|refute\w*|should)\b"),
    re.compile(rb"\b(?:exit!?|abort|at_exit)\b"),
)
_PHP = Language(
    re.compile(rb"\bfunction\s+(test\w+)\s*\("),
    re.compile(rb"markTest(?:Skipped|Incomplete)|->skip\("),
    re.compile(rb"\bassert\w*\s*\(|\bexpect\w*\s*\("),
    re.compile(rb"\b(?:exit|die)\s*[(;]|register_shutdown_function"),
)
_SHELL = Language(
    re.compile(rb"^@test\s+[\"']([^\"']{1,200})|^\s*(?:function\s+)?(test\w*)\s*\(\)"),
    re.compile(rb"^\s*skip\b"),
    re.compile(rb"\[\[? .{0,400}\]|\bassert\w*\b|\btest\s+-"),
    re.compile(rb"\bexit\s+0\b|\|\|\s*(?:true|:)|\btrap\b|set\s+\+e"),
)
_BY_SUFFIX = {
    **dict.fromkeys(
        ("js", "jsx", "ts", "tsx", "mjs", "cjs", "mts", "cts", "vue", "svelte"), _SCRIPT
    ),
    "go": _GO,
    "rs": _RUST,
    **dict.fromkeys(("java", "kt", "kts", "scala", "groovy", "cs", "fs", "swift"), _JVM),
    "rb": _RUBY,
    "php": _PHP,
    **dict.fromkeys(("sh", "bash", "bats", "zsh"), _SHELL),
}


def language(path: str) -> Language | None:
    """By its name's end; None = not one of them."""
    return _BY_SUFFIX.get(path.rpartition(".")[2].lower())


def words(source: bytes, of: Language) -> Words | None:
    """None = too large to be read."""
    if len(source) > MOST_BYTES:
        return None
    text_lines = tuple(row for raw in source.splitlines() if (row := raw.strip()))
    found = Words({}, Counter(), Counter(), Counter(), {}, text_lines)
    for number, raw in enumerate(source.splitlines(), 1):
        text = raw.strip()[:500].decode(errors="replace")
        if match := of.name.search(raw):
            name = next((group for group in match.groups() if group), match[0])
            found.tests.setdefault(name.decode(errors="replace"), number)
        for pattern, kind in (
            (of.skip, found.skips),
            (of.check, found.checks),
            (of.trap, found.traps),
        ):
            if pattern.search(raw):
                kind[text] += 1
                found.lines.setdefault(text, number)
    return found
