"""Checksums that python-stdnum does not have, and a way to ask it by a module's name.

Each takes the text as it was found and says whether it can be real.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Callable
from importlib import import_module

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)
_BECH32_SUMS = frozenset({1, 0x2BC830A3})
"""Of BIP-173 and BIP-350."""
_NOT_DIGIT = re.compile(r"[^0-9]")

_ISSUERS = re.compile(
    r"4[0-9]{12}(?:[0-9]{3}){0,2}"  # Visa
    r"|(?:5[1-5][0-9]{2}|222[1-9]|22[3-9][0-9]|2[3-6][0-9]{2}|27[01][0-9]|2720)[0-9]{12}"
    r"|3[47][0-9]{13}"  # American Express
    r"|3(?:0[0-5]|[689][0-9])[0-9]{11}"  # Diners
    r"|(?:6011|65[0-9]{2}|64[4-9][0-9])[0-9]{12}"  # Discover
    r"|35(?:2[89]|[3-8][0-9])[0-9]{12}"  # JCB
    r"|62[0-9]{14,17}"  # UnionPay
)
"""https://en.wikipedia.org/wiki/Payment_card_number (read 2026-11)."""


def stdnum(module: str) -> Callable[[str], bool]:
    """`stdnum("gb.nhs")`; the module is imported when the first number is looked at."""

    def valid(text: str) -> bool:
        return bool(import_module(f"stdnum.{module}").is_valid(text))

    return valid


def digits(text: str) -> str:
    return _NOT_DIGIT.sub("", text)


def luhn(number: str) -> bool:
    return bool(import_module("stdnum.luhn").is_valid(number))


def card(text: str) -> bool:
    """Issuer, length and Luhn."""
    number = digits(text)
    return bool(_ISSUERS.fullmatch(number)) and len(set(number)) > 1 and luhn(number)


def npi(text: str) -> bool:
    """A US provider's number: Luhn behind the prefix 80840."""
    return luhn("80840" + text)


def dea(text: str) -> bool:
    """Of a US prescriber: two letters, six digits and their sum."""
    number = [int(char) for char in text[2:]]
    return (sum(number[:6:2]) + 2 * sum(number[1:6:2])) % 10 == number[6]


def base58check(text: str) -> bool:
    """Bitcoin, Litecoin, Dogecoin, Tron: 21 bytes and the first four of their double SHA-256."""
    value = 0
    for char in text:
        value = value * 58 + _BASE58.index(char)
    zeros = len(text) - len(text.lstrip("1"))
    data = bytes(zeros) + value.to_bytes((value.bit_length() + 7) // 8)
    double = hashlib.sha256(hashlib.sha256(data[:-4]).digest()).digest()
    return len(data) == 25 and data[-4:] == double[:4]


def bech32(text: str) -> bool:
    """`bc1...`, `ltc1...`: BIP-173 or BIP-350; one case only."""
    if text not in {text.lower(), text.upper()}:
        return False
    prefix, _, body = text.lower().rpartition("1")
    if not prefix or len(body) < 6 or not set(body) <= set(_BECH32):
        return False
    spread = [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix]
    return _polymod(spread + [_BECH32.index(char) for char in body]) in _BECH32_SUMS


def _polymod(values: list[int]) -> int:
    total = 1
    for value in values:
        top = total >> 25
        total = (total & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate(_GENERATOR):
            total ^= term if top >> bit & 1 else 0
    return total


def crypto(text: str) -> bool:
    return bech32(text) or (set(text) <= set(_BASE58) and base58check(text))


def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
