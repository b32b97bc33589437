"""A Docker engine that is not there, or not here."""

from __future__ import annotations

import json
import socketserver
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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


class Claiming(socketserver.ThreadingUnixStreamServer):
    """An engine's API, as far as it takes to tell who it is: the same answer to everything."""

    daemon_threads = True
    told: Mapping[str, object] = {}


class Answering(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Claiming)
        content = json.dumps(self.server.told).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None: ...
    def address_string(self) -> str:
        return "unix"


@contextmanager
def claiming(socket: Path, told: Mapping[str, object]) -> Iterator[str]:
    with Claiming(str(socket), Answering) as server:
        server.told = told
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"unix://{socket}"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("asked", ["runsc", None])
def test_a_runtime_that_is_set_up_otherwise_is_another(tmp_path: Path, asked: str | None) -> None:
    """What was found of the one is not believed of the other."""
    binary, seen, told = tmp_path / "runsc", list[str](), dict[str, object]()
    with claiming(tmp_path / "s", told) as address:
        for arguments, content in (((), "1"), (("--oci-seccomp",), "1"), ((), "22")):
            binary.write_text(content)
            binary.chmod(0o755)
            told["Runtimes"] = {"runsc": {"path": str(binary), "runtimeArgs": arguments}}
            told["DefaultRuntime"] = "runsc"
            engine = DockerEngine(None, runtime=asked, address=address)
            assert engine.fingerprint == engine.fingerprint
            seen.append(engine.fingerprint)
    assert len({*seen}) == 3


def test_podman_is_refused_in_words(tmp_path: Path) -> None:
    told = {"ApiVersion": "1.41", "Components": [{"Name": "Podman Engine"}], "Runtimes": {}}
    with claiming(tmp_path / "s", told) as address:
        (check,) = DockerEngine(None, address=address).checks()
    assert not check.ok and "Podman" in check.detail and "bubblewrap" in check.remedy
