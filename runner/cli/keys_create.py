"""`codex-runner keys create`: the first key of a role."""

from __future__ import annotations

from pathlib import Path

import click

from runner.cli.keys import keeper, read_public, role_argument, tell_key, uri_options
from runner.cli.options import json_option, made_state, state_option
from runner.records.evidence import Role

EPILOG = """\b
The approver's comes first: it signs all that follows.
  codex-runner keys create approver
  codex-runner keys create verifier
  codex-runner keys create gate --uri awskms:alias/codex-runner --public gate.pub.pem
"""


@click.command(epilog=EPILOG)
@role_argument
@uri_options
@state_option
@json_option
def command(role: Role, uri: str, public: Path | None, state: Path | None, as_json: bool) -> None:
    """Make the first key of ROLE (gate, verifier or approver), with mode 0600.

    With --uri nothing is made: the key of a KMS or HSM signs, of which --public is the public half
    (Ed25519, PEM). Needs codex-runner[kms].
    """
    made = keeper(made_state(state)).create(role, uri, read_public(uri, public))
    tell_key(made, as_json=as_json)
