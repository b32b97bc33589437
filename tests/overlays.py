"""Real overlays to play an agent in: bubblewrap's, and the kernel's with `redirect_dir=on`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import codex_cli_bin  # type: ignore[import-untyped, unused-ignore]

from runner.ports import Watch
from runner.process import clean_env, run
from runner.records.sandbox import Check, EngineName, Exit, Overlay, SandboxSpec
from tests import overlay_ops
from tests.overlay_ops import Step

BWRAP = codex_cli_bin.bundled_package_dir() / "codex-resources" / "bwrap"
_SYSTEM = "/usr/bin/python3"  # may be run by every user, unlike one in somebody's home
PYTHON = (_SYSTEM if os.access(_SYSTEM, os.X_OK) else sys.executable, "-I", "-S", "-c")
OPS = Path(overlay_ops.__file__).read_text()


@dataclass(frozen=True)
class BubblewrapOverlay:
    """An unprivileged overlay: `user.overlay.` attributes, no redirects."""

    attributes: Literal["user.overlay.", "trusted.overlay."] = "user.overlay."
    name: EngineName = "bubblewrap"
    uid: int = field(default_factory=os.geteuid)
    python: str = PYTHON[0]
    path: str = os.defpath
    fingerprint: str = "overlay"

    def play(self, overlay: Overlay, steps: Sequence[Step]) -> None:
        self.execute(overlay, (*PYTHON, OPS), json.dumps(steps).encode())

    def execute(self, overlay: Overlay, argv: Sequence[str], stdin: bytes = b"") -> str:
        """A command in /mnt, with the covers mounted; its standard output."""
        layers = [word for low in reversed(overlay.lowers) for word in ("--overlay-src", str(low))]
        covers = [
            word
            for name, cover in overlay.covers.items()
            for word in ("--ro-bind", str(cover), f"/mnt/{name}")
        ]
        command = ("--unshare-all", *_system(), "--dev", "/dev", "--proc", "/proc")
        over = ("--overlay", str(overlay.upper), str(overlay.work), "/mnt")
        whole = [str(BWRAP), *command, *layers, *over, *covers, "--chdir", "/mnt", "--", *argv]
        done = run(whole, stdin=stdin, env=_git_safe())
        assert done.code == 0, done.stderr.decode()
        return done.stdout.decode()

    def checks(self) -> tuple[Check, ...]:
        return ()

    def run(self, spec: SandboxSpec, stdin: bytes, watch: Watch) -> Exit:
        raise NotImplementedError


@dataclass(frozen=True)
class KernelOverlay(BubblewrapOverlay):
    """Like a docker volume of type overlay: `trusted.overlay.`, `redirect_dir=on`. Needs root."""

    attributes: Literal["user.overlay.", "trusted.overlay."] = "trusted.overlay."
    name: EngineName = "docker"
    uid: int = 10001

    def execute(self, overlay: Overlay, argv: Sequence[str], stdin: bytes = b"") -> str:
        lowers = ":".join(map(str, overlay.lowers))
        options = f"lowerdir={lowers},upperdir={overlay.upper},workdir={overlay.work}"
        script = "".join(
            [
                "set -e; mount -t overlay overlay -o nosuid,redirect_dir=on,$0 /mnt; cd /mnt;",
                *(
                    f"mount --bind {cover} {name}; mount -o remount,bind,ro {name};"
                    for name, cover in overlay.covers.items()
                ),
                'exec setpriv --reuid 10001 --regid 10001 --clear-groups "$@"',
            ]
        )
        whole = ["unshare", "-m", "--propagation", "private", "sh", "-c", script, options, *argv]
        done = run(whole, stdin=stdin, env=_git_safe())
        assert done.code == 0, done.stderr.decode()
        return done.stdout.decode()


def _system() -> Iterator[str]:
    """Not all of `/`: other tests mount and unmount there at the same time."""
    for place in ("/usr", "/bin", "/lib", "/lib64", "/etc"):
        if os.path.islink(place):
            yield from ("--symlink", os.readlink(place), place)
        else:
            yield from ("--ro-bind-try", place, place)
    if not PYTHON[0].startswith("/usr/"):
        for place in {sys.prefix, sys.base_prefix}:
            yield from ("--ro-bind", place, place)


def _git_safe() -> Mapping[str, str]:
    return clean_env({"HOME": "/nonexistent"})


OVERLAYS = (BubblewrapOverlay(), KernelOverlay()) if os.geteuid() == 0 else (BubblewrapOverlay(),)


@dataclass(frozen=True, slots=True)
class Checkout:
    """A repository made by the user's own git, for tests."""

    path: Path

    def git(self, *args: str, stdin: bytes = b"") -> str:
        identity = ("-c", "user.name=Ada", "-c", "user.email=ada@example.org")
        env = clean_env({"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"})
        whole = ["git", "-C", str(self.path), *identity, *args]
        done = run(whole, stdin=stdin, env=env)
        assert done.code == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def write(self, files: Mapping[str, str | bytes]) -> None:
        for name, content in files.items():
            place = self.path / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(content if isinstance(content, bytes) else content.encode())

    def commit(self, files: Mapping[str, str | bytes], message: str = "change") -> str:
        """All of the work tree, after writing `files`."""
        self.write(files)
        self.git("add", "-A", "-f")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


def make_checkout(path: Path, *options: str) -> Checkout:
    path.mkdir(parents=True)
    made = Checkout(path)
    made.git("init", "-q", "-b", "main", *options)
    return made
