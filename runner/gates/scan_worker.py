"""The secret scanner's own process: `python -m runner.gates.scan_worker`.

Hostile bytes are taken apart here, away from the process that holds the keys, and the rules' memory
is given back when it ends. It speaks frames on stdin and stdout: 8 bytes of length, big-endian,
then one JSON line and the raw bytes whose lengths that line names.
First frame in: `{"cache": "/state/scanner/rules", "key": "<hex>"}`; then one frame per sample,
`{"data": 120, "base": 80}`. Frames out: `{"hits": [...], "unfolded": [12]}` or `{"error": "..."}`.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import resource
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property
from typing import BinaryIO

from runner.gates import formats, generic
from runner.gates.likeness import is_sample
from runner.gates.unpack import OpaqueError, unpack
from runner.gates.views import DeepError, View, views
from runner.records.scan import Hit, Sample, Scanned, Tier

MEMORY_BYTES = 3 * 1024 * 1024 * 1024
CPU_S = 600
HITS = 100
"""What is told of each tier and sample. No more than telling ends there: all is looked at."""

SHORT_BYTES = 5
"""A shorter password in a URL is a sample more often than not."""
_CROSSED = re.compile(rb"(?i)x{8}")
"""Nothing is left of such a token."""

Detect = Callable[[bytes], Sequence[tuple[str, int, int]]]
"""Text -> (rule, start, end) of what a provider's rule matched."""
Region = tuple[str, Tier, int, int]

_MARKER = re.compile(
    rb"(?i)(?:git|better)leaks[:]allow|kingfisher[:](?:ignore|allow)|trufflehog[:]ignore"
    rb"|pragma[:]\s?(?:allow|white)list|secretlint[-]disable|gg[i]gnore|noseyparker[:]?ignore"
)
MARKED_BYTES = 100
"""How much of its line makes a marker the same one as before."""
_CATALOGUE = re.compile(r"^(?:betterleaks|kingfisher|custom|veles\.secrets)[./]")


def load(cache: str) -> Detect:
    """Kingfisher with all its rules; 0.3 s from a warm cache, 3.3 s from a cold one.

    Raises:
        ImportError: not installed here.
    """
    from kingfisher_sdk import DetectionScanner, Rules

    scanner = DetectionScanner(
        Rules(confidence="low", cache_dir=cache), redact=True, inline_ignores=False
    )

    def detect(text: bytes) -> list[tuple[str, int, int]]:
        places = ((found, found.location) for found in scanner.scan(text) if found.visible)
        return [
            (_CATALOGUE.sub("", found.rule_id), place["start_offset"], place["end_offset"])
            for found, place in places
        ]

    return detect


def scan(sample: Sample, detect: Detect, key: bytes) -> Scanned:
    """What is in the sample and not in its base.

    1. Everything folded inside is unfolded; what cannot be is a hit of its own.
    2. Every view of it is searched by the provider rules and by the own detector.
    3. A region whose bytes the base has as well was published before: not new.
    """
    members, all_views, opaque = _unfold(sample.data)
    new = _new(all_views, sample.base, detect)
    hits = {_hit(view, region, key) for view, region in new}
    if opaque and sample.data != sample.base:
        hits.add(Hit("opaque", "opaque", 1, len(sample.data), _digest(key, "opaque", sample.data)))
    decoded = [view.text for view in all_views if view.kind == "decoded"]
    ordered = sorted(hits, key=lambda hit: (hit.line, hit.rule, hit.digest))
    return Scanned(tuple(ordered), (*members, *decoded))


def _unfold(data: bytes) -> tuple[list[bytes], list[View], bool]:
    """Members, views of everything, and whether something could not be unfolded."""
    members: list[bytes] = []
    found: list[View] = []
    opaque = False
    try:
        members = unpack(data)
    except OpaqueError:
        opaque = True
    for part in (data, *members):
        try:
            found += views(part)
        except DeepError:
            opaque = True
    return members, found, opaque


def _new(all_views: Sequence[View], base: bytes, detect: Detect) -> list[tuple[View, Region]]:
    """A full tier keeps none of another one from being found."""
    old = _Old(base, detect)
    told: Counter[Tier] = Counter()
    new: list[tuple[View, Region]] = []
    for view in all_views:
        for region in _regions(view, detect):
            tier, start, end = region[1:]
            if told[tier] < HITS and view.text[start:end] not in old:
                told[tier] += 1
                new.append((view, region))
    return new


class _Old:
    """What the base has; taken apart only when something asks."""

    def __init__(self, base: bytes, detect: Detect) -> None:
        self._base = base
        self._detect = detect

    def __contains__(self, text: bytes) -> bool:
        if not self._base:
            return False
        return text in self._regions or any(text in view.text for view in self._views)

    @cached_property
    def _views(self) -> list[View]:
        return _unfold(self._base)[1]

    @cached_property
    def _regions(self) -> set[bytes]:
        return {
            view.text[start:end]
            for view in self._views
            for *_, start, end in _regions(view, self._detect)
        }


def _regions(view: View, detect: Detect) -> Iterator[Region]:
    for rule, start, end in detect(view.text):
        if rule != "jwt" or formats.is_jwt(view.text[start:end]):
            yield rule, _tier(rule, view.text, start, end), start, end
    if view.kind == "joined":
        yield from ((rule, "certain", start, end) for rule, start, end in formats.find(view.text))
        return
    for match in generic.find(view.text):
        yield match.rule, match.tier, match.start, match.end
    for marker in _MARKER.finditer(view.text):
        start = view.text.rfind(b"\n", max(0, marker.start() - MARKED_BYTES), marker.start()) + 1
        yield "allow-marker", "marker", max(start, marker.start() - MARKED_BYTES), marker.end()


def _tier(rule: str, text: bytes, start: int, end: int) -> Tier:
    """The provider catalogue has a few rules of no provider; they take samples for secrets."""
    region = text[start:end]
    if not rule.startswith("generic"):
        return "weak" if _CROSSED.search(region) else "certain"
    is_default = text.endswith(region + b":", 0, start)
    return "weak" if len(region) < SHORT_BYTES or is_default or is_sample(region) else "generic"


def _hit(view: View, region: Region, key: bytes) -> Hit:
    rule, tier, start, end = region
    digest = _digest(key, rule, view.text[start:end])
    return Hit(rule, tier, view.line(start), end - start, digest)


def _digest(key: bytes, rule: str, text: bytes) -> str:
    return hmac.new(key, rule.encode() + b"\0" + text, hashlib.sha256).hexdigest()[:12]


def serve(source: BinaryIO, sink: BinaryIO, make: Callable[[str], Detect] = load) -> None:
    """Answer frames until the other side closes."""
    first = _read(source)
    if first is None:
        return
    greeting = json.loads(first)
    try:
        detect = make(greeting["cache"])
    except ImportError as error:
        _write(sink, {"error": f"cannot import the secret scanner: {error}"})
        return
    while (frame := _read(source)) is not None:
        answer = scan(_sample(frame), detect, bytes.fromhex(greeting["key"]))
        sizes = [len(part) for part in answer.unfolded]
        hits = [asdict(hit) for hit in answer.hits]
        _write(sink, {"hits": hits, "unfolded": sizes}, *answer.unfolded)


def _sample(frame: bytes) -> Sample:
    head, _, body = frame.partition(b"\n")
    size = json.loads(head)["data"]
    return Sample(body[:size], body[size:])


def _read(source: BinaryIO) -> bytes | None:
    head = source.read(8)
    return source.read(int.from_bytes(head, "big")) if len(head) == 8 else None


def _write(sink: BinaryIO, head: dict[str, object], *parts: bytes) -> None:
    body = b"".join((json.dumps(head).encode(), b"\n", *parts))
    sink.write(len(body).to_bytes(8, "big") + body)
    sink.flush()


def _confine() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
    os.nice(5)  # it loads while codex works: codex goes first


if __name__ == "__main__":
    _confine()
    serve(sys.stdin.buffer, sys.stdout.buffer)
