"""A finished run told on a terminal: conclusion, gates, cost, and where everything lies."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from runner.records.gate import Finding
from runner.records.gated import Gated
from runner.records.level import told
from runner.records.report import RunReport
from runner.report.markdown import parted
from runner.report.progress import STYLES, spent
from runner.report.sanitise import line, log_text
from runner.report.setup import setup_rows

Told = tuple[str, str]
"""A line and its style."""


def print_report(
    report: RunReport,
    folder: Path,
    receipt: str | None = None,
    stream: TextIO | None = None,
    where: str = "",
) -> None:
    """The summary of a run; styled only on a terminal that wants it (NO_COLOR is heard).

    `receipt` is one line about the standing of the receipt; `where` are the words that a command
    needs to find the run (` --state DIR`).
    """
    rows = [*report_rows(report, folder, where)]
    if receipt is not None:
        rows.append((f"  receipt   {line(receipt, 400)}", ""))
    write_rows(rows, stream or sys.stdout)


def report_rows(report: RunReport, folder: Path, where: str = "") -> Iterator[Told]:
    """Lines and styles, all text sanitised."""
    fine = report.exit_code == 0
    seconds = (report.finished_at - report.started_at).total_seconds()
    yield (
        f"{report.run}: {report.conclusion} in {seconds:.1f} s (exit code {report.exit_code})",
        "bold green" if fine else "bold red",
    )
    if report.plan is not None:
        plan = report.plan
        yield f"  task      {line(plan.task.title)}", ""
        at = "" if plan.review.upstream is None else f" at {line(plan.review.upstream)}"
        reviewers = f"{line(', '.join(plan.reviewers))}{at}"
        yield f"  models    {line(plan.model)}, reviewed by {reviewers}", ""
        yield f"  engine    {plan.engine}, codex {line(plan.codex_version)}", ""
        if plan.agent is not None:
            of = f" of {line(plan.agent.tenant)}" if plan.agent.tenant else ""
            yield f"  agent     {plan.agent.id}{of}, generation {plan.agent.generation}", ""
        yield f"  level     {line(told(report.standing or plan.standing), 300)}", ""
        for note in plan.notes:
            yield f"  note      {line(note, 300)}", "yellow"
    if report.setup is not None:
        yield from setup_rows(report.setup)
    if report.agent is not None:
        yield f"  author    {spent(report.agent.usage)}", ""
    if report.review_usage is not None:
        yield f"  reviewer  {spent(report.review_usage)}", ""
    yield from _budget_notes(report)
    if report.agent is not None and report.agent.exit.unenforced:
        names = line(", ".join(report.agent.exit.unenforced), 400)
        yield f"  engine could not enforce: {names}", "yellow"
    if report.agent is not None and report.agent.gated is not None:
        yield from _calls(report.agent.gated)
    if report.patch is not None:
        added = sum(change.added for change in report.patch.changes)
        deleted = sum(change.deleted for change in report.patch.changes)
        yield f"  change    files: {len(report.patch.changes)}, lines: +{added} -{deleted}", ""
    yield from _gates(report)
    yield from _ending(report, where)
    yield f"  folder    {folder}", ""


def _calls(gated: Gated) -> Iterator[Told]:
    """What the execution gate did not let happen, and what no person let happen."""
    if gated.denied:
        why = "; ".join(gated.why)
        yield f"  gate      {line(f'{gated.denied} calls were denied: {why}', 500)}", "yellow"
    for told_of in gated.auto[:10]:
        yield f"  auto      {line(told_of, 300)}", "yellow"


def _budget_notes(report: RunReport) -> Iterator[Told]:
    author = report.agent.usage if report.agent is not None else None
    told = [note for usage in (author, report.review_usage) if usage for note in usage.notes]
    yield from ((f"  note      {line(note, 300)}", "yellow") for note in dict.fromkeys(told))


def _gates(report: RunReport) -> Iterator[Told]:
    width = max((len(gate.gate) for gate in report.gates), default=0)
    for gate in report.gates:
        row = f"  {gate.verdict:9} {gate.gate:{width}}  {line(gate.summary)}"
        yield row, STYLES[gate.verdict]
        for finding in gate.findings[:10]:
            yield from ((f"            {text}", "") for text in _finding(finding))
        if len(gate.findings) > 10:
            yield f"            {len(gate.findings) - 10} more in report.json", ""


def _finding(finding: Finding) -> Iterator[str]:
    where, why, output = parted(finding)
    at = f"{line(where)}: " if where else ""
    yield f"{finding.code}: {at}{line(why, 400)}"
    if output:
        yield from (f"  {row}" for row in log_text(output.strip("\n"), lines=100).split("\n"))
    yield f"try: {line(finding.remedy, 400)}"


def _ending(report: RunReport, where: str) -> Iterator[Told]:
    if report.problem is not None:
        yield f"  problem   {line(report.problem.problem, 1000)}", "red"
        remedy = report.problem.remedy.replace(report.run, f"{report.run}{where}")
        yield f"  try       {line(remedy, 1000)}", ""
    if report.conclusion == "judged" and report.agent is not None:
        yield f"  next      codex-runner apply {report.run}{where}", "bold"
    if report.publication is not None:
        publication = report.publication
        yield f"  branch    {line(publication.ref)}", ""
        yield f"  request   {line(publication.url, 1000)}", "bold"
        for note in publication.notes:
            yield f"  note      {line(note)}", "yellow"


def write_rows(rows: list[Told], stream: TextIO) -> None:
    """One line each, never wrapped by us: a wrapped line could begin with somebody's command."""
    from rich.console import Console

    class Rows(Console):
        def on_broken_pipe(self) -> None:  # else it would exit as if a gate had refused
            raise BrokenPipeError

    console = Rows(  # a width, or COLUMNS=0 prints nothing; nothing is wrapped or cut at it
        file=stream, highlight=False, markup=False, emoji=False, soft_wrap=True, width=80
    )
    encoding = getattr(stream, "encoding", None) or "utf-8"
    for text, style in rows:
        shown = text.encode(encoding, "backslashreplace").decode(encoding)
        console.print(shown, style=style or None)
