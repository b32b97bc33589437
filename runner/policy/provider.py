"""The `[provider]` and `[review.provider]` tables of config.toml."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from runner.policy import names
from runner.policy.names import MisfitError
from runner.policy.toml import Table
from runner.records.provider import Endpoint, Provider

_QUERY = re.compile(r"[A-Za-z0-9._~=&%-]{1,200}")
_HEADER = re.compile(r"[a-z0-9]([a-z0-9-]{0,62}[a-z0-9])?")
_OURS = frozenset(
    {
        *("accept", "accept-encoding", "connection", "content-length", "content-type", "cookie"),
        *("expect", "host", "proxy-authorization", "te", "trailer", "transfer-encoding"),
        *("upgrade", "user-agent"),
    }
)
"""Headers that the broker decides."""


def read_provider(table: Table) -> Provider:
    """Raises ConfigError naming source, line and key."""
    table.closed(Provider.model_fields)
    return _provider(table)


def read_endpoint(table: Table) -> Endpoint:
    """A provider of its own: nothing of `upstream`, `key` and `[provider]` holds for it.

    Raises:
        ConfigError: as `read_provider`; no address, or no key: another's is never sent.
    """
    table.closed({"upstream", "key", *Provider.model_fields})
    upstream = table.string("upstream", names.base_url)
    if upstream is None:
        example = 'say where, e.g. upstream = "https://models.example.com/v1"'
        raise table.fail("upstream", "is missing", example)
    key = table.string("key", names.credential)
    if key is None:
        example = 'say where its own key is, e.g. key = "env:REVIEW_API_KEY"'
        raise table.fail("key", "is missing, and the author's is not sent there", example)
    return Endpoint(upstream=upstream, key=key, provider=_provider(table))


def _provider(table: Table) -> Provider:
    given: dict[str, object] = {
        "query": table.string("query", query),
        "key_header": table.string("key_header", header),
        "headers": _headers(table.table("headers")),
        "deployments": _texts(table.table("deployments")),
        "proxy": table.string("proxy", proxy),
        "ca_file": table.string("ca_file", names.absolute),
        "output_tokens": table.whole("output_tokens", 16),
    }
    return Provider.model_validate({name: value for name, value in given.items() if value})


def query(value: str) -> str:
    if not _QUERY.fullmatch(value):
        raise MisfitError("is not a query", 'write it without a "?", e.g. "api-version=v1"')
    return value


def header(value: str) -> str:
    if not _HEADER.fullmatch(value):
        raise MisfitError("is not a header's name", 'use small letters and dashes, e.g. "api-key"')
    if value in _OURS:
        raise MisfitError("is a header the broker itself decides", "use another, or leave it out")
    return value


def proxy(value: str) -> str:
    """`http://host:port`, no credentials."""
    try:
        parts = urlsplit(value)
        good = parts.scheme in {"http", "https"} and parts.hostname and parts.port
    except ValueError:
        good = False
    if not good or parts.username or parts.path not in {"", "/"} or parts.query or parts.fragment:
        raise MisfitError("is not a proxy", "use an address such as http://proxy.example.com:3128")
    return value.rstrip("/")


def _headers(table: Table) -> dict[str, str]:
    for name in table.values:
        try:
            if header(name) == "authorization":
                raise MisfitError("carries a credential", "use key and key_header")
        except MisfitError as misfit:
            raise table.fail(name, misfit.why, misfit.remedy) from misfit
    return _texts(table)


def _texts(table: Table) -> dict[str, str]:
    found = {name: table.string(name, _ascii) for name in table.values}
    return {name: text for name, text in found.items() if text is not None}


def _ascii(value: str) -> str:
    if not value.isascii():
        raise MisfitError("has other characters than ASCII", "use plain ones")
    return names.line(500)(value)
