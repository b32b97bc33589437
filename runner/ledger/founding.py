"""Which of a ledger's changes of keys are a state directory's own: others may write to a ledger.

1. They begin as the history here does. Where there is none, or a broken one: with an approver whom
   a gate of ours has endorsed, or else with the first one that leads to our approver's key.
2. Of those behind it the ones count that these keys have signed; what is known here is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from runner.ledger.dsse import ReceiptError
from runner.ledger.keyring import Ring, founded


def own_changes(
    changes: Sequence[bytes], history: bytes, approver: str, gate: Ring
) -> tuple[bytes, ...]:
    """Lines of the history, of the ledger's `changes` and the `history` that there is. `approver`:
    the id of our key; `gate`: our gate's. Empty = none of them leads to our approver."""
    known = tuple(history.splitlines()) if _is_sound(history) else ()
    lines = (*known, *(each for each in changes if each not in known))
    chains = [_chain(lines[start:]) for start in range(1 if known else len(lines))]
    ours = [kept for ring, kept in chains if approver in ring.keys]
    endorsed = [kept for kept in ours if gate.follow(kept[0]).changes]
    return next(iter((*endorsed, *ours)), ())


def _is_sound(history: bytes) -> bool:
    try:
        return bool(history) and bool(founded(history).changes)
    except ReceiptError:
        return False


def _chain(lines: Sequence[bytes]) -> tuple[Ring, tuple[bytes, ...]]:
    """What the key that the first of them tells of leads to."""
    ring, kept = Ring(), list[bytes]()
    for each in lines:
        with suppress(ReceiptError):
            after = ring.follow(each) if kept else founded(each)
            if after.changes == ring.changes:
                continue
            ring = after
            kept.append(each)
        if not kept:
            break
    return ring, tuple(kept)
