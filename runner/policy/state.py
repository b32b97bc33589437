"""The directory that holds runs, caches and the signing key."""

from __future__ import annotations

import os
from pathlib import Path

from runner.errors import ConfigError
from runner.policy.files import shown


def prepare_state(state: Path, repository: Path) -> Path:
    """Make the state directory, mode 0700, and return it without symbolic links.

    Raises:
        ConfigError: it lies inside the repository, belongs to somebody else, or is open to others.
    """
    remedy = 'choose another with --state or state = "/..."'
    real = state.resolve()
    if real.is_relative_to(repository.resolve()):
        raise ConfigError(f"the state directory {shown(state)} is inside the repository", remedy)
    try:
        real.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = real.stat()
    except OSError as error:
        raise ConfigError(
            f"cannot make the state directory {shown(state)}: {error.strerror}", remedy
        ) from error
    if status.st_uid != os.geteuid():
        raise ConfigError(f"the state directory {shown(state)} belongs to another user", remedy)
    if status.st_mode & 0o077:
        raise ConfigError(
            f"the state directory {shown(state)} is open to others", f"chmod 700 {shown(state)}"
        )
    return real
