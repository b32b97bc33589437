"""A Debian root file system as a tar file, made by mmdebstrap; root is not needed."""

from __future__ import annotations

import hashlib
import os
import platform
import re
import shutil
import tarfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from runner import process
from runner.errors import ConfigError, InfraError

SUITE = "bookworm"
MIRROR = "http://deb.debian.org/debian"
SOURCES = ("/etc/apt/sources.list", "/etc/apt/sources.list.d/debian.sources")
PACKAGES = "ca-certificates,git,python3"
LEFT_OUT = ("/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*")
HOOK = """chroot "$1" /bin/sh -c "
useradd --uid 10001 --no-create-home runner && install -d /work &&
git config --system --add safe.directory '*' &&
find / -xdev -type f -perm /6000 -exec chmod ug-s {} +
" """
"""What the Dockerfile does after installing the packages."""
LIMIT_S = 1800
LINE_BYTES = 4096
PROXIES = ("http_proxy", "https_proxy", "no_proxy")


def bootstrap(tar: Path, mirror: str | None, progress: Callable[[str], None]) -> None:
    """Write the root file system to `tar`; `progress` gets mmdebstrap's own lines.

    Raises:
        ConfigError: `mirror` is no address.
        InfraError: mmdebstrap is missing, failed, or took too long.
    """
    argv = _command(mirror)
    _need("mmdebstrap", "mmdebstrap")
    if os.geteuid():
        _need("newuidmap", "uidmap")
    deadline = time.monotonic() + LIMIT_S
    said = _Lines(progress)
    with tar.open("wb") as file:

        def write(chunk: bytes) -> None:
            file.write(chunk)

        ended = process.stream(
            argv,
            stdin=b"",
            env=_env(),
            cwd="/",
            on_stdout=write,
            on_stderr=said.take,
            stop=lambda: time.monotonic() > deadline,
            ladder=((process.kill_group, 5.0),),
        )
    if ended.code:
        why = f"took {LIMIT_S} s" if ended.stopped else said.last or f"exit status {ended.code}"
        raise InfraError(f"mmdebstrap failed: {why}", "mend that, or name another --mirror")


def packages_digest(tar: Path) -> str:
    """`sha256:...` over the sorted names, versions and architectures of what is installed."""
    with tarfile.open(tar) as archive:
        member = archive.extractfile("./var/lib/dpkg/status")
        assert member is not None
        stanzas = member.read().decode().split("\n\n")
    keys = ("Package: ", "Version: ", "Architecture: ")
    rows = sorted(
        "\n".join(line for line in stanza.splitlines() if line.startswith(keys))
        for stanza in stanzas
    )
    digest = hashlib.sha256("\n\n".join(rows).encode()).hexdigest()
    return f"sha256:{digest}"


def _command(mirror: str | None) -> list[str]:
    return [
        "mmdebstrap",
        "--format=tar",
        "--variant=minbase",
        f"--include={PACKAGES}",
        '--aptopt=Acquire::Languages "none"',
        *(f"--dpkgopt=path-exclude={glob}" for glob in LEFT_OUT),
        f"--customize-hook={HOOK}",
        SUITE,
        "-",
        *_sources(mirror),
    ]


def _sources(mirror: str | None) -> list[str]:
    """The mirror asked for; else this machine's own, when it is the same Debian."""
    if mirror is not None:
        if not re.fullmatch(r"(https?|file|copy)://\S+", mirror):
            raise ConfigError(f"--mirror {mirror!r} is no address", f"for example {MIRROR}")
        return [mirror]
    system = platform.freedesktop_os_release()
    own = [name for name in SOURCES if Path(name).is_file()]
    same = system.get("ID") == "debian" and system.get("VERSION_CODENAME") == SUITE
    return own if same and own else [MIRROR]


def _env() -> dict[str, str]:
    """Proxies are named one by one; system tools are in no ordinary user's PATH."""
    path = f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin"
    proxies = {name: os.environ[name] for name in PROXIES if name in os.environ}
    return process.clean_env({"PATH": path, **proxies})


def _need(tool: str, package: str) -> None:
    if shutil.which(tool) is None:
        raise InfraError(f"{tool} is not installed", f"sudo apt-get install {package}")


@dataclass(slots=True)
class _Lines:
    """Hands stderr on line by line and remembers the last complaint."""

    progress: Callable[[str], None]
    last: str = ""
    _rest: bytes = b""

    def take(self, chunk: bytes) -> None:
        *whole, rest = (self._rest + chunk).split(b"\n")
        self._rest = rest[-LINE_BYTES:]
        for line in whole:
            text = line.decode(errors="replace").strip()
            if text.startswith("E: "):
                self.last = text.removeprefix("E: ")
            if text.startswith(("I: ", "E: ")) and "customize-hook" not in text:
                self.progress(text[3:])
