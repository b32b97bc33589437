"""The page for people: who sees it, what it shows, whose form counts, and that data stays data."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlencode

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import InfraError
from runner.gateway import markup
from runner.gateway.application import Door
from runner.gateway.asking import Requests
from runner.gateway.callers import Caller, Known
from runner.gateway.nonces import LASTS_S, MOST_USED, Nonces
from runner.gateway.page import FORM_BYTES, Page
from runner.records.approval import ApprovalId, ApprovalRequest
from runner.records.base import RunId, Sha256
from tests.approvals import NOW, Desk, proposal, publication
from tests.gates import AGENT, CALLER, gate_of

CALLERS = {
    "t-agent": Caller(AGENT, name="ci"),
    "t-ada": Caller(role="approver", name="ada"),
    "t-bob": Caller(role="approver", name="bob"),
    "t-root": Caller(role="admin", name="grace"),
}
SITE = "http://127.0.0.1:8765"
SHELL = "make\u202e <script>alert(1)</script>\x1b[2J '\" onload=x"


@dataclass
class Browser:
    """What asks the page; `desk` is where the words go."""

    desk: Desk
    nonces: Nonces = field(default_factory=Nonces)
    requests: Requests | None = None

    def __post_init__(self) -> None:
        page = Page(
            Known({0: CALLER}, CALLERS.get),
            self.requests or self.desk.queue.requests,
            self._resolve,
            self.nonces,
        )
        self.door = Door(gate_of(), Known({}, CALLERS.get), page=page, loopback=True)

    def _resolve(
        self, request: str, word: Literal["yes", "no"], digest: Sha256, by: str, reason: str, /
    ) -> None:
        self.desk.queue.resolve(request, word, digest, by, "web", reason)

    def ask(
        self, method: str, path: str, token: str | None = "t-ada", **more: Any
    ) -> httpx.Response:
        headers = {**({"authorization": basic(token)} if token else {}), **more.pop("headers", {})}

        async def asked() -> httpx.Response:
            transport = httpx.ASGITransport(self.door.application)
            async with httpx.AsyncClient(transport=transport, base_url=SITE) as client:
                return await client.request(method, path, headers=headers, **more)

        return asyncio.run(asked())

    def nonce(self, request: str, token: str = "t-ada") -> str:
        found = re.search(r'name="nonce" value="([^"]+)"', self.ask("GET", at(request), token).text)
        assert found is not None
        return found[1]

    def form(self, request: str, word: str = "yes", **changes: str) -> dict[str, str]:
        digits = self.desk.queue.find(request)[0].action[:12]
        return {
            "word": word,
            "digits": digits,
            "nonce": self.nonce(request),
            "reason": "",
        } | changes

    def send(self, request: str, form: Mapping[str, str], **more: Any) -> httpx.Response:
        return self.ask("POST", at(request), data=dict(form), **more)


def at(request: str) -> str:
    return f"/approvals/{request}"


def basic(token: str, user: str = "anybody") -> str:
    return "Basic " + base64.b64encode(f"{user}:{token}".encode()).decode()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path / "approvals")


@pytest.fixture
def browser(desk: Desk) -> Browser:
    return Browser(desk)


def test_what_waits_is_listed_and_shown_whole(browser: Browser) -> None:
    request, other = browser.desk.ask(proposal(SHELL)), browser.desk.ask(publication())
    browser.desk.deny(browser.desk.ask(proposal("make denied")))
    listed = browser.ask("GET", "/approvals").text
    assert at(request) in listed and at(other) in listed and listed.count("<li>") == 2
    one = browser.ask("GET", at(request)).text
    asked = browser.desk.queue.find(request)[0]
    for told in (asked.action, asked.policy, asked.asker, asked.summary, asked.risk, "waiting"):
        assert told in one
    assert ">\nmake⟦U+202E⟧ &lt;script&gt;alert(1)&lt;/script&gt;⟦U+001B⟧[2J" in one
    assert "exactly, for [&quot;Bash&quot;]" in one
    assert f"{asked.expires_at:%F %T}Z" in one and "<script" not in one
    published = browser.ask("GET", at(other)).text
    assert f"tree {'b' * 40}" in published and "https://github.com/o/r.git" in published
    assert browser.ask("GET", "/approvals/ap_no").status_code == 404


def test_nothing_waits(browser: Browser) -> None:
    assert "Nothing waits" in browser.ask("GET", "/approvals", "t-root").text


@pytest.mark.parametrize(
    "header",
    [
        None,
        "Bearer t-ada",
        "Basic",
        "Basic !",
        "Basic \xff",
        basic("t-no"),
        basic(""),
        "Basic " + base64.b64encode(b"t-ada").decode(),
        "Basic " + base64.b64encode(b"x:\xff").decode(),
    ],
)
def test_a_stranger_is_asked_for_a_password(browser: Browser, header: str | None) -> None:
    request = browser.desk.ask()
    for method, path in (("GET", "/approvals"), ("GET", at(request)), ("POST", at(request))):
        headers = {} if header is None else {"authorization": header.encode("latin-1")}
        answer = browser.ask(method, path, None, headers=headers)
        assert answer.status_code == 401 and "make build" not in answer.text
        assert answer.headers["www-authenticate"].startswith("Basic realm=")


def test_an_agent_s_token_is_refused(browser: Browser) -> None:
    request = browser.desk.ask()
    form = browser.form(request)
    assert browser.ask("GET", "/approvals", "t-agent").status_code == 403
    assert browser.ask("GET", at(request), "t-agent").status_code == 403
    assert browser.send(request, form, token="t-agent").status_code == 403
    assert browser.desk.queue.state(request) == "waiting"


def test_a_session_s_own_door_has_no_page() -> None:
    transport = httpx.ASGITransport(Door(gate_of(), Known({}, CALLERS.get)).application)

    async def asked() -> int:
        async with httpx.AsyncClient(transport=transport, base_url=SITE) as client:
            got = await client.get("/approvals", headers={"authorization": basic("t-ada")})
            return got.status_code

    assert asyncio.run(asked()) == 404


@pytest.mark.parametrize(("word", "state"), [("yes", "approved"), ("no", "denied")])
def test_a_word_counts(browser: Browser, word: str, state: str) -> None:
    request = browser.desk.ask()
    form = browser.form(request, word, reason="looked at it")
    answer = browser.send(request, form, headers={"origin": SITE})
    assert (answer.status_code, answer.headers["location"]) == (303, at(request))
    assert browser.desk.queue.state(request) == state
    (said,) = browser.desk.queue.words()
    assert (said.approver, said.channel, said.reason) == ("user:ada", "web", "looked at it")
    shown = browser.ask("GET", at(request)).text
    assert f"<strong>{state}</strong>" in shown and ("<form" in shown) == (word == "yes")


def test_a_yes_that_is_not_used_is_taken_back(browser: Browser) -> None:
    request = browser.desk.ask()
    assert browser.send(request, browser.form(request)).status_code == 303
    assert browser.send(request, browser.form(request, "no")).status_code == 303
    assert browser.desk.queue.state(request) == "denied"


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1:8765.evil"]
)
def test_another_site_s_form_is_refused(browser: Browser, origin: str) -> None:
    request = browser.desk.ask()
    form = browser.form(request)
    assert browser.send(request, form, headers={"origin": origin}).status_code == 403
    rebound = {"origin": "http://evil.example", "host": "evil.example"}
    assert browser.send(request, form, headers=rebound).status_code == 403
    assert browser.desk.queue.state(request) == "waiting"


def test_the_api_still_serves_no_browser(browser: Browser) -> None:
    answer = browser.ask("GET", "/api/approvals", headers={"origin": SITE})
    assert answer.status_code == 403


def test_a_form_is_one_person_s_for_one_request_and_once(browser: Browser) -> None:
    request, other = browser.desk.ask(), browser.desk.ask(proposal("make other"))
    form = browser.form(request)
    assert browser.send(request, form, token="t-bob").status_code == 409
    crossed = browser.form(other) | {"nonce": form["nonce"]}
    assert browser.send(other, crossed).status_code == 409
    forged = form | {"nonce": Nonces().issue(request, "x")}
    assert browser.send(request, forged).status_code == 409
    assert browser.desk.queue.words() == ()
    assert browser.send(request, form).status_code == 303
    assert browser.send(request, form | {"word": "no"}).status_code == 409
    assert browser.desk.queue.state(request) == "approved"


def test_a_form_of_before_is_too_old(desk: Desk) -> None:
    times = [0.0]
    browser = Browser(desk, Nonces(now=lambda: times[0]))
    request = desk.ask()
    form = browser.form(request)
    times[0] = LASTS_S
    assert browser.send(request, form).status_code == 409


def test_used_nonces_are_bounded_and_forgotten() -> None:
    times = [0.0]
    nonces = Nonces(now=lambda: times[0])
    given = [nonces.issue("a") for _ in range(MOST_USED + 1)]
    assert all(nonces.take(nonce, "a") for nonce in given[:-1])
    assert not nonces.take(given[-1], "a")
    times[0] = LASTS_S
    later = nonces.issue("a")
    assert (
        not nonces.take(given[0], "a") and nonces.take(later, "a") and not nonces.take(later, "a")
    )


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"digits": "0" * 12}, 409),
        ({"digits": "0" * 11}, 400),
        ({"digits": "g" * 12}, 400),
        ({"digits": ""}, 400),
        ({"word": "maybe"}, 400),
        ({"word": ""}, 400),
        ({"nonce": ""}, 400),
        ({"reason": "x" * 501}, 400),
        ({"reason": "\0x"}, 400),
        ({"more": "x"}, 400),
        ({"reason": "x" * FORM_BYTES}, 400),
    ],
)
def test_what_is_no_form_does_nothing(
    browser: Browser, changes: dict[str, str], status: int
) -> None:
    request = browser.desk.ask()
    form = browser.form(request)
    assert browser.send(request, form | changes).status_code == status
    assert browser.desk.queue.state(request) == "waiting"
    assert browser.send(request, form).status_code == 303, "a slip costs no form"


@pytest.mark.parametrize(
    "body", [b"", b"word", b"\xff", b"word=%ff", b"word=yes&word=no", b"&".join([b"a=b"] * 99)]
)
def test_bytes_that_are_no_form(browser: Browser, body: bytes) -> None:
    request = browser.desk.ask()
    for kind in ("application/x-www-form-urlencoded", "text/plain", "application/json"):
        headers = {"content-type": kind}
        assert browser.ask("POST", at(request), content=body, headers=headers).status_code == 400


def test_a_right_form_in_another_shape_does_nothing(browser: Browser) -> None:
    request = browser.desk.ask()
    body = urlencode(browser.form(request)).encode()
    usual = "application/x-www-form-urlencoded"
    for kind, sent in (("text/plain", body), ("", body), (usual, body + b"&word=no")):
        headers = {"content-type": kind}
        assert browser.ask("POST", at(request), content=sent, headers=headers).status_code == 400
    assert browser.desk.queue.state(request) == "waiting"
    headers = {"content-type": f"{usual}; charset=UTF-8"}
    assert browser.ask("POST", at(request), content=body, headers=headers).status_code == 303


def test_who_asks_or_comes_late_is_told_why(browser: Browser) -> None:
    own = browser.desk.ask(publication(asker="user:ada"))
    refused = browser.send(own, browser.form(own))
    assert refused.status_code == 409 and "may not approve" in refused.text
    late = browser.desk.ask()
    form = browser.form(late)
    browser.desk.later(hours=5)
    expired = browser.send(late, form)
    assert expired.status_code == 409 and "does not wait any more" in expired.text


def test_a_queue_that_cannot_be_read_is_told(desk: Desk) -> None:
    def broken() -> tuple[()]:
        raise InfraError("<b>no disk</b>", "look")

    answer = Browser(desk, requests=broken).ask("GET", "/approvals")
    assert answer.status_code == 503 and "&lt;b&gt;no disk" in answer.text


def test_what_browsers_are_told(browser: Browser) -> None:
    request = browser.desk.ask()
    for path, token in (("/approvals", "t-ada"), (at(request), "t-ada"), ("/approvals", None)):
        answer = browser.ask("GET", path, token)
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        policy = answer.headers["content-security-policy"].split("; ")
        assert {"default-src 'none'", "form-action 'self'", "frame-ancestors 'none'"} <= {*policy}
        assert "base-uri 'none'" in policy and "unsafe" not in " ".join(policy)
        assert f"style-src 'sha256-{markup.STYLE_HASH}'" in policy
        assert f"<style>{markup.STYLE}</style>" in answer.text


def test_it_is_used_with_a_keyboard_and_a_reader(browser: Browser) -> None:
    request = browser.desk.ask()
    found = _Found()
    found.feed(browser.ask("GET", at(request)).text)
    tags = [tag for tag, _ in found.tags]
    assert tags.count("h1") == tags.count("main") == tags.count("title") == 1
    labelled = {attrs["for"] for tag, attrs in found.tags if tag == "label" and "for" in attrs}
    typed = {attrs["id"] for tag, attrs in found.tags if attrs.get("type") == "text"}
    assert labelled == typed == {"digits", "reason"}
    assert all("checked" not in attrs for _, attrs in found.tags), "no word is the usual one"
    assert tags.count("button") == 1
    assert any(attrs.get("name") == "viewport" for _, attrs in found.tags)


class _Found(HTMLParser):
    """What a browser would make of it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.other: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def handle_comment(self, data: str) -> None:
        self.other.append(data)

    def unknown_decl(self, data: str) -> None:
        self.other.append(data)

    handle_pi = handle_comment


def _shown(text: str, state: Any, kind: Any) -> list[_Found]:
    content = proposal(text, tools=(text,)) if kind == "command" else publication(target=text)
    usual = ApprovalRequest(
        id=ApprovalId("ap_0123456789abcdef"),
        kind=kind,
        action=content.digest(),
        content=content.canonical().decode(),
        summary="",
        policy=content.policy,
        level=1,
        asker="",
        run=RunId(""),
        asked_at=NOW,
        expires_at=NOW,
    )
    told = dict.fromkeys(("summary", "asker", "author", "run"), text)
    asked = usual.model_copy(update={**told, "approvers": (text,)})
    return [_parsed(page) for page in _pages(asked, state, text)]


def _pages(asked: ApprovalRequest, state: Any, text: str) -> list[str]:
    unread = asked.model_copy(update={"content": text})
    shown = partial(markup.shown, state=state, nonce="1.2.3")
    return [shown(asked), shown(unread), markup.listed([asked]), markup.told("No", text)]


def _parsed(page: str) -> _Found:
    page.encode()
    found = _Found()
    found.feed(page)
    found.close()
    return found


HOSTILE = (
    st.text(st.sampled_from("<>/!?-&;#'\"=` \n\r\t\0\x1b\u202e\u2028\ud800scriptle[]xA1"))
    | st.text()
)


@given(
    text=HOSTILE,
    state=st.sampled_from(["waiting", "denied"]),
    kind=st.sampled_from(["command", "publish"]),
)
def test_no_tag_and_no_attribute_comes_from_data(text: str, state: str, kind: str) -> None:
    text = text or "x"
    for found, usual in zip(_shown(text, state, kind), _shown("usual", state, kind), strict=True):
        assert found.tags == usual.tags
        assert found.other == []
        told = "".join(found.text)
        assert not set(told) & {"\0", "\x1b", "\r", "\u202e", "\u2028", "\ufeff", "\u200b"}
