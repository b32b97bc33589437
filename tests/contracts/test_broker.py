"""The broker on its socket, between hostile clients and an upstream that may do anything."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import stat
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from threading import Barrier, Event, Semaphore, Thread
from typing import Any, cast

import codex_cli_bin  # type: ignore[import-untyped, unused-ignore]
import pytest

from runner.broker import answer, application, budget, link, server
from runner.broker import journal as broker_journal
from runner.broker.account import Account
from runner.broker.keys import Key
from runner.broker.lender import Broker, BrokerLease
from runner.broker.upstream import Upstream
from runner.demo.model import ScriptedModel, Shell
from runner.errors import InfraError
from runner.process import run
from runner.records.usage import Allowance, Budget, Price

SECRET = b"sk-CANARY-0123456789"
MODEL = "gpt-5.5"
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nset-cookie: a=CANARY-COOKIE\r\n"
USAGE = {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 40}, "output_tokens": 20}

Script = Callable[[socket.socket], None]


def event(kind: str, **more: object) -> bytes:
    return f"event: {kind}\ndata: {json.dumps({'type': kind, **more})}\n\n".encode()


def said(text: str) -> bytes:
    item = {"type": "message", "content": [{"type": "output_text", "text": text}]}
    return event("response.output_item.done", item=item)


COMPLETED = event("response.completed", response={"usage": USAGE})


def stream(*chunks: bytes) -> Script:
    """A 200 that ends by closing the connection."""

    def answer(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"connection: close\r\n\r\n")
        for chunk in chunks:
            connection.sendall(chunk)

    return answer


CLOSE = "connection: close"


def status(line: str, body: bytes = b"", *headers: str) -> Script:
    head = "\r\n".join((f"HTTP/1.1 {line}", f"content-length: {len(body)}", CLOSE, *headers))
    return lambda connection: connection.sendall(head.encode() + b"\r\n\r\n" + body)


fine = stream(said("Done."), COMPLETED)


class Provider:
    """`with Provider(script) as provider`: one request per connection, answered by `script`."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.heard: list[bytes] = []
        self.closing = Event()
        self._threads: list[Thread] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/v1"

    def __enter__(self) -> Provider:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=100)
        self._acceptor = Thread(target=self._accept)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self._threads.append(Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, suppress(OSError), connection.makefile("rb") as file:
            head = b"".join(iter(file.readline, b"\r\n"))
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
            self.heard.append(head + b"\r\n" + file.read(length))
            self.script(connection)


@contextmanager
def lent(script: Script, tmp_path: Path, **lines: int) -> Iterator[tuple[Provider, BrokerLease]]:
    plenty = {"requests": 1000, "input_tokens": 10**9, "output_tokens": 10**9, "wall_s": 600}
    prices = {MODEL: Price(input_usd_micros=10**6, cached_usd_micros=0, output_usd_micros=10**6)}
    with Provider(script) as provider:
        broker = Broker(Upstream(provider.url), Key(SECRET, "test"), prices)
        limits = Budget(**{**plenty, **lines})
        with broker.lend(MODEL, limits, tmp_path / "broker.jsonl") as lease:
            yield provider, lease


def body(**changes: Any) -> bytes:
    text = {"type": "input_text", "text": "hello"}
    entry = {"type": "message", "role": "user", "content": [text]}
    plain = {"model": MODEL, "stream": True, "store": False, "input": [entry]}
    return json.dumps({**plain, **changes}).encode()


def post(
    content: bytes | None = None, line: bytes = b"POST /v1/responses HTTP/1.1", *headers: bytes
) -> bytes:
    content = body() if content is None else content
    headers = headers or (b"Content-Length: %d" % len(content),)
    return b"\r\n".join((line, b"Host: localhost", *headers, b"", content))


def connect(lease: BrokerLease) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(30)
    client.connect(str(lease.directory / "model.sock"))
    return client


def ask(lease: BrokerLease, raw: bytes | None = None) -> bytes:
    """Everything that comes back until the connection is closed."""
    with connect(lease) as client:
        with suppress(OSError):
            client.sendall(post() if raw is None else raw)
        return rest(client)


def rest(client: socket.socket) -> bytes:
    answer = b""
    with suppress(ConnectionError):
        while chunk := client.recv(65536):
            answer += chunk
    return answer


def journal(tmp_path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (tmp_path / "broker.jsonl").read_text().splitlines()]


def test_a_request_and_its_way_back(tmp_path: Path) -> None:
    with lent(fine, tmp_path) as (_, lease):
        answer = ask(lease)
        usage = lease.usage()
        assert (lease.message(), lease.fault()) == ("Done.", None)
        assert lease.quiet_s() < 30
    assert answer.startswith(b"HTTP/1.1 200")
    assert said("Done.") in answer
    assert COMPLETED in answer
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert b"content-type: text/event-stream" in head
    assert not any(word in head for word in (b"cookie", b"server", b"date", b"uvicorn"))
    assert (usage.requests, usage.refused, usage.input_tokens, usage.output_tokens) == (
        1,
        0,
        100,
        20,
    )
    assert usage.cost_usd_micros == 80
    assert usage.received_bytes == len(said("Done.") + COMPLETED)
    (line,) = journal(tmp_path)
    assert (line["status"], line["code"], line["ended"]) == (200, None, "response.completed")
    assert (line["sent_bytes"], line["input_tokens"]) == (usage.sent_bytes, 100)


def test_upstream_gets_fixed_headers_and_a_rebuilt_body(tmp_path: Path) -> None:
    content = body(client_metadata={"origin": "CANARY-ORIGIN"}, tools=[{"type": "web_search"}])
    raw = post(
        content,
        b"POST /v1/responses HTTP/1.1",
        b"Content-Length: %d" % len(content),
        b"Authorization: Bearer CANARY-CLIENT",
        b"X-Codex-Turn-Metadata: CANARY-ORIGIN",
        b"X-Forwarded-Host: canary.invalid",
        b"Cookie: CANARY-COOKIE",
    )
    with lent(fine, tmp_path) as (provider, lease):
        ask(lease, raw)
        ask(lease)
        heard, host = provider.heard, provider.url[len("http://") : -len("/v1")]
    head, _, sent = heard[0].partition(b"\r\n\r\n")
    lines = head.decode().lower().split("\r\n")
    assert lines.pop(0) == "post /v1/responses http/1.1"
    names = {name: value for name, _, value in (line.partition(": ") for line in lines)}
    assert names.pop("host") == host
    assert names.pop("content-length") == str(len(sent))
    assert names == {
        "authorization": f"bearer {SECRET.decode().lower()}",
        "content-type": "application/json",
        "accept": "text/event-stream",
        "accept-encoding": "identity",
        "user-agent": "codex-runner",
        "connection": "keep-alive",
    }
    assert b"CANARY-ORIGIN" not in heard[0]
    assert json.loads(sent)["tools"] == []
    assert json.loads(sent)["max_output_tokens"] == 128_000
    assert b"cookie" not in heard[1].lower()


LENGTH = b"Content-Length: %d" % len(body())
CHUNKED = b"%x\r\n%s\r\n0\r\n\r\n" % (len(body()), body())
SMUGGLED = b"GET /v1/files HTTP/1.1\r\nHost: localhost\r\n\r\n"
LINE = b"POST /v1/responses HTTP/1.1"
NOT_SERVED = {
    "files": post(line=b"POST /v1/files HTTP/1.1"),
    "models": post(b"", b"GET /v1/models HTTP/1.1"),
    "get": post(b"", b"GET /v1/responses HTTP/1.1"),
    "delete": post(b"", b"DELETE /v1/responses/resp_1 HTTP/1.1"),
    "lower case": post(line=b"post /v1/responses HTTP/1.1"),
    "query": post(line=b"POST /v1/responses?model=x HTTP/1.1"),
    "slash": post(line=b"POST /v1/responses/ HTTP/1.1"),
    "escaped": post(line=b"POST /v1/%72esponses HTTP/1.1"),
    "dots": post(line=b"POST /v1/x/../responses HTTP/1.1"),
    "absolute": post(line=b"POST http://192.0.2.1/v1/responses HTTP/1.1"),
    "connect": b"CONNECT canary.invalid:443 HTTP/1.1\r\nHost: canary.invalid\r\n\r\n",
    "websocket": b"GET /v1/responses HTTP/1.1\r\nHost: l\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    b"Sec-WebSocket-Version: 13\r\n\r\n",
    "http/1.0": post(line=b"POST /v1/responses HTTP/1.0"),
    "http/3.7": post(line=b"POST /v1/responses HTTP/3.7"),
    "http/0.9": b"POST /v1/responses\r\n\r\n",
    "escape codes": post(line=b"POST /v1/responses\x1b[2J HTTP/1.1"),
    "two hosts": post(body(), LINE, b"Host: canary.invalid", LENGTH),
    "length and chunks": post(CHUNKED + SMUGGLED, LINE, LENGTH, b"Transfer-Encoding: chunked"),
    "chunks": post(CHUNKED, LINE, b"Transfer-Encoding: chunked"),
    "unknown coding": post(body(), LINE, LENGTH, b"Transfer-Encoding: xchunked"),
    "two lengths": post(body() + SMUGGLED, LINE, LENGTH, LENGTH + b"0"),
    "length list": post(body() + SMUGGLED, LINE, LENGTH + b", 99999"),
    "length +": post(body(), LINE, b"Content-Length: +%d" % len(body())),
    "length _": post(body(), LINE, b"Content-Length: 1_%d" % len(body())),
    "length hex": post(body(), LINE, b"Content-Length: 0x10"),
    "length arabic": post(body(), LINE, "Content-Length: ١٢".encode()),
    "length -": post(body(), LINE, b"Content-Length: -1"),
    "length huge": post(body(), LINE, b"Content-Length: 99999999999"),
    "length zeros": post(body(), LINE, b"Content-Length: " + b"0" * 30 + b"5"),
    "no length": post(body(), LINE, b"Accept: */*"),
    "compressed": post(body(), LINE, LENGTH, b"Content-Encoding: gzip"),
    "huge header": post(body(), LINE, LENGTH, b"X: " + b"A" * 400_000),
    "not json": post(b"{"),
    "other model": post(body(model="gpt-evil-pro")),
    "garbage": b"\x00" * 100 + b"\r\n\r\n",
    "tls": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 40 + b"\r\n\r\n",
    "socks": b"\x05\x01\x00\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50\r\n\r\n",
}


def test_everything_else_is_refused_and_written_down(tmp_path: Path) -> None:
    with lent(fine, tmp_path) as (provider, lease):
        for name, raw in NOT_SERVED.items():
            answer = ask(lease, raw)
            assert answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 403")), name
            assert b"Traceback" not in answer, name
        assert provider.heard == []
        assert lease.usage().refused == len(NOT_SERVED)
        assert lease.fault() is None
        assert b"200 OK" in ask(lease)
    lines = journal(tmp_path)
    assert len(lines) == len(NOT_SERVED) + 1
    assert all(line["code"] for line in lines[:-1])
    raw = (tmp_path / "broker.jsonl").read_bytes()
    assert all(0x20 <= byte < 0x7F or byte == 0x0A for byte in raw)


def test_one_request_per_connection(tmp_path: Path) -> None:
    with lent(fine, tmp_path) as (provider, lease):
        answer = ask(lease, post() + SMUGGLED + post())
        assert answer.count(b"HTTP/1.1 ") == 1
        assert len(provider.heard) == 1


def test_the_key_never_comes_back(tmp_path: Path) -> None:
    echo = json.dumps({"error": {"message": f"Incorrect API key: {SECRET.decode()}"}}).encode()
    divided = said("key " + SECRET.decode() + " end")
    at = divided.index(SECRET) + 5
    scripts = [
        status("401 Unauthorized", echo, f"www-authenticate: {SECRET.decode()}"),
        status("400 Bad Request", echo),
        status("500 Oops", echo),
        stream(divided[:at], divided[at : at + 3], divided[at + 3 :], SECRET, COMPLETED),
        stream(SECRET[:-1]),
    ]
    with lent(fine, tmp_path) as (provider, lease):
        for script in scripts:
            provider.script = script
            answer = ask(lease)
            assert SECRET not in answer
        assert lease.message() == "key [redacted] end"
        assert SECRET.decode() not in f"{lease!r} {lease.fault()} {lease.usage()}"
    assert SECRET not in (tmp_path / "broker.jsonl").read_bytes()


QUOTA = json.dumps({"error": {"code": "insufficient_quota", "message": "pay"}}).encode()
LONG = json.dumps({"error": {"code": "too_long", "message": "too long \x1b[2J\n"}}).encode()
FAILURES: dict[str, tuple[Script, int, str | None]] = {
    "key": (status("401 Unauthorized"), 1, "upstream refused the key (401)"),
    "region": (status("403 Forbidden"), 1, "upstream refused the key (403)"),
    "redirect": (
        status("307 Elsewhere", b"", "location: http://127.0.0.1:9/stolen"),
        1,
        "upstream redirects (307); set its final address",
    ),
    "quota": (status("429 Slow", QUOTA), 1, "upstream says the account has no quota left"),
    "no money": (status("402 Pay"), 1, "upstream says the account has no quota left"),
    "rate": (status("429 Slow", b"{}"), 6, "upstream limits the rate (429)"),
    "rate, now": (
        status("429 Slow", b"{}", "retry-after: 0"),
        6,
        "upstream limits the rate (429), wants a pause of 0 s",
    ),
    "rate, tomorrow": (
        status("429 Slow", b"{}", "retry-after: 9999"),
        1,
        "upstream limits the rate (429), wants a pause of 9999 s",
    ),
    "500": (status("500 Oops", b"{"), 3, "upstream failed (500)"),
    "503": (status("503 Busy", b"", "retry-after-ms: 1"), 3, "upstream failed (503)"),
    "request": (status("400 Bad", LONG), 1, None),
    "no path": (status("404 No", b"{}"), 1, "upstream refused the request (404 ): no reason given"),
    "html": (
        status("200 OK", b"<html>", "content-type: text/html"),
        1,
        "upstream does not answer with an event stream",
    ),
    "compressed": (
        status("200 OK", b"x", "content-type: text/event-stream", "content-encoding: gzip"),
        1,
        "upstream does not answer with an event stream",
    ),
}
LOST: dict[str, tuple[Script, int, str | None]] = {
    "garbage": (
        lambda connection: connection.sendall(b"\x00\xff" * 50 + b"\r\n\r\n"),
        2,
        "upstream unreachable: RemoteProtocolError",
    ),
    "silence": (lambda connection: None, 2, "upstream unreachable: RemoteProtocolError"),
    "empty stream": (stream(), 1, "upstream ended its stream too early"),
    "cut stream": (
        lambda connection: connection.sendall(
            HEAD + b"content-length: 999\r\n\r\n" + said("almost")
        ),
        1,
        "upstream unreachable: RemoteProtocolError",
    ),
    "failed stream": (
        stream(event("response.failed", response={"usage": None})),
        1,
        "upstream failed while it answered",
    ),
}


@pytest.mark.parametrize("name", FAILURES | LOST)
def test_what_an_upstream_failure_becomes(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answer, "FIRST_PAUSE_S", 0)
    script, tries, fault = {**FAILURES, **LOST}[name]
    with lent(script, tmp_path) as (provider, lease):
        told = ask(lease)
        streamed = "stream" in name
        assert told.startswith(b"HTTP/1.1 200" if streamed else b"HTTP/1.1 400")
        assert lease.fault() == fault
        assert lease.message() == ""
        assert len(provider.heard) == tries
        assert b"\x1b" not in told
        assert b"stolen" not in told
        usage = lease.usage()
        assert (usage.requests, usage.retries, usage.waits) == (tries, tries - 1, "")
        assert usage.output_tokens == (128_000 * tries if name in LOST else 0)
        assert (usage.completed, usage.unfinished) == (0, True)
        provider.script = fine
        ask(lease)
        assert lease.fault() is None
        assert not lease.usage().unfinished
    first = journal(tmp_path)[0]
    assert first["status"] == (200 if streamed else 400)
    assert first["code"]


def test_a_rate_limit_is_waited_out_and_told(tmp_path: Path) -> None:
    asked = Event()

    def first(connection: socket.socket) -> None:
        provider.script = fine
        status("429 Slow", b"{}", "retry-after: 1")(connection)
        asked.set()

    with lent(first, tmp_path) as (provider, lease), connect(lease) as client:
        client.sendall(post())
        assert asked.wait(30)
        seen = {lease.usage().waits}
        while lease.usage().completed == 0:
            seen.add(lease.usage().waits)
        assert b"200 OK" in rest(client)
        told = "upstream limits the rate (429), wants a pause of 1 s: try 2 of 6 in 1 s"
        assert seen == {"", told} or seen == {told}
        usage = lease.usage()
        assert (usage.requests, usage.retries, usage.waits) == (2, 1, "")
        assert usage.waited_s >= 1
        assert lease.fault() is None


def test_nobody_listens_upstream(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        url = f"http://127.0.0.1:{reserved.getsockname()[1]}/v1"
    limits = Budget(requests=9, input_tokens=10**6, output_tokens=10**6, wall_s=60)
    broker = Broker(Upstream(url), Key(SECRET, "test"), {})
    with broker.lend(MODEL, limits, tmp_path / "log") as lease:
        answer = ask(lease)
        assert answer.startswith(b"HTTP/1.1 400")
        assert b"upstream unreachable: ConnectError" in answer
        assert lease.fault() == "upstream unreachable: ConnectError"


def test_the_environment_has_no_say(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with lent(fine, tmp_path) as (_, lease):
        assert b"200 OK" in ask(lease)


def test_a_budget_that_ran_out_is_a_400_with_its_name(tmp_path: Path) -> None:
    with lent(fine, tmp_path, requests=1) as (provider, lease):
        ask(lease)
        answer = ask(lease)
        assert answer.startswith(b"HTTP/1.1 400")
        error = json.loads(answer.partition(b"\r\n\r\n")[2])["error"]
        assert error["message"] == "codex-runner: budget exhausted: requests 1"
        assert error["type"] == "budget-exhausted"
        assert lease.usage().exhausted == "requests 1"
        assert len(provider.heard) == 1


@pytest.mark.parametrize("limit", [{"requests": 7}, {"output_tokens": 7 * 128_000}])
@pytest.mark.parametrize("usage", ["told", "untold"])
def test_a_race_never_gets_more_than_the_budget(
    limit: dict[str, int], usage: str, tmp_path: Path
) -> None:
    full = {"input_tokens": 100, "output_tokens": 128_000}
    end = event("response.completed", response={"usage": full} if usage == "told" else {})
    start = Barrier(50)
    with lent(stream(said("x"), end), tmp_path, **limit) as (provider, lease):

        def client(number: int) -> None:
            with connect(lease) as each:
                start.wait()
                each.sendall(post())
                if number % 3 == 0:
                    each.recv(300)
                else:
                    rest(each)

        threads = [Thread(target=client, args=(number,)) for number in range(50)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert ask(lease).startswith(b"HTTP/1.1 400")
        assert len(provider.heard) == lease.usage().requests == 7
        assert lease.usage().exhausted


def test_a_client_that_hangs_up_pays_the_reservation(tmp_path: Path) -> None:
    gone = Event()

    def endless(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"connection: close\r\n\r\n")
        with suppress(OSError):
            while True:
                connection.sendall(event("response.output_text.delta", delta="A" * 1000))
        gone.set()

    with lent(endless, tmp_path) as (_, lease):
        with connect(lease) as client:
            client.sendall(post())
            client.recv(1000)
        assert gone.wait(30)  # the connection to upstream is closed as well
        while not journal(tmp_path):
            pass
        assert lease.usage().output_tokens == 128_000
    assert journal(tmp_path)[0]["code"] == "client-gone"


@pytest.mark.parametrize("where", ["headers", "stream"])
@pytest.mark.parametrize("how", ["closed", "half closed"])
def test_a_hang_up_is_noticed_while_upstream_is_silent(
    where: str, how: str, tmp_path: Path
) -> None:
    asked, cut = Event(), Event()

    def silent(connection: socket.socket) -> None:
        if where == "stream":
            connection.sendall(HEAD + b"connection: close\r\n\r\n" + said("x"))
        asked.set()
        connection.settimeout(30)
        if connection.recv(1) == b"":
            cut.set()

    with lent(silent, tmp_path) as (_, lease), connect(lease) as client:
        client.sendall(post() + SMUGGLED * 1000)  # what is not read could hide the end
        assert asked.wait(30)
        if how == "closed":
            client.close()
        else:
            client.shutdown(socket.SHUT_WR)
        assert cut.wait(30)
        while not journal(tmp_path):
            pass
    usage = lease.usage()
    assert (usage.refused, usage.output_tokens) == (1, 128_000)
    assert (usage.completed, usage.unfinished) == (0, True)


def test_a_client_that_leaves_after_the_end_is_no_failure(tmp_path: Path) -> None:
    left = Event()

    def lingering(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"connection: close\r\n\r\n" + said("Done.") + COMPLETED)
        left.wait(30)

    with lent(lingering, tmp_path) as (_, lease):
        with connect(lease) as client:
            client.sendall(post())
            heard = b""
            while COMPLETED not in heard:
                heard += client.recv(65536)
        left.set()
    usage = lease.usage()
    assert (usage.refused, usage.completed, usage.output_tokens) == (0, 1, 20)
    assert journal(tmp_path)[0]["code"] is None


def test_few_requests_are_with_upstream_at_one_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "MAX_UNDER_WAY", 3)
    gate, together, most = Semaphore(0), [0], [0]

    def counted(connection: socket.socket) -> None:
        together[0] += 1
        most[0] = max(most[0], together[0])
        gate.acquire(timeout=30)
        together[0] -= 1
        fine(connection)

    with lent(counted, tmp_path) as (provider, lease), ExitStack() as stack:
        clients = [stack.enter_context(connect(lease)) for _ in range(9)]
        for client in clients:
            client.sendall(post())
        for _ in clients:
            gate.release()
        assert all(COMPLETED in rest(client) for client in clients)
        assert len(provider.heard) == 9
        assert most[0] <= 3


def test_a_flood_of_refusals_ends_the_lease_and_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(budget, "MAX_REFUSED", 40)
    monkeypatch.setattr(broker_journal, "MAX_REFUSED", 30)
    with lent(fine, tmp_path) as (provider, lease):
        for _ in range(39):
            ask(lease, b"GET /" + b"A" * 300 + b" HTTP/1.1\r\nHost: l\r\n\r\n")
        assert b"200 OK" in ask(lease)
        ask(lease, post(b"{"))
        assert lease.usage().exhausted == "refused 40"
        assert b"budget exhausted: refused 40" in ask(lease)
        assert len(provider.heard) == 1
    lines = journal(tmp_path)
    assert len(lines) == 31
    assert "truncated" in lines[29]
    assert lines[30]["status"] == 200


def test_a_credential_from_inside_is_an_alarm(tmp_path: Path) -> None:
    text = {"type": "input_text", "text": f"look: {SECRET.decode()}"}
    entry = {"type": "message", "role": "user", "content": [text]}
    with lent(fine, tmp_path) as (provider, lease):
        assert b'"code": "credential"' in ask(lease, post(body(input=[entry])))
        assert provider.heard == []
        assert lease.fault() == "a credential of the runner is in the sandbox; it was not sent on"
    assert journal(tmp_path)[0]["code"] == "credential"
    assert SECRET not in (tmp_path / "broker.jsonl").read_bytes()


def test_a_day_that_is_spent_is_spent_for_the_next_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(application, "CONTEND_S", 0)

    def account() -> Account:
        return Account(tmp_path / "spending", "here", Allowance(day_tokens=200_000), {})

    limits = Budget(requests=9, input_tokens=10**6, output_tokens=10**6, wall_s=60)
    with Provider(stream(said("no usage"))) as provider:
        for number, expected in ((1, b"200 OK"), (2, b"200 OK"), (3, b"day_tokens 200000")):
            broker = Broker(Upstream(provider.url), Key(SECRET, "test"), {}, account())
            with broker.lend(MODEL, limits, tmp_path / f"{number}.jsonl") as lease:
                assert expected in ask(lease)
                usage = lease.usage()
        assert usage.exhausted == "day_tokens 200000"
        sent = [
            json.loads(h.partition(b"\r\n\r\n")[2])["max_output_tokens"] for h in provider.heard
        ]
        assert sent[0] == 128_000
        assert 60_000 < sent[1] < 72_000  # what was left


def test_an_endless_stream_ends_with_the_byte_budget(tmp_path: Path) -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"connection: close\r\n\r\n")
        while True:
            connection.sendall(event("response.output_text.delta", delta="A" * 1000))

    with lent(endless, tmp_path, stream_bytes=1_000_000) as (_, lease):
        answer = ask(lease)
        assert 1_000_000 <= len(answer) < 1_100_000
        assert lease.usage().exhausted == "stream_bytes 1000000"
        assert ask(lease).startswith(b"HTTP/1.1 400")


def test_the_wall_clock_cuts_a_stalled_stream(tmp_path: Path) -> None:
    with ExitStack() as stack:
        hold = Event()
        stack.callback(hold.set)

        def stall(connection: socket.socket) -> None:
            connection.sendall(HEAD + b"connection: close\r\n\r\n" + said("x"))
            hold.wait(30)

        _, lease = stack.enter_context(lent(stall, tmp_path, wall_s=1))
        answer = ask(lease)
        assert said("x") in answer
        assert lease.usage().exhausted == "wall_s 1"
        assert b"budget exhausted: wall_s 1" in ask(lease)
        hold.set()


def test_leaving_takes_the_model_away(tmp_path: Path) -> None:
    began, hold = Event(), Event()

    def stall(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"connection: close\r\n\r\n")
        began.set()
        hold.wait(30)

    with Provider(stall) as provider, ExitStack() as stack:
        stack.callback(hold.set)
        limits = Budget(requests=9, input_tokens=10**6, output_tokens=10**6, wall_s=60)
        broker = Broker(Upstream(provider.url), Key(SECRET, "test"), {})
        with broker.lend(MODEL, limits, tmp_path / "log") as lease:
            path = lease.directory / "model.sock"
            idle, busy = connect(lease), connect(lease)
            busy.sendall(post())
            assert began.wait(30)
        with closing(idle), closing(busy):
            rest(idle)
            rest(busy)
            assert not path.parent.parent.exists()
        assert lease.usage().output_tokens == 128_000
        assert len((tmp_path / "log").read_text().splitlines()) == 1


def test_a_lease_that_is_not_used_ends_too(tmp_path: Path) -> None:
    with lent(fine, tmp_path) as (_, lease):
        pass
    assert lease.usage().requests == 0


def test_the_socket_is_for_the_sandbox_only(tmp_path: Path) -> None:
    with lent(fine, tmp_path) as (_, lease):
        modes = [
            stat.S_IMODE(path.stat().st_mode)
            for path in (
                lease.directory.parent,
                lease.directory,
                lease.directory / "model.sock",
                tmp_path / "broker.jsonl",
            )
        ]
        assert modes == [0o700, 0o755, 0o666, 0o600]
        assert os.listdir(lease.directory) == ["model.sock"]


def test_a_log_that_cannot_be_made(tmp_path: Path) -> None:
    broker = Broker(Upstream("http://127.0.0.1:9/v1"), Key(SECRET, "test"), {})
    limits = Budget(requests=1, input_tokens=1, output_tokens=1, wall_s=1)
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    for log in (tmp_path / "absent" / "log", tmp_path / "link"):
        with pytest.raises(InfraError), broker.lend(MODEL, limits, log):
            pass
    assert broker.holds() == (SECRET,)


def test_a_full_disk_stops_the_lending(tmp_path: Path) -> None:
    limits = Budget(requests=9, input_tokens=10**6, output_tokens=10**6, wall_s=60)
    with Provider(fine) as provider:
        broker = Broker(Upstream(provider.url), Key(SECRET, "test"), {})
        with broker.lend(MODEL, limits, Path("/dev/full")) as lease:
            while b"cannot write its log" not in ask(lease):
                pass
            assert lease.fault() == "cannot write the broker's log: No space left on device"


STUCK = (b"", b"P", b"POST /v1/responses HTTP/1.1\r\nX: ", post()[:-1])


def test_slow_clients_are_cut_and_hinder_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "HEADER_S", 0.5)
    monkeypatch.setattr(application, "BODY_S", 0.5)
    with lent(fine, tmp_path) as (_, lease), ExitStack() as stack:
        clients = [stack.enter_context(connect(lease)) for _ in range(100)]
        for number, client in enumerate(clients):
            client.sendall(STUCK[number % 4])
        assert b"200 OK" in ask(lease)
        for client in clients:
            rest(client)
    assert [line["code"] for line in journal(tmp_path)].count("slow-body") == 25


def test_as_many_wait_at_the_door_as_are_let_in(tmp_path: Path) -> None:
    """A full backlog refuses whoever does not wait; asyncio sets 100 unless told."""
    backlogs = []

    class Door(socket.socket):
        def listen(self, backlog: int = 0, /) -> None:
            backlogs.append(backlog)
            super().listen(backlog)

    async def served() -> None:
        stop = asyncio.Event()
        stop.set()
        await server.Server(cast("application.Application", None)).serve(door, stop, 9)

    with Door(socket.AF_UNIX) as door:
        door.bind(str(tmp_path / "door"))
        asyncio.run(served())
    assert backlogs == [server.MAX_CONNECTIONS]


def test_clients_that_do_not_read_are_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link, "WRITE_S", 0.2)
    large = event("response.output_text.delta", delta="A" * 4_000_000)
    with lent(stream(large, COMPLETED), tmp_path) as (_, lease):
        with connect(lease) as client:
            client.sendall(post())
            while not journal(tmp_path):
                pass
            assert len(rest(client)) < 4_000_000
        assert b"200 OK" in ask(lease)


def test_more_connections_than_allowed_are_dropped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 5)
    with lent(fine, tmp_path) as (_, lease), ExitStack() as stack:
        clients = [stack.enter_context(connect(lease)) for _ in range(5)]
        assert b"HTTP" not in ask(lease)
        for client in clients:
            client.close()
        while b"200 OK" not in ask(lease):
            pass


def test_a_huge_event_passes(tmp_path: Path) -> None:
    huge = event("response.output_text.delta", delta="A" * 10_000_000)
    with lent(stream(huge, said("Done."), COMPLETED), tmp_path) as (_, lease):
        assert len(ask(lease)) > 10_000_000
        assert lease.message() == "Done."
    assert journal(tmp_path)[0]["unread_events"] == 1


@contextmanager
def pump(target: Path) -> Iterator[int]:
    """127.0.0.1:PORT -> a UNIX socket, byte by byte: what the sandbox's relay does."""
    threads: list[Thread] = []

    def copy(source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while chunk := source.recv(65536):
                sink.sendall(chunk)
        for each in (source, sink):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def accept(listener: socket.socket, stack: ExitStack) -> None:
        with suppress(OSError):
            while True:
                inner = stack.enter_context(listener.accept()[0])
                outer = stack.enter_context(socket.socket(socket.AF_UNIX))
                outer.connect(str(target))
                for pair in ((inner, outer), (outer, inner)):
                    threads.append(Thread(target=copy, args=pair))
                    threads[-1].start()

    with ExitStack() as stack, socket.create_server(("127.0.0.1", 0)) as listener:
        acceptor = Thread(target=accept, args=(listener, stack))
        acceptor.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
        acceptor.join()
        for thread in threads:
            thread.join()


def codex(lease: BrokerLease, home: Path, model: str) -> list[dict[str, Any]]:
    """The events of one run of the real codex, which thinks it talks to a provider."""
    work = home / "work"
    work.mkdir()
    with pump(lease.directory / "model.sock") as port:
        config = f"""
            model = "{model}"
            model_provider = "pump"
            web_search = "disabled"
            [model_providers.pump]
            name = "pump"
            base_url = "http://127.0.0.1:{port}/v1"
            wire_api = "responses"
            request_max_retries = 0
            stream_max_retries = 2
            [features]
            unbounded_connection_retries = false
            plugins = false
            [analytics]
            enabled = false
        """
        (home / "config.toml").write_text(config)
        done = run(
            [
                codex_cli_bin.bundled_package_dir() / "bin" / "codex",
                *("exec", "--json", "--skip-git-repo-check", "-s", "danger-full-access", "-"),
            ],
            stdin=b"Fix it.",
            env={"PATH": os.environ["PATH"], "HOME": str(home), "CODEX_HOME": str(home)},
            cwd=work,
        )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def home() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(dir="/var/tmp") as path:  # codex wants it outside /tmp
        yield Path(path)


@pytest.mark.live
@pytest.mark.parametrize("model", ["gpt-5.5", "gpt-5.6-terra", "gpt-5.4"])
def test_the_real_codex_works_through_it(model: str, home: Path, tmp_path: Path) -> None:
    with ScriptedModel((Shell("echo made > made.txt"), *ScriptedModel().steps)) as upstream:
        broker = Broker(Upstream(upstream.url), Key(upstream.key.encode(), "test"), {})
        limits = Budget(requests=9, input_tokens=10**6, output_tokens=10**6, wall_s=60)
        with broker.lend(model, limits, tmp_path / "log") as lease:
            events = codex(lease, home, model)
            assert events[-1]["type"] == "turn.completed"
            assert (lease.message(), lease.fault()) == ("Done.", None)
            usage = lease.usage()
        assert (usage.requests, usage.refused, usage.input_tokens) == (2, 0, 200)
        assert (usage.completed, usage.tool_calls, usage.unfinished) == (2, 1, False)
        assert (home / "work" / "made.txt").read_text() == "made\n"
        assert all("client_metadata" not in heard.body for heard in upstream.requests)


@pytest.mark.live
def test_a_budget_ends_the_real_codex(home: Path, tmp_path: Path) -> None:
    with ScriptedModel((Shell("true"), Shell("true"), Shell("true"))) as upstream:
        broker = Broker(Upstream(upstream.url), Key(upstream.key.encode(), "test"), {})
        limits = Budget(requests=2, input_tokens=10**6, output_tokens=10**6, wall_s=60)
        with broker.lend("gpt-5.5", limits, tmp_path / "log") as lease:
            events = codex(lease, home, "gpt-5.5")
            assert lease.usage().exhausted == "requests 2"
            assert lease.usage().refused == 1  # codex did not try again
        assert events[-1]["type"] == "turn.failed"
        assert "budget exhausted: requests 2" in events[-1]["error"]["message"]
        assert len(upstream.requests) == 2


@pytest.mark.live
def test_a_stream_cut_by_the_budget_ends_the_real_codex(home: Path, tmp_path: Path) -> None:
    with ScriptedModel((Shell("true"),)) as upstream:
        broker = Broker(Upstream(upstream.url), Key(upstream.key.encode(), "test"), {})
        limits = Budget(
            requests=9, input_tokens=10**6, output_tokens=10**6, wall_s=60, stream_bytes=200
        )
        with broker.lend("gpt-5.5", limits, tmp_path / "log") as lease:
            events = codex(lease, home, "gpt-5.5")
            assert lease.usage().exhausted == "stream_bytes 200"
        assert "budget exhausted: stream_bytes 200" in events[-1]["error"]["message"]
        assert len(upstream.requests) == 1
