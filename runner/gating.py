"""What the gate of a run says: a plan and the kill switch -> the word on one proposal.

Everything that speaks is heard, and the strictest word holds; of equally strict ones the first:
kill > level > tools > command rules > protected paths > approval. What no rule knows is denied.
An ALLOW is no promise: the sandbox, the broker and the gates on the change are the walls. That is
why a script that cannot be read whole (`cat <<END`, `$X`) is allowed, and its receipt says so; only
where commands wait for a person it does too.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from runner.gates import globs
from runner.killswitch import why
from runner.policy.command_class import classify, is_mutating
from runner.policy.rules import Rulebook
from runner.records.approval import ApprovalRules, Risk
from runner.records.decision import Constraints, Proposal, Verdict, Word
from runner.records.kill import Kill
from runner.records.level import BUNDLES, Standing
from runner.records.rules import CommandRule, Ruling
from runner.records.sandbox import WORK, Role
from runner.text import line

STRICTNESS: Mapping[Word, int] = {"ALLOW": 0, "PENDING": 1, "DENY": 2}
SHELL, PATCH, LOOK = "Bash", "apply_patch", "view_image"
WRITERS = frozenset({PATCH})
"""Tools that are there to write; what a command writes, a read-only sandbox drops."""
KNOWN = frozenset({SHELL, PATCH, LOOK})
ASKED = frozenset({SHELL, PATCH})
"""What waits for a person where the policy says that commands do, unless it only reads."""
HEADS = ("*** Add File:", "*** Update File:", "*** Delete File:", "*** Move to:")
"""Of a patch, before a path: codex 0.163.0 takes them with spaces around (2026-11)."""
MOST_NAMED = 16 * 1024
"""Characters of a patch's paths, which take time for each protected place."""
BEGIN = "*** Begin Patch"
"""In a command too: codex takes `apply_patch <<END` for a patch of its own."""
SUPERVISED = 1


class Ruled(Protocol):
    """What is looked at of a `Plan`."""

    @property
    def rules(self) -> tuple[CommandRule, ...]: ...
    @property
    def protected(self) -> tuple[str, ...]: ...
    @property
    def standing(self) -> Standing: ...
    @property
    def approvals(self) -> ApprovalRules: ...


def judge_of(
    plan: Ruled, killed: Callable[[], Kill | None], role: Role = "agent"
) -> Callable[[Proposal], Verdict]:
    """For one session; `killed` is cheap, and asked for every proposal."""
    book = Rulebook(plan.rules)
    strict = any(rule.decision != "allow" for rule in plan.rules)  # else nothing is looked for
    protected = tuple(_parsed(plan.protected))
    level = plan.standing.level
    allowed = Verdict(
        word="ALLOW", constraints=Constraints(level=level, sandbox=BUNDLES[level].sandbox)
    )

    def heard(proposal: Proposal) -> Iterator[Verdict]:
        if (kill := killed()) is not None:
            yield _denied("kill", why(kill))
        tools = proposal.tools
        if level == 0 and not WRITERS.isdisjoint(tools):
            yield _denied("level", "this run may read and tell, not write", plan.standing.reason)
        yield from _tools(tools, role)
        if SHELL in tools and strict:
            yield _ruled(book.decide(proposal.code), allowed)
        if PATCH in tools or BEGIN in proposal.code:
            yield from _paths(proposal.code, protected)
        asks = level <= SUPERVISED and plan.approvals.commands and not ASKED.isdisjoint(tools)
        if asks and is_mutating(tools, proposal.code):
            reason = "a person has to approve what may change something: [approvals] commands"
            yield Verdict(word="PENDING", reason=reason, rule="approval")

    def judge(proposal: Proposal) -> Verdict:
        said = max((*heard(proposal), allowed), key=lambda verdict: STRICTNESS[verdict.word])
        if said.word == "PENDING":  # what a person allows holds under the same limits
            return said.model_copy(update={"constraints": allowed.constraints})
        return said

    return judge


def risk_of(rules: tuple[CommandRule, ...]) -> Callable[[Sequence[str], str], Risk]:
    """As `classify` says; but what a rule of the policy puts before a person is theirs alone."""
    book = Rulebook(rules)

    def risk(tools: Sequence[str], code: str) -> Risk:
        ruling = book.decide(code) if SHELL in tools else None
        ruled = ruling is not None and ruling.rule is not None and ruling.decision != "allow"
        return "critical" if ruled else classify(tools, code)

    return risk


def named(patch: str) -> Iterator[str]:
    """Paths in a patch, from the root of the workspace; what leads out of it begins with `..`."""
    for row in patch.split("\n"):  # no other line ends: codex knows none
        for head in HEADS:
            if row.strip().startswith(head):
                path = posixpath.join(WORK, row.strip()[len(head) :].strip())
                yield posixpath.relpath(path, WORK)


def _tools(tools: tuple[str, ...], role: Role) -> Iterator[Verdict]:
    if role == "review":
        yield _denied("tools", "a reviewer reads what it is shown, and runs nothing")
    if not tools:
        yield _denied("tools", "no tool is named")
    for tool in tools:
        if tool.startswith("mcp__"):
            yield _denied("tools", f"{line(tool, 100)}: no MCP server is allowed")
        elif tool not in KNOWN:
            yield _denied("tools", f"{line(tool, 100)}: no such tool is known here")


def _ruled(ruling: Ruling, allowed: Verdict) -> Verdict:
    """What the command rules say, with the line of the policy."""
    rule = ruling.rule
    if rule is None:
        unread = f"not read whole: {ruling.unread}" if ruling.unread else ""
        return allowed.model_copy(update={"reason": unread, "rule": "rule"})
    text = rule.justification or f"the rule on `{rule.shown}`"
    if ruling.decision == "forbidden":
        return _denied("rule", f"forbidden: {text}", rule.where)
    if ruling.decision == "prompt":
        reason = line(f"a person has to approve it: {text}")
        return Verdict(word="PENDING", reason=reason, rule="rule", where=rule.where)
    return allowed.model_copy(update={"reason": text, "rule": "rule", "where": rule.where})


def _paths(patch: str, protected: tuple[globs.Glob, ...]) -> Iterator[Verdict]:
    paths = dict.fromkeys(named(patch))
    if sum(map(len, paths)) > MOST_NAMED:
        why = f"it names {len(paths)} files, more than can be looked at while everybody waits"
        yield _denied("paths", f"{why}: make several patches of it")
        return
    for path in paths:
        if path == ".." or path.startswith("../"):
            yield _denied("paths", f"{line(path, 200)} is outside of the workspace")
        for glob in protected:
            if glob.matches_folded(path.encode(errors="surrogateescape")):
                why = f"{line(path, 200)} is protected by {glob.pattern}"
                yield _denied("paths", why)


def _parsed(patterns: tuple[str, ...]) -> Iterator[globs.Glob]:
    """The gate `paths` refuses the change for a pattern that is none."""
    for pattern in patterns:
        with suppress(ValueError):
            yield globs.parse(pattern)


def _denied(rule: str, reason: str, where: str = "") -> Verdict:
    return Verdict(word="DENY", reason=line(reason), rule=rule, where=where)
