"""Which requests are looked at: one request line, one plain length."""

from __future__ import annotations

import h11

from runner.broker.refusal import RefusalError

LINE = (b"POST", b"/v1/responses", b"1.1")
MAX_BODY_BYTES = 16 * 1024 * 1024


def admit(head: h11.Request) -> None:
    """What two servers could read differently is refused.

    Raises:
        RefusalError: another line, a missing, odd or large length, an encoded body.
    """
    if (head.method, head.target, head.http_version) != LINE:
        raise RefusalError("not-allowed", "only POST /v1/responses is served", 403)
    names = [name for name, _ in head.headers]
    lengths = [value for name, value in head.headers if name == b"content-length"]
    if b"transfer-encoding" in names or len(lengths) != 1 or not lengths[0].isdigit():
        raise RefusalError("framing", "one Content-Length and no Transfer-Encoding, please")
    if b"content-encoding" in names:
        raise RefusalError("framing", "the body must not be compressed")
    if len(lengths[0]) > 12 or int(lengths[0]) > MAX_BODY_BYTES:
        raise RefusalError("body-size", f"the body is over {MAX_BODY_BYTES} bytes")
