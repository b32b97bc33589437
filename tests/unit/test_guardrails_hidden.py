"""What people cannot see: refused, warned of, or ordinary."""

from __future__ import annotations

import pytest

from runner.guardrails import hidden


def strong(text: str) -> int:
    return sum(not hit.weak for hit in hidden.find(text))


def weak(text: str) -> int:
    return sum(hit.weak for hit in hidden.find(text))


@pytest.mark.parametrize(
    "text",
    [
        "if admin\u202e \u2066// check\u2069:",
        "pa\u202dss",
        "hello\U000e0068\U000e0069",
        "a\ufe01\ufe02\ufe0f",
        "x\U000e0101\U000e0102",
        "a\u200b\u200c\u200d\u200b\u2060z",
        "print\x1b[2K",
        "rm\x08\x08ls",
        "\U0001f3f4\U000e0041",  # not the tags of a flag
    ],
)
def test_refused(text: str) -> None:
    assert strong(text) >= 1


@pytest.mark.parametrize(
    "text",
    [
        "zero\u200bwidth",
        "soft\u00adhyphen",
        "fill\u3164er",
        "аdmin",  # a Cyrillic first letter
        "line\u2028end",
        "middle\ufeff",
        "overwritten\rrow",
        "nul\x00",
        "private\ue000",
    ],
)
def test_only_warned_of(text: str) -> None:
    assert strong(text) == 0 and weak(text) >= 1


@pytest.mark.parametrize(
    "text",
    [
        "plain\ttext\r\n",
        "naïve café, 100 µm, Δx",
        "Привет, мир; строка и string",
        "\ufeffbegins with a mark",
        "👩‍👩‍👧 ❤️ 1️⃣ 🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f",
        "می‌خواهم",  # a joiner inside a Persian word
        "שלום\u200f!",
        "葛\U000e0100城",
        "a\u00a0b",
        "page\x0cbreak",
    ],
)
def test_ordinary(text: str) -> None:
    assert list(hidden.find(text)) == []


def test_what_is_told_can_be_seen() -> None:
    [hit] = hidden.find("a\u202eb")
    assert hit.what.endswith("(U+202E)") and hit.what.isascii()
    [word] = hidden.find("аdmin")
    assert word.what.isascii()
