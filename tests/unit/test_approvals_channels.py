"""Words that come through the webhook and from GitHub: whose they are, and of what."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.approvals.github import take
from runner.approvals.webhook import FILE, SIGNATURE, TIMESTAMP, Relay, Reply, Webhook, load, signed
from runner.errors import ConfigError, RefusedError
from runner.records.base import Oid
from runner.records.forge_review import ForgeReview
from tests.approvals import NOW, Desk, proposal, publication

SECRET = "s3cret-" * 6
RELAY = Relay(secret=SECRET, people={"U1": "user:ada", "U2": "model:x"})
REMOTE = publication().remote
HEAD = publication().base


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "approvals")


def post(desk: Desk, body: bytes, at_s: int = 0, secret: str = SECRET) -> Reply:
    stamp = str(int(desk.now.timestamp()) + at_s)
    headers = {TIMESTAMP: stamp, SIGNATURE: signed(secret, stamp, body)}
    return Webhook(desk.queue, RELAY).answer(body, headers)


def call(desk: Desk, asked: str, /, **changes: object) -> bytes:
    said = {"account": "U1", "request": asked, "word": "yes", **changes}
    return json.dumps({"action": desk.queue.find(asked)[0].action, **said}).encode()


def test_a_signed_call_is_a_persons_word(desk: Desk) -> None:
    request = desk.ask()
    status, told = post(desk, call(desk, request, name="Somebody Else", reason="fine"))
    assert (status, told["approver"]) == (200, "user:ada"), "names in the body are not looked at"
    (word,) = desk.queue.words()
    assert (word.channel, word.reason) == ("webhook", "fine")
    assert desk.queue.use(request, proposal(), NOW) is None


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"account": "U9"}, 403),
        ({"account": "user:ada"}, 403),
        ({"account": "U2"}, 409),
        ({"word": "maybe"}, 400),
        ({"approver": "user:ada"}, 400),
        ({"action": "0" * 64}, 404),
        ({"action": "0"}, 404),
        ({"request": "ap_0"}, 404),
        ({"reason": "x" * 501}, 400),
    ],
)
def test_other_calls_are_none(desk: Desk, changes: dict[str, object], status: int) -> None:
    request = desk.ask()
    assert post(desk, call(desk, request, **changes))[0] == status
    assert desk.queue.state(request) == "waiting"


def test_old_forged_and_repeated_calls_are_none(desk: Desk) -> None:
    request = desk.ask()
    body = call(desk, request)
    assert post(desk, body, at_s=-301)[0] == post(desk, body, at_s=301)[0] == 401
    assert post(desk, body, secret="x" * 40)[0] == 401
    webhook = Webhook(desk.queue, RELAY)
    assert webhook.answer(body, {})[0] == 401
    stamp = str(int(desk.now.timestamp()))
    good = {TIMESTAMP: stamp, SIGNATURE: signed(SECRET, stamp, body)}
    assert webhook.answer(body.replace(b"yes", b"no "), good)[0] == 401
    assert webhook.answer(b"x" * 20_000, good)[0] == 413
    assert desk.queue.state(request) == "waiting"
    assert webhook.answer(body, good)[0] == 200
    assert webhook.answer(body, good)[0] == 409


@given(st.binary(max_size=99), st.text(max_size=9), st.text(max_size=9))
def test_no_call_is_an_exception(body: bytes, stamp: str, signature: str) -> None:
    webhook = Webhook(Desk(Path("/nonexistent")).queue, RELAY)
    assert webhook.answer(body, {TIMESTAMP: stamp, SIGNATURE: signature})[0] == 401
    known = {TIMESTAMP: stamp, SIGNATURE: signed(SECRET, stamp, body)}
    assert webhook.answer(body, known)[0] in (400, 401)


def test_the_table_of_accounts_is_private(tmp_path: Path) -> None:
    assert load(tmp_path) is None
    file = tmp_path / FILE
    file.write_text(RELAY.model_dump_json())
    file.chmod(0o600)
    assert load(tmp_path) == RELAY
    file.chmod(0o640)
    with pytest.raises(ConfigError, match="private"):
        load(tmp_path)
    file.chmod(0o600)
    for content in ("", "{}", '{"secret": "short", "people": {}}', "[]"):
        file.write_text(content)
        with pytest.raises(ConfigError, match="table"):
            load(tmp_path)
    file.unlink()
    file.symlink_to("/etc/passwd")
    with pytest.raises(ConfigError, match="private"):
        load(tmp_path)


def review(desk: Desk, request: str, **changes: object) -> ForgeReview:
    digest = desk.queue.find(request)[0].action
    given = ForgeReview(
        login="ada",
        is_person=True,
        belongs=True,
        state="approved",
        commit=HEAD,
        head=HEAD,
        authors=("bot", "eve"),
        text=f"Read it.\n\ncodex-runner approve {digest[:12]}",
        at=NOW,
    )
    return replace(given, **changes)  # type: ignore[arg-type]


def test_a_review_of_the_head_that_names_the_action_counts(desk: Desk) -> None:
    request = desk.ask(publication())
    (taken,) = take(desk.queue, [review(desk, request)], REMOTE)
    assert taken.why == ""
    word = desk.queue.allowed(publication())
    assert word is not None and (word.approver, word.channel) == ("github:ada", "github")
    take(desk.queue, [review(desk, request)], REMOTE)
    assert len(desk.queue.words()) == 1, "read again"
    assert desk.queue.use(request, publication(), NOW) is None


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"commit": Oid("f" * 40)}, "another commit"),
        ({"head": Oid("f" * 40)}, "another commit"),
        ({"commit": Oid("f" * 40), "head": Oid("f" * 40)}, "another commit"),
        ({"login": ""}, "nobody's"),
        ({"is_person": False}, "a program's"),
        ({"belongs": False}, "does not belong"),
        ({"login": "Eve"}, "asked for themselves"),
        ({"state": "rejected"}, "its text says approve"),
    ],
)
def test_other_reviews_do_not(desk: Desk, change: dict[str, object], why: str) -> None:
    request = desk.ask(publication())
    (taken,) = take(desk.queue, [review(desk, request, **change)], REMOTE)
    assert why in taken.why and desk.queue.state(request) == "waiting"


def test_what_names_nothing_here_is_not_looked_at(desk: Desk) -> None:
    request, command = desk.ask(publication()), desk.ask()
    digest = desk.queue.find(request)[0].action
    for text in ("LGTM", f"codex-runner approve {digest[:11]}", f"codex-runner approve {'0' * 64}"):
        assert take(desk.queue, [review(desk, request, text=text)], REMOTE) == ()
    assert take(desk.queue, [review(desk, request)], "https://github.com/o/other.git") == ()
    assert take(desk.queue, [review(desk, request, state="other")], REMOTE) == ()
    assert take(desk.queue, [review(desk, command)], REMOTE) == (), "a command is not for GitHub"
    assert desk.queue.words() == ()


def test_the_last_word_of_each_counts(desk: Desk) -> None:
    request = desk.ask(publication())
    digest = desk.queue.find(request)[0].action
    later = NOW.replace(hour=13)
    yes = review(desk, request)
    changed = review(desk, request, state="rejected", text="wait", at=later, login="ADA")
    assert take(desk.queue, [changed, yes], REMOTE) == ()
    no = review(desk, request, state="rejected", text=f"codex-runner deny {digest}", login="bob")
    assert [each.why for each in take(desk.queue, [yes, no], REMOTE)] == ["", ""]
    assert desk.queue.state(request) == "denied"


def test_the_word_of_whoever_has_a_token(desk: Desk) -> None:
    request, action, queue = desk.ask(), proposal().digest(), desk.queue
    with pytest.raises(RefusedError, match="no person"):
        queue.resolve(request, "yes", action, "agent:x", "gateway")
    queue.resolve(request, "yes", action, "token:ada", "gateway", "fine")
    queue.resolve(request, "no", action, "token:bob", "gateway")
    with pytest.raises(RefusedError, match="denied"):
        queue.resolve(request, "yes", action, "token:eve", "gateway")
    assert [word.channel for word in queue.words()] == ["gateway", "gateway"]
