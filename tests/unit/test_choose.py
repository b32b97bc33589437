"""Which engine is taken, and what is said when none works."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest

from runner.errors import InfraError
from runner.ports import Engine
from runner.records.sandbox import Check, EngineName
from runner.sandbox.choose import Makers, Wish, choose
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


def pick(
    wish: Wish, docker: Checked, bubblewrap: Checked, memory: Path, *, ready: bool = True
) -> Engine:
    makers: Makers = {"docker": lambda: docker, "bubblewrap": lambda: bubblewrap}
    return choose(wish, makers, lambda: ready, Tried(memory))


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
