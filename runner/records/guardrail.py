"""Declared checks on text, in the shape the OpenAI guardrails library publishes.

`{"version": 1, "pre_flight": {"version": 1, "guardrails": [{"name": "Contains PII", "config":
{...}}]}, "input": ..., "output": ...}`. An entry may also say `required` and `action`, which that
library leaves alone. Schema: https://github.com/openai/openai-guardrails-python (read 2026-11).
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from runner.records.base import Record

Stage = Literal["pre_flight", "input", "output"]
"""The task before anything is spent; what the agent reads from outside; what would leave."""
STAGES: tuple[Stage, ...] = ("pre_flight", "input", "output")
Action = Literal["warn", "redact", "block"]
"""What becomes of a hit. What cannot be redacted (a measured tree, say) is blocked instead."""

Percent = Annotated[int, Field(ge=0, le=100)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=1000)]
Words = Annotated[tuple[Word, ...], Field(max_length=1000)]
SomeWords = Annotated[tuple[Word, ...], Field(min_length=1, max_length=1000)]


FOUND_ENTITIES = (
    *("CREDIT_CARD", "IBAN_CODE", "US_SSN", "US_ITIN", "US_NPI", "MEDICAL_LICENSE", "CRYPTO"),
    *("PHONE_NUMBER", "EMAIL_ADDRESS", "IP_ADDRESS", "CVV", "BIC_SWIFT", "US_BANK_NUMBER"),
    *("US_PASSPORT", "US_DRIVER_LICENSE", "UK_NHS", "UK_NINO", "ES_NIF", "ES_NIE"),
    *("IT_FISCAL_CODE", "IT_VAT_CODE", "PL_PESEL", "SG_UEN", "AU_ABN", "AU_ACN", "AU_TFN"),
    *("IN_PAN", "IN_AADHAAR", "FI_PERSONAL_IDENTITY_CODE"),
)
OTHER_ENTITIES = (
    *("PERSON", "LOCATION", "NRP", "DATE_TIME", "ORGANIZATION", "AGE", "URL", "MAC_ADDRESS"),
    *("US_MBI", "US_BANK_ACCOUNT", "UK_POSTCODE", "UK_PASSPORT", "UK_VEHICLE_REGISTRATION"),
    *("ES_PASSPORT", "IT_DRIVER_LICENSE", "IT_PASSPORT", "IT_IDENTITY_CARD", "SG_NRIC_FIN"),
    *("AU_MEDICARE", "IN_VEHICLE_REGISTRATION", "IN_VOTER", "IN_PASSPORT", "IN_GSTIN"),
    *("KR_RRN", "KR_PASSPORT", "KR_DRIVER_LICENSE", "TH_TNIN", "PH_MOBILE_NUMBER"),
)
"""Names of the library that need a model, or are not told here."""


class Check(Record):
    """What every declared check has."""

    USUAL: ClassVar[Action] = "block"
    """What an entry does that says nothing of it."""

    stage: Stage
    action: Action = "block"
    required: bool = False
    """Without it a check that is not available here is only told; with it, it refuses."""


class HiddenUnicode(Check):
    """Bidi controls, tag characters, selector runs, escapes; the milder kinds only warn."""

    name: Literal["Hidden Unicode"] = "Hidden Unicode"


class Size(Check):
    """Longer texts are refused."""

    name: Literal["Size"] = "Size"
    max_chars: Annotated[int, Field(ge=1)]


class Format(Check):
    """Regular expressions (RE2): all of the first are somewhere in the text, none of the second."""

    name: Literal["Format"] = "Format"
    must_match: Words = ()
    must_not_match: Words = ()


class TopicRules(Check):
    """Scope by words: at least one of the allowed ones (if there are any), none of the denied."""

    name: Literal["Topic Rules"] = "Topic Rules"
    allowed_keywords: Words = ()
    denied_keywords: Words = ()


class Keywords(Check):
    """Words and phrases that may not occur, whatever their case."""

    name: Literal["Keyword Filter", "Competitors"]
    keywords: SomeWords


class Urls(Check):
    """Addresses that are not on the list; an empty list allows none."""

    name: Literal["URL Filter"] = "URL Filter"
    url_allow_list: Words = ()
    """Domains, addresses, networks, or whole URLs that stand for what is below them."""
    allowed_schemes: Words = ("https",)
    block_userinfo: bool = True
    allow_subdomains: bool = False


class SecretKeys(Check):
    """What the secret scanner finds, and more patterns (RE2)."""

    name: Literal["Secret Keys"] = "Secret Keys"
    threshold: Literal["strict", "balanced", "permissive"] = "balanced"
    """Strict: also values that only stand where a secret would; permissive: known kinds only."""
    custom_regex: Words = ()


class Pii(Check):
    """Personal data by shape, checksum and the words around it."""

    USUAL: ClassVar[Action] = "redact"

    name: Literal["Contains PII"] = "Contains PII"
    entities: Words = ()
    """Empty = all that are told without a model; people's names are not among them."""
    block: bool = False
    detect_encoded_pii: bool = False
    """Also in base64, hex and percent-encoded runs."""
    threshold_percent: Percent = 50


class _Asking(Check):
    """Configuration of a check that asks a model."""

    model: str = ""
    threshold_percent: Percent = 70
    include_reasoning: bool = False
    max_turns: int | None = None


class Injection(_Asking):
    """By phrases, where the library asks a model. Its silence vouches for nothing."""

    USUAL: ClassVar[Action] = "warn"

    name: Literal["Jailbreak", "Prompt Injection Detection"]


class Asking(_Asking):
    """Needs a model or a remote service: it can be declared, and is not available here."""

    name: Literal[
        "Moderation",
        "Hallucination Detection",
        "Off Topic Prompts",
        "NSFW Text",
        "NSFW",
        "Custom Prompt Check",
    ]
    categories: Words = ()
    system_prompt_details: str = ""
    knowledge_source: str = ""


Guardrail = Annotated[
    HiddenUnicode
    | Size
    | Format
    | TopicRules
    | Keywords
    | Urls
    | SecretKeys
    | Pii
    | Injection
    | Asking,
    Field(discriminator="name"),
]
KINDS: tuple[type[Check], ...] = (
    *(HiddenUnicode, Size, Format, TopicRules, Keywords),
    *(Urls, SecretKeys, Pii, Injection, Asking),
)

TASK_CHARS = 100_000
BUILT_IN: tuple[Guardrail, ...] = (
    HiddenUnicode(stage="pre_flight"),
    Size(stage="pre_flight", max_chars=TASK_CHARS),
    HiddenUnicode(stage="input"),
    HiddenUnicode(stage="output"),
)
"""Declared for everybody; a policy only adds to them."""
