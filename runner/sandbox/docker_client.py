"""The door to the docker SDK: a client, its errors in our words, and the calls the SDK lacks.

The SDK is imported only when an engine is really spoken to: it takes 0.1 s.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from runner.errors import InfraError
from runner.sandbox import docker_socket

API_TIMEOUT_S = 60
EXPLAINED_CHARS = 400
GONE = (404, 409)
"""HTTP status of what has ended, is removed, or is being removed by somebody else."""
ATTACH = {"stdin": "1", "stdout": "1", "stderr": "1", "stream": "1"}

Client = Any
"""A docker.APIClient; the SDK has no types."""


@contextmanager
def connected(address: str | None = None) -> Iterator[Client]:
    """A client of the engine at `address`, or at the one that DOCKER_HOST names.

    Raises:
        InfraError: none answers there.
    """
    docker_socket.ask("/version", address)
    import docker  # type: ignore[import-untyped]

    with speaking("tell its version"):
        url = f"unix://{docker_socket.endpoint(address)}"
        client = docker.APIClient(url, version="auto", timeout=API_TIMEOUT_S)
    with closing(client):
        yield client


@contextmanager
def speaking(
    doing: str, ignored: tuple[int, ...] = (), remedy: str = "mend what it names"
) -> Iterator[None]:
    """Turns what the engine refuses into an InfraError; HTTP status `ignored` is fine."""
    from docker.errors import APIError, DockerException  # type: ignore[import-untyped]

    try:
        yield
    except APIError as error:
        if error.status_code in ignored:
            return
        why = " ".join(str(error.explanation or error).split())[:EXPLAINED_CHARS]
        problem = f"the docker engine refused to {doing}: {why}"
        raise InfraError(problem, remedy) from error
    except (DockerException, OSError) as error:
        problem = f"the docker engine failed to {doing}: {error}"
        raise InfraError(problem, "look at the docker engine's log") from error


@contextmanager
def attached(client: Client, name: str) -> Iterator[socket.socket]:
    """A socket to the container's streams: a copy, because the SDK's knows no half-close."""
    with speaking("attach to the sandbox"):
        reply = _asked(client, name, "attach", ATTACH, {"Connection": "Upgrade", "Upgrade": "tcp"})
        with closing(reply):
            link = socket.socket(fileno=os.dup(reply.raw.fileno()))
    with closing(link):
        yield link


@contextmanager
def ending(client: Client, name: str) -> Iterator[int]:
    """A descriptor that becomes readable when the container ends: asked for before it starts."""
    with speaking("wait for the sandbox"):
        reply = _asked(client, name, "wait", {"condition": "next-exit"}, {})
    with closing(reply):
        yield reply.raw.fileno()


def _asked(
    client: Client, name: str, verb: str, params: Mapping[str, str], headers: Mapping[str, str]
) -> Any:
    """A reply that goes on: its headers are here, its body comes when there is something to say."""
    url = f"{client.base_url}/v{client.api_version}/containers/{name}/{verb}"
    reply = client.post(url, params=params, headers=headers, stream=True, timeout=API_TIMEOUT_S)
    reply.raise_for_status()
    return reply


def kill(client: Client, name: str, signal_name: str) -> None:
    with speaking("signal the sandbox", ignored=GONE):
        client.kill(name, signal_name)


def first_process(client: Client, name: str) -> int | None:
    """Its pid on this machine; None when it has ended, or cannot be seen from here."""
    with speaking("tell a sandbox's first process"):
        told = client.inspect_container(name)
    try:
        groups = Path(f"/proc/{told['State']['Pid']}/cgroup").read_text()
    except OSError:
        return None
    return int(told["State"]["Pid"]) if told["Id"] in groups else None


def remove(client: Client, name: str) -> None:
    with speaking("remove the sandbox", ignored=GONE):
        client.remove_container(name, force=True, v=True)


def remove_volume(client: Client, name: str) -> None:
    with speaking("remove the workspace's volume", ignored=GONE):
        client.remove_volume(name, force=True)
