"""For schemathesis: requests that are right name the agent that the connection is."""

from __future__ import annotations

from typing import Any

import schemathesis
from pydantic import ValidationError

from runner.records.decision import Request
from tests.gates import AGENT


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """What is wrong stays wrong."""
    if context.operation is None or context.operation.path != "/api/execute":
        return body
    try:
        Request.model_validate(body)
    except ValidationError:
        return body
    return {**body, "agent_id": AGENT, "tenant_id": ""}
