"""The hook's script as a process, before gates that are not: status 0 is one answer's alone."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from runner.agent.config import Hook
from runner.gateway import shim
from runner.process import run

RECEIPT = "rc_" + "0123456789abcdef" * 2
OK = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n"
ALLOW = OK + f"ALLOW {RECEIPT}\n".encode()
HOOK = b'{"tool_name": "Bash"}'
Speak = Callable[[socket.socket], None]


def says(answer: bytes) -> Speak:
    def speak(link: socket.socket) -> None:
        link.recv(65536)
        link.sendall(answer)

    return speak


@contextmanager
def gate(speak: Speak) -> Iterator[str]:
    """One connection is answered so."""

    def serve() -> None:
        with suppress(OSError), listener.accept()[0] as link:
            speak(link)

    with TemporaryDirectory(prefix="g-") as name, socket.socket(socket.AF_UNIX) as listener:
        place = f"{name}/s"
        listener.bind(place)
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield place
        finally:
            with suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def ask(
    place: str, body: bytes = HOOK, deadline: str = "20", verb: str = "ask"
) -> tuple[int, bytes]:
    argv = [sys.executable, "-I", "-S", str(shim.__file__), verb, place, deadline]
    done = run(argv, stdin=body)
    return done.code, done.stderr


def test_an_allow_with_a_receipt_is_status_0() -> None:
    heard = []

    def speak(link: socket.socket) -> None:
        heard.append(link.recv(65536))
        link.sendall(ALLOW)

    with gate(speak) as place:
        assert ask(place) == (0, b"")
    assert heard[0].startswith(b"POST /hook/ask HTTP/1.1\r\nhost: gate\r\n")
    assert heard[0].endswith(b"content-length: 21\r\n\r\n" + HOOK)


def drip(link: socket.socket) -> None:
    link.recv(65536)
    for byte in ALLOW:
        link.sendall(bytes((byte,)))


def test_an_answer_may_come_in_pieces() -> None:
    with gate(drip) as place:
        assert ask(place)[0] == 0


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"ALLOW",
        ALLOW[:-1],
        ALLOW[:-2] + b"\n",
        ALLOW + b"\n",
        ALLOW.replace(b"rc_", b"rx_"),
        ALLOW.replace(b"0123", b"012G"),
        ALLOW.replace(b"0123", b"012A"),
        ALLOW.replace(b"ALLOW", b"allow"),
        ALLOW.replace(b"ALLOW", b" ALLOW"),
        ALLOW.replace(b"200", b"201"),
        ALLOW.replace(b"200", b"500"),
        ALLOW.replace(b"HTTP/1.1", b"HTTP/2"),
        ALLOW.replace(b"\r\n\r\n", b"\n\n"),
        OK + b"DENY no\n" + f"ALLOW {RECEIPT}\n".encode(),
        OK + b"NOTED\n",
        OK + b"\xff\xfe\n",
        OK + b"x" * 3_000_000,
    ],
    ids=lambda answer: repr(answer[-40:]),
)
def test_everything_else_is_status_2_with_a_reason(answer: bytes) -> None:
    with gate(says(answer)) as place:
        code, told = ask(place)
    assert code == 2 and told.strip()


def test_a_denial_is_told_and_bounded() -> None:
    with gate(says(OK + b"DENY forbidden: no git\n")) as place:
        assert ask(place) == (2, b"DENY forbidden: no git\n")
    with gate(says(OK + b"PENDING " + b"x" * 7000 + b"\n")) as place:
        code, told = ask(place)
        assert code == 2 and len(told) <= shim.SHOWN_BYTES + 1


def test_who_does_not_answer_is_not_waited_for_beyond_the_deadline() -> None:
    released = threading.Event()

    def wait(_: socket.socket) -> None:
        released.wait(30)

    with gate(wait) as place:
        code, _ = ask(place, deadline="0.2")
        released.set()
    assert code != 0, "the alarm killed it"


def test_an_endless_answer_is_cut() -> None:
    def speak(link: socket.socket) -> None:
        while True:
            link.sendall(b"x" * 65536)

    with gate(speak) as place:
        assert ask(place)[0] == 2


@pytest.mark.parametrize("place", ["/nowhere/gate.sock", "/dev/null", "x" * 200, ""])
def test_no_gate_is_status_2(place: str) -> None:
    code, told = ask(place)
    assert code == 2 and told.startswith(b"the gate cannot be asked: ")


def test_a_call_too_large_is_not_asked_about() -> None:
    with gate(says(ALLOW)) as place:
        code, told = ask(place, b"x" * (shim.MOST_BYTES + 1))
    assert code == 2 and b"too large" in told


def in_codex(python: str, script: Path, place: str) -> int:
    """As codex runs it, with the words around it."""
    words = Hook(python).before.replace("/etc/codex/shim.py", str(script))
    text = words.replace("/run/broker/gate.sock", place)
    done = run(["/bin/sh", "-c", text], stdin=HOOK)
    assert done.code == 0 or done.stderr.strip(), "codex lets a silent refusal pass"
    return done.code


@pytest.mark.parametrize(
    ("script", "code"),
    [
        (None, 0),
        ("import sys; sys.exit(1)", 2),
        ("import sys; sys.exit(3)", 2),
        ("import os; os.kill(os.getpid(), 9)", 2),
        ("import os; os.kill(os.getpid(), 15)", 2),
        ("raise ValueError", 2),
        ("(", 2),
        ("import nothing", 2),
    ],
)
def test_around_it_every_end_but_one_is_status_2(
    tmp_path: Path, script: str | None, code: int
) -> None:
    file = Path(str(shim.__file__))
    if script is not None:
        file = tmp_path / "shim.py"
        file.write_text(script)
    with gate(says(ALLOW)) as place:
        assert in_codex(sys.executable, file, place) == code


def test_without_a_script_or_an_interpreter_it_is_status_2(tmp_path: Path) -> None:
    assert in_codex(sys.executable, tmp_path / "none.py", "/s") == 2
    assert in_codex("/usr/bin/no-python", Path(str(shim.__file__)), "/s") == 2


def test_codex_waits_longer_than_the_script_and_that_longer_than_a_person_may_take() -> None:
    hook = Hook("/usr/bin/python3", patience_s=900)
    deadline_s = int(hook.before.split(" && ")[0].split()[-1])
    assert 900 < deadline_s < hook.timeout_s
    assert f"{hook.table()}".count("'async': True") == 1, "only what is told afterwards"
