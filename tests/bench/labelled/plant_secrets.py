"""A credential: where maintainers put them by mistake, and how somebody would hide one."""

from __future__ import annotations

import base64
import gzip
import io
import zipfile
from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from urllib.parse import quote

from tests.bench.labelled.diff import Entry, Tree
from tests.bench.labelled.plant import Plant, Planted
from tests.bench.labelled.tokens import SNIPPETS, TOKENS, Make

HIDDEN = ("github-classic", "gitlab", "stripe", "slack-bot", "npm", "google-api", "anthropic")
"""What the hiding places hide, in turn by chance."""
NAMES = ("API_TOKEN", "access_key", "CLIENT_SECRET", "deploy_token", "SERVICE_KEY")


def _placed(make: Make) -> Plant:
    def plant(chance: Random, tree: Tree) -> Planted | None:
        place = chance.choice((_in_module, _in_test, _in_comment, _in_document, _in_settings))
        return place(chance, tree, make(chance))

    return plant


def _appended(chance: Random, tree: Tree, ending: tuple[str, ...], text: str) -> Planted | None:
    """To a file that is there, or None."""
    found = sorted(
        path for path, entry in tree.items() if path.endswith(ending) and entry.mode == "100644"
    )
    if not found:
        return None
    path = chance.choice(found)
    data = tree[path].data.rstrip(b"\n") + b"\n\n\n" + text.encode() + b"\n"
    return Planted({path: Entry(data)})


def _in_module(chance: Random, tree: Tree, token: str) -> Planted | None:
    return _appended(chance, tree, (".py",), f'{chance.choice(NAMES)} = "{token}"')


def _in_test(chance: Random, tree: Tree, token: str) -> Planted | None:
    tests = {path: entry for path, entry in tree.items() if "test" in path.partition("/")[0]}
    text = f'def test_login(client):\n    assert client.login("{token}")'
    return _appended(chance, tests, (".py",), text)


def _in_comment(chance: Random, tree: Tree, token: str) -> Planted | None:
    return _appended(chance, tree, (".py",), f"# worked with {token} on Tuesday")


def _in_document(chance: Random, tree: Tree, token: str) -> Planted | None:
    text = f"Try it::\n\n    $ login --token {token}"
    return _appended(chance, tree, (".rst", ".md"), text)


def _in_settings(chance: Random, _: Tree, token: str) -> Planted | None:
    return Planted({"deploy/service.yaml": Entry(f"service:\n  token: {token}\n".encode())})


def _snippet(make: Callable[[Random], tuple[str, str]]) -> Plant:
    def plant(chance: Random, _: Tree) -> Planted:
        path, text = make(chance)
        return Planted({path: Entry(text.encode())})

    return plant


def _hidden(path: str, hide: Callable[[str], bytes], mode: str = "100644") -> Plant:
    def plant(chance: Random, _: Tree) -> Planted:
        token = TOKENS[chance.choice(HIDDEN)](chance)
        return Planted({path.format(token): Entry(hide(token), mode)})

    return plant


def _told(label: str, text: str) -> Plant:
    def plant(chance: Random, _: Tree) -> Planted:
        return Planted(texts={label: text.format(TOKENS[chance.choice(HIDDEN)](chance))})

    return plant


def _zipped(token: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("notes.txt", f"token {token}\n" * 3)
    return held.getvalue()


def _in_python(expression: Callable[[str], str]) -> Callable[[str], bytes]:
    return lambda token: f"TOKEN = {expression(token)}\n".encode()


_HIDING: Mapping[str, Plant] = MappingProxyType(
    {
        "base64": _hidden(
            "deploy/blob.txt", lambda token: base64.b64encode(f"token={token}".encode())
        ),
        "base64-twice": _hidden(
            "deploy/blob.txt", lambda token: base64.b64encode(base64.b64encode(token.encode()))
        ),
        "base32": _hidden("deploy/blob.txt", lambda token: base64.b32encode(token.encode())),
        "hex": _hidden("deploy/blob.py", _in_python(lambda token: f'"{token.encode().hex()}"')),
        "url": _hidden(
            "deploy/link.txt",
            lambda token: quote(token.encode()).replace("_", "%5F").replace("-", "%2D").encode(),
        ),
        "utf-16": _hidden("deploy/note.txt", lambda token: f"token {token}\n".encode("utf-16")),
        "split": _hidden(
            "deploy/half.py", _in_python(lambda token: f'("{token[:15]}"\n         "{token[15:]}")')
        ),
        "joined": _hidden(
            "deploy/half.py", _in_python(lambda token: f'"{token[:9]}" + "{token[9:]}"')
        ),
        "escaped": _hidden(
            "deploy/raw.py",
            _in_python(lambda token: '"' + "".join(f"\\x{ord(char):02x}" for char in token) + '"'),
        ),
        "numbers": _hidden(
            "deploy/raw.py", _in_python(lambda token: f"bytes({[*token.encode()]})")
        ),
        "backwards": _hidden("deploy/raw.py", _in_python(lambda token: f'"{token[::-1]}"[::-1]')),
        "zip": _hidden("deploy/notes.zip", _zipped),
        "gzip": _hidden("deploy/notes.gz", lambda token: gzip.compress(token.encode() * 3)),
        "binary": _hidden(
            "deploy/image.bin", lambda token: bytes(range(32)) * 4 + token.encode() + b"\0\xff" * 40
        ),
        "file-name": _hidden("deploy/{}.txt", lambda _: b"nothing\n"),
        "link": _hidden("deploy/link", str.encode, "120000"),
        "one-line": _hidden(
            "deploy/bundle.js", lambda token: b"var a=1;" * 5000 + f'k="{token}";'.encode()
        ),
        "marker": _hidden(
            "deploy/ok.py",
            lambda token: f'TOKEN = "{token}"  # pragma: allowlist secret\n'.encode(),
        ),
        "commit-message": _told("commit messages", "Log in\n\nUse {} until Friday.\n"),
        "branch": _told("branch", "fix/{}"),
    }
)

KINDS: Mapping[str, Plant] = MappingProxyType(
    {
        **{name: _placed(make) for name, make in TOKENS.items()},
        **{name: _snippet(make) for name, make in SNIPPETS.items()},
        **{f"hidden-{name}": plant for name, plant in _HIDING.items()},
    }
)
