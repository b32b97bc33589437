"""The fenced door to git: no configuration, hook, filter or prompt of anybody is reached by it."""

from __future__ import annotations

import math
import os
import resource
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType

from runner.errors import InfraError
from runner.process import Completed, clean_env, kill_group, run, stream
from runner.rlimit import limit

DEADLINE_S = 600
MAX_OUTPUT_BYTES = 256 * 1024 * 1024
GIB = 1024**3
LIMITS = MappingProxyType(
    {
        resource.RLIMIT_CPU: DEADLINE_S,
        resource.RLIMIT_DATA: 4 * GIB,
        resource.RLIMIT_FSIZE: 40 * GIB,
        resource.RLIMIT_CORE: 0,
    }
)
"""Of each git process. `DATA` and not `AS`: packs are mapped, and may be larger than memory."""

FENCE = {
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_LITERAL_PATHSPECS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PROTOCOL_FROM_USER": "0",
    "GIT_ALLOW_PROTOCOL": "",  # nothing; a push says which one it needs
}


def fenced(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The whole environment of a git process."""
    return clean_env({**FENCE, **(extra or {})})


def settings(values: Mapping[str, str]) -> dict[str, str]:
    """Configuration of one command, as environment: it wins over files and is not in argv."""
    env = {"GIT_CONFIG_COUNT": str(len(values))}
    for number, (key, value) in enumerate(values.items()):
        env[f"GIT_CONFIG_KEY_{number}"] = key
        env[f"GIT_CONFIG_VALUE_{number}"] = value
    return env


@dataclass(frozen=True, slots=True)
class Git:
    """Commands on one git directory. `env` is added to the fence."""

    directory: Path
    env: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    until: float = math.inf
    """When, on the monotonic clock, all commands have to be through."""

    def within(self, **env: str | Path) -> Git:
        """The same directory with more environment, e.g. `GIT_INDEX_FILE`."""
        return replace(self, env={**self.env, **{key: str(val) for key, val in env.items()}})

    def for_s(self, seconds: float) -> Git:
        """The same for one phase: from now on, all its commands together take no longer."""
        return replace(self, until=min(self.until, time.monotonic() + seconds))

    def ask(
        self,
        *args: str | bytes,
        stdin: bytes = b"",
        timeout_s: float = DEADLINE_S,
        max_bytes: int = MAX_OUTPUT_BYTES,
    ) -> Completed:
        """Run a command that may fail."""
        return run(
            ["git", *args],
            stdin=stdin,
            env=self._environment(),
            timeout_s=self._left_s(timeout_s),
            max_bytes=max_bytes,
            limits=LIMITS,
        )

    def run(
        self, *args: str | bytes, stdin: bytes = b"", max_bytes: int = MAX_OUTPUT_BYTES
    ) -> bytes:
        """Standard output of a command that must succeed.

        Raises:
            InfraError: it failed.
        """
        done = self.ask(*args, stdin=stdin, max_bytes=max_bytes)
        if done.code:
            raise _failed(args[0], done)
        return done.stdout

    def chunks(self, *args: str | bytes, take: Callable[[bytes], bool]) -> bool:
        """Hand on standard output while `take` returns True; False = it wanted no more.

        Raises:
            InfraError: the command failed or took too long.
        """
        errors: list[bytes] = []
        wanted = True
        deadline = time.monotonic() + self._left_s(DEADLINE_S)

        def feed(chunk: bytes) -> None:
            nonlocal wanted
            wanted = wanted and take(chunk)

        child = stream(
            ["git", *args],
            stdin=b"",
            env=self._environment(),
            cwd="/",
            on_stdout=feed,
            on_stderr=errors.append,
            stop=lambda: not wanted or time.monotonic() > deadline,
            ladder=((kill_group, 5.0),),
            on_start=lambda pid: limit(pid, LIMITS),
        )
        if wanted and child.code:
            last = b"".join(errors) or f"ended with {child.code}".encode()
            raise _failed(args[0], Completed(child.code, b"", last))
        return wanted

    def records(self, *args: str | bytes, each: Callable[[bytes], bool]) -> bool:
        """`chunks`, cut into records that end with NUL."""
        rest = b""

        def take(chunk: bytes) -> bool:
            nonlocal rest
            *whole, rest = (rest + chunk).split(b"\0")
            return all(map(each, whole))

        return self.chunks(*args, take=take)

    def _left_s(self, seconds: float) -> float:
        return max(0.0, min(seconds, self.until - time.monotonic()))

    def _environment(self) -> dict[str, str]:
        return fenced({"GIT_DIR": str(self.directory), **self.env})


def _failed(command: str | bytes, done: Completed) -> InfraError:
    if b"No space left on device" in done.stderr:
        return InfraError("disk full: No space left on device", "free some space, run it again")
    name = command.decode() if isinstance(command, bytes) else command
    return InfraError(
        f"git {name} failed: {plain(done.error())}", "check the repository with `git fsck`"
    )


def plain(text: str) -> str:
    """Foreign text for a message: printable ASCII, one line, at most 300 characters."""
    return "".join(char if " " <= char <= "~" else "?" for char in text)[:300]


@contextmanager
def disk_errors() -> Iterator[None]:
    """A full or forbidden disk is told in two lines. Also a decorator: `@disk_errors()`."""
    try:
        yield
    except OSError as error:
        where = plain(os.fsdecode(error.filename)) if error.filename else "the state directory"
        raise InfraError(
            f"{where}: {error.strerror}", "check the free space and the owner of that place"
        ) from error
