"""Versions below the sandbox, and those that are known to be broken out of.

A distribution mends a version without changing its number: `+deb12u1` or `-0ubuntu1~22.04.2` may
well hold the correction. So a known-bad number warns, and never refuses.
"""

from __future__ import annotations

import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from runner import process
from runner.errors import InfraError
from runner.records.posture import Version
from runner.sandbox import docker_socket
from runner.sandbox.codex_package import SUPPORTED, CodexPackage

Number = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Flaw:
    """A way out. `mended` has the first good version of each line; older lines are bad."""

    tool: str
    name: str
    mended: tuple[Number, ...]


FLAWS = (
    Flaw("runc", "CVE-2024-21626", ((1, 1, 12),)),
    Flaw("runc", "CVE-2025-31133, CVE-2025-52565, CVE-2025-52881", ((1, 2, 8), (1, 3, 3))),
    Flaw("containerd", "CVE-2024-25621", ((1, 7, 29), (2, 0, 7), (2, 1, 5), (2, 2, 0))),
)
"""https://github.com/opencontainers/runc/security/advisories and
https://github.com/containerd/containerd/security/advisories (read 2026-11)."""


def versions(package: CodexPackage | None) -> tuple[Version, ...]:
    """Kernel, git, codex, bubblewrap, and what the docker engine says of itself."""
    return (
        Version(name="kernel", version=platform.release()),
        _told("git", ["git", "--version"]),
        *(_package(package) if package else ()),
        *_docker(),
    )


def warning(tool: str, version: str) -> str:
    """What is known against this version; empty = nothing."""
    number = _number(version)
    bad = [flaw.name for flaw in FLAWS if flaw.tool == tool and number and _flawed(flaw, number)]
    if not bad:
        return ""
    by = (
        "; its distribution may have mended it"
        if re.search(r"deb|ubuntu|\.el|\.fc", version)
        else ""
    )
    return f"by its number open to {', '.join(bad)}{by}"


def _flawed(flaw: Flaw, number: Number) -> bool:
    """Below the first good version of its own line; a line newer than all of them is good."""
    for mended in flaw.mended:
        if number[:2] == mended[:2]:
            return number < mended
    return number < max(flaw.mended)


def _number(version: str) -> Number:
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    return tuple(map(int, found.groups())) if found else ()


def _package(package: CodexPackage) -> Iterator[Version]:
    unsupported = "" if package.version == SUPPORTED else f"measured with {SUPPORTED} only"
    yield Version(name="codex", version=package.version, warning=unsupported)
    yield _told("bubblewrap", [str(package.bubblewrap), "--version"])


def _told(name: str, argv: Iterable[str]) -> Version:
    try:
        text = process.run([*argv], timeout_s=10).text()
    except InfraError as error:
        return Version(name=name, version="none", warning=error.problem)
    found = re.search(r"\d+(\.\d+)+\S*", text)
    return Version(name=name, version=found[0] if found else text or "none")


def _docker() -> Iterator[Version]:
    """Of each component the longest word that begins with its number: distributions add theirs."""
    try:
        told: Mapping[str, Any] = docker_socket.ask("/version") or {}
    except InfraError:
        return
    for part in told.get("Components") or ():
        name = {"Engine": "docker"}.get(part["Name"], part["Name"])
        words = [part.get("Version") or "", (part.get("Details") or {}).get("GitCommit") or ""]
        version = max((word for word in words if _number(word)), key=len, default=words[0])
        if name in {"docker", "containerd", "runc"}:
            yield Version(name=name, version=version, warning=warning(name, version))
