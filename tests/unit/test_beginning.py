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
    entry = begin(ledger, plan, package, engine)
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


def test_the_binary_is_read_again_when_it_is_another(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(state / "cache"))
    told(state, FakeEngine())
    (kept,) = (state / "cache" / CODEX).iterdir()
    assert kept.stat().st_mode & 0o777 == 0o600 and kept.read_bytes().decode() in str(
        sha256(b"binary")
    )
    (state / "codex" / "bin" / "codex").write_bytes(b"others")
    assert told(state, FakeEngine())["codex"] == sha256(b"others")
    for broken in (b"", b"[]", b"0" * 63, b"0" * 65, b"x" * 64):
        for kept in (state / "cache" / CODEX).iterdir():
            kept.write_bytes(broken)
        assert told(state, FakeEngine())["codex"] == sha256(b"others")


@pytest.mark.parametrize("spoil", ["open directory", "open file", "in a work tree", "linked"])
def test_a_digest_that_somebody_else_may_have_written_is_not_believed(
    state: Path, monkeypatch: pytest.MonkeyPatch, spoil: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(state / "cache"))
    told(state, FakeEngine())
    place = state / "cache" / CODEX
    (kept,) = place.iterdir()
    kept.write_bytes(b"0" * 64)
    assert told(state, FakeEngine())["codex"] == {"sha256": "0" * 64}, "the control: it is read"
    match spoil:
        case "open directory":
            place.chmod(0o755)
        case "open file":
            kept.chmod(0o666)
        case "in a work tree":
            (state / "cache" / ".git").mkdir()
        case _:
            kept.rename(state / "elsewhere")
            kept.symlink_to(state / "elsewhere")
    assert told(state, FakeEngine())["codex"] == sha256(b"binary")


def test_what_cannot_be_recorded_does_not_begin(state: Path) -> None:
    package = CodexPackage(state / "codex", "0.163.0")
    with pytest.raises(InfraError, match="the ledger cannot be written"):
        begin(FakeLedger(broken=True), make_plan(), package, FakeEngine())
