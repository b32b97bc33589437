"""A GitHub Enterprise on loopback: TLS with a certificate of its own, git over HTTP, pulls."""

from __future__ import annotations

import json
import ssl
import threading
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from runner.process import clean_env, run
from tests.live.world import World

TOKEN = "ghp_" + "t0ken" * 7
BASIC = "Basic " + b64encode(f"x-access-token:{TOKEN}".encode()).decode()


@dataclass
class Enterprise:
    """What it has, what it was asked, and how it answers `POST .../pulls`."""

    root: Path
    """Holds `o/r.git`, the bare repository."""
    url: str = ""
    status: int = 201
    asked: list[str] = field(default_factory=list)
    pulls: list[dict[str, object]] = field(default_factory=list)
    told: dict[str, object] = field(default_factory=dict)
    """What a `GET` below `/api/v3` is answered, by its path; any other is answered `pulls`."""


class Answer(BaseHTTPRequestHandler):
    enterprise: Enterprise

    def answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.enterprise.asked.append(f"{self.command} {urlsplit(self.path).path}")
        if self.path.startswith("/api/v3/"):
            self._rest(body)
        else:
            self._git(body)

    do_GET = do_POST = do_DELETE = answer  # noqa: N815

    def _rest(self, body: bytes) -> None:
        if self.headers["Authorization"] != f"token {TOKEN}":
            self._send(401, "application/json", b'{"message": "Bad credentials"}')
            return
        if self.command == "GET":
            path = urlsplit(self.path).path.removeprefix("/api/v3")
            known = self.enterprise.told.get(path, self.enterprise.pulls)
            self._send(200, "application/json", json.dumps(known).encode())
            return
        told: dict[str, object] = {"message": "Server Error"}
        if self.enterprise.status == 201:
            asked = json.loads(body)
            told = {
                "number": 7,
                "html_url": f"{self.enterprise.url}/o/r/pull/7",
                "head": {"ref": asked["head"]},
                "asked": asked,
            }
            self.enterprise.pulls.append(told)
        self._send(self.enterprise.status, "application/json", json.dumps(told).encode())

    def _git(self, body: bytes) -> None:
        """CGI, as git's own http-backend wants it; a push needs the token."""
        if self.headers["Authorization"] != BASIC:
            self._send(401, "text/plain", b"who are you?")
            return
        path, _, query = self.path.partition("?")
        env = {
            "GIT_PROJECT_ROOT": str(self.enterprise.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": "somebody",
            "REQUEST_METHOD": self.command,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
        }
        done = run(["git", "http-backend"], stdin=body, env=clean_env(env))
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        fields = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
        self._send(int(fields.get("Status", "200")[:3]), fields["Content-Type"], content)

    def _send(self, status: int, kind: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


@contextmanager
def enterprise(world: World) -> Iterator[Enterprise]:
    """The world's remote moves there; the runner is told where it is and given the token."""
    told = Enterprise(world.home / "hosted")
    certificate = world.home / "certificate.pem"
    certificate.write_bytes(_certificate())
    moved = told.root / "o" / "r.git"
    moved.parent.mkdir(parents=True)
    world.sample.remote.rename(moved)
    world.sample.remote.symlink_to(moved)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    handler = type("Bound", (Answer,), {"enterprise": told})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        told.url = f"https://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        here = world.sample.repository
        world.git("remote", "set-url", "origin", f"{told.url}/o/r.git", at=here)
        world.settings |= {
            "CODEX_RUNNER_FORGE": "github",
            "CODEX_RUNNER_GITHUB_URL": told.url,
            "GITHUB_TOKEN": TOKEN,
            "GIT_SSL_CAINFO": str(certificate),
            "REQUESTS_CA_BUNDLE": str(certificate),
        }
        try:
            yield told
        finally:
            server.shutdown()
            thread.join()


def _certificate() -> bytes:
    """Key and self-signed certificate of 127.0.0.1, for an hour."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, plain) + certificate.public_bytes(
        serialization.Encoding.PEM
    )
