"""The recorded contract: `gateway/*.json`, for whoever writes another client, is what happens.

Each file is one conversation with a gate that denies `rm`, lets a person decide on `push`, and
allows the rest. In an answer `"<name>"` stands for a text that is first seen there; the same name,
also in a later request's path or body, is the same text.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from runner.gateway.pace import Pace
from tests.fake_ledger import FakeLedger
from tests.gates import FakeApprovals, gate_of, served

FILES = sorted((Path(__file__).parent / "gateway").glob("*.json"))
NAME = re.compile(r"<[a-z_]+>")


def test_there_are_some() -> None:
    assert len(FILES) >= 8


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_conversation_goes_as_it_is_recorded(file: Path, tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    recorded = json.loads(file.read_text())
    assert recorded["about"]
    people, ledger = FakeApprovals(), FakeLedger()
    gate = gate_of(ledger, approvals=people, spam=Pace(per_s=0, burst=3))
    seen: dict[str, str] = {}
    with served(tmp_path / "gate.sock", gate) as client:
        for turn in recorded["turns"]:
            people.said = turn.get("people_say", people.said)
            ledger.broken = turn.get("ledger_is_broken", False)
            asked = turn["request"]
            text, body = asked.get("text"), _filled(asked.get("body"), seen)
            if text is None and body is not None:
                text = json.dumps(body)
            answer = client.request(
                asked["method"],
                _filled(asked["path"], seen),
                content=text,
                headers=asked.get("headers", {}),
            )
            assert answer.status_code == turn["response"]["status"], answer.text
            _match(turn["response"]["body"], answer.json(), seen)


def _filled(value: Any, seen: dict[str, str]) -> Any:
    """With the texts of the names that were seen."""
    if isinstance(value, dict):
        return {name: _filled(each, seen) for name, each in value.items()}
    if isinstance(value, str):
        return NAME.sub(lambda found: seen[found[0]], value)
    return value


def _match(expected: Any, found: Any, seen: dict[str, str]) -> None:
    """Exactly, but for the names."""
    if isinstance(expected, dict):
        assert isinstance(found, dict) and expected.keys() == found.keys(), found
        for name in expected:
            _match(expected[name], found[name], seen)
    elif isinstance(expected, list):
        assert isinstance(found, list) and len(expected) == len(found), found
        for each, other in zip(expected, found, strict=True):
            _match(each, other, seen)
    elif isinstance(expected, str) and NAME.fullmatch(expected):
        assert isinstance(found, str)
        assert seen.setdefault(expected, found) == found
        assert list(seen.values()).count(found) == 1  # another name is another text
    else:
        assert expected == found
