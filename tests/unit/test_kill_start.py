"""A kill is in force before anything slow is imported."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from runner.cli.main import cli
from runner.errors import ConfigError
from runner.killfile import pull
from runner.policy import place
from runner.policy.place import plain_state
from runner.process import run
from runner.records.kill import Kill

SLOW = "{'pydantic', 'cryptography', 'runner.policy.settings', 'runner.records.base', 'tomli'}"


def test_nothing_slow_is_imported_before_a_kill_is_in_force(tmp_path: Path) -> None:
    program = f"""
import sys
from pathlib import Path
import runner.cli.kill, runner.cli.kill_now
from runner.cli.options import resolve_state
from runner.killfile import pull
pull(resolve_state(Path({str(tmp_path)!r})), "all", "", "why", "user:me")
print(sorted({SLOW} & sys.modules.keys()))
"""
    done = run([sys.executable, "-c", program])
    assert (done.code, done.text().strip()) == (0, "[]"), done.error()
    assert len(list((tmp_path / "kill").iterdir())) == 1


def test_what_is_no_text_does_not_keep_a_kill_from_being_read(tmp_path: Path) -> None:
    kill = Kill.model_validate_json(pull(tmp_path, "all", "", "why \udcff", "user:me"))
    assert kill.reason == "why ?"
    with pytest.raises(ConfigError, match="not one"):
        pull(tmp_path, "repo", "/srv/\udcff", "why", "user:me")


def test_a_state_directory_that_nobody_can_pin_is_taken_at_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(place, "ETC", tmp_path / "requirements.toml")
    monkeypatch.setattr(sys, "path", [str(tmp_path / "none"), str(tmp_path)])
    state, named = Path("/srv/state"), {"CODEX_RUNNER_STATE": "/srv/state"}
    assert plain_state({}, state) == plain_state(named) == state
    for odd in ("state", "/srv/../state", "/srv/\x1b"):
        assert plain_state({}, Path(odd)) is None
    assert plain_state({}) is None
    assert plain_state({"CODEX_RUNNER_REQUIREMENTS": "/srv/r.toml"}, state) is None
    package = tmp_path / "acme-1.dist-info"
    package.mkdir()
    (package / "entry_points.txt").write_text("[console_scripts]\n")
    assert plain_state({}, state) == state
    (package / "entry_points.txt").write_text('[codex_runner.policies]\nacme = "acme"\n')
    assert plain_state({}, state) is None
    (package / "entry_points.txt").unlink()
    (tmp_path / "requirements.toml").touch()
    assert plain_state({}, state) is None


def test_what_is_installed_in_an_archive_may_be_a_policy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / "all.zip"
    archive.touch()
    monkeypatch.setattr(place, "ETC", tmp_path / "requirements.toml")
    monkeypatch.setattr(sys, "path", [str(archive)])
    assert plain_state({}, Path("/srv/state")) is None


def test_a_run_that_is_mistyped_is_not_proved_dead(tmp_path: Path) -> None:
    """`nothing was running` would let the real one go on."""
    words = ["kill", "--run", "20261120-10", "--reason", "x", "--state", str(tmp_path)]
    done = CliRunner().invoke(cli, words)
    assert isinstance(done.exception, ConfigError), done
    assert "nothing was stopped" in done.exception.problem and not list(tmp_path.iterdir())
    words[2] = "20261120-102233-7f3a9c"
    done = CliRunner().invoke(cli, words)
    assert done.exit_code == 0 and "is not here" in done.output
