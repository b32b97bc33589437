"""The ten points of an unattended run. Each is proved on this machine, now; none is asserted.

A proof that can only succeed proves nothing: gates and scanner are given a case they must refuse
and one they must not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from hashlib import sha1
from pathlib import Path
from typing import Any

from runner.agent.understood import Understood
from runner.demo.scenarios import fake_token
from runner.errors import ConfigError, RunnerError
from runner.gates import size
from runner.gates.secrets import Scan, SecretsGate
from runner.policy.layers import decide_run
from runner.policy.plan import make_plan, new_run_id
from runner.policy.repo_policy import NONE
from runner.policy.settings import Settings
from runner.ports import Case
from runner.records.base import Oid, Sha256
from runner.records.gate import GateReport
from runner.records.patch import Change, Patch
from runner.records.plan import Plan
from runner.records.posture import EngineFindings, Guarantee, Standing
from runner.records.repository import Base
from runner.records.task import Task

NOTHING = Oid("0" * 40)
UPGRADE = "reinstall codex-runner and openai-codex-cli-bin together"
SEE_ENGINE = "mend what the engine lacks, above"


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the points are judged by."""

    settings: Settings
    engine: EngineFindings
    """The one runs would use."""
    understood: Callable[[], Understood]
    """Codex's reading of its settings; raises InfraError."""
    scan: Scan
    protected: Callable[[], tuple[str, bool]]
    """The target branch, and whether its forge protects it; raises RunnerError."""
    review_key: Callable[[], None] = lambda: None
    """Raises RunnerError: the key of the reviewers' own provider is not there."""
    say: Callable[[str], None] = lambda _: None
    """Hears what is being tried."""


def points(evidence: Evidence) -> tuple[Guarantee, ...]:
    """All ten, in the order a person asks for them."""
    sandbox, network, approval, environment, telemetry, shell = _of_codex(evidence)
    return (
        sandbox,
        network,
        approval,
        _branch_protection(evidence),
        _proved("secret scan", lambda: _secret_scan(evidence)),
        _proved("size limit", lambda: _size_limit(evidence)),
        _proved("cross-model review", lambda: _cross_model(evidence)),
        environment,
        telemetry,
        shell,
    )


OF_CODEX = ("sandbox mode", "network", "approval policy", "clean environment")


def _of_codex(evidence: Evidence) -> tuple[Guarantee, ...]:
    """What only codex can say, in its sandbox; one that does not start says nothing."""
    evidence.say("asking codex what it understands of its settings")
    engine = evidence.engine
    try:
        understood = evidence.understood()
    except RunnerError as error:
        unknown = partial(_unknown, error)
        return (*map(unknown, OF_CODEX), _telemetry({"": error.problem}), unknown("login shell"))
    config, demanded = understood.config, understood.requirements
    return (
        _sandbox_mode(engine, config, demanded),
        _network(engine, config, demanded),
        _both("approval policy", config, demanded, "approval_policy", "allowedApprovalPolicies"),
        _clean_environment(engine, config),
        _telemetry(config),
        _login_shell(config, demanded),
    )


def _unknown(error: RunnerError, name: str) -> Guarantee:
    return Guarantee(name=name, standing="unknown", detail=error.problem, remedy=error.remedy)


Reading = Mapping[str, Any]


def _point(name: str, ok: bool, detail: str, remedy: str) -> Guarantee:
    standing: Standing = "enforced" if ok else "unavailable"
    return Guarantee(name=name, standing=standing, detail=detail, remedy="" if ok else remedy)


def _sandbox_mode(engine: EngineFindings, config: Reading, demanded: Reading) -> Guarantee:
    mode = config.get("sandbox_mode")
    allowed = demanded.get("allowedSandboxModes") or ()
    ok = engine.works and mode in allowed and {*allowed} == {"read-only", mode}
    where = f"the {engine.engine} engine {'holds' if engine.works else 'does not hold'}"
    told = f"codex understands {mode}" if mode else _silence(config)
    return _point("sandbox mode", ok, f"{where}; {told}", SEE_ENGINE)


def _network(engine: EngineFindings, config: Reading, demanded: Reading) -> Guarantee:
    closed = engine.enforces("no network", "socket families")
    search = config.get("web_search"), demanded.get("allowedWebSearchModes")
    ok = closed and search == ("disabled", ["disabled"])
    inside = "nothing can be reached from inside" if closed else "not proved closed"
    return _point("network", ok, f"{inside}; codex understands web search {search[0]}", SEE_ENGINE)


def _both(
    name: str, config: Reading, demanded: Reading, key: str, requirement: str, wanted: str = "never"
) -> Guarantee:
    ok = config.get(key) == wanted and demanded.get(requirement) == [wanted]
    told = f"codex understands {config.get(key)}, allows {demanded.get(requirement)}"
    return _point(name, ok, told if config.get(key) else _silence(config), UPGRADE)


def _login_shell(config: Reading, demanded: Reading) -> Guarantee:
    answers = config.get("allow_login_shell"), demanded.get("allowLoginShell")
    told = f"codex understands allow_login_shell {answers[0]}, may be {answers[1]}"
    ok = answers == (False, False)
    return _point("login shell", ok, told if answers[0] is not None else _silence(config), UPGRADE)


def _clean_environment(engine: EngineFindings, config: Reading) -> Guarantee:
    clean = engine.enforces("clean environment", "processes")
    policy = config.get("shell_environment_policy") or {}
    inherits = policy.get("inherit")
    inside = "exactly the allow-list inside" if clean else "not proved clean"
    told = (
        f"{inside}; commands inherit {inherits}, get {', '.join(sorted(policy.get('set') or ()))}"
    )
    return _point("clean environment", clean and inherits == "none", told, SEE_ENGINE)


def _telemetry(config: Reading) -> Guarantee:
    """There is none: nothing to enforce, and nothing that would tell of a run elsewhere."""
    quiet = not (config.get("analytics") or {"enabled": True})["enabled"] and not config.get("otel")
    codex = "codex understands analytics off" if quiet else _silence(config)
    return Guarantee(
        name="telemetry",
        standing="advisory",
        detail=f"off: nothing is sent; {codex}",
        remedy="read the receipts in the state directory; exporting them is not built yet",
        required=False,
    )


def _branch_protection(evidence: Evidence) -> Guarantee:
    name = "branch protection"
    evidence.say("asking the forge")
    try:
        branch, protected = evidence.protected()
    except RunnerError as error:
        return Guarantee(
            name=name, standing="unknown", detail=error.problem, remedy=error.remedy, required=False
        )
    standing: Standing = "enforced" if protected else "unavailable"
    told = f"GitHub {'protects' if protected else 'does not protect'} {branch}"
    remedy = "" if protected else f"require reviewed pull requests for {branch} in its settings"
    return Guarantee(name=name, standing=standing, detail=told, remedy=remedy, required=False)


def _proved(name: str, prove: Callable[[], str]) -> Guarantee:
    """`prove` says what was seen, or raises."""
    try:
        return _point(name, True, prove(), "")
    except RunnerError as error:
        return _point(name, False, error.problem, error.remedy)


def _secret_scan(evidence: Evidence) -> str:
    evidence.say("trying the secret scan; in a new state its rules are compiled first, once")
    gate = SecretsGate(evidence.scan)
    planted = f'GITHUB_TOKEN = "{fake_token()}"\n'.encode()
    clean = b"def total(rows):\n    return sum(row.price for row in rows)\n"
    _expect(gate.check(_case(evidence, planted)), "refused", "a planted token")
    _expect(gate.check(_case(evidence, clean)), "passed", "a clean file")
    return "a planted token is found, a clean file passes"


def _size_limit(evidence: Evidence) -> str:
    most = _plan(evidence, evidence.settings).limits.lines
    _expect(size.check(_case(evidence, b"x\n" * (most + 1))), "refused", f"{most + 1} lines")
    _expect(size.check(_case(evidence, b"x\n")), "passed", "one line")
    return f"{most + 1} lines are refused, one passes"


def _cross_model(evidence: Evidence) -> str:
    plan = _plan(evidence, evidence.settings)
    same = evidence.settings.model_copy(update={"reviewer_model": plan.model})
    try:
        _plan(evidence, same)
    except ConfigError:
        if (own := plan.review.upstream) is not None:
            evidence.review_key()
        where = "of the author's provider" if own is None else f"at {own}, with a key of its own"
        told = f"{', '.join(plan.reviewers)} {where} reviews {plan.model}"
        return f"{told}; one model for both is refused"
    raise ConfigError(f"{plan.model} may review its own work", UPGRADE)


def _expect(report: GateReport, verdict: str, what: str) -> None:
    if report.verdict != verdict:
        raise ConfigError(f"gate {report.gate}: {what}: {report.verdict}", UPGRADE)


def _silence(answers: Reading) -> str:
    return str(answers.get("", "codex does not say"))


def _plan(evidence: Evidence, settings: Settings) -> Plan:
    """Of a trial; the settings decide as they would for a task that asks for nothing."""
    task = Task(title="trial", prompt="-", source="doctor", sha256=Sha256("0" * 64), test="true")
    base = Base(Path("/"), NOTHING, NOTHING, "main", None, None)
    return make_plan(
        task,
        settings,
        decide_run(task, settings.layers, NONE, ()),
        base,
        engine=evidence.engine.engine,
        codex_version="any",
        run=new_run_id(),
        publish=False,
    )


def _case(evidence: Evidence, content: bytes) -> Case:
    """A change that adds one file with this content."""
    oid = Oid(sha1(b"blob %d\0" % len(content) + content).hexdigest())
    change = Change(
        path="trial.py",
        status="added",
        old_mode="000000",
        new_mode="100644",
        old_oid=None,
        new_oid=oid,
        added=content.count(b"\n"),
        deleted=0,
        binary=False,
        size_bytes=len(content),
    )
    patch = Patch(
        base_commit=NOTHING, base_tree=NOTHING, tree=oid, commit=NOTHING, changes=(change,)
    )

    def unasked(*_: object) -> Any:
        raise ConfigError("a trial asks for neither tests nor review", UPGRADE)

    return Case(
        plan=_plan(evidence, evidence.settings),
        patch=patch,
        blob=lambda _: content,
        at_base=lambda _: False,
        base_blob=lambda _: None,
        diff=lambda: b"",
        texts={},
        held=(),
        test=unasked,
        analyse=unasked,
        review=unasked,
    )
