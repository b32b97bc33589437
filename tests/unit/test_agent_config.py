"""Codex's settings, as the TOML codex will read."""

from __future__ import annotations

import tomllib
from typing import Any, Literal

import pytest

from runner.agent import understood
from runner.agent.config import PORT, Hook, Settings, config, requirements
from runner.agent.rules import FORBIDDEN, NOBODY
from runner.records.rules import CommandRule

HOSTILE = 'x"\n[features]\nshell_tool = true\nsandbox_mode = "danger-full-access" # \x7f\\'


def settings(role: Literal["agent", "review"] = "agent", *, inner: bool = True) -> Settings:
    return Settings("gpt-5.5", role, inner, "/usr/bin:/bin")


@pytest.mark.parametrize(
    ("role", "inner", "mode", "allowed"),
    [
        ("agent", True, "workspace-write", ["read-only", "workspace-write"]),
        ("agent", False, "danger-full-access", ["read-only", "danger-full-access"]),
        ("review", True, "read-only", ["read-only"]),
        ("review", False, "read-only", ["read-only"]),
    ],
)
def test_the_mode_is_the_only_one_allowed_besides_read_only(
    role: Literal["agent", "review"], inner: bool, mode: str, allowed: list[str]
) -> None:
    chosen = settings(role, inner=inner)
    assert tomllib.loads(config(chosen))["sandbox_mode"] == mode
    assert tomllib.loads(requirements(chosen))["allowed_sandbox_modes"] == allowed


def test_settings_and_requirements_agree() -> None:
    for role in ("agent", "review"):
        told, pinned = (tomllib.loads(f(settings(role))) for f in (config, requirements))
        for key in ("features", "model_providers", "model_provider", "allow_login_shell"):
            assert told[key] == pinned[key]
        assert told["approval_policy"] in pinned["allowed_approval_policies"]
        assert told["web_search"] in pinned["allowed_web_search_modes"]


def test_the_provider_is_the_relay_and_has_no_key() -> None:
    provider = tomllib.loads(config(settings()))["model_providers"]["runner"]
    assert provider["base_url"] == f"http://127.0.0.1:{PORT}/v1"
    assert not {"env_key", "experimental_bearer_token", "auth", "http_headers"} & provider.keys()


def test_commands_inherit_nothing() -> None:
    policy = tomllib.loads(config(settings()))["shell_environment_policy"]
    assert policy["inherit"] == "none"
    assert set(policy["set"]) == {"PATH", "HOME", "CI", "PYTHONDONTWRITEBYTECODE"}


def test_a_reviewer_has_no_shell_and_reads_no_instructions_of_a_repository() -> None:
    told = tomllib.loads(config(settings("review")))
    assert told["features"]["shell_tool"] is False
    assert told["project_doc_max_bytes"] == 0
    assert "shell_tool" not in tomllib.loads(config(settings()))["features"]


def test_hostile_values_stay_values() -> None:
    told = tomllib.loads(config(Settings(HOSTILE, "agent", True, HOSTILE)))
    assert told["model"] == HOSTILE
    assert told["shell_environment_policy"]["set"]["PATH"] == HOSTILE
    assert told["sandbox_mode"] == "workspace-write"
    assert "shell_tool" not in told["features"]


def test_rules_are_pinned_and_none_of_them_allows() -> None:
    """`allow` would leave codex's sandbox, and nobody is there to be prompted."""
    push = (("git",), ("fetch", "push"))
    rules = (
        CommandRule(pattern=push, decision="forbidden", justification=HOSTILE),
        CommandRule(pattern=(("rm",),), decision="forbidden"),
        CommandRule(pattern=(("curl",),), decision="prompt", justification="costs"),
        CommandRule(pattern=(("wc",),), decision="prompt"),
        CommandRule(pattern=(("touch",),), decision="allow"),
    )
    chosen = Settings("gpt-5.5", "agent", True, "/usr/bin", rules)
    told = tomllib.loads(requirements(chosen))["rules"]["prefix_rules"]
    assert told[0]["pattern"] == [{"token": "git"}, {"any_of": ["fetch", "push"]}]
    assert [each["decision"] for each in told] == ["forbidden"] * 4
    assert [each["justification"] for each in told] == [
        *(HOSTILE, FORBIDDEN, f"{NOBODY}: costs", NOBODY)
    ]


def test_without_rules_there_is_no_table() -> None:
    """Codex refuses one that is empty."""
    allowed = (CommandRule(pattern=(("ls",),), decision="allow"),)
    chosen = Settings("gpt-5.5", "agent", True, "/usr/bin", allowed)
    assert "rules" not in tomllib.loads(requirements(chosen))


def test_the_policy_switches_features_off_and_none_on() -> None:
    chosen = Settings("gpt-5.5", "agent", True, "/usr/bin", (), ("view_image", "hooks"))
    pinned = tomllib.loads(requirements(chosen))["features"]
    assert (pinned["view_image"], pinned["hooks"]) == (False, True)
    assert "view_image" not in tomllib.loads(config(chosen))["features"]


PROBED = {
    "summary": "Codex is ignoring 1 unrecognized configuration setting. Check for typos.\n"
    "  requirements (/etc/codex/requirements.toml): `codex_runner_probe` is ignored."
}
NO_BUBBLEWRAP = {"summary": "Codex could not find bubblewrap on PATH. Install it."}


@pytest.mark.parametrize(
    ("warnings", "told"),
    [
        ([PROBED, NO_BUBBLEWRAP], []),
        ([NO_BUBBLEWRAP], ["it does not complain of `codex_runner_probe`"]),
        ([], ["it does not complain of `codex_runner_probe`"]),
        ([{"summary": PROBED["summary"] + "\n  requirements (x): `y` is ignored."}], ["`y` is"]),
        ([PROBED, {"summary": "Ignoring unknown `features`"}], ["Ignoring unknown `features`"]),
        ([PROBED, {"summary": "Error parsing rules.", "details": "bad"}], ["rules. bad"]),
    ],
)
def test_every_complaint_of_codex_is_heard(warnings: list[dict[str, str]], told: list[str]) -> None:
    found = list(understood.unheeded(warnings))
    assert len(found) == len(told)
    assert all(part in each for part, each in zip(told, found, strict=True))


def test_what_waits_for_a_person_is_left_to_the_gate_where_one_can_be_asked() -> None:
    rules = (
        CommandRule(pattern=(("curl",),), decision="prompt"),
        CommandRule(pattern=(("git",),), decision="forbidden"),
    )

    def demanded(hook: Hook | None) -> dict[str, Any]:
        return tomllib.loads(requirements(Settings("m", "agent", True, "/bin", rules, hook=hook)))

    def patterns(hook: Hook | None) -> list[str]:
        return [rule["pattern"][0]["token"] for rule in demanded(hook)["rules"]["prefix_rules"]]

    assert patterns(None) == patterns(Hook("/bin/python3")) == ["curl", "git"]
    assert patterns(Hook("/bin/python3", patience_s=60)) == ["git"]
    assert "hooks" not in demanded(None)
    (before,) = demanded(Hook("/bin/python3"))["hooks"]["PreToolUse"]
    assert "matcher" not in before, "all tools"


def test_no_command_gets_a_terminal_so_nothing_can_be_typed_into_one() -> None:
    for text in (config(settings()), requirements(settings())):
        assert tomllib.loads(text)["features"]["unified_exec_tty"] is False
