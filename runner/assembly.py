"""Parts -> World: who does what in one run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from runner import guarding, session
from runner.agent.codex import CodexExec, Gated
from runner.agent.prompt import author_prompt, repair_prompt
from runner.attending import gate_of
from runner.broker.keys import load_key
from runner.forge.local import LocalForge
from runner.gates.baseline import Baselines
from runner.gates.scanner import Scanner
from runner.gates.secrets import SecretsGate
from runner.gateway import shim
from runner.halting import Halting
from runner.installing import make_installer
from runner.ledger.folder import RunFolder
from runner.lending import make_brokers, seed
from runner.policy.origins import Origins
from runner.policy.settings import Settings
from runner.ports import Case, Engine, Forge, Ledger, Lender, Progress, Source
from runner.records.gate import GateReport
from runner.records.plan import Plan
from runner.records.sandbox import StopReason
from runner.report.markdown import commit_message, request_text
from runner.sandbox import relay
from runner.sandbox.analysis import run_analysis
from runner.sandbox.codex_package import CodexPackage
from runner.sandbox.trial import run_trial
from runner.tried import Tried
from runner.way import Way
from runner.world import World


@dataclass(frozen=True, slots=True)
class Parts:
    """What the plan is made from, and the run is made with."""

    settings: Settings
    package: CodexPackage
    engine: Engine
    source: Source
    tried: Tried
    origins: Origins
    plan: Plan
    environ: Mapping[str, str]
    record: Path | None
    replay: Path | None
    ledger: Ledger | None = None
    """None = it is only planned."""
    halting: Halting | None = None


def assemble(
    parts: Parts,
    folder: RunFolder,
    progress: Progress,
    halted: Callable[[], StopReason | None],
    scanner: Scanner,
    way: Way,
) -> World:
    """Raises ConfigError: a key, a token or a gate that the plan names is not there."""
    plan, settings = parts.plan, parts.settings
    assert parts.ledger is not None and parts.halting is not None
    gate = gate_of(plan, parts.ledger, parts.halting, settings.state.resolve(), parts.environ)
    walls = session.walls(plan.limits, plan.limits.tests_s)
    lender, reviewing = _lenders(parts, way)
    return World(
        plan=plan,
        engine=parts.engine,
        source=parts.source,
        coder=_coder(parts, gate.patience_s),
        gate=gate,
        lender=lender,
        reviewing=reviewing,
        forge=_forge(plan, settings),
        folder=folder,
        ledger=parts.ledger,
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
        judge=_judge(parts, scanner, way),
        without=way.without,
        admit=guarding.admission(plan, scanner.scan),
        setup=make_installer(
            plan, parts.engine, settings.setup, parts.environ, folder.path, halted
        ),
    )


def _lenders(parts: Parts, way: Way) -> tuple[Lender, Lender]:
    """The author's and the reviewers'."""
    if way.lender:
        return way.lender, way.lender
    return make_brokers(
        parts.plan,
        parts.settings,
        parts.source.base,
        parts.environ,
        parts.record,
        parts.replay,
        authored=way.authored,
    )


def _coder(parts: Parts, patience_s: int) -> CodexExec:
    plan, script = parts.plan, Path(relay.__file__)
    return CodexExec(
        parts.engine,
        parts.package.version,
        script,
        plan.inner_sandbox,
        parts.tried,
        plan.rules,
        plan.features_off,
        Gated(Path(shim.__file__), patience_s),
    )


def _judge(
    parts: Parts, scanner: Scanner, way: Way
) -> Callable[[Case, Callable[[GateReport], None]], tuple[GateReport, ...]]:
    """The gates; each finding is told with the layer of the policy that set its rule."""
    from runner.gates.foreign import load as load_gates

    foreign = ((guarding.gate(parts.plan, scanner.scan), True), *load_gates(parts.plan.gates))
    planting = seed(parts.record, parts.replay)

    def judged(case: Case, hear: Callable[[GateReport], None]) -> tuple[GateReport, ...]:
        from runner.gates.judge import judge

        return judge(
            case,
            lambda report: hear(parts.origins.named(report)),
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
