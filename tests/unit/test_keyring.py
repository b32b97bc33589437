"""Whose word counts: roles, rotation, revocation, and the history that leads from key to key."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.errors import ConfigError
from runner.ledger.dsse import ReceiptError, seal
from runner.ledger.founding import own_changes
from runner.ledger.keyring import Ring, UncountedError, history_file, local_ring, read_history
from runner.ledger.keys import (
    Signer,
    in_pem,
    key_file,
    local_public_key,
    local_signer,
    local_signers,
)
from runner.ledger.ledger import open_ledger
from runner.live import LIVE, take
from runner.records.base import RunId
from runner.records.evidence import Kind, Role, Statement
from tests.sealed_run import keeper

SUBJECT = {"x": {"sha256": "0" * 64}}


@pytest.fixture
def state(tmp_path: Path) -> Path:
    local_signer(tmp_path)
    return tmp_path


def said(state: Path, role: Role, kind: Kind) -> bytes:
    return seal(Statement(kind, SUBJECT, {}), local_signer(state, role))


def ids(state: Path, role: Role) -> list[str]:
    return [key.keyid for key in local_ring(state).keys.values() if key.role == role]


def test_only_the_gate_s_key_is_made_by_itself(state: Path) -> None:
    assert set(local_signers(state)) == {"gate"}
    with pytest.raises(ConfigError, match="no key of the verifier") as caught:
        local_signer(state, "verifier")
    assert caught.value.remedy == "codex-runner keys create verifier"
    with pytest.raises(ConfigError, match="an approver's word") as caught:
        keeper(state).create("verifier")
    assert caught.value.remedy == "codex-runner keys create approver"
    assert not key_file(state, "verifier").exists()


def test_each_role_speaks_for_its_kinds_alone(state: Path) -> None:
    for role in ("approver", "verifier"):
        keeper(state).create(role)
    ring = local_ring(state)
    right: dict[Role, Kind] = {"gate": "decision", "verifier": "merged", "approver": "promotion"}
    for role, kind in right.items():
        assert ring.unseal(said(state, role, kind)).kind == kind
        for other in right.values():
            if other != kind:
                with pytest.raises(ReceiptError, match=r"that is for the .* key to say"):
                    ring.unseal(said(state, role, other))


def test_the_old_gate_leads_to_the_new_one(state: Path) -> None:
    old = local_public_key(state)
    assert old is not None
    early = said(state, "gate", "decision")
    keeper(state).create("approver")
    new = keeper(state).rotate("gate")
    assert local_signer(state).keyid == new.keyid
    assert local_public_key(state) == new.public
    ring = Ring.of(("gate", old)).follow(history_file(state).read_bytes())
    assert {each.role for each in ring.keys.values()} == {"gate", "approver"}
    assert ring.unseal(said(state, "gate", "decision"), new.since).keyid == new.keyid
    assert ring.unseal(early, 0).keyid != new.keyid
    with pytest.raises(UncountedError, match=f"was replaced before, at entry {new.since}"):
        ring.unseal(early, new.since)
    with pytest.raises(UncountedError, match="came into use later"):
        ring.unseal(said(state, "gate", "decision"), new.since - 1)
    assert Ring.of(("gate", new.public)).follow(history_file(state).read_bytes()).keys.keys() == {
        new.keyid
    }, "a later key leads to no earlier one"


def test_revoked_from_then_on(state: Path) -> None:
    early = said(state, "gate", "decision")
    keeper(state).create("approver")
    keyid = local_signer(state).keyid
    revoked = keeper(state).revoke(keyid[:12], "stolen")
    assert (revoked.keyid, revoked.ended, revoked.reason) == (keyid, "revoked", "stolen")
    assert revoked.until is not None
    ring = local_ring(state)
    ring.unseal(early, revoked.until - 1)
    with pytest.raises(UncountedError, match="revoked before"):
        ring.unseal(early, revoked.until)
    with pytest.raises(ConfigError, match="was revoked: stolen") as caught:
        local_signer(state)
    assert caught.value.remedy == "codex-runner keys rotate gate"
    with pytest.raises(ConfigError, match="revoked already"):
        keeper(state).revoke(keyid, "again")
    assert keeper(state).rotate("gate").keyid == local_signer(state).keyid != keyid
    assert local_ring(state).keys[keyid].ended == "revoked", "a rotation does not pardon it"


def test_the_approver_revokes_its_key_with_the_next_ones_word(state: Path) -> None:
    """Signed with a revoked key, the next one would make the history one that nobody believes."""
    old = keeper(state).create("approver").keyid
    with pytest.raises(ConfigError, match="nobody could speak for the next one") as caught:
        keeper(state).revoke(old, "lost")
    assert "codex-runner keys rotate approver" in caught.value.remedy
    new = keeper(state).rotate("approver").keyid
    keeper(state).revoke(old, "lost")
    keeper(state).create("verifier")
    ring = local_ring(state)
    assert {keyid: ring.keys[keyid].ended for keyid in (old, new)} == {old: "revoked", new: ""}
    with open_ledger(state) as ledger:
        assert ledger.check() == ledger.size


def test_every_change_is_in_the_ledger_and_the_ledger_holds(state: Path) -> None:
    for role in ("approver", "verifier"):
        keeper(state).create(role)
    rotated: tuple[Role, ...] = ("gate", "approver", "verifier", "gate")
    for each in rotated:
        keeper(state).rotate(each)
    keeper(state).revoke(ids(state, "verifier")[-1], "left")
    with open_ledger(state) as ledger:
        entries = list(ledger.entries(kinds=("key",)))
        assert ledger.check() == len(entries) == ledger.size
    assert b"".join(e.envelope + b"\n" for e in entries) == history_file(state).read_bytes()


def test_a_lost_history_comes_back_from_the_ledger(state: Path) -> None:
    keeper(state).create("approver")
    whole = history_file(state).read_bytes()
    history_file(state).unlink()
    keeper(state).restore()
    assert history_file(state).read_bytes() == whole


def test_who_can_write_to_the_ledger_alone_founds_no_approver(state: Path) -> None:
    from runner.ledger.rekeying import _addition

    foreign = Signer.of(Ed25519PrivateKey.generate())

    def added(predicate: dict[str, object]) -> None:
        signers = {**local_signers(state), "approver": foreign}
        with open_ledger(state, signers) as ledger:
            ledger.append(Statement("key", SUBJECT, predicate))

    itself = _addition("approver", foreign, None, [foreign], 0, 0).model_dump(mode="json")
    added(itself)
    keeper(state).create("approver")
    approver, founding = local_signer(state, "approver"), local_ring(state)
    assert {key.role for key in founding.keys.values()} == {"approver", "gate"}
    assert foreign.keyid not in founding.keys
    copied = json.loads(
        base64.b64decode(json.loads(read_history(state).splitlines()[0])["payload"])
    )
    added(copied["predicate"])  # as if the foreign key had made ours known
    added({})
    keeper(state).create("verifier")
    whole = read_history(state)
    history_file(state).unlink()
    keeper(state).restore()
    assert read_history(state) == whole and len(whole.splitlines()) == 3
    assert foreign.keyid not in local_ring(state).keys
    gate = Ring.of(("gate", local_signer(state).key.public_key()))
    kept = own_changes((), whole, approver.keyid, gate)
    assert kept == tuple(whole.splitlines()), "what the ledger has lost"
    assert own_changes((b"{}", *kept), b"broken", approver.keyid, gate) == kept
    assert own_changes((b"{}",), b"", approver.keyid, gate) == ()


def test_an_interrupted_rotation_is_finished_by_the_next(
    state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper(state).create("approver")
    old = local_signer(state).keyid
    with monkeypatch.context() as broken:
        broken.setattr(os, "replace", _fails_on_keys(os.replace))
        with pytest.raises(KeyboardInterrupt):
            keeper(state).rotate("gate")
    with pytest.raises(ConfigError, match="was replaced"):
        local_signer(state)
    new = keeper(state).rotate("gate")
    assert new.keyid == local_signer(state).keyid != old
    assert len(ids(state, "gate")) == 2, "the new key of before is used"
    assert not list((state / "keys").glob("*.next.*"))


def _fails_on_keys(real: object) -> object:
    def replace(source: os.PathLike[str], target: os.PathLike[str]) -> None:
        if Path(source).name.startswith("receipt.next."):
            raise KeyboardInterrupt
        assert callable(real)
        real(source, target)

    return replace


def test_nobody_rotates_under_a_run(state: Path) -> None:
    keeper(state).create("approver")
    (state / LIVE).mkdir(mode=0o700)
    lease = take(state / LIVE, RunId("20261120-1"))
    with pytest.raises(ConfigError, match="runs are going on"):
        keeper(state).rotate("gate")
    lease.close()


def test_a_key_is_not_kept_in_a_repository(tmp_path: Path) -> None:
    (tmp_path / "project" / ".git").mkdir(parents=True)
    with pytest.raises(ConfigError, match="is inside the repository") as caught:
        local_signer(tmp_path / "project" / "deep" / "state")
    assert "--state" in caught.value.remedy
    assert not list(tmp_path.rglob("receipt.key"))


def test_a_second_approver_cannot_be_founded_by_a_stolen_gate_key(
    state: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The gate's endorsement makes the first approver and no other."""
    gate = local_public_key(state)
    assert gate is not None
    keeper(state).create("approver")
    true = history_file(state).read_bytes()
    thief = tmp_path_factory.mktemp("thief")
    (thief / "keys").mkdir(mode=0o700)
    key_file(thief, "gate").write_bytes(key_file(state, "gate").read_bytes())
    key_file(thief, "gate").chmod(0o600)
    keeper(thief).create("approver")
    forged = history_file(thief).read_bytes()
    honest = Ring.of(("gate", gate)).follow(true)
    assert honest.follow(forged).keys == honest.keys
    assert len(honest.public("approver")) == 1


def test_no_flipped_byte_of_the_history_adds_or_frees_a_key(state: Path) -> None:
    keeper(state).create("approver")
    gate = local_public_key(state)
    keeper(state).rotate("gate")
    keeper(state).revoke(local_signer(state).keyid, "stolen")
    assert gate is not None
    root, history = Ring.of(("gate", gate)), history_file(state).read_bytes()
    whole = root.follow(history)

    @settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.integers(0, len(history) - 1), st.integers(0, 7))
    def flip(at: int, bit: int) -> None:
        bad = history[:at] + bytes([history[at] ^ (1 << bit)]) + history[at + 1 :]
        try:
            found = root.follow(bad)
        except ReceiptError:
            return
        assert found.keys.keys() <= whole.keys.keys()

    flip()


def test_history_that_is_no_history(state: Path) -> None:
    keeper(state).create("approver")
    good = history_file(state).read_bytes()
    for bad in (b"x\n", b"{}\n", b'{"payload": 3}\n', b"[]\n", said(state, "gate", "decision")):
        with pytest.raises(ReceiptError, match="history of keys, line 1"):
            Ring().follow(bad)
    swapped = b"\n".join(reversed(good.splitlines())) + b"\n"
    history_file(state).write_bytes(swapped)
    with pytest.raises(ConfigError, match="is not what it was") as caught:
        local_ring(state)
    assert "--restore" in caught.value.remedy
    with pytest.raises(ConfigError):
        keeper(state).create("verifier")


def test_the_endorsement_is_of_exactly_this_change(state: Path) -> None:
    """A history whose lines an approver signed, with another's endorsement in it."""
    from runner.ledger.rekeying import _addition

    keeper(state).create("approver")
    approver, gate = local_signer(state, "approver"), local_signer(state)
    change = _addition("verifier", approver, None, [gate], 5, 5)
    subject = {"key": {"sha256": change.key}}
    line = seal(Statement("key", subject, change.model_dump(mode="json")), approver)
    with pytest.raises(ReceiptError, match="has not signed that it is there"):
        local_ring(state).follow(line)
    taken = _addition("verifier", approver, None, [approver], 5, 5)
    line = seal(Statement("key", subject, taken.model_dump(mode="json")), approver)
    with pytest.raises(ReceiptError, match="makes the approver's key the verifier's"):
        local_ring(state).follow(line)
    assert json.loads(line)["signatures"][0]["keyid"] == approver.keyid
    assert in_pem(approver.key.public_key()).decode() == taken.public
