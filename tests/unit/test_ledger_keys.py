"""The signing key: private, made once, refused when it is not ours alone."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from runner.errors import ConfigError, InfraError
from runner.ledger.keys import key_id, local_public_key, local_signer


def test_made_once_private_with_the_public_half_beside(tmp_path: Path) -> None:
    assert local_public_key(tmp_path) is None
    first = local_signer(tmp_path)
    assert local_signer(tmp_path).keyid == first.keyid
    assert stat.S_IMODE((tmp_path / "keys" / "receipt.key").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    public = local_public_key(tmp_path)
    assert public is not None
    assert key_id(public) == first.keyid
    public.verify(first.sign(b"m"), b"m")


def test_two_first_uses_at_once_end_with_one_key(tmp_path: Path) -> None:
    with ThreadPoolExecutor(16) as pool:
        ids = set(pool.map(lambda _: local_signer(tmp_path).keyid, range(64)))
    assert len(ids) == 1
    names = {entry.name for entry in (tmp_path / "keys").iterdir()}
    assert names == {"receipt.key", "receipt.pub"}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622])
def test_a_key_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    local_signer(tmp_path)
    (tmp_path / "keys" / "receipt.key").chmod(mode)
    with pytest.raises(ConfigError, match=f"by others .mode {mode:03o}") as caught:
        local_signer(tmp_path)
    assert caught.value.remedy.startswith("chmod go= ")


def test_a_directory_others_can_write_is_refused(tmp_path: Path) -> None:
    local_signer(tmp_path)
    (tmp_path / "keys").chmod(0o777)
    with pytest.raises(ConfigError, match="keys can be written by others"):
        local_signer(tmp_path)


def test_a_link_is_refused(tmp_path: Path) -> None:
    local_signer(tmp_path / "other")
    (tmp_path / "keys").mkdir(mode=0o700)
    (tmp_path / "keys" / "receipt.key").symlink_to(tmp_path / "other" / "keys" / "receipt.key")
    with pytest.raises(ConfigError, match="is a link"):
        local_signer(tmp_path)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_a_pipe_or_directory_is_refused_without_waiting(tmp_path: Path, make: object) -> None:
    (tmp_path / "keys").mkdir(mode=0o700)
    assert callable(make)
    make(tmp_path / "keys" / "receipt.key", 0o600)
    with pytest.raises((ConfigError, InfraError)):
        local_signer(tmp_path)


def test_somebody_elses_key_is_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root to give a file away")
    local_signer(tmp_path)
    os.chown(tmp_path / "keys" / "receipt.key", 12345, 12345)
    with pytest.raises(ConfigError, match="belongs to uid 12345"):
        local_signer(tmp_path)


def test_garbage_and_other_kinds_of_keys_are_refused(tmp_path: Path) -> None:
    local_signer(tmp_path)
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for content in (b"", b"garbage", other):
        (tmp_path / "keys" / "receipt.key").write_bytes(content)
        with pytest.raises(ConfigError, match="not an Ed25519 key"):
            local_signer(tmp_path)
        (tmp_path / "keys" / "receipt.pub").write_bytes(content)
        with pytest.raises(ConfigError, match="not an Ed25519 key"):
            local_public_key(tmp_path)


def test_a_swapped_public_key_is_put_right_by_the_next_run(tmp_path: Path) -> None:
    mine = local_signer(tmp_path)
    theirs = local_signer(tmp_path / "other")
    pem = (tmp_path / "other" / "keys" / "receipt.pub").read_bytes()
    (tmp_path / "keys" / "receipt.pub").write_bytes(pem)
    assert local_signer(tmp_path).keyid == mine.keyid != theirs.keyid
    public = local_public_key(tmp_path)
    assert public is not None
    assert key_id(public) == mine.keyid
