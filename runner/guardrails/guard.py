"""The checks that are declared for a stage, on one text.

1. A text that is too long to be looked at whole is refused, never looked at in part.
2. A check that cannot be made is told; one that is required refuses. One that fails ends the run.
3. A hit blocks, unless its check says to redact it and that can be done, or to warn.
4. What is told never repeats what was found.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from runner.errors import ConfigError
from runner.guardrails import hidden, injection, pii, secret_keys, urls, words
from runner.guardrails.hit import Hit
from runner.records.gate import Finding
from runner.records.guardrail import (
    BUILT_IN,
    Action,
    Asking,
    Check,
    Format,
    Guardrail,
    HiddenUnicode,
    Injection,
    Keywords,
    Pii,
    SecretKeys,
    Size,
    Stage,
    TopicRules,
    Urls,
)

GATE = "guardrails"
FINDERS: Mapping[type[Check], Callable[[str, Any], Iterator[Hit]]] = {
    HiddenUnicode: lambda text, _: hidden.find(text),
    Size: words.size,
    Format: words.form,
    TopicRules: words.topic,
    Keywords: words.keywords,
    Urls: urls.find,
    Pii: pii.find,
    Injection: injection.find,
}
TEXT_CHARS = 2_000_000
FINDINGS = 50
"""Told of one text; everything that is found counts and is redacted."""
REMEDY = "take it out; what is checked is declared under guardrails in the policy"
ABSENT = "leave it to a service that has a model; with `required` it refuses instead"
_NEEDS = "needs a model, and is not available here"


@dataclass(frozen=True, slots=True)
class Place:
    """What a text is called, and where it stands in a repository if it does."""

    source: str
    path: str | None = None
    first_line: int = 1
    fixed: bool = False
    """It is what it is: nothing can be redacted in it."""
    part: Literal["text", "fragment", "sum"] = "text"
    """A whole text, a piece of one, or pieces that were looked at and are now taken together."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one text. `text` is what may go on: as it came, or redacted."""

    verdict: Literal["passed", "redacted", "blocked"]
    text: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class Guard:
    """The declared checks, with the scanner they may ask."""

    declared: tuple[Guardrail, ...]
    scan: secret_keys.Scan | None = None
    text_chars: int = TEXT_CHARS

    def check(self, stage: Stage, text: str, place: Place) -> Outcome:
        """Raises InfraError: the secret scanner could not be asked."""
        checks = [each for each in self.declared if each.stage == stage]
        if not checks:
            return Outcome("passed", text, ())
        if len(text) > self.text_chars:
            return Outcome("blocked", text, (_too_large(text, place, self.text_chars),))
        told = _Told(text.encode(errors="replace").decode(), place)
        for declared in checks:
            for hit in self.hits(told.text, declared):
                if place.part == "text" or hit.whole == (place.part == "sum"):
                    told.add(hit, declared)
            for why in self.missing(declared) if place.part != "fragment" else ():
                told.lack(why, declared)
        return told.outcome(text)

    def hits(self, text: str, declared: Guardrail) -> Iterator[Hit]:
        """What one check finds, whatever becomes of it."""
        if isinstance(declared, SecretKeys):
            return iter(()) if self.scan is None else secret_keys.find(text, declared, self.scan)
        return iter(()) if isinstance(declared, Asking) else FINDERS[type(declared)](text, declared)

    def missing(self, declared: Guardrail) -> tuple[str, ...]:
        """What of a check cannot be done here; empty = nothing."""
        match declared:
            case Asking():
                return (_NEEDS,)
            case Injection():
                return (f"{_NEEDS}; only phrases are looked for",)
            case SecretKeys() if self.scan is None:
                return ("has no scanner here",)
            case Pii() if names := pii.missing(declared):
                return (f"cannot tell {', '.join(names)} without a model",)
        return ()


def ready(declared: tuple[Guardrail, ...], scan: secret_keys.Scan | None = None) -> Guard:
    """Raises ConfigError: an expression of a policy is none of RE2, or words are too many."""
    for each in declared:
        for pattern in _patterns(each):
            try:
                words.expression(pattern)
            except ValueError as error:
                where = f"guardrails: {each.stage}: {each.name}"
                raise ConfigError(
                    f"{where}: {pattern[:100]!a}: {error}", "use the syntax of RE2"
                ) from error
    return Guard(declared, scan)


def _patterns(declared: Guardrail) -> tuple[str, ...]:
    """All that RE2 will be asked to read."""
    match declared:
        case Format():
            return (*declared.must_match, *declared.must_not_match)
        case SecretKeys():
            return declared.custom_regex
        case Keywords():
            found: tuple[str | None, ...] = (words.phrases(declared.keywords),)
        case TopicRules():
            found = (
                words.phrases(declared.allowed_keywords),
                words.phrases(declared.denied_keywords),
            )
        case _:
            return ()
    return tuple(each for each in found if each is not None)


class _Told:
    """Findings and redactions of one text, as they come."""

    def __init__(self, text: str, place: Place) -> None:
        self.text = text
        self._place = place
        self._rows = [at for at, char in enumerate(text) if char == "\n"]
        self._refusing: list[Finding] = []
        self._warning: list[Finding] = []
        self._masks: list[tuple[int, int, str]] = []

    def add(self, hit: Hit, declared: Check) -> None:
        action = self._action(hit, declared)
        at = self._place.first_line + bisect_right(self._rows, hit.start - 1)
        line = None if hit.whole or at < 1 else at
        if action == "redact" and hit.mask is not None:
            self._masks.append((hit.start, hit.end, hit.mask))
        self._tell(action, f"{GATE}.{hit.kind}", declared, hit.what, line)

    def lack(self, why: str, declared: Check) -> None:
        action: Action = "block" if declared.required else "warn"
        self._tell(action, f"{GATE}.unavailable", declared, why, None)

    def outcome(self, original: str) -> Outcome:
        findings = (*self._refusing, *self._warning)[:FINDINGS]
        if self._refusing:
            return Outcome("blocked", original, findings)
        if self._masks:
            return Outcome("redacted", _masked(self.text, self._masks), findings)
        return Outcome("passed", original, findings)

    def _action(self, hit: Hit, declared: Check) -> Action:
        if hit.weak or declared.action == "warn":
            return "warn"
        can = hit.mask is not None and not self._place.fixed
        return "redact" if declared.action == "redact" and can else "block"

    def _tell(
        self, action: Action, code: str, declared: Check, what: str, line: int | None
    ) -> None:
        name = str(getattr(declared, "name", ""))
        where = self._place.source + (f":{line}" if line else "")
        done = {"block": "", "warn": "warning: ", "redact": "warning: redacted: "}[action]
        finding = Finding(
            gate=GATE,
            code=code,
            path=self._place.path,
            line=line if self._place.path else None,
            why=f"{done}{where}: {name}: {what}",
            remedy=ABSENT if code == f"{GATE}.unavailable" else REMEDY,
            retryable=declared.stage == "output" and code != f"{GATE}.unavailable",
            rule=f"guardrails {declared.stage} {name}",
            layer="built-in" if declared in BUILT_IN else "",
        )
        kept = self._refusing if action == "block" else self._warning
        if len(kept) < FINDINGS:
            kept.append(finding)


def _masked(text: str, masks: Sequence[tuple[int, int, str]]) -> str:
    """Every span replaced once; line ends stay, so that lines keep their numbers."""
    parts: list[str] = []
    end = 0
    for start, stop, mask in sorted(masks):
        if start >= end:
            parts += (text[end:start], mask)
        if stop > end:
            parts.append("\n" * text.count("\n", max(start, end), stop))
            end = stop
    return "".join((*parts, text[end:]))


def _too_large(text: str, place: Place, most: int) -> Finding:
    return Finding(
        gate=GATE,
        code=f"{GATE}.too-large",
        path=place.path,
        why=f"{place.source}: {len(text)} characters are more than the {most} that can be checked",
        remedy="make it shorter",
        retryable=True,
    )
