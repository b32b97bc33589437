"""What leaves is built from an allow-list; everything else is dropped or refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.broker.refusal import RefusalError
from runner.broker.request import IMAGE_TOKENS, rebuild
from runner.broker.rules import Rules

MODEL = "gpt-5.5"
RULES = Rules(MODEL, MODEL, (b'sk-held/"key"',))
PICTURE = "data:image/png;base64,iVBORw0KGgo="
USER = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hé"}]}
SHELL = {"type": "function", "name": "exec_command", "parameters": {"type": "object"}}
PATCH = {"type": "custom", "name": "apply_patch", "format": {"type": "grammar"}}


def request(**changes: Any) -> dict[str, Any]:
    body = {
        "model": MODEL,
        "stream": True,
        "input": [USER],
        "tools": [SHELL, PATCH],
        "tool_choice": "auto",
        "parallel_tool_calls": True,
        "reasoning": {"effort": "medium", "summary": "auto", "context": "all_turns"},
        "store": False,
        "include": ["reasoning.encrypted_content"],
        "prompt_cache_key": "01a1f88b-f1ed",
        "text": {"verbosity": "low"},
        "client_metadata": {"x-codex-turn-metadata": "git@github.com:me/private"},
    }
    return {**body, **changes}


def encode(value: object) -> bytes:
    return json.dumps(value).encode()


def forwarded(**changes: Any) -> dict[str, Any]:
    body = rebuild(encode(request(**changes)), RULES).body(1000)
    result: dict[str, Any] = json.loads(body)
    return result


def item(kind: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "id": "x_1", "call_id": "call_1", **more}


def test_what_codex_sends_passes_but_for_its_telemetry() -> None:
    expected = {**request(), "max_output_tokens": 1000}
    del expected["client_metadata"]
    assert forwarded() == expected


def test_the_form_is_canonical() -> None:
    spaced = json.dumps(request(), indent=4).encode()
    assert rebuild(spaced, RULES) == rebuild(encode(request()), RULES)
    assert "hé".encode() in rebuild(spaced, RULES).body(16)


HISTORY = [
    USER,
    {"type": "reasoning", "id": "rs_1", "summary": [], "content": None, "encrypted_content": "x"},
    item("function_call", name="exec_command", arguments='{"cmd":"ls"}'),
    item("function_call", name="add", namespace="mcp__calc", arguments="{}"),
    item("function_call_output", output="a.txt"),
    item("custom_tool_call", name="apply_patch", input="*** Begin Patch"),
    item("custom_tool_call_output", output=[{"type": "input_text", "text": "x"}]),
    item("function_call_output", output=[{"type": "input_image", "image_url": PICTURE}]),
    {"type": "additional_tools", "id": "at_1", "role": "developer", "tools": [SHELL]},
    {"type": "compaction", "encrypted_content": "x"},
    {
        "type": "message",
        "role": "assistant",
        "phase": "commentary",
        "content": [{"type": "output_text", "text": "Done."}],
    },
]


def test_a_whole_history_passes() -> None:
    assert forwarded(input=HISTORY)["input"] == HISTORY


def test_a_schema_for_the_answer_passes() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    text = {"format": {"type": "json_schema", "strict": True, "schema": schema, "name": "s"}}
    assert forwarded(text=text)["text"] == text


def test_tools_of_the_provider_are_removed() -> None:
    hosted = [
        {"type": kind}
        for kind in ("web_search", "file_search", "mcp", "code_interpreter", "image_generation")
    ] + [{"type": "computer_use_preview"}, {"type": " mcp"}, {"type": "tool_search"}, {"type": 7}]
    namespace = {"type": "namespace", "name": "n", "tools": [SHELL, *hosted]}
    tools = [*hosted, SHELL, namespace]
    kept = [SHELL, {**namespace, "tools": [SHELL]}]
    extra = {"type": "additional_tools", "role": "developer", "tools": tools}
    sent = forwarded(tools=tools, input=[extra])
    assert sent["tools"] == kept
    assert sent["input"][0]["tools"] == kept


def test_fields_that_are_not_known_are_dropped() -> None:
    tool = {**SHELL, "server_url": "http://evil.invalid", "connector_id": "c"}
    part = {
        "type": "input_image",
        "image_url": PICTURE,
        "file_id": "file-1",
        "file_url": "http://x",
    }
    message = {**USER, "content": [part], "file_url": "http://evil.invalid"}
    sent = forwarded(tools=[tool], input=[message])
    assert sent["tools"] == [SHELL]
    picture = {"type": "input_image", "image_url": PICTURE}
    assert sent["input"] == [{**USER, "content": [picture]}]


def test_an_id_never_stands_for_content() -> None:
    bare = {"type": "reasoning", "id": "rs_of_someone", "summary": []}
    assert forwarded(input=[bare])["input"] == [{"type": "reasoning", "summary": []}]


def picture(**part: Any) -> dict[str, Any]:
    return {"input": [{**USER, "content": [{"type": "input_image", **part}]}]}


REFUSED: list[dict[str, Any]] = [
    {"model": "gpt-evil-pro"},
    {"model": MODEL.upper()},
    {"model": [MODEL]},
    {"model": None},
    {"store": True},
    {"stream": False},
    {"service_tier": "priority"},
    {"background": True},
    {"previous_response_id": "resp_1"},
    {"conversation": "conv_1"},
    {"prompt": {"id": "p"}},
    {"max_output_tokens": 10**9},
    {"metadata": {"k": "v"}},
    {"truncation": "auto"},
    {"Model": MODEL},
    {"user": "x"},
    {"include": ["file_search_call.results"]},
    {"tool_choice": {"type": "mcp"}},
    {"tool_choice": "web_search"},
    {"tools": {"type": "mcp"}},
    {"tools": [7]},
    {"reasoning": {"effort": "high\n"}},
    {"text": {"format": {"type": "grammar"}}},
    {"input": "x"},
    {"input": [{"type": "item_reference", "id": "msg_1"}]},
    {"input": [{"type": "message", "id": "msg_1", "role": "user"}]},
    {"input": [{"type": "web_search_call", "id": "ws_1"}]},
    {"input": [{"type": "mcp_approval_response", "approve": True}]},
    {"input": [{"type": "compaction", "id": "c_1"}]},
    {"input": [{"role": "user", "content": []}]},
    {"input": [{**USER, "content": [{"type": "input_file", "file_id": "file-1"}]}]},
    {"input": [{**USER, "content": "text"}]},
    {"input": [{**USER, "role": "root"}]},
    {"input": ["\ud800"]},
    {"input": [{**USER, "content": [{"type": "input_text", "text": "\ud800"}]}]},
    picture(image_url="https://evil.invalid/?data=1"),
    picture(image_url="data:text/html;base64,AAAA"),
    picture(image_url="data:image/png;base64,AAAA#http://x"),
    picture(file_id="file-1"),
]


@pytest.mark.parametrize("changes", REFUSED, ids=str)
def test_what_may_cost_store_or_reach_further_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(RefusalError) as caught:
        rebuild(encode(request(**changes)), RULES)
    assert caught.value.status == 400  # codex tries all others again
    assert caught.value.message.isprintable()
    assert "evil" not in caught.value.message


def deep(levels: int) -> bytes:
    return b'{"a":' * levels + b"1" + b"}" * levels


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "json-invalid"),
        (b"{", "json-invalid"),
        (b"\xff", "json-invalid"),
        (b"\xef\xbb\xbf{}", "json-invalid"),
        (b"{}{}", "json-invalid"),
        (b'{"n": NaN}', "json-invalid"),
        (b'{"n": -Infinity}', "json-invalid"),
        (b'{"n": ' + b"9" * 5000 + b"}", "json-invalid"),
        (b'{"model":"a","model":"b"}', "json-duplicate-key"),
        (b'{"model":"a","mod\\u0065l":"b"}', "json-duplicate-key"),
        (b'{"input":[{"a":1,"a":2}]}', "json-duplicate-key"),
        (b"[" * 100_000, "json-too-deep"),
        (b"[" + b"[]," * 600_000 + b"[]]", "json-too-many-values"),
        (b"[]", "request-invalid"),
        (b"null", "request-invalid"),
        (b'{"\\u001b[2J":1}', "request-key"),
    ],
    ids=lambda value: str(value[:40]),
)
def test_json_that_could_be_read_in_two_ways_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(RefusalError) as caught:
        rebuild(body, RULES)
    assert caught.value.code == code
    assert caught.value.message.isprintable()


def test_schemas_are_shallow() -> None:
    for levels, fits in ((50, True), (80, False)):
        tool = {**SHELL, "parameters": json.loads(deep(levels))}
        body = encode(request(tools=[tool]))
        if fits:
            assert rebuild(body, RULES)
        else:
            with pytest.raises(RefusalError):
                rebuild(body, RULES)


def test_numbers_that_became_infinite_are_refused() -> None:
    body = encode(request()).replace(b'{"type": "object"}', b'{"minimum": 1e999}')
    with pytest.raises(RefusalError, match="cannot carry"):
        rebuild(body, RULES)


def test_text_is_bounded_by_its_bytes_and_pictures_by_their_number() -> None:
    large = PICTURE[:-1] + "A" * 1_000_000
    part = {"type": "input_image", "image_url": large}
    text = {"type": "input_text", "text": f'"{large}'}
    pictures = rebuild(encode(request(input=[{**USER, "content": [part]}])), RULES)
    assert IMAGE_TOKENS < pictures.ceiling() < IMAGE_TOKENS + 2000
    assert (
        rebuild(encode(request(input=[{**USER, "content": [text]}])), RULES).ceiling() > 1_000_000
    )


@pytest.mark.parametrize(
    "spelled", [b'sk-held/\\"key\\"', b'sk-held\\/\\"key\\"', b'\\u0073k-held/\\u0022key\\"']
)
@pytest.mark.parametrize("place", ["prompt_cache_key", "instructions", "text"])
def test_a_credential_of_the_runner_is_not_sent_in_any_spelling(place: str, spelled: bytes) -> None:
    said = {**USER, "content": [{"type": "input_text", "text": "KEY"}]}
    changes = {"input": [said]} if place == "text" else {place: "KEY"}
    body = encode(request(**changes)).replace(b'"KEY"', b'"x ' + spelled + b'"')
    with pytest.raises(RefusalError) as caught:
        rebuild(body, RULES)
    assert caught.value.code == "credential"
    assert caught.value.fault == "a credential of the runner is in the sandbox; it was not sent on"


def test_upstream_may_know_the_model_by_another_name() -> None:
    rules = Rules(MODEL, "my-deployment", ())
    assert json.loads(rebuild(encode(request()), rules).body(16))["model"] == "my-deployment"
    with pytest.raises(RefusalError, match=r"gpt-5\.5 only"):
        rebuild(encode(request(model="my-deployment")), rules)
