"""The page for people, over a real loopback port: what waits in `gate exec` goes on."""

from __future__ import annotations

import json
import re
import sys
import time
from pathlib import Path

import httpx

from runner.asking import require_key
from runner.gateway import statements
from runner.ledger.ledger import open_ledger
from runner.process import Child, clean_env, run, spawn
from tests.gates import ending

CLI = (sys.executable, "-m", "runner")
RULES = '[[rules]]\npattern = ["date"]\ndecision = "prompt"\njustification = "looked at"\n'


def test_a_person_approves_in_a_browser_what_waits(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    (tmp_path / "state").mkdir(mode=0o700)
    (tmp_path / "config/codex-runner").mkdir(parents=True)
    (tmp_path / "config/codex-runner/config.toml").write_text(RULES)
    require_key(tmp_path / "state", may_make=True)
    env = clean_env({"HOME": str(tmp_path), "XDG_CONFIG_HOME": str(tmp_path / "config")})
    state = ("--state", str(tmp_path / "state"))
    agent, person = (
        run([*CLI, "gateway", "token", role, name, *state], env=env).text().strip()
        for role, name in (("agent", "ci"), ("approver", "ada"))
    )
    serving = (*CLI, "gateway", "serve", "--json", *state, "--tcp", "127.0.0.1:0")
    with ending(spawn(serving, env=env)) as server:
        assert server.stdout is not None
        place = json.loads(server.stdout.readline())["place"]
        words = (*CLI, "gate", "exec", "--url", place, "--wait", "60", "--", "date", "+%%%%")
        as_agent = {**env, "CODEX_RUNNER_GATE_TOKEN": agent}
        with (
            ending(spawn(words, env=as_agent)) as waiting,
            httpx.Client(base_url=place, auth=("ada", person), trust_env=False) as browser,
        ):
            assert browser.get("/approvals", auth=("ci", agent)).status_code == 403
            path = _only_request(browser, waiting)
            page = _got(browser, path)
            assert "date +%%%%" in page
            (digest,) = re.findall(r"Digest of the action</dt><dd><code>([0-9a-f]{64})<", page)
            (nonce,) = re.findall(r'name="nonce" value="([^"]+)"', page)
            form = {"word": "yes", "digits": digest[:12], "reason": "read", "nonce": nonce}
            forged = browser.post(path, data=form, headers={"origin": "https://evil.example"})
            assert forged.status_code == 403 and waiting.poll() is None
            said = browser.post(path, data=form, headers={"origin": place})
            assert (said.status_code, said.headers["location"]) == (303, path)
            assert waiting.wait(60) == 0
            assert waiting.stdout is not None and waiting.stdout.read() == b"%%\n"
            assert "<strong>used</strong>" in _got(browser, path)
            again = browser.post(path, data=form, headers={"origin": place})
            assert again.status_code == 409
    with open_ledger(tmp_path / "state") as ledger:
        kept = [statements.predicate_of(entry).get("decision") for entry in ledger.entries()]
    assert kept.count("PENDING") == 1 and kept.count("ALLOW") == 1


def _only_request(browser: httpx.Client, waiting: Child) -> str:
    """Its path, as soon as it is asked."""
    until = time.monotonic() + 60
    while not (found := re.findall(r'href="(/approvals/ap_\w+)"', _got(browser, "/approvals"))):
        assert time.monotonic() < until and waiting.poll() is None
    (path,) = found
    return str(path)


def _got(browser: httpx.Client, path: str) -> str:
    answer = browser.get(path)
    assert answer.status_code == 200, answer.text
    return answer.text
