"""A receipt that vouches for its run, or two lines that say why it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

from runner.errors import RefusedError

if TYPE_CHECKING:
    from runner.ledger.folder import RunFolder
    from runner.ledger.receipt import Standing


def require_vouched(folder: RunFolder, standing: Standing, remedy: str) -> None:
    """Raises RefusedError: no valid receipt, or what it signs was changed."""
    if not standing.good:
        what = standing.why or f"changed since it was signed: {', '.join(standing.mismatches)}"
        raise RefusedError(f"the receipt of {folder.run} does not vouch for it: {what}", remedy)
