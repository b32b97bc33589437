"""A recording answers the same session again, and no other."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from runner.broker.recording import Recording, Replay, Reply, write_exchange
from runner.errors import ConfigError

NONCE, OTHER = "0123456789abcdef0", "fedcba98765432100"


def request(text: str = "Fix it. nonce: " + NONCE, *, model: str = "m", **more: Any) -> bytes:
    said = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}
    call = {"type": "function_call_output", "call_id": "call_1", "output": "took 3 s", **more}
    return json.dumps({"model": model, "input": [said, call]}).encode()


@pytest.fixture
def kept(tmp_path: Path) -> Path:
    recording = Recording(tmp_path / "kept")
    for body in (b"data: nonce " + NONCE.encode(), b"data: \xff\n"):
        with recording.begin() as file:
            headers = {"content-type": "text/event-stream", "set-cookie": "CANARY"}
            write_exchange(file, request(), Reply(200, headers, body))
    return tmp_path / "kept"


def test_the_same_session_gets_the_same_answers_with_its_own_nonce(kept: Path) -> None:
    replay = Replay(kept)
    first = replay.answer(request("Fix it. nonce: " + OTHER, output="took 4.5 s"))
    assert first == Reply(
        200, {"content-type": "text/event-stream"}, b"data: nonce " + OTHER.encode()
    )
    second = replay.answer(request())
    assert isinstance(second, Reply) and second.body == b"data: \xff\n"
    assert replay.answer(request()) == "request 3: the recording ends before it"


@pytest.mark.parametrize(
    ("other", "why"),
    [
        (request(model="n"), "model n, recorded m"),
        (request("Break it. nonce: " + NONCE), "input[0], message user, has another text"),
        (request(call_id="call_2"), "input[1] is function_call_output call_2, recorded function_c"),
        (request(type="message", content=[]), "input[1] is message call_1, recorded function_call"),
        (json.dumps({"model": "m", "input": []}).encode(), "0 items of input, recorded 2"),
    ],
)
def test_another_session_is_told_at_its_first_difference(
    kept: Path, other: bytes, why: str
) -> None:
    answer = Replay(kept).answer(other)
    assert isinstance(answer, str) and answer.startswith("request 1: " + why)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"status": 200}', '{"request": 1}'])
def test_a_damaged_recording_is_none(kept: Path, content: str) -> None:
    (kept / "0002.json").write_text(content)
    with pytest.raises(ConfigError, match=r"0002\.json: not a recorded exchange"):
        Replay(kept)


def test_a_recording_needs_a_directory_of_its_own(kept: Path) -> None:
    assert kept.stat().st_mode & 0o077 == 0
    assert (kept / "0001.json").stat().st_mode & 0o077 == 0
    assert "CANARY" not in (kept / "0001.json").read_text()
    with pytest.raises(ConfigError, match="is not empty"):
        Recording(kept)
    with pytest.raises(ConfigError, match="cannot record"):
        Recording(kept / "0001.json")
    with pytest.raises(ConfigError, match="holds no recording"):
        Replay(kept / "absent")


GOOD: dict[str, Any] = {
    "status": 200,
    "headers": {"content-type": "text/event-stream"},
    "request": {"model": "m", "input": []},
    "response": "",
}


@pytest.mark.parametrize(
    "wrong",
    [
        {"status": -1},
        {"status": 7},
        {"status": 100},
        {"status": 600},
        {"status": True},
        {"status": "200"},
        {"headers": {"content-type": "a\r\nset-cookie: b"}},
        {"headers": {"content-type": "\u2028"}},
        {"headers": {"content-type": 1}},
        {"headers": {"transfer-encoding": "chunked"}},
        {"headers": []},
        {"request": {"input": []}},
        {"request": {"model": 1, "input": []}},
        {"request": {"model": "m", "input": ["x"]}},
        {"request": {"model": "m", "input": [{"role": "user"}]}},
        {"request": {"model": "m", "input": [{"type": "message", "content": [1]}]}},
        {"request": []},
        {"response": 1},
        {"response": "\ud800"},
    ],
)
def test_a_hostile_recording_is_none(tmp_path: Path, wrong: dict[str, Any]) -> None:
    kept = tmp_path / "0001.json"
    kept.write_text(json.dumps(GOOD))
    assert isinstance(Replay(tmp_path).answer(b'{"model": "m", "input": []}'), Reply)
    kept.write_text(json.dumps({**GOOD, **wrong}))
    with pytest.raises(ConfigError, match="not a recorded exchange"):
        Replay(tmp_path)


@pytest.mark.parametrize(
    "asked", ["", "[]", "{}", '{"model": "m", "input": [{"role": "user"}]}', "[" * 100_000]
)
def test_a_broken_request_is_told_not_a_crash(tmp_path: Path, asked: str) -> None:
    (tmp_path / "0001.json").write_text(json.dumps(GOOD))
    assert Replay(tmp_path).answer(asked.encode()) == "request 1: not one to a model"
