"""What must not be imported, because it costs every run its time."""

from __future__ import annotations

import sys

from runner.process import run


def test_httpx_comes_without_its_command_line_whoever_imports_it_first() -> None:
    found = "{'rich', 'pygments'} & sys.modules.keys()"
    program = f"import sys, runner.broker.application; print({found})"
    done = run([sys.executable, "-c", program])
    assert (done.code, done.text().strip()) == (0, "set()"), done.error()
