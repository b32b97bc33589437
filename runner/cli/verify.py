"""`codex-runner verify`: whether a run's evidence is what happened, with public keys alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from runner.cli.options import json_option, resolve_state, state_option
from runner.errors import ConfigError, RefusedError

if TYPE_CHECKING:
    from runner.ledger.folder import RunFolder
    from runner.ledger.keyring import Ring
    from runner.ledger.verifying import Verified

EPILOG = """\b
On another machine:
  codex-runner keys export > gate.pub.pem           here, once; hand it over in person
  codex-runner verify ./20261120-102233-7f3a9c --key gate.pub.pem        there, offline
\b
Exit codes: 0 everything holds, 1 something is wrong (the first thing is named), 2 bad input
"""


@click.command(epilog=EPILOG)
@click.argument("what", metavar="[RUN|FOLDER|FILE]", required=False)
@click.option(
    "--key",
    "keys",
    metavar="[ROLE=]PUB.pem",
    multiple=True,
    help="A public key you trust, of the gate unless a role is named; default: this state's.",
)
@click.option(
    "--bundle",
    type=click.Path(path_type=Path),
    help="When everything holds, write provenance, test result and verdict to this file, one"
    " Sigstore bundle a line.",
)
@state_option
@json_option
def command(
    what: str | None, keys: tuple[str, ...], bundle: Path | None, state: Path | None, as_json: bool
) -> None:
    """Verify a run (default: the latest), step by step, and name the first thing that is wrong.

    Signatures and roles of keys, the log's checkpoint and proofs, files, commit, tree, policy,
    codex and image, gates, tool calls. RUN is an id of this state directory; FOLDER a copy of a
    run's folder from anywhere; FILE one receipt, Sigstore bundles or a receipts.jsonl.
    """
    from runner.ledger import verifying

    ring = _ring(keys, state)
    path = Path(what or "")
    if what and path.is_file():
        _tell(str(path), verifying.verify_file(_content(path), ring), as_json=as_json)
        if bundle is not None:
            raise ConfigError("--bundle needs a run or its folder", "codex-runner verify FOLDER")
        return
    folder = _folder(what, state)
    _tell(folder.run, verifying.verify(folder, ring), as_json=as_json)
    if bundle is not None:
        try:
            bundle.write_bytes(verifying.bundles(folder))
        except OSError as error:
            problem = f"cannot write {bundle}: {error.strerror}"
            raise ConfigError(problem, "name another") from error


def _folder(what: str | None, state: Path | None) -> RunFolder:
    from runner.ledger.folder import RECEIPT, RunFolder, find

    if what is None or not Path(what).is_dir():
        return find(resolve_state(state), what)
    folder = RunFolder(Path(what).resolve())
    if folder.read(RECEIPT) is None:
        raise ConfigError(f"{what} is no folder of a run: it has no {RECEIPT}", "codex-runner list")
    return folder


def _content(path: Path) -> bytes:
    from runner.ledger.folder import RunFolder

    return RunFolder(path.resolve().parent).read(path.name) or b""


def _ring(given: tuple[str, ...], state: Path | None) -> Ring:
    from runner.ledger.keyring import Ring, local_ring
    from runner.ledger.keys import STEMS, public_key

    if not given:
        ring = local_ring(resolve_state(state))
        if not ring.keys:
            raise ConfigError("there is no key here to verify with", "give one: --key PUB.pem")
        return ring
    roots = []
    for word in given:
        roles = [role for role in STEMS if word.startswith(f"{role}=")]
        role, name = (roles[0], word.partition("=")[2]) if roles else ("gate", word)
        try:
            roots.append((role, public_key(Path(name).read_bytes())))
        except OSError as error:
            remedy = f"--key PUB.pem, or --key ROLE=PUB.pem with a ROLE of {', '.join(STEMS)}"
            raise ConfigError(f"cannot read {name}: {error.strerror}", remedy) from None
        except ValueError:
            raise ConfigError(
                f"{name} is no Ed25519 public key in PEM", "codex-runner keys export makes one"
            ) from None
    return Ring.of(*roots)


def _tell(what: str, found: Verified, *, as_json: bool) -> None:
    from runner.report.sanitise import line
    from runner.text import to_json

    wrong = found.wrong
    if as_json:
        rows = [{"step": each.name, "detail": each.detail} for each in found.held]
        last = wrong and {"step": wrong.name, "detail": wrong.detail}
        click.echo(to_json({"verified": what, "valid": not wrong, "held": rows, "wrong": last}))
    else:
        for number, each in enumerate(found.held, 1):
            click.echo(f"{number:2}  ok     {each.name:11} {line(each.detail, 500)}")
        if wrong:
            click.echo(f"{len(found.held) + 1:2}  WRONG  {wrong.name:11} {line(wrong.detail, 500)}")
    if wrong:
        raise RefusedError(
            f"{what} does not verify: {wrong.name}: {line(wrong.detail, 300)}",
            "believe nothing of it from this step on; ask where it was kept",
        )
