"""Personal data: what is told and what is not, by shape, checksum and context."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.guardrails import pii
from runner.guardrails.checksums import base58check, bech32, card, dea, npi
from runner.guardrails.entities import ENTITIES
from runner.records.guardrail import FOUND_ENTITIES, OTHER_ENTITIES, Pii


def told(text: str, **more: object) -> set[str]:
    """Names of what is found in a text."""
    declared = Pii.model_validate({"stage": "input", **more})
    return {hit.what.partition(" ")[0] for hit in pii.find(text, declared)}


def test_the_table_and_its_names_agree() -> None:
    assert tuple(dict.fromkeys(each.name for each in ENTITIES)) == FOUND_ENTITIES
    assert not set(FOUND_ENTITIES) & set(OTHER_ENTITIES)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("CREDIT_CARD", "pay with 4111 1111 1111 1111 today"),
        ("CREDIT_CARD", "amex 378282246310005"),
        ("CREDIT_CARD", "4111-1111-1111-1111"),
        ("IBAN_CODE", "GB82 WEST 1234 5698 7654 32"),
        ("IBAN_CODE", "DE89370400440532013000"),
        ("US_SSN", "536-90-4399"),
        ("US_SSN", "her social security number is 536904399"),
        ("US_SSN", "I have an SSN number 999-88-7777"),
        ("US_ITIN", "912-80-1234 is my ITIN"),
        ("US_NPI", "NPI 1234567893"),
        ("MEDICAL_LICENSE", "DEA number AB1234563"),
        ("MEDICAL_LICENSE", "medical license no. A-123456"),
        ("CRYPTO", "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa"),
        ("CRYPTO", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
        ("CRYPTO", "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr"),
        ("PHONE_NUMBER", "(415) 555-2671"),
        ("PHONE_NUMBER", "call +49 30 901820"),
        ("EMAIL_ADDRESS", "write to jane.doe+x@corp.example.com"),
        ("IP_ADDRESS", "from 8.8.8.8 and back"),
        ("IP_ADDRESS", "at 2001:4860:4860::8888"),
        ("CVV", "the CVV is 123"),
        ("BIC_SWIFT", "SWIFT DEUTDEFF500"),
        ("US_BANK_NUMBER", "bank account 000123456789"),
        ("UK_NHS", "NHS 943 476 5919"),
        ("PL_PESEL", "PESEL 44051401359"),
        ("ES_NIF", "DNI 54362315K"),
        ("IN_AADHAAR", "Aadhaar 2341 2341 2346"),
    ],
)
def test_is_told(name: str, text: str) -> None:
    assert told(text, entities=(name,)) == {name}
    assert told(text)  # maybe as another one that overlaps it


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",  # Luhn
        "1111 1111 1111 1111",  # no issuer
        "0.4111111111111111",  # a decimal
        "GB82 WEST 1234 5698 7654 33",  # mod 97
        "000-12-3456",
        "666-12-3456",
        "536-00-4399",
        "536-90-0000",
        "900-12-3456",  # neither, and nobody calls it one
        "536904399",
        "1234567893",  # an NPI nobody speaks of
        "NPI 1234567890",
        "DEA number AB1234564",
        "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5",
        "127.0.0.1",
        "1.2.3",
        "dead::beef",
        "git@github.example:team/project",
        "x = 100 +10000000",
        "CVV is a code of three digits",
        "2026-11-20 12:34:56",
        "sha 7f3a9c2b1d4e5f60718293a4b5c6d7e8f9012345",
    ],
)
def test_is_not_told(text: str) -> None:
    assert told(text) == set()


@pytest.mark.parametrize(
    "text",
    [
        "ｊａｎｅ＠ｃｏｒｐ．ｃｏｍ",
        "jane\u200b@corp.com",
        "536‑90‑4399",
        "4111\u00a01111\u00a01111\u00a01111",
    ],
)
def test_other_spellings_are_the_same(text: str) -> None:
    assert told(text)


def test_encoded_runs() -> None:
    encoded = "amFuZUBjb3JwLmNvbSBpcyBtZQ== 6a616e6540636f72702e636f6d jane%40corp.com"
    assert told(encoded) == set()
    assert told(encoded, detect_encoded_pii=True) == {"EMAIL_ADDRESS_ENCODED"}


def test_the_surer_of_two_that_overlap() -> None:
    declared = Pii(stage="input", threshold_percent=0)
    hits = list(pii.find("IBAN GB82 WEST 1234 5698 7654 32", declared))
    assert [hit.mask for hit in hits] == ["<IBAN_CODE>"]


def test_the_threshold_decides() -> None:
    assert told("jane@example.com", threshold_percent=60) == {"EMAIL_ADDRESS"}
    assert told("jane@example.com", threshold_percent=61) == set()


def test_what_needs_a_model_is_missing() -> None:
    declared = Pii(stage="input", entities=("PERSON", "US_SSN", "LOCATION"))
    assert pii.missing(declared) == ("PERSON", "LOCATION")
    assert pii.missing(Pii(stage="input")) == ()


def _luhn_digit(body: str) -> str:
    digits = [int(char) for char in reversed(body)]
    total = sum(sum(divmod(d * 2, 10)) if at % 2 == 0 else d for at, d in enumerate(digits))
    return str(-total % 10)


@given(st.text("0123456789", min_size=14, max_size=14), st.integers(1, 9))
def test_one_wrong_digit_is_no_card(middle: str, off: int) -> None:
    body = f"4{middle}"
    number = body + _luhn_digit(body)
    if len(set(number)) > 1:
        assert card(number)
    assert not card(number[:-1] + str((int(number[-1]) + off) % 10))


@given(st.text("0123456789", min_size=8, max_size=8), st.integers(1, 9))
def test_one_wrong_digit_is_no_npi(body: str, off: int) -> None:
    digit = _luhn_digit(f"808401{body}")
    assert npi(f"1{body}{digit}")
    assert not npi(f"1{body}{(int(digit) + off) % 10}")


@given(st.text("0123456789", min_size=6, max_size=6), st.integers(1, 9))
def test_one_wrong_digit_is_no_dea_number(body: str, off: int) -> None:
    values = [int(char) for char in body]
    digit = (sum(values[::2]) + 2 * sum(values[1::2])) % 10
    assert dea(f"AB{body}{digit}") and not dea(f"AB{body}{(digit + off) % 10}")


@given(
    st.text("123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz", min_size=26, max_size=35)
)
def test_chance_is_no_address(text: str) -> None:
    assert not base58check(text) and not bech32(text)


@given(st.text(max_size=300))
def test_any_text_can_be_looked_at(text: str) -> None:
    clean = text.encode(errors="replace").decode()
    declared = Pii(stage="input", threshold_percent=0, detect_encoded_pii=True)
    for hit in pii.find(clean, declared):
        assert 0 <= hit.start < hit.end <= len(clean)


def _modules() -> Iterator[str]:
    yield from ("luhn", "iban", "bic", "us.itin", "gb.nhs", "es.dni", "es.nie", "it.codicefiscale")
    yield from ("it.iva", "pl.pesel", "sg.uen", "au.abn", "au.acn", "au.tfn", "in_.pan")
    yield from ("in_.aadhaar", "fi.hetu")


def test_the_modules_of_the_table_exist() -> None:
    assert all(callable(import_module(f"stdnum.{name}").is_valid) for name in _modules())
