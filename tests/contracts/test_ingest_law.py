"""The law of ingest: whatever is done to the files, the tree is the one `git add -A` would make.

CODEX_RUNNER_LAW=3000 runs that many sequences instead of the default.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import chdir
from itertools import count
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st

from runner.errors import RefusedError
from runner.process import run
from runner.workspace.git import fenced
from runner.workspace.source import GitSource, open_source
from tests import overlay_ops
from tests.overlay_ops import Step
from tests.overlays import OVERLAYS, BubblewrapOverlay, make_checkout

SEQUENCES = int(os.environ.get("CODEX_RUNNER_LAW", "320"))
EXAMPLES = -(-SEQUENCES // len(OVERLAYS))

BASE: dict[str, str] = {
    ".gitignore": "*.o\nbuild/\n/top-only\n!keep.o\n",
    "a": "one\n",
    "b": "two\n",
    "d/a": "three\n",
    "d/s/a": "four\n",
    "d/s/b.o": "tracked although ignored\n",
    "d/.gitignore": "local\n",
    "e/a": "five\n",
    "build/t": "tracked although ignored\n",
    os.fsdecode(b"caf\xe9"): "latin\n",
    'q"uo\\te': "quoted\n",
    "new\nline": "lines\n",
}
NAMES = [
    *("a", "b", "x", "d", "e", "build", "s", "n", "local", "top-only", "b.o", "keep.o"),
    *(os.fsdecode(b"caf\xe9"), 'q"uo\\te', "new\nline", ".gitignore", ":(top)x", "-x", "[ab]*"),
]
CONTENT = ["", "one\n", "three\n", "longer content\n", "no newline", "nul\0", "crlf\r\n", "\udcff"]
IGNORES = [
    "*.o\n",
    "!b.o\n",
    "n/\n",
    "/x\n",
    "*\n!*/\n!a\n",
    "d/s\n",
    "local\n",
    "caf*\n",
    "\\:*\n",
]

path = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map("/".join)
known = st.sampled_from([*BASE, "d", "e", "d/s", "build"])
place = st.one_of(known, path)


def step(name: str, *arguments: st.SearchStrategy[str]) -> st.SearchStrategy[Step]:
    return st.tuples(st.just(name), place, *arguments)


steps = st.lists(
    st.one_of(
        step("write", st.sampled_from(CONTENT)),
        step("append", st.sampled_from(CONTENT)),
        *(step(name) for name in ("same", "delete", "remake", "mkdir", "touch")),
        *(step(name, place) for name in ("rename", "rename", "swap", "hard")),
        step("chmod-file", st.sampled_from(["755", "644", "600", "711"])),
        step("link", st.sampled_from(["a", "x/y", "./nowhere", "s"])),
        st.tuples(
            st.just("write"),
            st.sampled_from([".gitignore", "d/.gitignore", "n/.gitignore"]),
            st.sampled_from(IGNORES),
        ),
    ),
    min_size=1,
    max_size=10,
)


@pytest.fixture(scope="module", params=OVERLAYS, ids=lambda overlay: overlay.attributes)
def stage(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[BubblewrapOverlay, GitSource, Path]]:
    folder = tmp_path_factory.mktemp("law")
    folder.chmod(0o755)
    checkout = make_checkout(folder / "repository")
    checkout.commit(BASE)
    source = open_source(checkout.path, None, folder / "state")
    yield request.param, source, checkout.path
    source.close()


numbers = count()


@pytest.mark.slow
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(script=steps)
def test_the_ingested_tree_is_the_one_git_add_would_make(
    stage: tuple[BubblewrapOverlay, GitSource, Path], script: list[Step]
) -> None:
    overlays, source, repository = stage
    try:
        with source.workspace(overlays, f"law-{next(numbers)}") as overlay:
            overlays.play(overlay, script)
            tree = source.ingest(overlay, "law\n").tree
    except RefusedError as error:
        if "more than 40" in error.problem:  # git takes links that lead in circles; we do not
            reject()
        raise
    assert tree == what_git_makes(repository, script), script


def what_git_makes(repository: Path, script: list[Step]) -> str:
    copy = repository.with_name("copy")
    shutil.copytree(repository, copy, symlinks=True)
    try:
        with chdir(copy):
            overlay_ops.apply(script)
        for command in (("add", "-A"), ("write-tree",)):
            done = run(["git", "-C", copy, *command], env=fenced())
            assert done.code == 0, done.stderr.decode()
        return done.text()
    finally:
        shutil.rmtree(copy)
