"""`codex-runner images`: the image of the docker engine."""

from __future__ import annotations

import json
from dataclasses import asdict

import click

from runner.sandbox import images
from runner.sandbox.docker import IMAGE


@click.group()
def command() -> None:
    """Build or list the image of the docker engine."""


@command.command(short_help="Build it: Debian, git and python3.")
@click.option("--from-packages", is_flag=True, help="Without a registry: mmdebstrap.")
@click.option("--mirror", help="Debian mirror for --from-packages.  [default: this machine's]")
@click.option(
    "--base", help=f"Image to build on, without --from-packages.  [default: {images.BASE}]"
)
@click.option("--tag", default=IMAGE, show_default=True, help="NAME:VERSION of the result.")
@click.option("--json", "as_json", is_flag=True, help="The result as JSON; no progress.")
def build(
    from_packages: bool, mirror: str | None, base: str | None, tag: str, as_json: bool
) -> None:
    """Build the image: Debian, git and python3; about a minute and 200 MB."""
    if mirror and not from_packages:
        raise click.UsageError("--mirror needs --from-packages")
    if base and from_packages:
        raise click.UsageError("--base and --from-packages exclude each other")
    if ":" not in tag.rpartition("/")[2]:
        raise click.UsageError(f"--tag {tag}: give NAME:VERSION")

    def progress(line: str) -> None:
        if not as_json:
            click.echo(line, err=True)

    if from_packages:
        image = images.build_from_packages(tag, mirror, progress)
    else:
        image = images.build_from_registry(tag, base or images.BASE, progress)
    click.echo(json.dumps(asdict(image)) if as_json else "  ".join(_columns(image)))


@command.command(name="list")
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def listed(as_json: bool) -> None:
    """List the product's images in the engine."""
    found = images.built()
    if as_json:
        click.echo(json.dumps([asdict(image) for image in found]))
        return
    rows = [_columns(image) for image in found]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        click.echo("  ".join(f"{text:{wide}}" for text, wide in zip(row, widths, strict=True)))
    if not found:
        click.echo("none; make one: codex-runner images build", err=True)


def _columns(image: images.Image) -> tuple[str, ...]:
    name = ", ".join(image.tags) or image.id
    return name, f"{image.size_bytes // 1_000_000} MB", image.version, f"from {image.base}"
