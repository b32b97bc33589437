"""Every finding's code in plain words: what it means, what would have to change, who may do that.

`author` is whoever made the change, agent or person; `task`, `repository` (its policy at the base
commit) and `operator` (settings of this machine) are the layers of the policy.
"""

from __future__ import annotations

from dataclasses import dataclass

AUTHOR, TASK, REPOSITORY, OPERATOR = "author", "task", "repository", "operator"


@dataclass(frozen=True, slots=True)
class Advice:
    """About one code."""

    means: str
    change: str
    who: tuple[str, ...] = (AUTHOR,)


_SMALLER = (AUTHOR, TASK, OPERATOR)
_RAISE = "Make the change smaller, or raise the limit: in the task, up to the operator's ceiling."
_LEAVE = "Leave the file as it is at the base commit; a person may change it by hand."
_ALLOW = "Keep the tests as strict as they were, or name the file in the task's may_change_tests."
_TESTS = (AUTHOR, TASK)
_RERUN = "Run it again, choose another reviewer_model, or let a person review the patch."
_ASK = (OPERATOR, TASK)
_SECRET = "Take it out of the change and read it from the environment; a real one must be revoked."
_PACKAGES = "Take it back, or let a person make it; an operator may allow it by name."
_BUILDERS = (AUTHOR, OPERATOR)
_EVIDENCE = "Nothing: do not use the patch unread. Read the run's logs, then run the task again."

_DECLARED = (AUTHOR, TASK, REPOSITORY, OPERATOR)
_GUARDED = "Take it out, or let whoever declared the check change it: guardrails in the policy."

CODES = {
    "gate.unreceipted": Advice("A tool ran that the execution gate had not allowed.", _EVIDENCE),
    "guardrails.hidden-unicode": Advice(
        "Text holds characters that people cannot see or that reorder what they see.",
        "Remove them, or write them as escapes.",
    ),
    "guardrails.pii": Advice("Text holds personal data.", _GUARDED, _DECLARED),
    "guardrails.secret": Advice("Text holds a credential.", _SECRET),
    "guardrails.keyword": Advice("Text holds a word that is not allowed.", _GUARDED, _DECLARED),
    "guardrails.off-topic": Advice("The text is outside of the scope.", _GUARDED, _DECLARED),
    "guardrails.url": Advice("An address is not on the list.", _GUARDED, _DECLARED),
    "guardrails.format": Advice("The text does not have the form asked for.", _GUARDED, _DECLARED),
    "guardrails.size": Advice("The text is too long.", "Make it shorter.", _DECLARED),
    "guardrails.injection": Advice(
        "Text reads like an attempt to take the agent over; a heuristic, so look at it yourself.",
        _GUARDED,
        _DECLARED,
    ),
    "guardrails.unavailable": Advice(
        "A declared check needs what is not here, usually a model.",
        "Leave it to a service that has it, or do not require it.",
        (REPOSITORY, OPERATOR),
    ),
    "guardrails.too-large": Advice("There is more text than can be looked at.", "Make it shorter."),
    "guardrails.unread": Advice(
        "The added lines of the change could not be told.", "Make the change plainer."
    ),
    "ingest.refused": Advice(
        "Something was left behind that must not be in a repository, so there is no tree to judge.",
        "Remove or rename what the reason names.",
    ),
    "evidence.engine": Advice("The sandbox's end contradicts the session's success.", _EVIDENCE),
    "evidence.broker": Advice("The model's own stream contradicts the session.", _EVIDENCE),
    "evidence.disk": Advice("Files changed although no tool was asked for.", _EVIDENCE),
    "evidence.events": Advice("Codex told of commands nobody asked for.", _EVIDENCE),
    "paths.protected": Advice(
        "A protected place was touched: CI, agent instructions, editor or hook configuration.",
        f"{_LEAVE} No task can allow it.",
        (AUTHOR, REPOSITORY),
    ),
    "paths.outside": Advice(
        "A file outside of the places that the task or the repository allows was changed.",
        "Leave the file alone, or add its place to `paths` of the layer that is named.",
        (AUTHOR, TASK, REPOSITORY),
    ),
    "paths.new-dotfile": Advice(
        "A new dot-file at the root may be the configuration of a tool that runs by itself.",
        "Leave it out, or name it in the task's `paths`.",
        (AUTHOR, TASK),
    ),
    "paths.submodule": Advice(
        "A submodule was changed; what it points to cannot be judged here.",
        "Leave it as it is; a person may move the submodule by hand.",
    ),
    "paths.alias": Advice(
        "Windows takes a name like `GITHUB~1` for another file's.", "Give the file another name."
    ),
    "size.files": Advice("More files changed than a person should review.", _RAISE, _SMALLER),
    "size.lines": Advice("More lines changed than a person should review.", _RAISE, _SMALLER),
    "size.bytes": Advice("The new contents are too large in all.", _RAISE, _SMALLER),
    "size.binaries": Advice("Binary files cannot be reviewed.", _RAISE, _SMALLER),
    "size.long-line": Advice("A very long line hides more than a line count says.", "Break it up."),
    "size.hidden": Advice(
        "Text counts as binary: its lines are neither counted nor reviewed.",
        "Take its NUL bytes out, or give it a name that had no binary content.",
    ),
    "tamper.deleted": Advice("A test is gone.", _ALLOW, _TESTS),
    "tamper.weakened": Advice("A test checks less than before.", _ALLOW, _TESTS),
    "tamper.skipped": Advice("A test is kept from running.", _ALLOW, _TESTS),
    "tamper.changed": Advice("A test was changed: a person should look.", _ALLOW, _TESTS),
    "tamper.expected": Advice("Data that tests expect changed with the code.", _ALLOW, _TESTS),
    "tamper.trap": Advice("Code ends tests early or asks whether it is tested.", _ALLOW, _TESTS),
    "tamper.unreadable": Advice("A test file cannot be read as code any more.", _ALLOW, _TESTS),
    "tamper.shadow": Advice("A file would be run in the test runner's place.", _ALLOW, _TESTS),
    "tamper.steered": Advice("A file that decides how tests are run changed.", _ALLOW, _TESTS),
    "secrets.generic": Advice("A random-looking value where a credential would be.", _SECRET),
    "secrets.weak": Advice("A value where a credential would be; probably harmless.", _SECRET),
    "secrets.held": Advice(
        "The change or a text holds a credential of the runner itself.",
        "Revoke that credential now, and find out how it got there before the next run.",
        (OPERATOR,),
    ),
    "secrets.allow-marker": Advice("A comment tells scanners to look away.", "Remove the comment."),
    "secrets.opaque": Advice("A file cannot be looked into.", "Leave the file out."),
    "secrets.too-large": Advice("There is more than can be searched.", "Make the change smaller."),
    "secrets.too-many": Advice("There are more files than can be searched.", "Change fewer files."),
    "secrets.too-slow": Advice("The search took too long.", "Make the change smaller."),
    "tests.timeout": Advice(
        "The tests did not end in time.", "Make them faster, or raise tests_s.", _SMALLER
    ),
    "tests.none": Advice(
        "No test was executed, so nothing was shown.",
        "Name a command that runs tests, or make those that exist run.",
        (AUTHOR, TASK, REPOSITORY),
    ),
    "tests.failed": Advice("The tests fail.", "Mend the code until they pass."),
    "tests.failure": Advice("A test fails that did not fail at the base.", "Mend the code."),
    "tests.failed-before": Advice("A test fails, and did at the base.", "Nothing; it is not new."),
    "tests.unreported": Advice(
        "The tests did not say which of them ran, as they do.",
        "Do not change how the test command reports; a person may.",
    ),
    "tests.contradiction": Advice(
        "The report of the tests, their summary and their end contradict each other.",
        "Let the tests tell one story; do not touch how they report.",
    ),
    "tests.fewer": Advice("Fewer tests ran than on the base.", _ALLOW, _TESTS),
    "tests.gone": Advice("A test ran on the base and does not any more.", _ALLOW, _TESTS),
    "tests.skipped": Advice("A test is skipped that ran on the base.", _ALLOW, _TESTS),
    "tests.xfailed": Advice("A test may fail now that had to pass.", _ALLOW, _TESTS),
    "tests.flaky": Advice("A test failed, then passed unchanged.", "Make it end the same always."),
    "tests.base": Advice(
        "The tests do not come to their end on the base, so nothing can be compared.",
        "Raise tests_s or memory_mib, or set baseline = false under [tests].",
        (TASK, REPOSITORY, OPERATOR),
    ),
    "tests.coverage": Advice("Too few changed lines are reached by tests.", "Test these lines."),
    "tests.coverage-missing": Advice(
        "The tests left no coverage report where one is asked for.", "Let them write it there."
    ),
    "tests.tree-unread": Advice(
        "What the tests left cannot be told.", "Let them keep such files outside, e.g. in /tmp."
    ),
    "tests.tree-changed": Advice("The tests wrote tracked files.", "Let them write elsewhere."),
    "review.rejected": Advice(
        "The reviewer found a defect that must not be merged.",
        "Mend what the reviewer names; a person may overrule it by using the patch by hand.",
    ),
    "review.remark": Advice("The reviewer has a remark.", "Consider it when you merge."),
    "review.same-model": Advice(
        "One model would judge its own work, or judge twice, under whatever name.",
        "Name a reviewer_model that is another one.",
        _ASK,
    ),
    "review.over-budget": Advice(
        "The reviewers' budget ran out, so nobody judged the change.",
        "Raise what ran out, then let it be judged again: `resume` goes on from the kept patch.",
        _ASK,
    ),
    "review.too-large": Advice(
        "The change is more than the reviewer is shown.", "Make it smaller.", _SMALLER
    ),
    "review.unaccounted": Advice(
        "A part of the change could not be shown to the reviewer.", "Make the change plainer."
    ),
    "review.failed": Advice("The reviewer's session failed.", _RERUN, (OPERATOR,)),
    "review.empty": Advice("The reviewer said nothing.", _RERUN, (OPERATOR,)),
    "review.invalid": Advice("The reviewer's answer has the wrong form.", _RERUN, (OPERATOR,)),
    "review.unbound": Advice("The answer is not bound to this change.", _RERUN, (OPERATOR,)),
    "review.abstained": Advice("The reviewer did not decide.", _RERUN, (OPERATOR,)),
    "review.unread": Advice("The reviewer missed the planted defect.", _RERUN, (OPERATOR,)),
    "review.late": Advice(
        "The reviewer was stopped by a limit before it had answered.",
        "Raise that limit, or make the change smaller.",
        _SMALLER,
    ),
    "dependencies.changed": Advice("Packages changed.", "Look at what is new."),
    "dependencies.unread": Advice("A dependency file was not read.", _PACKAGES, _BUILDERS),
    "dependencies.unreadable": Advice(
        "A dependency file is not what its program would accept.", "Write it as that program does."
    ),
    "dependencies.new": Advice("A package is new.", _PACKAGES, _BUILDERS),
    "dependencies.advisory": Advice(
        "A package has a known vulnerability.", "Take the fixed version.", _BUILDERS
    ),
    "dependencies.no-advisories": Advice(
        "There is no advisory database where one is expected.", "Download it.", (OPERATOR,)
    ),
    "dependencies.old-advisories": Advice(
        "The advisory database is old.", "Download a newer one.", (OPERATOR,)
    ),
    "dependencies.hosts": Advice("Packages come from other hosts.", _PACKAGES, _BUILDERS),
    "dependencies.host": Advice("A package comes from another host.", _PACKAGES, _BUILDERS),
    "dependencies.source": Advice(
        "A package comes from git, a URL or a path, not from a registry.", _PACKAGES, _BUILDERS
    ),
    "dependencies.confusion": Advice(
        "A package may be taken from another registry than is meant.", _PACKAGES, _BUILDERS
    ),
    "dependencies.hash-changed": Advice(
        "The same version of a package has other contents.", _PACKAGES, _BUILDERS
    ),
    "dependencies.unhashed": Advice("A package lost its hash.", _PACKAGES, _BUILDERS),
    "dependencies.install-script": Advice(
        "A package would run a script when it is installed.", _PACKAGES, _BUILDERS
    ),
    "dependencies.index": Advice("Another package index is asked.", _PACKAGES, _BUILDERS),
    "dependencies.lookalike": Advice(
        "A package's name looks like a well-known one's.", _PACKAGES, _BUILDERS
    ),
    "dependencies.lock-alone": Advice("Only the lockfile changed.", _PACKAGES, _BUILDERS),
    "dependencies.not-locked": Advice(
        "The manifest asks for what the lockfile does not have.", "Make the two agree."
    ),
    "dependencies.mismatch": Advice("Manifest and lockfile disagree.", "Make the two agree."),
    "dependencies.unjudged": Advice(
        "A requirement cannot be compared with its lock.", "Look at it yourself."
    ),
    "audit.remark": Advice(
        "The agent of a read-only audit says so; nobody has checked it.", "Look at it yourself."
    ),
    "static.suppression": Advice("A comment silences an analyser.", "Mend what it says instead."),
    "static.encoding": Advice(
        "A Python file is not UTF-8: analysers and people would read something else than Python.",
        "Write it as UTF-8, without another coding comment.",
    ),
    "static.not-run": Advice("No analyser read a file.", "Install one.", (OPERATOR,)),
    "static.absent": Advice(
        "An analyser that the policy requires is not there.",
        "Put it into the image or the setup, or require it no longer.",
        (REPOSITORY, OPERATOR),
    ),
    "static.failed": Advice(
        "A required analyser could not read the change.",
        "Make the files readable to it, or mend its command.",
        (AUTHOR, REPOSITORY),
    ),
}
"""By exact code; codes that are not here are told by their gate."""

GATES = {
    "secrets": Advice("A credential of a known kind is in what would leave.", _SECRET),
    "static": Advice("An analyser objects to new code.", "Write it so that it does not."),
    "dependencies": Advice(
        "What the project is built from changed in a way that is not trusted.", _PACKAGES, _BUILDERS
    ),
    "tests": Advice("The tests do not show that the change works.", "Make them pass unweakened."),
    "review": Advice("The review does not vouch for the change.", _RERUN, (AUTHOR, OPERATOR)),
    "class": Advice(
        "A change of a kind that nobody unattended may publish.",
        "Leave it out, let a person make or approve it, or let the operator set [classes].",
        (AUTHOR, OPERATOR),
    ),
    "tamper": Advice("The change makes its own tests easier to pass.", _ALLOW, _TESTS),
}

_UNKNOWN = Advice(
    "A gate that this version knows no more of refused.", "Do what its remedy says.", (AUTHOR,)
)


def known(code: str) -> Advice:
    """The best there is about a code, also about one of another version or of somebody's gate."""
    return CODES.get(code) or GATES.get(code.partition(".")[0]) or _UNKNOWN
