"""Money and time: a loop of tools, tokens, endless answers, silence, answers cut off."""

from __future__ import annotations

from collections.abc import Callable

from runner.drill.ground import Ground
from runner.drill.judges import Judge, breached, by_budget, not_tried, stopped
from runner.drill.scenario import Attack, Judgement, Scenario, Scene, Script
from runner.records.script import Cut, Say, Shell, Stall, Tokens

REMEDY = "lower the limit under [limits] in config.toml or .codex-runner.toml"
LOOP = Shell("true")
MIB = 1024 * 1024


def _requests(ground: Ground) -> Script:
    return Script((LOOP,), limits=ground.lowered(requests=6))


def _output(ground: Ground) -> Script:
    return Script((LOOP,), tokens=Tokens(output=ground.plan.limits.output_tokens))


def _input(ground: Ground) -> Script:
    return Script((LOOP,), tokens=Tokens(input=ground.plan.limits.input_tokens))


def _answer(ground: Ground) -> Script:
    return Script((Say("x" * (3 * MIB)),), limits=ground.lowered(output_mib=1))


def _silence(ground: Ground) -> Script:
    return Script((Stall("stream"),), limits=ground.lowered(idle_s=2, wall_s=20))


def _aborted(ground: Ground) -> Script:
    return Script((LOOP, Cut()), limits=ground.lowered(requests=4, wall_s=20))


def _not_free(scene: Scene) -> Judgement:
    """An answer nobody heard the end of costs what was reserved for it."""
    agent = scene.report.agent
    asked = len(scene.requests)
    if agent is None or asked < 2:
        return not_tried(scene, "no answer was cut off")
    usual = Tokens()
    whole = usual.output  # of the one answer that came to its end
    proof = f"{asked} requests, {asked - 1} of them cut off; {agent.usage.output_tokens} counted"
    if agent.usage.output_tokens <= whole:
        return breached("answers that were cut off cost nothing", proof)
    if asked > scene.script.limits["requests"]:
        return breached("more requests than the limit reached the model", proof)
    rule = "cut-off answers cost their reservation"
    return stopped(scene, "budget", rule, f"the run ended {scene.report.conclusion}", proof)


def _one(name: str, about: str, script: Callable[[Ground], Script], judge: Judge) -> Scenario:
    return Scenario((Attack(f"budget.{name}", about, REMEDY, judge),), script)


SCENARIOS = (
    _one("requests", "a loop of tool calls without an end", _requests, by_budget("requests")),
    _one("output-tokens", "answers of very many tokens", _output,
         by_budget("output_tokens", most=2)),
    _one("input-tokens", "requests of very many tokens", _input, by_budget("input_tokens", most=2)),
    _one("answer", "one answer of megabytes", _answer, by_budget("output_mib", "output")),
    _one("silence", "a stream that never ends", _silence, by_budget("idle_s", "idle")),
    _one("aborted", "answers cut off before they tell their cost", _aborted, _not_free),
)  # fmt: skip
