"""Where a key may be, and that it is never shown."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from runner.broker import keys
from runner.broker.keys import Key, load_key
from runner.errors import ConfigError, InfraError

SECRET = "sk-test-0123456789"


def write(path: Path, content: bytes, mode: int = 0o600) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return f"file:{path}"


def test_from_the_environment() -> None:
    assert load_key("env:MY_KEY", {"MY_KEY": f" {SECRET}\n"}).secret == SECRET.encode()


def test_from_a_file(tmp_path: Path) -> None:
    assert load_key(write(tmp_path / "key", SECRET.encode() + b"\n")).secret == SECRET.encode()


def test_from_the_key_store(monkeypatch: pytest.MonkeyPatch) -> None:
    store = ModuleType("keyring")
    store.errors = ModuleType("keyring.errors")  # type: ignore[attr-defined]
    store.errors.KeyringError = OSError
    found = {("service", "user"): SimpleNamespace(password=SECRET)}
    store.get_credential = lambda s, u: found.get((s, u))  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", store)
    monkeypatch.setitem(sys.modules, "keyring.errors", store.errors)
    assert load_key("keyring:service/user").secret == SECRET.encode()
    with pytest.raises(ConfigError, match="is empty") as caught:
        load_key("keyring:service/other")
    assert "keyring set service other" in caught.value.remedy


def script(tmp_path: Path, text: str) -> str:
    path = tmp_path / "helper"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o700)
    return f"command:{path}"


def test_from_a_command(tmp_path: Path) -> None:
    helper = script(tmp_path, 'echo "$1-$#-$HOME-${LEAK:-none}" | tr " " _')
    given = {"HOME": "/here", "LEAK": "CANARY"}
    assert load_key(f"{helper} 'sk-test 1' two", given).secret.decode() == "sk-test_1-2-/here-none"


def test_commands_that_give_no_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, why in (
        ("echo CANARY >&2; exit 3", "failed with exit status 3"),
        ("true", "under 8 bytes"),
        ("echo two words-here; echo and lines", "not one printable word"),
        ("exec yes CANARY", "printed more than 65536 bytes"),
    ):
        with pytest.raises((ConfigError, InfraError), match=why) as caught:
            load_key(script(tmp_path, text), {})
        assert "CANARY" not in f"{caught.value} {caught.value.remedy}"
    monkeypatch.setattr(keys, "COMMAND_S", 0.1)
    with pytest.raises(InfraError, match=r"took 0\.1 s"):
        load_key(script(tmp_path, "exec sleep 60"), {})
    with pytest.raises(InfraError):
        load_key("command:/nonexistent/helper", {})


def test_without_the_keyring_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(ConfigError, match="missing"):
        load_key("keyring:service/user")


@pytest.mark.parametrize("spec", ["", "env:", SECRET, "vault:x", "file:", "env"])
def test_places_that_are_none(spec: str) -> None:
    with pytest.raises(ConfigError):
        load_key(spec, {})


@pytest.mark.parametrize(
    "value", ["", "  ", "short", "two words-here", "k" * 20_000, "clé-0123456789", "tab\tinside-it"]
)
def test_values_that_are_no_key(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_key("env:MY_KEY", {"MY_KEY": value})
    assert caught.value.remedy
    assert not value.strip() or value not in str(caught.value)


def test_files_that_are_refused(tmp_path: Path) -> None:
    good = write(tmp_path / "good", SECRET.encode())
    (tmp_path / "link").symlink_to(tmp_path / "good")
    os.mkfifo(tmp_path / "pipe", 0o600)
    for spec, why in (
        (f"file:{tmp_path / 'absent'}", "No such file"),
        (f"file:{tmp_path / 'link'}", "symbolic links"),
        (f"file:{tmp_path / 'pipe'}", "not a regular file"),
        (f"file:{tmp_path}", "not a regular file"),
        (write(tmp_path / "open", SECRET.encode(), 0o640), "open to others"),
        (write(tmp_path / "huge", b"k" * 20_000), "over 16384 bytes"),
        (write(tmp_path / "empty", b"\n"), "under 8 bytes"),
        (write(tmp_path / "lines", b"sk-first-line\nsk-second-line"), "not one printable word"),
    ):
        with pytest.raises(ConfigError, match=why):
            load_key(spec)
    assert load_key(good)


def test_a_file_of_somebody_else_is_told_how_to_get_it(tmp_path: Path) -> None:
    spec = write(tmp_path / "key", SECRET.encode())
    me = os.geteuid()
    (tmp_path / "key").chmod(0)
    if me == 0:  # root may read everything
        os.seteuid(65534)
    try:
        with pytest.raises(ConfigError, match="Permission denied") as caught:
            load_key(spec)
    finally:
        os.seteuid(me)
    assert "chown" in caught.value.remedy and "chmod 600" in caught.value.remedy


def test_a_key_does_not_print_itself() -> None:
    key = Key(SECRET.encode(), "env:MY_KEY")
    assert SECRET not in f"{key} {key!r} {[key]}"
    assert "env:MY_KEY" in repr(key)
