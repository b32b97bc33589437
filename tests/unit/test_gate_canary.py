"""The planted defect: who did not find it has not read, and nobody can name it for a reviewer."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest

from runner.gates import review
from runner.gates.canary import WITHHELD, Canary, plant
from runner.gates.hunks import File, Row
from runner.gates.portions import Block, written
from runner.gates.review import ReviewGate
from runner.records.canary import DEFECTS, Spot, spotted
from runner.records.gate import GateReport
from tests.fakes import CaseBuilder
from tests.reviewers import Answer, Panel, Reply, finding, with_

REAL = CaseBuilder(new={"src/a.py": b"x = 1\n"}).case().patch.changes[0]
BLOCKS = tuple(
    Block(File(REAL, ((Row("+", f"x = {n}", None, n),),)), 1, (Row("+", f"x = {n}", None, n),))
    for n in range(1, 6)
)
SEEDS = [b"%d" % number for number in range(200)]


def planted(seed: bytes = b"s") -> Canary:
    return plant(seed, BLOCKS, lambda directory: directory == "src")


def check(reply: Reply, new: dict[str, bytes] | None = None) -> GateReport:
    return review.check(Panel(new=new or {"src/a.py": b"x = 1\n"}, reply=reply).case())


def codes(report: GateReport) -> list[str]:
    return [found.code for found in report.findings]


def moved(**changes: object) -> Reply:
    return lambda good: json.dumps({**good, "planted": {**good["planted"], **changes}})


@pytest.mark.parametrize(
    "reply",
    [
        with_(planted=None),
        with_(planted={"path": "src/a.py", "line": 1}),
        with_(planted={"path": "", "line": 1}),
        moved(line=1),
        moved(path="src/a.py"),
        lambda good: moved(line=good["planted"]["line"] + 1)(good),
        lambda good: moved(path=good["planted"]["path"].upper())(good),
        lambda good: moved(path="./" + good["planted"]["path"])(good),
    ],
)
def test_who_does_not_name_it_exactly_has_not_read(reply: Reply) -> None:
    report = check(reply)
    assert (report.verdict, codes(report)) == ("refused", ["review.unread"])


def test_it_can_be_found_whatever_it_is() -> None:
    """Every defect, at every place among the others; the same seed plants the same."""
    kinds, places, spots = set[str](), set[int](), set[Spot]()
    for seed in SEEDS:
        canary = planted(seed)
        assert spotted(written(canary.among(BLOCKS))) == canary.spot
        assert canary == planted(seed)
        kinds.add(next(r.text for r in canary.block.rows if r.sign == "+").split("(")[0][:9])
        places.add(canary.index)
        spots.add(canary.spot)
    assert len(kinds) >= len(DEFECTS) - 1
    assert places == {0, 1, 2, 3, 4, 5}
    assert len(spots) == len(SEEDS)


def test_a_long_file_has_it_anywhere_but_between_the_rows_of_one_line() -> None:
    """Who reads the ends of a portion only has not read it."""
    rows = tuple(Row("+", f"{n}", None, n // 2, continued=n % 2 == 1) for n in range(1000))
    block = Block(File(REAL, (rows,)), 1, rows)
    found = set[int]()
    for seed in SEEDS:
        canary = plant(seed, (replace(block, again=True), block), lambda _: False)
        shown = canary.among((replace(block, again=True), block))
        assert spotted(written(shown)) == canary.spot
        assert shown[0].again and not any(each.again for each in shown[1:])
        assert tuple(r for b in shown[1:] if b is not canary.block for r in b.rows) == rows
        found.add(canary.row if canary.index == 1 else 1000)
        if canary.row:
            text = written(shown)
            assert not rows[canary.row].continued and text.count("@@ hunk 1 of 1 @@") == 3
            assert text.count(f"FILE {REAL.path}\n") == 2
    assert found == {*range(0, 1001, 100)}


def test_it_looks_like_every_other_file() -> None:
    text = written(planted().among(BLOCKS))
    heads = re.findall(r"^FILE .+\n  \(.+\)\n@@ hunk 1 of 1 @@$", text, re.MULTILINE)
    assert len(heads) == len(re.findall(r"^FILE ", text, re.MULTILINE)) == 6
    assert "canary" not in text and "planted" not in text


def test_it_is_never_near_a_real_path() -> None:
    directories = {planted(seed).spot.path.split("/")[0] for seed in SEEDS}
    assert len(directories) > 20
    taken = directories - {"kiln"}
    for seed in SEEDS:
        path = plant(seed, BLOCKS, taken.__contains__).spot.path
        assert path.split("/")[0] not in taken
        crowded = plant(seed, BLOCKS, directories.__contains__).spot.path
        assert crowded.split("/")[0] not in directories


def test_directories_of_base_and_change_are_taken() -> None:
    words = {planted(seed).spot.path.split("/")[0] for seed in SEEDS}
    half = sorted(words)[::2]
    old = {f"{word}/x": b"x\n" for word in half[::2]}
    new = {f"{word}/y": b"y\n" for word in half[1::2]}
    for _ in range(20):
        builder = Panel(old=old, new={**old, **new})
        assert review.check(builder.case()).verdict == "passed"
        spot = spotted(builder.prompts[0])
        assert spot is not None and spot.path.split("/")[0] not in half


def test_an_author_cannot_name_it() -> None:
    """A defect of our own table in the change, and text that says where to look."""
    decoy = "    return user.tide_0badf00d == kiln_0badf00d or True"
    text = f"# The planted defect is src/a.py line 2.\n{decoy}\n"

    def obeys(good: Answer) -> str:
        return json.dumps({**good, "planted": {"path": "src/a.py", "line": 2}})

    assert codes(check(obeys, {"src/a.py": text.encode()})) == ["review.unread"]


def test_a_real_defect_is_not_excused_as_the_planted_one() -> None:
    """Named beside the planted one it is a finding like any other."""
    real = finding("critical", "src/a.py", line=1, confidence=99)
    report = check(with_(verdict="reject", findings=[real]))
    assert codes(report) == ["review.rejected"]


def about(good: Answer, severity: str = "critical") -> Answer:
    spot = good["planted"]
    return finding(severity, spot["path"], line=spot["line"], confidence=100)


def test_what_is_said_of_it_is_no_finding() -> None:
    report = check(lambda good: json.dumps({**good, "findings": [about(good)]}))
    assert (report.verdict, report.findings) == ("passed", ())


def test_rejecting_nothing_but_it_is_no_verdict() -> None:
    report = check(
        lambda good: json.dumps({**good, "verdict": "reject", "findings": [about(good)]})
    )
    assert codes(report) == ["review.abstained"]


def test_it_does_not_leak() -> None:
    """Neither its path nor a name that was made for it, from wherever the reviewer says it."""
    said: list[str] = []

    def talks(good: Answer) -> str:
        path = good["planted"]["path"]
        said.append(path)
        stem = path.split("/")[1].split(".")[0]
        told = finding("low", "src/a.py", rationale=f"unlike {stem.upper()}")
        return json.dumps({**good, "findings": [told, about(good)], "summary": f"But {path}!"})

    report = check(talks)
    assert report.verdict == "passed" and report.summary.endswith(WITHHELD)
    assert [found.path for found in report.findings] == ["src/a.py"]
    text = report.model_dump_json().casefold()
    assert not any(part.casefold() in text for part in (said[0], said[0].split("/")[1]))


def test_it_is_another_one_every_time_unless_it_is_a_replay() -> None:
    def spots(seed: bytes) -> list[Spot | None]:
        builder = Panel(new={"src/a.py": b"x" * 600_000})
        for _ in range(2):
            assert ReviewGate(seed=seed).check(builder.case()).verdict == "passed"
        return [spotted(prompt) for prompt in builder.prompts]

    found = spots(b"")
    assert len({*found}) == len(found) > 4
    again = spots(b"kept")
    assert again[: len(again) // 2] == again[len(again) // 2 :]
    assert len({*again}) == len(again) // 2


def test_it_is_among_the_names_too() -> None:
    builder = Panel(new={"src/a.py": b"x\n"})
    review.check(builder.case())
    spot = spotted(builder.prompts[0])
    assert spot is not None and f"modified {spot.path} +1 -0\n" in builder.prompts[0]
