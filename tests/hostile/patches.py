"""Hostile patches: applied by the agent in its worktree, and slipped into a run's folder."""

from __future__ import annotations

import re
from pathlib import Path

from runner.process import run
from tests.hostile.corpus import Row
from tests.hostile.damage import damage
from tests.hostile.repos import WRITES, adopt
from tests.hostile.scene import CLI, DROP, Scene, deliver, git
from tests.hostile.verdict import Judgement, breached, detected, held, not_run, worst

APPLY = (
    "git -c safe.directory=* apply --unsafe-paths {patch}; patch -p1 -s -f -i {patch};"
    " git -c safe.directory=* status --porcelain -uall --no-renames; echo H-TRIED"
)
WORKFLOWS = ".github/workflows/"


def drive(scene: Scene, row: Row) -> Judgement:
    """No patch of somebody else's is ever applied by the host; what one made is measured."""
    assert scene.corpus is not None
    payload = scene.corpus.payload(row)
    base = payload.with_name("gen_patch_base.sh")
    done = run(["bash", base, scene.world.home / "base"])
    assert done.code == 0, done.error()
    adopt(scene, scene.world.home / "base" / "repo")
    return worst([_by_the_agent(scene, payload), _in_the_folder(scene, payload)])


def _by_the_agent(scene: Scene, payload: Path) -> Judgement:
    put = deliver(payload.name, payload.read_bytes())
    command = f"{put}; {APPLY.format(patch=f'{DROP}/{payload.name}')}"
    attack = scene.attack(command, "--prompt", "Apply it", "--test", "true", after=WRITES)
    if not re.search(r"(?m)^H-TRIED$", attack.output):
        return not_run(f"nothing was tried: {attack.output[-300:]}")
    harm = damage(scene, attack)
    made = set(re.findall(r"(?m)^[ MTAD?]{2} (.+)$", attack.output.split("H-TRIED")[0]))
    refused = attack.ended.code == 1
    if not refused and not made <= {*attack.changed}:
        return breached(f"applied to {made}, but the change says {attack.changed}")
    if not refused and any(path.startswith(WORKFLOWS) for path in attack.changed):
        return breached(f"{attack.changed} passed; exit code {attack.ended.code}")
    said = f"agent: touches {sorted(made) or 'nothing'}; exit code {attack.ended.code}"
    return worst([detected(said) if refused else held(said), *harm])


def _in_the_folder(scene: Scene, payload: Path) -> Judgement:
    """`apply` takes what the receipt signs, and nothing that was put in its place."""
    (folder,) = (scene.world.state / "runs").glob("*")
    (folder / "patch").write_bytes(payload.read_bytes())
    before = git(scene.repository, "status", "--porcelain"), scene.world.files()
    done = run([CLI, "apply"], env=scene.env("http://127.0.0.1:9/v1"), cwd=scene.repository)
    after = git(scene.repository, "status", "--porcelain"), scene.world.files()
    if done.code not in {1, 2} or before != after:
        return breached(f"apply: exit code {done.code}: {done.error()}")
    return detected(f"apply: {done.stderr.decode().splitlines()[0][:100]}")
