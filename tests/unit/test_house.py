"""The house rules a machine can check: sizes, one door per dependency, documented records."""

from __future__ import annotations

import ast
import sys
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import pytest

import runner
import runner.records
from runner.process import run
from runner.records.base import Record

PACKAGE = Path(runner.__file__).parent
NAMES = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))

DOORS: dict[str, str | tuple[str, ...]] = {
    "click": "cli/",
    "cryptography": ("ledger/", "signed.py"),
    "docker": "sandbox/docker",
    "git": "workspace/",
    "github": "forge/",
    "h11": "broker/",
    "httpx": ("broker/", "gateway/client.py"),
    "keyring": "broker/",
    "kingfisher": "gates/",
    "packaging": "gates/",
    "platformdirs": "policy/",
    "psycopg": "ledger/postgres.py",
    "re2": "guardrails/",
    "rich": "report/",
    "starlette": "gateway/",
    "stdnum": "guardrails/",
    "subprocess": "process.py",
    "tomli": "policy/",
    "tomli_w": "agent/",
    "uvicorn": "gateway/",
}
"""Dependency -> where alone it is imported."""

HEAVY = ("cryptography", "docker", "git", "github", "httpx", "kingfisher", "pydantic")


def _tree(name: str) -> ast.Module:
    return ast.parse((PACKAGE / name).read_bytes(), name)


def _limit(name: str) -> int:
    return 150 if name == "run.py" or name.startswith("cli/") else 300


@pytest.mark.parametrize("name", NAMES)
def test_modules_are_small(name: str) -> None:
    assert len((PACKAGE / name).read_text().splitlines()) <= _limit(name)


@pytest.mark.parametrize("name", NAMES)
def test_functions_are_small(name: str) -> None:
    long = {
        node.name: length
        for node in ast.walk(_tree(name))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := (node.end_lineno or 0) - node.lineno + 1) > 45
    }
    assert long == {}


@pytest.mark.parametrize("name", NAMES)
def test_every_dependency_has_one_door(name: str) -> None:
    used = {top for node in ast.walk(_tree(name)) for top in _imported(node)}
    strays = {top for top in used & DOORS.keys() if not name.startswith(DOORS[top])}
    assert strays == set()


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
        return [node.module.partition(".")[0]]
    return []


@pytest.mark.parametrize("name", NAMES)
def test_modules_say_what_they_are(name: str) -> None:
    empty = not (PACKAGE / name).read_bytes()
    assert empty or ast.get_docstring(_tree(name))


def test_records_are_documented() -> None:
    modules = [
        import_module(f"runner.records.{m.name}") for m in iter_modules(runner.records.__path__)
    ]
    records = {
        thing
        for module in modules
        for thing in vars(module).values()
        if isinstance(thing, type) and issubclass(thing, Record)
    }
    assert len(records) > 15
    assert [record.__name__ for record in records if "__doc__" not in vars(record)] == []


def test_the_command_line_starts_without_its_heavy_parts() -> None:
    code = "import runner.cli.main, sys; print(*sys.modules)"
    loaded = set(run([sys.executable, "-c", code]).text().split())
    assert "runner.cli.main" in loaded
    assert loaded.isdisjoint(HEAVY)
