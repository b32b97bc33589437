"""Repository paths are bytes; records are JSON. One injective text form bridges them.

A path is written as it is when it is clean UTF-8; with control characters, quotes, backslashes or
foreign bytes it is written the way git quotes it: `"caf\\351.txt"`. Only the quoted form starts
with a double quote, so the two never meet.
"""

from __future__ import annotations

_NAMED = {7: "a", 8: "b", 9: "t", 10: "n", 11: "v", 12: "f", 13: "r", 34: '"', 92: "\\"}
_VALUES = {name: value for value, name in _NAMED.items()}


def encode_path(path: bytes) -> str:
    """`b'src/a.py'` -> `src/a.py`; `b'a\\xff'` -> `"a\\377"`."""
    try:
        text = path.decode()
    except UnicodeDecodeError:
        return _quote(path)
    plain = text.isprintable() and '"' not in text and "\\" not in text
    return text if plain else _quote(path)


def decode_path(text: str) -> bytes:
    """The inverse of `encode_path`. Raises ValueError on a broken quoted form."""
    if not text.startswith('"'):
        return text.encode()
    if len(text) < 2 or not text.endswith('"'):
        raise ValueError(f"unterminated quoted path: {text!r}")
    return bytes(_unquote(text[1:-1]))


def _quote(path: bytes) -> str:
    out = []
    for byte in path:
        if byte in _NAMED:
            out.append("\\" + _NAMED[byte])
        elif 32 <= byte < 127:
            out.append(chr(byte))
        else:
            out.append(f"\\{byte:03o}")
    return '"' + "".join(out) + '"'


def _unquote(body: str) -> bytearray:
    out = bytearray()
    at = 0
    while at < len(body):
        if body[at] != "\\":
            out += body[at].encode()
            at += 1
        elif body[at + 1 : at + 2] in _VALUES:
            out.append(_VALUES[body[at + 1]])
            at += 2
        else:
            out.append(int(body[at + 1 : at + 4], 8))
            at += 4
    return out
