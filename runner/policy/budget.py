"""The `[budget]` and `[prices]` tables of config.toml."""

from __future__ import annotations

from runner.errors import ConfigError
from runner.policy import names
from runner.policy.names import MisfitError
from runner.policy.toml import Table
from runner.records.usage import Allowance, Price

_USD = ("run_usd", "day_usd", "repository_day_usd")
_TOKENS = ("day_tokens", "repository_day_tokens")
_KINDS = ("input", "cached", "output")


def read_budget(table: Table) -> Allowance:
    """`day_usd = "50"`, `day_tokens = 20_000_000`. Raises ConfigError naming line and key."""
    table.closed((*_USD, *_TOKENS))
    dollars = {f"{name}_micros": _dollars(table, name) for name in _USD if name in table.values}
    tokens = {name: table.whole(name, 1) for name in _TOKENS if name in table.values}
    return Allowance.model_validate({**dollars, **tokens})


def read_prices(table: Table) -> dict[str, Price]:
    """`{ input = "1.25", cached = "0.125", output = 10 }` by model, dollars per million tokens."""
    return {model: _price(table.table(model)) for model in table.values}


def require_prices(budget: Allowance, prices: dict[str, Price], *models: str) -> None:
    """A budget in dollars is kept for models of known price only: unknown is not nothing.

    Raises:
        ConfigError: one of these has none.
    """
    unknown = [model for model in models if model not in prices]
    if budget.counts_usd and unknown:
        raise ConfigError(
            f"[budget] is in dollars and the price of {unknown[0]} is unknown",
            f'add [prices."{unknown[0]}"] with input, cached and output to config.toml,'
            " or budget in tokens",
        )


def _price(table: Table) -> Price:
    table.closed(_KINDS)
    return Price(**{f"{kind}_usd_micros": _dollars(table, kind) for kind in _KINDS})


def _dollars(table: Table, key: str) -> int:
    try:
        return names.usd_micros(table.values.get(key))
    except MisfitError as misfit:
        raise table.fail(key, misfit.why, misfit.remedy) from misfit
