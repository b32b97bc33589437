"""Codex's own files: what codex takes, the policy takes, and nothing else."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from runner.agent import understood
from runner.agent.config import Settings
from runner.agent.understood import ask_codex
from runner.demo.sample import AUTHOR_MODEL
from runner.errors import ConfigError, InfraError
from runner.policy.codex_requirements import HEEDED, HELD, UNHEEDED, read_codex_file
from runner.policy.rules import Rulebook
from runner.policy.starlark import read_rules_file
from runner.ports import Engine
from runner.process import run
from runner.sandbox import codex_package

pytestmark = pytest.mark.live
STARLARK = (
    'prefix_rule(pattern=["git", ["push", "fetch"]], decision="forbidden")',
    'prefix_rule(["git"], "prompt", [["git", "x"]], ["hg"], "why")',
    'prefix_rule(\n  pattern=[["git", "hg"], "push"],  # both\n  decision=\'forbidden\',\n)',
    'prefix_rule(pattern=["git"])\nprefix_rule(pattern=["git", "push"], decision="prompt")',
    '"""words"""\nprefix_rule(pattern=["git"], decision="forbidden", match=["git \'a b\'"])',
    'prefix_rule(pattern=["git"], decision="forbidden", match=["/usr/bin/git push"])',
    'prefix_rule(pattern=["\\x67it"], decision="forbidden")',
    'prefix_rule(pattern=["git"], decision="forbidden", match=["hg push"])',
    'prefix_rule(pattern=["git"], decision="forbidden", not_match=["git push"])',
    'prefix_rule(pattern=["git" "push"], decision="forbidden")',
    'prefix_rule(pattern=["git"], decision="deny")',
    'prefix_rule(pattern=["git"], decision="forbidden", reason="x")',
    'prefix_rule(pattern=["git"], decision="forbidden", justification="")',
    'prefix_rule(pattern=["git"], decision=None)',
    'prefix_rule(pattern=("git", "push"), decision="forbidden")',
    'prefix_rule(pattern=[], decision="forbidden")',
    'prefix_rule(pattern=[[]], decision="forbidden")',
    'prefix_rule(pattern=["git", ["push", ["x"]]], decision="forbidden")',
    'prefix_rule(pattern="git", decision="forbidden")',
    'prefix_rule(decision="forbidden")',
    'forbid(pattern=["git"])',
)
COMMANDS = (("git", "push"), ("git", "status"), ("hg", "push"), ("git",), ("ls",))


@pytest.mark.parametrize("text", STARLARK)
def test_a_rules_file_means_what_codex_says_it_means(text: str, tmp_path: Path) -> None:
    file = tmp_path / "x.rules"
    file.write_text(text)
    for command in COMMANDS:
        theirs = _codex_decides(file, command)
        try:
            rules = read_rules_file(text, "x.rules").rules
        except ConfigError:
            assert theirs is None
        else:
            assert Rulebook(rules).decide(command).decision == theirs


def _codex_decides(file: Path, command: tuple[str, ...]) -> str | None:
    """None = it does not read the file. A command that no rule speaks of is allowed."""
    binary = codex_package.locate().binary
    done = run(
        [binary, "execpolicy", "check", "--rules", file, "--", *command],
        env={"HOME": str(file.parent)},
    )
    return str(json.loads(done.stdout).get("decision", "allow")) if done.code == 0 else None


EVERY_KEY = """\
additional_developer_instructions = "x"
allow_appshots = false
allow_browser_and_computer_use = false
allow_login_shell = false
allow_managed_hooks_only = true
allow_remote_control = false
allowed_approval_policies = ["never", "on-request"]
allowed_approvals_reviewers = ["user"]
allowed_chatgpt_workspaces = []
allowed_login_methods = ["api"]
allowed_sandbox_modes = ["read-only", "workspace-write"]
allowed_web_search_modes = ["disabled"]
check_for_update_on_startup = false
default_permissions = ":workspace"
enforce_residency = "us"
guardian_extra_policy = "x"
guardian_policy_config = "x"
remote_sandbox_config = []
application = {}
apps = {}
auto_review = {}
browser_use = {}
computer_use = {}
experimental_network = {}
feedback = {}
hooks = {}
in_app_browser = {}
marketplaces = {}
mcp_servers = {}
models = {}
permissions = {}
plugins = {}
windows = {}
[allowed_permission_profiles]
":workspace" = true
[features]
goals = false
[[rules.prefix_rules]]
pattern = [{ token = "git" }, { any_of = ["push", "fetch"] }]
decision = "forbidden"
justification = "x"
"""
MORE_KEYS = {"feature_requirements", "chatgpt_base_url", "cli_auth_credentials_store", "log_dir"}
MORE_KEYS |= {"model_catalog_json", "model_provider", "model_providers", "sqlite_home"}
"""Those codex would tell of, because they overrule its configuration here, and one more name."""


@pytest.mark.parametrize("engine", ["bubblewrap"], indirect=True)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("", ""),
        ("enforce_residency", "enforce_residenc"),
        ("allowed_sandbox_modes", "allowed_sandbox_mode"),
        ('"workspace-write"]', '"workspace-writ"]'),
        ('"on-request"', '"on-requst"'),
        ("allow_login_shell = false", "web_search = 'live'"),
        ("goals = false", 'goals = "off"'),
        ('token = "git"', 'token = ""'),
        ('decision = "forbidden"', 'decision = "deny"'),
        ('justification = "x"', 'justificaton = "x"'),
    ],
)
def test_requirements_are_wrong_for_us_where_they_are_for_codex(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, old: str, new: str
) -> None:
    text = EVERY_KEY.replace(old, new, 1)
    monkeypatch.setattr(understood, "demanded", lambda _: f"{understood.PROBE} = true\n{text}")
    chosen = Settings(AUTHOR_MODEL, "agent", True, engine.path)
    if not old:
        ask_codex(engine, chosen, tmp_path)
        read_codex_file(text.encode(), "requirements.toml")
        return
    with pytest.raises(InfraError):
        ask_codex(engine, chosen, tmp_path)
    with pytest.raises(ConfigError):
        read_codex_file(text.encode(), "requirements.toml")


def test_every_key_of_codex_is_known() -> None:
    said = set(tomllib.loads(EVERY_KEY)) | MORE_KEYS
    assert said == HEEDED | HELD | UNHEEDED
