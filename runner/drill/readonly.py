"""Round the read-only places of the workspace: writing, renaming, mounting over, other names."""

from __future__ import annotations

from runner.drill.ground import Ground
from runner.drill.judges import by_probe
from runner.drill.scenario import DONE, Attack, Scenario, Script, probe

REMEDY = "run another engine (`codex-runner doctor` says which holds) and report it"

_PROBE = r"""
import ctypes
WORK = os.getcwd()
GIT = os.path.join(WORK, ".git")
libc = ctypes.CDLL(None, use_errno=True)

def marker(place):
    path = os.path.join(place, "drill")
    with open(path, "x") as file:
        file.write("drill")
    return f"wrote {path}"

def rename_parent():
    os.rename(WORK, WORK + "-moved")
    return f"renamed {WORK}"

def rename():
    os.rename(GIT, GIT + "-moved")
    return "renamed .git"

def replace():
    for entry in sorted(os.listdir(GIT)):
        path = os.path.join(GIT, entry)
        if os.path.isfile(path):
            os.unlink(path)
            return f"removed .git/{entry}"
    raise OSError("no file in .git")

def aliases():
    places = ["/proc/self/root" + GIT, "/proc/1/root" + GIT, f"/proc/{os.getppid()}/root" + GIT,
              "/proc/self/cwd/.git"]
    return first(*(lambda p=p: marker(p) for p in places))

def overmount():
    "In namespaces of a child: does anything it can do make .git writable for the others?"
    child = os.fork()
    if child == 0:
        libc.unshare(0x10020000)
        for target in (GIT, WORK):
            libc.umount2(target.encode(), 2)
            libc.mount(None, target.encode(), None, 0x1020, None)
            libc.mount(None, target.encode(), None, 0x20, None)
            libc.mount(b"none", target.encode(), b"tmpfs", 0, None)
            try:
                marker(GIT)
            except OSError:
                pass
        os._exit(0)
    os.waitpid(child, 0)
    if os.path.exists(os.path.join(GIT, "drill")):
        return "a mount of a child made .git writable for everybody"
    return marker(GIT)

attempt("write", lambda: marker(GIT))
attempt("hooks", lambda: first(lambda: os.mkdir(os.path.join(GIT, "hooks")) or "made .git/hooks",
                               lambda: marker(os.path.join(GIT, "hooks"))))
attempt("codex", lambda: marker(os.path.join(WORK, ".codex")))
attempt("rename", rename)
attempt("remove", replace)
attempt("parent", rename_parent)
attempt("alias", aliases)
attempt("overmount", overmount)
attempt("settings", lambda: marker("/etc/codex"))
attempt("system", lambda: first(*(lambda p=p: marker(p) for p in ("/usr", "/etc", "/"))))
"""


def _script(ground: Ground) -> Script:
    return Script((probe(ground, _PROBE), DONE))


SCENARIOS = (
    Scenario(
        tuple(
            Attack(f"readonly.{name}", about, REMEDY, by_probe(name, "read-only places"))
            for name, about in (
                ("write", "a file in .git"),
                ("hooks", "a directory of git hooks"),
                ("codex", "a file in .codex"),
                ("rename", "another name for .git, to put one's own there"),
                ("remove", "files of .git removed"),
                ("parent", "another name for the directory above .git"),
                ("alias", "other names of the same place, through /proc"),
                ("overmount", "mounts over .git, in namespaces of one's own"),
                ("settings", "codex's pinned settings"),
                ("system", "the root file system"),
            )
        ),
        _script,
    ),
)
