"""A branch of the user's repository as people work on it: where it left its target, its words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from runner.errors import ConfigError
from runner.records.base import Oid
from runner.records.paths import encode_path
from runner.workspace.git import Git, disk_errors, plain
from runner.workspace.private import private_store
from runner.workspace.repository import (
    Repository,
    find,
    head_branch,
    remote_branch,
    require_clean,
    resolve,
)

CLEAN = "commit or stash them, or judge what is committed all the same: --allow-dirty"
MAX_COMMITS = 1000
MAX_MESSAGES = 256 * 1024
MAX_BLOBS = 10_000
MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Branch:
    """What would be merged: everything from `base` to `head`."""

    name: str | None
    """None = no branch is checked out."""
    base: Oid
    """The merge base with the target."""
    head: Oid
    tree: Oid
    commits: int
    message: str
    """Of all its commits, newest first; foreign bytes as `errors="replace"` gives them."""
    passing: tuple[tuple[Oid, str], ...]
    """Blobs that its commits brought and `head` no longer has, and a path each had: they are
    pushed along all the same."""


@disk_errors()
def read_branch(
    path: Path,
    target: str | None,
    scratch: Path,
    *,
    alternates: Sequence[Path] = (),
    allow_dirty: bool = False,
) -> Branch:
    """HEAD against its merge base with `target` (None = the remote's default branch).

    Everything is read by a git directory of our own: no configuration, graft or replacement of
    the repository has a say. `scratch` is an existing directory.

    Raises:
        ConfigError: uncommitted changes, no such target, nothing in common, too much.
    """
    repository = find(path, alternates)
    head = resolve(repository, None)
    if not allow_dirty:
        try:
            require_clean(repository, head, scratch / "clean")
        except ConfigError as dirty:
            raise ConfigError(dirty.problem, CLEAN) from dirty
    other = resolve(repository, target or _default(repository))
    git = private_store(repository, scratch / "history")
    found = git.ask("merge-base", other, head)
    if found.code:
        raise ConfigError(
            f"HEAD and {plain(target or 'the target')} have no commit in common here",
            "in a shallow clone fetch more of it (git fetch --unshallow), or name another --base",
        )
    base = Oid(found.text())
    count = int(git.run("rev-list", "--count", f"{base}..{head}", "--"))
    if count > MAX_COMMITS:
        raise ConfigError(f"{count} commits since {base}", f"{MAX_COMMITS} at most: name a --base")
    return Branch(
        name=head_branch(repository),
        base=base,
        head=head,
        tree=Oid(git.run("rev-parse", "--verify", f"{head}^{{tree}}").decode().strip()),
        commits=count,
        message=_messages(git, base, head),
        passing=_passing(git, base, head),
    )


def leads_to(path: Path, commit: Oid, revision: str | None, alternates: Sequence[Path]) -> bool:
    """Whether `revision` (None = HEAD) still has `commit` in its history."""
    repository = find(path, alternates)
    if repository.git.ask("cat-file", "-e", f"{commit}^{{commit}}").code:
        return False
    tip = resolve(repository, revision)
    return not repository.git.ask("merge-base", "--is-ancestor", commit, tip).code


def _default(repository: Repository) -> str:
    branch = remote_branch(repository)
    if branch is None:
        raise ConfigError(
            "it is not known which branch this one aims at: the remote has no known default branch",
            "name it: --base origin/main (or: git remote set-head origin --auto)",
        )
    return f"refs/remotes/{repository.remote_name}/{branch}"


def _messages(git: Git, base: Oid, head: Oid) -> str:
    form = ("--no-show-signature", "--format=%B", "--encoding=UTF-8")
    said = git.run("log", *form, f"{base}..{head}", "--")
    return said[:MAX_MESSAGES].decode(errors="replace")


def _passing(git: Git, base: Oid, head: Oid) -> tuple[tuple[Oid, str], ...]:
    """Blobs of commits in between that neither end has, with a path each had (text form)."""
    wide = git.run("rev-list", "--objects", f"{base}..{head}", "--")
    lasting = git.run("rev-list", "--objects", "--no-object-names", f"{head}^{{tree}}", f"^{base}")
    kept = set(lasting.decode().split())
    rows = (row.partition(b" ") for row in wide.split(b"\n") if row)
    paths = {oid.decode(): path for oid, _, path in rows if oid.decode() not in kept}
    if not paths:
        return ()
    asked = "\n".join(paths).encode() + b"\n"
    known = git.run("cat-file", "--batch-check", stdin=asked).decode().splitlines()
    blobs = [(oid, int(size)) for oid, kind, size in map(str.split, known) if kind == "blob"]
    if len(blobs) > MAX_BLOBS or sum(size for _, size in blobs) > MAX_BYTES:
        raise ConfigError(
            f"the commits since {base} hold too much that HEAD no longer has",
            "squash them, or name a --base nearer to HEAD",
        )
    return tuple((Oid(oid), encode_path(paths[oid])) for oid, _ in blobs)
