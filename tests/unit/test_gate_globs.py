"""Path globs: the documented meaning, the laws, and no pattern that takes long."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.gates import globs

SEGMENT = st.text("ab.*?", min_size=1, max_size=4).filter(
    lambda text: "**" not in text and text not in {".", ".."}
)
PATTERN = st.lists(st.one_of(SEGMENT, st.just("**")), min_size=1, max_size=4).map("/".join)
PATH = st.lists(st.text("ab.", min_size=1, max_size=4), min_size=1, max_size=5).map("/".join)


@pytest.mark.parametrize(
    ("pattern", "path", "expected"),
    [
        ("a", "a", True),
        ("a", "b/a", False),
        ("a", "a/b", False),
        ("/a", "a", True),
        ("a/", "a", True),
        ("a/", "a/b/c", True),
        ("a/", "ab", False),
        ("*.py", "x.py", True),
        ("*.py", "d/x.py", False),
        ("**/*.py", "x.py", True),
        ("**/*.py", "d/e/x.py", True),
        ("d/**", "d/x", True),
        ("d/**/x", "d/x", True),
        ("d/**/x", "d/1/2/x", True),
        ("d/**/x", "d/1/2/y", False),
        ("?", "é", True),
        ("?", "/", False),
        ("a*b*c", "a-b-b-c", True),
        ("[ab]", "a", False),
        ("[ab]", "[ab]", True),
        ("a\\*", "a\\x", True),
    ],
)
def test_meaning(pattern: str, path: str, expected: bool) -> None:
    assert globs.parse(pattern).matches(path.encode()) is expected


@pytest.mark.parametrize("pattern", ["", "/", "//", "a//b", "../a", "a/./b", "a**", "a/**b", "a\0"])
def test_a_pattern_that_cannot_mean_anything_is_an_error(pattern: str) -> None:
    with pytest.raises(ValueError, match="path glob"):
        globs.parse(pattern)


@pytest.mark.parametrize(
    "path",
    [
        ".GitHub/workflows/x.yml",
        "sub/.GITATTRIBUTES",
        ".g\u200cithub/x",
        ".github./x",
        ".github /x",
        ".ＧITHUB/x".replace("Ｇ", "G"),
    ],
)
def test_folded_rules_see_through_file_systems(path: str) -> None:
    assert globs.parse("**/.git*/").matches_folded(path.encode())


def test_composition_does_not_matter_to_folded_rules() -> None:
    glob = globs.parse("caf\u00e9/")
    assert glob.matches_folded("CAFE\u0301/x".encode())
    assert not glob.matches("cafe\u0301/x".encode())


def test_foreign_bytes_match_like_characters() -> None:
    assert globs.parse("a*").matches(b"a\xff\xfe")
    assert globs.parse("?").matches(b"\xff")


@given(PATH)
def test_a_path_matches_itself_and_its_subtree(path: str) -> None:
    assume_plain = not any(part in {".", ".."} for part in path.split("/"))
    if assume_plain:
        assert globs.parse(path).matches(path.encode())
        assert globs.parse(f"{path}/").matches(f"{path}/x".encode())


@given(PATTERN, PATH)
def test_agrees_with_a_regular_expression(pattern: str, path: str) -> None:
    assert globs.parse(pattern).matches(path.encode()) is bool(
        re.fullmatch(_as_regex(pattern), f"{path}/")
    )


@given(PATTERN, st.binary(max_size=40).map(lambda raw: raw.replace(b"\0", b"")))
def test_exact_implies_folded_and_nothing_crashes(pattern: str, path: bytes) -> None:
    glob = globs.parse(pattern)
    text = path.decode(errors="surrogateescape")
    if globs.fold(text) == text and glob.matches(path):
        assert glob.matches_folded(path)


def test_many_stars_are_no_bomb() -> None:
    pattern = "/".join(["**", "*a" * 200] * 20)
    assert not globs.parse(pattern).matches(b"/".join([b"a" * 200 + b"b"] * 40))


def _as_regex(pattern: str) -> str:
    out = []
    for segment in pattern.split("/"):
        if segment == "**":
            out.append("(?:[^/]+/)*")
        else:
            body = "".join(
                {"*": "[^/]*", "?": "[^/]"}.get(char, re.escape(char)) for char in segment
            )
            out.append(body + "/")
    return "".join(out)
