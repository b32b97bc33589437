"""What was acknowledged is there, whatever killed the process; several processes are one ledger."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runner.ledger.ledger import open_ledger

ROOT = Path(__file__).parents[2]
CLIENTS = """
import os, sys, threading
from itertools import count
from pathlib import Path
from runner.ledger.ledger import open_ledger
from runner.records.evidence import Statement

def client():
    what = Statement("decision", {"action": {"sha256": "a" * 64}}, {"word": "ALLOW"})
    for _ in count() if most < 0 else range(most):
        entry = ledger.append(what)
        os.write(1, entry.id.encode() + b"\\n")

most = int(sys.argv[2])
with open_ledger(Path(sys.argv[1])) as ledger:
    clients = [threading.Thread(target=client) for _ in range(8)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
"""
ENOUGH = 150
"""Acknowledged receipts before each kill: more than a checkpoint's worth."""


@contextmanager
def clients(state: Path, most: int = -1) -> Iterator[subprocess.Popen[bytes]]:
    """Eight threads, each with `most` receipts (negative = until it is killed)."""
    argv = [sys.executable, "-c", CLIENTS, str(state), str(most)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: subprocess.Popen[bytes], most: int = sys.maxsize) -> list[str]:
    """Whole lines only."""
    assert process.stdout is not None
    lines: list[str] = []
    while len(lines) < most and (line := process.stdout.readline()).endswith(b"\n"):
        lines.append(line.decode().strip())
    return lines


def test_three_kills_under_load_lose_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    acknowledged: list[str] = []
    for _ in range(3):
        with clients(tmp_path) as process:
            acknowledged += told(process, ENOUGH)
            process.kill()
            acknowledged += told(process)
    assert len(acknowledged) >= 3 * ENOUGH
    with open_ledger(tmp_path) as ledger:
        kept = {entry.id for entry in ledger.entries()}
        assert set(acknowledged) - kept == set()
        assert ledger.check() == len(kept)


def test_processes_append_to_one_ledger_at_the_same_time(tmp_path: Path) -> None:
    with clients(tmp_path, 15) as one, clients(tmp_path, 15) as two:
        acknowledged = told(one) + told(two)
        assert (one.wait(), two.wait()) == (0, 0)
    assert len(set(acknowledged)) == 2 * 8 * 15
    with open_ledger(tmp_path) as ledger:
        assert {entry.id for entry in ledger.entries()} == set(acknowledged)
        assert ledger.check() == 2 * 8 * 15
