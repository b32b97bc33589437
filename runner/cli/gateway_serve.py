"""`codex-runner gateway serve`: the execution gate on a UNIX socket, or on a loopback port."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import json_option, state_option
from runner.cli.tenant import tenant_option, told_tenant
from runner.errors import ConfigError, InfraError

if TYPE_CHECKING:
    from runner.gateway.place import Place
    from runner.serving import Serving

NOWHERE = Path(os.devnull)
"""Nothing is inside of it."""


@click.command()
@click.option(
    "--socket", type=click.Path(path_type=Path), help="[default: STATE/gateway/gate.sock]"
)
@click.option("--tcp", metavar="127.0.0.1:PORT", help="Instead; then everybody needs a token.")
@click.option(
    "--agent",
    "agents",
    multiple=True,
    metavar="[USER=]NAME",
    help="Who asks as this user; may be repeated.  [default: you, as `agent`]",
)
@tenant_option
@click.option(
    "--rate",
    default=100,
    show_default=True,
    type=click.IntRange(1),
    metavar="PER_SECOND",
    help="Decisions of one agent, sustained; the rest is denied.",
)
@click.option(
    "-C",
    "--repository",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Whose policy holds as well.",
)
@click.option("--base", help="Revision of that policy.  [default: HEAD]")
@state_option
@json_option
def command(
    socket: Path | None,
    tcp: str | None,
    agents: tuple[str, ...],
    tenant: str | None,
    rate: int,
    repository: Path | None,
    base: str | None,
    state: Path | None,
    as_json: bool,
) -> None:
    """Serves until SIGTERM or ^C; one line on stdout says when it is ready.

    On the socket an agent is known by its user id; with agents of other users everybody who reaches
    --socket may connect, and strangers are denied. Over TCP, and for people, `codex-runner gateway
    token` makes bearer tokens. GET /approvals is a page in a browser, where an approver's token is
    the password. Exit code 3 when an answer could not be recorded.
    """
    from runner.cli.options import made_state
    from runner.gateway.place import socket_of
    from runner.policy.settings import load_settings
    from runner.policy.state import prepare_state
    from runner.serving import Asked, served

    if socket and tcp:
        raise ConfigError("--socket and --tcp: one place is served", "leave one of them out")
    home = prepare_state(made_state(state), repository or NOWHERE)
    place: Place = _address(tcp) if tcp else Path(os.path.abspath(socket or socket_of(home)))
    asked = Asked(
        settings=load_settings(os.environ),
        state=home,
        place=place,
        repository=repository,
        base=base,
        agents=dict(map(_agent, agents)) or {os.getuid(): "agent"},
        tenant=told_tenant(tenant),
        rate_per_s=rate,
        environ=dict(os.environ),
    )
    ended = _signalled()
    with served(asked) as up:
        _tell(up, as_json)
        ended.wait()
    _require_recorded(up.failed())


def _require_recorded(lost: int) -> None:
    if lost:
        raise InfraError(
            f"{lost} answers had to be denied because the ledger could not be written",
            "look at the disk, then `codex-runner gateway serve` again",
        )


def _signalled() -> threading.Event:
    """Set by SIGTERM, SIGINT and SIGHUP."""
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: ended.set())
    return ended


def _tell(up: Serving, as_json: bool) -> None:
    from runner.text import to_json, visible

    where = str(up.place) if isinstance(up.place, Path) else f"http://{up.place[0]}:{up.place[1]}"
    if as_json:
        ready = {"ready": True, "place": where, "policy_sha256": up.policy, "pid": os.getpid()}
        click.echo(to_json(ready, indent=None))
    else:
        click.echo(visible(f"ready: {where} under policy {up.policy}"))


def _address(text: str) -> tuple[str, int]:
    """Raises ConfigError: it is none of this machine's own."""
    host, _, port = text.rpartition(":")
    if not (port.isascii() and port.isdigit() and int(port) < 65536 and host):
        raise ConfigError(f"--tcp {text!a}: not an address and a port", "--tcp 127.0.0.1:8765")
    return host.strip("[]"), int(port)


def _agent(text: str) -> tuple[int, str]:
    """Raises ConfigError: there is no such user."""
    import pwd

    user, equals, name = text.partition("=")
    if not equals:
        return os.getuid(), text
    if user.isascii() and user.isdigit():
        return int(user), name
    try:
        return pwd.getpwnam(user).pw_uid, name
    except (KeyError, ValueError):
        raise ConfigError(f"--agent: no user {user!a} here", "name one, or its id") from None
