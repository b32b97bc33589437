"""Kinds of personal data: their shape, what proves them, and words that speak of them.

A pattern is bounded everywhere, so that looking for it is linear. Confidence, in percent, is
`bare` alone and `near` beside one of the words; a checksum that fails is no entity at all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from runner.guardrails.checksums import address, card, crypto, dea, digits, npi, stdnum


@dataclass(frozen=True, slots=True)
class Entity:
    """One kind, under the name that Presidio and the guardrails library use."""

    name: str
    pattern: str
    bare: int
    near: int
    words: str = ""
    """Alternatives; empty = none speaks of it."""
    proved: Callable[[str], bool] = lambda _: True
    graded: Callable[[str], int] | None = None
    """Instead of `bare`, where it depends on the text."""

    def found_in(self, text: str) -> Iterator[re.Match[str]]:
        """It stands alone: no letter, digit or underscore beside it, no part of a decimal."""
        alone = rf"(?<![A-Za-z0-9_])(?<![0-9]\.)(?:{self.pattern})(?![A-Za-z0-9_])(?!\.[0-9])"
        return _compiled(alone).finditer(text)

    def is_spoken_of(self, text: str) -> bool:
        spoken = _compiled(rf"(?i)\b(?:{self.words})\b") if self.words else None
        return spoken is not None and spoken.search(text) is not None


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])"
_SSN = "ssns?|social security|soc(?:ial)? sec|tax(?:payer)? id|itin|tin"
_DRUGS = "dea|prescri(?:ber|bing|ption)|controlled substance|medical licen[cs]e"
_TAX = "vat|tax|iva|partita"
_RESERVED = re.compile(
    r"@(?:.{0,200}\.)?(?:example(?:\.[a-z]{2,6})?|test|invalid|localhost)$", re.IGNORECASE
)


def _ssn(text: str) -> bool:
    """Areas 000 and 666, group 00 and serial 0000 were never given out."""
    number = text.replace("-", "").replace(" ", "")
    return number[:3] not in {"000", "666"} and number[3:5] != "00" and number[5:] != "0000"


def _ssn_grade(text: str) -> int:
    """9xx, and digits alone, are one only where somebody calls them that."""
    return 10 if text[0] == "9" or text.isdigit() else 60


def _email_grade(text: str) -> int:
    return 60 if _RESERVED.search(text) else 90


def _ip_grade(text: str) -> int:
    """Loopback, documentation and the like belong to nobody."""
    found = address(text)
    if found is None or found.is_loopback or found.is_unspecified or found.is_multicast:
        return 0
    if found.version == 6 and text.count(":") < 3:
        return 0  # a name of code, such as `dead::beef`
    if found.is_private or found.is_reserved or found.is_link_local:
        return 50
    return 60


def _phone_grade(text: str) -> int:
    """A plus and a few digits may be arithmetic."""
    return 40 if text[1:].isdigit() and len(text) < 12 else 55


def _card_grade(text: str) -> int:
    return 60 if text.isdigit() else 80


ENTITIES = (
    Entity(
        "CREDIT_CARD",
        r"[2-6][0-9]{3}(?:[ -]?[0-9]{4}){2}[ -]?[0-9]{1,7}|3[0-9]{3}[ -]?[0-9]{6}[ -]?[0-9]{4,5}",
        *(60, 95, "card|credit|debit|visa|mastercard|amex|discover|jcb|pan"),
        *(card, _card_grade),
    ),
    Entity(
        "IBAN_CODE",
        r"[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?",
        *(95, 99, "iban|account"),
        stdnum("iban"),
    ),
    Entity("US_SSN", r"[0-9]{3}([- ])[0-9]{2}\1[0-9]{4}|[0-9]{9}", 60, 95, _SSN, _ssn, _ssn_grade),
    Entity("US_ITIN", r"9[0-9]{2}-[0-9]{2}-[0-9]{4}", 60, 95, _SSN, stdnum("us.itin")),
    Entity("US_NPI", "[12][0-9]{9}", 20, 90, "npi|national provider|provider (?:id|number)", npi),
    Entity("MEDICAL_LICENSE", "[ABCDEFGHJKLMPRSTUX][A-Z9][0-9]{7}", 40, 90, _DRUGS, dea),
    Entity(
        "MEDICAL_LICENSE",
        "(?:[A-Z]{1,3}[-. ]?)?[0-9]{4,8}",
        *(0, 60, "(?:medical|physician|nursing) licen[cs]e"),
    ),
    Entity(
        "CRYPTO",
        "[13LMDT][1-9A-HJ-NP-Za-km-z]{25,34}|(?:bc|tb|ltc|BC|TB|LTC)1[02-9A-Za-z]{11,71}",
        *(95, 99, "wallet|bitcoin|btc|address"),
        crypto,
    ),
    Entity(
        "PHONE_NUMBER",
        r"\+[1-9][0-9 ().-]{6,20}[0-9]"
        r"|(?:1[ .-])?(?:\([2-9][0-9]{2}\) ?|[2-9][0-9]{2}[ .-])[2-9][0-9]{2}[ .-][0-9]{4}",
        *(55, 85, "phone|tel|telephone|mobile|cell|call|fax|whatsapp|contact"),
        *(lambda text: 8 <= len(digits(text)) <= 15, _phone_grade),
    ),
    Entity(
        "EMAIL_ADDRESS",
        r"[A-Za-z0-9](?:[A-Za-z0-9._%+-]{0,62}[A-Za-z0-9_%+-])?@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}"
        r"(?!:[A-Za-z0-9~/])",  # git@host:path is an address of a repository
        *(90, 95, "e-?mail|contact|mailto"),
        graded=_email_grade,
    ),
    Entity(
        "IP_ADDRESS",
        rf"(?:{_OCTET}\.){{3}}{_OCTET}|(?<!:)(?=[0-9A-Fa-f]{{1,4}}:)[0-9A-Fa-f:]{{6,39}}(?!:)",
        *(60, 60, "ip|address|host|server"),
        graded=_ip_grade,
    ),
    Entity("CVV", "[0-9]{3,4}", 0, 80, "cvv2?|cvc2?|cid|(?:card )?security code"),
    Entity("BIC_SWIFT", "[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?", 10, 80, "bic|swift", stdnum("bic")),
    Entity("US_BANK_NUMBER", "[0-9]{8,17}", 0, 60, "(?:bank|checking|savings) account|routing"),
    Entity("US_PASSPORT", "[A-Z]?[0-9]{8,9}", 0, 60, "passport"),
    Entity("US_DRIVER_LICENSE", "[A-Z]{1,2}[0-9]{5,12}", 0, 60, "driver'?s? licen[cs]e|dl no"),
    Entity("UK_NHS", "[0-9]{3}[ -]?[0-9]{3}[ -]?[0-9]{4}", 30, 90, "nhs", stdnum("gb.nhs")),
    Entity(
        "UK_NINO",
        "[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?(?:[0-9]{2} ?){3}[A-D]",
        *(50, 90, "nino|national insurance"),
    ),
    Entity("ES_NIF", "[0-9]{8}-?[A-Z]", 50, 90, "nif|dni", stdnum("es.dni")),
    Entity("ES_NIE", "[XYZ]-?[0-9]{7}-?[A-Z]", 60, 90, "nie", stdnum("es.nie")),
    Entity(
        "IT_FISCAL_CODE",
        "[A-Z]{6}[0-9]{2}[A-Z][0-9]{2}[A-Z][0-9]{3}[A-Z]",
        *(90, 95, "codice fiscale|fiscal"),
        stdnum("it.codicefiscale"),
    ),
    Entity("IT_VAT_CODE", "(?:IT)?[0-9]{11}", 20, 80, _TAX, stdnum("it.iva")),
    Entity("PL_PESEL", "[0-9]{11}", 20, 90, "pesel", stdnum("pl.pesel")),
    Entity(
        "SG_UEN",
        "[0-9]{8,9}[A-Z]|[TSR][0-9]{2}[A-Z]{2}[0-9]{4}[A-Z]",
        *(50, 90, "uen"),
        stdnum("sg.uen"),
    ),
    Entity("AU_ABN", "[0-9]{2}(?: ?[0-9]{3}){3}", 30, 90, "abn|business number", stdnum("au.abn")),
    Entity("AU_ACN", "[0-9]{3}(?: ?[0-9]{3}){2}", 20, 90, "acn|company number", stdnum("au.acn")),
    Entity("AU_TFN", "[0-9]{3} ?[0-9]{3} ?[0-9]{2,3}", 20, 90, "tfn|tax file", stdnum("au.tfn")),
    Entity("IN_PAN", "[A-Z]{5}[0-9]{4}[A-Z]", 50, 90, "pan|permanent account", stdnum("in_.pan")),
    Entity(
        "IN_AADHAAR",
        "[2-9][0-9]{3}[ -]?[0-9]{4}[ -]?[0-9]{4}",
        *(30, 90, "aadhaar|uidai"),
        stdnum("in_.aadhaar"),
    ),
    Entity(
        "FI_PERSONAL_IDENTITY_CODE",
        "[0-3][0-9][01][0-9]{3}[-+A-FU-Y][0-9]{3}[0-9A-Y]",
        *(80, 95, "hetu|henkilötunnus"),
        stdnum("fi.hetu"),
    ),
)
