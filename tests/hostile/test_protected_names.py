"""GITW: every operation on every protected name, from the first process on, flat and nested."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from runner.workspace.source import open_source
from tests.contracts.conftest import Probe
from tests.hostile.conftest import plainly
from tests.live.world import both_engines
from tests.overlays import make_checkout

TRY = r"""
import ctypes, json, os, shutil, socket
libc = ctypes.CDLL(None, use_errno=True)
def sys_(*a):
    if libc.syscall(*a) < 0: raise OSError(ctypes.get_errno(), "")
def check(code):
    if code: raise OSError(ctypes.get_errno(), "")
def write(p): open(p, "x").write("x")
def append(p):
    names = [n for n in os.listdir(p) if os.path.isfile(os.path.join(p, n))] or ["new"]
    open(os.path.join(p, names[0]), "a").write("x")
def fd_path(p, then):
    fd = os.open(p, os.O_PATH | os.O_DIRECTORY)
    try: then(f"/proc/self/fd/{fd}")
    finally: os.close(fd)
def at(p, name):
    fd = os.open(p, os.O_RDONLY)
    try: os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY, dir_fd=fd))
    finally: os.close(fd)
def sock(p):
    s = socket.socket(socket.AF_UNIX)
    try: s.bind(p)
    finally: s.close()
def swap(a, b): sys_(316, -100, a.encode(), -100, b.encode(), 2)
def fresh():
    os.makedirs("other", exist_ok=True); open("other/f", "w").write("x"); return "other"
OPERATIONS = {
    "write": lambda p: write(p + "/new"),
    "append": append,
    "mkdir": lambda p: os.mkdir(p + "/sub"),
    "symlink in": lambda p: os.symlink("/", p + "/link"),
    "hard link in": lambda p: os.link(fresh() + "/f", p + "/hard"),
    "fifo": lambda p: os.mkfifo(p + "/fifo"),
    "socket": lambda p: sock(p + "/sock"),
    "chmod": lambda p: os.chmod(p, 0o777) or write(p + "/after chmod"),
    "utime": lambda p: os.utime(p, (1, 1)),
    "xattr": lambda p: os.setxattr(p, "user.x", b"x"),
    "through a descriptor": lambda p: fd_path(p, lambda q: write(q + "/new2")),
    "by openat": lambda p: at(p, "new3"),
    "through the root": lambda p: write("/proc/self/root" + os.path.abspath(p) + "/new4"),
    "through the directory": lambda p: write("/proc/self/cwd/" + p + "/new5"),
    "rename in": lambda p: os.rename(fresh(), p + "/moved"),
    "rename away": lambda p: os.rename(p, "away"),
    "rename over": lambda p: os.rename(fresh(), p),
    "swap": lambda p: swap(p, fresh()),
    "rmdir": os.rmdir,
    "rmtree": lambda p: shutil.rmtree(p),
    "unlink": os.unlink,
    "replace by a link": lambda p: (os.rename(p, "gone"), os.symlink("nowhere", p)),
}
if SANDBOXED: OPERATIONS |= {  # a control runs as whoever runs the suite, in the host's namespaces
    "through PID 1": lambda p: write("/proc/1/cwd/" + p + "/new6"),
    "rename the parent": lambda p: os.rename(os.getcwd(), "/tmp/elsewhere"),
    "umount": lambda p: check(libc.umount2(p.encode(), 2)),
    "bind over": lambda p: check(libc.mount(b"/tmp", p.encode(), None, 4096, None)),
}
done = []
for name in NAMES:
    for what, operation in OPERATIONS.items():
        try: operation(name)
        except (OSError, shutil.Error): continue
        done.append([name, what])
        if os.path.islink(name): os.unlink(name)
        os.makedirs(name, exist_ok=True)
print(json.dumps({"tried": len(OPERATIONS), "done": done}))
"""
NAMES = (".git", ".codex", ".agents")


@both_engines
@pytest.mark.parametrize("nested", [False, True], ids=["flat", "nested"])
def test_no_operation_on_a_protected_name_succeeds(probe: Probe, nested: bool) -> None:
    home = probe.folder
    checkout = make_checkout(home / "repository")
    checkout.commit({"a": "one\n", ".codex/config.toml": "x = 1\n"})
    source = open_source(checkout.path, None, home / "state")
    try:
        with source.workspace(probe.engine, "agent") as overlay:
            inside = probe.with_(workspace=overlay, nested=nested)
            ended = inside.python(f"NAMES, SANDBOXED = {NAMES!r}, True\n{TRY}")
            assert json.loads(ended.out.splitlines()[-1])["done"] == [], ended.err
            patch = source.ingest(overlay, "x\n")
        assert {change.path for change in patch.changes} <= {"other/f"}
    finally:
        source.close()


def test_the_operations_work_where_nothing_is_covered(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).mkdir()
    told = json.loads(
        plainly(f"NAMES, SANDBOXED = {NAMES!r}, False\n{TRY}", tmp_path).splitlines()[-1]
    )
    for name in NAMES:
        assert len([what for where, what in told["done"] if where == name]) > told["tried"] / 2
