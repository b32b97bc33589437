"""The scanner's process: whatever it does, there is an answer or an error, never silence."""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import pytest

from runner.errors import InfraError
from runner.gates.scanner import Scanner
from runner.records.scan import Sample

READ = "import sys; read = sys.stdin.buffer.read; n = int.from_bytes(read(8), 'big'); read(n); "
HEAR = "n = int.from_bytes(read(8), 'big'); read(n); "
SAY = "out = sys.stdout.buffer; b = {!r}; out.write(len(b).to_bytes(8, 'big') + b); out.flush(); "

BROKEN = {
    "dies at once": "raise SystemExit(3)",
    "says why it dies": "import nothing_of_that_name",
    "dies on a sample": READ + HEAR + "raise MemoryError",
    "cannot import": READ + SAY.format(b'{"error": "cannot import the secret scanner"}\n') + HEAR,
    "babbles": READ + HEAR + SAY.format(b"hello\n"),
    "half an answer": READ + HEAR + SAY.format(b'{"hits": []}\n'),
    "other hits": READ + HEAR + SAY.format(b'{"hits": [{"x": 1}], "unfolded": []}\n'),
    "not an object": READ + HEAR + SAY.format(b"[]\n"),
    "cut off": READ + HEAR + "sys.stdout.buffer.write((99).to_bytes(8, 'big') + b'{}')",
    "claims a huge answer": READ + HEAR + "sys.stdout.buffer.write(b'\\xff' * 16)",
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_broken_scanner_is_an_error(how: str, tmp_path: Path) -> None:
    sample = Sample(b"x" * 300_000)
    argv = (sys.executable, "-c", BROKEN[how])
    expected = pytest.raises(InfraError, match="secret scanner")
    with Scanner(tmp_path, argv) as scanner, expected as caught:
        scanner.scan(sample, 60)
    if how == "says why it dies":
        assert "nothing_of_that_name" in caught.value.problem


SLOW = {
    "never answers": READ + HEAR + "import time; time.sleep(600)",
    "never reads": "import time; time.sleep(600)",
}


@pytest.mark.parametrize("how", SLOW)
def test_a_slow_scanner_has_no_answer_and_is_gone(how: str, tmp_path: Path) -> None:
    with Scanner(tmp_path, (sys.executable, "-c", SLOW[how])) as scanner:
        assert scanner.scan(Sample(b"x" * 300_000), 1.0) is None
        assert scanner.scan(Sample(b"x"), 0.1) is None  # by a new process


def test_a_program_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="cannot start"):
        Scanner(tmp_path, (str(tmp_path / "nothing"),)).start()


def test_a_state_directory_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InfraError, match="file"):
        Scanner(tmp_path / "file" / "state").start()


def test_the_real_one_starts_by_itself_answers_in_order_and_leaves_nothing(tmp_path: Path) -> None:
    token = "p_".join(("gh", hashlib.sha256(b"sample").hexdigest()[:36]))
    scanner = Scanner(tmp_path / "state")
    try:
        dirty = scanner.scan(Sample(f"one\nt = '{token}'\n".encode()), 120)
        clean = scanner.scan(Sample(b"nothing here\n"), 120)
        known = scanner.scan(Sample(f"t = '{token}'".encode(), f"x\nt = '{token}'".encode()), 120)
    finally:
        scanner.close()
        scanner.close()
    assert dirty is not None and clean is not None and known is not None
    assert [(hit.rule, hit.line, hit.length) for hit in dirty.hits if hit.tier == "certain"] == [
        ("github-pat", 2, len(token))
    ]
    assert token not in repr(dirty.hits)
    assert (clean.hits, known.hits) == ((), ())
    state = tmp_path / "state"
    assert {path.name: path.stat().st_mode & 0o777 for path in (state, *state.iterdir())} == {
        "state": 0o700,
        "rules": 0o700,
        "digest.key": 0o600,
    }
    assert len((state / "digest.key").read_bytes()) == 32


def test_nothing_of_the_environment_reaches_the_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("A_SECRET_OF_THE_PERSON", "canary")
    dump = tmp_path / "environment"
    code = f"import os; open({str(dump)!r}, 'w').write(repr(dict(os.environ)))"
    with Scanner(tmp_path, (sys.executable, "-c", code)) as scanner, pytest.raises(InfraError):
        scanner.scan(Sample(b"x"), 60)
    assert "canary" in repr(dict(os.environ)) and "canary" not in dump.read_text()
