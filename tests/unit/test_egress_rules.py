"""Which hosts a setup may reach: names, what both sides allow, and the addresses behind a name."""

from __future__ import annotations

import ssl
from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.egress.client_hello import NotTlsError, server_name
from runner.egress.request import MalformedError, read_ask
from runner.egress.rules import make_rules
from runner.records.hosts import common, make_host, parse_host
from runner.records.setup import Setup

LABELS = st.sampled_from(["a", "b-1", "files", "*"])
HOSTS = st.builds(
    lambda labels, port: f"{'.'.join(labels)}.example.com{port}",
    st.lists(LABELS, min_size=1, max_size=2).filter(lambda labels: "*" not in labels[1:]),
    st.sampled_from(["", ":443", ":8443"]),
).map(parse_host)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Packages.Example.com", "packages.example.com"),
        ("packages.example.com:443", "packages.example.com"),
        ("*.example.com:8443", "*.example.com:8443"),
        ("http://mirror", "http://mirror"),
        ("https://mirror:80", "mirror:80"),
    ],
)
def test_one_form_of_a_host(text: str, shown: str) -> None:
    assert str(parse_host(text)) == shown


@pytest.mark.parametrize(
    "text",
    [
        *("10.0.0.1", "127.1", "0x7f.1", "2130706433", "0x7f000001", "[::1]:443", "::1"),
        *("*", "*.com", "a.*.com", "a*.example.com", "**.example.com", "-a.com", "a-.com"),
        *("a..com", ".a.com", "a.com.", "a.com:0", "a.com:65536", "a.com:99999", "a.com:+1"),
        *("ftp://a.com", "a.com/", "user@a.com", "a.com:443@evil.com", "a com", "a.com\n", ""),
        *("ä.example.com", "a." * 130 + "com", "a" * 64 + ".com"),
    ],
)
def test_what_is_no_host(text: str) -> None:
    with pytest.raises(ValueError, match=r"host name|port"):
        parse_host(text)


def test_a_star_is_one_label() -> None:
    star = parse_host("*.example.com")
    assert star.covers(parse_host("a.example.com"))
    for other in ("example.com", "a.b.example.com", "aexample.com", "a.example.com:80"):
        assert not star.covers(parse_host(other))


@given(st.lists(HOSTS), st.lists(HOSTS), HOSTS)
def test_common_is_what_both_allow(asked: list, allowed: list, host: object) -> None:  # type: ignore[type-arg]
    wanted = parse_host(str(host).replace("*", "x"))
    both = all(any(rule.covers(wanted) for rule in side) for side in (asked, allowed))
    assert any(rule.covers(wanted) for rule in common(asked, allowed)) == both


RULES = make_rules(
    Setup(
        commands=("true",),
        hosts=("a.example.com", "mirror.example.com", "*.cdn.example.com:8443"),
        asked=("a.example.com", "mirror.example.com", "*.cdn.example.com:8443", "b.example.com"),
        allowed=("a.example.com", "mirror.example.com", "*.cdn.example.com:8443"),
        allow_private=("mirror.example.com", "10.1.0.0/16"),
    )
)


def test_the_line_that_would_allow_a_host() -> None:
    assert RULES.refuse_host(parse_host("a.example.com")) is None
    assert RULES.refuse_host(parse_host("x.cdn.example.com:8443")) is None
    asked = RULES.refuse_host(parse_host("b.example.com"))
    assert asked is not None and asked.why == "not in the operator's settings"
    assert asked.remedy == (
        'hosts = ["a.example.com", "mirror.example.com", "*.cdn.example.com:8443", "b.example.com"]'
        " under [setup] in config.toml"
    )
    neither = RULES.refuse_host(parse_host("http://c.example.com"))
    assert neither is not None
    assert neither.remedy.count("http://c.example.com") == 2
    assert ".codex-runner.toml and hosts" in neither.remedy


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "198.18.0.1"),
        *("::1", "fc00::1", "fd12::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "64:ff9b::7f00:1"),
        *("2002:7f00:1::", "2001:0:7f00:1::", "2001:db8::1", "::127.0.0.1", "203.0.113.1"),
    ],
)
def test_private_addresses_need_the_operators_word(address: str) -> None:
    host = parse_host("a.example.com")
    refusal = RULES.refuse_address(host, address)
    assert refusal is not None
    assert '"a.example.com"] under [setup] in config.toml' in refusal.remedy
    assert RULES.refuse_address(parse_host("mirror.example.com"), address) is None


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "169.254.1.1", "168.63.129.16", "100.100.100.200", "192.0.0.192"),
        *("fd00:ec2::254", "fe80::1", "0.0.0.0", "::", "224.0.0.1", "255.255.255.255", "ff02::1"),
        "::ffff:169.254.169.254",
    ],
)
def test_metadata_is_never_reached(address: str) -> None:
    refusal = RULES.refuse_address(parse_host("mirror.example.com"), address)
    assert refusal is not None and refusal.remedy == ""


def test_public_and_named_networks() -> None:
    host = parse_host("a.example.com")
    for address in ("1.1.1.1", "2606:4700::1111", "10.1.2.3"):
        assert RULES.refuse_address(host, address) is None
    assert RULES.refuse_address(host, "10.2.0.1") is not None


@cache
def hello(name: str | None) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    out = ssl.MemoryBIO()
    client = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return out.read()


def test_the_name_in_a_real_hello() -> None:
    said = hello("A.example.com")
    assert server_name(said) == "a.example.com"
    for cut in range(len(said)):
        assert server_name(said[:cut]) is None
    body = said[5:]
    pieces = [body[at : at + 50] for at in range(0, len(body), 50)]
    spread = b"".join(b"\x16\x03\x01" + len(piece).to_bytes(2) + piece for piece in pieces)
    assert server_name(spread) == "a.example.com"


@pytest.mark.parametrize(
    "said",
    [
        *(
            b"GET / HTTP/1.1\r\n",
            b"SSH-2.0-x\r\n",
            b"\x80\x2e\x01\x03\x01",
            b"\x16\x02\x01\x00\x05",
        ),
        *(
            b"\x16\x03\x01\x00\x00",
            b"\x16\x03\x01\xff\xff",
            b"\x16\x03\x01\x00\x04\x02\x00\x00\x00",
        ),
        *(b"\x16\x03\x01\x00\x04\x01\xff\xff\xff", b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00"),
    ],
)
def test_what_is_no_hello(said: bytes) -> None:
    with pytest.raises(NotTlsError):
        server_name(said)


def test_a_hello_without_a_name() -> None:
    with pytest.raises(NotTlsError, match="0 server names"):
        server_name(hello(None))


@given(st.binary(max_size=200), st.integers(0, 400))
def test_any_hello_is_read_or_refused(noise: bytes, at: int) -> None:
    said = hello("a.example.com")
    broken = said[:at] + noise + said[at + len(noise) :]
    try:
        server_name(broken)
    except NotTlsError:
        return


def ask(*lines: str) -> bytes:
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_tunnel_is_asked_for(version: str) -> None:
    found = read_ask(ask(f"CONNECT A.example.com:443 HTTP/{version}", "Host: a.example.com:443"))
    assert (found.host, found.tunnel) == (make_host("https", "a.example.com", 443), True)


def test_a_document_is_asked_for_anew() -> None:
    found = read_ask(
        ask(
            "GET http://a.example.com:8080/x?y=%20 HTTP/1.1",
            *("Host: a.example.com:8080", "Proxy-Authorization: Basic eA==", "TE: trailers"),
            *("Connection: keep-alive", "Accept: */*"),
        )
    )
    assert str(found.host) == "http://a.example.com:8080"
    assert found.forward == ask(
        *("GET /x?y=%20 HTTP/1.1", "host: a.example.com:8080", "accept: */*", "connection: close")
    )


@pytest.mark.parametrize(
    "head",
    [
        ask("CONNECT 10.0.0.1:443 HTTP/1.1"),
        ask("CONNECT 169.254.169.254:80 HTTP/1.1"),
        ask("CONNECT 0x7f.1:443 HTTP/1.1"),
        ask("CONNECT [::1]:443 HTTP/1.1"),
        ask("CONNECT a.example.com:443@evil.example:443 HTTP/1.1"),
        ask("CONNECT a.example.com:443\tHTTP/1.1"),
        ask("CONNECT a.example.com:443  HTTP/1.1"),
        ask("CONNECT a.example.com:0443 HTTP/1.1"),
        ask("CONNECT a.example.com:65536 HTTP/1.1"),
        ask("CONNECT a.example.com HTTP/1.1"),
        ask("CONNECT a.example.com:443 HTTP/2.0"),
        ask("CONNECT a.example.com\0.evil.example:443 HTTP/1.1"),
        ask("CONNECT *.example.com:443 HTTP/1.1"),
        ask("connect a.example.com:443 HTTP/1.1"),
        ask("CONNECT a.example.com:443 HTTP/1.1", "Host: evil.example"),
        ask("CONNECT a.example.com:8443 HTTP/1.1", "Host: a.example.com"),
        ask("CONNECT a.example.com:443 HTTP/1.1", "Host: a.example.com", "Host: a.example.com"),
        ask("CONNECT a.example.com:443 HTTP/1.1", "Host : a.example.com"),
        ask("CONNECT a.example.com:443 HTTP/1.1", "X: a\n evil: b"),
        ask("CONNECT a.example.com:443 HTTP/1.1", " folded"),
        ask("CONNECT a.example.com:443 HTTP/1.1", "X: \xff"),
        ask("CONNECT a.example.com:443 HTTP/1.1", "Content-Length: 5"),
        ask("CONNECT a.example.com:443 HTTP/1.1", "Transfer-Encoding: chunked"),
        ask("GET / HTTP/1.1", "Host: a.example.com"),
        ask("GET https://a.example.com/ HTTP/1.1"),
        ask("GET http://user@a.example.com/ HTTP/1.1"),
        ask("GET http://a.example.com#@evil.example/ HTTP/1.1"),
        ask("GET http://10.0.0.1/ HTTP/1.1"),
        ask("POST http://a.example.com/ HTTP/1.1", "Content-Length: 0"),
        ask("GET http://a.example.com/ HTTP/1.1", "Upgrade: websocket"),
        ask("GET http://a.example.com/ HTTP/1.1", "Host: evil.example"),
    ],
)
def test_every_other_request_is_malformed(head: bytes) -> None:
    with pytest.raises(MalformedError):
        read_ask(head)
