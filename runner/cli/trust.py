"""`codex-runner trust`: how far the agents' past carries, and why."""

from __future__ import annotations

from types import MappingProxyType

import click

from runner.cli.verbs import Verbs

VERBS = MappingProxyType(
    {
        "show": "Score, factors, level and calibration; the default.",
        "promote": "Let an agent climb one rung, with an approver's key.",
    }
)


class _Told(Verbs):
    """`trust codex` is `trust show codex`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if not args or args[0] not in {*VERBS, *ctx.help_option_names}:
            args = ["show", *args]
        return super().parse_args(ctx, args)


@click.group(cls=_Told, verbs=VERBS, modules="runner.cli.trust_")
def command() -> None:
    """How likely an agent's next change is accepted and stays: 300 to 850, and every step to it.

    Only signed outcomes count: codex-runner outcomes sync asks the forges for them.
    """
