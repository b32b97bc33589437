"""Which files say what a project depends on, and how each is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from runner.gates import lockfiles, manifests, npm_locks, python_manifests
from runner.gates.packages import Reader
from runner.records.paths import decode_path

Kind = Literal["manifest", "lock", "settings"]


@dataclass(frozen=True, slots=True)
class Format:
    """One kind of file."""

    ecosystem: str
    """As OSV calls it."""
    kind: Kind
    read: Reader


def _format(ecosystem: str, kind: Kind, read: Reader, *names: str) -> Iterator[tuple[str, Format]]:
    for name in names:
        yield name, Format(ecosystem, kind, read)


_NAMED: Mapping[str, Format] = dict(
    (
        *_format("PyPI", "manifest", python_manifests.pyproject, "pyproject.toml"),
        *_format("PyPI", "manifest", python_manifests.setup_cfg, "setup.cfg"),
        *_format("PyPI", "manifest", python_manifests.setup_py, "setup.py"),
        *_format("PyPI", "manifest", python_manifests.pipfile, "pipfile"),
        *_format("PyPI", "lock", lockfiles.pipfile, "pipfile.lock"),
        *_format(
            "PyPI", "lock", lockfiles.python, "uv.lock", "poetry.lock", "pdm.lock", "pylock.toml"
        ),
        *_format("npm", "manifest", manifests.npm, "package.json"),
        *_format("npm", "lock", npm_locks.npm, "package-lock.json", "npm-shrinkwrap.json"),
        *_format("npm", "lock", npm_locks.yarn, "yarn.lock"),
        *_format("npm", "lock", npm_locks.pnpm, "pnpm-lock.yaml"),
        *_format("crates.io", "manifest", manifests.cargo, "cargo.toml"),
        *_format("crates.io", "manifest", manifests.build_rs, "build.rs"),
        *_format("crates.io", "lock", lockfiles.cargo, "cargo.lock"),
        *_format("Go", "manifest", manifests.go, "go.mod", "go.work"),
        *_format("Go", "lock", lockfiles.go, "go.sum", "go.work.sum"),
        *_format("RubyGems", "manifest", manifests.gems, "gemfile", "gems.rb"),
        *_format("RubyGems", "lock", lockfiles.gems, "gemfile.lock", "gems.locked"),
        *_format("Packagist", "manifest", manifests.composer, "composer.json"),
        *_format("Packagist", "lock", lockfiles.composer, "composer.lock"),
        *_format("Maven", "manifest", manifests.pom, "pom.xml"),
        *_format("PyPI", "settings", manifests.settings, "pip.conf", "pip.ini", ".pypirc"),
        *_format("npm", "settings", manifests.settings, ".npmrc", ".yarnrc", ".yarnrc.yml"),
        *_format("npm", "settings", manifests.settings, "bunfig.toml", "pnpm-workspace.yaml"),
        *_format("npm", "settings", manifests.settings, ".pnpmfile.cjs"),
        *_format("NuGet", "settings", manifests.settings, "nuget.config"),
        *_format("Packagist", "settings", manifests.settings, "auth.json"),
    )
)
_PATTERNS: tuple[tuple[re.Pattern[str], Format], ...] = (
    (
        re.compile(r"(?:.*[._-])?(?:requirements|constraints)(?:[._-].*)?\.(?:txt|in)"),
        Format("PyPI", "manifest", python_manifests.requirements),
    ),
    (re.compile(r".*\.gemspec"), Format("RubyGems", "manifest", manifests.gems)),
    (
        re.compile(r".*\.(?:cs|fs|vb)proj|directory\.(?:packages|build)\.(?:props|targets)"),
        Format("NuGet", "manifest", manifests.dotnet),
    ),
)
_REQUIREMENTS = re.compile(r"(?:.*/)?requirements/[^/]*\.(?:txt|in)")
_CARGO_CONFIG = re.compile(r"(?:.*/)?\.cargo/config(?:\.toml)?")
_UNREAD = re.compile(
    r"bun\.lockb?|deno\.(?:jsonc?|lock)|.*\.gradle(?:\.kts)?|gradle\.lockfile|.*\.versions\.toml"
    r"|packages\.lock\.json|packages\.config|paket\..*|mix\.(?:exs|lock)|pubspec\.(?:yaml|lock)"
    r"|package\.(?:swift|resolved)|podfile(?:\.lock)?|cartfile(?:\.resolved)?|conda-lock\.yml"
    r"|environment\.ya?ml|conanfile\..*|vcpkg\.json|build\.sbt|stack\.yaml(?:\.lock)?|flake\.lock"
    r"|.*\.cabal|project\.clj|deps\.edn|rebar\.(?:config|lock)|pixi\.(?:toml|lock)|jsr\.json"
)

PAIRS: Mapping[str, tuple[str, ...]] = {
    "pyproject.toml": ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml"),
    "Pipfile": ("Pipfile.lock",),
    "package.json": ("package-lock.json", "npm-shrinkwrap.json", "yarn.lock", "pnpm-lock.yaml"),
    "Cargo.toml": ("Cargo.lock",),
    "go.mod": ("go.sum",),
    "Gemfile": ("Gemfile.lock",),
    "composer.json": ("composer.lock",),
}
"""Manifest -> lockfiles beside it or above."""


def format_of(path: str) -> Format | None:
    """None = nothing that is read here."""
    folded = decode_path(path).decode(errors="surrogateescape").lower()
    name = folded.rpartition("/")[2]
    if name == "build.rs" and "/src/" in f"/{folded}":  # a module like every other
        return None
    if name in _NAMED:
        return _NAMED[name]
    if _REQUIREMENTS.fullmatch(folded):
        return _PATTERNS[0][1]
    if _CARGO_CONFIG.fullmatch(folded):
        return Format("crates.io", "settings", manifests.settings)
    return next((format for pattern, format in _PATTERNS if pattern.fullmatch(name)), None)


def is_unread(path: str) -> bool:
    """It declares dependencies in a way that is not understood here."""
    return _UNREAD.fullmatch(path.rstrip('"').rpartition("/")[2].lower()) is not None
