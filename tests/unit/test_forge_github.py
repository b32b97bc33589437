"""GithubForge with the real client over real HTTP, against a small GitHub on loopback."""

from __future__ import annotations

import json
import logging
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import parse_qs, urlsplit

import pytest

from runner.errors import ConfigError, InfraError
from runner.forge.github import GithubForge
from runner.ports import Forge, Request
from runner.records.base import Oid, RunId

pytest.importorskip("github", reason="needs PyGithub: pip install 'codex-runner[github]'")

TOKEN = "ghp_" + "t0ken" * 7
REMOTE = "git@github.com:o/r.git"
REQUEST = Request(
    run=RunId("r1"),
    title="Fix it",
    body="@/etc/hostname is only text",
    branch="codex/fix-1",
    target="main",
    commit=Oid("c" * 40),
    labels=("bug", "unheard of"),
)
Json = dict[str, object]


@dataclass
class Seen:
    method: str
    path: str
    query: dict[str, list[str]]
    authorization: str
    body: object


@dataclass
class GitHub:
    """State and faults of the fake."""

    url: str = ""
    seen: list[Seen] = field(default_factory=list)
    pulls: list[Json] = field(default_factory=list)
    labels: list[str] = field(default_factory=lambda: ["Bug", "automerge"])
    faults: list[tuple[int, object]] = field(default_factory=list)
    """Answered, in order, instead of the real thing."""
    drafts: bool = True
    hidden: bool = False
    """The list of pulls is empty although they exist: the race between two runs."""
    silent: threading.Event | None = None

    def answer(self, seen: Seen) -> tuple[int, object]:
        if self.faults:
            return self.faults.pop(0)
        if seen.authorization != f"token {TOKEN}":
            return 401, {"message": "Bad credentials"}
        match seen.method, seen.path:
            case "GET", "/repos/o/r/pulls":
                return 200, self.listed(seen.query["head"][0])
            case "POST", "/repos/o/r/pulls":
                return self.create(cast(Json, seen.body))
            case "GET", "/repos/o/r/labels":
                return 200, [{"name": name} for name in self.labels]
            case "POST", "/repos/o/r/issues/1/labels":
                return 200, [{"name": name} for name in cast(list[str], seen.body)]
        return 404, {"message": "Not Found"}

    def listed(self, head: str) -> list[Json]:
        if self.hidden:
            self.hidden = False
            return []
        return [p for p in self.pulls if f"o:{cast(Json, p['head'])['ref']}" == head]

    def create(self, body: Json) -> tuple[int, object]:
        if body["draft"] and not self.drafts:
            why = "Draft pull requests are not supported in this repository."
            return 422, {"message": why, "errors": [why]}
        if any(cast(Json, p["head"])["ref"] == body["head"] for p in self.pulls):
            why = f"A pull request already exists for o:{body['head']}."
            return 422, {"message": "Validation Failed", "errors": [{"message": why}]}
        self.pulls.append(
            {
                "number": 1,
                "html_url": "https://github.com/o/r/pull/1",
                "issue_url": f"{self.url}/repos/o/r/issues/1",
                "url": f"{self.url}/repos/o/r/pulls/1",
                "head": {"ref": body["head"]},
                "draft": body["draft"],
            }
        )
        return 201, self.pulls[-1]

    def sent(self) -> list[str]:
        return [f"{s.method} {s.path}" for s in self.seen]


class Handler(BaseHTTPRequestHandler):
    github: GitHub

    def handle_one(self) -> None:
        github = self.github
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size) or b"{}")
        url = urlsplit(self.path)
        seen = Seen(
            self.command, url.path, parse_qs(url.query), self.headers["Authorization"] or "", body
        )
        github.seen.append(seen)
        if github.silent is not None:
            github.silent.wait(30)
            return
        status, answer = github.answer(seen)
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", str(answer))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = handle_one  # noqa: N815

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def github() -> Iterator[GitHub]:
    state = GitHub()
    handler = type("Bound", (Handler,), {"github": state})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield state
        if state.silent is not None:
            state.silent.set()
        server.shutdown()
        thread.join()


def forge(github: GitHub) -> GithubForge:
    return GithubForge(REMOTE, lambda: TOKEN, api=github.url, retries=2, backoff_s=0)


def test_a_draft_is_opened_with_the_labels_that_exist(github: GitHub) -> None:
    port: Forge = forge(github)
    opened = port.open(REQUEST)
    assert (opened.url, opened.number, opened.created) == ("https://github.com/o/r/pull/1", 1, True)
    assert opened.notes == ("label 'unheard of' does not exist in the repository",)
    assert github.sent() == [
        "GET /repos/o/r/pulls",
        "POST /repos/o/r/pulls",
        "GET /repos/o/r/labels",
        "POST /repos/o/r/issues/1/labels",
    ]
    assert github.seen[1].body == {
        "base": "main",
        "head": "codex/fix-1",
        "title": "Fix it",
        "body": "@/etc/hostname is only text",
        "draft": True,
        "maintainer_can_modify": False,
    }
    assert github.seen[3].body == ["Bug"]


def test_opened_again_it_is_found(github: GitHub) -> None:
    forge(github).open(REQUEST)
    again = forge(github).open(REQUEST)
    assert (again.number, again.created) == (1, False)
    assert len(github.pulls) == 1
    assert github.seen[-1].query["head"] == ["o:codex/fix-1"]
    assert github.seen[-1].query["state"] == ["open"]


def test_a_list_that_ignores_the_filter_is_not_believed(github: GitHub) -> None:
    github.faults = [(200, [{"number": 9, "html_url": "x", "head": {"ref": "other"}}])]
    assert forge(github).open(REQUEST).number == 1


def test_a_race_is_found_after_422(github: GitHub) -> None:
    forge(github).open(REQUEST)
    github.hidden = True
    again = forge(github).open(REQUEST)
    assert (again.number, again.created) == (1, False)


def test_without_drafts_a_plain_request(github: GitHub) -> None:
    github.drafts = False
    assert forge(github).open(replace(REQUEST, labels=())).created
    assert [cast(Json, s.body)["draft"] for s in github.seen if s.method == "POST"] == [True, False]


def test_a_passing_5xx_is_tried_again(github: GitHub) -> None:
    github.faults = [(502, {"message": "Bad Gateway"}), (500, {})]
    assert forge(github).open(REQUEST).created


def test_a_lasting_5xx_names_status_and_remedy(github: GitHub) -> None:
    github.faults = [(503, {"message": "no server is \x1b[31mavailable"})] * 9
    with pytest.raises(InfraError, match="answered 503") as caught:
        forge(github).open(REQUEST)
    assert len(github.seen) == 3
    assert "by hand" in caught.value.remedy
    assert "\x1b" not in caught.value.problem


def test_a_5xx_to_the_post_after_the_request_was_made(github: GitHub) -> None:
    forge(github).open(REQUEST)
    github.faults = [(200, []), (500, {})]
    assert not forge(github).open(REQUEST).created


@pytest.mark.parametrize(
    ("status", "problem", "remedy"),
    [
        (401, "token is not valid", "new token"),
        (403, "may not do this in o/r", "Pull requests write"),
        (404, "does not see it", "Pull requests write"),
        (422, "to a request in o/r", "target branch"),
    ],
)
def test_refusals_say_what_to_do(github: GitHub, status: int, problem: str, remedy: str) -> None:
    github.faults = [(200, []), (status, {"message": f"no, {TOKEN}"})]
    with pytest.raises(InfraError, match=f"answered {status} .no, ") as caught:
        forge(github).open(REQUEST)
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy
    assert TOKEN not in "".join(caught.value.lines())


@pytest.mark.parametrize(
    "fault",
    [
        (200, b"<html>log in to the hotel</html>"),
        (200, {"message": "hello"}),
        (200, ["a"]),
        (200, [{"number": "NaN"}]),
        (200, [{"head": 3}]),
        (200, [{"head": {"ref": ["x"]}}]),
        (200, b"[" * 100_000),
        (301, "https://elsewhere.invalid/repos"),
        (301, "not an address"),
        (204, b""),
    ],
)
def test_other_servers_are_an_error_of_two_lines(github: GitHub, fault: tuple[int, object]) -> None:
    github.faults = [fault] * 5
    with pytest.raises(InfraError) as caught:
        forge(github).open(REQUEST)
    assert "127.0.0.1" in caught.value.problem or "GitHub answered" in caught.value.problem


def test_garbage_for_the_new_request_is_an_error_too(github: GitHub) -> None:
    answers: tuple[object, ...] = ({}, {"number": "x"}, [], b"?")
    for answer in answers:
        github.faults = [(200, []), (201, answer)]
        with pytest.raises(InfraError):
            forge(github).open(REQUEST)


def test_labels_that_cannot_be_added_are_a_note(github: GitHub) -> None:
    github.faults = [(200, []), (201, github.create({"head": "codex/fix-1", "draft": True})[1])]
    github.faults.append((403, {"message": "no"}))
    assert forge(github).open(REQUEST).notes == ("labels not added: GitHub answered 403",)


def test_silence_ends_with_the_timeout(github: GitHub) -> None:
    github.silent = threading.Event()
    with pytest.raises(InfraError, match="cannot be reached"):
        replace(forge(github), timeout_s=1, retries=0).open(REQUEST)


def test_nobody_listening(github: GitHub) -> None:
    nobody = replace(forge(github), api="http://127.0.0.1:9", retries=0)
    with pytest.raises(InfraError, match="cannot be reached: ConnectionError"):
        nobody.open(REQUEST)


def test_the_token_is_in_the_header_only(
    github: GitHub, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    forge(github).open(REQUEST)
    assert {s.authorization for s in github.seen} == {f"token {TOKEN}"}
    told = [s.path + json.dumps(s.query) + json.dumps(s.body) for s in github.seen]
    assert TOKEN not in "".join(told)
    assert TOKEN not in caplog.text
    assert TOKEN not in repr(forge(github))


def test_the_token_is_read_late_and_must_be_one() -> None:
    read: list[str] = []

    def load() -> str:
        read.append("x")
        return f"{TOKEN}\n"

    made = GithubForge(REMOTE, load)
    assert not read
    assert made.token() == TOKEN
    for bad in ("", " ", "a b", "tökén", "a\x1bb", "a\nb"):
        with pytest.raises(ConfigError, match="empty or not a token"):
            GithubForge(REMOTE, lambda bad=bad: bad).token()  # type: ignore[misc]


def test_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    assert GithubForge(REMOTE, str).base_url == "https://api.github.com"
    enterprise = GithubForge("https://git.example.com/o/r.git", str)
    assert enterprise.base_url == "https://git.example.com/api/v3"
    for bad in ("http://git.example.com/api/v3", "ftp://x", "git.example.com"):
        with pytest.raises(ConfigError, match="not encrypted"):
            GithubForge(REMOTE, str, api=bad)
    with pytest.raises(ConfigError, match="not OWNER/NAME"):
        GithubForge("/srv/repo.git", str)


def test_without_the_library_the_remedy_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "github", None)
    with pytest.raises(ConfigError) as caught:
        GithubForge(REMOTE, lambda: TOKEN).open(REQUEST)
    assert caught.value.remedy == "pip install 'codex-runner[github]'"
