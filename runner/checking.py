"""The gates alone, on a branch or a patch file of a person's: no agent, nothing published.

1. What is judged is one tree of a private store, made or read there without the repository's
   configuration, hooks or filters, under the law of the ingest (`workspace.adopt`).
2. The policy is a run's: the operator's settings, the repository's at the base, a task.
3. A gate that is left out was left out by name, and the report says so.
4. Blobs that a branch's commits brought and took away again are pushed with it: they are searched
   for secrets as well.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from runner import judging, setup, wiring
from runner.errors import ConfigError, InfraError, NothingToDoError, RefusedError
from runner.ledger.folder import RunFolder
from runner.lending import held_keys, require_review_key
from runner.live import LIVE, take
from runner.policy.files import read_bounded, shown
from runner.policy.settings import Settings, load_settings
from runner.policy.state import prepare_state
from runner.policy.task_file import prompt_task
from runner.ports import Lease
from runner.records.patch import Patch
from runner.records.policy import Layer
from runner.records.report import RunReport
from runner.records.task import SILENT, Task, Words
from runner.records.usage import Budget
from runner.text import visible
from runner.told import Told
from runner.way import Way
from runner.workspace.branch import Branch, read_branch
from runner.world import World

MAX_PATCH_BYTES = 64 * 1024 * 1024
WHAT = "commit something first, or name another --base"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One `codex-runner check`, as the command line said it."""

    repository: Path
    base: str | None = None
    patch: Path | None = None
    """A patch file; None = the branch that is checked out."""
    task: Task | None = None
    """None = what the commits say."""
    allow_dirty: bool = False
    tests: bool = True
    review: bool = True
    words: Words = SILENT
    """What the command line says of the policy."""
    settings: Mapping[str, str] | None = None
    environ: Mapping[str, str] | None = None
    user_file: Path | None = None


def check(wanted: Wanted, *, quiet: bool = False) -> tuple[RunReport, RunFolder]:
    """Judges and seals, as a run does; the report's conclusion is `judged` when all passed.

    Raises:
        ConfigError: a setting, the base or the patch file is wrong; nothing was started.
        NothingToDoError: the branch has no commit beyond its base.
    """
    environ = os.environ if wanted.environ is None else wanted.environ
    settings = load_settings(environ, wanted.settings, wanted.user_file)
    without = {} if wanted.tests else {"tests": "--no-tests"}
    without |= {} if wanted.review else {"review": "--no-review"}
    if wanted.review:
        _require_key(settings, environ)
    if wanted.patch is None:
        branch = _branch(wanted, settings)
        if branch.head == branch.base:
            raise NothingToDoError(f"there is nothing to judge: HEAD is {branch.base[:12]}", WHAT)
        text, base = branch.message, str(branch.base)
        story = _Story(branch)
    else:
        content = read_bounded(wanted.patch, MAX_PATCH_BYTES, follow=True)
        if content is None:
            raise ConfigError(f"{shown(wanted.patch)}: no such file", "name a patch file")
        text, base = f"Judge the patch {wanted.patch.name}", wanted.base or "HEAD"
        story = _Story(content)
    asked = wiring.Asked(
        task=wanted.task or _task(text, wanted.patch),
        repository=wanted.repository,
        base=base,
        publish=False,
        words=wanted.words,
        settings=wanted.settings,
        environ=wanted.environ,
        user_file=wanted.user_file,
    )
    way = Way(
        story=story,
        without=without,
        authored=False,
        lender=None if wanted.review else Unlent(held_keys(settings, environ)),
        task=_waived if not wanted.tests else lambda task, _: task,
    )
    return wiring.perform(asked, quiet=quiet, way=way)


def _branch(wanted: Wanted, settings: Settings) -> Branch:
    state = prepare_state(settings.state, wanted.repository)
    lease = take(state / LIVE)
    try:
        branch = read_branch(
            wanted.repository,
            wanted.base,
            lease.path,
            alternates=settings.alternates,
            allow_dirty=wanted.allow_dirty,
        )
    finally:
        lease.close()
    return branch


def _task(text: str, patch: Path | None) -> Task:
    """What the commits say they do: a claim, to be judged like everything else."""
    said = visible(text) if text.strip() else "(the commits say nothing)"
    source = "the commit messages" if patch is None else "the command line"
    return prompt_task(said).model_copy(update={"source": source})


def _waived(task: Task, policy: Layer) -> Task:
    """No test command is needed for a gate that is left out."""
    asked = isinstance(policy.values.get("test"), str) or task.test is not None
    return task if asked else task.model_copy(update={"test": False})


def _require_key(settings: Settings, environ: Mapping[str, str]) -> None:
    try:
        require_review_key(settings, environ)
    except ConfigError as error:
        remedy = f"{error.remedy}; or leave the reviewer out, which the report says: --no-review"
        raise ConfigError(error.problem, remedy) from error


@dataclass(frozen=True, slots=True)
class Unlent:
    """A `Lender` where no gate asks a model."""

    held: tuple[bytes, ...]

    @contextmanager
    def lend(self, model: str, budget: Budget, log: Path) -> Iterator[Lease]:  # noqa: ARG002
        raise InfraError(f"{model} was asked although nothing needs a model", "report this")
        yield

    def holds(self) -> tuple[bytes, ...]:
        return self.held


@dataclass(frozen=True, slots=True)
class _Story:
    """From a person's change to its verdict."""

    subject: Branch | bytes
    """A branch, or the bytes of a patch file."""

    def __call__(self, world: World, told: Told) -> None:
        world.folder.write("plan.json", world.plan.canonical())
        told.phase("measure")
        patch = told.patch = self._measured(world, told)
        world.folder.write("patch", world.source.diff(patch))
        if patch.empty:
            raise NothingToDoError("there is nothing to judge: no file differs from the base", WHAT)
        layers = () if "tests" in world.without else setup.prepare(world, told)
        told.phase("gates")
        judging.judge(world, told, patch, self._texts(world), layers)

    def _measured(self, world: World, told: Told) -> Patch:
        source, subject = world.source, self.subject
        try:
            if isinstance(subject, Branch):
                return source.adopt(subject.tree, subject.head)
            message = world.commit_message(world.plan)
            return source.adopt(source.apply(subject), message=message)
        except RefusedError as refusal:
            judging.unmeasurable(told, refusal)
            raise

    def _texts(self, world: World) -> dict[str, str]:
        """What a push of the branch takes along beside its last tree."""
        if not isinstance(self.subject, Branch):
            return {}
        branch = self.subject
        texts = {"branch": branch.name or "", "commit messages": branch.message}
        for oid, path in branch.passing:
            known = set((world.source.base_blob(path) or b"").split(b"\n"))
            fresh = (row for row in world.source.blob(oid).split(b"\n") if row not in known)
            where = f"an earlier commit's {path} (blob {oid[:12]})"
            texts[where] = b"\n".join(fresh).decode(errors="replace")
        return texts
