"""What the gate says of a proposal: a table, and the law that a stricter policy is never weaker."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner import gating
from runner.gating import STRICTNESS, judge_of, named
from runner.records.approval import ApprovalRules
from runner.records.base import RunId, Sha256
from runner.records.decision import Proposal, Verdict
from runner.records.evidence import AgentId
from runner.records.kill import Kill, KillId
from runner.records.level import Level, Standing
from runner.records.plan import Plan
from runner.records.rules import CommandRule, Decision
from tests.fake_world import make_plan

PUSH = CommandRule(
    pattern=(("git",), ("push",)), decision="forbidden", justification="no", where="a.toml, line 4"
)
ASK = CommandRule(pattern=(("curl",),), decision="prompt", where="a.toml, line 9")
KILL = Kill(
    id=KillId("0" * 16),
    scope="all",
    reason="enough",
    by="user:ada",
    at=datetime(2026, 1, 1, tzinfo=UTC),
)


def plan(
    *rules: CommandRule, level: Level = 2, commands: bool = False, protected: tuple[str, ...] = ()
) -> Plan:
    return make_plan().model_copy(
        update={
            "rules": rules,
            "standing": Standing(level=level),
            "approvals": ApprovalRules(commands=commands),
            "protected": protected,
        }
    )


def proposal(code: str, *tools: str) -> Proposal:
    return Proposal(
        agent=AgentId("ag_0123456789abcdef"),
        tenant="",
        run=RunId("r"),
        tools=tools or ("Bash",),
        code=code,
        policy=Sha256("a" * 64),
    )


def patch(*rows: str) -> Proposal:
    text = "\n".join(("*** Begin Patch", *rows, "*** End Patch"))
    return proposal(text, "apply_patch")


ODD_ENDS = "\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"


@pytest.mark.parametrize("end", ODD_ENDS, ids=ascii)
def test_a_path_goes_on_where_codex_says_it_does(end: str) -> None:
    verdict = say(plan(protected=("**/.github/",)), patch(f"*** Add File: a{end}/../.github/x"))
    assert (verdict.word, verdict.rule) == ("DENY", "paths")


def test_a_patch_of_very_many_files_keeps_nobody_waiting() -> None:
    """Each path is compared with each protected place, while a gateway serves nobody else."""
    many = [f"*** Add File: {number:04}/b" for number in range(gating.MOST_NAMED // 6)]
    assert say(plan(), patch(*many[:-1])).word == "ALLOW"
    assert say(plan(), patch(*many, *many)).word == "ALLOW", "each is looked at once"
    verdict = say(plan(), patch(*many, "*** Add File: " + "c" * 6))
    assert verdict.word == "DENY" and "several patches" in verdict.reason


def say(of: Plan, what: Proposal, kill: Kill | None = None) -> Verdict:
    return judge_of(of, lambda: kill)(what)


@pytest.mark.parametrize(
    ("of", "what", "word", "rule"),
    [
        (plan(), proposal("git push"), "ALLOW", ""),
        (plan(PUSH), proposal("git push"), "DENY", "rule"),
        (plan(PUSH), proposal("true && /usr/bin/git push"), "DENY", "rule"),
        (plan(PUSH), proposal("bash -c \"bash -c 'git push'\""), "DENY", "rule"),
        (plan(PUSH), proposal("git fetch"), "ALLOW", "rule"),
        (plan(PUSH), proposal("cat <<END\n$X\nEND"), "ALLOW", "rule"),
        (plan(PUSH), proposal("cat <<END\nEND\ngit push"), "DENY", "rule"),
        (plan(ASK), proposal("curl x"), "PENDING", "rule"),
        (plan(ASK, PUSH), proposal("curl x | git push"), "DENY", "rule"),
        (plan(level=0), patch("*** Add File: a"), "DENY", "level"),
        (plan(level=0), proposal("ls"), "ALLOW", ""),
        (plan(level=1), proposal("ls"), "ALLOW", ""),
        (plan(level=1, commands=True), proposal("make"), "PENDING", "approval"),
        (plan(level=1, commands=True), proposal("ls > a"), "PENDING", "approval"),
        (plan(level=1, commands=True), proposal("ls"), "ALLOW", ""),
        (plan(level=1, commands=True), patch("*** Add File: a"), "PENDING", "approval"),
        (plan(level=1, commands=True), proposal("{}", "view_image"), "ALLOW", ""),
        (plan(PUSH, level=1, commands=True), proposal("git push"), "DENY", "rule"),
        (plan(level=2, commands=True), proposal("ls"), "ALLOW", ""),
        (plan(protected=("**/.git*/",)), patch("*** Add File: .github/a"), "DENY", "paths"),
        (
            plan(protected=("**/.git*/",)),
            patch("  *** Update File: /work/.GITHUB/a "),
            "DENY",
            "paths",
        ),
        (
            plan(protected=("**/.git*/",)),
            patch("*** Update File: a", "*** Move to: x/../.git/b"),
            "DENY",
            "paths",
        ),
        (plan(protected=("**/.git*/",)), patch("*** Delete File: .gitignore"), "DENY", "paths"),
        (
            plan(protected=("**/.git*/",)),
            patch("*** Update File: a", "+*** Add File: .git/b"),
            "ALLOW",
            "",
        ),
        (plan(), patch("*** Add File: ../a"), "DENY", "paths"),
        (plan(), proposal("apply_patch <<X\n*** Begin Patch\n*** Add File: ../a"), "DENY", "paths"),
        (plan(), patch("*** Add File: /etc/a"), "DENY", "paths"),
        (plan(), proposal("{}", "mcp__calc__add"), "DENY", "tools"),
        (plan(), proposal("{}", "spawn_agent"), "DENY", "tools"),
        (plan(), proposal("ls", "Bash", "spawn_agent"), "DENY", "tools"),
        (plan(PUSH), proposal("git push", "apply_patch", "Bash"), "DENY", "rule"),
    ],
)
def test_the_strictest_word_holds(of: Plan, what: Proposal, word: str, rule: str) -> None:
    verdict = say(of, what)
    assert (verdict.word, verdict.rule) == (word, rule), verdict
    assert bool(verdict.reason) >= (word != "ALLOW")
    assert (verdict.constraints is not None) == (word != "DENY")


def test_no_tool_is_no_proposal() -> None:
    none = proposal("ls").model_copy(update={"tools": ()})
    assert say(plan(), none).rule == "tools"


def test_a_kill_goes_before_everything_and_says_why() -> None:
    verdict = say(plan(PUSH), proposal("git push"), KILL)
    assert (verdict.word, verdict.rule) == ("DENY", "kill") and "enough" in verdict.reason


def test_a_reviewer_runs_nothing() -> None:
    judge = judge_of(plan(), lambda: None, "review")
    for what in (proposal("ls"), patch("*** Add File: a"), proposal("{}", "view_image")):
        assert judge(what).word == "DENY"


def test_a_rule_tells_its_line_and_the_level_its_sandbox() -> None:
    assert say(plan(PUSH), proposal("git push")).where == "a.toml, line 4"
    assert say(plan(ASK), proposal("curl x")).where == "a.toml, line 9"
    allowed = say(plan(level=0), proposal("ls")).constraints
    assert allowed is not None and (allowed.level, allowed.sandbox) == (0, "read-only")


def test_what_was_not_read_whole_is_said() -> None:
    assert say(plan(PUSH), proposal("$X push")).reason.startswith("not read whole: ")


def test_a_path_is_named_from_the_root_of_the_workspace() -> None:
    rows = ["*** Add File: a/./b", "*** Move to:/work/c", "*** Delete File: d/../../e"]
    assert [*named("\n".join(rows))] == ["a/b", "c", "../e"]


decisions: st.SearchStrategy[Decision] = st.sampled_from(["allow", "prompt", "forbidden"])
programs = st.sampled_from(["git", "curl", "ls", "rm"])


@st.composite
def rule(draw: st.DrawFn) -> CommandRule:
    decision: Decision = draw(decisions)
    return CommandRule(pattern=((draw(programs),),), decision=decision)


commands = st.lists(
    st.sampled_from(["git push", "curl x", "ls", "rm a", "bash -c 'git x'", "$X", "cat <<E\nE"]),
    min_size=1,
    max_size=3,
).map("; ".join)
globs = st.lists(st.sampled_from(["**/.git*/", "src/", "*.toml"]), max_size=3).map(tuple)
patches = st.sampled_from(["src/a", ".github/x", "pyproject.toml", "README.md", "../x"])
proposals = st.one_of(
    commands.map(proposal),
    patches.map(lambda path: patch(f"*** Add File: {path}")),
    st.sampled_from(["view_image", "mcp__a__b", "Bash"]).map(lambda tool: proposal("ls", tool)),
)
levels: st.SearchStrategy[Level] = st.sampled_from([0, 1, 2, 3])


@given(
    st.lists(rule(), max_size=3),
    st.lists(rule(), max_size=2),
    globs,
    globs,
    st.booleans(),
    st.booleans(),
    st.tuples(levels, levels),
    proposals,
)
def test_a_stricter_policy_never_has_a_weaker_word(
    rules: list[CommandRule],
    more: list[CommandRule],
    protected: tuple[str, ...],
    further: tuple[str, ...],
    commands: bool,
    asks: bool,
    levels: tuple[Level, Level],
    what: Proposal,
) -> None:
    """More rules, more protected paths, more approvals, a lower level; each only ever tightens."""
    low, high = min(levels), max(levels)
    loose = plan(*rules, level=high, commands=commands, protected=protected)
    strict = plan(
        *rules, *more, level=low, commands=commands or asks, protected=(*protected, *further)
    )
    assert STRICTNESS[say(strict, what).word] >= STRICTNESS[say(loose, what).word]
    assert say(strict, what, KILL).word == "DENY"
