"""The own detector: what credentials look like where they are written, and what is none.

Every sample is put together here, at run time.
"""

from __future__ import annotations

import base64
import json
import random
import string

import pytest

from runner.gates import generic
from runner.gates.scan_worker import scan
from runner.records.scan import Sample

RANDOM = random.Random(20261120)
BASE62 = string.ascii_letters + string.digits
HEX = "0123456789abcdef"


def chance(length: int, alphabet: str = BASE62) -> str:
    """Never without a digit or a letter of either case."""
    while True:
        made = "".join(RANDOM.choice(alphabet) for _ in range(length))
        mixed = made.lower() != made != made.upper() and any(map(str.isdigit, made))
        if mixed or alphabet is not BASE62:
            return made


def tiers(text: str) -> set[str]:
    return {match.tier for match in generic.find(text.encode())}


SHORT, LONG = chance(12), chance(32)

WRITTEN = {
    "a type after a colon": f'let dbPass: String = "{SHORT}"',
    "a default of a parameter": f'def connect(passwd: str = "{SHORT}"):',
    "a setter": f'source.setPassword("{SHORT}");',
    "a builder": f'Client.builder().apiKey("{LONG}").build()',
    "a bytes literal in a call": f"key = hmac_key(b'{LONG}')",
    "a fallback": f'PASSWORD = os.environ.get("PASSWORD") or "{SHORT}"',
    "another fallback": f"const secret = process.env.JWT_SECRET || '{LONG}'",
    "a default in a shell": f"PASSWORD=${{PASSWORD:-{SHORT}}}",
    "a prefix": f"APP_KEY=base64:{base64.b64encode(LONG.encode()).decode()}",
    "a macro": f'#define WIFI_PASS "{SHORT}"',
    "an image": f"FROM scratch\nENV DB_PASS {SHORT}",
    "a name and a value": f'<add key="ApiSecret" value="{LONG}" />',
    "a value with more": f'<property name="password" type="text" value="{SHORT}"/>',
    "a value in lines": f"- name: API_TOKEN\n  value: {LONG}",
    "a property list": f"<key>ClientSecret</key>\n<string>{LONG}</string>",
    "a setting": f'<s name="SmtpPassword" as="String">\n  <value>{SHORT}</value></s>',
    "a variable": f'variable "db_password" {{\n  type = string\n  default = "{SHORT}"\n}}',
    "a pair": f"session.auth = ('svc', '{SHORT}')",
    "emphasis": f"- **API key**: `{LONG}`",
    "a sentence": f"The password is {SHORT}, please rotate it.",
    "a network": f'ssid="home"\npsk="{SHORT}"',
    "the last of two names": f"server.ssl.key-store-password={SHORT}",
    "what rules ask for": "MYSQL_ROOT_PASSWORD=" + "Maple75" + "Thunder!",
    "base64 with a slash": f"jwt:\n  secret: {LONG[:20]}/{LONG}",
    "letters of both cases": 'password := "oVEB' + 'cueCJQRRiN"',
    "a vault's variable": f"vault_db_password: {LONG}",
    "mysql": f"mysqldump -u root -p{SHORT} app > dump.sql",
    "sshpass": f"sshpass -p '{SHORT}' ssh root@10.1.2.3",
    "docker login": f"docker login -u acme -p {LONG} registry.internal",
    "redis": f"redis-cli -h cache -a {LONG} ping",
    "user": f"curl --user ci:{LONG} https://ci.internal/crumb",
    "powershell": f'ConvertTo-SecureString "{SHORT}" -AsPlainText -Force',
    "sql": f"ALTER USER 'root'@'%' IDENTIFIED WITH caching_sha2_password BY '{SHORT}';",
    "more sql": f"CREATE USER app WITH ENCRYPTED PASSWORD '{SHORT}';",
    "basic": f"HTTPBasicAuth('svc', '{SHORT}')",
    "a signed address": f"https://x.internal/c?sp=r&sig={'Ab1' * 14}c%3D",
    "a hex key": f"signer: 0x{chance(64, HEX)}",
}


@pytest.mark.parametrize("how", WRITTEN)
def test_a_credential_is_found_however_it_is_written(how: str) -> None:
    assert tiers(WRITTEN[how]) & {"certain", "generic"}


HEADLESS = "eyJ" + chance(40)
UNSIGNED = base64.urlsafe_b64encode(json.dumps({"alg": "none"}).encode()).decode().rstrip("=")

NONE = {
    "another language": '"confirmPassword": "パスワードを確認",',
    "a public key by name": f"recaptcha_site_key: 6L{chance(38)}",
    "a publishable key": f"pk_live_{chance(24)}",
    "a form's token": f'<input name="authenticity_token" value="{chance(64)}">',
    "a name in JSON": '"key_vault_name": "web21prqodx24021",',
    "a hash by name": f'{{"key_sha256": "{chance(64, HEX)}"}}',
    "a transaction": f"tx: 0x{chance(64, HEX)}",
    "a number of a curve": f"n = 0x{'F' * 16}{chance(48, HEX)}",
    "a token that is none": f"{HEADLESS}.eyJ{chance(30)}.{chance(43)}",
    "a token without signature": f"{UNSIGNED}.eyJ{chance(30)}.",
    "a list of names": '"FirstPrivateKey",\n    "MLKEM768X25519PublicKeyTypes",',
    "a module": "mock.patch.object(pwd, 'getpwuid')",
    "a call": "key_details = random_ed25519_key_pair()",
    "a template": 'stream_key = f"arn:{part}:ivs:{self.region}:{account}:stream-key/{id}"',
    "another template": 'key = f"{json.dumps(criteria)}--{limit}--{next_token}--{order}"',
    "an expression": 'valid_keys = re.compile("^[A-Za-z][0-9A-Za-z_]*$")',
    "a question": 'assert validate_password("django4242")',
    "a lookup": 'User.objects.filter(password__startswith="sha1$$")',
    "a test's password": "login(username='testuser', password='testpass123')",
    "a sample in base64": f"Basic {base64.b64encode(b'user:pass').decode()}",
    "what says so": "DOCKER_TOKEN=not_a_real_token",
    "a port": "mysql -h db -P 3306 -u root app",
    "a prompt": "mysql -u root -p app < dump.sql",
}


@pytest.mark.parametrize("how", NONE)
def test_what_only_looks_like_one_is_not_refused(how: str) -> None:
    assert tiers(NONE[how]) <= {"weak"}


@pytest.mark.parametrize(
    ("rule", "text", "tier"),
    [
        ("slack-webhook-url", "hooks/T00000000/B00000000/" + "X" * 24, "weak"),
        ("slack-webhook-url", f"hooks/T00000000/B00000000/{chance(24)}", "certain"),
        ("generic-credential-uri", "guest", "weak"),
        ("generic-credential-uri", chance(12), "generic"),
    ],
)
def test_what_the_catalogue_takes_for_one_may_be_a_sample(rule: str, text: str, tier: str) -> None:
    before = b"amqp://guest:"

    def detect(view: bytes) -> list[tuple[str, int, int]]:
        start = view.index(before) + len(before)
        return [(rule, start, start + len(text))]

    hits = scan(Sample(before + text.encode() + b"@localhost"), detect, b"key").hits
    assert [hit.tier for hit in hits if hit.rule == rule] == [tier]


@pytest.mark.parametrize("word", ["key_", "eyJ"])
def test_a_mebibyte_that_is_one_word_ends(word: str) -> None:
    """In hours, if the time it takes grows with the square of its length."""
    value = chance(40)
    text = word * (2**20 // len(word)) + f'_password = "{value}"'
    assert {text[m.start : m.end] for m in generic.find(text.encode())} == {value}
