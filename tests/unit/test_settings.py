"""Layers of settings, each value with its origin; the state directory; the repository's policy."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from runner.errors import ConfigError
from runner.policy.repo_policy import NONE, parse_repo_policy, read_repo_policy
from runner.policy.settings import Settings, load_settings
from runner.policy.state import prepare_state
from runner.process import run
from runner.records.usage import Price

FILE = """\
engine = "docker"
model = "from-file"
state = "/srv/codex-runner"

[limits]
lines = 9000

[prices."gpt-5.5"]
input = "1.25"
cached = "0.125"
output = 10
"""


@pytest.fixture
def user_file(tmp_path: Path) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(FILE)
    return path


def refused(
    environ: Mapping[str, str] | None = None,
    command_line: Mapping[str, str] | None = None,
    user_file: Path = Path("/nonexistent/config.toml"),
) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load_settings(environ or {}, command_line, user_file)
    assert caught.value.exit_code == 2
    return caught.value


def test_defaults() -> None:
    settings = load_settings({})
    assert settings == Settings()
    assert settings.state == Path.home() / ".local/state/codex-runner"
    assert settings.source_of("model") == "built-in"


def test_the_user_s_file_is_found_where_xdg_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    (tmp_path / "codex-runner").mkdir()
    (tmp_path / "codex-runner/config.toml").write_text('forge = "local"')
    assert load_settings({}).forge == "local"


def test_later_layers_win_and_are_remembered(user_file: Path) -> None:
    environ = {"CODEX_RUNNER_MODEL": "from-env", "CODEX_RUNNER_REVIEWER_MODEL": "r", "HOME": "/"}
    settings = load_settings(environ, {"reviewer_model": "from-cli", "test": "make"}, user_file)
    assert (settings.engine, settings.model) == ("docker", "from-env")
    assert settings.reviewer_model == "from-cli"
    assert settings.state == Path("/srv/codex-runner")
    (layer,) = settings.layers
    assert layer.values == {"limits.lines": 9000, "test": "make"}
    assert layer.places == {"limits.lines": f"{user_file}, line 6", "test": "--test"}
    price = Price(input_usd_micros=1_250_000, cached_usd_micros=125_000, output_usd_micros=10**7)
    assert settings.prices == {"gpt-5.5": price}
    assert settings.source_of("engine") == f"{user_file}, line 1"
    assert settings.source_of("model") == "CODEX_RUNNER_MODEL"
    assert settings.source_of("reviewer_model") == "--reviewer-model"
    assert settings.source_of("key") == "built-in"


def test_github_server_of_actions_is_the_weakest_layer(user_file: Path) -> None:
    environ = {"GITHUB_SERVER_URL": "https://ghe.example/"}
    assert load_settings(environ, None, user_file).github_url == "https://ghe.example"
    user_file.write_text('github_url = "https://other.example"')
    assert load_settings(environ, None, user_file).github_url == "https://other.example"


def test_a_runtime_is_a_name() -> None:
    assert load_settings({"CODEX_RUNNER_RUNTIME": "runsc"}).runtime == "runsc"
    with pytest.raises(ConfigError, match="CODEX_RUNNER_RUNTIME: is not the name of a runtime"):
        load_settings({"CODEX_RUNNER_RUNTIME": "runsc --debug"})


def test_an_empty_variable_is_unset() -> None:
    assert load_settings({"CODEX_RUNNER_MODEL": "", "GITHUB_SERVER_URL": ""}) == Settings()


def test_unknown_names_are_errors_with_a_suggestion(user_file: Path) -> None:
    error = refused({"CODEX_RUNNER_UPSTRAEM": "x"})
    assert error.lines() == (
        "error: CODEX_RUNNER_UPSTRAEM: unknown setting in the environment",
        "try: did you mean CODEX_RUNNER_UPSTREAM?",
    )
    user_file.write_text("# mine\nmodle = 'x'\n")
    error = refused(user_file=user_file)
    assert error.problem == f"{user_file}, line 2: modle: unknown key"
    assert error.remedy.startswith("did you mean model?")


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("engine = 'podman'", "line 1: engine: is none of the choices"),
        ("engine = 1", "line 1: engine: expected a string, found a whole number"),
        ("rootfs = '/nowhere'", "line 1: rootfs: is not a directory"),
        ("test = ''", "line 1: test: is empty"),
        ("state = 'here'", "line 1: state: is not an absolute path"),
        ("state = '/tmp/\u202e'", "line 1: state: has bytes that are not UTF-8, or control"),
        ("[limits]\nlines = 0", "line 2: limits.lines: input should be greater"),
        ("prices = 1", "line 1: prices: expected a table"),
        ("[prices.m]\ninput = '1'\ncached = '1'", "line 1: prices.m.output: is not an amount"),
        ("[prices.m]\ninput = 1.5", "line 2: prices.m.input: is not an amount"),
        ("[prices.m]\ninput = '-1'", "line 2: prices.m.input: is not an amount"),
        ("[prices.m]\ninput = '0.0000001'", "line 2: prices.m.input: is not an amount"),
        ("[prices.m]\ninput = 'NaN'", "line 2: prices.m.input: is not an amount"),
        ("[prices.m]\ninput = '1e999999999'", "line 2: prices.m.input: is not an amount"),
        ("[prices.m]\ninput = true", "line 2: prices.m.input: is not an amount"),
        ("[prices.m]\nfree = '1'", "line 2: prices.m.free: unknown key"),
        ("engine = 'docker'\nengine = 'auto'", "line 2: engine: this key is there already"),
    ],
)
def test_bad_files_name_line_and_key(user_file: Path, line: str, says: str) -> None:
    user_file.write_text(line)
    assert refused(user_file=user_file).problem.startswith(f"{user_file}, {says}")


def test_an_empty_test_command_is_told_how_to_go_without() -> None:
    error = refused({}, {"test": ""})
    assert error.problem == "--test: is empty"
    assert "test = false in the task" in error.remedy


UNSAFE_URLS = (
    *("http://api.openai.com/v1", "ftp://x/", "https://", "https://u:p@x/", "https://u@x/", "x"),
    *("https://x/?key=1", "https://x/#f", "https://x:99999/", "https://x:0/", "https://[::1/"),
    *("http://127.0.0.1.evil.example/", "http://0.0.0.0/", "https://x/a b", "https://x\\y/"),
)


@pytest.mark.parametrize("url", UNSAFE_URLS)
def test_upstream_keeps_the_key_safe(url: str) -> None:
    refused({"CODEX_RUNNER_UPSTREAM": url})


@pytest.mark.parametrize(
    "url", ["https://x/v1", "http://127.0.0.1:8080/v1", "http://localhost/v1", "http://[::1]:1"]
)
def test_upstream_may_be_https_or_this_machine(url: str) -> None:
    assert load_settings({"CODEX_RUNNER_UPSTREAM": url + "/"}).upstream == url


@pytest.mark.parametrize(
    "value", ["sk-proj-abcdef0123456789", "env:", "env:A-B", "file:key", "keyring:x", "vault:x"]
)
def test_a_key_typed_in_place_of_its_location_is_not_repeated(value: str) -> None:
    error = refused({"CODEX_RUNNER_KEY": value})
    assert error.problem == "CODEX_RUNNER_KEY: does not say where the credential is"
    assert "sk-" not in error.remedy


@pytest.mark.parametrize("value", ["env:MY_KEY", "file:/run/secrets/k", "keyring:openai/me"])
def test_locations_of_a_key(value: str) -> None:
    assert load_settings({}, {"key": value}).key == value


def test_state_is_private_and_outside_the_repository(tmp_path: Path) -> None:
    repository = tmp_path / "repository"
    (repository / "sub").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(repository)
    for inside in (repository, repository / "sub/state", link / "state"):
        with pytest.raises(ConfigError, match="is inside the repository"):
            prepare_state(inside, repository)
    state = prepare_state(tmp_path / "a/state", repository)
    assert state.stat().st_mode & 0o777 == 0o700
    assert prepare_state(state, repository) == state
    state.chmod(0o750)
    with pytest.raises(ConfigError, match="is open to others"):
        prepare_state(state, repository)
    with pytest.raises(ConfigError, match="cannot make the state directory"):
        prepare_state(Path("/dev/null/state"), repository)


POLICY = b"""\
test = "make check"
paths = ["src/**"]
protected = ["deploy/"]
[limits]
files = 3
"""


def test_the_repository_s_policy() -> None:
    wanted = {
        "test": "make check",
        "paths": (("src/**",),),
        "protected": ("deploy/",),
        "limits.files": 3,
    }
    for name in (".codex-runner.toml", ".github/codex-runner.toml"):
        found = read_repo_policy({name: POLICY}.get, {name}.__contains__)
        assert (found.values, found.source) == (wanted, name)
        assert found.places["limits.files"] == f"{name}, line 5"
    assert read_repo_policy(lambda _: None, lambda _: False) == NONE


@pytest.mark.parametrize(
    ("line", "remedy"), [("lines = 0", "use 1 or more"), ("attempts = 21", "use 20 or less")]
)
def test_a_limit_out_of_range_is_told_its_range(line: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_repo_policy(f"[limits]\n{line}\n".encode(), "policy")
    assert caught.value.remedy.startswith(remedy)


def test_a_link_to_nothing_is_not_taken_for_no_file(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.symlink_to(tmp_path / "gone")
    assert "config.toml is a link to nothing" in refused(user_file=path).problem


HOSTILE = """
import resource
from runner.errors import ConfigError
from runner.policy.repo_policy import parse_repo_policy
resource.setrlimit(resource.RLIMIT_CPU, (8, 8))
for text in ('a = "' + '\\\\"' * 30_000, " " * 60_000 + "=", "a = '" + "''\\n" * 20_000):
    try:
        parse_repo_policy(text.encode(), ".codex-runner.toml")
    except ConfigError as error:
        print(error.problem)
"""


def test_hostile_toml_takes_no_time(tmp_path: Path) -> None:
    """Ended by its limit where the line of a message is looked for again and again."""
    ended = run([sys.executable, "-c", HOSTILE], env=dict(os.environ), cwd=tmp_path, timeout_s=60)
    told = ended.stdout.decode().splitlines()
    assert [line.partition(": not TOML")[1] for line in told] == [": not TOML"] * 3


def test_two_policies_are_one_too_many() -> None:
    with pytest.raises(ConfigError, match="both exist"):
        read_repo_policy(lambda _: POLICY, lambda _: True)


@pytest.mark.parametrize("name", [".codex-runner.toml", ".github/codex-runner.toml"])
def test_a_policy_that_is_a_link_is_not_taken_for_none(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is not a regular file"):
        read_repo_policy(lambda _: None, {name}.__contains__)


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"engine = 'docker'", ".codex-runner.toml, line 1: engine: unknown key"),
        (b"key = 'env:OTHER'", ".codex-runner.toml, line 1: key: unknown key"),
        (b"\n[limits]\nfiles = '3'", ".codex-runner.toml, line 3: limits.files: expected"),
        (b"protected = ['../x']", ".codex-runner.toml, line 1: protected: is not a pattern"),
        (b"\xff", ".codex-runner.toml, line 1: byte 0xff is not UTF-8"),
    ],
)
def test_a_bad_policy_names_line_and_key(data: bytes, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_repo_policy(data, ".codex-runner.toml")
    assert caught.value.problem.startswith(says)
