"""Whether bytes are signed with a key: Ed25519, as the receipts are."""

from __future__ import annotations

import base64
import binascii


def is_signed(data: bytes, signature: bytes, public_key: bytes) -> bool:
    """`signature`: 64 bytes in base64; `public_key`: SubjectPublicKeyInfo in PEM.

    Raises:
        ValueError: that is no Ed25519 key.
    """
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(public_key)
    except UnsupportedAlgorithm as error:
        raise ValueError("unknown kind of key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ValueError("not an Ed25519 key")
    try:
        key.verify(base64.b64decode(signature.strip(), validate=True), data)
    except (InvalidSignature, binascii.Error):
        return False
    return True
