"""`python3 noxfile.py demo` and `python3 noxfile.py tests`: all the set-up, on a bare machine.

Needs git and Python >= 3.11 with venv. When nox is missing it is installed into `.bootstrap/`.
Other sessions: lint, types, layers, hostile, image, bench, build. Arguments after the session's
name go to the session: `python3 noxfile.py demo --scenario secret`.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

HERE = Path(__file__).resolve().parent
BOOTSTRAP = HERE / ".bootstrap"
NOX = "nox>=2025.2.9"


def bootstrap() -> Path:
    """A python that has nox: this one, or that of a virtual environment made for it."""
    try:
        import nox  # noqa: F401
    except ImportError:
        python = BOOTSTRAP / "bin" / "python"
        try:
            if not (BOOTSTRAP / "complete").exists():
                print("noxfile: installing nox into .bootstrap/ (once)", file=sys.stderr)
                BOOTSTRAP.mkdir(exist_ok=True)
                install(python)
                (BOOTSTRAP / "complete").touch()
        except OSError as error:
            fail(f"cannot write {BOOTSTRAP}: {error.strerror}", "clone to where you may write")
        return python
    return Path(sys.executable)


def install(python: Path) -> None:
    """A virtual environment with nox in it."""
    for command, remedy in (
        (
            [sys.executable, "-m", "venv", "--clear", str(BOOTSTRAP)],
            "apt-get install python3-venv (Debian, Ubuntu), or a whole Python from python.org",
        ),
        (
            [str(python), "-m", "pip", "install", "--quiet", NOX],
            "mend the network or pip's index (pip config list), or install nox by yourself",
        ),
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            said = " ".join(f"{done.stdout} {done.stderr}".split())
            errors = re.findall(r"(?m)^\w*(?:Error|ERROR): .*", done.stderr)
            fail(f"{' '.join(command[1:4])}: {(errors or [said])[-1][:200]}", remedy)


def fail(problem: str, remedy: str) -> NoReturn:
    """Two lines, and the exit code of a machine that has to be mended."""
    print(f"error: {problem}\ntry: {remedy}", file=sys.stderr)
    sys.exit(3)


def as_program() -> None:
    """`python3 noxfile.py SESSION [ARGUMENTS...]`."""
    if sys.version_info < (3, 11):  # noqa: UP036  told in words, not as a syntax error
        fail("codex-runner needs Python >= 3.11", "python3.11 noxfile.py demo")
    words = sys.argv[1:]
    if words and words[0] in {"-h", "--help"}:
        print(__doc__)
        return
    python = bootstrap()
    session = ["--session", words[0], "--", *words[1:]] if words else []
    command = [str(python), "-m", "nox", "--noxfile", str(HERE / "noxfile.py"), *session]
    os.execv(command[0], command)


if __name__ == "__main__":
    as_program()
else:
    import nox

    nox.needs_version = ">=2025.2.9"
    nox.options.sessions = ["lint", "types", "layers", "tests"]
    nox.options.reuse_existing_virtualenvs = True
    nox.options.default_venv_backend = "venv"
    nox.options.error_on_external_run = True
    PROJECT = nox.project.load_toml(HERE / "pyproject.toml")

    def groups(*names: str) -> list[str]:
        """Requirements of pyproject's dependency groups, for a pip of any age."""
        return list(nox.project.dependency_groups(PROJECT, *names))

    @nox.session
    def demo(session: nox.Session) -> None:
        """The main job, for real: sandbox, real codex, gates, push, request."""
        session.install("--quiet", ".")
        session.run("codex-runner", "demo", *session.posargs)

    @nox.session
    def tests(session: nox.Session) -> None:
        """The whole suite, on all cores."""
        session.install("--quiet", "-e", ".[github,postgres,static]", *groups("tests"))
        session.run("pytest", "-n", "auto", "--dist", "worksteal", *session.posargs)

    @nox.session
    def lint(session: nox.Session) -> None:
        """ruff: errors and format."""
        session.install("--quiet", *groups("lint"))
        session.run("ruff", "check", "runner", "tests", "workflows", "noxfile.py")
        session.run("ruff", "format", "--check", "runner", "tests", "workflows", "noxfile.py")

    @nox.session
    def types(session: nox.Session) -> None:
        """mypy --strict on package and tests."""
        session.install(
            "--quiet", "-e", ".[github,keyring,postgres]", *groups("tests", "lint"), "nox"
        )
        session.run("mypy")

    @nox.session
    def layers(session: nox.Session) -> None:
        """The floors: imports go downwards only."""
        session.install("--quiet", "-e", ".", *groups("lint"))
        session.run("lint-imports")

    @nox.session
    def bench(session: nox.Session) -> None:
        """Ratios measured in one run; prints a table and writes bench.json."""
        session.install("--quiet", "-e", ".[github,static]", *groups("tests"))
        session.run("python", "-m", "tests.bench", *session.posargs)

    @nox.session
    def hostile(session: nox.Session) -> None:
        """A corpus of attacks through the real product: class x engine; 1 = breached or not run."""
        session.install("--quiet", "-e", ".[github,static]", *groups("tests"))
        session.run("python", "-m", "tests.hostile", *session.posargs)

    @nox.session
    def image(session: nox.Session) -> None:
        """The docker engine's image, from Debian's packages."""
        session.install("--quiet", ".")
        session.run("codex-runner", "images", "build", "--from-packages", *session.posargs)

    @nox.session
    def build(session: nox.Session) -> None:
        """Source distribution and wheel."""
        session.install("--quiet", "build")
        session.run("python", "-m", "build", *session.posargs)
