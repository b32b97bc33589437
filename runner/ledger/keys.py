"""The local Ed25519 key that signs receipts: `STATE/keys/receipt.key`, created on first use."""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from runner.errors import ConfigError
from runner.ledger.folder import on_disk, private_directory, replace

_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with one key; `keyid` is the SHA-256 of its public SubjectPublicKeyInfo (DER)."""

    key: Ed25519PrivateKey
    keyid: str

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message)


def key_id(public: Ed25519PublicKey) -> str:
    """SHA-256, hex, of the SubjectPublicKeyInfo in DER."""
    return hashlib.sha256(public.public_bytes(serialization.Encoding.DER, _SPKI)).hexdigest()


def local_signer(state: Path) -> Signer:
    """The key of this state directory; two first uses at once end with one key.

    Raises:
        ConfigError: the key is a link, readable by others, someone else's, or not Ed25519.
        InfraError: the state directory cannot be written.
    """
    path = state / "keys" / "receipt.key"
    with on_disk(path):
        private_directory(path.parent)
        if not os.path.lexists(path):
            _create(path)
    key = _load(path)
    public = key.public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, _SPKI)
    beside = path.with_suffix(".pub")
    with on_disk(beside):
        if beside.is_symlink() or not beside.is_file() or beside.read_bytes() != pem:
            replace(beside, pem)
    return Signer(key, key_id(public))


def local_public_key(state: Path) -> Ed25519PublicKey | None:
    """The exported public key, None when no receipt was ever signed here.

    Raises:
        ConfigError: the file is not an Ed25519 public key.
    """
    path = state / "keys" / "receipt.pub"
    if not os.path.lexists(path):
        return None
    pem = _read(path, 0o022)
    try:
        key = serialization.load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm):
        raise _broken(path) from None
    if not isinstance(key, Ed25519PublicKey):
        raise _broken(path)
    return key


def _create(path: Path) -> None:
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # mkstemp is O_EXCL and 0600; link() never replaces, so the first of several creators wins.
    number, temporary = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(number, "wb") as file:
            file.write(pem)
            file.flush()
            os.fsync(file.fileno())
        with suppress(FileExistsError):
            os.link(temporary, path)
    finally:
        os.unlink(temporary)


def _load(path: Path) -> Ed25519PrivateKey:
    pem = _read(path, 0o077)
    try:
        key = serialization.load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _broken(path) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise _broken(path)
    return key


def _read(path: Path, forbidden: int) -> bytes:
    """The content of a regular file of ours, in a directory of ours, without `forbidden` bits."""
    if path.is_symlink():
        raise ConfigError(f"{path} is a link", f"rm {path}")
    with on_disk(path):
        return _read_checked(path, forbidden)


def _read_checked(path: Path, forbidden: int) -> bytes:
    directory = os.lstat(path.parent)
    _refuse_foreign(path.parent, directory, stat.S_ISDIR(directory.st_mode), 0o022)
    number = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(number, "rb") as file:
        found = os.fstat(number)
        _refuse_foreign(path, found, stat.S_ISREG(found.st_mode), forbidden)
        return file.read(65536)


def _refuse_foreign(path: Path, found: os.stat_result, right_kind: bool, forbidden: int) -> None:
    mode = stat.S_IMODE(found.st_mode)
    if not right_kind:
        raise ConfigError(f"{path} is not what a key is kept in (link, pipe, ...)", f"rm {path}")
    if found.st_uid != os.geteuid():
        raise ConfigError(
            f"{path} belongs to uid {found.st_uid}, not to you", "run as its owner, or give --state"
        )
    if mode & forbidden:
        raise ConfigError(
            f"{path} can be {'written' if mode & 0o022 else 'read'} by others (mode {mode:03o})",
            f"chmod go= {path}",
        )


def _broken(path: Path) -> ConfigError:
    return ConfigError(f"{path} is not an Ed25519 key in PEM", f"restore it, or rm {path}")
