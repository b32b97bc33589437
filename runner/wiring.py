"""The composition root: what was asked + settings -> a World, and the run told in it."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path

from runner import session, sweep
from runner.agent.codex import CodexExec
from runner.agent.prompt import author_prompt, repair_prompt
from runner.broker.keys import load_key
from runner.engines import ready_engine
from runner.forge.local import LocalForge
from runner.gates.baseline import Baselines
from runner.gates.paths import PROTECTED
from runner.gates.scanner import Scanner
from runner.gates.secrets import SecretsGate
from runner.installing import make_installer
from runner.interrupt import Interrupts
from runner.keeper import kept
from runner.ledger.folder import RunFolder, on_disk
from runner.lending import make_broker, seed
from runner.live import LIVE, take
from runner.policy.origins import Origins
from runner.policy.plan import make_plan, new_run_id
from runner.policy.repo_policy import read_repo_policy
from runner.policy.settings import Settings, load_settings
from runner.policy.state import prepare_state
from runner.ports import Case, Engine, Forge, Progress, Source
from runner.records.base import RunId
from runner.records.gate import GateReport
from runner.records.plan import Plan
from runner.records.report import RunReport
from runner.records.sandbox import StopReason
from runner.records.task import Task
from runner.report.markdown import commit_message, report_markdown, request_text
from runner.report.progress import watching
from runner.sandbox import relay
from runner.sandbox.analysis import run_analysis
from runner.sandbox.codex_package import CodexPackage, locate
from runner.sandbox.trial import run_trial
from runner.told import Told
from runner.tried import Tried
from runner.way import PLAIN, Way
from runner.workspace.source import open_source
from runner.world import World

PRELOADED = ("runner.broker.application", "runner.gates.judge")


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
    environ: Mapping[str, str] | None = None
    """None = this process's."""
    user_file: Path | None = None
    """None = where this user's settings are."""
    record: Path | None = None
    """An empty directory, for the model's answers."""
    replay: Path | None = None
    """Such a directory, filled: it answers in the model's place, and nothing is published."""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the plan is made from, and the run is made with."""

    settings: Settings
    package: CodexPackage
    engine: Engine
    source: Source
    tried: Tried
    plan: Plan


def perform(asked: Asked, *, quiet: bool = False, way: Way = PLAIN) -> tuple[RunReport, RunFolder]:
    """The whole run; its report says how it ended, whatever happened.

    Raises:
        ConfigError: a setting is wrong; nothing was started.
    """
    settings = way.settings(_settings(asked))
    state = prepare_state(settings.state, asked.repository)
    number = new_run_id()
    with Interrupts() as interrupts, watching(quiet) as progress, ExitStack() as stack:
        sweep.tidy(state)
        stack.enter_context(kept(state))
        scratch = _lease(state, number, stack)
        folder = RunFolder.create(state, number, report_markdown)
        told = Told(number, folder, progress)
        with told, interrupts.heeded():
            told.phase("prepare")
            parts = _parts(asked, settings, state, number, scratch, stack, way)
            told.plan = parts.plan
            if not any((state / "scanner" / "rules").glob("*")):
                progress.phase("compiling the secret rules, once, while the rest goes on")
            scanner = stack.enter_context(Scanner(state / "scanner"))
            threading.Thread(target=_preload, daemon=True).start()
            world = _world(parts, folder, progress, interrupts.halted, scanner, asked, way)
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
        return _parts(asked, settings, state, number, scratch, stack).plan


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
    settings = load_settings(environ, asked.settings, asked.user_file)
    if asked.replay is None:
        return settings
    return settings.model_copy(update={"upstream": f"replay:{asked.replay}"})


def _parts(
    asked: Asked,
    settings: Settings,
    state: Path,
    number: RunId,
    scratch: Path,
    stack: ExitStack,
    way: Way = PLAIN,
) -> _Parts:
    source = open_source(
        asked.repository,
        asked.base or asked.task.base,
        state,
        allow_dirty=asked.allow_dirty,
        alternates=settings.alternates,
        scratch=scratch,
    )
    stack.callback(source.close)
    tried = Tried(state / "tried.json")
    package = locate(tried=tried)
    engine = ready_engine(settings, package, scratch, tried)
    policy = read_repo_policy(source.base_blob, source.at_base)
    made = make_plan(
        way.task(asked.task, policy),
        settings,
        policy,
        source.base,
        engine=engine.name,
        codex_version=package.version,
        run=number,
        protected=PROTECTED,
        publish=asked.publish and asked.replay is None,
    )
    plan = way.plan(made)
    if plan.remote is not None:  # asked again, with the token, before the push
        source.require_published(plan.remote, plan.target, None)
    return _Parts(settings, package, engine, source, tried, plan)


def _world(
    parts: _Parts,
    folder: RunFolder,
    progress: Progress,
    halted: Callable[[], StopReason | None],
    scanner: Scanner,
    asked: Asked,
    way: Way,
) -> World:
    plan, settings = parts.plan, parts.settings
    environ = os.environ if asked.environ is None else asked.environ
    base = parts.source.base
    walls = session.walls(plan.limits, plan.limits.tests_s)
    lender = way.lender or make_broker(plan, settings, base, environ, asked.record, asked.replay)
    return World(
        plan=plan,
        engine=parts.engine,
        source=parts.source,
        coder=_coder(parts),
        lender=lender,
        forge=_forge(plan, settings),
        folder=folder,
        progress=progress,
        halted=halted,
        prompt=author_prompt,
        repair_prompt=repair_prompt,
        commit_message=commit_message,
        request_text=request_text,
        outbound=partial(SecretsGate(scanner.scan).outbound, held=lender.holds()),
        test=partial(
            run_trial, parts.engine, run=plan.run, walls=walls, folder=folder.path, halted=halted
        ),
        analyse=partial(run_analysis, parts.engine, run=plan.run, walls=walls, halted=halted),
        judge=_judge(parts, scanner, asked, way),
        without=way.without,
        setup=make_installer(plan, parts.engine, settings.setup, environ, folder.path, halted),
    )


def _preload() -> None:
    """Imports what the end of a run needs while this process waits for codex."""
    for module in PRELOADED:
        import_module(module)


def _coder(parts: _Parts) -> CodexExec:
    engine, version, inner = parts.engine, parts.package.version, parts.settings.inner_sandbox
    return CodexExec(engine, version, Path(relay.__file__), inner, parts.tried)


def _judge(
    parts: _Parts, scanner: Scanner, asked: Asked, way: Way
) -> Callable[[Case, Callable[[GateReport], None]], tuple[GateReport, ...]]:
    """The gates; each finding is told with the layer of the policy that set its rule."""
    from runner.gates.foreign import load as load_gates

    origins = Origins(parts.settings, parts.plan, parts.source.base_blob)
    foreign = load_gates(parts.plan.gates)
    planting = seed(asked.record, asked.replay)

    def judged(case: Case, hear: Callable[[GateReport], None]) -> tuple[GateReport, ...]:
        from runner.gates.judge import judge

        return judge(
            case,
            lambda report: hear(origins.named(report)),
            scanner.scan,
            foreign,
            without=way.without,
            seed=planting,
            baselines=Baselines(parts.settings.state / "baselines"),
        )

    return judged


def _forge(plan: Plan, settings: Settings) -> Forge | None:
    if plan.remote is None:
        return None
    match plan.forge:
        case "github":
            from runner.forge.github import GithubForge

            def token() -> str:
                return load_key(settings.github_token).secret.decode()

            forge = GithubForge(plan.remote, token)
            forge.require()  # now, not after the work is paid for
            return forge
        case _:
            return LocalForge(plan.remote)
