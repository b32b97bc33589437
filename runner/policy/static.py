"""The `[static.analysers]` tables: commands that print SARIF, besides the built-in ones."""

from __future__ import annotations

from runner.policy import names
from runner.policy.toml import Table
from runner.records.static import Analyser


def read_analysers(table: Table, key: str) -> tuple[Analyser, ...]:
    """Of every layer. Raises ConfigError naming source, line and key."""
    analysers = table.table(key)
    return tuple(_read_analyser(analysers, name) for name in analysers.values)


def _read_analyser(table: Table, name: str) -> Analyser:
    """`[static.analysers.NAME]`."""
    try:
        names.plain(name)
    except names.MisfitError as misfit:
        raise table.fail(name, misfit.why, misfit.remedy) from misfit
    own = table.table(name)
    own.closed({"command", "paths"})
    command, paths = own.string("command", names.command), own.strings("paths", names.glob)
    if command is None or not paths:
        why = "an analyser needs a command and the paths it judges"
        raise own.fail("paths" if command else "command", why, 'add paths = ["**/*.py"]')
    return Analyser(name=name, command=command, paths=paths)
