"""The gateway over real sockets: who may connect, who is who, what hostile clients can do."""

from __future__ import annotations

import gc
import importlib
import json
import os
import socket
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from runner.errors import ConfigError, InfraError
from runner.gateway import protocol
from runner.gateway.callers import Caller, Callers, Known
from runner.gateway.gate import Gate
from runner.gateway.server import Loop, serving
from runner.gateway.tokens import Tokens, issue
from runner.halting import statement_of
from runner.ledger.ledger import open_ledger
from runner.records.evidence import AgentId, Entry, ReceiptId, Statement
from runner.records.kill import Kill, KillId, Scope
from tests.fake_ledger import FakeLedger
from tests.gates import (
    AGENT,
    CALLER,
    OTHER,
    POLICY,
    FakeApprovals,
    asking,
    client_of,
    gate_of,
    judge,
    served,
    together,
)

LOOPBACK = ("127.0.0.1", 0)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    return tmp_path / "gate.sock"


def _raw(place: Path) -> socket.socket:
    link = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    link.settimeout(20)
    link.connect(str(place))
    return link


def _is_cut(link: socket.socket) -> bool:
    """Waits for the end; an answer may come before it."""
    try:
        while link.recv(65536):
            pass
    except ConnectionError:
        return True
    return True


def test_the_socket_is_private_and_gone_afterwards(place: Path) -> None:
    with served(place) as client:
        found = place.stat()
        assert stat.S_ISSOCK(found.st_mode) and stat.S_IMODE(found.st_mode) == 0o600
        assert client.post("/api/execute", json=asking()).json()["decision"] == "ALLOW"
    assert not place.exists()
    with serving(_hello, place, mode=0o666):
        assert stat.S_IMODE(place.stat().st_mode) == 0o666


def test_a_client_that_connects_at_once_waits(place: Path) -> None:
    with served(place), _raw(place) as link:
        link.sendall(b"GET /healthz HTTP/1.1\r\nhost: gate\r\nconnection: close\r\n\r\n")
        assert link.recv(12) == b"HTTP/1.1 200"


def test_a_socket_somebody_listens_on_is_not_taken_and_a_dead_one_is(place: Path) -> None:
    with served(place), pytest.raises(ConfigError, match="another gateway listens"):
        serving(_hello, place).__enter__()
    dead = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    dead.bind(str(place))
    dead.close()
    with served(place) as client:
        assert client.get("/healthz").status_code == 200
    place.write_text("a file of somebody")
    with pytest.raises(ConfigError, match="is no socket"):
        serving(_hello, place).__enter__()
    assert place.read_text() == "a file of somebody"


def test_a_directory_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    with pytest.raises(ConfigError, match="others can write"):
        serving(_hello, tmp_path / "s").__enter__()


def test_a_place_that_is_not_there_is_told() -> None:
    with pytest.raises(ConfigError, match="cannot serve on /proc/nothing/here"):
        serving(_hello, Path("/proc/nothing/here")).__enter__()


def test_a_path_of_any_length_is_served(place: Path) -> None:
    deep = place.parent / ("d" * 100) / ("e" * 100)
    deep.mkdir(parents=True, mode=0o700)
    with serving(_hello, deep / "gate.sock"):
        assert stat.S_ISSOCK((deep / "gate.sock").lstat().st_mode)


@pytest.mark.parametrize("loop", ["auto", "asyncio"])
def test_who_comes_while_it_ends_keeps_it_from_nothing(place: Path, loop: Loop) -> None:
    """Accepted, and not yet a connection: one loop would not end, the other left it open."""
    for number in range(12):
        with ExitStack() as links, serving(_hello, place, loop=loop):
            for _ in range(1 + number % 3):
                links.enter_context(_raw(place))
    gc.collect()


async def _hello(scope: object, receive: object, send: object) -> None: ...


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "example.org"])
def test_only_loopback_is_served(host: str) -> None:
    with pytest.raises(ConfigError, match="loopback"):
        serving(_hello, (host, 0)).__enter__()


def test_the_peers_user_id_is_who_it_is(place: Path) -> None:
    known = Known({os.getuid(): Caller(AGENT)}, lambda _: None)
    with served(place, callers=known) as client:
        assert client.get("/healthz").json()["agent"] == AGENT
        assert client.post("/api/execute", json=asking()).status_code == 200
        wrong = client.get("/healthz", headers={"authorization": "Bearer crt_x"})
        assert wrong.json()["agent"] is None
    stranger = Known({os.getuid() + 1: Caller(AGENT)}, lambda _: None)
    with served(place, callers=stranger) as client:
        assert client.get("/healthz").json()["agent"] is None
        denied = client.post("/api/execute", json=asking())
        assert (denied.status_code, denied.json()["decision"]) == (401, "DENY")
        assert client.get("/api/receipts").status_code == 401


@pytest.fixture
def credentials(tmp_path: Path) -> dict[str, str]:
    path = tmp_path / "tokens.json"
    found = {
        "agent": issue(path, "agent", "ci", AGENT, ""),
        "other": issue(path, "agent", "other", OTHER, ""),
        "approver": issue(path, "approver", "ada", AgentId(""), ""),
        "admin": issue(path, "admin", "grace", AgentId(""), ""),
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not any(token in path.read_text() for token in found.values())
    return {name: f"Bearer {token}" for name, token in found.items()}


@pytest.fixture
def known(tmp_path: Path, credentials: dict[str, str]) -> Callers:
    return Known({}, Tokens(tmp_path / "tokens.json"))


def test_over_tcp_only_a_token_says_who_it_is(known: Callers, credentials: dict[str, str]) -> None:
    with served(LOOPBACK, callers=known, loopback=True) as client:
        assert client.post("/api/execute", json=asking()).status_code == 401
        for name, status in (("agent", 200), ("other", 403), ("admin", 401), ("approver", 401)):
            head = {"authorization": credentials[name]}
            assert client.post("/api/execute", json=asking(), headers=head).status_code == status


def test_a_browser_is_not_served(known: Callers, credentials: dict[str, str]) -> None:
    with served(LOOPBACK, callers=known, loopback=True) as client:
        head = {"authorization": credentials["agent"]}
        for more in ({"host": "evil.example"}, {"origin": "http://127.0.0.1"}, {"origin": "null"}):
            answer = client.post("/api/execute", json=asking(), headers={**head, **more})
            assert answer.status_code == 403
            assert not any(name.startswith("access-control") for name in answer.headers)
        for host in ("localhost:1", "127.0.0.1", "[::1]:80"):
            assert client.get("/healthz", headers={"host": host}).status_code == 200
        for host in ("127.0.0.1.evil.example", "localhost@evil.example", "evil.example:80"):
            assert client.get("/healthz", headers={"host": host}).status_code == 403


def test_a_token_that_is_taken_out_of_the_file_ends(tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    token = issue(path, "agent", "ci", AGENT, "")
    tokens = Tokens(path)
    assert tokens(token) == Caller(AGENT, name="ci")
    path.write_text('{"tokens": []}')
    assert tokens(token) is None
    later = issue(path, "agent", "ci", AGENT, "")
    assert tokens(later) is not None
    path.write_text("{")
    assert tokens(later) is None


@pytest.mark.parametrize(
    "content", ['{"tokens": [{"sha256": "x", "role": "admin", "name": "a"}]}', "[]", "{"]
)
def test_a_tokens_file_has_to_be_one_and_private(tmp_path: Path, content: str) -> None:
    path = tmp_path / "tokens.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="tokens file"):
        Tokens(path)
    path.write_text('{"tokens": []}')
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="open to others"):
        Tokens(path)
    path.unlink()
    path.symlink_to("/etc/passwd")
    with pytest.raises(ConfigError, match="cannot be read"):
        Tokens(path)


@pytest.fixture(params=["httptools", "h11"])
def parser(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """With the extra `gateway`, and without it."""
    if request.param == "h11":
        monkeypatch.setitem(sys.modules, "uvicorn.protocols.http.httptools_impl", None)
    importlib.reload(protocol)
    if request.param == "h11":
        assert protocol.Protocol.__mro__[1].__module__.endswith("h11_impl")
    yield
    monkeypatch.undo()
    importlib.reload(protocol)


@pytest.mark.usefixtures("parser")
def test_slow_and_large_requests_are_cut_while_others_are_served(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "REQUEST_S", 0.5)
    with served(place) as client:
        slow, late, body, large = _raw(place), _raw(place), _raw(place), _raw(place)
        body.sendall(b"POST /api/execute HTTP/1.1\r\nhost: gate\r\ncontent-length: 99\r\n\r\n{")
        slow.sendall(b"POST /api/execute HTTP/1.1\r\nhost:")
        late.sendall(b"GET /healthz HTTP/1.1\r\nhost: gate\r\n\r\n")
        assert late.recv(12) == b"HTTP/1.1 200"
        late.sendall(b"GET /healthz HTTP/1.1\r\n")  # the second request of a connection
        assert client.post("/api/execute", json=asking()).status_code == 200
        assert _is_cut(slow) and _is_cut(late) and _is_cut(body)
        try:
            for _ in range(64):
                large.sendall(b"GET /healthz HTTP/1.1\r\nx: " + b"a" * 65536)
        except ConnectionError:
            pass
        assert _is_cut(large)
        assert client.get("/healthz").status_code == 200
        for link in (slow, late, body, large):
            link.close()


def test_nobody_holds_all_connections(place: Path) -> None:
    with served(place) as client:
        held = [_raw(place) for _ in range(protocol.MOST_OF_ONE + 8)]
        assert _is_cut(held[-1])
        for link in held:
            link.close()
        assert client.get("/healthz").status_code == 200


def test_over_tcp_idle_connections_make_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "MOST_CONNECTIONS", 8)
    with served(LOOPBACK) as client, ExitStack() as stack:
        address = client.base_url.host, client.base_url.port
        held = [stack.enter_context(socket.create_connection(address, 20)) for _ in range(20)]
        for link in held[12:]:
            with suppress(ConnectionError):
                link.sendall(
                    b"POST /api/kill HTTP/1.1\r\nhost: localhost\r\ncontent-length: 9\r\n\r\n{"
                )
        assert client.get("/healthz").status_code == 200
        assert _is_cut(held[0])


def test_a_body_over_the_cap_is_denied_with_a_receipt(place: Path) -> None:
    ledger = FakeLedger()
    with served(place, gate_of(ledger)) as client:
        answer = client.post("/api/execute", content=b" " * (1024 * 1024 + 1))
        assert answer.status_code == 400
        assert answer.json()["receipt_id"] == ledger.kept[0].id
        chunks = iter([b" " * 65536] * 20)
        assert client.post("/api/execute", content=chunks).status_code == 400


def test_many_clients_at_once_are_decided_once_each(place: Path, tmp_path: Path) -> None:
    """With the real ledger; and everything is known after a restart."""
    tmp_path.chmod(0o700)
    with open_ledger(tmp_path / "state") as ledger:
        with served(place, Gate(ledger, judge, POLICY)):

            def ask(number: int) -> dict[str, object]:
                with client_of(place) as client:
                    answer: dict[str, object] = client.post(
                        "/api/execute", json=asking(f"k{number % 3}")
                    ).json()
                    return answer

            answers = together(ask, 9)
        receipts = {str(each["receipt_id"]) for each in answers if isinstance(each, dict)}
        assert len(receipts) == 3 == ledger.size
    with open_ledger(tmp_path / "state") as ledger:
        ledger.check()
        with served(place, Gate(ledger, judge, POLICY)) as client:
            again = client.post("/api/execute", json=asking("k0")).json()
            assert again["replayed"] and again["receipt_id"] in receipts
            assert client.post("/api/execute", json=asking("k0", code="ps")).status_code == 409
            told = {"receipt_id": again["receipt_id"], "status": "failed", "exit_code": 2}
            assert client.post("/api/outcome", json=told).status_code == 200
            assert client.post("/api/outcome", json=told).status_code == 409


class Gone(FakeLedger):
    """Cannot be read any more."""

    def entry(self, receipt: ReceiptId) -> Entry | None:
        raise InfraError("the database went away", "look")

    def entries(self, **_: object) -> Iterator[Entry]:
        if self.broken:
            raise InfraError("the database went away", "look")
        return iter(())


def test_a_ledger_that_cannot_be_read_is_told(place: Path) -> None:
    ledger = Gone()
    with served(place, gate_of(ledger)) as client:
        ledger.broken = True
        told = {"receipt_id": "rc_" + "0" * 32, "status": "succeeded"}
        for answer in (
            client.get("/api/receipts"),
            client.get("/api/receipts/rc_0"),
            client.post("/api/outcome", json=told),
        ):
            assert answer.status_code == 503
            assert answer.json() == {"error": "the database went away"}


def test_the_health_tells_of_a_ledger_that_fails(place: Path) -> None:
    ledger = FakeLedger(broken=True)
    with served(place, gate_of(ledger)) as client:
        assert client.get("/healthz").json()["status"] == "ok"
        assert client.post("/api/execute", json=asking()).status_code == 503
        health = client.get("/healthz")
        assert (health.status_code, health.json()["unrecorded"]) == (503, 1)


def test_receipts_are_paged_and_each_agents_own(
    known: Callers, credentials: dict[str, str]
) -> None:
    with served(LOOPBACK, callers=known, loopback=True) as client:
        mine, other, admin = (
            {"authorization": credentials[name]} for name in ("agent", "other", "admin")
        )
        kept = [
            client.post("/api/execute", json=asking(str(n)), headers=mine).json()["receipt_id"]
            for n in range(5)
        ]
        found, after = [], ""
        while True:
            page = client.get(f"/api/receipts?limit=2{after}", headers=mine).json()
            found += [row["id"] for row in page["receipts"]]
            if page["next"] is None:
                break
            after = f"&after={page['next']}"
        assert found == kept
        assert client.get("/api/receipts", headers=other).json()["receipts"] == []
        assert len(client.get("/api/receipts?run=o1", headers=admin).json()["receipts"]) == 5
        one = client.get(f"/api/receipts/{kept[0]}", headers=mine).json()
        assert json.loads(one["envelope"])["predicate"]["decision"] == "ALLOW"
        assert client.get(f"/api/receipts/{kept[0]}", headers=other).status_code == 404
        assert client.get("/api/receipts/rc_no", headers=mine).status_code == 404
        for query in ("limit=0", "limit=x", "after=-1", "kind=no", "no=1", "limit=1&limit=2"):
            assert client.get(f"/api/receipts?{query}", headers=mine).status_code == 400


@pytest.fixture
def people(
    known: Callers,
) -> Iterator[tuple[httpx.Client, FakeApprovals, list[tuple[str, ...]], FakeLedger]]:
    """A gateway with everything that only people may ask for."""
    approvals, done, ledger = FakeApprovals(), list[tuple[str, ...]](), FakeLedger()

    def pull(scope: Scope, subject: str, reason: str, by: str) -> tuple[Kill, Statement]:
        if scope == "key":
            raise ConfigError("a key is 64 hex digits", "look")
        done.append((scope, subject, reason, by))
        at = "2026-11-20T20:00:00Z"
        rows = {"id": KillId("0" * 16), "scope": scope, "subject": subject, "reason": reason}
        kill = Kill.model_validate_json(json.dumps({**rows, "by": by, "at": at}))
        return kill, statement_of(kill)

    def resolve(request: str, word: str, digest: str, by: str, reason: str, /) -> None:
        if digest != approvals.asked.get(request):
            raise InfraError("no such request", "look")
        done.append((request, word, by, reason))

    gate = gate_of(ledger, approvals=approvals)
    more = {
        "head": lambda: (7, POLICY),
        "pull": pull,
        "resolve": resolve,
        "scores": lambda agent: {"agent": agent, "score": 300, "factors": []},
    }
    with served(LOOPBACK, gate, known, loopback=True, **more) as client:
        yield client, approvals, done, ledger


People = tuple[httpx.Client, FakeApprovals, list[tuple[str, ...]], FakeLedger]


def test_only_an_administrator_stops(people: People, credentials: dict[str, str]) -> None:
    client, _, done, ledger = people
    body = {"scope": "run", "subject": "r1", "reason": "loops"}
    for name, status in (("agent", 403), ("approver", 403), ("admin", 200)):
        head = {"authorization": credentials[name]}
        assert client.post("/api/kill", json=body, headers=head).status_code == status
    assert client.post("/api/kill", json=body).status_code == 401
    assert done == [("run", "r1", "loops", "user:grace")]
    assert [entry.kind for entry in ledger.kept] == ["kill"]
    head = {"authorization": credentials["admin"]}
    assert client.post("/api/kill", json={"scope": "x"}, headers=head).status_code == 400
    wrong = client.post("/api/kill", json={**body, "scope": "key"}, headers=head)
    assert (wrong.status_code, wrong.json()) == (409, {"error": "a key is 64 hex digits"})


def test_only_an_approver_resolves(people: People, credentials: dict[str, str]) -> None:
    client, approvals, done, _ = people
    agent, approver = ({"authorization": credentials[name]} for name in ("agent", "approver"))
    asked = client.post("/api/execute", json=asking(code="git push"), headers=agent).json()
    number = asked["approval_id"]
    assert client.get("/api/approvals", headers=agent).status_code == 403
    (row,) = client.get("/api/approvals", headers=approver).json()["waiting"]
    assert row == {"id": number, "action": approvals.asked[number]}
    body = {"action_sha256": row["action"], "reason": "looked at it"}
    place = f"/api/approvals/{number}/approve"
    assert client.post(place, json=body, headers=agent).status_code == 403
    assert client.post(place, json={**body, "action_sha256": "0" * 64}, headers=approver).is_error
    assert client.post(place, json=body, headers=approver).status_code == 200
    assert client.post(f"/api/approvals/{number}/deny", json=body, headers=approver).is_success
    assert done == [
        (number, "yes", "user:ada", "looked at it"),
        (number, "no", "user:ada", "looked at it"),
    ]


def test_scores_are_read_by_whose_they_are_and_emitted_by_an_administrator(
    people: People, credentials: dict[str, str]
) -> None:
    client, _, _, ledger = people
    agent, admin = ({"authorization": credentials[name]} for name in ("agent", "admin"))
    assert client.get("/api/scalar", headers=agent).json()["agent"] == AGENT
    assert client.get(f"/api/scalar/{OTHER}", headers=agent).status_code == 404
    approver = {"authorization": credentials["approver"]}
    assert client.get("/api/scalar", headers=approver).status_code == 404
    assert client.get(f"/api/scalar/{OTHER}", headers=admin).json()["agent"] == OTHER
    assert client.get("/api/scalar", headers=admin).json()["agent"] is None
    body = {"agent_id": AGENT}
    assert client.post("/api/scalar/emit", json=body, headers=agent).status_code == 403
    told = client.post("/api/scalar/emit", json=body, headers=admin).json()
    (entry,) = ledger.kept
    assert (entry.kind, entry.id) == ("score", told["receipt_id"])
    kept = json.loads(entry.envelope)["predicate"]
    assert (kept["event"], kept["billable"]) == ("SCALAR_SCORE", False)
    assert kept["entries"] == {"first": 0, "size": 7, "root": POLICY}
    assert kept["score"] == told["score"]


def test_without_the_parts_there_are_no_doors(known: Callers, credentials: dict[str, str]) -> None:
    with served(LOOPBACK, callers=known, loopback=True) as client:
        head = {"authorization": credentials["admin"]}
        assert client.get("/api/scalar", headers=head).json() == {"state": "insufficient"}
        kill = {"scope": "all", "reason": "x"}
        assert client.post("/api/kill", json=kill, headers=head).status_code == 404
        word = {"action_sha256": "0" * 64}
        assert client.post("/api/approvals/a/deny", json=word, headers=head).status_code == 404
        emit = {"agent_id": AGENT}
        assert client.post("/api/scalar/emit", json=emit, headers=head).status_code == 404


def test_a_sessions_socket_is_its_agents_whatever_token_is_shown(place: Path) -> None:
    with served(place) as client:
        head = {"authorization": "Bearer crt_whatever"}
        assert client.get("/healthz", headers=head).json()["agent"] == CALLER.agent
