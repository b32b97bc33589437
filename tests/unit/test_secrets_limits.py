"""Gate `secrets`: no limit on what is told, unfolded or waited for hides anything behind it."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from runner.gates import generic
from runner.gates.scan_worker import HITS, scan
from runner.gates.scanner import Scanner
from runner.gates.secrets import ENTRIES, FINDINGS, SecretsGate
from runner.gates.views import DEPTH
from runner.records.gate import GateReport
from runner.records.scan import Hit, Sample, Scanned
from tests.fakes import CaseBuilder, Tree

DIGITS = hashlib.sha256(b"limits").hexdigest()
TOKEN = "gh" + "p_" + DIGITS[:36]
VALUE = "Zq" + DIGITS[:30]
OWN = ("sk-" + "own-" + DIGITS[:40]).encode()
WEAK = "".join(f"pwd{n} = winter{n:04}\n" for n in range(130))
"""More warnings than any report tells."""


@pytest.fixture(scope="module")
def gate(warm_scanner: Path) -> Iterator[SecretsGate]:
    with Scanner(warm_scanner) as scanner:
        yield SecretsGate(scanner.scan)


def codes(report: GateReport) -> set[str]:
    return {finding.code for finding in report.findings}


def base64_times(text: str, times: int) -> bytes:
    data = text.encode()
    for _ in range(times):
        data = base64.b64encode(data)
    return data


def zipped(text: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", WEAK)
        archive.writestr("b.txt", text)
    return out.getvalue()


BEHIND: dict[str, tuple[bytes, str]] = {
    "token": (f"t = '{TOKEN}'\n".encode(), "secrets.github-pat"),
    "hex": (TOKEN.encode().hex().encode(), "secrets.github-pat"),
    "hex escapes": ("".join(f"\\x{ord(c):02x}" for c in TOKEN).encode(), "secrets.github-pat"),
    "joined": (f'("{TOKEN[:13]}"\n "{TOKEN[13:]}")'.encode(), "secrets.github-pat"),
    "assigned": (f'api_key = "{VALUE}"\n'.encode(), "secrets.generic"),
    "marker": (b"x = 1  # gitleaks" + b":allow\n", "secrets.allow-marker"),
    "own": (OWN, "secrets.held"),
    "own as hex": (OWN.hex().encode(), "secrets.held"),
    "own folded": (gzip.compress(OWN), "secrets.held"),
    "zip": (zipped(TOKEN), "secrets.github-pat"),
    "opaque": (b"\x28\xb5\x2f\xfd" + b"x" * 50, "secrets.opaque"),
}


@pytest.mark.parametrize("what", BEHIND)
def test_warnings_use_up_no_room_of_what_refuses(gate: SecretsGate, what: str) -> None:
    data, code = BEHIND[what]
    new: Tree = {"a.txt": WEAK.encode(), "b.dat": data}
    report = gate.check(CaseBuilder(new=new, held=(OWN,)).case())
    assert (report.verdict, len(report.findings)) == ("refused", FINDINGS)
    assert code in codes(report)
    assert report.findings[0].code != "secrets.weak"


@pytest.mark.parametrize("what", ["token", "hex", "hex escapes", "joined", "assigned", "own"])
def test_nor_in_the_same_file_nor_in_a_text(gate: SecretsGate, what: str) -> None:
    data, code = BEHIND[what]
    one = gate.check(CaseBuilder(new={"a.txt": WEAK.encode() + data}, held=(OWN,)).case())
    assert one.verdict == "refused" and code in codes(one)
    texts = {"body": WEAK + data.decode()}
    text = gate.check(CaseBuilder(new={"a": b"x\n"}, texts=texts, held=(OWN,)).case())
    assert text.verdict == "refused" and code in codes(text)


def test_what_the_runner_holds_is_told_before_other_refusals(gate: SecretsGate) -> None:
    many = "".join(f't{n} = "gh' + f'p_{DIGITS[:30]}{n:06}"\n' for n in range(130))
    new: Tree = {"a.txt": many.encode(), "b.txt": OWN, "c.txt": gzip.compress(OWN)}
    report = gate.check(CaseBuilder(new=new, held=(OWN,)).case())
    assert [finding.code for finding in report.findings[:3]] == [
        "secrets.held", "secrets.held", "secrets.github-pat",
    ]  # fmt: skip
    assert "worst" in report.summary


def test_each_tier_has_its_own_room() -> None:
    def detect(text: bytes) -> list[tuple[str, int, int]]:
        return [("generic-x", at, at + 4) for at in range(0, 4 * 500, 4)] + [("kind", 3000, 3020)]

    data = b"".join(b"%04d" % n for n in range(800))
    tiers = [hit.tier for hit in scan(Sample(data), detect, b"key").hits]
    assert (tiers.count("weak"), tiers.count("certain")) == (HITS, 1)


@pytest.mark.parametrize("times", [3, 5, DEPTH])
def test_what_is_encoded_often_is_decoded_as_often(gate: SecretsGate, times: int) -> None:
    report = gate.check(CaseBuilder(new={"a": base64_times(TOKEN, times)}).case())
    assert "secrets.github-pat" in codes(report)


def test_what_is_encoded_too_often_is_refused(gate: SecretsGate) -> None:
    report = gate.check(CaseBuilder(new={"a": base64_times(TOKEN, DEPTH + 1)}).case())
    assert codes(report) == {"secrets.opaque"}


DECODED: dict[str, Callable[[str], bytes]] = {
    "beside a foreign byte": lambda text: base64.b64encode(text.encode() + b"\xff"),
    "after much that decodes": lambda text: (
        gzip.compress(base64.b64encode(b"lorem ipsum " * 900_000) + b"\n " + base64_times(text, 1))
    ),
    "in wide lines": lambda text: base64_times(text, 1)[:20]
    + b"\n" + b" " * 40 + base64_times(text, 1)[20:],
    "in two literals": lambda text: b"'%s' + '%s'"
    % (base64_times(text, 1)[:20], base64_times(text, 1)[20:]),
    "of two literals": lambda text: base64_times(f"'{text[:13]}' + '{text[13:]}'", 1),
    "two literals of UTF-16": lambda text: f"'{text[:13]}' + '{text[13:]}'".encode("utf-16"),
}  # fmt: skip


@pytest.mark.parametrize("how", DECODED)
def test_nothing_that_decodes_is_left_out(gate: SecretsGate, how: str) -> None:
    report = gate.check(CaseBuilder(new={"a": DECODED[how](TOKEN)}).case())
    assert "secrets.github-pat" in codes(report)


LONG_HEADER = base64.urlsafe_b64encode(json.dumps({"kid": DIGITS * 60}).encode()).decode()
LONG = {
    "a long name": f'token_{"x" * 60} = "{VALUE}"',
    "a long value": f'secret = "{"Q".join(DIGITS[n : n + 9] for n in range(50)) * 2}"',
    "wide blanks": f"api_key{' ' * 50}={' ' * 50}{VALUE}",
    "inside another value": f"key=value1&password={VALUE}",
    "a long user": f"postgres://{'u' * 100}:{VALUE}@db.internal/x",
    "a far header": f"Authorization: {' ' * 10} Bearer {' ' * 10} {VALUE}",
    "a far private key": "-----BEGIN " + "PRIVATE KEY-----" + "\n" * 50 + DIGITS,
    "headers of a private key": (
        "-----BEGIN " + "PRIVATE KEY-----\n" + f"Comment: {'x y ' * 40}\n" * 6 + "\n" + DIGITS
    ),
    "a long token": f"{LONG_HEADER.rstrip('=')}.eyJ{DIGITS}.{DIGITS}",
}  # fmt: skip


@pytest.mark.parametrize("how", LONG)
def test_no_length_hides_a_credential(how: str) -> None:
    tiers = {match.tier for match in generic.find(f"first\n{LONG[how]}\nlast\n".encode())}
    assert tiers & {"certain", "generic"}


def test_too_many_entries_are_refused_before_anything_is_read() -> None:
    def never(sample: Sample, within_s: float) -> Scanned:
        raise AssertionError("asked")

    no_blobs: dict[str, bytes] = {}
    case = CaseBuilder(new={f"f{n}": b"%d" % n for n in range(ENTRIES + 1)}).case()
    report = SecretsGate(never).check(replace(case, blob=no_blobs.__getitem__))
    assert (report.verdict, codes(report)) == ("refused", {"secrets.too-many"})


def test_texts_are_looked_at_whatever_the_size_of_the_change(gate: SecretsGate) -> None:
    new: Tree = {f"f{n}": b"%d" % n for n in range(ENTRIES + 1)}
    case = CaseBuilder(new=new, texts={"body": OWN.decode()}, held=(OWN,)).case()
    assert codes(gate.check(case)) == {"secrets.too-many", "secrets.held"}


def test_what_takes_too_long_is_refused() -> None:
    def slow(sample: Sample, within_s: float) -> Scanned | None:
        return None if sample.data == b"b" else Scanned((Hit("r", "weak", 1, 1, ""),))

    case = CaseBuilder(new={"1": b"a", "2": b"b", "3": b"c"}, texts={"body": "x"}).case()
    report = SecretsGate(slow).check(case)
    assert (report.verdict, codes(report)) == ("refused", {"secrets.too-slow", "secrets.weak"})
    assert "ended at 2" in report.findings[0].why
    spent = SecretsGate(slow, deadline_s=0).check(case)
    assert codes(spent) == {"secrets.too-slow"}


def test_what_is_slow_hides_nothing_the_runner_holds() -> None:
    case = CaseBuilder(new={"1": b"a", "2": OWN}, held=(OWN,)).case()
    report = SecretsGate(lambda sample, within_s: None).check(case)
    assert codes(report) == {"secrets.held", "secrets.too-slow"}
