"""The `[budget]` and `[provider]` tables, and that a budget in dollars needs prices."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import ConfigError
from runner.policy.budget import require_prices
from runner.policy.lattice import decide
from runner.policy.settings import Settings, load_settings
from runner.records.provider import Provider
from runner.records.usage import Allowance, Price

FILE = """\
key = "command:/usr/bin/pass show 'openai key'"

[budget]
run_usd = "5"
day_usd = "50.25"
day_tokens = 20_000_000
repository_day_usd = 20
repository_day_tokens = 5_000_000

[provider]
query = "api-version=2025-04-01-preview"
key_header = "api-key"
headers = { x-team = "robots" }
deployments = { "gpt-5.5" = "my-deployment" }
proxy = "http://proxy.example.com:3128"
ca_file = "/etc/ssl/private-ca.pem"
output_tokens = 64_000
"""
PRICE = Price(input_usd_micros=1, cached_usd_micros=1, output_usd_micros=1)


def load(tmp_path: Path, text: str) -> Settings:
    (tmp_path / "config.toml").write_text(text)
    return load_settings({}, {}, tmp_path / "config.toml")


def test_both_tables(tmp_path: Path) -> None:
    settings = load(tmp_path, FILE)
    assert decide(settings.layers).policy.budget == Allowance(
        run_usd_micros=5_000_000,
        day_usd_micros=50_250_000,
        day_tokens=20_000_000,
        repository_day_usd_micros=20_000_000,
        repository_day_tokens=5_000_000,
    )
    assert settings.provider == Provider(
        query="api-version=2025-04-01-preview",
        key_header="api-key",
        headers={"x-team": "robots"},
        deployments={"gpt-5.5": "my-deployment"},
        proxy="http://proxy.example.com:3128",
        ca_file=Path("/etc/ssl/private-ca.pem"),
        output_tokens=64_000,
    )
    assert settings.key == "command:/usr/bin/pass show 'openai key'"


def test_none_of_them(tmp_path: Path) -> None:
    settings = load(tmp_path, "")
    assert settings.provider == Provider()
    budget = decide(settings.layers).policy.budget
    assert budget == Allowance() and not budget.counts_usd


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[budget]\nday_usd = 1.5", "line 2: budget.day_usd: is not an amount of dollars"),
        ("[budget]\nday_usd = '-1'", "line 2: budget.day_usd: is not an amount of dollars"),
        ("[budget]\nday_tokens = 0", "line 2: budget.day_tokens: is too small"),
        ("[budget]\nday_tokens = true", "line 2: budget.day_tokens: expected a whole number"),
        ("[budget]\nday_tokens = '5'", "line 2: budget.day_tokens: expected a whole number"),
        ("[budget]\nweek_usd = '5'", "line 2: budget.week_usd: unknown key"),
        ("[provider]\nquery = '?a=b'", "line 2: provider.query: is not a query"),
        ("[provider]\nquery = 'a b'", "line 2: provider.query: is not a query"),
        ("[provider]\nkey_header = 'X Y'", "line 2: provider.key_header: is not a header's name"),
        ("[provider]\nkey_header = 'host'", "line 2: provider.key_header: is a header the broker"),
        (
            "[provider.headers]\ncontent-length = '0'",
            "line 2: provider.headers.content-length: is a header the broker",
        ),
        (
            "[provider.headers]\nauthorization = 'Bearer x'",
            "line 2: provider.headers.authorization: carries a credential",
        ),
        (
            '[provider.headers]\nx-a = "a\\r\\nhost: b"',
            "line 2: provider.headers.x-a: contains control",
        ),
        ("[provider.headers]\nx-a = 'ä'", "line 2: provider.headers.x-a: has other characters"),
        ("[provider]\nproxy = 'proxy:3128'", "line 2: provider.proxy: is not a proxy"),
        ("[provider]\nproxy = 'http://me:pw@p:1'", "line 2: provider.proxy: is not a proxy"),
        ("[provider]\nca_file = 'ca.pem'", "line 2: provider.ca_file: is not an absolute path"),
        ("[provider]\noutput_tokens = 1", "line 2: provider.output_tokens: is too small"),
        ("key = 'command:pass show'", "line 1: key: does not say where the credential is"),
        ('key = "command:/bin/pass \'x"', "line 1: key: does not say where the credential is"),
    ],
)
def test_bad_tables_name_line_and_key(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert says in caught.value.problem
    assert caught.value.remedy


def test_dollars_need_prices() -> None:
    prices = {"a": PRICE}
    require_prices(Allowance(), {}, "a", "b")
    require_prices(Allowance(day_tokens=1), {}, "a", "b")
    require_prices(Allowance(day_usd_micros=1), prices, "a")
    with pytest.raises(ConfigError, match="the price of b is unknown") as caught:
        require_prices(Allowance(run_usd_micros=1), prices, "a", "b")
    assert '[prices."b"]' in caught.value.remedy
