"""The `[setup]` tables: the repository says what it needs, the operator what it may have."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from runner.policy import names
from runner.policy.toml import Table
from runner.records.base import Record
from runner.records.hosts import common, parse_host
from runner.records.setup import Setup

REPOSITORY_KEYS = frozenset({"commands", "hosts", "lockfiles"})
OPERATOR_KEYS = frozenset({"hosts", "allow_private", "secrets", "ca"})


@dataclass(frozen=True, slots=True)
class RepoSetup:
    """`[setup]` of `.codex-runner.toml` at the base commit; no commands = no setup."""

    commands: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    lockfiles: tuple[str, ...] = ()


class SetupSettings(Record):
    """`[setup]` of config.toml; empty = a setup has no network and no credential."""

    hosts: tuple[str, ...] = ()
    """The ceiling: what a repository may ask for."""
    allow_private: tuple[str, ...] = ()
    """Names that may lead to private addresses (a mirror of your own), and networks in CIDR."""
    secrets: tuple[str, ...] = ()
    """`env:NAME`, or `NAME=` and any place of a credential."""
    ca: str | None = None
    """A file of certificates to trust there; None = this machine's own."""


def read_repo_setup(table: Table) -> RepoSetup:
    """Raises ConfigError naming source, line and key."""
    table.closed(REPOSITORY_KEYS)
    found = RepoSetup(
        commands=table.strings("commands", names.command),
        hosts=table.strings("hosts", names.host),
        lockfiles=table.strings("lockfiles", names.glob),
    )
    if table.values and not found.commands:
        raise table.fail("commands", "there are none", 'add commands = ["..."], or remove [setup]')
    return found


def read_setup_settings(table: Table) -> SetupSettings:
    """Raises ConfigError naming source, line and key."""
    table.closed(OPERATOR_KEYS)
    ca = table.string("ca", names.absolute)
    return SetupSettings(
        hosts=table.strings("hosts", names.host),
        allow_private=table.strings("allow_private", names.host_or_network),
        secrets=table.strings("secrets", names.named_credential),
        ca=None if ca is None else str(ca),
    )


def decide_setup(repo: RepoSetup, operator: SetupSettings) -> Setup | None:
    """Hosts are what both say; everything else is one side's alone."""
    if not repo.commands:
        return None
    hosts = common(map(parse_host, repo.hosts), map(parse_host, operator.hosts))
    return Setup(
        commands=repo.commands,
        lockfiles=repo.lockfiles,
        hosts=tuple(map(str, hosts)),
        asked=repo.hosts,
        allowed=operator.hosts,
        allow_private=operator.allow_private,
        secrets=tuple(names.variable_of(spec) for spec in operator.secrets),
    )


def not_allowed(setup: Setup | None) -> Iterator[str]:
    """A note for every host the repository asks for and does not get."""
    if setup is None:
        return
    granted = [parse_host(host) for host in setup.hosts]
    for host in setup.asked:
        wanted = parse_host(host)
        if not any(each.covers(wanted) or wanted.covers(each) for each in granted):
            yield (
                f"setup.hosts: the repository's policy asks for {host}; allowed by"
                f' hosts = ["{host}"] under [setup] in config.toml'
            )
