"""Grounds and scenes of drills, made by hand."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from runner.drill.ground import Arena, Ground
from runner.drill.lure import Lure
from runner.drill.scenario import DONE, Scene, Script
from runner.errors import Conclusion
from runner.records.agent import AgentResult
from runner.records.base import Oid, RunId
from runner.records.drill import Attempt, DrillReport, Outcome, Stopper
from runner.records.gate import Finding, GateReport
from runner.records.patch import Change, Patch
from runner.records.report import Publication, RunReport
from runner.records.sandbox import Exit, StopReason
from runner.records.script import Heard
from runner.records.usage import Usage
from tests.fake_world import make_plan

NONCE = "00ff00ff00ff00ff"
NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
OID = Oid("a" * 40)
PUBLICATION = Publication(
    remote="r", ref="refs/heads/codex/x", commit=OID, url="/nonexistent/x.md", created=True
)


def ground_of(
    home: Path,
    tracked: tuple[str, ...] = ("src/a.py",),
    allowed: Callable[[str], bool] = lambda _: True,
    test: str | None = "make check",
) -> Ground:
    return Ground(
        arena=Arena(home / "repository.git", home / "remote.git", tracked),
        plan=make_plan().model_copy(update={"test": test}),
        lure=Lure(1, "abstract", str(home / "lure.sock")),
        nonce=NONCE,
        key="drill-key-0123456789",
        allowed=allowed,
        origin=lambda name: f"origin of {name}",
    )


def marked(*marks: tuple[str, bool, str]) -> Heard:
    """A request with what the probes printed."""
    rows = "\n".join(f"DRILL-{NONCE} {json.dumps(mark)}" for mark in marks)
    output = {"type": "function_call_output", "output": f"Process exited\n{rows}\n"}
    return Heard("/v1/responses", {}, {"input": [output]})


def changed(path: str, **more: object) -> Change:
    given = {
        "path": path, "status": "added", "old_mode": "000000", "new_mode": "100644",
        "old_oid": None, "new_oid": OID, "added": 1, "deleted": 0, "binary": False,
        "size_bytes": 2,
    }  # fmt: skip
    return Change.model_validate({**given, **more})


def refusing(gate: str, code: str, why: str = "no", path: str | None = None) -> GateReport:
    finding = Finding(gate=gate, code=code, why=why, remedy="mend", path=path)
    return GateReport(gate=gate, verdict="refused", summary="refused", findings=(finding,))


def report_of(
    ground: Ground,
    conclusion: Conclusion = "refused",
    *,
    changes: tuple[Change, ...] | None = None,
    gates: tuple[GateReport, ...] = (),
    stopped: StopReason | None = None,
    usage: Usage = Usage(requests=1, output_tokens=20),  # noqa: B008
    published: bool = False,
    ok: bool = True,
    message: str = "Done.",
) -> RunReport:
    patch = None
    if changes is not None:
        patch = Patch(
            base_commit=OID, base_tree=OID, tree=Oid("b" * 40), commit=OID, changes=changes
        )
    return RunReport(
        run=RunId("20261120-120000-abcdef"),
        conclusion="published" if published else conclusion,
        exit_code=0 if published else 1,
        started_at=NOW,
        finished_at=NOW,
        plan=ground.plan,
        agent=AgentResult(
            ok=ok, reason="" if ok else "codex died", message=message, usage=usage,
            exit=Exit(code=0, stopped=stopped, duration_ms=1),
        ),
        patch=patch,
        gates=gates,
        publication=PUBLICATION if published else None,
    )  # fmt: skip


def scene_of(
    ground: Ground, report: RunReport, *requests: Heard, script: Script | None = None
) -> Scene:
    return Scene(ground, script or Script((DONE,)), report, Path("/nonexistent"), requests)


def attempt_of(attack: str, outcome: Outcome) -> Attempt:
    by = Stopper(where="gate paths", rule="paths.protected", origin="built-in")
    return Attempt(
        attack=attack, about=f"about {attack}", remedy="mend it", outcome=outcome,
        by=by if outcome == "stopped" else None, why="why\x1b[2J\n::error::x", proof="proof",
        run=RunId("20261120-120000-abcdef"), duration_ms=1200,
    )  # fmt: skip


def drill_of(*outcomes: Outcome) -> DrillReport:
    names = ("paths.workflow", "secrets.split", "tests.weakened", "review.gullible")
    attempts = tuple(attempt_of(n, o) for n, o in zip(names, outcomes, strict=False))
    return DrillReport(
        version="1.0.0", repository="/srv/a repository", base_commit=OID, engine="bubblewrap",
        started_at=NOW, finished_at=NOW, notes=("a note",), attempts=attempts,
    )  # fmt: skip
