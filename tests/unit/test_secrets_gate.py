"""Gate `secrets` with the real scanner. Every sample is put together here, at run time."""

from __future__ import annotations

import base64
import bz2
import codecs
import gzip
import io
import json
import lzma
import random
import string
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.errors import RefusedError
from runner.gates.scanner import Scanner
from runner.gates.secrets import SecretsGate
from runner.records.gate import GateReport
from tests.fakes import CaseBuilder, File, Tree

RANDOM = random.Random(20261120)
BASE62 = string.ascii_letters + string.digits


def token(prefix: str, length: int, alphabet: str = BASE62) -> str:
    return prefix + "".join(RANDOM.choice(alphabet) for _ in range(length))


GITHUB = token("gh" + "p_", 36)
AWS_ID = token("AK" + "IA", 16, string.ascii_uppercase + "234567")
SLACK = "xo" + "xb-" + token("", 12, string.digits) + "-" + token("", 12, string.digits)
SLACK += "-" + token("", 24)
PEM = "\n".join(
    (
        "-----BEGIN " + "PRIVATE KEY-----",
        *(token("", 64) for _ in range(12)),
        "-----END " + "PRIVATE KEY-----",
    )
)
JWT = ".".join(
    base64.urlsafe_b64encode(part.encode()).decode().rstrip("=")
    for part in ('{"alg":"HS256","typ":"JWT"}', '{"sub":"4711","n":"Ada"}', token("", 32))
)
KEY = token("", 40)
OWN = token("sk-" + "own-", 40).encode()
"""Stands for the runner's own key."""


@pytest.fixture(scope="module")
def gate(warm_scanner: Path) -> Iterator[SecretsGate]:
    with Scanner(warm_scanner) as scanner:
        yield SecretsGate(scanner.scan)


def check(gate: SecretsGate, new: Tree, old: Tree | None = None) -> GateReport:
    return gate.check(CaseBuilder(old=old or {}, new=new, held=(OWN,)).case())


def codes(report: GateReport) -> set[str]:
    return {finding.code for finding in report.findings}


KINDS = {
    "github": (f"t = '{GITHUB}'\n", "secrets.github-pat"),
    "aws id alone": (f"id = '{AWS_ID}'\n", "secrets.aws-access-key-id"),
    "slack": (f"S={SLACK}\n", "secrets.slack-bot-token"),
    "private key": (PEM, "secrets.private-key"),
    "jwt": (f"x {JWT}\n", "secrets.jwt"),
    "assignment": (f'api_key = "{KEY}"\n', "secrets.generic"),
    "yaml": (f"db:\n  password: {token('', 20)}\n", "secrets.generic"),
    "environment": (f"SERVICE_SECRET={KEY}\n", "secrets.generic"),
    "header": (f'"Authorization": "Bearer {KEY}"\n', "secrets.generic"),
    "url": (f"postgres://app:{token('', 12)}7a@db.internal/x\n", "secrets.generic"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds(gate: SecretsGate, kind: str) -> None:
    content, code = KINDS[kind]
    report = check(gate, {"a.txt": b"first line\n" + content.encode()})
    assert report.verdict == "refused"
    assert code in codes(report)
    assert all(finding.retryable and finding.path == "a.txt" for finding in report.findings)
    assert {finding.line for finding in report.findings} <= {2, 3}


HARMLESS = (
    'api_key = os.environ["API_KEY"]',
    "password = getpass.getpass('Password: ')",
    'token = "<your token>"',
    "SECRET_KEY=changeme",
    "API_TOKEN=${API_TOKEN}",
    "password: xxxxxxxxxxxxxxxx",
    'key = "0002_alter_permission_name_max_length"',
    "sha256 = '" + "0123456789abcdef" * 4 + "'",
    "aws_id = 'AK" + "IAIOSFODNN7EXAMPLE'",
    "https://user:password@localhost/db",
    "author = 'J. R. R. Tolkien 1892'",
    "def verify(envelope: bytes, key: Ed25519PublicKey) -> Json:",
    "primary_key = models.AutoField(primary_key=True)",
    "keyword1 = value2; key_event = pygame.K_a",
    "-----BEGIN " + "PRIVATE KEY----- is how such a file starts",
)


@pytest.mark.parametrize("line", HARMLESS)
def test_ordinary_text_is_not_refused(gate: SecretsGate, line: str) -> None:
    assert check(gate, {"a.py": line.encode() + b"\n"}).verdict == "passed"


def wrapped(text: str) -> bytes:
    return base64.encodebytes(text.encode() * 3)


def zipped(text: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("in/a.txt", text)
    return out.getvalue()


HIDINGS: dict[str, Callable[[str], bytes]] = {
    "utf-16": lambda text: text.encode("utf-16"),
    "utf-16-be without a mark": lambda text: text.encode("utf-16-be"),
    "utf-32": lambda text: text.encode("utf-32"),
    "after NULs": lambda text: b"\0" * 64 + text.encode(),
    "in a binary": lambda text: b"\x7fELF" + bytes(range(256)) + text.encode() + bytes(range(256)),
    "byte order mark lie": lambda text: b"\xff\xfe" + text.encode(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64 twice": lambda text: base64.b64encode(base64.b64encode(text.encode())),
    "base64 in lines": wrapped,
    "hex": lambda text: text.encode().hex().encode(),
    "one escape in a URL": lambda text: (
        f"https://x.example/?a={text.replace('_', '%5F')}&b".encode()
    ),
    "one escape in a literal": lambda text: text.replace("_", "\\x5f").encode(),
    "hex escapes": lambda text: "".join(f"\\x{ord(char):02x}" for char in text).encode(),
    "unicode escapes": lambda text: "".join(f"\\u{ord(char):04x}" for char in text).encode(),
    "percent": lambda text: "".join(f"%{ord(char):02X}" for char in text).encode(),
    "two literals": lambda text: f'k = ("{text[:13]}"\n     "{text[13:]}")'.encode(),
    "sum of literals": lambda text: f"k = '{text[:13]}' + '{text[13:]}'".encode(),
    "continued line": lambda text: f"K={text[:13]}\\\n{text[13:]}".encode(),
    "far away": lambda text: b"lorem ipsum\n" * 90_000 + text.encode(),
    "end of a long line": lambda text: b"a " * 500_000 + text.encode(),
    "carriage returns": lambda text: b"x\r" + text.encode() + b"\ry",
    "vertical tabs": lambda text: f"x\x0b{text}\x0c\u0085\u2028y".encode(),
    "gzip": lambda text: gzip.compress(text.encode()),
    "bzip2": lambda text: bz2.compress(text.encode()),
    "xz": lambda text: lzma.compress(text.encode()),
    "zip": zipped,
    "zip in gzip": lambda text: gzip.compress(zipped(text)),
    "json": lambda text: json.dumps({"resolved": f"https://x.invalid/?t={text}"}).encode(),
    "comment of a drawing": lambda text: f"<svg><!-- {text} --></svg>".encode(),
}


@pytest.mark.parametrize("how", HIDINGS)
def test_hidden_provider_tokens(gate: SecretsGate, how: str) -> None:
    report = check(gate, {"a.dat": HIDINGS[how](GITHUB)})
    assert report.verdict == "refused"
    assert "secrets.github-pat" in codes(report)
    assert GITHUB not in report.model_dump_json()


OWN_HIDINGS: dict[str, Callable[[str], bytes]] = {
    **HIDINGS,
    "reversed": lambda text: text[::-1].encode(),
    "rot13": lambda text: codecs.encode(text, "rot13").encode(),
    "base32": lambda text: base64.b32encode(text.encode()),
    "base64 off its group": lambda text: base64.b64encode(f"ab{text}c".encode()),
    "character codes": lambda text: str([ord(char) for char in text]).encode(),
    "interleaved": lambda text: " ".join(text).encode(),
    "zero width": lambda text: "\u200b".join(text).encode(),
    "ebcdic": lambda text: text.encode("cp500"),
    "upper-case hex": lambda text: text.encode().hex(":").upper().encode(),
}


@pytest.mark.parametrize("how", OWN_HIDINGS)
def test_the_runners_own_credentials_are_found_in_any_dress(gate: SecretsGate, how: str) -> None:
    report = check(gate, {"a.dat": OWN_HIDINGS[how](OWN.decode())})
    assert (report.verdict, codes(report)) == ("refused", {"secrets.held"})
    assert OWN.decode() not in report.model_dump_json()
    assert not report.findings[0].retryable


@pytest.mark.parametrize("path", ["package-lock.json", "node_modules/x.js", ".env", "testdata/a"])
def test_no_path_is_excluded(gate: SecretsGate, path: str) -> None:
    assert check(gate, {path: f"t={GITHUB}".encode()}).verdict == "refused"


def test_names_and_links(gate: SecretsGate) -> None:
    named = check(gate, {f"src/{GITHUB}/x": b"x\n"})
    assert "secrets.github-pat" in codes(named)
    assert GITHUB not in named.model_dump_json()
    linked = check(gate, {"link": File(f"../{GITHUB}".encode(), "120000")})
    assert "secrets.github-pat" in codes(linked)
    assert "secrets.held" in codes(check(gate, {f"a/{OWN.decode()}": b""}))


@pytest.mark.parametrize("label", ["branch", "commit message", "title", "body"])
def test_other_texts(gate: SecretsGate, label: str) -> None:
    texts = {label: f"see {GITHUB}"}
    report = gate.check(CaseBuilder(new={"a": b"x\n"}, texts=texts).case())
    assert report.verdict == "refused"
    assert report.findings[0].path is None and label in report.findings[0].why
    with pytest.raises(RefusedError):
        gate.outbound(texts, ())
    with pytest.raises(RefusedError, match="credential of the runner"):
        gate.outbound({label: OWN.hex()}, (OWN,))
    gate.outbound({label: "Mend the parser"}, (OWN,))


def test_what_was_there_before_is_not_new(gate: SecretsGate) -> None:
    old = f"# config\ntoken = '{GITHUB}'\nend\n".encode()
    assert check(gate, {"a": old + b"more\n"}, {"a": old}).verdict == "passed"
    assert check(gate, {"a": b"\n\n" + old[::1]}, {"a": old}).verdict == "passed"
    assert check(gate, {"a": File(old, "100755")}, {"a": old}).verdict == "passed"
    moved = check(gate, {"b": b"one line more\n" + old}, {"a": old})
    assert moved.verdict == "passed"


def test_a_new_secret_beside_an_old_one_is_found(gate: SecretsGate) -> None:
    old = f"token = '{GITHUB}'\n".encode()
    fresh = token("gh" + "p_", 36)
    report = check(gate, {"a": old + f"other = '{fresh}'\n".encode()}, {"a": old})
    assert {finding.line for finding in report.findings} == {2}
    renamed = check(gate, {"b": old + f"other = '{fresh}'\n".encode()}, {"a": old})
    assert renamed.verdict == "refused"
    readded = check(gate, {"a": f"a\n{fresh}\nc\n".encode()}, {"a": b"a\nb\nc\n"})
    assert readded.verdict == "refused"


def test_an_old_secret_in_another_file_excuses_nothing(gate: SecretsGate) -> None:
    content = f"token = '{GITHUB}'\n".encode()
    report = check(gate, {"a": content + b"x\n", "b": content}, {"a": content})
    assert {finding.path for finding in report.findings} == {"b"}


@pytest.mark.parametrize(
    "marker",
    [
        "gitleaks" + ":allow",
        "kingfisher" + ":ignore",
        "trufflehog" + ":ignore",
        "pragma: allow" + "list secret",
        "pragma: allow" + "list nextline secret",
    ],
)
def test_markers_are_findings_and_never_exemptions(gate: SecretsGate, marker: str) -> None:
    alone = check(gate, {"a.py": f"x = 1  # {marker}\n".encode()})
    assert (alone.verdict, codes(alone)) == ("refused", {"secrets.allow-marker"})
    both = check(gate, {"a.py": f"t = '{GITHUB}'  # {marker}\n".encode()})
    assert {"secrets.allow-marker", "secrets.github-pat"} <= codes(both)
    old = f"x = 1  # {marker}\n".encode()
    assert check(gate, {"a.py": old + b"y = 2\n"}, {"a.py": old}).verdict == "passed"


@pytest.mark.parametrize(
    "data",
    [
        b"7z\xbc\xaf\x27\x1c" + b"x" * 50,
        b"\x28\xb5\x2f\xfd" + b"x" * 50,
        gzip.compress(bytes(40 * 1024 * 1024)),
        gzip.compress(b"text" * 100)[:-20],
        gzip.compress(gzip.compress(gzip.compress(gzip.compress(b"text")))),
        b"PK\x03\x04" + b"\0" * 30,
    ],
    ids=["7z", "zstd", "bomb", "cut", "deep", "broken zip"],
)
def test_what_cannot_be_looked_into_is_refused(gate: SecretsGate, data: bytes) -> None:
    report = check(gate, {"a.bin": data})
    assert (report.verdict, codes(report)) == ("refused", {"secrets.opaque"})


def test_what_is_too_large_is_refused_unread(gate: SecretsGate) -> None:
    one = check(gate, {"a": b"x" * (9 * 1024 * 1024)})
    assert (one.verdict, codes(one)) == ("refused", {"secrets.too-large"})
    all_together = check(gate, {f"f{n}": b"%d" % n * (4 * 1024 * 1024) for n in range(17)})
    assert codes(all_together) == {"secrets.too-large"}


def test_a_weak_suspicion_warns_only(gate: SecretsGate) -> None:
    report = check(gate, {"a.ini": b"db_password = winter2024\n"})
    assert (report.verdict, codes(report)) == ("passed", {"secrets.weak"})
    assert report.findings[0].why.startswith("a.ini:1: warning")


def test_digests_tell_secrets_apart_but_not_what_they_are(gate: SecretsGate) -> None:
    def digest(secret: str) -> str:
        finding = check(gate, {"a": f"t = '{secret}'\n".encode()}).findings[0]
        return finding.why.split("digest ")[1]

    assert digest(GITHUB) == digest(GITHUB) != digest(token("gh" + "p_", 36))


def test_a_short_own_credential_is_not_searched(gate: SecretsGate) -> None:
    case = CaseBuilder(new={"a": b"a test of x\n"}, held=(b"", b"test")).case()
    assert gate.check(case).verdict == "passed"


def test_a_clean_tree_has_no_findings(gate: SecretsGate) -> None:
    """The standard library's ordinary sources."""
    sources = {module.__name__: open_source(module.__file__) for module in (json, zipfile, codecs)}
    assert check(gate, sources).findings == ()


def open_source(path: str | None) -> bytes:
    assert path is not None
    with open(path, "rb") as file:
        return file.read()


@pytest.mark.parametrize(
    "line",
    [
        "password: 'rxqf" + "dvwt'",
        'o.Password = "r7mh' + '1i"',
        "ADMIN_PWD=wjm" + "ez5kq",
        "CREATE USER app IDENTIFIED BY 'zqwr" + "tkpv';",
        "openssl genrsa -passout pass:gxq" + "ttrw -out ca.pem",
        'Credentials = new NetworkCredential("me", "vzihla' + 'quknriqlht");',
        "Authorization: Basic " + base64.b64encode(b"ann:kqzjxwvp").decode(),
        "dial('nats://svc:bhq" + "hazx@%s:%d')",
        "d: '" + "47Iw2GXvj-hpfgGsfF3F2mek" + "', kty: 'EC'",
        "want(Token: String('" + "PUDG5CBUAS5C5GZTCDZM5GB4" + "'))",
        "hf_" + "HLWCKGzdQrvPUSIZjEYNtPlGdWlVjCJsVa",
        "12345678:" + "AA" + "HdqTcvCH1vGWJxfSe1ofSAs0K5PALDsaw",
    ],
)
def test_passwords_and_tokens_of_many_shapes(gate: SecretsGate, line: str) -> None:
    assert check(gate, {"a.txt": f"{line}\n".encode()}).verdict == "refused"


@pytest.mark.parametrize(
    "line",
    [
        "password: 'correct'",
        "password = form['password']",
        "token = tokenizer.next_token()",
        "secret_name = 'database-url'",
        "key = 'template.cache.fragment'",
        "API_KEY=your-api-key-here-12345",
        "const alphabetKey = 'abcdefghijklmnopqrstuvwxyz0123456789'",
        "MAIL_TOKEN = sk_abcdefghijklmnopqrstuvwxyz123",
        "apiKey: process.env.API_KEY1",
        "Basic understanding required here",
    ],
)
def test_what_only_sounds_like_one_passes(gate: SecretsGate, line: str) -> None:
    assert check(gate, {"a.txt": f"{line}\n".encode()}).verdict == "passed"
