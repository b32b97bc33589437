"""Where a corpus of attacks is, and what is in it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
MANIFEST = "manifest.jsonl"
VARIABLE = "ATTACK_CORPUS"


class NoCorpusError(Exception):
    """There is nothing to drive."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the manifest."""

    id: str
    group: str
    """The attack's class, e.g. `GITW`."""
    kind: str
    file: str
    """Relative to the corpus."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """A directory with `manifest.jsonl`, `payloads` and `tools`."""

    root: Path

    def rows(self, only: str | None = None) -> tuple[Row, ...]:
        """Those with this id or of this class; all of them without."""
        lines = (self.root / MANIFEST).read_text().splitlines()
        told = [json.loads(line) for line in lines if line.strip()]
        rows = [Row(row["id"], row["class"], row["kind"], row["file"]) for row in told]
        return tuple(row for row in rows if only in {None, row.id, row.group})

    def payload(self, row: Row) -> Path:
        return self.root / row.file

    def check(self, name: str) -> Path:
        """One of the checkers that look at what a run left on the host."""
        return self.root / "payloads" / "host" / name

    def tool(self, name: str) -> Path:
        return self.root / "tools" / name


def find_corpus(given: Path | None, environ: Mapping[str, str]) -> Corpus:
    """`given`, or what ATTACK_CORPUS names, or `*/attacks` beside the checkout.

    Raises:
        NoCorpusError: none of them holds a manifest.
    """
    named = given or (Path(environ[VARIABLE]) if environ.get(VARIABLE) else None)
    beside = sorted(CHECKOUT.parent.glob(f"*/attacks/{MANIFEST}"))
    root = named or (beside[0].parent if beside else None)
    if root is None:
        raise NoCorpusError(f"no corpus: give --corpus DIR, or set {VARIABLE}")
    if not (root / MANIFEST).is_file():
        raise NoCorpusError(f"no corpus: {root / MANIFEST} is missing")
    return Corpus(root.resolve())
