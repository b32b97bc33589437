"""Opening a repository: which commit is meant, what is refused, what must never run."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from runner.errors import ConfigError, InfraError
from runner.workspace import listing
from runner.workspace.source import GitSource, open_source
from tests.overlays import BubblewrapOverlay, Checkout, make_checkout

OVERLAYS = BubblewrapOverlay()


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = make_checkout(tmp_path / "repository")
    made.commit({"a": "one\n", "d/b": "two\n"})
    return made


def close(source: GitSource) -> GitSource:
    source.close()
    return source


def refused(path: Path, revision: str | None, tmp_path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        open_source(path, revision, tmp_path / "state")
    assert caught.value.remedy
    left = [path for path in (tmp_path / "state").glob("live/*") if not path.name.startswith(".")]
    assert left == []
    return caught.value.problem


def test_head_is_the_base(checkout: Checkout, tmp_path: Path) -> None:
    base = close(open_source(checkout.path, None, tmp_path / "state")).base
    assert base.commit == checkout.git("rev-parse", "HEAD")
    assert base.tree == checkout.git("rev-parse", "HEAD^{tree}")
    assert (base.branch, base.remote, base.remote_branch) == ("main", None, None)
    assert base.repository == checkout.path


def test_any_revision_may_be_named(checkout: Checkout, tmp_path: Path) -> None:
    first = checkout.git("rev-parse", "HEAD")
    checkout.git("tag", "-a", "-m", "tag", "v1")
    checkout.commit({"a": "two\n"})
    checkout.git("checkout", "-q", "--detach")
    for name in (first, first[:9], "v1", "main~1", "HEAD^", "refs/tags/v1", "HEAD@{2}"):
        base = close(open_source(checkout.path / "d", name, tmp_path / "state")).base
        assert (base.commit, base.branch) == (first, None)


def test_the_remote_is_origin_or_the_only_one(checkout: Checkout, tmp_path: Path) -> None:
    checkout.git("remote", "add", "upstream", "https://u:p@example.org:8443/r.git?x=y")
    checkout.git("update-ref", "refs/remotes/upstream/trunk", "HEAD")
    checkout.git("symbolic-ref", "refs/remotes/upstream/HEAD", "refs/remotes/upstream/trunk")
    base = close(open_source(checkout.path, None, tmp_path / "state")).base
    assert base.remote == "https://example.org:8443/r.git?x=y"
    assert base.remote_branch == "trunk"
    checkout.git("remote", "add", "second", "git@example.org:r.git")
    assert close(open_source(checkout.path, None, tmp_path / "state")).base.remote is None
    checkout.git("remote", "add", "origin", "../elsewhere.git")
    base = close(open_source(checkout.path, None, tmp_path / "state")).base
    assert base.remote == str(tmp_path / "elsewhere.git")
    checkout.git("remote", "set-url", "origin", "ssh://git:p@example.org/r.git")
    base = close(open_source(checkout.path, None, tmp_path / "state")).base
    assert base.remote == "ssh://git@example.org/r.git"


@pytest.mark.parametrize(
    ("revision", "problem"),
    [
        ("nowhere", "base 'nowhere' is unknown"),
        ("HEAD:a", "base 'HEAD:a' is not a commit"),
        ("HEAD^{tree}", "is not a commit"),
        ("--all", "is not a revision"),
        ("a..b", "is unknown"),
        ("", "is not a revision"),
        ("x\ny", "is not a revision"),
        ("0" * 40, "is not a commit"),
    ],
)
def test_what_names_no_commit(
    revision: str, problem: str, checkout: Checkout, tmp_path: Path
) -> None:
    assert problem in refused(checkout.path, revision, tmp_path)


def test_what_is_no_repository(tmp_path: Path) -> None:
    assert "does not exist" in refused(tmp_path / "missing", None, tmp_path)
    (tmp_path / "plain").mkdir()
    assert "is not a git repository" in refused(tmp_path / "plain", None, tmp_path)
    empty = make_checkout(tmp_path / "empty")
    assert "has no commit yet" in refused(empty.path, None, tmp_path)
    (tmp_path / "file").write_text("gitdir: /nowhere\n")
    assert "is not a git repository" in refused(tmp_path / "file", None, tmp_path)


def test_uncommitted_changes_refuse_an_implied_base(checkout: Checkout, tmp_path: Path) -> None:
    checkout.write({"untracked": "is fine"})
    os.utime(checkout.path / "a", (1, 1))
    close(open_source(checkout.path, None, tmp_path / "state"))
    checkout.write({"a": "uno\n", "d/b": "dos\n"})
    assert "uncommitted changes: a, d/b" in refused(checkout.path, None, tmp_path)
    checkout.git("add", "-A")
    assert "uncommitted changes: a, d/b, untracked" in refused(checkout.path, None, tmp_path)
    close(open_source(checkout.path, "HEAD", tmp_path / "state"))
    close(open_source(checkout.path, None, tmp_path / "state", allow_dirty=True))


def test_the_index_of_the_repository_is_not_written(checkout: Checkout, tmp_path: Path) -> None:
    index = checkout.path / ".git/index"
    before = (index.stat().st_mtime_ns, index.read_bytes())
    os.utime(checkout.path / "a")
    close(open_source(checkout.path, None, tmp_path / "state"))
    assert (index.stat().st_mtime_ns, index.read_bytes()) == before


def test_a_split_index_is_read(checkout: Checkout, tmp_path: Path) -> None:
    checkout.git("update-index", "--split-index")
    close(open_source(checkout.path, None, tmp_path / "state"))


def test_line_endings_of_a_checkout_are_not_changes(checkout: Checkout, tmp_path: Path) -> None:
    checkout.commit({".gitattributes": "* text=auto eol=crlf\n"})
    (checkout.path / "a").unlink()
    checkout.git("checkout", "--", "a")
    assert (checkout.path / "a").read_bytes() == b"one\r\n"
    os.utime(checkout.path / "a", (1, 1))
    close(open_source(checkout.path, None, tmp_path / "state"))


@pytest.mark.parametrize("kind", ["worktree", "shallow", "bare", "shared", "sha256", "submodule"])
def test_every_kind_of_repository_works(kind: str, checkout: Checkout, tmp_path: Path) -> None:
    checkout.commit({"a": "newer\n"})
    path = tmp_path / kind
    if kind == "worktree":
        checkout.git("worktree", "add", "-q", "-b", "other", str(path))
    elif kind == "shallow":
        checkout.git("clone", "-q", "--depth=1", f"file://{checkout.path}", str(path))
    elif kind == "sha256":
        make_checkout(path, "--object-format=sha256").commit({"a": "newer\n"})
    elif kind == "submodule":
        outer = make_checkout(tmp_path / "outer")
        allow = ("-c", "protocol.file.allow=always")
        outer.git(*allow, "submodule", "add", "-q", str(checkout.path), "inner")
        path = outer.path / "inner"
    else:
        checkout.git("clone", "-q", f"--{kind}", str(checkout.path), str(path))
    source = open_source(path, None, tmp_path / "state", alternates=[checkout.path])
    with source.workspace(OVERLAYS, "agent") as overlay:
        assert OVERLAYS.execute(overlay, ["git", "status", "--porcelain"]) == ""
        OVERLAYS.play(overlay, [["write", "a", "mine\n"]])
        patch = source.ingest(overlay, "change\n")
    assert [change.path for change in patch.changes] == ["a"]
    assert len(patch.tree) == (64 if kind == "sha256" else 40)
    assert source.base_blob("a") == b"newer\n"
    assert b"+mine" in source.diff(patch)
    remote = make_checkout(
        tmp_path / "remote", "--bare", *(["--object-format=sha256"] if kind == "sha256" else [])
    )
    if kind == "shallow":
        checkout.git("push", "-q", str(remote.path), "main")
    source.push(patch.commit, str(remote.path), "refs/heads/codex/x", None)
    assert remote.git("rev-parse", "codex/x") == patch.commit
    close(source)


def test_nothing_of_the_repository_is_executed(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    canary = tmp_path / "canary"
    script = tmp_path / "script"
    script.write_text(f"#!/bin/sh\necho \"$0 $*\" >> '{canary}'\ncat\n")
    script.chmod(0o755)
    run = str(script)
    remote = make_checkout(tmp_path / "remote", "--bare")
    checkout.git("remote", "add", "origin", str(remote.path))
    checkout.commit({".gitattributes": "* filter=evil diff=evil merge=evil\n", "a": "1\n"})
    settings = {
        "core.fsmonitor": run,
        "core.sshCommand": run,
        "core.hooksPath": str(tmp_path / "hooks"),
        "core.pager": run,
        "core.askPass": run,
        "filter.evil.clean": run,
        "filter.evil.smudge": run,
        "filter.evil.process": run,
        "filter.evil.required": "true",
        "diff.evil.command": run,
        "diff.evil.textconv": run,
        "diff.external": run,
        "credential.helper": f"!{run}",
        "alias.rev-parse": f"!{run}",
        "gpg.program": run,
        "commit.gpgSign": "true",
        "push.gpgSign": "true",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.uploadpack": run,
        "remote.origin.receivepack": run,
        "uploadpack.packObjectsHook": run,
        "url.ext::sh.insteadOf": str(remote.path),
    }
    for key, value in settings.items():
        checkout.git("config", key, value)
    for folder in (checkout.path / ".git/hooks", tmp_path / "hooks"):
        folder.mkdir(exist_ok=True)
        for hook in ("pre-push", "post-index-change", "reference-transaction", "post-checkout"):
            (folder / hook).symlink_to(script)
    monkeypatch.setenv("GIT_WORK_TREE", "/nonexistent")
    monkeypatch.setenv("GIT_DIR", "/nonexistent")
    monkeypatch.setenv("GIT_EXTERNAL_DIFF", run)
    monkeypatch.setenv("GIT_SSH_COMMAND", run)
    os.utime(checkout.path / "a", (1, 1))
    source = open_source(checkout.path, None, tmp_path / "state")
    with source.workspace(OVERLAYS, "agent") as overlay:
        OVERLAYS.play(overlay, [["write", "a", "mine\n"], ["write", "n", ""]])
        patch = source.ingest(overlay, "change\n")
    source.diff(patch)
    source.push(patch.commit, str(remote.path), "refs/heads/codex/x", None)
    close(source)
    with pytest.raises(ConfigError):
        open_source(checkout.path, "f" * 40, tmp_path / "state")
    assert not canary.exists(), canary.read_text()
    assert os.environ["GIT_DIR"] == "/nonexistent"


def test_a_missing_object_is_an_error_with_a_remedy(checkout: Checkout, tmp_path: Path) -> None:
    oid = checkout.git("rev-parse", "HEAD:d/b")
    (checkout.path / ".git/objects" / oid[:2] / oid[2:]).unlink()
    source = open_source(checkout.path, "HEAD", tmp_path / "state")
    with pytest.raises((ConfigError, InfraError)) as caught, source.workspace(OVERLAYS, "agent"):
        pass
    assert "complete clone" in caught.value.remedy
    close(source)


def bomb(checkout: Checkout, levels: int, width: int) -> str:
    """`width ** levels` files out of a handful of objects."""
    oid = checkout.git("hash-object", "-w", "--stdin", stdin=b"boom")
    entry = "100644 blob"
    for _ in range(levels):
        lines = "".join(f"{entry} {oid}\tn{number}\n" for number in range(width))
        oid = checkout.git("mktree", stdin=lines.encode())
        entry = "040000 tree"
    return checkout.git("commit-tree", "-m", "bomb", oid)


def test_bombs_in_the_base_are_refused_before_they_are_written(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listing, "MAX_ENTRIES", 20_000)
    ordinary = open_source(checkout.path, "HEAD", tmp_path / "state")
    with ordinary.workspace(OVERLAYS, "first"):
        close(ordinary)
    for commit in (bomb(checkout, 9, 10), bomb(checkout, 300, 1)):
        child = checkout.git("commit-tree", "-m", "x", "-p", "HEAD", f"{commit}^{{tree}}")
        for base in (commit, child):  # a whole checkout, and a layer on an older one
            source = open_source(checkout.path, base, tmp_path / "state")
            with (
                pytest.raises(ConfigError, match="more than 20000 entries"),
                source.workspace(OVERLAYS, "agent"),
            ):
                pass
            close(source)


@pytest.mark.parametrize("name", [".git", ".GIT", "git~1", ".."])
def test_bad_names_in_the_base_are_refused(name: str, checkout: Checkout, tmp_path: Path) -> None:
    blob = bytes.fromhex(checkout.git("rev-parse", "HEAD:a"))
    tree = b"100644 " + name.encode() + b"\0" + blob
    oid = checkout.git("hash-object", "-t", "tree", "--literally", "-w", "--stdin", stdin=tree)
    source = open_source(checkout.path, checkout.git("commit-tree", "-m", "x", oid), tmp_path / "s")
    with (
        pytest.raises(ConfigError, match="cannot be checked out"),
        source.workspace(OVERLAYS, "agent"),
    ):
        pass
    close(source)


def test_a_disk_that_cannot_be_written_is_an_error_in_two_lines(
    checkout: Checkout, tmp_path: Path
) -> None:
    (tmp_path / "state").touch()
    with pytest.raises(InfraError, match="state/live: Not a directory"):
        open_source(checkout.path, None, tmp_path / "state")
