"""Runs with a setup through the real CLI: a real package index, both engines, a scripted model."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from signal import SIGINT
from typing import cast

import pytest

from runner.demo.model import Object, Patch, Say, ScriptedModel, Shell
from runner.demo.sample import TEST
from tests.live.world import FIX, Ended, World, both_engines, processes
from tests.package_index import PackageIndex

pytestmark = pytest.mark.live
MEND = next(step for step in FIX if isinstance(step, Patch))
DONE = Say("Done.")
TOKEN = "index-token-of-the-operator-42"
NEEDS_DEP = f"{TEST} && PYTHONPATH=.deps python3 -c 'import dep; assert dep.ANSWER == 42'"
FETCH = """python3 -c "
import os, urllib.request as web
who = {{'authorization': os.environ['TOKEN']}}
ask = web.Request('https://localhost:{port}/dep.py', headers=who)
os.makedirs('.deps', exist_ok=True)
with open('.deps/dep.py', 'wb') as file:
    file.write(web.urlopen(ask).read())
" """
LOOK = """
env; cat /proc/*/environ 2>/dev/null | tr '\\0' '\\n'; ls /run; cat .deps/dep.py
grep -rl index-token /work /tmp /etc /run 2>/dev/null && echo TOKEN-FOUND
python3 -c "
import socket
for port in (8118, {port}):
    try:
        print('BREACH', socket.create_connection(('127.0.0.1', port), 5))
    except OSError as error:
        print(error)
try:
    print('BREACH', socket.getaddrinfo('a.example.com', 443))
except OSError:
    print('no route, no names')
"
echo tampered > .deps/dep.py; touch .deps/more.py
"""


def policy(world: World, *commands: str, hosts: tuple[str, ...] = (), more: str = "") -> None:
    rows = [
        "[setup]",
        f"commands = {json.dumps(commands)}",
        f"hosts = {json.dumps(hosts)}",
        'lockfiles = ["README.md"]',
        more,
    ]
    (world.sample.repository / ".gitignore").write_text(".deps/\n__pycache__/\n")
    (world.sample.repository / ".codex-runner.toml").write_text("\n".join(rows) + "\n")
    world.commit("a setup")


def allow(world: World, *hosts: str, more: str = "") -> None:
    place = world.home / ".config/codex-runner"
    place.mkdir(parents=True, exist_ok=True)
    rows = ["[setup]", f"hosts = {json.dumps(hosts)}", 'allow_private = ["localhost"]', more]
    (place / "config.toml").write_text("\n".join(rows) + "\n")


def with_index(world: World, index: PackageIndex) -> None:
    """The repository's setup fetches from the index, with the operator's token."""
    host = f"localhost:{index.port}"
    policy(world, FETCH.format(port=index.port), hosts=(host,))
    allow(world, host, more=f'secrets = ["env:TOKEN"]\nca = "{index.ca}"')
    world.settings["TOKEN"] = TOKEN
    world.ask(test=NEEDS_DEP)


def journal(ended: Ended) -> list[dict[str, object]]:
    return [json.loads(row) for row in (ended.path / "egress.jsonl").read_text().splitlines()]


def outputs(model: ScriptedModel) -> str:
    """What the agent's commands printed, as the model got it."""
    bodies = [cast(list[Object], heard.body["input"]) for heard in model.requests]
    told = [item for body in bodies for item in body]
    return json.dumps([item for item in told if str(item.get("type")).endswith("_output")])


def nowhere_in(folder: Path, word: str) -> None:
    for path in folder.rglob("*"):
        assert path.is_symlink() or not path.is_file() or word.encode() not in path.read_bytes()


@both_engines
def test_installed_once_for_agent_and_tests(world: World, tmp_path: Path) -> None:
    with PackageIndex(tmp_path) as index:
        with_index(world, index)
        steps = (Shell(LOOK.format(port=index.port)), MEND, DONE)
        with ScriptedModel(steps) as model:
            ended = world.run_with(model)
        assert ended.code == 0, ended
        assert index.asked == [TOKEN]
        again = world.run()
        assert again.code == 0, again
        assert index.asked == [TOKEN], "the layer was kept"

    setup, patch = ended.report.setup, ended.report.patch
    assert setup and not setup.cached and setup.files == 1
    assert setup.traffic.reached == (f"localhost:{index.port}",) and not setup.traffic.denied
    assert [row["verdict"] for row in journal(ended)] == ["allowed", "ended"]
    assert again.report.setup and again.report.setup.cached
    assert again.report.setup.key == setup.key
    assert not (again.path / "setup.log").exists()

    seen = outputs(model)
    assert "ANSWER = 42" in seen, "the agent sees what was installed"
    assert "no route, no names" in seen and "BREACH" not in seen, seen
    assert "TOKEN" not in seen and "egress" not in seen and TOKEN not in seen
    assert patch and [change.path for change in patch.changes] == ["tally/stats.py"]
    assert patch.ignored == 2, "what it did to the layer stays in its own sandbox"
    nowhere_in(world.state, TOKEN)
    world.check_signed(ended)
    world.check_tidy()


def test_a_change_holds_nothing_of_a_setup(world: World) -> None:
    policy(
        world, "mkdir -p .deps && echo 1 > .deps/made && echo more >> README.md && rm -f README.md"
    )
    world.ask(test=f"{TEST} && test -e .deps/made && grep tally README.md")
    ended = world.run()
    assert ended.code == 0, ended
    patch, setup = ended.report.patch, ended.report.setup
    assert patch and [change.path for change in patch.changes] == ["tally/stats.py"]
    assert setup and setup.dropped == ("README.md",)
    assert "not taken: `README.md`" in (ended.path / "report.md").read_text()


@both_engines
def test_a_host_that_is_not_allowed(world: World) -> None:
    fetch = "python3 -c \"import urllib.request as web; web.urlopen('https://b.example.com/')\""
    past = "import socket; assert socket.socket().connect_ex(('192.0.2.1', 443)) == 101"
    policy(world, f'python3 -c "{past}"', fetch, hosts=("a.example.com",))
    allow(world, "a.example.com")
    ended = world.run()
    world.check_failed(ended, 3, "the setup failed with exit status 1", "b.example.com")
    line = 'hosts = ["a.example.com", "b.example.com"] under [setup] in '
    assert f"{line}.codex-runner.toml and {line}config.toml" in ended.error[1]
    assert "b.example.com" in (ended.path / "report.md").read_text()
    (row,) = journal(ended)
    assert (row["verdict"], row["host"]) == ("denied", "b.example.com")
    log = (ended.path / "setup.log").read_text()
    assert "AssertionError" not in log, "there is no other way out"
    assert ended.report.agent is None
    assert not any(world.state.glob("setup/*/*/card.json")), "a failure is not kept"


def test_a_credential_is_not_left_behind(world: World) -> None:
    allow(world, more='secrets = ["env:TOKEN"]')
    world.settings["TOKEN"] = TOKEN
    policy(
        world,
        'echo "it is $TOKEN"; echo "$TOKEN" >&2; mkdir .deps; echo "$TOKEN" > .deps/token.txt',
    )
    ended = world.run()
    world.check_failed(ended, 1, "the setup left a credential in .deps/token.txt")
    assert "it is [credential]" in (ended.path / "setup.log").read_text()
    nowhere_in(world.state, TOKEN)
    assert TOKEN not in ended.stdout + ended.stderr


def test_a_credential_that_is_missing(world: World) -> None:
    allow(world, more='secrets = ["env:TOKEN"]')
    policy(world, "touch installed")
    world.check_failed(world.run(), 2, "TOKEN is not set")


def test_out_of_time(world: World) -> None:
    nap = "86.7654"
    policy(world, f"echo begun; sleep {nap}")
    world.ask(limits={"setup_s": 1})
    ended = world.run()
    world.check_failed(ended, 3, "setup_s 1")
    assert "[limits]" in ended.error[1] and not processes(nap)


@both_engines
def test_interrupted(world: World) -> None:
    nap = f"86.{7 if world.engine == 'docker' else 8}3214"
    policy(world, f"sleep {nap}")
    with ScriptedModel(FIX) as model, world.started(model) as run:
        run.until(lambda: processes(nap), "the setup's command")
        run.signal(SIGINT)
        ended = run.end()
    assert ended.code == 130, ended
    assert not processes(nap)
    world.check_signed(ended)
    world.check_tidy()


def test_two_runs_at_once_install_once(world: World, tmp_path: Path) -> None:
    with PackageIndex(tmp_path) as index:
        with_index(world, index)
        with ScriptedModel(FIX) as model, ThreadPoolExecutor(2) as pool:
            runs = [
                pool.submit(world.cli, "run", "--no-publish", world.task, upstream=model.url)
                for _ in range(2)
            ]
            ends = [run.result() for run in runs]
    assert [end.code for end in ends] == [0, 0], ends
    assert index.asked == [TOKEN]
    world.check_tidy()


def test_the_plan_shows_it_and_starts_nothing(world: World) -> None:
    policy(world, "touch installed", hosts=("a.example.com", "b.example.com"))
    allow(world, "*.example.com")
    done = world.cli("run", "--dry-run", world.task)
    assert done.code == 0, done
    setup = json.loads(done.stdout)["setup"]
    assert setup["commands"] == ["touch installed"]
    assert setup["hosts"] == ["a.example.com", "b.example.com"]
    assert not (world.state / "setup").exists()


def test_a_task_adds_no_host(world: World) -> None:
    world.sample.task.write_text('+++\n[setup]\nhosts = ["a.example.com"]\n+++\nDo it.\n')
    ended = world.run()
    assert ended.code == 2 and "setup: unknown key" in ended.error[0]


def test_a_damaged_layer_is_made_again(world: World) -> None:
    policy(world, "mkdir .deps; echo 'ANSWER = 42' > .deps/dep.py")
    world.ask(test=NEEDS_DEP)
    assert world.run("--no-publish", world.task).code == 0
    (layer,) = world.state.glob("setup/*/*/layer")
    (layer / ".deps/dep.py").write_text("ANSWER = 13\n")
    shutil.copy(layer / ".deps/dep.py", layer / "planted.py")
    ended = world.run("--no-publish", world.task)
    assert ended.code == 0, ended
    assert ended.report.setup and not ended.report.setup.cached
    assert not (layer / "planted.py").exists()
