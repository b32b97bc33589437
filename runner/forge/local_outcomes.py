"""What became of a request on a bare repository of this machine: its refs and commits tell.

The runner pushes to its own new branches only: whoever moved the target is somebody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from runner.errors import ConfigError, InfraError
from runner.forge.outcomes import Became, Requested, reverts
from runner.process import Completed, clean_env, run

MOST_COMMITS = 1000
"""Of the target, that are looked through."""
_FENCE = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ALLOW_PROTOCOL": "",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "safe.directory",
    "GIT_CONFIG_VALUE_0": "*",  # another person of this machine may own it
}
_PLAIN = ("--no-ext-diff", "--no-textconv", "--binary", "--full-index", "--no-color")
_LOG = ("log", "--no-show-signature")
_FIELDS = "%x00%H%x00%ct%x00%cn%x00%B%x00"


@dataclass(frozen=True, slots=True)
class _Commit:
    oid: str
    at: datetime
    by: str
    message: str


@dataclass(frozen=True, slots=True)
class LocalFates:
    """The port `Fates` on the repository that `LocalForge` published to."""

    remote: str

    def of(self, request: Requested) -> tuple[Became, ...]:
        tip = self._known(f"refs/heads/{request.target}")
        if tip is None:
            raise InfraError(
                f"{self.remote} has no branch {request.target} any more", "restore the branch"
            )
        return tuple(self._all(request, tip))

    def _all(self, request: Requested, tip: str) -> Iterator[Became]:
        merge = self._merge(request, tip)
        if merge is None:
            if self._known(f"refs/heads/{request.branch}") is None:
                yield Became("closed", datetime.now(UTC), independent=True)
            return
        at = max(merge.at, request.at)
        yield Became("merged", at, merge.by, True, merge.oid)
        for each in self._log(f"{merge.oid}..{tip}"):
            if reverts(each.message, (request.commit, merge.oid)):
                yield Became("reverted", max(each.at, at), each.by, True, each.oid)
                return

    def _merge(self, request: Requested, tip: str) -> _Commit | None:
        """The commit by which the target has it: a merge, itself, or one with the same patch."""
        commit = request.commit
        if self._known(commit) and self._has(tip, commit):
            path = self._log("--first-parent", "--ancestry-path", "--reverse", f"{commit}..{tip}")
            ours = next((each for each in path if not self._has(f"{each.oid}^1", commit)), None)
            return ours or _Commit(commit, datetime.now(UTC), "", "")
        wanted = {patch for patch, _ in self._patch_ids(request.patch)}
        since = self._since(request, tip)
        patches = self._git(*_LOG, "-p", "-m", "--first-parent", *_PLAIN, *since).stdout
        found = {oid for patch, oid in self._patch_ids(patches) if patch in wanted}
        return next((each for each in self._log(*since) if each.oid in found), None)

    def _since(self, request: Requested, tip: str) -> tuple[str, str]:
        most = f"--max-count={MOST_COMMITS}"
        return (most, f"{request.base}..{tip}" if self._known(request.base) else tip)

    def _patch_ids(self, patches: bytes) -> list[tuple[str, str]]:
        """Id of each patch, and the commit it is of."""
        rows = (row.split() for row in self._git("patch-id", stdin=patches).text().splitlines())
        return [(ids[0], ids[1]) for ids in rows if len(ids) == 2]

    def _log(self, *args: str) -> list[_Commit]:
        words = self._git(*_LOG, f"--format={_FIELDS}", *args).stdout.decode(errors="replace")
        cells = words.split("\0")[1:]
        rows = zip(cells[::5], cells[1::5], cells[2::5], cells[3::5], strict=False)
        return [_Commit(oid, _at(seconds), by, text) for oid, seconds, by, text in rows]

    def _known(self, name: str) -> str | None:
        """The commit of that name, None = there is none."""
        done = self._git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}", no=1)
        return done.text() or None

    def _has(self, tip: str, commit: str) -> bool:
        return self._git("merge-base", "--is-ancestor", commit, tip, no=1).code == 0

    def _git(self, *args: str, stdin: bytes = b"", no: int = 0) -> Completed:
        """`no` is the exit status that is an answer as well."""
        argv = ["git", f"--git-dir={_directory(self.remote)}", *args]
        done = run(argv, stdin=stdin, env=clean_env(_FENCE))
        if done.code not in {0, no}:
            raise InfraError(f"cannot read {self.remote}: {done.error()}", "try git fsck there")
        return done


def _directory(remote: str) -> Path:
    parts = urlsplit(remote)
    path = Path(unquote(parts.path) if parts.scheme == "file" else remote)
    if not path.is_dir():
        raise ConfigError(
            f"the remote {remote!r} is not a directory of this machine",
            "run it where the repository is",
        )
    return path / ".git" if (path / ".git").is_dir() else path


def _at(seconds: str) -> datetime:
    """A committer's clock may be wrong, but not ahead of ours."""
    now = datetime.now(UTC)
    return min(datetime.fromtimestamp(int(seconds), UTC), now) if seconds.isdigit() else now
