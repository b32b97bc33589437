"""One commit, by its id, to one new branch of one remote: never force, never twice."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
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

    @property
    def place(self) -> Path | None:
        """The directory of a `file` remote, without symbolic links."""
        return Path(self.url.removeprefix("file://")).resolve() if self.protocol == "file" else None


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
    done = _send(git, url, f"--force-with-lease={ref}:", f"{commit}:{ref}")
    if done.code == 0:
        return
    rejected = done.stdout.startswith(b"!") or b"\n!" in done.stdout
    existing = heads(git, url).get(ref) if rejected else None
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


def withdraw(git: Git, commit: Oid, url: str, ref: str, token: str | None) -> None:
    """Delete `ref` again, if it is still at `commit`.

    Raises:
        InfraError: it could not be deleted.
    """
    _check_ref(git, ref)
    git = git.within(**_environment(remote_of(url), token))
    done = _send(git, url, f"--force-with-lease={ref}:{commit}", f":{ref}")
    if done.code:
        name = ref.removeprefix("refs/heads/")
        raise InfraError(
            f"branch {name} could not be taken back from {plain(url)}: "
            f"{_redacted(_reason(done), _secrets(token))}",
            f"git push {plain(url)} --delete {name}",
        )


def require_published(
    git: Git, tracked: Mapping[str, Oid], base: Oid, url: str, target: str, token: str | None
) -> None:
    """A push sends all that the remote lacks: everything below the one commit must be there.

    1. The target branch exists on the remote.
    2. The base is an ancestor of a branch of the remote: of one it shows now, or (when the target
       has moved on to what is not known here) of one `tracked` remembers.
    An https remote is not asked without a token; then only `tracked` can tell, if there is any.

    Raises:
        InfraError: the remote cannot be asked.
        ConfigError: there is no such target, or the base has commits the remote lacks.
    """
    remote = remote_of(url)
    git = git.within(**_environment(remote, token))
    asked = remote.protocol != "https" or token is not None
    if not asked and not tracked:
        return
    there = heads(git, url) if asked else {}
    tip = there.get(f"refs/heads/{target}")
    if asked and tip is None:
        raise ConfigError(
            f"{plain(url)} has no branch {plain(target)}",
            'push it first, or set target = "..." in the task',
        )
    remembered = tracked if tip is None or not _has(git, tip) else {}
    tips = sorted({*there.values(), *remembered.values()})
    known = [oid for oid in tips if _has(git, oid)]
    missing = git.ask("rev-list", "--max-count=1", base, "--not", *known)
    if missing.code or missing.text():
        raise ConfigError(
            f"base {base} has commits that {plain(url)} lacks: they would be published unjudged",
            f"push them first, or start from what is there: --base origin/{plain(target)}",
        )


def _has(git: Git, oid: Oid) -> bool:
    return git.ask("cat-file", "-e", f"{oid}^{{commit}}").code == 0


def heads(git: Git, url: str) -> dict[str, Oid]:
    """Branches of the remote by full name.

    Raises:
        InfraError: it cannot be asked.
    """
    done = git.ask("ls-remote", "--refs", "--heads", "--", url, timeout_s=DEADLINE_S)
    if done.code:
        raise InfraError(
            f"remote {plain(url)} cannot be read: {plain(_reason(done))}",
            "check the URL, the network and your access",
        )
    rows = (row.partition("\t") for row in done.text().splitlines())
    return {name: Oid(oid) for oid, _, name in rows}


def _send(git: Git, url: str, lease: str, refspec: str) -> Completed:
    flags = ("--porcelain", "--no-verify", "--no-follow-tags", "--recurse-submodules=no")
    return git.ask("push", *flags, lease, "--", url, refspec, timeout_s=DEADLINE_S)


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


def _reason(done: Completed) -> str:
    """What a person can act on: the remote's own words first, then git's."""
    told = [line.strip() for line in done.stderr.decode(errors="replace").splitlines()]
    remote = [line for line in told if _tells(line)]
    rejected = [
        line.rpartition("\t")[2]
        for line in done.stdout.decode(errors="replace").splitlines()
        if line.startswith("!")
    ]
    fatal = [line for line in told if line.startswith(("fatal:", "error:", "ssh:"))]
    return "; ".join([*rejected[:1], *remote[-1:], *fatal[:1]]) or done.error()


def _tells(line: str) -> bool:
    """A line of the remote that says more than that a hook said no."""
    declined = line.startswith("remote: error: hook declined")
    return line.startswith("remote:") and line != "remote:" and not declined


def _secrets(token: str | None) -> tuple[str, ...]:
    return () if token is None else (token, _basic(token))


def _basic(token: str) -> str:
    return base64.b64encode(f"{USER}:{token}".encode()).decode()


def _redacted(text: str, secrets: tuple[str, ...]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    return plain(text)
