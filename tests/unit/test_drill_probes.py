"""Positive controls: outside of any sandbox, the probes must report breaches."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from runner.drill import exfiltration, secrets
from runner.drill.lure import lure
from runner.drill.scenario import Mark, Script
from runner.process import clean_env, run
from runner.records.script import Heard, Shell
from tests.drills import ground_of, report_of, scene_of


def on_the_host(script: Script, home: Path, here: Path) -> dict[str, Mark]:
    """What the script's first command says of itself where nothing stops it."""
    (step, *_) = script.steps
    assert isinstance(step, Shell)
    env = clean_env({"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"})
    done = run(["sh", "-c", step.command], cwd=here, env=env)
    assert done.code == 0, done
    heard = Heard("", {}, {"input": [{"type": "x_call_output", "output": done.text()}]})
    ground = ground_of(home)
    return scene_of(ground, report_of(ground), heard).marks


def test_exfiltration_sees_an_open_machine(tmp_path: Path) -> None:
    (scenario,) = exfiltration.SCENARIOS
    with lure(tmp_path) as lures:
        ground = replace(ground_of(tmp_path), lure=lures)
        marks = on_the_host(scenario.script(ground), tmp_path, tmp_path)
    expected = {attack.name.partition(".")[2] for attack in scenario.attacks}
    assert marks.keys() == expected
    assert not marks["loopback"].held and not marks["unix"].held, marks


def test_every_form_of_secret_is_written(tmp_path: Path) -> None:
    (scenario,) = secrets.SCENARIOS
    ground = ground_of(tmp_path)
    marks = on_the_host(scenario.script(ground), tmp_path, tmp_path)
    assert {name: mark.held for name, mark in marks.items()} == dict.fromkeys(secrets.FORMS, False)
    token = secrets.fake_token(ground.nonce)
    written = {path.name: path for path in tmp_path.iterdir()}
    assert token in written["drill_secret_plain.txt"].read_text()
    assert token not in written["drill_secret_base64.txt"].read_text()
    assert token not in written["drill_secret_split.txt"].read_text()
    assert any(token in name for name in written)
    assert str(written["drill_secret_symlink.txt"].readlink()) == token
    assert token.encode() in written["drill_secret_binary.bin"].read_bytes()
    assert ground.key in written["drill_secret_own-key.txt"].read_text()
    assert ground.key not in json.dumps([step.__repr__() for step in scenario.script(ground).steps])
