"""`codex-runner keys`: who signs here, and whose word counts from when to when."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from runner.cli.verbs import Verbs
from runner.errors import ConfigError

if TYPE_CHECKING:
    from runner.ledger.keyring import TrustedKey
    from runner.ledger.rekeying import Keeper

VERBS = MappingProxyType(
    {
        "list": "Every key, its role, and the entries of the ledger it speaks for.",
        "create": "The first key of a role, here or in a KMS.",
        "export": "A public key in PEM, for those who verify elsewhere.",
        "rotate": "A new key in a role's place; the old one signs it and is destroyed.",
        "revoke": "From now on, what a key signs does not count.",
    }
)
EPILOG = """\b
Roles:
  gate      signs decisions and runs; made on first use
  verifier  signs what became of requests (outcomes sync)
  approver  a person's: approvals, promotions, changes of keys
\b
Keys are files of mode 0600 in STATE/keys, or URIs of a KMS. Every change of keys is signed by
the approver's key and kept in the ledger; public keys lead auditors from old to new ones.
"""


@click.group(cls=Verbs, verbs=VERBS, modules="runner.cli.keys_", epilog=EPILOG)
def command() -> None:
    """Keys of the gate, the verifier and the approvers."""


role_argument = click.argument("role", type=click.Choice(("gate", "verifier", "approver")))


def uri_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """`--uri` and `--public`."""
    uri = click.option(
        "--uri", default="", help="Of a key in a KMS: awskms:..., gcpkms:..., hv:..."
    )
    public = click.option("--public", type=click.Path(path_type=Path), help="Its public half, PEM.")
    return uri(public(command))


def read_public(uri: str, public: Path | None) -> bytes:
    """The public half of a key that is elsewhere; empty = it is made here."""
    if bool(uri) != bool(public):
        raise ConfigError("--uri and --public belong together", "--uri URI --public PUB.pem")
    try:
        return public.read_bytes() if public else b""
    except OSError as error:
        raise ConfigError(f"cannot read {public}: {error.strerror}", "--public PUB.pem") from None


def keeper(state: Path) -> Keeper:
    """Of the keys of a state directory, whose ledger is where the settings say."""
    from functools import partial

    from runner.cli.address import ledger_address
    from runner.ledger.ledger import open_ledger
    from runner.ledger.rekeying import Keeper

    return Keeper(state, partial(open_ledger, address=ledger_address(state)))


def row(key: TrustedKey) -> dict[str, object]:
    """What is told of a key."""
    return {
        "keyid": key.keyid,
        "role": key.role,
        "since": key.since,
        "until": key.until,
        "ended": key.ended,
        "ended_at": key.ended_at and key.ended_at.isoformat(),
        "reason": key.reason,
    }


def tell_key(key: TrustedKey, *, as_json: bool) -> None:
    """One that was made or changed."""
    from runner.text import to_json

    if as_json:
        click.echo(to_json(row(key)))
    else:
        ending = f", {key.ended} from entry {key.until} on" if key.ended else ""
        click.echo(f"{key.keyid}  {key.role}{ending}")
