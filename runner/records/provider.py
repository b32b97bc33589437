"""How the operator's model provider wants to be spoken to."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from runner.records.base import Record


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
