"""Probes of the broker's socket from inside a sandbox, with a recorder for an upstream."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from runner.broker.keys import Key
from runner.broker.lender import Broker, BrokerLease
from runner.broker.upstream import Upstream
from runner.process import kill_group, run, spawn
from runner.records.sandbox import BROKER, Bind
from runner.records.usage import Budget
from tests.hostile.corpus import Corpus, Row
from tests.hostile.engines import make_engine, run_inside
from tests.hostile.scene import KEY, Scene
from tests.hostile.verdict import Judgement, breached, held, not_run, told, worst

MODEL = "gpt-mock"
REQUESTS = 10
MODES = {
    "BRK-11": ("normal", "omit_usage", "abort", "usage:0"),
    "BRK-13": ("echo_auth", "err401", "redirect:{thief}", "bad_headers"),
}


@contextmanager
def recorder(corpus: Corpus, log: Path, mode: str) -> Iterator[str]:
    """The corpus's upstream; its port."""
    log.touch()
    tool = corpus.tool("upstream_recorder.py")
    child = spawn([sys.executable, tool, "--log", log, "--mode", mode], env={})
    try:
        assert child.stdout is not None
        yield child.stdout.readline().decode().strip()
    finally:
        kill_group(child.pid)
        child.wait()
        for pipe in (child.stdin, child.stdout, child.stderr):
            assert pipe is not None
            pipe.close()


@contextmanager
def lent(port: str, log: Path, requests: int) -> Iterator[BrokerLease]:
    broker = Broker(Upstream(f"http://127.0.0.1:{port}/v1"), Key(KEY.encode(), "hostile"), {})
    plenty = 10**9
    budget = Budget(requests=requests, input_tokens=plenty, output_tokens=plenty, wall_s=300)
    with broker.lend(MODEL, budget, log) as lease:
        yield lease


def drive(scene: Scene, row: Row) -> Judgement:
    """Once for every way upstream may behave."""
    return worst([_probe(scene, row, mode) for mode in MODES.get(row.id, ("normal",))])


def _probe(scene: Scene, row: Row, mode: str) -> Judgement:
    assert scene.corpus is not None
    home, corpus = scene.world.home, scene.corpus
    recorded, stolen, journal = home / "recorded", home / "stolen", home / "broker.jsonl"
    payload = home / "payload" / Path(row.file).name
    payload.parent.mkdir(exist_ok=True)
    home.chmod(0o755)
    payload.parent.chmod(0o755)
    shutil.copy(corpus.payload(row), payload)
    for old in (recorded, stolen, journal):
        old.unlink(missing_ok=True)
    budget = ("--budget", str(REQUESTS)) if row.id == "BRK-11" else ()
    with ExitStack() as stack:
        thief = stack.enter_context(recorder(corpus, stolen, "normal"))
        port = stack.enter_context(recorder(corpus, recorded, mode.format(thief=thief)))
        lease = stack.enter_context(lent(port, journal, REQUESTS if budget else 1000))
        said = run_inside(
            make_engine(scene.world.engine),
            payload,
            *("--sock", f"{BROKER}/model.sock", "--model", MODEL, *budget),
            binds=(Bind(lease.directory, BROKER),),
        )
    return worst(_judged(scene, row, mode, said, recorded, stolen, journal))


def _judged(
    scene: Scene, row: Row, mode: str, said: str, recorded: Path, stolen: Path, journal: Path
) -> list[Judgement]:
    assert scene.corpus is not None
    words = told(said, row.id)
    if not words:
        return [not_run(f"{mode}: no line of the payload was seen: {said[-300:]}")]
    found = [breached(f"{mode}: {why[:400]}") for why in words.get("BREACH", ())]
    if stolen.read_bytes():
        found.append(breached(f"{mode}: the redirect was followed"))
    check = [sys.executable, str(scene.corpus.check("check_recorder.py")), str(recorded)]
    forwarded = run([*check, "--model", MODEL]).text()
    if "HELD RECORDER" not in forwarded:
        found.append(breached(f"{mode}: {forwarded[:400]}"))
    if len(recorded.read_bytes().splitlines()) > REQUESTS and row.id == "BRK-11":
        found.append(breached(f"{mode}: more than {REQUESTS} requests reached upstream"))
    outputs = run([sys.executable, scene.corpus.check("check_outputs.py"), journal]).text()
    if "HELD OUTPUTS" not in outputs:
        found.append(breached(f"{mode}: {outputs[:400]}"))
    quiet = "; ".join(words.get("HELD", words.get("PLANTED", ())))
    return found or [held(f"{mode}: {quiet[:100]}; {forwarded[:60]}")]
