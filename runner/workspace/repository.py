"""The user's repository, read side: where it is, what it is called, which commit is meant.

Its configuration is read, never obeyed: nothing in it can start a program here.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from runner.errors import ConfigError
from runner.records.base import Oid
from runner.records.paths import encode_path
from runner.workspace.git import Git, plain, settings
from runner.workspace.outside import require_inside, require_known_back
from runner.workspace.plain import locate
from runner.workspace.store import borrowing, lay

HARMLESS = {"core.fsmonitor": "false", "core.hooksPath": "/dev/null", "protocol.allow": "never"}
STAT_KEYS = ("core.filemode", "core.autocrlf", "core.eol")
"""Settings that decide whether a file counts as changed; none can name a program."""
SHOWN_DIRTY = 3


@dataclass(frozen=True, slots=True)
class Repository:
    """What is known of a repository without running anything in it."""

    root: Path
    """The work tree, or the bare repository itself."""
    directory: Path
    """Its git directory (of this work tree)."""
    common: Path
    """The git directory its work trees share; objects are here."""
    bare: bool
    sha256: bool
    remote_name: str | None
    remote: str | None
    stat: tuple[tuple[str, str], ...]

    @property
    def objects(self) -> Path:
        return self.common / "objects"

    @property
    def git(self) -> Git:
        """For names and refs only: these commands neither read the index nor start programs."""
        return Git(self.directory, settings(HARMLESS))


def find(path: Path, alternates: Sequence[Path] = ()) -> Repository:
    """The repository `path` is in; it may borrow objects from directories in `alternates`.

    Raises:
        ConfigError: there is none, or something in it leads elsewhere.
    """
    if not path.exists():
        raise ConfigError(f"{path} does not exist", "name a git repository")
    place = locate(path)
    if place is None:
        raise ConfigError(
            f"{path} is not a git repository", "run `git init` there, or name another directory"
        )
    options = _options(place.common / "config")
    own = place.directory / "config.worktree"
    worktree = (options | (_options(own) if own.is_file() else {})).get("core.worktree")
    require_known_back(place, worktree)
    require_inside(place, alternates)
    remotes = _remotes(options)
    name = "origin" if "origin" in remotes or len(remotes) != 1 else next(iter(remotes))
    url = remotes.get(name)
    return Repository(
        root=place.root,
        directory=place.directory,
        common=place.common,
        bare=place.root == place.directory or options.get("core.bare") == "true",
        sha256=options.get("extensions.objectformat") == "sha256",
        remote_name=name if url else None,
        remote=_clean_url(url, place.root) if url else None,
        stat=tuple((key, options[key]) for key in STAT_KEYS if key in options),
    )


def resolve(repository: Repository, revision: str | None) -> Oid:
    """The commit a revision names; None = HEAD.

    Raises:
        ConfigError: it names none.
    """
    wanted = "HEAD" if revision is None else revision
    if wanted.startswith("-") or not wanted.isprintable() or not wanted:
        raise ConfigError(f"base {plain(wanted)!r} is not a revision", "name a branch or commit")
    found = repository.git.ask("rev-parse", "--verify", "--quiet", "--end-of-options", wanted)
    if found.code and revision is None:
        raise ConfigError(f"{repository.root} has no commit yet", "make a first commit")
    if found.code:
        raise ConfigError(
            f"base {plain(wanted)!r} is unknown in {repository.root}",
            "name an existing branch, tag or commit; `git fetch` first if it is new on the remote",
        )
    commit = repository.git.ask("rev-parse", "--verify", "--quiet", found.text() + "^{commit}")
    if commit.code:
        raise ConfigError(f"base {plain(wanted)!r} is not a commit", "name a branch or commit")
    return Oid(commit.text())


def head_branch(repository: Repository) -> str | None:
    """The branch checked out, without `refs/heads/`; None when detached."""
    return _symbolic(repository, "HEAD", "refs/heads/")


def remote_branch(repository: Repository) -> str | None:
    """The remote's default branch as far as the repository knows."""
    prefix = f"refs/remotes/{repository.remote_name}/"
    return _symbolic(repository, prefix + "HEAD", prefix) if repository.remote_name else None


def tracking(repository: Repository) -> dict[str, Oid]:
    """The remote's branches as the repository last saw them."""
    if repository.remote_name is None:
        return {}
    pattern = f"refs/remotes/{repository.remote_name}/"
    found = repository.git.ask("for-each-ref", "--format=%(objectname) %(refname)", pattern)
    rows = (row.partition(" ") for row in found.text().splitlines())
    return {name: Oid(oid) for oid, _, name in rows}


def require_clean(repository: Repository, commit: Oid, scratch: Path) -> None:
    """Refuse a work tree whose tracked files differ from `commit`.

    The index is copied into a git directory of our own in `scratch`: filters, hooks and
    fsmonitor of the repository have no configuration there that could name them.

    Raises:
        ConfigError: names some of the files.
    """
    if repository.bare:
        return
    files = {"objects/info/alternates": borrowing(repository.objects)}
    git = lay(scratch, sha256=repository.sha256, files=files)
    for index in (repository.directory / "index", *repository.directory.glob("sharedindex.*")):
        if index.is_file():  # copy2: the time of the index decides which entries are re-read
            shutil.copy2(index, scratch / index.name)
    git = git.within(GIT_WORK_TREE=repository.root, **settings(dict(repository.stat)))
    git.ask("update-index", "-q", "--ignore-submodules", "--refresh")
    output = git.run("diff-index", "--name-only", "--ignore-submodules", "-z", commit)
    changed = [encode_path(name) for name in output.split(b"\0") if name]
    if changed:
        more = f" and {len(changed) - SHOWN_DIRTY} more" if len(changed) > SHOWN_DIRTY else ""
        raise ConfigError(
            f"{repository.root} has uncommitted changes: {', '.join(changed[:SHOWN_DIRTY])}{more}",
            "commit or stash them, or name the base commit with --base HEAD",
        )


def _options(config: Path) -> dict[str, str]:
    """The repository's own configuration, includes left out: `core.bare`, `remote.origin.url`.

    Section and key are in lower case, as git prints them; of a key given twice, the last counts.

    Raises:
        ConfigError: git cannot read it.
    """
    listed = Git(config.parent).ask(
        "config", "--file", os.fspath(config), "--no-includes", "--null", "--list"
    )
    if listed.code:
        raise ConfigError(f"{config}: {plain(listed.error())}", "mend the repository")
    rows = (row.partition(b"\n") for row in listed.stdout.split(b"\0") if row)
    return {os.fsdecode(key): os.fsdecode(value) for key, _, value in rows}


def _remotes(options: dict[str, str]) -> dict[str, str]:
    prefix, suffix = "remote.", ".url"
    return {
        key[len(prefix) : -len(suffix)]: value
        for key, value in options.items()
        if key.startswith(prefix) and key.endswith(suffix)
    }


def _symbolic(repository: Repository, name: str, prefix: str) -> str | None:
    found = repository.git.ask("symbolic-ref", "--quiet", name)
    text = found.text()
    return text.removeprefix(prefix) if not found.code and text.startswith(prefix) else None


def _clean_url(url: str, root: Path) -> str:
    """Without credentials; a relative path becomes absolute."""
    if "://" in url:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        keep_user = parts.scheme == "ssh" and parts.username
        return urlunsplit(parts._replace(netloc=f"{parts.username}@{host}" if keep_user else host))
    scp_like = ":" in url.split("/", 1)[0]
    return url if scp_like else str((root / url).resolve())
