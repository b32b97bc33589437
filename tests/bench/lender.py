"""`python -m tests.bench.lender URL LOG`: lends the model at URL; prints directory and pid.

A process of its own, as the runner is one: until its standard input ends.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from runner.broker.keys import Key
from runner.broker.lender import Broker
from runner.broker.upstream import Upstream
from runner.records.usage import Budget

MODEL = "gpt-5.5"
PLENTY = 1 << 50


def main(url: str, log: Path) -> None:
    """Nothing that is measured is ever refused by a budget."""
    budget = Budget(
        requests=PLENTY,
        input_tokens=PLENTY,
        output_tokens=PLENTY,
        history_items=PLENTY,
        history_mib=PLENTY,
        sent_mib=PLENTY,
        stream_bytes=PLENTY,
        wall_s=3600,
    )
    key = Key(b"bench-key-of-nobody", "bench")
    with Broker(Upstream(url), key, {}).lend(MODEL, budget, log) as lease:
        print(lease.directory, os.getpid(), flush=True)  # noqa: T201
        sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
