"""The driver's own law: only what was seen to run can have been held, and one breach is one."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from runner.process import clean_env, run
from tests.hostile import shells
from tests.hostile.corpus import MANIFEST, VARIABLE, Corpus, NoCorpusError, Row, find_corpus
from tests.hostile.damage import damage
from tests.hostile.scene import Scene
from tests.hostile.verdict import breached, detected, held, not_run, told, worst


def corpus(root: Path, payload: str = "") -> Corpus:
    """One row, its payload, and checkers that are content."""
    row = {"id": "X-1", "class": "X", "kind": "shell", "file": "payloads/x.sh"}
    checks = root / "payloads" / "host"
    checks.mkdir(parents=True)
    (checks / "check_outputs.py").write_text("print('HELD OUTPUTS')")
    (root / "payloads" / "x.sh").write_text(payload)
    (root / MANIFEST).write_text(json.dumps(row) + "\n")
    return Corpus(root)


def test_where_a_corpus_is_looked_for(tmp_path: Path) -> None:
    corpus(tmp_path / "one")
    assert find_corpus(tmp_path / "one", {}).rows("X") == (
        Row("X-1", "X", "shell", "payloads/x.sh"),
    )
    assert find_corpus(None, {VARIABLE: str(tmp_path / "one")}).root == tmp_path / "one"
    assert find_corpus(tmp_path / "one", {}).rows("Y") == ()
    for given, environ in ((tmp_path, {}), (None, {VARIABLE: str(tmp_path)})):
        with pytest.raises(NoCorpusError, match="no corpus"):
            find_corpus(given, environ)


def test_words_count_at_the_start_of_a_line_only() -> None:
    said = "HELD X-1 a\n  BREACH X-1 no\nBREACH X-10 no\nBREACH X-1 b\nBREACH X-1 b\nsh 'HELD X-1'"
    assert told(said, "X-1") == {"HELD": ["a"], "BREACH": ["b"]}


def test_the_gravest_counts() -> None:
    assert worst([held("a"), detected("b")]).verdict == "detected"
    assert worst([not_run("a"), detected("b")]).verdict == "not run"
    assert worst([held("a"), breached("b"), not_run("c"), breached("d")]) == breached("b; d")


CASES = {
    "echo HELD X-1 fine": "held",
    "echo HELD X-1 fine; echo BREACH X-1 a leak": "breached",
    "echo HELD X-2 another; exit 1": "not run",
    "echo PLANTED X-1 a pipe; mkfifo p": "detected",
}


@pytest.mark.live
@pytest.mark.parametrize("payload", CASES)
def test_what_becomes_of_a_payload(scene: Scene, tmp_path: Path, payload: str) -> None:
    scene.corpus = corpus(tmp_path / "corpus", payload)
    (row,) = scene.corpus.rows()
    assert shells.drive(scene, row).verdict == CASES[payload]


@pytest.mark.live
def test_the_table_needs_nothing_of_a_test(tmp_path: Path) -> None:
    """As its user starts it: no fixture has prepared the environment."""
    root = corpus(tmp_path / "corpus", "echo HELD X-1 fine").root
    words = ("--corpus", root, "--engine", "bubblewrap", "--json", tmp_path / "rows.json")
    here = Path(__file__).parents[2]
    done = run([sys.executable, "-m", "tests.hostile", *words], env=clean_env(), cwd=here)
    assert done.code == 0 and b"1 held" in done.stdout, done


@pytest.mark.live
def test_damage_is_seen(scene: Scene) -> None:
    """A canary, a leftover and a forged receipt, each where there was none."""
    attack = scene.attack("echo x")
    assert damage(scene, attack) == []
    (scene.canaries / "executed").touch()
    (scene.world.temporary / "left").touch()
    (attack.ended.path / "patch").write_text("all is well")
    found = " ".join(judgement.why for judgement in damage(scene, attack))
    assert "executed" in found and "left" in found and "receipt" in found
