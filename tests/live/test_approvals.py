"""A person's word through the real CLI: at a terminal, from GitHub, and never from a pipe."""

from __future__ import annotations

import json
from typing import Any

import pytest

from runner.approvals import webhook
from runner.asking import HOME, queue_of, require_key, unseal
from runner.demo.model import Say, ScriptedModel, Shell
from runner.killswitch import Switch
from runner.ledger.ledger import open_ledger
from runner.records.approval import ApprovalRules
from tests.live.github import enterprise
from tests.live.terminal import at_terminal
from tests.live.test_levels import at_level
from tests.live.world import Ended, World

pytestmark = pytest.mark.live


def waiting(world: World) -> tuple[Ended, dict[str, Any]]:
    """A run that waits for a person, and its request."""
    at_level(world, 1)
    ended = world.run()
    assert (ended.code, ended.report.conclusion) == (6, "needs-approval"), ended
    listed = json.loads(world.cli("approvals", "list", "--json").stdout)
    (request,) = listed["requests"]
    assert request["run"] == ended.report.run and listed["metrics"]["self_approvals"] == 0
    return ended, request


def test_a_person_reads_the_diff_and_types_its_digest(world: World) -> None:
    ended, request = waiting(world)
    name, digest = request["id"], request["action"]
    listed = world.cli("approvals", "list")
    assert name.encode() in listed.stdout and f"approvals show {name}".encode() in listed.stderr
    shown = world.cli("approvals", "show", name[:8]).stdout.decode()
    assert "+++ b/tally/stats.py" in shown and digest in shown
    assert f"codex-runner approvals approve {name} {digest[:12]}" in shown
    assert ended.report.agent is not None and ended.report.agent.message not in shown

    assert world.cli("approvals", "approve", name, digest).code == 2, "a pipe is no person"
    assert world.cli("approve", "--approved").code == 6, "nobody has said anything"
    world.settings["CI"] = "true"
    silent = at_terminal(world, "approvals", "approve", name, digest)
    assert silent.code == 2 and "keys create approver" in silent.text, "none is made in CI"
    del world.settings["CI"]
    for typed in ("\n", "000000000000\n", f"{digest[:11]}\n"):
        assert at_terminal(world, "approvals", "approve", name, answers=typed).code == 2
    assert not world.branches()

    done = at_terminal(world, "approvals", "approve", name, answers=f"{digest[:12]}\n")
    assert done.code == 0 and "+++ b/tally/stats.py" in done.text, done
    assert len(world.branches()) == 1
    assert at_terminal(world, "approvals", "approve", name, digest).code == 2, "once"
    told = json.loads(world.cli("approvals", "list", "--all", "--json").stdout)
    assert [row["state"] for row in told["requests"]] == ["used"]
    assert told["metrics"]["approved"] == 1
    with open_ledger(world.state) as ledger:
        (entry,) = ledger.entries(kinds=("approval",))
    assert entry.about.run == ended.report.run
    word = unseal(world.state, entry.envelope)
    assert (word["id"], word["action"], word["channel"]) == (name, digest, "terminal")


def test_a_denial_is_for_good(world: World) -> None:
    ended, request = waiting(world)
    world.settings["CI"] = "1"
    assert world.cli("approvals", "deny", request["id"]).code == 2, "no key, and none is made"
    require_key(world.state, may_make=True)
    denied = world.cli("approvals", "deny", request["id"], "--reason", "not now")
    assert denied.code == 0, denied
    for words in (
        ("approve", ended.report.run, request["action"]),
        ("approvals", "approve", request["id"], request["action"]),
    ):
        refused = at_terminal(world, *words)
        assert refused.code == 1 and "denied, for good" in refused.text, refused
    assert world.cli("approve", ended.report.run, "--approved").code == 6
    assert not world.branches()
    assert not json.loads(world.cli("approvals", "list", "--json").stdout)["requests"]


def test_a_word_on_github_lets_it_out(world: World) -> None:
    with enterprise(world) as hosted:
        ended, request = waiting(world)
        assert ended.report.plan is not None
        base, run, action = ended.report.plan.base_commit, ended.report.run, request["action"]
        hosted.told["/repos/o/r/pulls/5"] = {
            "number": 5,
            "head": {"sha": base},
            "user": {"login": "eve"},
            "url": f"{hosted.url}/api/v3/repos/o/r/pulls/5",
        }
        reviews = hosted.told["/repos/o/r/pulls/5/reviews"] = [
            {
                "id": 1,
                "user": {"login": login, "type": "User"},
                "author_association": "MEMBER",
                "state": "APPROVED",
                "commit_id": commit,
                "body": f"Fine.\n\ncodex-runner approve {action[:12]}",
                "submitted_at": "2026-11-20T12:00:00Z",
            }
            for login, commit in (("eve", base), ("ada", "f" * 40))
        ]
        assert isinstance(reviews, list)
        synced = world.cli("approvals", "sync", "--pull", "5")
        assert synced.code == 2 and b"keys create approver" in synced.stderr
        require_key(world.state, may_make=True)
        synced = world.cli("approvals", "sync", "--pull", "5")
        assert synced.code == 0 and synced.stdout.count(b"does not count") == 2, synced
        assert world.cli("approve", run, "--approved").code == 6

        reviews[1]["commit_id"] = base
        synced = world.cli("approvals", "sync", "--pull", "5", "--json")
        assert [row["counts"] for row in json.loads(synced.stdout)] == [False, True], synced

        hosted.told["/repos/o/r/actions/runs/9"] = {
            "id": 9,
            "url": f"{hosted.url}/api/v3/repos/o/r/actions/runs/9",
            "head_sha": base,
            "actor": {"login": "eve"},
            "triggering_actor": {"login": "eve"},
        }
        hosted.told["/repos/o/r/actions/runs/9/approvals"] = [
            {
                "state": "approved",
                "comment": f"codex-runner approve {action}",
                "user": {"login": login, "type": "User"},
                "environments": [{"name": "publish", "updated_at": "2026-11-20T12:00:00Z"}],
            }
            for login in ("bob", "eve")
        ]
        world.settings["GITHUB_RUN_ID"] = "9"
        synced = world.cli("approvals", "sync")
        assert b"bob approved, counts\n" in synced.stdout, synced
        assert b"eve approved, does not count" in synced.stdout, synced

        done = world.cli("approve", run, "--approved")
        assert done.code == 0, done
        assert len(hosted.pulls) == 1 and len(world.branches()) == 1


def test_a_command_waits_for_a_person_while_the_run_goes_on(world: World) -> None:
    """Level 1 with `commands`: allowed by somebody at a terminal, or by the relay; denied, the
    agent is told and nothing of it happens."""
    world.ask(test=False, level=1, paths=["allowed", "denied"])
    config = world.home / ".config/codex-runner/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text("[approvals]\ncommands = true\n")
    home = world.state / HOME
    home.mkdir(mode=0o700)
    relay = home / webhook.FILE
    relay.write_text(webhook.Relay(secret="s" * 32, people={}).model_dump_json())
    relay.chmod(0o600)
    queue = queue_of(world.state, ApprovalRules(), Switch(world.state))
    steps = (Shell("touch allowed"), Shell("touch denied; echo done"), Say("Done."))
    with ScriptedModel(steps) as model, world.started(model) as started:
        started.until(queue.waiting, "a request")
        (request,) = queue.waiting()
        assert "touch allowed" in str(request["summary"])
        done = at_terminal(
            world, "approvals", "approve", str(request["id"]), str(request["action"])[:12]
        )
        assert done.code == 0 and "allows" in done.text, done
        started.until(
            lambda: any("touch denied" in str(row["summary"]) for row in queue.waiting()), "another"
        )
        (request,) = queue.waiting()
        queue.resolve(str(request["id"]), "no", str(request["action"]), "user:ada", "webhook")
        ended = started.end()
    assert ended.report.patch is not None, ended
    assert [change.path for change in ended.report.patch.changes] == ["allowed"]
    assert f"approvals approve {request['id']}" in ended.stderr, "it says what to type"
    with open_ledger(world.state) as ledger:
        kinds = [entry.kind for entry in ledger.entries(run=ended.report.run)]
    assert kinds.count("approval") == 2
