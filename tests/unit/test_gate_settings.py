"""`gates`, `[dependencies]` and `[static]`: two layers, and only one of them may allow anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from runner.errors import ConfigError
from runner.policy.lattice import decide
from runner.policy.repo_policy import parse_repo_policy
from runner.policy.settings import Settings, load_settings
from runner.records.static import Analyser

OPERATOR = """\
gates = ["acme.licence"]
[dependencies]
allow = ["left-pad", "X-1"]
advisories = "/srv/osv"
[static]
refuse = "error"
require = ["ruff"]
[static.analysers.semgrep]
command = "semgrep --sarif"
paths = ["**/*.py"]
"""
REPOSITORY = b"""\
[dependencies]
new = "refuse"
[static]
refuse = "warning"
require = ["zizmor"]
[static.analysers.own]
command = "own"
paths = ["*"]
"""


def settings(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "config.toml"
    file.write_text(text)
    return load_settings({}, user_file=file)


def test_both_layers_tighten(tmp_path: Path) -> None:
    operator, repo = settings(tmp_path, OPERATOR), parse_repo_policy(REPOSITORY, "policy")
    decided = decide([repo, *operator.layers]).policy
    assert decided.gates == ("acme.licence",)
    assert decided.dependencies.model_dump() == {
        "new": "refuse",
        "allow": ("left-pad", "X-1"),
        "advisories": Path("/srv/osv"),
    }
    static = decided.static
    assert (static.refuse, static.require) == ("warning", ("ruff", "zizmor"))
    semgrep = Analyser(name="semgrep", command="semgrep --sarif", paths=("**/*.py",))
    assert static.analysers[0] == semgrep and len(static.analysers) == 2


@pytest.mark.parametrize(
    "text",
    [
        'gates = "acme"\n',
        'gates = ["../evil"]\n',
        '[dependencies]\nnew = "ignore"\n',
        '[dependencies]\nadvisories = "osv"\n',
        "[dependencies]\nallow = [1]\n",
        '[static]\nrefuse = "never"\n',
        '[static]\noff = "ruff"\n',
        '[static.analysers.x]\ncommand = "x"\n',
        '[static.analysers.x]\npaths = ["*"]\n',
        '[static.analysers."a b"]\ncommand = "x"\npaths = ["*"]\n',
    ],
)
def test_what_is_wrong_is_named(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.toml, line"):
        settings(tmp_path, text)


@pytest.mark.parametrize("key", ['allow = ["x"]', 'advisories = "/srv"'])
def test_a_repository_allows_nothing(key: str) -> None:
    with pytest.raises(ConfigError, match="unknown key"):
        parse_repo_policy(f"[dependencies]\n{key}\n".encode(), "policy")


def test_a_repository_names_no_gates() -> None:
    with pytest.raises(ConfigError, match="unknown key"):
        parse_repo_policy(b'gates = ["x"]\n', "policy")
