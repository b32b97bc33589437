"""A key that signs elsewhere: securesystemslib's file signer stands for a KMS."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runner.errors import ConfigError, InfraError
from runner.ledger.keyring import Ring, local_ring
from runner.ledger.keys import in_pem, key_file, local_public_key, local_signer
from runner.ledger.verifying import verify
from tests.sealed_run import keeper, sealed

pytest.importorskip("securesystemslib", reason="the extra `kms` is not installed")


def vault(directory: Path) -> tuple[str, bytes]:
    """A key outside of the state directory: its URI and public half."""
    key = Ed25519PrivateKey.generate()
    directory.mkdir(exist_ok=True)
    place = directory / "vault.pem"
    place.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return f"file2:{place}", in_pem(key.public_key())


def test_a_whole_run_signed_by_a_kms(tmp_path: Path) -> None:
    state = tmp_path / "state"
    made = keeper(state).create("gate", *vault(tmp_path / "vault"))
    assert local_signer(state).keyid == made.keyid
    assert not key_file(state, "gate").exists(), "no private key is here"
    gate = local_public_key(state)
    assert gate is not None
    assert verify(sealed(state), Ring.of(("gate", gate))).wrong is None
    with pytest.raises(ConfigError, match="there is a key of the gate already"):
        keeper(state).create("gate")


def test_from_a_file_to_a_kms_and_back(tmp_path: Path) -> None:
    state = tmp_path / "state"
    first = Ring.of(("gate", local_signer(state).key.public_key()))
    keeper(state).create("approver")
    kms = keeper(state).rotate("gate", *vault(tmp_path / "vault"))
    assert local_signer(state).keyid == kms.keyid
    assert not key_file(state, "gate").exists()
    assert verify(sealed(state), first).wrong is None
    back = keeper(state).rotate("gate")
    assert key_file(state, "gate").exists() and local_signer(state).keyid == back.keyid
    assert not key_file(state, "gate").with_suffix(".uri").exists()
    assert [each.ended for each in local_ring(state).keys.values()].count("replaced") == 2


def test_another_key_behind_the_uri_is_found_out(tmp_path: Path) -> None:
    uri, public = vault(tmp_path / "vault")
    keeper(tmp_path / "state").create("gate", uri, public)
    vault(tmp_path / "vault")
    with pytest.raises(InfraError, match=r"not the one whose|cannot be used"):
        local_signer(tmp_path / "state").sign(b"m")


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("nothing:x", "is no URI of a key"),
        ("", "is no URI of a key"),
        ("awskms:alias/x", "needs a library"),
        ("file2:/nowhere/at/all.pem", "cannot be used"),
    ],
)
def test_what_cannot_sign_is_told(tmp_path: Path, uri: str, why: str) -> None:
    keys = tmp_path / "keys"
    keys.mkdir(mode=0o700)
    (keys / "receipt.pub").write_bytes(vault(tmp_path / "vault")[1])
    (keys / "receipt.uri").write_text(f"{uri}\n")
    (keys / "receipt.uri").chmod(0o600)
    with pytest.raises((ConfigError, InfraError), match=why) as caught:
        local_signer(tmp_path)
    assert caught.value.remedy


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "securesystemslib.signer", None)
    with pytest.raises(ConfigError, match="needs securesystemslib") as caught:
        keeper(tmp_path).create("gate", *vault(tmp_path / "vault"))
    assert caught.value.remedy == "pip install 'codex-runner[kms]'"


def test_a_uri_comes_with_its_public_half(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no Ed25519 public key"):
        keeper(tmp_path).create("gate", "file2:/x", b"nothing")
    assert not list((tmp_path / "keys").glob("*.uri"))
