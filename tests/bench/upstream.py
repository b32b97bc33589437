"""`python upstream.py`: a model provider that costs next to nothing, in a process of its own.

Prints its port. What it answers is said by the request's `prompt_cache_key`, which the broker
passes on: `bytes:N` a stream of N bytes as fast as it is taken, `paced:N` the same at PACE,
`ticks:N` N events that carry the time they were sent at, `small` one short answer. Standard
library only.
"""

from __future__ import annotations

import json
import re
import socket
import sys
import time
from threading import Thread

HEAD = (
    b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
    b"cache-control: no-store\r\nconnection: close\r\n\r\n"
)
TICK_S = 0.002
PACE = 50_000_000
"""Bytes per second: far more than any model writes."""
BLOCK_BYTES = 64 * 1024
PADDING = "x" * 128


def event(kind: str, **content: object) -> bytes:
    """One server-sent event."""
    text = json.dumps({"type": kind, **content})
    return f"event: {kind}\ndata: {text}\n\n".encode()


def ending() -> bytes:
    """What completes a response."""
    usage = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 5,
        "total_tokens": 15,
    }
    return event("response.completed", response={"id": "r", "usage": usage})


def block() -> bytes:
    """A piece of a long stream: whole events, about BLOCK_BYTES."""
    one = event("response.output_text.delta", item_id="m", output_index=0, delta=PADDING)
    return one * (BLOCK_BYTES // len(one))


def answer(link: socket.socket, mode: str, amount: int) -> None:
    """Write one response."""
    link.sendall(HEAD)
    if mode in {"bytes", "paced"}:
        piece, began = block(), time.monotonic()
        for number in range(amount // len(piece)):
            if mode == "paced":
                time.sleep(max(0.0, began + number * len(piece) / PACE - time.monotonic()))
            link.sendall(piece)
    elif mode == "ticks":
        for _ in range(amount):
            time.sleep(TICK_S)
            link.sendall(event("response.output_text.delta", at_ns=time.monotonic_ns()))
    link.sendall(ending())


def request(link: socket.socket) -> tuple[str, int]:
    """Read one request to its end; its mode and amount."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += link.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", head.lower())
    while length and len(body) < int(length[1]):
        body += link.recv(65536)
    mode, _, amount = json.loads(body)["prompt_cache_key"].partition(":")
    return mode, int(amount or 0)


def serve(link: socket.socket) -> None:
    """One connection, one answer."""
    with link:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            answer(link, *request(link))
        except OSError:
            return  # the client left


def accept(listener: socket.socket) -> None:
    """A thread for each connection."""
    while True:
        Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


def main() -> None:
    """Until standard input ends."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)  # noqa: T201
    Thread(target=accept, args=(listener,), daemon=True).start()
    sys.stdin.read()


if __name__ == "__main__":
    main()
