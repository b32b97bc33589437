"""Gate `size`: nothing is too small to count."""

from __future__ import annotations

import zlib

import pytest

from runner.gates import size
from runner.records.gate import GateReport
from runner.records.task import Limits
from tests.fakes import CaseBuilder, File, Tree

LIMITS = Limits(files=10, lines=100, bytes=10_000, binaries=0)


def check(old: Tree, new: Tree, limits: Limits = LIMITS) -> GateReport:
    return size.check(CaseBuilder(old=old, new=new, limits=limits).case())


def codes(report: GateReport) -> list[str]:
    return [finding.code for finding in report.findings]


def many(count: int, content: bytes = b"") -> Tree:
    return {f"f{number}": content for number in range(count)}


def test_a_small_change_passes_with_its_numbers() -> None:
    report = check({"a": b"1\n2\n"}, {"a": b"1\n3\n"})
    assert report.verdict == "passed"
    assert report.summary == "1 files, 2 lines, 4 bytes, 0 binaries"
    assert report.evidence["lines"] == "2/100"


def test_each_limit_has_its_finding_with_measure_and_limit() -> None:
    report = check({}, {**many(10, b"x\n" * 600), "b": b"\0"})
    assert codes(report) == ["size.files", "size.lines", "size.bytes", "size.binaries"]
    assert "11 files" in report.findings[0].why and "limit is 10" in report.findings[0].why
    assert all(finding.retryable for finding in report.findings)
    assert "raise lines under [limits] in the task" in report.findings[1].remedy


def test_empty_files_deletions_and_modes_count() -> None:
    assert codes(check({}, many(11))) == ["size.files"]
    assert codes(check(many(11), {})) == ["size.files"]
    executable: Tree = {f"f{number}": File(b"", "100755") for number in range(11)}
    assert codes(check(many(11), executable)) == ["size.files"]


def test_a_rename_counts_twice() -> None:
    moved: Tree = {f"g{number}": b"x" for number in range(6)}
    assert codes(check(many(6, b"x"), moved)) == ["size.files"]


def test_deleted_lines_count() -> None:
    old = b"".join(b"%d\n" % number for number in range(101))
    assert codes(check({"a": old}, {})) == ["size.lines"]


def test_one_nul_does_not_hide_bytes() -> None:
    report = check({}, {"a": b"\0" + b"\1x\n" * 5000})
    assert codes(report) == ["size.bytes", "size.binaries"]


def test_deleting_a_binary_is_no_new_binary() -> None:
    assert check({"a": b"\0"}, {}).verdict == "passed"


def test_a_giant_line_is_pointed_at() -> None:
    roomy = Limits(bytes=1_000_000)
    report = check({}, {"a.py": b"exec('" + b"x" * 30_000 + b"')\n"}, roomy)
    assert (report.verdict, codes(report)) == ("passed", ["size.long-line"])
    assert codes(check({"a": b"y" * 30_000}, {"a": b"y" * 30_000 + b"\nz\n"}, roomy)) == []


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"x = 1\r" * 200, id="carriage returns"),
        pytest.param(b"x = 1;" * 9000, id="one line"),
        pytest.param(b"x = 1\r\n" * 101, id="CRLF"),
        pytest.param(b"\n".join([b"x = 1;" * 500] * 20), id="wide lines"),
    ],
)
def test_lines_are_counted_as_a_person_sees_them(content: bytes) -> None:
    report = check({}, {"a.js": content}, Limits(lines=100, bytes=1_000_000))
    assert codes(report) == ["size.lines"]


def test_line_ends_alone_are_no_more_lines() -> None:
    crlf = b"x = 1\r\n" * 90
    assert check({}, {"a": crlf}, Limits(lines=100)).summary.startswith("1 files, 90 lines")
    wide = b"y" * 4000 + b"\n"
    assert check({"a": wide}, {"a": wide + b"z\n"}, Limits(lines=1)).verdict == "passed"


@pytest.mark.parametrize(
    "content",
    [
        b"\0" + b"import os\n" * 500,
        "größer = 1\n".encode() * 99 + b"\0",
        "Привет ".encode() * 99 + b"\0",
    ],
)
def test_text_that_counts_as_binary_is_refused_even_where_binaries_are_allowed(
    content: bytes,
) -> None:
    report = check({}, {"a.py": content}, Limits(binaries=5))
    assert (report.verdict, codes(report)) == ("refused", ["size.hidden"])


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(bytes(range(256)) * 20, id="noise"),
        pytest.param("print(1)\n".encode("utf-16") * 50, id="UTF-16"),
        pytest.param(zlib.compress(bytes(range(256)) * 500, 9) + b"\0", id="packed"),
        pytest.param(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0\xff\x10" * 300, id="picture"),
    ],
)
def test_binaries_that_are_allowed_pass(content: bytes) -> None:
    assert check({}, {"a.bin": content}, Limits(binaries=5)).verdict == "passed"


def test_a_text_that_replaces_a_binary_is_not_uncounted() -> None:
    report = check({"a.bin": b"\0\1"}, {"a.bin": b"import os\n" * 500}, Limits(binaries=5))
    assert codes(report) == ["size.hidden"]


def test_submodules_and_modes_count_as_entries() -> None:
    links: Tree = {f"m{n}": File(b"x" * 40, "160000") for n in range(11)}
    assert codes(check({}, links)) == ["size.files"]
    assert codes(check(links, {})) == ["size.files"]
