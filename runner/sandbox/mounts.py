"""Mount sources and targets, looked at before anything is mounted. Links are never followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from runner.errors import InfraError
from runner.records.sandbox import WORK, Overlay, SandboxSpec


def verify(spec: SandboxSpec) -> None:
    """1. Every source exists and no component of its path is a symbolic link. 2. No cover's target
    is one in any layer: the mount would land elsewhere and leave the name to the agent.

    Raises:
        InfraError: names the path.
    """
    for source in _sources(spec):
        _plain(source)
    if spec.workspace is not None:
        _targets(spec.workspace)


def _sources(spec: SandboxSpec) -> Iterator[Path]:
    yield from (bind.source for bind in spec.binds)
    if spec.workspace is not None:
        yield from (*spec.workspace.lowers, spec.workspace.upper, spec.workspace.work)
        yield from spec.workspace.covers.values()


def _plain(source: Path) -> None:
    if not source.is_absolute() or ".." in source.parts:
        raise InfraError(f"mount source {source} is not an absolute path", "use its real path")
    for path in (*reversed(source.parents), source):
        try:
            mode = os.lstat(path).st_mode
        except OSError as error:
            raise InfraError(
                f"mount source {source} cannot be looked at: {error.strerror}",
                "do not remove the runner's state directory while it works",
            ) from error
        if stat.S_ISLNK(mode):
            raise InfraError(
                f"mount source {source} goes through a symbolic link at {path}",
                "give the state directory by its real path",
            )


def _targets(overlay: Overlay) -> None:
    for name in overlay.covers:
        parts = Path(name).parts
        if not parts or Path(name).is_absolute() or ".." in parts:
            raise InfraError(f"cover {name!r} is outside {WORK}", "this is a bug in codex-runner")
        for layer in (overlay.upper, *overlay.lowers):
            for depth in range(1, len(parts) + 1):
                target = layer.joinpath(*parts[:depth])
                if target.is_symlink():
                    raise InfraError(
                        f"{target} is a symbolic link where {WORK}/{name} has to be protected",
                        f"replace the link {'/'.join(parts[:depth])} in the repository",
                    )
