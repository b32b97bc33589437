"""Receipts as Sigstore bundles v0.3, for tools that are not ours.

The key is a hint only: whoever verifies brings the public key. There is no entry of a public
transparency log; the proof in our own log is in receipts.jsonl.
https://github.com/sigstore/protobuf-specs/blob/v0.5.0/protos/sigstore_bundle.proto (read 2026-11)
"""

from __future__ import annotations

import json

from runner.ledger.dsse import ReceiptError

MEDIA_TYPE = "application/vnd.dev.sigstore.bundle.v0.3+json"


def bundle(envelope: bytes, keyid: str) -> bytes:
    """One line of JSON with its end; `envelope` is of one of our receipts."""
    made = {
        "mediaType": MEDIA_TYPE,
        "verificationMaterial": {"publicKey": {"hint": keyid}, "tlogEntries": []},
        "dsseEnvelope": json.loads(envelope),
    }
    return json.dumps(made, separators=(",", ":")).encode() + b"\n"


def each_bundle(content: bytes) -> list[bytes]:
    """The bundles of a file with one a line; any other content as it is."""
    rows = content.splitlines()
    return rows if rows and all(row.startswith(b'{"mediaType":') for row in rows) else [content]


def envelope_of(content: bytes) -> bytes:
    """The envelope in a bundle, or that is the content itself.

    Raises:
        ReceiptError: it is neither.
    """
    try:
        outer = json.loads(content)
    except (ValueError, RecursionError):
        raise ReceiptError("it is no JSON") from None
    if not isinstance(outer, dict):
        raise ReceiptError("it is no JSON object")
    if "mediaType" not in outer:
        return content
    inner = outer.get("dsseEnvelope")
    if outer["mediaType"] != MEDIA_TYPE or not isinstance(inner, dict):
        raise ReceiptError("it is no Sigstore bundle v0.3 with a DSSE envelope")
    return json.dumps(inner, sort_keys=True, separators=(",", ":")).encode()
