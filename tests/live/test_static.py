"""Analysers in real sandboxes, and gates of another package in a whole run."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.demo.model import Say, Shell
from runner.gates import static
from runner.ports import Engine
from runner.records.base import RunId
from runner.records.gate import GateReport
from runner.records.sandbox import Overlay, StopReason, Walls
from runner.records.static import Analysed, Analysis, StaticRules
from runner.sandbox import analysis as analysing
from runner.sandbox.analysis import run_analysis
from tests.example_gates import NAME, install
from tests.fakes import CaseBuilder, Tree
from tests.live.world import FIX, World

pytestmark = pytest.mark.live
RUN = RunId("20261120-102233-7f3a9c")
WORKFLOW = b"""\
name: greet
on: pull_request_target
permissions: {}
jobs:
  greet:
    runs-on: ubuntu-latest
    steps:
      - run: echo ${{ github.event.pull_request.title }}
"""
EVIL = b"import pickle\nprint(pickle.loads(eval(input())))  # noqa\n"
LINT = """\
import json, sys
def row(path, number):
    place = {"artifactLocation": {"uri": path}, "region": {"startLine": number}}
    told = {"ruleId": "line", "level": "error", "message": {"text": "no lines"}}
    return {**told, "locations": [{"physicalLocation": place}]}
rows = [row(path, n) for path in sys.argv[1:] for n, _ in enumerate(open(path), 1)]
run = {"tool": {"driver": {"name": "l"}}, "results": rows}
print(json.dumps({"version": "2.1.0", "runs": [run]}))
"""
PYTHON = "python3 -I -c 'import sys; from pathlib import Path\n%s' \"$@\""


def never() -> StopReason | None:
    return None


def analyse(engine: Engine, asked: Analysis, overlay: Overlay | None = None) -> Analysed:
    return run_analysis(engine, overlay, asked, run=RUN, walls=Walls(wall_s=60), halted=never)


def judge(engine: Engine, old: Tree, new: Tree, rules: StaticRules | None = None) -> GateReport:
    case = CaseBuilder(
        old=old,
        new=new,
        analyse=lambda asked: analyse(engine, asked),
        static=rules or StaticRules(),
    ).case()
    return static.check(case)


def test_python_and_workflows(engine: Engine) -> None:
    """The change's own configuration and comments are not heard; hostile names hide nothing."""
    config = b"[tool.ruff.lint]\nselect = []\nexclude = ['*']\n"
    new = {
        "pyproject.toml": config,
        "ruff.toml": b"exclude = ['*']\n",
        "build/node_modules/\n--exit-zero.py": EVIL,
        ".github/workflows/dependabot.yml": WORKFLOW,
        ".github/zizmor.yml": b"rules: {}\n",
    }
    report = judge(engine, {}, new)
    assert report.verdict == "refused"
    refused = {each.why.rpartition("(")[2] for each in report.findings if not each.is_warning}
    assert {"ruff S301)", "ruff S307)", "zizmor zizmor/template-injection)"} <= refused
    assert "static.not-run" not in {each.code for each in report.findings}


def test_what_the_base_had(engine: Engine) -> None:
    new = {"b.py": b"x = 1\n" + EVIL, ".github/workflows/a.yml": WORKFLOW + b"# words\n"}
    old = {"a.py": EVIL, ".github/workflows/a.yml": WORKFLOW}
    report = judge(engine, old, new)
    assert (report.verdict, report.findings) == ("passed", ())
    assert "ruff: 1 files, 0 new" in report.summary


def test_a_workflow_nobody_can_read(engine: Engine) -> None:
    report = judge(engine, {}, {".github/workflows/a.yml": b"a: [\n"})
    assert {each.code for each in report.findings if not each.is_warning} == {"static.failed"}


def test_a_program_that_is_not_there(engine: Engine) -> None:
    assert analyse(engine, Analysis("no-such-analyser", {"0001/a": b""}, "alone")).exit.code == 127


def test_too_much_of_an_answer(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(analysing, "OUTPUT_BYTES", 1000)
    answer = analyse(engine, Analysis("head -c 100000 /dev/zero", {"a": b""}, "alone"))
    assert answer.exit.stopped == "output"


def test_files_over_a_checkout(engine: Engine, overlay: Overlay) -> None:
    """Where a symbolic link was is a file now, and nothing else is another one."""
    script = "print(Path(sys.argv[1]).read_text(), Path.cwd(), len([*Path().iterdir()]) > 3)"
    answer = analyse(engine, Analysis(PYTHON % script, {"./new/-a b.q": b"hi"}, "over"), overlay)
    assert answer.output.split() == [b"hi", b"/work", b"True"], answer


def test_files_beside_a_checkout(engine: Engine, overlay: Overlay) -> None:
    command = 'cat "$FILES/$1"; pwd; test ! -e new'
    answer = analyse(engine, Analysis(command, {"./new/a": b"hi\n"}, "beside"), overlay)
    assert (answer.output.split(), answer.exit.code) == ([b"hi", b"/work"], 0)


def test_a_whole_run_is_refused(world: World) -> None:
    code = "import subprocess\n\n\ndef go(word):\n    return subprocess.run(word, shell=True)\n"
    write = Shell(f"printf %s '{code}' > tally/go.py")
    ended = world.run(steps=(*FIX[:-1], write, Say("Done.")))
    told = [ended.gates[name] for name in ("static", "tests", "review")]
    assert (ended.code, told) == (1, ["refused", "passed", "not-run"])
    [report] = [each for each in ended.report.gates if each.gate == "static"]
    assert "tally/go.py" in {each.path for each in report.findings}


def test_a_policys_analyser(world: World) -> None:
    """It comes from the base; what the change wants of it is not heard."""
    lint = world.sample.repository / "lint.py"
    lint.write_text(LINT)
    policy = '[static]\nrefuse = "error"\n[static.analysers.own]\n'
    policy += 'command = \'python3 lint.py "$@"\'\npaths = ["tally/**"]\n'
    (world.sample.repository / ".codex-runner.toml").write_text(policy)
    world.commit("Lint it")
    world.ask()
    spoil = Shell("echo 'X = 1' > lint.py")
    ended = world.run(steps=(*FIX[:-1], spoil, Say("Done.")))
    assert (ended.code, ended.gates["static"]) == (1, "refused"), ended.report.gates
    [report] = [each for each in ended.report.gates if each.gate == "static"]
    assert "static.own" in {each.code for each in report.findings}


def test_a_gate_of_another_package(world: World, tmp_path: Path) -> None:
    site = install(tmp_path / "example")
    world.settings["PYTHONPATH"] = str(site)
    ended = world.run()
    assert ended.code == 0 and NAME not in ended.gates, "it is installed, and nobody asked for it"
    config = world.home / ".config" / "codex-runner" / "config.toml"
    config.parent.mkdir(parents=True)
    config.write_text(f'gates = ["{NAME}"]\n')
    add = Shell("echo 'X = 1' > tally/more.py")
    ended = world.run(steps=(*FIX[:-1], add, Say("Done.")))
    assert (ended.code, ended.gates[NAME]) == (1, "refused"), ended
    config.write_text('gates = ["acme.none"]\n')
    ended = world.run()
    assert (ended.code, "acme.none" in ended.error[0]) == (2, True), ended
