"""`[approvals]`: every layer only tightens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from runner.changed import loosened
from runner.errors import ConfigError
from runner.gateway.asking import Approvals
from runner.policy.lattice import Decided, decide
from runner.policy.readers import read_layer
from runner.policy.toml import Table
from runner.records.approval import ApprovalRules
from runner.records.merge import LayerName
from tests.approvals import Desk
from tests.fake_world import make_plan


def layer(name: LayerName, **approvals: Any) -> Any:
    return read_layer(Table(f"{name}.toml", {"approvals": approvals}, {}), name)


def decided(*layers: Any) -> Decided:
    return decide(layers)


def test_built_in() -> None:
    assert decided().policy.approvals == ApprovalRules(
        commands=False, expires_s=14_400, auto=(), approvers=None
    )


def test_every_layer_only_tightens() -> None:
    found = decided(
        layer("organisation", expires_s=86_400, auto=["test", "format"], approvers=["user:ada"]),
        layer("user", commands=True, expires_s=600, auto=["test", "inspect"]),
        layer("repository", commands=False, expires_s=900, approvers=["user:ada", "github:eve"]),
    )
    assert found.policy.approvals == ApprovalRules(
        commands=True, expires_s=600, auto=("test",), approvers=("user:ada",)
    )
    asked = {dropped.field for dropped in found.dropped}
    assert asked >= {"approvals.commands", "approvals.expires_s", "approvals.approvers"}


def test_a_repository_loosens_nothing_that_nobody_said() -> None:
    found = decided(layer("repository", auto=["test"], expires_s=86_400))
    assert found.policy.approvals.auto == () and found.policy.approvals.expires_s == 14_400


@pytest.mark.parametrize(
    "bad",
    [
        {"commands": "yes"},
        {"expires_s": 0},
        {"expires_s": 86_401},
        {"auto": ["critical"]},
        {"auto": ["other"]},
        {"approvers": ["ada"]},
        {"approvers": ["agent:x"]},
        {"unknown": 1},
    ],
)
def test_other_values_are_errors(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="approvals"):
        layer("user", **bad)


def test_a_run_is_not_resumed_under_looser_ones() -> None:
    plan = make_plan()
    tight = plan.model_copy(update={"approvals": ApprovalRules(commands=True)})
    assert loosened(tight, plan) == ("approvals.commands",)
    assert loosened(plan, tight) == ()


def test_the_queue_is_what_the_gateway_asks(tmp_path: Path) -> None:
    approvals: Approvals = Desk(tmp_path).queue
    assert approvals.waiting() == () and approvals.state("ap_0") == "unknown"
