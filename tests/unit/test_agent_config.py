"""Codex's settings, as the TOML codex will read."""

from __future__ import annotations

import tomllib
from typing import Literal

import pytest

from runner.agent.config import PORT, Settings, config, requirements

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
