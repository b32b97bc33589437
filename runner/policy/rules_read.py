"""`[[rules]]` tables -> command rules whose own examples hold.

A word of a pattern is spelled `"git"` or `["push", "fetch"]`, or as Codex's requirements.toml has
it: `{ token = "git" }`, `{ any_of = ["push", "fetch"] }`.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import cast

from runner.errors import ConfigError
from runner.policy import names
from runner.policy.names import MisfitError
from runner.policy.rules import matches
from runner.policy.toml import Table
from runner.records.rules import STRICTNESS, CommandRule, Decision

MAX_RULES = 500
"""Of one file."""
MAX_LENGTH = 64
"""Of a pattern, of the words that fit one place, and of a list of examples."""
MAX_WORD = 500
KEYS = frozenset({"pattern", "decision", "justification", "match", "not_match"})
Fail = Callable[[str, str, str], ConfigError]
"""(key, why, remedy), e.g. `Table.fail`."""
_PATTERN = 'write pattern = ["git", ["push", "fetch"]]'
_EXAMPLES = 'write match = ["git push origin"]'


def read_rules(table: Table, key: str = "rules") -> tuple[CommandRule, ...]:
    """All tables of that name. Raises ConfigError naming source, line and key."""
    items = table.tables(key)
    if len(items) > MAX_RULES:
        raise table.fail(key, f"more than {MAX_RULES} rules", "shorten it")
    return tuple(map(read_rule, items))


def read_rule(table: Table) -> CommandRule:
    """One of them."""
    table.closed(KEYS)
    if "decision" not in table.values:
        raise table.fail("decision", "a rule needs a decision", 'add decision = "forbidden"')
    return make_rule(table.values, table.fail, table.where("pattern"))


def make_rule(given: Mapping[str, object], fail: Fail, where: str) -> CommandRule:
    """Of plain values, however they were written; no decision is `allow`, as Codex has it.

    Raises:
        ConfigError: made by `fail`; an example that does not hold is one, too.
    """
    justification = given.get("justification")
    rule = CommandRule(
        pattern=_pattern(given.get("pattern"), fail),
        decision=_decision(given.get("decision", "allow"), fail),
        justification="" if justification is None else _text(justification, fail),
        where=where,
    )
    for key, wanted in (("match", True), ("not_match", False)):
        for words in _examples(key, given.get(key, []), fail):
            if matches(rule, words) is not wanted:
                told = "does not match" if wanted else "matches"
                why = f"the example {shlex.join(words)!r} {told} `{rule.shown}`"
                raise fail(key, why, "mend the pattern or the example")
    return rule


def _pattern(given: object, fail: Fail) -> tuple[tuple[str, ...], ...]:
    if not isinstance(given, list) or not 0 < len(given) <= MAX_LENGTH:
        raise fail("pattern", f"is no list of 1 to {MAX_LENGTH} words", _PATTERN)
    return tuple(_place(place, fail) for place in given)


def _place(given: object, fail: Fail) -> tuple[str, ...]:
    """The words that fit at one place."""
    if isinstance(given, dict):
        if given.keys() not in ({"token"}, {"any_of"}):
            raise fail("pattern", "a place has either a token or any_of", _PATTERN)
        (given,) = given.values()
    fitting = [given] if isinstance(given, str) else given
    if not isinstance(fitting, list) or not 0 < len(fitting) <= MAX_LENGTH:
        raise fail("pattern", "a place is a word, or a list of words of which one fits", _PATTERN)
    for word in fitting:
        if not isinstance(word, str) or not word.isprintable() or not 0 < len(word) <= MAX_WORD:
            why = f"a word is a printable string of 1 to {MAX_WORD} characters"
            raise fail("pattern", why, _PATTERN)
    return tuple(sorted({*fitting}))


def _decision(given: object, fail: Fail) -> Decision:
    if given not in STRICTNESS:
        why = "is none of forbidden, prompt, allow"
        raise fail("decision", why, 'write decision = "forbidden"')
    return cast(Decision, given)


def _text(given: object, fail: Fail) -> str:
    """Shown to the agent, on terminals and in reports: one printable line."""
    if not isinstance(given, str):
        raise fail("justification", "is no string", 'write justification = "..."')
    try:
        return names.line(500)(given)
    except MisfitError as misfit:
        raise fail("justification", misfit.why, misfit.remedy) from misfit


def _examples(key: str, given: object, fail: Fail) -> Sequence[Sequence[str]]:
    """Every one a simple command: a string, split as a shell would, or a list of its words."""
    if not isinstance(given, list) or len(given) > MAX_LENGTH:
        raise fail(key, f"is no list of at most {MAX_LENGTH} commands", _EXAMPLES)
    return [_example(key, example, fail) for example in given]


def _example(key: str, given: object, fail: Fail) -> list[str]:
    if isinstance(given, str) and len(given) <= names.MAX_COMMAND:
        try:
            given = shlex.split(given)
        except ValueError as error:
            raise fail(key, "an example has a quote that is not closed", _EXAMPLES) from error
    if isinstance(given, list) and given and all(isinstance(word, str) for word in given):
        return given
    raise fail(key, "an example is a command, or a list of its words", _EXAMPLES)
