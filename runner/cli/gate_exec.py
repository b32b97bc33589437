"""`codex-runner gate exec -- CMD...`: runs a command only if the gate allows exactly that."""

from __future__ import annotations

import os
import secrets
import shlex
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import state_option
from runner.errors import ConfigError, NeedsApprovalError, RefusedError, RunnerError
from runner.text import line

if TYPE_CHECKING:
    from runner.gateway.client import Client
    from runner.records.decision import Answer, Request

TOKEN = "CODEX_RUNNER_GATE_TOKEN"
POLL_S = 1.0
SOURCES = "--socket PATH or --url http://127.0.0.1:PORT"


@click.command(context_settings={"allow_interspersed_args": False})
@click.option(
    "--socket", type=click.Path(path_type=Path), help="[default: STATE/gateway/gate.sock]"
)
@click.option("--url", help=f"Instead: a gate over TCP, with the token in ${TOKEN}.")
@click.option("--wait", "wait_s", default=0, type=click.IntRange(0), help="For a person; seconds.")
@click.option("--timeout", "timeout_s", default=10, type=click.IntRange(1), help="For one answer.")
@click.option("--opportunity", default="", help="The piece of work it belongs to.")
@click.option("--plan", default="", help="What it is for; shown to people, never believed.")
@state_option
@click.argument("argv", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    socket: Path | None,
    url: str | None,
    wait_s: int,
    timeout_s: int,
    opportunity: str,
    plan: str,
    state: Path | None,
    argv: tuple[str, ...],
) -> None:
    """Runs the command ARGV, without a shell, if the gate says ALLOW; ends with its exit code.

    Otherwise nothing is executed: 1 = denied, or allowed in a read-only sandbox only; 3 = the gate
    is missing, hangs or talks nonsense; 6 = nobody approved it within --wait. While it runs the
    gate is asked again: when a kill means it, it ends with all it started (1).
    """
    from runner.cli.options import resolve_state
    from runner.gateway.client import Client
    from runner.gateway.place import socket_of

    if socket and url:
        raise ConfigError(f"{SOURCES}: one of them", "leave one out")
    place = url or Path(os.path.abspath(socket or socket_of(resolve_state(state))))
    client = Client(place, os.environ.get(TOKEN, ""), timeout_s)
    request = _request(client, argv, opportunity, plan)
    answer = _allowed(client, request, wait_s)
    try:
        code = _executed(client, request, argv, answer)
    except (ConfigError, RefusedError):
        _told(client, answer, None)
        raise
    _told(client, answer, code)
    sys.exit(code if code >= 0 else 128 - code)


def _request(client: Client, argv: tuple[str, ...], opportunity: str, plan: str) -> Request:
    """Of exactly these words: `shlex.split` of its code gives them back. Raises ConfigError."""
    from runner.records.decision import Request

    agent, tenant = client.whoami()
    try:
        return Request(
            agent_id=agent,
            tenant_id=tenant,
            opportunity_id=opportunity,
            proposed_plan=plan,
            tools=["Bash"],
            code=shlex.join(argv),
            idempotency_key=secrets.token_hex(16),
        )
    except ValueError:
        raise ConfigError(
            "this command, --plan or --opportunity cannot be told to a gate: it is not UTF-8, has"
            " a NUL, or is too long",
            "put it in a script, and gate that",
        ) from None


def _allowed(client: Client, request: Request, wait_s: int) -> Answer:
    """Raises RefusedError, NeedsApprovalError, InfraError: everything but an ALLOW."""
    until = time.monotonic() + wait_s
    while True:
        answer = client.execute(request)
        if answer.decision == "ALLOW":
            return answer
        if answer.decision == "DENY":
            why = f"denied: {line(answer.reason)} (receipt {answer.receipt_id or 'none'})"
            raise RefusedError(
                why, "nothing was executed; ask for something that the policy allows"
            )
        if time.monotonic() >= until:
            raise NeedsApprovalError(
                f"waits for a person: {line(answer.reason)} ({answer.approval_id})",
                f"codex-runner approvals show {answer.approval_id}, or a longer --wait",
            )
        time.sleep(min(POLL_S, max(0.0, until - time.monotonic())))


def _executed(client: Client, request: Request, argv: tuple[str, ...], answer: Answer) -> int:
    """Raises ConfigError: it cannot start; RefusedError: it may not, or was ended."""
    from runner.gateway.child import executed

    if why := _refusal(answer):
        raise RefusedError(why, "codex-runner trust tells why the level is 0")
    return executed(argv, lambda: _refusal(client.execute(request)))


def _refusal(answer: Answer) -> str:
    """Why it may not run here; empty = it may."""
    if answer.decision != "ALLOW":
        return line(answer.reason) or answer.decision
    if answer.constraints is None or answer.constraints.sandbox == "read-only":
        return "it is allowed in a read-only sandbox only, and this is none"
    return ""


def _told(client: Client, answer: Answer, code: int | None) -> None:
    """It has run: what cannot be recorded any more is said, and changes no exit code."""
    from runner.gateway.bodies import Outcome

    assert answer.receipt_id is not None
    status = "succeeded" if code == 0 else "failed"
    try:
        client.outcome(
            Outcome.model_validate(
                {"receipt_id": answer.receipt_id, "status": status, "exit_code": code}
            )
        )
    except RunnerError as error:
        click.echo(f"warning: its outcome is not on record: {line(error.problem)}", err=True)
