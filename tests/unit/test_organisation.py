"""What an organisation says: where it is found, who may write it, what it pins."""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from runner.errors import ConfigError
from runner.policy import organisation
from runner.policy.layers import decide_run
from runner.policy.place import VARIABLE
from runner.policy.plan import make_plan
from runner.policy.repo_policy import NONE, parse_repo_policy
from runner.policy.settings import Settings, find_state, load_settings
from runner.records.plan import Plan
from runner.records.policy import Layer
from tests.unit.test_plan import BASE, RUN, a_task

FILE = """\
engine = "docker"
upstream = "https://models.example.com/v1"
protected = ["deploy/"]
gates = ["acme.licence"]
pin = ["engine", "limits.lines", "static"]

[limits]
lines = 400
files = 5000

[static]
refuse = "error"
"""


@pytest.fixture
def etc(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    path = tmp_path / "etc/codex-runner/requirements.toml"
    path.parent.mkdir(parents=True)
    monkeypatch.setattr(organisation, "ETC", path)
    return path


def load(
    tmp_path: Path, user: str = "", environ: Mapping[str, str] | None = None, **words: str
) -> Settings:
    file = tmp_path / "config.toml"
    file.write_text(user)
    return load_settings(environ or {}, words, file)


def plan(settings: Settings, repo: Layer = NONE, **task: object) -> Plan:
    asked = a_task(**task)
    return make_plan(
        asked,
        settings,
        decide_run(asked, settings.layers, repo, (".git*/",)),
        BASE,
        engine="docker",
        codex_version="0",
        run=RUN,
    )


def test_a_bound_for_all_below_and_a_default_for_settings(etc: Path, tmp_path: Path) -> None:
    etc.write_text(FILE)
    settings = load(tmp_path, 'upstream = "https://mine.example/v1"\n[limits]\nfiles = 9000\n')
    assert settings.upstream == "https://mine.example/v1", "settings: the last one wins"
    made = plan(settings, limits={"files": 9999})
    assert made.limits.files == 5000, "more than the built-in default: an operator said so"
    assert made.protected == (".git*/", "deploy/") and made.gates == ("acme.licence",)
    place = f"the organisation's policy ({etc}, line 9)"
    assert made.notes == (
        f"limits.files: {tmp_path}/config.toml, line 3 asks for 9000, cut to 5000 by {place}",
        f"limits.files: the task asks for 9999, cut to 5000 by {place}",
    )


def test_what_is_pinned_nobody_changes_not_even_to_tighten(etc: Path, tmp_path: Path) -> None:
    etc.write_text(FILE)
    environ = {"CODEX_RUNNER_ENGINE": "bubblewrap"}
    settings = load(tmp_path, '[static]\nrefuse = "note"\n', environ)
    repo = parse_repo_policy(b"[limits]\nlines = 10\n", ".codex-runner.toml")
    made = plan(settings, repo)
    assert (settings.engine, settings.pinned) == ("docker", {"engine": f"{etc}, line 1"})
    assert (made.limits.lines, made.static.refuse) == (400, "error")
    assert made.notes == (
        f"engine: CODEX_RUNNER_ENGINE is not used; pinned by {etc}, line 1",
        f'static.refuse: {tmp_path}/config.toml, line 2 asks for "note", which is not used; '
        f"the organisation's policy ({etc}, line 12) decides",
        "limits.lines: the repository's policy asks for 10, pinned to 400 by "
        f"the organisation's policy ({etc}, line 8)",
    )
    assert load(tmp_path, "", {"CODEX_RUNNER_ENGINE": "docker"}).notes == ()


def test_a_pinned_model_and_a_pinned_panel(etc: Path, tmp_path: Path) -> None:
    etc.write_text(
        'model = "a"\npin = ["model", "review.reviewers"]\n[review]\nreviewers = ["b", "c"]\n'
    )
    settings = load(tmp_path, 'reviewer_model = "x"\n[review]\nreviewers = ["y"]\n')
    made = plan(settings, model="z", reviewer_model="z")
    assert (made.model, made.reviewers) == ("a", ("b", "c"))
    assert "reviewer_model: " in " ".join(made.notes)
    assert len(made.notes) == 4 and all("pinned by" in note for note in made.notes)
    assert plan(load(tmp_path, "", model="q")).model == "a"


def test_a_pin_holds_what_its_file_says_and_no_more(etc: Path, tmp_path: Path) -> None:
    etc.write_text('pin = ["review", "setup"]\n[review]\napprovals = 1\n[setup]\nhosts = []\n')
    user = '[review]\nreviewers = ["a", "b"]\n[setup]\nsecrets = ["env:A"]\n'
    settings = load(tmp_path, user)
    assert (settings.pinned, settings.setup.secrets) == ({}, ("env:A",))
    assert plan(settings).reviewers == ("a", "b") and plan(settings).review.approvals == 1


TABLES = """\
model = "a"
[review]
reviewers = ["b", "c"]
[review.provider]
upstream = "https://review.example.com/v1"
key = "env:REVIEW"
[provider]
query = "api-version=v1"
[prices.a]
input = "5"
cached = "1"
output = "9"
"""
MINE = """\
[review]
reviewers = ["easy"]
[provider]
proxy = "http://127.0.0.1:8080"
[prices.a]
input = "0"
cached = "0"
output = "0"
[prices.b]
input = "2"
cached = "2"
output = "2"
"""


def test_a_user_does_not_replace_the_tables_of_the_organisation(etc: Path, tmp_path: Path) -> None:
    etc.write_text(TABLES)
    settings = load(tmp_path, MINE)
    assert settings.review.reviewers == ("b", "c") and settings.review.provider is not None
    assert (settings.provider.query, settings.provider.proxy) == ("api-version=v1", None)
    assert settings.prices["a"].input_usd_micros == 5_000_000, "a budget is counted in it"
    assert settings.prices["b"].input_usd_micros == 2_000_000, "which the organisation does not say"
    mine = f"{tmp_path}/config.toml"
    assert settings.notes == (
        f"review: {mine}, line 1 is not used; pinned by {etc}, line 2",
        f"provider: {mine}, line 3 is not used; pinned by {etc}, line 7",
        f"prices.a: {mine} is not used; pinned by {etc}, line 9",
    )
    alone = load(tmp_path, "")
    assert alone.notes == () and alone.prices.keys() == {"a"}
    assert load(tmp_path, 'model = "z"\n').model == "z", "a single setting is a default"


def test_unless_it_says_otherwise(etc: Path, tmp_path: Path) -> None:
    etc.write_text('unpin = ["review", "provider", "prices"]\n' + TABLES)
    settings = load(tmp_path, MINE)
    assert (settings.review.reviewers, settings.review.provider) == (("easy",), None)
    assert settings.provider.proxy is not None and settings.notes == ()
    assert settings.prices["a"].input_usd_micros == 0
    for wrong in ('unpin = ["setup"]\n', 'unpin = ["engine"]\n', 'unpin = ["reviw"]\n'):
        etc.write_text(wrong + TABLES)
        with pytest.raises(ConfigError, match="line 1: unpin: "):
            load(tmp_path, "")
    etc.write_text(TABLES)
    with pytest.raises(ConfigError, match="unknown key"):
        load(tmp_path, 'unpin = ["review"]\n')


def test_the_highest_file_says_whether_its_table_holds(etc: Path, tmp_path: Path) -> None:
    etc.write_text('unpin = ["review"]\n[review]\nreviewers = ["b"]\n')
    low = tmp_path / "low.toml"
    low.write_text('[review]\nreviewers = ["low"]\n')
    environ = {VARIABLE: str(low)}
    user = '[review]\nreviewers = ["y"]\n'
    assert load(tmp_path, user, environ).review.reviewers == ("y",)
    etc.write_text('[review]\nreviewers = ["b"]\n')
    low.write_text('unpin = ["review"]\n[review]\nreviewers = ["low"]\n')
    assert load(tmp_path, user, environ).review.reviewers == ("b",)


def test_a_pinned_state_is_the_one_that_is_looked_into(etc: Path, tmp_path: Path) -> None:
    etc.write_text('state = "/srv/codex"\npin = ["state"]\n')
    assert find_state({}) == Path("/srv/codex")
    assert find_state({"CODEX_RUNNER_STATE": "/elsewhere"}) == Path("/srv/codex")
    assert find_state({}, Path("/srv/codex")) == Path("/srv/codex")
    with pytest.raises(ConfigError, match="--state: /elsewhere is not the one pinned by"):
        find_state({}, Path("/elsewhere"))
    etc.write_text('state = "/srv/codex"\n')
    assert find_state({}, Path("/elsewhere")) == Path("/elsewhere")
    assert find_state({}) == Path("/srv/codex")
    etc.write_text('state = "/srv/codex"\npin = ["state"]\nunknown = 1\n')
    with pytest.raises(ConfigError, match="unknown key"):
        find_state({}, Path("/elsewhere"))


def test_what_is_scripted_is_not_sent_to_a_pinned_provider(etc: Path, tmp_path: Path) -> None:
    etc.write_text('upstream = "https://models.example.com/v1"\npin = ["upstream"]\n')
    here = {"upstream": "http://127.0.0.1:9/v1"}
    assert load(tmp_path, "", None, **here).upstream == "https://models.example.com/v1"
    assert load_settings({}, here, scripted=True).upstream == here["upstream"]
    environ = {"CODEX_RUNNER_UPSTREAM": "http://127.0.0.1:9/v1"}
    pinned = load_settings(environ, {}, scripted=True).upstream
    assert pinned == "https://models.example.com/v1"


def test_only_the_models_that_all_allow(etc: Path, tmp_path: Path) -> None:
    etc.write_text('models = ["a", "b", "c"]\n')
    user = 'models = ["b", "a"]\nmodel = "a"\nreviewer_model = "b"\n'
    settings = load(tmp_path, user)
    assert plan(settings).model == "a"
    with pytest.raises(ConfigError, match=r"the model c is not allowed: models, .*line 1") as error:
        plan(settings, reviewer_model="c")
    assert error.value.remedy == "use a or b"


def test_more_approvals_than_reviewers(etc: Path, tmp_path: Path) -> None:
    etc.write_text("[review]\napprovals = 2\n")
    user = '[review]\nreviewers = ["a", "b"]\napprovals = 1\n'
    assert plan(load(tmp_path, user)).review.approvals == 2
    with pytest.raises(ConfigError, match="more than there are reviewers"):
        plan(load(tmp_path))


def test_its_test_command_is_everybodys(etc: Path, tmp_path: Path) -> None:
    etc.write_text('test = "make audit"\n')
    repo = parse_repo_policy(b'test = "make check"\n', "p")
    made = plan(load(tmp_path, 'test = "mine"\n', test="true"), repo, test=False)
    assert made.test == "make audit"
    assert [note.partition("; ")[0] for note in made.notes] == [
        "test: the command of --test is not used",
        "test: the command of the repository's policy is not used",
        "test: the task asks for false, which is not used",
    ]


def test_several_files_each_tighten_and_the_machines_is_the_highest(
    etc: Path, tmp_path: Path
) -> None:
    named = tmp_path / "named.toml"
    named.write_text('engine = "bubblewrap"\npin = ["engine"]\n[limits]\nlines = 900\nfiles = 7\n')
    etc.write_text('engine = "docker"\n[limits]\nlines = 300\n')
    settings = load(tmp_path, "", {"CODEX_RUNNER_REQUIREMENTS": str(named)})
    assert (settings.engine, {*settings.pinned}) == ("docker", {"engine"})
    made = plan(settings)
    assert (made.limits.lines, made.limits.files) == (300, 7)
    assert {*made.policy_sources} == {str(etc), str(named), f"{tmp_path}/config.toml", "t.md"}


@pytest.mark.parametrize(
    ("text", "says", "remedy"),
    [
        ("[limit]\nlines = 3\n", "line 1: limit: unknown key", "did you mean limits?"),
        ("\n[limits]\nline = 3\n", "line 3: limits.line: unknown key", "did you mean lines?"),
        ('pin = ["engin"]\nengine = "docker"\n', "line 1: pin: 'engin' is not set", "did you mean"),
        ('pin = ["limits.files"]\n[limits]\nlines = 3\n', "line 1: pin: 'limits.files'", "did you"),
        ("models = []\n", "line 1: models: an empty list allows none", "leave it out"),
        ('[setup]\ncommands = ["x"]\n', "line 2: setup.commands: unknown key", "known: "),
        ("[review]\napprovals = 10\n", "line 2: review.approvals: is too large", "use 9 or less"),
        ("[budget]\norganisation_day_tokens = 0\n", "is too small", "use 1 or more"),
        ('paths = ["src/**"]\n', "line 1: paths: unknown key", "did you mean"),
    ],
)
def test_a_wrong_file_is_told_with_line_and_key(
    etc: Path, tmp_path: Path, text: str, says: str, remedy: str
) -> None:
    etc.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(tmp_path)
    assert caught.value.problem.startswith(f"{etc}, ") and says in caught.value.problem
    assert caught.value.remedy.startswith(remedy)


def test_only_an_organisation_pins(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"config\.toml, line 1: pin: unknown key"):
        load(tmp_path, 'pin = ["engine"]\nengine = "docker"\n')


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_others_can_write_is_refused(etc: Path, tmp_path: Path, mode: int) -> None:
    etc.write_text(FILE)
    etc.chmod(mode)
    with pytest.raises(ConfigError, match="can be changed by other users") as caught:
        load(tmp_path)
    assert caught.value.remedy == f"chmod go-w {etc}"
    etc.chmod(0o644)
    etc.parent.chmod(0o777)
    with pytest.raises(ConfigError, match="can be changed by other users"):
        load(tmp_path)


def test_a_file_of_somebody_else_is_refused(
    etc: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    etc.write_text(FILE)
    if os.geteuid() == 0:
        os.chown(etc, 12345, 12345)
    else:  # who cannot give it away is somebody else
        monkeypatch.setattr(os, "geteuid", lambda: 0)
    with pytest.raises(ConfigError, match="can be changed by other users") as caught:
        load(tmp_path)
    assert caught.value.remedy == f"chown root: {etc}"


def test_a_name_that_leads_into_etc_is_held_to_the_same(etc: Path, tmp_path: Path) -> None:
    (etc.parent / "other.toml").write_text(FILE)
    (etc.parent / "other.toml").chmod(0o666)
    link = tmp_path / "link.toml"
    link.symlink_to(etc.parent / "other.toml")
    with pytest.raises(ConfigError, match="can be changed by other users"):
        load(tmp_path, "", {"CODEX_RUNNER_REQUIREMENTS": str(link)})


def test_it_is_never_taken_for_none(etc: Path, tmp_path: Path) -> None:
    etc.symlink_to("/nonexistent")
    with pytest.raises(ConfigError, match="is a symbolic link"):
        load(tmp_path)
    etc.unlink()
    etc.mkdir()
    with pytest.raises(ConfigError, match="is not a regular file"):
        load(tmp_path)
    etc.rmdir()
    etc.write_bytes(b"#" * 70_000)
    with pytest.raises(ConfigError, match="is larger than"):
        load(tmp_path)
    etc.unlink()
    folder = etc.parent
    folder.rename(tmp_path / "moved")
    folder.symlink_to("/nonexistent")
    with pytest.raises(ConfigError, match="is a link to nothing"):
        load(tmp_path)
    folder.unlink()
    folder.symlink_to(tmp_path / "moved")
    for name, says in (("/nonexistent/x.toml", "no such file"), ("x.toml", "not an absolute path")):
        with pytest.raises(ConfigError, match=says):
            load(tmp_path, "", {"CODEX_RUNNER_REQUIREMENTS": name})
    assert load(tmp_path, "", {"CODEX_RUNNER_REQUIREMENTS": ""}).layers[0].name == "user"


def _package(folder: Path, name: str, text: str | None, point: str = "") -> None:
    """As an installer leaves it: a package, and the metadata with its entry point."""
    (folder / name).mkdir(parents=True)
    (folder / name / "__init__.py").write_text("raise SystemExit('this was run')\n")
    if text is not None:
        (folder / name / "requirements.toml").write_text(text)
    told = folder / f"{name}-1.2.dist-info"
    told.mkdir()
    (told / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    entry = f"[codex_runner.policies]\nacme = {point or name}\n"
    (told / "entry_points.txt").write_text(entry)


def test_an_installed_package_is_enough_and_none_of_its_code_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _package(tmp_path / "site", "acme_policies", FILE)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    settings = load(tmp_path)
    assert settings.engine == "docker"
    source = "acme_policies 1.2/requirements.toml"
    assert settings.pinned == {"engine": f"{source}, line 1"}
    assert len(plan(settings).policy_sources[source]) == 64
    assert "acme_policies" not in sys.modules


def test_where_a_key_is_only_what_it_signed_counts(etc: Path, tmp_path: Path) -> None:
    key = Ed25519PrivateKey.generate()
    form = (Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    public = etc.with_name("policy.pub")
    public.write_bytes(key.public_key().public_bytes(*form))
    named = tmp_path / "named.toml"
    named.write_text("[limits]\nlines = 7\n")
    environ = {"CODEX_RUNNER_REQUIREMENTS": str(named)}
    with pytest.raises(ConfigError, match=r"named\.toml is not signed"):
        load(tmp_path, "", environ)
    signature = tmp_path / "named.toml.sig"
    signature.write_bytes(base64.b64encode(key.sign(named.read_bytes())) + b"\n")
    assert plan(load(tmp_path, "", environ)).limits.lines == 7
    for wrong in (b"", b"%%", base64.b64encode(b"x" * 64), base64.b64encode(b"x")):
        (tmp_path / "named.toml.sig").write_bytes(wrong)
        with pytest.raises(ConfigError, match="a signature that does not fit"):
            load(tmp_path, "", environ)
    signature.write_bytes(base64.b64encode(key.sign(named.read_bytes())))
    named.write_text("[limits]\nlines = 9000\n")
    with pytest.raises(ConfigError, match="a signature that does not fit"):
        load(tmp_path, "", environ)
    etc.write_text(FILE)
    assert load(tmp_path).engine == "docker", "root wrote that itself"
    public.write_text("no key")
    with pytest.raises(ConfigError, match=r"policy\.pub is not an Ed25519 key"):
        load(tmp_path, "", environ)
    public.chmod(0o666)
    with pytest.raises(ConfigError, match="can be changed by other users"):
        load(tmp_path, "", environ)


@pytest.mark.parametrize("point", ["", "acme_nowhere", "acme_policies.sub", "os"])
def test_a_package_without_its_file_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    _package(tmp_path / "site", "acme_policies", None, point)
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path / "site")])
    with pytest.raises(ConfigError, match="the policy package acme_policies has no requ"):
        load(tmp_path)
