"""The command line: finds the verb, prints the two lines of an error, exits with its code."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from types import MappingProxyType
from typing import Any

import click

from runner import __version__
from runner.cli.system import open_streams, refusal
from runner.cli.verbs import Verbs
from runner.errors import RunnerError
from runner.text import line

BUG = 70
UNREAD = 141  # as a shell tells SIGPIPE
VERBS = MappingProxyType(
    {
        "run": "Let codex work on a task; push a branch only if every gate passes.",
        "demo": "A whole run on a sample repository: real codex, scripted model, no key.",
        "init": "Write a starter policy, an example task and a workflow.",
        "show": "Tell one run: gates, usage, request, receipt.",
        "verify": "Whether a run's evidence is what happened; offline, anywhere.",
        "ledger": "The log of all receipts: check, checkpoint, ddl.",
        "keys": "Keys of the gate, the verifier and the approvers.",
        "explain": "Why a run ended as it did, and what would have to change.",
        "resume": "Go on with a run that a limit, a stop or a failure ended.",
        "approve": "Let out what a supervised run has judged.",
        "approvals": "What waits for a person: list, show, approve, deny, sync.",
        "check": "The gates alone, on your branch or a patch file; no agent.",
        "guardrails": "How well the checks on text do on labelled samples.",
        "policy": "What holds here and why: show, explain, check, test, replay, ...",
        "list": "All runs, newest first.",
        "logs": "What the agent did, event by event.",
        "diff": "The patch a run kept.",
        "apply": "Apply the patch a run kept to a checkout.",
        "drill": "Planted attacks against your own settings and repository; a scorecard.",
        "gateway": "Serve the execution gate to other agents; make credentials for it.",
        "gate": "Run any command only if the gate allows it.",
        "kill": "Stop a run, an agent, a repository or all; proved, until it is lifted.",
        "trust": "How far an agent's past carries: score, level, why not higher; promote.",
        "outcomes": "What became of old runs: sync asks the forges, report is a person's word.",
        "sweep": "Remove what killed runners left, seal their runs as abandoned.",
        "doctor": "Try what this machine guarantees: engines, readiness, versions.",
        "images": "Build or list the image of the docker engine.",
    }
)
"""Verb -> one line. Kept here so that --help imports no verb."""


class Program(Verbs):
    """All verbs."""

    def invoke(self, ctx: click.Context) -> Any:
        """An error's remedy finds the state that was named; a reader that left is no refusal."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(UNREAD)
        except RunnerError as error:
            from runner.cli import ending, options

            if state := ctx.meta.get(options.STATE):
                error.remedy = ending.placed(error.remedy, ending.state_words(state))
            raise


EPILOG = """\b
Exit codes:
  0 done                    5 a budget ran out
  1 a gate refused          6 a person has to approve
  2 bad input or settings   7 nothing to do
  3 infrastructure failed   70 a bug in codex-runner
  4 halted                  130 interrupted (^C)
\b
Start with:  codex-runner demo
"""


@click.group(
    cls=Program,
    verbs=VERBS,
    epilog=EPILOG,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.version_option(__version__, prog_name="codex-runner")
def cli() -> None:
    """Let a coding agent work on a repository with nobody watching.

    The agent works in a disposable sandbox without network or credentials; what it changed is
    measured by the host, judged by gates, and only then pushed as a feature branch.
    """


def main() -> None:
    """Entry point. The one place that turns exceptions into exit codes."""
    open_streams()
    code = _status()
    with suppress(OSError):  # whoever read our output may be gone
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)  # everything is closed: taking the interpreter apart would cost 50 ms


def _status() -> int:
    try:
        cli.main(prog_name="codex-runner", standalone_mode=False)
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.ClickException as wrong:
        return _usage(wrong)
    except (click.Abort, KeyboardInterrupt):
        return _tell("interrupted", "run the command again", 130)
    except RunnerError as error:
        return _tell(error.problem, error.remedy, error.exit_code)
    except OSError as error:
        told = refusal(error)
        return _bug() if told is None else _tell(told.problem, told.remedy, told.exit_code)
    except Exception:  # noqa: BLE001  the one place: a bug must leave a code, not a stack alone
        return _bug()
    return 0


def _usage(wrong: click.ClickException) -> int:
    """Two lines; a command without its verb is told of the verbs instead."""
    if isinstance(wrong, getattr(click.exceptions, "NoArgsIsHelpError", ())):  # click >= 8.2
        wrong.show()
        return 2
    context = wrong.ctx if isinstance(wrong, click.UsageError) else None
    path = context.command_path if context is not None else "codex-runner"
    return _tell(line(wrong.format_message()), f"{path} --help", 2)


def _bug() -> int:
    import traceback

    traceback.print_exc()
    return _tell("this is a bug in codex-runner", "report it with the lines above", BUG)


def _tell(problem: str, remedy: str, code: int) -> int:
    click.echo(f"error: {problem}\ntry: {remedy}", err=True)
    return code
