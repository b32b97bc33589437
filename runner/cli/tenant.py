"""The option that says whose agent a name means."""

from __future__ import annotations

import os

import click

tenant_option = click.option("--tenant", help="Whose agent it is.  [default: the setting]")


def told_tenant(given: str | None) -> str:
    """As the option says, or else the settings. Raises ConfigError: they are wrong."""
    from runner.policy.names import MisfitError
    from runner.policy.tenant import tenant

    if given is None:
        from runner.policy.settings import load_settings

        return load_settings(os.environ).tenant
    try:
        return tenant(given) if given else ""
    except MisfitError as misfit:
        from runner.errors import ConfigError

        raise ConfigError(f"--tenant {given[:100]!a} {misfit.why}", misfit.remedy) from misfit
