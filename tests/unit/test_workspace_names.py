"""Names that only some file systems tell apart, and links that lead out."""

from __future__ import annotations

import pytest

from runner.workspace.links import escapes
from runner.workspace.names import identity, is_dot_git
from runner.workspace.store import borrowing
from runner.workspace.trees import ancestry


@pytest.mark.parametrize(
    "name",
    [
        *(
            b".git",
            b".GIT",
            b".gIt",
            b"git~1",
            b"GIT~12",
            b".git ",
            b".git.",
            b".git . .",
            b".git:x",
        ),
        *(b".git::$INDEX_ALLOCATION", b".git\\x", b"x\\.GIT", b"git~1.", b"GIT~1:x", b".git:x"),
        *(name.encode() for name in ("\u200c.git", ".g\u200dit", ".git\ufeff", ".\u202agit")),
        *(name.encode() for name in ("\uff0egit", ".G\u0130T".replace("\u0130", "i"))),
    ],
)
def test_names_for_dot_git(name: bytes) -> None:
    assert is_dot_git(name)


@pytest.mark.parametrize(
    "name",
    [
        *(
            b".gitignore",
            b".gitattributes",
            b".gitmodules",
            b".github",
            b"git",
            b"x.git",
            b".git~1",
        ),
        *(
            b"legit",
            b"git~x",
            b"git~1.txt",
            b".gi",
            b"..git",
            b".git-blame-ignore-revs",
            b"\xff.git",
        ),
    ],
)
def test_names_that_are_fine(name: bytes) -> None:
    assert not is_dot_git(name)


def test_identity() -> None:
    for one, other in (("A", "a"), ("\u00e9", "e\u0301"), ("a\u200b", "a"), ("\u00df", "SS")):
        assert identity(one.encode()) == identity(other.encode())
    assert identity(b"\xff") != identity(b"\xfe")


LINKS = {
    b"d/up": b"..",
    b"d/self": b"self",
    b"abs": b"/etc",
    b"deep": b"d/e/f",
    b"hop": b"d/up",
    b"out": b"deep/../../../..",
}


@pytest.mark.parametrize(
    ("path", "target", "why"),
    [
        (b"l", b"x", None),
        (b"l", b".", None),
        (b"l", b"d/../x", None),
        (b"d/l", b"../x", None),
        (b"d/l", b"..", None),
        (b"l", b"nowhere/./x//", None),
        (b"l", b"hop/hop/hop", None),
        (b"l", b"..", "out of"),
        (b"d/l", b"../../x", "out of"),
        (b"l", b"/x", "absolute"),
        (b"l", b"abs/passwd", "absolute"),
        (b"l", b"d/up/..", "out of"),
        (b"l", b"deep/../../../x", None),
        (b"l", b"out", "out of"),
        (b"d/self", b"self", "more than 40"),
        (b"l", b"nowhere/../../x", "out of"),
        (b"l", b"a/" * 2000 + b"../" * 2001, "out of"),
    ],
)
def test_links(path: bytes, target: bytes, why: str | None) -> None:
    found = escapes(path, target, LINKS.get)
    assert why in found if why and found else found == why


def test_ancestry() -> None:
    assert ancestry(b"") == [b""]
    assert ancestry(b"a/b") == [b"", b"a", b"a/b"]


def test_alternates_are_quoted_when_they_must_be() -> None:
    from pathlib import Path

    assert borrowing(Path("/a/b c")) == b"/a/b c\n"
    assert borrowing(Path('/a\n"')) == b'"/a\\n\\""\n'
