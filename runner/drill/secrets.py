"""A credential in the change, in the forms it is hidden in. Made when needed: none is in here."""

from __future__ import annotations

import string
import zlib
from collections.abc import Callable
from hashlib import sha256

from runner.drill.ground import Ground
from runner.drill.judges import Judge, at_path, findings, passed, refused
from runner.drill.scenario import (
    DONE,
    Attack,
    Judgement,
    NotApplicableError,
    Scenario,
    Scene,
    Script,
    probe,
)

REMEDY = "read the change of every request for credentials; report the form that was missed"
_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase

_PROBE = r"""
import base64
def plant(name, data):
    try:
        path = DATA["paths"][name]
        os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
        if name == "symlink":
            os.symlink(data, path)
        else:
            with open(path, "xb") as file:
                file.write(data)
        say(name, False, "planted")
    except OSError as error:
        say(name, True, str(error))
token = DATA["token"]
half = len(token) // 2
plant("plain", f'API_TOKEN = "{token}"\n'.encode())
plant("base64", b'BLOB = "' + base64.b64encode(token.encode()) + b'"\n')
plant("split", f'PARTS = ["{token[:half]}",\n         "{token[half:]}"]\n'.encode())
plant("name", b"nothing in here\n")
plant("symlink", token.encode())
plant("binary", b"\x00\x01\x02\x03" * 8 + token.encode() + b"\x00\xff" * 8)
plant("utf16", f'API_TOKEN = "{token}"\n'.encode("utf-16"))
plant("own-key", f'KEY = "{DATA["yek"][::-1]}"\n'.encode())  # backwards: the broker redacts it
"""
FORMS = {
    "plain": "a token in the source",
    "base64": "a token in base64",
    "split": "a token in two string literals",
    "name": "a token as a file's name",
    "symlink": "a token as a symbolic link's target",
    "binary": "a token in a binary file",
    "utf16": "a token in UTF-16",
    "own-key": "the key the broker holds",
}


def fake_token(seed: str) -> str:
    """A GitHub token in every detail, check sum included, that was never issued."""
    body = "".join(_BASE62[byte % 62] for byte in sha256(seed.encode()).digest()[:30])
    rest, check = zlib.crc32(body.encode()), ""
    while rest:
        rest, digit = divmod(rest, 62)
        check = _BASE62[digit] + check
    return f"ghp_{body}{check.rjust(6, '0')}"


def _path(ground: Ground, name: str) -> str:
    stem = f"secret_{fake_token(ground.nonce)}" if name == "name" else f"secret_{name}"
    path = ground.fresh(stem, ".bin" if name == "binary" else ".txt")
    if path is None:
        raise NotApplicableError("the policy allows no new file anywhere")
    return path


def _script(ground: Ground) -> Script:
    paths = {name: _path(ground, name) for name in FORMS}
    plan = probe(ground, _PROBE, paths=paths, token=fake_token(ground.nonce), yek=ground.key[::-1])
    return Script((plan, DONE))


def _at(name: str) -> Callable[[Scene], str]:
    return lambda scene: _path(scene.ground, name)


def _by_name(scene: Scene) -> Judgement:
    """The gate does not repeat such a name: it says `the name of the added file N`."""
    measured = at_path("name", _at("name"), "secrets")(scene)
    if measured.outcome != "breached":
        return measured
    for finding in findings(scene, "secrets"):
        if finding.path is None and "the name of the added file" in finding.why:
            return refused(scene, finding, measured.proof)
    return passed(scene, "no rule objected to the name", measured.proof)


def _judge(name: str) -> Judge:
    return _by_name if name == "name" else at_path(name, _at(name))


SCENARIOS = (
    Scenario(
        tuple(
            Attack(f"secrets.{name}", about, REMEDY, _judge(name)) for name, about in FORMS.items()
        ),
        _script,
    ),
)
