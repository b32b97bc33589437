"""Credentials nobody issued, in the forms their issuers document. Made anew from chance."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import string
import textwrap
import zlib
from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
ALNUM = string.ascii_letters + string.digits
URLSAFE = ALNUM + "-_"
HEX = "0123456789abcdef"
BASE32 = string.ascii_uppercase + "234567"
WORDS = ("amber", "basil", "cedar", "delta", "ember", "fjord", "glade", "haven")

Make = Callable[[Random], str]


def some(chance: Random, letters: str, count: int) -> str:
    return "".join(chance.choices(letters, k=count))


def password(chance: Random, signs: str = "!#%+-_~") -> str:
    """As a generator of passwords makes them."""
    kinds = (string.ascii_lowercase, string.ascii_uppercase, string.digits, signs)
    letters = [chance.choice(kinds[at % len(kinds)]) for at in range(18)]
    chance.shuffle(letters)
    return "".join(letters)


def checked(chance: Random, prefix: str) -> str:
    """30 letters and their CRC-32 in base 62."""
    body = some(chance, BASE62, 30)
    rest, check = zlib.crc32(body.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        check = BASE62[digit] + check
    return prefix + body + check


def jwt(chance: Random) -> str:
    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).decode().rstrip("=")

    head = part(json.dumps({"alg": "HS256", "typ": "JWT"}).encode())
    body = part(json.dumps({"sub": str(chance.randrange(10**9)), "admin": True}).encode())
    signed = f"{head}.{body}"
    return f"{signed}.{part(hmac.digest(chance.randbytes(32), signed.encode(), hashlib.sha256))}"


def pem(chance: Random, kind: str, size: int = 1190) -> str:
    body = base64.b64encode(chance.randbytes(size)).decode()
    rows = "\n".join(textwrap.wrap(body, 64))
    return f"-----BEGIN {kind}-----\n{rows}\n-----END {kind}-----"


def service_account(chance: Random) -> str:
    return json.dumps(
        {
            "type": "service_account",
            "project_id": f"{chance.choice(WORDS)}-{chance.randrange(10**6)}",
            "private_key_id": some(chance, HEX, 40),
            "private_key": pem(chance, "PRIVATE KEY") + "\n",
            "client_email": f"bot@{chance.choice(WORDS)}.iam.gserviceaccount.com",
        },
        indent=2,
    )


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


TOKENS: Mapping[str, Make] = MappingProxyType(
    {
        "github-classic": lambda chance: checked(chance, "ghp_"),
        "github-app": lambda chance: checked(chance, "ghs_"),
        "github-fine-grained": lambda chance: (
            f"github_pat_{some(chance, ALNUM, 22)}_{some(chance, ALNUM, 59)}"
        ),
        "gitlab": lambda chance: f"glpat-{some(chance, URLSAFE, 20)}",
        "npm": lambda chance: checked(chance, "npm_"),
        "slack-bot": lambda chance: "-".join(
            (
                "xoxb",
                some(chance, string.digits, 12),
                some(chance, string.digits, 13),
                some(chance, ALNUM, 24),
            )
        ),
        "slack-hook": lambda chance: (
            "https://hooks.slack.com/services/"
            f"T{some(chance, BASE32, 8)}/B{some(chance, BASE32, 10)}/{some(chance, ALNUM, 24)}"
        ),
        "stripe": lambda chance: f"sk_live_{some(chance, ALNUM, 24)}",
        "google-api": lambda chance: f"AIza{some(chance, URLSAFE, 35)}",
        "google-oauth": lambda chance: f"GOCSPX-{some(chance, URLSAFE, 28)}",
        "sendgrid": lambda chance: f"SG.{some(chance, URLSAFE, 22)}.{some(chance, URLSAFE, 43)}",
        "twilio": lambda chance: f"SK{some(chance, HEX, 32)}",
        "openai": lambda chance: (
            f"sk-proj-{some(chance, URLSAFE, 74)}T3BlbkFJ{some(chance, URLSAFE, 74)}"
        ),
        "anthropic": lambda chance: f"sk-ant-api03-{some(chance, URLSAFE, 93)}AA",
        "hugging-face": lambda chance: f"hf_{some(chance, string.ascii_letters, 34)}",
        "digital-ocean": lambda chance: f"dop_v1_{some(chance, HEX, 64)}",
        "telegram": lambda chance: (
            f"{chance.randrange(10**8, 10**9)}:AA{some(chance, URLSAFE, 33)}"
        ),
        "shopify": lambda chance: f"shpat_{some(chance, HEX, 32)}",
        "databricks": lambda chance: f"dapi{some(chance, HEX, 32)}",
        "mailgun": lambda chance: f"key-{some(chance, HEX, 32)}",
        "jwt": jwt,
        "azure-storage": lambda chance: (
            "DefaultEndpointsProtocol=https;"
            f"AccountName={chance.choice(WORDS)};AccountKey={_b64(chance.randbytes(64))};"
            "EndpointSuffix=core.windows.net"
        ),
        "database-url": lambda chance: (
            f"postgres://app:{password(chance, '!+-_~')}@db.{chance.choice(WORDS)}.internal/app"
        ),
        "redis-url": lambda chance: (
            f"redis://:{some(chance, ALNUM, 24)}@cache.{chance.choice(WORDS)}.internal:6379/0"
        ),
    }
)
"""What is a credential wherever it stands."""

SNIPPETS: Mapping[str, Callable[[Random], tuple[str, str]]] = MappingProxyType(
    {
        "aws-pair": lambda chance: (
            "deploy/credentials.ini",
            f"[default]\naws_access_key_id = AKIA{some(chance, BASE32, 16)}\n"
            f"aws_secret_access_key = {_b64(chance.randbytes(30))}\n",
        ),
        "rsa-key": lambda chance: ("deploy/server.pem", pem(chance, "RSA PRIVATE KEY") + "\n"),
        "ssh-key": lambda chance: (
            "deploy/id_ed25519",
            pem(chance, "OPENSSH PRIVATE KEY", 290) + "\n",
        ),
        "service-account": lambda chance: ("deploy/account.json", service_account(chance) + "\n"),
        "password-python": lambda chance: (
            "deploy/settings.py",
            f'DB_PASSWORD = "{password(chance)}"\n',
        ),
        "password-yaml": lambda chance: (
            "deploy/values.yaml",
            f"database:\n  user: app\n  password: '{password(chance)}'\n",
        ),
        "password-env": lambda chance: (
            "deploy/production.env",
            f"MYSQL_ROOT_PASSWORD={some(chance, ALNUM, 20)}\n",
        ),
        "password-dsn": lambda chance: (
            "deploy/app.config",
            f"Server=db01;Database=app;User Id=app;Password={some(chance, ALNUM, 16)};\n",
        ),
        "password-sql": lambda chance: (
            "deploy/users.sql",
            f"CREATE USER app WITH PASSWORD '{password(chance)}';\n",
        ),
        "secret-key": lambda chance: (
            "deploy/site.py",
            f"SECRET_KEY = {password(chance) + password(chance) + password(chance)[:14]!r}\n",
        ),
        "hex-api-key": lambda chance: (
            "deploy/client.js",
            f'const apiKey = "{some(chance, HEX, 32)}";\n',
        ),
        "bearer": lambda chance: (
            "deploy/call.sh",
            f'curl -H "Authorization: Bearer {some(chance, ALNUM, 40)}" https://api.internal/v1\n',
        ),
        "basic": lambda chance: (
            "deploy/headers.txt",
            f"Authorization: Basic {_b64(f'admin:{password(chance)}'.encode())}\n",
        ),
        "curl-user": lambda chance: (
            "deploy/push.sh",
            f"curl -u admin:{some(chance, ALNUM, 16)} https://files.internal/\n",
        ),
        "netrc": lambda chance: (
            "deploy/netrc",
            f"machine files.internal login app password {some(chance, ALNUM, 20)}\n",
        ),
        "docker-auth": lambda chance: (
            "deploy/docker.json",
            json.dumps(
                {"auths": {"images.internal": {"auth": _b64(f"app:{password(chance)}".encode())}}}
            ),
        ),
        "npm-login": lambda chance: (
            "deploy/npmrc.txt",
            f"//packages.internal/:_authToken={some(chance, HEX, 8)}-{some(chance, HEX, 28)}\n",
        ),
        "webhook-secret": lambda chance: (
            "deploy/hook.rb",
            f"WEBHOOK_SECRET = '{some(chance, HEX, 40)}'.freeze\n",
        ),
    }
)
"""What is one because of where it stands: a new file's path and text."""
