"""The way out of one setup: a proxy on a UNIX socket, and what its clients need to use it."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from runner.egress.rules import make_rules
from runner.errors import ConfigError, InfraError
from runner.records.setup import EGRESS, Setup, Traffic
from runner.socket_path import short

if TYPE_CHECKING:
    from runner.egress.journal import Journal
    from runner.egress.proxy import Proxy

SOCKET, RELAY, CERTIFICATES = "proxy.sock", "relay.py", "ca.pem"
PORT = 8118
BUNDLES = ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt")
"""Where systems keep the certificates they trust."""
MAX_BUNDLE_BYTES = 16 * 1024**2
_URL = f"http://127.0.0.1:{PORT}"
PROXY_ENV = MappingProxyType(
    {
        **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), _URL),
        **dict.fromkeys(("npm_config_proxy", "npm_config_https_proxy", "PIP_PROXY"), _URL),
        **dict.fromkeys(("NO_PROXY", "no_proxy"), ""),
        "PIP_NO_CACHE_DIR": "1",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "npm_config_cache": "/tmp/npm",
        "npm_config_update_notifier": "false",
    }
)
_CA = ("SSL_CERT_FILE", "PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO")
_MORE_CA = ("NODE_EXTRA_CA_CERTS", "npm_config_cafile", "CARGO_HTTP_CAINFO")


@dataclass(frozen=True, slots=True)
class ProxyOutlet:
    """An `Outlet`."""

    directory: Path
    journal: Journal
    env: Mapping[str, str]

    def launcher(self, python: str) -> tuple[str, ...]:
        script, port = f"{EGRESS}/{RELAY}", str(PORT)
        return (python, "-I", "-S", script, port, f"{EGRESS}/{SOCKET}", "--")

    def traffic(self) -> Traffic:
        return self.journal.traffic()


@dataclass(frozen=True, slots=True)
class ProxyEgress:
    """An `Egress`. `relay` is the script that pumps a port inside to the proxy's socket."""

    relay: Path
    ca: str | None = None
    """A file of certificates for the clients; None = this machine's."""

    @contextmanager
    def open(self, setup: Setup, log: Path, wall_s: int) -> Iterator[ProxyOutlet]:
        """Raises InfraError: no socket can be made. ConfigError: `ca` cannot be read."""
        from runner.egress.journal import Journal
        from runner.egress.proxy import Proxy

        certificates = _certificates(self.ca)
        with ExitStack() as stack:
            try:
                directory = stack.enter_context(_directory())
                journal = stack.enter_context(Journal(log))
                listener = stack.enter_context(_listener(directory / SOCKET))
                _show(directory / RELAY, self.relay.read_bytes())
                if certificates:
                    _show(directory / CERTIFICATES, certificates)
            except OSError as error:
                raise InfraError(f"cannot open a way out: {error}", "free some disk") from error
            stack.enter_context(serving(Proxy(make_rules(setup), journal), listener, wall_s))
            yield ProxyOutlet(directory, journal, _env(bool(certificates)))


def _env(certificates: bool) -> Mapping[str, str]:
    if not certificates:
        return PROXY_ENV
    return {**PROXY_ENV, **dict.fromkeys((*_CA, *_MORE_CA), f"{EGRESS}/{CERTIFICATES}")}


def _certificates(named: str | None) -> bytes:
    """What the clients are to trust; empty = whatever they bring along."""
    import ssl

    own = ssl.get_default_verify_paths().cafile
    for name in (named,) if named else filter(None, (own, *BUNDLES)):
        try:
            with open(str(name), "rb") as file:
                return file.read(MAX_BUNDLE_BYTES)
        except OSError as error:
            if named:
                remedy = "name a readable PEM file as ca under [setup] in config.toml"
                raise ConfigError(f"{name}: {error.strerror}", remedy) from error
    return b""


@contextmanager
def _directory() -> Iterator[Path]:
    """Open to every uid, for a sandbox that sees it, under a parent that is open to none."""
    parent = Path(tempfile.mkdtemp(prefix="cr-")).resolve()
    try:
        inner = parent / "egress"
        inner.mkdir()
        inner.chmod(0o755)
        yield inner
    finally:
        shutil.rmtree(parent)


def _show(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o644)


@contextmanager
def _listener(path: Path) -> Iterator[socket.socket]:
    """It is there at once; who connects waits until the proxy behind it has started."""
    with short(path) as name, socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(name)
        except OSError as error:
            raise OSError(f"{path}: {error}") from error
        os.chmod(path, 0o666)
        listener.listen(128)
        yield listener


@contextmanager
def serving(proxy: Proxy, listener: socket.socket, wall_s: int) -> Iterator[None]:
    """Serves in a thread and a loop of its own; leaving cuts everybody."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    loop = asyncio.new_event_loop()
    stop = asyncio.Event()
    with ThreadPoolExecutor(1, "egress") as pool:
        done = pool.submit(loop.run_until_complete, proxy.serve(listener, stop, wall_s))
        try:
            yield
        finally:
            loop.call_soon_threadsafe(stop.set)
            try:
                done.result()
            finally:
                loop.close()
