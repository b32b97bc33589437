"""The model provider and how it is reached."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from runner.broker.keys import Key
from runner.broker.recording import Recording, Replay
from runner.errors import ConfigError

if TYPE_CHECKING:
    from ssl import SSLContext

    import httpx

CONNECT_S = 10.0
CONNECT_RETRIES = 2
SEND_S = 30.0
BEARER = "authorization"
AZURE = (".openai.azure.com", ".cognitiveservices.azure.com", ".services.ai.azure.com")
"""Hosts that want their key in `api-key`:
https://learn.microsoft.com/azure/ai-foundry/openai/reference (2026-11)."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where requests go. Nothing of it comes from the client or from the environment."""

    base_url: str
    """E.g. `https://api.openai.com/v1`; https, or loopback."""
    query: str = ""
    """E.g. `api-version=2025-04-01-preview`."""
    key_header: str | None = None
    """`authorization` puts `Bearer` before the key; None = what the host is known to want."""
    headers: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Sent with every request."""
    deployments: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Model -> its name there, where that is another."""
    proxy: str | None = None
    """`http://host:port`; the environment's proxies are not used."""
    ca_file: Path | None = None
    """The only certificate authorities that are trusted; None = the public ones."""
    silence_s: float = 300.0
    """Longest wait for the next byte."""
    output_tokens: int = 128_000
    """Most output of one response; models with a lower limit of their own need a lower one."""
    recording: Recording | None = None
    replay: Replay | None = None
    """Answers in place of the provider."""

    @property
    def url(self) -> str:
        return f"{self.base_url}/responses" + (f"?{self.query}" if self.query else "")

    def trust(self) -> SSLContext | bool:
        """What to verify certificates with; False = nothing is encrypted.

        Raises:
            ConfigError: the file holds no certificates.
        """
        # reading the certificates takes 25 ms: not for a model on this machine
        if not any(url.startswith("https:") for url in (self.base_url, self.proxy or "")):
            return False
        if self.ca_file is None:
            return True
        from ssl import create_default_context

        try:
            return create_default_context(cafile=self.ca_file)
        except OSError as error:
            raise ConfigError(
                f"ca_file {self.ca_file}: {error.strerror or 'no certificates'}",
                "name a file of PEM certificates",
            ) from error

    def client(
        self, key: Key, trust: SSLContext | bool, held: tuple[bytes, ...]
    ) -> httpx.AsyncClient:
        """Pooled, no redirects, no cookies, no environment; a failed connect is tried again."""
        from http.cookiejar import CookieJar, DefaultCookiePolicy

        import httpx

        return httpx.AsyncClient(
            transport=self._transport(trust, held),
            trust_env=False,
            follow_redirects=False,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            timeout=httpx.Timeout(self.silence_s, connect=CONNECT_S, write=SEND_S),
            headers={
                **self.headers,
                **self._authorization(key),
                "content-type": "application/json",
                "accept": "text/event-stream",
                "accept-encoding": "identity",  # a compressed stream could not be searched
                "user-agent": "codex-runner",
            },
        )

    def _transport(
        self, trust: SSLContext | bool, held: tuple[bytes, ...]
    ) -> httpx.AsyncBaseTransport:
        import httpx

        from runner.broker.transport import Recorder, Replayer

        if self.replay is not None:
            return Replayer(self.replay)
        transport = httpx.AsyncHTTPTransport(
            verify=trust, trust_env=False, proxy=self.proxy, retries=CONNECT_RETRIES
        )
        return Recorder(transport, self.recording, held) if self.recording else transport

    def _authorization(self, key: Key) -> dict[str, str]:
        azure = (urlsplit(self.base_url).hostname or "").endswith(AZURE)
        name = self.key_header or ("api-key" if azure else BEARER)
        secret = key.secret.decode()
        return {name: f"Bearer {secret}" if name == BEARER else secret}
