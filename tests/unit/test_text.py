"""Hostile text: shown to people without harm, and to a reviewer without loss."""

from __future__ import annotations

import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.text import exact, to_json, visible

TEXTS = st.text(st.characters(codec=None)) | st.text("\u27e6\u27e7U+FE0\\\\x\r\n\t \ufe0f\u0301")


def decoded(text: str) -> str:
    return re.sub("\u27e6U\\+([0-9A-F]+)\u27e7", lambda match: chr(int(match[1], 16)), text)


@given(TEXTS)
def test_exact_loses_nothing(text: str) -> None:
    assert decoded(exact(text)) == text


@given(st.binary())
def test_exact_loses_no_byte(data: bytes) -> None:
    shown = exact(data.decode(errors="surrogateescape"))
    assert decoded(shown).encode(errors="surrogateescape") == data
    shown.encode()


@given(TEXTS)
def test_exact_is_visible(text: str) -> None:
    rest = {
        char for char in exact(text) if char not in "\n\t\u27e6\u27e7" and not " " <= char <= "~"
    }
    assert all(unicodedata.category(char)[0] == "L" for char in rest)


@pytest.mark.parametrize("letter", ["\u115f", "\u1160", "\u3164", "\uffa0"])
def test_letters_that_show_nothing_are_written_out(letter: str) -> None:
    assert exact(letter) == f"\u27e6U+{ord(letter):04X}\u27e7"


@pytest.mark.parametrize(
    "text",
    [
        "def f(a):\n\treturn a\n",
        "na\u00efve",
        "\u043f\u0440\u0438\u0432\u0435\u0442",
        "\u65e5\u672c",
    ],
)
def test_exact_leaves_code_and_letters_alone(text: str) -> None:
    assert exact(text) == text


def test_visible_is_for_people() -> None:
    assert visible("a\r\n\u202eb\u00a0c\ufe0f") == "a\n\\u202eb c"


@given(TEXTS)
def test_json_is_plain_ascii_and_says_the_same(value: str) -> None:
    told = to_json([value, value])
    assert told.isascii() and not any(
        (ord(char) < 32 and char != "\n") or char == "\x7f" for char in told
    )
    assert json.loads(told) == [value.encode(errors="replace").decode()] * 2
