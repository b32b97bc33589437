"""Budgets in dollars, through whole runs of the real codex."""

from __future__ import annotations

import json

import pytest

from runner.demo.model import ScriptedModel, Tokens
from runner.demo.sample import AUTHOR_MODEL, REVIEWER_MODEL
from tests.live.world import FIX, World

pytestmark = pytest.mark.live
PRICE = "{ input = 1000, cached = 1000, output = 1000 }"
"""A tenth of a cent per token."""


def configure(world: World, *lines: str) -> None:
    path = world.home / ".config/codex-runner/config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines))


def test_dollars_without_prices_are_refused_before_anything_starts(world: World) -> None:
    configure(world, "[budget]", 'day_usd = "5"')
    with ScriptedModel(FIX) as model:
        ended = world.run_with(model)
        assert model.requests == []
    assert ended.code == 2
    assert f"the price of {AUTHOR_MODEL} is unknown" in ended.error[0]


def test_a_day_s_budget_ends_a_run_and_stays_spent(world: World) -> None:
    prices = [f'"{model}" = {PRICE}' for model in (AUTHOR_MODEL, REVIEWER_MODEL)]
    configure(world, "[budget]", 'day_usd = "40"', "[prices]", *prices)
    with ScriptedModel(FIX, tokens=Tokens(30_000, 0, 100)) as model:  # $30.10
        ended = world.run_with(model)
        assert ended.code == 5, ended
        assert "day_usd $40.00 ran out" in ended.error[0]
        assert "[budget] in config.toml" in ended.error[1]
        assert world.run_with(model).code == 5  # another run, the same day
        assert len(model.requests) == 1
    (book,) = (world.state / "spending").glob("*.json")
    (counts,) = json.loads(book.read_bytes()).values()
    assert counts == {AUTHOR_MODEL: [30_000, 0, 100, 0]}
