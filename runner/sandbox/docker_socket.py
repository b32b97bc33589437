"""Is a Docker engine there? Asked over its socket with the standard library: importing the SDK
takes longer than the answer."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path

from runner.errors import InfraError

DEFAULT = "unix:///var/run/docker.sock"


def endpoint() -> Path:
    """The engine's socket, from DOCKER_HOST.

    Raises:
        InfraError: it is not a local socket; such an engine cannot see the runner's files.
    """
    address = os.environ.get("DOCKER_HOST") or DEFAULT
    scheme, _, path = address.partition("://")
    if scheme != "unix" or not path.startswith("/"):
        raise InfraError(
            f"DOCKER_HOST={address} is not a socket of this machine",
            "unset DOCKER_HOST, give unix:///path/to/docker.sock, or use --engine bubblewrap",
        )
    return Path(path)


def ask(path: str, timeout_s: float = 5) -> Mapping[str, object] | None:
    """The JSON object at an API path, None when the engine answers that it has no such thing.

    Raises:
        InfraError: no engine answers, or it may not be spoken to.
    """
    address = endpoint()
    connection = _Connection(address, timeout_s)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        content = reply.read()
    except (OSError, http.client.HTTPException) as error:
        raise _silent(address, error) from error
    finally:
        connection.close()
    if reply.status != http.HTTPStatus.OK:
        return None
    answer: Mapping[str, object] = json.loads(content)
    return answer


class _Connection(http.client.HTTPConnection):
    def __init__(self, address: Path, timeout_s: float) -> None:
        super().__init__("docker", timeout=timeout_s)
        self._address = address

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(os.fspath(self._address))


def _silent(address: Path, error: Exception) -> InfraError:
    match error:
        case PermissionError():
            remedy = "sudo usermod -aG docker $USER, then log in again (that group is root-equal)"
        case FileNotFoundError() | ConnectionRefusedError():
            remedy = "install and start Docker (systemctl start docker), or use --engine bubblewrap"
        case _:
            remedy = "look at the docker engine's log"
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return InfraError(f"no docker engine answers at {address}: {why}", remedy)
