"""The JSON lines of codex, read as if an enemy had written them."""

from __future__ import annotations

import hashlib
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.agent.events import LINE_BYTES, MALFORMED, TEXT_BYTES, EventParser, clean, read_event
from runner.records.agent import AgentEvent

STREAM = b"""\
{"type":"thread.started","thread_id":"01a1"}
{"type":"turn.started"}
{"type":"item.started","item":{"id":"i1","type":"command_execution","command":"ls","exit_code":null}}
{"type":"item.completed","item":{"id":"i1","type":"command_execution","command":"ls","exit_code":3}}
{"type":"item.completed","item":{"type":"file_change","changes":[{"path":"/w/a"},{"path":"/w/b"}]}}
{"type":"item.completed","item":{"type":"mcp_tool_call","server":"calc","tool":"add"}}
{"type":"item.started","item":{"id":"i3","type":"web_search","id":"ws_1","query":"rust news"}}
{"type":"item.updated","item":{"type":"todo_list","items":[{"text":"one"},{"text":"two"}]}}
{"type":"item.completed","item":{"type":"reasoning","text":"thinking"}}
{"type":"item.completed","item":{"type":"agent_message","text":"done"}}
{"type":"item.completed","item":{"type":"error","message":"a warning"}}
{"type":"error","message":"Reconnecting... 1/2"}
{"type":"turn.failed","error":{"message":"403"}}
{"type":"turn.completed","usage":{"input_tokens":1}}
{"type":"item.completed","item":{"type":"hologram"}}
{"type":"something.new"}
"""


def parse(stream: bytes, size: int) -> list[AgentEvent]:
    parser = EventParser()
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
    return [event for chunk in chunks for event in parser.feed(chunk)] + list(parser.close())


def test_every_kind_is_told() -> None:
    told = [(e.kind, e.phase, e.text, e.exit_code) for e in parse(STREAM, 7)]
    assert told == [
        ("thread", "started", "01a1", None),
        ("turn", "started", "", None),
        ("command", "started", "ls", None),
        ("command", "completed", "ls", 3),
        ("file_change", "completed", "/w/a, /w/b", None),
        ("tool", "completed", "add", None),
        ("search", "started", "rust news", None),
        ("plan", "updated", "one, two", None),
        ("reasoning", "completed", "thinking", None),
        ("message", "completed", "done", None),
        ("error", "completed", "a warning", None),
        ("error", "completed", "Reconnecting... 1/2", None),
        ("failed", "completed", "403", None),
        ("turn", "completed", "", None),
        ("unknown", "completed", "hologram", None),
        ("unknown", "completed", "something.new", None),
    ]


def test_items_keep_their_names() -> None:
    assert [event.item for event in parse(STREAM, 7)[2:4]] == ["i1", "i1"]


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ('{"error": {"message": "no such model", "code": "x"}}', "no such model"),
        ('unexpected status 400: {"error": {"message": "too long"}}', "too long"),
        ('{"error": {"message": 3}}', '{"error": {"message": 3}}'),
        ('{"error": "text"}', '{"error": "text"}'),
        ("[{", "[{"),
        ("plain", "plain"),
    ],
)
def test_an_answer_of_upstream_is_told_in_its_own_words(message: str, told: str) -> None:
    failed = json.dumps({"type": "turn.failed", "error": {"message": message}})
    assert read_event(failed.encode()).text == told
    assert read_event(json.dumps({"type": "error", "message": message}).encode()).text == told


@pytest.mark.parametrize("size", [1, 2, 64, 100_000])
def test_the_cut_of_the_chunks_does_not_matter(size: int) -> None:
    assert parse(STREAM, size) == parse(STREAM, 33)


@pytest.mark.parametrize(
    "line",
    [
        b"not json",
        b"\xff\xfe{}",
        b'{"type":"turn.completed"',
        b"[]",
        b'"text"',
        b"null",
        b'{"n":' + b"9" * 5000 + b"}",
        b"[" * 50_000,
        b'{"a":' * 50_000,
    ],
)
def test_what_is_not_an_object_is_malformed(line: bytes) -> None:
    assert read_event(line) == MALFORMED


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (b'{"type":"turn.completed","usage":{"input_tokens":NaN,"x":-1,"y":1e999}}', "turn"),
        (b'{"type":"item.completed","item":"text"}', "unknown"),
        (b'{"type":"item.exploded","item":{}}', "unknown"),
        (b'{"type":["turn.completed"]}', "unknown"),
        (b'{"type":"error","message":{"deep":1}}', "error"),
        (
            b'{"type":"item.completed","item":{"type":"file_change","changes":[1,null]}}',
            "file_change",
        ),
        (b"{}", "unknown"),
    ],
)
def test_odd_objects_are_survived(line: bytes, kind: str) -> None:
    assert read_event(line).kind == kind


@pytest.mark.parametrize("code", ["true", "1.0", '"0"', "NaN", "9" * 30, "[0]"])
def test_an_exit_code_is_a_small_integer_or_nothing(code: str) -> None:
    line = f'{{"type":"item.completed","item":{{"type":"command_execution","exit_code":{code}}}}}'
    assert read_event(line.encode()).exit_code is None


def test_text_is_escaped_and_capped() -> None:
    hostile = "\x1b]52;c;Y2Fu\x07\r\n\x9b31m\u202e\u2066\x7f\ud800é"
    line = json.dumps({"type": "error", "message": hostile}).encode()
    text = read_event(line).text
    assert text.isprintable()
    assert text == r"\x1b]52;c;Y2Fu\x07\n\x9b31m\u202e\u2066\x7f\ud800é"
    assert len(clean("\x1b" * 1_000_000).encode()) <= TEXT_BYTES
    assert len(clean("é" * 1_000_000).encode()) <= TEXT_BYTES


def test_an_endless_line_is_dropped_in_bounded_memory_and_the_next_one_is_read() -> None:
    parser = EventParser()
    tracemalloc.start()
    for _ in range(64):
        assert list(parser.feed(b"A" * 1024 * 1024)) == []
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 4 * LINE_BYTES
    kinds = [event.kind for event in parser.feed(b'\n{"type":"turn.started"}\n')]
    assert kinds == ["malformed", "turn"]


def test_a_line_of_the_length_codex_prints_is_read() -> None:
    item = {"type": "command_execution", "command": "x", "aggregated_output": "a" * 1024 * 1024}
    line = json.dumps({"type": "item.completed", "item": item}).encode()
    assert read_event(line).kind == "command"
    assert parse(line + b"\n", 65536)[0].text == "x"


@given(st.lists(st.binary(max_size=200), max_size=20))
def test_any_bytes_are_survived(chunks: list[bytes]) -> None:
    parser = EventParser()
    events = [event for chunk in chunks for event in parser.feed(chunk)] + list(parser.close())
    assert len(events) <= b"".join(chunks).count(b"\n") + 1


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["type", "item", "text", "changes", "exit_code", "error", "message"]
                ),
                inner | st.sampled_from(["item.completed", "error", "file_change", "todo_list"]),
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_any_json_is_survived(value: object) -> None:
    assert read_event(json.dumps(value).encode()).text.isprintable()


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("/bin/sh -c ls", "ls"),
        ("/usr/bin/bash -lc 'make all'", "make all"),
        ('/bin/sh -c "echo \\"it\'s\\" \\\\n"\'$HOME\'', 'echo "it\'s" \\n$HOME'),
        ("ls", "ls"),
        ("/bin/sh -x ls", "/bin/sh -x ls"),
        ("/bin/sh -c 'open", "/bin/sh -c 'open"),
    ],
)
def test_of_a_command_the_words_that_were_asked_for_are_told(command: str, code: str) -> None:
    item = {"type": "command_execution", "command": command}
    event = read_event(json.dumps({"type": "item.started", "item": item}).encode())
    assert event.code_sha256 == hashlib.sha256(code.encode()).hexdigest()
