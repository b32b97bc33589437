"""Reviewers at a provider of their own, in whole runs of the real codex; and what ends a review."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.demo.model import KEY, ScriptedModel, Shell, Tokens
from runner.demo.sample import AUTHOR_MODEL, REVIEWER_MODEL
from tests.live.test_run import DONE, MEND
from tests.live.world import FIX, Ended, World

pytestmark = pytest.mark.live
ITS = "the-other-houses-key-42"
SMALL = 2000


def configure(world: World, reviewer: ScriptedModel, *more: str) -> None:
    path = world.home / ".config/codex-runner/config.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    own = ("[review.provider]", f'upstream = "{reviewer.url}"', 'key = "env:REVIEW_KEY"')
    path.write_text("\n".join((*more, *own)))
    world.settings["REVIEW_KEY"] = ITS


@contextmanager
def houses(
    served: tuple[str, str] = ("", ""), tokens: Tokens | None = None
) -> Iterator[tuple[ScriptedModel, ScriptedModel]]:
    """The author's and the reviewers'; neither takes the other's key."""
    with (
        ScriptedModel(FIX, served=served[0]) as author,
        ScriptedModel(key=ITS, served=served[1], tokens=tokens or Tokens()) as reviewer,
    ):
        yield author, reviewer


def told(model: ScriptedModel) -> str:
    """Everything it ever heard, headers included."""
    return json.dumps([(one.path, one.headers, one.body) for one in model.requests])


def findings(ended: Ended) -> list[str]:
    (review,) = [gate for gate in ended.report.gates if gate.gate == "review"]
    return [found.code for found in review.findings]


def test_two_houses_two_keys(world: World) -> None:
    with houses() as (author, reviewer):
        configure(world, reviewer, "[review]", f'reviewers = ["{REVIEWER_MODEL}", "second"]')
        dry = world.cli("run", "--dry-run", world.task, upstream=author.url)
        ended = world.run_with(author)
        assert ended.code == 0, ended
        assert author.requests and not any(request.reviews for request in author.requests)
        assert {r.headers["authorization"] for r in author.requests} == {f"Bearer {KEY}"}
        assert [r.body["model"] for r in reviewer.requests] == [REVIEWER_MODEL, "second"]
        assert {r.headers["authorization"] for r in reviewer.requests} == {f"Bearer {ITS}"}
        assert ITS not in told(author) and KEY not in told(reviewer)
        plan = json.loads(dry.stdout)
        assert (plan["upstream"], plan["review"]["upstream"]) == (author.url, reviewer.url)
        assert f"reviewed by {REVIEWER_MODEL}, second at {reviewer.url}" in ended.stdout
        sealed = json.loads((ended.path / "receipt.json").read_text())
        statement = json.loads(base64.b64decode(sealed["payload"]))["predicate"]
        assert statement["providers"] == {"agent": author.url, "review": reviewer.url}
        body = (ended.path / "report.md").read_text()
        assert "of another provider" in body
    world.check_signed(ended)
    world.check_tidy()
    kept = [path for path in world.state.rglob("*") if path.is_file() and not path.is_symlink()]
    assert not [path for path in kept if ITS.encode() in path.read_bytes()]


def test_the_reviewers_key_is_held_like_the_author_s(world: World) -> None:
    """The author writes it, in halves, so that the broker does not see it on its way."""
    first, second = ITS[:9], ITS[9:]
    leak = Shell(f"printf '# %s%s\\n' '{first}' '{second}' >> tally/words.txt")
    with houses() as (_, reviewer), ScriptedModel((MEND, leak, DONE)) as author:
        configure(world, reviewer)
        ended = world.run_with(author)
        assert reviewer.requests == []
    assert ended.code == 1 and ended.gates["secrets"] == "refused"
    assert "secrets.held" in ended.stdout


def test_without_its_key_nothing_starts(world: World) -> None:
    with houses() as (author, reviewer):
        configure(world, reviewer)
        del world.settings["REVIEW_KEY"]
        ended = world.run_with(author)
        assert not author.requests and not reviewer.requests
    world.check_failed(ended, 2, "[review.provider]: ", "REVIEW_KEY is not set")
    assert ended.error[1] == "export REVIEW_KEY=..."


def test_a_review_over_its_budget_is_refused_explained_and_resumed(world: World) -> None:
    """Two reviewers share what there is, and the first takes it all."""
    panel = ("[review]", f'reviewers = ["{REVIEWER_MODEL}", "second"]')
    with houses(tokens=Tokens(100, 0, SMALL)) as (author, reviewer):
        configure(world, reviewer, "[limits]", f"output_tokens = {SMALL}", *panel)
        ended = world.run_with(author)
        world.check_failed(
            ended, 5, "second, portion 1/1", f"budget ran out: output_tokens {SMALL}"
        )
        assert ended.gates["review"] == "refused" and findings(ended) == ["review.over-budget"]
        assert "raise output_tokens under [limits]" in ended.error[1]
        said = world.cli("explain").stdout.decode()
        assert "1. review.over-budget" in said and "nobody judged the change" in said
        assert re.search(r"rule +limits.output_tokens, set by .*config.toml, line \d", said), said
        assert "codex-runner resume" in said
        assert len(reviewer.requests) == 1, "the second one's request was not sent"

        configure(world, reviewer, "[limits]", f"output_tokens = {3 * SMALL}", *panel)
        again = world.cli("resume", upstream=author.url)
        assert again.code == 0, again
        assert len(reviewer.requests) == 3


def test_one_model_under_two_names_at_two_houses(world: World) -> None:
    with houses(served=("big-1-2026-03-01", "somebody/big-1")) as (author, reviewer):
        configure(world, reviewer)
        ended = world.run_with(author)
        assert len(reviewer.requests) == 1, "its answer was an approval"
    world.check_failed(ended, 1, "review")
    assert findings(ended) == ["review.same-model"]
    assert ended.report.plan is not None and ended.report.plan.model == AUTHOR_MODEL


def test_both_are_recorded_and_replayed_without_a_key(world: World, tmp_path: Path) -> None:
    kept = tmp_path / "kept"
    with houses() as (author, reviewer):
        configure(world, reviewer)
        assert world.run_with(author, "--record", str(kept), world.task).code == 0
    assert all(ITS not in file.read_text() for file in kept.glob("*.json"))
    world.settings |= {"OPENAI_API_KEY": "", "REVIEW_KEY": ""}
    again = world.run_with(None, "--replay", str(kept), world.task)
    assert (again.code, again.report.conclusion) == (0, "judged"), again
    assert again.report.plan is not None
    assert again.report.plan.review_upstream == again.report.plan.upstream == f"replay:{kept}"


def test_the_gates_alone_need_the_reviewers_key_only(world: World) -> None:
    (world.sample.repository / "NEWS").write_text("It is mended.\n")
    world.commit("Tell of it", push=False)
    words = ("check", "--base", "HEAD~1", "--no-tests")
    with houses() as (_, reviewer):
        configure(world, reviewer)
        world.settings["OPENAI_API_KEY"] = ""
        done = world.cli(*words)
        assert done.code == 0, done
        assert len(reviewer.requests) == 1
        del world.settings["REVIEW_KEY"]
        done = world.cli(*words)
        assert done.code == 2 and b"--no-review" in done.stderr, done
