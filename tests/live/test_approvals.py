"""A person's word through the real CLI: at a terminal, from GitHub, and never from a pipe."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from runner.approvals import webhook
from runner.asking import HOME, queue_of, require_key, unseal
from runner.demo.model import Say, ScriptedModel, Shell, verdict
from runner.demo.sample import REVIEWER_MODEL
from runner.gateway.statements import statement_of
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
    told = world.cli("approve", ended.report.run)
    assert told.code == 1 and b"was denied, for good" in told.stderr, told
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
        first = request["id"]
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
    assert f"approvals approve {first}" in ended.stderr, "it says what to type"
    with open_ledger(world.state) as ledger:
        kinds = [entry.kind for entry in ledger.entries(run=ended.report.run)]
    assert kinds.count("approval") == 2


def says_yes(prompt: str) -> str:
    """To everything that waits, and to every change."""
    rows = re.findall(r"^request: (\S+)\naction: (\S+)$", prompt, re.MULTILINE)
    if not rows:
        return verdict(prompt)
    nonce = re.findall(r"^nonce: (\S+)$", prompt, re.MULTILINE)[0]
    said = [
        {"request": name, "action": digest, "approve": True, "note": "harmless, trust me"}
        for name, digest in rows
    ]
    return json.dumps({"nonce": nonce, "requests": said})


@pytest.mark.parametrize("answer", [says_yes, lambda prompt: "yes"], ids=["yes", "odd"])
def test_a_reviewer_allows_low_risk_classes_alone(
    world: World, answer: Callable[[str], str]
) -> None:
    """The critical command waits for a person whatever the model says; so does all of it when the
    model says nothing that counts."""
    world.ask(test=False, level=1)
    config = world.home / ".config/codex-runner/config.toml"
    config.parent.mkdir(parents=True)
    config.write_text('[approvals]\ncommands = true\nauto = ["test"]\n')
    home = world.state / HOME
    home.mkdir(mode=0o700)
    relay = home / webhook.FILE
    relay.write_text(webhook.Relay(secret="s" * 32, people={}).model_dump_json())
    relay.chmod(0o600)
    require_key(world.state, may_make=True)
    queue = queue_of(world.state, ApprovalRules(), Switch(world.state))
    tests, critical, auto = "python3 -m unittest -q", "rm -rf tally", answer is says_yes

    def decided(text: str) -> str:
        """Waits for it, and denies it."""

        def asked() -> list[str]:
            waits = [row for row in queue.waiting() if text in str(row["summary"])]
            names = [str(row["id"]) for row in waits]
            return [name for name in names if not auto or queue.advice(name)[0] is not None]

        started.until(asked, text)
        (request,) = asked()
        digest = queue.find(request)[0].action
        shown = world.cli("approvals", "show", request).stdout
        assert (b"says, unchecked: harmless, trust me" in shown) == auto
        queue.resolve(request, "no", digest, "user:ada", "webhook")
        return request

    steps = (Shell(tests), Shell(critical), Say("Done."))
    model = ScriptedModel(steps, review=answer)
    with model, world.started(model) as started:
        if not auto:
            decided("unittest")
        decided("rm -rf")
        ended = started.end()
    assert ended.report.conclusion == "empty", ended
    assert ended.report.agent is not None and ended.report.agent.gated is not None
    gated = ended.report.agent.gated
    assert (gated.allowed, gated.denied, len(gated.auto)) == (auto, 2 - auto, auto)
    assert ended.report.review_usage is not None and ended.report.review_usage.requests == 2
    with open_ledger(world.state) as ledger:
        made = [statement_of(entry) for entry in ledger.entries(kinds=("decision",))]
    rules = [
        (said["decision"], said["rule"], said["reason"])
        for said in (each["predicate"] for each in made)
        if isinstance(said, dict) and said["decision"] != "PENDING"
    ]
    told = f"no person, a reviewer approved it: {REVIEWER_MODEL}, class test"
    assert ("ALLOW", "auto", told) in rules if auto else all(rule[0] == "DENY" for rule in rules)
    listed = json.loads(world.cli("approvals", "list", "--all", "--json").stdout)["requests"]
    used = [(row["auto"], row["state"]) for row in listed if row["state"] == "used"]
    assert used == ([(f"{REVIEWER_MODEL}, class test", "used")] if auto else [])
    for words in (("approvals", "list", "--all"), ("show", ended.report.run)):
        assert (told.encode() in world.cli(*words).stdout) == auto
    assert (told.encode() in (ended.path / "report.md").read_bytes()) == auto
