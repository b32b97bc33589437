"""The broker and providers that are not OpenAI: other headers, addresses, names, authorities."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from socket import socket

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from runner.broker.keys import Key
from runner.broker.lender import Broker
from runner.broker.upstream import Upstream
from runner.errors import ConfigError
from runner.records.usage import Budget
from tests.contracts.test_broker import MODEL, SECRET, Provider, ask, fine, said, stream

LIMITS = Budget(requests=9, input_tokens=10**6, output_tokens=10**6, wall_s=60)
OTHER = b"ghp_CANARY-OF-THE-FORGE"


def heard(upstream: Upstream, provider: Provider, tmp_path: Path) -> dict[str, str]:
    """Request line (under "") and headers of what one request of the sandbox became."""
    with Broker(upstream, Key(SECRET, "test"), {}).lend(MODEL, LIMITS, tmp_path / "log") as lease:
        assert b"200 OK" in ask(lease)
    line, *lines = provider.heard[-1].partition(b"\r\n\r\n")[0].decode().split("\r\n")
    return {
        "": line,
        **{name.lower(): value for name, _, value in (h.partition(": ") for h in lines)},
    }


def test_the_key_goes_where_the_provider_wants_it(tmp_path: Path) -> None:
    with Provider(fine) as provider:
        plain = heard(Upstream(provider.url), provider, tmp_path)
        assert plain["authorization"] == f"Bearer {SECRET.decode()}"
        upstream = Upstream(
            provider.url,
            query="api-version=2025-04-01-preview",
            key_header="api-key",
            headers={"x-team": "robots"},
            deployments={MODEL: "my-deployment"},
        )
        azure = heard(upstream, provider, tmp_path)
        assert azure[""] == "POST /v1/responses?api-version=2025-04-01-preview HTTP/1.1"
        assert (azure["api-key"], azure["x-team"]) == (SECRET.decode(), "robots")
        assert "authorization" not in azure
        assert b'"model":"my-deployment"' in provider.heard[-1]


@pytest.mark.parametrize(
    ("url", "header"),
    [
        ("https://api.openai.com/v1", "authorization"),
        ("https://mine.openai.azure.com/openai/v1", "api-key"),
        ("https://mine.services.ai.azure.com/openai/v1", "api-key"),
        ("https://openai.azure.com.example.org/v1", "authorization"),
        ("http://127.0.0.1:1/v1", "authorization"),
    ],
)
def test_azure_is_known_by_its_host(url: str, header: str) -> None:
    client = Upstream(url).client(Key(SECRET, "test"), False, ())
    assert SECRET.decode() in client.headers[header]
    assert sum(SECRET.decode() in value for value in client.headers.values()) == 1


def test_no_credential_comes_back(tmp_path: Path) -> None:
    told = said(f"{SECRET.decode()} {OTHER.decode()}")
    at = told.index(OTHER) + 7
    with Provider(stream(told[:at], told[at:], OTHER[:5])) as provider:
        broker = Broker(Upstream(provider.url), Key(SECRET, "test"), {}, others=(OTHER,))
        assert broker.holds() == (SECRET, OTHER)
        with broker.lend(MODEL, LIMITS, tmp_path / "log") as lease:
            answer = ask(lease)
    assert SECRET not in answer and OTHER not in answer
    assert b"[redacted] [redacted]" in answer
    assert answer.endswith(OTHER[:5])


class Authority:
    """A private certificate authority and one server's certificate."""

    def __init__(self, directory: Path) -> None:
        self.root, self.chain = directory / "root.pem", directory / "chain.pem"
        mine, its = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Private CA")])
        root = self._certificate(name, name, mine, mine, ca=True)
        leaf_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "provider")])
        leaf = self._certificate(leaf_name, name, its, mine, ca=False)
        pem = serialization.Encoding.PEM
        self.root.write_bytes(root.public_bytes(pem))
        key = its.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.chain.write_bytes(key + leaf.public_bytes(pem))

    @staticmethod
    def _certificate(
        subject: x509.Name,
        issuer: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        signer: ec.EllipticCurvePrivateKey,
        *,
        ca: bool,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        usage = x509.KeyUsage(True, False, False, False, False, ca, ca, False, False)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(names, False)
            .add_extension(x509.BasicConstraints(ca, None), True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
            .add_extension(authority, False)
            .add_extension(usage, True)
            .sign(signer, hashes.SHA256())
        )

    @contextmanager
    def provider(self) -> Iterator[Provider]:
        """Speaks TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain)

        class Encrypted(Provider):
            @property
            def url(self) -> str:
                return super().url.replace("http:", "https:")

            def _serve(self, connection: socket) -> None:
                try:
                    secured = context.wrap_socket(connection, server_side=True)
                except OSError:
                    connection.close()
                    return
                super()._serve(secured)

        with Encrypted(fine) as provider:
            yield provider


def test_a_private_authority_is_trusted_when_it_is_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with authority.provider() as provider:
        upstream = Upstream(provider.url, ca_file=authority.root)
        assert heard(upstream, provider, tmp_path)["authorization"].endswith(SECRET.decode())


@pytest.mark.parametrize("trusted", ["public", "another"])
def test_and_no_key_is_sent_to_a_stranger(trusted: str, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other").root if trusted == "another" else None
    with Authority(tmp_path).provider() as provider:
        upstream = Upstream(provider.url, ca_file=other)
        broker = Broker(upstream, Key(SECRET, "test"), {})
        with broker.lend(MODEL, LIMITS, tmp_path / "log") as lease:
            assert b"certificate is not trusted" in ask(lease)
        assert provider.heard == []


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_authorities_that_cannot_be_read(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    broker = Broker(Upstream("https://127.0.0.1:9/v1", ca_file=file), Key(SECRET, "test"), {})
    with pytest.raises(ConfigError, match=r"ca\.pem"), broker.lend(MODEL, LIMITS, tmp_path / "log"):
        pass
