"""The execution gate in front of the real codex: nothing runs but what it allowed."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from runner.agent import config
from runner.agent.codex import CodexExec, Gated
from runner.agent.config import Hook
from runner.attending import SOCKET, Attending
from runner.completeness import BLOCKED
from runner.demo.model import Call, Heard, Patch, Say, ScriptedModel, Shell, Step
from runner.demo.sample import AUTHOR_MODEL
from runner.errors import NothingToDoError
from runner.gateway import hooks, shim
from runner.ledger.ledger import open_ledger
from runner.ports import Engine, Lease, Session
from runner.records.agent import AgentResult
from runner.records.base import RunId, Sha256
from runner.records.plan import InnerSandbox, Plan
from runner.records.rules import CommandRule
from runner.records.sandbox import Overlay, Walls
from runner.socket_path import short
from tests.fake_ledger import FakeLedger
from tests.fake_world import make_plan
from tests.live.conftest import Lend
from tests.live.world import FIX, World

pytestmark = pytest.mark.live
SHIM = Path(shim.__file__)
MADE = "made-by-a-command"
MAKE = Shell(f"touch {MADE}")
DONE = Say("Done.")
PATCH = Patch(f"*** Begin Patch\n*** Add File: {MADE}\n+x\n*** End Patch")
both_sandboxes = pytest.mark.parametrize("inner", ["required", "off"])


@dataclass
class Bench:
    """`bench.work(MAKE)`: codex with the hook, a gate beside the model, and what came of it."""

    engine: Engine
    overlay: Overlay
    relay: Path
    lend: Callable[..., Lease]
    home: Path
    plan: Plan = field(
        default_factory=lambda: make_plan().model_copy(update={"policy_sha256": Sha256("a" * 64)})
    )
    ledger: FakeLedger = field(default_factory=FakeLedger)
    shim: Path = SHIM
    inner: InnerSandbox = "required"
    script: type[ScriptedModel] = ScriptedModel
    model: ScriptedModel = field(default_factory=ScriptedModel)

    def work(self, *steps: Step, slug: str = AUTHOR_MODEL) -> AgentResult:
        """With the product's own gate."""
        attending = Attending(self.plan, self.ledger, lambda: None)
        self.model = self.script([*steps, DONE])
        lease = self.lend(self.model, slug)
        with attending("agent", slug, lease) as held:
            return held.account(self._codex(held.lease, slug))

    def beside(self, gate: AbstractContextManager[object], lease: Lease) -> AgentResult:
        with gate:
            return self._codex(lease, AUTHOR_MODEL)

    def lease(self, *steps: Step) -> Lease:
        self.model = ScriptedModel([*steps, DONE])
        return self.lend(self.model, AUTHOR_MODEL)

    def _codex(self, lease: Lease, slug: str) -> AgentResult:
        coder = CodexExec(
            self.engine,
            "0.163.0",
            self.relay,
            self.inner,
            rules=self.plan.rules,
            gate=Gated(self.shim),
        )
        return coder.work(
            Session(
                run=RunId("live"),
                role="agent",
                model=slug,
                prompt="Work.",
                lease=lease,
                walls=Walls(wall_s=60),
                idle_s=30,
                events=self.home / "events.jsonl",
                workspace=self.overlay,
            )
        )

    @property
    def outputs(self) -> tuple[str, ...]:
        return self.model.requests[-1].outputs()

    @property
    def ran(self) -> bool:
        return (self.overlay.upper / MADE).exists()

    def words(self) -> list[tuple[str, str]]:
        """Kind and decision, or status, of what the ledger got."""
        told = [(entry.kind, json.loads(entry.envelope)["predicate"]) for entry in self.ledger.kept]
        return [(kind, said.get("decision") or said["status"]) for kind, said in told]


@pytest.fixture
def bench(engine: Engine, overlay: Overlay, relay: Path, lend: Lend, tmp_path: Path) -> Bench:
    return Bench(engine, overlay, relay, lend, tmp_path)


@both_sandboxes
@pytest.mark.parametrize("step", [MAKE, PATCH], ids=["command", "patch"])
def test_what_the_gate_allows_runs_with_receipt_and_outcome(
    bench: Bench, step: Step, inner: InnerSandbox
) -> None:
    bench.inner = inner
    result = bench.work(step)
    assert result.ok, result
    assert bench.ran, bench.outputs
    assert bench.words() == [("decision", "ALLOW"), ("outcome", "succeeded")]
    assert result.gated is not None
    assert (result.gated.allowed, result.gated.open, result.gated.unreceipted) == (1, 0, ())


RECEIPT = "rc_" + "0" * 32
OK = b"HTTP/1.1 200 OK\r\n\r\n"


@contextmanager
def answering(directory: Path, answer: bytes | None) -> Iterator[None]:
    """A gate that says this to everybody; None = it listens, and never answers."""
    held: list[socket.socket] = []

    def serve() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            held.append(link)
            if answer is not None:
                with link, suppress(BrokenPipeError):  # it need not hear all of it
                    link.recv(65536)
                    link.sendall(answer)

    with short(directory / SOCKET) as name, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(name)
        (directory / SOCKET).chmod(0o666)
        listener.listen()
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for link in held:
                link.close()


only_bubblewrap = pytest.mark.parametrize("engine", ["bubblewrap"], indirect=True)


@only_bubblewrap
def test_a_bare_allow_is_what_it_takes(bench: Bench) -> None:
    """The control of the tests below: the same way of answering, and it runs."""
    lease = bench.lease(MAKE)
    bench.beside(answering(lease.directory, OK + f"ALLOW {RECEIPT}\n".encode()), lease)
    assert bench.ran


@only_bubblewrap
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage",
        OK,
        OK + b"ALLOW\n",
        OK + b"ALLOW rc_00\n",
        OK + f"ALLOW {RECEIPT}".encode(),
        OK + f"ALLOW {RECEIPT}x\n".encode(),
        OK + f"allow {RECEIPT}\n".encode(),
        OK + f"DENY {RECEIPT}\n".encode(),
        OK + b"PENDING a person has to approve it\n",
        OK + f"ALLOW {RECEIPT}\n".encode() + b"x" * 4_000_000,
        f"HTTP/1.1 503 Busy\r\n\r\nALLOW {RECEIPT}\n".encode(),
        None,
    ],
    ids=lambda answer: "hang" if answer is None else repr(answer[:60]),
)
@pytest.mark.parametrize("step", [MAKE])
def test_whatever_else_a_gate_says_nothing_runs(
    bench: Bench, step: Step, answer: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "ANSWER_S", 1)
    lease = bench.lease(step)
    bench.beside(answering(lease.directory, answer), lease)
    assert not bench.ran
    assert all(text.startswith(BLOCKED) for text in bench.outputs), bench.outputs


BROKEN = {
    "crash": "raise SystemExit(1)",
    "signal": "import os; os.kill(os.getpid(), 9)",
    "status 0 of another": "import sys; sys.exit(3)",
    "no Python": "(",
}


@only_bubblewrap
@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_a_shim_that_breaks_lets_nothing_run(bench: Bench, text: str) -> None:
    bench.shim = bench.home / "shim.py"
    bench.shim.write_text(text)
    lease = bench.lease(MAKE, PATCH)
    bench.beside(answering(lease.directory, OK + f"ALLOW {RECEIPT}\n".encode()), lease)
    assert not bench.ran
    assert len(bench.outputs) == 2
    assert all(text.startswith(BLOCKED) for text in bench.outputs), bench.outputs


@pytest.mark.parametrize("missing", ["gate", "shim", "python"])
@both_sandboxes
def test_what_is_missing_lets_nothing_run(
    bench: Bench, missing: str, inner: InnerSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.inner = inner
    lease = bench.lease(MAKE, PATCH)
    gate: AbstractContextManager[object] = answering(
        lease.directory, OK + f"ALLOW {RECEIPT}\n".encode()
    )
    if missing == "gate":
        gate = nullcontext()
    if missing == "shim":
        monkeypatch.setattr(config, "SHIM", "/etc/codex/none.py")
    if missing == "python":
        monkeypatch.setattr(Hook, "_shim", lambda *_: "/usr/bin/no-python -I -S shim.py")
    bench.beside(gate, lease)
    assert not bench.ran
    assert all(text.startswith(BLOCKED) for text in bench.outputs), bench.outputs


GIT = CommandRule(
    pattern=(("git",),), decision="forbidden", justification="no git", where="config.toml, line 4"
)


def test_rules_hold_through_nested_shells_and_tell_their_line(bench: Bench) -> None:
    bench.plan = bench.plan.model_copy(update={"rules": (GIT,)})
    hidden = "bash -c \"bash -c 'git --version > version'\""
    result = bench.work(Shell("git --version"), Shell(hidden), Shell("touch other"))
    assert result.ok, result
    assert [word for _, word in bench.words()][:3] == ["DENY", "DENY", "ALLOW"]
    first, second, _ = bench.outputs
    for text in (first, second):
        assert text.startswith(BLOCKED) and "no git" in text
    assert not (bench.overlay.upper / "version").exists()
    assert json.loads(bench.ledger.kept[0].envelope)["predicate"]["where"] == "config.toml, line 4"


def test_a_patch_of_a_protected_path_is_denied(bench: Bench) -> None:
    bench.plan = bench.plan.model_copy(update={"protected": ("**/.git*/",)})
    text = "*** Begin Patch\n*** Add File: .github/x.yml\n+x\n*** End Patch"
    result = bench.work(Patch(text))
    assert result.ok and bench.words() == [("decision", "DENY")]
    assert not (bench.overlay.upper / ".github").exists()


TTY = Call("exec_command", json.dumps({"cmd": "bash", "tty": True, "yield_time_ms": 300}))
SLOW = Call("exec_command", json.dumps({"cmd": "sleep 5; . /dev/stdin", "yield_time_ms": 250}))


class Typing(ScriptedModel):
    """Types into the session that codex told it of last."""

    def step(self, body: dict[str, object]) -> Step:
        step = super().step(body)
        found = re.findall(r"session ID (\d+)", "\n".join(Heard("", {}, body).outputs()))
        if isinstance(step, Call) and step.name == "write_stdin" and found:
            given = {**json.loads(step.arguments), "session_id": int(found[-1])}
            return replace(step, arguments=json.dumps(given))
        return step


@both_sandboxes
@pytest.mark.parametrize("opened", [TTY, SLOW], ids=["terminal", "pipe"])
def test_what_is_typed_into_a_session_reaches_nobody(
    bench: Bench, opened: Call, inner: InnerSandbox
) -> None:
    bench.inner = inner
    typed = json.dumps({"session_id": 1, "chars": f"touch {MADE}\n"})
    bench.script = Typing
    result = bench.work(opened, Call("write_stdin", typed))
    assert not bench.ran
    assert bench.outputs[-1].startswith("write_stdin failed: "), bench.outputs
    assert result.gated is not None and result.gated.unreceipted == ()


CODE_MODE = "gpt-5.6-terra"
SCRIPT = """
const first = await tools.exec_command({cmd: "touch made-by-a-command"});
const second = await tools.exec_command({cmd: "git --version > version"}).catch(String);
const third = await tools.exec_command({cmd: "bash", tty: true}).catch(String);
text(JSON.stringify([first, second, third]));
"""


def test_in_code_mode_each_call_is_asked_about(bench: Bench) -> None:
    bench.plan = bench.plan.model_copy(update={"rules": (GIT,)})
    result = bench.work(Call("exec", SCRIPT, custom=True), slug=CODE_MODE)
    assert result.ok, result
    assert bench.ran, bench.outputs
    assert not (bench.overlay.upper / "version").exists()
    assert bench.words()[:2] == [("decision", "ALLOW"), ("decision", "DENY")]
    assert "TTY execution is disabled" in bench.outputs[0]
    assert result.gated is not None and result.gated.unreceipted == ()


KILLER = """
setsid python3 - >/dev/null 2>&1 <<'END' &
import os, signal, time
until = time.monotonic() + 8
while time.monotonic() < until:
    for name in os.listdir("/proc"):
        try:
            words = open(f"/proc/{name}/cmdline").read()
            if words.startswith("/bin/sh") and "execution gate" in words:
                os.kill(int(name), signal.SIGKILL)
        except (OSError, ValueError):
            pass
END
sleep 1
"""


def test_who_kills_the_hook_is_found_out(bench: Bench) -> None:
    """Without codex's own sandbox a command can; codex then goes on as if it had been allowed."""
    bench.inner = "off"
    bench.plan = bench.plan.model_copy(update={"protected": ("**/.git*/",)})
    text = "*** Begin Patch\n*** Add File: .github/x.yml\n+x\n*** End Patch"
    patches: list[Step] = [
        Patch(text),
        Shell(f"touch {MADE}"),
        Patch(text.replace("x.yml", "y.yml")),
    ]
    result = bench.work(Shell(KILLER), *patches)
    assert result.gated is not None
    if any((bench.overlay.upper / ".github").glob("*")):
        assert any("apply_patch" in why for why in result.gated.unreceipted), bench.outputs


BEHIND = """
for (let i = 0; i < 5; i++)
  await tools.exec_command({cmd: "git --version >> version"}).catch(String);
"""


def test_who_kills_the_hook_cannot_pay_with_other_answers(bench: Bench) -> None:
    """In code mode the broker sees the script only, and whoever reaches the socket asks at will."""
    bench.inner = "off"
    bench.plan = bench.plan.model_copy(update={"rules": (GIT,)})
    padding = ASK_BY_HAND.partition("print(")[0].replace("git push", "true")
    padding += 'for _ in range(9):\n    ask("gate.sock", "/hook/ask", json.dumps(call))\nEND\n'
    script = Call("exec", BEHIND, custom=True)
    result = bench.work(Shell(padding + KILLER), script, slug=CODE_MODE)
    assert result.gated is not None
    if (bench.overlay.upper / "version").exists():
        assert any("codex told of a command" in why for why in result.gated.unreceipted)


def test_a_patch_behind_the_gate_is_found_out_in_code_mode_too(bench: Bench) -> None:
    bench.inner = "off"
    bench.plan = bench.plan.model_copy(update={"protected": ("**/.git*/",)})
    text = "*** Begin Patch\n*** Add File: .github/NAME.yml\n+x\n*** End Patch"
    script = "".join(
        f"await tools.apply_patch({json.dumps(text.replace('NAME', name))}).catch(String);\n"
        for name in "abcde"
    )
    result = bench.work(Shell(KILLER), Call("exec", script, custom=True), slug=CODE_MODE)
    assert result.gated is not None
    made = [*(bench.overlay.upper / ".github").glob("*")]
    if made:
        assert any("told the end of" in why for why in result.gated.unreceipted), made


ODD = (
    "printf %s \"it's\" '$HOME' '`x`' \"!^\" '\\' '\"' é",
    "true\ntrue # 'open",
    "",
    "^",
    "'$'",
    " ls ",
)


@pytest.mark.parametrize("custom", [False, True], ids=["calls", "code-mode"])
def test_commands_are_known_again_however_codex_quotes_them(bench: Bench, custom: bool) -> None:
    words = json.dumps(ODD)
    script = f"for (const cmd of {words}) await tools.exec_command({{cmd}}).catch(String);"
    steps = [Call("exec", script, custom=True)] if custom else [Shell(each) for each in ODD]
    result = bench.work(*steps, slug=CODE_MODE if custom else AUTHOR_MODEL)
    assert result.gated is not None and result.gated.unreceipted == (), bench.outputs
    assert result.gated.allowed >= len(ODD) - 1, "codex may refuse a command of no words"


REPLACE = """
for place in /etc/codex/shim.py /etc/codex/requirements.toml; do
  echo 'raise SystemExit(0)' > $place; rm -f $place; mv $place /tmp/; ln -sf /bin/true $place
done
rm -f /run/broker/gate.sock; mv /run/broker /run/other; ls -l /etc/codex/shim.py
"""


@both_sandboxes
def test_nobody_inside_can_replace_the_shim_or_the_gate(bench: Bench, inner: InnerSandbox) -> None:
    bench.inner = inner
    bench.plan = bench.plan.model_copy(update={"rules": (GIT,)})
    result = bench.work(Shell(REPLACE.replace("rm -f", "unlink")), Shell("git --version > version"))
    assert result.ok, result
    assert bench.outputs[1].startswith(BLOCKED) and "no git" in bench.outputs[1]
    assert not (bench.overlay.upper / "version").exists()


ASK_BY_HAND = """
python3 - <<'END'
import json, socket
def ask(place, path, body):
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(5)
    try:
        link.connect(f"/run/broker/{place}")
        head = f"POST {path} HTTP/1.1\\r\\nhost: gate\\r\\nconnection: close\\r\\n"
        link.sendall(f"{head}content-length: {len(body)}\\r\\n\\r\\n{body}".encode())
        return link.makefile().read().splitlines()[-1]
    except OSError as error:
        return type(error).__name__
call = {"tool_name": "Bash", "tool_input": {"command": "git push"}, "tool_use_id": "forged"}
print("ask", ask("gate.sock", "/hook/ask", json.dumps(call)))
print("kill", ask("gate.sock", "/api/kill", json.dumps({"scope": "all", "reason": "x"})))
print("execute", ask("gate.sock", "/api/execute", "{}"))
print("receipts", ask("gate.sock", "/api/receipts", ""))
END
"""


@both_sandboxes
def test_whoever_reaches_the_socket_can_only_ask(bench: Bench, inner: InnerSandbox) -> None:
    bench.inner = inner
    bench.plan = bench.plan.model_copy(update={"rules": (GIT,)})
    result = bench.work(Shell(ASK_BY_HAND))
    assert result.ok, result
    rows = bench.outputs[0].partition("Output:\n")[2].splitlines()
    said = dict(row.split(" ", 1) for row in rows)
    if inner == "required":
        assert {*said.values()} == {"PermissionError"}
        return
    assert said["ask"].startswith("DENY forbidden: no git")
    for name in ("kill", "execute", "receipts"):
        assert said[name] == "DENY there is nothing else here"


def test_a_flood_of_questions_is_no_flood_of_receipts(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who spends the session's questions has none left for its own commands."""
    monkeypatch.setattr(hooks, "MOST_DECIDED", 50)
    bench.inner = "off"
    flood = ASK_BY_HAND.partition("print(")[0].replace("git push", "true")
    flood += 'for _ in range(99):\n    last = ask("gate.sock", "/hook/ask", json.dumps(call))\n'
    result = bench.work(Shell(f"{flood}print('last', last)\nEND"), MAKE)
    assert result.ok, result
    assert "last DENY this session has asked too often" in bench.outputs[0]
    assert bench.outputs[1].startswith(BLOCKED) and not bench.ran
    assert len(bench.ledger.kept) == 2 * 50


def test_a_run_has_a_receipt_for_all_its_agent_did(world: World) -> None:
    ended = world.run()
    assert ended.code == 0, ended
    agent = ended.report.agent
    assert agent is not None and agent.gated is not None
    done = len(FIX) - 1
    assert (agent.gated.allowed, agent.gated.open, agent.gated.unreceipted) == (done, 0, ())
    with open_ledger(world.state) as ledger:
        kinds = [entry.kind for entry in ledger.entries(run=ended.report.run)]
    assert kinds.count("decision") == done
    assert kinds.count("outcome") == done + 1, "and the run's own"


def test_a_run_waits_for_nobody_where_nobody_is(world: World) -> None:
    """Level 1, what may change something to be approved, no terminal: denied at once, but `cat`."""
    mine = world.home / ".config" / "codex-runner" / "config.toml"
    mine.parent.mkdir(parents=True, exist_ok=True)
    mine.write_text("level = 1\n[approvals]\ncommands = true\n")
    ended = world.run()
    assert ended.code == NothingToDoError.exit_code, ended
    assert ended.report.agent is not None and ended.report.agent.gated is not None
    assert (ended.report.agent.gated.allowed, ended.report.agent.gated.denied) == (1, len(FIX) - 2)
    (why,) = ended.report.agent.gated.why
    assert why.startswith("approval_unavailable") and why in ended.stdout
