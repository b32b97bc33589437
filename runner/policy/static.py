"""The `[static]` tables: which analysers must run, more of them, and from when on they refuse."""

from __future__ import annotations

from runner.policy import names
from runner.policy.toml import Table
from runner.records.static import STRICTER, Analyser, StaticRules

_KEYS = frozenset({"refuse", "require", "analysers"})


def read_static(table: Table) -> StaticRules:
    """Of every layer. Raises ConfigError naming source, line and key."""
    table.closed(_KEYS)
    word = table.string("refuse", names.one_of(*STRICTER))
    analysers = table.table("analysers")
    return StaticRules(
        refuse=next((each for each in STRICTER if each == word), StaticRules().refuse),
        require=table.strings("require", names.plain),
        analysers=tuple(_read_analyser(analysers, name) for name in analysers.values),
    )


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


def decide_static(operator: StaticRules, repo: StaticRules) -> StaticRules:
    """Both layers': the stricter word, and everything that either wants."""
    return StaticRules(
        refuse=min(operator.refuse, repo.refuse, key=STRICTER.index),
        require=tuple(sorted({*operator.require, *repo.require})),
        analysers=(*operator.analysers, *repo.analysers),
    )
