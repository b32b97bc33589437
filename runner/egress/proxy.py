"""A forward proxy for one setup: tunnels and plain documents, to checked addresses only.

1. One request per connection, read strictly and bounded in size and time.
2. The name is checked before it is looked up; then every address it leads to.
3. The connection goes to one of the addresses that were checked: no second look-up can differ.
4. A tunnel has to begin with TLS for the name it was opened for. What is said inside TLS is not
   seen: a server that serves other names there (domain fronting by its Host field) is trusted to.
5. Bytes, connections and time are capped; the end of the setup cuts everything.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field

from runner.egress.client_hello import NotTlsError, server_name
from runner.egress.journal import Journal
from runner.egress.request import Ask, MalformedError, read_ask
from runner.egress.rules import Refusal, Rules
from runner.records.hosts import Host

Resolve = Callable[[str, int], tuple[str, ...]]
"""Name and port -> addresses; blocks. Raises OSError."""

HEAD_S = HELLO_S = 10.0
RESOLVE_S = 15.0
CONNECT_S = 10.0
CLOSE_S = 2.0
MAX_HEAD_BYTES = 8 * 1024
MAX_CONNECTIONS = 64
MAX_ADDRESSES = 4
"""Tried, of those a name leads to."""
CHUNK_BYTES = 64 * 1024
SENT_BYTES = 64 * 1024**2
RECEIVED_BYTES = 4 * 1024**3
UNKNOWN_NAME = b"\x15\x03\x03\x00\x02\x02\x70"
"""The TLS alert unrecognized_name: a client says what is wrong instead of `broken pipe`."""


class DeniedError(Exception):
    """A way out that is refused; `host` as it was asked for."""

    def __init__(self, host: str, refusal: Refusal, answer: bytes | None = None) -> None:
        super().__init__(refusal.why)
        self.host, self.refusal = host, refusal
        said = f"{refusal.why}\n{refusal.remedy}\n"
        self.answer = _response("403 Forbidden", said) if answer is None else answer


def resolve(name: str, port: int) -> tuple[str, ...]:
    """As this machine does."""
    found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
    return tuple(dict.fromkeys(str(each[4][0]) for each in found))


@dataclass(slots=True)
class Proxy:
    """`await Proxy(rules, journal).serve(listener, stop, wall_s)`."""

    rules: Rules
    journal: Journal
    resolve: Resolve = resolve
    sent_bytes: int = SENT_BYTES
    received_bytes: int = RECEIVED_BYTES
    _over: bool = False
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)
    _lookups: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(8, "resolve"))

    async def serve(self, listener: socket.socket, stop: asyncio.Event, wall_s: float) -> None:
        """Until `stop` is set, alone in its loop; after `wall_s` everybody is cut at once."""
        server = await asyncio.start_unix_server(self._accept, sock=listener, limit=MAX_HEAD_BYTES)
        try:
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), wall_s)
            self._over = True
            await _cut()
            await stop.wait()
        finally:
            server.close()
            await _cut()
            self._lookups.shutdown(wait=False, cancel_futures=True)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._over or len(self._tasks) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._answer(reader, writer)
        except DeniedError as denied:
            self.journal.denied(denied.host, denied.refusal)
            writer.write(denied.answer)
        except (OSError, EOFError, TimeoutError):
            pass  # the client gave up, or was too slow
        finally:
            await _close(writer)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ask = await _read(reader)
        if (refusal := self.rules.refuse_host(ask.host)) is not None:
            raise DeniedError(str(ask.host), refusal)
        if self.journal.sent_bytes >= self.sent_bytes:
            raise DeniedError(str(ask.host), Refusal("the setup has sent too much"))
        far_reader, far_writer = await self._connect(ask.host)
        sent, received = self.journal.sent_bytes, self.journal.received_bytes
        try:
            first = ask.forward
            if ask.tunnel:
                writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                first = await _hello(reader, ask.host)
            await self._carry(first, reader, writer, far_reader, far_writer, ask)
        finally:
            await _close(far_writer)
            self.journal.ended(
                str(ask.host),
                self.journal.sent_bytes - sent,
                self.journal.received_bytes - received,
            )

    async def _connect(self, host: Host) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """To the first address that answers, of a name all of whose addresses are fine."""
        addresses = await self._addresses(host)
        for address in addresses:
            if (refusal := self.rules.refuse_address(host, address)) is not None:
                raise DeniedError(str(host), refusal)
        for address in addresses[:MAX_ADDRESSES]:
            with suppress(OSError, TimeoutError):
                reader, writer = await asyncio.wait_for(
                    asyncio.open_connection(address, host.port), CONNECT_S
                )
                self.journal.allowed(str(host), address)
                return reader, writer
        why = "no address of it answers" if addresses else "the name leads nowhere"
        answer = _response("502 Bad Gateway", f"{host}: {why}\n")
        raise DeniedError(str(host), Refusal(f"allowed, but {why}"), answer)

    async def _addresses(self, host: Host) -> tuple[str, ...]:
        loop = asyncio.get_running_loop()
        lookup = loop.run_in_executor(self._lookups, self.resolve, host.name, host.port)
        try:
            return await asyncio.wait_for(lookup, RESOLVE_S)
        except (OSError, TimeoutError, UnicodeError):
            return ()

    async def _carry(
        self,
        first: bytes,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        far_reader: asyncio.StreamReader,
        far_writer: asyncio.StreamWriter,
        ask: Ask,
    ) -> None:
        """Both ways until both ended; of a document's client nothing more is heard."""
        self._send(first)
        far_writer.write(first)
        ways = [_pump(far_reader, writer, self._receive)]
        if ask.tunnel:
            ways.append(_pump(reader, far_writer, self._send))
        tasks = [asyncio.create_task(way) for way in ways]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        if any(isinstance(end, _ExhaustedError) for end in ended):
            raise DeniedError(str(ask.host), Refusal("the setup has carried too much"), b"")

    def _send(self, chunk: bytes) -> None:
        self.journal.sent_bytes += len(chunk)
        if self.journal.sent_bytes > self.sent_bytes:
            raise _ExhaustedError

    def _receive(self, chunk: bytes) -> None:
        self.journal.received_bytes += len(chunk)
        if self.journal.received_bytes > self.received_bytes:
            raise _ExhaustedError


class _ExhaustedError(Exception):
    """A cap on bytes is reached."""


async def _cut() -> None:
    """End all other tasks of the loop, those that asyncio makes to accept a client included."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


async def _read(reader: asyncio.StreamReader) -> Ask:
    try:
        return read_ask(await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), HEAD_S))
    except MalformedError as error:
        answer = _response("400 Bad Request", f"{error}\n")
        raise DeniedError(error.host, Refusal(str(error)), answer) from error
    except asyncio.LimitOverrunError as error:
        answer = _response("431 Request Header Fields Too Large", "")
        raise DeniedError("-", Refusal("a request that is too long"), answer) from error
    except (asyncio.IncompleteReadError, TimeoutError) as error:
        answer = _response("408 Request Timeout", "")
        raise DeniedError("-", Refusal("no whole request"), answer) from error


async def _hello(reader: asyncio.StreamReader, host: Host) -> bytes:
    """The tunnel's first bytes, once they name the server."""
    said = b""
    try:
        async with asyncio.timeout(HELLO_S):
            while (name := server_name(said)) is None:
                chunk = await reader.read(CHUNK_BYTES)
                if not chunk:
                    raise EOFError
                said += chunk
    except NotTlsError as error:
        raise DeniedError(str(host), Refusal(str(error)), UNKNOWN_NAME) from error
    if name != host.name:
        why = f"a tunnel to {host.name} asks for {name[:253]!a}"
        raise DeniedError(str(host), Refusal(why), UNKNOWN_NAME)
    return said


async def _pump(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, count: Callable[[bytes], None]
) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
        count(chunk)
        writer.write(chunk)
        await writer.drain()
    writer.write_eof()


async def _close(writer: asyncio.StreamWriter) -> None:
    """What was written is sent, for as long as that may take; then it is cut."""
    writer.close()
    try:
        await asyncio.wait_for(writer.wait_closed(), CLOSE_S)
    except (OSError, TimeoutError):
        pass
    finally:
        writer.transport.abort()


def _response(status: str, text: str) -> bytes:
    body = text.encode()
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: text/plain\r\ncontent-length: {len(body)}\r\n"
        "connection: close\r\n\r\n"
    ).encode() + body
