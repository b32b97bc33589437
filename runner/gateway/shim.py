"""Codex's hook: asks the gate whether a tool may run, and tells it what became of one that did.

`python3 -I -S shim.py ask|told SOCKET DEADLINE_S < hook.json`: status 0 only for an ALLOW with a
receipt; 2, with a reason on stderr, for everything else. At the deadline it is killed by its own
alarm, whatever it is doing. It reads nothing of what it passes on: the gate does, outside.
Runs alone inside sandboxes, under any Python from 3.7 on: built-in modules only, for `socket`,
`signal` and `json` would cost more than the whole question.
"""

import _signal  # type: ignore[import-not-found]
import _socket
import posix
import sys

MOST_BYTES = 1024 * 1024
"""Of what codex tells; the gate would not read more."""
ANSWER_BYTES = 8192
SHOWN_BYTES = 2000
RECEIPT = b"ALLOW rc_"
HEX = b"0123456789abcdef"
ANSWERS = (b"DENY ", b"PENDING ")


def read_all() -> bytes:
    told = b""
    while len(told) <= MOST_BYTES:
        chunk = posix.read(0, 65536)
        if not chunk:
            return told
        told += chunk
    raise ValueError("this call is too large to be decided on")


def ask(place: str, verb: str, body: bytes) -> bytes:
    """The whole answer, at most one byte more than an answer may have."""
    head = "POST /hook/%s HTTP/1.1\r\nhost: gate\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    link = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    link.connect(place)
    link.sendall((head % (verb, len(body))).encode() + body)
    answer = b""
    while len(answer) <= ANSWER_BYTES:
        chunk = link.recv(4096)
        if not chunk:
            break
        answer += chunk
    return answer


def why_not(answer: bytes) -> bytes:
    """Empty only for `ALLOW rc_` and 32 hex digits in a whole answer of status 200."""
    head, _, body = answer.partition(b"\r\n\r\n")
    line = body[:-1]
    if len(answer) > ANSWER_BYTES or not head.startswith(b"HTTP/1.1 200 ") or body[-1:] != b"\n":
        return b"the gate did not answer as it should"
    number = line[len(RECEIPT) :]
    if line.startswith(RECEIPT) and len(number) == 32 and not number.strip(HEX):
        return b""
    if line.startswith(ANSWERS):
        return line[:SHOWN_BYTES]
    return b"the gate did not answer as it should"


def main(verb: str, place: str, deadline_s: str) -> bytes:
    _signal.signal(_signal.SIGALRM, _signal.SIG_DFL)
    _signal.setitimer(_signal.ITIMER_REAL, float(deadline_s))
    try:
        return why_not(ask(place, verb, read_all()))
    except (OSError, ValueError) as error:
        return f"the gate cannot be asked: {error}".encode(errors="replace")[:SHOWN_BYTES]


if __name__ == "__main__":
    refusal = main(*sys.argv[1:])
    if refusal:
        posix.write(2, refusal + b"\n")
    posix._exit(2 if refusal else 0)
