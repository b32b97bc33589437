"""The relay is a pipe: everything through it, nothing around it, nothing left of it."""

from __future__ import annotations

import ast
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from runner.sandbox import relay

SCRIPT = Path(relay.__file__)
WAIT_S = 30
BUFFERS_BYTES = 32 * 1024 * 1024
"""More than the kernel keeps of one connection on its two sockets."""


def command(port: int, target: Path, *argv: str) -> list[str]:
    own = [sys.executable, "-I", "-S", str(SCRIPT), str(port), str(target), "--"]
    return [*own, *argv]


def run(port: int, target: Path, *argv: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command(port, target, *argv), capture_output=True, timeout=WAIT_S)


def python(script: str) -> tuple[str, ...]:
    return (sys.executable, "-I", "-c", script)


@contextmanager
def serving(path: Path, answer: Callable[[socket.socket], None]) -> Iterator[None]:
    """A UNIX socket; each connection is given to `answer` in a thread of its own."""
    threads: list[threading.Thread] = []

    def one(near: socket.socket) -> None:
        with near, suppress(ConnectionError):
            answer(near)

    def accept() -> None:
        while True:
            try:
                near = listener.accept()[0]
            except OSError:
                return
            threads.append(threading.Thread(target=one, args=(near,)))
            threads[-1].start()

    with closing(socket.socket(socket.AF_UNIX)) as listener:
        listener.bind(str(path))
        listener.listen(128)
        accepting = threading.Thread(target=accept)
        accepting.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            for thread in (accepting, *threads):
                thread.join()


def echo(near: socket.socket) -> None:
    while chunk := near.recv(65536):
        near.sendall(chunk)


def swallow_then_tell(near: socket.socket) -> None:
    """Answers only after the end of what it was sent."""
    count = 0
    while chunk := near.recv(65536):
        count += len(chunk)
    near.sendall(str(count).encode())


@pytest.fixture
def port() -> int:
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def relaying(port: int, target: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A relay beside a command that ends with its stdin."""
    with subprocess.Popen(
        command(port, target, "/bin/cat"), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        assert child.stdin is not None and child.stdout is not None
        child.stdin.write(b"up\n")
        child.stdin.flush()
        assert child.stdout.readline() == b"up\n"  # it listens before the command starts
        yield child
        child.stdin.close()


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -PIPE $$", -13)])
def test_exit_status_is_the_command_s(port: int, tmp_path: Path, script: str, code: int) -> None:
    assert run(port, tmp_path / "none", "/bin/sh", "-c", script).returncode == code


def test_what_cannot_be_started(port: int, tmp_path: Path) -> None:
    ended = run(99999, tmp_path / "none", "/bin/true")
    assert (ended.returncode, ended.stderr.count(b"\n")) == (1, 1)
    ended = run(port, tmp_path / "none", "/nonexistent")
    assert (ended.returncode, ended.stderr.count(b"\n")) == (127, 1)
    assert b"/nonexistent" in ended.stderr
    for arguments in ([], ["80"], ["x", "s", "--", "true"], ["80", "s", "true", "x"]):
        ended = subprocess.run([sys.executable, str(SCRIPT), *arguments], capture_output=True)
        assert (ended.returncode, ended.stderr.count(b"\n")) == (2, 1)


def test_answers_before_the_command_s_first_instruction(port: int, tmp_path: Path) -> None:
    client = python(
        f"import socket; s = socket.create_connection(('127.0.0.1', {port})); s.sendall(b'hello');"
        "s.shutdown(socket.SHUT_WR); print(s.recv(99))"
    )
    with serving(tmp_path / "s", echo):
        assert run(port, tmp_path / "s", *client).stdout == b"b'hello'\n"


def test_half_close_and_large_bodies(port: int, tmp_path: Path) -> None:
    with (
        serving(tmp_path / "s", swallow_then_tell),
        relaying(port, tmp_path / "s"),
        closing(socket.create_connection(("127.0.0.1", port), WAIT_S)) as near,
    ):
        near.sendall(b"x" * 20_000_000)
        near.shutdown(socket.SHUT_WR)
        assert near.recv(99) == b"20000000"
        assert near.recv(99) == b""


def test_many_connections_at_once(port: int, tmp_path: Path) -> None:
    """More than it carries at a time: the others wait their turn."""
    count = relay.MOST_CONNECTIONS + 40
    with serving(tmp_path / "s", echo), relaying(port, tmp_path / "s"):
        address = ("127.0.0.1", port)
        with ExitStack() as stack:
            many = [
                stack.enter_context(closing(socket.create_connection(address, WAIT_S)))
                for _ in range(count)
            ]
            for number, near in enumerate(many):
                near.sendall(b"%d" % number)
            for number, near in enumerate(many):
                assert near.recv(99) == b"%d" % number
                near.close()


def test_a_reader_that_stops_stops_the_writer(port: int, tmp_path: Path) -> None:
    over = threading.Event()

    def hold(near: socket.socket) -> None:
        over.wait(WAIT_S)

    with (
        serving(tmp_path / "s", hold),
        relaying(port, tmp_path / "s"),
        closing(socket.create_connection(("127.0.0.1", port), timeout=0.5)) as near,
    ):
        with pytest.raises(TimeoutError):
            near.sendall(b"x" * BUFFERS_BYTES)
        over.set()


def test_nobody_behind_it(port: int, tmp_path: Path) -> None:
    with relaying(port, tmp_path / "none"):
        for _ in range(3):
            with closing(socket.create_connection(("127.0.0.1", port), WAIT_S)) as near:
                assert near.recv(99) == b""


def test_it_carries_on_after_a_broken_connection(port: int, tmp_path: Path) -> None:
    with serving(tmp_path / "s", echo), relaying(port, tmp_path / "s"):
        for _ in range(20):
            with closing(socket.create_connection(("127.0.0.1", port))) as near:
                near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
                near.sendall(b"x" * 100_000)  # closed with a reset
        with closing(socket.create_connection(("127.0.0.1", port), WAIT_S)) as near:
            near.sendall(b"still here")
            assert near.recv(99) == b"still here"


def test_it_ends_with_its_command(port: int, tmp_path: Path) -> None:
    with relaying(port, tmp_path / "none"):
        pass
    deadline = time.monotonic() + WAIT_S
    while listening(port):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def listening(port: int) -> bool:
    with closing(socket.socket()) as near:
        return near.connect_ex(("127.0.0.1", port)) == 0


def test_it_holds_none_of_the_command_s_pipes(port: int, tmp_path: Path) -> None:
    """The end of stdout is seen when the command ends, although the relay lives on a little."""
    ended = run(port, tmp_path / "none", "/bin/echo", "said")
    assert (ended.stdout, ended.returncode) == (b"said\n", 0)


def test_any_python_runs_it() -> None:
    tree = ast.parse(SCRIPT.read_text(), feature_version=(3, 7))
    imported = {
        name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names
    }
    assert imported <= sys.stdlib_module_names
