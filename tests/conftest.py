"""Guards: nothing of the person's machine leaks into tests; CI must not skip."""

from __future__ import annotations

import fcntl
import os
import shutil
import signal
from pathlib import Path

import hypothesis
import pytest

from runner.gates.scanner import Scanner
from runner.records.scan import Sample

NO_SKIPS = "RUNNER_TESTS_NO_SKIPS"
"""Set in CI: a skipped test is a failed suite there, and laws have the same examples each time, so
that a change answers for itself; everywhere else each run looks for new ones."""

OPTIONAL = {"runsc": "contracts/test_gvisor.py"}
"""Programs the suite can do without, and what is only collected where they are installed."""
ABSENT = [program for program in OPTIONAL if shutil.which(program) is None]
collect_ignore = [OPTIONAL[program] for program in ABSENT]

hypothesis.settings.register_profile(
    "any machine",
    deadline=None,  # no test is timed
    derandomize=NO_SKIPS in os.environ,
)
hypothesis.settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def _hearing() -> None:
    """One started in the background ignores SIGINT, and a shell that begins so cannot trap it."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory) -> None:
    """One for all tests, and none of the person's: what is compiled into it is compiled once."""
    os.environ["XDG_CACHE_HOME"] = str(_of_all_workers(tmp_path_factory) / "cache")


def _of_all_workers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


@pytest.fixture(autouse=True)
def _fenced(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A home of its own, no keys, no proxies, no git settings of the person running the suite."""
    home = tmp_path_factory.mktemp("home")
    for name in tuple(os.environ):
        if name.startswith(("GIT_", "XDG_", "CODEX_RUNNER_", "OPENAI_", "GITHUB_")) and (
            name not in (NO_SKIPS, "XDG_CACHE_HOME")
        ):
            monkeypatch.delenv(name)
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setattr("runner.policy.organisation.ETC", home / "etc/requirements.toml")


@pytest.fixture(scope="session")
def warm_scanner(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """State of a secret scanner that has compiled its rules: seconds of CPU, once for all workers.

    A copy for each worker; copy it where a test would change it.
    """
    shared = _of_all_workers(tmp_path_factory)
    compiled, mine = shared / "compiled", tmp_path_factory.mktemp("warm") / "scanner"
    with (shared / "compiled.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not compiled.exists():
            draft = tmp_path_factory.mktemp("cold") / "scanner"
            with Scanner(draft) as scanner:
                scanner.scan(Sample(data=b"nothing"), 120)
            draft.rename(compiled)
    shutil.copytree(compiled, mine)
    return mine


def pytest_report_header() -> str:
    untried = [f"{program} is not installed: {OPTIONAL[program]} is left out" for program in ABSENT]
    return "; ".join(untried) or f"installed: {', '.join(OPTIONAL)}"


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    skipped = terminalreporter.stats.get("skipped", [])
    if skipped:
        terminalreporter.write_line(f"{len(skipped)} skipped; reasons above")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if not os.environ.get(NO_SKIPS) or hasattr(session.config, "workerinput"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if exitstatus == 0 and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
