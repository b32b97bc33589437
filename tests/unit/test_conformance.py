"""What is forbidden is denied with its reason; what stands beside it and is not goes through.

A row is an attempt through a public door, once forbidden and once as like it as it can be.
"""
# ruff: noqa: E501  one attempt a line, as one reads a table

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runner.errors import RunnerError
from runner.gates.classes import by_name
from runner.gates.foreign import ForeignGate
from runner.gates.judge import judge
from runner.gates.secrets import Scan
from runner.guardrails import doors
from runner.guardrails.guard import Guard
from runner.policy.classes import task_bounds
from runner.policy.lattice import Decided, compared
from runner.policy.layers import decide_run
from runner.policy.levels import EVENT, decide_level, trigger_bounds
from runner.policy.notes import notes
from runner.policy.operator_files import read_operator
from runner.policy.plan import make_plan
from runner.policy.repo_policy import parse_repo_policy
from runner.policy.review import ReviewSettings
from runner.policy.rules import Rulebook
from runner.policy.settings import Settings
from runner.policy.task_file import parse_task
from runner.records.approval import Action, Approval, ApprovalRequest, mismatch, objection
from runner.records.base import Sha256
from runner.records.classes import Caps
from runner.records.gate import GateReport
from runner.records.guardrail import TASK_CHARS
from runner.records.level import DEFAULT, HIGHEST, Standing
from runner.records.scan import Hit, Scanned
from runner.records.task import Task
from tests.fakes import CaseBuilder, nothing_found
from tests.reviewers import Panel, finding, with_
from tests.unit.test_approval import ACTION, ASKED, NOW, WORD
from tests.unit.test_plan import BASE, RUN

Change = tuple[CaseBuilder, Scan, tuple[ForeignGate, ...]]
Door = Callable[[Path, Any], str | None]
"""One attempt, in a directory of its own: why it was denied; None = it was not."""


@dataclass(frozen=True, slots=True)
class Row:
    """One attempt."""

    name: str
    door: Door
    forbidden: Any
    allowed: Any
    says: str
    """A word of the reason."""

    def prove(self, place: Path) -> None:
        for name in ("forbidden", "allowed"):
            (place / name).mkdir(mode=0o755)
        why = self.door(place / "forbidden", self.forbidden)
        assert why is not None and self.says in why, why
        assert self.door(place / "allowed", self.allowed) is None


def denied(attempt: Callable[[], object]) -> str | None:
    """Problem and remedy of the error that ends it."""
    try:
        attempt()
    except RunnerError as error:
        return f"{error.problem}; {error.remedy}"
    return None


def bounded(standing: Standing) -> str | None:
    """Why somebody has to watch; None = nobody has to."""
    return None if standing.level >= DEFAULT else standing.reason


def judged(_: Path, given: Change) -> str | None:
    """All gates, up to the level that is left when they passed."""
    builder, scan, more = given
    reports: list[GateReport] = []
    asked = tuple((gate, gate.is_cheap) for gate in more)
    why = denied(lambda: judge(builder.case(), reports.append, scan, asked))
    refused = [each for each in reports if each.verdict == "refused"]
    assert all(each.findings for each in refused)
    told = [f.why for each in refused for f in each.findings if not f.is_warning]
    return why or "\n".join(told) or bounded(Standing(level=HIGHEST).measured(reports))


class Own:
    """A gate of another package."""

    NAME = "acme.own"

    def __init__(self, answer: Callable[[], GateReport]) -> None:
        self.answer = answer

    def check(self, case: object) -> GateReport:
        return self.answer()


def change(
    scan: Scan = nothing_found, gate: Callable[[], GateReport] | None = None, **more: Any
) -> Change:
    """A harmless one, and one thing with it."""
    whole = {"old": {"a.py": b"a = 1\n"}, "new": {"a.py": b"a = 2\n"}, **more}
    own = () if gate is None else (ForeignGate("acme.own", "acme 1", Own(gate), True),)
    return Panel(**whole), scan, own


def answer(verdict: str) -> Callable[[], GateReport]:
    report = GateReport(gate="acme.own", verdict="passed", summary="")
    return lambda: report.model_copy(update={"verdict": verdict})


ORGANISATION = """\
protected = ["deploy/"]
models = ["gpt-5.5", "gpt-5.6-terra", "gpt-6"]
level = 2
test = "make audit"
pin = ["static.refuse", "limits.files"]
limits = { lines = 400, files = 9 }
budget = { day_tokens = 1000 }
setup = { hosts = ["packages.example"] }
static = { refuse = "error" }
dependencies = { new = "refuse" }
review = { approvals = 2 }
[[rules]]
pattern = ["git", "push"]
decision = "forbidden"
justification = "the runner publishes"
"""
FORBIDDING = read_operator(ORGANISATION.encode(), "acme.toml", "organisation")
TASK = "Fix the rounding."
SETUP = '[setup]\ncommands = ["make deps"]\nhosts = ["{}"]\n'


def decided(given: tuple[str, str]) -> tuple[Task, Decided]:
    """Whose words they are, and the words; the organisation's stand above."""
    who, text = given
    operator = [FORBIDDING]
    if who == "user":
        operator.append(read_operator(text.encode(), "config.toml", "user"))
    ours = text if who == "repository" else ""
    task = parse_task((f"+++\n{text}+++\n" * (who == "task") + TASK).encode(), "t.md")
    repo = parse_repo_policy(ours.encode(), ".codex-runner.toml")
    return task, decide_run(task, operator, repo, ())


def wish(_: Path, given: tuple[str, str]) -> str | None:
    """It may not loosen anything; allowed is only what takes effect."""
    if (why := denied(lambda: decided(given))) is not None:
        return why
    (__, before), (__, after) = decided(("", "")), decided(given)
    moves = {compared(n, before.fields[n].value, each.value) for n, each in after.fields.items()}
    assert "looser" not in moves
    told = "\n".join(notes(after))
    assert told or moves & {"tighter", "changed"}
    return told or None


def planned(_: Path, given: tuple[str, str]) -> str | None:
    task, found = decided(given)
    settings = Settings(review=ReviewSettings(reviewers=("gpt-5.6-terra", "gpt-6")))
    more: Any = {"engine": "docker", "codex_version": "0", "run": RUN}
    return denied(lambda: make_plan(task, settings, found, BASE, **more))


def command(_: Path, given: tuple[str, str]) -> str | None:
    """A script, under what a repository adds to the rules."""
    ours, script = given
    ruling = Rulebook(decided(("repository", ours))[1].policy.rules).decide(script)
    forbidding = ruling.rule if ruling.decision == "forbidden" else None
    return None if forbidding is None else forbidding.justification


def protected(_: Path, given: tuple[str, str]) -> str | None:
    """A change of this path, under a repository's policy."""
    ours, path = given
    globs = decided(("repository", ours))[1].policy.protected
    return judged(_, (Panel(new={path: b"a\n"}, protected=globs), nothing_found, ()))


def told_task(_: Path, given: tuple[str, str]) -> str | None:
    """A prompt, under what the task itself declares."""
    declared, prompt = given
    outcome = doors.pre_flight(
        Guard(decided(("task", declared))[1].policy.guardrails), "Mend it", prompt
    )
    return outcome.findings[0].why if outcome.verdict == "blocked" else None


Worded = tuple[ApprovalRequest, Approval, Action]


def approved(_: Path, given: Worded) -> str | None:
    asked, word, action = given
    return objection(asked, word, NOW) or mismatch(asked, action)


def word(**more: Any) -> Worded:
    return ASKED, WORD.model_copy(update=more), ACTION


def other(**more: Any) -> Worded:
    return ASKED, WORD, ACTION.model_copy(update=more)


def of(**more: Any) -> Worded:
    """Another request, and a word that is bound to it."""
    asked = ASKED.model_copy(update=more)
    return asked, WORD.model_copy(update={"request": asked.digest()}), ACTION


def caused(_: Path, event: str) -> str | None:
    return bounded(decide_level(trigger_bounds({EVENT: event})))


def asked(_: Path, text: str) -> str | None:
    task = parse_task(text.encode(), "t.md")
    return bounded(decide_level(task_bounds(task, Caps(), by_name)))


def one(path: str, old: bytes | None, new: bytes) -> Change:
    return change(old={} if old is None else {path: old}, new={path: new})


PLAIN = change()
LEAK = Scanned((Hit("github-pat", "certain", 1, 40, "0" * 12),))
WARNING = (
    '[[guardrails.pre_flight.guardrails]]\nname = "Hidden Unicode"\naction = "warn"\nconfig = {}\n'
)
ALLOWING = '[[rules]]\npattern = ["git", "push"]\ndecision = "allow"\n'
# fmt: off
ROWS = (
    Row("direct", command, ("", "git push"), ("", "git status"), "publishes"),
    Row("by its path", command, ("", "/usr/bin/git push"), ("", "/usr/bin/git log"), "publishes"),
    Row("behind another", command, ("", "true && git push"), ("", "true && git log"), "publishes"),
    Row("in a wrapper", command, ("", "sudo -u a env B=1 git push"), ("", "sudo -u a env B=1 git log"), "publishes"),
    Row("in a script", command, ("", "bash -lc 'git push'"), ("", "bash -lc 'git log'"), "publishes"),
    Row("in a substitution", command, ("", "echo $(git push)"), ("", "echo $(git log)"), "publishes"),
    Row("what a repository allows", command, (ALLOWING, "git push"), (ALLOWING, "git log"), "publishes"),
    Row("more lines, a repository", wish, ("repository", "[limits]\nlines = 9000\n"), ("repository", "[limits]\nlines = 5\n"), "cut to 400"),
    Row("more lines, a task", wish, ("task", "[limits]\nlines = 9000\n"), ("task", "[limits]\nlines = 5\n"), "cut to 400"),
    Row("more lines, a user", wish, ("user", "[limits]\nlines = 9000\n"), ("user", "[limits]\nlines = 5\n"), "acme.toml, line 6"),
    Row("a larger budget", wish, ("repository", "[budget]\nday_tokens = 2000\n"), ("repository", "[budget]\nday_tokens = 20\n"), "cut to 1000"),
    Row("another host", wish, ("repository", SETUP.format("evil.example")), ("repository", SETUP.format("packages.example")), "evil.example"),
    Row("no tests", wish, ("task", "test = false\n"), ("task", "[tests]\nstrict = true\n"), "asks for false"),
    Row("other tests", wish, ("repository", 'test = "true"\n'), ("repository", "[tests]\nstrict = true\n"), "is not used"),
    Row("no reference", wish, ("task", "[tests]\nbaseline = false\n"), ("task", "[tests]\nstrict = true\n"), "tests.baseline"),
    Row("a higher level", wish, ("repository", "level = 3\n"), ("repository", "level = 1\n"), "cut to 2"),
    Row("a class made harmless", wish, ("repository", "[classes]\nsecurity = 3\n"), ("repository", "[classes]\nsecurity = 0\n"), "classes.security"),
    Row("new packages", wish, ("user", '[dependencies]\nnew = "warn"\n'), ("user", '[dependencies]\nadvisories = "/a"\n'), "dependencies.new"),
    Row("fewer approvals", wish, ("user", "[review]\napprovals = 1\n"), ("user", '[review]\ninstructions = "No dates."\n'), "review.approvals"),
    Row("what is pinned", wish, ("user", '[static]\nrefuse = "note"\n'), ("user", '[static]\nrequire = ["ruff"]\n'), "static.refuse"),
    Row("what is pinned, tighter", wish, ("repository", "[limits]\nfiles = 3\n"), ("repository", "[limits]\nlines = 3\n"), "pinned to 9"),
    Row("no gates", wish, ("repository", "gates = []\n"), ("repository", 'protected = ["a/"]\n'), "gates: unknown key"),
    Row("a pin of its own", wish, ("user", 'pin = ["level"]\nlevel = 1\n'), ("user", "level = 1\n"), "pin: unknown key"),
    Row("nothing protected", protected, ("protected = []\n", "deploy/a"), ("protected = []\n", "src/a.txt"), "deploy/"),
    Row("a check that only warns", told_task, (WARNING, "a\u202eb"), (WARNING, "ab"), "Hidden Unicode"),
    Row("hidden text in a task", told_task, ("", "a\U000e0041b"), ("", "aäb"), "Hidden Unicode"),
    Row("a task too long", told_task, ("", "x" * TASK_CHARS), ("", "x" * 1000), "Size"),
    Row("a model not on the list", planned, ("task", 'model = "x"\n'), ("task", 'model = "gpt-5.5"\n'), "not allowed"),
    Row("an author who reviews", planned, ("task", 'model = "gpt-5.6-terra"\n'), ("task", 'model = "gpt-5.5"\n'), "its own work"),
    Row("another tree", approved, other(tree="d" * 40), word(), "another tree"),
    Row("another target", approved, other(target="release"), word(), "another target"),
    Row("another policy", approved, other(policy=Sha256("d" * 64)), word(), "the policy is another"),
    Row("another remote", approved, other(remote="/srv/other.git"), word(), "another remote"),
    Row("another digest", approved, word(action=Sha256("d" * 64)), word(), "another action"),
    Row("expired", approved, word(expires_at=NOW), word(), "expired"),
    Row("not yet", approved, word(approved_at=NOW + timedelta(seconds=1)), word(), "not valid yet"),
    Row("for too long", approved, word(expires_at=NOW + timedelta(days=2)), word(expires_at=NOW + timedelta(days=1)), "longer than"),
    Row("another request", approved, word(request=Sha256("d" * 64)), word(), "another action"),
    Row("by the asker", approved, of(asker=WORD.approver), of(asker="agent:gpt-6"), "may not approve"),
    Row("by an agent", approved, word(approver="agent:gpt-5.6"), word(approver="user:bob"), "no person"),
    Row("a pull request", caused, "pull_request", "push", "outsiders"),
    Row("a fork with our token", caused, "pull_request_target", "push", "outsiders"),
    Row("an issue", caused, "issues", "schedule", "outsiders"),
    Row("a comment", caused, "issue_comment", "workflow_dispatch", "outsiders"),
    Row("a migration asked for", asked, "Write a database migration", "Write a parser", "migration"),
    Row("a login asked for", asked, "Fix the login of new users", "Fix the rounding of totals", "security"),
    Row("payments asked for", asked, "Support refunds", "Support intervals", "payments"),
    Row("of no known kind", asked, "Do what is best", "Do fix the parser", "unknown"),
    Row("CI changed", judged, one(".github/workflows/a.yml", None, b"on: push\n"), one("docs/a.yml", None, b"on: push\n"), "CI"),
    Row("infrastructure changed", judged, one("infra/main.tf", None, b"a = 1\n"), one("docs/main.md", None, b"a = 1\n"), "infrastructure"),
    Row("authentication changed", judged, one("src/auth/key.py", b"a = 1\n", b"a = 2\n"), one("src/shop/key.py", b"a = 1\n", b"a = 2\n"), "authentication"),
    Row("a major version", judged, one("requirements.txt", b"httpx==1.2\n", b"httpx==2.0\n"), one("requirements.txt", b"httpx==1.2\n", b"httpx==1.3\n"), "major version"),
    Row("a secret", judged, change(lambda *_: LEAK), PLAIN, "github-pat"),
    Row("a reviewer says no", judged, change(reply=with_(verdict="reject", findings=[finding(path="a.py", line=1)])), PLAIN, "calls home"),
)
# fmt: on


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_it_is_denied_with_a_reason_and_only_it(row: Row, tmp_path: Path) -> None:
    row.prove(tmp_path)


def test_no_row_is_there_twice() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS) >= 25
