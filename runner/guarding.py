"""The guardrails of a run: before it spends anything, and as a gate.

1. The task is looked at before the plan is carried out, and goes on redacted where that was
   declared: no later place, the evidence included, has what was taken out.
2. What a repository tells every agent is looked at too; nothing in it can be redacted.
3. What was only warned of is among the plan's notes.
4. What goes back to the agent, a refusal with the end of its tests' output, say, is looked at too.
   Blocked, it is not told, and the agent is not asked again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from runner import judging
from runner.case import Case
from runner.errors import RefusedError
from runner.gates.hunks import File, UnaccountedError
from runner.gates.hunks import read as read_hunks
from runner.gates.scanner import Scanner
from runner.guardrails import doors
from runner.guardrails.gate import Added, GuardrailsGate, UnreadError
from runner.guardrails.guard import GATE, Outcome, ready
from runner.guardrails.secret_keys import Scan
from runner.policy.plan import PREFIX
from runner.ports import Source
from runner.records.gate import Finding
from runner.records.plan import Plan
from runner.told import Told
from runner.way import Way
from runner.world import Admit

DOCUMENTS = ("AGENTS.override.md", "AGENTS.md")
"""Codex reads the first that is there; either may be next time."""


class NotAdmittedError(RefusedError):
    """The task, or what goes with it, is refused."""

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        super().__init__(f"refused by {GATE}: {findings[0].why}", findings[0].remedy)
        self.findings = findings


def admitted(plan: Plan, scan: Scan, source: Source) -> Plan:
    """The plan to carry out.

    Raises:
        NotAdmittedError: the task, or a document of the repository, is refused.
        ConfigError: a declared expression is wrong.
        InfraError: the secret scanner could not be asked.
    """
    guard = ready(plan.guardrails, scan)
    first = doors.pre_flight(guard, plan.task.title, plan.task.prompt)
    title, _, prompt = first.text.partition("\n")
    second = doors.task_input(guard, title, prompt)
    texts = {
        path: data.decode(errors="replace")
        for path in DOCUMENTS
        if (data := source.base_blob(path))
    }
    _require_passed((first, second, *doors.documents(guard, texts)))
    title, _, prompt = second.text.partition("\n")
    said = (f"guardrails: {each.why}" for one in (first, second) for each in one.findings)
    notes = tuple(dict.fromkeys((*plan.notes, *said)))
    task = plan.task.model_copy(update={"title": title, "prompt": prompt})
    same = title == plan.task.title
    branch = plan.branch if same else f"{PREFIX}task-{plan.run}"  # it is made of the title
    return plan.model_copy(update={"task": task, "notes": notes, "branch": branch})


def admit(told: Told, way: Way, source: Source, scan: Scan) -> Plan:
    """`admitted` of the plan that is told, and tells the outcome; where no author comes, itself."""
    assert told.plan is not None
    if not way.authored:
        return told.plan
    try:
        told.plan = admitted(told.plan, scan, source)
    except NotAdmittedError as refusal:
        judging.refuse(told, "refused before anything was spent", refusal.findings)
        raise
    return told.plan


def foreseen(plan: Plan, state: Path, source: Source) -> Plan:
    """The same for a dry run, whose scanner starts only if a check asks it."""
    with closing(Scanner(state / "scanner")) as scanner:
        return admitted(plan, scanner.scan, source)


def admission(plan: Plan, scan: Scan) -> Admit:
    """For what goes back. Raises ConfigError as `admitted`."""
    guard = ready(plan.guardrails, scan)

    def admit(source: str, text: str) -> tuple[str, tuple[str, ...]]:
        outcome = doors.told_back(guard, source, text)
        _require_passed((outcome,))
        return outcome.text, tuple(f"guardrails: {each.why}" for each in outcome.findings)

    return admit


def gate(plan: Plan, scan: Scan) -> GuardrailsGate:
    """The output stage. Raises ConfigError as `admitted`."""
    return GuardrailsGate(ready(plan.guardrails, scan), added_lines)


def added_lines(case: Case) -> Iterator[Added]:
    """Consecutive added lines of every file. Raises UnreadError."""
    try:
        files = read_hunks(case.patch, case.diff(), case.blob)
    except UnaccountedError as error:
        raise UnreadError(str(error)) from error
    for file in files:
        yield from _runs(file)


def _runs(file: File) -> Iterator[Added]:
    for hunk in file.hunks:
        parts: list[str] = []
        first = last = 0
        for row in hunk:
            if row.sign != "+" or row.new is None:
                continue
            if parts and row.new > last + 1:
                yield Added(file.change.path, first, "".join(parts))
                parts = []
            if not parts:
                first = row.new
            elif not row.continued:
                parts.append("\n")
            parts.append(row.text)
            last = row.new
        if parts:
            yield Added(file.change.path, first, "".join(parts))


def _require_passed(outcomes: tuple[Outcome, ...]) -> None:
    blocked = [each for each in outcomes if each.verdict == "blocked"]
    if blocked:
        every = (finding for each in blocked for finding in each.findings)
        told = {finding.why: finding for finding in every}  # two stages may say the same
        raise NotAdmittedError(tuple(told.values()))
