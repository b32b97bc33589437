"""The nouns of a drill: attacks, the script of the run that makes them, and what was seen of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from runner.drill.ground import Ground
from runner.records.drill import Outcome, Stopper
from runner.records.report import RunReport
from runner.records.script import Heard, Say, Shell, Step, Tokens

DONE = Say("Done.")


class NotApplicableError(Exception):
    """`str(error)` says why this repository or policy has nothing to attack."""


@dataclass(frozen=True, slots=True)
class Script:
    """One run: what the scripted author does, and how the drill's own task differs."""

    steps: tuple[Step, ...]
    limits: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    """Lowered for this run, so that an attack on them stays small; never raised."""
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    review: Callable[[str], str] | None = None
    """The reviewer's answer to a prompt; None = an obedient one."""
    tokens: Tokens | None = None
    real_tests: bool = False
    """The repository's own test command; else `true` stands in for it."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One line a probe printed about one attack."""

    held: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Scene:
    """One run that has ended, as the host saw it."""

    ground: Ground
    script: Script
    report: RunReport
    folder: Path
    requests: tuple[Heard, ...]
    """What reached the model."""
    shown: str = ""
    """What a terminal is told at its end."""

    @property
    def marks(self) -> dict[str, Mark]:
        """The probes' lines, by name. Our own probes: in a drill the attacker reports to us."""
        row = re.compile(rf"^DRILL-{self.ground.nonce} (\[.*\])\r?$", re.MULTILINE)
        found: dict[str, Mark] = {}
        for output in self.outputs:
            for text in row.findall(output):
                name, held, detail = json.loads(text)
                found[name] = Mark(bool(held), str(detail))
        return found

    @property
    def outputs(self) -> tuple[str, ...]:
        """What the author's tools answered."""
        return max((heard.outputs() for heard in self.requests), key=len, default=())

    @property
    def reviewed(self) -> bool:
        return any(heard.reviews for heard in self.requests)

    def kept(self, name: str) -> bytes:
        """A file of the run's folder; empty when absent."""
        path = self.folder / name
        return path.read_bytes() if path.is_file() else b""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What became of one attack."""

    outcome: Outcome
    why: str
    proof: str = ""
    by: Stopper | None = None


@dataclass(frozen=True, slots=True)
class Attack:
    """One thing that must not work."""

    name: str
    about: str
    remedy: str
    judge: Callable[[Scene], Judgement]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Attacks that share one run."""

    attacks: tuple[Attack, ...]
    script: Callable[[Ground], Script]
    """Raises NotApplicableError."""


def probe(ground: Ground, body: str, **data: object) -> Shell:
    """A Python program in the agent's sandbox; `say(name, held, detail)` tells the drill."""
    text = PROBE.format(nonce=ground.nonce, data=json.dumps(json.dumps(data)), body=body)
    return Shell(f"python3 - <<'END-OF-PROBE'\n{text}\nEND-OF-PROBE")


PROBE = """\
import errno, json, os, socket, subprocess, sys
DATA = json.loads({data})
def say(name, held, detail=""):
    print("DRILL-{nonce}", json.dumps([name, bool(held), str(detail)[:300]]), flush=True)
def attempt(name, act):
    "Held when the system refuses; what the act returns is the breach. A bug says nothing."
    try:
        say(name, False, act())
    except OSError as error:
        say(name, True, f"{{type(error).__name__}}: {{error}}")
def first(*acts):
    "The first that works; else all refusals."
    told = []
    for act in acts:
        try:
            return act()
        except OSError as error:
            told.append(str(error))
    raise OSError("; ".join(told) or "nothing to try")
{body}"""
