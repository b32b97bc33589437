"""Keys that never leave a KMS, an HSM or another's file: signer URIs of securesystemslib.

https://python-securesystemslib.readthedocs.io (read 2026-11): `awskms:ID`, `gcpkms:...`,
`azurekms:...`, `hv:NAME` (Vault), `hsm:...`, `file2:/path`. Only Ed25519.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, TypeVar

from runner.errors import ConfigError, InfraError
from runner.ledger.keys import key_id

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

TIMEOUT_S = 30
INSTALL = "pip install 'codex-runner[kms]'"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RemoteKey:
    """`runner.ledger.keys.PrivateKey`, elsewhere."""

    uri: str
    public: Ed25519PublicKey
    ask: Callable[[bytes], bytes]

    def public_key(self) -> Ed25519PublicKey:
        return self.public

    def sign(self, data: bytes, /) -> bytes:
        """Raises InfraError: it did not sign, or not with the key whose public half is known."""
        from cryptography.exceptions import InvalidSignature

        signature = _within(lambda: self.ask(data), f"the key {self.uri} did not sign")
        try:
            self.public.verify(signature, data)
        except InvalidSignature:
            raise InfraError(
                f"the key {self.uri} is not the one whose public half is here",
                "codex-runner keys rotate gate --uri URI --public PUB.pem",
            ) from None
        return signature


def remote_key(uri: str, public: Ed25519PublicKey) -> RemoteKey:
    """The key behind a URI.

    Raises:
        ConfigError: securesystemslib, or what it needs for this scheme, is not installed; or it
            does not know the scheme, or the key.
        InfraError: the KMS does not answer.
    """
    try:
        lib = import_module("securesystemslib.signer")
        missing = import_module("securesystemslib.exceptions").UnsupportedLibraryError
    except ImportError:
        raise ConfigError(f"the key {uri} needs securesystemslib", INSTALL) from None
    scheme = uri.partition(":")[0]
    if scheme not in lib.SIGNER_FOR_URI_SCHEME:
        known = ", ".join(sorted(lib.SIGNER_FOR_URI_SCHEME))
        raise ConfigError(f"{uri!r} is no URI of a key", f"use one of {known}")
    known_public = lib.SSlibKey.from_crypto(public, keyid=key_id(public), scheme="ed25519")
    try:
        remote = _within(
            lambda: lib.Signer.from_priv_key_uri(uri, known_public), f"the key {uri} cannot be used"
        )
    except InfraError as error:
        if isinstance(error.__cause__, missing):
            raise ConfigError(
                f"the key {uri} needs a library: {error.__cause__}",
                f"pip install 'securesystemslib[{scheme}]'",
            ) from error
        raise
    return RemoteKey(uri, public, lambda data: bytes.fromhex(remote.sign(data).signature))


def _within(what: Callable[[], T], problem: str) -> T:
    """A call of a cloud's library: it may hang, and what it raises is its own affair."""
    pool = ThreadPoolExecutor(1)
    done = pool.submit(what)
    pool.shutdown(wait=False)
    try:
        error = done.exception(TIMEOUT_S)
    except TimeoutError as late:
        raise InfraError(f"{problem} within {TIMEOUT_S} s", "look at the KMS") from late
    if error is not None:
        why = f"{problem}: {type(error).__name__}: {error}"[:500]
        raise InfraError(why, "look at the KMS, or the credentials for it") from error
    return done.result()
