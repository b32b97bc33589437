"""`codex-runner keys export`: a public key, for those who verify elsewhere."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.options import resolve_state, state_option, write_bytes
from runner.errors import ConfigError


@click.command(epilog="  codex-runner keys export > gate.pub.pem")
@click.argument("which", metavar="[ROLE|KEYID]", default="gate")
@state_option
def command(which: str, state: Path | None) -> None:
    """Print the public key of ROLE (default: gate), or the one whose id begins so, in PEM.

    An early key serves auditors longest: it leads to all that came after it.
    """
    from runner.ledger.keyring import local_ring
    from runner.ledger.keys import STEMS, in_pem

    ring = local_ring(resolve_state(state))
    if which in STEMS:
        found = [key for role in STEMS if role == which and (key := ring.current(role))]
    else:
        found = [key for name, key in ring.keys.items() if name.startswith(which)]
    if len(found) != 1:
        if which in STEMS:
            raise ConfigError(
                f"there is no key of the {which}", f"codex-runner keys create {which}"
            )
        raise ConfigError(f"{which!r} fits {len(found)} keys", "codex-runner keys list")
    write_bytes(in_pem(found[0].public))
