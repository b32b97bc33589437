"""The cheap gates on one change of 500 lines, in 20 files of several kinds, together."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from statistics import median

from runner.gates.judge import judge
from runner.gates.scanner import Scanner
from runner.records.gate import GateReport
from runner.records.scan import Sample
from tests.bench.rounds import Setting
from tests.bench.row import Row, UnmeasuredError
from tests.fakes import CaseBuilder

LINES = 500
FILES = 20
PACKAGES = 400
"""Of the lockfile that changes too."""
AT_MOST_S = 0.3
ORDINARY = "def double_{0}(number: int) -> int:\n    return number * {0}\n\n\n"


def measure(setting: Setting) -> Iterator[Row]:
    case = CaseBuilder(old=_tree(0), new=_tree(LINES // FILES), protected=("**/.git*/",)).case()
    diff = case.diff()  # a run has git's; that of the test double is slow
    case = replace(case, diff=lambda: diff)
    with Scanner(setting.scratch) as scanner:
        scanner.scan(Sample(b"x = 1\n"), 120.0)  # its rules are compiled once per state directory

        def once() -> tuple[float, tuple[GateReport, ...]]:
            reports: list[GateReport] = []
            costly = ("static", "tests", "review")
            began = time.perf_counter()
            judge(case, reports.append, scanner.scan, without=dict.fromkeys(costly, "bench"))
            return time.perf_counter() - began, tuple(reports)

        rounds = [once() for _ in range(setting.rounds)]
    refused = [each.gate for each in rounds[0][1] if each.verdict == "refused"]
    if refused:
        raise UnmeasuredError(f"the ordinary change was refused by {', '.join(refused)}")
    yield Row(
        f"cheap gates on {LINES} changed lines in {FILES} files and a lockfile", "s",
        tuple(seconds for seconds, _ in rounds), (), "itself", at_most=AT_MOST_S,
        parts=_parts([reports for _, reports in rounds]),
    )  # fmt: skip


def _parts(rounds: list[tuple[GateReport, ...]]) -> Mapping[str, float]:
    return {
        reports[0].gate: median(report.duration_ms for report in reports) / 1000
        for reports in zip(*rounds, strict=True)
        if reports[0].verdict != "not-run"
    }


def _tree(more: int) -> dict[str, bytes]:
    """`more` lines beyond the base in every file, and one package moved on."""
    functions = [ORDINARY.format(number) for number in range(40 + more // 4 + 1)]
    source = "".join(functions[: 40 + more // 4]).encode() + b"# words\n" * (more % 4)
    files = {f"package/module_{number}.py": source for number in range(FILES)}
    wanted = {f"package-{number}": "^1.0.0" for number in range(20)}
    return {
        **files,
        "package.json": json.dumps({"dependencies": wanted, "version": f"1.0.{more}"}).encode(),
        "package-lock.json": _lock("1.1.0" if more else "1.0.0"),
    }


def _lock(version: str) -> bytes:
    rows = {
        f"node_modules/package-{number}": {
            "version": version if number == 0 else "1.0.0",
            "integrity": f"{version if number == 0 else '1.0.0'} {number}",
        }
        for number in range(PACKAGES)
    }
    return json.dumps({"lockfileVersion": 3, "packages": rows}, indent=2).encode()
