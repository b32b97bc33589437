"""`codex-runner demo`: a whole run on a sample repository; only the model is scripted."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

import click

from runner.cli.options import json_option

SCENARIOS = ("fix", "secret", "tests-tampered", "too-big", "path")
KEY_VARIABLE = "DEMO_MODEL_KEY"


@click.command(epilog="What it made is kept; the last lines say where.")
@click.option(
    "--scenario",
    type=click.Choice(SCENARIOS),
    default="fix",
    show_default=True,
    help="fix is published; each of the others is refused by a gate, and then exit code 0 says:"
    " refused as it should be.",
)
@click.option(
    "--engine",
    type=click.Choice(["auto", "bubblewrap", "docker"]),
    default="bubblewrap",
    show_default=True,
)
@click.option(
    "--directory",
    type=click.Path(path_type=Path),
    help="Where to make it; new or empty.  [default: a new temporary directory]",
)
@json_option
def command(scenario: str, engine: str, directory: Path | None, as_json: bool) -> None:
    """Make a small repository with a real bug and let codex mend it: sandbox, broker, gates,
    review, push to a bare repository, request. No key, no Docker, no network.
    """
    from runner import wiring
    from runner.cli.ending import tell_end
    from runner.demo.model import KEY, ScriptedModel
    from runner.demo.sample import make_sample
    from runner.demo.scenarios import SCENARIOS as SCRIPTS
    from runner.policy.task_file import read_task

    script = SCRIPTS[scenario]
    home = _home(directory)
    sample = make_sample(home)
    with ScriptedModel(script.steps) as model:
        report, folder = wiring.perform(
            wiring.Asked(
                task=read_task(sample.task),
                repository=sample.repository,
                settings={
                    "engine": engine,
                    "state": str(home / "state"),
                    "upstream": model.url,
                    "key": f"env:{KEY_VARIABLE}",
                    "forge": "local",
                },
                environ={KEY_VARIABLE: KEY},
                user_file=home / "no-settings.toml",
                scripted=True,
            ),
            quiet=as_json,
        )
    refused = tuple(gate.gate for gate in report.gates if gate.verdict == "refused")
    ending = "refused" if script.refused_by else "published"
    expected = (report.conclusion, refused) == (ending, script.refused_by)
    if not as_json and report.publication is not None:
        click.echo(f"\n{'-' * 30} the request {'-' * 30}\n")
        click.echo(Path(report.publication.url).read_text())
        click.echo("-" * 73)
    tell_end(report, folder, as_json=as_json)
    if not as_json:
        _where(home, report.run)
        outcome = f"refused by {', '.join(refused)}" if refused else report.conclusion
        _verdict(f"demo {scenario}: {script.about}", outcome, expected=expected)
    sys.exit(0 if expected else report.exit_code or 1)


def _home(directory: Path | None) -> Path:
    """An absolute, empty directory."""
    from runner.errors import ConfigError

    if directory is None:
        from tempfile import mkdtemp

        return Path(mkdtemp(prefix="codex-runner-demo-"))
    if directory.is_file() or (directory.is_dir() and any(directory.iterdir())):
        raise ConfigError(f"{directory} is not an empty directory", "choose a new one")
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(
            f"cannot make {directory}: {error.strerror}", "choose a directory you may write"
        ) from error
    return directory.resolve()


def _where(home: Path, run: str) -> None:
    state = home / "state"
    click.echo(f"\nrepository  {home / 'tally'}")
    click.echo(f"remote      {home / 'remote.git'}")
    click.echo(f"task        {home / 'task.md'}")
    click.echo(f"run         {state / 'runs' / run}")
    program = Path(sys.executable).with_name("codex-runner")
    words = shlex.join([str(program), "show", "--state", str(state)])
    click.echo(f"more        {words}   (also: logs, diff, apply)")


def _verdict(what: str, outcome: str, *, expected: bool) -> None:
    if expected:
        click.echo(f"\n{what}; {outcome}, as it should be")
    else:
        click.echo(f"\n{what}; NOT as it should be: {outcome}", err=True)
