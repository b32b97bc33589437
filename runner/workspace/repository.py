"""The user's repository, read side: where it is, what it is called, which commit is meant.

Its configuration is parsed, never obeyed: nothing in it can start a program here.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from configparser import Error as ConfigParserError
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from runner.errors import ConfigError
from runner.records.base import Oid
from runner.records.paths import encode_path
from runner.workspace.git import Git, plain, settings
from runner.workspace.plain import require_plain
from runner.workspace.store import alternates, lay

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


def find(path: Path) -> Repository:
    """The repository `path` is in.

    Raises:
        ConfigError: there is none.
    """
    require_plain(path)
    with _opened(path) as repo:
        directory = Path(repo.git_dir).resolve()
        tree = repo.working_tree_dir
        root = Path(tree).resolve() if tree else directory
        options = _options(repo)
    remotes = _remotes(options)
    name = "origin" if "origin" in remotes or len(remotes) != 1 else next(iter(remotes))
    url = remotes.get(name)
    common = _common(directory)
    return Repository(
        root=root,
        directory=directory,
        common=common,
        bare=tree is None,
        sha256=options.get("extensions.objectformat") == "sha256",
        remote_name=name if url else None,
        remote=_clean_url(url, root) if url else None,
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
    files = {"objects/info/alternates": alternates(repository.objects)}
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


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    with _no_git_environment():
        from git import InvalidGitRepositoryError, NoSuchPathError, Repo

        try:
            repo = Repo(path, search_parent_directories=True, expand_vars=False)
        except NoSuchPathError:
            raise ConfigError(f"{path} does not exist", "name a git repository") from None
        except (InvalidGitRepositoryError, OSError, ValueError, ConfigParserError):
            raise ConfigError(
                f"{path} is not a git repository", "run `git init` there, or name another directory"
            ) from None
        with closing(repo):
            yield repo


@contextmanager
def _no_git_environment() -> Iterator[None]:
    """GitPython believes GIT_WORK_TREE and its kin whatever path it is given."""
    kept = {name: os.environ.pop(name) for name in tuple(os.environ) if name.startswith("GIT_")}
    os.environ["GIT_PYTHON_REFRESH"] = "quiet"  # a missing git is reported by our own door
    try:
        yield
    finally:
        del os.environ["GIT_PYTHON_REFRESH"]
        os.environ.update(kept)


def _options(repo: Any) -> dict[str, str]:
    """The repository's own configuration as `section.key` or `section "name".key`."""
    from git.config import GitConfigParser

    file = _common(Path(repo.git_dir)) / "config"
    with GitConfigParser(file, read_only=True, merge_includes=False) as config:
        return {
            f"{section}.{key.lower()}": str(value)
            for section in config.sections()
            for key, value in config.items(section)
        }


def _remotes(options: dict[str, str]) -> dict[str, str]:
    return {
        key[len('remote "') : -len('".url')]: value
        for key, value in options.items()
        if key.startswith('remote "') and key.endswith('".url')
    }


def _common(directory: Path) -> Path:
    """A linked work tree's git directory says in `commondir` where the shared one is."""
    try:
        return (directory / (directory / "commondir").read_text().strip()).resolve()
    except FileNotFoundError:
        return directory


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
