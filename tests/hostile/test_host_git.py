"""HGIT, SUP: nothing that a tree or a repository's configuration names is executed on the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.process import clean_env, run
from tests.hostile.damage import damage
from tests.hostile.repos import spy
from tests.hostile.scene import DROP, Scene, deliver, git
from tests.hostile.seeds import publish
from tests.live.world import both_engines

pytestmark = pytest.mark.live


def config(canaries: Path) -> str:
    """Every key of git's that names a program, each with a canary of its own."""
    keys = (
        *("core.fsmonitor", "core.sshCommand", "core.editor", "core.pager", "core.askPass"),
        *("core.gitProxy", "core.alternateRefsCommand", "sequence.editor", "gpg.program"),
        *("credential.helper", "diff.external", "diff.evil.command", "diff.evil.textconv"),
        *("filter.evil.clean", "filter.evil.smudge", "filter.evil.process", "merge.evil.driver"),
        *("remote.origin.receivepack", "remote.origin.uploadpack", "uploadpack.packObjectsHook"),
        *("interactive.diffFilter", "mergetool.x.cmd", "pager.status", "alias.status"),
    )
    rows = []
    for key in keys:
        section, _, name = key.rpartition(".")
        head, _, sub = section.partition(".")
        title = f'[{head} "{sub}"]' if sub else f"[{head}]"
        rows.append(f'{title}\n\t{name} = "touch {canaries}/{key}; false"')
    return "\n".join([*rows, f"[core]\n\thooksPath = {canaries.parent}/hooks\n"])


def hooks(canaries: Path) -> None:
    place = canaries.parent / "hooks"
    place.mkdir()
    names = "pre-commit post-checkout post-index-change reference-transaction pre-push update"
    for name in names.split():
        (place / name).write_text(f"#!/bin/sh\ntouch {canaries}/hook-{name}\n")
        (place / name).chmod(0o755)


def test_a_repository_handed_over_as_a_directory(scene: Scene) -> None:
    """Its configuration and hooks are the person's own; a run uses none of them."""
    (scene.repository / ".gitattributes").write_text("* filter=evil diff=evil merge=evil\n")
    publish(scene, "attributes")
    hooks(scene.canaries)
    with (scene.repository / ".git" / "config").open("a") as file:
        file.write(config(scene.canaries))
    attack = scene.attack("echo x >> README.md")
    assert attack.ended.code in {0, 1}, attack.ended
    assert attack.changed == ("README.md", "tally/stats.py")
    assert damage(scene, attack) == []


def test_that_configuration_would_have_been_executed(tmp_path: Path) -> None:
    canaries = tmp_path / "canaries"
    canaries.mkdir()
    hooks(canaries)
    git(tmp_path, "init", "-q", "plain")
    here = tmp_path / "plain"
    with (here / ".git" / "config").open("a") as file:
        file.write(config(canaries))
    (here / ".gitattributes").write_text("* filter=evil\n")
    run(["git", "-C", here, "add", "-A"], env=clean_env())
    assert {"core.fsmonitor", "filter.evil.clean"} & {p.name for p in canaries.iterdir()}


NESTED = """
import os, subprocess
for place in ("lib", "deep/er/lib"):
    os.makedirs(place)
    subprocess.run(["git", "init", "-q", place], check=True)
    with open(place + "/.git/config", "a") as file: file.write(open("/dev/shm/h/config").read())
    open(place + "/.gitattributes", "w").write("* filter=evil diff=evil\\n")
    open(place + "/f", "w").write("x")
print("PLANTED")
"""


@both_engines
def test_no_git_of_the_host_looks_at_the_agents_tree(scene: Scene) -> None:
    log = scene.world.home / "git.log"
    spy(scene, log)
    puts = (
        f"{deliver('config', config(scene.canaries).encode())}; {deliver('n.py', NESTED.encode())}"
    )
    attack = scene.attack(f"{puts}; python3 {DROP}/n.py")
    assert "PLANTED" in attack.output, attack.output
    assert attack.ended.code == 1 and "lib/.git" in attack.refusal, attack.ended
    assert damage(scene, attack) == []
    calls = log.read_text().splitlines()
    assert calls
    assert not [call for call in calls if "upper" in call or "overlay" in call], calls


EXECUTED = (
    *("json.py", "secrets.py", "click.py", "sitecustomize.py", "usercustomize.py", "runner.py"),
    *("conftest.py", "setup.py", "noxfile.py", "runner/__init__.py", "codex_cli_bin.py"),
)


def test_what_lies_in_the_current_directory(scene: Scene) -> None:
    """Modules, settings and programs of the repository in which the command is given."""
    for name in EXECUTED:
        file = scene.repository / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"open({str(scene.canaries / name.replace('/', '_'))!r}, 'w')\n")
    for name in ("git", "bwrap", "docker", "codex", "setpriv", "python3"):
        program = scene.repository / name
        program.write_text(f"#!/bin/sh\ntouch {scene.canaries}/{name}\n")
        program.chmod(0o755)
    lines = ["OPENAI_BASE_URL=http://127.0.0.1:9/v1", "CODEX_HOME=.codex", "PATH=.:/usr/bin"]
    (scene.repository / ".env").write_text("\n".join(lines))
    publish(scene, "plants")
    attack = scene.attack("echo x", "--prompt", "Mend it", "--test", "true")
    assert attack.ended.code == 0, attack.ended
    assert damage(scene, attack) == []


def test_a_program_that_imports_from_there_would_have_met_them(tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text(f"open({str(tmp_path / 'met')!r}, 'w')\n")
    run(["python3", "-c", "import json"], cwd=tmp_path)
    assert (tmp_path / "met").exists()
