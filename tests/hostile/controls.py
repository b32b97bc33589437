"""Positive controls: where nothing holds a payload it must be loud."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from runner.process import clean_env, run
from tests.hostile import seeds
from tests.hostile.brokers import MODEL, recorder
from tests.hostile.corpus import Corpus, Row
from tests.hostile.scene import KEY, Scene
from tests.hostile.verdict import Judgement, held, not_run, told

LOUD = (
    *("ENV-03", "ENV-06", "NET-04", "GITW-01", "GITW-03", "GITW-12", "ESC-01"),
    *("BRK-01", "BRK-03", "BRK-05", "BRK-09"),
)
"""Rows that need nothing but a plain process, or an upstream without a broker, to be loud."""


def drive(scene: Scene, row: Row) -> Judgement:
    """The payload in a plain process on the host, in a repository nobody covers."""
    assert scene.corpus is not None
    with TemporaryDirectory(prefix="hostile-control-") as name:
        said = _probe(scene.corpus, row, Path(name)) if row.kind == "broker" else _plain(scene, row)
    words = told(said, row.id)
    if "BREACH" in words:
        return held(f"loud where nothing holds it: {words['BREACH'][0][:100]}")
    return not_run(f"quiet where nothing holds it, so its silence proves nothing: {said[:200]}")


def _plain(scene: Scene, row: Row) -> str:
    assert scene.corpus is not None
    here = scene.repository
    if row.id == "ENV-06":
        seeds.other_refs(scene)
    payload = scene.corpus.payload(row)
    program = sys.executable if payload.suffix == ".py" else "sh"
    env = {**scene.knobs, "OPENAI_API_KEY": KEY, "HOME": str(scene.world.home)}
    return run([program, payload], env=clean_env(env), cwd=here, timeout_s=120).text()


def _probe(corpus: Corpus, row: Row, place: Path) -> str:
    with recorder(corpus, place / "recorded", "normal") as port:
        argv = [sys.executable, str(corpus.payload(row)), "--tcp", f"127.0.0.1:{port}"]
        return run([*argv, "--model", MODEL], timeout_s=120).text()
