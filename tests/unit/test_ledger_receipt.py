"""Receipts: exact bytes are signed, anything else is not believed."""

from __future__ import annotations

import base64
import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.ledger.dsse import STATEMENT, ReceiptError, pre_authentication
from runner.ledger.folder import PATCH, RECEIPT, REPORT, STORY, RunFolder
from runner.ledger.keys import Signer, local_public_key, local_signer
from runner.ledger.receipt import PREDICATE, examine, verify
from runner.records.base import RunId, Sha256
from runner.records.gate import Finding, GateReport
from runner.records.report import Problem, RunReport
from tests.fake_world import COMMIT, RUN, TREE, make_patch, make_plan, told_by_agent

NOW = datetime(2026, 11, 20, 10, 22, 33, tzinfo=UTC)
DIFF = b"the diff"
Json = dict[str, object]


def make_report(**more: object) -> RunReport:
    finding = Finding(gate="paths", code="paths.protected", why="w", remedy="r")
    told: Json = {
        "run": RUN,
        "conclusion": "refused",
        "exit_code": 1,
        "started_at": NOW,
        "finished_at": NOW,
        "plan": make_plan(),
        "agent": told_by_agent(),
        "patch": make_patch(),
        "gates": (GateReport(gate="paths", verdict="refused", summary="1", findings=(finding,)),),
    }
    return RunReport.model_validate({**told, **more})


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    made = RunFolder.create(tmp_path, RUN, tell=lambda report: f"# {report.run}\n")
    made.write(PATCH, DIFF)
    return made


def statement(folder: RunFolder) -> Json:
    key = local_public_key(folder.state)
    assert key is not None
    return verify((folder.path / RECEIPT).read_bytes(), key)


def standing(folder: RunFolder) -> tuple[str, tuple[str, ...]]:
    found = examine(folder, local_public_key(folder.state))
    return found.signature, found.mismatches


def test_sealing_leaves_report_story_and_a_receipt_that_verifies(folder: RunFolder) -> None:
    path = folder.seal(make_report())
    assert path == folder.path / RECEIPT
    assert (folder.path / STORY).read_text() == f"# {RUN}\n"
    told = statement(folder)
    assert (told["_type"], told["predicateType"]) == (STATEMENT, PREDICATE)
    patch_sha256 = hashlib.sha256(DIFF).hexdigest()
    assert told["subject"] == [
        {"name": "commit", "digest": {"gitCommit": COMMIT}},
        {"name": "tree", "digest": {"gitTree": TREE}},
        {"name": "patch", "digest": {"sha256": patch_sha256}},
    ]
    predicate = cast(Json, told["predicate"])
    report_sha256 = hashlib.sha256((folder.path / REPORT).read_bytes()).hexdigest()
    assert predicate["report_sha256"] == report_sha256
    assert predicate["patch_sha256"] == patch_sha256
    assert predicate["plan_sha256"] == make_plan().digest()
    assert predicate["policy_sha256"] == make_plan().policy_sha256
    assert predicate["conclusion"] == "refused"
    assert predicate["gates"] == [
        {"gate": "paths", "verdict": "refused", "findings": ["paths.protected"]}
    ]
    assert predicate["models"] == {"agent": "gpt-5.5", "review": "gpt-5.6-terra"}
    assert standing(folder) == ("valid", ())


def test_the_envelope_is_dsse_to_the_byte(folder: RunFolder) -> None:
    folder.seal(make_report())
    envelope = json.loads((folder.path / RECEIPT).read_bytes())
    payload = base64.b64decode(envelope["payload"], validate=True)
    kind = b"application/vnd.in-toto+json"
    assert envelope["payloadType"] == kind.decode()
    message = b"DSSEv1 28 " + kind + b" " + str(len(payload)).encode() + b" " + payload
    assert pre_authentication(payload) == message
    (signature,) = envelope["signatures"]
    signer = local_signer(folder.state)
    assert signature["keyid"] == signer.keyid
    signer.key.public_key().verify(base64.b64decode(signature["sig"]), message)


def test_without_plan_or_patch_there_is_still_a_subject(tmp_path: Path) -> None:
    nothing = {"plan": None, "agent": None, "patch": None, "gates": ()}
    problem = Problem(problem="no key", remedy="set one")
    made = RunFolder.create(tmp_path, RUN)
    made.seal(make_report(**nothing, problem=problem))
    ((report,),) = (cast(list[Json], statement(made)["subject"]),)
    assert report["name"] == "report.json"
    assert standing(made) == ("valid", ())
    made.seal(make_report(patch=None))
    assert statement(made)["subject"] == [
        {"name": "plan", "digest": {"sha256": make_plan().digest()}}
    ]


def test_sealing_again_replaces(folder: RunFolder) -> None:
    folder.seal(make_report())
    folder.seal(make_report(conclusion="interrupted", exit_code=130))
    assert cast(Json, statement(folder)["predicate"])["conclusion"] == "interrupted"
    assert standing(folder) == ("valid", ())


def test_half_a_surrogate_pair_does_not_cost_the_receipt(folder: RunFolder) -> None:
    agent = told_by_agent().model_copy(update={"message": "a\ud800b"})
    folder.seal(make_report(agent=agent))
    assert standing(folder) == ("valid", ())
    read = RunReport.model_validate_json((folder.path / REPORT).read_bytes())
    assert read.agent is not None
    assert read.agent.message == "a?b"


def test_a_story_that_fails_does_not_cost_the_receipt(tmp_path: Path) -> None:
    def fails(report: RunReport) -> str:
        raise ZeroDivisionError

    made = RunFolder.create(tmp_path, RUN, tell=fails)
    with pytest.raises(ZeroDivisionError):
        made.seal(make_report())
    assert standing(made) == ("valid", ())


def test_changed_files_are_named(folder: RunFolder) -> None:
    folder.seal(make_report())
    folder.write(PATCH, b"another")
    assert standing(folder) == ("valid", (PATCH,))
    folder.write(REPORT, b"{}")
    assert standing(folder) == ("valid", (REPORT, PATCH))
    (folder.path / PATCH).unlink()
    assert standing(folder) == ("valid", (REPORT, PATCH))


def test_the_measured_digest_is_signed_not_the_files(folder: RunFolder) -> None:
    measured = make_patch().model_copy(
        update={"diff_sha256": Sha256(hashlib.sha256(DIFF).hexdigest())}
    )
    folder.write(PATCH, b"exchanged before sealing")
    folder.seal(make_report(patch=measured))
    assert standing(folder) == ("valid", (PATCH,))


def test_absent_foreign_and_moved_receipts(folder: RunFolder, tmp_path: Path) -> None:
    assert standing(folder)[0] == "absent"
    folder.seal(make_report())
    assert examine(folder, None).signature == "invalid"
    theirs = local_signer(tmp_path / "other")
    assert examine(folder, theirs.key.public_key()).signature == "invalid"
    other = RunFolder.create(tmp_path, RunId("20261120-2"))
    for name in (RECEIPT, REPORT, PATCH):
        other.write(name, (folder.path / name).read_bytes())
    found = examine(other, local_public_key(tmp_path))
    assert (found.signature, found.why) == ("invalid", "it is the receipt of another run")


def signed(signer: Signer, payload: bytes) -> bytes:
    signature = signer.sign(pre_authentication(payload))
    return json.dumps(
        {
            "payloadType": "application/vnd.in-toto+json",
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": signer.keyid, "sig": base64.b64encode(signature).decode()}],
        }
    ).encode()


def test_signed_but_something_else(tmp_path: Path) -> None:
    signer = local_signer(tmp_path)
    for payload in (b"", b"[]", b"{}", b'{"_type":"x"}', b'{"a":1,"a":2}', b"\xff", b"[" * 99999):
        with pytest.raises(ReceiptError):
            verify(signed(signer, payload), signer.key.public_key())


@pytest.mark.parametrize(
    "envelope",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"payloadType":"application/vnd.in-toto+json"}',
        b'{"payloadType":"application/vnd.in-toto+json","payload":"!","signatures":[{"sig":""}]}',
        b'{"payloadType":"application/vnd.in-toto+json","payload":"","signatures":[]}',
        b'{"payloadType":"application/vnd.in-toto+json","payload":"","signatures":[3]}',
        b'{"payloadType":"application/vnd.in-toto+json","payload":"","signatures":[{"sig":7}]}',
        b'{"payloadType":"application/vnd.in-toto+json","payload":"\xc3\xbc","signatures":[{}]}',
        b"[" * 100_000,
    ],
)
def test_broken_envelopes(tmp_path: Path, envelope: bytes) -> None:
    with pytest.raises(ReceiptError):
        verify(envelope, local_signer(tmp_path).key.public_key())


def test_no_flipped_bit_passes(folder: RunFolder) -> None:
    folder.seal(make_report())
    good = (folder.path / RECEIPT).read_bytes()
    key = local_public_key(folder.state)
    assert key is not None
    said = verify(good, key)

    @given(st.integers(0, len(good) - 1), st.integers(0, 7))
    def flip(at: int, bit: int) -> None:
        bad = good[:at] + bytes([good[at] ^ (1 << bit)]) + good[at + 1 :]
        try:
            assert verify(bad, key) == said  # e.g. a letter of the key id, which is only a hint
        except ReceiptError:
            return

    flip()
