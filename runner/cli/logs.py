"""`codex-runner logs`: what codex told, event by event. Told, not evidence."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

from runner.cli.options import json_option, state_option, tidied_state, write_bytes

if TYPE_CHECKING:
    from runner.records.agent import AgentEvent

CHUNK_BYTES = 1 << 16


@click.command()
@click.argument("run", required=False)
@click.option("--raw", is_flag=True, help="Codex's JSON lines as they are; escaped on a terminal.")
@click.option("--review", is_flag=True, help="The reviewer's session instead of the agent's.")
@state_option
@json_option
def command(run: str | None, raw: bool, review: bool, state: Path | None, as_json: bool) -> None:
    """What the agent of RUN (default: the latest) did, one event per line."""
    from runner.ledger.folder import EVENTS, REVIEW_EVENTS, find
    from runner.report.progress import told
    from runner.report.terminal import write_rows
    from runner.text import to_json

    if raw and as_json:
        raise click.UsageError("--raw is JSON already: give one of --raw and --json")
    folder = find(tidied_state(state), run)
    with folder.open(REVIEW_EVENTS if review else EVENTS) as file:
        if raw:
            show = _escaped if sys.stdout.isatty() else write_bytes
            for chunk in _chunks(file):
                show(chunk)
            return
        events = _events(file)
        if as_json:
            for event in events:
                click.echo(to_json(event.model_dump(mode="json"), indent=None))
            return
        for event in _folded(events):
            mark = ">" if event.phase == "started" else " "
            shown = _judgement(event) if review else event
            write_rows([(f"{mark} {told(shown, 4096)}", "")], sys.stdout)


def _escaped(chunk: bytes) -> None:
    """For a terminal, which would obey what the agent wrote."""
    from runner.text import visible

    click.echo(visible(chunk.decode(errors="backslashreplace")), nl=False)


def _folded(events: Iterable[AgentEvent]) -> Iterator[AgentEvent]:
    """What was completed, in order; at the end what was only started."""
    begun: dict[tuple[str, str], AgentEvent] = {}
    for event in events:
        if event.kind in {"thread", "turn"}:
            continue
        if event.phase == "completed":
            begun.pop((event.kind, event.item), None)
            yield event
        else:
            begun[event.kind, event.item] = event.model_copy(update={"phase": "started"})
    yield from begun.values()


def _judgement(event: AgentEvent) -> AgentEvent:
    """A reviewer's answer as `approve: because`; whatever is no such answer as it is."""
    try:
        answer = json.loads(event.text.replace("\\n", "\n"), strict=False)
        text = f"{answer['verdict']}: {answer['summary']}"
    except (ValueError, RecursionError, KeyError, TypeError):
        return event
    return event.model_copy(update={"text": text})


def _events(file: BinaryIO) -> Iterator[AgentEvent]:
    from runner.agent.events import EventParser

    parser = EventParser()
    for chunk in _chunks(file):
        yield from parser.feed(chunk)
    yield from parser.close()


def _chunks(file: BinaryIO) -> Iterator[bytes]:
    while chunk := file.read(CHUNK_BYTES):
        yield chunk
