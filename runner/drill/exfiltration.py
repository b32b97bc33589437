"""Data out: names, datagrams, connections, raw frames, metadata service, sockets, proxies."""

from __future__ import annotations

from runner.drill.ground import Ground
from runner.drill.judges import by_probe
from runner.drill.scenario import DONE, Attack, Scenario, Script, probe

REMEDY = "run the agent in a sandbox without a network; see `codex-runner doctor`"

_PROBE = r"""
def send(family, kind, address):
    with socket.socket(family, kind) as talk:
        talk.settimeout(1)
        try:
            if kind == socket.SOCK_DGRAM:
                talk.sendto(b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\x05drill\x07invalid"
                            b"\x00\x00\x01\x00\x01", address)
                return f"a datagram left for {address[0]}"
            talk.connect(address)
        except TimeoutError:
            return f"packets left for {address[0]}; nobody answered"
        except ConnectionRefusedError:
            if address[0].startswith("127."):
                raise
            return f"packets left for {address[0]}; refused there"
        return f"connected to {address[0]}"

def resolvers():
    try:
        rows = open("/etc/resolv.conf").read().split("\n")
    except OSError:
        rows = []
    found = [row.split()[1] for row in rows if row.startswith("nameserver ")]
    return [name for name in found if not name.startswith("127.") and ":" not in name]

def dns():
    names = [*resolvers(), "192.0.2.53"]
    return first(*(lambda n=n: send(socket.AF_INET, socket.SOCK_DGRAM, (n, 53)) for n in names))

def raw():
    def one(family, kind, protocol):
        socket.socket(family, kind, protocol).close()
        return f"a socket of family {family} was made"
    kinds = ((17, 3, 0), (2, 3, 1), (40, 1, 0), (38, 5, 0))
    return first(*(lambda k=k: one(*k) for k in kinds))

def unix(*addresses):
    def one(address):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as talk:
            talk.settimeout(1)
            talk.connect(address)
        return f"connected to {address!r}"
    return first(*(lambda a=a: one(a) for a in addresses))

def proxies():
    names = [n for n in os.environ if n.lower().endswith("_proxy") and n.lower() != "no_proxy"]
    if not names:
        raise OSError("no proxy in the environment")
    from urllib.parse import urlsplit
    places = [urlsplit(os.environ[name]) for name in names]
    return first(*(lambda p=p: send(socket.AF_INET, socket.SOCK_STREAM, (p.hostname, p.port or 80))
                   for p in places))

attempt("dns", dns)
attempt("udp", lambda: send(socket.AF_INET, socket.SOCK_DGRAM, ("192.0.2.1", 4433)))
attempt("tcp", lambda: send(socket.AF_INET, socket.SOCK_STREAM, ("192.0.2.1", 443)))
attempt("tcp6", lambda: send(socket.AF_INET6, socket.SOCK_STREAM, ("2001:db8::1", 443)))
attempt("metadata", lambda: send(socket.AF_INET, socket.SOCK_STREAM, ("169.254.169.254", 80)))
attempt("loopback", lambda: send(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", DATA["port"])))
attempt("raw", raw)
attempt("unix", lambda: unix("\0" + DATA["abstract"], DATA["path"],
                             "/run/docker.sock", "/var/run/docker.sock"))
attempt("proxy", proxies)
"""


def _script(ground: Ground) -> Script:
    lure = ground.lure
    data = {"port": lure.port, "abstract": lure.abstract, "path": lure.path}
    return Script((probe(ground, _PROBE, **data), DONE))


def _attack(name: str, about: str) -> Attack:
    return Attack(
        f"exfiltration.{name}", about, REMEDY, by_probe(name, "no network, no foreign sockets")
    )


SCENARIOS = (
    Scenario(
        (
            _attack("dns", "a query to the machine's resolvers, or to any"),
            _attack("udp", "a datagram to another machine"),
            _attack("tcp", "a connection to another machine"),
            _attack("tcp6", "a connection over IPv6"),
            _attack("metadata", "the cloud's metadata address"),
            _attack("loopback", "a listener on the host's own loopback"),
            _attack("raw", "packet, raw, VM and kernel crypto sockets"),
            _attack("unix", "UNIX sockets of the host: abstract, in a file, Docker's"),
            _attack("proxy", "a proxy that the environment names"),
        ),
        _script,
    ),
)
