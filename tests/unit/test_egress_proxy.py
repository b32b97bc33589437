"""The proxy of a setup on its real socket: who gets through it, and who does not."""

from __future__ import annotations

import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from runner.egress.journal import Journal
from runner.egress.outlet import CERTIFICATES, RELAY, SOCKET, ProxyEgress, ProxyOutlet, serving
from runner.egress.proxy import MAX_CONNECTIONS, MAX_HEAD_BYTES, UNKNOWN_NAME, Proxy
from runner.egress.rules import make_rules
from runner.errors import ConfigError, InfraError
from runner.records.setup import EGRESS, Setup
from runner.sandbox import relay
from tests.package_index import CONTENT, PackageIndex

ENDLESS_S = 60


def plan(*hosts: str, private: tuple[str, ...] = ("localhost",)) -> Setup:
    return Setup(commands=("true",), hosts=hosts, asked=hosts, allowed=hosts, allow_private=private)


@contextmanager
def opened(setup: Setup, folder: Path, ca: Path | None = None) -> Iterator[ProxyOutlet]:
    egress = ProxyEgress(Path(relay.__file__), None if ca is None else str(ca))
    with egress.open(setup, folder / "egress.jsonl", ENDLESS_S) as outlet:
        yield outlet


def dial(directory: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(ENDLESS_S)
    client.connect(str(directory / SOCKET))
    return client


def everything(client: socket.socket) -> bytes:
    said = b""
    while chunk := client.recv(65536):
        said += chunk
    return said


def say(directory: Path, data: bytes) -> bytes:
    """All that comes back for `data`, after which nothing more is said."""
    with closing(dial(directory)) as client:
        client.sendall(data)
        client.shutdown(socket.SHUT_WR)
        return everything(client)


def connect(directory: Path, where: str) -> socket.socket:
    client = dial(directory)
    client.sendall(f"CONNECT {where} HTTP/1.1\r\nHost: {where}\r\n\r\n".encode())
    answer = client.recv(39)
    assert answer == b"HTTP/1.1 200 Connection established\r\n\r\n", answer
    return client


def get(directory: Path, port: int, ca: Path, sni: str = "localhost") -> bytes:
    context = ssl.create_default_context(cafile=str(ca))
    context.check_hostname = False
    with (
        closing(connect(directory, f"localhost:{port}")) as tunnel,
        context.wrap_socket(tunnel, server_hostname=sni) as client,
    ):
        client.sendall(b"GET /x HTTP/1.0\r\nHost: localhost\r\n\r\n")
        return everything(client)


def journal(folder: Path) -> list[dict[str, object]]:
    return [json.loads(row) for row in (folder / "egress.jsonl").read_text().splitlines()]


def test_a_tunnel_carries_tls_to_an_allowed_host(tmp_path: Path) -> None:
    with (
        PackageIndex(tmp_path) as index,
        opened(plan(f"localhost:{index.port}"), tmp_path) as outlet,
    ):
        assert get(outlet.directory, index.port, index.ca).endswith(CONTENT)
    traffic = outlet.traffic()
    assert traffic.reached == (f"localhost:{index.port}",) and traffic.denied == ()
    assert traffic.sent_bytes > 100 and traffic.received_bytes > len(CONTENT)
    allowed, ended = journal(tmp_path)
    assert (allowed["verdict"], allowed["address"]) == ("allowed", "127.0.0.1")
    assert (ended["verdict"], ended["received_bytes"]) == ("ended", traffic.received_bytes)


def test_a_tunnel_is_for_the_name_it_was_opened_for(tmp_path: Path) -> None:
    with (
        PackageIndex(tmp_path) as index,
        opened(plan(f"localhost:{index.port}"), tmp_path) as outlet,
    ):
        with pytest.raises(ssl.SSLError, match="unrecognized"):
            get(outlet.directory, index.port, index.ca, sni="other.example.com")
        for noise in (b"GET / HTTP/1.1\r\n\r\n", b"SSH-2.0-client\r\n"):
            with closing(connect(outlet.directory, f"localhost:{index.port}")) as tunnel:
                tunnel.sendall(noise)
                assert everything(tunnel) == UNKNOWN_NAME
    assert index.asked == []
    assert [each.why for each in outlet.traffic().denied] == [
        "a tunnel to localhost asks for 'other.example.com'",
        "the tunnel does not begin with TLS",
    ]


def test_a_document_of_an_http_host(tmp_path: Path) -> None:
    with PackageIndex(tmp_path, tls=False) as index:
        url = f"http://localhost:{index.port}"
        second = f"GET {url}/second HTTP/1.1\r\n\r\n"
        with opened(plan(url), tmp_path) as outlet:
            request = f"GET {url}/x HTTP/1.1\r\nHost: localhost:{index.port}\r\n\r\n"
            answer = say(outlet.directory, (request + second).encode())
            assert answer.endswith(CONTENT) and answer.count(CONTENT) == 1
            tunnel = f"CONNECT localhost:{index.port} HTTP/1.1\r\n\r\n"
            assert say(outlet.directory, tunnel.encode()).startswith(b"HTTP/1.1 403 ")
    assert index.hosts == [f"localhost:{index.port}"], "one request, its Host field the proxy's"
    assert outlet.traffic().reached == (url,)


@pytest.mark.parametrize(
    ("said", "status", "host"),
    [
        (b"CONNECT other.example.com:443 HTTP/1.1\r\n\r\n", 403, "other.example.com"),
        (b"CONNECT localhost:22 HTTP/1.1\r\n\r\n", 403, "localhost:22"),
        (b"CONNECT 127.0.0.1:443 HTTP/1.1\r\n\r\n", 400, "127.0.0.1:443"),
        (b"CONNECT 169.254.169.254:80 HTTP/1.1\r\n\r\n", 400, "169.254.169.254:80"),
        (b"CONNECT localhost:443@other.example.com:443 HTTP/1.1\r\n\r\n", 400, "-"),
        (b"CONNECT localhost:443 HTTP/1.1\r\nHost: other.example.com\r\n\r\n", 400, "localhost"),
        (b"GET http://localhost/ HTTP/1.1\r\n\r\n", 403, "http://localhost"),
        (b"GET https://localhost/ HTTP/1.1\r\n\r\n", 400, "-"),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400, "-"),
        (b"CONNECT localhost:443 HTTP/1.1\n\n", 408, "-"),
        (b"\x05\x01\x00", 408, "-"),
        (b"\x04\x01\x01\xbb\x7f\x00\x00\x01\x00", 408, "-"),
        (b"CONNECT localhost:443 HTTP/1.1\r\nX: " + b"x" * MAX_HEAD_BYTES, 431, "-"),
        (b"x" * (MAX_HEAD_BYTES * 3), 431, "-"),
    ],
)
def test_everything_else_is_denied_and_told(
    said: bytes, status: int, host: str, tmp_path: Path
) -> None:
    with opened(plan("localhost"), tmp_path) as outlet:
        answer = say(outlet.directory, said)
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
    (denied,) = outlet.traffic().denied
    assert denied.host == host
    (row,) = journal(tmp_path)
    assert (row["verdict"], row["host"], row["why"]) == ("denied", host, denied.why)


def test_an_allowed_host_that_leads_to_this_machine(tmp_path: Path) -> None:
    with (
        PackageIndex(tmp_path) as index,
        opened(plan(f"localhost:{index.port}", private=()), tmp_path) as outlet,
    ):
        request = f"CONNECT localhost:{index.port} HTTP/1.1\r\n\r\n".encode()
        assert say(outlet.directory, request).startswith(b"HTTP/1.1 403 ")
    (denied,) = outlet.traffic().denied
    assert denied.why.startswith("leads to the private address ")
    assert denied.remedy == 'allow_private = ["localhost"] under [setup] in config.toml'


@contextmanager
def served(folder: Path, setup: Setup, **more: Any) -> Iterator[Journal]:
    """A proxy made by hand, e.g. with another `resolve`."""
    with Journal(folder / "egress.jsonl") as notes, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / SOCKET))
        listener.listen()
        with serving(Proxy(make_rules(setup), notes, **more), listener, ENDLESS_S):
            yield notes


def test_one_look_up_and_all_it_says_counts(tmp_path: Path) -> None:
    """Rebinding: what is connected to was checked, and a name with one bad address is refused."""
    answers = iter([("1.1.1.1", "169.254.169.254"), ("127.0.0.1",)])
    said = b"CONNECT a.example.com:443 HTTP/1.1\r\n\r\n"
    resolve = lambda name, port: next(answers)  # noqa: E731
    with served(tmp_path, plan("a.example.com"), resolve=resolve) as notes:
        answer = say(tmp_path, said)
    traffic = notes.traffic()
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert traffic.denied[0].why == "leads to 169.254.169.254, which no setup may reach"
    assert next(answers) == ("127.0.0.1",), "it was asked once"


def test_a_denied_name_is_never_looked_up(tmp_path: Path) -> None:
    looked_up: list[str] = []

    def resolve(name: str, port: int) -> tuple[str, ...]:
        looked_up.append(name)
        return ()

    said = b"CONNECT secret-in-a-name.example.org:443 HTTP/1.1\r\n\r\n"
    with served(tmp_path, plan("a.example.com"), resolve=resolve):
        assert say(tmp_path, said).startswith(b"HTTP/1.1 403 ")
    assert looked_up == []


@pytest.mark.parametrize("answer", [(), ("::1", "127.0.0.1")])
def test_a_host_that_does_not_answer(answer: tuple[str, ...], tmp_path: Path) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    said = f"CONNECT localhost:{port} HTTP/1.1\r\n\r\n".encode()
    with served(tmp_path, plan(f"localhost:{port}"), resolve=lambda *_: answer) as notes:
        assert say(tmp_path, said).startswith(b"HTTP/1.1 502 ")
    assert notes.traffic().denied[0].remedy == ""


def test_what_is_carried_is_capped(tmp_path: Path) -> None:
    with PackageIndex(tmp_path, tls=False) as index:
        url = f"http://localhost:{index.port}"
        said = f"GET {url}/ HTTP/1.1\r\n\r\n".encode()
        with served(tmp_path, plan(url), received_bytes=100) as notes:
            assert len(say(tmp_path, said)) <= 100
        assert notes.traffic().denied[0].why == "the setup has carried too much"
        (tmp_path / "other").mkdir()
        with served(tmp_path / "other", plan(url), sent_bytes=0) as notes:
            assert say(tmp_path / "other", said).startswith(b"HTTP/1.1 403 ")
        assert notes.traffic().denied[0].why == "the setup has sent too much"


def test_connections_are_capped_and_cut_at_the_end(tmp_path: Path) -> None:
    with opened(plan("localhost"), tmp_path) as outlet:
        clients = [dial(outlet.directory) for _ in range(MAX_CONNECTIONS + 1)]
        assert clients[-1].recv(1) == b"", "one too many"
    for client in clients:
        assert client.recv(1) == b""
        client.close()
    assert not outlet.directory.exists()


def test_the_clock_ends_a_proxy(tmp_path: Path) -> None:
    egress = ProxyEgress(Path(relay.__file__))
    with (
        egress.open(plan("localhost"), tmp_path / "log", 0) as outlet,
        closing(dial(outlet.directory)) as client,
    ):
        assert client.recv(1) == b""


def test_what_the_sandbox_is_shown(tmp_path: Path) -> None:
    ca = tmp_path / "own.pem"
    ca.write_text("certificates\n")
    with opened(plan(), tmp_path, ca) as outlet:
        shown = {path.name: path.stat().st_mode & 0o777 for path in outlet.directory.iterdir()}
        assert shown == {SOCKET: 0o666, RELAY: 0o644, CERTIFICATES: 0o644}
        assert (outlet.directory / CERTIFICATES).read_text() == "certificates\n"
        assert outlet.directory.parent.stat().st_mode & 0o777 == 0o700
        assert outlet.env["SSL_CERT_FILE"] == outlet.env["PIP_CERT"] == f"{EGRESS}/ca.pem"
        assert outlet.env["HTTPS_PROXY"] == outlet.env["npm_config_proxy"]
        assert outlet.launcher("python3")[:4] == ("python3", "-I", "-S", f"{EGRESS}/relay.py")
    with (
        pytest.raises(ConfigError, match=r"gone\.pem"),
        opened(plan(), tmp_path, tmp_path / "gone.pem"),
    ):
        pass


def test_no_place_for_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = tmp_path / "missing"
    monkeypatch.setattr("tempfile.tempdir", str(missing))
    with pytest.raises(InfraError, match="way out"), opened(plan(), tmp_path):
        pass


def test_a_flood_of_denials_stays_small(tmp_path: Path) -> None:
    from runner.egress.journal import MAX_HOSTS, MAX_LINES
    from runner.egress.rules import Refusal

    with Journal(tmp_path / "log") as notes:
        for number in range(MAX_LINES + 10):
            notes.denied(f"h{number}.example.com", Refusal("not allowed"))
        notes.denied("h0.example.com", Refusal("not allowed"))
    assert len((tmp_path / "log").read_text().splitlines()) == MAX_LINES
    assert len(notes.traffic().denied) == MAX_HOSTS
    assert notes.traffic().denied[0].times == 2
