"""The local Ed25519 keys, one for each role: `STATE/keys/receipt.key` is the gate's, made on first
use; `verifier.key` and `approver.key` are made by a command (`runner.ledger.rekeying`).

Beside each lies its public half, `.pub`. Where a KMS signs, there is a `.uri` instead of `.key`.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from runner.errors import ConfigError
from runner.ledger.folder import on_disk, private_directory, replace
from runner.records.evidence import Role

KEYS = "keys"
STEMS = MappingProxyType[Role, str](
    {"gate": "receipt", "verifier": "verifier", "approver": "approver"}
)
"""Role -> how its files begin."""
_SPKI = serialization.PublicFormat.SubjectPublicKeyInfo


class PrivateKey(Protocol):
    """Ed25519; here, or in a KMS."""

    def sign(self, data: bytes, /) -> bytes: ...
    def public_key(self) -> Ed25519PublicKey: ...


@dataclass(frozen=True, slots=True)
class Signer:
    """Signs with one key; `keyid` is the SHA-256 of its public SubjectPublicKeyInfo (DER)."""

    key: PrivateKey
    keyid: str

    def sign(self, message: bytes) -> bytes:
        return self.key.sign(message)

    @staticmethod
    def of(key: PrivateKey) -> Signer:
        return Signer(key, key_id(key.public_key()))


def key_id(public: Ed25519PublicKey) -> str:
    """SHA-256, hex, of the SubjectPublicKeyInfo in DER."""
    return hashlib.sha256(public.public_bytes(serialization.Encoding.DER, _SPKI)).hexdigest()


def in_pem(public: Ed25519PublicKey) -> bytes:
    """SubjectPublicKeyInfo in PEM."""
    return public.public_bytes(serialization.Encoding.PEM, _SPKI)


def public_key(pem: bytes) -> Ed25519PublicKey:
    """Raises ValueError: that is no Ed25519 public key in PEM."""
    try:
        key = serialization.load_pem_public_key(pem)
    except UnsupportedAlgorithm as error:
        raise ValueError("unknown kind of key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")
    return key


def local_signer(state: Path, role: Role = "gate") -> Signer:
    """The key of this state directory; two first uses at once end with one key.

    Raises:
        ConfigError: the key is a link, readable by others, someone else's, in a repository, revoked
            or not Ed25519; or the role has none (the gate's is made).
        InfraError: the state directory cannot be written.
    """
    from runner.ledger.keyring import ending_of

    place = key_file(state, role)
    with on_disk(place):
        private_directory(place.parent)
        require_outside(place)
        if role == "gate" and not has_key(state, role):
            new_key(place)
    if not has_key(state, role):
        raise ConfigError(
            f"there is no key of the {role} in {state}", f"codex-runner keys create {role}"
        )
    signer = kept_signer(place)
    if why := ending_of(state, signer.keyid):
        raise ConfigError(
            f"the {role}'s key {signer.keyid[:16]} was {why}", f"codex-runner keys rotate {role}"
        )
    return signer


def local_signers(state: Path) -> dict[Role, Signer]:
    """The gate's, and those of other roles that are here and in use. Raises as `local_signer`."""
    from runner.ledger.keyring import ending_of

    found: dict[Role, Signer] = {"gate": local_signer(state)}
    for role in STEMS:
        if role not in found and has_key(state, role):
            signer = kept_signer(key_file(state, role))
            if not ending_of(state, signer.keyid):
                found[role] = signer
    return found


def key_file(state: Path, role: Role) -> Path:
    """Where its private half is, or would be."""
    return state / KEYS / f"{STEMS[role]}.key"


def has_key(state: Path, role: Role) -> bool:
    """Whether the role can sign here."""
    place = key_file(state, role)
    return os.path.lexists(place) or os.path.lexists(place.with_suffix(".uri"))


def kept_signer(place: Path) -> Signer:
    """The key of this file, or of the URI beside it. Raises as `local_signer`."""
    if os.path.lexists(place.with_suffix(".uri")):
        from runner.ledger.kms import remote_key

        uri = _read(place.with_suffix(".uri"), 0o077).decode(errors="replace").strip()
        return Signer.of(remote_key(uri, _public(place.with_suffix(".pub"))))
    signer = Signer.of(_load(place))
    pem = in_pem(signer.key.public_key())
    beside = place.with_suffix(".pub")
    with on_disk(beside):
        if beside.is_symlink() or not beside.is_file() or beside.read_bytes() != pem:
            replace(beside, pem)
    return signer


def local_public_key(state: Path, role: Role = "gate") -> Ed25519PublicKey | None:
    """The exported public key, None when nothing was ever signed here with it.

    Raises:
        ConfigError: the file is not an Ed25519 public key.
    """
    path = key_file(state, role).with_suffix(".pub")
    return _public(path) if os.path.lexists(path) else None


def private_half(state: Path, keyid: str) -> str:
    """Where this key signs from here: a file's name, a URI; empty = it does not."""
    for role in STEMS:
        public = local_public_key(state, role) if has_key(state, role) else None
        if public is not None and key_id(public) == keyid:
            place = key_file(state, role)
            uri = place.with_suffix(".uri")
            return uri.read_text().strip() if uri.exists() else place.name
    return ""


def require_outside(place: Path) -> None:
    """Raises ConfigError: it is in a repository, where an agent, or a commit, might come by it."""
    home = Path.home()
    for directory in place.parents:
        if directory != home and os.path.lexists(directory / ".git"):
            raise ConfigError(
                f"{place.parent} is inside the repository {directory}: a key must not be there",
                "keep the state elsewhere: --state DIR",
            )


def _public(path: Path) -> Ed25519PublicKey:
    try:
        return public_key(_read(path, 0o022))
    except ValueError:
        raise _broken(path) from None


def new_key(path: Path) -> None:
    """A private key; never over one that is there: of several creators the first one wins."""
    pem = Ed25519PrivateKey.generate().private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    # mkstemp is O_EXCL and 0600; link() never replaces
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
