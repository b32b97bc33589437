"""ENV, NET, ESC: what is on the host is neither in a process, nor in a file, nor reachable."""

from __future__ import annotations

import secrets
from pathlib import Path

import pytest

from tests.hostile.conftest import plainly
from tests.hostile.scene import DROP, Scene, deliver
from tests.live.world import both_engines

SEARCH = """
import os, socket, sys
BORING = ("/proc", "/sys", "/usr", "/dev")
canary, hits, seen = sys.argv[1].encode()[::-1], set(), 0
def look(place, path):
    global seen
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try: data = os.read(fd, 1 << 20)
        finally: os.close(fd)
    except OSError: return
    seen += 1
    if canary in data: hits.add(place)
for pid in filter(str.isdigit, os.listdir("/proc")):
    for name in ("environ", "cmdline"): look(name, f"/proc/{pid}/{name}")
    try: fds = os.listdir(f"/proc/{pid}/fd")
    except OSError: fds = []
    for fd in fds: look("descriptor", f"/proc/{pid}/fd/{fd}")
for top in sys.argv[2:]:
    for at, folders, files in os.walk(top):
        folders[:] = [f for f in folders if os.path.join(at, f) not in BORING]
        for name in files:
            path = os.path.join(at, name)
            if os.path.isfile(path) and os.path.getsize(path) < 1 << 22: look("file", path)
try: hits |= {"interface" for _, name in socket.if_nameindex() if name != "lo"}
except OSError: pass
for family in (40, 38, 17, 29):
    for kind in (1, 2, 3, 5):
        try: socket.socket(family, kind).close(); hits.add(f"family {family}")
        except OSError: pass
for line in open("/proc/self/status"):
    if line.startswith("CapBnd") and int(line.split()[1], 16): hits.add("capabilities")
    if line.startswith(("NoNewPrivs", "Seccomp:")) and int(line.split()[1]) == 0: hits.add("free")
print("SEARCHED" if seen else "BLIND", *sorted(hits))
"""
"""Prints where a reversed word is, and every way out of this process it finds."""


@pytest.fixture
def canary() -> str:
    return secrets.token_hex(12)


@pytest.mark.live
@both_engines
@pytest.mark.parametrize("inner", ["auto", "off"])
def test_nothing_of_the_host_is_inside(scene: Scene, canary: str, inner: str) -> None:
    scene.world.settings |= {"SOME_TOKEN": canary, "CODEX_RUNNER_INNER_SANDBOX": inner}
    scene.secret.write_text(canary)
    (scene.world.home / ".netrc").write_text(canary)
    (scene.repository / ".git" / "description").write_text(canary)
    (scene.world.temporary / "note").write_text(canary)
    put = deliver("search.py", SEARCH.encode())
    attack = scene.attack(f"{put}; python3 {DROP}/search.py {canary[::-1]} /")
    assert "SEARCHED\n" in attack.output, attack.output[-500:]
    assert attack.ended.code == 0, attack.ended


def test_the_search_finds_what_is_there(tmp_path: Path, canary: str) -> None:
    (tmp_path / "file").write_text(canary)
    script = f"import sys; sys.argv += [{canary[::-1]!r}, {str(tmp_path)!r}]\n{SEARCH}"
    found = plainly(script, tmp_path, {"SOME_TOKEN": canary})
    assert {"SEARCHED", "environ", "file"} <= {*found.split()}
