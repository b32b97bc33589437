"""The reference client: asks a gate, and believes nothing but a whole ALLOW with a receipt."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import ValidationError

from runner.errors import InfraError
from runner.gateway.bodies import Outcome
from runner.records.decision import Answer, Request
from runner.records.evidence import AgentId
from runner.socket_path import short
from runner.text import line

if TYPE_CHECKING:
    import httpx

MOST_BYTES = 64 * 1024
"""Of an answer."""
JUDGED = frozenset({200, 400, 401, 403, 409, 429, 503})
"""Statuses whose body is an `Answer`."""
_RECEIPT = re.compile(r"rc_[0-9a-f]{32}")
_REMEDY = "codex-runner gateway serve, and name its socket with --socket or its address with --url"
_STRANGER = (
    "on a socket the gate has to be told of you: codex-runner gateway serve --agent USER=NAME; with"
    " --url set CODEX_RUNNER_GATE_TOKEN to what codex-runner gateway token agent NAME prints"
)


@dataclass(frozen=True, slots=True)
class Client:
    """`Client(Path("/run/gate.sock"))`, or `Client("http://127.0.0.1:8080", token="crt_...")`."""

    place: Path | str
    token: str = ""
    timeout_s: float = 10
    """For one whole exchange, however slowly the bytes come."""

    def whoami(self) -> tuple[AgentId, str]:
        """The agent and the tenant that the gate takes us for.

        Raises:
            InfraError: the gate cannot be asked, or knows nobody here.
        """
        status, said = self._exchange("GET", "/healthz", None)
        agent, tenant = said.get("agent"), said.get("tenant")
        if not isinstance(agent, str) or not isinstance(tenant, str):
            if status == 200:
                raise self._failed("it knows no agent by this user id or token", _STRANGER)
            raise self._failed(line(f"{said!a}", 200))
        return AgentId(agent), tenant

    def execute(self, request: Request) -> Answer:
        """What the gate says; an ALLOW has a receipt and constraints.

        Raises:
            InfraError: no gate, no answer in time, or one that is not as it has to be.
        """
        status, said = self._exchange("POST", "/api/execute", request.model_dump())
        try:
            answer = Answer.model_validate(said)
        except ValidationError:
            raise self._failed(f"status {status} with another body than an answer's") from None
        allows = answer.decision == "ALLOW"
        receipt = _RECEIPT.fullmatch(answer.receipt_id or "")
        whole = receipt and answer.constraints and status == 200
        if status not in JUDGED or (allows and not whole):
            raise self._failed(f"status {status} with half an answer")
        return answer

    def outcome(self, told: Outcome) -> None:
        """Tell what became of it. Raises InfraError: that is not on record."""
        status, said = self._exchange("POST", "/api/outcome", told.model_dump())
        if status != 200:
            raise self._failed(line(f"status {status}: {said.get('error')}", 200))

    def _exchange(self, method: str, path: str, body: object) -> tuple[int, Mapping[str, object]]:
        import httpx

        with ExitStack() as stack:
            try:
                connect = self._connector(stack)
                return asyncio.run(self._asked(connect, method, path, body))
            except (TimeoutError, httpx.TimeoutException):
                raise self._failed(f"no answer within {self.timeout_s:g} s") from None
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                why = getattr(error, "strerror", "") or str(error) or type(error).__name__
                raise self._failed(line(why, 200)) from error
            except (ValueError, RecursionError):
                raise self._failed("its answer is no JSON") from None

    def _connector(self, stack: ExitStack) -> Callable[[], httpx.AsyncClient]:
        import httpx

        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        if isinstance(self.place, str):
            url = self.place
            return lambda: httpx.AsyncClient(base_url=url, headers=headers, trust_env=False)
        near = stack.enter_context(short(self.place))
        return lambda: httpx.AsyncClient(
            base_url="http://gate",
            headers=headers,
            trust_env=False,
            transport=httpx.AsyncHTTPTransport(uds=near),
        )

    async def _asked(
        self, connect: Callable[[], httpx.AsyncClient], method: str, path: str, body: object
    ) -> tuple[int, Mapping[str, object]]:
        """Raises TimeoutError, ValueError, httpx.HTTPError, OSError."""
        content = b""
        async with (
            asyncio.timeout(self.timeout_s),
            connect() as client,
            client.stream(method, path, json=body) as response,
        ):
            async for chunk in response.aiter_raw():
                content += chunk
                if len(content) > MOST_BYTES:
                    raise ValueError("too large")
        said = json.loads(content)
        if not isinstance(said, dict):
            raise ValueError("no object")
        return response.status_code, said

    def _failed(self, why: str, remedy: str = _REMEDY) -> InfraError:
        return InfraError(f"the gate at {self.place} cannot be relied on: {why}", remedy)
