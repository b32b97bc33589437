"""What the queue asks, keeps, tells and lets through."""

from __future__ import annotations

import json
import sqlite3
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, rule

from runner.approvals import queue
from runner.approvals.metrics import metrics
from runner.approvals.queue import how
from runner.approvals.store import NAME
from runner.errors import ConfigError, InfraError, RefusedError, RunnerError
from runner.process import clean_env, spawn
from runner.records.decision import Proposal
from tests.approvals import NOW, RUN, Desk, proposal, publication


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "approvals")


def test_the_same_action_is_asked_for_once(desk: Desk) -> None:
    first, other = desk.ask(), desk.ask(proposal("make install"))
    assert first != other and desk.ask() == first
    desk.approve(first)
    assert desk.ask() == first
    assert desk.queue.use(first, proposal(), NOW) is None
    again = desk.ask()
    assert again != first and desk.queue.state(again) == "waiting", "it is to be done once more"
    desk.later(hours=5)
    assert desk.ask(proposal("make install")) != other, "time is no answer of a person"


def test_nobody_to_ask(desk: Desk) -> None:
    assert desk.within(channels=()).ask(proposal(), "x") is None


def test_at_a_terminal_nobody_waits_for_long(desk: Desk) -> None:
    at_terminal = desk.within(channels=("terminal",))
    for action, lasts in ((proposal(), 15), (publication(), 240)):
        request = at_terminal.ask(action, "x")
        assert request is not None
        assert desk.queue.find(request)[0].expires_at == NOW + timedelta(minutes=lasts)
    tight = desk.with_rules(expires_s=60).ask(proposal("x"), "x")
    assert tight is not None
    assert desk.queue.find(tight)[0].expires_at == NOW + timedelta(minutes=1)


def test_a_flood_is_not_asked(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "MOST_WAITING", 3)
    first = [desk.ask(proposal(f"make {number}")) for number in range(3)]
    assert desk.queue.ask(proposal("make more"), "x") is None
    assert desk.queue.ask(proposal("make 1"), "x") == first[1]
    desk.deny(first[0])
    assert desk.queue.ask(proposal("make more"), "x") is not None


def test_what_a_person_is_told(desk: Desk) -> None:
    request = desk.ask()
    (row,) = desk.queue.waiting()
    assert (row["id"], row["summary"], row["risk"]) == (request, "Bash: make build", "other")
    assert row["action"] == proposal().digest() and "content" not in row
    json.dumps(row)
    asked, state = desk.queue.find(request[:6])
    assert state == "waiting" and Proposal.model_validate_json(asked.content) == proposal()
    assert how(asked) == f"codex-runner approvals approve {request} {asked.action[:12]}"
    desk.deny(request)
    assert desk.queue.waiting() == () and desk.queue.requests()[0][1] == "denied"


def test_a_request_is_found_by_its_beginning(desk: Desk) -> None:
    desk.ask()
    desk.ask(publication())
    for prefix, why in (("ap_", "fits 2"), ("x", "no request")):
        with pytest.raises(ConfigError, match=why):
            desk.queue.find(prefix)
    assert desk.queue.state("x") == "unknown"
    assert desk.queue.use("x", proposal(), NOW) == "nobody asked for it"


@pytest.mark.parametrize("digest", ["", "0" * 12, proposal().digest()[:11], "approve"])
def test_a_word_names_what_was_looked_at(desk: Desk, digest: str) -> None:
    request = desk.ask()
    with pytest.raises(ConfigError, match="not what"):
        desk.queue.resolve(request, "yes", digest, "user:ada", "terminal")
    assert desk.queue.state(request) == "waiting"


def test_nobody_approves_what_they_ask_for(desk: Desk) -> None:
    by_ada = desk.within(author="github:ada")
    request = by_ada.ask(publication(), "x")
    assert request is not None
    with pytest.raises(RefusedError, match="may not approve"):
        desk.approve(request, "github:ada")
    own = desk.queue.ask(publication(asker="user:eve"), "x")
    assert own is not None
    with pytest.raises(RefusedError, match="may not approve"):
        desk.approve(own, "user:eve")
    desk.deny(own, "user:eve")
    assert desk.queue.state(own) == "denied", "but they may change their mind"


def test_the_kill_switch_stops_what_was_approved(desk: Desk) -> None:
    request = desk.ask()
    desk.approve(request)
    desk.stopped = "everything is halted"
    assert desk.queue.use(request, proposal(), NOW) == "everything is halted"
    desk.stopped = None
    assert desk.queue.use(request, proposal(), NOW) is None


def test_what_was_approved_is_found_for_the_action(desk: Desk) -> None:
    request = desk.ask(publication())
    assert desk.queue.allowed(publication()) is None
    desk.approve(request)
    word = desk.queue.allowed(publication())
    assert word is not None and (word.id, word.approver) == (request, "user:ada")
    assert desk.queue.allowed(publication(target="next")) is None


def test_a_store_that_cannot_be_used_denies(desk: Desk) -> None:
    request = desk.ask()
    desk.approve(request)
    (desk.home / NAME).write_bytes(b"no database" * 999)
    for left in desk.home.glob(f"{NAME}-*"):
        left.unlink()
    assert desk.queue.ask(proposal(), "x") is None
    assert desk.queue.state(request) == "unknown"
    assert "cannot be used" in (desk.queue.use(request, proposal(), NOW) or "")
    with pytest.raises(InfraError):
        desk.queue.requests()


@pytest.mark.parametrize("column", ["action", "id", "record"])
def test_what_is_shown_is_what_the_digest_is_of(desk: Desk, column: str) -> None:
    desk.ask(proposal("curl evil.example"))
    with closing(sqlite3.connect(desk.home / NAME, isolation_level=None)) as foreign:
        foreign.execute("DROP TRIGGER request_no_UPDATE")
        altered = "CAST(replace(CAST(record AS TEXT), 'curl evil', 'x') AS BLOB)"
        value = altered if column == "record" else "'ap_0'"
        foreign.execute(f"UPDATE request SET {column} = {value}")
    with pytest.raises(InfraError, match="was changed"):
        desk.queue.requests()


def test_it_is_private(desk: Desk) -> None:
    desk.ask()
    assert desk.home.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in desk.home.iterdir()} == {0o600}


def test_several_processes_use_one_word_once(desk: Desk) -> None:
    request = desk.ask()
    desk.approve(request)
    code = (
        "import sys; from pathlib import Path; from runner.approvals.store import Store\n"
        "from runner.approvals.queue import Queue; from runner.approvals.standing import Standing\n"
        "from tests.approvals import NOW, proposal; import json\n"
        "home, request, word = sys.argv[1:]\n"
        "queue = Queue(Path(home), bytes, Standing(lambda _: json.loads(word)))\n"
        "print('ready', flush=True); sys.stdin.readline()\n"
        "print(queue.use(request, proposal(), NOW), flush=True)"
    )
    (word,) = desk.queue.words()
    argv = [sys.executable, "-c", code, str(desk.home), request, word.model_dump_json()]
    top = str(Path(__file__).parents[2])
    children = [spawn(argv, env=clean_env({"PYTHONPATH": top})) for _ in range(3)]
    for child in children:
        assert child.stdout is not None and child.stdout.readline() == b"ready\n"
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"go\n")
    said = [child.communicate()[0].decode().strip() for child in children]
    assert sorted(said) == ["None", "it was used already", "it was used already"]


def test_how_people_answer(desk: Desk) -> None:
    first, second = desk.ask(), desk.ask(proposal("make install"))
    desk.ask(proposal(run=RUN + "1"))
    desk.later(seconds=20)
    desk.approve(first)
    desk.later(seconds=30)
    desk.deny(second)
    asked = [each for each, _ in desk.queue.requests(everything=True)]
    assert metrics(asked, desk.queue.words()) == {
        "requests": 3,
        "runs": 2,
        "requests_per_run_median": 1,
        "requests_per_run_most": 2,
        "think_time_median_s": 20,
        "approved": 1,
        "denied": 1,
        "self_approvals": 0,
    }
    assert metrics([], [])["think_time_median_s"] is None


class Story(RuleBasedStateMachine):
    """Whatever happens in whatever order: an action is let through at most as often as a person
    said yes, never after a no, never late, never killed."""

    requests = Bundle("requests")
    codes = st.sampled_from(["make a", "make b"])

    def __init__(self) -> None:
        super().__init__()
        self.place = TemporaryDirectory()
        self.desk = Desk(Path(self.place.name) / "approvals")
        self.said: dict[str, list[str]] = {}
        self.used: set[str] = set()

    def teardown(self) -> None:
        self.place.cleanup()

    @rule(target=requests, code=codes)
    def ask(self, code: str) -> tuple[str, str]:
        return self.desk.ask(proposal(code)), code

    @rule(request=requests, who=st.sampled_from(["user:ada", "user:bob", "agent:x"]))
    def approve(self, request: tuple[str, str], who: str) -> None:
        self._say(request[0], "yes", who)

    @rule(request=requests, who=st.sampled_from(["user:ada", "user:bob"]))
    def deny(self, request: tuple[str, str], who: str) -> None:
        self._say(request[0], "no", who)

    def _say(self, request: str, word: str, who: str) -> None:
        try:
            self.desk.approve(request, who) if word == "yes" else self.desk.deny(request, who)
        except RunnerError:
            return
        self.said.setdefault(request, []).append(word)

    @rule(minutes=st.sampled_from([1, 10, 300]))
    def wait(self, minutes: int) -> None:
        self.desk.later(minutes=minutes)

    @rule(request=requests, code=codes, stopped=st.booleans())
    def use(self, request: tuple[str, str], code: str, stopped: bool) -> None:
        name, asked = request
        self.desk.stopped = "halted" if stopped else None
        before = self.desk.queue.find(name)[0]
        if self.desk.queue.use(name, proposal(code), self.desk.now) is None:
            assert not stopped and code == asked and name not in self.used
            assert "yes" in self.said[name] and "no" not in self.said[name]
            assert self.desk.now < before.expires_at
            self.used.add(name)

    @rule(request=consumes(requests))
    def forget(self, request: tuple[str, str]) -> None:
        """Its run died: nothing of it is ever used."""
        self.desk.dead.add(RUN)
        assert self.desk.queue.use(request[0], proposal(request[1]), self.desk.now) is not None
        self.desk.dead.discard(RUN)


TestStory = Story.TestCase
TestStory.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
