"""Phrases that try to take an agent over. A heuristic: what it finds is told, what it does not find
proves nothing. Whoever wants more sets `action = "block"`.
"""

from __future__ import annotations

from collections.abc import Iterator

from runner.guardrails.fold import fold
from runner.guardrails.hit import Hit
from runner.guardrails.words import expression
from runner.records.guardrail import Injection

_OLD = r"(?:previous|prior|above|earlier|preceding|foregoing|system|developer|original|initial)"
_ORDERS = (
    r"(?:instruction|rule|prompt|direction|guideline|message|command|constraint|polic)(?:y|ies|s)?"
)
_LAWLESS = r"(?:no|without(?: any)?)\W{1,3}(?:restriction|filter|rule|limit|guideline|safet)"
_FREE = r"(?:unrestricted|unfiltered|uncensored|jailbroken|amoral|limitless)"

_GAP = r"\W{1,3}"


def _some(most: int) -> str:
    """A few words."""
    return rf"(?:\w+{_GAP}){{0,{most}}}?"


_IGNORE = rf"(?:ignore|disregard|forget|override|bypass){_GAP}"
_TELL = rf"(?:reveal|print|show|repeat|output|leak|dump|disclose){_GAP}"
_NEVER = rf"(?:do not|don't|never){_GAP}"
_INFORM = rf"(?:tell|inform|notify|alert|warn){_GAP}"
_SHOW = rf"(?:mention|reveal|show|report|disclose){_GAP}"
_TO = rf"to{_GAP}"
_SEND = rf"(?:send|post|upload|exfiltrate|forward|curl|leak){_GAP}"
_SECRETS = r"(?:secret|credential|token|password|api key|environment variable|\.env|ssh key)s?"
_PEOPLE = (
    r"(?:(?:the|any|your)\W{1,3})?(?:user|human|reviewer|maintainer|developer|operator|anyone)"
)
_AGENTS = r"(?:ai|llm|codex|coding|language model|assistant)s?\b"

_PHRASES = (
    ("override", 90, f"{_IGNORE}{_some(4)}{_OLD}{_GAP}{_some(2)}{_ORDERS}"),
    ("override", 75, f"{_IGNORE}(?:all|any|every|your){_GAP}{_some(2)}{_ORDERS}"),
    (
        "new orders",
        75,
        f"(?:your|the){_GAP}(?:new|real|actual|true){_GAP}{_ORDERS}{_GAP}(?:is|are)",
    ),
    ("persona", 90, r"do anything now|you are (?:now )?(?:dan|in developer mode|jailbroken)\b"),
    ("persona", 85, f"(?:act|behave|respond|roleplay|pretend){_GAP}{_some(4)}{_FREE}"),
    ("persona", 75, f"(?:pretend|imagine|act as if){_GAP}{_some(6)}{_LAWLESS}"),
    ("prompt theft", 75, f"{_TELL}{_some(4)}(?:system|hidden|initial|developer){_GAP}{_ORDERS}"),
    ("concealment", 80, f"{_NEVER}(?:{_INFORM}|{_SHOW}{_some(4)}{_TO}){_PEOPLE}"),
    ("exfiltration", 85, rf"{_SEND}{_some(8)}{_SECRETS}{_GAP}{_some(6)}(?:to|at|into)\b"),
    ("chat marker", 85, r"<\|(?:im_start|im_end|system|user|assistant|endoftext)\|>|<<sys>>"),
    ("chat marker", 85, r"\[/?inst\]|<(?:system|assistant)[ _-]?(?:prompt|message|instruction)s?>"),
    ("chat marker", 80, r"<(?:/?system|/(?:task|prompt|instructions?))>"),
    ("persona", 80, rf"you are now in{_GAP}{_some(2)}mode\b"),
    ("secret theft", 80, rf"{_TELL}your{_GAP}(?:environment|token|secret|key|credential)s?\b"),
    ("aimed at the agent", 75, f"(?:note to|message for|instructions? (?:for|to)){_GAP}{_AGENTS}"),
    ("hidden comment", 80, rf"<!--[^>]{{0,400}}\b(?:ignore|assistant|agent|{_ORDERS} for)\b"),
)


def find(text: str, declared: Injection) -> Iterator[Hit]:
    """One hit for each phrase at or above the threshold."""
    folded = fold(text)
    for name, sure, pattern in _PHRASES:
        if sure >= declared.threshold_percent:
            for match in expression(f"(?i){pattern}").finditer(folded.text):
                start, end = folded.span(match.start(), match.end())
                what = f"reads like an attempt to take the agent over: {name} ({sure} %)"
                yield Hit(start, end, "injection", what, mask="<INJECTION>")
