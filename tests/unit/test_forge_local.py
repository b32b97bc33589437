"""Requests as files: once per branch, numbered, readable."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from runner.errors import ConfigError, InfraError
from runner.forge.local import LocalForge
from runner.ports import Forge, Request
from runner.records.base import Oid, RunId


def request(branch: str = "codex/fix-1", body: str = "the body") -> Request:
    return Request(
        run=RunId("r1"),
        title="Fix <it>",
        body=body,
        branch=branch,
        target="main",
        commit=Oid("c" * 40),
        labels=("bug",),
    )


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    path = tmp_path / "repo.git"
    path.mkdir()
    return path


def test_a_request_is_two_files_beside_the_repository(bare: Path) -> None:
    forge: Forge = LocalForge(str(bare))
    assert forge.token() is None
    opened = forge.open(request())
    assert (opened.number, opened.created) == (1, True)
    assert opened.ref == "refs/heads/codex/fix-1"
    story = Path(opened.url)
    assert story.parent == bare.with_name("repo.git.requests")
    assert story.read_text() == "# Fix &lt;it&gt;\n\nthe body"
    facts = json.loads(story.with_suffix(".json").read_text())
    assert facts["commit"] == "c" * 40
    assert facts["labels"] == ["bug"]
    assert (facts["draft"], facts["state"], facts["number"]) == (True, "open", 1)


def test_opened_again_it_is_found_unchanged(bare: Path) -> None:
    forge = LocalForge(bare.as_uri())
    first = forge.open(request())
    again = forge.open(request(body="another"))
    assert (again.number, again.created, again.url) == (1, False, first.url)
    assert "another" not in Path(again.url).read_text()


def test_numbers_go_on_and_names_do_not_collide(bare: Path) -> None:
    forge = LocalForge(str(bare))
    branches = ["codex/a-b", "codex-a-b", "codex/a/b", "codex%2Fa-b", "x.json", "a.b"]
    opened = [forge.open(request(branch)) for branch in branches]
    assert [p.number for p in opened] == [1, 2, 3, 4, 5, 6]
    assert len({p.url for p in opened}) == 6
    assert [forge.open(request(branch)).created for branch in branches] == [False] * 6


def test_many_at_once_get_numbers_of_their_own(bare: Path) -> None:
    forge = LocalForge(str(bare))
    with ThreadPoolExecutor(8) as pool:
        opened = list(pool.map(lambda n: forge.open(request(f"codex/{n}")), range(24)))
    assert sorted(p.number or 0 for p in opened) == list(range(1, 25))


def test_another_directory_and_strange_files_in_it(bare: Path, tmp_path: Path) -> None:
    home = tmp_path / "requests"
    home.mkdir()
    for name, text in (("a.json", "garbage"), ("b.json", "[]"), ("c.json", '{"number": "9"}')):
        (home / name).write_text(text)
    opened = LocalForge("https://example.invalid/o/r", home).open(request())
    assert opened.number == 1
    assert Path(opened.url).parent == home


def test_a_remote_elsewhere_and_a_full_place_are_said(bare: Path, tmp_path: Path) -> None:
    for remote in ("https://example.invalid/o/r.git", str(tmp_path / "absent")):
        with pytest.raises(ConfigError, match="not a directory"):
            LocalForge(remote).open(request())
    (tmp_path / "file").write_text("")
    with pytest.raises(InfraError, match="cannot write the request"):
        LocalForge(str(bare), tmp_path / "file" / "x").open(request())
