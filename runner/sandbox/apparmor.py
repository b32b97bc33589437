"""AppArmor where it keeps user namespaces from us: what our profile is called, and its command."""

from __future__ import annotations

import re
import shlex
import socket
from collections.abc import Mapping
from pathlib import Path

from runner.sandbox.resources import resource

INSTALLED = Path("/etc/apparmor.d/codex-runner")
CONTAINER = "codex-runner-container"
"""The profile for containers; docker's own forbids the mounts codex's inner sandbox makes."""


def container_options(info: Mapping[str, object], installed: Path = INSTALLED) -> tuple[str, ...]:
    """`--security-opt` of containers of an engine that says `info` of itself.

    Only of one on this machine: it refuses to start a container whose profile is not loaded.
    """
    confines = any("name=apparmor" in str(each) for each in _listed(info.get("SecurityOptions")))
    here = info.get("Name") == socket.gethostname()
    return (f"apparmor={CONTAINER}",) if confines and here and installed.exists() else ()


def load(bubblewrap: Path) -> str:
    """The command that installs the profile for this bubblewrap and loads it, now and at boot."""
    path = re.sub(r"([\\&|])", r"\\\1", str(bubblewrap))
    edit = f's|^@{{codex_runner_bwrap}} = .*|@{{codex_runner_bwrap}} = "{path}"|'
    profile = shlex.quote(str(resource("apparmor.profile")))
    return (
        f"sed {shlex.quote(edit)} {profile} | sudo tee {INSTALLED} >/dev/null"
        f" && sudo apparmor_parser --replace {INSTALLED}"
    )


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []
