"""A kill on its way to the disk: next to nothing is imported before it is in force.

`runner.killswitch` says what such a file means.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from runner.errors import ConfigError, InfraError
from runner.whole_file import write_whole

DIRECTORY = "kill"
"""In the state directory."""
KILL, STOP, PARTIAL = ".json", "STOP", ".kill-"
"""The end of a kill's name, a plain file's name, and how that of a half-written one begins, which
lies in the state directory."""
SUBJECTS: Mapping[str, tuple[str, str]] = {
    "all": ("", "no subject"),
    "run": ("[0-9A-Za-z][0-9A-Za-z._-]{0,199}", "the id of a run"),
    "agent": (
        "ag_[0-9a-f]{16}",
        "the id of an agent, ag_ and 16 hex digits; see: codex-runner trust",
    ),
    "repo": (r"/.*|[^\s/]+:.+", "an absolute path, or the URL of a remote"),
    "key": ("[0-9a-f]{64}", "the id of a key, 64 hex digits; see: codex-runner keys list --json"),
    "policy": (
        "[0-9a-f]{64}",
        "the SHA-256 of a policy, 64 hex digits; see: codex-runner show --json",
    ),
}
"""How a subject of each scope looks, and what to say of one that does not."""

_NO_TEXT = re.compile("[\ud800-\udfff]")


def pull(state: Path, scope: str, subject: str, reason: str, by: str) -> bytes:
    """A `Kill` in JSON, in force when this returns.

    Raises:
        ConfigError: there is no reason, or the subject is none of this scope.
        InfraError: it cannot be written.
    """
    if not reason.strip():
        raise ConfigError("a kill needs a reason", "say why: whoever is stopped reads it")
    identity = os.urandom(8).hex()
    kill = {
        "id": identity,
        "scope": scope,
        "subject": _subject(scope, subject.strip()),
        "reason": reason.strip(),
        "by": by,
        "at": datetime.now(UTC).isoformat(),
    }
    content = json.dumps(kill, ensure_ascii=False).encode(errors="replace")
    keep(state / DIRECTORY, f"{identity}{KILL}", content)
    return content


def keep(directory: Path, name: str, content: bytes) -> None:
    """Whole or not at all: what is being written lies outside of the directory. Raises InfraError:
    it cannot be written."""
    partial = directory.with_name(f"{PARTIAL}{os.urandom(8).hex()}")
    try:
        directory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        directory.mkdir(mode=0o700, exist_ok=True)
        write_whole(directory / name, partial, content)
    except OSError as error:
        raise InfraError(
            f"cannot write {directory / name}: {error.strerror}",
            f"to stop everything: touch {directory / STOP}",
        ) from error


def canonical(name: str) -> str:
    """A repository as all spellings of it are compared."""
    scp = re.fullmatch(r"(?:[^/:@]+@)?([^/:@]+):(?!//)(.+)", name)
    if scp:
        host, path = scp[1], scp[2]
    elif "://" in name and not name.startswith("file://"):
        parts = urlsplit(name)
        host, path = parts.netloc.rpartition("@")[2], parts.path
    else:
        return os.path.realpath(name.removeprefix("file://"))
    return f"{host.lower()}/{path.strip('/').removesuffix('.git')}"


def _subject(scope: str, subject: str) -> str:
    shape, example = SUBJECTS[scope]
    if not re.fullmatch(shape, subject) or _NO_TEXT.search(subject):
        raise ConfigError(f"kill of {scope}: not one: {subject[:200]!r}", f"give {example}")
    return canonical(subject) if scope == "repo" else subject
