"""Whose a container is."""

from __future__ import annotations

import os

from runner import process
from runner.records.base import RunId
from runner.sandbox import owner


def test_own_work_is_not_abandoned() -> None:
    assert not owner.abandoned(owner.labels(RunId("r"), "agent", 60))


def test_work_of_a_living_process_never_is() -> None:
    """Whatever its deadline says: a machine that slept is late, not dead."""
    assert not owner.abandoned(owner.labels(RunId("r"), "agent", -1))


def test_a_stranger_s_work_past_its_deadline_is() -> None:
    late = owner.labels(RunId("r"), "agent", -1)
    assert owner.abandoned({**late, owner.OWNER: "another-boot/1/99999999:1"})


def test_work_of_a_process_that_ended_is() -> None:
    """Also when its pid is in use again: the start time differs."""
    labels = owner.labels(RunId("r"), "agent", 60)
    scope, _, _ = labels[owner.OWNER].rpartition("/")
    ended = process.run(["sh", "-c", "echo $$"]).text()
    assert owner.abandoned({**labels, owner.OWNER: f"{scope}/{ended}:1"})
    assert owner.abandoned({**labels, owner.OWNER: f"{scope}/{os.getpid()}:1"})


def test_a_stranger_that_cannot_be_seen_counts_as_alive() -> None:
    labels = owner.labels(RunId("r"), "agent", 60)
    assert not owner.abandoned({**labels, owner.OWNER: "another-boot/1/99999999:1"})
