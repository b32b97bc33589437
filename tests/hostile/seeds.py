"""What a repository holds before an attack begins."""

from __future__ import annotations

from tests.hostile.scene import Scene, git

TEST = "python3 -m unittest -q"


def nothing(scene: Scene) -> None:
    """The sample as it is."""


def other_refs(scene: Scene) -> None:
    """A secret on another branch, in a stash, in an unreachable commit and in the configuration."""
    here = scene.repository
    git(here, "checkout", "-q", "-b", "secret/other")
    (here / "other.txt").write_text("CANARY-OTHER-REF-0001\n")
    git(here, "add", "-A")
    git(here, "commit", "-qm", "other")
    git(here, "checkout", "-q", "main")
    (here / "README.md").write_text("CANARY-OTHER-REF-0002\n")
    git(here, "stash", "-q")
    git(here, "hash-object", "-w", "--stdin", stdin=b"CANARY-OTHER-REF-0003\n")
    header = "AUTHORIZATION: basic CANARY-HOST-EXTRAHEADER"
    git(here, "config", "http.https://example.invalid/.extraheader", header)
    git(here, "worktree", "add", "-q", str(scene.world.home / "second"), "secret/other")


def gitlink(scene: Scene) -> None:
    """A submodule whose directory is empty."""
    here = scene.repository
    commit = git(here, "rev-parse", "HEAD")
    git(here, "update-index", "--add", "--cacheinfo", f"160000,{commit},vendor/lib")
    text = '[submodule "lib"]\n\tpath = vendor/lib\n\turl = https://lib.example.invalid\n'
    (here / ".gitmodules").write_text(text)
    git(here, "add", ".gitmodules")
    git(here, "commit", "-qm", "submodule")
    (here / "vendor/lib").mkdir(parents=True)
    git(here, "push", "-q", "origin", "main")


def linked_covers(scene: Scene) -> None:
    """Protected names that lead to a directory of the host."""
    here = scene.repository
    (here / ".codex").symlink_to(scene.secret.parent)
    (here / ".agents").symlink_to(scene.secret.parent)
    publish(scene, "links")


def task_in_the_tree(scene: Scene) -> None:
    """The task and the repository's policy, where the agent can write."""
    here = scene.repository
    (here / "tasks").mkdir()
    body = f'+++\ntitle = "Mend it"\ntest = "{TEST}"\n+++\nMend the median.\n'
    (here / "tasks/h.md").write_text(body)
    (here / "notes.md").write_text("---\nid: notes\n---\n")
    publish(scene, "task")
    scene.words = ("tasks/h.md",)


def task(scene: Scene, limits: str) -> tuple[str, ...]:
    """A task with limits, outside the repository."""
    file = scene.world.home / "limited.md"
    front = f'title = "Mend it"\ntest = "{TEST}"\n[limits]\n{limits}\n'
    file.write_text(f"+++\n{front}+++\nMend the median.\n")
    return (str(file),)


def publish(scene: Scene, message: str) -> None:
    """Everything in the repository becomes the base, here and on the remote."""
    git(scene.repository, "add", "-A", "-f")
    git(scene.repository, "commit", "-qm", message)
    git(scene.repository, "push", "-q", "origin", "main")
