"""An answer leaves in one piece, and never not at all."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from runner.gateway.protocol import Joined


class Kept(asyncio.Transport):
    """Keeps what is written, and says when it ended."""

    def __init__(self) -> None:
        super().__init__()
        self.said: list[bytes] = []

    def write(self, data: bytes) -> None:  # type: ignore[override]
        self.said.append(data)

    def is_closing(self) -> bool:
        return b"(end)" in self.said

    def close(self) -> None:
        self.said.append(b"(end)")

    abort = close
    pause_reading = resume_reading = close


def test_head_and_body_are_one_and_a_head_alone_does_not_wait() -> None:
    async def told() -> list[bytes]:
        kept = Kept()
        link = Joined(kept, asyncio.get_running_loop())
        for part in (b"head", b"body", b"next head"):
            link.write(part)
        assert kept.said == [b"headbody"]
        await asyncio.sleep(0)
        return kept.said

    assert asyncio.run(told()) == [b"headbody", b"next head"]


@pytest.mark.parametrize("end", [Joined.close, Joined.abort])
def test_what_was_written_leaves_before_the_end(end: Callable[[Joined], None]) -> None:
    async def told() -> list[bytes]:
        kept = Kept()
        link = Joined(kept, asyncio.get_running_loop())
        link.write(b"head")
        end(link)
        link.write(b"too late")
        await asyncio.sleep(0)
        return kept.said

    assert asyncio.run(told()) == [b"head", b"(end)"]
