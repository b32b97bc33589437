"""A machine of its own for whole runs: repository, remote, scripted model, and the real CLI."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from signal import SIGINT
from threading import Event
from typing import cast

import pytest

from runner.demo.model import KEY, ScriptedModel, Step, verdict
from runner.demo.sample import AUTHOR_MODEL, REVIEWER_MODEL, TEST, Sample
from runner.demo.scenarios import SCENARIOS
from runner.ledger.folder import REPORT, RunFolder, folders
from runner.ledger.keys import local_public_key
from runner.ledger.receipt import examine
from runner.process import Child, Completed, clean_env, kill_group, run, spawn
from runner.records.report import RunReport
from runner.records.sandbox import EngineName

CLI = (sys.executable, "-m", "runner")
NOWHERE = "http://127.0.0.1:9/v1"
FIX = SCENARIOS["fix"].steps
DEADLINE_S = 60
both_engines = pytest.mark.parametrize(
    "engine_name", ["bubblewrap", pytest.param("docker", marks=pytest.mark.docker)], indirect=True
)
TASK_KEYS = {
    "title": "Mend the median",
    "test": TEST,
    "model": AUTHOR_MODEL,
    "reviewer_model": REVIEWER_MODEL,
}


@dataclass(frozen=True, slots=True)
class Ended:
    """One call of the CLI that made a run, or tried to."""

    code: int
    stdout: str
    stderr: str
    folder: RunFolder | None

    @property
    def report(self) -> RunReport:
        assert self.folder is not None, self
        return RunReport.model_validate_json(self.folder.read(REPORT) or b"")

    @property
    def path(self) -> Path:
        assert self.folder is not None, self
        return self.folder.path

    @property
    def gates(self) -> dict[str, str]:
        return {report.gate: report.verdict for report in self.report.gates}

    @property
    def error(self) -> tuple[str, str]:
        """The two lines on stderr, without their labels."""
        problem, remedy = self.stderr.rstrip("\n").split("\n")[-2:]
        assert problem.startswith("error: ") and remedy.startswith("try: "), self
        return problem.removeprefix("error: "), remedy.removeprefix("try: ")


@dataclass
class World:
    """`world.run()` lets the real codex mend the sample; everything it may leave is below `home`
    or, because sockets need short paths, in `temporary`."""

    home: Path
    temporary: Path
    sample: Sample
    engine: EngineName = "bubblewrap"
    settings: dict[str, str] = field(default_factory=dict)
    """More environment variables of the CLI."""

    @property
    def state(self) -> Path:
        return self.home / "state"

    def env(self, upstream: str = NOWHERE) -> dict[str, str]:
        given = {
            "HOME": str(self.home),
            "XDG_CACHE_HOME": os.environ.get("XDG_CACHE_HOME", str(self.home / "cache")),
            "TMPDIR": str(self.temporary),
            "OPENAI_API_KEY": KEY,
            "CODEX_RUNNER_ENGINE": self.engine,
            "CODEX_RUNNER_FORGE": "local",
            "CODEX_RUNNER_STATE": str(self.state),
            "CODEX_RUNNER_UPSTREAM": upstream,
        }
        return clean_env({**given, **self.settings})

    def cli(self, *words: str, stdin: bytes = b"", upstream: str = NOWHERE) -> Completed:
        """Any verb, in the repository."""
        env = self.env(upstream)
        here = self.sample.repository
        return run([*CLI, *words], stdin=stdin, env=env, cwd=here if here.is_dir() else self.home)

    def run(self, *words: str, steps: tuple[Step, ...] = FIX, stdin: bytes = b"") -> Ended:
        """`run WORDS` (default: the sample's task) against these steps."""
        with ScriptedModel(steps) as model:
            return self.run_with(model, *words, stdin=stdin)

    def run_with(self, model: ScriptedModel | None, *words: str, stdin: bytes = b"") -> Ended:
        """The same with a model that is being served; None = nobody listens."""
        before = folders(self.state)
        upstream = model.url if model else NOWHERE
        done = self.cli("run", *(words or (self.task,)), stdin=stdin, upstream=upstream)
        return self.ended(done.code, done.stdout, done.stderr, before)

    def ended(
        self, code: int, stdout: bytes, stderr: bytes, before: tuple[RunFolder, ...] = ()
    ) -> Ended:
        new = [folder for folder in folders(self.state) if folder not in before]
        assert len(new) <= 1
        return Ended(code, stdout.decode(), stderr.decode(), new[0] if new else None)

    @contextmanager
    def started(self, model: ScriptedModel, *words: str) -> Iterator[Started]:
        """The same, still running."""
        argv = [*CLI, "run", "-C", str(self.sample.repository), *(words or (self.task,))]
        child = spawn(argv, env=self.env(model.url))
        try:
            yield Started(self, child)
        finally:
            if child.poll() is None:
                kill_group(child.pid)
                child.wait()
            for pipe in (child.stdin, child.stdout, child.stderr):
                assert pipe is not None
                pipe.close()

    @property
    def task(self) -> str:
        return str(self.sample.task)

    def ask(self, *, limits: Mapping[str, int] | None = None, **keys: object) -> None:
        """Writes the task anew; JSON's texts, lists and numbers are TOML's as well."""
        given = {**TASK_KEYS, **keys}
        rows = [f"{name} = {json.dumps(value)}" for name, value in given.items()]
        rows += ["[limits]", *(f"{name} = {value}" for name, value in (limits or {}).items())]
        self.sample.task.write_text("\n".join(["+++", *rows, "+++", "Mend the median.\n"]))

    def git(self, *words: str, at: Path | None = None) -> str:
        where = at or self.sample.remote
        env = clean_env({"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"})
        done = run(["git", "-c", f"safe.directory={where}", "-C", where, *words], env=env)
        assert done.code == 0, done
        return done.text()

    def commit(self, message: str, *, push: bool = True) -> None:
        """Everything in the repository, on its branch and on the remote's."""
        here = self.sample.repository
        self.git("add", "--all", at=here)
        who = ("-c", "user.name=Test", "-c", "user.email=test@example.invalid")
        self.git(*who, "commit", "-q", "-m", message, at=here)
        if push:
            self.git("push", "-q", "origin", "main", at=here)

    def branches(self) -> dict[str, str]:
        """Of the remote, without `main`: ref -> commit."""
        rows = self.git("for-each-ref", "--format=%(refname) %(objectname)").splitlines()
        refs = dict(cast(tuple[str, str], tuple(row.split(" "))) for row in rows)
        assert refs.pop("refs/heads/main")
        return refs

    def files(self) -> dict[str, tuple[int, bytes]]:
        """The repository with its .git: mode and content of everything."""
        here = self.sample.repository
        return {
            str(path.relative_to(here)): (path.lstat().st_mode, _content(path))
            for path in sorted(here.rglob("*"))
        }

    def check_tidy(self) -> None:
        """Nothing of any run is alive or left over, and the key is in no file."""
        live = self.state / "live"
        left = [p.name for p in live.iterdir() if p.name != ".guard"] if live.is_dir() else []
        assert not left, left
        assert not list(self.temporary.iterdir())
        mounts = Path("/proc/self/mountinfo").read_text()
        assert str(self.home) not in mounts and str(self.temporary) not in mounts
        for path in self.state.rglob("*"):
            assert path.is_symlink() or not path.is_file() or KEY.encode() not in path.read_bytes()
        if self.engine == "docker":
            assert not docker_things(folders(self.state))

    def check_failed(self, ended: Ended, code: int, *words: str) -> None:
        """Two lines, one exit code, a signed report, nothing published, nothing left over."""
        assert ended.code == code, ended
        problem, remedy = ended.error
        for word in words:
            assert word in problem, ended.error
        assert remedy
        *told, _, _ = ended.stderr.splitlines()
        assert all(line.startswith("[0") for line in told), "nothing but progress before them"
        assert KEY not in ended.stderr + ended.stdout
        report = ended.report
        assert report.exit_code == code and report.problem is not None
        assert report.publication is None
        self.check_signed(ended)
        assert not self.branches()
        assert not self.requests()
        self.check_tidy()

    def check_signed(self, ended: Ended) -> None:
        assert ended.folder is not None
        standing = examine(ended.folder, local_public_key(self.state))
        assert standing.good, standing

    def requests(self) -> list[str]:
        home = self.sample.remote.with_name(self.sample.remote.name + ".requests")
        return sorted(p.name for p in home.iterdir() if p.name != ".lock") if home.is_dir() else []


@dataclass
class Started:
    """A run that goes on."""

    world: World
    child: Child
    peak_mib: int = 0
    """Most memory the runner itself ever had, as seen last."""
    signalled_at: float = 0
    seconds: float = 0
    """From the first signal to the end."""

    def _measure(self) -> None:
        with suppress(OSError):
            status = Path(f"/proc/{self.child.pid}/status").read_text()
            found = re.search(r"^VmHWM:\s+(\d+) kB", status, re.MULTILINE)
            self.peak_mib = int(found[1]) // 1024 if found else self.peak_mib

    def heard(self, text: str) -> None:
        """Waits for a line of stderr that holds `text`."""
        assert self.child.stderr is not None
        line = b""
        while byte := os.read(self.child.stderr.fileno(), 1):
            line += byte
            if byte == b"\n":
                if text in line.decode():
                    return
                line = b""
        raise AssertionError(f"it ended without saying {text!r}")

    def until(self, true: Callable[[], object], what: str) -> None:
        """Waits for something to become true while the run goes on."""
        wait_until(lambda: self.child.poll() is not None or true(), what)
        assert self.child.poll() is None, f"it ended before: {what}"

    def signal(self, number: int, *, group: bool = False) -> None:
        """To the runner alone, or to its process group."""
        self.signalled_at = self.signalled_at or time.monotonic()
        (os.killpg if group else os.kill)(self.child.pid, number)

    def end(self) -> Ended:
        """Waits for its end, at most a minute; prints what a person wants to know of it."""
        with ThreadPoolExecutor(1) as pool:
            said = pool.submit(self.child.communicate, timeout=DEADLINE_S)
            while not said.done():
                self._measure()
                wait([said], timeout=0.02)
        stdout, stderr = said.result()
        self.seconds = time.monotonic() - (self.signalled_at or time.monotonic())
        sys.stdout.write(f"peak {self.peak_mib} MiB, {self.seconds:.2f} s after the signal\n")
        return self.world.ended(self.child.returncode, stdout, stderr)


def stopped_in_review(world: World) -> tuple[Ended, float]:
    """^C while the reviewer thinks, and the seconds from it to the end."""
    thinking, released = Event(), Event()

    def review(prompt: str) -> str:
        thinking.set()
        released.wait(DEADLINE_S)
        return verdict(prompt)

    with ScriptedModel(FIX, review=review) as model, world.started(model) as run:
        assert thinking.wait(DEADLINE_S)
        run.signal(SIGINT)
        ended = run.end()
        released.set()
    return ended, run.seconds


def wait_until(true: Callable[[], object], what: str) -> None:
    """Another process's doing, looked for every 20 ms."""
    until = time.monotonic() + DEADLINE_S
    while not true():
        assert time.monotonic() < until, f"not within {DEADLINE_S} s: {what}"
        time.sleep(0.02)


def processes(word: str) -> list[int]:
    """Processes of this machine, those in sandboxes too, with this word in their command line."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) != os.getpid():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if word.encode() in words:
                found.append(int(entry.name))
    return found


def docker_things(runs: tuple[RunFolder, ...]) -> list[str]:
    """Containers and volumes of these runs, by label."""
    from runner.sandbox.docker_client import connected

    with connected() as client:
        labels: list[Mapping[str, str]] = [
            box["Labels"] for box in client.containers(all=True, filters={"label": "codex-runner"})
        ]
        volumes = client.volumes(filters={"label": "codex-runner"})["Volumes"] or ()
        labels += [volume["Labels"] for volume in volumes]
    names = {folder.run for folder in runs}
    return [label["codex-runner.run"] for label in labels if label["codex-runner.run"] in names]


def _content(path: Path) -> bytes:
    if path.is_symlink():
        return os.fsencode(path.readlink())
    return path.read_bytes() if path.is_file() else b""
