"""What a person asks for."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from runner.records.base import Record, Sha256


class Limits(Record):
    """Upper bounds of one run. Layers below may only lower them."""

    files: int = Field(default=50, ge=1, le=100_000)
    """Changed entries: adds, edits, deletes, mode and type changes; a rename counts twice."""
    lines: int = Field(default=1500, ge=1, le=10_000_000)
    """Added plus deleted lines of text files."""
    bytes: int = Field(default=1_000_000, ge=1, le=1_000_000_000)
    """Sum of the sizes of all added or modified blobs, text and binary."""
    binaries: int = Field(default=0, ge=0, le=100_000)
    """Added or modified binary files."""
    requests: int = Field(default=200, ge=1, le=100_000)
    """Model requests of the author, one for each turn of the model, all attempts together; a
    reviewer has as many of its own."""
    tool_calls: int = Field(default=1000, ge=1, le=1_000_000)
    """Tools the model asked the author's codex to run, all attempts together."""
    input_tokens: int = Field(default=5_000_000, ge=1)
    output_tokens: int = Field(default=500_000, ge=1)
    history_items: int = Field(default=5000, ge=1, le=1_000_000)
    """Messages, calls and results of the conversation that one request carries."""
    history_mib: int = Field(default=8, ge=1, le=1024)
    """The same conversation, in MiB; whatever this says, the broker reads none of more than 16."""
    sent_mib: int = Field(default=64, ge=1, le=1_048_576)
    """Bytes of the author's requests, all attempts together."""
    attempts: int = Field(default=2, ge=1, le=20)
    """Sessions of the author: every one after the first gets the refusal as its prompt."""
    wall_s: int = Field(default=1800, ge=1, le=86_400)
    """Wall clock of the agent's sessions together, seconds."""
    idle_s: int = Field(default=300, ge=1, le=86_400)
    """Longest silence of the agent: no event and no model traffic, seconds."""
    tests_s: int = Field(default=900, ge=1, le=86_400)
    """Wall clock of one run of the test command, seconds."""
    review_s: int = Field(default=600, ge=1, le=86_400)
    """Wall clock of the review gate, seconds."""
    setup_s: int = Field(default=900, ge=1, le=86_400)
    """Wall clock of the setup's commands, seconds."""
    memory_mib: int = Field(default=2048, ge=128, le=1_048_576)
    pids: int = Field(default=512, ge=32, le=32_768)
    cpus: int = Field(default=2, ge=1, le=1024)
    file_mib: int = Field(default=512, ge=1, le=1_048_576)
    """Largest single file the agent may write."""
    disk_mib: int = Field(default=2048, ge=1, le=1_048_576)
    """Blocks the workspace may take beside the base's own."""
    entries: int = Field(default=200_000, ge=100, le=10_000_000)
    """Files, directories and links the workspace may hold beside the base's own."""
    output_mib: int = Field(default=64, ge=1, le=65_536)
    """Bytes of stdout and stderr read from a sandbox before it is killed."""


class Words(Record):
    """What the command line says of the policy, as it is typed."""

    level: int | None = None
    limits: tuple[str, ...] = ()
    """`lines=200`"""
    paths: tuple[str, ...] = ()
    """Globs."""


SILENT = Words()


def how_to_raise(limit: str) -> str:
    """The remedy when a limit was too low; of one that nobody can raise, to need less."""
    if limit.endswith(("day_usd", "run_usd", "day_tokens")):
        return f"raise {limit} under [budget] in config.toml, or wait a day"
    if limit not in Limits.model_fields:
        return "ask for less in one task"
    where = "under [limits] in the task, or with --limit"
    return f"raise {limit} {where} (the ceiling is [limits] in config.toml)"


class Task(Record):
    """One task file, parsed once; its digest names it from then on."""

    title: str
    prompt: str
    source: str
    """Where it came from, for messages: a file name, `-` or `--prompt`."""
    sha256: Sha256
    """Of the exact bytes that were parsed."""
    base: str | None = None
    """A revision of the repository; None = HEAD."""
    target: str | None = None
    """The branch the request aims at; None = the remote's default."""
    paths: tuple[str, ...] = ()
    """Globs the change must stay inside; empty = anywhere that is not protected."""
    may_change_tests: tuple[str, ...] = ()
    """Exact paths in which tests, or how they are run, may become weaker; the request says so."""
    limits: dict[str, int] = Field(default_factory=dict)
    """Only the limits the task names; merged by minimum."""
    model: str | None = None
    reviewer_model: str | None = None
    labels: tuple[str, ...] = ()
    where: dict[str, str] = Field(default_factory=dict)
    """Where a key stands, for messages: `limits.lines` -> `task.md, line 4`."""
    test: str | bool | None = None
    """A shell command; False waives the gate (shown in the request); None = ask the repository."""
    policy: dict[str, Any] = Field(default_factory=dict)
    """What else of the policy it names, by the name of the field, e.g. `tests.retries`."""
