"""The `[setup]` tables: the repository says what it needs, the operator what it may have."""

from __future__ import annotations

from runner.policy import names
from runner.policy.lattice import Decided, decide_field
from runner.policy.readers import OPERATOR
from runner.policy.toml import Table
from runner.records.base import Record
from runner.records.policy import fields
from runner.records.setup import Setup


class SetupSettings(Record):
    """`[setup]` of config.toml beside its policy; empty = a setup is given no credential."""

    allow_private: tuple[str, ...] = ()
    """Names that may lead to private addresses (a mirror of your own), and networks in CIDR."""
    secrets: tuple[str, ...] = ()
    """`env:NAME`, or `NAME=` and any place of a credential."""
    ca: str | None = None
    """A file of certificates to trust there; None = this machine's own."""


def read_setup_settings(table: Table) -> SetupSettings:
    """Raises ConfigError naming source, line and key."""
    ca = table.string("ca", names.absolute)
    return SetupSettings(
        allow_private=table.strings("allow_private", names.host_or_network),
        secrets=table.strings("secrets", names.named_credential),
        ca=None if ca is None else str(ca),
    )


def decide_setup(decided: Decided, operator: SetupSettings) -> Setup | None:
    """None = the repository installs nothing."""
    rules, hosts = decided.policy.setup, fields()["setup.hosts"]
    if not rules.commands:
        return None
    allowed = decide_field(hosts, [each for each in decided.layers if each.name in OPERATOR])
    asked = [each.values.get(hosts.name, ()) for each in decided.of("repository")]
    return Setup(
        commands=rules.commands,
        lockfiles=rules.lockfiles,
        hosts=rules.hosts,
        asked=asked[0] if asked else (),
        allowed=allowed.value,
        allow_private=operator.allow_private,
        secrets=tuple(names.variable_of(spec) for spec in operator.secrets),
    )
