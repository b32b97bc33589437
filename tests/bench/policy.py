"""Five layers of policy: read, merged and made a plan, in CPU time of this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from time import process_time

from runner.gates.paths import PROTECTED
from runner.policy.layers import decide_run
from runner.policy.plan import make_plan
from runner.policy.repo_policy import parse_repo_policy
from runner.policy.settings import load_settings
from runner.policy.task_file import parse_task
from runner.records.base import Oid, RunId
from runner.records.repository import Base
from tests.bench.rounds import Setting, interleave
from tests.bench.row import Row

AT_MOST_MS = 30.0
LIMITS = "[limits]\nlines = {0}\nfiles = {0}\nrequests = {0}\n[tests]\nretries = 1\n"
GLOBS = "protected = [{}]\n".format(", ".join(f'"area{n}/**"' for n in range(50)))
ORGANISATION = f"""\
pin = ["engine", "static"]
engine = "bubblewrap"
gates = ["acme.licence"]
models = ["gpt-5.5", "gpt-5.6-terra"]
{GLOBS}{LIMITS.format(900)}
[static]
refuse = "error"
[setup]
hosts = ["*.packages.example.com"]
"""
USER = f'model = "gpt-5.5"\n{GLOBS}{LIMITS.format(800)}'
REPOSITORY = f"""\
test = "make check"
{GLOBS}{LIMITS.format(700)}
[setup]
commands = ["make deps"]
hosts = ["a.packages.example.com"]
"""
TASK = f'+++\ntitle = "t"\npaths = ["src/**"]\n{LIMITS.format(600)}+++\nGo.\n'
COMMAND_LINE = {"reviewer_model": "gpt-5.6-terra", "engine": "docker"}
BASE = Base(Path("/"), Oid("c" * 40), Oid("d" * 40), "main", None, None)


def measure(setting: Setting) -> Iterator[Row]:
    organisation, user = setting.scratch / "requirements.toml", setting.scratch / "config.toml"
    organisation.write_text(ORGANISATION)
    user.write_text(USER)
    environ = {"CODEX_RUNNER_REQUIREMENTS": str(organisation)}

    def once() -> float:
        began = process_time()
        settings = load_settings(environ, COMMAND_LINE, user)
        repository = parse_repo_policy(REPOSITORY.encode(), ".codex-runner.toml")
        task = parse_task(TASK.encode(), "task.md")
        plan = make_plan(
            task,
            settings,
            decide_run(task, settings.layers, repository, PROTECTED),
            BASE,
            engine="bubblewrap",
            codex_version="any",
            run=RunId("bench"),
            publish=False,
        )
        assert plan.limits.lines == 600 and plan.test == "make check"
        return 1000 * (process_time() - began)

    first = once()
    taken = interleave({"ours": once}, 10 * setting.rounds)
    what = "five layers of policy: load, merge, plan (CPU)"
    parts = {"the first in a process": first}
    yield Row(what, "ms", taken["ours"], (), "itself", at_most=AT_MOST_MS, parts=parts)
