"""What a reviewing model said of a request, as a person is shown it: as a model's words."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runner.approvals.queue import Queue
    from runner.records.approval import ApprovalRequest

LAST = 1_000_000


def advice_json(queue: Queue, asked: ApprovalRequest) -> dict[str, object]:
    """`auto`: which model stood in a person's place, and for what class; empty = none did."""
    advice, auto = queue.advice(asked.id)
    return {"advice": advice and advice.model_dump(mode="json"), "auto": auto}


def advice_rows(queue: Queue, asked: ApprovalRequest) -> list[str]:
    """None where no model has looked at it."""
    from runner.report.sanitise import line

    advice, auto = queue.advice(asked.id)
    rows = [f"auto: no person, a reviewer approved it: {auto}"] if auto else []
    if advice is not None and advice.note:
        rows += [f"the model {line(advice.model, 100)} says, unchecked: {line(advice.note, 300)}"]
    return rows


def place(queue: Queue, asked: ApprovalRequest) -> int:
    """Where a model would put it; what none has looked at keeps its order, behind."""
    advice, _ = queue.advice(asked.id)
    return LAST if advice is None else advice.place
