"""Where the ledger is, for verbs that open it outside of a run."""

from __future__ import annotations

import os
from pathlib import Path


def ledger_address(state: Path) -> str | None:
    """As the settings say of the ledger of `state`; None = in it, or where it began.

    Raises:
        ConfigError: a setting is wrong.
    """
    from runner.policy.settings import load_settings

    return load_settings(os.environ, {"state": str(state)}).ledger
