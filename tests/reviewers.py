"""Reviewers that are functions: from the good answer to a prompt to what is really said."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from runner.demo.model import verdict
from runner.records.agent import AgentResult
from tests.fakes import CaseBuilder, answered

Answer = dict[str, Any]
Reply = Callable[[Answer], AgentResult | str]


@dataclass
class Panel(CaseBuilder):
    """Answers each prompt as `reply` makes it of an approval that found what was planted."""

    reply: Reply = json.dumps
    replies: Mapping[str, Reply] = field(default_factory=dict)
    """By model, where they differ."""
    models: list[str] = field(default_factory=list)
    """Who was asked, in order."""

    def _review(self, prompt: str, schema: Mapping[str, object], model: str) -> AgentResult:
        self.asked.append(("review", prompt))
        self.models.append(model)
        said = self.replies.get(model, self.reply)(json.loads(verdict(prompt)))
        return answered(said) if isinstance(said, str) else said

    @property
    def prompts(self) -> list[str]:
        return [prompt for kind, prompt in self.asked if kind == "review"]


def with_(**changes: object) -> Callable[[Answer], str]:
    return lambda good: json.dumps({**good, **changes})


def finding(severity: str = "high", path: str | None = None, **more: object) -> Answer:
    given = {"line": None, "rationale": "it calls home", "confidence": 70}
    return {"severity": severity, "path": path, **given, **more}


def rows(prompt: str) -> list[str]:
    """The text of all rows of a prompt's files, signs first; headers are left out."""
    found = re.findall(r"^(?=[ \d]{13})[ \d]{6,} [ \d]{6,} >?([ +\\-].*)$", prompt, re.MULTILINE)
    return [str(row) for row in found]
