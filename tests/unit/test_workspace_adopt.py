"""Trees that no sandbox left: patch files and branches, hostile ones, under the ingest's law."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.errors import ConfigError, RefusedError
from runner.process import clean_env, run
from runner.records.base import Oid
from runner.records.patch import Patch
from runner.workspace.branch import leads_to, read_branch
from runner.workspace.source import GitSource, open_source
from tests.overlays import Checkout, make_checkout

NEW = "new file mode {mode}\n--- /dev/null\n+++ {to}\n@@ -0,0 +1 @@\n+{text}\n"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = make_checkout(tmp_path / "repository")
    made.write({"src/a.txt": "a\nb\nc\n", ".gitignore": "*.log\n", "crlf.txt": "a\r\nb\r\n"})
    (made.path / "up").symlink_to("src/a.txt")
    made.commit({".gitattributes": "* text=auto eol=crlf filter=evil diff=evil -diff\n"})
    return made


def arm(checkout: Checkout, tmp_path: Path) -> None:
    """From now on its configuration runs a program wherever git looks at it."""
    for key in ("filter.evil.clean", "filter.evil.smudge", "core.fsmonitor", "diff.evil.command"):
        checkout.git("config", key, f"touch {tmp_path}/CANARY;")
    checkout.git("config", "apply.whitespace", "error")
    hook = checkout.path / ".git/hooks/post-index-change"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/CANARY\n")
    hook.chmod(0o755)


@pytest.fixture
def source(checkout: Checkout, tmp_path: Path) -> Iterator[GitSource]:
    opened = open_source(checkout.path, "HEAD", tmp_path / "state")
    arm(checkout, tmp_path)
    yield opened
    opened.close()
    assert not (tmp_path / "CANARY").exists()


def fresh(tmp_path: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=tmp_path))


def diff(a: str, b: str, rest: str) -> bytes:
    return f"diff --git {a} {b}\n{rest}".encode()


def new(name: str, text: str = "x", mode: str = "100644", said: str = "") -> bytes:
    named = name if name.startswith('"') else f"b/{name}"
    old = named.replace('"b/', '"a/') if named.startswith('"') else f"a/{name}"
    rest = NEW.format(mode=mode, to=said or named, text=text)
    if mode == "120000":
        rest += "\\ No newline at end of file\n"
    return diff(old, named, rest)


def adopted(source: GitSource, patch: bytes) -> Patch:
    return source.adopt(source.apply(patch), message="A patch")


def paths(patch: Patch) -> dict[str, str]:
    return {change.path: change.new_mode for change in patch.changes}


@pytest.mark.parametrize(
    "patch",
    [
        pytest.param(new("../../CANARY"), id="traversal"),
        pytest.param(new("a/../../../CANARY"), id="traversal inside"),
        pytest.param(new("out", "/tmp", "120000") + new("out/CANARY"), id="through a symlink"),
        pytest.param(new("up/CANARY"), id="through a link of the base"),
        pytest.param(new(".git/hooks/pre-commit", mode="100755"), id="git directory"),
        pytest.param(new(".GIT/config"), id="git directory in capitals"),
        pytest.param(new("sub/.git/config"), id="nested git directory"),
        pytest.param(new("docs/x", said="b/.github/x"), id="two names"),
        pytest.param(b"not a patch\n", id="no patch"),
        pytest.param(b"", id="empty"),
        pytest.param(new("src/a.txt"), id="exists already"),
        pytest.param(diff("a/src/a.txt", "b/src/a.txt",
                          "--- a/src/a.txt\n+++ b/src/a.txt\n@@ -1 +1 @@\n-zzz\n+y\n"), id="stale"),
    ],
)  # fmt: skip
def test_what_does_not_apply_inside_of_the_tree(source: GitSource, patch: bytes) -> None:
    with pytest.raises(ConfigError, match="does not apply") as caught:
        source.apply(patch)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("patch", "found"),
    [
        (new('"b/.github/\\145vil.yml"'), {".github/evil.yml": "100644"}),
        (new("suid", mode="104755"), {"suid": "100755"}),
        (
            diff("a/src/a.txt", "b/.github/e.yml", "similarity index 100%\nrename from src/a.txt\n"
                 "rename to .github/e.yml\n"),
            {".github/e.yml": "100644", "src/a.txt": "000000"},
        ),
        (diff("a/src/a.txt", "b/src/a.txt", "old mode 100644\nnew mode 100755\n"),
         {"src/a.txt": "100755"}),
        (b"From: x\nSubject: one\n\n---\n" + new("one") + b"-- \n2.39\n\nFrom 1 Mon\n\n---\n"
         + new(".github/two.yml"), {"one": "100644", ".github/two.yml": "100644"}),
    ],
)  # fmt: skip
def test_what_a_patch_does_is_read_from_the_tree(
    source: GitSource, patch: bytes, found: dict[str, str]
) -> None:
    assert paths(adopted(source, patch)) == found


@pytest.mark.parametrize(
    ("patch", "why"),
    [
        (new("out", "/etc/passwd", "120000"), "an absolute symbolic link"),
        (new("src/out", "../../x", "120000"), "out of the repository"),
        (new("SRC/b.txt"), "differs only in case"),
        (new("d/b.txt") + new("D/c.txt"), "differs only in case"),
        (new("git~1/x"), "invalid path"),
    ],
)
def test_the_law_of_the_ingest_holds(source: GitSource, patch: bytes, why: str) -> None:
    with pytest.raises((RefusedError, ConfigError), match=why):
        adopted(source, patch)


def test_the_diff_of_an_adopted_tree_makes_it_again(source: GitSource) -> None:
    first = adopted(source, new("bin\u00e4r.log", "ignored, and there") + new("x", "src", "120000"))
    assert source.apply(source.diff(first)) == first.tree
    assert first.commit != first.base_commit


def forged(checkout: Checkout, *entries: tuple[str, str, str]) -> Oid:
    """A tree object as git would not write it: (mode, name, content)."""
    body = b""
    for mode, name, content in entries:
        blob = hashed(checkout, "blob", content.encode())
        body += f"{mode} {name}".encode() + b"\0" + bytes.fromhex(blob)
    return hashed(checkout, "tree", body)


def hashed(checkout: Checkout, kind: str, content: bytes) -> Oid:
    argv = ["git", "hash-object", "-w", "-t", kind, "--literally", "--stdin"]
    done = run(argv, stdin=content, cwd=checkout.path, env=clean_env({}))
    assert done.code == 0, done
    return Oid(done.text())


@pytest.mark.parametrize(
    "entries",
    [
        (("100644", "x", "good"), ("100644", "x", "evil")),
        (("100644", "z", "1"), ("100644", "a", "2")),
        (("100644", ".git", "1"),),
        (("100644", "..", "1"),),
        (("104755", "suid", "1"),),
    ],
)
def test_a_tree_that_git_would_not_write_is_refused(
    checkout: Checkout, source: GitSource, entries: tuple[tuple[str, str, str], ...]
) -> None:
    tree = forged(checkout, *entries)
    with pytest.raises(RefusedError):
        source.adopt(tree, message="forged")


def test_a_branch_is_measured_from_where_it_left(checkout: Checkout, tmp_path: Path) -> None:
    base = checkout.git("rev-parse", "HEAD")
    checkout.git("checkout", "-q", "-b", "topic")
    checkout.commit({"a": "one\n"})
    checkout.commit({"a": "passing secret\n"})
    checkout.commit({"a": "two\n", "up.log": "x"})
    checkout.git("add", "-f", "up.log")
    checkout.commit({"b": "b"})
    checkout.git("checkout", "-q", "main")
    checkout.commit({"main": "moved on\n"})
    checkout.git("checkout", "-q", "topic")
    arm(checkout, tmp_path)
    before = sorted(os.walk(checkout.path))
    found = read_branch(checkout.path, "main", fresh(tmp_path))
    assert (found.base, found.name, found.commits) == (base, "topic", 4)
    source = open_source(checkout.path, found.base, tmp_path / "state")
    patch = source.adopt(found.tree, found.head)
    assert {*paths(patch)} == {"a", "b", "up.log"}, "an ignored file that is tracked counts"
    assert patch.commit == checkout.git("rev-parse", "HEAD")
    contents = {source.blob(oid) for oid, path in found.passing if path == "a"}
    assert contents == {b"one\n", b"passing secret\n"}
    source.close()
    assert sorted(os.walk(checkout.path)) == before, "the repository is not touched"
    assert not (tmp_path / "CANARY").exists()
    assert leads_to(checkout.path, Oid(base), None, ())
    assert not leads_to(checkout.path, Oid(checkout.git("rev-parse", "main")), None, ())
    assert not leads_to(checkout.path, Oid("1" * 40), None, ())


def test_a_branch_without_a_target_or_with_changes(checkout: Checkout, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not known which branch") as caught:
        read_branch(checkout.path, None, fresh(tmp_path))
    assert "--base" in caught.value.remedy
    (checkout.path / "src/a.txt").write_text("changed\n")
    with pytest.raises(ConfigError, match="uncommitted changes: src/a") as caught:
        read_branch(checkout.path, "main", fresh(tmp_path))
    assert "--allow-dirty" in caught.value.remedy
    found = read_branch(checkout.path, "main", fresh(tmp_path), allow_dirty=True)
    assert found.tree == checkout.git("rev-parse", "HEAD^{tree}")


def test_nothing_in_common_is_said(checkout: Checkout, tmp_path: Path) -> None:
    other = checkout.git("commit-tree", "-m", "orphan", "HEAD^{tree}")
    with pytest.raises(ConfigError, match="no commit in common"):
        read_branch(checkout.path, other, fresh(tmp_path))
