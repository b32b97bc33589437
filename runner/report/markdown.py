"""One run told in Markdown: report.md, the job summary and the body of the request.

The host's own facts come first; every value somebody else could have written is inline code, and
the agent's words stand last in one escaped, capped block.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from runner.records.agent import AgentResult
from runner.records.gate import Finding, GateReport
from runner.records.level import Standing, told
from runner.records.patch import Patch
from runner.records.plan import Plan
from runner.records.report import RunReport
from runner.records.usage import Usage
from runner.report.sanitise import block, code, subject
from runner.report.setup import setup_section

BODY_BYTES = 60_000
"""GitHub takes 65,536 characters."""
_REPORT_BYTES = 500_000
"""GitHub takes 1 MiB of job summary."""
_AGENT_BYTES = 16_000
_OUTPUT_BYTES = 6_000
_FINDINGS = 10
_PATHS = 50


def request_text(
    plan: Plan,
    patch: Patch,
    agent: AgentResult,
    gates: tuple[GateReport, ...],
    review: Usage | None = None,
) -> tuple[str, str]:
    """Title and body of the request; `gates` is empty while they still judge this text.

    `review` is what the reviewer used, None before it was asked.
    """
    rows = (
        "Made by a coding agent in a sandbox, judged by the host. Nothing below was written by the"
        " agent except the last section.",
        "",
        *_gates(gates),
        *_run(plan, agent, plan.standing.measured(gates) if gates else plan.standing),
        *_change(plan, patch),
        *_spent(agent, review),
        *_findings(gates),
        *_paths(patch),
        _words(agent.message or "(it said nothing)"),
    )
    return subject(plan.task.title), _fit(rows, BODY_BYTES)


def commit_message(plan: Plan) -> str:
    """A subject from the task's title and two facts; no trailer comes from anybody else."""
    return (
        f"{subject(plan.task.title, 72)}\n\n"
        f"Made by codex-runner {plan.version} with codex {plan.codex_version}.\n\n"
        f"Codex-Runner-Run: {plan.run}\nCodex-Runner-Task: sha256:{plan.task.sha256}\n"
    )


def report_markdown(report: RunReport) -> str:
    """The whole run, however it ended."""
    plan, agent = report.plan, report.agent
    seconds = (report.finished_at - report.started_at).total_seconds()
    rows = [
        f"# Run {code(report.run)}: {report.conclusion}",
        "",
        f"{report.started_at:%Y-%m-%d %H:%M:%S %Z}, {seconds:.1f} s, exit code {report.exit_code}.",
        "",
    ]
    if report.problem is not None:
        rows += [f"- problem: {code(report.problem.problem, 500)}"]
        rows += [f"- try: {code(report.problem.remedy, 500)}", ""]
    if report.publication is not None:
        kind = "opened" if report.publication.created else "found again"
        rows += [f"Request {kind}: {code(report.publication.url, 500)}", ""]
        rows += [f"- note: {code(note)}" for note in report.publication.notes]
    rows += _gates(report.gates)
    if plan is not None:
        rows += _run(plan, agent, report.standing or plan.standing)
    if report.setup is not None:
        rows += setup_section(report.setup)
    if plan is not None and report.patch is not None:
        rows += _change(plan, report.patch)
    rows += _spent(agent, report.review_usage)
    rows += _findings(report.gates)
    rows += _paths(report.patch) if report.patch is not None else ()
    rows.append(_words(agent.message) if agent is not None and agent.message else "")
    return _fit(rows, _REPORT_BYTES)


def _fit(rows: Sequence[str], limit_bytes: int) -> str:
    """All rows, or, where long findings and paths do not fit, less of these and the last row."""
    *host, last = rows
    left = limit_bytes - len(last.encode()) - 100
    for number, row in enumerate(host):
        left -= len(row.encode()) + 1
        if left < 0:
            host[number:] = ["", "(cut here: too long; the run's folder has it whole)", ""]
            break
    return "\n".join((*host, last)).rstrip() + "\n"


def _words(message: str) -> str:
    return f"### What the agent says (not checked)\n\n{block(message, _AGENT_BYTES)}"


def _gates(gates: tuple[GateReport, ...]) -> Iterator[str]:
    if not gates:
        return
    yield from ("### Gates", "")
    yield from _table(
        ("gate", "verdict", "what"), ((g.gate, f"**{g.verdict}**", code(g.summary)) for g in gates)
    )
    waived = [gate.gate for gate in gates if gate.verdict == "waived"]
    if waived:
        yield from (f"**Waived, not checked: {', '.join(waived)}.**", "")


def _findings(gates: tuple[GateReport, ...]) -> Iterator[str]:
    if not any(gate.findings for gate in gates):
        return
    yield from ("### Findings", "")
    for gate in gates:
        for finding in gate.findings[:_FINDINGS]:
            yield from _finding(finding)
        if len(gate.findings) > _FINDINGS:
            yield f"- {gate.gate}: {len(gate.findings) - _FINDINGS} more"
    yield ""


def _finding(finding: Finding) -> Iterator[str]:
    """Where and why on one line; what a program printed keeps its lines below it."""
    where, why, output = parted(finding)
    at = f" at {code(where)}" if where else ""
    yield f"- {code(finding.code)}{at}: {code(why, 300)}; try: {code(finding.remedy, 300)}"
    if output:
        yield f"\n{block(output, _OUTPUT_BYTES)}\n"


def parted(finding: Finding) -> tuple[str, str, str]:
    """Place (`path:line`), reason without it, and the lines of output behind the reason."""
    path = finding.path or ""
    where = path if not path or finding.line is None else f"{path}:{finding.line}"
    why, _, output = finding.why.partition("\n")
    for said in filter(None, (where, path)):
        why = why.removeprefix(f"{said}: ").removeprefix(f"{said} ")
    return where, why, output


def _run(plan: Plan, agent: AgentResult | None, standing: Standing) -> Iterator[str]:
    yield from ("### Run", "")
    tests = code(plan.test) if plan.test is not None else "**waived**"
    # not which one: this may be read by anybody
    where = "" if plan.review.upstream is None else " of another provider"
    rows = [
        ("run", code(plan.run)),
        ("model", f"{code(plan.model)}, reviewed by {', '.join(map(code, plan.reviewers))}{where}"),
        ("engine", f"{plan.engine}{_inner(agent)}"),
        ("codex", f"{code(plan.codex_version)} under codex-runner {code(plan.version)}"),
        ("tests", tests),
        ("level", code(told(standing), 300)),
    ]
    if plan.setup is not None:
        rows.append(("setup", ", ".join(map(code, plan.setup.commands[:_FINDINGS]))))
    if agent is not None:
        missing = ", ".join(map(code, agent.exit.unenforced)) or "nothing"
        rows.append(("not enforced here", missing))
    if agent is not None and agent.gated is not None and agent.gated.auto:
        rows.append(("approved by no person", ", ".join(map(code, agent.gated.auto[:_FINDINGS]))))
    yield from _table(("fact", "value"), rows)
    if plan.notes:
        yield from (*(f"- note: {code(note, 300)}" for note in plan.notes), "")


def _inner(agent: AgentResult | None) -> str:
    """Whether codex's own sandbox stood inside the engine's."""
    if agent is None:
        return ""
    return ", codex's own sandbox inside" if agent.inner_sandbox else ", **no sandbox inside**"


def _change(plan: Plan, patch: Patch) -> Iterator[str]:
    limits = plan.limits
    lines = sum(change.added + change.deleted for change in patch.changes)
    size = sum(change.size_bytes for change in patch.changes)
    binaries = sum(change.binary and change.status != "deleted" for change in patch.changes)
    yield from ("### Change", "")
    yield from _table(
        ("fact", "value"),
        (
            ("base commit", code(patch.base_commit)),
            ("commit", code(patch.commit)),
            ("tree", code(patch.tree)),
            ("files", f"{len(patch.changes)} of at most {limits.files}"),
            ("lines", f"{lines} of at most {limits.lines}"),
            ("bytes", f"{size} of at most {limits.bytes}"),
            ("binary files", f"{binaries} of at most {limits.binaries}"),
        ),
    )


def _paths(patch: Patch) -> Iterator[str]:
    yield from ("### Files", "")
    for change in patch.changes[:_PATHS]:
        yield f"- {change.status} {code(change.path)} +{change.added} -{change.deleted}"
    if len(patch.changes) > _PATHS:
        yield f"- {len(patch.changes) - _PATHS} more"
    yield ""


def _spent(agent: AgentResult | None, review: Usage | None) -> Iterator[str]:
    author = agent.usage if agent else None
    told = [(who, u) for who, u in (("author", author), ("reviewer", review)) if u]
    if not told:
        return
    yield from ("### Spent", "")
    yield from _table(
        ("who", "requests", "input tokens", "output tokens", "cost"),
        (
            (who, f"{u.requests}", f"{u.input_tokens}", f"{u.output_tokens}", cost(u))
            for who, u in told
        ),
    )
    noted = [f"- {who}: {code(note, 200)}" for who, u in told for note in u.notes]
    yield from (*noted, "") if noted else ()


def cost(usage: Usage) -> str:
    """`$0.0123`, or `unknown` when the price of the model is."""
    micros = usage.cost_usd_micros
    return "unknown" if micros is None else f"${micros / 1_000_000:.4f}"


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""
