"""The composition root: what was asked + settings -> a World, and the run told in it."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from runner import run, session
from runner.agent.codex import CodexExec
from runner.agent.prompt import author_prompt
from runner.broker.keys import load_key
from runner.broker.lender import Broker
from runner.broker.upstream import Upstream
from runner.engines import ready_engine
from runner.forge.local import LocalForge
from runner.gates.judge import judge
from runner.gates.paths import PROTECTED
from runner.gates.scanner import Scanner
from runner.gates.secrets import SecretsGate
from runner.interrupt import Interrupts
from runner.ledger.folder import RunFolder
from runner.policy.plan import make_plan, new_run_id
from runner.policy.repo_policy import read_repo_policy
from runner.policy.settings import Settings, load_settings
from runner.policy.state import prepare_state
from runner.ports import Engine, Forge, Progress, Source
from runner.records.base import RunId
from runner.records.plan import Plan
from runner.records.report import RunReport
from runner.records.sandbox import StopReason
from runner.records.task import Task
from runner.report.markdown import commit_message, report_markdown, request_text
from runner.report.progress import watching
from runner.sandbox import relay
from runner.sandbox.codex_package import CodexPackage, locate
from runner.sandbox.command import run_command
from runner.told import Told
from runner.tried import Tried
from runner.workspace.source import open_source
from runner.world import World


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


@dataclass(frozen=True, slots=True)
class _Parts:
    """What the plan is made from, and the run is made with."""

    settings: Settings
    package: CodexPackage
    engine: Engine
    source: Source
    tried: Tried
    plan: Plan


def perform(asked: Asked, *, quiet: bool = False) -> tuple[RunReport, RunFolder]:
    """The whole run; its report says how it ended, whatever happened.

    Raises:
        ConfigError: a setting is wrong; nothing was started.
    """
    settings = _settings(asked)
    state = prepare_state(settings.state, asked.repository)
    number = new_run_id()
    with Interrupts() as interrupts, watching(quiet) as progress, ExitStack() as stack:
        folder = RunFolder.create(state, number, report_markdown)
        told = Told(number, folder, progress)
        with told, interrupts.heeded():
            told.phase("prepare")
            parts = _parts(asked, settings, state, number, stack)
            told.plan = parts.plan
            scanner = stack.enter_context(Scanner(state / "scanner"))
            run.tell(_world(parts, folder, progress, interrupts.halted, scanner, asked), told)
    assert told.report is not None
    return told.report, folder


def dry_run(asked: Asked) -> Plan:
    """The plan alone. Makes the workspace cache's directories, starts nothing."""
    settings = _settings(asked)
    state = prepare_state(settings.state, asked.repository)
    with ExitStack() as stack:
        return _parts(asked, settings, state, new_run_id(), stack).plan


def _settings(asked: Asked) -> Settings:
    environ = os.environ if asked.environ is None else asked.environ
    return load_settings(environ, asked.settings, asked.user_file)


def _parts(
    asked: Asked, settings: Settings, state: Path, number: RunId, stack: ExitStack
) -> _Parts:
    revision = asked.base or asked.task.base
    source = open_source(asked.repository, revision, state, allow_dirty=asked.allow_dirty)
    stack.callback(source.close)
    tried = Tried(state / "tried.json")
    package = locate(tried=tried)
    engine = ready_engine(settings, package, state, tried)
    plan = make_plan(
        asked.task,
        settings,
        read_repo_policy(source.base_blob),
        source.base,
        engine=engine.name,
        codex_version=package.version,
        run=number,
        protected=PROTECTED,
        publish=asked.publish,
    )
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
) -> World:
    plan, settings = parts.plan, parts.settings
    key = load_key(settings.key, os.environ if asked.environ is None else asked.environ)
    broker = Broker(Upstream(settings.upstream), key, settings.prices)
    return World(
        plan=plan,
        engine=parts.engine,
        source=parts.source,
        coder=CodexExec(
            parts.engine,
            parts.package.version,
            Path(relay.__file__),
            settings.inner_sandbox,
            parts.tried,
        ),
        lender=broker,
        forge=_forge(plan, settings),
        folder=folder,
        progress=progress,
        halted=halted,
        prompt=author_prompt,
        commit_message=commit_message,
        request_text=request_text,
        outbound=partial(SecretsGate(scanner.scan).outbound, held=broker.holds()),
        test=lambda overlay, command: run_command(
            parts.engine,
            overlay,
            command,
            run=plan.run,
            walls=session.walls(plan.limits, plan.limits.tests_s),
            log=folder.path / "tests.log",
            halted=halted,
        ),
        judge=partial(judge, scan=scanner.scan),
    )


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
