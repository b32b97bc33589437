"""Codex's own files on this machine, as layers of the organisation.

`/etc/codex/requirements.toml` and `/etc/codex/rules/*.rules` bind every codex that starts here, and
so the one in the sandbox, which never sees them. Keys: the 43 of codex 0.163.0, asked of the binary
(2026-11), https://developers.openai.com/codex/enterprise/managed-configuration
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from runner.errors import ConfigError
from runner.policy import names
from runner.policy.files import read_bounded, shown
from runner.policy.organisation import require_owned
from runner.policy.rules_read import read_rules
from runner.policy.starlark import read_rules_file
from runner.policy.text import decode_text
from runner.policy.toml import MAX_BYTES, Table, parse_toml
from runner.records.base import Sha256
from runner.records.policy import Layer

ETC = Path("/etc/codex")
MODES = ("read-only", "workspace-write", "danger-full-access", "external-sandbox")
APPROVALS = ("untrusted", "on-failure", "on-request", "never")
HEEDED = frozenset(
    {"allowed_approval_policies", "allowed_sandbox_modes", "feature_requirements", "features"}
    | {"rules"}
)
HELD = frozenset(
    {"allow_appshots", "allow_browser_and_computer_use", "allow_login_shell"}
    | {"allow_managed_hooks_only", "allow_remote_control", "allowed_approvals_reviewers"}
    | {"allowed_chatgpt_workspaces", "allowed_login_methods", "allowed_web_search_modes"}
    | {"application", "apps", "auto_review", "browser_use", "chatgpt_base_url"}
    | {"check_for_update_on_startup", "cli_auth_credentials_store", "computer_use"}
    | {"experimental_network", "feedback", "in_app_browser", "marketplaces", "mcp_servers"}
    | {"plugins", "windows"}
)
"""What they bound does not happen in a run: no login, search, server, plugin or network."""
UNHEEDED = frozenset(
    {"additional_developer_instructions", "allowed_permission_profiles"}
    | {"default_permissions", "enforce_residency", "guardian_extra_policy"}
    | {"guardian_policy_config", "hooks", "log_dir", "model_catalog_json", "model_provider"}
    | {"model_providers", "models", "permissions", "remote_sandbox_config", "sqlite_home"}
)


@dataclass(frozen=True, slots=True)
class CodexFile:
    """What one of them says."""

    layer: Layer
    inner_sandbox: str = ""
    """The line that forbids codex to work without its own sandbox; empty = none does."""
    notes: tuple[str, ...] = ()
    """What is not heeded."""


def codex_files(etc: Path = ETC) -> tuple[CodexFile, ...]:
    """All there are. Raises ConfigError: as `read_codex_file`, or others can change one."""
    found = []
    for path in (etc / "requirements.toml", *_rules_files(etc / "rules")):
        data = read_bounded(path, MAX_BYTES, follow=True)
        if data is not None:
            require_owned(path)
            require_owned(path.resolve())
            found.append(read_codex_file(data, shown(path)))
    return tuple(found)


def _rules_files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".rules")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        why = f"cannot read {shown(folder)}: {error.strerror}"
        raise ConfigError(why, "make it readable: it binds every codex here") from error


def read_codex_file(data: bytes, source: str) -> CodexFile:
    """A `.rules` file, or a requirements.toml.

    Raises:
        ConfigError: what codex would not take, or take for nothing, naming file, line and key.
    """
    text = decode_text(data, source)
    sha256 = Sha256(hashlib.sha256(data).hexdigest())
    if source.endswith(".rules"):
        file = read_rules_file(text, source)
        values = {"rules": file.rules} if file.rules else {}
        return CodexFile(_layer(source, values, {}, sha256), notes=file.unheeded)
    table = parse_toml(text, source)
    table.closed(HEEDED | HELD | UNHEEDED)
    said = {name: found for name, found in _values(table) if found[0] is not None}
    values = {name: value for name, (value, _) in said.items()}
    places = {name: table.where(key) for name, (_, key) in said.items()}
    modes = _modes(table)
    bound = modes is not None and "danger-full-access" not in modes
    return CodexFile(
        layer=_layer(source, values, places, sha256),
        inner_sandbox=table.where("allowed_sandbox_modes") if bound else "",
        notes=tuple(_notes(table)),
    )


def _layer(
    source: str, values: Mapping[str, Any], places: Mapping[str, str], sha256: Sha256
) -> Layer:
    return Layer(
        "organisation", source, MappingProxyType(values), MappingProxyType(places), sha256=sha256
    )


def _values(table: Table) -> Iterator[tuple[str, tuple[Any, str]]]:
    """Field of the policy -> its value and the key that says it; None = nothing is said."""
    rules = table.table("rules")
    rules.closed({"prefix_rules"})
    yield "rules", (read_rules(rules, "prefix_rules") or None, "rules")
    spellings = [key for key in ("features", "feature_requirements") if key in table.values]
    off = [name for key in spellings for name in _features_off(table.table(key))]
    yield "features_off", (tuple(sorted({*off})) or None, (*spellings, "features")[0])
    modes, approvals = _modes(table), _approvals(table)
    if approvals is not None and "never" not in approvals:
        yield "level", (1, "allowed_approval_policies")
    if modes is not None and not {"workspace-write", "danger-full-access"} & {*modes}:
        yield "level", (0, "allowed_sandbox_modes")


def _modes(table: Table) -> tuple[str, ...] | None:
    key = "allowed_sandbox_modes"
    return table.strings(key, names.one_of(*MODES)) if key in table.values else None


def _approvals(table: Table) -> tuple[str, ...] | None:
    """Those that are one word; a `granular` policy never is `never`."""
    key = "allowed_approval_policies"
    given = table.values.get(key)
    if not isinstance(given, list):
        return None if given is None else table.strings(key, names.one_of(*APPROVALS))
    plain = [each for each in given if not isinstance(each, dict)]
    only = Table(table.source, {key: plain}, table.lines, table.path)
    return only.strings(key, names.one_of(*APPROVALS))


def _features_off(table: Table) -> list[str]:
    return [name for name in table.values if table.flag(name) is False]


def _notes(table: Table) -> Iterator[str]:
    told = [key for key in sorted(table.values) if key in UNHEEDED]
    if told:
        yield f"{table.source}: codex-runner does not heed {', '.join(told)}"
