"""What decides and cannot denies, and says why; the same thing in order does not.

A row is an attempt through a public door, once with one fault and once without it.
"""
# ruff: noqa: E501  one fault a line, as one reads a table

from __future__ import annotations

import base64
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from runner.approving import waiting
from runner.broker.account import Account
from runner.broker.refusal import RefusalError
from runner.broker.spent import Spent
from runner.errors import InfraError, RunnerError
from runner.gates import foreign
from runner.gates.secrets import Scan
from runner.guardrails.guard import Place, ready
from runner.ledger.folder import PATCH, RECEIPT, REPORT, RunFolder
from runner.policy import organisation
from runner.policy.codex_requirements import read_codex_file
from runner.policy.guardrails import load_guardrails
from runner.policy.operator_files import read_operator
from runner.policy.place import GROUP, VARIABLE
from runner.policy.repo_policy import read_repo_policy
from runner.policy.rules import Rulebook
from runner.policy.settings import load_settings
from runner.ports import TestRun
from runner.records.gate import GateReport
from runner.records.guardrail import Asking, Format, Guardrail, HiddenUnicode, SecretKeys
from runner.records.level import HIGHEST, Standing
from runner.records.rules import CommandRule
from runner.records.scan import Sample, Scanned
from runner.records.usage import Allowance
from tests.fake_world import RUN
from tests.fakes import ended, nothing_found
from tests.unit.test_conformance import Row, answer, bounded, caused, change, denied, judged
from tests.unit.test_ledger_receipt import make_report

GOOD = "[limits]\nlines = 7\n"


def loaded(place: Path, etc: Path, environ: Mapping[str, str]) -> str | None:
    """None only where the organisation's word holds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(organisation, "ETC", etc)
        if (why := denied(lambda: load_settings(environ, {}, place / "none.toml"))) is not None:
            return why
        layers = load_settings(environ, {}, place / "none.toml").layers
    assert [each.values["limits.lines"] for each in layers if each.name == "organisation"] == [7]
    return None


def machine(place: Path, fault: Callable[[Path], object]) -> str | None:
    """`/etc/codex-runner/requirements.toml`, after something was done to it."""
    etc = place / "etc" / "requirements.toml"
    etc.parent.mkdir(mode=0o755)
    etc.write_text(GOOD)
    etc.chmod(0o644)
    fault(etc)
    return loaded(place, etc, {})


def named(place: Path, fault: Callable[[Path], Path]) -> str | None:
    (place / "named.toml").write_text(GOOD)
    environ = {VARIABLE: str(fault(place / "named.toml"))}
    return loaded(place, place / "etc" / "requirements.toml", environ)


def signed(place: Path, sign: Callable[[Ed25519PrivateKey, bytes], bytes | None]) -> str | None:
    """Where `policy.pub` asks for a signature."""
    key = Ed25519PrivateKey.generate()
    form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    (place / "etc").mkdir(mode=0o755)
    (place / "etc" / organisation.KEY).write_bytes(key.public_key().public_bytes(*form))
    signature = sign(key, GOOD.encode())
    if signature is not None:
        (place / "named.toml.sig").write_bytes(signature)
    return named(place, lambda path: path)


def installed(place: Path, name: str, points: str) -> None:
    """As an installer leaves a package."""
    told = place / f"{name}-1.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
    (told / "entry_points.txt").write_text(points)


def packaged(place: Path, text: str | None) -> str | None:
    """A policy package with this policy."""
    installed(place, "acme_policies", f"[{GROUP}]\nacme = acme_policies\n")
    (place / "acme_policies").mkdir()
    (place / "acme_policies" / "__init__.py").write_text("raise SystemExit('it was run')\n")
    if text is not None:
        (place / "acme_policies" / organisation.FILE).write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(place)
        return loaded(place, place / "etc" / "requirements.toml", {})


def gates(place: Path, modules: tuple[str, ...]) -> str | None:
    """One package for each, all with the gate that the policy names."""
    for number, module in enumerate(modules):
        installed(place, f"gates{number}", f"[{foreign.GROUP}]\nacme.own = {module}\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(place)
        return denied(lambda: foreign.load(("acme.own",)))


def user(_: Path, text: str) -> str | None:
    return denied(lambda: read_operator(text.encode(), "config.toml", "user"))


def codex(_: Path, text: str) -> str | None:
    return denied(lambda: read_codex_file(text.encode(), "default.rules"))


def repository(_: Path, found: tuple[Mapping[str, bytes], set[str]]) -> str | None:
    """Files and names at the base commit."""
    blobs, names = found
    return denied(lambda: read_repo_policy(blobs.get, names.__contains__))


def command(_: Path, script: str) -> str | None:
    book = Rulebook((CommandRule(pattern=(("git",), ("push",)), decision="forbidden"),))
    ruling = book.decide(script)
    return None if ruling.decision == "allow" else ruling.unread


def guarded(_: Path, given: tuple[tuple[Guardrail, ...], Scan | None, str]) -> str | None:
    declared, scan, text = given
    try:
        outcome = ready(declared, scan).check("input", text, Place("a text"))
    except RunnerError as error:
        return error.problem
    told = [each.why for each in outcome.findings if not each.is_warning]
    return "\n".join(told) if outcome.verdict == "blocked" else None


def configuration(place: Path, text: str) -> str | None:
    (place / "guardrails.json").write_text(text)
    return denied(lambda: load_guardrails(place / "guardrails.json"))


def measured(_: Path, report: GateReport) -> str | None:
    return bounded(Standing(level=HIGHEST).measured((report,)))


def spending(place: Path, book: bytes) -> str | None:
    (place / "2026-11-20.json").write_bytes(book)
    account = Account(place, "here", Allowance(day_tokens=99), {}, today=lambda: "2026-11-20")
    try:
        return None if account.hold("m", Spent(1, 0, 20), wait=False) else "nothing is left"
    except RefusalError as error:
        return error.fault


def approved(place: Path, fault: Callable[[Path], object]) -> str | None:
    """What a run that waits for a person has kept."""
    folder = RunFolder.create(place, RUN, tell=lambda report: report.run)
    folder.write(PATCH, b"the diff")
    folder.seal(make_report(conclusion="needs-approval", exit_code=6, standing=Standing(level=1)))
    fault(folder.path)
    return denied(lambda: waiting(RUN, place))


def broken(_sample: Sample, _within_s: float) -> Scanned:
    raise InfraError("the scanner died", "run it again")


def unreachable(_: object) -> str:
    raise InfraError("no upstream", "wait")


def boom() -> GateReport:
    raise ZeroDivisionError


def linked(path: Path) -> None:
    path.rename(path.with_name("other.toml"))
    path.symlink_to("other.toml")


def looped(path: Path) -> Path:
    path.unlink()
    path.symlink_to(path)
    return path


def piped(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o644)


def write(text: str | bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(text if isinstance(text, bytes) else text.encode())


def owner(key: Ed25519PrivateKey, data: bytes) -> bytes:
    return base64.b64encode(key.sign(data))


def stranger(_: Ed25519PrivateKey, data: bytes) -> bytes:
    return owner(Ed25519PrivateKey.generate(), data)


def class_report(**more: Any) -> GateReport:
    given = {"gate": "class", "verdict": "passed", "summary": "code", "evidence": {"level": "3"}}
    return GateReport.model_validate({**given, **more})


RULE = '[[rules]]\npattern = ["git", "push"]\ndecision = "forbidden"\nmatch = ["git {}"]\n'
STAR = 'prefix_rule(pattern=["git", {}], decision="forbidden")\n'
CHECKS = '{{"version": 1, "input": {{"guardrails": [{{"name": "{}", "config": {{}}}}]}}}}'
PLAIN = write(GOOD)
POLICY = {".codex-runner.toml": GOOD.encode()}
HIDDEN = (HiddenUnicode(stage="input"),)
SECRET = (SecretKeys(stage="input"),)
MODEL = Asking(stage="input", name="Moderation")
NEEDED = MODEL.model_copy(update={"required": True})
# fmt: off
ROWS = (
    Row("its file is a link", machine, linked, PLAIN, "is a symbolic link"),
    Row("its file is a pipe", machine, piped, PLAIN, "is not a regular file"),
    Row("others can write it", machine, lambda p: p.chmod(0o646), PLAIN, "by other users"),
    Row("others can replace it", machine, lambda p: p.parent.chmod(0o777), PLAIN, "by other users"),
    Row("it is no UTF-8", machine, write(b"# \xff\n"), PLAIN, "UTF-8"),
    Row("it is no TOML", machine, write("[limits\n"), PLAIN, "line 1"),
    Row("it is too large", machine, write("#" * 70_000), PLAIN, "is larger than"),
    Row("a key is unknown", machine, write("[limits]\nline = 7\n"), PLAIN, "did you mean lines?"),
    Row("a value has another type", machine, write('[limits]\nlines = "7"\n'), PLAIN, "limits.lines"),
    Row("it pins nothing", machine, write('pin = ["level"]\n' + GOOD), PLAIN, "is not set"),
    Row("the named one leads to itself", named, looped, lambda p: p, "symbolic link"),
    Row("the named one is above", named, lambda p: p / ".." / "x", lambda p: p, "use no .."),
    Row("the named one is not there", named, lambda p: p.with_name("x"), lambda p: p, "no such"),
    Row("the named one cannot be read", named, lambda p: p / "x", lambda p: p, "cannot read"),
    Row("it is not signed", signed, lambda *_: None, owner, "is not signed"),
    Row("a stranger signed it", signed, stranger, owner, "does not fit"),
    Row("the signature is garbage", signed, lambda *_: b"%", owner, "does not fit"),
    Row("a policy package has no policy", packaged, None, GOOD, "acme_policies has no"),
    Row("a policy package is wrong", packaged, "[limit]\n", GOOD, "limit: unknown key"),
    Row("a gate is not there", gates, (), ("runner.gates.size",), "no package has it"),
    Row("a gate is there twice", gates, ("x", "runner.gates.size"), ("runner.gates.size",), "more than one package"),
    Row("a gate cannot be loaded", gates, ("runner.x",), ("runner.gates.size",), "failed: Module"),
    Row("a gate raises", judged, change(gate=boom), change(gate=answer("passed")), "ZeroDivision"),
    Row("a gate does not decide", judged, change(gate=answer("not-run")), change(gate=answer("passed")), "did not decide"),
    Row("a gate answers something else", judged, change(gate=answer("approved")), change(gate=answer("passed")), "broken GateReport"),
    Row("the secret scanner dies", judged, change(broken), change(), "scanner died"),
    Row("the secret scanner is slow", judged, change(lambda *_: None), change(), "more to scan than"),
    Row("the diff is another", judged, change(diff=b"no diff"), change(), "diff"),
    Row("the tests cannot start", judged, change(test_run=TestRun(exit=ended(127), tail="")), change(), "127"),
    Row("the tests do not end", judged, change(test_run=TestRun(exit=ended(None, stopped="wall-clock"), tail="")), change(), "wall-clock"),
    Row("the reviewer's answer is none", judged, change(reply=lambda _: "I approve."), change(), "JSON"),
    Row("no reviewer can be asked", judged, change(reply=unreachable), change(), "no upstream"),
    Row("the class was not measured", measured, class_report(verdict="not-run", evidence={}, summary="not run"), class_report(), "not run"),
    Row("the class has no evidence", measured, class_report(evidence={}), class_report(), "code"),
    Row("the event is unknown", caused, "of tomorrow", "push", "of tomorrow"),
    Row("a rule's example fails", user, RULE.format("pull"), RULE.format("push"), "does not match"),
    Row("rules are no literals", codex, STAR.format("X"), STAR.format('"push"'), "line 1"),
    Row("a command has an open quote", command, "git 'status", "git 'status'", "quote"),
    Row("a program is not named", command, "$X status", "git status", "expansion"),
    Row("a check of unknown name", configuration, CHECKS.format("Contain PII"), CHECKS.format("Contains PII"), "did you mean"),
    Row("a check raises", guarded, (SECRET, broken, "x"), (SECRET, nothing_found, "x"), "died"),
    Row("a check is too slow", guarded, (SECRET, lambda *_: None, "x"), (SECRET, nothing_found, "x"), "Secret"),
    Row("a check is absent", guarded, ((NEEDED,), None, "x"), ((MODEL,), None, "x"), "Moderation"),
    Row("an expression is none", guarded, ((Format(stage="input", must_match=("(",)),), None, "x"), ((Format(stage="input", must_match=("x",)),), None, "x"), "Format"),
    Row("a text is too long", guarded, (HIDDEN, None, "x" * 2_000_001), (HIDDEN, None, "x"), "2000"),
    Row("a repository's policy is a link", repository, ({}, {".codex-runner.toml"}), (POLICY, {".codex-runner.toml"}), "is not a regular file"),
    Row("a repository has two policies", repository, ({**POLICY, ".github/codex-runner.toml": b""}, set()), (POLICY, set()), "both exist"),
    Row("the account is damaged", spending, b"{", b"{}", "damaged"),
    Row("a run was never sealed", approved, lambda p: (p / RECEIPT).unlink(), Path.exists, "is running"),
    Row("a receipt is no JSON", approved, lambda p: (p / RECEIPT).write_text("{"), Path.exists, "JSON"),
    Row("a report was changed", approved, lambda p: (p / REPORT).write_text("{}"), Path.exists, REPORT),
    Row("a patch was changed", approved, lambda p: (p / PATCH).write_text("x"), Path.exists, PATCH),
)
# fmt: on


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_denies_with_a_reason_and_only_then(row: Row, tmp_path: Path) -> None:
    row.prove(tmp_path)


def test_no_row_is_there_twice() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 14
