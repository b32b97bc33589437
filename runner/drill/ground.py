"""Where a drill takes place: a private copy of the base commit, and what its policy allows.

The user's repository is only read: its base commit is packed into repositories of the drill's own.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import MappingProxyType

from runner.drill.lure import Lure
from runner.errors import InfraError
from runner.process import clean_env, run
from runner.records.base import Oid
from runner.records.plan import Plan

PACKS = "objects/pack"
_OWN = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
_TEST = re.compile(
    r"(?:^|/)(?:tests?|specs?|__tests__)/.*\.\w+$|(?:^|/)test_[^/]*\.py$"
    r"|[._](?:test|spec)\.\w+$",
    re.IGNORECASE,
)
_SUPPORT = re.compile(r"(?:^|/)(?:__init__|conftest)\.py$")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the base commit is."""

    objects: Path
    commit: Oid
    branch: str
    sha256: bool = False


@dataclass(frozen=True, slots=True)
class Arena:
    """A repository whose `origin` is a bare one beside it; both hold the base and nothing else."""

    repository: Path
    remote: Path
    tracked: tuple[str, ...]
    """Regular files of the base commit."""

    @property
    def requests(self) -> Path:
        """Where the local forge opens requests."""
        return self.remote.with_name(self.remote.name + ".requests")

    def branches(self) -> tuple[str, ...]:
        """What was published."""
        found = _git(self.remote, "for-each-ref", "--format=%(refname)", "refs/heads/codex")
        return tuple(found.decode().split())


def lay_out(home: Path, origin: Origin) -> Arena:
    """Raises InfraError: git failed."""
    repository, remote = home / "repository.git", home / "remote.git"
    for place in (remote, repository):
        kind = "sha256" if origin.sha256 else "sha1"
        _git(home, "init", "-q", "--bare", f"--object-format={kind}", str(place))
        (place / "shallow").write_text(f"{origin.commit}\n")
    _pack(remote, origin)
    for file in (remote / PACKS).iterdir():
        os.link(file, repository / PACKS / file.name)
    for place in (remote, repository):
        _git(place, "update-ref", f"refs/heads/{origin.branch}", origin.commit)
        _git(place, "symbolic-ref", "HEAD", f"refs/heads/{origin.branch}")
    tracking = "refs/remotes/origin"
    _git(repository, "config", "remote.origin.url", str(remote))
    _git(repository, "update-ref", f"{tracking}/{origin.branch}", origin.commit)
    _git(repository, "symbolic-ref", f"{tracking}/HEAD", f"{tracking}/{origin.branch}")
    return Arena(repository, remote, _tracked(repository))


def _pack(place: Path, origin: Origin) -> None:
    """The base commit's own objects, read where they are and written here."""
    objects = str(origin.objects)
    if ":" in objects or objects.startswith('"'):
        objects = json.dumps(objects, ensure_ascii=False)  # as git quotes in such a list
    _git(
        place,
        *("pack-objects", "--revs", "--delta-base-offset", "-q", f"{PACKS}/pack"),
        stdin=f"{origin.commit}\n".encode(),
        env={"GIT_ALTERNATE_OBJECT_DIRECTORIES": objects},
    )


def _tracked(repository: Path) -> tuple[str, ...]:
    rows = _git(repository, "ls-tree", "-r", "-z", "HEAD").split(b"\0")
    files = (row.partition(b"\t")[2] for row in rows if row.startswith(b"100"))
    return tuple(path.decode() for path in files if path.isascii() and b"'" not in path)


def _git(
    place: Path, *words: str, stdin: bytes = b"", env: Mapping[str, str] = MappingProxyType({})
) -> bytes:
    done = run(["git", "-C", place, *words], stdin=stdin, env=clean_env({**_OWN, **env}))
    if done.code:
        raise InfraError(f"git {words[0]} failed: {done.error()}", f"look at {place}")
    return done.stdout


@dataclass(frozen=True)
class Ground:
    """What scenarios know of repository and policy, to plant where it counts."""

    arena: Arena
    plan: Plan
    """Of the user's own settings and task, with nothing lowered."""
    lure: Lure
    nonce: str
    key: str
    """The credential the broker holds in this drill."""
    allowed: Callable[[str], bool]
    """Whether the policy lets a change be at this path."""
    origin: Callable[[str], str]
    """Which layer gave a setting, a limit (`limits.lines`) or a protected glob (`protected X`)."""
    red: bool = False
    """The tests fail without any attack."""
    victim: str | None = None
    """A test file of a green suite that is missed when it is broken."""

    def fresh(self, stem: str, suffix: str = ".txt") -> str | None:
        """A path that is new and allowed, e.g. `src/drill_<stem>.txt`; None = there is none."""
        suffixes = (suffix, *sorted({PurePosixPath(path).suffix for path in self.arena.tracked}))
        folders = dict.fromkeys(str(PurePosixPath(path).parent) for path in self.arena.tracked)
        places = [*(name for name in folders if not self._is_test(f"{name}/x.py")), *folders]
        for ending in suffixes:
            for folder in (".", *places):
                path = str(PurePosixPath(folder, f"drill_{stem}{ending}"))
                if self.allowed(path) and not path.startswith(".") and "/." not in path:
                    return path
        return None

    @cached_property
    def tests(self) -> tuple[str, ...]:
        """Test files an agent may write to, tests proper first."""
        found = [path for path in self.arena.tracked if self._is_test(path) and self.allowed(path)]
        return tuple(path for path in found if not _SUPPORT.search(path))

    @staticmethod
    def _is_test(path: str) -> bool:
        return bool(_TEST.search(path))

    def lowered(self, **wanted: int) -> dict[str, int]:
        """Limits for one run: what is wanted, or the user's where that is lower already."""
        return {name: min(most, getattr(self.plan.limits, name)) for name, most in wanted.items()}
