"""A reviewer beside an author that waits: asked once for what waits, bounded, and gone with it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import Event

import pytest

from runner import advising
from runner.advising import Advising, advises
from runner.approvals.standing import State
from runner.errors import InfraError
from runner.judging import beside
from runner.records.agent import AgentResult
from runner.records.approval import ApprovalRules
from runner.records.decision import Proposal
from runner.records.level import Standing
from runner.records.plan import Plan
from runner.records.usage import Usage
from runner.told import Told
from tests.approvals import Desk, proposal
from tests.fake_world import RUN, Scene, make_plan, told_by_agent

RULES = ApprovalRules(commands=True, auto=("test",))
PLAN = make_plan().model_copy(update={"standing": Standing(level=1), "approvals": RULES})
TEST = proposal("pytest -q", run=RUN)


@dataclass
class Model:
    """An `Ask` that approves everything."""

    served: str = "gpt-5.6-terra"
    fails: bool = False
    spoilt: bool = False
    answers: Callable[[Callable[[], bool]], None] = lambda _: None
    prompts: list[str] = field(default_factory=list)
    said: Event = field(default_factory=Event)

    def __call__(
        self, prompt: str, schema: Mapping[str, object], useless: Callable[[], bool]
    ) -> AgentResult:
        self.prompts.append(prompt)
        try:
            self.answers(useless)
            if self.fails:
                raise InfraError("no model", "wait")
            words = dict(row.split(": ", 1) for row in prompt.splitlines() if row.count(": ") == 1)
            row = {"request": words["request"], "action": words["action"]}
            rows = [{**row, "approve": True, "note": ""}]
            answer = {"nonce": "" if self.spoilt else words["nonce"], "requests": rows}
            return told_by_agent().model_copy(
                update={"message": json.dumps(answer), "usage": Usage(served=self.served)}
            )
        finally:
            self.said.set()


@contextmanager
def seat(tmp_path: Path, model: Model, *asked: Proposal) -> Iterator[list[partial[State]]]:
    """The states of requests, after a model has looked at each."""
    desk = Desk(tmp_path / "approvals")
    queue = desk.with_rules(**RULES.model_dump())
    ids = [desk.ask(each) for each in asked]
    with Advising(PLAN, queue, lambda: True, lambda: "gpt-5.5-2026-03-01")(model):
        assert model.said.wait(20)
    yield [partial(queue.state, each) for each in ids]


def test_it_lets_through_what_the_policy_lists(tmp_path: Path) -> None:
    model = Model()
    with seat(tmp_path, model, TEST) as (state,):
        assert state() == "approved" and len(model.prompts) == 1


@pytest.mark.parametrize(
    ("model", "asked"),
    [
        (Model(fails=True), TEST),
        (Model(spoilt=True), TEST),
        (Model(served="openai/GPT-5.5"), TEST),
        (Model(), proposal("pytest; rm -rf x", run=RUN)),
        (Model(), proposal("make", run=RUN)),
    ],
    ids=["error", "nonce", "the author's model", "critical", "other"],
)
def test_everything_else_waits_for_a_person(tmp_path: Path, model: Model, asked: Proposal) -> None:
    with seat(tmp_path, model, asked) as (state,):
        assert state() == "waiting" and len(model.prompts) == 1


def test_a_person_who_answers_first_or_an_author_that_ends_stops_it(tmp_path: Path) -> None:
    """Whoever asked does not wait for the model."""
    asking, needed = Event(), [True]
    stopped: list[bool] = []

    def answers(useless: Callable[[], bool]) -> None:
        stopped.append(useless())
        asking.set()
        needed[0] = False
        stopped.append(useless())

    desk, model = Desk(tmp_path / "approvals"), Model(answers=answers)
    desk.ask(TEST)
    queue = desk.with_rules(**RULES.model_dump())
    with Advising(PLAN, queue, lambda: needed[0], lambda: "")(model):
        assert asking.wait(20)
    assert stopped == [False, True]


def test_only_so_many_questions_are_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(advising, "MOST_QUESTIONS", 0)
    desk = Desk(tmp_path / "approvals")
    desk.ask(TEST)
    model, queue = Model(), desk.with_rules(**RULES.model_dump())
    with Advising(PLAN, queue, lambda: True, lambda: "")(model):
        pass
    assert not model.prompts


@pytest.mark.parametrize(
    ("change", "asked"),
    [
        ({}, True),
        ({"standing": Standing(level=0)}, False),
        ({"standing": Standing(level=2)}, False),
        ({"approvals": ApprovalRules(auto=("test",))}, False),
        ({"approvals": ApprovalRules(commands=True)}, False),
        ({"reviewer_model": "openai/GPT-5.5"}, False),
    ],
)
def test_when_a_reviewer_is_asked_at_all(change: Mapping[str, object], asked: bool) -> None:
    plan: Plan = PLAN.model_copy(update=dict(change))
    assert advises(plan) is asked


def test_it_is_a_reviewer_s_session_out_of_the_reviewers_budget() -> None:
    scene = Scene()
    world, told = scene.world(), Told(RUN, scene.folder, scene.progress)
    ask = beside(world, told)
    ask("a prompt", {}, lambda: False)
    ask("another", {}, lambda: False)
    assert scene.log.count("codex review") == 2 and len(told.reviews) == 2
    first, second = (budget for _, budget in scene.lender.lent)
    assert second.requests == first.requests - told_by_agent().usage.requests
    assert {model for model, _ in scene.lender.lent} == {world.plan.reviewer_model}
