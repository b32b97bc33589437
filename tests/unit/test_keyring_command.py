"""`codex-runner keys`: every verb, what it prints, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from runner.cli.main import cli
from runner.errors import RunnerError
from runner.ledger.keys import key_id, local_public_key, local_signer, public_key


def keys(state: Path, *words: str) -> str:
    """What it prints. Raises what it raises."""
    done = CliRunner().invoke(cli, ["keys", *words, "--state", str(state)], standalone_mode=False)
    if done.exception is not None:
        raise done.exception
    return done.stdout


def listed(state: Path) -> dict[str, dict[str, object]]:
    return {row["keyid"]: row for row in json.loads(keys(state, "list", "--json"))["keys"]}


def test_from_the_first_key_to_a_revoked_one(tmp_path: Path) -> None:
    assert listed(tmp_path) == {}
    first = local_signer(tmp_path).keyid
    assert listed(tmp_path)[first]["here"] == "receipt.key"
    for role in ("approver", "verifier"):
        assert keys(tmp_path, "create", role).endswith(f"  {role}\n")
    made = json.loads(keys(tmp_path, "rotate", "gate", "--json"))
    assert made["keyid"] == local_signer(tmp_path).keyid != first
    told = keys(tmp_path, "revoke", made["keyid"][:12], "--reason", "laptop lost")
    assert "gate, revoked from entry" in told
    rows = listed(tmp_path)
    assert [row["ended"] for row in rows.values() if row["role"] == "gate"] == [
        "replaced",
        "revoked",
    ]
    text = keys(tmp_path, "list")
    assert f"{made['keyid'][:16]}  gate" in text and "revoked  laptop lost" in text
    assert "verifier.key" in text


def test_export(tmp_path: Path) -> None:
    gate = local_signer(tmp_path).keyid
    for words in ((), ("gate",), (gate[:9],)):
        assert key_id(public_key(keys(tmp_path, "export", *words).encode())) == gate
    assert local_public_key(tmp_path) is not None


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("create", "gate"), 2),
        (("create", "verifier"), 2),
        (("rotate", "gate"), 2),
        (("rotate", "verifier"), 2),
        (("revoke", "0" * 64, "--reason", "x"), 2),
        (("revoke", "", "--reason", "x"), 2),
        (("export", "nobody"), 2),
        (("export", "approver"), 2),
        (("create", "approver", "--uri", "awskms:x"), 2),
        (("create", "approver", "--public", "/nowhere"), 2),
        (("create", "approver", "--uri", "file2:/x", "--public", "/nowhere"), 2),
    ],
)
def test_what_cannot_be_done_has_a_remedy(
    tmp_path: Path, words: tuple[str, ...], code: int
) -> None:
    local_signer(tmp_path)
    before = {path.name for path in (tmp_path / "keys").iterdir()}
    with pytest.raises(RunnerError) as caught:
        keys(tmp_path, *words)
    assert caught.value.exit_code == code and caught.value.remedy
    assert {path.name for path in (tmp_path / "keys").iterdir()} == before


@pytest.mark.parametrize("verb", ["list", "create", "export", "rotate", "revoke"])
def test_help_teaches(verb: str) -> None:
    done = CliRunner().invoke(cli, ["keys", verb, "--help"])
    assert done.exit_code == 0 and len(done.stdout.splitlines()) > 6
