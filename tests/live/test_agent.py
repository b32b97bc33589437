"""The real codex in real sandboxes, driven by a script."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from runner.agent import config as settings
from runner.agent.codex import SCRATCH, CodexExec
from runner.agent.config import Settings
from runner.demo.model import Say, ScriptedModel, Shell, Stall, Status, Step
from runner.demo.sample import AUTHOR_MODEL, REVIEWER_MODEL
from runner.demo.scenarios import SCENARIOS
from runner.ports import Engine, Session
from runner.records.agent import AgentEvent, AgentResult
from runner.records.base import RunId
from runner.records.plan import InnerSandbox
from runner.records.sandbox import Bind, Overlay, SandboxSpec, StopReason, Walls
from tests.live.conftest import Lend

pytestmark = pytest.mark.live
PROMPT = "Judge.\nnonce: 0a1b\ntree: " + "c" * 40
Work = Callable[..., AgentResult]

LOOK_AROUND = r"""
import glob, os, socket
print("env", sorted(os.environ))
seen = []
for path in glob.glob("/proc/[0-9]*/environ"):
    try: seen += [path] if "CODEX_HOME" in open(path).read() else []
    except OSError: pass
print("codex environ", seen)
def connect(*target):
    try:
        with socket.socket(*target[:-1]) as s: s.connect(target[-1])
        return "open"
    except OSError as error: return type(error).__name__
print("relay", connect(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 41414)))
print("broker", connect(socket.AF_UNIX, socket.SOCK_STREAM, "/run/broker/model.sock"))
print("net", connect(socket.AF_INET, socket.SOCK_STREAM, ("192.0.2.1", 80)))
for path in (".git/x", ".codex/x", ".agents/x", "/etc/codex/x", "/codex-home/x", "/opt/codex/x",
             "/usr/x", "ok", "/tmp/ok"):
    try: open(path, "w").close(); print("wrote", path)
    except OSError: print("held", path)
try: os.rename(".git", "git2"); print("wrote rename")
except OSError: print("held rename")
"""


def look_around(work: Work, inner: InnerSandbox) -> dict[str, Any]:
    """What a command of the agent finds: first word of each line -> the rest."""
    model = ScriptedModel([Shell(f"python3 - <<'END'\n{LOOK_AROUND}\nEND"), Say("Done.")])
    result = work(model=model, inner=inner)
    assert result.ok and result.inner_sandbox is (inner == "required")
    lines = [line.split(" ", 1) for line in tool_output(model).splitlines() if " " in line]
    return {**dict(lines), "wrote": [rest for first, rest in lines if first == "wrote"]}


@pytest.fixture
def work(engine: Engine, overlay: Overlay, relay: Path, tmp_path: Path, lend: Lend) -> Work:
    """`work(*steps)`, or `work(model=...)` to look at its requests afterwards."""

    def start(
        *steps: Step,
        inner: InnerSandbox = "required",
        model: ScriptedModel | None = None,
        slug: str = AUTHOR_MODEL,
        requests: int = 100,
        **changes: Any,
    ) -> AgentResult:
        lease = lend(model or ScriptedModel(steps), slug, requests)
        given: dict[str, Any] = {
            "run": RunId("live"),
            "role": "agent",
            "model": slug,
            "prompt": PROMPT,
            "lease": lease,
            "walls": Walls(wall_s=60),
            "idle_s": 30,
            "events": tmp_path / "events.jsonl",
            "workspace": overlay,
        }
        coder = CodexExec(engine, "0.163.0", relay, inner)
        return coder.work(Session(**{**given, **changes}))

    return start


def tool_output(model: ScriptedModel) -> str:
    """What the last tool call gave back to the model."""
    entries: Any = model.requests[-1].body["input"]
    outputs = [e["output"] for e in entries if str(e.get("type")).endswith("_call_output")]
    return str(outputs[-1])


def test_it_fixes_the_sample(work: Work, overlay: Overlay) -> None:
    events: list[AgentEvent] = []
    result = work(*SCENARIOS["fix"].steps, on_event=events.append)
    assert result.ok, result
    assert "mean of the two middle values" in result.message
    assert (result.turns, result.commands, result.malformed_lines) == (1, 3, 0)
    assert result.inner_sandbox
    assert "middle" in (overlay.upper / "tally" / "stats.py").read_text()
    codes = [e.exit_code for e in events if e.kind == "command" and e.phase == "completed"]
    assert codes == [1, 0, 0], "tests fail, file shown, tests pass"
    assert not [event for event in events if event.kind in {"error", "unknown"}]


@pytest.mark.parametrize(
    ("scenario", "path"),
    [
        ("secret", "tally/upload.py"),
        ("tests-tampered", "tests/test_stats.py"),
        ("too-big", "tally/table.py"),
        ("path", ".github/workflows/ci.yml"),
    ],
)
def test_every_scenario_does_its_harm(
    work: Work, overlay: Overlay, scenario: str, path: str
) -> None:
    assert work(*SCENARIOS[scenario].steps).ok
    assert (overlay.upper / path).is_file()


def test_commands_are_walled_in(work: Work, overlay: Overlay) -> None:
    told = look_around(work, "required")
    names = {name.strip("' ") for name in told["env"].strip("[]").split(",")}
    added = {name for name in names if name.startswith("CODEX_")}
    assert names - added <= {
        *("PATH", "HOME", "CI", "PYTHONDONTWRITEBYTECODE", "PWD", "SHLVL", "_", "OLDPWD"),
        *("LANG", "LC_ALL", "LC_CTYPE", "TERM", "PAGER", "GIT_PAGER", "GH_PAGER"),
        *("NO_COLOR", "COLORTERM"),
    }
    assert not {"CODEX_HOME", "CODEX_API_KEY"} & added
    assert told["codex"] == "environ []"
    assert (told["relay"], told["broker"]) == ("PermissionError", "PermissionError")
    assert told["net"] != "open"
    assert told["wrote"] == ["ok", "/tmp/ok"]
    assert {entry.name for entry in overlay.upper.iterdir()} == {"ok"}


def test_flat_only_the_outer_sandbox_holds(work: Work, overlay: Overlay) -> None:
    told = look_around(work, "off")
    assert (told["relay"], told["broker"]) == ("open", "open"), "what the inner sandbox is for"
    assert told["net"] != "open"
    assert not {".git/x", ".codex/x", ".agents/x", "/etc/codex/x", "/usr/x", "rename"} & set(
        told["wrote"]
    )
    assert {entry.name for entry in overlay.upper.iterdir()} == {"ok"}


def test_a_reviewer_answers_in_json(work: Work) -> None:
    review = {"role": "review", "workspace": None, "schema": {"type": "object"}}
    result = work(**review, slug=REVIEWER_MODEL)
    assert result.ok, result
    told = json.loads(result.message)
    assert (told["verdict"], told["nonce"], told["tree"]) == ("approve", "0a1b", "c" * 40)


@pytest.mark.parametrize("slug", [AUTHOR_MODEL, REVIEWER_MODEL])
def test_a_reviewer_has_no_shell(work: Work, slug: str) -> None:
    model = ScriptedModel([Shell("echo ran-a-command"), Say("Done.")])
    result = work(model=model, role="review", workspace=None, slug=slug)
    assert result.ok and result.commands == 0
    assert "ran-a-command" not in tool_output(model)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(400, "no such model"), (401, "refused the key"), (500, "upstream failed")],
)
def test_an_upstream_that_refuses(work: Work, status: int, reason: str) -> None:
    result = work(Status(status, "no such model"))
    assert not result.ok
    assert reason in result.reason


def test_a_budget_ends_it(work: Work) -> None:
    result = work(*SCENARIOS["fix"].steps, requests=2)
    assert (result.ok, result.reason) == (False, "the budget ran out: requests 2")
    assert result.exit.stopped is None, "codex ends by itself"


def test_silence_is_ended(work: Work) -> None:
    result = work(Stall("stream"), idle_s=1)
    assert (result.ok, result.exit.stopped) == (False, "idle")


def test_the_wall_clock_is_the_last_word(work: Work) -> None:
    result = work(Stall("headers"), walls=Walls(wall_s=2), idle_s=60)
    assert (result.ok, result.exit.stopped) == (False, "wall-clock")


def test_a_person_stops_it(work: Work) -> None:
    heard: list[AgentEvent] = []

    def halted() -> StopReason | None:
        return "interrupted" if any(event.kind == "command" for event in heard) else None

    result = work(Shell("sleep 600"), on_event=heard.append, halted=halted)
    assert (result.ok, result.exit.stopped) == (False, "interrupted")


def test_codex_understands_every_requirement(engine: Engine, tmp_path: Path) -> None:
    chosen = Settings(AUTHOR_MODEL, "agent", True, engine.path)
    told = ask_codex(engine, tmp_path, chosen, "configRequirements/read")["requirements"]
    for key, value in tomllib.loads(settings.requirements(chosen)).items():
        name = {"features": "featureRequirements"}.get(key, camel(key))
        if key == "mcp_servers":
            continue  # not in the answer; a mistyped one is a parse error
        understood = told[name]
        if key == "model_providers":
            understood = {"runner": {k: understood["runner"][k] for k in value["runner"]}}
        assert understood == value, key


def camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


ASK = """\
import json, subprocess, sys
with subprocess.Popen(["/opt/codex/bin/codex", "app-server", "--strict-config"],
                      stdin=subprocess.PIPE, stdout=subprocess.PIPE) as codex:
    def ask(number, method, params):
        message = {"id": number, "method": method, "params": params}
        codex.stdin.write(json.dumps(message).encode() + b"\\n")
        codex.stdin.flush()
        for line in codex.stdout:
            answer = json.loads(line)
            if answer.get("id") == number:
                return answer
    info = {"name": "test", "version": "1"}
    ask(1, "initialize", {"clientInfo": info, "capabilities": {"experimentalApi": True}})
    print(json.dumps(ask(2, sys.argv[1], None)))
    codex.stdin.close()
"""


def ask_codex(engine: Engine, tmp_path: Path, chosen: Settings, method: str) -> Any:
    etc = tmp_path / "etc"
    etc.mkdir()
    etc.chmod(0o755)
    (etc / "config.toml").write_text(settings.config(chosen))
    (etc / "requirements.toml").write_text(settings.requirements(chosen))
    answer = Answer()
    spec = SandboxSpec(
        run=RunId("live"),
        role="probe",
        argv=(engine.python, "-c", ASK, method),
        env={"PATH": engine.path, "HOME": settings.HOME, "CODEX_HOME": settings.HOME},
        walls=Walls(wall_s=30),
        cwd="/tmp",
        binds=(Bind(etc, "/etc/codex"),),
        scratch=SCRATCH,
        nested=True,
        codex=True,
    )
    end = engine.run(spec, b"", answer)
    assert end.code == 0, end
    return json.loads(answer.text)["result"]


class Answer:
    """A Watch that keeps stdout."""

    def __init__(self) -> None:
        self.text = b""

    def stdout(self, chunk: bytes) -> None:
        self.text += chunk

    def stderr(self, chunk: bytes) -> None: ...
    def stop(self) -> StopReason | None:
        return None
