"""Package managers by their lockfiles, and what a `[setup]` with them would be."""

from __future__ import annotations

from dataclasses import dataclass

from runner.starter.projects import Project

_TARGET = "pip install --target .deps -r"
_LISTED = ".deps/requirements.txt"


@dataclass(frozen=True, slots=True)
class Manager:
    """One way to install what a lockfile says, into an ignored directory of the workspace."""

    name: str
    lockfile: str
    command: str
    ignored: str
    """The directory it leaves, which .gitignore has to name."""
    lockfiles: tuple[str, ...] = ()
    """All that the command needs to see; empty = the whole tree."""
    variable: str = ""
    """For the shell of the tests; `{}` is where the project is: empty, or `web/`."""


_PYTHONPATH = 'PYTHONPATH="$PWD/{}.deps"'
_GO = 'GOMODCACHE="$PWD/{}.gomod"'
_CARGO = 'CARGO_HOME="$PWD/{}.cargo-home"'
_BUNDLE = 'BUNDLE_PATH="$PWD/{}.gems"'
_MAVEN = 'MAVEN_ARGS="-Dmaven.repo.local=$PWD/{}.m2"'
_GRADLE = 'GRADLE_USER_HOME="$PWD/{}.gradle-home"'


def _exported(name: str, lockfile: str, export: str, manifest: str = "pyproject.toml") -> Manager:
    """A Python manager that can write requirements; pip puts them where `PYTHONPATH` says."""
    command = f"mkdir -p .deps && {export} > {_LISTED} && {_TARGET} {_LISTED}"
    return Manager(name, lockfile, command, ".deps/", (manifest, lockfile), _PYTHONPATH)


def _node(name: str, lockfile: str, command: str) -> Manager:
    return Manager(name, lockfile, command, "node_modules/", ("package.json", lockfile))


def _own(
    name: str, lockfile: str, command: str, ignored: str, variable: str, *lockfiles: str
) -> Manager:
    """A manager that a variable tells where to put things, then and in the tests."""
    return Manager(name, lockfile, f"{variable.format('')} {command}", ignored, lockfiles, variable)


MANAGERS = (
    _exported("uv", "uv.lock", "uv export --quiet --frozen --no-emit-project"),
    _exported("poetry", "poetry.lock", "poetry export"),
    _exported("pdm", "pdm.lock", "pdm export"),
    _exported("pipenv", "Pipfile.lock", "pipenv requirements", "Pipfile"),
    Manager(
        "pip",
        "requirements.txt",
        f"{_TARGET} requirements.txt",
        ".deps/",
        ("requirements*.txt",),
        _PYTHONPATH,
    ),
    _node("npm", "package-lock.json", "npm ci --ignore-scripts"),
    _node("npm", "npm-shrinkwrap.json", "npm ci --ignore-scripts"),
    _node("pnpm", "pnpm-lock.yaml", "pnpm install --frozen-lockfile --ignore-scripts"),
    _node("yarn", "yarn.lock", "yarn install --frozen-lockfile --ignore-scripts"),
    _node("bun", "bun.lock", "bun install --frozen-lockfile --ignore-scripts"),
    _own("go", "go.sum", "go mod download", ".gomod/", _GO, "go.mod", "go.sum"),
    _own("cargo", "Cargo.lock", "cargo fetch --locked", ".cargo-home/", _CARGO),
    _own("bundler", "Gemfile.lock", "bundle install", ".gems/", _BUNDLE, "Gemfile*", "*.gemspec"),
    Manager(
        "composer",
        "composer.lock",
        "composer install --no-interaction --no-scripts",
        "vendor/",
        ("composer.json", "composer.lock"),
    ),
    _own("maven", "pom.xml", "mvn -B dependency:go-offline", ".m2/", _MAVEN, "**/pom.xml"),
    _own(
        "gradle",
        "gradle.lockfile",
        "gradle --no-daemon dependencies",
        ".gradle-home/",
        _GRADLE,
    ),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Packages:
    """A manager at work in one project."""

    manager: Manager
    directory: str
    """As in `Project`."""

    @property
    def place(self) -> str:
        """Empty, or `web/`: what a path in it begins with."""
        return f"{self.directory}/" if self.directory else ""

    @property
    def lockfile(self) -> str:
        return self.place + self.manager.lockfile

    @property
    def command(self) -> str:
        command = self.manager.command
        return f"cd {self.directory} && {command}" if self.directory else command

    @property
    def variable(self) -> str:
        return self.manager.variable.format(self.place)


def packages(found: tuple[Project, ...]) -> tuple[Packages, ...]:
    """One for every lockfile; pip's requirements only where no lockfile of Python is."""
    places = {project.directory: project.tree for project in found}
    every: list[Packages] = []
    for directory, tree in places.items():
        there = [each for each in MANAGERS if each.lockfile in tree.files]
        locked = any(each.variable == _PYTHONPATH and each.name != "pip" for each in there)
        every += [
            Packages(each, directory) for each in there if not (locked and each.name == "pip")
        ]
    return tuple(every)
