"""`policy replay` of real runs and `policy test` with the real secret scanner."""

from __future__ import annotations

import json

import pytest

from tests.live.terminal import at_terminal
from tests.live.world import World

pytestmark = pytest.mark.live
STRICT = 'protected = ["tally/"]\n[limits]\nlines = 2\n'
KEY = "AKIA" + "QYLPMN5HFIQR7XYA"
EXAMPLES = f"""\
[[examples]]
name = "no keys"
diff = [{{ path = "a.py", after = "aws_access_key_id = '{KEY}'" }}]
expect = {{ gate = "secrets", verdict = "refused" }}

[[examples]]
name = "documents pass every gate"
diff = [{{ path = "README.md", before = "a\\n", after = "b\\n" }}]
expect = {{ verdict = "passed", level = 2 }}
"""


def test_a_run_is_replayed_under_a_proposed_policy(world: World) -> None:
    ended = world.run()
    assert ended.code == 0 and ended.folder is not None, ended
    before = world.files()
    done = world.cli("policy", "replay", "--fail-on-change")
    assert done.code == 0, done
    assert "1 runs: 0 would change, 0 not replayed" in done.text()

    file = world.home / "requirements.toml"
    file.write_text(STRICT)
    done = world.cli("policy", "replay", "--policy", str(file), "--fail-on-change", "--json")
    assert done.code == 1, done
    (told,) = json.loads(done.stdout)
    fields = {each["field"]: each["what"] for each in told["fields"]}
    assert fields == {"limits.lines": "tighter", "protected": "tighter"}
    assert {each["gate"]: (each["old"], each["new"]) for each in told["gates"]} == {
        "paths": ("passed", "refused"),
        "size": ("passed", "refused"),
    }
    assert told["unjudged"] == "" and told["run"] == ended.folder.run
    assert world.files() == before
    world.check_tidy()


def test_examples_of_changes_meet_the_real_gates(world: World) -> None:
    file = world.home / "requirements.toml"
    file.write_text(EXAMPLES)
    done = world.cli("policy", "test", str(file))
    assert done.code == 0, done
    assert "examples: 2 hold, 0 failed; rules: 0" in done.text()
    assert world.cli("policy", "check", str(file)).code == 0
    world.check_tidy()


def test_the_command_line_tightens_one_run(world: World) -> None:
    words = ("--path", "docs/**", "--limit", "files=9999", "--limit", "attempts=1", "--level", "3")
    ended = world.run(world.task, *words)
    world.check_failed(ended, 1, "refused by: paths")
    plan = ended.report.plan
    assert plan and (plan.run_paths, plan.limits.attempts) == (("docs/**",), 1) and plan.paths
    assert plan.limits.files == 50 and plan.standing.level == 2
    told = [note for note in plan.notes if note.startswith(("limits.files", "level"))]
    assert len(told) == 2 and all("asks for" in note and "cut to" in note for note in told)
    [finding] = [each for gate in ended.report.gates for each in gate.findings if each.rule]
    assert (finding.code, finding.layer) == ("paths.outside", "--path")
    held = world.run(world.task, "--level", "1", "--limit", "lines=500")
    assert held.code == 6 and "level 1, task: level = 1, --level 1" in held.stderr, held
    digest = world.cli("approve", held.report.run).stdout.decode().split()[-1]
    done = at_terminal(world, "approve", held.report.run, digest)
    assert done.code == 0, f"{done}: it is the same policy, said again"
    assert len(world.branches()) == 1
