"""A task file: Markdown, with TOML front matter between two lines that are exactly `+++`.

+++
title = "Round totals half up"
paths = ["src/**", "tests/**"]
test = "python3 -m unittest"
[limits]
lines = 200
+++
Totals are cut instead of rounded. Make them round half up.

Parsed once, before anything starts; the body is the prompt and never an argument or a setting.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from runner.errors import ConfigError
from runner.policy import names
from runner.policy.files import read_bounded, shown
from runner.policy.readers import read_layer
from runner.policy.text import decode_text
from runner.policy.toml import Table, parse_toml
from runner.records.base import Sha256
from runner.records.task import Task

MAX_BYTES = 1024 * 1024
MAX_TITLE = 120
FENCE = "+++"
KEYS = ("title", "base", "target", "model", "reviewer_model", "labels", "may_change_tests")
"""Beside the policy's."""


def read_task(path: Path) -> Task:
    """Read a task file.

    Raises:
        ConfigError: exit 2; names the file, the line and the key.
    """
    data = read_bounded(path, MAX_BYTES, follow=False)
    if data is None:
        raise ConfigError(f"{shown(path)}: no such file", "check the path of the task file")
    return parse_task(data, shown(path))


def prompt_task(text: str) -> Task:
    """A task out of `--prompt`: only a body."""
    data = text.encode(errors="surrogateescape")
    body = _body(_decoded(data, "--prompt"), "--prompt", 1)
    return Task(title=_title_of(body), prompt=body, source="--prompt", sha256=_sha256(data))


def parse_task(data: bytes, source: str) -> Task:
    """Parse a task.

    Raises:
        ConfigError: exit 2; names the source, the line and the key.
    """
    lines = _decoded(data, source).split("\n")
    end = _front_matter_end(lines, source)
    body = _body("\n".join(lines[end:]), source, end + 1)
    table = parse_toml("\n".join(lines[1 : max(end - 1, 1)]), source, first_line=2)
    return task_of(table, body, _sha256(data))


def task_of(table: Table, body: str, sha256: Sha256) -> Task:
    """Front matter and body. Raises ConfigError."""
    asked = read_layer(table, "task", dict.fromkeys(KEYS, ()))
    words = dict(asked.values)
    limits = {name: words.pop(name) for name in asked.values if name.startswith("limits.")}
    (paths,) = words.pop("paths", ((),))
    return Task(
        title=table.string("title", names.line(MAX_TITLE)) or _title_of(body),
        prompt=body,
        source=table.source,
        sha256=sha256,
        base=table.string("base", names.branch),
        target=table.string("target", names.target_branch),
        paths=paths,
        may_change_tests=table.strings("may_change_tests", names.path),
        limits={name.removeprefix("limits."): value for name, value in limits.items()},
        model=table.string("model", names.model),
        reviewer_model=table.string("reviewer_model", names.model),
        labels=table.strings("labels", names.line(50)),
        test=words.pop("test", None),
        policy=words,
        where={key: table.where(key) for key in table.values} | dict(asked.places),
    )


def _front_matter_end(lines: list[str], source: str) -> int:
    """Number of lines up to and with the closing fence; 0 when there is no front matter."""
    if lines[0] == FENCE:
        if FENCE not in lines[1:]:
            raise ConfigError(
                f"{source}, line 1: the front matter has no end", "close it with a line +++"
            )
        return lines.index(FENCE, 1) + 1
    number, first = next(((n, line) for n, line in enumerate(lines, 1) if line.strip()), (1, ""))
    if first.strip() == "---" or first.strip().startswith(FENCE):
        raise ConfigError(
            f"{source}, line {number}: looks like front matter, but is not",
            "begin the file with a line that is exactly +++, then TOML, then +++ again",
        )
    return 0


def _decoded(data: bytes, source: str) -> str:
    if len(data) > MAX_BYTES:
        raise ConfigError(f"{source} is larger than {MAX_BYTES} bytes", "shorten the task")
    return decode_text(data, source)


def _body(text: str, source: str, line: int) -> str:
    if not any(char.isprintable() and not char.isspace() for char in text):
        raise ConfigError(
            f"{source}, line {line}: the task has no body", "say there what the agent should do"
        )
    return text.strip("\n")


def _title_of(body: str) -> str:
    """The first line with words, without Markdown's `#`, printable and capped."""
    for line in body.split("\n"):
        words = "".join(char if char.isprintable() else " " for char in line)
        title = " ".join(re.sub(r"^\s*#+", "", words).split())
        if title:
            return title if len(title) <= 72 else title[:71].rstrip() + "…"
    return "Task"


def _sha256(data: bytes) -> Sha256:
    return Sha256(hashlib.sha256(data).hexdigest())
