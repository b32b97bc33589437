"""How this machine runs codex: built-in < organisation < user < environment < command line.

The last one that speaks wins, unless the organisation pinned a setting. Every value remembers who
gave it. What these files say of the policy becomes layers of it, which are not won by being last.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

from platformdirs import user_config_path, user_state_path
from pydantic import Field

from runner.errors import ConfigError
from runner.policy.codex_requirements import codex_files
from runner.policy.files import read_bounded, shown
from runner.policy.operator_files import (
    CHECKS,
    Said,
    checked,
    of_codex,
    organisation,
    parsed,
    tested,
    user,
)
from runner.policy.organisation import File, organisation_files
from runner.policy.place import STATE_VARIABLE, VARIABLE
from runner.policy.review import ReviewSettings
from runner.policy.setup import SetupSettings
from runner.policy.toml import MAX_BYTES, Table
from runner.records.base import Record, Sha256
from runner.records.plan import InnerSandbox
from runner.records.policy import Layer
from runner.records.provider import Endpoint, Provider
from runner.records.usage import Price

PREFIX = "CODEX_RUNNER_"
SERVER_VARIABLE = "GITHUB_SERVER_URL"
"""Set by GitHub Actions; weaker than every setting of our own."""
APP = "codex-runner"
BUILT_IN = "built-in"
COMMAND_LINE = "--"
"""Origins of the command line begin with it."""


class Settings(Record):
    """Everything the operator decides, once."""

    engine: Literal["auto", "bubblewrap", "docker"] = "auto"
    image: str = "codex-runner:bookworm"
    """Of the docker engine."""
    runtime: str | None = None
    """Of the docker engine, e.g. `runsc`; None = its default.

    gVisor has a kernel of its own, in which codex's inner sandbox does not start. Among its
    `runtimeArgs` have to be `--host-uds=open` (before 2023: `--fsgofer-host-uds`), without which no
    broker is reached, and `--oci-seccomp`, without which our profile filters nothing; with
    `--ignore-cgroups` no limit on memory, processes or CPUs is in force. The self-test finds each.
    A sandbox that passes one of these limits ends as a whole.
    """
    inner_sandbox: InnerSandbox = "auto"
    key: str = "env:OPENAI_API_KEY"
    """Where the model's key is: `env:NAME`, `file:/path`, `keyring:service/user` or
    `command:/path arguments`."""
    upstream: str = "https://api.openai.com/v1"
    """Base URL of the model provider, without a slash at its end."""
    model: str = "gpt-5.5"
    reviewer_model: str = "gpt-5.6-terra"
    tenant: str = ""
    """On whose behalf agents work: those of another tenant are other agents."""
    forge: Literal["auto", "local", "github"] = "auto"
    github_url: str = "https://github.com"
    """Of the GitHub server; `GITHUB_SERVER_URL` is heard too."""
    github_token: str = "env:GITHUB_TOKEN"
    """Where the push token is, spelled as `key`."""
    state: Path = Field(default_factory=lambda: user_state_path(APP))
    """Runs, caches and the signing key; mode 0700."""
    kill_file: Path | None = None
    """While it is there, whatever it holds, nothing goes on; the directory it is in must be."""
    ledger: str | None = None
    """Where the receipts are kept: `postgresql://user@host/database` of several hosts, its password
    in PGPASSFILE or ~/.pgpass; None = a file in `state`."""
    rootfs: Path | None = None
    """Root of the bubblewrap engine; None = the host's /usr."""
    alternates: tuple[Path, ...] = ()
    """Object directories a repository may borrow from (`git clone --shared`, `--reference`)."""
    prices: dict[str, Price] = Field(default_factory=dict)
    """By model."""
    provider: Provider = Provider()
    """How `upstream` wants to be spoken to."""
    setup: SetupSettings = SetupSettings()
    """What the setup of a repository may reach and is given."""
    review: ReviewSettings = ReviewSettings()
    """Further reviewers, and what they look for."""
    layers: tuple[Layer, ...] = ()
    """What organisation and user say of the policy."""
    pinned: dict[str, str] = Field(default_factory=dict)
    """Settings that only the organisation decides, and where it says so."""
    notes: tuple[str, ...] = ()
    """What was asked for and is pinned."""
    origin: dict[str, str] = Field(default_factory=dict)
    """Who gave a value, e.g. `CODEX_RUNNER_MODEL`; a missing name = built-in."""

    @property
    def endpoint(self) -> Endpoint:
        """Where the author is asked."""
        return Endpoint(upstream=self.upstream, key=self.key, provider=self.provider)

    def source_of(self, name: str) -> str:
        """Who decided this setting, for messages."""
        return self.origin.get(name, BUILT_IN)


def load_settings(
    environ: Mapping[str, str],
    command_line: Mapping[str, str] | None = None,
    user_file: Path | None = None,
    *,
    scripted: bool = False,
) -> Settings:
    """Merge the layers; `command_line` uses the field names of Settings.

    An empty environment variable is an unset one. Where the model is `scripted`, a pin does not
    hold against the command line: what is made up must not be sent to a real provider.

    Raises:
        ConfigError: an unknown name or a bad value, with the place it stands at.
    """
    files = [parsed(file) for file in organisation_files(environ)]
    mine = _read(user_file or user_config_path(APP) / "config.toml")
    said = Said()
    if server := environ.get(SERVER_VARIABLE):
        said.put("github_url", checked("github_url", server, SERVER_VARIABLE), SERVER_VARIABLE)
    layers = [organisation(table, sha256, said) for table, sha256 in reversed(files)][::-1]
    layers += [of_codex(file, said) for file in codex_files()]
    if mine is not None:
        table, sha256 = mine
        layers.append(user(table, sha256, said))
    for name, value, source in (*_environment(environ), *_arguments(command_line or {})):
        word = checked(name, value, source)
        if scripted and source.startswith(COMMAND_LINE):
            said.pinned.pop(name, None)
        if name == "test":
            layers = [*tested(layers, word, source)]
        else:
            said.put(name, word, source)
    return Settings.model_validate(
        {
            **said.values,
            "layers": tuple(layers),
            "pinned": said.pinned,
            "notes": tuple(said.notes),
            "origin": said.origin,
        }
    )


def find_state(environ: Mapping[str, str], option: Path | None = None) -> Path:
    """The state directory alone: the user's file is read only when nothing else names one.

    Raises:
        ConfigError: as `load_settings`; the option names another one than the organisation pins.
    """
    given = str(option or "") or environ.get(STATE_VARIABLE, "")
    if not given:
        return load_settings(environ).state
    source = "--state" if option else STATE_VARIABLE
    state, said = Path(str(checked("state", given, source))), Said()
    for file in reversed(organisation_files(environ)):
        organisation(*parsed(file), said)
    if (by := said.pinned.get("state")) is None:
        return state
    pinned = Path(str(said.values["state"]))
    if option and state != pinned:  # nobody who asks for one place is shown another
        raise ConfigError(f"--state: {shown(state)} is not the one pinned by {by}", "leave it out")
    return pinned


def _read(path: Path) -> tuple[Table, Sha256] | None:
    data = read_bounded(path, MAX_BYTES, follow=True)
    return None if data is None else parsed(File(shown(path), data))


def _environment(environ: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    known = [VARIABLE, *(PREFIX + name.upper() for name in CHECKS)]
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX) and value}
    given.pop(VARIABLE, None)
    for variable, value in sorted(given.items()):
        if variable not in known:
            near = get_close_matches(variable[:64], known, n=1)
            guess = f"did you mean {near[0]}?" if near else "unset it"
            raise ConfigError(f"{shown(variable)}: unknown setting in the environment", guess)
        yield variable.removeprefix(PREFIX).lower(), value, variable


def _arguments(command_line: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    for name, value in command_line.items():
        yield name, value, COMMAND_LINE + name.replace("_", "-")
