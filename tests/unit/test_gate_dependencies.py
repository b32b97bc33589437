"""Gate `dependencies`: every package is told, those nobody should depend on are refused."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from runner.gates import dependencies
from runner.records.dependencies import DependencyRules
from runner.records.gate import GateReport
from tests.fakes import CaseBuilder, File, Tree

PYPROJECT = b"""\
[project]
name = "own"
dependencies = ["requests>=2,<3"]
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""
UV = b"""\
version = 1
[[package]]
name = "own"
version = "1"
source = { editable = "." }
[[package]]
name = "requests"
version = "2.31.0"
source = { registry = "https://index.example/simple" }
wheels = [{ url = "https://files.example/r.whl", hash = "sha256:aa" }]
"""
POETRY = b"""\
[[package]]
name = "requests"
version = "2.31.0"
files = [{ file = "r.whl", hash = "sha256:aa" }]
"""
PACKAGE = json.dumps(
    {"name": "own", "scripts": {"test": "t"}, "dependencies": {"lodash": "^4.17.0"}}
).encode()
LODASH = {
    "version": "4.17.20",
    "resolved": "https://npm.example/lodash/-/lodash-4.17.20.tgz",
    "integrity": "sha512-aa",
}


def npm_lock(**more: object) -> bytes:
    packages = {"": {}, "node_modules/lodash": LODASH, **more}
    return json.dumps({"lockfileVersion": 3, "packages": packages}).encode()


def entry(name: str, version: str, **more: object) -> dict[str, object]:
    url = f"https://npm.example/{name}/-/{name.rpartition('/')[2]}-{version}.tgz"
    return {"version": version, "resolved": url, "integrity": f"sha512-{name}", **more}


def package(**more: str) -> bytes:
    return json.dumps(
        {"name": "own", "scripts": {"test": "t"}, "dependencies": {"lodash": "^4.17.0", **more}}
    ).encode()


YARN = b"""\
# yarn lockfile v1


lodash@^4.17.0:
  version "4.17.20"
  resolved "https://npm.example/lodash/-/lodash-4.17.20.tgz#aa"
  integrity sha512-aa
"""
BERRY = b"""\
__metadata:
  version: 8

"lodash@npm:^4.17.0":
  version: 4.17.20
  resolution: "lodash@npm:4.17.20"
  checksum: 10/aa
  languageName: node
"""
PNPM = b"""\
lockfileVersion: '9.0'

importers:

  .:
    dependencies:
      lodash:
        specifier: ^4.17.0
        version: 4.17.20

packages:

  lodash@4.17.20:
    resolution: {integrity: sha512-aa}

snapshots:

  lodash@4.17.20: {}
"""
CARGO = b"""\
[package]
name = "own"
[dependencies]
serde = "1.0"
"""
CARGO_LOCK = b"""\
version = 4
[[package]]
name = "own"
version = "0.1.0"
[[package]]
name = "serde"
version = "1.0.100"
source = "registry+https://index.example/crates"
checksum = "aa"
"""
GO_MOD = b"module own\n\ngo 1.22\n\nrequire (\n\texample.org/a v1.2.0\n)\n"
GO_SUM = b"example.org/a v1.2.0 h1:aa=\nexample.org/a v1.2.0/go.mod h1:bb=\n"
GEMFILE = b"source 'https://gems.example'\ngem 'rack', '~> 3.0'\n"
GEMLOCK = b"""\
GEM
  remote: https://gems.example/
  specs:
    rack (3.0.1)

PLATFORMS
  ruby

CHECKSUMS
  rack (3.0.1) sha256=aa
"""
COMPOSER = b'{"require": {"php": ">=8", "acme/log": "^1.0"}}'
COMPOSER_LOCK = json.dumps(
    {
        "packages": [
            {
                "name": "acme/log",
                "version": "1.0.1",
                "dist": {"type": "zip", "url": "https://git.example/a", "reference": "aa"},
            }
        ]
    }
).encode()
POM = b"""<project xmlns="urn:maven"><dependencies><dependency>
<groupId>g</groupId><artifactId>a</artifactId><version>1.0</version></dependency></dependencies>
</project>"""
CSPROJ = b'<Project><ItemGroup><PackageReference Include="A" Version="1.0"/></ItemGroup></Project>'
PIPFILE = b'[[source]]\nurl = "https://index.example"\n[packages]\nrequests = "*"\n'
PIPFILE_LOCK = json.dumps(
    {
        "_meta": {"sources": [{"url": "https://index.example"}]},
        "default": {"requests": {"version": "==2.31.0", "hashes": ["sha256:aa"]}},
    }
).encode()


def judge(
    old: Tree,
    new: Mapping[str, bytes | File | None],
    prompt: str = "Mend it.",
    rules: DependencyRules | None = None,
) -> GateReport:
    files = {**old, **new}
    kept: Tree = {path: data for path, data in files.items() if data is not None}
    case = CaseBuilder(
        old=old, new=kept, prompt=prompt, dependencies=rules or DependencyRules()
    ).case()
    return dependencies.check(case)


def codes(report: GateReport, *, refusing: bool = True) -> set[str]:
    return {
        each.code.removeprefix("dependencies.")
        for each in report.findings
        if each.is_warning is not refusing
    }


NPM: Tree = {"package.json": PACKAGE, "package-lock.json": npm_lock()}
UVS: Tree = {"pyproject.toml": PYPROJECT, "uv.lock": UV}
GOS: Tree = {"go.mod": GO_MOD, "go.sum": GO_SUM}
RUST: Tree = {"Cargo.toml": CARGO, "Cargo.lock": CARGO_LOCK}
RUBY: Tree = {"Gemfile": GEMFILE, "Gemfile.lock": GEMLOCK}
PHP: Tree = {"composer.json": COMPOSER, "composer.lock": COMPOSER_LOCK}
PINNED = b"requests==2.31.0 --hash=sha256:aa\n"
REQ: Tree = {"requirements.txt": PINNED}

BAD: dict[str, tuple[Tree, Mapping[str, bytes | File | None], str]] = {
    "requirements: git": (
        REQ,
        {"requirements.txt": b"git+https://x.example/y.git@v1#egg=y\n"},
        "source",
    ),
    "requirements: at": (REQ, {"requirements.txt": b"y @ https://x.example/y.whl\n"}, "source"),
    "requirements: url": (REQ, {"requirements.txt": b"https://x.example/y.tar.gz\n"}, "source"),
    "requirements: path": (REQ, {"requirements.txt": b"./vendored/y\n"}, "source"),
    "requirements: editable": (REQ, {"requirements.txt": b"-e ./y\n"}, "source"),
    "requirements: index": (
        REQ,
        {"requirements.txt": b"--index-url https://x.example\n" + PINNED},
        "index",
    ),
    "requirements: continued": (
        REQ,
        {"requirements.txt": b"--extra-index-\\\nurl https://x.example\n" + PINNED},
        "index",
    ),
    "requirements: include": (REQ, {"requirements.txt": b"-r more.txt\n"}, "index"),
    "requirements: option": (REQ, {"requirements.txt": b"y==1 --global-option=x\n"}, "source"),
    "requirements: no hash": (REQ, {"requirements.txt": b"requests==2.32.0\n"}, "unhashed"),
    "requirements: other content": (
        REQ,
        {"requirements.txt": b"requests==2.31.0 --hash=sha256:bb\n"},
        "hash-changed",
    ),
    "requirements: broken": (REQ, {"requirements.txt": b"==???\n"}, "unreadable"),
    "requirements: a link": (REQ, {"requirements.txt": File(b"x", "120000")}, "unreadable"),
    "requirements: hidden name": (REQ, {"sub/dev-requirements.txt": b"git+ssh://x/y\n"}, "source"),
    "pyproject: direct": (
        {"pyproject.toml": PYPROJECT},
        {"pyproject.toml": PYPROJECT.replace(b"requests>=2,<3", b"requests @ file:///x")},
        "source",
    ),
    "pyproject: backend": (
        UVS,
        {"pyproject.toml": PYPROJECT.replace(b"hatchling.build", b"mine")},
        "install-script",
    ),
    "pyproject: backend path": (
        UVS,
        {"pyproject.toml": PYPROJECT + b'backend-path = ["."]\n'},
        "install-script",
    ),
    "pyproject: cmdclass": (
        UVS,
        {"pyproject.toml": PYPROJECT + b"[tool.setuptools.cmdclass]\ninstall = 'x'\n"},
        "install-script",
    ),
    "pyproject: uv index": (
        UVS,
        {"pyproject.toml": PYPROJECT + b"[[tool.uv.index]]\nurl = 'https://x.example'\n"},
        "index",
    ),
    "pyproject: uv source": (
        UVS,
        {"pyproject.toml": PYPROJECT + b"[tool.uv.sources]\nrequests = { git = 'x' }\n"},
        "index",
    ),
    "pyproject: twice": (UVS, {"pyproject.toml": PYPROJECT + b"[project]\n"}, "unreadable"),
    "setup.py": ({}, {"setup.py": b"import os\n"}, "install-script"),
    "setup.py edited": ({"setup.py": b"a"}, {"setup.py": b"b"}, "install-script"),
    "setup.cfg": (
        {},
        {"setup.cfg": b"[options]\ninstall_requires =\n  y @ git+https://x\n"},
        "source",
    ),
    "uv.lock: git": (
        UVS,
        {
            "uv.lock": UV
            + b'[[package]]\nname = "y"\nversion = "1"\nsource = { git = "https://x" }\n'
        },
        "source",
    ),
    "uv.lock: host": (UVS, {"uv.lock": UV.replace(b"files.example", b"evil.example")}, "host"),
    "uv.lock: hash": (UVS, {"uv.lock": UV.replace(b"sha256:aa", b"sha256:bb")}, "hash-changed"),
    "uv.lock: unhashed": (
        UVS,
        {"uv.lock": UV.replace(b"2.31.0", b"2.31.1").replace(b', hash = "sha256:aa"', b"")},
        "unhashed",
    ),
    "uv.lock: alone": (UVS, {"uv.lock": UV.replace(b"2.31.0", b"2.32.0")}, "lock-alone"),
    "uv.lock: does not fit": (
        UVS,
        {"uv.lock": UV.replace(b"2.31.0", b"3.0.0"), "pyproject.toml": PYPROJECT + b"\n"},
        "mismatch",
    ),
    "uv.lock: lacks it": (
        UVS,
        {"pyproject.toml": PYPROJECT.replace(b'"requests', b'"httpx", "requests')},
        "not-locked",
    ),
    "poetry.lock: url": (
        {"poetry.lock": POETRY},
        {"poetry.lock": POETRY + b'[package.source]\ntype = "url"\nurl = "https://x"\n'},
        "source",
    ),
    "poetry.lock: registry": (
        {"poetry.lock": POETRY + b'[package.source]\ntype = "legacy"\nurl = "https://a.example"\n'},
        {"poetry.lock": POETRY + b'[package.source]\ntype = "legacy"\nurl = "https://b.example"\n'},
        "host",
    ),
    "Pipfile: source": (
        {"Pipfile": PIPFILE},
        {"Pipfile": PIPFILE.replace(b"index.", b"evil.")},
        "index",
    ),
    "Pipfile: git": ({"Pipfile": PIPFILE}, {"Pipfile": PIPFILE + b"y = {git = 'x'}\n"}, "source"),
    "Pipfile.lock": (
        {"Pipfile.lock": PIPFILE_LOCK},
        {"Pipfile.lock": PIPFILE_LOCK.replace(b"sha256:aa", b"sha256:bb")},
        "hash-changed",
    ),
    "npm: git": (NPM, {"package.json": package(y="git+ssh://git@x/y.git")}, "source"),
    "npm: short git": (NPM, {"package.json": package(y="someone/y")}, "source"),
    "npm: tarball": (NPM, {"package.json": package(y="./y.tgz")}, "source"),
    "npm: alias": (NPM, {"package.json": package(lodash="npm:evil@1")}, "source"),
    "npm: script": (
        NPM,
        {"package.json": PACKAGE.replace(b'"test"', b'"postinstall": "x", "test"')},
        "install-script",
    ),
    "npm: overrides": (
        NPM,
        {"package.json": PACKAGE[:-1] + b', "overrides": {"a": "1"}}'},
        "index",
    ),
    "npm: twice": (NPM, {"package.json": PACKAGE[:-1] + b', "name": "x"}'}, "unreadable"),
    "npm: deep": (NPM, {"package.json": b'{"a":' * 100_000}, "unreadable"),
    "npm: .npmrc": (NPM, {".npmrc": b"registry=https://x.example\n"}, "index"),
    "npm lock: other host": (
        NPM,
        {
            "package-lock.json": npm_lock(
                **{
                    "node_modules/lodash": {
                        **LODASH,
                        "resolved": "https://evil.example/lodash/-/lodash-4.17.20.tgz",
                    }
                }
            )
        },
        "host",
    ),
    "npm lock: other tarball": (
        NPM,
        {
            "package-lock.json": npm_lock(
                **{
                    "node_modules/lodash": {
                        **LODASH,
                        "resolved": "https://npm.example/evil/-/evil-1.tgz",
                    }
                }
            )
        },
        "source",
    ),
    "npm lock: no integrity": (
        NPM,
        {"package-lock.json": npm_lock(**{"node_modules/y": {"version": "1.0.0"}})},
        "unhashed",
    ),
    "npm lock: script": (
        NPM,
        {
            "package.json": package(y="^1"),
            "package-lock.json": npm_lock(
                **{"node_modules/y": entry("y", "1.0.0", hasInstallScript=True)}
            ),
        },
        "install-script",
    ),
    "npm lock: alias": (
        NPM,
        {"package-lock.json": npm_lock(**{"node_modules/lodash": {**LODASH, "name": "evil"}})},
        "source",
    ),
    "npm lock v1": (
        {"package-lock.json": json.dumps({"dependencies": {"lodash": LODASH}}).encode()},
        {
            "package-lock.json": json.dumps(
                {
                    "dependencies": {
                        "lodash": {**LODASH, "dependencies": {"y": {"version": "git+https://x"}}}
                    }
                }
            ).encode()
        },
        "source",
    ),
    "yarn: host": ({"yarn.lock": YARN}, {"yarn.lock": YARN.replace(b"npm.ex", b"evil.ex")}, "host"),
    "yarn: git": (
        {"yarn.lock": YARN},
        {"yarn.lock": YARN + b'\n"y@git+https://x.example/y":\n  version "1.0.0"\n'},
        "source",
    ),
    "yarn: tarball": (
        {"yarn.lock": YARN},
        {
            "yarn.lock": YARN
            + b'\ny@^1.0.0:\n  version "1.0.0"\n  resolved "https://npm.example/z/-/z-1.tgz"\n'
        },
        "source",
    ),
    "berry: patch": (
        {"yarn.lock": BERRY},
        {"yarn.lock": BERRY.replace(b'"lodash@npm:4.17.20"', b'"lodash@patch:x"')},
        "source",
    ),
    "berry: archive": (
        {"yarn.lock": BERRY},
        {
            "yarn.lock": BERRY.replace(
                b'"lodash@npm:4.17.20"', b'"lodash@npm:4.17.20::__archiveUrl=https"'
            )
        },
        "source",
    ),
    "pnpm: tarball": (
        {"pnpm-lock.yaml": PNPM},
        {
            "pnpm-lock.yaml": PNPM.replace(
                b"sha512-aa}", b"sha512-aa, tarball: https://evil.example/x.tgz}"
            )
        },
        "source",
    ),
    "pnpm: hash": (
        {"pnpm-lock.yaml": PNPM},
        {"pnpm-lock.yaml": PNPM.replace(b"sha512-aa", b"sha512-bb")},
        "hash-changed",
    ),
    "pnpm: anchors": ({}, {"pnpm-lock.yaml": b"&a x\n"}, "unreadable"),
    "cargo: git": (RUST, {"Cargo.toml": CARGO + b'y = { git = "https://x" }\n'}, "source"),
    "cargo: patch": (
        RUST,
        {"Cargo.toml": CARGO + b'[patch.crates-io]\nserde = { path = "x" }\n'},
        "index",
    ),
    "cargo: build": (RUST, {"build.rs": b"fn main() {}\n"}, "install-script"),
    "cargo lock: registry": (
        RUST,
        {"Cargo.lock": CARGO_LOCK.replace(b"index.example", b"evil.example")},
        "host",
    ),
    "cargo lock: checksum": (
        RUST,
        {"Cargo.lock": CARGO_LOCK.replace(b'"aa"', b'"bb"')},
        "hash-changed",
    ),
    "cargo lock: does not fit": (
        RUST,
        {"Cargo.lock": CARGO_LOCK.replace(b"1.0.100", b"2.0.0"), "Cargo.toml": CARGO + b"\n"},
        "mismatch",
    ),
    "go: replace": (GOS, {"go.mod": GO_MOD + b"replace example.org/a => ../a\n"}, "index"),
    "go: not in sum": (GOS, {"go.mod": GO_MOD.replace(b"v1.2.0", b"v1.3.0")}, "mismatch"),
    "go: sum": (GOS, {"go.sum": GO_SUM.replace(b"h1:aa", b"h1:cc")}, "hash-changed"),
    "gem: git": (RUBY, {"Gemfile": GEMFILE + b"gem 'y', git: 'https://x'\n"}, "source"),
    "gem: source": (RUBY, {"Gemfile": GEMFILE + b"source 'https://x'\n"}, "index"),
    "gem lock: git": (
        RUBY,
        {"Gemfile.lock": b"GIT\n  remote: https://x\n  specs:\n    y (1.0)\n\n" + GEMLOCK},
        "source",
    ),
    "composer: script": (
        PHP,
        {"composer.json": COMPOSER[:-1] + b', "scripts": {"post-install-cmd": "x"}}'},
        "install-script",
    ),
    "composer lock: reference": (
        PHP,
        {"composer.lock": COMPOSER_LOCK.replace(b'"aa"', b'"bb"')},
        "hash-changed",
    ),
    "maven: repository": (
        {"pom.xml": POM},
        {
            "pom.xml": POM.replace(
                b"</dependencies>",
                b"</dependencies><repositories><repository><url>x</url></repository></repositories>",
            )
        },
        "index",
    ),
    "maven: plugin": (
        {"pom.xml": POM},
        {
            "pom.xml": POM.replace(
                b"</dependencies>", b"</dependencies><plugin><artifactId>exec</artifactId></plugin>"
            )
        },
        "install-script",
    ),
    "maven: entities": (
        {"pom.xml": POM},
        {"pom.xml": b'<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'},
        "unreadable",
    ),
    "maven: deep": (
        {"pom.xml": POM},
        {"pom.xml": b"<a>" * 10_000 + b"</a>" * 10_000},
        "unreadable",
    ),
    "dotnet: exec": (
        {"a.csproj": CSPROJ},
        {
            "a.csproj": CSPROJ.replace(
                b"</Project>", b'<Target Name="t"><Exec Command="x"/></Target></Project>'
            )
        },
        "install-script",
    ),
}

GOOD: dict[str, tuple[Tree, Mapping[str, bytes | File | None], str]] = {
    "nothing of ours": ({"a.py": b"1"}, {"a.py": b"2"}, ""),
    "a hashed update": (REQ, {"requirements.txt": b"requests==2.32.0 --hash=sha256:cc\n"}, ""),
    "a bound": (UVS, {"pyproject.toml": PYPROJECT.replace(b">=2,<3", b">=2.1,<3")}, ""),
    "text of the manifest": (
        UVS,
        {"pyproject.toml": PYPROJECT + b"[tool.ruff]\nline-length = 80\n"},
        "",
    ),
    "an update the task names": (
        UVS,
        {"uv.lock": UV.replace(b"2.31.0", b"2.32.0").replace(b":aa", b":bb")},
        "requests",
    ),
    "both sides": (
        NPM,
        {
            "package.json": package(y="^1.0.0"),
            "package-lock.json": npm_lock(**{"node_modules/y": entry("y", "1.2.0")}),
        },
        "",
    ),
    "a scoped one": (
        NPM,
        {
            "package.json": package(**{"@a/y": "^1"}),
            "package-lock.json": npm_lock(**{"node_modules/@a/y": entry("@a/y", "1.2.0")}),
        },
        "",
    ),
    "yarn": (
        {"package.json": PACKAGE, "yarn.lock": YARN},
        {"yarn.lock": YARN.replace(b"4.17.20", b"4.17.21").replace(b"aa", b"bb")},
        "lodash",
    ),
    "berry": (
        {"package.json": PACKAGE, "yarn.lock": BERRY},
        {"yarn.lock": BERRY.replace(b"4.17.20", b"4.17.21").replace(b"aa", b"bb")},
        "lodash",
    ),
    "pnpm": (
        {"package.json": PACKAGE, "pnpm-lock.yaml": PNPM},
        {"pnpm-lock.yaml": PNPM.replace(b"4.17.20", b"4.17.21").replace(b"-aa", b"-bb")},
        "lodash",
    ),
    "cargo": (
        RUST,
        {
            "Cargo.toml": CARGO.replace(b"1.0", b"1.0.101"),
            "Cargo.lock": CARGO_LOCK.replace(b"1.0.100", b"1.0.101").replace(b"aa", b"bb"),
        },
        "",
    ),
    "a module called build": (RUST, {"src/build.rs": b"fn x() {}"}, ""),
    "go": (
        GOS,
        {
            "go.mod": GO_MOD.replace(b"v1.2.0", b"v1.3.0"),
            "go.sum": GO_SUM + b"example.org/a v1.3.0 h1:cc=\n",
        },
        "",
    ),
    "gems": (
        RUBY,
        {
            "Gemfile": GEMFILE.replace(b"3.0", b"3.1"),
            "Gemfile.lock": GEMLOCK.replace(b"3.0.1", b"3.1.2").replace(b"aa", b"bb"),
        },
        "",
    ),
    "composer": (
        PHP,
        {
            "composer.json": COMPOSER.replace(b"^1.0", b"^1.1"),
            "composer.lock": COMPOSER_LOCK.replace(b"1.0.1", b"1.1.0"),
        },
        "",
    ),
    "maven": ({"pom.xml": POM}, {"pom.xml": POM.replace(b"1.0", b"1.1")}, ""),
    "dotnet": ({"a.csproj": CSPROJ}, {"a.csproj": CSPROJ.replace(b"1.0", b"1.1")}, ""),
    "removed": (NPM, {"package.json": b"{}", "package-lock.json": None}, ""),
}


@pytest.mark.parametrize("name", BAD)
def test_refused(name: str) -> None:
    old, new, code = BAD[name]
    report = judge(old, new)
    assert report.verdict == "refused"
    assert code in codes(report), report


@pytest.mark.parametrize("name", GOOD)
def test_passes(name: str) -> None:
    old, new, prompt = GOOD[name]
    report = judge(old, new, prompt)
    assert report.verdict == "passed", report


HUGE = {
    "requirements.txt": b"a==" + b"1." * 500_000,
    "dev/requirements.txt": b"a\n" * 500_000,
    "setup.cfg": b"[options]\ninstall_requires =\n" + b" a\n" * 300_000,
    "pyproject.toml": b'[project]\ndependencies = ["a[' + b"a," * 300_000 + b'"]\n',
    "yarn.lock": b"a@1," * 200_000 + b":\n",
    "pnpm-lock.yaml": b"packages:\n  '" + b"a " * 300_000,
    "Gemfile": b"gem 'a'" + b" git:" * 100_000,
    "go.mod": b"require " + b"a" * 600_000,
    "package.json": b"[" * 600_000,
    "Cargo.toml": b"a = " + b"[" * 300_000,
    "pom.xml": b"<a>" * 200_000,
}


@pytest.mark.parametrize("path", HUGE)
def test_what_takes_too_long_to_read_is_refused(path: str) -> None:
    report = judge({}, {path: HUGE[path]})
    assert codes(report) == {"unreadable"}, report.findings


def test_broken_addresses_are_no_crash() -> None:
    broken = {**LODASH, "resolved": "https://[npm/lodash/-/x.tgz"}
    report = judge(NPM, {"package-lock.json": npm_lock(**{"node_modules/lodash": broken})})
    assert "source" in codes(report)


def test_both_versions_are_told() -> None:
    new = {
        "package.json": package(y="^1.0.0"),
        "package-lock.json": npm_lock(
            **{
                "node_modules/lodash": entry("lodash", "4.17.21"),
                "node_modules/y": entry("y", "1.2.0"),
            }
        ),
    }
    report = judge(NPM, new)
    told = {each.path: each.why for each in report.findings if each.code == "dependencies.changed"}
    assert told == {
        "package.json": "warning: package.json: +y ^1.0.0",
        "package-lock.json": "warning: package-lock.json: +y 1.2.0, lodash 4.17.20 -> 4.17.21",
    }
    assert report.summary == "1 packages added, 1 changed, 0 removed; no advisory database"


def test_a_new_dependency_is_told_unless_the_task_names_it() -> None:
    old, new = {"requirements.txt": b""}, {"requirements.txt": b"Some_Thing==1\n"}
    assert codes(judge(old, new), refusing=False) == {"new", "changed"}
    assert codes(judge(old, new, "Use some-thing."), refusing=False) == {"changed"}
    assert codes(judge(old, new, "Use some-thing-else."), refusing=False) == {"new", "changed"}
    assert codes(judge(old, new, rules=DependencyRules(new="refuse"))) == {"new"}


def test_names_that_are_nearly_others() -> None:
    for name in (b"reqeusts", b"request", b"requestss", b"re-quests"):
        report = judge(REQ, {"requirements.txt": b"%s==1 --hash=sha256:a\n" % name})
        assert "lookalike" in codes(report, refusing=False), name
    report = judge(REQ, {"requirements.txt": b"numpy==1 --hash=sha256:a\n"})
    assert "lookalike" not in codes(report, refusing=False)


def test_a_version_that_wins_against_everything_private() -> None:
    report = judge(REQ, {"requirements.txt": b"acme-internal==99.9.9 --hash=sha256:a\n"})
    assert "confusion" in codes(report, refusing=False)


def test_what_the_operator_allows_is_told() -> None:
    new = {"requirements.txt": b"y @ git+https://x.example/y\n"}
    report = judge(REQ, new, rules=DependencyRules(allow=("y",)))
    assert report.verdict == "passed"
    [told] = [each for each in report.findings if each.code == "dependencies.source"]
    assert told.why.endswith("; the policy allows it")


def test_formats_nobody_reads_are_told() -> None:
    assert codes(judge({}, {"sub/bun.lock": b"x"}), refusing=False) == {"unread"}


def test_a_workspace_has_its_lockfile_above() -> None:
    old = {
        "package.json": PACKAGE,
        "package-lock.json": npm_lock(),
        "packages/a/package.json": b"{}",
    }
    report = judge(old, {"packages/a/package.json": b'{"dependencies": {"y": "1"}}'})
    assert codes(report) == {"not-locked"}


OSV = {
    "id": "X-1",
    "aliases": ["CVE-1"],
    "modified": "2020-01-01T00:00:00Z",
    "summary": "bad",
    "affected": [
        {
            "package": {"ecosystem": "PyPI", "name": "Some.Thing"},
            "ranges": [
                {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.5"}]},
                {"type": "ECOSYSTEM", "events": [{"fixed": "2.3"}, {"introduced": "2.0"}]},
            ],
        }
    ],
}


@pytest.mark.parametrize(
    ("version", "fixed"),
    [
        ("1.0", "1.5"),
        ("1.4.9", "1.5"),
        ("1.5", None),
        ("2.0", "2.3"),
        ("2.2.post1", "2.3"),
        ("2.3", None),
    ],
)
def test_known_vulnerable_versions_are_refused(
    version: str, fixed: str | None, tmp_path: Path
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(OSV))
    (tmp_path / "b.json").write_text(json.dumps({**OSV, "id": "X-2", "withdrawn": "now"}))
    rules = DependencyRules(advisories=tmp_path)
    new = {"requirements.txt": b"some_thing==%s\n" % version.encode()}
    report = judge({"requirements.txt": b""}, new, rules=rules)
    assert codes(report) == ({"advisory"} if fixed else set())
    assert "old-advisories" in codes(report, refusing=False), "its age is told"
    if fixed:
        [told] = [each for each in report.findings if each.code == "dependencies.advisory"]
        assert "X-1/CVE-1" in told.why and f"fixed in {fixed}" in told.why
        allowed = DependencyRules(advisories=tmp_path, allow=("X-1",))
        assert judge({"requirements.txt": b""}, new, rules=allowed).verdict == "passed"


def test_an_unchanged_version_is_not_asked_about(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(json.dumps(OSV))
    old = {"requirements.txt": b"some-thing==1.0\n"}
    new = {"requirements.txt": b"some-thing==1.0\n# words\n"}
    assert codes(judge(old, new, rules=DependencyRules(advisories=tmp_path))) == set()


def test_semantic_versions_and_archives(tmp_path: Path) -> None:
    record = {
        "id": "X-3",
        "modified": "2020-01-01T00:00:00Z",
        "affected": [
            {
                "package": {"ecosystem": "npm", "name": "lodash"},
                "ranges": [
                    {
                        "type": "SEMVER",
                        "events": [{"introduced": "4.0.0"}, {"last_affected": "4.17.21"}],
                    }
                ],
            }
        ],
    }
    with zipfile.ZipFile(tmp_path / "npm.zip", "w") as archive:
        archive.writestr("X-3.json", json.dumps(record))
    rules = DependencyRules(advisories=tmp_path / "npm.zip")
    for version, expected in (("4.17.21", True), ("4.17.22", False)):
        lock = npm_lock(**{"node_modules/lodash": entry("lodash", version)})
        report = judge(NPM, {"package-lock.json": lock}, "lodash", rules)
        assert ("advisory" in codes(report)) is expected


def test_an_empty_database_is_said(tmp_path: Path) -> None:
    report = judge(
        REQ,
        {"requirements.txt": b"y==1 --hash=sha256:a\n"},
        rules=DependencyRules(advisories=tmp_path),
    )
    assert "no-advisories" in codes(report, refusing=False)
