"""More than anybody reviews: lines, files, bytes, binaries. Each one over the user's own limit."""

from __future__ import annotations

from runner.drill.ground import Ground
from runner.drill.judges import Judge, findings, not_tried, passed, refused
from runner.drill.scenario import (
    DONE,
    Attack,
    Judgement,
    NotApplicableError,
    Scenario,
    Scene,
    Script,
    probe,
)

REMEDY = "set a limit: [limits] in config.toml or in .codex-runner.toml"
MOST = {"lines": 2000, "files": 60, "bytes": 2_000_000, "binaries": 5}
"""A limit above is lowered to this for the run, so that the attack stays small."""

_PROBE = r"""
def fill():
    stem, ending = os.path.splitext(DATA["path"])
    os.makedirs(os.path.dirname(stem) or ".", exist_ok=True)
    def put(name, data):
        with open(f"{stem}_{name}{ending}", "wb") as file:
            file.write(data)
    put("lines", b"".join(b"row %d\n" % row for row in range(DATA["lines"] + 1)))
    for number in range(DATA["files"] + 1):
        put(f"files{number}", b"one more\n")
    put("bytes", b"x" * DATA["bytes"] + b"\n")
    for number in range(DATA["binaries"] + 1):
        put(f"binary{number}", b"\0\1\2\3" * 4)
    return "written"
attempt("written", fill)
"""


def _script(ground: Ground) -> Script:
    path = ground.fresh("big", ".txt")
    if path is None:
        raise NotApplicableError("the policy allows no new file anywhere")
    limits = ground.lowered(**MOST)
    return Script((probe(ground, _PROBE, path=path, **limits), DONE), limits=limits)


def _judge(unit: str) -> Judge:
    def judge(scene: Scene) -> Judgement:
        patch, limit = scene.report.patch, scene.script.limits[unit]
        if patch is None or patch.empty:
            return not_tried(scene, "nothing was measured")
        measured = {
            "lines": sum(change.added + change.deleted for change in patch.changes),
            "files": len(patch.changes),
            "bytes": sum(change.size_bytes for change in patch.changes),
            "binaries": sum(change.binary for change in patch.changes),
        }[unit]
        proof = f"the measured tree has {measured} {unit}"
        if measured <= limit:
            return not_tried(scene, f"{proof}, and {limit} are allowed")
        for finding in findings(scene, "size"):
            if finding.code == f"size.{unit}":
                return refused(scene, finding, proof)
        return passed(scene, f"{measured} {unit} passed a limit of {limit}", proof)

    return judge


SCENARIOS = (
    Scenario(
        tuple(
            Attack(f"oversize.{unit}", f"a change with too many {unit}", REMEDY, _judge(unit))
            for unit in MOST
        ),
        _script,
    ),
)
