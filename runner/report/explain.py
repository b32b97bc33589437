"""One run in plain words: what was asked, what happened, and what would have to change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runner.records.agent import AgentResult
from runner.records.gate import Finding
from runner.records.level import told as told_level
from runner.records.report import Attempt, RunReport
from runner.report.codes import known
from runner.report.markdown import parted
from runner.report.sanitise import line, log_text

_WHO = {
    "author": "whoever makes the change",
    "task": "the task",
    "repository": "the repository's policy, at the base commit",
    "operator": "the operator's settings",
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """One reason, with what is known about its kind."""

    gate: str
    code: str
    path: str | None
    line: int | None
    why: str
    remedy: str
    retryable: bool
    rule: str
    layer: str
    """Who set the rule, and where; `built-in`; empty = no policy decides it."""
    means: str
    change: str
    """What exactly would have to change so that it passes."""
    who: tuple[str, ...]
    """Who may change it: author, task, repository, operator."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """Sentences, and the refusals one by one. All texts are those of the report, not sanitised."""

    run: str
    conclusion: str
    asked: tuple[str, ...]
    happened: tuple[str, ...]
    refusals: tuple[Refusal, ...]
    warnings: tuple[Refusal, ...]
    not_reached: tuple[str, ...]
    next: tuple[str, ...]


def explain(report: RunReport, where: str = "") -> Explanation:
    """Everything `report` says, for a person who sees this product for the first time.

    `where` are the words that a command needs to find the run (` --state DIR`).
    """
    refusals = tuple(
        _refusal(each)
        for gate in report.gates
        if gate.verdict == "refused"
        for each in gate.findings
        if not each.is_warning
    )
    warnings = tuple(
        _refusal(each)
        for gate in report.gates
        for each in gate.findings
        if gate.verdict != "refused" or each.is_warning
    )
    return Explanation(
        run=report.run,
        conclusion=report.conclusion,
        asked=tuple(_asked(report)),
        happened=tuple(_happened(report)),
        refusals=refusals,
        warnings=warnings,
        not_reached=tuple(_not_reached(report)),
        next=tuple(_next(report, where)),
    )


def rows(told: Explanation) -> Iterator[tuple[str, str]]:
    """Lines and styles for a terminal, all text sanitised."""
    yield f"{told.run}: {told.conclusion}", "bold"
    for head, texts in (("asked", told.asked), ("happened", told.happened)):
        yield from _section(head, texts)
    for number, each in enumerate(told.refusals, 1):
        yield from _told(number, each)
    if told.warnings:
        yield f"{len(told.warnings)} warnings, which refuse nothing:", ""
        for each in told.warnings[:10]:
            where = f"{each.path or ''}{f':{each.line}' if each.line else ''}"
            yield f"  {line(each.code)} {line(where)}: {line(each.why, 300)}", ""
    yield from _section("not reached", told.not_reached)
    yield from _section("next", told.next)


def _section(head: str, texts: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for number, text in enumerate(texts):
        yield f"  {head if not number else '':11} {line(text, 500)}", ""


def _told(number: int, each: Refusal) -> Iterator[tuple[str, str]]:
    where = f" at {each.path}{f':{each.line}' if each.line else ''}" if each.path else ""
    yield line(f"{number}. {each.code}{where}", 300), "bold red"
    why, _, output = each.why.partition("\n")
    yield f"     why      {line(why, 1000)}", ""
    for row in log_text(output.strip("\n"), lines=20).split("\n") if output else ():
        yield f"              {row}", ""
    yield f"     means    {line(each.means, 500)}", ""
    yield f"     to pass  {line(each.change, 500)}", ""
    yield f"     try      {line(each.remedy, 500)}", ""
    said_by = f", set by {each.layer}" if each.layer else ""
    if each.rule or each.layer:
        yield f"     rule     {line(f'{each.rule or each.code}{said_by}', 300)}", ""
    yield f"     who      {', '.join(_WHO.get(who, who) for who in each.who)}", ""
    again = "yes" if each.retryable else "no: a person has to look"
    yield f"     another attempt of the agent could mend it: {again}", ""


def _refusal(finding: Finding) -> Refusal:
    advice = known(finding.code)
    _, why, output = parted(finding)
    return Refusal(
        gate=finding.gate,
        code=finding.code,
        path=finding.path,
        line=finding.line,
        why=f"{why}\n{output}" if output else why,
        remedy=finding.remedy,
        retryable=finding.retryable,
        rule=finding.rule,
        layer=finding.layer,
        means=advice.means,
        change=advice.change,
        who=advice.who,
    )


def _asked(report: RunReport) -> Iterator[str]:
    plan = report.plan
    if plan is None:
        yield "It ended before there was a plan."
        return
    yield f"{plan.task.title} ({plan.task.source}), from commit {plan.base_commit[:12]}."
    for globs in filter(None, (plan.paths, plan.run_paths)):
        yield f"The change was to stay inside {', '.join(globs)}."
    limits = plan.limits
    yield f"At most {limits.files} files, {limits.lines} lines, {limits.bytes} bytes."
    if plan.test is not None:
        yield f"It was to be tested with: {plan.test}"
    yield f"Its level was {told_level(plan.standing)}."
    if plan.resumed is not None:
        yield f"It continued run {plan.resumed}."


def _happened(report: RunReport) -> Iterator[str]:
    if report.setup is not None:
        yield "The setup was reused." if report.setup.cached else "The setup ran."
    for number, attempt in enumerate(report.attempts, 1):
        yield f"Attempt {number}: {_session(attempt)}, then: {attempt.refusal}."
    if report.agent is not None:
        yield from _last(report.agent, len(report.attempts) + 1)
    if report.patch is not None:
        added = sum(change.added for change in report.patch.changes)
        deleted = sum(change.deleted for change in report.patch.changes)
        count, tree = len(report.patch.changes), report.patch.tree[:12]
        yield f"{count} files were changed, +{added} -{deleted} lines, tree {tree}."
    for verdict in ("passed", "waived", "refused"):
        if names := [gate.gate for gate in report.gates if gate.verdict == verdict]:
            yield f"{verdict.capitalize()}: {', '.join(names)}."
    if report.plan and report.standing and report.standing.level < report.plan.standing.level:
        yield f"What changed lowered its level to {told_level(report.standing)}."
    if report.publication is not None:
        yield f"It was published: {report.publication.url}"
    if report.problem is not None:
        yield f"It ended with: {report.problem.problem}"


def _last(agent: AgentResult, number: int) -> Iterator[str]:
    ended = "ended its turn" if agent.ok else f"did not end well: {agent.reason}"
    yield f"Attempt {number}: the agent used {agent.usage.requests} requests and {ended}."
    if agent.gated is not None and agent.gated.denied:
        yield f"The gate denied {agent.gated.denied} of its calls: {'; '.join(agent.gated.why)}"


def _session(attempt: Attempt) -> str:
    paths = "" if attempt.tree is None else f", leaving tree {attempt.tree[:12]}"
    return f"the agent used {attempt.agent.usage.requests} requests{paths}"


def _not_reached(report: RunReport) -> Iterator[str]:
    for gate in report.gates:
        if gate.verdict == "not-run":
            yield f"The gate {gate.gate}: {gate.summary}"
    if report.plan is not None and report.patch is None:
        yield "Nothing was measured, so no gate was asked."
    elif report.patch is not None and not report.gates:
        yield "No gate was asked."
    if report.publication is None:
        yield _unpublished(report)


def _unpublished(report: RunReport) -> str:
    plan = report.plan
    if plan is None:
        return "Nothing was published: it ended before there was a plan."
    if plan.remote is None:
        return "Publishing was not asked for."
    if "publish" in report.phases_ms:
        return f"The request for {plan.target}: publishing began and did not come to its end."
    return f"Publishing a request for {plan.target}: it was asked for, and nothing was pushed."


def _next(report: RunReport, where: str) -> Iterator[str]:
    run = f"{report.run}{where}"
    if report.unfinished:
        yield f"codex-runner resume {run}   goes on from here, with what is left of its limits"
    is_run = bool(report.agent or report.attempts)
    if is_run and report.patch is not None and not report.patch.empty:
        yield f"codex-runner diff {run}     shows the patch"
        yield f"codex-runner apply {run}    puts it into your checkout, refused or not"
    if report.problem is not None and report.conclusion != "refused":
        yield report.problem.remedy.replace(report.run, run)
