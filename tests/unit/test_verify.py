"""`codex-runner verify`: what holds is told step by step, and no changed byte is ever valid."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.cli.main import cli
from runner.errors import RunnerError
from runner.ledger import recording, statements
from runner.ledger.dsse import unverified
from runner.ledger.folder import PATCH, RECEIPT, REPORT, RunFolder
from runner.ledger.keyring import Ring, local_ring
from runner.ledger.keys import in_pem, local_public_key, local_signer
from runner.ledger.ledger import open_ledger
from runner.ledger.recording import CHECKPOINT, KEYS, RECEIPTS, UNRECORDED, line
from runner.ledger.verifying import STEPS, Verified, bundles, verify, verify_file
from runner.records.base import Oid, RunId
from runner.records.evidence import About, Statement
from tests.fake_world import make_patch
from tests.sealed_run import DIFF, MACHINE, REFUSED, decide, keeper, plan_of, report_of, sealed

MADE_WITH = ("policy", "codex", "engine", "image")
OTHER = RunId("20261120-102234-000000")


@pytest.fixture(scope="module")
def state(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of one published run; not to be written."""
    made = tmp_path_factory.mktemp("state")
    sealed(made)
    return made


@pytest.fixture
def folder(state: Path, tmp_path: Path) -> RunFolder:
    """A copy of the run's folder, on another machine."""
    (run,) = (state / "runs").iterdir()
    return RunFolder(shutil.copytree(run, tmp_path / "anywhere"))


@pytest.fixture
def ring(state: Path) -> Ring:
    """The one public key."""
    return root(state)


def root(state: Path) -> Ring:
    gate = local_public_key(state)
    assert gate is not None
    return Ring.of(("gate", gate))


def wrong(found: Verified) -> tuple[str, str]:
    assert found.wrong is not None
    return found.wrong.name, found.wrong.detail


def test_a_run_with_nothing_but_the_public_key(folder: RunFolder, ring: Ring) -> None:
    found = verify(folder, ring)
    assert found.wrong is None
    told = {step.name: step.detail for step in found.held}
    assert list(told) == list(STEPS)
    kinds = "2 intent, 2 decision, 2 outcome, 1 run, 1 tests, 1 verdict"
    assert told["signatures"] == f"9 receipts: {kinds}"
    assert told["run"].endswith("ended published")
    assert told["commit"] == f"commit {'c' * 40}, tree {'b' * 40}"
    known = ", ".join(f"{n} sha256:{d * 16}" for n, d in zip(MADE_WITH, "4123", strict=True))
    assert told["inputs"] == f"base {'a' * 40}, codex 0.163.0, {known}"
    assert told["gates"] == "PASSED: paths passed, tests passed, review waived"
    assert told["tool calls"].startswith("1 allowed, 1 denied, 1 told done")


@pytest.mark.parametrize("name", [RECEIPTS, RECEIPT, REPORT, PATCH, CHECKPOINT, KEYS])
def test_no_changed_byte_is_valid(folder: RunFolder, ring: Ring, name: str) -> None:
    place = folder.path / name
    kept = place.read_bytes()
    good = kept or b"\n"

    @settings(
        max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
    )
    @given(st.integers(0, len(good) - 1), st.integers(0, 255), st.sampled_from("=+-"))
    def change(at: int, byte: int, how: str) -> None:
        one, rest = bytes([byte]), {"=": at + 1, "+": at, "-": at + 1}[how]
        bad = good[:at] + (b"" if how == "-" else one) + good[rest:]
        place.write_bytes(bad)
        if bad != kept:
            assert verify(folder, ring).wrong is not None, (at, byte, how)

    change()
    for bad in (good[: len(good) // 2], good * 2, good + b"\n", b"\0"):
        if bad != kept:
            place.write_bytes(bad)
            assert verify(folder, ring).wrong is not None


@pytest.mark.parametrize(
    ("name", "step"),
    [
        (RECEIPTS, "signatures"),
        (CHECKPOINT, "checkpoint"),
        (REPORT, "files"),
        (RECEIPT, "files"),
        (PATCH, "files"),
        (KEYS, "files"),
    ],
)
def test_what_is_missing_is_named(folder: RunFolder, ring: Ring, name: str, step: str) -> None:
    (folder.path / name).unlink()
    found = wrong(verify(folder, ring))
    assert found[0] == step and name in found[1]


def test_a_log_that_was_not_copied_is_told(folder: RunFolder, ring: Ring) -> None:
    (folder.path / "events.jsonl").unlink()
    found = verify(folder, ring)
    assert found.wrong is None
    assert found.held[5].detail.endswith("not here: events.jsonl")
    (folder.path / "events.jsonl").write_bytes(b"{} \n")
    assert wrong(verify(folder, ring)) == ("files", "events.jsonl is not the one that was signed")


def test_what_nobody_signed_is_told(folder: RunFolder, ring: Ring) -> None:
    """The story is written after the signatures: whoever reads it beside a valid run is warned."""
    (folder.path / "report.md").write_text("published, all gates passed")
    (folder.path / "approved.txt").write_text("yes")
    told = {step.name: step.detail for step in verify(folder, ring).held}
    assert told["files"].endswith("; anybody's word: approved.txt, owner, report.md")


def lines(folder: RunFolder) -> list[bytes]:
    return (folder.path / RECEIPTS).read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("gone", range(9))
def test_a_receipt_left_out_is_missed(folder: RunFolder, ring: Ring, gone: int) -> None:
    kept = lines(folder)
    del kept[gone]
    (folder.path / RECEIPTS).write_bytes(b"".join(kept))
    assert wrong(verify(folder, ring))[0] == "run"


def test_receipts_in_another_order_or_doubled(folder: RunFolder, ring: Ring) -> None:
    kept = lines(folder)
    for mixed in ([kept[1], kept[0], *kept[2:]], [kept[0], *kept]):
        (folder.path / RECEIPTS).write_bytes(b"".join(mixed))
        assert wrong(verify(folder, ring)) == (
            "log",
            f"{RECEIPTS}, line 2: not in the order of the log",
        )


def test_another_machine_s_key_and_no_key(folder: RunFolder, tmp_path: Path) -> None:
    theirs = Ring.of(("gate", local_signer(tmp_path / "theirs").key.public_key()))
    found = wrong(verify(folder, theirs))
    assert found[0] == "signatures" and "unknown key" in found[1]
    assert wrong(verify(folder, Ring())) == ("keys", "no key was given")


def test_the_gate_s_key_in_another_role(folder: RunFolder, state: Path) -> None:
    gate = local_public_key(state)
    assert gate is not None
    found = wrong(verify(folder, Ring.of(("approver", gate))))
    assert found == (
        "signatures",
        f"{RECEIPTS}, line 1: that is for the gate's key to say, and it is the approver's",
    )


def test_a_receipt_of_another_run_beside(folder: RunFolder, state: Path, tmp_path: Path) -> None:
    two = shutil.copytree(state, tmp_path / "two")
    other = sealed(two, OTHER)
    assert verify(other, root(two)).wrong is None
    for name in (RECEIPTS, CHECKPOINT):
        shutil.copy(folder.path / name, other.path / name)
    assert wrong(verify(other, root(two)))[0] == "files"
    mixed = b"".join([*lines(folder), *lines(sealed(tmp_path / "three", OTHER))])
    (folder.path / RECEIPTS).write_bytes(mixed)
    assert wrong(verify(folder, root(state)))[0] == "signatures"


def forged(folder: RunFolder, state: Path, *more: Statement) -> Ring:
    """The run sealed by somebody who has the gate's key, with these statements in the ledger."""
    with open_ledger(state) as ledger:
        for statement in more:
            ledger.append(statement)
        recording.export(folder, ledger)
    return root(state)


def test_done_without_an_allow(tmp_path: Path) -> None:
    """Before the end it breaks the rule; after it, too."""
    folder = RunFolder.create(tmp_path, OTHER)
    with open_ledger(tmp_path) as ledger:
        recording.begin(ledger, plan_of(OTHER), MACHINE)
        denied = decide(ledger, "DENY", OTHER)
        told = {"receipt": denied, "status": "done"}
        subject = {"action": {"sha256": "5" * 64}}
        ledger.append(Statement("outcome", subject, told, About(run=OTHER)))
        ledger.append(statements.publication(plan_of(OTHER), make_patch()))
        folder.write(PATCH, DIFF)
        replace(folder, ledger=ledger).seal(report_of(OTHER))
    found = wrong(verify(folder, root(tmp_path)))
    assert found[0] == "tool calls" and "without an ALLOW" in found[1]


def over(state: Path, *, policy: str = "4" * 64, announced: bool = True) -> RunFolder:
    """A published run; another policy decided, or nobody said that it would be published."""
    folder = RunFolder.create(state, OTHER)
    with open_ledger(state) as ledger:
        recording.begin(ledger, plan_of(OTHER), MACHINE)
        decide(ledger, "ALLOW", OTHER, policy)
        if announced:
            ledger.append(statements.publication(plan_of(OTHER), make_patch()))
        folder.write(PATCH, DIFF)
        replace(folder, ledger=ledger).seal(report_of(OTHER))
    return folder


def test_decided_under_another_policy_and_published_unannounced(tmp_path: Path) -> None:
    for name, more, step in (
        ("right", {}, None),
        ("policy", {"policy": "9" * 64}, ("tool calls", "a decision's policy")),
        ("unannounced", {"announced": False}, ("commit", "no intent to publish")),
    ):
        found = verify(over(tmp_path / name, **more), root(tmp_path / name))
        if step is None:
            assert found.wrong is None
        else:
            assert wrong(found)[0] == step[0] and step[1] in wrong(found)[1]


ASKED = ("buildDefinition", "externalParameters")


@pytest.mark.parametrize(
    ("what", "where", "value", "step"),
    [
        ("outcome", ("run",), [], "files"),
        ("outcome", ("exit_code",), 7, "commit"),
        ("run", (*ASKED, "repository"), "elsewhere", "inputs"),
        ("run", (*ASKED, "prompt"), {}, "inputs"),
        ("verdict", ("resourceUri",), "git+elsewhere@refs/heads/main", "gates"),
        ("verdict", ("verifiedLevels",), ["SLSA_SOURCE_LEVEL_4"], "gates"),
    ],
)
def test_a_signed_word_other_than_the_report_s_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    what: str,
    where: tuple[str, ...],
    value: object,
    step: str,
) -> None:
    honest = getattr(statements, what)

    def lying(*given: object) -> Statement:
        made: Statement = honest(*given)
        predicate = json.loads(json.dumps(made.predicate))
        *way, last = where
        place = predicate
        for name in way:
            place = place[name]
        place[last] = value
        return replace(made, predicate=predicate)

    with monkeypatch.context() as patched:
        patched.setattr(statements, what, lying)
        folder = sealed(tmp_path)
    assert wrong(verify(folder, root(tmp_path)))[0] == step


@pytest.mark.parametrize("kind", ["run", "tests", "verdict", "intent"])
def test_nothing_is_added_after_the_end(tmp_path: Path, kind: str) -> None:
    folder = sealed(tmp_path)
    last = [unverified(json.loads(raw)["envelope"].encode()) for raw in lines(folder)]
    predicate = next(said["predicate"] for said, found in last if found == kind)
    assert isinstance(predicate, dict)
    again = Statement(kind, {"x": {"sha256": "0" * 64}}, predicate, About(run=RunId(folder.run)))  # type: ignore[arg-type]
    found = wrong(verify(folder, forged(folder, tmp_path, again)))
    assert found[0] == "run" and "made after its end" in found[1]


def test_what_is_decided_later_may_be_added(tmp_path: Path) -> None:
    folder = sealed(tmp_path)
    keeper(tmp_path).create("approver")
    later = Statement("approval", {"x": {"sha256": "0" * 64}}, {}, About(run=RunId(folder.run)))
    ring = forged(folder, tmp_path, later)
    found = wrong(verify(folder, ring))
    assert found[0] == "signatures" and "unknown key" in found[1], "the run's history is older"
    assert verify(folder, local_ring(tmp_path)).wrong is None


def test_an_open_intent(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, OTHER)
    with open_ledger(tmp_path) as ledger:
        recording.begin(ledger, plan_of(OTHER), MACHINE)
        assert recording.open_intent(ledger, OTHER)
        recording.export(folder, ledger)
    found = wrong(verify(folder, root(tmp_path)))
    assert found == ("run", "its intent is open: nobody recorded how it ended")
    folder.seal(report_of(OTHER, publication=None, conclusion="abandoned", standing=None))
    with open_ledger(tmp_path) as ledger:
        assert not recording.open_intent(ledger, OTHER)


def test_sealed_again(tmp_path: Path) -> None:
    folder = sealed(tmp_path)
    folder.seal(report_of(conclusion="interrupted", exit_code=130, publication=None))
    found = verify(folder, root(tmp_path))
    assert found.wrong is None
    assert found.held[4].detail.endswith("ended interrupted")


@pytest.mark.parametrize(
    "more",
    [
        {"conclusion": "refused", "exit_code": 1, "gates": (REFUSED,), "standing": None},
        {"conclusion": "budget", "exit_code": 5, "gates": (), "standing": None},
        {"conclusion": "infra-error", "exit_code": 3, "gates": (), "standing": None, "patch": None},
        {"conclusion": "config-error", "exit_code": 2, "gates": (), "plan": None, "patch": None,
         "agent": None, "standing": None},
    ],
)  # fmt: skip
def test_other_endings(tmp_path: Path, more: dict[str, object]) -> None:
    folder = RunFolder.create(tmp_path, OTHER)
    with open_ledger(tmp_path) as ledger:
        if more.get("plan", True):
            recording.begin(ledger, plan_of(OTHER), MACHINE)
    folder.write(PATCH, DIFF)
    folder.seal(report_of(OTHER, publication=None, **more))
    found = verify(folder, root(tmp_path))
    assert found.wrong is None, found


def test_a_published_run_whose_gates_did_not_pass(tmp_path: Path) -> None:
    folder = sealed(tmp_path, gates=(REFUSED,), standing=None)
    assert wrong(verify(folder, root(tmp_path))) == (
        "gates",
        "it was published, and its gates did not pass",
    )


def test_a_plan_exchanged_after_the_intent(tmp_path: Path) -> None:
    plan = plan_of().model_copy(update={"base_commit": Oid("f" * 40)})
    found = wrong(verify(sealed(tmp_path, plan=plan), root(tmp_path)))
    assert found[0] == "inputs" and "base's digest" in found[1]


def test_after_rotation_and_revocation(tmp_path: Path) -> None:
    first = root(tmp_path) if local_signer(tmp_path) else Ring()
    early = sealed(tmp_path)
    keeper(tmp_path).create("approver")
    keeper(tmp_path).rotate("gate")
    late = sealed(tmp_path, OTHER)
    keeper(tmp_path).revoke(local_signer(tmp_path).keyid, "lost")
    for folder in (early, late):
        assert verify(folder, first).wrong is None, "the first key leads to all later ones"
        assert verify(folder, local_ring(tmp_path)).wrong is None


def test_after_the_approver_s_rotation(tmp_path: Path) -> None:
    """The local ring has its history already: to be told the same again is no contradiction."""
    first = root(tmp_path) if local_signer(tmp_path) else Ring()
    old = keeper(tmp_path).create("approver").keyid
    keeper(tmp_path).rotate("approver")
    keeper(tmp_path).create("verifier")
    keeper(tmp_path).revoke(old, "laptop lost")
    folder = sealed(tmp_path)
    for ring in (first, local_ring(tmp_path)):
        assert verify(folder, ring).wrong is None


def test_signed_with_a_key_that_was_revoked(tmp_path: Path) -> None:
    thief = local_signer(tmp_path)
    keeper(tmp_path).create("approver")
    keeper(tmp_path).revoke(thief.keyid, "stolen")
    new = keeper(tmp_path).rotate("gate")
    folder = RunFolder.create(tmp_path, OTHER)
    with open_ledger(tmp_path, {"gate": thief}) as ledger:
        recording.begin(ledger, plan_of(OTHER), MACHINE)
        folder.write(PATCH, DIFF)
        replace(folder, ledger=ledger, signer=thief).seal(report_of(OTHER))
    found = wrong(verify(folder, local_ring(tmp_path)))
    assert found[0] == "signatures" and "its key was revoked before" in found[1]
    assert new.keyid != thief.keyid


class Broken:
    """A ledger whose disk is full."""

    def __getattr__(self, name: str) -> Callable[..., object]:
        def fails(*_: object, **__: object) -> object:
            from runner.errors import InfraError

            raise InfraError("the ledger cannot be written: disk full", "free some space")

        return fails


def test_a_ledger_that_fails_costs_neither_report_nor_receipt(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, OTHER)
    broken = Broken()
    replace(folder, ledger=broken).seal(report_of(OTHER))  # type: ignore[arg-type]
    assert (folder.path / REPORT).exists() and (folder.path / RECEIPT).exists()
    assert "disk full" in (folder.path / UNRECORDED).read_text()
    found = wrong(verify(folder, root(tmp_path)))
    assert found[0] == "signatures" and "disk full" in found[1]
    with pytest.raises(RunnerError):
        recording.begin(broken, plan_of(OTHER), MACHINE)  # type: ignore[arg-type]
    folder.seal(report_of(OTHER))
    assert not (folder.path / UNRECORDED).exists()


def test_single_files(state: Path, folder: RunFolder, ring: Ring) -> None:
    (one, *_) = lines(folder)
    envelope = json.loads(one)["envelope"].encode()
    for content in (envelope, (folder.path / RECEIPT).read_bytes()):
        assert verify_file(content, ring).wrong is None
    found = verify_file((folder.path / RECEIPTS).read_bytes(), ring)
    assert [step.name for step in found.held] == ["signatures", "checkpoint", "log"]
    made = bundles(folder)
    assert [step.name for step in verify_file(made, ring).held] == ["signatures"] * 3
    first, *_ = made.splitlines(keepends=True)
    assert verify_file(first, ring).wrong is None
    assert len(verify_file(first + first.replace(b'"sig":"', b'"sig":"A'), ring).held) == 1
    for bad in (
        made + b"x\n",
        first + first.replace(b'"sig":"', b'"sig":"A'),
        b"",
        b"[]",
        b"x",
        b"[" * 99999,
        b'{"mediaType":"x"}',
        envelope[:-9],
        b'{"envelope":',
    ):
        assert verify_file(bad, ring).wrong is not None


def test_the_command(state: Path, folder: RunFolder, tmp_path: Path) -> None:
    gate = local_public_key(state)
    assert gate is not None
    pem = tmp_path / "gate.pub.pem"
    pem.write_bytes(in_pem(gate))
    elsewhere = tmp_path / "elsewhere"

    def call(*words: str) -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["verify", *words, "--state", str(elsewhere)])
        if isinstance(done.exception, RunnerError):
            return done.exception.exit_code, "\n".join(done.exception.lines())
        return done.exit_code, done.stdout

    key = ("--key", str(pem))
    code, told = call(str(folder.path), *key)
    assert code == 0 and told.count("  ok  ") == len(STEPS)
    code, told = call(str(folder.path), "--key", f"gate={pem}", "--json")
    assert code == 0 and json.loads(told)["valid"] is True
    assert call(str(folder.path / RECEIPT), *key)[0] == 0
    made = tmp_path / "bundles.jsonl"
    assert call(str(folder.path), *key, "--bundle", str(made))[0] == 0
    code, told = call(str(made), *key)
    assert code == 0 and told.count("  ok  ") == 3
    code, told = call(str(folder.path), *key, "--bundle", str(tmp_path / "no/b"))
    assert code == 2 and "no/b: No such file" in told
    (folder.path / PATCH).write_bytes(b"other")
    code, told = call(str(folder.path), *key)
    assert code == 1 and "files: patch is not the one that was signed" in told
    for words in (
        (str(folder.path),),
        (str(folder.path), "--key", str(tmp_path / "nothing")),
        (str(folder.path), "--key", str(folder.path / REPORT)),
        (str(tmp_path), *key),
        ("20261120", *key),
    ):
        assert call(*words)[0] == 2, words


def test_a_line_has_one_spelling() -> None:
    assert line(b'{"a":1}', b"p\n") == b'{"envelope":"{\\"a\\":1}","proof":"p\\n"}\n'
