"""What a run is made with, in its intent."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from runner.beginning import CODEX, begin
from runner.errors import InfraError
from runner.sandbox.codex_package import CodexPackage
from tests.fake_ledger import FakeLedger
from tests.fake_world import FakeEngine, make_plan

IMAGE = "ab" * 32


class Docker(FakeEngine):
    fingerprint = f"unix:///var/run/docker.sock [] sha256:{IMAGE} None /opt/codex"


def told(state: Path, engine: FakeEngine, name: str = "bubblewrap") -> dict[str, dict[str, str]]:
    """Digests that the intent names."""
    ledger, package = FakeLedger(), CodexPackage(state / "codex", "0.163.0")
    plan = make_plan().model_copy(update={"engine": name})
    entry = begin(ledger, state, plan, package, engine)
    assert ledger.kept == [entry] and entry.kind == "intent" and entry.about.run == plan.run
    rows = json.loads(entry.envelope)["predicate"]["resolvedDependencies"]
    return {row["name"]: row.get("digest", {}) for row in rows}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    (tmp_path / "codex" / "bin").mkdir(parents=True)
    (tmp_path / "codex" / "bin" / "codex").write_bytes(b"binary")
    return tmp_path


def sha256(content: bytes) -> dict[str, str]:
    return {"sha256": hashlib.sha256(content).hexdigest()}


def test_codex_and_engine(state: Path) -> None:
    found = told(state, FakeEngine())
    assert found["codex"] == sha256(b"binary")
    assert found["engine"] == sha256(b"fake")
    assert "image" not in found


def test_the_image_of_a_docker_engine_alone(state: Path) -> None:
    assert told(state, Docker(), "docker")["image"] == {"sha256": IMAGE}
    assert "image" not in told(state, Docker())
    assert "image" not in told(state, FakeEngine(), "docker")


def test_the_binary_is_read_again_when_it_is_another(state: Path) -> None:
    told(state, FakeEngine())
    kept = state / CODEX
    assert kept.stat().st_mode & 0o777 == 0o600
    binary = state / "codex" / "bin" / "codex"
    binary.write_bytes(b"others")
    assert told(state, FakeEngine())["codex"] == sha256(b"others")
    for broken in (b"", b"[]", b'{"file": 3}', b"[" * 9999, b'{"file": [], "sha256": "x"}'):
        kept.write_bytes(broken)
        assert told(state, FakeEngine())["codex"] == sha256(b"others")


def test_what_cannot_be_recorded_does_not_begin(state: Path) -> None:
    package = CodexPackage(state / "codex", "0.163.0")
    with pytest.raises(InfraError, match="the ledger cannot be written"):
        begin(FakeLedger(broken=True), state, make_plan(), package, FakeEngine())
