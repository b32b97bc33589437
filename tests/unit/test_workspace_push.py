"""Pushing is executing: one id, one generated ref, never force, and no word of the token."""

from __future__ import annotations

import base64
import datetime as dt
import ssl
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from git import Repo

from runner.errors import ConfigError, InfraError
from runner.records.base import Oid
from runner.workspace.push import remote_of
from runner.workspace.source import GitSource, open_source
from tests.overlays import BubblewrapOverlay, Checkout, make_checkout

REF = "refs/heads/codex/fix-it-1"
TOKEN = "ghp_not-a-real-token"


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    made = make_checkout(tmp_path / "repository")
    made.commit({"a": "one\n"})
    return made


@pytest.fixture
def remote(tmp_path: Path) -> Checkout:
    return make_checkout(tmp_path / "remote.git", "--bare")


@pytest.fixture
def source(checkout: Checkout, tmp_path: Path) -> Iterator[GitSource]:
    made = open_source(checkout.path, None, tmp_path / "state")
    yield made
    made.close()


@pytest.fixture
def commit(source: GitSource) -> Oid:
    overlays = BubblewrapOverlay()
    with source.workspace(overlays, "agent") as overlay:
        overlays.play(overlay, [["write", "a", "two\n"]])
        return source.ingest(overlay, "Fix it\n\nSigned-off-by: nobody\n").commit


def test_the_branch_appears_and_pushing_again_is_fine(
    source: GitSource, commit: Oid, remote: Checkout
) -> None:
    for _ in range(2):
        source.push(commit, str(remote.path), REF, TOKEN)
    assert remote.git("for-each-ref", "--format=%(refname) %(objectname)") == f"{REF} {commit}"
    assert remote.git("log", "-1", "--format=%an <%ae> %cn %ad", "--date=format:%z", commit) == (
        "codex-runner <codex-runner@localhost> codex-runner +0000"
    )
    assert remote.git("log", "-1", "--format=%B", commit) == "Fix it\n\nSigned-off-by: nobody"
    source.push(commit, f"file://{remote.path}", REF + "-again", None)


def test_an_independent_reader_sees_one_commit_on_the_base(
    source: GitSource, commit: Oid, remote: Checkout
) -> None:
    source.push(commit, str(remote.path), REF, None)
    with closing(Repo(remote.path)) as repository:
        found = repository.commit(REF)
        assert found.hexsha == commit
        assert [parent.hexsha for parent in found.parents] == [source.base.commit]
        assert [blob.path for blob in found.tree.blobs] == ["a"]
        assert found.tree["a"].data_stream.read() == b"two\n"


def test_an_existing_branch_is_not_moved(
    checkout: Checkout, source: GitSource, commit: Oid, remote: Checkout
) -> None:
    checkout.git("push", "-q", str(remote.path), f"main:{REF}")
    with pytest.raises(InfraError, match=r"exists on .* at another commit"):
        source.push(commit, str(remote.path), REF, None)
    assert remote.git("rev-parse", REF) == checkout.git("rev-parse", "main")


def test_a_remote_that_moved_on_is_fine(
    checkout: Checkout, source: GitSource, commit: Oid, remote: Checkout
) -> None:
    checkout.commit({"b": "ahead\n"})
    checkout.git("push", "-q", str(remote.path), "main")
    source.push(commit, str(remote.path), REF, None)
    assert remote.git("rev-parse", REF + "~1") == checkout.git("rev-parse", "main~1")


def test_a_refusal_is_told_in_the_words_of_the_remote(
    source: GitSource, commit: Oid, remote: Checkout
) -> None:
    hook = remote.path / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nenv >&2\nprintf 'no \\033[31mcodex here' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(InfraError) as caught:
        source.push(commit, str(remote.path), REF, TOKEN)
    assert "pre-receive hook declined" in caught.value.problem
    assert "codex here" in caught.value.problem
    assert caught.value.problem.isprintable() and TOKEN not in caught.value.problem
    assert remote.git("for-each-ref") == ""


def test_an_unreachable_remote(source: GitSource, commit: Oid, tmp_path: Path) -> None:
    with pytest.raises(InfraError, match="does not appear to be a git repository"):
        source.push(commit, str(tmp_path / "nowhere"), REF, None)
    with pytest.raises(InfraError, match="push of codex/fix-it-1 to https"):
        source.push(commit, "https://127.0.0.1:1/x.git", REF, TOKEN)


@pytest.mark.parametrize(
    "ref",
    [
        "refs/heads/main",
        "main",
        "codex/x",
        "refs/heads/codex/",
        "refs/heads/codex/../main",
        "refs/heads/codex/x.lock",
        "refs/heads/codex/a..b",
        "refs/heads/codex/x:refs/heads/main",
        "+refs/heads/codex/x",
        "--upload-pack=touch",
        "refs/heads/codex/x y",
        "refs/heads/codex/x\n",
        "refs/heads/codex/@{1}",
        "refs/heads/codex//x",
        "refs/heads/codex/\u00e9",
        "refs/tags/codex/x",
        "",
    ],
)
def test_only_generated_refs_are_pushed(
    ref: str, source: GitSource, commit: Oid, remote: Checkout
) -> None:
    with pytest.raises(ConfigError):
        source.push(commit, str(remote.path), ref, None)
    assert remote.git("for-each-ref") == ""


def test_the_default_branch_is_never_pushed(
    checkout: Checkout, remote: Checkout, tmp_path: Path
) -> None:
    checkout.git("remote", "add", "origin", str(remote.path))
    checkout.git("update-ref", "refs/remotes/origin/codex/main", "HEAD")
    checkout.git("symbolic-ref", "refs/remotes/origin/HEAD", "refs/remotes/origin/codex/main")
    source = open_source(checkout.path, None, tmp_path / "state")
    with pytest.raises(ConfigError, match="default branch"):
        source.push(source.base.commit, str(remote.path), "refs/heads/codex/main", None)
    source.close()


def test_only_an_object_id_is_pushed(source: GitSource, remote: Checkout) -> None:
    with pytest.raises(InfraError, match="not an object id"):
        source.push(Oid("HEAD"), str(remote.path), REF, None)


@pytest.mark.parametrize(
    "url",
    [
        "ext::sh -c touch% /tmp/x",
        "http://example.org/x.git",
        "git://example.org/x.git",
        "ftp://example.org/x.git",
        "relative/path",
        "./x",
        "-oProxyCommand=touch:x",
        "ssh://-oProxyCommand=touch/x",
        "ssh://-l@host/x",
        "host::path",
        "https://user:token@example.org/x.git",
        "https://token@example.org/x.git",
        "https://",
        "https://example.org/x\n",
        "",
    ],
)
def test_other_remotes_are_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        remote_of(url)


@pytest.mark.parametrize(
    ("url", "protocol"),
    [
        ("https://example.org/x.git", "https"),
        ("ssh://git@example.org:22/x.git", "ssh"),
        ("git@example.org:owner/x.git", "ssh"),
        ("/srv/x.git", "file"),
        ("file:///srv/x.git", "file"),
    ],
)
def test_remotes_and_their_protocols(url: str, protocol: str) -> None:
    assert remote_of(url).protocol == protocol


def test_the_token_goes_to_the_remote_and_nowhere_else(
    source: GitSource, commit: Oid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with unwilling_server(tmp_path) as (url, heard):
        monkeypatch.setenv("GIT_SSL_CAINFO", str(tmp_path / "cert.pem"))
        with pytest.raises(InfraError) as caught:
            source.push(commit, url, REF, TOKEN)
    basic = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    assert heard and set(heard) == {f"Basic {basic}"}
    assert TOKEN not in caught.value.problem and basic not in caught.value.problem
    for path in (tmp_path / "state").rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            assert TOKEN.encode() not in content and basic.encode() not in content


@contextmanager
def unwilling_server(folder: Path) -> Iterator[tuple[str, list[str | None]]]:
    """An HTTPS server that notes who asks, and echoes it in its refusal or a redirect."""
    heard: list[str | None] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            heard.append(self.headers["Authorization"])
            self.send_response(302 if len(heard) == 1 else 403, f"no {heard[-1]}")
            self.send_header("Location", "https://127.0.0.2:1/elsewhere")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            return

    certify(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"https://127.0.0.1:{server.server_port}/r.git", heard
        finally:
            server.shutdown()
            thread.join()


def certify(folder: Path) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    cert = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
