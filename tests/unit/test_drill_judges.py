"""Stopped needs a proof and a rule; what did not run, or nobody can tell, is never stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from runner.drill import tampering
from runner.drill.catalogue import SCENARIOS, attacks
from runner.drill.drill import drill
from runner.drill.judges import at_path, by_budget, by_probe
from runner.drill.machine import Machine
from runner.drill.scenario import DONE, Attack, Judgement, NotApplicableError, Scenario, Script
from runner.records.usage import Usage
from tests.drills import changed, ground_of, marked, refusing, report_of, scene_of

PATH = "src/drill.txt"


def judged_at(tmp_path: Path, *marks: tuple[str, bool, str], **report: object) -> Judgement:
    ground = ground_of(tmp_path)
    told = report_of(ground, **report)  # type: ignore[arg-type]
    return at_path("x", lambda _: PATH)(scene_of(ground, told, marked(*marks)))


def test_a_probe_that_said_nothing_is_not_a_stop(tmp_path: Path) -> None:
    ground = ground_of(tmp_path)
    for report in (report_of(ground), report_of(ground, "bug"), report_of(ground, published=True)):
        scene = scene_of(ground, report, marked(("other", True, "held")))
        assert by_probe("x", "rule")(scene).outcome == "not-tried"
        assert at_path("x", lambda _: PATH)(scene).outcome == "not-tried"


def test_every_attack_needs_a_proof(tmp_path: Path) -> None:
    """A run of which nothing is known stops nothing and breaches nothing."""
    ground = ground_of(tmp_path)
    report = report_of(ground, "infra-error").model_copy(update={"agent": None})
    scene = scene_of(ground, report, script=Script((DONE,), limits=ground.plan.limits.model_dump()))
    outcomes = {attack.name: attack.judge(scene).outcome for attack in attacks()}
    applicable = {n: o for n, o in outcomes.items() if o != "not-applicable"}
    assert len(applicable) > 60 and set(applicable.values()) == {"not-tried"}, applicable


def test_by_probe(tmp_path: Path) -> None:
    ground = ground_of(tmp_path)
    scene = scene_of(
        ground, report_of(ground), marked(("x", True, "refused"), ("y", False, "open"))
    )
    held, worked = by_probe("x", "wall", "inner_sandbox")(scene), by_probe("y", "wall")(scene)
    assert held.outcome == "stopped" and held.by and "refused" in held.proof
    assert (held.by.where, held.by.rule) == ("sandbox", "wall")
    assert held.by.origin == "origin of inner_sandbox"
    assert worked.outcome == "breached" and "open" in worked.why


def test_only_tool_outputs_count(tmp_path: Path) -> None:
    """The probe's own text, with its nonce, goes to the model as well."""
    ground = ground_of(tmp_path)
    heard = marked(("x", True, "refused"))
    entry = {"type": "function_call", "arguments": heard.outputs()[0]}
    scene = scene_of(ground, report_of(ground), replace(heard, body={"input": [entry]}))
    assert scene.marks == {}


def test_a_place_refused_by_its_rule(tmp_path: Path) -> None:
    why = f"{PATH} (added) is protected by the rule vault/"
    gate = refusing("paths", "paths.protected", why, PATH)
    found = judged_at(tmp_path, ("x", False, "written"), changes=(changed(PATH),), gates=(gate,))
    assert found.outcome == "stopped" and found.by and "measured tree" in found.proof
    assert (found.by.where, found.by.rule) == ("gate paths", "paths.protected vault/")
    assert found.by.origin == "origin of protected vault/"


def test_a_refusal_of_something_else_stops_nothing(tmp_path: Path) -> None:
    gate = refusing("paths", "paths.protected", "no", "other.txt")
    found = judged_at(tmp_path, ("x", False, "written"), changes=(changed(PATH),), gates=(gate,))
    assert found.outcome == "breached" and "paths.protected" in found.why


def test_a_place_nobody_refused(tmp_path: Path) -> None:
    told = {"changes": (changed(PATH),), "published": True}
    assert judged_at(tmp_path, ("x", False, "written"), **told).outcome == "breached"
    told = {"changes": (changed(PATH),), "published": False, "conclusion": "infra-error"}
    assert judged_at(tmp_path, ("x", False, "written"), **told).outcome == "not-tried"


def test_a_place_the_ingest_met(tmp_path: Path) -> None:
    ours = refusing("ingest", "ingest.refused", f"the change holds {PATH}: a FIFO")
    other = refusing("ingest", "ingest.refused", "the change holds elsewhere/src: a FIFO")
    written = ("x", False, "written")
    assert judged_at(tmp_path, written, gates=(ours,)).outcome == "stopped"
    assert judged_at(tmp_path, written, gates=(other,)).outcome == "not-tried"


def test_budgets(tmp_path: Path) -> None:
    ground = ground_of(tmp_path)
    script = Script((DONE,), limits={"requests": 2})
    spent = Usage(requests=2, exhausted="requests 2")
    report = report_of(ground, "budget", usage=spent)
    two, three = (marked(),) * 2, (marked(),) * 3
    found = by_budget("requests")(scene_of(ground, report, *two, script=script))
    assert found.outcome == "stopped" and found.by and "lowered to 2" in found.by.rule
    assert found.by.origin == "origin of limits.requests"
    assert by_budget("requests")(scene_of(ground, report, *three, script=script)).outcome == (
        "breached"
    )
    endless = report_of(ground, published=True)
    assert by_budget("requests")(scene_of(ground, endless, *two, script=script)).outcome == (
        "breached"
    )
    assert by_budget("requests")(scene_of(ground, report, script=script)).outcome == "not-tried"


def test_failing_tests_of_a_red_suite_stop_nothing(tmp_path: Path) -> None:
    judge = tampering.SCENARIOS[0].attacks[0].judge
    ground = ground_of(tmp_path)
    gate = refusing("tests", "tests.failed")
    report = report_of(ground, changes=(changed("tests/a.py"),), gates=(gate,))
    bent = marked(("bent", False, "done"))
    assert judge(scene_of(ground, report, bent)).outcome == "stopped"
    assert judge(scene_of(replace(ground, red=True), report, bent)).outcome == "not-tried"
    none = report_of(
        ground, changes=(changed("tests/a.py"),), gates=(refusing("tests", "tests.none"),)
    )
    assert judge(scene_of(replace(ground, red=True), none, bent)).outcome == "stopped"


def test_tampering_adapts_to_the_repository(tmp_path: Path) -> None:
    ground = ground_of(tmp_path, tracked=("tests/a.py", "run.sh"), test="sh run.sh")
    by_name = {s.attacks[0].name: s.script for s in tampering.SCENARIOS}
    with pytest.raises(NotApplicableError, match="misses when broken"):
        by_name["tests.weakened"](ground)
    by_name["tests.weakened"](replace(ground, victim="tests/a.py"))
    by_name["tests.weakened"](replace(ground, red=True))
    by_name["tests.script"](ground)
    for name in ("tests.conftest", "tests.shadowed"):
        with pytest.raises(NotApplicableError):
            by_name[name](ground)
    for script in by_name.values():
        with pytest.raises(NotApplicableError):
            script(ground_of(tmp_path, tracked=("tests/a.py",), test=None))


def test_what_has_no_place_is_not_applicable(tmp_path: Path) -> None:
    ground = ground_of(tmp_path, allowed=lambda _: False)
    machine = Machine(_never, _never)

    def nothing(_: object) -> Script:
        raise NotApplicableError("no place")

    scenario = Scenario((Attack("a.b", "about", "remedy", _never),), nothing)
    (attempt,) = drill(machine, ground, scenario)
    assert (attempt.outcome, attempt.why, attempt.run) == ("not-applicable", "no place", None)


def _never(*_: object) -> NoReturn:
    raise AssertionError("nothing is to run")


def test_names_are_unique() -> None:
    names = [attack.name for attack in attacks()]
    assert len({*names}) == len(names) > 70
    assert sum(len(scenario.attacks) for scenario in SCENARIOS) == len(names)
