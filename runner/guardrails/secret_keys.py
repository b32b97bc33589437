"""Credentials: asks the scanner it is given, and a policy's own expressions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import accumulate

from runner.guardrails.hit import Hit
from runner.guardrails.words import expression
from runner.records.guardrail import SecretKeys
from runner.records.scan import Sample, Scanned

SCAN_S = 60.0
Scan = Callable[[Sample, float], Scanned | None]
"""A sample and the seconds there are for it; None = they were not enough."""
_TIERS = {
    "strict": {"certain", "generic", "weak", "marker", "opaque"},
    "balanced": {"certain", "generic", "marker", "opaque"},
    "permissive": {"certain"},
}


def find(text: str, declared: SecretKeys, scan: Scan) -> Iterator[Hit]:
    """Raises InfraError: the scanner could not be asked."""
    for pattern in declared.custom_regex:
        for match in expression(pattern).finditer(text):
            what = "matches an expression of the policy"
            yield Hit(match.start(), match.end(), "secret", what, mask="<SECRET>")
    scanned = scan(Sample(text.encode()), SCAN_S)
    if scanned is None:
        yield Hit(0, 0, "secret", "the secret scanner took too long")
        return
    rows = list(accumulate((len(row) for row in text.splitlines(keepends=True)), initial=0))
    for hit in scanned.hits:
        if hit.tier in _TIERS[declared.threshold]:
            at = rows[min(hit.line, len(rows)) - 1]
            what = f"{hit.rule}, {hit.length} bytes, digest {hit.digest}"
            yield Hit(at, at, "secret", what)
