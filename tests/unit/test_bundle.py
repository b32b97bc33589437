"""Sigstore bundles of our receipts, read by programs that are not ours."""

from __future__ import annotations

import base64
import json
import os
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from runner.cli.main import cli
from runner.ledger.bundle import MEDIA_TYPE, bundle, envelope_of
from runner.ledger.dsse import ReceiptError, unverified
from runner.ledger.keyring import Ring
from runner.ledger.keys import in_pem, local_public_key, local_signer
from runner.ledger.verifying import verify_file
from runner.process import run
from tests.sealed_run import sealed

JS = Path(__file__).with_name("sigstore.mjs")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """A state directory with one run, and the run's bundles."""
    state = tmp_path_factory.mktemp("state")
    sealed(state)
    out = state / "run.sigstore.jsonl"
    done = CliRunner().invoke(cli, ["verify", "--state", str(state), "--bundle", str(out)])
    assert done.exit_code == 0, done
    return state, out.read_bytes().splitlines(keepends=True)


def test_provenance_tests_and_verdict(made: tuple[Path, list[bytes]]) -> None:
    state, lines = made
    kinds = [unverified(envelope_of(each))[1] for each in lines]
    assert kinds == ["run", "tests", "verdict"]
    for each in lines:
        told = json.loads(each)
        assert told["mediaType"] == MEDIA_TYPE
        hint = told["verificationMaterial"]["publicKey"]["hint"]
        assert hint == local_signer(state).keyid
        assert bundle(envelope_of(each), hint) == each


def test_we_read_them_too(made: tuple[Path, list[bytes]]) -> None:
    state, lines = made
    gate = local_public_key(state)
    assert gate is not None
    ring = Ring.of(("gate", gate))
    for each in lines:
        assert verify_file(each, ring).wrong is None
        assert verify_file(changed(each), ring).wrong is not None
    for bad in (
        b"",
        b"3",
        b"[" * 99999,
        b'{"mediaType":"x"}',
        b'{"mediaType":"%s"}' % MEDIA_TYPE.encode(),
    ):
        with pytest.raises(ReceiptError):
            envelope_of(bad)


def changed(line: bytes) -> bytes:
    """PASSED to FAILED, commit to another, within the payload."""
    told = json.loads(line)
    envelope = told["dsseEnvelope"]
    payload = base64.b64decode(envelope["payload"])
    envelope["payload"] = base64.b64encode(payload.replace(b"cccc", b"dddd")).decode()
    return json.dumps(told).encode() + b"\n"


def test_securesystemslib_verifies_the_envelopes(made: tuple[Path, list[bytes]]) -> None:
    dsse = pytest.importorskip("securesystemslib.dsse", reason="securesystemslib is not installed")
    from securesystemslib.exceptions import VerificationError
    from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined]

    state, lines = made
    signer = local_signer(state)
    key = SSlibKey.from_crypto(signer.key.public_key(), keyid=signer.keyid)
    for each in lines:
        envelope = dsse.Envelope.from_dict(json.loads(each)["dsseEnvelope"])
        assert envelope.payload_type == "application/vnd.in-toto+json"
        assert envelope.verify([key], 1).keys() == {signer.keyid}
        with pytest.raises(VerificationError):
            dsse.Envelope.from_dict(json.loads(changed(each))["dsseEnvelope"]).verify([key], 1)


def test_sigstore_js_verifies_the_bundles(made: tuple[Path, list[bytes]], tmp_path: Path) -> None:
    """`npm install @sigstore/bundle @sigstore/verify` in SIGSTORE_JS (a directory)."""
    node, modules = shutil.which("node"), os.environ.get("SIGSTORE_JS", "")
    if node is None or not Path(modules, "node_modules", "@sigstore", "verify").is_dir():
        pytest.skip("node, or sigstore-js in SIGSTORE_JS, is not there")
    state, lines = made
    gate = local_public_key(state)
    assert gate is not None
    (tmp_path / "gate.pem").write_bytes(in_pem(gate))
    (tmp_path / "other.pem").write_bytes(in_pem(local_signer(tmp_path).key.public_key()))
    (tmp_path / "node_modules").symlink_to(Path(modules, "node_modules"))
    shutil.copy(JS, tmp_path)

    def verified(line: bytes, key: str) -> str:
        (tmp_path / "bundle.json").write_bytes(line)
        return run([node, tmp_path / JS.name, "bundle.json", key], cwd=tmp_path).text()

    for each in lines:
        assert verified(each, "gate.pem") == "verified"
        assert verified(changed(each), "gate.pem").startswith("refused")
        assert verified(each, "other.pem").startswith("refused")
