"""What the author is told. Advice only: every line of it is enforced elsewhere."""

from __future__ import annotations

from runner.records.gate import GateReport
from runner.records.plan import Plan
from runner.records.sandbox import WORK

REPAIR_CHARS = 20_000
"""Of the refusal, in the prompt of another attempt."""


def author_prompt(plan: Plan) -> str:
    """The house rules, then the task as it was written."""
    if plan.standing.level == 0:
        return _audit_prompt(plan)
    limits = plan.limits
    rules = [
        "You work unattended: nobody answers questions, so decide yourself and finish the task.",
        f"The repository is your working directory, {WORK}. Leave your changes in its files; only "
        "they are kept.",
        "`.git` is read-only: do not commit, branch or push. That is done from what you leave.",
        "There is no network.",
        f"At most {limits.files} changed files, {limits.lines} added and deleted lines, "
        f"{limits.binaries} binary files.",
    ]
    for globs in filter(None, (plan.paths, plan.run_paths)):
        rules.append(f"Change nothing but: {_listed(globs)}.")
    if plan.protected:
        rules.append(f"Never change these, or everything is refused: {_listed(plan.protected)}.")
    if plan.test is not None:
        rules.append(f"The change is judged by `{plan.test}`: run it before you end.")
    rules.append("End with a short summary of what you changed and why.")
    listed = "\n".join(f"- {rule}" for rule in rules)
    return f"{listed}\n\n# Task: {plan.task.title}\n\n{plan.task.prompt}\n"


def _audit_prompt(plan: Plan) -> str:
    rules = (
        "You work unattended: nobody answers questions.",
        f"The repository is your working directory, {WORK}. It is read-only: change nothing, "
        "nothing you leave is kept. There is no network.",
        "Look at what the task asks, and end with a report. Give every remark about a place in the "
        "code a line of its own: `path:line: what is wrong there, and what should be done`.",
    )
    listed = "\n".join(f"- {rule}" for rule in rules)
    return f"{listed}\n\n# Task: {plan.task.title}\n\n{plan.task.prompt}\n"


def repair_prompt(plan: Plan, gates: tuple[GateReport, ...]) -> str:
    """The refusal, then everything it was told before: the new session remembers nothing."""
    findings = [
        f"- [{finding.code}] {finding.why}\n  To do: {finding.remedy}"
        for report in gates
        if report.verdict == "refused"
        for finding in report.findings
    ]
    listed = "\n".join(findings)[:REPAIR_CHARS]
    return (
        "You worked on the task below before; your changes are still in the working directory. "
        f"They were refused for these reasons:\n{listed}\n\n"
        "Mend exactly that and keep the rest. Do not weaken tests or checks to get there.\n\n"
        f"{author_prompt(plan)}"
    )


def resume_prompt(plan: Plan, why: str) -> str:
    """How far it came, then everything it was told before: the new session remembers nothing."""
    return (
        "You worked on the task below before; your changes are still in the working directory. "
        f"You were interrupted: {why}.\n\n"
        "Look at what is there (`git status`, `git diff`), keep what is right, and finish.\n\n"
        f"{author_prompt(plan)}"
    )


def _listed(globs: tuple[str, ...]) -> str:
    return ", ".join(f"`{glob}`" for glob in globs)
