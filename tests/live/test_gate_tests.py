"""The tests gate over real sandboxes: tricks to pass it, and what it leaves behind."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from runner.case import Trial
from runner.errors import InfraError
from runner.gates.baseline import Baselines
from runner.ports import Engine
from runner.records.gate import GateReport
from runner.records.rigour import Rigour
from runner.records.sandbox import EngineName
from runner.sandbox.bubblewrap import BubblewrapEngine
from runner.sandbox.codex_package import locate
from tests.gated import PYTEST, Gated, pytest_layer
from tests.live.world import processes

pytestmark = pytest.mark.live

GOOD = "def add(a, b):\n    return a + b\n"
BAD = "def add(a, b):\n    return a - b\n"
TESTS = "from calc import add\n\n" + "".join(
    f"def test_{number}():\n    assert add({number}, 1) == {number + 1}\n\n" for number in range(10)
)
BASE = {
    "calc.py": GOOD,
    "tests/test_calc.py": TESTS,
    "tests/test_other.py": "def test_other():\n    pass\n",
    "conftest.py": "",
    "pytest.ini": "[pytest]\n",
}
Change = Mapping[str, str | None]

TRICKS: dict[str, Change] = {
    "exit while a module is imported": {"calc.py": f"import os\nos._exit(0)\n{BAD}"},
    "exit in the third test": {
        "calc.py": "import os\nseen = []\ndef add(a, b):\n    seen.append(a)\n"
        "    return a - b if len(seen) < 3 and seen.pop() else os._exit(0)\n"
    },
    "exit that is not spelled": {"calc.py": f"import ctypes\nctypes.CDLL(None).exit(0)\n{BAD}"},
    "another program in its place": {
        "calc.py": "import os\nprint('11 passed in 0.01s', flush=True)\n"
        f"os.execvp('true', ['true'])\n{BAD}"
    },
    "a forked child that says it went well": {
        "calc.py": "import os, signal\nif os.fork() == 0:\n"
        "    print('11 passed in 0.01s', flush=True)\n    os.kill(os.getppid(), signal.SIGKILL)\n"
        f"{BAD}"
    },
    "a handler of its own for being alarmed": {
        "calc.py": "import os, signal\nsignal.signal(signal.SIGALRM, lambda *_: os._exit(0))\n"
        f"signal.setitimer(signal.ITIMER_REAL, 0.001)\n{BAD}"
    },
    "exit at exit": {"calc.py": f"import atexit, os\natexit.register(os._exit, 0)\n{BAD}"},
    "pytest's own way out": {
        "calc.py": "import importlib\ndef add(a, b):\n"
        "    importlib.import_module('py' + 'test').exit('enough', returncode=0)\n"
    },
    "tests that skip themselves": {
        "calc.py": "from unittest import SkipTest\ndef add(a, b):\n    raise SkipTest('not here')\n"
    },
    "a report that cannot count failures": {
        "calc.py": "import _pytest.junitxml as report\n"
        "report._NodeReporter.append_failure = lambda *_: None\n"
        f"{BAD}"
    },
    "a session that ends well": {
        "conftest.py": "def pytest_sessionfinish(session):\n    session.exitstatus = 0\n",
        "calc.py": BAD,
    },
    "a report written by the tree": {
        "conftest.py": "import os, shlex\ndef pytest_unconfigure():\n"
        "    for word in shlex.split(os.environ['PYTEST_ADDOPTS']):\n"
        "        if word.startswith('--junitxml='):\n"
        "            with open(word[11:], 'w') as file:\n"
        "                file.write('<testsuites/>')\n"
        "    os._exit(0)\n",
        "calc.py": BAD,
    },
    "tests that are collected elsewhere": {
        "pytest.ini": "[pytest]\ntestpaths = tests/test_other.py\n",
        "calc.py": BAD,
    },
    "tests that are not collected": {
        "tests/conftest.py": "collect_ignore = ['test_calc.py']\n",
        "calc.py": BAD,
    },
    "tests under other names": {
        "tests/test_calc.py": TESTS.replace("def test_", "def check_"),
        "calc.py": BAD,
    },
    "a teardown that leaves": {
        "tests/test_calc.py": "import os, pytest\n@pytest.fixture(autouse=True)\ndef done():\n"
        f"    yield\n    os._exit(0)\n{TESTS}",
        "calc.py": BAD,
    },
    "a module mended while it is tested": {
        "calc.py": "import os\nme = open(__file__).read()\nopen(__file__, 'w').write("
        "'def add(a, b):\\n    return a + b\\n')\nif os.fork() == 0:\n"
        "    import time\n    time.sleep(0.2)\n    open(__file__, 'w').write(me)\n    os.abort()\n"
        "exec(open(__file__).read())\n"
    },
    "a file that hides what was written": {
        "calc.py": "import os\nopen(__file__, 'a').write('#')\n"
        "os.path.exists('pipe') or os.mkfifo('pipe')\n"
        f"{GOOD}"
    },
}
"""Changes that are wrong, and make a run of the tests look right."""

NAMED: dict[str, Change] = {
    "code that sees by whom it is called": {
        "calc.py": "import sys\ndef add(a, b):\n"
        "    return a + b if sys._getframe(1).f_code.co_name[:4] == 'test' else a - b\n"
    },
    "an answer that is equal to everything": {
        "calc.py": "class Any(int):\n    def __eq__(self, other):\n        return True\n"
        "    __hash__ = None\ndef add(a, b):\n    return Any()\n"
    },
}
"""Code that behaves while it is tested: no run of the tests tells it, only its text does."""

UNSEEN: dict[str, Change] = {
    "an answer that is equal to nearly everything": {
        "calc.py": "class Any(int):\n    def __eq__(self, other):\n"
        "        return other is not self\n    __hash__ = None\n"
        "def add(a, b):\n    return Any()\n"
    },
    "an answer that is known beforehand": {
        "calc.py": "def add(a, b):\n    return a + b if b == 1 else a - b\n"
    },
}
"""What neither gate sees. For the reviewer, and for you."""


@pytest.fixture(scope="module")
def engines() -> Callable[[str], Engine]:
    def made(name: str) -> Engine:
        if name == "bubblewrap":
            return BubblewrapEngine(locate())
        from runner.sandbox.docker import DockerEngine

        return DockerEngine(locate())

    return made


@pytest.fixture
def engine_name(request: pytest.FixtureRequest) -> EngineName:
    name: EngineName = getattr(request, "param", "bubblewrap")
    return name


@pytest.fixture
def engine(engine_name: EngineName, engines: Callable[[str], Engine]) -> Engine:
    found = engines(engine_name)
    try:
        failed = [check for check in found.checks() if check.required and not check.ok]
    except InfraError as error:
        pytest.skip(str(error))
    if failed:
        pytest.skip("; ".join(f"{check.name}: {check.detail}" for check in failed))
    return found


@pytest.fixture(scope="module")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Engine], Path]:
    made: dict[int, Path] = {}

    def get(engine: Engine) -> Path:
        if engine.uid not in made:
            place = tmp_path_factory.mktemp("layer")
            made[engine.uid] = pytest_layer(place, engine.uid)
        return made[engine.uid]

    return get


@pytest.fixture(scope="module")
def baselines(tmp_path_factory: pytest.TempPathFactory) -> Baselines:
    return Baselines(tmp_path_factory.mktemp("baselines"))


@pytest.fixture
def gated(
    engine: Engine, tmp_path: Path, layer: Callable[[Engine], Path], baselines: Baselines
) -> Gated:
    tmp_path.chmod(0o755)
    return Gated(engine, tmp_path / "gated", (layer(engine),), baselines=baselines)


both_engines = pytest.mark.parametrize(
    "engine_name", ["bubblewrap", pytest.param("docker", marks=pytest.mark.docker)], indirect=True
)


def codes(report: GateReport) -> list[str]:
    return [finding.code for finding in report.findings]


@pytest.mark.parametrize("trick", TRICKS)
def test_no_trick_passes_unseen(gated: Gated, trick: str) -> None:
    gated.rigour = Rigour(retries=0)
    assert gated.tests(BASE, TRICKS[trick]).verdict == "refused", "by the run alone"


@pytest.mark.parametrize("trick", NAMED)
def test_what_only_its_text_tells(gated: Gated, trick: str) -> None:
    tamper, tests = gated.judged(BASE, NAMED[trick])
    assert (tamper.verdict, tests.verdict) == ("refused", "passed")


@pytest.mark.parametrize("trick", UNSEEN)
def test_what_is_not_seen(gated: Gated, trick: str) -> None:
    tamper, tests = gated.judged(BASE, UNSEEN[trick])
    assert (tamper.verdict, tests.verdict) == ("passed", "passed")


FORGED = """import os, re
def add(a, b):
    where = [w for v in os.environ.values() for w in v.split() if w.startswith('--junit')]
    names = re.findall('def (test_[a-z0-9]+)', open('tests/test_calc.py').read())
    rows = [('test_calc', name) for name in names] + [('test_other', 'test_other')]
    case = '<testcase classname="tests.{0}" name="{1}" file="tests/{0}.py"/>'
    body = ''.join(case.format(*row) for row in rows)
    open(where[0].partition('=')[2], 'w').write(f'<testsuites>{body}</testsuites>')
    SAY
    os.execvp('true', ['true'])
"""
SAY_PAST_CAPTURE = """
    for number in map(int, os.listdir('/proc/self/fd')):
        try:
            if number > 2 and 'pipe' in os.readlink(f'/proc/self/fd/{number}'):
                os.write(number, b'11 passed in 0.01s\\n')
                break
        except OSError:
            pass
"""


def test_a_forged_report_does_not_agree_with_what_was_printed(gated: Gated) -> None:
    _, tests = gated.judged(BASE, {"calc.py": FORGED.replace("SAY", "print('11 passed in 0s')")})
    assert (tests.evidence["told_by"], codes(tests)) == ("junit", ["tests.contradiction"])


def test_everything_forged_is_seen_by_its_text_alone(gated: Gated) -> None:
    """It runs in the tests' process: whatever they can say, it can say, if it goes this far. Only
    its text gives it away, to a reader."""
    change = {"calc.py": FORGED.replace("    SAY\n", SAY_PAST_CAPTURE)}
    tamper, tests = gated.judged(BASE, change)
    assert tests.verdict == "passed", "what it says cannot be told from the truth"
    assert tamper.verdict == "refused", "how it gets there is named"


@both_engines
def test_results_are_brought_out_and_kept_out_of_the_log(gated: Gated) -> None:
    report = gated.tests(BASE, {"calc.py": GOOD.replace("a + b", "b + a")})
    counts = {"executed": "11", "failed": "0", "skipped": "0", "new": "0", "gone": "0"}
    assert (report.verdict, report.findings) == ("passed", ())
    assert counts.items() <= report.evidence.items()
    log = (gated.place / "tests.log").read_text()
    assert "11 passed" in log and "<testsuite" not in log


@both_engines
def test_nothing_outlives_the_gate(gated: Gated) -> None:
    token = f"left-behind-{os.getpid()}-{gated.engine.name}"
    leave = (
        "import subprocess, sys\ndef test_leave():\n"
        f"    subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(300)', '{token}'],\n"
        "        start_new_session=True, stdin=-3, stdout=-3, stderr=-3)\n"
    )
    report = gated.tests(BASE, {"tests/test_leave.py": leave})
    assert (report.verdict, report.evidence["executed"]) == ("passed", "12")
    assert processes(token) == []


@both_engines
def test_a_tracked_file_that_the_tests_write_is_named(gated: Gated) -> None:
    writes = "def test_write():\n    open('pytest.ini', 'a').write('')\n"
    report = gated.tests(BASE, {"tests/test_write.py": writes})
    assert [(each.code, each.path) for each in report.findings] == [
        ("tests.tree-changed", "pytest.ini")
    ]
    assert report.verdict == "passed"
    gated.place = gated.place / "strict"
    gated.rigour = Rigour(strict=True)
    assert gated.tests(BASE, {"tests/test_write.py": writes}).verdict == "refused"


def test_failures_of_the_base_are_told_apart(gated: Gated) -> None:
    broken = {**BASE, "tests/test_old.py": "def test_old():\n    assert False, 'since ever'\n"}
    report = gated.tests(broken, {"calc.py": GOOD.replace("a + b", "b + a")})
    assert codes(report) == ["tests.failed", "tests.failed-before"]
    assert "as on the base: AssertionError: since ever" in report.findings[1].why
    assert gated.runs == ["tests-base", "tests"], "old failures are not tried again"
    gated.place, gated.rigour = gated.place / "asked", Rigour(baseline=True)
    report = gated.tests(broken, {"calc.py": GOOD.replace("a + b", "b + a")})
    assert (report.verdict, codes(report)) == ("passed", ["tests.failed-before"])
    gated.place = gated.place / "worse"
    report = gated.tests(broken, {"calc.py": BAD})
    assert report.verdict == "refused"
    assert report.evidence["newly_failed"] == "10"
    assert gated.runs.count("tests-base") == 1, "it is remembered"


def test_tests_that_the_task_lets_go(gated: Gated) -> None:
    gated.may_change_tests = ("tests/test_other.py",)
    report = gated.tests(BASE, {"tests/test_other.py": None})
    assert report.verdict == "passed"
    assert [finding.why.partition(":")[0] for finding in report.findings] == ["warning"]
    assert "tests.test_other::test_other was executed on the base" in report.findings[0].why


def test_changed_configuration_is_said(gated: Gated) -> None:
    report = gated.tests(BASE, {"pytest.ini": "[pytest]\naddopts = -q\n"})
    assert report.summary.endswith("; run with changed test configuration: pytest.ini")


def test_coverage_of_the_changed_lines(gated: Gated) -> None:
    told = (
        '<coverage><class filename="calc.py"><line number="2" hits="1"/>'
        '<line number="3" hits="0"/></class></coverage>'
    )
    gated.command = f"{PYTEST} && printf '%s' '{told}' > coverage.xml"
    gated.rigour = Rigour(coverage=80, coverage_file="coverage.xml")
    changed = {"calc.py": "def add(a, b):\n    total = a + b\n    return total\n"}
    report = gated.tests(BASE, changed)
    assert report.verdict == "refused"
    assert report.evidence["coverage"] == "1 of 2 changed lines covered (50 %)"
    assert "not covered: calc.py:3" in report.findings[0].why
    gated.place, gated.rigour = (
        gated.place / "lower",
        Rigour(coverage=50, coverage_file="coverage.xml"),
    )
    assert gated.tests(BASE, changed).verdict == "passed"
    gated.place, gated.command = gated.place / "none", PYTEST
    assert codes(gated.tests({**BASE, "coverage.xml": told}, changed)) == ["tests.coverage-missing"]


def test_what_a_command_says_of_itself_without_a_report(gated: Gated) -> None:
    cases = "import unittest\nclass T(unittest.TestCase):\n" + "".join(
        f"    def test_{name}(self):\n        pass\n" for name in "abc"
    )
    gated.command = "python3 -m unittest discover -v -s tests"
    base = {"tests/test_t.py": cases}
    report = gated.tests(base, {"tests/test_t.py": cases.replace("test_b", "check_b")})
    assert (report.evidence["told_by"], codes(report)) == ("unittest", ["tests.gone"])
    gated.place, gated.command = gated.place / "quiet", "python3 -m unittest discover -s tests"
    report = gated.tests(base, {"tests/test_t.py": cases.replace("test_b", "check_b")})
    assert codes(report) == ["tests.fewer"]


def test_a_trial_brings_back_only_what_was_asked(gated: Gated) -> None:
    trial = Trial("mkfifo p; ln -s /dev/zero z; ln -s x x; printf a > f", files=(*"pzxf",))
    with gated.case(BASE, {"calc.py": BAD}) as case:
        assert dict(case.test(trial).files) == {"f": b"a"}


@both_engines
def test_every_way_to_write_a_tracked_file_is_seen(gated: Gated) -> None:
    base = {**BASE, "a/one.py": "1", "a/b/two.py": "2", "c/three.py": "3", "d": "4", "e/five": "5"}
    trial = Trial(
        "rm -r a/b && mv c moved && chmod +x d && rm -r e && mkdir e && echo x > e/new"
        " && printf '' >> calc.py && touch untracked && cat conftest.py"
    )
    with gated.case(base, {"new.py": "1\n"}) as case:
        run = case.test(trial)
    assert (run.exit.code, run.tree_unread) == (0, "")
    assert run.tree_changed == ("a/b/two.py", "c/three.py", "calc.py", "d", "e/five")
