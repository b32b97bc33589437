"""The part of a Responses request that may leave: fields not named here are dropped.

As codex 0.163.0 writes it (measured, 2026-11) for models with plain tools and with code mode:
https://platform.openai.com/docs/api-reference/responses/create
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter
from typing_extensions import TypedDict  # pydantic needs this one before Python 3.12

MAX_SCHEMA_DEPTH = 64
OFFERED = frozenset({"function", "custom", "namespace"})
"""Tools that run in the sandbox; all others run at the provider and are removed."""


def _shallow(schema: dict[str, Any]) -> dict[str, Any]:
    level: list[Any] = [schema]
    for _ in range(MAX_SCHEMA_DEPTH):
        nested = (v.values() if isinstance(v, dict) else v for v in level if v)
        level = [v for values in nested for v in values if isinstance(v, dict | list)]
        if not level:
            return schema
    raise ValueError("nested too deep")


def _offered(tools: object) -> object:
    if not isinstance(tools, list):
        return tools
    return [t for t in tools if not isinstance(t, dict) or t.get("type") in OFFERED]


Name = Annotated[str, Field(max_length=256)]
Word = Annotated[str, Field(pattern=r"^[a-z_]{1,32}$")]
Schema = Annotated[dict[str, Any], AfterValidator(_shallow)]
Picture = Annotated[str, Field(pattern=r"^data:image/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]*$")]
"""An address would be fetched by the provider, and would carry data to its owner."""


class Text(TypedDict):
    type: Literal["input_text", "output_text", "summary_text", "reasoning_text", "text"]
    text: str


class Image(TypedDict):
    type: Literal["input_image"]
    image_url: Picture
    detail: NotRequired[Word | None]


Part = Annotated[Text | Image, Field(discriminator="type")]
Parts = Annotated[list[Part], Field(fail_fast=True)]


class Message(TypedDict):
    type: Literal["message"]
    id: NotRequired[Name | None]
    role: Literal["developer", "system", "user", "assistant"]
    content: Parts
    phase: NotRequired[Word | None]


class Reasoning(TypedDict):
    type: Literal["reasoning"]
    id: NotRequired[Name | None]
    summary: Parts
    content: NotRequired[Parts | None]
    encrypted_content: NotRequired[str | None]


class FunctionCall(TypedDict):
    type: Literal["function_call"]
    id: NotRequired[Name | None]
    call_id: Name
    name: Name
    namespace: NotRequired[Name | None]
    arguments: str
    status: NotRequired[Word | None]


class CustomCall(TypedDict):
    type: Literal["custom_tool_call"]
    id: NotRequired[Name | None]
    call_id: Name
    name: Name
    namespace: NotRequired[Name | None]
    input: str
    status: NotRequired[Word | None]


class Output(TypedDict):
    type: Literal["function_call_output", "custom_tool_call_output"]
    id: NotRequired[Name | None]
    call_id: Name
    output: str | Parts


class Compaction(TypedDict):
    type: Literal["compaction", "compaction_summary"]
    id: NotRequired[Name | None]
    encrypted_content: str


class Function(TypedDict):
    type: Literal["function"]
    name: Name
    description: NotRequired[str | None]
    parameters: NotRequired[Schema | None]
    strict: NotRequired[bool | None]


class Custom(TypedDict):
    type: Literal["custom"]
    name: Name
    description: NotRequired[str | None]
    format: NotRequired[Schema | None]


Plain = Annotated[Function | Custom, Field(discriminator="type")]


class Namespace(TypedDict):
    type: Literal["namespace"]
    name: Name
    description: NotRequired[str | None]
    tools: Annotated[list[Plain], Field(fail_fast=True), BeforeValidator(_offered)]


Tool = Annotated[Function | Custom | Namespace, Field(discriminator="type")]
Tools = Annotated[list[Tool], Field(fail_fast=True), BeforeValidator(_offered)]


class AdditionalTools(TypedDict):
    type: Literal["additional_tools"]
    id: NotRequired[Name | None]
    role: Literal["developer"]
    tools: Tools


Item = Annotated[
    Message | Reasoning | FunctionCall | CustomCall | Output | Compaction | AdditionalTools,
    Field(discriminator="type"),
]


class Effort(TypedDict, total=False):
    effort: Word | None
    summary: Word | None
    context: Word | None


class Format(TypedDict):
    type: Literal["text", "json_schema"]
    name: NotRequired[Name]
    schema: NotRequired[Schema]
    strict: NotRequired[bool | None]


class Style(TypedDict, total=False):
    verbosity: Word | None
    format: Format | None


class Request(TypedDict):
    """The whole body. An unknown field here is refused: it may cost, store or reach further."""

    model: str
    stream: Literal[True]
    store: NotRequired[Literal[False]]
    instructions: NotRequired[str]
    tools: NotRequired[Tools]
    tool_choice: NotRequired[Literal["auto", "none", "required"]]
    parallel_tool_calls: NotRequired[bool]
    reasoning: NotRequired[Effort | None]
    text: NotRequired[Style | None]
    include: NotRequired[
        Annotated[list[Literal["reasoning.encrypted_content"]], Field(max_length=1)]
    ]
    prompt_cache_key: NotRequired[Name]
    input: Annotated[list[Item], Field(fail_fast=True)]


REQUEST: TypeAdapter[Request] = TypeAdapter(Request)
