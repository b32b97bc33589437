"""A case for the gates, built from real bytes: two trees in, one patch over a small blob store."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from runner.errors import RunnerError
from runner.ports import Case, TestRun, Trial
from runner.records.agent import AgentResult
from runner.records.base import Oid
from runner.records.dependencies import DependencyRules
from runner.records.patch import Change, Patch
from runner.records.paths import decode_path, encode_path
from runner.records.review import Review
from runner.records.rigour import Rigour
from runner.records.sandbox import Exit
from runner.records.scan import Sample, Scanned
from runner.records.static import Analysed, Analysis, StaticRules
from runner.records.task import Limits
from runner.records.usage import Usage
from tests.diffs import diff_of
from tests.fake_world import BASE, COMMIT, TREE, make_plan

REPORT = "$REPORT"
Mode = Literal["100644", "100755", "120000", "160000"]


@dataclass(frozen=True)
class File:
    data: bytes
    mode: Mode = "100644"


Tree = Mapping[str, bytes | File]
"""Path to content; foreign bytes of a path as `os.fsdecode` gives them."""


def oid(data: bytes) -> Oid:
    return Oid(hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest())


NOTHING_THERE = Analysed(Exit(code=127, duration_ms=1), b"")
"""An analyser that the sandbox does not have."""


@dataclass
class CaseBuilder:
    """`CaseBuilder({"a": b"old"}, {"a": b"new"}).case()`; what is asked is kept in `asked`."""

    old: Tree = field(default_factory=dict)
    new: Tree = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    held: tuple[bytes, ...] = ()
    limits: Limits = field(default_factory=Limits)
    protected: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    prompt: str = "Please fix it."
    test: str | None = "true"
    model: str = "author"
    reviewer_model: str = "reviewer"
    diff: bytes | None = None
    """None = what git would say of the two trees."""
    panel: Review = field(default_factory=Review)
    test_run: TestRun | tuple[TestRun, ...] = field(
        default_factory=lambda: TestRun(exit=ended(0), tail="")
    )
    """More than one: the runs in order, the last for all that follow."""
    base_run: TestRun = field(default_factory=lambda: TestRun(exit=ended(0), tail=""))
    rigour: Rigour = field(default_factory=Rigour)
    may_change_tests: tuple[str, ...] = ()
    analyse: Callable[[Analysis], Analysed] = lambda _: NOTHING_THERE
    review: AgentResult | RunnerError | None = None
    static: StaticRules = field(default_factory=StaticRules)
    dependencies: DependencyRules = field(default_factory=DependencyRules)
    asked: list[tuple[str, str]] = field(default_factory=list)

    def case(self) -> Case:
        blobs: dict[Oid, bytes] = {}
        old, new = _files(self.old), _files(self.new)
        changes = tuple(
            _change(path, old.get(path), new.get(path), blobs)
            for path in sorted({*old, *new})
            if old.get(path) != new.get(path)
        )
        plan = make_plan().model_copy(
            update={
                "limits": self.limits,
                "protected": self.protected,
                "paths": self.paths,
                "test": self.test,
                "rigour": self.rigour,
                "task": make_plan().task.model_copy(
                    update={"may_change_tests": self.may_change_tests, "prompt": self.prompt}
                ),
                "model": self.model,
                "reviewer_model": self.reviewer_model,
                "static": self.static,
                "dependencies": self.dependencies,
                "review": self.panel,
            }
        )
        return Case(
            plan=plan,
            patch=Patch(
                base_commit=BASE, base_tree=Oid("d" * 40), tree=TREE, commit=COMMIT, changes=changes
            ),
            blob=blobs.__getitem__,
            at_base=lambda path: any(_is_within(name, decode_path(path)) for name in old),
            base_blob=lambda path: _at(old, path),
            diff=lambda: self.diff if self.diff is not None else _diff(changes, old, new),
            texts=self.texts,
            held=self.held,
            test=self._test,
            analyse=self._analyse,
            review=self._review,
        )

    def _test(self, trial: Trial) -> TestRun:
        """`$REPORT` of `files` is where the trial asks for a report."""
        kind = "base" if trial.base else "test"
        if trial.base:
            told = self.base_run
        elif isinstance(self.test_run, TestRun):
            told = self.test_run
        else:
            told = self.test_run[min(self._asked(kind), len(self.test_run) - 1)]
        self.asked.append((kind, trial.command))
        files = {trial.files[0] if n == REPORT else n: data for n, data in told.files.items()}
        return replace(told, files=files)

    def _asked(self, kind: str) -> int:
        return sum(each == kind for each, _ in self.asked)

    def _analyse(self, analysis: Analysis) -> Analysed:
        self.asked.append(("analyse", analysis.command))
        return self.analyse(analysis)

    def _review(self, prompt: str, schema: Mapping[str, object], model: str) -> AgentResult:
        self.asked.append(("review", prompt))
        if isinstance(self.review, RunnerError):
            raise self.review
        assert self.review is not None
        return self.review


def _at(tree: Mapping[bytes, File], path: str) -> bytes | None:
    file = tree.get(decode_path(path))
    return file.data if file is not None and file.mode.startswith("100") else None


Files = Mapping[bytes, File]


def _diff(changes: tuple[Change, ...], old: Files, new: Files) -> bytes:
    def shown(tree: Files, change: Change) -> bytes:
        file = tree.get(decode_path(change.path), File(b""))
        link = b"Subproject commit %s\n" % oid(file.data).encode()
        return link if file.mode == "160000" else file.data

    return b"".join(diff_of(each, shown(old, each), shown(new, each)) for each in changes)


def nothing_found(sample: Sample, within_s: float) -> Scanned:
    """A scanner for tests of other gates."""
    return Scanned(())


def ended(code: int | None, **more: object) -> Exit:
    return Exit.model_validate({"code": code, "duration_ms": 10, **more})


def answered(message: str, *, ok: bool = True, **more: object) -> AgentResult:
    return AgentResult(
        ok=ok, message=message, usage=Usage(requests=1), exit=ended(0 if ok else 1, **more)
    )


def _files(tree: Tree) -> dict[bytes, File]:
    return {
        path.encode(errors="surrogateescape"): file if isinstance(file, File) else File(file)
        for path, file in tree.items()
    }


def _is_within(name: bytes, path: bytes) -> bool:
    return name == path or name.startswith(path + b"/")


def _lines(file: File | None) -> list[bytes]:
    return file.data.removesuffix(b"\n").split(b"\n") if file and file.data else []


def _change(path: bytes, old: File | None, new: File | None, blobs: dict[Oid, bytes]) -> Change:
    for file in (old, new):
        if file is not None and file.mode != "160000":
            blobs[oid(file.data)] = file.data
    binary = any(b"\0" in file.data for file in (old, new) if file is not None)
    before = _lines(old)
    after = _lines(new)
    return Change(
        path=encode_path(path),
        status="added" if old is None else "deleted" if new is None else "modified",
        old_mode=old.mode if old else "000000",
        new_mode=new.mode if new else "000000",
        old_oid=oid(old.data) if old else None,
        new_oid=oid(new.data) if new else None,
        added=0 if binary else sum(line not in before for line in after),
        deleted=0 if binary else sum(line not in after for line in before),
        binary=binary,
        size_bytes=len(new.data) if new else 0,
    )
