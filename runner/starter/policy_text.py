"""The starter policy: every key with what it does, what is only possible behind a `#`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from runner.starter.look import Found

HEAD = """\
# The policy of codex-runner here: what its agent may do, and what every change has to pass.
# It is read from the commit a run starts at, never from what the agent wrote. It only tightens:
# what the operator allows is the ceiling, and a task can tighten it further.
# A key behind a # is not in force.
"""
REST = """
# How far a run may go: 0 it only reports, 1 a person approves what is published, 2 a draft request,
# 3 a request ready for review. What a change turns out to be may lower that: see [classes].
level = 2

[limits]
# A change that is larger is refused. A rename counts as two files.
files = 25
# Added plus deleted lines.
lines = 800
# How often the agent may try: each attempt after the first begins with what the gates refused.
attempts = 2
# Seconds the agent may take, and seconds one run of the tests may take.
wall_s = 1800
tests_s = 900
# There are more: "codex-runner policy explain limits" tells all of them, and who decided each.

[tests]
# How often a test that failed is tried again, before it counts as failed.
retries = 1
# True: tests that fail only sometimes, and a base that cannot be tested, refuse the change too.
strict = false
# Per cent of the changed lines that tests must run, and the file where the command says so.
# coverage = 80
# coverage_file = "coverage.xml"

[dependencies]
# A dependency the base does not have: "refuse", or "warn" (the request names it).
new = "refuse"

[static]
# From when on a new finding of an analyser refuses: "security", "error", "warning" or "note".
refuse = "security"
# Analysers that must have run; without them such a change is not judged at all.
# require = ["ruff", "zizmor"]

# The highest level of a kind of change. Also: ci payments privacy infrastructure dependencies
# unknown code docs tests formatting.
# [classes]
# security = 0
# migration = 0

# What one run may spend, in USD, and what all runs here may together in a day. The operator has to
# say what the models cost: [prices] in config.toml.
# [budget]
# run_usd = "2"
# repository_day_usd = "20"

# Commands the agent may not begin: "forbidden", or "prompt" (a person decides). A shell can hide a
# command from rules; the walls are the sandbox and the gates.
# [[rules]]
# pattern = ["git", ["push", "remote"]]
# decision = "forbidden"
# justification = "The runner publishes, not the agent."
# match = ["git push origin"]

# What this policy has to decide: "codex-runner policy test" tries it, and its --help tells more.
# [[examples]]
# name = "a task of thousands of lines is cut"
# task = { limits = { lines = 9000 } }
# expect = { limits = { lines = 800 } }

# What else the reviewing model is to look for. It can only refuse.
# [review]
# instructions = "Public functions keep their signatures. Every new setting is documented."
"""
SETUP = """
# What the tests need installed, before the agent starts. Neither it nor they have a network.
"""
HOSTS = """\
# Hosts the commands may reach, if the operator allows them too: [setup] hosts in config.toml.
# hosts = ["packages.example.com"]
"""


def policy_text(found: Found) -> str:
    """`.codex-runner.toml`, read back without an error whatever was found."""
    return f"{HEAD}\n{_test(found)}\n{_paths(found)}{REST}{''.join(_setup(found))}"


def _test(found: Found) -> str:
    test = found.test
    if test.command is None:
        return (
            "# The command of the tests gate. None was found: " + test.why + ".\n"
            '# Name it here; until then every task has to say test = "...", or test = false.\n'
            '# test = "make test"\n'
        )
    return (
        "# The command of the tests gate: in a fresh sandbox without a network, on the change and\n"
        f"# on its base. Guessed: {test.why}.\n"
        f"test = {_quoted(test.command)}\n"
    )


def _paths(found: Found) -> str:
    delicate = [f"{name}/" for name in found.delicate]
    listed = f"protected = {_array(delicate)}\n" if delicate else '# protected = ["infra/"]\n'
    return (
        "# What no change may touch, besides CI files, agent instructions and this policy.\n"
        f"{listed}\n"
        "# What every change must stay inside; without this key anywhere that is not protected.\n"
        '# paths = ["src/**", "tests/**", "docs/**"]\n'
    )


def _setup(found: Found) -> Iterator[str]:
    """One table for all managers; a way to begin, so nothing of it is in force."""
    yield SETUP
    every = found.packages
    ignored = ", ".join(f"{each.place}{each.manager.ignored}" for each in every) or ".deps/"
    yield f"# What they leave is kept where .gitignore ignores it: {ignored}\n# [setup]\n"
    commands = [each.command for each in every]
    yield f"# commands = {_array(commands or ['pip install --target .deps -r requirements.txt'])}\n"
    yield HOSTS
    seen = [f"{each.place}{name}" for each in every for name in each.manager.lockfiles]
    if all(each.manager.lockfiles for each in every):
        yield "# The files the commands get to see; without this key the whole tree.\n"
        yield f"# lockfiles = {_array(seen or ['requirements*.txt'])}\n"
    if (variables := [v for each in every if (v := each.variable)]) and found.test.command:
        test = f"export {' '.join(variables)} && {found.test.command}"
        yield f"# The tests then need, in place of the command above:\n#   test = {_quoted(test)}\n"


def _array(items: Sequence[str]) -> str:
    return f"[{', '.join(_quoted(item) for item in items)}]"


def _quoted(text: str) -> str:
    """A string of TOML, as JSON writes ASCII without controls; nothing else is ever found."""
    assert text.isascii() and text.isprintable()
    return json.dumps(text)
