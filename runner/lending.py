"""How the model is lent: settings and what was asked -> a Broker."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path

from runner.broker.account import Account
from runner.broker.keys import Key, load_key
from runner.broker.lender import Broker
from runner.broker.recording import Recording, Replay
from runner.broker.upstream import Upstream
from runner.errors import ConfigError
from runner.installing import credentials
from runner.policy.budget import require_prices
from runner.policy.settings import Settings
from runner.ports import Base
from runner.records.plan import Plan

NO_KEY = Key(b"a-recording-needs-none", "--replay")
NOWHERE = "http://replay.invalid/v1"
CA_VARIABLE = "SSL_CERT_FILE"
"""As OpenSSL hears it; weaker than `ca_file`."""
SEED = "seed"
"""Beside a recording's exchanges."""


def make_broker(
    plan: Plan,
    settings: Settings,
    base: Base,
    environ: Mapping[str, str],
    record: Path | None = None,
    replay: Path | None = None,
) -> Broker:
    """Raises ConfigError: no key, no price, no recording."""
    require_prices(settings.budget, settings.prices, plan.model, *plan.reviewers)
    provider = settings.provider
    named = environ.get(CA_VARIABLE)
    upstream = Upstream(
        plan.upstream if replay is None else NOWHERE,
        query=provider.query,
        key_header=provider.key_header,
        headers=provider.headers,
        deployments=provider.deployments,
        proxy=provider.proxy,
        ca_file=provider.ca_file or (Path(named) if named else None),
        output_tokens=provider.output_tokens,
        recording=None if record is None else Recording(record),
        replay=None if replay is None else Replay(replay),
    )
    account = Account(
        settings.state.resolve() / "spending",
        base.remote or str(base.repository),
        settings.budget,
        settings.prices,
    )
    held = [*credentials(settings.setup, environ).values()] if plan.setup else []
    if plan.forge == "github":
        held.append(load_key(settings.github_token, environ).secret)
    key = NO_KEY if replay is not None else load_key(settings.key, environ)
    return Broker(upstream, key, settings.prices, account, tuple(held))


def seed(record: Path | None = None, replay: Path | None = None) -> bytes:
    """Of what reviewers are tried with; kept with a recording, so that its replay asks the same.

    Empty = no recording, another one every time. `record` exists already. Raises ConfigError.
    """
    try:
        if record is not None:
            made = secrets.token_hex(32).encode()
            (record / SEED).touch(0o600, exist_ok=False)
            (record / SEED).write_bytes(made)
            return made
        return b"" if replay is None else (replay / SEED).read_bytes()
    except FileNotFoundError:  # a recording from before there was one
        return b""
    except OSError as error:
        place = record or replay
        raise ConfigError(f"{place}: {error.strerror}", "name a new directory") from error
