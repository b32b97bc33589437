"""What became of one attack on one engine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Verdict = Literal["held", "detected", "breached", "not applicable", "not run"]
WORST: tuple[Verdict, ...] = ("breached", "not run", "detected", "held", "not applicable")


@dataclass(frozen=True, slots=True)
class Judgement:
    """held: nothing happened; detected: the run was refused or stopped and said why;
    not run: nobody knows, which counts as badly as breached."""

    verdict: Verdict
    why: str


def held(why: str) -> Judgement:
    return Judgement("held", why)


def detected(why: str) -> Judgement:
    return Judgement("detected", why)


def breached(why: str) -> Judgement:
    return Judgement("breached", why)


def not_applicable(why: str) -> Judgement:
    return Judgement("not applicable", why)


def not_run(why: str) -> Judgement:
    return Judgement("not run", why)


def worst(judgements: list[Judgement]) -> Judgement:
    """The gravest one; of equals the first, told with all their words."""
    gravest = min((j.verdict for j in judgements), key=WORST.index)
    return Judgement(gravest, "; ".join(j.why for j in judgements if j.verdict == gravest))


def told(output: str, attack: str) -> dict[str, list[str]]:
    """The payload's own lines, by their first word: BREACH, HELD, PLANTED."""
    found: dict[str, list[str]] = {}
    for word, rest in re.findall(rf"(?m)^(BREACH|HELD|PLANTED) {attack}\b ?(.*)$", output):
        if rest.strip() not in found.setdefault(word, []):
            found[word].append(rest.strip())
    return found
