"""The AppArmor profile: its grammar by the real parser, its path by the printed command."""

from __future__ import annotations

import re
import shutil
import socket
from pathlib import Path

import pytest

from runner import process
from runner.sandbox import apparmor
from runner.sandbox.resources import resource

PARSER_PATH = "/usr/sbin:/sbin:/usr/bin"
NEW_IN_4 = r"(?m)^(abi .*|\s*userns,)\n"
"""What AppArmor 3 does not know: with it, the rest of the file is checked."""


@pytest.fixture
def parser() -> str:
    found = shutil.which("apparmor_parser", path=PARSER_PATH)
    if found is None:
        pytest.skip("apparmor_parser is not installed (apt-get install apparmor)")
    return found


def parsed(parser: str, profile: Path) -> process.Completed:
    """Compiled, neither cached nor loaded."""
    return process.run([parser, "--skip-kernel-load", "--skip-cache", profile])


def fitting(parser: str) -> str:
    """The profile, as far as this parser's version can know it."""
    edit = apparmor.load(Path("/srv/a b/codex-resources/bwrap")).partition(" | ")[0]
    text = process.run(["/bin/sh", "-c", edit]).stdout.decode()
    version = re.search(r"version (\d+)", process.run([parser, "--version"]).text())
    assert version is not None
    return text if int(version[1]) >= 4 else re.sub(NEW_IN_4, "", text)


def test_the_profile_is_understood(parser: str, tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.write_text(fitting(parser))
    ended = parsed(parser, profile)
    assert ended.code == 0, ended.stderr


def test_the_parser_would_complain(parser: str, tmp_path: Path) -> None:
    profile = tmp_path / "profile"
    profile.write_text(fitting(parser).replace("pivot_root,", "pivot_rooot,"))
    assert parsed(parser, profile).code != 0


def test_only_two_profiles_get_namespaces_and_one_of_them_by_its_path() -> None:
    text = resource("apparmor.profile").read_text()
    assert re.findall(r"(?m)^profile (\S+)", text) == ["codex-runner-bwrap", apparmor.CONTAINER]
    assert "profile codex-runner-bwrap @{codex_runner_bwrap} flags=(unconfined) {" in text


def test_the_command_names_exactly_our_bubblewrap(tmp_path: Path) -> None:
    bubblewrap = tmp_path / "a b & c|d" / "bwrap"
    edit, _, rest = apparmor.load(bubblewrap).partition(" | ")
    written = process.run(["/bin/sh", "-c", edit]).stdout.decode()
    assert f'\n@{{codex_runner_bwrap}} = "{bubblewrap}"\n' in written
    assert written.count("codex-resources/bwrap") == 0
    assert rest.endswith(f"sudo apparmor_parser --replace {apparmor.INSTALLED}")


def test_containers_are_confined_by_ours_where_it_is_installed(tmp_path: Path) -> None:
    there, absent = tmp_path, tmp_path / "absent"
    name = socket.gethostname()
    confines = {"Name": name, "SecurityOptions": ["name=apparmor", "name=seccomp,profile=default"]}
    ours = (f"apparmor={apparmor.CONTAINER}",)
    assert apparmor.container_options(confines, there) == ours
    assert apparmor.container_options(confines, absent) == ()
    assert apparmor.container_options({**confines, "SecurityOptions": []}, there) == ()
    assert apparmor.container_options({**confines, "Name": "elsewhere"}, there) == ()
    assert apparmor.container_options({}, there) == ()
