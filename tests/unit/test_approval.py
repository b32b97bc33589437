"""A word allows what was asked, for a while, and never one's own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.records.approval import (
    LONGEST,
    Action,
    Approval,
    ApprovalId,
    ApprovalRequest,
    mismatch,
    objection,
)
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
ASKED = ApprovalRequest(
    id=ApprovalId("ap_0123456789abcdef"),
    kind="publish",
    action=ACTION.digest(),
    content=ACTION.canonical().decode(),
    summary="publish it",
    policy=ACTION.policy,
    level=1,
    asker=ACTION.asker,
    author="github:eve",
    run=ACTION.run,
    asked_at=NOW,
    expires_at=NOW + timedelta(hours=4),
)
WORD = Approval(
    id=ASKED.id,
    action=ASKED.action,
    approver="user:ada",
    approved_at=NOW,
    expires_at=NOW + timedelta(minutes=15),
    request=ASKED.digest(),
)


def test_it_allows_its_action() -> None:
    assert objection(ASKED, WORD, NOW) is None
    assert mismatch(ASKED, ACTION) is None


@given(st.sampled_from(sorted({*Action.model_fields} - {"what"})), st.text(min_size=1))
def test_an_altered_field_is_another_action(name: str, value: str) -> None:
    altered = ACTION.model_copy(update={name: value})
    assert (mismatch(ASKED, altered) is None) == (altered == ACTION)


@pytest.mark.parametrize("name", ["tree", "remote", "target", "base", "run", "asker"])
def test_the_field_that_differs_is_named(name: str) -> None:
    altered = ACTION.model_copy(update={name: "other"})
    assert (mismatch(ASKED, altered) or "").endswith(f": another {name}")


@pytest.mark.parametrize("name", sorted({"summary", "content", "asker", "author", "run", "policy"}))
def test_a_request_that_was_altered_is_another_one(name: str) -> None:
    altered = ASKED.model_copy(update={name: "other"})
    assert "another action" in (objection(altered, WORD, NOW) or "")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"action": Sha256("d" * 64)}, "another action"),
        ({"request": Sha256("d" * 64)}, "another action"),
        ({"id": ApprovalId("ap_1")}, "another action"),
        ({"word": "no"}, "user:ada denied it"),
        ({"approver": "agent:gpt-5.5"}, "no person"),
        ({"approver": "ada"}, "no person"),
        ({"approver": ""}, "nobody is no person"),
        ({"approver": "github:eve"}, "may not approve"),
        ({"approver": "github:EVE"}, "may not approve"),
        ({"expires_at": NOW}, "expired"),
        ({"approved_at": NOW + timedelta(seconds=1)}, "not valid yet"),
        ({"approved_at": NOW - timedelta(seconds=1)}, "not valid yet"),
        ({"expires_at": NOW + LONGEST + timedelta(seconds=1)}, "longer than"),
    ],
)
def test_it_does_not_allow(change: dict[str, object], why: str) -> None:
    assert why in (objection(ASKED, WORD.model_copy(update=change), NOW) or "")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"approvers": ("user:bob",)}, "does not name user:ada"),
        ({"approvers": ()}, "does not name user:ada"),
        ({"asker": "user:ada"}, "may not approve"),
        ({"expires_at": NOW}, "expired"),
        ({"expires_at": NOW + LONGEST + timedelta(seconds=1)}, "longer than"),
    ],
)
def test_the_request_bounds_it(change: dict[str, object], why: str) -> None:
    asked = ASKED.model_copy(update=change)
    word = WORD.model_copy(update={"request": asked.digest()})
    assert why in (objection(asked, word, NOW) or "")


@given(st.integers(-(10**6), 10**6))
def test_it_holds_from_its_beginning_to_its_end(seconds: int) -> None:
    allowed = objection(ASKED, WORD, NOW + timedelta(seconds=seconds)) is None
    assert allowed == (0 <= seconds < 900)
