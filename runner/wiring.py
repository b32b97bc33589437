"""The composition root: what was asked + settings -> the parts, a World, and the run told in it."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path

from runner import guarding, sweep, trusting
from runner.assembly import Parts, assemble
from runner.beginning import begin
from runner.engines import ready_engine
from runner.gates.classes import by_name
from runner.gates.paths import PROTECTED
from runner.gates.scanner import Scanner
from runner.halting import Halting, begun, planned, recalled
from runner.interrupt import Interrupts
from runner.keeper import kept
from runner.ledger.folder import RunFolder, on_disk
from runner.ledger.ledger import open_ledger
from runner.lending import replayed, scripted
from runner.live import LIVE, take
from runner.policy.lattice import Decided
from runner.policy.layers import decide_run
from runner.policy.levels import levelled
from runner.policy.origins import Origins
from runner.policy.plan import make_plan, new_run_id
from runner.policy.repo_policy import read_repo_policy
from runner.policy.settings import Settings, load_settings
from runner.policy.state import prepare_state
from runner.records.base import RunId
from runner.records.level import Contribution
from runner.records.plan import Plan
from runner.records.report import RunReport
from runner.records.task import SILENT, Task, Words
from runner.report.markdown import report_markdown
from runner.report.progress import watching
from runner.sandbox.codex_package import locate
from runner.told import Told
from runner.tried import Tried
from runner.way import PLAIN, Way
from runner.workspace.source import GitSource, open_source

PRELOADED = ("runner.broker.application", "runner.gateway.protocol", "runner.gates.judge")


@dataclass(frozen=True, slots=True)
class Asked:
    """One `codex-runner run`, as the command line said it."""

    task: Task
    repository: Path
    base: str | None = None
    allow_dirty: bool = False
    publish: bool = True
    settings: Mapping[str, str] | None = None
    """The command line's layer of `Settings`, state included."""
    words: Words = SILENT
    """What it says of the policy."""
    environ: Mapping[str, str] | None = None
    """None = this process's."""
    user_file: Path | None = None
    """None = where this user's settings are."""
    record: Path | None = None
    """An empty directory, for the model's answers."""
    replay: Path | None = None
    """Such a directory, filled: it answers in the model's place, and nothing is published."""
    scripted: bool = False
    """`upstream` is a script that answers everybody: no provider's ways, and no other provider."""


def perform(asked: Asked, *, quiet: bool = False, way: Way = PLAIN) -> tuple[RunReport, RunFolder]:
    """The whole run; its report says how it ended, whatever happened.

    Raises:
        ConfigError: a setting is wrong; nothing was started.
    """
    settings = _settings(asked)
    state = prepare_state(settings.state, asked.repository)
    number = new_run_id()
    with Interrupts() as interrupts, watching(quiet) as progress, ExitStack() as stack:
        sweep.tidy(state)
        stack.enter_context(kept(state))
        scratch = _lease(state, number, stack)
        folder = RunFolder.create(state, number, report_markdown)
        folder = replace(folder, address=settings.ledger)
        told = Told(number, folder, progress)
        with told, interrupts.heeded():
            told.phase("prepare")
            ledger = stack.enter_context(open_ledger(state, address=settings.ledger))
            told.folder = folder = replace(folder, ledger=ledger)
            halting = Halting.ready(recalled(state, settings.kill_file, ledger), scratch, told)
            halting.known(begun(number, asked.repository, folder.keyid))
            parts = _parts(asked, settings, state, number, scratch, stack, way, ledger)
            told.plan = parts.plan
            halting.published(*planned(parts.plan, parts.source.base, folder.keyid))
            scanner = stack.enter_context(Scanner(state / "scanner"))
            if scanner.cold:
                progress.phase("compiling the secret rules, once, while the rest goes on")
            admitted = guarding.admit(told, way, parts.source, scanner.scan)
            parts = replace(parts, plan=admitted, ledger=ledger, halting=halting)
            threading.Thread(target=_preload, daemon=True).start()
            halted = halting.heard(interrupts.halted)
            world = assemble(parts, folder, progress, halted, scanner, way)
            begin(ledger, parts.plan, parts.package, parts.engine)
            way.story(world, told)
    assert told.report is not None
    return told.report, folder


def dry_run(asked: Asked) -> Plan:
    """The plan alone. Makes the workspace cache's directories, starts nothing."""
    settings = _settings(asked)
    state = prepare_state(settings.state, asked.repository)
    sweep.tidy(state)
    number = new_run_id()
    with ExitStack() as stack:
        scratch = _lease(state, number, stack)
        parts = _parts(asked, settings, state, number, scratch, stack)
        return guarding.foreseen(parts.plan, state, parts.source)


def _lease(state: Path, number: RunId, stack: ExitStack) -> Path:
    """Where everything temporary of a run is, also what the standard library and host tools make:
    gone with the run, or with the next command."""
    with on_disk(state / LIVE):
        lease = take(state / LIVE, number)
    stack.callback(lease.close)
    stack.callback(setattr, tempfile, "tempdir", tempfile.tempdir)
    tempfile.tempdir = str(lease.path)
    return lease.path


def _settings(asked: Asked) -> Settings:
    environ = os.environ if asked.environ is None else asked.environ
    words, file = asked.settings, asked.user_file
    settings = load_settings(environ, words, file, scripted=asked.scripted)
    if asked.scripted:
        return scripted(settings)
    return settings if asked.replay is None else replayed(settings, asked.replay)


def _parts(
    asked: Asked,
    settings: Settings,
    state: Path,
    number: RunId,
    scratch: Path,
    stack: ExitStack,
    way: Way = PLAIN,
    ledger: trusting.Log | None = None,
) -> Parts:
    source = _source(asked, settings, state, scratch)
    stack.callback(source.close)
    tried = Tried(state / "tried.json")
    package = locate(tried=tried)
    engine = ready_engine(settings, package, scratch, tried)
    repository = read_repo_policy(source.base_blob, source.at_base)
    task = way.task(asked.task, repository)
    decided = decide_run(task, settings.layers, repository, PROTECTED, asked.words)
    made = make_plan(
        task,
        settings,
        decided,
        source.base,
        engine=engine.name,
        codex_version=package.version,
        run=number,
        publish=asked.publish and asked.replay is None,
        author=_author(asked, way),
    ).model_copy(update={"words": asked.words})
    environ = os.environ if asked.environ is None else asked.environ
    past = _past(asked, made, decided, settings, state, ledger)
    plan = way.plan(levelled(made, decided, environ, by_name, past))
    if plan.remote is not None:  # asked again, with the token, before the push
        source.require_published(plan.remote, plan.target, None)
    origins, tape = Origins(settings, decided), (asked.record, asked.replay)
    return Parts(settings, package, engine, source, tried, origins, plan, environ, *tape)


def _author(asked: Asked, way: Way) -> str:
    """The name of the agent that works; empty = none does."""
    if not way.authored:
        return ""
    return "script" if _is_script(asked) else "codex"


def _past(
    asked: Asked,
    made: Plan,
    decided: Decided,
    settings: Settings,
    state: Path,
    ledger: trusting.Log | None,
) -> tuple[Contribution, ...]:
    """What the agent's past bounds. A script has none: what a drill has it do is no outcome."""
    if _is_script(asked):
        return ()
    enforce = decided.policy.trust.enforce
    return trusting.foreseen(
        state, made.agent, enforce=enforce, ledger=ledger, address=settings.ledger
    )


def _is_script(asked: Asked) -> bool:
    return asked.scripted or asked.replay is not None


def _source(asked: Asked, settings: Settings, state: Path, scratch: Path) -> GitSource:
    return open_source(
        asked.repository,
        asked.base or asked.task.base,
        state,
        allow_dirty=asked.allow_dirty,
        alternates=settings.alternates,
        scratch=scratch,
    )


def _preload() -> None:
    """Imports what the session and the end of a run need while this process waits."""
    for module in PRELOADED:
        import_module(module)
