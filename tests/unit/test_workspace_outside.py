"""A repository that was handed over does not lead into another one of the operator's."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.errors import ConfigError
from runner.workspace.repository import find
from tests.overlays import Checkout, make_checkout


@pytest.fixture
def secret(tmp_path: Path) -> Checkout:
    made = make_checkout(tmp_path / "secret")
    made.commit({"a": "secret\n"})
    return made


@pytest.fixture
def hostile(tmp_path: Path) -> Checkout:
    made = make_checkout(tmp_path / "hostile")
    made.commit({"b": "bait\n"})
    return made


Plant = Callable[[Path, Path], None]


def link(place: Path, to: Path) -> None:
    if place.is_dir():
        place.rename(place.with_name(place.name + ".away"))
    place.unlink(missing_ok=True)
    place.symlink_to(to)


def loose(checkout: Checkout) -> Path:
    return next((checkout.path / ".git/objects").glob("??"))


def write(at: Path, text: str) -> None:
    at.parent.mkdir(exist_ok=True)
    at.write_text(text)


def borrow(git: Path, row: str) -> None:
    write(git / "objects/info/alternates", row + "\n")


def elsewhere(git: Path, other: Path) -> None:
    git.rename(git.with_name("away"))
    write(git, f"gitdir: {other}\n")


def two_links(git: Path, other: Path) -> None:
    (git / "x").symlink_to(other / "HEAD")
    link(git / "refs/heads/main", git / "x")


def chain(git: Path, other: Path) -> None:
    write(git / "b/placeholder", "")
    borrow(git, "../b")
    (git / "b/info").mkdir()
    write(git / "b/info/alternates", f"{other}/objects\n")


def through(git: Path, other: Path) -> None:
    (git / "b").symlink_to(other / "objects")
    borrow(git, "../b")


def inside_pack(git: Path, other: Path) -> None:
    write(git / "b/placeholder", "")
    (git / "b/pack").symlink_to(other / "objects/pack")
    borrow(git, "../b")


def at(name: str) -> Plant:
    return lambda git, other: link(git / name, other / name)


LINKED = (
    *("objects", "objects/pack", "objects/info", "objects/info/alternates", "refs"),
    *("refs/heads/main", "HEAD", "config", "index", "logs", "info"),
)
PLANTS: dict[str, Plant] = {
    **{name: at(name) for name in LINKED},
    "packed-refs": lambda git, other: link(git / "packed-refs", other / "HEAD"),
    "sharedindex": lambda git, other: link(git / "sharedindex.abc", other / "index"),
    "git link": link,
    "git file": elsewhere,
    "commondir": lambda git, other: write(git / "commondir", f"{other}\n"),
    "two links": two_links,
    "alternates": lambda git, other: borrow(git, f"# mine\n{other}/objects"),
    "relative": lambda git, other: borrow(git, os.path.relpath(other, git / "x") + "/objects"),
    "quoted": lambda git, other: borrow(git, f'"{other}/objects"'),
    "chain": chain,
    "through a link": through,
    "a pack inside": inside_pack,
}


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
def test_a_way_out_is_refused(plant: Plant, hostile: Checkout, secret: Checkout) -> None:
    (secret.path / ".git/objects/info/alternates").touch()
    plant(hostile.path / ".git", secret.path / ".git")
    with pytest.raises(ConfigError) as caught:
        find(hostile.path)
    assert caught.value.remedy


def test_a_loose_object_of_another_repository(hostile: Checkout, secret: Checkout) -> None:
    theirs = loose(secret)
    (hostile.path / ".git/objects" / theirs.name).symlink_to(theirs)
    with pytest.raises(ConfigError, match="link out of the repository"):
        find(hostile.path)


@pytest.mark.parametrize("place", ["refs/heads/x", "objects/pack/x.pack", "objects/ab", "logs/x"])
def test_a_fifo_among_refs_and_objects_is_named_not_opened(place: str, hostile: Checkout) -> None:
    path = hostile.path / ".git" / place
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    with pytest.raises(ConfigError, match="is not a regular file"):
        find(hostile.path)


def test_borrowing_is_for_the_operator_to_allow(secret: Checkout, tmp_path: Path) -> None:
    secret.git("clone", "-q", "--shared", str(secret.path), str(tmp_path / "shared"))
    with pytest.raises(ConfigError, match=r"alternates borrows the objects of .*secret") as caught:
        find(tmp_path / "shared")
    assert f'alternates = "{secret.path}/.git/objects"' in caught.value.remedy
    assert find(tmp_path / "shared", [secret.path]).root == tmp_path / "shared"
    assert find(tmp_path / "shared", [secret.path / ".git/objects"])
    with pytest.raises(ConfigError):
        find(tmp_path / "shared", [tmp_path / "sec"])


def test_what_git_lays_out_elsewhere_is_known_by_its_way_back(
    secret: Checkout, tmp_path: Path
) -> None:
    secret.git("worktree", "add", "-q", str(tmp_path / "linked"))
    common = secret.path / ".git"
    assert find(tmp_path / "linked").common == common
    separate = tmp_path / "separate"
    secret.git("init", "-q", f"--separate-git-dir={tmp_path / 'elsewhere'}", str(separate))
    with pytest.raises(ConfigError, match="does not know it") as caught:
        find(separate)
    assert f"git config core.worktree {separate}" in caught.value.remedy
    separately = Checkout(separate)
    separately.git("config", "core.worktree", str(separate))
    assert find(separate).directory == tmp_path / "elsewhere"
    thief = tmp_path / "thief"
    thief.mkdir()
    (thief / ".git").write_text((tmp_path / "linked/.git").read_text())
    with pytest.raises(ConfigError, match="does not know it"):
        find(thief)
    (thief / ".git").write_text(f"gitdir: {tmp_path / 'elsewhere'}\n")
    with pytest.raises(ConfigError, match="does not know it"):
        find(thief)


def test_a_symbolic_ref_that_is_a_link_inside_is_fine(hostile: Checkout) -> None:
    head = hostile.path / ".git/HEAD"
    head.unlink()
    head.symlink_to("refs/heads/main")
    assert find(hostile.path).root == hostile.path
