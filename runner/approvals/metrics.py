"""How people are asked, and how they answer: whether they are worn out, whether they look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median_low

from runner.records.approval import Approval, ApprovalRequest


def metrics(requests: Sequence[ApprovalRequest], words: Sequence[Approval]) -> Mapping[str, object]:
    """JSON values; None = there is nothing to measure."""
    asked = {request.id: request for request in requests}
    per_run = Counter(request.run for request in requests)
    thought_s = [
        int((word.approved_at - asked[word.id].asked_at).total_seconds())
        for word in words
        if word.id in asked
    ]
    return {
        "requests": len(requests),
        "runs": len(per_run),
        "requests_per_run_median": median_low(per_run.values()) if per_run else None,
        "requests_per_run_most": max(per_run.values(), default=None),
        "think_time_median_s": median_low(thought_s) if thought_s else None,
        "approved": sum(word.word == "yes" for word in words),
        "denied": sum(word.word == "no" for word in words),
        "self_approvals": sum(
            word.word == "yes" and word.approver in (asked[word.id].asker, asked[word.id].author)
            for word in words
            if word.id in asked
        ),
    }
