"""Whole runs through the real CLI: what is published, what is kept, what is left alone."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from runner.demo.model import KEY, Patch, Say, ScriptedModel, Shell, Step, verdict
from runner.demo.sample import TEST
from runner.demo.scenarios import SCENARIOS
from runner.errors import Conclusion
from runner.process import Completed
from runner.records.report import RunReport
from runner.report.markdown import commit_message
from tests.live.world import FIX, World, both_engines, processes

pytestmark = pytest.mark.live
GATES = (
    *("paths", "size", "tamper", "dependencies", "secrets", "class", "guardrails"),
    *("static", "tests", "review"),
)
DONE = Say("Done.")
MEND = next(step for step in FIX if isinstance(step, Patch))


@both_engines
def test_published(world: World) -> None:
    before = world.files()
    ended = world.run()
    assert ended.code == 0, ended
    report = ended.report
    assert report.conclusion == "published"
    assert report.publication and report.patch and report.plan
    assert ended.gates == dict.fromkeys(GATES, "passed")

    branch, commit = f"refs/heads/{report.plan.branch}", report.patch.commit
    assert (report.publication.ref, report.publication.commit) == (branch, commit)
    assert world.branches() == {branch: commit}
    parents = world.git("rev-list", "--parents", "-1", commit).split()[1:]
    assert parents == [report.plan.base_commit] == [world.git("rev-parse", "main")]
    assert world.git("rev-parse", f"{commit}^{{tree}}") == report.patch.tree
    who = {*world.git("show", "-s", "--format=%an <%ae>%n%cn <%ce>", commit).splitlines()}
    assert who == {"codex-runner <codex-runner@localhost>"}
    assert world.git("show", "-s", "--format=%B", commit) == commit_message(report.plan).strip()
    assert world.git("diff", "--name-status", "main", commit) == "M\ttally/stats.py"

    facts, story = (Path(report.publication.url).parent / name for name in world.requests())
    assert report.publication.url == str(story)
    assert "approved by gpt-5.6-sol" in story.read_text()
    assert json.loads(facts.read_text())["commit"] == commit

    assert world.files() == before, "the repository is not touched"
    world.check_signed(ended)
    world.check_tidy()
    kept = {path.name for path in ended.path.iterdir()}
    assert kept >= {
        "plan.json",
        "events.jsonl",
        "broker.jsonl",
        "patch",
        "report.json",
        "report.md",
    }
    assert "Traceback" not in ended.stderr and report.publication.ref in ended.stdout


@both_engines
def test_the_key_is_nowhere(world: World) -> None:
    """`check_tidy` searches the run's folder as well."""
    look = "env; cat /proc/*/environ /proc/*/cmdline 2>&1 | tr '\\0' '\\n'; find / -name '*.sock'"
    world.ask(test=f"env; cat /proc/*/environ | tr '\\0' '\\n'; {TEST}")
    with ScriptedModel([Shell(look), MEND, DONE]) as model:
        ended = world.run_with(model)
    assert ended.code == 0, ended
    assert {heard.headers["authorization"] for heard in model.requests} == {f"Bearer {KEY}"}
    assert KEY not in json.dumps([heard.body for heard in model.requests])
    assert KEY not in ended.stdout + ended.stderr + (ended.path / "tests.log").read_text()
    world.check_tidy()


def test_a_task_from_stdin(world: World) -> None:
    ended = world.run("-", stdin=Path(world.task).read_bytes())
    assert ended.code == 0, ended
    plan = ended.report.plan
    assert plan and plan.task.source == "-" and plan.test == TEST


def test_a_task_from_the_command_line(world: World) -> None:
    with ScriptedModel(FIX) as model:
        ended = world.run_with(model, "--prompt", "Mend it; not $(touch x)", "--test", TEST)
    assert ended.code == 0, ended
    asked = json.dumps(model.requests[0].body["input"])
    assert "Mend it; not $(touch x)" in asked
    plan = ended.report.plan
    assert plan and plan.branch.startswith("codex/mend-it-not-touch-x-")


def test_the_repository_says_how_to_test(world: World) -> None:
    policy = world.sample.repository / ".codex-runner.toml"
    policy.write_text('test = "false"\n')
    world.commit("Say how to test")
    ended = world.run("--prompt", "Mend it")
    world.check_failed(ended, 1, "tests")
    assert ended.report.plan and ended.report.plan.test == "false"


def test_without_publishing(world: World) -> None:
    world.git("remote", "remove", "origin", at=world.sample.repository)
    ended = world.run("--no-publish", "--json", world.task)
    assert (ended.code, ended.stderr) == (0, ""), ended
    assert ended.report.conclusion == "judged" and ended.report.publication is None
    assert not world.branches() and not world.requests()
    world.check_signed(ended)
    world.check_tidy()


def test_two_at_a_time(world: World) -> None:
    def whole(_: int) -> Completed:
        with ScriptedModel(FIX) as model:
            return world.cli("run", "--json", world.task, upstream=model.url)

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(whole, range(2)))
    assert [done.code for done in both] == [0, 0], both
    reports = [RunReport.model_validate_json(done.stdout) for done in both]
    pushed = {report.publication.commit for report in reports if report.publication}
    assert {*world.branches().values()} == pushed and len(pushed) == 2
    world.check_tidy()


def test_dry_run_starts_nothing(world: World) -> None:
    before = world.files()
    with ScriptedModel(FIX) as model:
        ended = world.run_with(model, "--dry-run", world.task)
    assert (ended.code, ended.folder, model.requests) == (0, None, [])
    plan = json.loads(ended.stdout)
    assert plan["test"] == TEST and plan["limits"]["lines"] == 200
    assert world.files() == before
    world.check_tidy()


def test_the_verbs_about_a_refused_run(world: World) -> None:
    ended = world.run(steps=SCENARIOS["too-big"].steps)
    world.check_failed(ended, 1, "size")
    shown = json.loads(world.cli("show", "--json").stdout)
    assert shown["receipt"] == {"signature": "valid", "why": "", "mismatches": [], "recorded": True}
    assert shown["report"]["conclusion"] == "refused"
    assert "refused   size" in world.cli("show", ended.path.name[:18]).text()
    assert [row["conclusion"] for row in json.loads(world.cli("list", "--json").stdout)] == [
        "refused"
    ]
    assert "refused" in world.cli("list").text()
    assert "python3 -m unittest" in world.cli("logs").text()
    diff = world.cli("diff").stdout
    assert diff == (ended.path / "patch").read_bytes() and b"+++ b/tally/table.py" in diff

    assert world.cli("apply", "--check").code == 0
    applied = world.cli("apply", "--json")
    assert json.loads(applied.stdout)["files"] == ["tally/stats.py", "tally/table.py"]
    patch, here = ended.report.patch, world.sample.repository
    assert patch and world.git("write-tree", at=here) == patch.tree
    assert "already applied" in world.cli("apply").text()


def test_a_changed_patch_is_not_applied(world: World) -> None:
    ended = world.run("--no-publish", world.task)
    patch = ended.path / "patch"
    patch.write_bytes(patch.read_bytes().replace(b"middle", b"muddle"))
    done = world.cli("apply")
    assert done.code == 1 and b"does not vouch" in done.stderr
    assert "mismatches" in world.cli("show", "--json").text()
    assert not world.git("status", "--short", at=world.sample.repository)


@pytest.mark.parametrize(
    ("steps", "ending", "code"),
    [([DONE], "empty", 7), ([Shell("touch tally/new.pyc && rm tally/new.pyc"), DONE], "empty", 7)],
)
def test_nothing_to_do(world: World, steps: list[Step], ending: Conclusion, code: int) -> None:
    ended = world.run(steps=(*steps,))
    world.check_failed(ended, code, "changed nothing")
    assert ended.report.conclusion == ending


def test_a_reviewer_refuses(world: World) -> None:
    model = ScriptedModel(FIX, review=lambda prompt: verdict(prompt, "reject", "It is slow."))
    with model:
        ended = world.run_with(model)
    world.check_failed(ended, 1, "review")
    assert "It is slow." in ended.stdout


@pytest.mark.parametrize("answer", ["", "{}", "approve", '{"verdict": "approve"}'])
def test_a_reviewer_who_does_not_answer(world: World, answer: str) -> None:
    with ScriptedModel(FIX, review=lambda prompt: answer) as model:
        ended = world.run_with(model)
    world.check_failed(ended, 1, "review")


def test_a_reviewer_who_is_late(world: World) -> None:
    world.ask(limits={"review_s": 1})
    awaited = Event()
    with ScriptedModel(FIX, review=lambda prompt: str(awaited.wait(60))) as model:
        ended = world.run_with(model)
        awaited.set()
    world.check_failed(ended, 1, "review")
    assert "review.late" in ended.stdout


HOSTILE = {
    "a FIFO": ("mkfifo tally/pipe", "tally/pipe"),
    "a nested .git": ("mkdir -p sub/.git && echo ref: x > sub/.git/HEAD", "sub/.git"),
    "a .git look-alike": ("mkdir sub && echo gitdir: /x > sub/.GIT", "sub/.GIT"),
    "an escaping link": ("ln -s ../../etc/passwd tally/link", "tally/link"),
    "a setuid file": ("cp /bin/true tally/tool && chmod u+s tally/tool", "tally/tool"),
    "an unreadable file": ("echo x > tally/x && chmod 000 tally/x", "tally/x"),
}


@both_engines
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_tree_that_is_no_change(world: World, kind: str) -> None:
    command, path = HOSTILE[kind]
    ended = world.run(steps=(MEND, Shell(command), DONE))
    world.check_failed(ended, 1, path)
    assert ended.report.conclusion == "refused"


@both_engines
def test_the_agent_cannot_reach_what_is_covered(world: World) -> None:
    attempts = (
        "echo '[core] hooksPath=/x' >> .git/config; echo x > .git/new; rm -rf .git; mv .git git2",
        "mkdir .codex/a; echo x > .codex/config.toml; mv .codex c2; rmdir .agents; mv .agents a2",
        "ln -sfn /tmp .git; mkdir -p /tmp/g && mount --bind /tmp/g .git; git config a.b c",
        "git commit -qam x; git checkout -q -b other; git update-ref refs/heads/main HEAD~1",
    )
    ended = world.run(steps=(*(Shell(words) for words in attempts), MEND, DONE))
    assert ended.code == 0, ended
    patch = ended.report.patch
    assert patch and [change.path for change in patch.changes] == ["tally/stats.py"]
    assert world.git("diff", "--name-only", "main", patch.commit) == "tally/stats.py"
    world.check_tidy()


@both_engines
def test_a_daemon_does_not_outlive_the_agent(world: World) -> None:
    nap = "86.4321"
    late = (
        f"setsid nohup sh -c 'sleep 5; echo late > tally/late.py; sleep {nap}' > /dev/null 2>&1 &"
    )
    ended = world.run(steps=(Shell(late), MEND, DONE))
    assert ended.code == 0, ended
    assert not processes(nap)
    patch = ended.report.patch
    assert patch and [change.path for change in patch.changes] == ["tally/stats.py"]
    world.check_tidy()


@both_engines
def test_a_flood_of_output(world: World) -> None:
    """From the agent it ends the run, from the tests it is a refusal; the runner stays small."""
    world.ask(limits={"output_mib": 1})
    flood = Shell("head -c 150000000 /dev/zero | tr '\\0' x; echo; head -c 150000000 /dev/zero")
    with ScriptedModel([flood] * 8 + [MEND, DONE]) as model, world.started(model) as run:
        ended = run.end()
    assert run.peak_mib < 120
    world.check_failed(ended, 5, "output")


@both_engines
def test_a_flood_of_tests(world: World) -> None:
    world.ask(test="head -c 200000000 /dev/zero; echo; true")
    with ScriptedModel([MEND, DONE]) as model, world.started(model) as run:
        ended = run.end()
    assert run.peak_mib < 120
    world.check_failed(ended, 1, "tests")
