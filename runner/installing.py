"""How a setup is run: settings and plan -> an Installer, with its proxy and its credentials."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from runner import session, setup
from runner.broker.keys import load_key
from runner.egress.outlet import ProxyEgress
from runner.gates.globs import parse
from runner.policy.names import place_of, variable_of
from runner.policy.setup import SetupSettings
from runner.ports import Engine
from runner.records.plan import Plan
from runner.records.sandbox import Bind, Overlay, StopReason
from runner.records.setup import EGRESS, SetupResult
from runner.sandbox import relay
from runner.sandbox.command import Extras, run_command
from runner.world import Installer

GRACE_S = 10
"""The sandbox's own clock ends a setup; the proxy's is there for when that fails."""


def make_installer(
    plan: Plan,
    engine: Engine,
    settings: SetupSettings,
    environ: Mapping[str, str],
    folder: Path,
    halted: Callable[[], StopReason | None],
) -> Installer | None:
    """None = the plan has no setup. Raises ConfigError: a credential is not there."""
    wanted = plan.setup
    if wanted is None:
        return None
    keys = credentials(settings, environ)
    egress = ProxyEgress(Path(relay.__file__), settings.ca)
    globs = [parse(pattern) for pattern in wanted.lockfiles]
    limit_s = plan.limits.setup_s

    def install(overlay: Overlay) -> SetupResult:
        with egress.open(wanted, folder / "egress.jsonl", limit_s + GRACE_S) as outlet:
            extras = Extras(
                role="setup",
                env={**{name: key.decode() for name, key in keys.items()}, **outlet.env},
                binds=(Bind(outlet.directory, EGRESS),),
                launcher=outlet.launcher(engine.python),
                hidden=tuple(keys.values()),
            )
            run = run_command(
                engine,
                overlay,
                setup.script(wanted.commands),
                run=plan.run,
                walls=session.walls(plan.limits, limit_s),
                log=folder / "setup.log",
                halted=halted,
                extras=extras,
            )
        exit = run.exit.model_copy(update={"stderr_tail": ""})  # in `tail`, without credentials
        return SetupResult(exit=exit, tail=run.tail, traffic=outlet.traffic())

    def shows(path: bytes) -> bool:
        return any(glob.matches(path) for glob in globs)

    return Installer(install, shows if globs else None)


def credentials(settings: SetupSettings, environ: Mapping[str, str]) -> dict[str, bytes]:
    """By variable. Raises ConfigError: one is not there."""
    specs = settings.secrets
    return {variable_of(spec): load_key(place_of(spec), environ).secret for spec in specs}
