"""An event loop in a thread of its own, for as long as a `with` lasts."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import asyncio

Main = Callable[["asyncio.Event"], Coroutine[None, None, None]]


@contextmanager
def in_thread(main: Main) -> Iterator[None]:
    """Runs `main(stop)`; leaving sets `stop`, waits for its end and raises what it raised."""
    started: Future[Callable[[], object]] = Future()
    with ThreadPoolExecutor(1, "broker") as pool:
        done = pool.submit(_run, main, started)
        try:
            yield
        finally:
            either: list[Future[Any]] = [started, done]
            wait(either, return_when=FIRST_COMPLETED)
            if started.done():
                started.result()()
            done.result()


def _run(main: Main, started: Future[Callable[[], object]]) -> None:
    import asyncio  # 40 ms, paid while the sandbox starts

    async def loop() -> None:
        stop = asyncio.Event()
        running = asyncio.get_running_loop()

        def halt() -> None:
            if not running.is_closed():
                running.call_soon_threadsafe(stop.set)

        started.set_result(halt)
        await main(stop)

    asyncio.run(loop())
