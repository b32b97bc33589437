"""The operator's files: an organisation's, a user's, codex's own. Settings, pins, and layers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

from runner.errors import ConfigError
from runner.policy import names
from runner.policy.budget import read_prices
from runner.policy.codex_requirements import CodexFile
from runner.policy.names import MisfitError
from runner.policy.organisation import File
from runner.policy.provider import read_provider
from runner.policy.readers import PIN, UNPIN, leaves_of, pinned_fields, read_layer, read_pins
from runner.policy.review import ReviewSettings, read_review_settings
from runner.policy.setup import SetupSettings, read_setup_settings
from runner.policy.tenant import tenant
from runner.policy.text import decode_text
from runner.policy.toml import Table, parse_toml
from runner.records.base import Sha256
from runner.records.merge import LayerName
from runner.records.policy import Layer
from runner.records.usage import Price

Checks = Mapping[str, Callable[[str], object]]
CHECKS: Checks = {
    "engine": names.one_of("auto", "bubblewrap", "docker"),
    "image": names.image,
    "runtime": names.runtime,
    "inner_sandbox": names.one_of("auto", "required", "off"),
    "key": names.credential,
    "upstream": names.base_url,
    "model": names.model,
    "reviewer_model": names.model,
    "tenant": tenant,
    "forge": names.one_of("auto", "local", "github"),
    "github_url": names.base_url,
    "github_token": names.credential,
    "test": names.command,
    "state": names.absolute,
    "kill_file": names.absolute,
    "ledger": names.database,
    "rootfs": names.directory,
    "alternates": names.directories,
}
_TABLES: Mapping[str, Callable[[Table], object]] = {
    "prices": read_prices,
    "provider": read_provider,
    "setup": read_setup_settings,
    "review": read_review_settings,
}
KEYS: Mapping[str, Collection[str]] = {
    **{name: () for name in (*CHECKS, "prices", "provider") if name != "test"},
    "setup": SetupSettings.model_fields,
    "review": ReviewSettings.model_fields,
}
"""What config.toml says beside the policy; of tables that have policy too, with their keys."""


def read_operator(data: bytes, source: str, kind: LayerName) -> Layer:
    """One file's word on the policy; its settings are read as well. Raises ConfigError."""
    table, sha256 = parsed(File(source, data))
    if kind == "organisation":
        return organisation(table, sha256, Said())
    return user(table, sha256, Said())


def user(table: Table, sha256: Sha256, said: Said) -> Layer:
    """config.toml. The organisation's price of a model holds: budgets are counted in it."""
    layer = read_layer(table, "user", KEYS, sha256)
    file_values(table, said.put)
    if said.prices:
        mine: Any = said.values["prices"]
        for model in sorted(said.prices.keys() & mine.keys()):
            if mine[model] != said.prices[model]:
                by = f"pinned by {said.price_origin}"
                said.notes.append(f"prices.{model}: {table.source} is not used; {by}")
        said.values["prices"] = {**mine, **said.prices}
    return layer


@dataclass(slots=True)
class Said:
    """What the settings have come to so far."""

    values: dict[str, object] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    pinned: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    prices: dict[str, Price] = field(default_factory=dict)
    """Those of the organisation, if it lets nobody replace them."""
    price_origin: str = ""

    def put(self, name: str, value: object, source: str) -> None:
        """The last one wins, unless it is pinned."""
        by = self.pinned.get(name)
        if by is None:
            self.values[name], self.origin[name] = value, source
        elif value != self.values[name]:
            self.notes.append(f"{name}: {source} is not used; pinned by {by}")

    def overrule(self, name: str, value: object, source: str) -> None:
        """By a higher file of the organisation."""
        self.values[name], self.origin[name] = value, source


def organisation(table: Table, sha256: Sha256, said: Said) -> Layer:
    """One of its files: settings that others may replace, pins, and its word on the policy.

    A single setting is a default; a table of them is an arrangement (a panel of reviewers and where
    they are asked, say), of which a replacement would leave nothing: it holds unless `unpin`ned.
    """
    layer = read_layer(table, "organisation", {**KEYS, PIN: (), UNPIN: ()}, sha256)
    pins = read_pins(table)
    file_values(table, said.overrule)
    _hold_tables(table, said)
    policy = leaves_of("organisation").keys()
    heads = {pin.partition(".")[0] for pin in pins if pin not in policy}
    given = {head: table.where(head) for head in heads if head in KEYS}
    said.pinned |= {head: at for head, at in given.items() if said.origin.get(head) == at}
    return replace(layer, pins=pinned_fields(pins, layer))


def _hold_tables(table: Table, said: Said) -> None:
    """Raises ConfigError: it lets go of what it does not give."""
    given = {head: at for head in _TABLES if said.origin.get(head) == (at := table.where(head))}
    loose = table.strings(UNPIN, names.one_of(*_TABLES))
    for head in loose:
        if head not in given:
            raise table.fail(UNPIN, f"{head!a} is not set here", "give it a value here")
        said.pinned.pop(head, None)
    if "prices" in given:
        prices: Any = {} if "prices" in loose else said.values["prices"]
        said.prices, said.price_origin = prices, given["prices"]
    held = {head: at for head, at in given.items() if head not in (*loose, "prices")}
    said.pinned |= held


def of_codex(file: CodexFile, said: Said) -> Layer:
    """Codex's own file on this machine, which binds the codex in the sandbox as well."""
    if file.inner_sandbox:
        said.overrule("inner_sandbox", "required", file.inner_sandbox)
        said.pinned["inner_sandbox"] = file.inner_sandbox
    said.notes += file.notes
    return file.layer


def tested(layers: list[Layer], command: object, source: str) -> Iterator[Layer]:
    """The operator's test command, out of the environment or the command line."""
    mine = next((each for each in layers if each.name == "user"), Layer("user", source))
    yield from (each for each in layers if each.name != "user")
    yield replace(
        mine,
        values=MappingProxyType({**mine.values, "test": command}),
        places=MappingProxyType({**mine.places, "test": source}),
    )


def parsed(file: File) -> tuple[Table, Sha256]:
    """Raises ConfigError."""
    table = parse_toml(decode_text(file.data, file.source), file.source)
    return table, Sha256(hashlib.sha256(file.data).hexdigest())


def file_values(table: Table, put: Callable[[str, object, str], None]) -> None:
    """The settings of a file, each with its line; a table replaces a table whole."""
    for key, value in table.values.items():
        if key in CHECKS and key != "test":
            put(key, table.string(key, CHECKS[key]), table.where(key))
        elif key in _TABLES and (not KEYS[key] or {*KEYS[key]} & {*_keys_of(value)}):
            put(key, _TABLES[key](table.table(key)), table.where(key))


def _keys_of(value: Any) -> Collection[str]:
    return value.keys() if isinstance(value, dict) else ()


def checked(name: str, value: str, source: str) -> object:
    """Of one word from outside of files. Raises ConfigError naming `source`."""
    try:
        return CHECKS[name](value)
    except MisfitError as misfit:
        raise ConfigError(f"{source}: {misfit.why}", misfit.remedy) from misfit
