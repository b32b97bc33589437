"""Bytes -> text a person could have typed: UTF-8, no BOM, no NUL, lines ended by LF or CRLF."""

from __future__ import annotations

from runner.errors import ConfigError


def decode_text(data: bytes, source: str) -> str:
    """Text with LF line ends.

    Raises:
        ConfigError: naming the line of the first byte that does not belong.
    """
    for mark in (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"):
        if data.startswith(mark):
            raise ConfigError(
                f"{source}, line 1: begins with a byte order mark", "save it as UTF-8 without BOM"
            )
    if (at := data.find(b"\0")) >= 0:
        raise ConfigError(f"{source}, line {_line(data, at)}: NUL byte", "remove it")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{source}, line {_line(data, error.start)}: byte 0x{data[error.start]:02x}"
            " is not UTF-8",
            "save it as UTF-8",
        ) from error
    text = text.replace("\r\n", "\n")
    if (at := text.find("\r")) >= 0:
        raise ConfigError(
            f"{source}, line {text.count(chr(10), 0, at) + 1}: carriage return without line feed",
            "end lines with LF or CRLF",
        )
    return text


def _line(data: bytes, at: int) -> int:
    return data.count(b"\n", 0, at) + 1
