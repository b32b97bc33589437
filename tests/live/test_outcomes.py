"""What became of requests, asked of real git remotes and of a GitHub on loopback."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from runner.errors import ConfigError, InfraError
from runner.forge.github import GithubForge
from runner.forge.github_outcomes import GithubFates
from runner.forge.local_outcomes import LocalFates
from runner.forge.outcomes import Requested, reverts
from runner.gateway.statements import statement_of
from runner.ledger.ledger import open_ledger
from runner.ledger.rekeying import Keeper
from runner.process import clean_env, run
from runner.records.base import Oid
from runner.records.identity import Agent
from runner.records.trust import OutcomeKind
from runner.trusting import named, scores
from tests.live.github import TOKEN, enterprise
from tests.live.world import World

pytestmark = pytest.mark.live
BRANCH = "codex/mend-it-20261120-102233-7f3a9c"
WHO = ("-c", "user.name=Ada", "-c", "user.email=ada@example.invalid")
API = "/repos/o/r"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


class Place:
    """A person's checkout, a bare remote, and a branch that was published to it."""

    def __init__(self, home: Path) -> None:
        self.remote, self.here = home / "remote.git", home / "here"
        run(["git", "init", "-q", "--bare", "-b", "main", str(self.remote)], env=clean_env())
        run(["git", "clone", "-q", str(self.remote), str(self.here)], env=clean_env())
        self.write("a.py", "one\n")
        self.git("commit", "-q", "-m", "first")
        self.base = self.git("rev-parse", "HEAD")
        self.git("switch", "-q", "-c", BRANCH)
        self.write("a.py", "one\ntwo\n")
        self.git("commit", "-q", "-m", "Mend it")
        self.commit = self.git("rev-parse", "HEAD")
        self.git("switch", "-q", "main")
        self.push("main", BRANCH)

    def git(self, *words: str, stdin: bytes = b"") -> str:
        who = {
            f"GIT_{role}_{key}": value
            for role in ("AUTHOR", "COMMITTER")
            for key, value in (("NAME", "Ada"), ("EMAIL", "ada@example.invalid"))
        }
        done = run(["git", *words], env=clean_env(who), cwd=self.here, stdin=stdin)
        assert done.code == 0, done.error()
        return done.text()

    def write(self, name: str, text: str) -> None:
        (self.here / name).write_text(text)
        self.git("add", name)

    def push(self, *branches: str) -> None:
        self.git("push", "-q", "origin", *branches)

    def became(self, at: datetime = LONG_AGO) -> list[tuple[OutcomeKind, str, bool]]:
        patch = run(
            ["git", "diff", "--binary", "--full-index", self.base, self.commit],
            env=clean_env(),
            cwd=self.here,
        ).stdout
        asked = Requested(BRANCH, "main", Oid(self.base), Oid(self.commit), 1, patch, at)
        found = LocalFates(str(self.remote)).of(asked)
        assert all(at <= each.at <= datetime.now(UTC) for each in found)
        return [(each.kind, each.landed, each.independent) for each in found]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_request_that_waits_is_open(place: Place) -> None:
    assert place.became() == []
    place.write("b.py", "else\n")
    place.git("commit", "-q", "-m", "something else")
    place.push("main")
    assert place.became() == []


def merge(place: Place) -> None:
    place.git("merge", "-q", "--no-ff", "-m", "Merge it", BRANCH)


def forward(place: Place) -> None:
    place.git("merge", "-q", "--ff-only", BRANCH)


def squash(place: Place) -> None:
    place.git("merge", "-q", "--squash", BRANCH)
    place.git("commit", "-q", "-m", "Mend it (#1)")


def rebase(place: Place) -> None:
    place.write("b.py", "else\n")
    place.git("commit", "-q", "-m", "something else")
    place.git("cherry-pick", place.commit)


@pytest.mark.parametrize("how", [merge, forward, squash, rebase])
def test_every_way_to_merge_is_seen(place: Place, how: Callable[[Place], None]) -> None:
    how(place)
    landed = place.git("rev-parse", "HEAD")
    place.write("c.py", "later\n")
    place.git("commit", "-q", "-m", "later")
    place.push("main")
    assert place.became() == [("merged", landed, True)]
    place.push(f":{BRANCH}")
    assert place.became() == [("merged", landed, True)]


@pytest.mark.parametrize("how", [merge, forward, squash])
def test_a_revert_is_seen(place: Place, how: Callable[[Place], None]) -> None:
    how(place)
    landed = place.git("rev-parse", "HEAD")
    mainline = ["-m", "1"] if how is merge else []
    place.git("revert", "--no-edit", *mainline, "HEAD")
    gone = place.git("rev-parse", "HEAD")
    place.push("main")
    assert place.became() == [("merged", landed, True), ("reverted", gone, True)]


def test_a_deleted_branch_is_a_no(place: Place) -> None:
    place.push(f":{BRANCH}")
    assert place.became() == [("closed", "", True)]


def test_another_revert_is_not_ours(place: Place) -> None:
    merge(place)
    place.write("b.py", "else\n")
    place.git("commit", "-q", "-m", f"Revert nothing\n\nThis reverts commit {'0' * 40}.")
    place.push("main")
    assert [kind for kind, *_ in place.became()] == ["merged"]


def test_what_cannot_be_asked_is_no_answer(place: Place, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="not a directory"):
        LocalFates(str(tmp_path / "nowhere")).of(_asked(place))
    run(["git", "branch", "-m", "main", "trunk"], cwd=place.remote, env=clean_env())
    with pytest.raises(InfraError, match="no branch main"):
        place.became()
    (place.remote / "HEAD").unlink()
    with pytest.raises(InfraError, match="cannot read"):
        place.became()


def _asked(place: Place) -> Requested:
    return Requested(BRANCH, "main", Oid(place.base), Oid(place.commit), 1, b"", LONG_AGO)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (f"Revert it\n\nThis reverts commit {'ab' * 20}.", True),
        (f"This reverts commit {'ab' * 4}.", True),
        (f"this REVERTS commit {'AB' * 20}", True),
        ("This reverts commit ab.", False),
        (f"This reverts commit {'cd' * 20}.", False),
        ("Mend it", False),
    ],
)
def test_what_a_revert_says(message: str, said: bool) -> None:
    assert reverts(message, ("ab" * 20, "")) is said


def keys(world: World) -> None:
    keeper = Keeper(world.state, open_ledger)
    keeper.create("approver")
    keeper.create("verifier")


def synced(world: World, *words: str, code: int = 0) -> list[dict[str, object]]:
    done = world.cli("outcomes", "sync", "--json", *words)
    assert done.code == code, done
    rows: list[dict[str, object]] = json.loads(done.stdout)
    return rows


def trust(world: World) -> dict[str, object]:
    (row,) = json.loads(world.cli("trust", "--json").stdout)
    assert isinstance(row, dict)
    return row


def test_from_a_run_to_its_score(world: World) -> None:
    """Whoever tells of it names the same agent, of the same tenant and generation."""
    world.settings["CODEX_RUNNER_TENANT"] = "acme"
    published = world.run()
    publication, agent = published.report.publication, published.report.plan
    assert publication is not None and agent is not None and agent.agent is not None
    done = world.cli("outcomes", "sync")
    assert done.code == 2 and b"keys create verifier" in done.stderr
    keys(world)
    (row,) = synced(world)
    assert (row["state"], row["added"]) == ("open", [])
    here, remote = world.sample.repository, world.sample.remote
    world.git("fetch", "-q", "origin", at=here)
    branch = publication.ref.removeprefix("refs/heads/")
    world.git(*WHO, "merge", "-q", "--no-ff", "-m", "Merge it", f"origin/{branch}", at=here)
    world.git("push", "-q", "origin", "HEAD:main", at=here)
    assert synced(world, "--repo", "/else/where.git") == []
    (row,) = synced(world, "--repo", str(remote))
    assert (row["state"], row["added"]) == ("merged", ["merged"])
    (row,) = synced(world)
    assert (row["state"], row["added"]) == ("merged", [])
    told = trust(world)
    assert told["agent"] == agent.agent.id and told["outcomes"] == 1
    score = told["score"]
    assert isinstance(score, dict) and (score["score"], score["waiting"]) == (300, 1)
    world.git(*WHO, "revert", "--no-edit", "-m", "1", "HEAD", at=here)
    world.git("push", "-q", "origin", "HEAD:main", at=here)
    (row,) = synced(world)
    assert (row["state"], row["added"]) == ("reverted", ["reverted"])
    assert synced(world)[0]["added"] == []
    assert trust(world)["outcomes"] == 2
    shown = json.loads(world.cli("show", "--json").stdout)
    assert shown["report"]["plan"]["agent"]["name"] == "codex"
    assert shown["agent"] == agent.agent.told()
    assert (told["agent"], told["generation"]) == (
        shown["agent"]["id"],
        shown["agent"]["generation"],
    )
    assert named("codex", "acme") == agent.agent.id != named("codex")
    with open_ledger(world.state) as ledger:
        assert scores(world.state, ledger, agent.agent.id)["generation"] == agent.agent.generation
        entries = [*ledger.entries(run=published.report.run)]
        intent = statement_of(entries[0])["predicate"]
    assert isinstance(intent, dict) and intent["agent"] == shown["agent"]
    reviewers = {Agent.model_construct(name="reviewer", tenant="acme").id}
    assert {entry.about.tenant for entry in entries} == {"acme"}
    assert {entry.about.agent for entry in entries} - reviewers == {agent.agent.id}


def test_enforced_trust_lets_nobody_unknown_publish(world: World) -> None:
    policy = world.home / "requirements.toml"
    policy.write_text("[trust]\nenforce = true\n")
    world.settings["CODEX_RUNNER_REQUIREMENTS"] = str(policy)
    ended = world.run()
    assert ended.report.publication is None
    assert ended.report.plan is not None
    standing = ended.report.plan.standing
    assert standing.level == 0 and standing.reason.startswith("agent: ")
    keys(world)
    said = world.cli("trust", "promote", "codex", "1", "--reason", "watched")
    assert said.code == 0, said
    ended = world.run()
    assert ended.code == 6 and "level 1, agent: " in ended.error[0]


def pull(url: str, **more: object) -> dict[str, object]:
    return {
        "url": f"{url}/api/v3/repos/o/r/pulls/7",
        "number": 7,
        "state": "open",
        "merged": False,
        "merged_at": None,
        "merged_by": None,
        "closed_at": None,
        "merge_commit_sha": None,
        "user": {"login": "runner", "type": "Bot"},
        "head": {"ref": "b", "sha": "e" * 40},
        "base": {"ref": "main", "sha": "f" * 40},
        **more,
    }


def stamp(minutes: float) -> str:
    at = datetime.now(UTC) + timedelta(minutes=minutes)
    return at.isoformat(timespec="seconds").replace("+00:00", "Z")


def person(login: str, kind: str = "User") -> dict[str, object]:
    return {"login": login, "type": kind}


def test_github_tells(world: World) -> None:
    with enterprise(world) as forge:
        published = world.run()
        assert published.report.publication is not None
        keys(world)
        answers = forge.told
        answers |= {
            f"{API}/pulls/7": pull(forge.url),
            f"{API}/pulls/7/reviews": [],
            f"{API}/commits": [],
        }
        world.settings["GITHUB_TOKEN"] = ""
        (row,) = synced(world, code=3)
        assert row["state"] == "unknown" and "GITHUB_TOKEN" in str(row["problem"])
        world.settings["GITHUB_TOKEN"] = TOKEN
        assert synced(world)[0]["added"] == []
        answers[f"{API}/pulls/7/reviews"] = [
            {"state": "CHANGES_REQUESTED", "user": person(who), "submitted_at": stamp(-1)}
            for who in ("runner", "ada")
        ]
        assert synced(world)[0]["added"] == ["changes_requested"]
        landed = {"merged": True, "state": "closed", "merged_at": stamp(0)}
        landed |= {"merge_commit_sha": "a" * 40, "merged_by": person("ada")}
        answers[f"{API}/pulls/7"] = pull(forge.url, **landed)
        assert synced(world)[0]["added"] == ["merged"]
        answers[f"{API}/commits"] = [
            {
                "sha": "d" * 40,
                "author": person("ada"),
                "commit": {
                    "message": f'Revert "Mend"\n\nThis reverts commit {"a" * 40}.',
                    "committer": {"date": stamp(0), "name": "Ada", "email": "a@b.c"},
                },
            }
        ]
        assert synced(world)[0]["added"] == ["reverted"]
        told = trust(world)
        score = told["score"]
        assert isinstance(score, dict) and score["dependent"] == 0
        names = [factor["name"] for factor in score["factors"]]
        assert names == ["changes_requested", "reverted", "cap_reverted"]
        world.settings["GITHUB_TOKEN"] = ""
        assert synced(world)[0]["problem"] == ""  # it is settled: nobody is asked any more


@pytest.mark.parametrize("by", [None, person("runner"), person("robot", "Bot"), person("ada")])
def test_who_opens_a_request_does_not_judge_it(
    world: World, by: dict[str, object] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    with enterprise(world) as forge:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", world.settings["REQUESTS_CA_BUNDLE"])
        landed = {"merged": True, "merged_at": stamp(0), "merged_by": by, "state": "closed"}
        forge.told |= {
            f"{API}/pulls/7": pull(forge.url, **landed),
            f"{API}/pulls/7/reviews": [],
            f"{API}/commits": [],
        }
        fates = GithubFates(GithubForge(f"{forge.url}/o/r.git", lambda: TOKEN))
        base, commit = Oid("f" * 40), Oid("e" * 40)
        (became,) = fates.of(Requested(BRANCH, "main", base, commit, 7, b"", LONG_AGO))
        assert became.kind == "merged" and became.independent is (by == person("ada"))
