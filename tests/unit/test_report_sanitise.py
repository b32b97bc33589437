"""Laws of the sanitiser, and the strings attackers are known to use."""

from __future__ import annotations

import html
import re
import unicodedata

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from rich.cells import cell_len

from runner.report.sanitise import block, code, framed, inert, line, log_text, subject
from runner.text import visible

NASTY = (
    st.text()
    | st.text("\x1b]0[;m\x07\r\n\t\x85\u2028\u202e\u2066\u200b\ufeff\ufe0f\U000e0041\ud800 ab")
    | st.text(":#^vso[]teamcity \n\r@1-/GH.w`<>&|\\~_*!(){}$ficrosupt\ufe0f")
    | st.from_regex(r"(\A|\n)\s*(::|##\[|##vso\[|:::|@me|#1|a/b#2|```|</pre>|www\.x)+")
)
CI_COMMAND = re.compile(r"(?m)^\s*::|##\[|##vso\[|##teamcity\[", re.IGNORECASE)
SEEN = re.compile(r"@[\w-]|#\d|\bGH-\d|://|\bwww\.[\w-]", re.IGNORECASE)


def clean(text: str) -> bool:
    return all(char.isprintable() for char in text.replace("\n", ""))


@given(NASTY | st.text("x漢éאب٣", min_size=100), st.integers(0, 120))
def test_framed_is_all_of_it_and_no_row_is_wrapped_or_without_its_mark(
    text: str, columns: int
) -> None:
    rows = framed(text, columns)
    assert all(row[:2] in ("| ", "\\ ") and cell_len(row) <= max(columns, 22) for row in rows)
    joined = "".join(f"\n{row[2:]}" if row[0] == "|" else row[2:] for row in rows)
    left = re.sub(r"⟦U\+([0-9A-F]+)⟧", lambda found: chr(int(found[1], 16)), joined[1:])
    assert left == log_text(text, lines=10**9, limit=10**9)
    assert not any(unicodedata.bidirectional(char) in ("R", "AL", "AN") for char in joined)


@given(NASTY)
def test_visible_has_no_controls_and_is_idempotent(text: str) -> None:
    shown = visible(text)
    assert clean(shown)
    assert visible(shown) == shown
    shown.encode()


@given(NASTY, st.integers(10, 300))
def test_line_is_one_capped_harmless_line(text: str, limit: int) -> None:
    shown = line(text, limit)
    assert clean(shown)
    assert "\n" not in shown
    assert len(shown) <= limit
    assert not CI_COMMAND.search(shown)
    assert line(shown, limit) == shown


@given(NASTY, st.integers(1, 9))
def test_log_text_is_capped_and_commands_nothing(text: str, lines: int) -> None:
    shown = log_text(text, lines, 80)
    assert clean(shown)
    assert not CI_COMMAND.search(shown)
    rows = shown.split("\n")
    assert len(rows) <= lines + 1
    assert max(map(len, rows)) <= 80
    assert log_text(shown, lines + 1, 80) == shown


@given(NASTY)
def test_inert_leaves_nothing_to_obey_and_is_idempotent(text: str) -> None:
    shown = inert(text)
    assert not SEEN.search(shown)
    assert inert(shown) == shown


@given(NASTY)
@example("0" * 91 + "WWW.WWW.0")  # the mark of a cut behind it makes no link
def test_subject_is_a_line_with_content(text: str) -> None:
    shown = subject(text)
    assert clean(shown)
    assert 0 < len(shown) <= 100
    assert not SEEN.search(shown)
    assert not CI_COMMAND.search(shown)


@given(NASTY)
def test_code_cannot_be_left(text: str) -> None:
    shown = code(text)
    assert clean(shown)
    if shown.startswith("`"):
        inner = shown[1:-1]
        assert not set(inner) & set("`|<>\n")
    else:
        inner = shown.removeprefix("<code>").removesuffix("</code>")
        assert re.fullmatch(r"(?:[\w /.\-]|[^\W_]|&#\d+;)*", inner)
    assert not SEEN.search(html.unescape(inner))


@given(NASTY, st.integers(100, 2000))
def test_block_cannot_be_left_and_is_capped(text: str, limit: int) -> None:
    shown = block(text, limit)
    assert clean(shown)
    assert len(shown.encode()) <= limit
    first, *rows, last = shown.split("\n")
    assert (first, last) == ("<pre>", "</pre>")
    assert all(row.startswith("| ") for row in rows)
    assert not set("\n".join(rows)) & set("<>")
    assert not SEEN.search("\n".join(rows))


def test_block_says_that_it_was_cut() -> None:
    assert "cut here, " in block("x\n" * 1000, 300)
    assert html.unescape(block("a < b\n", 300)).split("\n")[1] == "| a < b"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, ümläut 漢字", "plain text, ümläut 漢字"),
        ("\x1b]52;c;eA==\x07", r"\x1b]52;c;eA==\x07"),
        ("a\u202eb\u2066", r"a\u202eb\u2066"),
        ("\U000e0041\U000e0100", r"\U000e0041\U000e0100"),
        ("zero\u200bwidth\ufeff", r"zero\u200bwidth\ufeff"),
        ("\u3164\u115f", r"\u3164\u115f"),
        ("no-break\u00a0space", "no-break space"),
        ("a\rb\r\nc", "a\\rb\nc"),
        ("\ud800", r"\ud800"),
        ("\u26a0\ufe0f", "\u26a0"),
        ("o" + "\u0301" * 50, "o" + "\u0301" * 4),
    ],
)
def test_visible_examples(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::add-mask::x", ": :add-mask::x"),
        ("  ::error::x", ": :error::x"),
        (":\ufe0f:error::x", ": :error::x"),
        ("x ##[error]y", "x ## [error]y"),
        ("##vso[task.logissue]x", "##vso [task.logissue]x"),
        ("##TeamCity[x]", "##TeamCity [x]"),
        ("^^^ +++", "^ ^ ^ +++"),
        ("std::vector", "std::vector"),
        ("a\nb", "a b"),
    ],
)
def test_line_examples(text: str, shown: str) -> None:
    assert line(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("@octocat", "@ octocat"),
        ("fixes #1, GH-2, o/r#3", "fixes # 1, GH- 2, o/r# 3"),
        ("https://x.invalid/issues/3", "https[:]//x.invalid/issues/3"),
        ("www.x.invalid", "www[.]x.invalid"),
        ("javascript:alert(1)", "javascript[:]alert(1)"),
        ("[ci skip] ***NO_CI*** [Skip Actions]", "(ci skip) (NO_CI) (Skip Actions)"),
        ("a[0], C#, x@", "a[0], C#, x@"),
    ],
)
def test_inert_examples(text: str, shown: str) -> None:
    assert inert(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("src/a_b.py", "`src/a_b.py`"),
        ("a|b", "<code>a&#124;b</code>"),
        ("a`b", "<code>a&#96;b</code>"),
        ("<img src=x>", "<code>&#60;img src&#61;x&#62;</code>"),
        ("", "<code></code>"),
    ],
)
def test_code_examples(text: str, shown: str) -> None:
    assert code(text) == shown
