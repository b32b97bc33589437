"""The secret scanner as its owner sees it: start it early, ask it, close it."""

from __future__ import annotations

import json
import os
import secrets
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from runner.errors import InfraError
from runner.gates import rule_cache
from runner.process import Child, clean_env, kill_group, spawn
from runner.records.scan import Hit, Sample, Scanned

WORKER = (sys.executable, "-I", "-m", "runner.gates.scan_worker")
REPLY_BYTES = 256 * 1024 * 1024
KEY_BYTES = 32


class Scanner:
    """One scanner process. Not for two threads at once; `start` may be called by another one.

    `state` is a directory of the runner that no agent can write: it keeps the compiled rules and
    the key that makes digests of secrets comparable between runs but not guessable by others.
    Compiled rules may come from another state directory of the same user (`rule_cache`).
    """

    def __init__(self, state: Path, argv: Sequence[str] = WORKER) -> None:
        self._state = state
        self._argv = tuple(argv)
        self._child: Child | None = None
        self.cold = False
        """Its rules are being compiled, which takes seconds."""

    def __enter__(self) -> Scanner:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Returns at once; the rules load while the caller does something else.

        Raises:
            InfraError: the state directory or the process could not be made.
        """
        if self._child is not None:
            return
        rules = self._state / "rules"
        try:
            self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
            rules.mkdir(mode=0o700, exist_ok=True)
            rule_cache.fetch(rules)
            key = _key(self._state / "digest.key")
        except OSError as error:
            raise _broken(f"{error.filename}: {error.strerror}") from error
        self.cold = rule_cache.is_cold(rules)
        self._child = spawn(self._argv, env=clean_env())
        greeting = {"cache": str(rules), "key": key.hex()}
        with suppress(BrokenPipeError):  # said by the first scan, with the reason
            _send(self._child, json.dumps(greeting).encode())

    def scan(self, sample: Sample, within_s: float) -> Scanned | None:
        """What is in the sample and not in its base; None = it took longer than that.

        Raises:
            InfraError: the scanner is not there or died. Never an empty answer.
        """
        self.start()
        child = self._child
        assert child is not None
        head = json.dumps({"data": len(sample.data)}).encode()
        late = threading.Event()
        watchdog = threading.Timer(within_s, _end, (child.pid, late))
        watchdog.start()
        try:
            with suppress(BrokenPipeError):  # it died: what it said before is still to be read
                _send(child, head + b"\n" + sample.data + sample.base)
            reply = _receive(child)
        finally:
            watchdog.cancel()
            watchdog.join()
        if late.is_set():
            self.close()
            return None
        if reply is None:
            raise self._died()
        scanned = _scanned(reply)
        if self.cold:  # they work: the next state directory need not compile them
            self.cold = False
            rule_cache.keep(self._state / "rules")
        return scanned

    def close(self) -> None:
        """The process is gone when this returns; closing twice is fine."""
        child, self._child = self._child, None
        if child is None:
            return
        if child.returncode is None:  # once it is waited for, its number may be another's
            kill_group(child.pid)
            child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()

    def _died(self) -> InfraError:
        child = self._child
        assert child is not None and child.stderr is not None
        kill_group(child.pid)
        code = child.wait()
        lines = child.stderr.read().decode(errors="replace").strip().splitlines()
        self.close()
        return _broken(lines[-1] if lines else f"its process ended with status {code}")


def _key(path: Path) -> bytes:
    """Made once, complete or not at all, also when two runs start together."""
    if not path.exists():
        draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(KEY_BYTES))
        with suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    return path.read_bytes()


def _end(group: int, late: threading.Event) -> None:
    late.set()
    kill_group(group)


def _send(child: Child, frame: bytes) -> None:
    assert child.stdin is not None
    rest = memoryview(len(frame).to_bytes(8, "big") + frame)
    while rest:
        rest = rest[os.write(child.stdin.fileno(), rest) :]


def _receive(child: Child) -> bytes | None:
    head = _read(child, 8)
    size = int.from_bytes(head, "big")
    if len(head) < 8 or size > REPLY_BYTES:
        return None
    body = _read(child, size)
    return body if len(body) == size else None


def _read(child: Child, size: int) -> bytes:
    assert child.stdout is not None
    out = bytearray()
    while len(out) < size and (
        chunk := os.read(child.stdout.fileno(), min(size - len(out), 1 << 20))
    ):
        out += chunk
    return bytes(out)


def _scanned(reply: bytes) -> Scanned:
    head, _, body = reply.partition(b"\n")
    try:
        answer = json.loads(head)
        if "error" in answer:
            raise _broken(str(answer["error"]))
        hits = tuple(Hit(**hit) for hit in answer["hits"])
        sizes = [int(size) for size in answer["unfolded"]]
    except (ValueError, KeyError, TypeError) as error:
        raise _broken("its process gave an answer that makes no sense") from error
    unfolded: list[bytes] = []
    for size in sizes:
        unfolded.append(body[:size])
        body = body[size:]
    return Scanned(hits, tuple(unfolded))


def _broken(why: str) -> InfraError:
    return InfraError(
        f"the secret scanner does not work: {why}",
        "reinstall `kingfisher-secret-scanner`; nothing is published unscanned",
    )
