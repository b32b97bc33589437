"""`[[examples]]`: what a policy is to decide, said by those who wrote it.

    [[examples]]
    name = "nobody pushes"
    command = "git push origin main"
    expect = "forbidden"

    [[examples]]
    name = "large work is cut, and log-ins wait for a person"
    task = { title = "Fix the login form", limits = { lines = 9000 } }
    expect = { level = 1, limits = { lines = 500 } }

    [[examples]]
    name = "workflows stay as they are"
    diff = [{ path = ".github/workflows/ci.yml", after = "on: push" }]
    expect = { gate = "paths", verdict = "refused", code = "paths.protected" }

1. An example is of a command, of a change (`diff`, or `patch`: a file), or of neither: then of the
   fields of the policy, which are written as the policy has them.
2. `user`, `repository` and `task` are what layers below ask for, `event` is who started the run.
3. They are not called tests: `[tests]` is the rigour of the tests gate in every one of these files,
   and TOML has no table and array of one name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from runner.policy import names
from runner.policy.readers import EXAMPLES, LEAVES, read_layer, read_leaves
from runner.policy.repo_policy import repo_layer
from runner.policy.task_file import task_of
from runner.policy.toml import Table
from runner.records.base import Sha256
from runner.records.level import CLASS_GATE, HIGHEST
from runner.records.policy import Layer
from runner.records.rules import STRICTNESS
from runner.records.task import Task

SUBJECTS = ("command", "diff", "patch")
KEYS = ("name", *SUBJECTS, "user", "repository", "task", "event", "expect")
GATES = ("ingest", "paths", "size", "tamper", "dependencies", "secrets", CLASS_GATE, "guardrails")
"""The cheap ones, and what cannot be measured at all."""
VERDICTS = ("passed", "refused")
OF_CHANGE = ("verdict", "gate", "code", "level")
MAX_TITLE = 120
_SUBJECT = "say one of command, diff and patch, or none of them for the policy's fields"
_LEAVES = MappingProxyType({leaf.key: leaf for leaf in LEAVES})
"""Of every key the last one: as those below the operator write it."""


@dataclass(frozen=True, slots=True)
class Edit:
    """One file of a change; None = it is not there."""

    path: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Example:
    """One table; of its subjects at most one is there."""

    name: str
    where: str
    """`requirements.toml, line 12`"""
    expected: Mapping[str, Any]
    """`{"decision": "forbidden"}`, some of `OF_CHANGE`, or fields of the policy."""
    command: str | tuple[str, ...] | None = None
    """A shell script, or a command's words."""
    edits: tuple[Edit, ...] = ()
    patch: str | None = None
    """The name of a file."""
    layers: tuple[Layer, ...] = ()
    """What `user` and `repository` ask for."""
    task: Task | None = None
    event: str = ""
    """As GITHUB_EVENT_NAME has it; empty = a person at a terminal."""


def examples_of(layer: Layer) -> tuple[Example, ...]:
    """Raises ConfigError naming source, line and key."""
    return tuple(map(_example, layer.examples))


def read_examples(table: Table) -> tuple[Example, ...]:
    """Of a file that has nothing else. Raises ConfigError."""
    table.closed({EXAMPLES})
    return tuple(map(_example, table.tables(EXAMPLES)))


def _example(table: Table) -> Example:
    table.closed(KEYS)
    name = table.string("name", names.line(MAX_TITLE))
    if name is None:
        raise table.fail("name", "an example needs a name", 'add name = "nobody pushes"')
    subjects = [key for key in SUBJECTS if key in table.values]
    if len(subjects) > 1:
        raise table.fail(subjects[1], f"beside {subjects[0]}", _SUBJECT)
    if "expect" not in table.values:
        raise table.fail("expect", "an example needs what it expects", 'add expect = "forbidden"')
    (subject,) = subjects or [""]
    return Example(
        name=name,
        where=table.where("name"),
        expected=_expected(table, subject),
        command=_command(table) if subject == "command" else None,
        edits=tuple(_edits(table)) if subject == "diff" else (),
        patch=table.string("patch", names.line(500)),
        layers=tuple(_layers(table)),
        task=_task(table.table("task")) if "task" in table.values else None,
        event=table.string("event", names.line(64)) or "",
    )


def _expected(table: Table, subject: str) -> Mapping[str, Any]:
    if subject == "command":
        return {"decision": table.string("expect", names.one_of(*STRICTNESS))}
    below = table.table("expect")
    if not below.values:
        raise table.fail("expect", "it expects nothing", "name what has to come out")
    if not subject:
        values, _ = read_leaves(below, _LEAVES)
        return values
    below.closed(OF_CHANGE)
    found = {
        "verdict": below.string("verdict", names.one_of(*VERDICTS)),
        "gate": below.string("gate", names.one_of(*GATES)),
        "code": below.string("code", names.plain),
        "level": below.whole("level", 0),
    }
    if found["gate"] and not (found["verdict"] or found["code"]):
        raise below.fail("gate", "what of this gate is expected?", 'add verdict = "refused"')
    if (level := below.whole("level", 0)) is not None and level > HIGHEST:
        raise below.fail("level", "is too large", f"use {HIGHEST} or less")
    return {key: value for key, value in found.items() if value is not None}


def _command(table: Table) -> str | tuple[str, ...]:
    given = table.values["command"]
    if not given or (isinstance(given, str) and given.isspace()):
        raise table.fail("command", "is empty", 'write command = "git push origin main"')
    if isinstance(given, str):
        return table.string("command", names.command) or ""
    return table.strings("command", names.line(names.MAX_COMMAND))


def _edits(table: Table) -> Iterator[Edit]:
    seen: set[str] = set()
    for each in table.tables("diff"):
        each.closed(("path", "before", "after"))
        path = each.string("path", names.path)
        if path is None or path in seen:
            raise each.fail("path", "every file is named once", 'add path = "src/app.py"')
        seen.add(path)
        yield Edit(path, each.string("before", str), each.string("after", str))
    if not seen:
        raise table.fail("diff", "it changes nothing", 'write [{ path = "a.py", after = "..." }]')


def _layers(table: Table) -> Iterator[Layer]:
    if "user" in table.values:
        yield read_layer(table.table("user"), "user")
    if "repository" in table.values:
        yield repo_layer(table.table("repository"))


def _task(table: Table) -> Task:
    """As a task file; `prompt` is its body."""
    prompt = table.string("prompt", str) or ""
    front = {key: value for key, value in table.values.items() if key != "prompt"}
    return task_of(Table(table.source, front, table.lines, table.path), prompt, Sha256(""))
