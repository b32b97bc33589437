"""Everything a run stands on, tried on this machine and told. Nothing remembered is believed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from runner.agent.config import Hook
from runner.agent.config import Settings as CodexSettings
from runner.agent.understood import Understood, ask_codex
from runner.broker.keys import load_key
from runner.engines import makers
from runner.errors import ConfigError, InfraError, RunnerError
from runner.gates.scanner import Scanner
from runner.halting import in_force
from runner.killswitch import remedy, why
from runner.lending import require_review_key
from runner.live import LIVE, take
from runner.policy.lattice import decide
from runner.policy.remote import choose_forge
from runner.policy.settings import Settings, load_settings
from runner.policy.state import prepare_state
from runner.ports import Engine
from runner.readiness import SEE_ENGINE, Evidence, points
from runner.records.posture import Diagnosis, EngineFindings, Guarantee, guaranteed
from runner.records.report import Problem
from runner.records.sandbox import Check, EngineName
from runner.sandbox import posture
from runner.sandbox.codex_package import CodexPackage, locate
from runner.sandbox.probe import failed
from runner.sandbox.versions import versions
from runner.workspace.plain import locate as locate_repository
from runner.workspace.repository import find, remote_branch, resolve

ORDER: tuple[EngineName, ...] = ("docker", "bubblewrap")
"""As `engine = "auto"` prefers them."""
ASK_S = 5
"""A forge that takes longer is unknown."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One `codex-runner doctor`, as the command line said it."""

    repository: Path
    settings: Mapping[str, str]
    """The command line's layer of `Settings`."""
    say: Callable[[str], None] = lambda _: None
    """Hears what is being tried."""


def diagnose(asked: Asked) -> Diagnosis:
    """Raises ConfigError: a setting is wrong, or the repository is none."""
    settings = load_settings(os.environ, asked.settings)
    state = prepare_state(settings.state, _root(asked.repository))
    package = _package()
    with (
        closing(take(state / LIVE)) as lease,
        ThreadPoolExecutor() as pool,
        Scanner(state / "scanner") as scanner,
    ):
        scratch = lease.path
        known = pool.submit(versions, package if isinstance(package, CodexPackage) else None)
        branch = pool.submit(_protected, asked.repository, settings)
        names = _names(settings)
        asked.say(f"trying what {' and '.join(names)} can hold")
        looked = [pool.submit(_look, name, settings, package, scratch) for name in names]
        found = [future.result() for future in looked]
        engine, engines = chosen(settings, found)
        findings = next(each for each in engines if each.chosen)
        readiness = points(
            Evidence(
                settings=settings,
                engine=findings,
                understood=lambda: _understood(engine, findings, settings, scratch),
                scan=scanner.scan,
                protected=branch.result,
                review_key=lambda: require_review_key(settings, os.environ),
                say=asked.say,
            )
        )
        reasons = (*problems(settings, engines, readiness), *halted(settings, state))
        return Diagnosis(
            ready=not reasons,
            engines=engines,
            readiness=readiness,
            versions=known.result(),
            problems=reasons,
        )


def _root(repository: Path) -> Path:
    """Where no state may be; outside of every repository, when none was named, anywhere.

    Raises:
        ConfigError: it is none, or nothing is committed there.
    """
    if repository == Path() and locate_repository(repository) is None:
        return Path(os.devnull)
    place = find(repository)
    resolve(place, None)
    return place.root


def _package() -> CodexPackage | InfraError:
    try:
        return locate()
    except InfraError as error:
        return error


def _names(settings: Settings) -> tuple[EngineName, ...]:
    """All there are, unless one was named on the command line."""
    named = settings.engine
    only = settings.source_of("engine").startswith("--") and named != "auto"
    return tuple(name for name in ORDER if name == named) if only else ORDER


Looked = tuple[EngineName, Engine | None, tuple[Guarantee, ...]]


def _look(
    name: EngineName, settings: Settings, package: CodexPackage | InfraError, scratch: Path
) -> Looked:
    """Its checks, then what its sandboxes guarantee: the agent's, and those without namespaces."""
    try:
        if isinstance(package, InfraError):
            raise package
        engine = makers(settings, package, scratch)[name]()
        checks = engine.checks()
        if all(check.ok for check in checks if check.required):
            shapes = (True, False) if settings.inner_sandbox != "off" else (False,)
            checks += weaker(posture.examine(engine, scratch, nested) for nested in shapes)
    except InfraError as error:
        return name, None, (guaranteed(failed("engine", error)),)
    return name, engine, tuple(map(guaranteed, checks))


def weaker(shapes: Iterable[Sequence[Check]]) -> tuple[Check, ...]:
    """Per guarantee the shape of sandbox that holds it least."""
    worst: dict[str, Check] = {}
    for check in chain.from_iterable(shapes):
        if check.name not in worst or not check.ok:
            worst[check.name] = check
    return tuple(worst.values())


def chosen(
    settings: Settings, looked: Sequence[Looked]
) -> tuple[Engine | None, tuple[EngineFindings, ...]]:
    """Marks the engine that runs would use; with `auto` the first that works."""
    found = [EngineFindings(engine=name, chosen=False, guarantees=told) for name, _, told in looked]
    fitting = [each for each in found if settings.engine in ("auto", each.engine)]
    working = [each for each in fitting if each.works]
    choice = (working or fitting)[0].engine
    marked = [each.model_copy(update={"chosen": each.engine == choice}) for each in found]
    engines = {name: engine for name, engine, _ in looked}
    return engines[choice], tuple(marked)


def _understood(
    engine: Engine | None, findings: EngineFindings, settings: Settings, scratch: Path
) -> Understood:
    if engine is None or not findings.works:
        remedy = next((each.remedy for each in findings.guarantees if each.failed), "")
        raise InfraError(f"the {findings.engine} engine does not work here", remedy or SEE_ENGINE)
    inner = settings.inner_sandbox != "off" and findings.enforces("inner sandbox")
    policy = decide(settings.layers).policy
    bounds = (policy.rules, policy.features_off, Hook(engine.python))
    chosen = CodexSettings(settings.model, "agent", inner, engine.path, *bounds)
    return ask_codex(engine, chosen, scratch)


def _protected(repository: Path, settings: Settings) -> tuple[str, bool]:
    """Asked of the forge the repository publishes to."""
    place = find(repository)
    if place.remote is None:
        raise ConfigError(f"{place.root} has no remote", "git remote add origin URL")
    if choose_forge(place.remote, settings.forge, settings.github_url) == "local":
        raise ConfigError("a repository on disk protects no branch", "publish to GitHub")
    branch = remote_branch(place)
    if branch is None:
        raise ConfigError(
            "the remote's default branch is not known", "git remote set-head origin --auto"
        )
    from runner.forge.github import GithubForge
    from runner.forge.protection import is_protected

    def token() -> str:
        return load_key(settings.github_token).secret.decode()

    forge = GithubForge(place.remote, token, retries=0, timeout_s=ASK_S)
    return branch, is_protected(forge, branch)


def problems(
    settings: Settings, engines: Sequence[EngineFindings], readiness: Sequence[Guarantee]
) -> Iterator[Problem]:
    """What the settings require and this machine does not hold."""
    for engine in engines:
        if engine.chosen:
            for guarantee in engine.guarantees:
                if guarantee.failed:
                    yield _problem(f"{engine.engine}: {guarantee.name}", guarantee)
            if settings.inner_sandbox == "required" and not engine.enforces("inner sandbox"):
                yield Problem(
                    problem=f"{engine.engine}: codex's inner sandbox does not start, and "
                    'inner_sandbox = "required"',
                    remedy='allow unprivileged user namespaces, or set inner_sandbox = "auto"',
                )
    for point in readiness:
        if point.failed:
            yield _problem(point.name, point)


def halted(settings: Settings, state: Path) -> Iterator[Problem]:
    """What keeps every run from beginning, whatever this machine holds."""
    try:
        for kill in in_force(state, settings.kill_file, settings.ledger):
            if kill.scope == "all":
                yield Problem(problem=why(kill), remedy=remedy(kill))
    except RunnerError as error:
        yield Problem(problem=error.problem, remedy=error.remedy)


def _problem(what: str, guarantee: Guarantee) -> Problem:
    return Problem(problem=f"{what}: {guarantee.detail}", remedy=guarantee.remedy or "see above")
