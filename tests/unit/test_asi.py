"""The table of agentic risks is what the suite collects, and names nothing that is not there."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from runner.process import clean_env, run
from tests.asi import RISKS, ROOT, TABLE

COUNT = """
import json, sys
from tests.asi import RISKS, collected, table
cases = collected().collected
lost = [test for risk in RISKS for test in risk.tests if not cases[test]]
open(sys.argv[1], "w").write(json.dumps([lost, table(cases)]))
"""
RUN = """
from tests.asi import _pytest
ended = _pytest("-q", "tests/unit/test_asi.py::test_every_risk_has_tests").ended
assert ended == {("unit/test_asi.py::test_every_risk_has_tests", "passed"): 1}, ended
"""


def test_every_risk_has_tests() -> None:
    assert [risk.id for risk in RISKS] == [f"ASI{number:02}" for number in range(1, 11)]
    assert all(len(set(risk.tests)) == len(risk.tests) > 5 for risk in RISKS)


def test_the_table_is_what_the_suite_collects(tmp_path: Path) -> None:
    """In a process of its own: this one may have been asked for a part of the suite only."""
    said = tmp_path / "said.json"
    done = run([sys.executable, "-c", COUNT, said], env=clean_env(), cwd=ROOT)
    assert done.code == 0, done
    lost, table = json.loads(said.read_text())
    assert lost == [], "these tests are not there; tests/asi.py names them"
    assert TABLE.read_text() == table, "write it anew: python -m tests.asi --write"


def test_it_runs_what_it_names_and_hears_how_each_ended() -> None:
    done = run([sys.executable, "-c", RUN], env=clean_env(), cwd=ROOT)
    assert done.code == 0, done
