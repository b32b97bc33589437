"""`gateway serve`, `gateway token` and `gate exec`, as processes."""

from __future__ import annotations

import json
import os
import signal
import stat
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from runner.asking import require_key
from runner.cli.gateway_serve import command
from runner.cli.gateway_token import command as token_command
from runner.errors import ConfigError
from runner.gateway import statements
from runner.ledger.ledger import open_ledger
from runner.process import Child, Completed, clean_env, kill_group, run, spawn
from runner.records.evidence import Entry
from runner.serving import named
from tests.gates import client_of, ending

CLI = (sys.executable, "-m", "runner")
RULES = """
[[rules]]
pattern = ["touch"]
decision = "forbidden"
justification = "nothing is touched"

[[rules]]
pattern = ["date"]
decision = "prompt"
justification = "builds are looked at"
"""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    tmp_path.chmod(0o700)
    (tmp_path / "etc").mkdir()
    settings = tmp_path / "config/codex-runner"
    settings.mkdir(parents=True)
    (settings / "config.toml").write_text(RULES)
    return tmp_path


def _env(home: Path, **more: str) -> dict[str, str]:
    return clean_env({"HOME": str(home), "XDG_CONFIG_HOME": str(home / "config"), **more})


@contextmanager
def _serving(home: Path, *more: str) -> Iterator[tuple[dict[str, str], Child]]:
    """What its ready line says, and the process, which is ended."""
    state = ("--state", str(home / "state"))
    with ending(
        spawn([*CLI, "gateway", "serve", "--json", *state, *more], env=_env(home))
    ) as child:
        assert child.stdout is not None and child.stderr is not None
        line = child.stdout.readline()
        assert line, child.stderr.read().decode()
        yield json.loads(line), child


def _exec(home: Path, *words: str, options: tuple[str, ...] = (), **env: str) -> Completed:
    at = options or ("--state", str(home / "state"))
    argv = [*CLI, "gate", "exec", *at, "--", *words]
    return run(argv, env=_env(home, **env), cwd=home, timeout_s=60)


def _entries(home: Path) -> list[Entry]:
    with open_ledger(home / "state") as ledger:
        ledger.check()
        return list(ledger.entries())


def test_a_command_runs_only_if_it_is_allowed(home: Path) -> None:
    with _serving(home) as (ready, child):
        assert ready["place"] == str(home / "state/gateway/gate.sock")
        said = _exec(home, "printf", "%s|", "$HOME", "a b", "*")
        assert (said.code, said.stdout) == (0, b"$HOME|a b|*|")  # these words, and no shell
        failed = _exec(home, sys.executable, "-c", "import sys; sys.exit(9)")
        assert failed.code == 9
        killed = _exec(home, sys.executable, "-c", "import os; os.kill(os.getpid(), 15)")
        assert killed.code == 128 + 15
        denied = _exec(home, "touch", "made")
        assert denied.code == 1 and "nothing is touched" in denied.stderr.decode()
        waits = _exec(home, "date")
        assert waits.code == 1 and b"approval_unavailable" in waits.stderr
        absent = _exec(home, "no-such-program")
        assert absent.code == 2 and "cannot start" in absent.stderr.decode()
        assert not (home / "made").exists()
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 0
    assert not (home / "state/gateway/gate.sock").exists()
    kinds = [entry.kind for entry in _entries(home)]
    assert kinds.count("decision") == 6
    assert kinds.count("outcome") == 4  # of each ALLOW, also of the one that could not start


def test_without_a_gate_nothing_is_executed(home: Path) -> None:
    missing = _exec(home, "touch", "made")
    serve = f"try: codex-runner gateway serve --state {home / 'state'}, and"
    assert missing.code == 3 and serve in missing.stderr.decode()
    assert not (home / "made").exists()


def test_over_tcp_a_token_is_needed(home: Path) -> None:
    made = run(
        [*CLI, "gateway", "token", "agent", "ci", "--state", str(home / "state")], env=_env(home)
    )
    token = made.text()
    assert token.startswith("crt_")
    with _serving(home, "--tcp", "127.0.0.1:0") as (ready, _):
        at = ("--url", ready["place"])
        stranger = _exec(home, "touch", "made", options=at)
        assert stranger.code == 3 and b"codex-runner gateway token agent NAME" in stranger.stderr
        allowed = _exec(home, "echo", "hi", options=at, CODEX_RUNNER_GATE_TOKEN=token)
        assert (allowed.code, allowed.stdout) == (0, b"hi\n")


@pytest.mark.parametrize("name", ["", " ", "a\x1bb", "a\nb", "n" * 101, "\udcff"])
def test_a_token_is_for_a_name(tmp_path: Path, name: str) -> None:
    words = ["agent", name, "--state", str(tmp_path / "state")]
    with pytest.raises(ConfigError, match="is no name"):
        token_command.main(words, standalone_mode=False)
    assert not (tmp_path / "state").exists()


def test_one_gateway_serves_a_state_directory(home: Path) -> None:
    with _serving(home):
        again = run(
            [*CLI, "gateway", "serve", "--state", str(home / "state"), "--socket", "other"],
            env=_env(home),
            cwd=home,
        )
        assert again.code == 2 and "another gateway serves" in again.stderr.decode()


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--tcp", "127.0.0.1:99999"), "not an address"),
        (("--tcp", "nonsense"), "not an address"),
        (("--tcp", "127.0.0.1:1", "--socket", "x"), "one place"),
        (("--agent", "no-such-user-here=a"), "no user"),
    ],
)
def test_a_wrong_place_is_told(home: Path, options: tuple[str, ...], problem: str) -> None:
    done = CliRunner().invoke(command, ["--state", str(home / "state"), *options])
    assert isinstance(done.exception, ConfigError) and problem in done.exception.problem


def test_a_person_stops_everything_over_http(home: Path) -> None:
    made = run(
        [*CLI, "gateway", "token", "admin", "ada", "--state", str(home / "state")], env=_env(home)
    )
    head = {"authorization": f"Bearer {made.text()}"}
    with _serving(home), client_of(home / "state/gateway/gate.sock") as client:
        assert _exec(home, "true").code == 0
        stop = {"scope": "all", "reason": "enough"}
        assert client.post("/api/kill", json=stop).status_code == 403
        assert client.post("/api/kill", json=stop, headers=head).json()["by"] == "user:ada"
        stopped = _exec(home, "touch", "made")
        assert stopped.code == 1 and "enough" in stopped.stderr.decode()
    assert not (home / "made").exists()
    assert [entry.kind for entry in _entries(home)].count("kill") == 1
    with _serving(home):  # it persists
        assert _exec(home, "true").code == 1


TREE = """
import os, subprocess, sys, time
subprocess.Popen(["sleep", "600"], start_new_session=True)
if os.fork():
    print(os.getpid(), flush=True)
time.sleep(600)
"""


def test_a_kill_ends_what_was_allowed_and_runs(home: Path) -> None:
    words = (*CLI, "gate", "exec", "--state", str(home / "state"), "--", sys.executable, "-c", TREE)
    with _serving(home):
        working = spawn(words, env=_env(home))
        try:
            assert working.stdout is not None and working.stderr is not None
            assert working.stdout.readline().strip().isdigit()
            state = ("--state", str(home / "state"))
            pulled = run(
                [*CLI, "kill", "--all", "--reason", "enough", *state], env=_env(home), timeout_s=60
            )
            assert pulled.code == 0, pulled.stderr
            assert working.wait(60) == 1
            assert "enough" in working.stderr.read().decode()
            assert working.stdout.read() == b"", "its pipe is closed by everybody who had it"
        finally:
            kill_group(working.pid)
            for pipe in (working.stdin, working.stdout, working.stderr):
                if pipe is not None:
                    pipe.close()
    (told,) = [each for each in _entries(home) if each.kind == "outcome"]
    assert statements.predicate_of(told)["status"] == "failed"


def test_a_policy_that_denies_it_now_ends_what_was_allowed_before(home: Path) -> None:
    """An answer that was kept is not good for longer than the policy it was given under."""
    with _serving(home), client_of(home / "state/gateway/gate.sock") as client:
        who = client.get("/healthz").json()
        body = {
            "agent_id": who["agent"],
            "tenant_id": who["tenant"],
            "opportunity_id": "",
            "tools": ["Bash"],
            "code": "make",
            "idempotency_key": "one",
        }
        assert client.post("/api/execute", json=body).json()["decision"] == "ALLOW"
    with (home / "config/codex-runner/config.toml").open("a") as file:
        file.write('[[rules]]\npattern = ["make"]\ndecision = "forbidden"\n')
    with _serving(home), client_of(home / "state/gateway/gate.sock") as client:
        assert client.post("/api/execute", json=body).json()["decision"] == "DENY"


def test_a_person_approves_a_command_while_it_waits(home: Path) -> None:
    (home / "state").mkdir(mode=0o700)
    require_key(home / "state", may_make=True)
    token = [*CLI, "gateway", "token", "approver", "ada", "--state", str(home / "state")]
    head = {"authorization": f"Bearer {run(token, env=_env(home)).text()}"}
    place = home / "state/gateway/gate.sock"
    with _serving(home), client_of(place) as client:
        impatient = _exec(home, "date", "+first")
        assert impatient.code == 6 and b"builds are looked at" in impatient.stderr
        words = (*CLI, "gate", "exec", "--state", str(home / "state"), "--wait", "60")
        waiting = spawn([*words, "--", "date", "+second"], env=_env(home))
        try:
            until = time.monotonic() + 60
            while len(rows := client.get("/api/approvals", headers=head).json()["waiting"]) < 2:
                assert time.monotonic() < until and waiting.poll() is None
            wanted = next(row for row in rows if "+second" in row["summary"])
            said = {"action_sha256": wanted["action"], "reason": "looked at it"}
            answer = client.post(f"/api/approvals/{wanted['id']}/approve", json=said, headers=head)
            assert answer.is_success, answer.text
            assert waiting.wait(60) == 0
            assert waiting.stdout is not None and waiting.stdout.read() == b"second\n"
        finally:
            kill_group(waiting.pid)
            for pipe in (waiting.stdin, waiting.stdout, waiting.stderr):
                if pipe is not None:
                    pipe.close()
    decided = [statements.predicate_of(entry).get("decision") for entry in _entries(home)]
    assert decided.count("PENDING") == 2 and decided.count("ALLOW") == 1


def test_who_has_to_earn_trust_may_not_write_yet(home: Path) -> None:
    config = home / "config/codex-runner/config.toml"
    config.write_text(f"[trust]\nenforce = true\n{config.read_text()}")
    with _serving(home):
        refused = _exec(home, "sh", "-c", ": > made")
        assert refused.code == 1 and b"read-only sandbox" in refused.stderr
    assert not (home / "made").exists()
    decided, told = _entries(home)
    limits = statements.predicate_of(decided)["constraints"]
    assert isinstance(limits, dict) and limits["level"] == 0
    assert statements.predicate_of(told)["status"] == "failed"


def test_agents_of_other_users_can_connect(home: Path) -> None:
    with _serving(home, "--agent", "other", "--agent", f"{os.getuid() + 1}=next") as (ready, _):
        assert stat.S_IMODE(Path(ready["place"]).stat().st_mode) == 0o666
        assert stat.S_IMODE(Path(ready["place"]).parent.stat().st_mode) == 0o700
        assert _exec(home, "true").code == 0
    assert _entries(home)[0].about.agent == named("other")


def test_a_ledger_that_was_taken_away_denies_and_is_told_at_the_end(home: Path) -> None:
    with _serving(home) as (_, child):
        assert _exec(home, "true").code == 0
        (home / "state/ledger/ledger.sqlite").unlink()
        denied = _exec(home, "touch", "made")
        assert denied.code == 1 and b"ledger_unavailable" in denied.stderr
        child.send_signal(signal.SIGTERM)
        assert child.wait(20) == 3
        assert child.stderr is not None and b"could not be written" in child.stderr.read()
    assert not (home / "made").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become another user")
def test_another_user_cannot_connect(home: Path) -> None:
    with _serving(home) as (ready, _):
        probe = (
            "import os, socket, sys; os.setuid(65534)\n"
            "s = socket.socket(socket.AF_UNIX)\n"
            "sys.exit(s.connect_ex(sys.argv[1]))"
        )
        assert run([sys.executable, "-c", probe, ready["place"]]).code != 0
