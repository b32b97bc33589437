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


def named(address: str | None = None) -> str:
    """`address`, DOCKER_HOST, or where an engine usually is."""
    return address or os.environ.get("DOCKER_HOST") or DEFAULT


def endpoint(address: str | None = None) -> Path:
    """The engine's socket; for one at `tcp://` or `ssh://` the near end of a tunnel to it.

    Raises:
        InfraError: it is not an address of an engine.
    """
    address = named(address)
    scheme, _, path = address.partition("://")
    if scheme == "unix" and path.startswith("/"):
        return Path(path)
    if scheme in {"tcp", "ssh"} and path:
        from runner.sandbox.docker_tunnel import tunnel

        return tunnel(address)
    raise InfraError(
        f"DOCKER_HOST={address} is not the address of a docker engine",
        "unset DOCKER_HOST, or give unix:///path/to/docker.sock, tcp://host:2376 or ssh://host",
    )


def ask(path: str, address: str | None = None, timeout_s: float = 5) -> Mapping[str, object] | None:
    """The JSON object at an API path, None when the engine answers that it has no such thing.

    Raises:
        InfraError: no engine answers, or it may not be spoken to.
    """
    connection = _Connection(endpoint(address), timeout_s)
    try:
        connection.request("GET", path)
        reply = connection.getresponse()
        content = reply.read()
    except (OSError, http.client.HTTPException) as error:
        raise _silent(named(address), error) from error
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


def _silent(address: str, error: Exception) -> InfraError:
    match error:
        case PermissionError():
            remedy = "sudo usermod -aG docker $USER, then log in again (that group is root-equal)"
        case FileNotFoundError() | ConnectionRefusedError():
            remedy = "install and start Docker (systemctl start docker), or use --engine bubblewrap"
        case _:
            remedy = "look at the docker engine's log"
    why = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return InfraError(f"no docker engine answers at {address}: {why}", remedy)
