"""Whether a branch is protected, by the real client over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from runner.errors import ConfigError, InfraError
from runner.forge.github import GithubForge
from runner.forge.protection import is_protected

pytest.importorskip("github", reason="needs PyGithub: pip install 'codex-runner[github]'")

TOKEN = "ghp_" + "t0ken" * 7


@dataclass
class Branches:
    """A GitHub that knows one repository's branches."""

    url: str = ""
    protected: dict[str, bool] = field(default_factory=lambda: {"main": True, "dev": False})
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def branches() -> Iterator[Branches]:
    state = Branches()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            state.asked.append(self.path)
            name = self.path.removeprefix("/repos/o/r/branches/")
            known = name in state.protected and self.headers["Authorization"] == f"token {TOKEN}"
            answer = {"name": name, "protected": state.protected[name]} if known else {}
            content = json.dumps(answer).encode()
            self.send_response(200 if known else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        state.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield state
        server.shutdown()
        thread.join()


def forge(url: str, token: str = TOKEN) -> GithubForge:
    return GithubForge("git@github.com:o/r.git", lambda: token, url, retries=0, timeout_s=5)


def test_github_is_asked(branches: Branches) -> None:
    assert is_protected(forge(branches.url), "main") is True
    assert is_protected(forge(branches.url), "dev") is False
    assert branches.asked == ["/repos/o/r/branches/main", "/repos/o/r/branches/dev"]


def test_no_answer_is_never_a_yes(branches: Branches) -> None:
    for made, branch in (
        (forge(branches.url), "unheard-of"),
        (forge(branches.url, "another-token"), "main"),
        (forge("http://127.0.0.1:9"), "main"),
    ):
        with pytest.raises(InfraError):
            is_protected(made, branch)
    with pytest.raises(ConfigError):
        is_protected(forge(branches.url, ""), "main")
