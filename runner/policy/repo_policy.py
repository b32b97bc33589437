"""What the repository itself asks of every run: `.codex-runner.toml` at the base commit.

It only tightens: never the agent's tree, and never more than the operator allows.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from types import MappingProxyType

from runner.errors import ConfigError
from runner.policy.readers import read_layer
from runner.policy.text import decode_text
from runner.policy.toml import Table, parse_toml
from runner.records.base import Sha256
from runner.records.policy import Layer

LOCATIONS = (".codex-runner.toml", ".github/codex-runner.toml")
NONE = Layer("repository", LOCATIONS[0])
"""The repository asks for nothing."""


def read_repo_policy(blob: Callable[[str], bytes | None], there: Callable[[str], bool]) -> Layer:
    """Look the policy up with `blob`, which reads a regular file of the base commit; `there` says
    whether the commit has anything of that name.

    Raises:
        ConfigError: the file is wrong or not a regular one, or there are two.
    """
    found = {name: data for name in LOCATIONS if (data := blob(name)) is not None}
    for name in LOCATIONS:
        if name not in found and there(name):
            raise ConfigError(
                f"{name} is not a regular file at the base commit",
                "commit the policy itself, not a link to it",
            )
    if len(found) > 1:
        raise ConfigError(f"{' and '.join(found)} both exist", "keep one of them")
    for name, data in found.items():
        return parse_repo_policy(data, name)
    return NONE


def parse_repo_policy(data: bytes, source: str) -> Layer:
    """Raises ConfigError naming source, line and key."""
    table = parse_toml(decode_text(data, source), source)
    return repo_layer(table, Sha256(hashlib.sha256(data).hexdigest()))


def repo_layer(table: Table, sha256: Sha256 | None = None) -> Layer:
    """The same of a table. Raises ConfigError."""
    layer = read_layer(table, "repository", sha256=sha256)
    setup = table.table("setup")
    if not setup.values:
        return layer
    if not layer.values.get("setup.commands"):
        raise setup.fail("commands", "there are none", 'add commands = ["..."], or remove [setup]')
    # a setup that names no hosts asks for none
    return replace(layer, values=MappingProxyType({"setup.hosts": (), **layer.values}))
