"""Product-owned files kept in volumes of an engine that cannot see them: sent once, then found.

A volume is filled by one process only and never written again; a second, empty volume, its seal, is
made when it is whole. So what has no seal is somebody's half-done work, and nothing else is needed
to share them between processes and machines. Whoever seals a new one removes those used longest
ago; the engine itself keeps those a container has.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from runner.records.base import RunId
from runner.sandbox import owner
from runner.sandbox.docker_client import Client, remove_volume, speaking
from runner.sandbox.volume_pack import key

CONTENT = f"{owner.LABEL}.content"
"""The key, on a volume and on its seal."""
SEAL = f"{owner.LABEL}.seal"
"""On a seal: the name of the volume that is whole."""
KEPT = 48
FILL_S = 900
RENEW = timedelta(days=1)
"""A seal older than this is made anew when it is used: its age tells the last use."""


@dataclass(frozen=True, slots=True)
class Held:
    """One volume with one packed tree."""

    name: str
    place: Path
    """Where the engine has it, on its own side."""
    content: str
    whole: bool


@dataclass(slots=True)
class Volumes:
    """The volumes of one engine, for one process and run."""

    client: Client
    run: RunId
    _found: dict[str, Held] = field(default_factory=dict)
    _listed: bool = False

    def hold(self, root: Path, by_content: bool) -> Held:
        """The volume for what is at `root`; not `whole` = new, to be filled and sealed."""
        if not self._listed:
            self._list()
        content = key(root, by_content)
        if content not in self._found:
            self._found[content] = self._new(content)
        return self._found[content]

    def seal(self, held: Held) -> None:
        """It is whole now; others may use it."""
        labels = {CONTENT: held.content, SEAL: held.name}
        with speaking("note that a volume is whole"):
            self.client.create_volume(_name("seal"), "local", None, labels)

    def _new(self, content: str) -> Held:
        whose = owner.labels(self.run, "probe", FILL_S)
        labels = {CONTENT: content, **{name: whose[name] for name in (owner.OWNER, owner.DEADLINE)}}
        with speaking("make a volume"):
            made = self.client.create_volume(_name("files"), "local", None, labels)
        return Held(made["Name"], Path(made["Mountpoint"]), content, whole=False)

    def _list(self) -> None:
        volumes = every(self.client)
        places = {volume["Name"]: Path(volume["Mountpoint"]) for volume in volumes}
        for seal in seals(volumes):
            name, content = seal["Labels"][SEAL], seal["Labels"][CONTENT]
            if name in places:
                held = Held(name, places[name], content, whole=True)
                self._found[content] = held
                if _age(seal) > RENEW:
                    self.seal(held)
                    remove_volume(self.client, seal["Name"])
        self._listed = True


def every(client: Client) -> list[Mapping[str, Any]]:
    """All volumes with packed trees, and their seals."""
    with speaking("list its volumes"):
        return client.volumes(filters={"label": CONTENT})["Volumes"] or []


def seals(volumes: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The seals among them, oldest first."""
    return sorted((one for one in volumes if SEAL in one["Labels"]), key=lambda one: -_age(one))


def tidy(client: Client, kept: int = KEPT) -> int:
    """Removes those beyond `kept`, seals of what is gone, and what dead processes left half-done.

    One that a container has stays, without a seal, until the next time.
    """
    volumes = every(client)
    data = {one["Name"]: one["Labels"] for one in volumes if SEAL not in one["Labels"]}
    sealed = [one for one in seals(volumes) if one["Labels"][SEAL] in data]
    stale = [one["Name"] for one in seals(volumes) if one["Labels"][SEAL] not in data]
    old = sealed[: max(0, len(sealed) - kept)]
    whole = {one["Labels"][SEAL] for one in sealed}
    loose = [name for name in data.keys() - whole if owner.abandoned(data[name])]
    unwanted = [*stale, *loose]
    for seal in old:  # before what it vouches for
        unwanted += [seal["Name"], seal["Labels"][SEAL]]
    for name in unwanted:
        remove_volume(client, name)
    return len(unwanted)


def _age(volume: Mapping[str, Any]) -> timedelta:
    made = datetime.fromisoformat(volume["CreatedAt"])
    return datetime.now(UTC) - made


def _name(kind: str) -> str:
    return f"{owner.LABEL}-{kind}-{secrets.token_hex(8)}"
