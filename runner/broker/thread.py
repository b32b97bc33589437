"""An event loop in a thread of its own, for as long as a `with` lasts."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from runner.in_thread import Started, in_thread

if TYPE_CHECKING:
    import asyncio

Main = Callable[["asyncio.Event"], Coroutine[None, None, None]]


def looping(main: Main) -> AbstractContextManager[None]:
    """Runs `main(stop)`; leaving sets `stop`, waits for its end and raises what it raised."""
    return in_thread("broker", lambda started: _run(main, started))


def _run(main: Main, started: Started) -> None:
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
