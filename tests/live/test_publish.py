"""The last step, with remotes and forges that refuse: nothing half-pushed, the patch kept."""

from __future__ import annotations

import pytest

from runner.demo.model import ScriptedModel, verdict
from tests.live.github import TOKEN, enterprise
from tests.live.world import FIX, Ended, World

pytestmark = pytest.mark.live
INFRA = 3
PULLS = "/api/v3/repos/o/r/pulls"


def check_kept(world: World, ended: Ended) -> None:
    """It could all be published by hand."""
    assert ended.report.conclusion == "infra-error"
    assert set(ended.gates.values()) == {"passed"}
    assert world.cli("apply", "--check").code == 0


def test_a_remote_that_refuses(world: World) -> None:
    hook = world.sample.remote / "hooks" / "pre-receive"
    hook.write_text("#!/bin/sh\necho codex/ is protected >&2; exit 1\n")
    hook.chmod(0o755)
    ended = world.run()
    world.check_failed(ended, INFRA, "push of codex/", "codex/ is protected")
    check_kept(world, ended)


def test_a_remote_that_goes_away(world: World) -> None:
    """While the reviewer reads."""
    kept = world.home / "kept.git"

    def review(prompt: str) -> str:
        world.sample.remote.rename(kept)
        return verdict(prompt)

    with ScriptedModel(FIX, review=review) as model:
        ended = world.run_with(model)
    kept.rename(world.sample.remote)
    world.check_failed(ended, INFRA, "remote.git")
    check_kept(world, ended)


def test_a_remote_that_cannot_be_reached(world: World) -> None:
    url = "https://127.0.0.1:9"
    world.git("remote", "set-url", "origin", f"{url}/o/r.git", at=world.sample.repository)
    world.settings |= {
        "CODEX_RUNNER_FORGE": "github",
        "CODEX_RUNNER_GITHUB_URL": url,
        "GITHUB_TOKEN": TOKEN,
    }
    ended = world.run()
    world.check_failed(ended, INFRA, "127.0.0.1")
    check_kept(world, ended)


def test_a_request_that_cannot_be_written(world: World) -> None:
    """The local forge's place is taken by a file: the branch is withdrawn."""
    place = world.sample.remote.with_name("remote.git.requests")
    place.touch()
    ended = world.run()
    place.unlink()
    world.check_failed(ended, INFRA, "cannot write the request")
    check_kept(world, ended)


def check_no_token(world: World, ended: Ended) -> None:
    assert TOKEN not in ended.stdout + ended.stderr
    for path in world.state.rglob("*"):
        assert not path.is_file() or TOKEN.encode() not in path.read_bytes()


def test_github(world: World) -> None:
    with enterprise(world) as github:
        ended = world.run()
    assert ended.code == 0, ended
    report = ended.report
    assert report.plan and report.publication and report.patch
    assert report.publication.url == f"{github.url}/o/r/pull/7"
    assert world.branches() == {f"refs/heads/{report.plan.branch}": report.patch.commit}
    assert github.pulls[0]["asked"]["draft"] is True  # type: ignore[index]
    check_no_token(world, ended)
    world.check_tidy()


@pytest.mark.parametrize("status", [503, 403])
def test_github_fails_after_the_push(world: World, status: int) -> None:
    with enterprise(world) as github:
        github.status = status
        ended = world.run()
    assert {f"POST {PULLS}", "POST /o/r.git/git-receive-pack"} <= {*github.asked}
    world.check_failed(ended, INFRA, f"GitHub answered {status}")
    check_kept(world, ended)
    check_no_token(world, ended)


def test_github_does_not_know_the_token(world: World) -> None:
    with enterprise(world):
        world.settings["GITHUB_TOKEN"] = "ghp_" + "wr0ng" * 7
        ended = world.run()
    world.check_failed(ended, INFRA, "o/r.git")
    assert "ghp_wr0ng" not in ended.stdout + ended.stderr


def test_github_without_a_token(world: World) -> None:
    with enterprise(world) as github:
        world.settings["GITHUB_TOKEN"] = ""
        ended = world.run()
    world.check_failed(ended, 2, "GITHUB_TOKEN")
    assert ended.report.agent is None
    assert not github.asked
