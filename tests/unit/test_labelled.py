"""The bench's labelled changes: chance that repeats itself, rules, arithmetic, and real gates."""

from __future__ import annotations

import hashlib
import io
import tarfile
from pathlib import Path
from types import MappingProxyType

import pytest

from runner.gates.paths import PROTECTED
from runner.records.gate import Finding
from runner.records.scan import Scanned
from tests.bench.labelled import PLANTS, history, labels, sdists
from tests.bench.labelled.diff import GATES, Diff, Entry, GateName, Tree, applied
from tests.bench.labelled.plant import bad
from tests.bench.labelled.score import Judged, by_id, rows
from tests.bench.labelled.store import Store
from tests.bench.labelled.verdicts import Bench, Verdict
from tests.fake_world import make_plan

TEST = b"""\
import pytest


@pytest.mark.parametrize(
    "number",
    [
        1,
        2,
        3,
    ],
)
def test_double(number: int) -> None:
    found = number + number
    assert found > number
    assert found == 2 * number


def test_half() -> None:
    found = 4 // 2
    assert found < 4
    assert found == 2
"""
RELEASE: Tree = {
    **{f"src/thing/part_{number}.py": Entry(b"def f():\n    pass\n") for number in range(60)},
    "src/thing/large.py": Entry(b"".join(b"row_%d = 1\n" % row for row in range(1600))),
    "tests/test_thing.py": Entry(TEST),
    "README.md": Entry(b"words\n"),
}
OLD, NEW = "click-8.1.6", "click-8.1.7"
GOOD = Diff(
    "good", OLD, {"src/thing/part_1.py": Entry(b"def f():\n    return 1\n")},
    dict.fromkeys(GATES, False),
)  # fmt: skip


@pytest.mark.parametrize("gate", GATES)
def test_every_defect_can_be_planted_and_is_the_same_every_time(gate: GateName) -> None:
    planted = [*bad(gate, PLANTS[gate], [GOOD], {OLD: RELEASE})]
    assert planted == [*bad(gate, PLANTS[gate], [GOOD], {OLD: RELEASE})]
    assert [each.kind for each in planted] == [*PLANTS[gate]]
    for each in planted:
        start = applied(RELEASE, each.before)
        end = applied(start, each.edits)
        assert end != applied(start, GOOD.edits) or each.texts
        assert each.labels == {gate: True}


@pytest.mark.parametrize(
    ("path", "old", "new", "weakens"),
    [
        ("tests/test_thing.py", TEST, TEST + b"\n\ndef test_more():\n    assert f()\n", False),
        ("tests/test_thing.py", TEST, TEST.partition(b"\n\ndef test_half")[0] + b"\n", True),
        ("tests/test_thing.py", TEST, TEST.replace(b"    assert found < 4\n", b""), True),
        ("tests/test_thing.py", TEST, b"pytest.skip()\n" + TEST, True),
        ("src/thing/skip.py", b"", b"def skip():\n    pass\n", False),
        ("tox.ini", b"[testenv]\n", b"[testenv]\ndeps = x\n", True),
        ("pyproject.toml", b"[project]\nname = 'a'\n", b"[project]\nname = 'b'\n", False),
        ("pyproject.toml", b"", b"[tool.pytest.ini_options]\naddopts = '-q'\n", True),
        ("setup.cfg", b"[metadata]\nname = a\n", b"[tool:pytest]\naddopts = -q\n", True),
        ("tests/conftest.py", b"", b"def pytest_configure():\n    pass\n", True),
    ],
)
def test_the_rule_for_weaker_tests(path: str, old: bytes, new: bytes, weakens: bool) -> None:
    assert labels.weakens({path: Entry(old)}, {path: Entry(new)}) is weakens


def test_the_rules_for_places_and_for_foreign_things() -> None:
    assert labels.protected(RELEASE, {".github/workflows/ci.yml": None})
    assert labels.protected(RELEASE, {".brand-new": Entry(b"")})
    assert not labels.protected({".flake8": Entry(b"")}, {".flake8": Entry(b"x")})
    assert labels.foreign({}, {"setup.py": Entry(b"x")})
    assert labels.foreign({}, {"requirements.txt": Entry(b"a @ git+https://far.example/a\n")})
    assert not labels.foreign({}, {"requirements.txt": Entry(b"a==1  # https://far.example\n")})


def test_a_release_is_taken_apart_and_labelled(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    new = {
        **RELEASE,
        **GOOD.edits,
        "tests/test_part_1.py": Entry(TEST),
        "docs/a.txt": Entry(b"a\n"),
    }
    trees: dict[str, Tree] = {OLD: RELEASE, NEW: {k: v for k, v in new.items() if v is not None}}
    store.releases(trees)
    assert [*history.pairs(trees)] == [(OLD, NEW)]
    counts = store.counts(OLD, NEW)
    found = {each.id.partition(":")[2]: each for each in history.good(OLD, NEW, trees, counts)}
    assert {*found["part_1"].edits} == {"src/thing/part_1.py", "tests/test_part_1.py"}
    assert {*found["docs"].edits} == {"docs/a.txt"}
    assert not any(any(each.labels.values()) for each in found.values())
    whole = history.whole(OLD, NEW, trees, counts, make_plan().limits)
    assert whole.labels == {"size": False, "paths": False}


def test_the_real_gates_judge_what_was_planted(tmp_path: Path) -> None:
    kinds = {
        "paths": ("new-case", "made-a-link", "submodule", "new-dot-git"),
        "size": ("lines-attribute-binary", "files-modes"),
        "tamper": ("one-assert-removed",),
        "dependencies": ("git",),
    }
    wanted = {
        gate: {kind: PLANTS[gate][kind] for kind in kinds[gate]} for gate in GATES if gate in kinds
    }
    planted = [each for gate in wanted for each in bad(gate, wanted[gate], [GOOD], {OLD: RELEASE})]
    store = Store(tmp_path / "store")
    store.releases({OLD: RELEASE})
    commits = store.changes([GOOD, *planted])
    plan = make_plan().model_copy(update={"protected": PROTECTED})
    bench = Bench(store, plan, lambda *_: Scanned(()), tmp_path / "state")
    verdicts = {each.id: bench.verdict(each, commits[each.id]) for each in (GOOD, *planted)}
    assert verdicts["good"].refused == {}
    judged = by_id([GOOD, *planted], verdicts)
    assert [each.diff.id for each in judged[1:] if not each.caught(*each.diff.labels)] == []


def _judged(id: str, label: bool, refused: bool, carrier: Verdict | None = None) -> Judged:
    why = Finding(gate="tamper", code="tamper.x", path=id, why="so", remedy="")
    diff = Diff(id, OLD, {}, {"tamper": label}, carrier="good" if carrier else "")
    return Judged(diff, Verdict({"tamper": (why,)} if refused else {}, {}, 0.1), carrier)


def test_recall_false_alarms_and_precision() -> None:
    judged = [
        *(_judged(f"bad {number}", True, number != 3) for number in range(4)),
        *(_judged(f"good {number}", False, number == 3) for number in range(5)),
    ]
    told = {row.what.partition(",")[2]: row for row in rows(judged)}
    assert told[" tamper: recall, 4 bad changes"].value == 75
    assert told[" tamper: recall, 4 bad changes"].notes == ("missed by tamper: bad 3: passed",)
    assert told[" tamper: false alarms, 5 good changes"].value == 20
    assert told[" tamper: false alarms, 5 good changes"].notes == (
        "false alarm of tamper: good 3: tamper.x: so",
    )
    assert told[" tamper: precision over both"].value == 75


def test_what_was_said_of_the_good_change_catches_no_defect() -> None:
    carrier = _judged("same", False, True).verdict
    assert _judged("same", True, True, carrier).caught("tamper") == ()
    assert len(_judged("other", True, True, carrier).caught("tamper")) == 1


def _archive(folder: Path, members: dict[str, bytes]) -> Path:
    path = folder / "click-8.1.6.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def test_a_distribution_is_fetched_without_running_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = tmp_path / "ran"
    script = f"open({str(mark)!r}, 'w')\n".encode()
    info = b"Metadata-Version: 2.1\nName: click\nVersion: 8.1.6\n"
    for folder in ("index", "cache", "scratch"):
        (tmp_path / folder).mkdir()
    path = _archive(
        tmp_path / "index",
        {
            "click-8.1.6/setup.py": script,
            "click-8.1.6/PKG-INFO": info,
            "click-8.1.6/click.egg-info/top_level.txt": b"click\n",
        },
    )
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    pinned = MappingProxyType({"click": {"8.1.6": digest, "8.1.7": "0" * 64}})
    monkeypatch.setattr(sdists, "RELEASES", pinned)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    kept, missing = sdists.fetch(tmp_path / "cache", tmp_path / "scratch")
    assert {*kept} == {("click", "8.1.6")}
    assert {*missing} == {("click", "8.1.7")}
    assert "8.1.7" in missing["click", "8.1.7"]
    assert not mark.exists()
    assert sdists.unpack(kept["click", "8.1.6"]) == {"setup.py": Entry(script)}


def test_nothing_outside_of_a_distribution_is_unpacked(tmp_path: Path) -> None:
    path = _archive(
        tmp_path, {"click-8.1.6/../../a.py": b"", "a/.git/config": b"", "a/b.py": b"x\n"}
    )
    assert sdists.unpack(path) == {"b.py": Entry(b"x\n")}
