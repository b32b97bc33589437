"""What lies behind a remote's URL. Only shapes known to be harmless get through."""

from __future__ import annotations

import re
from typing import Literal
from urllib.parse import urlsplit

from runner.errors import ConfigError
from runner.records.plan import ForgeName

_SCP = re.compile(r"(?:[A-Za-z0-9][\w.-]*@)?(?P<host>[A-Za-z0-9][A-Za-z0-9.-]*):(?!/)[^\s:]+")


def choose_forge(
    remote: str, wish: Literal["auto", "local", "github"], github_url: str
) -> ForgeName:
    """`git@github.com:o/r.git` -> github; `/srv/r.git` -> local, but only when wished for: the
    address stands in the repository's own configuration, which its author may have written.

    Raises:
        ConfigError: no forge fits the remote, or not the one wished for.
    """
    found = _forge_of(remote, github_url)
    if found == "local" and wish == "auto":
        raise ConfigError(
            f"forge auto: the remote {remote!a} is a directory, and its hooks run as you",
            "give --forge local if you trust it, or --no-publish",
        )
    if found is None or wish not in ("auto", found):
        raise ConfigError(
            f"forge {wish}: no request can be opened for the remote {remote!a}",
            "use a GitHub repository or an absolute path, set github_url, or give --no-publish",
        )
    return found


def _forge_of(remote: str, github_url: str) -> ForgeName | None:
    if not remote.isprintable():
        return None
    if remote.startswith("/"):
        return "local"
    if match := _SCP.fullmatch(remote):
        return "github" if match["host"].lower() == urlsplit(github_url).hostname else None
    try:
        parts = urlsplit(remote)
        host = parts.hostname
    except ValueError:
        return None
    if parts.scheme == "file" and not parts.netloc and parts.path.startswith("/"):
        return "local"
    safe = {"https", "ssh", urlsplit(github_url).scheme}
    return "github" if parts.scheme in safe and host == urlsplit(github_url).hostname else None
