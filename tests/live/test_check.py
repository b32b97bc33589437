"""`check`, `explain`, `show --sarif`: the gates for people, through the real CLI."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from runner.demo.model import ScriptedModel, verdict
from runner.ledger.folder import folders
from tests.live.world import NOWHERE, Ended, World
from tests.unit.test_sarif import written

pytestmark = pytest.mark.live
ALONE = ("--no-review",)
CHEAP = ("--no-review", "--no-tests")
BROKEN = "return ordered[len(ordered) // 2]"
POLICY = """\
test = "python3 -m unittest -q"
protected = ["vault/"]
[limits]
lines = 20
"""


@pytest.fixture
def world(world: World) -> World:
    """On a branch of its own, whose target is known and has a policy."""
    here = world.sample.repository
    (here / ".codex-runner.toml").write_text(POLICY)
    world.commit("Policy")
    world.git("remote", "set-head", "origin", "main", at=here)
    world.git("checkout", "-q", "-b", "topic", at=here)
    return world


def check(world: World, *words: str, upstream: str = NOWHERE) -> Ended:
    before = folders(world.state)
    done = world.cli("check", *words, upstream=upstream)
    return world.ended(done.code, done.stdout, done.stderr, before)


def test_a_good_branch_passes_as_it_would_in_a_run(world: World) -> None:
    file = world.sample.repository / "tally/stats.py"
    file.write_text(
        file.read_text().replace(
            BROKEN,
            "middle = len(ordered) // 2\n"
            "    if len(ordered) % 2:\n        return ordered[middle]\n"
            "    return (ordered[middle - 1] + ordered[middle]) / 2",
        )
    )
    dirty = check(world, *ALONE)
    assert dirty.code == 2 and dirty.folder is None, dirty
    assert "uncommitted changes: tally/stats.py" in dirty.error[0]
    world.commit("Mend the median", push=False)

    before = world.files()
    with ScriptedModel((), review=verdict) as model:
        ended = check(world, upstream=model.url)
    assert ended.code == 0, ended
    report = ended.report
    assert report.conclusion == "judged" and report.agent is None
    assert {*ended.gates.values()} <= {"passed", "waived"}
    assert {"paths", "size", "secrets", "tests", "review"} <= ended.gates.keys()
    assert report.patch and report.plan and report.plan.task.title == "Mend the median"
    head = world.git("rev-parse", "HEAD", at=world.sample.repository)
    assert report.patch.commit == head
    assert world.files() == before, "the repository is not touched"
    assert not world.branches() and not world.requests()
    world.check_signed(ended)
    world.check_tidy()


def test_what_a_reviewer_needs_is_asked_for_first(world: World) -> None:
    world.settings["OPENAI_API_KEY"] = ""
    ended = check(world)
    assert ended.code == 2 and ended.folder is None
    assert "OPENAI_API_KEY" in ended.error[0] and "--no-review" in ended.error[1]


def test_a_branch_without_changes_is_told_so(world: World) -> None:
    ended = check(world, *CHEAP)
    assert ended.code == 7 and "nothing to judge" in ended.error[0]
    assert ended.folder is None


def test_failing_tests_refuse(world: World) -> None:
    file = world.sample.repository / "tally/stats.py"
    file.write_text(file.read_text().replace("sum(values) /", "sum(values) *"))
    world.commit("Break it", push=False)
    ended = check(world, *ALONE)
    assert ended.code == 1 and ended.gates["tests"] == "refused", ended


def test_refusals_are_told_in_every_form(world: World, tmp_path: Path) -> None:
    here = world.sample.repository
    (here / "vault").mkdir()
    (here / "vault/a,b%\n::error::x").write_text("x\n" * 30)
    (here / ".github").mkdir()
    (here / ".github/x.yml").write_text("on: push\n")
    world.commit("::error title=evil::do as I say\n\n##[command]evil", push=False)
    world.settings["GITHUB_ACTIONS"] = "true"
    sarif = tmp_path / "found.sarif"
    ended = check(world, *CHEAP, "--sarif", str(sarif))
    assert ended.code == 1 and {ended.gates["paths"], ended.gates["size"]} == {"refused"}
    found = {(each.code, each.layer) for gate in ended.report.gates for each in gate.findings}
    assert ("paths.protected", ".codex-runner.toml, line 2") in found
    assert ("paths.protected", "built-in") in found
    assert ("size.lines", ".codex-runner.toml, line 4") in found

    orders = [row for row in ended.stderr.splitlines() if row.lstrip().startswith(("::", "##["))]
    told = sorted(row.partition(" ")[0] for row in orders)
    assert told == ["::error", "::error", "::error", "::warning"], orders
    assert any("title=class.ci" in row for row in orders if row.startswith("::warning")), orders
    assert any("file=%22" in row or 'file="vault/a%2Cb%25\\n' in row for row in orders), orders
    assert "::error title=evil" not in ended.stdout + ended.stderr

    results = written(sarif.read_text())["results"]
    assert sorted(each["level"] for each in results) == ["error"] * 3 + ["warning"]
    uris = [r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in results]
    assert "vault/a%2Cb%25%0A%3A%3Aerror%3A%3Ax" in uris

    explaining = world.cli("explain", "--json")
    assert explaining.code == 0, explaining
    explained = json.loads(explaining.stdout)
    assert explained["vouched"] and explained["conclusion"] == "refused"
    by_code = {each["code"]: each for each in explained["refusals"]}
    assert by_code["size.lines"]["rule"] == "limits.lines"
    assert by_code["size.lines"]["who"] == ["author", "task", "operator"]
    plain = world.cli("explain").stdout.decode()
    assert "set by .codex-runner.toml, line 4" in plain and "not run: --no-review" in plain
    assert not any(row.lstrip().startswith("::") for row in plain.splitlines())

    again = tmp_path / "again.sarif"
    shown = world.cli("show", "--sarif", str(again), "--annotations")
    assert again.read_text() == sarif.read_text()
    assert [row for row in shown.stderr.decode().splitlines() if row.startswith("::")] == orders


def test_a_secret_that_passed_through_the_history_is_found(world: World) -> None:
    here = world.sample.repository
    (here / "notes.md").write_text("key AKIA" + "QYLPMN5HFIQR7XYA\n")
    world.commit("Notes", push=False)
    (here / "notes.md").write_text("no key\n")
    world.commit("Take it out", push=False)
    ended = check(world, *CHEAP)
    assert ended.code == 1 and ended.gates["secrets"] == "refused", ended
    found = [each.why for gate in ended.report.gates for each in gate.findings]
    assert any("an earlier commit's notes.md" in why for why in found), found


def test_patch_files(world: World, tmp_path: Path) -> None:
    here = world.sample.repository
    (here / "new.txt").write_text("new\n")
    world.commit("New", push=False)
    good = tmp_path / "good.patch"
    good.write_text(world.git("diff", "main", "topic", at=here) + "\n")
    world.git("checkout", "-q", "main", at=here)
    (here / "README.md").write_text("dirty\n")
    before = world.files()
    ended = check(world, str(good), *CHEAP, "--limit", "lines=7")
    assert ended.code == 0, ended
    assert ended.report.plan and ended.report.plan.limits.lines == 7, "the words of a run"
    assert ended.report.patch and [c.path for c in ended.report.patch.changes] == ["new.txt"]
    evil = tmp_path / "evil.patch"
    evil.write_text(
        "diff --git a/../out b/../out\nnew file mode 100644\n--- /dev/null\n+++ b/../out\n"
        "@@ -0,0 +1 @@\n+x\n"
    )
    ended = check(world, str(evil), *CHEAP)
    assert ended.code == 2 and "invalid path" in ended.error[0], ended
    assert not (here.parent / "out").exists()
    assert world.files() == before
    absent = check(world, str(tmp_path / "absent"), *CHEAP)
    assert absent.code == 2 and absent.folder is None
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert "not a regular file" in check(world, str(fifo), *CHEAP).error[0]
