"""A real run, carried to another machine, and verified there with nothing but the public key."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from runner.demo.scenarios import SCENARIOS
from runner.ledger.dsse import unverified
from runner.ledger.folder import PATCH, RECEIPT, REPORT
from runner.ledger.ledger import open_ledger
from runner.ledger.recording import CHECKPOINT, RECEIPTS, open_intent
from runner.ledger.verifying import STEPS
from runner.process import Completed, clean_env, run
from runner.records.base import RunId
from tests.live.world import CLI, Ended, World

pytestmark = pytest.mark.live


def elsewhere(world: World, folder: Path, home: Path, *words: str) -> Completed:
    """`verify` with an empty home, and the public key."""
    key = home / "gate.pub.pem"
    key.write_bytes(world.cli("keys", "export").stdout)
    env = clean_env({"HOME": str(home), "XDG_STATE_HOME": str(home)})
    return run([*CLI, "verify", str(folder), "--key", str(key), *words], env=env, cwd=home)


def carried(ended: Ended, home: Path) -> Path:
    return shutil.copytree(ended.path, home / "copy")


@pytest.mark.parametrize(("scenario", "code"), [("fix", 0), ("path", 1)])
def test_a_run_on_another_machine(world: World, tmp_path: Path, scenario: str, code: int) -> None:
    ended = world.run(steps=SCENARIOS[scenario].steps)
    assert ended.code == code, ended
    folder = carried(ended, tmp_path)
    done = elsewhere(world, folder, tmp_path, "--json")
    assert done.code == 0, done
    told = json.loads(done.stdout)
    assert told["valid"] and [row["step"] for row in told["held"]] == list(STEPS)
    details = {row["step"]: row["detail"] for row in told["held"]}
    report = ended.report
    assert report.patch is not None and report.patch.commit in details["commit"]
    for each in ("base", "codex 0.", "policy sha256:", "codex sha256:", "engine sha256:"):
        assert each in details["inputs"]
    assert details["gates"].startswith("PASSED" if code == 0 else "FAILED")
    if code == 0:
        check_tampered(world, folder, tmp_path)


def check_tampered(world: World, folder: Path, home: Path) -> None:
    """One bit in the middle of each file, and the step that finds it."""
    for name, step in {
        PATCH: "files",
        REPORT: "files",
        RECEIPT: "files",
        CHECKPOINT: "checkpoint",
        RECEIPTS: "signatures",
    }.items():
        content = (folder / name).read_bytes()
        at = len(content) // 2
        (folder / name).write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        done = elsewhere(world, folder, home)
        assert done.code == 1 and f"does not verify: {step}: " in done.stderr.decode(), done
        (folder / name).write_bytes(content)
    assert elsewhere(world, folder, home).code == 0


def test_here_without_naming_a_key(world: World) -> None:
    ended = world.run()
    assert ended.code == 0, ended
    out = world.home / "run.sigstore.jsonl"
    assert world.cli("verify", ended.path.name, "--bundle", str(out)).code == 0
    assert len(out.read_bytes().splitlines()) == 3
    with open_ledger(world.state) as ledger:
        assert ledger.check() == ledger.size
        assert not open_intent(ledger, RunId(ended.path.name))
        kinds = [entry.kind for entry in ledger.entries(run=RunId(ended.path.name))]
    assert kinds[0] == "intent" and kinds[-4:] == ["run", "tests", "verdict", "outcome"]


def test_nothing_starts_without_the_ledger(world: World) -> None:
    """What lies there is not a ledger: no agent runs, and the run has a report and a receipt."""
    (world.state / "ledger").mkdir(mode=0o700, parents=True)
    world.state.chmod(0o700)
    place = world.state / "ledger" / "ledger.sqlite"
    place.write_bytes(b"no database" * 100)
    place.chmod(0o600)
    ended = world.run()
    assert ended.code == 3, ended
    assert "ledger" in ended.error[0]
    assert ended.report.conclusion == "infra-error" and ended.report.agent is None
    assert not (ended.path / RECEIPTS).exists()
    world.check_signed(ended)
    told = world.cli("show", ended.path.name).stdout.decode()
    assert "NOT IN THE LEDGER" in told
    for end in ("", "-wal", "-shm"):
        place.with_name(place.name + end).unlink(missing_ok=True)
    left = world.cli("sweep")  # a run begins a ledger, whose place its settings know
    assert left.code == 3 and b"the intent is open" in left.stdout
    with open_ledger(world.state):
        pass
    assert world.cli("sweep").code == 0
    assert world.cli("verify", ended.path.name).code == 0
    statement, kind = unverified(
        json.loads((ended.path / RECEIPTS).read_bytes().splitlines()[-1])["envelope"].encode()
    )
    assert kind == "outcome" and statement["predicate"]
