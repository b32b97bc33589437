"""What the author is told. Advice only: every line of it is enforced elsewhere."""

from __future__ import annotations

from runner.records.plan import Plan
from runner.records.sandbox import WORK


def author_prompt(plan: Plan) -> str:
    """The house rules, then the task as it was written."""
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
    if plan.paths:
        rules.append(f"Change nothing but: {_listed(plan.paths)}.")
    if plan.protected:
        rules.append(f"Never change these, or everything is refused: {_listed(plan.protected)}.")
    if plan.test is not None:
        rules.append(f"The change is judged by `{plan.test}`: run it before you end.")
    rules.append("End with a short summary of what you changed and why.")
    listed = "\n".join(f"- {rule}" for rule in rules)
    return f"{listed}\n\n# Task: {plan.task.title}\n\n{plan.task.prompt}\n"


def _listed(globs: tuple[str, ...]) -> str:
    return ", ".join(f"`{glob}`" for glob in globs)
