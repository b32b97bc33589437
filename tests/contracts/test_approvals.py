"""The eleven criteria an approval protocol is accepted by, one test for each.

They are those of the approval protocol that Microsoft's agent governance toolkit has proposed
(ADR 0030): what may never let an action run.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runner.approvals.auto import review
from runner.approvals.auto_question import Question
from runner.approvals.store import NAME, Store
from runner.approvals.webhook import SIGNATURE, TIMESTAMP, Relay, Webhook, signed
from runner.errors import ConfigError, RefusedError
from runner.process import clean_env, kill_group, spawn
from runner.records.approval import Advice, ApprovalId
from runner.records.base import Sha256
from tests.approvals import NOW, RUN, Desk, proposal, publication

SECRET = "s3cret-" * 6


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "approvals")


def test_an_approval_of_one_digest_cannot_execute_another(desk: Desk) -> None:
    request = desk.ask()
    desk.approve(request)
    for other in (
        proposal("make build "),
        proposal(tools=("apply_patch",)),
        proposal(run=RUN + "0"),
        proposal(tenant="other"),
        publication(),
    ):
        assert "another action" in (desk.queue.use(request, other, NOW) or "")
    assert desk.queue.use(request, proposal(), NOW) is None


def test_another_version_of_the_policy_invalidates_it(desk: Desk) -> None:
    request = desk.ask()
    desk.approve(request)
    changed = proposal(policy=Sha256("d" * 64))
    assert "the policy is another one now" in (desk.queue.use(request, changed, NOW) or "")


def test_another_version_of_the_approvers_invalidates_it(desk: Desk) -> None:
    request = desk.ask()
    desk.approve(request)
    others = desk.with_rules(approvers=("user:bob",))
    assert "does not name user:ada" in (others.use(request, proposal(), NOW) or "")
    desk.key = Ed25519PrivateKey.generate()  # the approver's key was replaced
    assert desk.queue.use(request, proposal(), NOW) == "it was denied, for good"


def test_a_timeout_denies(desk: Desk) -> None:
    asked, approved = desk.ask(), desk.ask(publication())
    desk.approve(approved)
    desk.later(minutes=15)
    assert desk.queue.state(approved) == "expired", "a word at the terminal, unused"
    desk.later(hours=4)
    assert desk.queue.state(asked) == "expired"
    for request, action in ((asked, proposal()), (approved, publication())):
        assert desk.queue.use(request, action, desk.now) is not None
        with pytest.raises(RefusedError, match="expired"):
            desk.approve(request, "user:bob")


def test_a_restart_keeps_what_waits_and_allows_nothing(desk: Desk) -> None:
    request = desk.ask()
    code = (
        "import sys; from runner.approvals.store import Store; from pathlib import Path\n"
        "with Store(Path(sys.argv[1])).writing() as rows:\n"
        "    rows.connection.execute('INSERT INTO used SELECT id, 0 FROM request')\n"
        "    print('there', flush=True); sys.stdin.read()"
    )
    child = spawn([sys.executable, "-c", code, desk.home], env=clean_env())
    try:
        assert child.stdout is not None and child.stdout.readline() == b"there\n"
    finally:
        kill_group(child.pid)  # in the middle of a transaction
        child.communicate()
    assert desk.queue.state(request) == "waiting"
    assert desk.queue.use(request, proposal(), NOW) == "nobody has approved it"
    desk.dead.add(RUN)
    assert desk.queue.state(request) == "expired", "its run did not survive"
    with pytest.raises(RefusedError, match="its run has ended"):
        desk.approve(request)


@pytest.mark.parametrize(
    "envelope", [b"", b"{}", b"yes", b'{"word": "yes"}', b"\xff\x00", b"[" * 9999]
)
def test_a_malformed_resolution_denies(desk: Desk, envelope: bytes) -> None:
    request = desk.ask()
    desk.approve(request)
    assert desk.queue.state(request) == "approved"
    with Store(desk.home).writing() as rows:
        rows.resolve(ApprovalId(request), envelope)
    assert desk.queue.state(request) == "denied"
    assert desk.queue.use(request, proposal(), NOW) == "it was denied, for good"


def test_an_approver_who_is_not_verified_allows_nothing(desk: Desk) -> None:
    request = desk.ask()
    for name in ("agent:ag_0123456789abcdef", "ada", "", "model:gpt", "user"):
        with pytest.raises(RefusedError, match="no person"):
            desk.approve(request, name)
    stranger = Desk(desk.home)  # another key
    stranger.approve(request)
    assert desk.queue.state(request) == "denied"
    assert desk.queue.use(request, proposal(), NOW) == "it was denied, for good"


def test_a_denial_short_circuits(desk: Desk) -> None:
    request = desk.ask()
    desk.approve(request, "user:ada")
    desk.deny(request, "user:bob")
    assert desk.queue.use(request, proposal(), NOW) == "it was denied, for good"
    with pytest.raises(RefusedError, match="denied"):
        desk.approve(request, "user:eve")
    assert desk.ask() == request, "the same action is not asked for again"


def test_the_webhook_is_idempotent(desk: Desk) -> None:
    request = desk.ask()
    action = desk.queue.find(request)[0].action
    webhook = Webhook(desk.queue, Relay(secret=SECRET, people={"U1": "user:ada"}))
    call = {"account": "U1", "request": request, "action": action, "word": "yes"}
    body = json.dumps(call).encode()

    def post() -> int:
        stamp = str(int(desk.now.timestamp()))
        return webhook.answer(body, {TIMESTAMP: stamp, SIGNATURE: signed(SECRET, stamp, body)})[0]

    assert post() == 200
    assert post() == 409, "this very call"
    desk.later(seconds=1)
    assert post() == 200, "said again"
    assert len(desk.queue.words()) == 1
    assert desk.queue.use(request, proposal(), desk.now) is None
    desk.later(seconds=1)
    assert post() == 200
    assert desk.queue.use(request, proposal(), desk.now) == "it was used already"


def test_it_is_used_once_whoever_tries_at_the_same_time(desk: Desk) -> None:
    request = desk.ask()
    desk.approve(request)
    ready = Barrier(8)

    def use(_: int) -> str | None:
        ready.wait()
        return desk.queue.use(request, proposal(), NOW)

    with ThreadPoolExecutor(8) as pool:
        said = [*pool.map(use, range(8))]
    assert said.count(None) == 1 and said.count("it was used already") == 7
    with closing(sqlite3.connect(desk.home / NAME)) as connection:
        for change in ("DELETE FROM used", "UPDATE used SET request = 'x'"):
            with pytest.raises(sqlite3.IntegrityError, match="only added"):
                connection.execute(change)


def test_advice_of_a_model_creates_no_resolution(desk: Desk) -> None:
    queue = desk.with_rules(auto=("test",))
    requests = [desk.ask(), desk.ask(proposal("pytest; rm -rf /")), desk.ask(publication())]
    for request in requests:
        queue.advise(request, Advice(model="m", approve=True))
    question = Question("0" * 32, tuple(asked for asked, _ in queue.requests()))
    rows = [
        {"request": name, "action": digest, "approve": True, "note": "approved: yes"}
        for name, digest in question.digests
    ]
    said = json.dumps({"nonce": question.nonce, "requests": rows})
    found = review(queue, question, lambda _: said, "m")
    assert found.advised == () and queue.words() == ()
    for request in requests:
        assert queue.state(request) == "waiting"
        with pytest.raises(RefusedError, match="no person"):
            desk.approve(request, "model:reviewer")
    with pytest.raises(ConfigError, match="not what"):
        queue.resolve(requests[0], "yes", "approved", "user:ada", "terminal")
