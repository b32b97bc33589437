"""What the command line says of the policy: the lowest layer of all, it only tightens.

`codex-runner run --level 1 --limit lines=200 --limit run_usd=0.50 --path 'src/**'`
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import get_close_matches
from types import MappingProxyType

from runner.errors import ConfigError
from runner.policy.files import shown
from runner.policy.readers import leaves_of, read_layer
from runner.policy.toml import Table
from runner.records.merge import LayerName
from runner.records.policy import Layer
from runner.records.task import Words

NAME: LayerName = "command line"
SOURCE = "the options of this command"
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_TABLES = ("limits", "budget")


def command_layers(words: Words) -> tuple[Layer, ...]:
    """One; none where it says nothing.

    Raises ConfigError: a name that is no limit, a limit named twice, a bad value.
    """
    values: dict[str, object] = {}
    places: dict[str, str] = {}
    for table in _tables(words):
        layer = read_layer(table, NAME)
        if twice := values.keys() & layer.values.keys():
            raise ConfigError(f"{table.source}: {min(twice)} is given twice", "give it once")
        values |= layer.values
        places |= dict.fromkeys(layer.values, table.source)
    if not values:
        return ()
    return (Layer(NAME, SOURCE, MappingProxyType(values), MappingProxyType(places)),)


def _tables(words: Words) -> Iterator[Table]:
    """Each option as the TOML that says the same."""
    if words.level is not None:
        yield Table(f"--level {words.level}", {"level": words.level}, {})
    for word in words.limits:
        name, equals, text = word.partition("=")
        if not equals:
            raise ConfigError(f"--limit {shown(word)}: no value", "write --limit lines=200")
        head, tail = _key(name)
        value = int(text) if _WHOLE.fullmatch(text) else text
        yield Table(f"--limit {shown(word[:100])}", {head: {tail: value}}, {})
    if words.paths:
        yield Table("--path", {"paths": [*words.paths]}, {})


def _key(name: str) -> tuple[str, str]:
    """`lines`, or `limits.lines` -> where a policy file has it. Raises ConfigError: nowhere."""
    keys = [key.partition(".") for key in leaves_of(NAME)]
    known = {tail: head for head, _, tail in keys if head in _TABLES}
    head, _, tail = name.rpartition(".")
    if tail in known and head in ("", known[tail]):
        return known[tail], tail
    near = get_close_matches(name[:64], known, n=1)
    guess = f"did you mean {near[0]}? " if near else ""
    names = ", ".join(sorted(known))
    raise ConfigError(f"--limit: {name[:64]!a} is no limit", f"{guess}known: {names}")
