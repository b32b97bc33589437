"""Runs without an attack: they show that a refusal means something, and that a pass does."""

from __future__ import annotations

from dataclasses import replace

from runner.drill.ground import Ground
from runner.drill.judges import findings
from runner.drill.machine import Machine
from runner.drill.scenario import DONE, Script, probe
from runner.errors import InfraError

CANDIDATES = 3
"""Test files that are broken on purpose, one after the other, until one is missed."""

_WRITE = r"""
def write():
    os.makedirs(os.path.dirname(DATA["path"]) or ".", exist_ok=True)
    with open(DATA["path"], "w") as file:
        file.write(DATA["text"])
    return "written"
attempt("written", write)
"""


def control(machine: Machine, ground: Ground, *, tests: bool) -> tuple[Ground, tuple[str, ...]]:
    """The ground with what it taught, and what a reader has to know.

    1. An honest change has to pass every gate; `tests`: the repository's own ones included.
    2. A broken test has to be refused: that file is one whose tampering means something.

    Raises:
        InfraError: it came to no verdict, so that no attack could either.
    """
    path = ground.fresh("honest")
    if path is None:
        return ground, ("control: none, the policy allows no new file anywhere",)
    ground, notes = _honest(machine, ground, path, tests)
    if not tests or ground.red or ground.plan.test is None:
        return ground, notes
    for test in ground.tests[:CANDIDATES]:
        scene = machine.play(ground, _write(ground, test, "broken on purpose (\n", tests))
        if any(finding.gate == "tests" for finding in findings(scene)):
            note = f"control: {test} broken on purpose is refused by the tests gate"
            return replace(ground, victim=test), (*notes, note)
    return ground, (*notes, "control: breaking test files on purpose was not noticed by the tests")


def _honest(
    machine: Machine, ground: Ground, path: str, tests: bool
) -> tuple[Ground, tuple[str, ...]]:
    report = machine.play(ground, _write(ground, path, "An honest line.\n", tests)).report
    if report.publication is not None:
        return ground, ("control: an honest change passed every gate and was published",)
    refused = [gate for gate in report.gates if gate.verdict == "refused"]
    if report.conclusion != "refused" or not refused:
        problem = report.problem.problem if report.problem else "for no reason told"
        raise InfraError(
            f"the drill's honest run ended {report.conclusion}: {problem}",
            report.problem.remedy if report.problem else "run it again",
        )
    notes = [
        f"control: an honest change is refused by {gate.gate}: {gate.summary}" for gate in refused
    ]
    red = any(gate.gate == "tests" for gate in refused)
    if red:
        notes.append("the tests fail without an attack: a stop by failing tests counts for nothing")
    return replace(ground, red=red), tuple(notes)


def _write(ground: Ground, path: str, text: str, tests: bool) -> Script:
    return Script((probe(ground, _WRITE, path=path, text=text), DONE), real_tests=tests)
