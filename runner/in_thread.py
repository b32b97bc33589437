"""What serves in a thread of its own, for as long as a `with` lasts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

Started = Future[Callable[[], object]]
"""Gets what ends it, as soon as it serves."""


@contextmanager
def in_thread(name: str, serve: Callable[[Started], None]) -> Iterator[None]:
    """Runs `serve(started)`; leaving ends it, waits for that and raises what it raised."""
    started: Started = Future()
    with ThreadPoolExecutor(1, name) as pool:
        done = pool.submit(serve, started)
        try:
            yield
        finally:
            either: list[Future[Any]] = [started, done]
            wait(either, return_when=FIRST_COMPLETED)
            if started.done():
                started.result()()
            done.result()
