"""The OpenAPI document, made of the records that are read and answered: it cannot lag behind."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

from runner import __version__
from runner.gateway.bodies import Emit, Outcome, Stop, Word
from runner.gateway.receipts import MOST, MOST_SEQ, USUAL
from runner.records.base import Record
from runner.records.decision import Answer, Request
from runner.records.evidence import PREDICATES
from runner.records.kill import Kill

Json = Mapping[str, object]
_PERSON = "Only with the bearer token of an administrator."
_RECORDS: tuple[type[Record], ...] = (Request, Answer, Outcome, Emit, Stop, Word, Kill)


@cache
def description() -> Json:
    """OpenAPI 3.1."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "codex-runner gateway",
            "version": __version__,
            "description": "Agents propose, the gate decides, only ALLOW may be executed. "
            "On a UNIX socket the caller is its user id; a bearer token goes first.",
        },
        "security": [{}, {"token": []}],
        "paths": {
            "/api/execute": _execute(),
            "/api/outcome": _post(
                "Tell what became of an action that was allowed; once.", "Outcome", 404, 409, 503
            ),
            "/api/receipts": _receipts(),
            "/api/receipts/{id}": _get("One receipt, with its signed envelope.", "id", 404),
            "/api/scalar": _get(
                "Trust score of the caller; of all, for an administrator.", "", 503
            ),
            "/api/scalar/{agent_id}": _get("Trust score of one agent.", "agent_id", 404, 503),
            "/api/scalar/emit": _post(
                f"Keep a score as evidence; nothing is billed. {_PERSON}",
                "Emit",
                403,
                404,
                409,
                503,
            ),
            "/api/approvals": _get("What waits for a person.", "", 403, 503),
            "/api/approvals/{id}/approve": _resolve("Allow an action, once."),
            "/api/approvals/{id}/deny": _resolve("Deny an action, for good."),
            "/api/kill": _post(f"Stop at once. {_PERSON}", "Stop", 403, 404, 409),
            "/api/webhook": _webhook(),
            "/healthz": _health(),
            "/openapi.json": {"get": _operation("This document.", {"200": _json({}, "It.")})},
        },
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(),
        },
    }


def _execute() -> Json:
    words = {
        200: "It was judged.",
        400: "It is malformed; denied.",
        401: "Nobody is known by this user id or token; denied.",
        403: "It names another agent or tenant than the connection's; denied.",
        409: "The idempotency key belongs to another request; denied.",
        429: "Too many; denied without a receipt.",
        503: "The ledger cannot be written; denied without a receipt.",
    }
    answers: dict[str, Json] = {
        str(code): _json(_ref("Answer"), why) for code, why in words.items()
    }
    answers["403"] = _json({"anyOf": [_ref("Answer"), _ERROR]}, words[403])
    told = _operation("Ask whether an action may be executed.", answers)
    return {"post": {**told, "requestBody": _body("Request")}}


def _post(about: str, record: str, *more: int) -> dict[str, Json]:
    told = _operation(about, _answers(200, 400, 401, 403, *more))
    return {"post": {**told, "requestBody": _body(record)}}


def _get(about: str, parameter: str, *more: int) -> Json:
    told = _operation(about, _answers(200, 401, 403, *more))
    return {"get": {**told, "parameters": [_in_path(parameter)] if parameter else []}}


def _resolve(about: str) -> Json:
    made = _post(f"{about} Only with the bearer token of an approver.", "Word", 404, 409)
    return {"post": {**made["post"], "parameters": [_in_path("id")]}}


def _receipts() -> Json:
    number = {"type": "integer", "minimum": 0, "maximum": MOST_SEQ}
    queries: dict[str, Json] = {
        "run": {"type": "string"},
        "agent": {"type": "string"},
        "kind": {"enum": list(PREDICATES)},
        "after": number,
        "limit": {"type": "integer", "minimum": 1, "maximum": MOST, "default": USUAL},
    }
    told = _operation("Receipts in their order, page by page.", _answers(200, 400, 401, 403))
    parameters = [{"name": name, "in": "query", "schema": of} for name, of in queries.items()]
    return {"get": {**told, "parameters": parameters}}


def _webhook() -> Json:
    about = (
        "A person's word that another system relays, with its signature over timestamp and body."
    )
    told = _operation(about, _answers(200, 400, 401, 403, 404, 409, 413, 503))
    return {"post": {**told, "requestBody": _json({"type": "object"}, "What the relay signed.")}}


def _health() -> Json:
    row = {
        "type": "object",
        "required": ["status", "unrecorded", "policy_sha256", "agent", "tenant"],
        "properties": {
            "status": {"enum": ["ok", "failing"]},
            "unrecorded": {"type": "integer", "minimum": 0},
            "policy_sha256": {"type": "string"},
            "agent": {"type": ["string", "null"]},
            "tenant": {"type": ["string", "null"]},
        },
        "additionalProperties": False,
    }
    answers = {
        "200": _json(row, "It can record decisions; and who the caller is."),
        "403": _json(_ERROR, _WHY[403]),
        "503": _json(row, "It could not record the last decision."),
    }
    return {"get": _operation("Whether it can decide, and whom it takes you for.", answers)}


_ERROR: Json = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}},
    "additionalProperties": False,
}
_WHY = {
    200: "Done.",
    400: "It is malformed.",
    401: "Nobody is known by this user id or token.",
    403: "This needs another credential, or came from a browser.",
    404: "There is none, or it is not the caller's.",
    409: "That is not possible now.",
    413: "It is too large.",
    503: "It cannot be kept, or read.",
}


def _answers(*codes: int) -> dict[str, Json]:
    return {
        str(code): _json({"type": "object"} if code == 200 else _ERROR, _WHY[code])
        for code in codes
    }


def _operation(about: str, answers: Mapping[str, Json]) -> dict[str, object]:
    return {"summary": about, "responses": answers}


def _json(schema: Json, about: str) -> Json:
    return {"description": about, "content": {"application/json": {"schema": schema}}}


def _body(record: str) -> Json:
    return {"required": True, "content": {"application/json": {"schema": _ref(record)}}}


def _in_path(name: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _ref(record: str) -> Json:
    return {"$ref": f"#/components/schemas/{record}"}


def _schemas() -> Json:
    found: dict[str, object] = {}
    for record in _RECORDS:
        schema = record.model_json_schema(ref_template="#/components/schemas/{model}")
        found.update(schema.pop("$defs", {}))
        found[record.__name__] = schema
    return found
