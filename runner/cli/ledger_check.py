"""`codex-runner ledger check`: every entry is verified."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import json_option, readable_state, state_option
from runner.errors import ConfigError

if TYPE_CHECKING:
    from runner.ledger.checkpoint import Checkpoint
    from runner.ledger.keyring import Ring


@click.command()
@click.option(
    "--since",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A checkpoint kept elsewhere, that the ledger must have grown from.",
)
@state_option
@json_option
def command(since: Path | None, state: Path | None, as_json: bool) -> None:
    """Verify the whole ledger; exit code 3 names the first entry that is wrong."""
    from runner.cli.ledger import require_ledger
    from runner.ledger.keyring import local_ring
    from runner.ledger.ledger import open_ledger
    from runner.text import to_json

    home = readable_state(state)
    address = require_ledger(home)
    ring = local_ring(home)
    with open_ledger(home, address=address, ring=ring) as ledger:
        size = ledger.check()
        if since is not None:
            ledger.require_grown_from(_checkpoint(since, ring))
        if as_json:
            click.echo(to_json({"origin": ledger.origin, "size": size, "ok": True}))
        else:
            click.echo(f"{size} entries, every one as it was signed: {ledger.origin}")


def _checkpoint(path: Path, ring: Ring) -> Checkpoint:
    from runner.ledger.checkpoint import read_checkpoint
    from runner.ledger.note import MOST_BYTES, NoteError

    try:
        with path.open("rb") as file:
            return read_checkpoint(file.read(MOST_BYTES + 1), ring.public("gate").values())
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", "--since FILE") from None
    except NoteError as error:
        raise ConfigError(
            f"{path} is no checkpoint of a key that counts here: {error}",
            "give one that `codex-runner ledger checkpoint` or a run's folder holds",
        ) from None
