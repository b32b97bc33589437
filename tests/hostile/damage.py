"""What an attack did to the host: canaries, outputs, leftovers, the receipt."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from runner.process import run
from tests.hostile.scene import FIXED_CANARIES, KEY, Attack, Scene
from tests.hostile.verdict import Judgement, breached, held


def is_evidence(name: str) -> bool:
    """Kept byte for byte, and shown through `codex-runner logs`, which escapes it."""
    return name == "patch" or name.endswith(("events.jsonl", ".log"))


def damage(scene: Scene, attack: Attack | None = None) -> list[Judgement]:
    """Every breach found on the host; empty = none."""
    found = [*_written(scene), *_leftovers(scene)]
    if attack is not None:
        found += _ending(scene, attack)
    if scene.corpus is not None:
        found += _outputs(scene)
    return found


def _written(scene: Scene) -> Iterator[Judgement]:
    for place in (scene.canaries, FIXED_CANARIES):
        if names := sorted(p.name for p in place.iterdir()):
            yield breached(f"executed or written on the host: {' '.join(names)}")
            for name in names:
                (place / name).unlink()


def _leftovers(scene: Scene) -> Iterator[Judgement]:
    try:
        scene.world.check_tidy()
    except AssertionError as left:
        yield breached(f"left over: {str(left)[:300]}")


def _ending(scene: Scene, attack: Attack) -> Iterator[Judgement]:
    ended = attack.ended
    if "Traceback" in ended.stderr or ended.code == 70:
        yield breached(f"it crashed: exit code {ended.code}: {ended.stderr[-300:]}")
    if ended.folder is None:
        return
    try:
        scene.world.check_signed(ended)
    except AssertionError as bad:
        yield breached(f"the receipt is not good: {str(bad)[:200]}")
    bodies = json.dumps(attack.requests)
    if KEY in bodies:
        yield breached("the key is in a request's body")
    report = ended.report
    if (report.publication is not None) != (ended.code == 0 and report.conclusion == "published"):
        yield breached("published, but not as a success")
    pushed = {*scene.world.branches().values()}
    if pushed - {report.publication.commit if report.publication else ""}:
        yield breached(f"pushed what was not published: {pushed}")


def _outputs(scene: Scene) -> Iterator[Judgement]:
    """The corpus's own check of everything the product produced."""
    assert scene.corpus is not None
    with TemporaryDirectory(prefix="h-outputs-") as name:
        place = Path(name)
        for number, said in enumerate([*scene.extra, *_shown(scene)]):
            (place / f"said-{number}.txt").write_bytes(said)
        for number, folder in enumerate(sorted((scene.world.state / "runs").glob("*"))):
            for file in folder.iterdir():
                # the checker takes a .pack for binary: canaries count there, bytes do not
                raw = ".pack" if is_evidence(file.name) else ""
                if file.is_file() and not file.is_symlink():
                    shutil.copy(file, place / f"{number}-{file.name}{raw}")
        home = scene.world.sample.remote
        for request in home.with_name(home.name + ".requests").glob("*"):
            shutil.copy(request, place / request.name)
        check = scene.corpus.check("check_outputs.py")
        done = run([sys.executable, check, place, "--repo", home])
    if "HELD OUTPUTS" not in done.text():
        yield breached(f"{done.text()[:400]} {done.error() if done.code else ''}".strip())


def _shown(scene: Scene) -> Iterator[bytes]:
    for verb in ("show", "logs", "list"):
        yield scene.cli(verb)


def cleanup(scene: Scene) -> Judgement:
    """The corpus's own check that nothing of these runs is left."""
    assert scene.corpus is not None
    check = scene.corpus.check("check_cleanup.sh")
    runs = [folder.name for folder in (scene.world.state / "runs").glob("*")]
    for name in runs or ["none"]:
        done = run(["sh", check, f"codex-runner.run={name}", scene.world.state])
        if "HELD CLEANUP" not in done.text():
            return breached(done.text())
    return held("nothing left")
