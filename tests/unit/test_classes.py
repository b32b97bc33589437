"""What a change turned out to be: recall on protected classes first, then what it costs."""

from __future__ import annotations

import pytest

from runner.gates import classes
from runner.gates.classes import sightings
from runner.records.classes import PROTECTED as PROTECTED_CLASSES
from runner.records.classes import Caps
from runner.records.level import Standing
from tests.class_diffs import DIFFS, HARMLESS, PROTECTED, Labelled, built, judged
from tests.fakes import CaseBuilder, File

CAPS = Caps()


def names(old: dict[str, str | File], new: dict[str, str | File]) -> set[str]:
    def tree(files: dict[str, str | File]) -> dict[str, File | bytes]:
        return {path: f if isinstance(f, File) else f.encode() for path, f in files.items()}

    return {each.name for each in sightings(CaseBuilder(tree(old), tree(new)).case())}


def test_the_table_is_large_and_its_names_are_unique() -> None:
    assert len(DIFFS) >= 100 and len({each.name for each in DIFFS}) == len(DIFFS)
    assert {each.label for each in PROTECTED} == PROTECTED_CLASSES - {"unread"}


@pytest.mark.parametrize("diff", PROTECTED, ids=lambda each: each.name)
def test_no_protected_change_is_missed(diff: Labelled) -> None:
    found = judged(diff)
    assert diff.label in found
    assert min(map(CAPS.of, found)) <= CAPS.of(diff.label)


def test_few_harmless_changes_are_held_up() -> None:
    held = [each.name for each in HARMLESS if min(map(CAPS.of, judged(each))) < 2]
    assert held == ["digest of a cache key", "link to the login page", "erasure coding"]


@pytest.mark.parametrize("diff", HARMLESS[:-3], ids=lambda each: each.name)
def test_harmless_changes_have_the_class_a_person_would_give(diff: Labelled) -> None:
    assert judged(diff) == {diff.label}


def test_the_lowest_class_decides_and_says_where() -> None:
    wide = next(each for each in PROTECTED if each.name == "tests, and a migration")
    report = classes.check(built(wide))
    assert (report.verdict, report.evidence["level"]) == ("passed", "1")
    (finding,) = report.findings
    assert finding.is_warning and finding.path == "shop/migrations/0003.py"
    assert finding.code == "class.migration" and "level 1 at most" in finding.why
    standing = Standing(level=3).measured((report,))
    assert (standing.level, standing.bounds[0].path) == (1, "shop/migrations/0003.py")


def test_names_of_foreign_bytes() -> None:
    change = CaseBuilder(new={".github/\udcff\udcfe.yml": b"on: push\n"}).case()
    assert {each.name for each in sightings(change)} >= {"ci"}


def test_what_no_run_may_change_is_refused() -> None:
    report = classes.check(CaseBuilder(new={"ci/run.sh": b"true\n"}).case())
    assert report.verdict == "refused" and not report.findings[0].is_warning
    assert Standing(level=3).measured((report,)).level == 0
    said = classes.check(CaseBuilder(new={"ci/run.sh": b"true\n"}, protected=("ci/",)).case())
    assert (said.verdict, said.evidence["level"]) == ("passed", "0"), "paths refuses it"


def test_a_gate_that_was_not_asked_vouches_for_nothing() -> None:
    report = classes.check(CaseBuilder(new={"a.py": b"a = 1\n"}).case())
    silent = report.model_copy(update={"verdict": "not-run", "evidence": {}})
    assert Standing(level=3).measured((report,)).level == 2
    assert Standing(level=3).measured((silent,)).level == 0


def test_links_submodules_and_modes() -> None:
    assert "security" in names({}, {"a/b": File(b"../src/auth/key.py", "120000")})
    assert names({}, {"docs/a.md": File(b"../b", "120000")}) == {"code"}
    assert names({}, {"vendor/x": File(b"c" * 40, "160000")}) == {"unread"}
    assert "code" in names({"docs/a.md": "a\n"}, {"docs/a.md": File(b"a\n", "100755")})


def test_what_cannot_be_read_is_not_harmless() -> None:
    assert "unread" in names({}, {"web/app.bin": "\0\0"})
    assert "unread" in names({}, {"data/big.csv": "a" * 1_100_000})
    assert "unread" in names({}, {f"src/m{n}.py": "a" * 1_000_000 for n in range(9)})
    odd = CaseBuilder(new={"a.py": b"a = 1\n"}, diff=b"nothing of it")
    assert {each.name for each in sightings(odd.case())} == {"unread", "code"}


HOSTILE = ("/*", "(", "\n", '"', "'\\", "<!--", "a_", "drop ", "`", "FROM ", "-", "[")


@pytest.mark.parametrize("suffix", ["js", "py", "sql", "html", "json"])
def test_hostile_content_ends(suffix: str) -> None:
    """What takes time by the square of its length would take an hour."""
    for piece in HOSTILE:
        assert names({}, {f"x.{suffix}": piece * (120_000 // len(piece))})


def test_marks_on_one_letter_end() -> None:
    assert names({}, {"x.js": "a" + "\u0301\u0327" * 200_000})


def test_objects_in_objects_end() -> None:
    for deep in range(300, 1000, 50):
        text = '{"a":' * deep + "1" + "}" * deep
        assert names({"a.json": text}, {"a.json": f"{text}\n"}) <= {"code", "formatting"}


@pytest.mark.parametrize("version", ["\u00b2", "\u2461", "\u0663"])
def test_signs_that_look_like_numbers_are_versions(version: str) -> None:
    before, after = ('{"dependencies": {"a": "' + of + '"}}' for of in ("1", version))
    assert "dependencies" in names({"package.json": before}, {"package.json": after})


def test_deep_content_is_no_formatting() -> None:
    for path, deep in (("a.py", "(" * 5000), ("a.json", "[" * 90_000)):
        assert names({path: deep}, {path: f"{deep}("}) == {"code"}


def test_numbers_a_cookie_and_pairs_are_no_formatting() -> None:
    assert "formatting" not in names({"a.json": '{"a": 1, "a": 2}'}, {"a.json": '{"a": 2}'})
    assert "formatting" not in names({"a.json": "1"}, {"a.json": "1.0"})
    assert "formatting" not in names({"a.py": "x = 1\n"}, {"a.py": "# coding: utf-7\nx = 1\n"})
