"""Many streams over one: everything through, nothing grows, and who breaks the rules is cut."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from runner.errors import InfraError
from runner.records.sandbox import Overlay, StopReason, Walls
from runner.sandbox import mux, remote_far
from runner.sandbox.mux import CREDIT, CUT, DATA, END, HEADER, OPEN, WINDOW_BYTES, BrokenError, Mux
from runner.sandbox.remote_upper import remake

WAIT_S = 30


class Wire:
    """A socket as a link."""

    def __init__(self, link: socket.socket) -> None:
        link.setblocking(False)
        self.link = link

    def incoming(self) -> int:
        return self.link.fileno()

    outgoing = incoming

    def receive(self) -> bytes | None:
        return self.link.recv(65536) or None

    def send(self, data: bytes) -> int:
        return self.link.send(data)


Pair = tuple[socket.socket, socket.socket]
Answer = Callable[[int], socket.socket | None]


@contextmanager
def running(made: Mux, link: socket.socket) -> Iterator[list[BaseException]]:
    """In a thread until the connection ends; what ended it otherwise is in the list."""
    trouble: list[BaseException] = []

    def run() -> None:
        try:
            while made.turn(WAIT_S):
                pass
        except (BrokenError, OSError) as error:
            trouble.append(error)
        finally:
            made.close()
            link.shutdown(socket.SHUT_RDWR)

    thread = threading.Thread(target=run)
    thread.start()
    yield trouble
    thread.join(WAIT_S)
    assert not thread.is_alive()


@pytest.fixture
def wire() -> Iterator[Pair]:
    near, far = socket.socketpair()
    with near, far:
        yield near, far


@contextmanager
def joined(target: Path, answer: Answer, wire: Pair) -> Iterator[None]:
    """A socket at `target` that leads through two ends of a connection to `answer`."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(target))
        listener.listen(128)
        far = Mux(Wire(wire[1]), 1, lambda _: None)
        far.listen(listener, 7)
        with (
            running(Mux(Wire(wire[0]), 2, answer), wire[0]) as here,
            running(far, wire[1]) as there,
        ):
            yield
            wire[0].shutdown(socket.SHUT_RDWR)
        assert not any(isinstance(error, BrokenError) for error in here + there)


def serving(stack: ExitStack, talk: Callable[[socket.socket], None]) -> Answer:
    """Every stream gets a thread that `talk`s at its other end."""

    def answer(door: int) -> socket.socket | None:
        if door != 7:
            return None
        near, far = socket.socketpair()

        def speak() -> None:
            with far:
                talk(far)

        thread = threading.Thread(target=speak)
        thread.start()
        stack.callback(thread.join)
        return near

    return answer


def count_then_tell(near: socket.socket) -> None:
    total = 0
    while data := near.recv(65536):
        total += len(data)
    near.sendall(str(total).encode())


def call(target: Path) -> socket.socket:
    near = socket.socket(socket.AF_UNIX)
    near.settimeout(WAIT_S)
    near.connect(str(target))
    return near


def test_half_close_and_large_bodies(tmp_path: Path, wire: Pair) -> None:
    with (
        ExitStack() as stack,
        joined(tmp_path / "s", serving(stack, count_then_tell), wire),
        call(tmp_path / "s") as near,
    ):
        near.sendall(b"x" * 20_000_000)
        near.shutdown(socket.SHUT_WR)
        assert (near.recv(99), near.recv(99)) == (b"20000000", b"")


def test_many_streams_and_one_that_nobody_reads(tmp_path: Path, wire: Pair) -> None:
    """More than are carried at a time: the others wait for their turn."""
    told = os.urandom(3 * WINDOW_BYTES)

    def talk(near: socket.socket) -> None:
        try:
            near.sendall(told)
        except OSError:
            return

    with (
        ExitStack() as stack,
        joined(tmp_path / "s", serving(stack, talk), wire),
        call(tmp_path / "s"),  # reads nothing
    ):
        for _ in range(mux.MOST_STREAMS + 20):
            with call(tmp_path / "s") as near:
                heard = b""
                while data := near.recv(65536):
                    heard += data
                assert heard == told


def test_no_such_door(tmp_path: Path, wire: Pair) -> None:
    with joined(tmp_path / "s", lambda _: None, wire), call(tmp_path / "s") as near:
        assert near.recv(1) == b""


def frame(kind: int, number: int, content: bytes = b"") -> bytes:
    return HEADER.pack(kind, number, len(content)) + content


@pytest.mark.parametrize(
    "sent",
    [
        b"\0" * HEADER.size,
        HEADER.pack(9, 1, 0),
        HEADER.pack(DATA, 1, 2**31),
        frame(OPEN, 2, b"\7"),
        frame(OPEN, 1, b"\7") * 2,
        frame(OPEN, 1, b""),
        frame(OPEN, 1, b"\7\7"),
        frame(OPEN, 1, b"\7") + frame(CREDIT, 1, struct.pack(">I", 1)),
        frame(OPEN, 1, b"\7") + frame(CREDIT, 1, b"\0"),
        frame(OPEN, 1, b"\7") + frame(DATA, 1, bytes(65536)) * 64,
        frame(OPEN, 1, b"\7") + frame(END, 1) + frame(DATA, 1, b"x"),
        b"".join(frame(OPEN, 1 + 2 * number, b"\7") for number in range(1000)),
        frame(OPEN, 1, b"\1") * 300_000,
    ],
    ids=range(13),
)
def test_who_breaks_the_rules_is_cut(sent: bytes, wire: Pair) -> None:
    """The far end is one that a sandbox might have got hold of: it says anything, reads nothing."""
    kept: list[socket.socket] = []

    def answer(door: int) -> socket.socket | None:
        if door != 7:
            return None
        near, far = socket.socketpair()
        kept.append(far)
        return near

    with running(Mux(Wire(wire[0]), 2, answer), wire[0]) as trouble:
        wire[1].settimeout(WAIT_S)
        left = memoryview(sent)
        try:
            while left:
                left = left[wire[1].send(left[:65536]) :]
                if trouble:
                    break
        except OSError:
            pass
        wire[1].shutdown(socket.SHUT_WR)
    for far in kept:
        far.close()
    assert [type(error) for error in trouble] == [BrokenError]


def test_late_frames_of_a_closed_stream_are_nothing(wire: Pair) -> None:
    late = [frame(kind, 5, b"") for kind in (DATA, END, CUT)] + [frame(CREDIT, 5, bytes(4))]
    with running(Mux(Wire(wire[0]), 2, lambda _: None), wire[0]) as trouble:
        wire[1].sendall(b"".join(late))
        wire[1].shutdown(socket.SHUT_WR)
    assert trouble == []


def entry(kind: bytes, path: bytes, extra: bytes = b"", size: int = 0, mode: int = 0o644) -> bytes:
    return remote_far.ENTRY.pack(kind, mode, len(path), len(extra), size) + path + extra


def piece(at: int, data: bytes) -> bytes:
    return remote_far.PIECE.pack(at, len(data)) + data


OVER = remote_far.OVER
DIRECTORY = entry(remote_far.DIRECTORY, b"d", mode=0o755)


def tell(told: bytes, upper: Path, walls: Walls) -> StopReason | None:
    """`remake`, with a stranger's words."""
    near, far = socket.socketpair()

    def say() -> None:
        with far:
            try:
                far.sendall(told)
            except OSError:
                return

    thread = threading.Thread(target=say)
    thread.start()
    try:
        with near:
            return remake(near, Overlay((), upper, upper), os.geteuid(), walls)
    finally:
        thread.join()


@pytest.mark.parametrize(
    "told",
    [
        entry(remote_far.FILE, b"/etc/x"),
        entry(remote_far.FILE, b"../x"),
        entry(remote_far.DIRECTORY, b".."),
        entry(remote_far.DIRECTORY, b"."),
        entry(remote_far.DIRECTORY, b""),
        entry(remote_far.FILE, b"a\0b"),
        entry(remote_far.FILE, b"n" * 256),
        entry(remote_far.FILE, b"no/parent"),
        entry(remote_far.OTHER, b"device"),
        entry(b"?", b"unknown"),
        entry(remote_far.LINK, b"l", b"/etc") + entry(remote_far.FILE, b"l/x", size=1),
        entry(remote_far.FILE, b"f", size=2**41),
        entry(remote_far.FILE, b"f", size=4) + piece(2, b"xxx"),
        entry(remote_far.FILE, b"f", size=9) + piece(4, b"x") + piece(0, b"x"),
        DIRECTORY + DIRECTORY + entry(OVER, b"", size=2),
        DIRECTORY + entry(OVER, b"", size=2),
        DIRECTORY,
        b"".join(entry(remote_far.DIRECTORY, b"/".join([b"d"] * n)) for n in range(1, 110)),
    ],
    ids=range(18),
)
def test_a_hostile_telling_makes_nothing(told: bytes, tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    upper.mkdir()
    (upper / "old").mkdir()
    with pytest.raises((InfraError, ConnectionError)):
        tell(told, upper, Walls(wall_s=1))
    assert list(upper.iterdir()) == []
    assert list(tmp_path.iterdir()) == [upper]


def test_walls_end_a_telling(tmp_path: Path) -> None:
    upper = tmp_path / "upper"
    upper.mkdir()
    big = entry(remote_far.FILE, b"f", size=2**30)
    big += b"".join(piece(at * 65536, bytes(65536)) for at in range(40))
    assert tell(big, upper, Walls(wall_s=1, disk_mib=2)) == "disk"
    many = b"".join(entry(remote_far.LINK, b"%d" % n, b"x") for n in range(9))
    assert tell(many, upper, Walls(wall_s=1, entries=8)) == "entries"
    assert list(upper.iterdir()) == []


def test_what_is_told_of_a_directory_makes_the_same_one(tmp_path: Path) -> None:
    """The two ends together, without a container."""
    there, here = tmp_path / "there", tmp_path / "here"
    (there / "d/e").mkdir(parents=True)
    here.mkdir()
    (there / "d/file").write_bytes(os.urandom(200_000))
    (there / "d/file").chmod(0o4711)
    (there / "d/link").symlink_to("../nowhere")
    os.mkfifo(there / "pipe", 0o600)
    with (there / "holes").open("wb") as file:
        file.seek(2**30)
        file.write(b"end")
    (there / "d/e").chmod(0o500)
    told = b"".join(remote_far.listing(os.fsencode(there)))
    assert len(told) < 1_000_000, "holes are not told"
    assert tell(told, here, Walls(wall_s=1)) is None
    assert described(here) == described(there)
    assert (here / "holes").stat().st_blocks < 100


def described(root: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        status = path.lstat()
        content = path.readlink() if path.is_symlink() else b""
        if path.is_file() and not path.is_symlink() and status.st_size < 2**20:
            content = path.read_bytes()
        size = 0 if path.is_dir() else status.st_size
        found[str(path.relative_to(root))] = (status.st_mode, size, content)
    return found


def test_a_disk_without_room_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever took it: a walk sees neither deleted files nor directories that are closed."""
    walls = Walls(wall_s=1)
    upper = os.fsencode(tmp_path / "without a workspace there is none")
    for reserve, over in ((0, False), (1 << 62, True)):
        monkeypatch.setattr(remote_far, "RESERVE_BYTES", reserve)
        kib, entries = next(remote_far.usage(upper)).split()
        assert (int(kib) > walls.disk_mib * 1024, int(entries)) == (over, 0)
