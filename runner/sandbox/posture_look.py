"""Looks around and tells what is there: what it finds is judged elsewhere.

Looking changes nothing: files are opened but never written to, sockets made, one DNS question
asked, system calls given arguments that no kernel accepts. `posture_tell.py` runs it.
Runs alone inside sandboxes, under any Python from 3.7 on: standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import mmap
import os
import platform
import socket
import stat
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Asked = Mapping[str, Any]

STATUS = "Uid Groups NoNewPrivs Seccomp CapInh CapPrm CapEff CapBnd CapAmb"
NOWHERE = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))
"""Documentation addresses. A UDP socket that connects sends nothing: it asks for a route."""
QUESTION = b"\x2a\x2a\x01\0\0\x01\0\0\0\0\0\0\x07invalid\0\0\x01\0\x01"
"""Of DNS, for `invalid.`"""
WAIT_S = 0.3
MACHINE_CODE = {
    "x86_64": {
        "x86_64 getpid": "b827000000 0f05 c3",
        "i386 getpid": "b814000000 cd80 c3",
        "i386 socket": "53 b867010000 bb28000000 b901000000 31d2 cd80 5b c3",
        "x32 getpid": "b827000040 0f05 c3",
    }
}
"""By machine: `mov eax, NUMBER; int 0x80` or `syscall`; `ret`. The socket is an AF_VSOCK one."""
MACHINE_IDS = ("/etc/machine-id", "/var/lib/dbus/machine-id")
MOST_ENTRIES = 20_000


def environment(_: Asked) -> object:
    """Of this process, as it was started."""
    return dict(pair.split("=", 1) for pair in _text("/proc/self/environ").split("\0") if pair)


def processes(_: Asked) -> object:
    """All that /proc shows, the own one as `self`; what may not be read is null."""
    found = {}
    for name in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            found["self" if int(name) == os.getpid() else name] = {
                "names": _readable(lambda at: _names(at + "/environ"), "/proc/" + name),
                "argv": _readable(lambda at: _text(at + "/cmdline"), "/proc/" + name),
                "files": _readable(lambda at: dict(_descriptors(at + "/fd")), "/proc/" + name),
                "status": dict(_status("/proc/" + name)),
            }
    return found


def namespaces(_: Asked) -> object:
    kinds = ("cgroup", "ipc", "mnt", "net", "pid", "user", "uts")
    return {kind: _tried(lambda: os.readlink("/proc/self/ns/" + kind)) for kind in kinds}  # noqa: B023


def machine(_: Asked) -> object:
    """What tells this machine from others."""
    ids = {path: _tried(lambda: _text(path)) for path in MACHINE_IDS}  # noqa: B023
    return {"hostname": socket.gethostname(), "kernel": platform.version(), "ids": ids}


def interfaces(_: Asked) -> object:
    return [name for _, name in socket.if_nameindex()]


def routes(_: Asked) -> object:
    """Lines that lead out of the loopback interface."""
    lines = [*_lines("/proc/net/route")[1:], *_lines("/proc/net/ipv6_route")]
    return [line for line in lines if "lo" not in line.split()]


def reach(asked: Asked) -> object:
    """Addresses nothing may answer at: two nowhere, two where the host listens, name servers."""
    told = {at: _outcome(lambda: _connect(family, at)) for family, at in NOWHERE}  # noqa: B023
    tcp, abstract = asked["tcp"], "\0" + asked["abstract"]
    told["the host's TCP"] = _outcome(
        lambda: _connect(socket.AF_INET, "127.0.0.1", tcp, socket.SOCK_STREAM)
    )
    told["the host's abstract socket"] = _outcome(lambda: _unix(abstract))
    rows = [line.split() for line in _lines("/etc/resolv.conf")]
    servers = [row[1] for row in rows if row[:1] == ["nameserver"] and row[1:]]
    return {**told, **{"DNS at " + at: _outcome(lambda: _ask(at)) for at in servers}}  # noqa: B023


def unix_sockets(_: Asked) -> object:
    """Names of all that this network namespace has."""
    return [line.split()[7] for line in _lines("/proc/net/unix")[1:] if len(line.split()) > 7]


def families(asked: Asked) -> object:
    """`[NAME, FAMILY, TYPE, PROTOCOL]` each -> NAME: what became of it."""
    return {name: _outcome(lambda: socket.socket(*kind)) for name, *kind in asked["families"]}  # noqa: B023


def calls(asked: Asked) -> object:
    """Number by name -> what became of it, called with -1 for every argument."""
    call = ctypes.CDLL(None, use_errno=True).syscall
    return {name: _called(call, number) for name, number in asked["calls"].items()}


def interfaces_32(_: Asked) -> object:
    """Each in a child: `answers N`, or `signal N`. Empty where there are none to try."""
    codes = MACHINE_CODE.get(platform.machine(), {})
    return {name: _executed(bytes.fromhex(code)) for name, code in codes.items()}


def mounts(_: Asked) -> object:
    """`[WHERE, OPTIONS, PROPAGATION, TYPE, ITS OPTIONS]`"""
    found = []
    for line in _lines("/proc/self/mountinfo"):
        own, system = line.split(" - ", 1)
        kind, _source, options = system.split(" ", 2)
        fields = own.split(" ")
        found.append([fields[4], fields[5], " ".join(fields[6:]), kind, options])
    return found


def writable(asked: Asked) -> object:
    """Whether a file can be made in each place."""
    return {place: _outcome(lambda: _made(place + "/posture-x")) for place in asked["places"]}  # noqa: B023


def kernel_files(asked: Asked) -> object:
    """Those that open: `open PATH` of what nobody may write, `read PATH` of what nobody may see."""
    opened = [at for at in asked["unwritable"] if not _outcome(lambda: os.open(at, os.O_WRONLY))]  # noqa: B023
    read = [at for at in asked["unreadable"] if _tried(lambda: _text(at, 64))]  # noqa: B023
    return ["open " + at for at in opened] + ["read " + at for at in read]


def devices(_: Asked) -> object:
    """Device nodes in /dev."""
    nodes = [os.path.join(at, name) for at, _, names in os.walk("/dev") for name in names]
    modes = {node: os.lstat(node).st_mode for node in nodes}
    return [node for node, mode in modes.items() if stat.S_ISCHR(mode) or stat.S_ISBLK(mode)]


def socket_files(asked: Asked) -> object:
    """UNIX sockets in the file system, as far as `MOST_ENTRIES` reach."""
    found: list[str] = []
    seen = 0
    for place in asked["socket_places"]:
        for at, _, names in os.walk(place):
            seen += len(names) + 1
            if seen > MOST_ENTRIES:
                return found
            paths = [os.path.join(at, name) for name in names]
            for path in paths:
                with contextlib.suppress(OSError):  # it has just gone, or may not be looked at
                    found += [path] if stat.S_ISSOCK(os.lstat(path).st_mode) else []
    return found


def doors(asked: Asked) -> object:
    """What becomes of connecting to each socket that has to answer."""
    return {path: _outcome(lambda: _unix(path)) for path in asked["doors"]}  # noqa: B023


def terminal(_: Asked) -> object:
    """Standard streams that are one, and whether there is a controlling one."""
    own = _outcome(lambda: os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    return {"streams": [number for number in range(3) if os.isatty(number)], "controlling": own}


FACTS = (
    *(environment, processes, namespaces, machine, interfaces, routes, reach, unix_sockets),
    *(families, calls, interfaces_32, mounts, writable, kernel_files, devices, socket_files),
    *(doors, terminal),
)


def _outcome(attempt: Callable[[], object]) -> str:
    """Empty when it succeeded, else the error's name. What it made is closed."""
    try:
        made = attempt()
    except socket.timeout:  # noqa: UP041  an OSError of its own before Python 3.10
        return "silence"
    except OSError as error:
        return errno.errorcode.get(error.errno or 0, str(error))
    if isinstance(made, socket.socket):
        made.close()
    elif isinstance(made, int):
        os.close(made)
    return ""


def _tried(read: Callable[[], str]) -> str:
    with contextlib.suppress(OSError):
        return read()
    return ""


def _readable(read: Callable[[str], object], path: str) -> object:
    with contextlib.suppress(PermissionError):
        return read(path)
    return None


def _text(path: str, most: int = -1) -> str:
    with open(path, "rb") as file:
        return file.read(most).decode(errors="replace")


def _lines(path: str) -> list[str]:
    return _text(path).splitlines() if os.path.exists(path) else []


def _names(path: str) -> list[str]:
    return [pair.split("=", 1)[0] for pair in _text(path).split("\0") if pair]


def _descriptors(path: str) -> Iterator[tuple[str, str]]:
    for name in os.listdir(path):
        with contextlib.suppress(FileNotFoundError):  # the listing's own
            yield name, os.readlink(path + "/" + name)


def _status(path: str) -> Iterator[tuple[str, str]]:
    for line in _lines(path + "/status"):
        name, _, value = line.partition(":")
        if name in STATUS.split():
            yield name, " ".join(value.split())


def _connect(family: int, at: str, port: int = 9, kind: int = socket.SOCK_DGRAM) -> socket.socket:
    made = socket.socket(family, kind)
    with contextlib.ExitStack() as stack:
        stack.callback(made.close)
        made.settimeout(WAIT_S)
        made.connect((at, port))
        stack.pop_all()
    return made


def _unix(name: str) -> None:
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as made:
        made.connect(name)


def _ask(server: str) -> None:
    family = socket.AF_INET6 if ":" in server else socket.AF_INET
    with contextlib.closing(_connect(family, server, 53)) as made:
        made.send(QUESTION)
        made.recv(512)


def _called(call: Callable[..., int], number: int) -> str:
    ctypes.set_errno(0)
    if call(number, -1, -1, -1, -1, -1) >= 0:
        return ""
    return errno.errorcode.get(ctypes.get_errno(), "?")


def _executed(code: bytes) -> str:
    page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    page.write(code)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    child = os.fork()
    if not child:
        answer = ctypes.CFUNCTYPE(ctypes.c_int)(address)()
        os._exit(0 if answer >= 0 else 1)
    ended = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(ended):
        return f"signal {os.WTERMSIG(ended)}"
    return "refuses" if os.WEXITSTATUS(ended) else "answers"


def _made(path: str) -> None:
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    os.unlink(path)
