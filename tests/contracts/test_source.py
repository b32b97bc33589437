"""The Source port over real overlays: what a sandbox sees, what comes back, what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.errors import RefusedError
from runner.records.patch import Patch
from runner.workspace import ingest, walk
from runner.workspace.source import GitSource, open_source
from tests.overlay_ops import Step
from tests.overlays import PYTHON, BubblewrapOverlay, Checkout, make_checkout

BASE: dict[str, str | bytes] = {
    "README.md": "hello\n",
    "src/a.py": "print(1)\n",
    "src/tool.sh": "#!/bin/sh\n",
    "docs/deep/page.md": "text\n",
    ".codex/config.toml": "model = 'other'\n",
    ".gitattributes": "* text=auto eol=crlf ident filter=evil diff=evil\n*.md -diff\n",
    ".gitignore": "*.log\n",
    "image.bin": b"\0\1\2",
}
LISTING = """
import hashlib, json, os, sys
found = {}
def add(path, mode, content):
    found[path[2:]] = [mode, hashlib.sha1(b"blob %d\\0" % len(content) + content).hexdigest()]
for folder, folders, files in os.walk("."):
    if folder == ".":
        folders[:] = sorted(set(folders) - {".git", ".codex", ".agents"})
    for path in [os.path.join(folder, name) for name in files + folders]:
        if os.path.islink(path):
            add(path, "120000", os.fsencode(os.readlink(path)))
        elif os.path.isfile(path):
            mode = "100755" if os.stat(path).st_mode & 0o100 else "100644"
            add(path, mode, open(path, "rb").read())
json.dump(found, sys.stdout)
"""
"""What a sandbox sees, in git's terms: path -> mode and blob id."""


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    tmp_path.chmod(0o755)
    made = make_checkout(tmp_path / "repository")
    made.write(BASE)
    (made.path / "src/tool.sh").chmod(0o755)
    (made.path / ".agents").symlink_to("/etc")
    (made.path / "src/link").symlink_to("../README.md")
    made.commit({})
    return made


@pytest.fixture
def opened(checkout: Checkout, tmp_path: Path) -> Iterator[Callable[..., GitSource]]:
    sources: list[GitSource] = []

    def make(path: Path = checkout.path, revision: str | None = "HEAD") -> GitSource:
        sources.append(open_source(path, revision, tmp_path / "state"))
        return sources[-1]

    yield make
    for source in sources:
        source.close()


@pytest.fixture
def source(opened: Callable[..., GitSource]) -> GitSource:
    return opened(revision=None)


def work(source: GitSource, overlays: BubblewrapOverlay, *steps: Step) -> Patch:
    with source.workspace(overlays, "agent") as overlay:
        overlays.play(overlay, steps)
        return source.ingest(overlay, "change\n")


def inside(source: GitSource, overlays: BubblewrapOverlay, *argv: str) -> str:
    with source.workspace(overlays, "probe") as overlay:
        return overlays.execute(overlay, argv)


def seen(source: GitSource, overlays: BubblewrapOverlay) -> object:
    return json.loads(inside(source, overlays, *PYTHON, LISTING))


def committed(checkout: Checkout) -> object:
    found = {}
    for record in checkout.git("ls-tree", "-r", "-z", "HEAD").split("\0"):
        head, _, path = record.partition("\t")
        if path and path.split("/")[0] not in (".codex", ".agents"):
            mode, _, oid = head.split()
            found[path] = [mode, oid]
    return found


def test_git_works_in_the_sandbox(source: GitSource, overlays: BubblewrapOverlay) -> None:
    assert inside(source, overlays, "git", "status", "--porcelain") == ""
    assert inside(source, overlays, "git", "log", "--format=%H") == source.base.commit + "\n"
    assert inside(source, overlays, "git", "branch", "--show-current") == "main\n"
    with source.workspace(overlays, "edit") as overlay:
        overlays.play(overlay, [["write", "src/a.py", "print(2)\n"], ["write", "n", ""]])
        assert overlays.execute(overlay, ["git", "status", "--porcelain"]) == " M src/a.py\n?? n\n"
        assert "+print(2)" in overlays.execute(overlay, ["git", "diff"])


def test_the_sandbox_repository_holds_nothing_but_the_base(
    checkout: Checkout, opened: Callable[..., GitSource], overlays: BubblewrapOverlay
) -> None:
    checkout.git("checkout", "-q", "-b", "other")
    other = checkout.commit({"private": "of another branch\n"})
    checkout.git("checkout", "-q", "main")
    checkout.git("remote", "add", "origin", "https://user:secret@example.org/x.git")
    source = opened()
    found = inside(source, overlays, "git", "cat-file", "--batch-all-objects", "--batch-check")
    assert other not in found and source.base.commit in found
    assert "example.org" not in inside(source, overlays, "cat", ".git/config")
    assert source.base.remote == "https://example.org/x.git"


def test_covered_names_are_empty_and_read_only(
    source: GitSource, overlays: BubblewrapOverlay
) -> None:
    assert inside(source, overlays, "ls", "-A", ".codex", ".agents") == ".agents:\n\n.codex:\n"
    patch = work(
        source,
        overlays,
        *(["write", f"{name}/x", "evil"] for name in (".codex", ".agents", ".git", ".git/hooks")),
        *(["delete", name] for name in (".codex", ".agents", ".git")),
        *(["rename", name, "moved"] for name in (".codex", ".agents", ".git")),
    )
    assert patch.empty and patch.changes == ()
    assert source.base_blob(".codex/config.toml") == b"model = 'other'\n"


def test_a_patch_says_what_changed(source: GitSource, overlays: BubblewrapOverlay) -> None:
    patch = work(
        source,
        overlays,
        ["write", "src/a.py", "print(1)\nprint(2)\n"],
        ["write", "new \u00e9", "a\nb\n"],
        ["write", "debug.log", "ignored"],
        ["delete", "docs"],
        ["chmod", "src/tool.sh", "644"],
        ["delete", "README.md"],
        ["link", "README.md", "src/a.py"],
        ["write", "image.bin", "\0changed"],
    )
    found = {change.path: change for change in patch.changes}
    assert list(found) == sorted(found)
    assert {path: change.status for path, change in found.items()} == {
        "README.md": "type-changed",
        "docs/deep/page.md": "deleted",
        "image.bin": "modified",
        "new \u00e9": "added",
        "src/a.py": "modified",
        "src/tool.sh": "modified",
    }
    assert (found["src/a.py"].added, found["src/a.py"].deleted) == (1, 0)
    assert found["src/a.py"].size_bytes == 18
    assert (found["src/tool.sh"].old_mode, found["src/tool.sh"].new_mode) == ("100755", "100644")
    assert found["image.bin"].binary and found["image.bin"].size_bytes == 8
    assert (found["docs/deep/page.md"].deleted, found["docs/deep/page.md"].new_oid) == (1, None)
    assert not found["docs/deep/page.md"].binary, "attributes of the tree are not obeyed"
    assert patch.ignored == 1
    assert source.blob(found["new \u00e9"].new_oid or patch.tree) == b"a\nb\n"


def test_the_diff_applies_to_a_checkout(
    checkout: Checkout, source: GitSource, overlays: BubblewrapOverlay, tmp_path: Path
) -> None:
    steps: list[Step] = [
        ["rename", "docs", "texts"],
        ["write", "image.bin", "\0\0other"],
        ["write", os.fsdecode(b'caf\xe9 \n"'), "no newline"],
        ["chmod", "src/a.py", "755"],
        ["delete", "src/link"],
        ["write", "src/link/now", "a directory\n"],
    ]
    patch = work(source, overlays, *steps)
    diff = source.diff(patch)
    checkout.git("-c", "core.attributesFile=/dev/null", "apply", "--index", "-", stdin=diff)
    assert checkout.git("write-tree") == patch.tree


def test_work_goes_on_from_a_measured_tree(source: GitSource, overlays: BubblewrapOverlay) -> None:
    first = work(
        source, overlays, ["write", "n/x", "1"], ["delete", "docs"], ["rename", "src", "lib"]
    )
    with source.workspace(overlays, "retry", first.tree) as overlay:
        listing = overlays.execute(
            overlay, ["find", ".", "-path", "./.git", "-prune", "-o", "-print"]
        )
        assert "./lib/a.py" in listing and "./src" not in listing and "./docs" not in listing
        overlays.play(overlay, [["write", "n/y", "2"], ["rename", "lib", "src"]])
        second = source.ingest(overlay, "again\n")
    assert [change.path for change in second.changes] == ["docs/deep/page.md", "n/x", "n/y"]
    assert second.base_commit == source.base.commit


def test_a_later_commit_is_a_layer_on_its_ancestor(
    checkout: Checkout, opened: Callable[..., GitSource], overlays: BubblewrapOverlay
) -> None:
    history: list[tuple[list[str], dict[str, str | bytes]]] = [
        ([], {}),
        (["src"], {"src": "a file now"}),
        (["src", "docs/deep"], {"src/b": "a directory again", "docs/new": "x"}),
        (["src", "docs", "README.md"], {"README.md/x": "y"}),
        (["README.md"], {"README.md": "back", "docs/deep/page.md": "text\n", ".codex/x": "hidden"}),
        ([".codex", "image.bin"], {"src/a.py": "print(1)\n", "new\nline": "odd"}),
        ([], {}),
    ]
    for number, (removed, files) in enumerate(history):
        if removed:
            checkout.git("rm", "-r", "-q", "--", *removed)
        checkout.commit(files)
        source = opened()
        assert seen(source, overlays) == committed(checkout)
        with source.workspace(overlays, "next") as overlay:
            assert len(overlay.lowers) == number + 1
            assert overlays.execute(overlay, ["git", "status", "--porcelain"]) == ""
            assert source.ingest(overlay, "nothing\n").empty
    checkout.commit({"one": "more"})
    with opened().workspace(overlays, "ninth") as overlay:
        assert len(overlay.lowers) == 8
    checkout.commit({"one": "too many"})
    with opened().workspace(overlays, "flat") as overlay:
        assert len(overlay.lowers) == 1


def test_a_commit_of_another_branch_is_not_built_on(
    checkout: Checkout, opened: Callable[..., GitSource], overlays: BubblewrapOverlay
) -> None:
    checkout.git("checkout", "-q", "-b", "other")
    checkout.commit({"private": "x"})
    with opened().workspace(overlays, "other"):
        checkout.git("checkout", "-q", "main")
    with opened().workspace(overlays, "main") as overlay:
        assert len(overlay.lowers) == 1


def test_whatever_the_agent_leaves_is_removed(
    source: GitSource, overlays: BubblewrapOverlay
) -> None:
    with source.workspace(overlays, "agent") as overlay:
        place = overlay.upper.parent
        overlays.play(
            overlay,
            [
                ["deep", "d" * 200, "300"],
                ["many", "many", "2000"],
                ["write", "locked/inner/file", "x"],
                ["chmod", "locked/inner", "000"],
                ["chmod", "locked", "000"],
                ["link", "out", str(Path(__file__).parent)],
            ],
        )
    assert not place.exists() and Path(__file__).exists()


HOSTILE: dict[str, tuple[list[Step], str]] = {
    "fifo": ([["mkdir", "n"], ["fifo", "n/pipe"]], "n/pipe: a named pipe"),
    "socket": ([["socket", "s"]], "s: a socket"),
    "fifo under an ignored name": ([["fifo", "x.log"]], "x.log: a named pipe"),
    "setuid": ([["write", "s", ""], ["chmod", "s", "4755"]], "s: a file with a setuid"),
    "setgid": ([["write", "s", ""], ["chmod", "s", "2755"]], "s: a file with a setuid"),
    "sticky": ([["write", "s", ""], ["chmod", "s", "1644"]], "s: a file with a setuid"),
    "unreadable file": ([["write", "u", "x"], ["chmod", "u", "000"]], "u: a file its owner"),
    "unreadable directory": (
        [["write", "u/x", ""], ["chmod", "u", "000"]],
        "u: a directory its owner",
    ),
    **{
        f"git name {number}": ([["write", f"{name}/config", "x"]], "takes for .git")
        for number, name in enumerate(
            [
                "sub/.git",
                ".GIT",
                "sub/.Git",
                "git~1",
                "GIT~1",
                ".git.",
                ".git ",
                ".git...  .",
                ".git::$INDEX_ALLOCATION",
                ".g\u200cit",
                ".gi\u200dt\ufeff",
                ".git\\hooks",
                "x\\.git",
                "\uff0egit",
            ]
        )
    },
    "git file": ([["write", "sub/.git", "gitdir: /elsewhere"]], "sub/.git: a name that git"),
    "git link": ([["link", "sub/.git", "../.git"]], "sub/.git: a name that git"),
    "link into git": ([["link", "l", ".git/hooks"]], "l: a symbolic link into a protected"),
    "link to git below": ([["link", "d/l", "../.GIT/config"]], "d/l: a symbolic link into a prot"),
    "link into git by another": (
        [["link", "a", ".git"], ["link", "b", "a/hooks"]],
        "a symbolic link into a protected directory",
    ),
    "link into a cover": ([["link", "l", ".codex"]], "l: a symbolic link into a protected"),
    "absolute link": ([["link", "l", "/etc/passwd"]], "l: an absolute symbolic link"),
    "link out": ([["link", "l", "../x"]], "l: a symbolic link out"),
    "link out of depth": ([["link", "src/l", "../docs/../../x"]], "src/l: a symbolic link out"),
    "link out through another": (
        [["link", "a/b/up", "../../docs"], ["link", "l", "a/b/up/../../x"]],
        "l: a symbolic link out",
    ),
    "old link changed": (
        [["delete", "src/link"], ["link", "src/link", "../docs/deep/../../../x"]],
        "src/link: a symbolic link out",
    ),
    "links in circles": ([["link", "l", "m"], ["link", "m", "l"]], "more than 40"),
    "modules link": ([["link", ".gitmodules", "README.md"]], ".gitmodules: a symbolic link"),
    "case twin": ([["write", "readme.md", "x"]], "readme.md: a name that differs only in case"),
    "new twins": ([["write", "n/A", ""], ["write", "n/a", ""]], "n/a: a name that differs only"),
    "directory twin": ([["write", "SRC/x", ""]], "SRC: a name that differs only in case"),
    "composition twin": (
        [["write", "\u00e9", ""], ["write", "e\u0301", ""]],
        "a name that differs only in case or invisible characters",
    ),
    "cover twin": ([["write", ".Codex/config.toml", ""]], ".Codex: a name that differs only"),
    "odd name": ([["fifo", "new\nline\x1b"]], '"new\\nline\\033": a named pipe'),
    "long ignore": (
        [["write", "n/.gitignore", "#" * (1 << 20) + "\n"], ["write", "n/x", ""]],
        "n/.gitignore: larger than",
    ),
    "too deep": ([["deep", "d", "120"]], "deeper than 100 levels"),
    "too long": ([["deep", "d" * 250, "9"]], "deeper than 100 levels or 2000 bytes"),
    "huge": ([["sparse", "big", str(1 << 40)]], "big: larger than"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_entries_are_refused(
    case: str, source: GitSource, overlays: BubblewrapOverlay
) -> None:
    steps, problem = HOSTILE[case]
    with pytest.raises(RefusedError) as caught:
        work(source, overlays, *steps)
    assert problem in caught.value.problem
    assert caught.value.problem.isprintable()


def test_a_device_is_refused() -> None:
    with pytest.raises(RefusedError, match=r"a (character|block) device"):
        list(walk.walk(Path("/dev"), "user.overlay."))


@pytest.mark.parametrize("name", [".git", ".codex", ".agents"])
def test_a_write_under_a_cover_is_refused(
    name: str, source: GitSource, overlays: BubblewrapOverlay
) -> None:
    with source.workspace(overlays, "agent") as overlay:
        (overlay.upper / name).mkdir()
        assert source.ingest(overlay, "an empty mount point").empty
        (overlay.upper / name / "config").touch()
        with pytest.raises(RefusedError, match="a write under a read-only cover"):
            source.ingest(overlay, "x")


def test_an_old_link_must_not_be_bent_by_a_new_one(
    checkout: Checkout, opened: Callable[..., GitSource], overlays: BubblewrapOverlay
) -> None:
    (checkout.path / "entry").symlink_to("docs/deep/../../README.md")
    (checkout.path / "outside").symlink_to("../../elsewhere")
    checkout.commit({"top/x": "x"})
    source = opened()
    steps: list[Step] = [["rename", "docs/deep", "docs/other"], ["link", "docs/deep", "../top"]]
    with pytest.raises(RefusedError, match="entry: a symbolic link out of the repository"):
        work(source, overlays, *steps)
    assert not work(source, overlays, ["link", "new", "README.md"]).empty, "old ones may stay"
    first = work(source, overlays, ["delete", "entry"])
    with source.workspace(overlays, "retry", first.tree) as overlay:
        overlays.play(overlay, steps)
        assert len(source.ingest(overlay, "x").changes) == 4


def test_a_submodule_stays_as_it_is(
    checkout: Checkout, opened: Callable[..., GitSource], overlays: BubblewrapOverlay
) -> None:
    commit = checkout.git("rev-parse", "HEAD")
    for path in ("module", "vendor/module"):
        checkout.git("update-index", "--add", "--cacheinfo", f"160000,{commit},{path}")
    checkout.git("commit", "-q", "-m", "modules")
    source = opened()
    assert work(source, overlays, ["touch", "module"], ["mkdir", "module"]).empty
    again = [["delete", "vendor"], ["mkdir", "vendor/module"], ["remake", "module"]]
    assert work(source, overlays, *again).empty, "as git add sees it"
    patch = work(source, overlays, ["delete", "module"])
    assert [(change.path, change.old_mode) for change in patch.changes] == [("module", "160000")]
    with pytest.raises(RefusedError, match="vendor/module: a submodule's directory"):
        work(source, overlays, ["write", "vendor/module/x", ""])


def test_limits_on_numbers_and_bytes(
    source: GitSource, overlays: BubblewrapOverlay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "MAX_ENTRIES", 500)
    with pytest.raises(RefusedError, match="more than 500 files"):
        work(source, overlays, ["many", "many", "2000"])
    monkeypatch.setattr(ingest, "MAX_TOTAL_BYTES", 10)
    with pytest.raises(RefusedError, match="n/b: more than 10 bytes"):
        work(source, overlays, ["write", "n/a", "123456"], ["write", "n/b", "123456"])


@pytest.mark.parametrize("value", [b"/", b"..", b"../etc", b"/a/../b", b"a/b", b"", b"//a", b"/."])
def test_a_broken_redirect_is_refused(value: bytes) -> None:
    walk.check_redirect(b"n", b"/a/b")
    with pytest.raises(RefusedError, match="n: a directory with a broken"):
        walk.check_redirect(b"n", value)


def test_attributes_of_the_other_namespace_mean_nothing(
    source: GitSource, overlays: BubblewrapOverlay
) -> None:
    with source.workspace(overlays, "agent") as overlay:
        (overlay.upper / "docs").mkdir()
        os.setxattr(overlay.upper / "docs", "user.overlay.opaque", b"y")
        opaque = overlays.attributes == "user.overlay."
        assert source.ingest(overlay, "x").empty != opaque


def test_whiteouts_written_as_attributes(source: GitSource, overlays: BubblewrapOverlay) -> None:
    with source.workspace(overlays, "agent") as overlay:
        (overlay.upper / "src").mkdir()
        (overlay.upper / "src/a.py").touch()
        os.setxattr(overlay.upper / "src", overlays.attributes + "opaque", b"x")
        os.setxattr(overlay.upper / "src/a.py", overlays.attributes + "whiteout", b"y")
        changes = source.ingest(overlay, "x").changes
    assert [(change.path, change.status) for change in changes] == [("src/a.py", "deleted")]
