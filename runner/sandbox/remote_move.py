"""One sandbox on its way to the other side: local paths -> the engine's paths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from runner.records.sandbox import Bind, Overlay, SandboxSpec
from runner.sandbox import volume_pack
from runner.sandbox.docker_spec import Host
from runner.sandbox.volumes import Held, Volumes

TREE = "tree"
"""What is packed in a volume, be it a directory or a file."""
STAGE = "/stage"
"""Where the companion sees the sandbox's own volume."""
UPPER, OVERLAY_WORK, DOORS = "upper", "work", "doors"
"""What is in that volume."""


@dataclass(slots=True)
class Move:
    """Collects what has to be there. `stage` is where the engine has the sandbox's own volume."""

    volumes: Volumes
    stage: Path
    held: dict[str, Held] = field(default_factory=dict)
    """By name of the volume."""
    missing: dict[str, Path] = field(default_factory=dict)
    """Name of a volume -> what has to be sent into it."""
    doors: dict[str, Path] = field(default_factory=dict)
    """Where the companion listens -> the runner's socket."""
    rooms: list[str] = field(default_factory=list)
    """Directories for those, below the stage."""

    def spec(self, spec: SandboxSpec) -> SandboxSpec:
        binds = tuple(self._bind(bind) for bind in spec.binds)
        workspace = self._overlay(spec.workspace) if spec.workspace else None
        return replace(spec, binds=binds, workspace=workspace)

    def host(self, host: Host) -> Host:
        files = tuple(self._bind(bind) for bind in host.files)
        return replace(host, files=files, propagation="")

    def kept(self, root: Path, by_content: bool = True) -> Held:
        """The volume that has, or will have, what is at `root`."""
        held = self.volumes.hold(root, by_content)
        if not held.whole and held.name not in self.held:
            self.missing[held.name] = root
        self.held[held.name] = held
        return held

    def own(self, uid: int, workspace: Overlay | None) -> Iterator[bytes]:
        """A tar stream of what the sandbox's own volume begins with."""
        yield volume_pack.directory(DOORS, uid)
        for room in self.rooms:
            yield volume_pack.directory(room, uid)
        if workspace is not None:
            yield from volume_pack.pack(workspace.upper, UPPER)
            yield volume_pack.directory(OVERLAY_WORK, uid)

    def _bind(self, bind: Bind) -> Bind:
        """A directory with sockets in it is no files but doors: nothing else of it is seen."""
        doors = _sockets(bind.source)
        if not doors:
            return Bind(self.kept(bind.source).place / TREE, bind.target)
        room = f"{DOORS}/{len(self.rooms)}"
        self.rooms.append(room)
        self.doors |= {f"{STAGE}/{room}/{door.name}": door for door in doors}
        return Bind(self.stage / room, bind.target)

    def _overlay(self, overlay: Overlay) -> Overlay:
        return Overlay(
            lowers=tuple(self.kept(low, by_content=False).place / TREE for low in overlay.lowers),
            upper=self.stage / UPPER,
            work=self.stage / OVERLAY_WORK,
            covers={name: self.kept(path).place / TREE for name, path in overlay.covers.items()},
            attributes=overlay.attributes,
        )


def _sockets(source: Path) -> list[Path]:
    return sorted(path for path in source.iterdir() if path.is_socket()) if source.is_dir() else []
