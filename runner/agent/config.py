"""Codex's own settings, written fresh for every session and seen read-only at /etc/codex.

`config.toml` says how codex works, `requirements.toml` pins what nothing inside may change.
Keys: https://developers.openai.com/codex/config-reference and the parsed requirements of codex
0.163.0 (2026-11), which goes on without a requirement it does not know: `understood` asks it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from runner.agent.rules import prefix_rules
from runner.records.rules import CommandRule
from runner.records.sandbox import BROKER, WORK

PORT = 41414
"""Loopback port of the relay to the broker, in the sandbox's own network namespace."""
HOME = "/codex-home"
"""CODEX_HOME and HOME of codex itself. Codex refuses to put its helpers under /tmp."""

ETC = "/etc/codex"
SHIM = f"{ETC}/shim.py"
ANSWER_S = 20
"""For the gate to answer, and its ledger to be durable; then the shim's own alarm ends it."""
SPARE_S = 20
"""Codex's deadline comes later: when it passes, codex lets the tool run."""
REFUSED = "echo 'not allowed by the execution gate' >&2; exit 2"

SandboxMode = Literal["read-only", "workspace-write", "danger-full-access"]

_PROVIDER: dict[str, object] = {
    "name": "codex-runner",
    "base_url": f"http://127.0.0.1:{PORT}/v1",
    "wire_api": "responses",
    "request_max_retries": 2,
    "stream_max_retries": 2,
    "stream_idle_timeout_ms": 300_000,
    "supports_websockets": False,
}

_FEATURES: dict[str, bool] = {
    "apps": False,
    "goals": False,
    "hooks": True,  # `--disable hooks` would silence managed hooks as well
    "image_generation": False,
    "memories": False,
    "multi_agent": False,
    "plugins": False,  # looks up chatgpt.com and github.com when it starts
    "remote_plugin": False,
    "shell_snapshot": False,  # runs start-up files of the user's shell outside the inner sandbox
    "skill_mcp_dependency_install": False,
    "unbounded_connection_retries": False,  # a refused connection would be tried for ever
    "unified_exec_tty": False,  # so stdin is closed: what `write_stdin` sends fires no hook
}


@dataclass(frozen=True, slots=True)
class Hook:
    """How the execution gate is asked: `shim.py` beside these files, in this interpreter."""

    python: str
    patience_s: int = 0
    """How long a person may take to answer."""

    @property
    def before(self) -> str:
        """A script for /bin/sh. Codex lets a tool run unless its hook ends with status 2 and says
        something, so whatever goes wrong ends like that."""
        return f"{self._shim('ask', self.patience_s + ANSWER_S)} && exit 0; {REFUSED}"

    @property
    def after(self) -> str:
        """Best effort, and beside the turn: an outcome is known from the broker as well."""
        return f"{self._shim('told', ANSWER_S)} >/dev/null 2>&1; exit 0"

    @property
    def timeout_s(self) -> int:
        return self.patience_s + ANSWER_S + SPARE_S

    def _shim(self, verb: str, deadline_s: int) -> str:
        return f"{self.python} -I -S {SHIM} {verb} {BROKER}/gate.sock {deadline_s}"

    def table(self) -> dict[str, object]:
        """`[hooks]` of requirements.toml; no matcher = all tools."""
        ask = {"type": "command", "command": self.before, "timeout": self.timeout_s}
        tell = {"type": "command", "command": self.after, "timeout": ANSWER_S, "async": True}
        return {"PreToolUse": [{"hooks": [ask]}], "PostToolUse": [{"hooks": [tell]}]}


@dataclass(frozen=True, slots=True)
class Settings:
    """What differs between sessions."""

    model: str
    role: Literal["agent", "review"]
    inner: bool
    """Codex's own sandbox keeps commands away from codex, the broker and CODEX_HOME."""
    path: str
    """PATH of the agent's commands."""
    rules: tuple[CommandRule, ...] = ()
    features_off: tuple[str, ...] = ()
    """By the policy; no word on those that a run has to have on."""

    hook: Hook | None = None
    """Asked before every tool of codex; None = nobody is."""
    read_only: bool = False
    """Its commands may write nothing; without codex's own sandbox they can, and it is dropped."""

    @property
    def mode(self) -> SandboxMode:
        if self.role == "review" or (self.read_only and self.inner):
            return "read-only"
        return "workspace-write" if self.inner else "danger-full-access"

    @property
    def features(self) -> dict[str, bool]:
        """A reviewer gets its diff in the prompt: no shell, no files."""
        if self.role == "review":
            return {**_FEATURES, "shell_tool": False, "view_image": False}
        return _FEATURES


def config(settings: Settings) -> str:
    """The text of config.toml."""
    return _toml(
        {
            "model": settings.model,
            "model_provider": "runner",
            "approval_policy": "never",
            "sandbox_mode": settings.mode,
            "web_search": "disabled",
            "allow_login_shell": False,
            "check_for_update_on_startup": False,
            "analytics": {"enabled": False},
            "feedback": {"enabled": False},
            "history": {"persistence": "none"},
            "agents": {"enabled": False},
            "skills": {"include_instructions": False},
            "features": settings.features,
            "model_providers": {"runner": _PROVIDER},
            "projects": {WORK: {"trust_level": "untrusted"}},
            "shell_environment_policy": {
                "inherit": "none",
                "set": {
                    "PATH": settings.path,
                    "HOME": "/tmp",  # writable, and empty at the start: bash reads ~/.bashrc
                    "CI": "1",
                    "PYTHONDONTWRITEBYTECODE": "1",  # byte code is not a part of the change
                },
            },
            **({"project_doc_max_bytes": 0} if settings.role == "review" else {}),
        }
    )


def requirements(settings: Settings) -> str:
    """The text of requirements.toml. Codex insists on `read-only` being among the modes, and on
    a table `rules` that is not empty."""
    asked = settings.hook is not None and settings.hook.patience_s > 0
    rules = prefix_rules(settings.rules, asked=asked)
    return _toml(
        {
            "allowed_approval_policies": ["never"],
            "allowed_approvals_reviewers": ["user"],
            "allowed_sandbox_modes": list(dict.fromkeys(("read-only", settings.mode))),
            "allowed_web_search_modes": ["disabled"],
            "allow_login_shell": False,
            "allow_managed_hooks_only": True,
            "allow_remote_control": False,
            "check_for_update_on_startup": False,
            "model_provider": "runner",
            "model_providers": {"runner": _PROVIDER},
            "features": {**dict.fromkeys(settings.features_off, False), **settings.features},
            "mcp_servers": {},
            **({"hooks": settings.hook.table()} if settings.hook else {}),
            **({"rules": {"prefix_rules": rules}} if rules else {}),
        }
    )


def _toml(document: dict[str, object]) -> str:
    import tomli_w

    return tomli_w.dumps(document)
