"""A Docker engine that is not there, or not here."""

from __future__ import annotations

import json
import socketserver
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from threading import Thread

import pytest

from runner.errors import InfraError
from runner.records.base import RunId
from runner.records.sandbox import SandboxSpec, StopReason, Walls
from runner.sandbox.docker import DockerEngine


class Deaf:
    def stdout(self, chunk: bytes) -> None: ...
    def stderr(self, chunk: bytes) -> None: ...
    def stop(self) -> StopReason | None:
        return None


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("unix:///nonexistent", "no docker engine answers at unix:///nonexistent"),
        ("tcp://127.0.0.1:1", "no docker engine answers at tcp://127.0.0.1:1"),
        ("tcp://:2376", "names no host"),
        ("ssh://-oProxyCommand=x", "names no host"),
        ("ssh://localhost:1/run/x", "ssh to localhost failed"),
        ("npipe:////./pipe/docker", "not the address of a docker engine"),
    ],
)
def test_an_engine_out_of_reach_is_an_error(
    monkeypatch: pytest.MonkeyPatch, address: str, why: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", address)
    engine = DockerEngine(None)
    spec = SandboxSpec(RunId("r"), "probe", ("true",), {}, Walls(wall_s=1))
    assert not engine.reachable()
    assert engine.fingerprint == "unreachable"
    (check,) = engine.checks()
    assert not check.ok and why in check.detail and check.remedy
    with pytest.raises(InfraError, match=why):
        engine.run(spec, b"", Deaf())


class Podman(socketserver.ThreadingUnixStreamServer):
    """Podman's API, as far as it takes to tell who it is."""

    daemon_threads = True


class Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        told = {"ApiVersion": "1.41", "Components": [{"Name": "Podman Engine"}], "Runtimes": {}}
        content = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...
    def address_string(self) -> str:
        return "unix"


def test_podman_is_refused_in_words(tmp_path: Path) -> None:
    with Podman(str(tmp_path / "s"), Answering) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            (check,) = DockerEngine(None, address=f"unix://{tmp_path}/s").checks()
        finally:
            server.shutdown()
            thread.join()
    assert not check.ok and "Podman" in check.detail and "bubblewrap" in check.remedy
