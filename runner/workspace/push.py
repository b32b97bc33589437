"""One commit, by its id, to one new branch of one remote: never force, never twice."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from runner.errors import ConfigError, InfraError
from runner.process import Completed
from runner.records.base import Oid
from runner.workspace.git import Git, plain, settings

PREFIX = "refs/heads/codex/"
DEADLINE_S = 300
USER = "x-access-token"
"""What GitHub and GitLab take beside a token (any name does for most others)."""

_SAFE = re.compile(r"refs/heads/codex/[A-Za-z0-9][A-Za-z0-9._/-]{0,200}")
_SCP_LIKE = re.compile(r"(?:[A-Za-z0-9._-]+@)?[A-Za-z0-9][A-Za-z0-9.-]*:(?!:)[^\s]+")
_PASSED = {
    "https": (
        "HTTPS_PROXY",
        "https_proxy",
        "NO_PROXY",
        "no_proxy",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "GIT_SSL_CAINFO",
    ),
    "ssh": ("HOME", "SSH_AUTH_SOCK"),
    "file": (),
}


@dataclass(frozen=True, slots=True)
class Remote:
    """A place to push to."""

    url: str
    protocol: str
    """`https`, `ssh` or `file`."""


def remote_of(url: str) -> Remote:
    """Which protocol a URL speaks.

    Raises:
        ConfigError: none of the three, or it carries a password.
    """
    scheme, separator, rest = url.partition("://")
    if separator and scheme in ("https", "ssh") and rest and url.isprintable():
        parts = urlsplit(url)
        if parts.password or (scheme == "https" and parts.username):
            raise ConfigError("the remote's URL carries credentials", "remove them from the URL")
        if (parts.hostname or "-").startswith("-") or (parts.username or "").startswith("-"):
            raise ConfigError(f"remote {plain(url)!r} is not a URL", "mend the remote's URL")
        return Remote(url, scheme)
    if url.startswith("/") or (scheme == "file" and rest.startswith("/")):
        return Remote(url, "file")
    if not separator and _SCP_LIKE.fullmatch(url):
        return Remote(url, "ssh")
    raise ConfigError(
        f"remote {plain(url)!r} cannot be pushed to",
        "use an https:// or ssh:// URL, user@host:path, or an absolute path",
    )


def push(git: Git, commit: Oid, url: str, ref: str, token: str | None) -> None:
    """Create `ref` at `commit`; already being there is fine.

    1. Only a generated name below `refs/heads/codex/` and an object id reach the command line.
    2. The remote must not have the ref (lease on nothing): a race is lost, not won by force.
    3. The token is in the environment of this one git process only, for this one origin.

    Raises:
        ConfigError: the URL or the name is not one to push to.
        InfraError: unreachable, refused, or the ref exists at another commit.
    """
    remote = remote_of(url)
    _check_ref(git, ref)
    secrets = _secrets(token)
    git = git.within(**_environment(remote, token))
    flags = ("--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no")
    done = git.ask(
        "push",
        *flags,
        f"--force-with-lease={ref}:",
        "--",
        url,
        f"{commit}:{ref}",
        timeout_s=DEADLINE_S,
    )
    if done.code == 0:
        return
    existing = _existing(git, url, ref)
    if existing == commit:
        return
    name = ref.removeprefix("refs/heads/")
    if existing is not None:
        raise InfraError(
            f"branch {name} exists on {plain(url)} at another commit, {existing}",
            "run again: every run generates a branch of its own",
        )
    raise InfraError(
        f"push of {name} to {plain(url)} failed: {_redacted(_reason(done), secrets)}",
        "check the URL, the network and what the token may do; the patch is kept",
    )


def _check_ref(git: Git, ref: str) -> None:
    if not _SAFE.fullmatch(ref) or git.ask("check-ref-format", ref).code:
        raise ConfigError(f"{plain(ref)!r} is not a ref this program pushes", f"use {PREFIX}<name>")


def _environment(remote: Remote, token: str | None) -> Mapping[str, str]:
    passed = {name: os.environ[name] for name in _PASSED[remote.protocol] if name in os.environ}
    values = {"http.followRedirects": "false"}
    if token is not None and remote.protocol == "https":
        parts = urlsplit(remote.url)
        header = f"Authorization: Basic {_basic(token)}"
        values[f"http.{parts.scheme}://{parts.netloc}/.extraHeader"] = header
    return {
        **passed,
        **settings(values),
        "GIT_ALLOW_PROTOCOL": remote.protocol,
        "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
    }


def _existing(git: Git, url: str, ref: str) -> str | None:
    """The remote's commit at `ref`; None when it has none, or cannot be asked."""
    done = git.ask("ls-remote", "--refs", "--", url, ref, timeout_s=DEADLINE_S)
    oid, _, name = done.text().partition("\t")
    return oid if done.code == 0 and name == ref else None


def _reason(done: Completed) -> str:
    """What a person can act on: the remote's own words first, then git's."""
    told = [line.strip() for line in done.stderr.decode(errors="replace").splitlines()]
    remote = [line for line in told if line.startswith("remote:") and line != "remote:"]
    rejected = [
        line.rpartition("\t")[2]
        for line in done.stdout.decode(errors="replace").splitlines()
        if line.startswith("!")
    ]
    fatal = [line for line in told if line.startswith(("fatal:", "error:", "ssh:"))]
    return "; ".join([*rejected[:1], *remote[-1:], *fatal[:1]]) or done.error()


def _secrets(token: str | None) -> tuple[str, ...]:
    return () if token is None else (token, _basic(token))


def _basic(token: str) -> str:
    return base64.b64encode(f"{USER}:{token}".encode()).decode()


def _redacted(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return plain(text)
