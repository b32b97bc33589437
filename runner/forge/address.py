"""Which forge and repository a remote's URL means."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from runner.errors import ConfigError

_OWNER = r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}"
_NAME = r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}?"
_PATH = re.compile(rf"/*(?P<owner>{_OWNER})/(?P<name>{_NAME})(?:\.git)?/*")
_HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?")
_SCP = re.compile(r"(?:[^/:@]+@)?(?P<host>[^/:@]+):(?P<path>.+)")
_SCHEMES = frozenset({"http", "https", "ssh", "git", "git+ssh", "ssh+git"})


@dataclass(frozen=True, slots=True)
class Address:
    """A repository on a forge. `host` has the port of an http(s) remote that names one."""

    host: str
    owner: str
    name: str

    @property
    def slug(self) -> str:
        return f"{self.owner}/{self.name}"

    @property
    def api(self) -> str:
        """Where the GitHub REST interface of this host is, unless somebody says otherwise."""
        if self.host == "github.com":
            return "https://api.github.com"
        return f"https://{self.host}/api/v3"


def parse_remote(remote: str) -> Address:
    """`https://github.com/o/r.git`, `ssh://git@host:22/o/r`, `git@host:o/r.git` -> Address.

    Raises:
        ConfigError: it is not OWNER/NAME on a host.
    """
    host, path = _split(remote)
    found = _PATH.fullmatch(path)
    if found is None or not _HOST.fullmatch(host.partition(":")[0]):
        raise _unknown(remote)
    host = {"ssh.github.com": "github.com", "www.github.com": "github.com"}.get(host, host)
    return Address(host, found["owner"], found["name"])


def without_credentials(remote: str) -> str:
    """The URL as it may be shown: no `user:password@` of an http(s) address."""
    return re.sub(r"^(https?://)[^/]*@", r"\1", remote, flags=re.IGNORECASE)


def _split(remote: str) -> tuple[str, str]:
    if "://" not in remote:
        found = _SCP.fullmatch(remote)
        if found is None:
            raise _unknown(remote)
        return found["host"].lower(), found["path"]
    try:
        parts = urlsplit(remote)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        raise _unknown(remote) from None
    if parts.scheme not in _SCHEMES or parts.query or parts.fragment:
        raise _unknown(remote)
    web = parts.scheme in {"http", "https"}
    return (f"{host}:{port}" if web and port not in {None, 80, 443} else host), parts.path


def _unknown(remote: str) -> ConfigError:
    shown = without_credentials(remote)[:200]
    return ConfigError(
        f"the remote {shown!r} is not OWNER/NAME on a GitHub host",
        "give a remote like https://github.com/owner/name.git, or use --forge local",
    )
