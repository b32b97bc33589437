"""The kill switch: in force at once, for everybody, until an administrator lifts it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.errors import ConfigError, InfraError
from runner.killfile import SUBJECTS
from runner.killswitch import BROKEN, FILE, Switch, remedy, repository_names, why
from runner.records.base import Sha256
from runner.records.kill import Kill, KillId, Scope, Target

RUN = "20261120-102233-7f3a9c"
AGENT, KEY, POLICY = "ag_0123456789abcdef", "ab" * 32, "cd" * 32
TARGET = Target(
    run=RUN,
    agent=AGENT,
    repos=repository_names("/srv/tally", "git@github.com:octo/tally.git"),
    key=KEY,
    policy=POLICY,
)
OTHER = Target(run="20261120-102233-000000", repos=("/srv/other",))
MATCHING: dict[Scope, str] = {
    "all": "",
    "run": RUN,
    "agent": AGENT,
    "repo": "https://github.com/octo/tally",
    "key": KEY,
    "policy": POLICY,
}


def believed(envelope: bytes) -> Sha256 | None:
    """In the place of signatures: an administrator writes `admin DIGEST`."""
    word, _, digest = envelope.decode(errors="replace").partition(" ")
    return Sha256(digest) if word == "admin" else None


@pytest.fixture
def switch(tmp_path: Path) -> Switch:
    return Switch(tmp_path, lifts=believed)


def test_nothing_is_stopped_where_nothing_was_pulled(switch: Switch) -> None:
    assert switch.hits(TARGET) is None and not switch.kills()
    assert not switch.directory.exists(), "looking makes nothing"


@pytest.mark.parametrize("scope", MATCHING)
def test_a_kill_stops_what_it_means_and_nothing_else(switch: Switch, scope: Scope) -> None:
    kill = switch.pull(scope, MATCHING[scope], "loops", "user:ada")
    assert switch.hits(TARGET) == kill
    assert switch.hits(OTHER) == (kill if scope == "all" else None)
    assert "loops" in why(kill) and "user:ada" in why(kill) and kill.id in remedy(kill)


@pytest.mark.parametrize("scope", MATCHING)
def test_it_is_in_force_after_a_restart(tmp_path: Path, switch: Switch, scope: Scope) -> None:
    kill = switch.pull(scope, MATCHING[scope], "loops", "user:ada")
    again = Switch(tmp_path, lifts=believed)
    assert again.hits(TARGET) == kill
    (file,) = switch.directory.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert switch.directory.stat().st_mode & 0o777 == 0o700


def test_whoever_looked_before_sees_it(tmp_path: Path, switch: Switch) -> None:
    assert switch.hits(TARGET) is None
    for number in range(50):  # each within the time stamp of the one before
        other = Target(run=f"r{number}")
        assert switch.hits(other) is None
        Switch(tmp_path).pull("run", f"r{number}", "loops", "user:ada")
        assert switch.hits(other) is not None


@pytest.mark.parametrize("scope", SUBJECTS)
def test_what_would_hit_nothing_is_no_kill(switch: Switch, scope: Scope) -> None:
    for subject in ("x", "*") if scope == "all" else ("", " ", "a b", "../", "*"):
        with pytest.raises(ConfigError):
            switch.pull(scope, subject, "loops", "user:ada")
    with pytest.raises(ConfigError, match="reason"):
        switch.pull(scope, MATCHING[scope], " ", "user:ada")
    assert not switch.kills()


def test_only_an_administrator_lifts(tmp_path: Path, switch: Switch) -> None:
    one, two = (switch.pull("run", RUN, why, "user:ada") for why in ("loops", "leaks"))
    for envelope in (b"", b"somebody " + one.digest().encode(), b"admin " + two.digest().encode()):
        with pytest.raises(ConfigError, match="does not lift"):
            switch.lift(one.id, envelope)
        (switch.directory / f"{one.id}.lift").write_bytes(envelope or b"{")
        assert Switch(tmp_path, lifts=believed).hits(TARGET) == one
    switch.lift(one.id, b"admin " + one.digest().encode())
    assert switch.kills() == Switch(tmp_path, lifts=believed).kills() == (two,)
    assert Switch(tmp_path).kills() == (one, two), "who believes nobody lifts nothing"
    with pytest.raises(ConfigError, match="no kill"):
        switch.lift(one.id, b"admin " + one.digest().encode())


def test_a_lift_does_not_hold_for_another_kill_of_that_name(switch: Switch) -> None:
    kill = switch.pull("run", RUN, "loops", "user:ada")
    switch.lift(kill.id, b"admin " + kill.digest().encode())
    assert not switch.kills()
    switch.keep(kill.model_copy(update={"scope": "all", "subject": ""}))
    assert switch.hits(OTHER)


def test_taking_the_file_away_lifts_nothing_that_was_seen(switch: Switch) -> None:
    kill = switch.pull("run", RUN, "loops", "user:ada")
    assert switch.hits(TARGET)
    (switch.directory / f"{kill.id}.json").unlink()
    assert switch.hits(TARGET) == kill
    switch.directory.rmdir()
    assert switch.hits(OTHER), "a directory that vanishes stops everything"


def test_two_plain_files_stop_everything_while_they_are_there(tmp_path: Path) -> None:
    extra = tmp_path / "ops" / "stop"
    extra.parent.mkdir()
    switch = Switch(tmp_path, extra)
    (tmp_path / "kill").mkdir()
    for file in (tmp_path / "kill" / "STOP", extra):
        for make in (file.touch, file.mkdir, lambda file=file: file.symlink_to("/nowhere")):
            assert switch.hits(TARGET) is None
            make()
            kill = switch.hits(TARGET)
            assert kill is not None and kill.id == FILE and str(file) in why(kill) + remedy(kill)
            file.rmdir() if file.is_dir() else file.unlink()


BREAKS: dict[str, Callable[[Switch, Kill], object]] = {
    "half written": lambda s, k: _file(s, k).write_bytes(_file(s, k).read_bytes()[:40]),
    "empty": lambda s, k: _file(s, k).write_bytes(b""),
    "too large": lambda s, k: _file(s, k).write_bytes(_file(s, k).read_bytes() + b" " * 65536),
    "a link": lambda s, k: _instead(s, k).symlink_to("/etc/hostname"),
    "a pipe": lambda s, k: os.mkfifo(_instead(s, k)),
    "a directory": lambda s, k: _instead(s, k).mkdir(),
    "another's": lambda s, k: _file(s, k).rename(s.directory / f"{'0' * 16}.json"),
    "unknown scope": lambda s, k: _file(s, k).write_text(
        _file(s, k).read_text().replace('"run"', '"everyone"')
    ),
    "more keys": lambda s, k: _file(s, k).write_text(_file(s, k).read_text()[:-1] + ',"x":1}'),
    "a stranger": lambda s, k: (s.directory / "stop").touch(),
    "an editor's": lambda s, k: (s.directory / f"{k.id}.json~").touch(),
    "not UTF-8": lambda s, k: _file(s, k).write_bytes(b"\xff\xfe"),
    "no directory": lambda s, k: _moved(s).touch(),
}


@pytest.mark.parametrize("name", BREAKS)
def test_what_cannot_be_read_stops_everything(tmp_path: Path, switch: Switch, name: str) -> None:
    kill = switch.pull("run", RUN, "loops", "user:ada")
    BREAKS[name](switch, kill)
    for each in (switch, Switch(tmp_path)):
        hit = each.hits(OTHER)
        assert hit is not None and hit.id == BROKEN, each
        assert str(switch.directory) in why(hit) + remedy(hit)


def test_what_is_mended_stops_nothing_else_any_more(switch: Switch) -> None:
    kill = switch.pull("run", RUN, "loops", "user:ada")
    whole = _file(switch, kill).read_bytes()
    with _file(switch, kill).open("r+b") as file:  # the directory itself does not change
        file.truncate(30)
        assert switch.hits(OTHER)
        file.seek(0)
        file.write(whole)
        file.flush()
        assert switch.hits(OTHER) is None and switch.hits(TARGET) == kill


def test_a_directory_that_cannot_be_looked_at_stops_everything(switch: Switch) -> None:
    switch.pull("run", RUN, "loops", "user:ada")
    assert switch.hits(OTHER) is None
    moved = switch.directory.rename(switch.directory.with_name("moved"))
    switch.directory.symlink_to(switch.directory)
    assert switch.hits(OTHER)
    switch.directory.unlink()
    moved.rename(switch.directory)
    assert switch.hits(OTHER) is None


def test_an_extra_file_that_could_not_be_made_stops_everything(tmp_path: Path) -> None:
    for extra in (tmp_path / "absent" / "stop", Path("/proc/version/stop")):
        kill = Switch(tmp_path, extra).hits(TARGET)
        assert kill is not None and kill.id == BROKEN and str(extra.parent) in why(kill)


def test_one_that_cannot_be_written_says_how_to_stop_all(tmp_path: Path) -> None:
    (tmp_path / "kill").touch()
    with pytest.raises(InfraError) as caught:
        Switch(tmp_path).pull("all", "", "loops", "user:ada")
    assert caught.value.remedy == f"to stop everything: touch {tmp_path / 'kill' / 'STOP'}"
    assert [path.name for path in tmp_path.iterdir()] == ["kill"], "nothing half-written is left"


def test_many_threads_ask_one_switch(switch: Switch) -> None:
    kills = [switch.pull("run", f"r{number}", "loops", "user:ada") for number in range(8)]
    answers: list[Kill | None] = []

    def ask(number: int) -> None:
        answers.extend(switch.hits(Target(run=f"r{number}")) for _ in range(50))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answers) == 400
    assert {kill.id for kill in kills} == {kill.id for kill in answers if kill}


@pytest.mark.parametrize(
    ("named", "same"),
    [
        ("git@github.com:octo/tally.git", "https://github.com/octo/tally"),
        ("ssh://git@GitHub.com/octo/tally.git", "https://user:word@github.com/octo/tally/"),
        ("https://git.example:8443/a/b/c.git", "https://git.example:8443/a/b/c"),
        ("file:///srv/tally.git", "/srv/tally.git"),
        ("/srv/x/../tally", "/srv/tally"),
    ],
)
def test_a_repository_has_many_names(switch: Switch, named: str, same: str) -> None:
    switch.pull("repo", named, "loops", "user:ada")
    assert switch.hits(Target(repos=repository_names(same)))
    assert not switch.hits(Target(repos=repository_names("/srv/another", "https://x.example/a/b")))
    assert "word" not in why(switch.kills()[0])


def test_what_another_place_remembers_is_in_force_again(tmp_path: Path, switch: Switch) -> None:
    kill = switch.pull("run", RUN, "loops", "user:ada")
    lift = b"admin " + kill.digest().encode()
    _file(switch, kill).unlink()
    fresh = Switch(tmp_path, lifts=believed)
    assert fresh.hits(TARGET) is None
    fresh.recall(kill, None)
    assert fresh.hits(TARGET) == kill
    fresh.recall(kill, lift)
    assert fresh.hits(TARGET) is None
    fresh.recall(kill, None)
    assert fresh.hits(TARGET) is None, "what is lifted here stays lifted"


def _file(switch: Switch, kill: Kill) -> Path:
    return switch.directory / f"{KillId(kill.id)}.json"


def _instead(switch: Switch, kill: Kill) -> Path:
    """Where it was."""
    _file(switch, kill).unlink()
    return _file(switch, kill)


def _moved(switch: Switch) -> Path:
    """Where the directory was."""
    switch.directory.rename(switch.directory.with_name("moved"))
    return switch.directory
