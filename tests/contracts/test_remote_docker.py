"""A Docker engine that sees no file of the runner's: what is sent, kept, fetched, left."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, reject, settings

from runner.demo.sample import make_sample
from runner.errors import InfraError, RefusedError
from runner.records.base import RunId
from runner.records.sandbox import Bind, Overlay, Walls
from runner.sandbox import owner, volume_pack, volumes
from runner.sandbox.docker import DockerEngine
from runner.sandbox.docker_tunnel import tunnel
from runner.tried import Tried
from runner.workspace.source import GitSource, open_source
from tests import overlay_ops
from tests.contracts.conftest import Heard, Probe
from tests.contracts.test_ingest_law import BASE, steps, what_git_makes
from tests.far_docker import Far
from tests.live.world import World
from tests.overlay_ops import Step
from tests.overlays import make_checkout

pytestmark = pytest.mark.docker
OPS = Path(overlay_ops.__file__).read_text()


@pytest.fixture
def engine(far: str) -> DockerEngine:
    return DockerEngine(None, address=far)


@pytest.fixture
def probe(engine: DockerEngine, tmp_path: Path) -> Iterator[Probe]:
    probe = Probe(engine, tmp_path.resolve())
    run = RunId(f"far-{os.getpid()}")
    yield Probe(probe.engine, probe.folder, replace(probe.spec, run=run))
    assert left(engine, run) == []


def left(engine: DockerEngine, run: str) -> list[str]:
    """Containers and volumes of one run that the engine still has."""
    with engine.connected() as client:
        mine = {"label": f"{owner.LABEL}.run={run}"}
        boxes = [box["Id"] for box in client.containers(all=True, filters=mine)]
        return boxes + [one["Name"] for one in client.volumes(filters=mine)["Volumes"] or []]


def kept(engine: DockerEngine) -> list[str]:
    with engine.connected() as client:
        return sorted(one["Name"] for one in volumes.every(client))


def test_the_two_kinds_of_engine_are_told_apart(engine: DockerEngine, tmp_path: Path) -> None:
    tried = Tried(tmp_path / "tried.json")
    near = DockerEngine(None, tried=tried, scratch=tmp_path)
    if not near.reachable():
        pytest.skip("no Docker engine of this machine")
    assert near.shares
    assert DockerEngine(None, address=engine.address, tried=tried, scratch=tmp_path).shares is False
    assert tried.file.read_text().count("shares files") == 1, "remembered when it does"
    assert engine.attributes == "user.overlay."


def test_checks_pass(engine: DockerEngine) -> None:
    for check in engine.checks():
        assert check.ok or not check.required, check


def test_what_was_sent_once_is_found_again(probe: Probe, engine: DockerEngine) -> None:
    overlay = probe.overlay({"file": "1"})
    assert probe.with_(workspace=overlay).sh("cat file").out == "1"
    before = kept(engine)
    assert probe.with_(workspace=overlay).sh("cat file").out == "1"
    assert kept(engine) == before
    (overlay.lowers[0] / "file").write_text("2")
    assert probe.with_(workspace=overlay).sh("cat file").out == "2"
    assert len(kept(engine)) == len(before) + 2, "one volume and its seal"


def test_half_done_work_is_not_used_and_goes_away(probe: Probe, engine: DockerEngine) -> None:
    """A killed runner's volume: no seal, and a process that has ended as its owner."""
    source = probe.folder / "told"
    source.write_text("whole")
    bound = probe.with_(binds=(Bind(source, "/mnt/told"),))
    content = volume_pack.key(source, True)
    labels = {volumes.CONTENT: content, owner.OWNER: f"{_dead()}", owner.DEADLINE: "9999999999"}
    with engine.connected() as client:
        half = client.create_volume("half-done", "local", None, labels)["Name"]
        assert bound.sh("cat /mnt/told").out == "whole"
        assert half not in kept(engine)
        volumes.tidy(client, kept=0)
    assert kept(engine) == []
    assert bound.sh("cat /mnt/told").out == "whole"


def _dead() -> str:
    script = "from runner.lifetime import this_process; print(this_process())"
    return subprocess.run([sys.executable, "-c", script], capture_output=True).stdout.decode()


def test_layers_with_whiteouts_and_marks_arrive_as_they_are(probe: Probe) -> None:
    """What one sandbox wrote lies under the next one's workspace."""
    first = probe.overlay({"gone": "1", "dir/old": "1", "kept": "1"}, "one")
    script = "rm gone; rm -r dir; mkdir dir; echo 2 >dir/new; ln -s kept link; printf x >'a b'"
    assert probe.with_(workspace=first).sh(script).exit.code == 0
    assert os.getxattr(first.upper / "dir", "user.overlay.opaque") == b"y"
    second = probe.overlay({}, "two")
    second = replace(second, lowers=(first.upper, *first.lowers))
    told = probe.with_(workspace=second).sh("find . -path ./.git -prune -o -print | sort")
    assert told.out == ".\n./a b\n./dir\n./dir/new\n./kept\n./link\n"
    again = probe.with_(workspace=first).sh("ls dir; rm dir/new; cat link")
    assert again.out == "new\n1", "a workspace that is not fresh is sent, too"
    assert list((first.upper / "dir").iterdir()) == []


def test_odd_things_come_back_for_ingest_to_refuse(probe: Probe) -> None:
    overlay = probe.overlay({})
    script = (
        "import os, socket\n"
        "os.mkfifo('pipe'); socket.socket(socket.AF_UNIX).bind('door')\n"
        "open('set', 'w').close(); os.chmod('set', 0o4755)\n"
        "open('shut', 'w').write('x'); os.chmod('shut', 0)\n"
        "os.mkdir('closed'); open('closed/in', 'w').close(); os.chmod('closed', 0)\n"
        "open('holes', 'w').truncate(2**28); f = open('holes', 'r+'); f.seek(2**27); f.write('y')\n"
        "f.close()\n"
        "for _ in range(300): os.mkdir('d'); os.chdir('d')\n"
    )
    ended = probe.with_(workspace=overlay).python(script)
    assert (ended.err, ended.exit.code) == ("", 0)
    modes = {path.name: path.lstat().st_mode for path in overlay.upper.iterdir()}
    assert stat.S_ISFIFO(modes["pipe"]) and stat.S_ISSOCK(modes["door"])
    assert stat.S_IMODE(modes["set"]) == 0o4755
    assert stat.S_IMODE(modes["shut"]) == stat.S_IMODE(modes["closed"]) == 0
    holes = (overlay.upper / "holes").lstat()
    assert holes.st_size == 2**28 and holes.st_blocks < 1024
    assert len(list(overlay.upper.glob("d/" * 100))) == 1


def test_more_than_the_walls_allow_stops_it_and_leaves_nothing(probe: Probe) -> None:
    overlay = probe.overlay({})
    walls = Walls(wall_s=60, disk_mib=8)
    stopped = probe.with_(workspace=overlay, walls=walls).sh(
        "head -c 64M /dev/urandom >big; sleep 50"
    )
    assert (stopped.exit.stopped, stopped.exit.code) == ("disk", None)
    many = "import os, time\nfor n in range(400): os.close(os.open(str(n), os.O_CREAT))\n"
    walls = Walls(wall_s=60, entries=300)
    quick = probe.with_(workspace=overlay, walls=walls).python(many)
    assert (quick.exit.stopped, quick.exit.code) == ("entries", None)
    assert list(overlay.upper.iterdir()) == []


def test_a_companion_that_is_killed_is_an_error(probe: Probe, engine: DockerEngine) -> None:
    class Rude(Heard):
        def stdout(self, chunk: bytes) -> None:
            with engine.connected() as client:
                for box in client.containers(filters={"name": "beside"}):
                    client.kill(box["Id"])

    overlay = probe.overlay({})
    with pytest.raises(InfraError, match="connection beside the sandbox broke"):
        probe.with_(workspace=overlay).sh("echo x; sleep 0.5", watch=Rude())


def test_over_tls(far_engine: Far, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own certificates, a stream whose one half ends before the other, and plenty both ways."""
    with far_engine.port() as port:
        engine = DockerEngine(None, address=f"tcp://127.0.0.1:{port}")
        assert not engine.reachable(), "without TLS"
        tunnel.cache_clear()
        monkeypatch.setenv("DOCKER_TLS_VERIFY", "1")
        monkeypatch.setenv("DOCKER_CERT_PATH", str(far_engine.folder))
        assert engine.reachable()
        probe = Probe(engine, tmp_path.resolve())
        sent = os.urandom(600_000).hex().encode()
        ended = probe.with_(workspace=probe.overlay({})).sh("tee copy; wc -c <copy", stdin=sent)
        assert ended.out == sent.decode() + f"{len(sent)}\n"
        monkeypatch.setenv("DOCKER_CERT_PATH", str(tmp_path))
        tunnel.cache_clear()
        with pytest.raises(InfraError, match="cannot be used"):
            engine.run(probe.spec, b"", Heard())


KILLED = """
import sys
from pathlib import Path
from runner.records.base import RunId
from runner.sandbox.docker import DockerEngine
from runner.sandbox.docker_tunnel import tunnel
from tests.contracts.conftest import Heard, Probe
class Loud(Heard):
    def stdout(self, chunk):
        print("started", flush=True)
engine = DockerEngine(None, address=sys.argv[1])
probe = Probe(engine, Path(sys.argv[2]))
probe = probe.with_(run=RunId(sys.argv[3]), workspace=probe.overlay({}))
probe.sh("echo x; sleep 600", watch=Loud())
"""


def test_a_killed_runner_is_cleaned_up_after(engine: DockerEngine, tmp_path: Path) -> None:
    run = f"killed-{os.getpid()}"
    argv = [sys.executable, "-c", KILLED, engine.address, str(tmp_path.resolve()), run]
    here = Path(__file__).parents[2]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=here) as runner:
        assert runner.stdout is not None
        assert runner.stdout.readline() == b"started\n"
        assert len(left(engine, run)) == 4, "two containers, two volumes"
        runner.send_signal(signal.SIGKILL)
    engine.reap()
    assert left(engine, run) == []


numbers = count()


@dataclass(frozen=True)
class Stage:
    """A repository and the engine its workspaces are written in."""

    engine: DockerEngine
    source: GitSource
    repository: Path

    def play(self, overlay: Overlay, script: list[Step]) -> None:
        probe = Probe(self.engine, overlay.upper.parent).with_(workspace=overlay)
        ended = probe.python(OPS, stdin=json.dumps(script).encode())
        assert ended.exit.code == 0, ended


@pytest.fixture(scope="module")
def law(far: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("law")
    checkout = make_checkout(folder / "repository")
    checkout.commit(BASE)
    source = open_source(checkout.path, None, folder / "state")
    yield Stage(DockerEngine(None, address=far), source, checkout.path)
    source.close()


@pytest.mark.slow
@settings(
    max_examples=int(os.environ.get("CODEX_RUNNER_LAW", "320")) // 32,
    deadline=None,
    database=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(script=steps)
def test_the_ingested_tree_is_the_one_git_add_would_make(law: Stage, script: list[Step]) -> None:
    try:
        with law.source.workspace(law.engine, f"law-{next(numbers)}") as overlay:
            law.play(overlay, script)
            tree = law.source.ingest(overlay, "law\n").tree
    except RefusedError as error:
        if "more than 40" in error.problem:  # git takes links that lead in circles; we do not
            reject()
        raise
    assert tree == what_git_makes(law.repository, script), script


@pytest.mark.live
def test_a_whole_run(far: str, tmp_path: Path) -> None:
    """Real codex, scripted model, gates and push; only the sandboxes are elsewhere."""
    engine = DockerEngine(None, address=far)
    with TemporaryDirectory(prefix="far-") as temporary:
        world = World(tmp_path, Path(temporary), make_sample(tmp_path), "docker")
        world.settings["DOCKER_HOST"] = far
        ended = world.run()
        assert ended.code == 0, ended
        assert set(ended.gates.values()) <= {"passed", "waived"}
        assert len(world.branches()) == 1
        world.check_signed(ended)
        world.check_tidy()
        assert ended.folder is not None
        assert left(engine, ended.folder.run) == []
