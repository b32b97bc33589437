"""The template of a policy package: built, installed into a fresh environment, and applied."""

from __future__ import annotations

import hashlib
import json
import sys
import sysconfig
from pathlib import Path
from shutil import copytree

from click.testing import CliRunner

import runner
from runner.cli.policy_check import command as check
from runner.process import Completed, clean_env, run

TEMPLATE = Path(runner.__file__).parents[1] / "workflows" / "policy-package"
PIP = ("-m", "pip", "-q", "--disable-pip-version-check", "--no-input")


def call(*argv: str | Path, home: Path, code: int = 0) -> Completed:
    env = clean_env({"PIP_CONFIG_FILE": "/dev/null", "HOME": str(home)})
    done = run(argv, env=env, cwd=home, timeout_s=240)
    assert done.code == code, done
    return done


def test_installing_it_is_enough(tmp_path: Path) -> None:
    python = _environment(tmp_path)
    (tmp_path / "task.md").write_text("+++\n[limits]\nlines = 5000\n+++\nGo.\n")
    show = (python, "-m", "runner", "policy", "show", "--json", "--task", tmp_path / "task.md")
    before = json.loads(call(*show, home=tmp_path).text())
    assert [each["layer"] for each in before["layers"]] == ["built-in", "task"]

    copytree(TEMPLATE, tmp_path / "source")
    offline = ("--no-index", "--no-deps")
    call(sys.executable, *PIP, "wheel", *offline, "--no-build-isolation", "-w", tmp_path / "wheels",
         tmp_path / "source", home=tmp_path)  # fmt: skip
    [wheel] = (tmp_path / "wheels").glob("acme_policies-1.0-*.whl")
    site = call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))",
                home=tmp_path).text().strip()  # fmt: skip
    call(sys.executable, *PIP, "install", *offline, "--target", site, wheel, home=tmp_path)

    after = json.loads(call(*show, home=tmp_path).text())
    text = (TEMPLATE / "acme_policies" / "requirements.toml").read_bytes()
    assert after["layers"][1] == {
        "layer": "organisation",
        "source": "acme-policies 1.0/requirements.toml",
        "sha256": hashlib.sha256(text).hexdigest(),
    }
    assert after["policy"]["limits"]["lines"] == 1000
    assert {*after["pinned"]} == {"inner_sandbox", "dependencies.new"}
    assert after["notes"][0].startswith("limits.lines: the task asks for 5000, cut to 1000 by the")
    assert before["policy_sha256"] != after["policy_sha256"]


def _environment(home: Path) -> Path:
    """A fresh one, in which codex-runner is at hand as it is here."""
    call(sys.executable, "-m", "venv", "--without-pip", home / "venv", home=home)
    python = home / "venv" / "bin" / "python"
    found = call(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", home=home)
    here = (sysconfig.get_path("purelib"), str(Path(runner.__file__).parents[1]))
    Path(found.text().strip(), "here.pth").write_text("\n".join(here) + "\n")
    return python


def test_the_template_is_right() -> None:
    from runner.policy.operator_files import read_operator

    path = TEMPLATE / "acme_policies" / "requirements.toml"
    layer = read_operator(path.read_bytes(), path.name, "organisation")
    assert layer.pins == {"dependencies.new"} and layer.values["limits.lines"] == 1000
    checked = CliRunner().invoke(check, [str(path)])
    assert checked.exit_code == 0, checked.output
    assert checked.stdout.endswith("9 fields, 1 pinned, 3 examples\n")
