"""How a project is tested: a command made of fixed words only, and the reason to think so.

What stands in a script or a manifest never becomes part of a command; it is only looked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from runner.starter.projects import Project
from runner.starter.tree import Tree

_PYTEST = re.compile(r"\bpytest\b")
_NAMES_PYTEST = ("pyproject.toml", "setup.cfg", "tox.ini", "noxfile.py", "Pipfile")
_NO_TEST = "no test specified"
"""What `npm init` writes where there is no test yet."""
_MAKE_TEST = re.compile(r"^test[ \t]*:(?!=)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Guess:
    """A command, maybe none, and what it was concluded from."""

    command: str | None
    why: str


def guess(tree: Tree, found: tuple[Project, ...]) -> Guess:
    """Of one project its language's way; of several all, unless the Makefile has a target."""
    makefile = tree.first("GNUmakefile", "makefile", "Makefile")
    made = makefile is not None and _MAKE_TEST.search(tree.text(makefile))
    each = [(project, GUESSERS[project.language](project.tree)) for project in found]
    known = [(project, one) for project, one in each if one.command]
    if made and (len(each) > 1 or not known):
        return Guess("make test", f"{makefile} has the target test")
    if not known:
        return each[0][1] if each else Guess(None, "no language was recognised")
    said = [f"{project.directory}: {one.why}".removeprefix(": ") for project, one in known]
    silent = [f"{project.evidence}: {one.why}" for project, one in each if not one.command]
    return Guess(" && ".join(_command(*one) for one in known), "; ".join((*said, *silent)))


def _command(project: Project, one: Guess) -> str:
    return f"(cd {project.directory} && {one.command})" if project.directory else f"{one.command}"


def _python(tree: Tree) -> Guess:
    if why := _pytest(tree):
        return Guess("python3 -m pytest -q", why)
    if "manage.py" in tree.files and "django" in tree.text("manage.py"):
        return Guess("python3 manage.py test", "manage.py is Django's")
    if not (found := _unittest(tree)).command:
        for name, tool in (("tox.ini", "tox"), ("noxfile.py", "nox")):
            if name in tree.files:
                why = f"{name}; it builds environments, which needs a network: name what it runs"
                return Guess(f"python3 -m {tool}", why)
    return found


def _pytest(tree: Tree) -> str | None:
    if found := tree.first("pytest.ini", ".pytest.ini", "pytest.toml", "conftest.py"):
        return f"{found} is pytest's"
    for directory in ("tests", "test"):
        if "conftest.py" in tree.within(directory).files:
            return f"{directory}/conftest.py is pytest's"
    requirements = [n for n in tree.files if n.startswith("requirements") and n.endswith(".txt")]
    for name in (*_NAMES_PYTEST, *requirements):
        if name in tree.files and _PYTEST.search(tree.text(name)):
            return f"{name if name in _NAMES_PYTEST else 'a requirements file'} names pytest"
    return None


def _unittest(tree: Tree) -> Guess:
    for directory in ("tests", "test"):
        below = tree.within(directory).files
        if any(name.startswith("test") and name.endswith(".py") for name in below):
            options = "-q" if "__init__.py" in below else f"discover -q -s {directory}"
            return Guess(
                f"python3 -m unittest {options}", f"{directory}/ has tests, none names pytest"
            )
    if tree.first("test*.py"):
        return Guess("python3 -m unittest -q", "there are test*.py")
    return Guess(None, "no tests were found")


def _node(tree: Tree) -> Guess:
    try:
        manifest = json.loads(tree.text("package.json") or "{}")
    except (ValueError, RecursionError):
        return Guess(None, "package.json cannot be read")
    scripts = manifest.get("scripts") if isinstance(manifest, dict) else None
    script = scripts.get("test") if isinstance(scripts, dict) else None
    if not isinstance(script, str) or not script.strip() or _NO_TEST in script:
        return Guess(None, "package.json has no script test")
    locks = {"pnpm-lock.yaml": "pnpm test", "yarn.lock": "yarn test", "bun.lock*": "bun run test"}
    command = next((run for lock, run in locks.items() if tree.first(lock)), "npm test")
    return Guess(command, "package.json has the script test")


def _java(tree: Tree) -> Guess:
    if "pom.xml" in tree.files:
        tool = "./mvnw" if "mvnw" in tree.files else "mvn"
        return Guess(f"{tool} --batch-mode --offline test", "pom.xml is Maven's")
    tool = "./gradlew" if "gradlew" in tree.files else "gradle"
    return Guess(f"{tool} --no-daemon --offline test", "build.gradle is Gradle's")


def _ruby(tree: Tree) -> Guess:
    bundle = "bundle exec " if tree.first("Gemfile", "gems.rb") else ""
    if ".rspec" in tree.files or "spec" in tree.directories:
        return Guess(f"{bundle}rspec", "spec/ or .rspec is RSpec's")
    if "Rakefile" in tree.files and "test" in tree.directories:
        return Guess(f"{bundle}rake test", "there are a Rakefile and test/")
    return Guess(None, "neither spec/ nor a Rakefile and test/")


def _php(tree: Tree) -> Guess:
    if found := tree.first("phpunit.xml", "phpunit.xml.dist"):
        return Guess("vendor/bin/phpunit", f"{found} is PHPUnit's")
    return Guess(None, "no phpunit.xml")


def _go(tree: Tree) -> Guess:
    return Guess("go test ./...", f"{tree.first('go.mod', 'go.work')} is Go's")


def _rust(_tree: Tree) -> Guess:
    return Guess("cargo test --workspace --offline", "Cargo.toml is Cargo's")


def _dotnet(_tree: Tree) -> Guess:
    return Guess("dotnet test --no-restore", "there is a .NET project")


GUESSERS: Mapping[str, Callable[[Tree], Guess]] = MappingProxyType(
    {
        "Python": _python,
        "Node": _node,
        "Go": _go,
        "Rust": _rust,
        "Java": _java,
        "Ruby": _ruby,
        "PHP": _php,
        ".NET": _dotnet,
    }
)
