"""What an organisation says to everybody: where its files are, and which are believed.

From the one that decides first: `/etc/codex-runner/requirements.toml`, the file that
`CODEX_RUNNER_REQUIREMENTS` names, and the `requirements.toml` of every installed package with an
entry point in the group `codex_runner.policies`, which names the package that holds it:

    [project.entry-points."codex_runner.policies"]
    acme = "acme_policies"

1. One that is named and not there, or not readable, is an error: it is never taken for none.
2. No code of a policy package is run: its file is looked up and read.
3. A file below /etc counts only if nobody but root or this user can have written it.
4. Where /etc/codex-runner/policy.pub is (Ed25519, PEM), the other two kinds count only if
   `requirements.toml.sig` beside the file is its signature by that key, in base64:

    openssl pkeyutl -sign -rawin -inkey policy.key -in requirements.toml | base64 -w0
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from runner.errors import ConfigError
from runner.policy.files import read_bounded, shown
from runner.policy.place import ETC, GROUP, VARIABLE
from runner.policy.toml import MAX_BYTES
from runner.signed import is_signed

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

KEY = "policy.pub"
"""Beside `ETC`."""
FILE = "requirements.toml"


@dataclass(frozen=True, slots=True)
class File:
    """One of them, read."""

    source: str
    data: bytes


def organisation_files(environ: Mapping[str, str]) -> tuple[File, ...]:
    """All there are, the highest first. Raises ConfigError."""
    return (*_machine(), *_named(environ.get(VARIABLE, "")), *_packaged())


def _machine() -> Iterator[File]:
    data = read_bounded(ETC, MAX_BYTES, follow=False)
    if data is not None:
        require_owned(ETC)
        yield File(shown(ETC), data)


def _named(name: str) -> Iterator[File]:
    if not name:
        return
    path = Path(name)
    if not path.is_absolute() or ".." in path.parts:
        raise ConfigError(f"{VARIABLE}: is not an absolute path", "begin it with / and use no ..")
    target = Path(os.path.realpath(path))  # a loop is for who reads it to tell
    if target.is_relative_to(ETC.parents[1]):
        require_owned(target)
    data = read_bounded(path, MAX_BYTES, follow=True)
    if data is None:
        raise ConfigError(f"{VARIABLE}: {shown(path)}: no such file", "name the file, or unset it")
    _require_signed(path, data)
    yield File(shown(path), data)


def _packaged() -> Iterator[File]:
    from importlib.metadata import entry_points

    for point in sorted(entry_points(group=GROUP), key=lambda point: (point.name, point.value)):
        package = point.dist.name if point.dist is not None else point.name
        path = _place(point)
        data = read_bounded(path, MAX_BYTES, follow=True) if path is not None else None
        if path is None or data is None:
            raise ConfigError(
                f"the policy package {shown(package)} has no {FILE} in {shown(point.value)}",
                f"repair or remove it: pip uninstall {shown(package)}",
            )
        _require_signed(path, data)
        version = point.dist.version if point.dist is not None else ""
        yield File(f"{shown(package)} {shown(version)}/{FILE}", data)


def _place(point: EntryPoint) -> Path | None:
    """Of the file in a top-level package, which is found without being run: beside its metadata,
    or where an editable install has it."""
    if not point.value.isidentifier():
        return None
    if point.dist is not None:
        beside = Path(str(point.dist.locate_file(point.value))) / FILE
        if os.path.lexists(beside):
            return beside
    try:
        spec = find_spec(point.value)
    except (ImportError, ValueError):
        return None
    places = spec.submodule_search_locations if spec is not None else None
    return Path(next(iter(places))) / FILE if places else None


def _require_signed(path: Path, data: bytes) -> None:
    """Raises ConfigError: a key says so, and it is not signed with it."""
    place = ETC.with_name(KEY)
    key = read_bounded(place, MAX_BYTES, follow=False)
    if key is None:
        return
    require_owned(place)
    signature = read_bounded(path.with_name(f"{path.name}.sig"), MAX_BYTES, follow=True)
    try:
        good = signature is not None and is_signed(data, signature, key)
    except ValueError as error:
        raise ConfigError(f"{shown(place)} is not an Ed25519 key in PEM", "restore it") from error
    if not good:
        why = "is not signed" if signature is None else "has a signature that does not fit"
        remedy = f"get a version that is signed with {shown(place)}"
        raise ConfigError(f"{shown(path)} {why}", remedy)


def require_owned(path: Path) -> None:
    """Raises ConfigError: somebody else could have written it, or put it there."""
    for place in (path, path.parent):
        try:
            status = os.stat(place)
        except FileNotFoundError:
            return  # what reads it says so
        except OSError as error:
            why = f"cannot read {shown(place)}: {error.strerror}"
            raise ConfigError(why, "check the path") from error
        if status.st_uid not in {0, os.geteuid()}:
            remedy = f"chown root: {shown(place)}"
        elif status.st_mode & 0o022:
            remedy = f"chmod go-w {shown(place)}"
        else:
            continue
        raise ConfigError(f"{shown(place)} can be changed by other users", remedy)
