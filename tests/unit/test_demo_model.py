"""The scripted model, asked over a plain connection."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from runner.demo.model import (
    KEY,
    Cut,
    Patch,
    Say,
    ScriptedModel,
    Shell,
    Stall,
    Status,
    Tokens,
    verdict,
)

OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "ok"}
PATCHED = {"type": "custom_tool_call_output", "call_id": "call_2", "output": "ok"}
PROMPT = "Judge.\nnonce: 0a1b\ntree: " + "c" * 40 + "\nportion: 1/1\n+nonce: ffff\n"


def post(
    model: ScriptedModel, body: object, path: str = "/responses", key: str = KEY
) -> tuple[int, bytes]:
    url = urlsplit(model.url)
    connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=10)
    try:
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        connection.request("POST", url.path + path, json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


def events(answer: bytes) -> list[dict[str, Any]]:
    found = []
    for block in answer.decode().split("\n\n")[:-1]:
        name, data = block.split("\n")
        event = json.loads(data.removeprefix("data: "))
        assert name == f"event: {event['type']}"
        found.append(event)
    return found


def item(answer: bytes) -> dict[str, Any]:
    (found,) = [e["item"] for e in events(answer) if e["type"] == "response.output_item.done"]
    assert isinstance(found, dict)
    return found


def test_the_step_is_the_number_of_tool_outputs() -> None:
    with ScriptedModel([Shell("ls"), Patch("*** Begin Patch"), Say("Done.")]) as model:
        first, again = (item(post(model, {"input": []})[1]) for _ in range(2))
        second = item(post(model, {"input": [OUTPUT]})[1])
        third = item(post(model, {"input": [OUTPUT, PATCHED]})[1])
        beyond = item(post(model, {"input": [OUTPUT, PATCHED, OUTPUT]})[1])
    assert first["name"] == again["name"] == "exec_command"
    assert json.loads(first["arguments"]) == {"cmd": "ls"}
    assert (second["name"], second["input"]) == ("apply_patch", "*** Begin Patch")
    assert third["content"][0]["text"] == beyond["content"][0]["text"] == "Done."
    assert len(model.requests) == 5


def test_usage_is_reported() -> None:
    with ScriptedModel(tokens=Tokens(1000, 400, 50)) as model:
        _, answer = post(model, {"input": []})
    usage = events(answer)[-1]["response"]["usage"]
    assert (usage["input_tokens"], usage["output_tokens"]) == (1000, 50)
    assert usage["input_tokens_details"] == {"cached_tokens": 400}


def test_only_its_key_and_path_are_served() -> None:
    with ScriptedModel() as model:
        assert post(model, {}, key="wrong")[0] == 401
        assert post(model, {}, path="/files")[0] == 404
        assert [heard.path for heard in model.requests] == ["/v1/responses", "/v1/files"]


@pytest.mark.parametrize("code", [400, 403, 429, 500])
def test_errors(code: int) -> None:
    with ScriptedModel([Status(code, "no")]) as model:
        status, answer = post(model, {"input": []})
    assert (status, json.loads(answer)["error"]["message"]) == (code, "no")


def test_a_cut_stream_has_no_end() -> None:
    with ScriptedModel([Cut()]) as model:
        _, answer = post(model, {"input": []})
    assert [event["type"] for event in events(answer)] == ["response.created"]


@pytest.mark.parametrize("where", ["headers", "stream"])
def test_leaving_ends_a_stall(where: Any) -> None:
    with ScriptedModel([Stall(where)]) as model:
        url = urlsplit(model.url)
        connection = http.client.HTTPConnection(str(url.hostname), url.port, timeout=10)
        connection.request("POST", "/v1/responses", "{}", {"Authorization": f"Bearer {KEY}"})
        if where == "stream":
            assert connection.getresponse().readline() == b"event: response.created\n"
    connection.close()


def test_a_request_for_json_is_a_reviewers() -> None:
    asked = {
        "text": {"format": {"type": "json_schema"}},
        "input": [
            {"role": "user", "content": [{"text": "nonce: dead"}]},
            {"role": "user", "content": [{"text": PROMPT}]},
        ],
    }
    with ScriptedModel([Shell("ls")]) as model:
        answer = json.loads(item(post(model, asked)[1])["content"][0]["text"])
    assert answer == {
        "nonce": "0a1b",
        "tree": "c" * 40,
        "portion": "1/1",
        "planted": None,
        "findings": [],
        "summary": "The change does what the task asks and nothing else.",
        "verdict": "approve",
    }


def test_a_rejection_says_why() -> None:
    answer = json.loads(verdict(PROMPT, "reject", "wrong"))
    assert (answer["verdict"], answer["findings"][0]["rationale"]) == ("reject", "wrong")
