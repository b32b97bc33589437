"""Where the state directory is, when that takes no more than a look: to kill cannot wait for the
settings to be imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

ETC = Path("/etc/codex-runner/requirements.toml")
VARIABLE = "CODEX_RUNNER_REQUIREMENTS"
GROUP = "codex_runner.policies"
STATE_VARIABLE = "CODEX_RUNNER_STATE"
_METADATA = (".dist-info", ".egg-info")


def plain_state(environ: Mapping[str, str], option: Path | None = None) -> Path | None:
    """What `find_state` says where somebody names it properly and nobody can pin another; None =
    that has to be asked."""
    given = str(option or "") or environ.get(STATE_VARIABLE, "")
    place = Path(given)
    if not given.isprintable() or not place.is_absolute() or ".." in place.parts:
        return None
    if environ.get(VARIABLE) or os.path.lexists(ETC) or not all(map(_silent, sys.path)):
        return None
    return place


def _silent(directory: str) -> bool:
    """Whether nothing that is installed there has an organisation's policy."""
    try:
        names = os.listdir(directory or ".")
    except FileNotFoundError:
        return True
    except OSError:  # an archive, ...
        return False
    return not any(GROUP.encode() in said for said in _entry_points(directory, names))


def _entry_points(directory: str, names: list[str]) -> Iterator[bytes]:
    for name in names:
        if name.endswith(_METADATA):
            try:
                with open(os.path.join(directory, name, "entry_points.txt"), "rb") as file:
                    yield file.read()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except OSError:
                yield GROUP.encode()
