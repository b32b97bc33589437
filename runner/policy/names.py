"""Which values a setting may have. Every check returns the value or raises MisfitError.

No message contains the value: some values are secrets typed into the wrong place.
"""

from __future__ import annotations

import ipaddress
import os
import re
import shlex
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from urllib.parse import urlsplit

from runner.records.hosts import parse_host

MAX_COMMAND = 16_384
_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}")
_IMAGE = re.compile(r"[a-z0-9][A-Za-z0-9._:/@-]{0,254}")
_RUNTIME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_KEYRING = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@-]*/[A-Za-z0-9._@-]+")
_DOLLARS = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?")
_FORBIDDEN_IN_REF = re.compile(r"[ ~^:?*\[\\]|\.\.|@\{|//")


class MisfitError(ValueError):
    """What is wrong with a value, and an example of a good one."""

    def __init__(self, why: str, remedy: str) -> None:
        super().__init__(why)
        self.why = why
        self.remedy = remedy


def line(most: int) -> Callable[[str], str]:
    """A check for one non-blank printable line of at most `most` characters."""

    def check(value: str) -> str:
        remedy = f"use one line of at most {most} printable characters"
        if not value.strip():
            raise MisfitError("is empty", remedy)
        if not value.isprintable():
            raise MisfitError("contains control or invisible characters", remedy)
        if len(value) > most:
            raise MisfitError(f"is longer than {most} characters", remedy)
        return value

    return check


def branch(value: str) -> str:
    """A branch, tag or commit id git would accept (git-check-ref-format), never an option."""
    line(200)(value)
    parts = value.split("/")
    good = (
        not value.startswith(("-", "+", "refs/"))
        and not value.endswith(".")
        and value != "@"
        and all(part and part[0] != "." and not part.endswith(".lock") for part in parts)
        and not _FORBIDDEN_IN_REF.search(value)
    )
    if not good:
        raise MisfitError("is not a branch name", "use a plain name such as main")
    return value


def target_branch(value: str) -> str:
    """A branch name a request can aim at."""
    if branch(value) == "HEAD":
        raise MisfitError("is not a branch name", "use a plain name such as main")
    return value


def model(value: str) -> str:
    if not _MODEL.fullmatch(value):
        raise MisfitError("is not a model name", "use letters, digits and . _ : / -, e.g. gpt-5.5")
    return value


def image(value: str) -> str:
    if not _IMAGE.fullmatch(value):
        raise MisfitError("is not an image name", "use a reference such as codex-runner:latest")
    return value


def path(value: str) -> str:
    """One file, from the root of the repository."""
    glob(value)
    if any(sign in value for sign in "*?[") or value.endswith("/"):
        raise MisfitError("is not the path of one file", 'name it whole: "tests/test_x.py"')
    return value.removeprefix("/")


def plain(value: str) -> str:
    """The name of a gate or an analyser: letters, digits and . _ -"""
    if not _PLAIN.fullmatch(value):
        raise MisfitError("is not a plain name", "use letters, digits and . _ -, e.g. acme.licence")
    return value


def runtime(value: str) -> str:
    """A runtime as the docker engine's configuration names it: `runc`, `runsc`."""
    if not _RUNTIME.fullmatch(value):
        raise MisfitError("is not the name of a runtime", "use a name such as runc or runsc")
    return value


def glob(value: str) -> str:
    """A pattern over paths, from the root of the repository: `src/**`, `docs/`, `**/*.md`."""
    line(500)(value)
    segments = value.removeprefix("/").removesuffix("/").split("/")
    empty = {"", ".", ".."} & {*segments}
    glued = any("**" in part and part != "**" for part in segments)
    if empty or glued or value.startswith("!"):
        raise MisfitError(
            "is not a pattern below the repository's root", 'use one such as "src/**" or "docs/"'
        )
    return value


def command(value: str) -> str:
    """A shell command, maybe of several lines."""
    if not value.strip():
        raise MisfitError(
            "is empty", "give a command; test = false in the task goes without the tests gate"
        )
    if not all(char.isprintable() or char in "\n\t" for char in value):
        raise MisfitError("contains control or invisible characters", "remove them")
    if len(value) > MAX_COMMAND:
        raise MisfitError(f"is longer than {MAX_COMMAND} characters", "put it into a script")
    return value


def credential(value: str) -> str:
    """Where a credential is: `env:NAME`, `file:/path`, `keyring:service/user` or
    `command:/path arguments`; never itself.
    """
    kind, _, rest = value.partition(":")
    good = (
        (kind == "env" and _VARIABLE.fullmatch(rest))
        or (kind == "file" and rest.startswith("/") and rest.isprintable())
        or (kind == "keyring" and _KEYRING.fullmatch(rest))
        or (kind == "command" and rest.startswith("/") and _words(rest))
    )
    if not good:
        raise MisfitError(
            "does not say where the credential is",
            "use env:NAME, file:/absolute/path, keyring:service/user or command:/absolute/path"
            " ARGUMENTS, never the value itself",
        )
    return value


def named_credential(value: str) -> str:
    """A credential for a sandbox's environment: `env:NAME`, or `NAME=` before any other place."""
    name, equals, place = value.partition("=")
    if not equals and not value.startswith("env:"):
        raise MisfitError(
            "does not say which variable it becomes", "write env:NAME, or NAME=file:/absolute/path"
        )
    credential(place if equals else value)
    if equals and not _VARIABLE.fullmatch(name):
        raise MisfitError("is not a name of a variable", "write NAME=file:/absolute/path")
    return value


def variable_of(spec: str) -> str:
    """`env:TOKEN` -> `TOKEN`, `TOKEN=file:/x` -> `TOKEN`."""
    name, equals, _ = spec.partition("=")
    return name if equals else spec.removeprefix("env:")


def place_of(spec: str) -> str:
    """`env:TOKEN` -> itself, `TOKEN=file:/x` -> `file:/x`."""
    return spec.partition("=")[2] or spec


def host(value: str) -> str:
    """A host a setup may reach: `packages.example.com`, `*.example.com:8443`, `http://mirror:80`."""
    try:
        return str(parse_host(value))
    except ValueError as error:
        remedy = 'write "name", "name:port", "*.example.com" or "http://name"; addresses are none'
        raise MisfitError(str(error), remedy) from error


def host_or_network(value: str) -> str:
    """A host name without a port, or a network: `mirror.example.com`, `10.1.0.0/16`."""
    try:
        if "/" in value:
            return str(ipaddress.ip_network(value))
        found = parse_host(value)
    except ValueError as error:
        remedy = 'write "name" or "10.1.0.0/16"'
        raise MisfitError("is no host name and no network", remedy) from error
    if str(found) != found.name:
        raise MisfitError("has a port or a scheme", "write the name alone")
    return found.name


def _words(value: str) -> bool:
    """Whether a shell would find plain words in it."""
    try:
        return value.isprintable() and bool(shlex.split(value))
    except ValueError:
        return False


def base_url(value: str) -> str:
    """An https address without credentials; plain http only on this machine itself."""
    line(500)(value)
    remedy = "use an address such as https://api.openai.com/v1"
    try:
        parts = urlsplit(value)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise MisfitError("is not a web address", remedy) from error
    if parts.scheme not in {"http", "https"} or not host or port == 0 or " " in value:
        raise MisfitError("is not a web address", remedy)
    if "@" in parts.netloc or "?" in value or "#" in value or "\\" in value:
        raise MisfitError("has a user name, a query or a fragment", remedy)
    if parts.scheme == "http" and not _loopback(host):
        raise MisfitError("would send the key unencrypted", "use https")
    return value.rstrip("/")


def database(value: str) -> str:
    """A PostgreSQL database's address without its password."""
    line(500)(value)
    remedy = 'use "postgresql://user@host/database"; the password is in PGPASSFILE or ~/.pgpass'
    try:
        parts = urlsplit(value)
        inside = parts.password or "password" in parts.query.casefold()
    except ValueError as error:
        raise MisfitError("is not a database's address", remedy) from error
    if parts.scheme not in {"postgresql", "postgres"} or " " in value:
        raise MisfitError("is not a database's address", remedy)
    if inside:
        raise MisfitError("has a password in it", remedy)
    return value


def usd_micros(value: object) -> int:
    """`"1.25"` or `1` dollars -> 1250000 or 1000000 micro-dollars; never a float."""
    text = str(value) if type(value) in (str, int) else ""
    if not _DOLLARS.fullmatch(text):
        raise MisfitError("is not an amount of dollars", 'write it as "1.25", 6 digits at most')
    return int(Decimal(text) * 1_000_000)


def absolute(value: str) -> Path:
    path = Path(value)
    if not value.isprintable():
        raise MisfitError(
            "has bytes that are not UTF-8, or control characters", "name another directory or file"
        )
    if not path.is_absolute() or ".." in path.parts:
        raise MisfitError("is not an absolute path", "begin it with / and use no ..")
    return path


def directory(value: str) -> Path:
    """An absolute path of a directory that exists."""
    path = absolute(value)
    if not os.path.isdir(path):  # unlike Path.is_dir, false when it may not even be looked at
        raise MisfitError("is not a directory", "name one that exists and can be read")
    return path


def directories(value: str) -> tuple[Path, ...]:
    """Absolute paths of directories that exist, with colons between them."""
    return tuple(directory(each) for each in value.split(":"))


def one_of(*choices: str) -> Callable[[str], str]:
    """A check for one of a few words."""

    def check(value: str) -> str:
        if value not in choices:
            raise MisfitError("is none of the choices", f"use {' or '.join(choices)}")
        return value

    return check


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
