"""Remote URLs of GitHub hosts."""

from __future__ import annotations

import pytest

from runner.errors import ConfigError
from runner.forge.address import Address, parse_remote, without_credentials


@pytest.mark.parametrize(
    "remote",
    [
        "https://github.com/o/r",
        "https://github.com/o/r.git",
        "https://github.com/o/r.git/",
        "https://user:secret@github.com/o/r.git",
        "https://github.com:443/o/r.git",
        "http://github.com/o/r",
        "HTTPS://GitHub.com/o/r",
        "https://www.github.com/o/r",
        "ssh://git@github.com/o/r.git",
        "ssh://git@ssh.github.com:443/o/r.git",
        "git+ssh://git@github.com/o/r",
        "git://github.com/o/r.git",
        "git@github.com:o/r.git",
        "github.com:o/r",
        "git@github.com:/o/r.git",
    ],
)
def test_the_same_repository_in_all_forms(remote: str) -> None:
    assert parse_remote(remote) == Address("github.com", "o", "r")


def test_enterprise_hosts_ports_and_names() -> None:
    with_port = parse_remote("https://git.example.com:8443/my-org/a.b_c-1.git")
    assert with_port == Address("git.example.com:8443", "my-org", "a.b_c-1")
    assert with_port.api == "https://git.example.com:8443/api/v3"
    assert with_port.slug == "my-org/a.b_c-1"
    assert parse_remote("ssh://git@git.example.com:2222/o/r").host == "git.example.com"
    assert parse_remote("git@github.com:o_corp/r").owner == "o_corp"
    assert parse_remote("git@github.com:o/r").api == "https://api.github.com"
    assert parse_remote("git@github.com:o/r.git.git").name == "r.git"


@pytest.mark.parametrize(
    "remote",
    [
        "",
        "/srv/repo.git",
        "../repo",
        "file:///srv/o/r.git",
        "https://github.com/o",
        "https://github.com/o/r/x",
        "https://github.com/o/..",
        "https://github.com/o/.",
        "https://github.com/../r",
        "https://github.com/o/r?x=1",
        "https://github.com/o/r#x",
        "https://github.com/o/a%2Fb",
        "https://github.com:port/o/r",
        "https:///o/r",
        "https://[::1/o/r",
        "git@github.com:o/r\nx",
        "git@-oProxyCommand=x:o/r",
        "ext::sh -c x",
        "https://user:hunter2@github.com/o/r/x",
    ],
)
def test_anything_else_is_refused_without_its_password(remote: str) -> None:
    with pytest.raises(ConfigError, match="is not OWNER/NAME") as caught:
        parse_remote(remote)
    assert "hunter2" not in "".join(caught.value.lines())


def test_credentials_are_not_shown() -> None:
    assert without_credentials("https://u:p@h/o/r") == "https://h/o/r"
    assert without_credentials("git@h:o/r") == "git@h:o/r"
