"""What a setup leaves, as a layer under later workspaces: over real overlays, kept and checked."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from runner.errors import ConfigError, InfraError, RefusedError
from runner.records.base import Sha256
from runner.records.sandbox import Overlay
from runner.records.setup import Layer, Wanted
from runner.workspace import layers
from runner.workspace.source import GitSource, open_source
from tests.overlay_ops import Step
from tests.overlays import BubblewrapOverlay, Checkout, make_checkout

ABOUT = Sha256("a" * 64)
FILES = {
    "requirements.txt": "dep\n",
    "src/a.py": "print(1)\n",
    "vendor/one.txt": "1\n",
    "vendor/two.txt": "2\n",
    ".gitignore": ".deps/\n/build/\n/x\n/y/\n/new\ngenerated.py\nthree.txt\n"
    "AGENTS.md\n.codex/\n__pycache__/\n",
}


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    tmp_path.chmod(0o755)
    made = make_checkout(tmp_path / "repository")
    made.commit(FILES)
    return made


@pytest.fixture
def source(checkout: Checkout, tmp_path: Path) -> Iterator[GitSource]:
    opened = open_source(checkout.path, None, tmp_path / "state")
    yield opened
    opened.close()


def never() -> None:
    raise AssertionError("nobody else makes it")


def wanted(make: Callable[[Overlay], None], **more: object) -> Wanted:
    given = {"about": ABOUT, "shows": None, "wait": never, "most_bytes": 1 << 30, **more}
    return Wanted(make=make, **given)  # type: ignore[arg-type]


def made(source: GitSource, overlays: BubblewrapOverlay, *steps: Step, **more: object) -> Layer:
    return source.layer(overlays, wanted(lambda overlay: overlays.play(overlay, steps), **more))


def seen(layer: Path) -> set[str]:
    return {str(path.relative_to(layer)) for path in layer.rglob("*")}


def test_new_files_are_taken_and_tracked_ones_are_not(
    source: GitSource, overlays: BubblewrapOverlay
) -> None:
    layer = made(
        source,
        overlays,
        ["write", ".deps/dep.py", "ANSWER = 42\n"],
        ["write", ".deps/bin/tool", "#!/bin/sh\n"],
        ["chmod", ".deps/bin/tool", "0777"],
        ["link", ".deps/link", "/usr/bin/python3"],
        ["hard", ".deps/dep.py", ".deps/again.py"],
        ["mkdir", ".deps/empty"],
        ["touch", ".deps/dep.py"],
        ["write", "src/generated.py", "1\n"],
        ["write", "src/a.py", "print('changed by the setup')\n"],
        ["delete", "vendor/one.txt"],
        ["remake", "vendor"],
        ["write", "vendor/three.txt", "3\n"],
        ["delete", "requirements.txt"],
        ["write", "requirements.txt/below", "a directory in place of a file\n"],
    )
    assert seen(layer.path) == {
        *(".deps", ".deps/dep.py", ".deps/bin", ".deps/bin/tool", ".deps/link", ".deps/again.py"),
        *(".deps/empty", "src", "src/generated.py", "vendor", "vendor/three.txt"),
    }
    assert set(layer.dropped) == {
        *("requirements.txt", "requirements.txt/below", "src/a.py", "vendor")
    }
    assert (layer.cached, layer.files) == (False, 6)
    dep, tool = layer.path / ".deps/dep.py", layer.path / ".deps/bin/tool"
    assert dep.stat().st_mtime == 1, "compiled files are checked against it"
    assert dep.stat().st_nlink == 1
    assert stat.S_IMODE(tool.stat().st_mode) == 0o755
    assert (layer.path / ".deps/link").readlink() == Path("/usr/bin/python3")
    for path in (layer.path, *layer.path.rglob("*")):
        assert path.lstat().st_uid == overlays.uid
        assert not os.listxattr(path, follow_symlinks=False)
    with source.workspace(overlays, "agent", over=(layer.path,)) as overlay:
        shown = overlays.execute(
            overlay, ("/bin/sh", "-c", "cat src/a.py vendor/*.txt requirements.txt .deps/dep.py")
        )
    assert shown == "print(1)\n1\n3\n2\ndep\nANSWER = 42\n"


def test_a_base_directory_that_was_moved(source: GitSource, overlays: BubblewrapOverlay) -> None:
    layer = made(source, overlays, ["rename", "vendor", ".deps"], ["write", ".deps/x", "x"])
    assert seen(layer.path) == {".deps", ".deps/one.txt", ".deps/two.txt", ".deps/x"}
    assert (layer.path / ".deps/two.txt").read_text() == "2\n"
    with source.workspace(overlays, "agent", over=(layer.path,)) as overlay:
        shown = overlays.execute(overlay, ("/bin/sh", "-c", "cat vendor/*.txt"))
    assert shown == "1\n2\n"


@pytest.mark.parametrize(
    ("steps", "why"),
    [
        ([["mkdir", ".deps"], ["fifo", ".deps/pipe"]], r"\.deps/pipe: a named pipe"),
        ([["mkdir", ".deps"], ["socket", ".deps/s"]], r"\.deps/s: a socket"),
        ([["write", ".deps/x", ""], ["chmod", ".deps/x", "4755"]], r"\.deps/x: .* setuid"),
        ([["write", ".deps/.git/config", ""]], r"\.deps/\.git: a name that git"),
        ([["write", ".deps/x", ""], ["chmod", ".deps/x", "0000"]], r"\.deps/x: .* cannot read"),
        ([["mkdir", ".deps"], ["sparse", ".deps/big", str(2 << 30)]], "more than 1024 MiB"),
    ],
)
def test_what_no_layer_may_hold(
    source: GitSource, overlays: BubblewrapOverlay, steps: list[Step], why: str
) -> None:
    with pytest.raises(RefusedError, match=f"the setup left .*{why}"):
        made(source, overlays, *steps)
    again = made(source, overlays, ["write", ".deps/fine", ""])
    assert not again.cached, "nothing was kept"


SECRET = b"hidden-credential-0123456789"


@pytest.mark.parametrize(
    "step",
    [
        ["write", ".deps/pip.conf", f"password={SECRET.decode()}"],
        ["write", ".deps/far", "x" * (1024 * 1024 - 5) + SECRET.decode()],
        ["write", f".deps/{SECRET.decode()}", ""],
        ["link", ".deps/link", SECRET.decode()],
        ["mkdir", SECRET.decode()],
        ["write", f"not-ignored-{SECRET.decode()}", ""],
    ],
    ids=["content", "across-chunks", "name", "link", "empty-directory", "not-taken"],
)
def test_a_credential_in_the_layer(
    source: GitSource, overlays: BubblewrapOverlay, step: Step
) -> None:
    with pytest.raises(
        RefusedError, match=r"left a credential in .*the agent would read it"
    ) as told:
        made(source, overlays, step, held=(b"another-one-entirely", SECRET))
    assert SECRET.decode() not in told.value.problem


def test_the_patch_is_the_agents_alone(source: GitSource, overlays: BubblewrapOverlay) -> None:
    layer = made(
        source,
        overlays,
        ["write", ".deps/dep.py", "1\n"],
        ["write", "build/out.txt", "made\n"],
        ["write", "build/gone.txt", "made\n"],
    ).path
    with source.workspace(overlays, "idle", over=(layer,)) as overlay:
        assert source.ingest(overlay, "x").empty
    with source.workspace(overlays, "agent", over=(layer,)) as overlay:
        overlays.play(
            overlay,
            [
                ["append", ".deps/dep.py", "2\n"],
                ["append", "build/out.txt", "more\n"],
                ["delete", "build/gone.txt"],
                ["write", "src/b.py", "b\n"],
            ],
        )
        patch = source.ingest(overlay, "x")
    assert [(each.path, each.status) for each in patch.changes] == [("src/b.py", "added")]
    assert patch.ignored == 2
    with source.workspace(overlays, "tests", patch.tree, over=(layer,)) as overlay:
        names = ("build/out.txt", "build/gone.txt", ".deps/dep.py", "src/a.py", "src/b.py")
        shown = overlays.execute(overlay, ("/bin/cat", *names))
    assert shown == "made\nmade\n1\nprint(1)\nb\n"


def test_the_trees_files_win(source: GitSource, overlays: BubblewrapOverlay) -> None:
    layer = made(
        source, overlays, ["write", "x", "file\n"], ["write", "y/below", "directory\n"]
    ).path
    with source.workspace(overlays, "agent", over=(layer,)) as overlay:
        overlays.play(
            overlay,
            [
                ["write", ".gitignore", ".deps/\n"],
                *(["delete", "x"], ["write", "x/below", "now a directory\n"]),
                *(["delete", "y"], ["write", "y", "now a file\n"]),
            ],
        )
        tree = source.ingest(overlay, "x").tree
    with source.workspace(overlays, "tests", tree, over=(layer,)) as overlay:
        assert overlays.execute(overlay, ("/bin/cat", "x/below", "y")) == (
            "now a directory\nnow a file\n"
        )


def test_a_moved_layer_directory_is_no_change(
    source: GitSource, overlays: BubblewrapOverlay
) -> None:
    """Where the engine copies it its files are new ones; where it renames it there are none."""
    layer = made(source, overlays, ["write", "build/out.txt", "made\n"]).path
    with source.workspace(overlays, "agent", over=(layer,)) as overlay:
        overlays.play(overlay, [["rename", "build", "other"]])
        changes = {each.path for each in source.ingest(overlay, "x").changes}
    assert changes == ({"other/out.txt"} if overlays.attributes == "user.overlay." else set())


def test_only_the_lockfiles_are_seen(
    source: GitSource, overlays: BubblewrapOverlay, checkout: Checkout, tmp_path: Path
) -> None:
    def make(overlay: Overlay) -> None:
        listed = overlays.execute(overlay, ("/usr/bin/find", ".", "-mindepth", "1"))
        assert sorted(listed.split()) == [
            *("./.agents", "./.codex", "./.git", "./requirements.txt")
        ]
        steps: list[Step] = [["write", "src/a.py", "never seen\n"], ["write", "new", "n\n"]]
        overlays.play(overlay, steps)

    def shows(path: bytes) -> bool:
        return path == b"requirements.txt"

    first = source.layer(overlays, wanted(make, shows=shows))
    assert (first.dropped, seen(first.path)) == (("src/a.py",), {"new"})

    checkout.commit({"src/a.py": "another\n"})
    later = open_source(checkout.path, None, tmp_path / "state")
    assert later.layer(overlays, wanted(make, shows=shows)).cached
    later.close()

    checkout.commit({"requirements.txt": "other\n"})
    changed = open_source(checkout.path, None, tmp_path / "state")
    assert changed.layer(overlays, wanted(make, shows=shows)).key != first.key
    with pytest.raises(ConfigError, match="match no file"):
        changed.layer(overlays, wanted(make, shows=lambda _: False))
    changed.close()


def lockfile(path: bytes) -> bool:
    return path == b"requirements.txt"


def test_a_kept_layer_hides_nothing_of_another_base(
    source: GitSource, overlays: BubblewrapOverlay, checkout: Checkout, tmp_path: Path
) -> None:
    """Its key has the lockfiles, not the base: what a later base tracks is that base's."""
    steps: list[Step] = [["write", ".deps/auth.py", "ALLOW = True\n"], ["write", ".deps/z/x", ""]]
    first = made(source, overlays, *steps, shows=lockfile)
    for tracked in (".deps/auth.py", ".deps/z", ".deps/z/x/below"):
        checkout.git("checkout", "-q", source.base.commit)
        checkout.commit({tracked: "ALLOW = False\n"})
        later = open_source(checkout.path, None, tmp_path / "state")
        for cached in (False, True):
            layer = made(later, overlays, *steps, shows=lockfile)
            assert (layer.cached, layer.key == first.key) == (cached, False)
            with later.workspace(overlays, "tests", over=(layer.path,)) as overlay:
                assert overlays.execute(overlay, ("/bin/cat", tracked)) == "ALLOW = False\n"
        later.close()
    assert made(source, overlays, shows=lockfile).key == first.key, "its own base has it still"


def test_other_ignore_rules_make_another_layer(
    source: GitSource, overlays: BubblewrapOverlay, checkout: Checkout, tmp_path: Path
) -> None:
    steps: list[Step] = [["write", ".deps/x", ""], ["write", "lib/y", ""]]
    assert seen(made(source, overlays, *steps, shows=lockfile).path) == {".deps", ".deps/x"}
    checkout.commit({".gitignore": "lib/\n"})
    later = open_source(checkout.path, None, tmp_path / "state")
    assert seen(made(later, overlays, *steps, shows=lockfile).path) == {"lib", "lib/y"}
    later.close()


def test_only_what_is_ignored_is_taken(source: GitSource, overlays: BubblewrapOverlay) -> None:
    """Anything else would instruct the agent or steer the tests, and no patch would show it."""
    strange = ("src/json.py", "tests/conftest.py", "pytest.ini", ".github/x.yml", "lib/a/b")
    steering = ("AGENTS.md", "src/AGENTS.md", "src/.codex/", "src/__pycache__/")
    fine = (".deps/conftest.py", ".deps/pkg/AGENTS.md", "src/generated.py")
    steps: list[Step] = [["write", path, "x\n"] for path in (*strange, *fine)]
    steps += [["write", f"{path}a" if path.endswith("/") else path, ""] for path in steering]
    layer = made(source, overlays, ["mkdir", "src/hollow"], *steps)
    assert {path for path in seen(layer.path) if (layer.path / path).is_file()} == set(fine)
    assert not (layer.path / "src/hollow").exists()
    missing = "not ignored: add it to .gitignore"
    told = "\n".join(layer.dropped)
    for name in ("src/json.py", "tests/", "pytest.ini", ".github/", "lib/"):
        assert f"{name} ({missing})" in layer.dropped
    for name in steering:
        assert f"{name} (its name instructs the agent or steers tests" in told
    assert len(layer.dropped) == 9


def test_a_setup_of_which_nothing_can_be_kept(
    source: GitSource, overlays: BubblewrapOverlay
) -> None:
    with pytest.raises(RefusedError, match=r"nothing that can be kept: lib/ \(not ignored") as told:
        made(source, overlays, ["write", "lib/dep.py", ""])
    assert ".gitignore" in told.value.remedy
    assert not made(source, overlays, ["write", ".deps/dep.py", ""]).cached


def test_a_kept_layer_is_not_made_again(source: GitSource, overlays: BubblewrapOverlay) -> None:
    first = made(source, overlays, ["write", ".deps/x", "1"])
    second = source.layer(overlays, wanted(lambda _: never()))
    assert second.cached and not first.cached
    assert (second.path, second.key, second.files) == (first.path, first.key, first.files)
    other = made(source, overlays, ["write", ".deps/x", "1"], about=Sha256("b" * 64))
    assert not other.cached and other.key != first.key


def poison_content(place: Path) -> None:
    """The same size and times: only the kernel's own clock gives it away."""
    file = place / "layer/.deps/x"
    before = file.stat()
    file.write_text("2")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def poison_by_another(place: Path) -> None:
    shutil.copytree(place / "layer", place.with_name("kept-aside"))
    shutil.rmtree(place / "layer")
    place.with_name("kept-aside").rename(place / "layer")


def poison_by_link(place: Path) -> None:
    (place / "layer").rename(place / "elsewhere")
    (place / "layer").symlink_to(place / "elsewhere")


@pytest.mark.parametrize(
    "poison",
    [
        poison_content,
        poison_by_another,
        poison_by_link,
        lambda place: (place / "layer/.deps/x").unlink(),
        lambda place: (place / "layer/evil.py").write_text("import os"),
        lambda place: (place / "layer/.deps/x").chmod(0o4755),
        lambda place: (place / "card.json").unlink(),
        lambda place: (place / "card.json").write_text("{"),
        lambda place: shutil.rmtree(place / "layer"),
    ],
)
def test_a_touched_layer_is_not_used(
    source: GitSource, checkout: Checkout, tmp_path: Path, poison: Callable[[Path], object]
) -> None:
    overlays = BubblewrapOverlay()
    place = made(source, overlays, ["write", ".deps/x", "1"]).path.parent
    source.close()
    poison(place)
    again = open_source(checkout.path, None, tmp_path / "state")
    layer = made(again, overlays, ["write", ".deps/x", "1"])
    assert not layer.cached
    assert (seen(layer.path), (layer.path / ".deps/x").read_text()) == ({".deps", ".deps/x"}, "1")
    assert again.layer(overlays, wanted(lambda _: never())).cached
    again.close()


def test_a_failure_keeps_nothing(source: GitSource, tmp_path: Path) -> None:
    def fail(overlay: Overlay) -> None:
        raise InfraError("it failed", "run it again")

    with pytest.raises(InfraError, match="it failed"):
        source.layer(BubblewrapOverlay(), wanted(fail))
    kept = [path for path in (tmp_path / "state/setup").rglob("*") if path.is_dir()]
    assert len(kept) == 1, "the repository's directory alone"


def test_two_runs_make_it_once(checkout: Checkout, tmp_path: Path) -> None:
    overlays = BubblewrapOverlay()
    making, go_on = Event(), Event()

    def slow(overlay: Overlay) -> None:
        making.set()
        assert go_on.wait(60)
        overlays.play(overlay, [["write", ".deps/x", "1"]])

    sources = [open_source(checkout.path, None, tmp_path / "state") for _ in range(2)]
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(sources[0].layer, overlays, wanted(slow))
        assert making.wait(60)
        second = sources[1].layer(overlays, wanted(lambda _: never(), wait=go_on.set))
        assert second.cached and not first.result().cached
        assert second.path == first.result().path
    for source in sources:
        source.close()


def test_who_waits_can_give_up(checkout: Checkout, tmp_path: Path) -> None:
    overlays = BubblewrapOverlay()
    sources = [open_source(checkout.path, None, tmp_path / "state") for _ in range(2)]

    def while_it_is_made(_: Overlay) -> None:
        def give_up() -> None:
            raise InfraError("interrupted", "run it again")

        with pytest.raises(InfraError, match="interrupted"):
            sources[1].layer(overlays, wanted(lambda _: never(), wait=give_up))

    assert sources[0].layer(overlays, wanted(while_it_is_made)).files == 0
    for source in sources:
        source.close()


def test_old_layers_go_unless_they_are_in_use(
    checkout: Checkout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layers, "KEPT", 1)
    overlays = BubblewrapOverlay()
    in_use = open_source(checkout.path, None, tmp_path / "state")
    kept = made(in_use, overlays, ["write", "x", "1"])
    found = []
    for letter in "bcd":
        source = open_source(checkout.path, None, tmp_path / "state")
        found.append(made(source, overlays, ["write", "x", "1"], about=Sha256(letter * 64)).path)
        source.close()
    assert [path.exists() for path in found] == [False, False, True]
    assert kept.path.exists()
    in_use.close()


def test_repositories_share_no_layer(source: GitSource, checkout: Checkout, tmp_path: Path) -> None:
    """The same commit elsewhere: what one's dependencies left is not the other's."""
    made(source, BubblewrapOverlay(), ["write", "x", "1"])
    shutil.copytree(checkout.path, tmp_path / "copy")
    other = open_source(tmp_path / "copy", None, tmp_path / "state")
    assert not made(other, BubblewrapOverlay(), ["write", "x", "1"]).cached
    other.close()
