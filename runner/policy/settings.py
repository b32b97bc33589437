"""How this machine runs codex: built-in < the user's file < environment < command line.

The operator's word: the only layer that may raise a limit. Every value remembers who gave it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from platformdirs import user_config_path, user_state_path
from pydantic import Field

from runner.errors import ConfigError
from runner.policy import names
from runner.policy.budget import read_budget, read_prices
from runner.policy.dependencies import read_dependencies
from runner.policy.files import read_bounded, shown
from runner.policy.names import MisfitError
from runner.policy.provider import read_provider
from runner.policy.review import ReviewSettings, read_review_settings
from runner.policy.setup import SetupSettings, read_setup_settings
from runner.policy.static import read_static
from runner.policy.text import decode_text
from runner.policy.toml import MAX_BYTES, Table, parse_toml
from runner.records.base import Record
from runner.records.dependencies import DependencyRules
from runner.records.plan import InnerSandbox
from runner.records.provider import Provider
from runner.records.static import StaticRules
from runner.records.task import Limits
from runner.records.usage import Allowance, Price

PREFIX = "CODEX_RUNNER_"
STATE_VARIABLE = f"{PREFIX}STATE"
SERVER_VARIABLE = "GITHUB_SERVER_URL"
"""Set by GitHub Actions; weaker than every setting of our own."""
APP = "codex-runner"
BUILT_IN = "built-in"
COMMAND_LINE = "--"
"""Origins of the command line begin with it."""

Checks = Mapping[str, Callable[[str], object]]
_CHECKS: Checks = {
    "engine": names.one_of("auto", "bubblewrap", "docker"),
    "image": names.image,
    "runtime": names.runtime,
    "inner_sandbox": names.one_of("auto", "required", "off"),
    "key": names.credential,
    "upstream": names.base_url,
    "model": names.model,
    "reviewer_model": names.model,
    "forge": names.one_of("auto", "local", "github"),
    "github_url": names.base_url,
    "github_token": names.credential,
    "test": names.command,
    "state": names.absolute,
    "rootfs": names.directory,
    "alternates": names.directories,
}
_TABLES = frozenset(
    {"setup", "limits", "prices", "budget", "provider", "review"}
    | {"gates", "dependencies", "static"}
)


class Settings(Record):
    """Everything the operator decides, once."""

    engine: Literal["auto", "bubblewrap", "docker"] = "auto"
    image: str = "codex-runner:bookworm"
    """Of the docker engine."""
    runtime: str | None = None
    """Of the docker engine, e.g. `runsc`; None = its default.

    gVisor has a kernel of its own: our seccomp profile only filters what that kernel asks of the
    host's, codex's inner sandbox does not start (`inner_sandbox = "auto"` goes without), and the
    broker is reached only with `--host-uds=open` (before 2023: `--fsgofer-host-uds`) among the
    `runtimeArgs`. With `--ignore-cgroups` no limit on memory, processes or CPUs is in force.
    """
    inner_sandbox: InnerSandbox = "auto"
    key: str = "env:OPENAI_API_KEY"
    """Where the model's key is: `env:NAME`, `file:/path`, `keyring:service/user` or
    `command:/path arguments`."""
    upstream: str = "https://api.openai.com/v1"
    """Base URL of the model provider, without a slash at its end."""
    model: str = "gpt-5.5"
    reviewer_model: str = "gpt-5.6-terra"
    forge: Literal["auto", "local", "github"] = "auto"
    github_url: str = "https://github.com"
    """Of the GitHub server; `GITHUB_SERVER_URL` is heard too."""
    github_token: str = "env:GITHUB_TOKEN"
    """Where the push token is, spelled as `key`."""
    test: str | None = None
    """A command that replaces the repository's and the task's."""
    state: Path = Field(default_factory=lambda: user_state_path(APP))
    """Runs, caches and the signing key; mode 0700."""
    rootfs: Path | None = None
    """Root of the bubblewrap engine; None = the host's /usr."""
    alternates: tuple[Path, ...] = ()
    """Object directories a repository may borrow from (`git clone --shared`, `--reference`)."""
    limits: Limits = Limits()
    """The ceiling; repository, task and command line only lower it."""
    prices: dict[str, Price] = Field(default_factory=dict)
    """By model."""
    budget: Allowance = Allowance()
    """What all runs of this state directory may spend together."""
    provider: Provider = Provider()
    """How `upstream` wants to be spoken to."""
    setup: SetupSettings = SetupSettings()
    """What the setup of a repository may reach and is given."""
    review: ReviewSettings = ReviewSettings()
    """Further reviewers, and what they look for."""
    gates: tuple[str, ...] = ()
    """Of other packages, by the name of their entry point; one that is only installed is none."""
    dependencies: DependencyRules = DependencyRules()
    static: StaticRules = StaticRules()
    origin: dict[str, str] = Field(default_factory=dict)
    """Who gave a value, e.g. `CODEX_RUNNER_MODEL`; a missing name = built-in."""

    def source_of(self, name: str) -> str:
        """Who decided this setting, for messages."""
        return self.origin.get(name, BUILT_IN)


def load_settings(
    environ: Mapping[str, str],
    command_line: Mapping[str, str] | None = None,
    user_file: Path | None = None,
) -> Settings:
    """Merge the layers; `command_line` uses the field names of Settings.

    An empty environment variable is an unset one.

    Raises:
        ConfigError: an unknown name or a bad value, with the place it stands at.
    """
    table = _read(user_file or user_config_path(APP) / "config.toml")
    values: dict[str, object] = {}
    origin: dict[str, str] = {}
    if server := environ.get(SERVER_VARIABLE):
        values["github_url"] = _checked("github_url", server, SERVER_VARIABLE)
        origin["github_url"] = SERVER_VARIABLE
    if table:
        values |= _file_values(table)
        origin |= {key: table.where(key) for key in table.values}
    for name, value, source in (*_environment(environ), *_arguments(command_line or {})):
        values[name] = _checked(name, value, source)
        origin[name] = source
    return Settings.model_validate({**values, "origin": origin})


def find_state(environ: Mapping[str, str], option: Path | None = None) -> Path:
    """The state directory alone: the user's file is read only when nothing else names one.

    Raises:
        ConfigError: as `load_settings`.
    """
    given = {"--state": str(option or ""), STATE_VARIABLE: environ.get(STATE_VARIABLE, "")}
    for source, value in given.items():
        if value:
            return Path(str(_checked("state", value, source)))
    return load_settings(environ).state


def _read(path: Path) -> Table | None:
    data = read_bounded(path, MAX_BYTES, follow=True)
    return None if data is None else parse_toml(decode_text(data, shown(path)), shown(path))


def _file_values(table: Table) -> dict[str, object]:
    table.closed(_CHECKS.keys() | _TABLES)
    values = {key: table.string(key, _CHECKS[key]) for key in table.values if key in _CHECKS}
    return {
        **values,
        "limits": Limits(**table.limits()),
        "prices": read_prices(table.table("prices")),
        "budget": read_budget(table.table("budget")),
        "provider": read_provider(table.table("provider")),
        "setup": read_setup_settings(table.table("setup")),
        "review": read_review_settings(table.table("review")),
        "gates": table.strings("gates", names.plain),
        "dependencies": read_dependencies(table.table("dependencies")),
        "static": read_static(table.table("static")),
    }


def _environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    known = [PREFIX + name.upper() for name in _CHECKS]
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX) and value}
    for variable, value in sorted(given.items()):
        if variable not in known:
            near = get_close_matches(variable[:64], known, n=1)
            guess = f"did you mean {near[0]}?" if near else "unset it"
            raise ConfigError(f"{shown(variable)}: unknown setting in the environment", guess)
        yield variable.removeprefix(PREFIX).lower(), value, variable


def _arguments(command_line: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name, value in command_line.items():
        yield name, value, COMMAND_LINE + name.replace("_", "-")


def _checked(name: str, value: str, source: str) -> object:
    try:
        return _CHECKS[name](value)
    except MisfitError as misfit:
        raise ConfigError(f"{source}: {misfit.why}", misfit.remedy) from misfit
