"""The bytes on their way back: the key removed wherever chunks divide it, usage read beside."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.broker import stream
from runner.broker.spent import Spent
from runner.broker.stream import Tap
from runner.redact import REDACTED, Redactor
from runner.sandbox.command import Tail

SECRET = b"sk-sk-abc"


def redact(chunks: list[bytes]) -> bytes:
    redactor = Redactor((SECRET,))
    return b"".join([*map(redactor.feed, chunks), redactor.close()])


def divided(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    return [data[a:b] for a, b in pairwise(edges)]


pieces = st.lists(st.sampled_from([SECRET, b"sk-", b"s", b"k", b"abc", b"\n", SECRET[:5]]))


@given(pieces, st.lists(st.integers(0, 80)))
def test_the_key_is_removed_however_it_is_divided(parts: list[bytes], cuts: list[int]) -> None:
    data = b"".join(parts)
    assert redact(divided(data, cuts)) == data.replace(SECRET, REDACTED)


@given(
    st.lists(st.sampled_from([SECRET, b"token-12", b"sk-", b"token", b"-", b"12"])),
    st.lists(st.integers(0, 80)),
)
def test_every_credential_is_removed(parts: list[bytes], cuts: list[int]) -> None:
    redactor = Redactor((SECRET, b"token-12"))
    chunks = divided(b"".join(parts), cuts)
    clean = b"".join([*map(redactor.feed, chunks), redactor.close()])
    plain = b"".join(parts).replace(SECRET, REDACTED)
    assert clean == plain.replace(b"token-12", REDACTED)


def test_nothing_is_held_back_that_cannot_be_the_key() -> None:
    redactor = Redactor((SECRET,))
    assert redactor.feed(b"data: {}\n\n") == b"data: {}\n\n"
    assert redactor.feed(b"..sk-s") == b".."


def event(kind: str, **more: object) -> bytes:
    return f"event: {kind}\r\ndata: {json.dumps({'type': kind, **more})}\r\n\r\n".encode()


def said(text: str) -> bytes:
    item = {"type": "message", "content": [{"type": "output_text", "text": text}]}
    return event("response.output_item.done", item=item)


USAGE = {"input_tokens": 100, "input_tokens_details": {"cached_tokens": 40}, "output_tokens": 20}
STREAM = (
    event("response.created")
    + event("response.output_text.delta", delta='say "response.completed"')
    + said("first")
    + said("läst")
    + event("response.completed", response={"usage": USAGE})
)


@pytest.mark.parametrize(
    ("response", "served"),
    [({"model": "m-1"}, "m-1"), ({}, ""), ({"model": 1}, ""), ({"model": "m" * 999}, "m" * 200)],
)
def test_the_model_that_answered_is_heard(response: dict[str, object], served: str) -> None:
    tap = Tap()
    tap.feed(event("response.created", response={"model": "another"}))
    tap.feed(event("response.completed", response=response))
    assert tap.served == served


@given(st.lists(st.integers(0, len(STREAM))))
def test_events_are_read_however_they_are_divided(cuts: list[int]) -> None:
    tap = Tap()
    for chunk in divided(STREAM, cuts):
        tap.feed(chunk)
    assert (tap.ended, tap.message) == ("response.completed", "läst")
    assert (tap.spent, tap.unread) == (Spent(100, 40, 20), 0)


def test_calls_of_tools_are_counted() -> None:
    tap = Tap()
    for kind in ("function_call", "custom_tool_call", "local_shell_call", "apply_patch_call"):
        tap.feed(event("response.output_item.done", item={"type": kind}))
    for other in ("message", "reasoning", "web_search_call", 7, None, ["function_call"]):
        tap.feed(event("response.output_item.done", item={"type": other}))
    assert tap.calls == 4


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        [],
        {"input_tokens": -1, "output_tokens": 1},
        {"input_tokens": True, "output_tokens": 1},
        {"input_tokens": 1.5, "output_tokens": 1},
        {"input_tokens": 1, "output_tokens": 1, "input_tokens_details": {"cached_tokens": "x"}},
    ],
)
def test_usage_that_makes_no_sense_is_none(usage: object) -> None:
    tap = Tap()
    tap.feed(event("response.completed", response={"usage": usage}))
    assert (tap.ended, tap.spent) == ("response.completed", None)


@pytest.mark.parametrize(
    "line",
    [
        b'data: {"type":"response.completed"',
        b'data: ["response.completed"]',
        b'data: {"type":"response.completed","response":[]}' + b"[" * 9,
        b'data: "response.completed" ' + b"[" * 100_000,
        b'data: {"type":["response.completed"]}',
        b'data: {"type":"response.output_item.done","item":7}',
        b'data: {"type":"response.output_item.done","item":{"type":"message","content":7}}',
        b'"type":"response.completed"',
        b"\xff\xfe",
    ],
)
def test_garbage_is_no_end(line: bytes) -> None:
    tap = Tap()
    tap.feed(line + b"\n\n")
    assert (tap.ended, tap.spent) == (None, None)


def test_a_huge_event_passes_unread_and_the_next_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_EVENT_BYTES", 1000)
    tap = Tap()
    for _ in range(5):
        tap.feed(b'data: {"type":"response.completed","x":"' + b"A" * 300)
    tap.feed(b'"}\n\n' + said("after"))
    assert (tap.ended, tap.unread, tap.message) == (None, 1, "after")


def test_the_message_is_capped() -> None:
    tap = Tap()
    tap.feed(said("é" * 70_000))
    assert tap.message is not None
    assert len(tap.message.encode()) <= 64 * 1024


@given(
    st.lists(st.sampled_from([b"glpat-AAAA", b"-longer", b"glpat-AAAA-longer", b"glpat", b" x"])),
    st.lists(st.integers(0, 80)),
)
def test_one_that_begins_another_leaves_nothing_of_it(parts: list[bytes], cuts: list[int]) -> None:
    short, long = b"glpat-AAAA", b"glpat-AAAA-longer"
    data = b"".join(parts)
    plain = data.replace(long, REDACTED).replace(short, REDACTED)
    for held in ((short, long), (long, short)):
        redactor = Redactor(held)
        assert b"".join([*map(redactor.feed, divided(data, cuts)), redactor.close()]) == plain


def test_a_log_keeps_no_end_of_a_longer_credential(tmp_path: Path) -> None:
    log = tmp_path / "setup.log"
    tail = Tail(log, lambda: None, (b"glpat-AAAA", b"glpat-AAAA-longer"))
    for chunk in (b"got glpat-AA", b"AA", b"-longer and glpat-AAAA", b".\n"):
        tail.stdout(chunk)
    tail.close()
    assert log.read_bytes() == tail.tail == b"got [credential] and [credential].\n"
