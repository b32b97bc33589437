"""The reference client believes nothing but a whole ALLOW; everything else is an error or a no."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.errors import InfraError
from runner.gateway.bodies import Outcome
from runner.gateway.client import Client
from runner.records.evidence import ReceiptId
from tests.gates import AGENT, CONSTRAINTS, gate_of, request, served

ALLOW = {
    "decision": "ALLOW",
    "receipt_id": "rc_" + "0" * 32,
    "reason": "",
    "constraints": CONSTRAINTS.model_dump(),
    "approval_id": None,
    "replayed": False,
}


Speak = Callable[[socket.socket, threading.Event], None]


@contextmanager
def speaking(
    place: Path, speak: Callable[[socket.socket, threading.Event], None]
) -> Iterator[None]:
    """One connection is answered by `speak`, which may look whether the test is over."""
    over = threading.Event()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(place))
    listener.listen()

    def work() -> None:
        link, _ = listener.accept()
        with link:
            try:
                link.recv(65536)
                speak(link, over)
            except OSError:
                pass

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        listener.close()


def _answer(body: bytes, status: str = "200 OK") -> bytes:
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
    return f"{head}connection: close\r\n\r\n".encode() + body


def _with(**more: object) -> bytes:
    return _answer(json.dumps({**ALLOW, **more}).encode())


HALF = {
    "nothing": b"",
    "no HTTP": b"ALLOW rc_00000000000000000000000000000000\n",
    "no JSON": _answer(b"ALLOW"),
    "a list": _answer(b"[]"),
    "too deep": _answer(b"[" * 50_000),
    "another shape": _answer(b'{"decision": "ALLOW"}'),
    "an unknown key": _with(more=1),
    "another word": _with(decision="allow"),
    "no receipt": _with(receipt_id=None),
    "another receipt": _with(receipt_id="rc_1"),
    "no constraints": _with(constraints=None),
    "another status": _answer(json.dumps(ALLOW).encode(), "201 Created"),
    "a failure's status": _answer(json.dumps(ALLOW).encode(), "503 Service Unavailable"),
    "a redirect": b"HTTP/1.1 302 Found\r\nlocation: http://x/\r\ncontent-length: 0\r\n\r\n",
    "cut off": _with()[:-10],
    "too large": _answer(b" " * 100_000 + json.dumps(ALLOW).encode()),
}


@pytest.mark.parametrize("answer", HALF.values(), ids=HALF)
def test_half_an_answer_is_an_error(tmp_path: Path, answer: bytes) -> None:
    place = tmp_path / "s"
    with speaking(place, lambda link, _: link.sendall(answer)), pytest.raises(InfraError):
        Client(place).execute(request())


def test_a_whole_one_is_believed(tmp_path: Path) -> None:
    place = tmp_path / "s"
    with speaking(place, lambda link, _: link.sendall(_with())):
        assert Client(place).execute(request()).decision == "ALLOW"


def _hang(link: socket.socket, over: threading.Event) -> None:
    over.wait(60)


def _drip(link: socket.socket, over: threading.Event) -> None:
    link.sendall(b"HTTP/1.1 200 OK\r\nx: ")
    while not over.wait(0.02):
        link.sendall(b"a")


@pytest.mark.parametrize("speak", [_hang, _drip])
def test_an_answer_that_never_ends_is_an_error(
    tmp_path: Path, speak: Callable[[socket.socket, threading.Event], None]
) -> None:
    with (
        speaking(tmp_path / "s", speak),
        pytest.raises(InfraError, match=r"no answer within 0.3 s"),
    ):
        Client(tmp_path / "s", timeout_s=0.3).execute(request())


@pytest.mark.parametrize(
    "place", ["nothing/here", "http://127.0.0.1:9", "nonsense://x", "http://["]
)
def test_no_gate_is_an_error(tmp_path: Path, place: str) -> None:
    with pytest.raises(InfraError, match="cannot be relied on"):
        Client(place if ":" in place else tmp_path / place).whoami()


def test_it_asks_a_real_gate(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    place = tmp_path / "s"
    with served(place, gate_of()):
        client = Client(place)
        assert client.whoami() == (AGENT, "")
        assert client.execute(request(key="d", code="rm x")).decision == "DENY"
        allowed = client.execute(request())
        told = Outcome(receipt_id=allowed.receipt_id or ReceiptId(""), status="succeeded")
        client.outcome(told)
        with pytest.raises(InfraError, match="told before"):
            client.outcome(told)
