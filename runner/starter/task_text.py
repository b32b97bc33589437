"""The example task: something small that is of use anywhere."""

from __future__ import annotations

from runner.starter.look import Found

PATH = ".codex-runner/tasks/example.md"
"""Below a directory no change of an agent may touch, as the policy."""

HEAD = """\
+++
# A title of one line; the branch and the request are named after it.
title = "Correct the documentation where the code says otherwise"
# The change must stay inside.
paths = ["**/*.md"]
# Of the request.
labels = ["documentation"]
# Where to start from and what to aim at; without them HEAD and the remote's default branch.
# base = "main"
# target = "main"
# Exact paths whose tests may become weaker; the request says so.
# may_change_tests = ["tests/test_old.py"]
"""
TEST = """\
# The tests gate needs a command, here or in .codex-runner.toml; false goes without that gate.
# test = "make test"
"""
REST = """
[limits]
# Limits of this task; they only lower those of the policy.
files = 5
lines = 100
requests = 60
wall_s = 900
+++
Compare README.md, and the other Markdown files, with the code: names of commands, options, files,
functions and defaults. Correct what is wrong, in the words and the style that are there.

- Change nothing that is right, and no code.
- Do not describe what you have not found in the code.
- When everything is right already, change nothing.
"""


def task_text(found: Found) -> str:
    return HEAD + ("" if found.test.command else TEST) + REST
