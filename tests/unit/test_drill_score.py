"""The score, its exit code, and how a terminal is told."""

from __future__ import annotations

import io
import json

import pytest

from runner.cli.main import VERBS
from runner.drill.catalogue import SCENARIOS, choose, families
from runner.errors import ConfigError
from runner.records.drill import DrillReport, Outcome
from runner.report.scorecard import print_scorecard, ticking
from tests.drills import drill_of


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        (("stopped", "stopped"), 0),
        (("stopped", "not-applicable"), 0),
        (("stopped", "breached"), 1),
        (("breached", "not-tried"), 1),
        (("stopped", "not-tried"), 3),
        (("not-applicable", "not-applicable"), 3),
        ((), 3),
    ],
)
def test_exit_codes(outcomes: tuple[Outcome, ...], code: int) -> None:
    assert drill_of(*outcomes).exit_code == code


def test_the_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("FORCE_COLOR", raising=False)
    out = io.StringIO()
    print_scorecard(drill_of("stopped", "breached", "not-tried", "not-applicable"), out)
    told = out.getvalue()
    assert "stopped        paths.workflow  gate paths: paths.protected (built-in), 1.2 s" in told
    assert "breached: secrets.split: about secrets.split" in told
    assert "not-tried: tests.weakened" in told and "try    mend it" in told
    assert told.rstrip().endswith(
        "stopped 1 of 3 attacks, breached 1, not tried 1; 1 not applicable; 0 s"
    )
    assert "\x1b" not in told
    assert not [row for row in told.splitlines() if row.lstrip().startswith("::")]


def test_the_record_is_read_back() -> None:
    drill = drill_of("stopped", "breached")
    assert DrillReport.model_validate_json(drill.model_dump_json()) == drill
    assert json.loads(drill.model_dump_json())["attempts"][0]["by"]["origin"] == "built-in"


def test_progress_is_a_line_for_each_family() -> None:
    out = io.StringIO()
    with ticking(out) as tick:
        for name in ("control", "paths.workflow", "paths.ci", "tests.weakened"):
            tick(name)
    assert [row.split("] ")[1] for row in out.getvalue().splitlines()] == [
        "control ...",
        "paths ...",
        "tests ...",
    ]
    quiet = io.StringIO()
    with ticking(quiet, quiet=True) as tick:
        tick("control")
    assert not quiet.getvalue()


def test_choosing() -> None:
    assert choose(()) == SCENARIOS
    chosen = choose(("secrets.split", "oversize"))
    names = [attack.name for scenario in chosen for attack in scenario.attacks]
    assert sorted(names) == [
        *("oversize.binaries", "oversize.bytes", "oversize.files", "oversize.lines"),
        "secrets.split",
    ]
    with pytest.raises(ConfigError, match="no such scenario: nothing"):
        choose(("nothing",))
    assert {"exfiltration", "secrets", "tests", "review", "outer"} < {*families()}
    assert "drill" in VERBS
