"""A whole run under attack: canaries laid out on the host, the real CLI, and what it left."""

from __future__ import annotations

import base64
import gzip
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import cast

from runner.demo.model import Object, Patch, Say, ScriptedModel, Shell, Step
from runner.demo.sample import TEST, make_sample
from runner.demo.scenarios import SCENARIOS
from runner.gates.scanner import Scanner
from runner.ledger.folder import folders
from runner.process import clean_env, run
from runner.records.sandbox import EngineName
from runner.records.scan import Sample as Text
from tests.hostile.corpus import Corpus
from tests.live.world import Ended, World

CLI = str(Path(sys.executable).with_name("codex-runner"))
"""Not `python -m runner`: that would import from the directory it is called in."""
KEY = "sk-CANARY-HOST-KEY-0001"
CANARIES = {"CANARY_HOST_SECRET": "CANARY-HOST-ENV-0001", "GITHUB_TOKEN": "CANARY-HOST-SECRET-1"}
FIXED_CANARIES = Path("/tmp/h_canary")
"""Where payloads write that cannot be told another place."""
FIXED_SECRET = Path("/tmp/h_canary_secret.txt")
SECRET = "CANARY-HOST-FILE-0001\n"
END, DONE_FILE = "H-END", "/tmp/h/done"
DROP = "/dev/shm/h"
WAITS = 15
WAIT = (
    f"i=0; until [ -e {DONE_FILE} ] || [ $i -ge 85 ]; do sleep 0.1; i=$((i+1)); done;"
    f" [ -e {DONE_FILE} ] && echo {END}"
)
MEND = next(step for step in SCENARIOS["fix"].steps if isinstance(step, Patch))
AFTERWARDS: tuple[Step, ...] = (MEND, Say("Done."))


class Attacker(ScriptedModel):
    """An author who runs one `command`, waits for its end, then takes the steps `after` it."""

    def __init__(self, command: str, after: Sequence[Step] = AFTERWARDS) -> None:
        super().__init__(key=KEY)
        self.command = Shell(f"{command}\necho; echo {END}; mkdir -p /tmp/h; : > {DONE_FILE}")
        self.after = list(after)

    def step(self, body: Object) -> Step:
        if asks_for_json(body):
            return super().step(body)
        heard = outputs(body)
        if not heard:
            return self.command
        ended = next((number for number, said in enumerate(heard) if END in said), None)
        if ended is None and len(heard) <= WAITS:
            return Shell(WAIT)
        taken = len(heard) - 1 - (WAITS if ended is None else ended)
        return self.after[min(taken, len(self.after) - 1)]

    def said(self) -> str:
        """Everything its commands printed, as the model got it."""
        heard = [outputs(r.body) for r in self.requests if not asks_for_json(r.body)]
        longest: list[str] = max(heard, key=len, default=[])
        return "\n".join(longest)


def asks_for_json(body: Object) -> bool:
    """A reviewer's request."""
    text = body.get("text")
    return isinstance(text, dict) and bool(text.get("format"))


def outputs(body: Object) -> list[str]:
    """Of the tool calls in one request."""
    entries = cast(list[Object], body.get("input") or [])
    found = [e for e in entries if str(e.get("type")).endswith("_call_output")]
    return [_plain(entry.get("output")) for entry in found]


def _plain(output: object) -> str:
    if isinstance(output, list):
        return "\n".join(str(part.get("text")) for part in output if isinstance(part, dict))
    return str(output)


def deliver(name: str, content: bytes) -> str:
    """Shell words that write a file to DROP, which is in no directory that payloads search.

    Packed, so that the text of no canary is in a log or a command line.
    """
    packed = base64.b64encode(gzip.compress(content)).decode()
    return f"mkdir -p {DROP}; echo {packed} | base64 -d | gzip -d > {DROP}/{name}"


def calling(name: str, env: Mapping[str, str]) -> str:
    """Shell words that run a delivered payload in the workspace."""
    given = " ".join(f"{key}='{value}'" for key, value in env.items())
    program = "python3" if name.endswith(".py") else "sh"
    return f"{given} {program} {DROP}/{name}"


@dataclass(frozen=True, slots=True)
class Attack:
    """One run that had an attacker for an author."""

    ended: Ended
    output: str
    """What the attacker's commands printed, from codex's events and from the model's requests."""
    requests: tuple[Object, ...]

    @property
    def refusal(self) -> str:
        """Why it was refused or stopped, with every path and code that was named."""
        if self.ended.folder is None:
            return self.ended.stderr
        report = self.ended.report
        findings = [f for gate in report.gates for f in gate.findings]
        words = [f"{f.code} {f.path or ''} {f.why}" for f in findings]
        problem = report.problem.problem if report.problem else ""
        return "; ".join([problem, *words])

    @property
    def changed(self) -> tuple[str, ...]:
        patch = self.ended.report.patch
        return tuple(change.path for change in patch.changes) if patch else ()


@dataclass
class Scene:
    """`scene.attack(...)` is a whole run; `scene.damage()` what it did to the host."""

    world: World
    corpus: Corpus | None
    canaries: Path
    secret: Path
    words: tuple[str, ...] = ("--prompt", "Mend the median", "--test", TEST)
    extra: list[bytes] = field(default_factory=list)
    """More output to search for canaries."""

    @property
    def repository(self) -> Path:
        return self.world.sample.repository

    @property
    def knobs(self) -> dict[str, str]:
        """Where payloads are told to look and write."""
        return {"H_CANARY_DIR": str(self.canaries), "H_HOST_SECRET_FILE": str(self.secret)}

    def attack(
        self,
        command: str,
        *words: str,
        after: Sequence[Step] = AFTERWARDS,
        model: Attacker | None = None,
        repository: Path | None = None,
    ) -> Attack:
        """A run whose author does this."""
        known = folders(self.world.state)
        here = repository or self.repository
        with model or Attacker(command, after) as author:
            argv = [CLI, "run", *(words or self.words)]
            done = run(argv, env=self.env(author.url), cwd=here, timeout_s=300)
        ended = self.world.ended(done.code, done.stdout, done.stderr, known)
        self.extra += [done.stdout, done.stderr]
        told = _commands(ended.path / "events.jsonl") if ended.folder else ""
        return Attack(ended, f"{told}\n{author.said()}", tuple(r.body for r in author.requests))

    def shell(
        self, payload: Path, *words: str, env: Mapping[str, str], after: Sequence[Step]
    ) -> Attack:
        """The same with a payload file, delivered first."""
        put = deliver(payload.name, payload.read_bytes())
        command = f"{put}; {calling(payload.name, {**self.knobs, **env})}"
        return self.attack(command, *words, after=after)

    def env(self, upstream: str) -> dict[str, str]:
        return {**self.world.env(upstream), **CANARIES, "OPENAI_API_KEY": KEY}

    def cli(self, *words: str) -> bytes:
        """Any other verb; stdout and stderr."""
        done = run([CLI, *words], env=self.env("http://127.0.0.1:9/v1"), cwd=self.world.home)
        return done.stdout + done.stderr


def _commands(events: Path) -> str:
    """What the commands printed, from codex's own record."""
    said = []
    for line in events.read_bytes().splitlines() if events.exists() else ():
        try:
            event = json.loads(line)
        except (ValueError, RecursionError):
            continue
        item = event.get("item") if isinstance(event, dict) else None
        if isinstance(item, dict):
            said.append(str(item.get("aggregated_output", "")))
    return "\n".join(said)


class Stage:
    """Makes scenes; what compiling the scanner's rules costs is paid once."""

    def __init__(self, corpus: Corpus | None, warm: Path, settings: Mapping[str, str]) -> None:
        self.corpus, self.warm, self.settings = corpus, warm, dict(settings)
        with Scanner(warm / "scanner") as scanner:
            scanner.scan(Text(data=b"nothing"), 120)
        FIXED_CANARIES.mkdir(mode=0o1777, exist_ok=True)

    @contextmanager
    def scene(self, engine: EngineName) -> Iterator[Scene]:
        """A sample, a state directory and canaries of its own, all removed afterwards."""
        with (
            TemporaryDirectory(prefix="hostile-") as home,
            TemporaryDirectory(prefix="h-") as temporary,
            TemporaryDirectory(prefix="h_canary_") as canaries,
        ):
            place = Path(canaries)
            (place / "written").mkdir()
            (place / "written").chmod(0o1777)
            place.chmod(0o755)
            (place / "secret.txt").write_text(SECRET)
            shutil.copytree(self.warm, Path(home) / "state")
            sample = make_sample(Path(home))
            world = World(Path(home), Path(temporary), sample, engine, dict(self.settings))
            yield Scene(world, self.corpus, place / "written", place / "secret.txt")
            self.keep(world)

    def keep(self, world: World) -> None:
        """What passed once on this machine need not be tried again in the next scene."""
        for known in world.state.glob("tried.json"):
            shutil.copy(known, self.warm)


def git(where: Path, *words: str, stdin: bytes = b"") -> str:
    """Somebody's own git, with an identity and no settings of this machine."""
    who = {
        f"GIT_{role}_{key}": value
        for role in ("AUTHOR", "COMMITTER")
        for key, value in (("NAME", "Seed"), ("EMAIL", "seed@example.invalid"))
    }
    env = clean_env({"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", **who})
    done = run(["git", "-C", where, *words], env=env, stdin=stdin)
    assert done.code == 0, done
    return done.text()
