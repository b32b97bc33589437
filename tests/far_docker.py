"""A second Docker engine that sees none of this machine's files: a far one, for tests.

It has mount, network and process namespaces of its own, and keeps everything in memory below them.
What it shares with this machine is the socket of its API, and the kernel.
"""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from runner.errors import InfraError
from runner.sandbox.docker import IMAGE
from runner.sandbox.docker_client import connected
from runner.sandbox.docker_socket import ask

READY_S = 60
CLONE_NEWNET = 0x40000000
NEEDED = ("dockerd", "ip", "setpriv", "unshare")
HIDDEN = ("/tmp", "/var/tmp", "/home", "/root", "/srv", "/run", "/var/lib/docker")
"""What must not be seen there; `/mnt` has the socket."""
SCRIPT = """
set -e
mount --make-rprivate /
mount -t tmpfs tmpfs /mnt
mkdir /mnt/api
mount --bind "$1" /mnt/api
shift
ip link set lo up
for place; do [ ! -d "$place" ] || mount -t tmpfs tmpfs "$place"; done
exec dockerd --config-file /mnt/api/daemon.json \
  --host unix:///mnt/api/docker.sock --data-root /var/lib/docker \
  --exec-root /run/far-docker --pidfile /run/far-docker.pid --storage-driver overlay2 \
  --bridge none --iptables=false --ip6tables=false --log-level error \
  --host tcp://127.0.0.1:2376 --tlsverify --tlscacert /mnt/api/ca.pem \
  --tlscert /mnt/api/cert.pem --tlskey /mnt/api/key.pem
"""


@dataclass(frozen=True)
class Far:
    """`address` is its socket; `folder` has `ca.pem`, `cert.pem` and `key.pem` of both sides."""

    address: str
    folder: Path
    pid: int

    @contextmanager
    def port(self) -> Iterator[int]:
        """A TCP port of this machine that leads to its TLS port, byte by byte."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            Thread(target=self._serve, args=(listener.dup(),), daemon=True).start()
            yield listener.getsockname()[1]
            listener.shutdown(socket.SHUT_RDWR)

    def _serve(self, listener: socket.socket) -> None:
        """A socket belongs to the network its thread was in when it was made."""
        own = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()[0]
        number = os.open(f"/proc/{own}/ns/net", os.O_RDONLY)
        assert ctypes.CDLL(None, use_errno=True).setns(number, CLONE_NEWNET) == 0
        os.close(number)
        with listener, suppress(OSError):  # shut down
            while True:
                near = listener.accept()[0]
                far = socket.create_connection(("127.0.0.1", 2376))
                Thread(target=_join, args=(near, far), daemon=True).start()


def _join(near: socket.socket, far: socket.socket) -> None:
    with near, far:
        back = Thread(target=_pour, args=(far, near))
        back.start()
        _pour(near, far)
        back.join()


def _pour(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@contextmanager
def far_docker() -> Iterator[Far]:
    """Skips the test, with the reason, where none can be made."""
    if os.geteuid() != 0:
        pytest.skip("a second Docker engine takes root")
    missing = [name for name in NEEDED if shutil.which(name) is None]
    if missing:
        pytest.skip(f"a second Docker engine takes {', '.join(missing)}")
    with TemporaryDirectory(prefix="far-") as folder:
        address = f"unix://{folder}/docker.sock"
        hidden = [*HIDDEN, *_outside(Path.cwd())]
        certify(Path(folder))
        (Path(folder) / "daemon.json").write_text(json.dumps({"runtimes": _runtimes()}))
        command = ["sh", "-c", SCRIPT, "sh", folder, *hidden]
        unshare = ["unshare", "--mount", "--net", "--pid", "--fork", "--mount-proc", "--kill-child"]
        with (
            (Path(folder) / "log").open("wb") as log,
            subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *unshare, *command], stdout=log, stderr=log
            ) as process,
        ):
            try:
                _wait(process, address, Path(folder) / "log")
                _load(address)
                yield Far(address, Path(folder), process.pid)
            finally:
                _end(process)


def certify(folder: Path) -> None:
    """One self-signed certificate that is authority, server and client."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "far")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ip_address("127.0.0.1"))
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .sign(key, hashes.SHA256())
    )
    whole = made.public_bytes(Encoding.PEM)
    (folder / "ca.pem").write_bytes(whole)
    (folder / "cert.pem").write_bytes(whole)
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "key.pem").write_bytes(secret)


def _runtimes() -> dict[str, object]:
    """gVisor as the README says it is set up, where it is installed; `shut` lacks what it needs."""
    path = shutil.which("runsc")
    sets = {"gvisor": ["--host-uds=open", "--oci-seccomp"], "shut": ["--ignore-cgroups"]}
    runtimes = {
        name: {"path": path, "runtimeArgs": ["--network=none", *arguments]}
        for name, arguments in sets.items()
    }
    return dict(runtimes) if path else {}


def _outside(here: Path) -> list[str]:
    """The top directory the checkout is in."""
    return [f"/{here.parts[1]}"] if len(here.parts) > 1 and here.parts[1] != "usr" else []


def _wait(process: subprocess.Popen[bytes], address: str, log: Path) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        if process.poll() is not None:
            pytest.skip(f"a second Docker engine does not start here: {log.read_text()[-500:]}")
        try:
            ask("/version", address)
        except InfraError:
            time.sleep(0.05)
            continue
        return
    raise AssertionError(f"the second Docker engine does not answer: {log.read_text()[-500:]}")


def _load(address: str) -> None:
    """The runner's image, from this machine's engine."""
    try:
        with connected() as here, connected(address) as there:
            if not here.images(IMAGE):
                pytest.skip(f"no image {IMAGE} to give to a second Docker engine")
            list(there.load_image(here.get_image(IMAGE), quiet=True))
    except InfraError as error:
        pytest.skip(f"no Docker engine to take the image from: {error.problem}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Politely, so that it removes its control groups; then for sure."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    for child in children:
        os.kill(int(child), signal.SIGTERM)
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
