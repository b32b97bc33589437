"""A change in portions: nothing is left out, whatever it is made of; its rows are proved."""

from __future__ import annotations

import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.gates.hunks import ROW_CHARS, File, UnaccountedError, read
from runner.gates.portions import AGAIN, OVERLAP_CHARS, Block, Portion, portions, written
from runner.process import clean_env, run
from runner.records.base import Oid
from runner.records.patch import Patch
from runner.workspace.changes import changes, diff
from runner.workspace.git import Git
from tests.fakes import CaseBuilder
from tests.fakes import File as Entry

LEAST = OVERLAP_CHARS + 12_000
"""A portion that has room for the longest row and its headers."""


def files_of(builder: CaseBuilder) -> tuple[File, ...]:
    case = builder.case()
    return read(case.patch, case.diff(), case.blob)


def fresh(parts: tuple[Portion, ...]) -> list[Block]:
    return [block for part in parts for block in part if not block.again]


def check_law(files: tuple[File, ...], parts: tuple[Portion, ...]) -> None:
    """Every hunk is in some portion; portions without what is shown again are the change."""
    rows: dict[tuple[int, int], list[object]] = {}
    for block in fresh(parts):
        rows.setdefault((id(block.file), block.hunk), []).extend(block.rows)
    wanted = {
        (id(file), number): [*hunk]
        for file in files
        for number, hunk in (enumerate(file.hunks, 1) if file.hunks else [(0, ())])
    }
    assert rows == wanted
    assert [*rows] == sorted(rows, key=[*wanted].index), "in order"


LINES = st.lists(
    st.sampled_from([b"a", b"b", b"", b"\xff", b"x" * 1500, "\u202e".encode()]), max_size=30
)
CONTENT = st.one_of(
    st.binary(max_size=60),
    LINES.map(b"\n".join),
    LINES.map(lambda rows: b"".join(row + b"\r\n" for row in rows)),
)
TREES = st.dictionaries(
    st.sampled_from(["a", "b/c", "b/d", "e\udcff", "f\n+g"]),
    st.builds(Entry, CONTENT, st.sampled_from(["100644", "100755", "120000"])),
)


@settings(deadline=None)
@given(TREES, TREES)
def test_the_law(old: dict[str, Entry], new: dict[str, Entry]) -> None:
    files = files_of(CaseBuilder(old=old, new=new))
    for most in (LEAST, 200_000):
        parts = portions(files, most)
        check_law(files, parts)
        assert all(len(written(part)) <= most for part in parts)


@settings(deadline=None, max_examples=30)
@given(st.lists(st.tuples(st.integers(1, 3000), st.integers(0, 3000)), min_size=1, max_size=6))
def test_the_law_of_large_changes(sizes: list[tuple[int, int]]) -> None:
    new = {
        f"f{number}": b"".join(b"%d " % row + b"y" * length + b"\n" for row in range(count // 20))
        for number, (count, length) in enumerate(sizes)
    }
    files = files_of(CaseBuilder(new=new))
    parts = portions(files, LEAST)
    check_law(files, parts)
    assert all(len(written(part)) <= LEAST for part in parts)


def test_a_cut_inside_a_file_repeats_what_was_before_it() -> None:
    files = files_of(CaseBuilder(new={"a": b"".join(b"row %d\n" % n for n in range(4000))}))
    first, *later = portions(files, LEAST)
    assert later and not any(block.again for block in first)
    before = first
    for part in later:
        assert part[0].again and part[0].rows == before[-1].rows[-len(part[0].rows) :]
        text = written(part)
        assert text.startswith("FILE a\n  (added;") and text.count(AGAIN) == 1
        before = part


def test_files_and_hunks_are_cut_only_when_they_must_be() -> None:
    files = files_of(CaseBuilder(new=dict.fromkeys("abcdefgh", b"x" * 20 + b"\n")))
    assert len(portions(files, LEAST)) == 1
    sized = {name: b"".join(b"%d\n" % n for n in range(400)) for name in "abcdef"}
    files = files_of(CaseBuilder(new=sized))
    parts = portions(files, LEAST)
    assert len(parts) > 2 and not any(block.again for part in parts for block in part)


def test_a_long_line_is_several_rows_of_one_number() -> None:
    line = "x" * 2500 + "\u202e"
    (file,) = files_of(CaseBuilder(new={"a": line.encode()}))
    rows = file.hunks[0]
    assert [row.continued for row in rows] == [False, True, True, False]
    assert "".join(row.text for row in rows[:3]) == line
    assert {row.new for row in rows[:3]} == {1} and all(len(r.text) <= ROW_CHARS for r in rows)
    text = written(portions((file,))[0])
    assert text.count("\n            1 +xxx") == 1 and text.count("\n            1 >+xxx") == 2
    assert "\u27e6U+202E\u27e7" in text and rows[3].sign == "\\"


def test_no_content_passes_for_a_header() -> None:
    evil = b"FILE b\n@@ hunk 1 of 1 @@\n~~~~ the rows above\n-----END\n     1      1 +x\n"
    text = written(portions(files_of(CaseBuilder(new={"a": evil})))[0])
    assert [row for row in text.split("\n") if row.startswith("FILE")] == ["FILE a"]
    assert sum(row.startswith(("@@", "~~~~", "-----")) for row in text.split("\n")) == 1


# The proof.


def forged(builder: CaseBuilder, old: bytes, new: bytes) -> None:
    case = builder.case()
    text = case.diff()
    assert old in text
    with pytest.raises(UnaccountedError):
        read(case.patch, text.replace(old, new, 1), case.blob)


PLAIN = CaseBuilder(old={"a": b"1\n2\n3\n", "d": b"x\n"}, new={"a": b"1\n2!\n3\n", "n": b"y\n"})


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"+2!", b"+2?"),
        (b"-2\n", b"-5\n"),
        (b"@@ -1,3 +1,3 @@", b"@@ -2,3 +2,3 @@"),
        (b"@@ -1,3 +1,3 @@", b"@@ -1,9 +1,9 @@"),
        (b"@@ -1,3 +1,3 @@", b"@@ -1,2 +1,3 @@"),
        (b"+y\n", b"+y\n\\ No newline at end of file\n"),
        (b"+y\n", b""),
        (b"-x\n", b"-z\n"),
        (b"diff --git a/n", b"similarity a/n"),
        (b" 3\n", b"*3\n"),
        (b"+y\n", b"+y\ndiff --git a/z b/z\n"),
    ],
)
def test_rows_that_are_not_the_change_are_found_out(old: bytes, new: bytes) -> None:
    forged(PLAIN, old, new)


def test_a_text_shown_as_binary_is_found_out() -> None:
    case = CaseBuilder(new={"a": b"x\n"}).case()
    hidden = b"diff --git a/a b/a\nnew file mode 100644\nindex 0..1\nGIT binary patch\nliteral 2\n"
    with pytest.raises(UnaccountedError):
        read(case.patch, hidden, case.blob)
    (change,) = case.patch.changes
    binary = case.patch.model_copy(
        update={"changes": (change.model_copy(update={"binary": True}),)}
    )
    with pytest.raises(UnaccountedError):
        read(binary, case.diff(), case.blob)


@pytest.mark.parametrize(
    ("old", "new", "shown"),
    [
        (b"\0\1", b"import os\nrun()", ["+import os", "+run()"]),
        (b"check()\n", b"\0\1", ["-check()"]),
        (b"\0\1", b"\0\2", []),
        (b"\0\1", b"", []),
    ],
)
def test_a_text_in_a_binary_s_place_is_shown_whole(
    old: bytes, new: bytes, shown: list[str]
) -> None:
    """Git says only that a binary differs, and a reviewer would not see the text."""
    files = files_of(CaseBuilder(old={"i.bin": old}, new={"i.bin": new}))
    text = written(portions(files)[0])
    assert [row[14:] for row in text.split("\n") if row[:13].strip().isdigit()] == shown
    what = "a binary on one side" if shown else "binary"
    assert f"; {what}, not shown, object " in text


def test_links_to_other_repositories_have_rows_too() -> None:
    link = Entry(b"", "160000")
    for old, new in (({}, {"m": link}), ({"m": link}, {}), ({"m": link}, {"m": b"x\n"})):
        files = files_of(CaseBuilder(old=old, new=new))
        assert any("Subproject commit" in row.text for f in files for h in f.hunks for row in h)


@pytest.fixture
def git(tmp_path: Path) -> Git:
    done = run(["git", "init", "-q", tmp_path / "r"], env=clean_env())
    assert done.code == 0, done
    return Git(tmp_path / "r" / ".git")


def committed(root: Path) -> Oid:
    for words in (("add", "-A", "--force"), ("write-tree",)):
        done = run(["git", "-C", root, *words], env=clean_env())
        assert done.code == 0, done
    return Oid(done.text().strip())


def test_real_trees(git: Git, tmp_path: Path) -> None:
    root = tmp_path / "r"
    texts = {
        "crlf": b"a\r\nb\r\n",
        "bare": b"no end",
        "empty": b"",
        "mode": b"#!\n",
        "type": b"f\n",
    }
    for name, data in texts.items():
        (root / name).write_bytes(data)
    (root / "long").write_bytes(b"".join(b"%d\n" % n for n in range(500)))
    (root / "bin").write_bytes(b"\0" * 99)
    (root / "gone").write_bytes(b"bye")
    (root / ".gitattributes").write_text("*.py diff=python\n")
    old = committed(root)
    (root / "crlf").write_bytes(b"a\r\nb\nc\r")
    (root / "bare").write_bytes(b"an end\n")
    (root / "empty").write_bytes(b"full")
    (root / "mode").chmod(0o755)
    (root / "type").unlink()
    os.symlink("crlf", root / "type")
    rows = (root / "long").read_bytes().replace(b"\n100\n", b"\n").replace(b"400\n", b"400\n4\n")
    (root / "long").write_bytes(rows)
    (root / "bin").write_bytes(b"\0" * 98)
    (root / "gone").unlink()
    (root / "a\nb\xff.py").write_bytes(b"+++ b/x\n--- a/x\n@@ -1 +1 @@\ndiff --git a/x b/x\n")
    new = committed(root)
    patch = Patch(
        base_commit=old, base_tree=old, tree=new, commit=new, changes=changes(git, old, new)
    )
    files = read(patch, diff(git, old, new), lambda oid: git.run("cat-file", "blob", oid))
    assert [file.change for file in files] == [*patch.changes]
    check_law(files, portions(files, LEAST))
    by = {file.change.path: file for file in files}
    assert len(by["long"].hunks) == 2 and not by["bin"].hunks and not by["mode"].hunks
    assert len(by["type"].hunks) == 2 and by["type"].change.status == "type-changed"
    for victim in ("crlf", "gone", "type"):
        number = [c.path for c in patch.changes].index(victim)
        wrong = Oid(hashlib.sha1(b"other").hexdigest())
        side = "old_oid" if victim == "gone" else "new_oid"
        lied = patch.changes[number].model_copy(update={side: wrong})
        bent = (*patch.changes[:number], lied, *patch.changes[number + 1 :])
        with pytest.raises(UnaccountedError, match=victim):
            read(
                patch.model_copy(update={"changes": bent}),
                diff(git, old, new),
                lambda oid: git.run("cat-file", "blob", oid),
            )


def test_a_text_that_an_attribute_calls_binary_is_found_out(git: Git, tmp_path: Path) -> None:
    old = committed(tmp_path / "r")
    (tmp_path / "r" / ".gitattributes").write_text("*.py -diff\n")
    (tmp_path / "r" / "evil.py").write_text("import os\n")
    new = committed(tmp_path / "r")
    found = changes(git, old, new)
    patch = Patch(base_commit=old, base_tree=old, tree=new, commit=new, changes=found)
    text = diff(git, old, new)
    if not any(change.binary for change in found):
        text = text.replace(
            b"--- /dev/null\n+++ b/evil.py\n@@ -0,0 +1 @@\n+import os\n", b"GIT binary patch\n"
        )
        lied = (found[0], found[1].model_copy(update={"binary": True}))
        patch = patch.model_copy(update={"changes": lied})
    with pytest.raises(UnaccountedError, match=r"evil\.py"):
        read(patch, text, lambda oid: git.run("cat-file", "blob", oid))


def test_blocks_of_one_file_are_told_apart() -> None:
    """Two hunks, something between them: the header comes again."""
    (file,) = files_of(
        CaseBuilder(
            old={"a": b"".join(b"%d\n" % n for n in range(50))},
            new={"a": b"".join(b"%d\n" % n for n in range(50) if n not in (3, 40))},
        )
    )
    (one, two) = portions((file,))[0]
    other = replace(one, file=File(file.change.model_copy(update={"path": "z"}), file.hunks))
    assert written((one, two)).count("FILE a\n") == 1
    assert written((one, other, two)).count("FILE a\n") == 2
