"""What was found and what comes next, in lines for a person and as plain values for JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from runner.starter import task_text, workflow_text
from runner.starter.choose import Outcome
from runner.starter.look import Found
from runner.text import line


def found_lines(found: Found) -> Iterator[str]:
    """`found: Python (pyproject.toml)`, and so on."""
    every = ", ".join(f"{each.language} ({each.evidence})" for each in found.projects)
    yield f"found: {every or 'no language that is known'}"
    yield f"tests: {found.test.command or 'no command'} ({found.test.why})"
    managers = ", ".join(f"{each.manager.name} ({each.lockfile})" for each in found.packages)
    yield f"packages: {managers or 'no lockfile'}; CI: {found.ci or 'none'}"
    yield from (f"not looked into: {line(why)}" for why in found.unread)


def found_values(found: Found) -> Mapping[str, object]:
    return {
        "projects": [
            {"language": each.language, "directory": each.directory or ".", "why": each.evidence}
            for each in found.projects
        ],
        "test": {"command": found.test.command, "why": found.test.why},
        "packages": [
            {"manager": each.manager.name, "lockfile": each.lockfile} for each in found.packages
        ],
        "ci": found.ci,
        "not_looked_into": [line(why) for why in found.unread],
    }


def next_steps(found: Found, outcome: Mapping[str, Outcome], *, on_github: bool) -> Iterator[str]:
    """`outcome`: the policy first. `on_github`: a request can be opened there."""
    policy, *_ = outcome
    if found.test.command is None and outcome[policy] != "kept":
        yield f"name the test command in {policy}"
    if outcome.get(workflow_text.PATH) in {"created", "replaced"}:
        yield f"replace OWNER and the zeros in {workflow_text.PATH}; its first lines tell more"
    paths = [path for path, became in outcome.items() if became != "not created"]
    yield f"git add {' '.join(paths)} && git commit    # a run reads the policy of its commit"
    yield "codex-runner doctor"
    options = "--dry-run" if on_github else "--dry-run --no-publish"
    yield f"codex-runner run {options} {task_text.PATH}"
    if found.ci == "GitLab CI":
        yield "there is no workflow for GitLab CI: let a job of your own call codex-runner run"
