"""What projects of other languages declare, read."""

from __future__ import annotations

import re
from collections.abc import Iterator
from xml.etree.ElementTree import Element

from runner.gates.bounded_toml import read_toml
from runner.gates.packages import (
    Listing,
    Package,
    below,
    bounded,
    is_remote,
    lines,
    plain,
    read_json,
    read_xml,
    table,
    text,
    words,
)

_NPM_GROUPS = ("dependencies", "devDependencies", "optionalDependencies", "peerDependencies")
_NPM_HOOKS = (
    "preinstall",
    "install",
    "postinstall",
    "prepare",
    "prepublish",
    "preprepare",
    "postprepare",
    "dependencies",
)
_NPM_OPTIONS = (
    "overrides",
    "resolutions",
    "pnpm",
    "publishConfig",
    "packageManager",
    "workspaces",
    "dependenciesMeta",
)
_NPM_PLACES = ("file:", "link:", "portal:", "npm:", "patch:", "exec:", ".", "/", "~/")
_SHORT_GIT = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+(?:#.*)?\Z")
_CARGO_GROUPS = ("dependencies", "dev-dependencies", "build-dependencies")
_CARGO_PLACES = ("git", "path", "registry", "registry-index")
_COMPOSER_HOOK = re.compile(
    r"(?:pre|post)-(?:install|update|autoload|root|create|package|file|pool|command|dependencies|operations)\b.*"
)
_GEM_LINE = re.compile(
    r"^\s*(?:gem|\w+\.add(?:_runtime|_development)?_dependency)[ (]\s*"
    r"(['\"])([A-Za-z0-9_.-]+)\1(.*)"
)
_GEM_REQUIREMENT = re.compile(r"^\s*,\s*(['\"])([^'\"]*)\1")
_GEM_PLACE = re.compile(
    r"(?:\b(git|path|github|gist|bitbucket|source|branch|ref|tag):|:(git|path|github|source)\s*=>)\s*(['\"])([^'\"]*)\3"
)
_GEM_OPTION = re.compile(
    r"^\s*(?:source|git_source|eval_gemfile|plugin|git|path|install_if|instance_eval|gemspec)\b.*"
)
_GO_LINE = re.compile(
    r"(?:(require|replace|exclude|tool|retract|godebug|ignore)\s+)?([^\s()]+)\s+(\S.*)"
)


def npm(data: bytes) -> Listing:
    document = read_json(data)
    found = [
        _npm(name, words(wanted), group != "peerDependencies")
        for group in _NPM_GROUPS
        for name, wanted in below(document, group).items()
    ]
    scripts = below(document, "scripts")
    hooks = {name: plain(scripts[name]) for name in _NPM_HOOKS if name in scripts}
    if document.get("gypfile"):
        hooks["gypfile"] = "true"
    options = {f"{name} = {plain(document[name])}" for name in _NPM_OPTIONS if name in document}
    return Listing(bounded(found), frozenset(options), hooks)


def _npm(name: str, wanted: str, is_locked: bool) -> Package:
    elsewhere = is_remote(wanted) or wanted.startswith(_NPM_PLACES) or _SHORT_GIT.match(wanted)
    return Package(name, wanted, wanted if elsewhere else "", is_locked=is_locked)


def cargo(data: bytes) -> Listing:
    document = read_toml(data)
    places = [
        document,
        below(document, "workspace"),
        *map(table, below(document, "target").values()),
    ]
    found = [
        _cargo(name, wanted)
        for place in places
        for group in _CARGO_GROUPS
        for name, wanted in below(place, group).items()
    ]
    package = below(document, "package")
    hooks = {"package.build": plain(package["build"])} if "build" in package else {}
    options = {
        f"{name} = {plain(document[name])}" for name in ("patch", "replace") if name in document
    }
    return Listing(bounded(found), frozenset(options), hooks)


def _cargo(name: str, wanted: object) -> Package:
    given = table(wanted) if isinstance(wanted, dict) else {"version": wanted}
    place = ", ".join(f"{key}={words(given[key])}" for key in _CARGO_PLACES if key in given)
    return Package(words(given.get("package")) or name, words(given.get("version")), place)


def build_rs(data: bytes) -> Listing:
    """A program that runs at every build: every change of it counts."""
    return Listing(hooks={"build.rs": text(data)})


def go(data: bytes) -> Listing:
    found: list[Package] = []
    options: set[str] = set()
    block = ""
    for raw in lines(text(data)):
        row, _, comment = raw.partition("//")
        row = " ".join(row.split())
        if row.endswith("("):
            block = row[:-1].strip()
        elif row == ")":
            block = ""
        elif match := _GO_LINE.fullmatch(row):
            verb = match[1] or block
            if verb == "require":
                direct = "indirect" not in comment
                found.append(Package(match[2], match[3], is_exact=True, is_direct=direct))
            elif verb in {"replace", "tool"}:
                options.add(f"{verb} {match[2]} {match[3]}")
    return Listing(bounded(found), frozenset(options))


def gems(data: bytes) -> Listing:
    """A Gemfile or gemspec is a program: what is written as usual is read, nothing is run."""
    found: list[Package] = []
    options: set[str] = set()
    hooks: dict[str, str] = {}
    for row in lines(text(data)):
        if match := _GEM_LINE.match(row):
            wanted = _GEM_REQUIREMENT.match(match[3])
            places = (f"{a or b}={place}" for a, b, _, place in _GEM_PLACE.findall(match[3]))
            found.append(Package(match[2], wanted[2] if wanted else "", ", ".join(places)))
        elif _GEM_OPTION.match(row):
            options.add(" ".join(row.split()))
        elif ".extensions" in row:
            hooks["extensions"] = " ".join(row.split())
    return Listing(bounded(found), frozenset(options), hooks)


def composer(data: bytes) -> Listing:
    document = read_json(data)
    found = [
        Package(name.lower(), words(wanted))
        for group in ("require", "require-dev")
        for name, wanted in below(document, group).items()
        if "/" in name
    ]
    scripts = below(document, "scripts")
    hooks = {name: plain(value) for name, value in scripts.items() if _COMPOSER_HOOK.match(name)}
    plugins = below(document, "config").get("allow-plugins")
    if plugins:
        hooks["config.allow-plugins"] = plain(plugins)
    repositories = document.get("repositories")
    options = {f"repositories = {plain(repositories)}"} if repositories else set()
    return Listing(bounded(found), frozenset(options), hooks)


def pom(data: bytes) -> Listing:
    """Maven, whose plugins run at every build."""

    root = read_xml(data)
    found, options, hooks = [], set[str](), dict[str, str]()
    for element in root.iter():
        kind = _tag(element)
        if kind in {
            "dependency",
            "plugin",
            "extension",
            "parent",
            "annotationProcessorPath",
            "path",
        }:
            parts = {_tag(child): (child.text or "").strip() for child in element}
            name = (
                f"{parts.get('groupId', 'org.apache.maven.plugins')}:{parts.get('artifactId', '')}"
            )
            place = parts.get("systemPath", "")
            found.append(Package(name, parts.get("version", ""), place, is_exact=True))
            if kind in {"plugin", "extension"}:
                hooks[f"{kind} {name}"] = _flat(element)
        elif kind in {"repository", "pluginRepository", "mirror"}:
            options.add(_flat(element))
    return Listing(bounded(found), frozenset(options), hooks)


def dotnet(data: bytes) -> Listing:
    """*.csproj, *.props: references, and what runs at a build."""

    root = read_xml(data)
    found, options, hooks = [], set[str](), dict[str, str]()
    for number, element in enumerate(root.iter()):
        kind = _tag(element)
        if kind in {"PackageReference", "PackageVersion", "GlobalPackageReference"}:
            parts = {_tag(child): (child.text or "").strip() for child in element}
            name = element.get("Include") or element.get("Update") or ""
            version = (
                element.get("Version") or element.get("VersionOverride") or parts.get("Version", "")
            )
            found.append(Package(name.lower(), version, is_exact=version[:1].isdigit()))
        elif kind in {
            "RestoreSources",
            "RestoreAdditionalProjectSources",
            "RestoreConfigFile",
            "add",
        }:
            options.add(_flat(element))
        elif kind in {"Exec", "UsingTask", "Import", "Sdk"}:
            hooks[f"{kind} {number}"] = _flat(element)
    return Listing(bounded(found), frozenset(options), {each: each for each in hooks.values()})


def _tag(element: Element) -> str:
    return element.tag.rpartition(":")[2]


def _flat(element: Element) -> str:
    return " ".join(_words(element))[:2000]


def _words(element: Element) -> Iterator[str]:
    for each in element.iter():
        yield _tag(each)
        yield from (f"{name}={value}" for name, value in sorted(each.attrib.items()))
        yield from (each.text or "").split()


def settings(data: bytes) -> Listing:
    """.npmrc, pip.conf, NuGet.config and the like: every line of it decides."""
    rows = (" ".join(row.split()) for row in lines(text(data)))
    return Listing(options=frozenset(row for row in rows if row and row[0] not in "#;"))
