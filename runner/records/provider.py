"""Where models are asked, how that wants to be spoken to, and which names are one model's."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field

from runner.records.base import Record

_SNAPSHOT = re.compile(r"-(20[0-9]{2}-?[0-9]{2}-?[0-9]{2}|latest)$")


class Provider(Record):
    """`[provider]` of config.toml; empty = as OpenAI."""

    query: str = ""
    """Behind the address of every request, e.g. `api-version=2025-04-01-preview`."""
    key_header: str | None = None
    """Header of the key; None = `api-key` for Azure's hosts, else `authorization`."""
    headers: dict[str, str] = Field(default_factory=dict)
    """Sent with every request; no credentials, these lines are not searched for."""
    deployments: dict[str, str] = Field(default_factory=dict)
    """Model -> the provider's name for it."""
    proxy: str | None = None
    """`http://host:port`; the environment's proxies are not used."""
    ca_file: Path | None = None
    """PEM certificates of the only authorities to trust; None = `SSL_CERT_FILE`, else public."""
    output_tokens: int = 128_000
    """Most output one response of these models can have."""


class Endpoint(Record):
    """One provider, and where the key for it is."""

    upstream: str
    """Base URL, without credentials."""
    key: str
    """Spelled as `Settings.key`; never the key itself."""
    provider: Provider = Provider()

    def name_of(self, model: str) -> str:
        """What the provider is asked for."""
        return self.provider.deployments.get(model, model)

    @property
    def place(self) -> tuple[str, str]:
        """The same for two endpoints at which one name means one model."""
        return self.upstream, self.provider.query


def same_model(one: str, other: str) -> bool:
    """`gpt-5.5` and `openai/GPT-5.5-2026-03-01`: whose provider, snapshot and spelling differ.

    Names that have nothing in common may still be one model's: no name tells.
    """
    return _bare(one) == _bare(other)


def same_at(one: str, here: Endpoint, other: str, there: Endpoint) -> bool:
    """As far as names tell, those of deployments included; at two providers these may collide."""
    mine, its = here.name_of(one), there.name_of(other)
    pairs = [(one, other), (one, its), (mine, other)]
    if here.place == there.place:
        pairs.append((mine, its))
    return any(same_model(*pair) for pair in pairs)


def _bare(model: str) -> str:
    name = model.strip().casefold()
    last = _SNAPSHOT.sub("", name.rpartition("/")[2])
    return "".join(filter(str.isalnum, last)) or name
