"""Where a credential is: `env:NAME`, `file:/path`, `keyring:SERVICE/USER`, `command:/path ARG`."""

from __future__ import annotations

import errno
import os
import shlex
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from runner.errors import ConfigError
from runner.process import clean_env, run

MAX_BYTES = 16 * 1024
MAX_OUTPUT_BYTES = 64 * 1024
COMMAND_S = 30.0
MIN_BYTES = 8
"""A shorter one would be found by chance in every stream that is searched for it."""


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """A credential that does not print itself."""

    secret: bytes
    source: str
    """The spec it was loaded from, e.g. `env:OPENAI_API_KEY`."""

    def __repr__(self) -> str:
        return f"Key({self.source})"


def load_key(spec: str, environ: Mapping[str, str] = os.environ) -> Key:
    """Read a credential; white space around it is dropped.

    Raises:
        ConfigError: unknown spec, absent, readable by others, or not one printable ASCII word.
        InfraError: the command took too long, or printed too much.
    """
    kind, _, where = spec.partition(":")
    places: dict[str, Callable[[str], bytes]] = {
        "env": partial(_environment, environ),
        "file": _file,
        "keyring": _keyring,
        "command": partial(_command, environ),
    }
    read = places.get(kind)
    if read is None or not where:
        raise ConfigError(
            f"key: {kind[:64]!r} is not a place for a key",
            "write env:NAME, file:/path, keyring:SERVICE/USER or command:/path ARGS",
        )
    return Key(_word(read(where), spec), spec)


def _environment(environ: Mapping[str, str], name: str) -> bytes:
    value = os.fsencode(environ.get(name, ""))
    if not value.strip():
        raise ConfigError(f"the environment variable {name} is not set", f"export {name}=...")
    return value


def _file(where: str) -> bytes:
    path = Path(where)
    try:
        # O_NONBLOCK: opening a pipe must not wait for its writer
        number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        remedy = "name an existing file, not a link"
        if error.errno == errno.EACCES:
            remedy = f"as root: chown {os.geteuid()} {path} && chmod 600 {path}"
        raise ConfigError(f"key file {path}: {error.strerror}", remedy) from error
    try:
        found = os.fstat(number)
        if not stat.S_ISREG(found.st_mode):
            raise ConfigError(f"key file {path} is not a regular file", "name a regular file")
        if stat.S_IMODE(found.st_mode) & 0o077:
            raise ConfigError(f"key file {path} is open to others", f"chmod 600 {path}")
        content = os.read(number, MAX_BYTES + 1)
    finally:
        os.close(number)
    if len(content) > MAX_BYTES:
        raise ConfigError(f"key file {path} is over {MAX_BYTES} bytes", "keep only the key in it")
    return content


def _keyring(where: str) -> bytes:
    service, _, user = where.partition("/")
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError as error:
        raise ConfigError(
            "the keyring package is missing", "pip install 'codex-runner[keyring]'"
        ) from error
    try:
        found = keyring.get_credential(service, user or None)
    except KeyringError as error:
        raise ConfigError(
            f"the key store refused: {type(error).__name__}", "unlock it, or use env: or file:"
        ) from error
    if found is None:
        raise ConfigError(f"keyring:{where} is empty", f"keyring set {service} {user or 'USER'}")
    return found.password.encode()


def _command(environ: Mapping[str, str], where: str) -> bytes:
    """What a program prints; it gets PATH and HOME, no shell, and its stderr is not repeated."""
    argv = shlex.split(where)
    env = clean_env({name: environ[name] for name in ("HOME",) if name in environ})
    done = run(argv, env=env, timeout_s=COMMAND_S, max_bytes=MAX_OUTPUT_BYTES)
    if done.code != 0:
        raise ConfigError(
            f"the key's command {argv[0]} failed with exit status {done.code}",
            "run it in a terminal; it gets PATH and HOME, and nothing on stdin",
        )
    return done.stdout


def _word(value: bytes, spec: str) -> bytes:
    word = value.strip()
    if len(word) < MIN_BYTES:
        raise ConfigError(
            f"the key in {spec} is under {MIN_BYTES} bytes", "put the whole key there"
        )
    if len(word) > MAX_BYTES or any(byte <= 0x20 or byte >= 0x7F for byte in word):
        raise ConfigError(
            f"the key in {spec} is not one printable word", "keep only the key there, on one line"
        )
    return word
