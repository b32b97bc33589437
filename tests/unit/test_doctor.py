"""What is concluded from what was found: standings, ten points, versions, words."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from runner.agent.understood import Understood
from runner.doctor import chosen, halted, problems, weaker
from runner.errors import ConfigError, InfraError
from runner.killswitch import Switch
from runner.policy.review import ReviewSettings
from runner.policy.settings import Settings, load_settings
from runner.readiness import Evidence, points
from runner.records.policy import Layer
from runner.records.posture import Diagnosis, EngineFindings, Guarantee, Version, guaranteed
from runner.records.provider import Endpoint
from runner.records.report import Problem
from runner.records.sandbox import Check
from runner.records.scan import Hit, Sample, Scanned
from runner.report.doctor import print_diagnosis, working
from runner.sandbox.versions import warning

HELD = Check(name="no network", ok=True, detail="only lo")
LEAKS = Check(name="no network", ok=False, detail="has 2 routes", remedy="cut them")
ADVICE = Check(name="limits", ok=False, detail="no cgroup", remedy="delegate", required=False)
ALL = ("no network", "socket families", "clean environment", "processes", "inner sandbox")
CONFIG: dict[str, Any] = {
    "approval_policy": "never",
    "sandbox_mode": "workspace-write",
    "web_search": "disabled",
    "allow_login_shell": False,
    "analytics": {"enabled": False},
    "otel": None,
    "shell_environment_policy": {"inherit": "none", "set": {"PATH": "/usr/bin"}},
}
DEMANDED: dict[str, Any] = {
    "allowedApprovalPolicies": ["never"],
    "allowedSandboxModes": ["read-only", "workspace-write"],
    "allowedWebSearchModes": ["disabled"],
    "allowLoginShell": False,
}


def findings(*checks: Check, chosen: bool = True) -> EngineFindings:
    told = tuple(map(guaranteed, checks))
    return EngineFindings(engine="bubblewrap", chosen=chosen, guarantees=told)


GOOD_ENGINE = findings(*(Check(name=name, ok=True, detail="held") for name in ALL))


def scan(sample: Sample, within_s: float) -> Scanned:
    """Finds GitHub's tokens."""
    hit = Hit("github-pat", "certain", 1, 40, "0" * 12)
    return Scanned((hit,) if b"ghp_" in sample.data else ())


def good() -> Evidence:
    return Evidence(
        settings=Settings(),
        engine=GOOD_ENGINE,
        understood=lambda: Understood(CONFIG, DEMANDED),
        scan=scan,
        protected=lambda: ("main", True),
    )


def standings(evidence: Evidence) -> dict[str, str]:
    return {point.name: point.standing for point in points(evidence)}


def failing(evidence: Evidence) -> set[str]:
    return {point.name for point in points(evidence) if point.failed}


def test_ten_points_and_telemetry_is_never_called_enforced() -> None:
    told = standings(good())
    assert len(told) == 10
    assert told.pop("telemetry") == "advisory"
    assert set(told.values()) == {"enforced"}
    assert failing(good()) == set()


def mistaken(config: dict[str, Any], demanded: dict[str, Any]) -> Callable[[], Understood]:
    return lambda: Understood({**CONFIG, **config}, {**DEMANDED, **demanded})


def silent() -> Understood:
    raise InfraError("codex does not say", "reinstall it")


@pytest.mark.parametrize(
    ("config", "demanded", "names"),
    [
        ({"approval_policy": "on-request"}, {}, {"approval policy"}),
        ({}, {"allowedApprovalPolicies": None}, {"approval policy"}),
        ({}, {"allowedApprovalPolicies": ["never", "on-request"]}, {"approval policy"}),
        ({"sandbox_mode": "danger-full-access"}, {}, {"sandbox mode"}),
        ({}, {"allowedSandboxModes": None}, {"sandbox mode"}),
        ({"web_search": "live"}, {}, {"network"}),
        ({}, {"allowedWebSearchModes": None}, {"network"}),
        ({"allow_login_shell": True}, {}, {"login shell"}),
        ({}, {"allowLoginShell": None}, {"login shell"}),
        ({"shell_environment_policy": {"inherit": "all"}}, {}, {"clean environment"}),
    ],
)
def test_what_codex_did_not_understand_is_not_proved(
    config: dict[str, Any], demanded: dict[str, Any], names: set[str]
) -> None:
    assert failing(replace(good(), understood=mistaken(config, demanded))) == names


def test_a_codex_that_says_nothing_proves_nothing() -> None:
    assert failing(replace(good(), understood=silent)) == {
        *("sandbox mode", "network", "approval policy", "clean environment", "login shell")
    }
    for point in points(replace(good(), understood=silent)):
        if point.failed:
            told = (point.standing, point.detail, point.remedy)
            assert told == ("unknown", "codex does not say", "reinstall it")


def test_an_engine_that_leaks_fails_what_stands_on_it() -> None:
    leaky = findings(LEAKS)
    assert failing(replace(good(), engine=leaky)) == {
        *("sandbox mode", "network", "clean environment")
    }


@pytest.mark.parametrize("hits", [(), (Hit("any", "certain", 1, 1, "0"),)])
def test_a_scanner_that_cannot_tell_is_no_scanner(hits: tuple[Hit, ...]) -> None:
    """One finds nothing at all, the other finds something in everything."""
    blind = replace(good(), scan=lambda sample, within_s: Scanned(hits))
    assert failing(blind) == {"secret scan"}


def test_one_model_for_both_is_not_ready() -> None:
    same = Settings(model="gpt-5.5", reviewer_model="GPT-5.5")
    assert "cross-model review" in failing(replace(good(), settings=same))


def test_the_reviewers_provider_and_its_key_are_told() -> None:
    def told(**more: Any) -> Guarantee:
        return next(p for p in points(replace(good(), **more)) if p.name == "cross-model review")

    def missing() -> None:
        raise ConfigError("[review.provider]: the variable K is not set", "export K=...")

    assert "of the author's provider" in told(review_key=missing).detail, "not its own: not asked"
    own = Endpoint(upstream="https://models.example.com/v1", key="env:K")
    settings = Settings(review=ReviewSettings(provider=own))
    point = told(settings=settings)
    assert "at https://models.example.com/v1, with a key of its own" in point.detail
    point = told(settings=settings, review_key=missing)
    assert point.failed and "K is not set" in point.detail and point.remedy == "export K=..."


def test_the_limit_that_counts_is_the_operators() -> None:
    few = replace(good(), settings=Settings(layers=(Layer("user", "x", {"limits.lines": 3}),)))
    told = {point.name: point.detail for point in points(few)}
    assert told["size limit"] == "4 lines are refused, one passes"


def test_a_branch_nobody_can_ask_about_is_unknown() -> None:
    def refuse() -> tuple[str, bool]:
        raise ConfigError("no token", "export GITHUB_TOKEN=...")

    assert standings(replace(good(), protected=refuse))["branch protection"] == "unknown"
    bare = standings(replace(good(), protected=lambda: ("main", False)))
    assert bare["branch protection"] == "unavailable"


def test_of_two_shapes_the_weaker_one_is_told() -> None:
    assert weaker([(HELD,), (LEAKS,)]) == (LEAKS,)
    assert weaker([(LEAKS,), (HELD,)]) == (LEAKS,)


def test_auto_takes_the_first_that_works_and_a_wish_is_a_wish() -> None:
    looked = [
        ("docker", None, (guaranteed(LEAKS),)),
        ("bubblewrap", None, tuple(map(guaranteed, (HELD, ADVICE)))),
    ]

    def taken(wish: str) -> list[str]:
        settings = Settings.model_validate({"engine": wish})
        return [each.engine for each in chosen(settings, looked)[1] if each.chosen]  # type: ignore[arg-type]

    assert taken("auto") == ["bubblewrap"]
    assert taken("docker") == ["docker"]


def test_only_what_is_required_of_the_chosen_engine_is_a_problem() -> None:
    other = findings(LEAKS, chosen=False)
    assert [*problems(Settings(), [other, findings(HELD, ADVICE)], ())] == []
    (problem,) = problems(Settings(), [findings(LEAKS)], ())
    assert problem == Problem(problem="bubblewrap: no network: has 2 routes", remedy="cut them")


def test_a_required_inner_sandbox_has_to_start() -> None:
    off = Check(name="inner sandbox", ok=False, detail="off", remedy="", required=False)
    required = Settings(inner_sandbox="required")
    (problem,) = problems(required, [findings(HELD, off)], ())
    assert 'inner_sandbox = "required"' in problem.problem
    assert [*problems(Settings(), [findings(HELD, off)], ())] == []


@pytest.mark.parametrize(
    ("tool", "version", "known"),
    [
        ("runc", "1.1.5+ds1-1+deb12u1", ("CVE-2024-21626", "CVE-2025-31133")),
        ("runc", "1.1.12", ("CVE-2025-31133",)),
        ("runc", "v1.2.7", ("CVE-2025-52881",)),
        ("runc", "1.2.8", ()),
        ("runc", "1.3.2", ("CVE-2025-52565",)),
        ("runc", "1.3.3", ()),
        ("runc", "1.4.0", ()),
        ("containerd", "1.6.20~ds1", ("CVE-2024-25621",)),
        ("containerd", "2.1.4", ("CVE-2024-25621",)),
        ("containerd", "2.2.0", ()),
        ("docker", "20.10.24", ()),
        ("runc", "", ()),
    ],
)
def test_known_bad_versions(tool: str, version: str, known: tuple[str, ...]) -> None:
    told = warning(tool, version)
    assert bool(told) is bool(known)
    assert all(name in told for name in known)
    assert ("may have mended" in told) is ("deb12" in version)


def diagnosis(**more: Any) -> Diagnosis:
    given: dict[str, Any] = {
        "ready": False,
        "engines": (findings(LEAKS, ADVICE),),
        "readiness": points(good()),
        "versions": (Version(name="runc", version="1.1.5", warning="old"),),
        "problems": (),
    }
    return Diagnosis(**{**given, **more})


def test_told_on_a_terminal_without_its_controls() -> None:
    hostile = LEAKS.model_copy(update={"detail": "has \x1b]0;x\x07 routes"})
    out = io.StringIO()
    print_diagnosis(diagnosis(engines=(findings(hostile, ADVICE),)), out)
    told = out.getvalue()
    assert "\x1b" not in told
    assert "no network         unavailable has \\x1b]0;x\\x07 routes" in told
    assert "try: cut them" in told and "warning: old" in told
    assert told.rstrip().endswith("not ready")


def test_json_says_the_same() -> None:
    told = json.loads(diagnosis().model_dump_json())
    assert told["engines"][0]["guarantees"][0]["standing"] == "unavailable"
    assert next(point["name"] for point in told["readiness"]) == "sandbox mode"


def test_progress_in_a_pipe_is_a_line_each(capsys: pytest.CaptureFixture[str]) -> None:
    for quiet, told in ((False, "trying ...\n"), (True, "")):
        with working(quiet) as say:
            say("trying")
        assert capsys.readouterr() == ("", told)


def test_nothing_can_begin_while_everything_is_halted(tmp_path: Path) -> None:
    settings = load_settings({}, {"state": str(tmp_path)}, tmp_path / "absent.toml")
    assert not [*halted(settings, tmp_path)]
    switch = Switch(tmp_path)
    switch.pull("run", "20261120-102233-7f3a9c", "loops", "user:ada")
    assert not [*halted(settings, tmp_path)], "other runs may"
    kill = switch.pull("all", "", "now", "user:ada")
    (problem,) = halted(settings, tmp_path)
    assert "everything is halted: now" in problem.problem and kill.id in problem.remedy
