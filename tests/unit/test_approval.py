"""An approval allows one action, once, for a while, and never one's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.records.approval import LONGEST, Action, Approval, ApprovalId, objection
from runner.records.base import Oid, RunId, Sha256

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ACTION = Action(
    what="publish",
    run=RunId("20261120-102233-7f3a9c"),
    base=Oid("a" * 40),
    tree=Oid("b" * 40),
    remote="/srv/repo.git",
    target="main",
    policy=Sha256("c" * 64),
    asker="agent:gpt-5.5",
)
WORD = Approval(
    id=ApprovalId("0" * 32),
    action=ACTION.digest(),
    approver="user:ada",
    approved_at=NOW,
    expires_at=NOW + timedelta(minutes=15),
)


def test_it_allows_its_action() -> None:
    assert objection(WORD, ACTION, NOW, ()) is None
    assert objection(WORD, ACTION, NOW, {ApprovalId("1" * 32)}) is None


@given(st.sampled_from(sorted({*Action.model_fields} - {"what"})), st.text(min_size=1))
def test_an_altered_field_is_another_action(name: str, value: str) -> None:
    altered = ACTION.model_copy(update={name: value})
    allowed = objection(WORD, altered, NOW, ()) is None
    assert allowed == (altered == ACTION)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"action": Sha256("d" * 64)}, "another action"),
        ({"approver": "agent:gpt-5.5"}, "may not approve"),
        ({"approver": "ada"}, "may not approve"),
        ({"expires_at": NOW}, "expired"),
        ({"approved_at": NOW + timedelta(seconds=1)}, "not valid yet"),
        ({"expires_at": NOW + LONGEST + timedelta(seconds=1)}, "longer than"),
    ],
)
def test_it_does_not_allow(change: dict[str, object], why: str) -> None:
    assert why in (objection(WORD.model_copy(update=change), ACTION, NOW, ()) or "")


def test_it_is_used_once_and_nobody_approves_their_own() -> None:
    assert "used already" in (objection(WORD, ACTION, NOW, {WORD.id}) or "")
    own = ACTION.model_copy(update={"asker": "user:ada"})
    mine = WORD.model_copy(update={"action": own.digest()})
    assert "may not approve" in (objection(mine, own, NOW, ()) or "")


@given(st.integers(-(10**6), 10**6))
def test_it_holds_from_its_beginning_to_its_end(seconds: int) -> None:
    allowed = objection(WORD, ACTION, NOW + timedelta(seconds=seconds), ()) is None
    assert allowed == (0 <= seconds < 900)
