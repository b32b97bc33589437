"""The `[prices]` table of config.toml, which a `[budget]` in dollars needs."""

from __future__ import annotations

from runner.errors import ConfigError
from runner.policy import names
from runner.policy.names import MisfitError
from runner.policy.toml import Table
from runner.records.usage import Allowance, Price

_KINDS = ("input", "cached", "output")


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
    return Price(**{f"{kind}_usd_micros": dollars(table, kind) for kind in _KINDS})


def dollars(table: Table, key: str) -> int:
    """Micro-dollars. Raises ConfigError naming line and key."""
    try:
        return names.usd_micros(table.values.get(key))
    except MisfitError as misfit:
        raise table.fail(key, misfit.why, misfit.remedy) from misfit
