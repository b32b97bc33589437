"""The bench's own arithmetic: a figure nobody can trust is worse than none."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path

import pytest

from runner.records.base import RunId
from runner.records.gate import GateReport
from runner.records.report import RunReport
from tests.bench import help as help_bench
from tests.bench import table, upstream
from tests.bench.__main__ import MEASUREMENTS, attempt
from tests.bench.big_repository import change, git, make_repository, path_of
from tests.bench.command import finish
from tests.bench.machine import machine
from tests.bench.rounds import Setting, interleave
from tests.bench.row import Figure, Result, Row, Unmeasured, UnmeasuredError
from tests.bench.run import phases

SLOWER = (3.0, 30.0, 4.0)
BARE = (1.0, 10.0, 2.0)


def _row(figure: Figure, at_most: float | None = None, at_least: float | None = None) -> Row:
    return Row("something", "s", SLOWER, BARE, figure, at_most=at_most, at_least=at_least)


def test_figures_are_medians_of_pairs() -> None:
    assert _row("ratio").value == 3
    assert _row("excess").value == 2  # not 4 - 2 of the separate medians by chance: 2, 20, 2
    assert _row("itself").value == 4


def test_a_drift_of_the_machine_cancels() -> None:
    row = Row("drifting", "s", (2.0, 20.0, 200.0), (1.0, 10.0, 100.0), "ratio")
    assert row.value == 2


def test_targets() -> None:
    assert _row("excess", at_most=2).met is True
    assert _row("excess", at_most=1.9).met is False
    assert _row("ratio", at_least=3).met is True
    assert _row("ratio", at_least=3.1).met is False
    assert _row("ratio").met is None


def test_what_is_written_holds_the_samples_and_what_follows_from_them() -> None:
    told = json.loads(json.dumps(_row("excess", at_most=1).as_json()))
    assert (told["ours"], told["against"]) == (list(SLOWER), list(BARE))
    assert (told["ours_median"], told["against_median"]) == (4, 2)
    assert (told["value"], told["met"], told["at_most"]) == (2, False, 1)


def test_arms_take_turns() -> None:
    order: list[str] = []

    def arm(name: str, size: float) -> float:
        order.append(name)
        return size + len(order)

    taken = interleave({"a": lambda: arm("a", 0), "b": lambda: arm("b", 10)}, 3)
    assert order == ["a", "b"] * 3
    assert taken == {"a": (1, 3, 5), "b": (12, 14, 16)}


def test_a_missed_target_and_a_missing_measurement_are_said_and_counted() -> None:
    rows: list[Result] = [
        _row("excess", at_most=1),
        _row("ratio", at_most=9),
        Unmeasured("docker", "no engine"),
    ]
    assert list(table.told(rows)) == [
        "MISSED: something: +2 s, target <= 1 s",
        "NOT MEASURED: docker: no engine",
        "1 of 2 targets met, 1 missed, 1 not measured",
    ]


def test_figures_as_text() -> None:
    assert table.figure(_row("ratio")) == "3x"
    assert table.figure(_row("itself")) == "4 s"
    assert table.figure(Row("faster", "ms", (1.0,), (1.25,), "excess")) == "-0.25 ms"
    assert table.target(_row("ratio", at_least=0.8)) == ">= 0.8x"
    assert [table.number(value) for value in (1234.5, 1.2345, 0.012345, 0.00012, 0)] == [
        *("1234", "1.23", "0.0123", "0.0001", "0")
    ]


@pytest.mark.parametrize("error", [UnmeasuredError("no engine"), OSError(28, "disk full")])
def test_a_measurement_that_fails_keeps_its_rows_and_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception
) -> None:
    def measure(_: Setting) -> Iterator[Row]:
        yield _row("ratio")
        raise error

    monkeypatch.setattr(help_bench, "measure", measure)
    first, second = attempt("help", Setting(tmp_path, 1, quick=True))
    assert isinstance(first, Row)
    assert isinstance(second, Unmeasured)
    assert str(error) in second.reason


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_every_measurement_is_there(name: str) -> None:
    assert callable(import_module(f"tests.bench.{name}").measure)


def test_the_machine_is_described_and_not_named() -> None:
    told = json.dumps(machine())
    assert socket.gethostname() not in told
    assert "/" not in told
    assert machine()["cores"]


def test_the_parts_of_a_run_add_up() -> None:
    now = datetime.now(UTC)
    report = RunReport(
        run=RunId("r"),
        conclusion="published",
        exit_code=0,
        started_at=now,
        finished_at=now,
        gates=(GateReport(gate="size", verdict="passed", summary="", duration_ms=20),),
        phases_ms={"agent": 700, "gates": 200},
    )
    parts = phases(report, 1.5)
    outer = [name for name in parts if not name.startswith("in ")]
    assert sum(parts[name] for name in outer) == pytest.approx(1.5)
    assert parts["in gates: size"] == 0.02


def test_a_program_that_ends_otherwise_is_no_measurement() -> None:
    assert finish(["echo", "hello"]) == b"hello\n"
    assert finish(["false"], expect=1) == b""
    with pytest.raises(UnmeasuredError, match="false ended with 1"):
        finish(["false"])
    with pytest.raises(UnmeasuredError, match="no-such-program"):
        finish(["no-such-program"])


def test_the_provider_streams_whole_events() -> None:
    block = upstream.block()
    assert 0.9 * upstream.BLOCK_BYTES < len(block) <= upstream.BLOCK_BYTES
    data = [line[6:] for line in block.split(b"\n") if line.startswith(b"data: ")]
    assert {json.loads(line)["type"] for line in data} == {"response.output_text.delta"}
    assert b"response.completed" in upstream.ending()


def test_a_big_repository_is_what_it_says(tmp_path: Path) -> None:
    make_repository(tmp_path / "r.git", 250)
    change(tmp_path / "r.git", (0, 249), "again")
    names = git(tmp_path / "r.git", "ls-tree", "-r", "--name-only", "main").split()
    assert len(names) == 250
    assert path_of(249) == "0/2/249.txt"
    changed = git(tmp_path / "r.git", "diff", "--name-only", "main~1", "main").split()
    assert changed == [path_of(0), path_of(249)]
