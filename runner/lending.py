"""How models are lent: settings and what was asked -> a Broker for the author, and reviewers."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from runner.broker.account import Account
from runner.broker.keys import Key, load_key
from runner.broker.lender import Broker
from runner.broker.recording import Recording, Replay
from runner.broker.upstream import Upstream
from runner.errors import ConfigError, RunnerError
from runner.installing import credentials
from runner.policy.budget import require_prices
from runner.policy.settings import Settings
from runner.records.plan import Plan
from runner.records.provider import Endpoint, Provider
from runner.records.repository import Base

NO_KEY = Key(b"a-recording-needs-none", "--replay")
NOWHERE = "http://replay.invalid/v1"
CA_VARIABLE = "SSL_CERT_FILE"
"""As OpenSSL hears it; weaker than `ca_file`."""
SEED = "seed"
"""Beside a recording's exchanges."""


def make_brokers(
    plan: Plan,
    settings: Settings,
    base: Base,
    environ: Mapping[str, str],
    record: Path | None = None,
    replay: Path | None = None,
    *,
    authored: bool = True,
) -> tuple[Broker, Broker]:
    """The author's and the reviewers', which are one unless `[review.provider]` is set.

    1. Each has the key of its own provider, and sends it nowhere else.
    2. Each holds both keys: neither passes through the other, in either direction.
    3. They share account, prices, and the recording with its order.

    Not `authored` = the author's key is not needed, only held where there is one.

    Raises:
        ConfigError: no key, one key for two providers, no price, no recording.
    """
    require_prices(plan.budget, settings.prices, plan.model, *plan.reviewers)
    author = settings.endpoint
    reviewer = settings.review.provider or author
    keys = _Keys(environ, replayed=replay is not None)
    reviewing = keys.reviewing(settings)
    writing: Key | None = reviewing
    if reviewer is not author:
        writing = keys.of(author) if authored else keys.known(author)
    if writing is None:
        author, writing = reviewer, reviewing  # nobody asks it
    _require_own(author, writing, reviewer, reviewing)
    spending, repository = settings.state.resolve() / "spending", base.remote or base.repository
    account = Account(spending, str(repository), plan.budget, settings.prices)
    held = {writing.secret, reviewing.secret, *_others(plan, settings, environ)}
    recording = None if record is None else Recording(record)
    kept = None if replay is None else Replay(replay)

    def broker(endpoint: Endpoint, key: Key) -> Broker:
        upstream = _upstream(endpoint, environ, recording, kept)
        return Broker(upstream, key, settings.prices, account, tuple(held - {key.secret}))

    lent = broker(author, writing)
    return lent, lent if reviewer is author else broker(reviewer, reviewing)


def replayed(settings: Settings, replay: Path) -> Settings:
    """A recording answers everybody."""
    upstream = f"replay:{replay}"
    review = settings.review.moved(upstream)
    return settings.model_copy(update={"upstream": upstream, "review": review})


def scripted(settings: Settings) -> Settings:
    """One script at `upstream` answers everybody: no provider's ways, and no other provider."""
    alone = settings.review.model_copy(update={"provider": None})
    return settings.model_copy(update={"provider": Provider(), "review": alone})


def held_keys(settings: Settings, environ: Mapping[str, str]) -> tuple[bytes, ...]:
    """Of the models' providers, those that are there: they must not be in what is judged."""
    endpoints = (settings.endpoint, settings.review.provider or settings.endpoint)
    found = (_Keys(environ).known(endpoint) for endpoint in endpoints)
    return tuple({key.secret for key in found if key is not None})


def require_review_key(settings: Settings, environ: Mapping[str, str]) -> None:
    """Raises ConfigError: the reviewers could not be asked."""
    _Keys(environ).reviewing(settings)


@dataclass(frozen=True, slots=True)
class _Keys:
    """Of the providers; a replay needs none."""

    environ: Mapping[str, str]
    replayed: bool = False

    def of(self, endpoint: Endpoint) -> Key:
        """Raises ConfigError."""
        return NO_KEY if self.replayed else load_key(endpoint.key, self.environ)

    def reviewing(self, settings: Settings) -> Key:
        """Raises ConfigError."""
        if settings.review.provider is None:
            return self.of(settings.endpoint)
        try:
            return self.of(settings.review.provider)
        except ConfigError as error:
            raise ConfigError(f"[review.provider]: {error.problem}", error.remedy) from error

    def known(self, endpoint: Endpoint) -> Key | None:
        with suppress(RunnerError):
            return self.of(endpoint)
        return None


def _require_own(author: Endpoint, mine: Key, reviewer: Endpoint, its: Key) -> None:
    """No provider is sent the key of another one."""
    same_host = urlsplit(author.upstream).netloc == urlsplit(reviewer.upstream).netloc
    if mine.secret == its.secret and not same_host and mine is not NO_KEY:
        raise ConfigError(
            f"[review.provider]: {its.source} is the author's key, and would be sent to"
            f" {reviewer.upstream}",
            "name that provider's own key",
        )


def _others(plan: Plan, settings: Settings, environ: Mapping[str, str]) -> tuple[bytes, ...]:
    """Credentials for other places than models."""
    held = [*credentials(settings.setup, environ).values()] if plan.setup else []
    if plan.forge == "github":
        held.append(load_key(settings.github_token, environ).secret)
    return tuple(held)


def _upstream(
    endpoint: Endpoint,
    environ: Mapping[str, str],
    recording: Recording | None,
    replay: Replay | None,
) -> Upstream:
    provider, named = endpoint.provider, environ.get(CA_VARIABLE)
    return Upstream(
        endpoint.upstream if replay is None else NOWHERE,
        query=provider.query,
        key_header=provider.key_header,
        headers=provider.headers,
        deployments=provider.deployments,
        proxy=provider.proxy,
        ca_file=provider.ca_file or (Path(named) if named else None),
        output_tokens=provider.output_tokens,
        recording=recording,
        replay=replay,
    )


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
