"""What every engine promises: one command, fed and heard, in a place where nothing else is."""

from __future__ import annotations

import os
import socket
import stat
import threading
from pathlib import Path

import pytest

from runner.errors import InfraError
from runner.gateway import shim
from runner.records.sandbox import WORK, Bind, StopReason
from runner.sandbox import relay
from tests.contracts.conftest import HOME, Heard, Probe
from tests.unit.test_relay import echo, serving

STATUS = """
for line in open("/proc/self/status"):
    name, _, value = line.partition(":")
    if name.startswith("Cap") or name in ("NoNewPrivs", "Seccomp"):
        print(name, value.strip())
"""
LOCKED = [*(f"Cap{kind} {'0' * 16}" for kind in ("Inh", "Prm", "Eff", "Bnd", "Amb"))]


def test_environment_is_exactly_what_was_given(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "of the host")
    ended = probe.with_(env={"GIVEN": "a=b c"}).run("/usr/bin/env")
    told = dict(line.split("=", 1) for line in ended.out.splitlines())
    told.pop("PWD", None)  # the working directory, which some engines tell
    assert told == {"PATH": probe.engine.path, "HOME": HOME, "GIVEN": "a=b c"}


def test_no_environment_of_the_host_in_any_process(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CANARY", "of-the-host")
    assert "of-the-host" not in probe.sh("cat /proc/[0-9]*/environ 2>/dev/null").out


@pytest.mark.parametrize("nested", [False, True])
def test_no_privileges(probe: Probe, nested: bool) -> None:
    told = probe.with_(nested=nested).python(STATUS).out.splitlines()
    assert sorted(told) == sorted([*LOCKED, "NoNewPrivs 1", "Seccomp 2"])
    assert probe.sh("id -u").out.strip() != "0"


def test_first_process_is_filtered_too(probe: Probe) -> None:
    assert "Seccomp:\t2\n" in probe.sh("cat /proc/1/status").out


@pytest.mark.parametrize("nested", [False, True])
def test_kernel_settings_and_devices_are_out_of_reach(probe: Probe, nested: bool) -> None:
    ended = probe.with_(nested=nested).sh(
        "for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/irq/default_smp_affinity;"
        " do (: >>$f) 2>/dev/null && echo wrote $f; done;"
        " for f in /dev/null /dev/zero /proc/cpuinfo; do"
        " chmod 600 $f 2>/dev/null && echo changed $f; done; true"
    )
    assert (ended.out, ended.exit.code) == ("", 0)


def test_only_a_loopback_interface_and_nowhere_to_go(probe: Probe) -> None:
    ended = probe.python(
        "import socket\n"
        "print([name for _, name in socket.if_nameindex()])\n"
        "print(len(open('/proc/net/route').readlines()))\n"
        "for address in ('192.0.2.1', '8.8.8.8'):\n"
        "    s = socket.socket()\n"
        "    try: s.connect((address, 53))\n"
        "    except OSError as error: print(error.strerror)\n"
        "try: socket.getaddrinfo('example.org', 80)\n"
        "except socket.gaierror: print('no name')\n"
    )
    unreachable = "Network is unreachable"
    assert ended.out.splitlines() == ["['lo']", "1", unreachable, unreachable, "no name"]


def test_root_file_system_is_read_only(probe: Probe) -> None:
    places = "/ /usr /etc /bin /opt /home /dev /proc /work"
    ended = probe.sh(f"for d in {places}; do (: >$d/x) 2>/dev/null && echo $d; done; true")
    assert (ended.out, ended.exit.code) == ("", 0)


def test_nothing_of_this_machine_is_visible(probe: Probe) -> None:
    secret = probe.folder / "secret"
    secret.write_text("canary")
    home = Path(os.environ["HOME"])
    (home / "canary").write_text("canary")
    ended = probe.sh(
        f"cat {secret} {home}/canary; ls /tmp {HOME} /root /srv /mnt /var/lib; cat /etc/shadow"
    )
    assert "canary" not in ended.out
    for path in (str(probe.folder), str(home)):
        assert path not in ended.out


def test_no_descriptor_is_inherited(probe: Probe) -> None:
    ended = probe.sh("ls /proc/self/fd")
    assert ended.out.split() == ["0", "1", "2", "3"]  # 3 is the listing itself


def test_command_lines_tell_no_path_of_this_machine(probe: Probe) -> None:
    ended = probe.with_(workspace=probe.overlay({}), codex=True).sh("cat /proc/[0-9]*/cmdline")
    assert str(probe.folder) not in ended.out
    assert "site-packages" not in ended.out


@pytest.mark.parametrize(
    ("script", "code"),
    [("exit 0", 0), ("exit 3", 3), ("kill -9 $$", 137), ("kill -TERM $$", 143), ("nosuch", 127)],
)
def test_exit_status(probe: Probe, script: str, code: int) -> None:
    exit_ = probe.sh(script).exit
    assert (exit_.code, exit_.stopped, exit_.out_of_memory) == (code, None, False)


def test_command_that_is_missing(probe: Probe) -> None:
    assert probe.run("/nonexistent/command").exit.code == 127


def test_stdin_arrives_whole_and_ends(probe: Probe) -> None:
    sent = os.urandom(300_000).hex().encode()
    ended = probe.sh("wc -c", stdin=sent)
    assert (ended.out.strip(), ended.exit.code) == (str(len(sent)), 0)
    assert probe.sh("wc -c").out.strip() == "0"


def test_stdin_nobody_reads_holds_up_nothing(probe: Probe) -> None:
    assert probe.sh("exec true", stdin=b"x" * 1_000_000).exit.code == 0


def test_stdout_and_stderr_are_told_apart_and_counted(probe: Probe) -> None:
    ended = probe.sh("echo out; printf 'e\\033[31mrr' >&2")
    assert (ended.out, ended.err) == ("out\n", "e\033[31mrr")
    assert (ended.exit.stdout_bytes, ended.exit.stderr_bytes) == (4, 8)
    assert ended.exit.stderr_tail == "e\\x1b[31mrr"


def test_output_of_the_last_moment_is_heard(probe: Probe) -> None:
    ended = probe.sh("head -c 200000 /dev/zero; head -c 200000 /dev/zero >&2")
    assert (len(ended.out), len(ended.err)) == (200_000, 200_000)


def test_workspace_is_written_beside_its_base(probe: Probe) -> None:
    overlay = probe.overlay({"kept": "1", "gone": "1", "changed": "1", "sub/file": "1"})
    ended = probe.with_(workspace=overlay).sh(
        "pwd; rm gone; echo 2 >>changed; mkdir new; echo 3 >new/file; mv kept renamed"
    )
    assert (ended.out, ended.err, ended.exit.code) == (f"{WORK}\n", "", 0)
    whiteout = (overlay.upper / "gone").lstat()
    assert stat.S_ISCHR(whiteout.st_mode) and whiteout.st_rdev == 0
    assert (overlay.upper / "changed").read_text() == "12\n"
    assert (overlay.upper / "new/file").stat().st_uid == probe.engine.uid
    assert sorted(path.name for path in overlay.lowers[0].iterdir()) == sorted(
        [".git", "kept", "gone", "changed", "sub"]
    )


def test_first_lower_layer_is_the_topmost(probe: Probe) -> None:
    overlay = probe.overlay({"file": "bottom", "deep": "bottom"}, layers=3)
    (overlay.lowers[0] / "file").write_text("top")
    (overlay.lowers[1] / "file").write_text("middle")
    (overlay.lowers[1] / "deep").write_text("middle")
    assert probe.with_(workspace=overlay).sh("cat file deep").out == "topmiddle"


def test_covers_cannot_be_changed_moved_or_removed(probe: Probe) -> None:
    overlay = probe.overlay({"file": ""})
    ended = probe.with_(workspace=overlay).sh(
        "cat .git/HEAD; for c in 'touch .git/x' 'rm -rf .git' 'mv .git moved' 'rmdir .git'"
        " 'ln .git/HEAD x' 'rm .git/HEAD' 'chmod 777 .git' 'mkdir t; mv -T t .git'; do"
        ' (eval "$c") 2>/dev/null && echo "could $c"; done; cat .git/HEAD'
    )
    assert ended.out == "covered\ncovered\n"
    assert (overlay.upper.parent / "cover/HEAD").read_text() == "covered\n"


def test_two_sandboxes_see_nothing_of_each_other(probe: Probe) -> None:
    first, second = probe.overlay({"f": "1"}, "one"), probe.overlay({"f": "2"}, "two")
    entered, left = threading.Event(), threading.Event()

    def until(heard: Heard) -> StopReason | None:
        if b"1" in heard.out:
            entered.set()
        return "interrupted" if left.is_set() else None

    script = "echo x >/tmp/mine; echo x >/dev/shm/mine; cat f; sleep 60"
    one = threading.Thread(
        target=lambda: probe.with_(workspace=first).sh(script, watch=Heard(until=until))
    )
    one.start()
    try:
        assert entered.wait(30)
        script = "cat f; ls /tmp /dev/shm; cat /proc/[0-9]*/cmdline"
        ended = probe.with_(workspace=second).sh(script)
    finally:
        left.set()
        one.join()
    assert ended.out.startswith("2")
    assert "mine" not in ended.out and "sleep" not in ended.out


def test_without_a_workspace_work_is_empty_and_read_only(probe: Probe) -> None:
    ended = probe.sh("pwd; ls -A; : >x; chmod 700 . && : >y; ls -A")
    assert ended.out == f"{WORK}\n"


def test_scratch_is_private_sized_and_executable(probe: Probe) -> None:
    ended = probe.sh(
        "cp /bin/echo /tmp/e && /tmp/e runs; head -c 32m /dev/zero >/tmp/big; rm /tmp/big;"
        f" : >{HOME}/x && echo writable"
    )
    assert ended.out == "runs\nwritable\n"
    assert "No space left" in ended.err
    assert probe.sh(f"ls -A /tmp; ls -A {HOME}").out == ""


def test_shared_memory_is_bounded(probe: Probe) -> None:
    assert "No space left" in probe.sh("head -c 512m /dev/zero >/dev/shm/big").err


def test_binds_are_read_only_also_inside_scratch(probe: Probe) -> None:
    source = probe.folder / "source"
    source.mkdir(mode=0o755)
    (source / "file").write_text("told")
    binds = (Bind(source, "/etc/product"), Bind(source / "file", f"{HOME}/file"))
    ended = probe.with_(binds=binds).sh(
        f"cat /etc/product/file {HOME}/file; echo x >/etc/product/file; echo x >{HOME}/file"
    )
    assert ended.out == "toldtold"
    assert (source / "file").read_text() == "told"


def test_mount_sources_behind_a_link_are_refused(probe: Probe) -> None:
    (probe.folder / "link").symlink_to("/etc")
    with pytest.raises(InfraError, match="symbolic link"):
        probe.with_(binds=(Bind(probe.folder / "link" / "passwd", "/mnt/x"),)).sh("true")


def test_codex_is_where_it_belongs(probe: Probe) -> None:
    ended = probe.with_(codex=True).sh("/opt/codex/bin/codex --version; command -v rg")
    assert ended.out.splitlines()[1:] == ["/opt/codex/codex-path/rg"]
    assert ended.out.startswith("codex-cli ")


def test_codex_starts_its_inner_sandbox_when_nested(probe: Probe) -> None:
    inner = "/opt/codex/bin/codex sandbox -P :workspace -- sh -c 'echo in; echo x >made'"
    overlay = probe.overlay({})
    nested = probe.with_(codex=True, workspace=overlay, env={"CODEX_HOME": HOME})
    if not {check.name: check.ok for check in probe.engine.checks()}["inner sandbox"]:
        pytest.skip(f"engine {probe.engine.name} cannot nest sandboxes here")
    assert nested.with_(nested=True).sh(inner).out == "in\n"
    assert (overlay.upper / "made").is_file()
    assert nested.with_(nested=False, workspace=None).sh(inner).out == ""


def test_relay_reaches_the_socket_and_nothing_else(probe: Probe) -> None:
    directory = probe.folder / "broker"
    directory.mkdir(mode=0o755)
    binds = (Bind(directory, "/run/broker"), Bind(Path(relay.__file__), "/etc/product/relay.py"))
    client = (
        "import socket\n"
        "s = socket.create_connection(('127.0.0.1', 8080)); s.sendall(b'x' * 500000)\n"
        "s.shutdown(socket.SHUT_WR); n = 0\n"
        "while c := s.recv(65536): n += len(c)\n"
        "print(n); raise SystemExit(5)\n"
    )
    argv = ("-I", "-S", "/etc/product/relay.py", "8080", "/run/broker/model.sock", "--")
    with serving(directory / "model.sock", echo):
        (directory / "model.sock").chmod(0o666)
        ended = probe.with_(binds=binds).run(
            probe.engine.python, *argv, probe.engine.python, "-I", "-c", client
        )
    assert (ended.out, ended.err, ended.exit.code) == ("500000\n", "", 5)


def test_the_shim_reaches_the_gate_beside_the_model(probe: Probe) -> None:
    directory = probe.folder / "broker"
    directory.mkdir(mode=0o755)
    script = "/etc/product/shim.py"
    binds = (Bind(directory, "/run/broker"), Bind(Path(str(shim.__file__)), script))

    def allow(link: socket.socket) -> None:
        assert link.recv(65536).startswith(b"POST /hook/ask ")
        link.sendall(b"HTTP/1.1 200 OK\r\n\r\nALLOW rc_%s\n" % (b"0" * 32))

    def codes(*gates: str) -> list[int | None]:
        asks = probe.with_(binds=binds)
        argv = [("-I", "-S", script, "ask", f"/run/broker/{name}", "20") for name in gates]
        return [asks.run(probe.engine.python, *words).exit.code for words in argv]

    with serving(directory / "model.sock", echo), serving(directory / "gate.sock", allow):
        for name in ("model.sock", "gate.sock"):
            (directory / name).chmod(0o666)
        assert codes("gate.sock", "none.sock") == [0, 2]
