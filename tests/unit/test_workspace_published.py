"""Only what was judged is pushed along, and a branch whose request failed is taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runner.errors import ConfigError, InfraError
from runner.workspace.source import GitSource, open_source
from tests.overlays import Checkout, make_checkout

REF = "refs/heads/codex/fix-it-1"


@pytest.fixture
def remote(tmp_path: Path) -> Checkout:
    return make_checkout(tmp_path / "remote.git", "--bare")


@pytest.fixture
def checkout(tmp_path: Path, remote: Checkout) -> Checkout:
    made = make_checkout(tmp_path / "repository")
    made.commit({"a": "one\n"})
    made.git("remote", "add", "origin", str(remote.path))
    made.git("push", "-q", "origin", "main")
    return made


@contextmanager
def opened(path: Path, state: Path) -> Iterator[GitSource]:
    source = open_source(path, None, state)
    try:
        yield source
    finally:
        source.close()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_a_base_the_remote_has_is_fine(checkout: Checkout, remote: Checkout, state: Path) -> None:
    with opened(checkout.path, state) as source:
        source.require_published(str(remote.path), "main", None)


def test_a_commit_nobody_judged_is_not_pushed_along(
    checkout: Checkout, remote: Checkout, state: Path
) -> None:
    checkout.commit({"conf.py": "a secret, committed and never pushed\n"})
    checkout.commit({"a": "two\n"})
    with (
        opened(checkout.path, state) as source,
        pytest.raises(ConfigError, match=r"has commits that .* lacks"),
    ):
        source.require_published(str(remote.path), "main", None)


def test_a_remote_that_has_moved_on_is_fine(
    checkout: Checkout, remote: Checkout, state: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    checkout.git("clone", "-q", str(remote.path), str(other))
    Checkout(other).commit({"b": "theirs\n"})
    Checkout(other).git("push", "-q", "origin", "main")
    with opened(checkout.path, state) as source:
        source.require_published(str(remote.path), "main", None)


def test_a_shallow_clone_of_the_tip_is_fine(
    checkout: Checkout, remote: Checkout, state: Path, tmp_path: Path
) -> None:
    checkout.commit({"a": "two\n"})
    checkout.git("push", "-q", "origin", "main")
    shallow = tmp_path / "shallow"
    checkout.git("clone", "-q", "--depth=1", f"file://{remote.path}", str(shallow))
    with opened(shallow, state) as source:
        source.require_published(f"file://{remote.path}", "main", None)


def test_a_target_that_is_not_there(checkout: Checkout, remote: Checkout, state: Path) -> None:
    with (
        opened(checkout.path, state) as source,
        pytest.raises(ConfigError, match="has no branch nowhere"),
    ):
        source.require_published(str(remote.path), "nowhere", None)


def test_a_remote_that_is_gone(checkout: Checkout, state: Path, tmp_path: Path) -> None:
    with opened(checkout.path, state) as source, pytest.raises(InfraError, match="cannot be read"):
        source.require_published(str(tmp_path / "gone.git"), "main", None)


@pytest.mark.parametrize("inside", [".git/evil.git", "vendor/evil.git"])
def test_a_remote_its_author_controls_is_not_asked(
    checkout: Checkout, state: Path, inside: str
) -> None:
    evil = make_checkout(checkout.path / inside, "--bare")
    canary = state.parent / "canary"
    for hook in ("pre-receive", "post-receive", "reference-transaction"):
        (evil.path / "hooks" / hook).write_text(f"#!/bin/sh\ntouch {canary}\n")
        (evil.path / "hooks" / hook).chmod(0o755)
    with opened(checkout.path, state) as source:
        for url in (str(evil.path), f"file://{evil.path}", f"{checkout.path}/x/../{inside}"):
            with pytest.raises(ConfigError, match="inside the repository"):
                source.require_published(url, "main", None)
    assert not canary.exists()


def test_an_https_remote_is_asked_only_with_a_token(checkout: Checkout, state: Path) -> None:
    nowhere = "https://127.0.0.1:9/o/r.git"
    with opened(checkout.path, state) as source:
        source.require_published(nowhere, "main", None)  # what was tracked knows the base
        with pytest.raises(InfraError, match="cannot be read"):
            source.require_published(nowhere, "main", "token")
    checkout.commit({"a": "two\n"})
    with opened(checkout.path, state) as source, pytest.raises(ConfigError, match="lacks"):
        source.require_published(nowhere, "main", None)


def test_a_branch_is_taken_back(checkout: Checkout, remote: Checkout, state: Path) -> None:
    with opened(checkout.path, state) as source:
        commit = source.base.commit
        source.push(commit, str(remote.path), REF, None)
        source.withdraw(commit, str(remote.path), REF, None)
    assert remote.git("for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_a_branch_somebody_moved_stays(checkout: Checkout, remote: Checkout, state: Path) -> None:
    with opened(checkout.path, state) as source:
        commit = source.base.commit
        source.push(commit, str(remote.path), REF, None)
        checkout.commit({"a": "theirs\n"})
        checkout.git("push", "-q", "--force", "origin", f"main:{REF}")
        with pytest.raises(InfraError, match="could not be taken back"):
            source.withdraw(commit, str(remote.path), REF, None)
    assert remote.git("rev-parse", REF) == checkout.git("rev-parse", "main")
