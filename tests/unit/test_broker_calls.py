"""Tool calls as the broker sees them: bounded, by digest, each answered once."""

from __future__ import annotations

import hashlib
import json

import pytest

from runner.broker import calls as module
from runner.broker.calls import MISSED, Calls
from runner.broker.request import rebuild
from runner.broker.rules import Rules
from runner.broker.stream import Tap
from runner.completeness import unreceipted


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def function(name: str, arguments: object, call_id: str = "c1", **more: str) -> dict[str, object]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": text, **more}


@pytest.mark.parametrize(
    ("item", "tool", "code"),
    [
        (function("exec_command", {"cmd": "ls", "workdir": "/work"}), "Bash", "ls"),
        (function("exec_command", {"cmd": ""}), "Bash", ""),
        (function("exec_command", {"cmd": 7}), "Bash", '{"cmd": 7}'),
        (function("exec_command", "{"), "exec_command", "{"),
        (function("exec_command", "[" * 100_000), "exec_command", "[" * 100_000),
        (function("exec_command", "[]"), "Bash", "[]"),
        (function("write_stdin", {"session_id": 1, "chars": "x"}), "write_stdin", "x"),
        (
            function("add", {"b": 1, "a": 2}, namespace="mcp__calc"),
            "mcp__calc__add",
            '{"a":2,"b":1}',
        ),
        ({"type": "custom_tool_call", "name": "apply_patch", "input": "***"}, "apply_patch", "***"),
        ({"type": "local_shell_call", "action": {}}, "local_shell_call", ""),
        ({"type": "function_call", "name": ["x"], "arguments": "{}"}, "function_call", "{}"),
    ],
)
def test_a_call_is_named_as_the_gate_is_asked(
    item: dict[str, object], tool: str, code: str
) -> None:
    calls = Calls()
    calls.ask(item)
    (call,) = calls.told()
    assert (call.tool, call.code_sha256) == (tool, sha256(code))
    assert call.answer is None and not call.inert


def test_to_look_and_to_interrupt_is_inert_and_to_type_is_not() -> None:
    calls = Calls()
    calls.ask(function("write_stdin", {"session_id": 1}))
    calls.ask(function("write_stdin", {"session_id": 1, "chars": ""}))
    calls.ask(function("write_stdin", {"session_id": 1, "chars": "\x03"}))
    calls.ask(function("write_stdin", {"session_id": 1, "chars": "\x03x"}))
    calls.ask(function("exec_command", {"cmd": ""}))
    assert [call.inert for call in calls.told()] == [True, True, True, False, False]


def test_the_same_id_twice_is_two_calls_each_with_its_answer() -> None:
    calls = Calls()
    for command in ("one", "two"):
        calls.ask(function("exec_command", {"cmd": command}))
    calls.answer([("c1", "first")])
    calls.answer([("c1", "first"), ("c1", "second")])
    assert [call.answer for call in calls.told()] == ["first", "second"]
    assert calls.told()[0].output_sha256 == sha256("first")


@pytest.mark.parametrize("forged_first", [False, True])
def test_of_two_answers_that_differ_none_is_believed(forged_first: bool) -> None:
    """Whoever reaches the broker's socket can send one before codex does."""
    real, forged = "Chunk ID: 1 " + "x" * 500, "Command blocked by PreToolUse hook"
    calls = Calls()
    calls.ask(function("exec_command", {"cmd": "one"}))
    calls.answer([("c1", real)])
    calls.answer([("c1", real)])
    (call,) = calls.told()
    assert call.answer == real[: module.ANSWER_CHARS] and call.output_sha256 == sha256(real)
    calls = Calls()
    calls.ask(function("exec_command", {"cmd": "one"}))
    for output in (forged, real) if forged_first else (real, forged):
        calls.answer([("c1", output)])
    (call,) = calls.told()
    assert call.answer == module.ANOTHER
    assert [*unreceipted(calls.told(), [], ())]


def test_an_answer_to_a_call_that_was_not_seen_is_a_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Codex read a call where the tap did not: it did it, or it would have nothing to answer."""
    monkeypatch.setattr(module, "MOST_STRAYS", 2)
    calls = Calls()
    calls.ask(function("exec_command", {"cmd": "one"}))
    calls.answer([("c1", "first"), ("c1", "second"), ("other", "x"), ("third", "x")])
    known, *strays = calls.told()
    assert known.answer == "first"
    assert [(each.id, each.tool, each.answer) for each in strays] == [
        ("c1", "", "second"),
        ("other", "", "x"),
    ]


@pytest.mark.parametrize(
    "spelled",
    [
        'data: {"type":"response.output_item.d\\u006fne","item":ITEM}\n\n',
        'data: {"type":"response.output_item.done",\ndata: "item":ITEM}\n\n',
        'event: x\rdata: {"type":"response.output_item.done","item":ITEM}\r\r',
    ],
    ids=["escaped", "lines", "returns"],
)
def test_a_stream_that_is_spelled_oddly_hides_no_call(spelled: str) -> None:
    calls = Calls()
    item = json.dumps(function("exec_command", {"cmd": "ls"}))
    Tap(calls.ask).feed(spelled.replace("ITEM", item).encode())
    assert not calls.told()
    calls.answer([("c1", "Chunk ID: 1\nProcess exited with code 0")])
    assert [*unreceipted(calls.told(), [], ())]


def test_what_cannot_be_followed_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CALLS", 2)
    calls = Calls()
    for number in range(3):
        calls.ask(function("exec_command", {"cmd": "x"}, str(number)))
    *known, missed = calls.told()
    assert len(known) == 2 and missed.answer == MISSED


def test_calls_are_heard_out_of_the_stream_before_it_ends() -> None:
    calls = Calls()
    tap = Tap(calls.ask)
    item = function("exec_command", {"cmd": "ls"})
    event = {"type": "response.output_item.done", "item": item}
    tap.feed(f"data: {json.dumps(event)}\n\n".encode())
    assert [call.tool for call in calls.told()] == ["Bash"]


def test_answers_are_read_out_of_a_request_that_may_be_sent() -> None:
    body = {
        "model": "m",
        "stream": True,
        "input": [
            {"type": "function_call_output", "call_id": "c1", "output": "text"},
            {
                "type": "custom_tool_call_output",
                "call_id": "c2",
                "output": [
                    {"type": "input_text", "text": "a"},
                    {"type": "input_text", "text": "b"},
                ],
            },
        ],
    }
    ask = rebuild(json.dumps(body).encode(), Rules("m", "m", ()))
    assert ask.outputs == (("c1", "text"), ("c2", "a\nb"))
