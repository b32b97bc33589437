"""Which engine is taken, and what is said when none works."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from runner.errors import InfraError
from runner.ports import Engine
from runner.records.sandbox import Check, EngineName
from runner.sandbox.choose import Examination, Makers, Wish, choose, posture_digest
from runner.tried import Tried
from tests.fake_world import FakeEngine

GOOD = Check(name="namespaces", ok=True, detail="fine")
BAD = Check(name="namespaces", ok=False, detail="refused by the kernel", remedy="allow them")
ADVICE = Check(name="nesting", ok=False, detail="no", required=False)


class Checked(FakeEngine):
    def __init__(self, name: EngineName, *checks: Check) -> None:
        self.name: Literal["bubblewrap"] = name  # type: ignore[assignment]
        self.answers = checks
        self.asked = 0

    def checks(self) -> tuple[Check, ...]:
        self.asked += 1
        return self.answers


@dataclass
class Posture:
    """Says the same of every engine, and counts."""

    answer: Check = GOOD
    asked: int = 0

    def __call__(self, engine: Engine) -> tuple[Check, ...]:
        self.asked += 1
        return (self.answer,)


def pick(
    wish: Wish,
    docker: Checked,
    bubblewrap: Checked,
    memory: Path,
    *,
    ready: bool = True,
    posture: Posture | None = None,
    about: str = "version 1",
) -> Engine:
    makers: Makers = {"docker": lambda: docker, "bubblewrap": lambda: bubblewrap}
    examination = Examination(posture or Posture(), about)
    return choose(wish, makers, lambda: ready, Tried(memory), examination)


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "state" / "engines.json"


def test_auto_takes_docker_when_it_is_ready_else_bubblewrap(memory: Path) -> None:
    docker, bubblewrap = Checked("docker", GOOD), Checked("bubblewrap", GOOD)
    assert pick("auto", docker, bubblewrap, memory) is docker
    assert pick("auto", docker, bubblewrap, memory, ready=False) is bubblewrap


def test_auto_falls_back_when_docker_fails_its_checks(memory: Path) -> None:
    docker, bubblewrap = Checked("docker", BAD), Checked("bubblewrap", GOOD, ADVICE)
    assert pick("auto", docker, bubblewrap, memory) is bubblewrap


def test_the_error_names_every_failed_check_and_its_remedy(memory: Path) -> None:
    with pytest.raises(InfraError) as caught:
        pick("auto", Checked("docker"), Checked("bubblewrap", GOOD, BAD), memory, ready=False)
    told = caught.value.problem
    assert "bubblewrap: namespaces: refused by the kernel (allow them)" in told
    assert "docker: no engine answers" in told


def test_an_engine_asked_for_is_never_replaced(memory: Path) -> None:
    bubblewrap = Checked("bubblewrap", GOOD)
    with pytest.raises(InfraError, match="engine docker does not work here: namespaces"):
        pick("docker", Checked("docker", BAD), bubblewrap, memory)
    assert bubblewrap.asked == 0


def test_a_passed_check_is_remembered_a_failed_one_is_not(memory: Path) -> None:
    good, bad = Checked("bubblewrap", GOOD), Checked("docker", BAD)
    for _ in range(3):
        pick("auto", bad, good, memory)
    assert (good.asked, bad.asked) == (1, 3)


@pytest.mark.parametrize("content", ["", "{", "7", '{"a": 1}', "[1, null]"])
def test_a_broken_memory_is_no_memory(memory: Path, content: str) -> None:
    memory.parent.mkdir()
    memory.write_text(content)
    engine = Checked("bubblewrap", GOOD)
    assert pick("bubblewrap", Checked("docker"), engine, memory) is engine
    assert engine.asked == 1


def test_a_guarantee_that_does_not_hold_refuses_by_its_name(memory: Path) -> None:
    leaky = Posture(Check(name="no network", ok=False, detail="has 2 routes", remedy="cut them"))
    engine = Checked("bubblewrap", GOOD)
    with pytest.raises(InfraError) as caught:
        pick("bubblewrap", Checked("docker"), engine, memory, posture=leaky)
    assert caught.value.exit_code == 3
    assert "no network: has 2 routes (cut them)" in caught.value.problem
    assert not memory.exists()


def test_a_posture_is_looked_at_once_and_again_when_anything_changes(memory: Path) -> None:
    posture, engine = Posture(), Checked("bubblewrap", GOOD)
    for about in ("version 1", "version 1", "version 2", "version 2"):
        pick("bubblewrap", Checked("docker"), engine, memory, posture=posture, about=about)
    engine.fingerprint = "another"
    pick("bubblewrap", Checked("docker"), engine, memory, posture=posture, about="version 2")
    assert posture.asked == 3


def test_an_engine_that_does_not_even_start_is_not_looked_into(memory: Path) -> None:
    posture = Posture()
    with pytest.raises(InfraError):
        pick("docker", Checked("docker", BAD), Checked("bubblewrap"), memory, posture=posture)
    assert posture.asked == 0


def remembered(memory: Path) -> bool:
    """Whether a second choice believes what the first one wrote."""
    posture = Posture()
    pick("bubblewrap", Checked("docker"), Checked("bubblewrap"), memory, posture=posture)
    return posture.asked == 0


def test_a_memory_that_others_may_write_is_not_believed(memory: Path, tmp_path: Path) -> None:
    assert not remembered(memory) and remembered(memory)
    assert memory.stat().st_mode & 0o777 == 0o600
    for mode in (0o620, 0o602, 0o666):
        memory.chmod(mode)
        assert not remembered(memory)
        assert remembered(memory), "written anew, by us alone"
    moved = memory.rename(tmp_path / "elsewhere")
    memory.symlink_to(moved)
    assert not remembered(memory)
    memory.unlink()
    os.mkfifo(memory)
    assert not remembered(memory)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
def test_a_memory_of_somebody_else_is_not_believed(memory: Path) -> None:
    assert not remembered(memory)
    os.chown(memory, 12345, -1)
    assert not remembered(memory)


def test_the_digest_is_of_the_self_test_and_the_filter() -> None:
    assert len(posture_digest()) == 16
    assert posture_digest() == posture_digest()
