"""What a Docker engine holds of this product's, and whose it is. Looks only."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import quote

from runner.errors import InfraError
from runner.lifetime import standing
from runner.records.base import RunId
from runner.sandbox import docker_socket, owner
from runner.sandbox.docker_client import connected, speaking
from runner.sandbox.volumes import CONTENT


@dataclass(frozen=True, slots=True)
class Leftovers:
    """Names of containers and volumes."""

    abandoned: tuple[str, ...]
    hidden: tuple[str, ...]
    """Their owner cannot be seen from here; their deadline is not over."""


def leftovers() -> Leftovers:
    """Raises InfraError: no engine answers."""
    with connected() as client, speaking("list what it holds"):
        chosen = {"label": owner.OWNER}
        boxes = client.containers(all=True, filters=chosen)
        volumes = client.volumes(filters=chosen)["Volumes"] or ()
    own = [volume for volume in volumes if CONTENT not in volume["Labels"]]  # the rest is a cache
    found = [(f"container {box['Names'][0].lstrip('/')}", box["Labels"]) for box in boxes]
    found += [(f"volume {volume['Name']}", volume["Labels"]) for volume in own]
    abandoned = {name for name, labels in found if owner.abandoned(labels)}
    hidden = {name for name, labels in found if standing(labels[owner.OWNER]) == "hidden"}
    return Leftovers(tuple(sorted(abandoned)), tuple(sorted(hidden - abandoned)))


def of_run(run: RunId) -> list[str]:
    """Its containers, running or not. Asked without the SDK: somebody waits for the answer.

    Raises InfraError: no engine answers.
    """
    filters = quote(json.dumps({"label": [f"{owner.LABEL}.run={run}"]}))
    boxes = docker_socket.ask(f"/containers/json?all=1&filters={filters}")
    if not isinstance(boxes, list):
        raise InfraError("the docker engine does not list its containers", "look at its log")
    return [f"container {box['Names'][0].lstrip('/')}" for box in boxes]
