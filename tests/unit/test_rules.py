"""Command rules: what they decide, what hides from them, and the laws they keep."""

from __future__ import annotations

import shlex
import tomllib

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from runner.errors import ConfigError
from runner.policy.rules import Rulebook
from runner.policy.rules_read import read_rules
from runner.policy.rules_schema import RULES as RULES_SCHEMA
from runner.policy.rules_shell import MAX_CHARACTERS
from runner.policy.toml import parse_toml
from runner.records.merge import Union
from runner.records.rules import STRICTNESS, CommandRule, Decision, Ruling


def rule(pattern: str, decision: Decision = "forbidden", justification: str = "") -> CommandRule:
    """`git push|fetch`."""
    places = tuple(tuple(sorted(place.split("|"))) for place in pattern.split())
    return CommandRule(pattern=places, decision=decision, justification=justification)


RULES = (rule("git push|fetch"), rule("git", "prompt"), rule("rm -rf"), rule("ls", "allow"))
BOOK = Rulebook(RULES)


@pytest.mark.parametrize(
    ("command", "decision", "shown"),
    [
        (["git", "push"], "forbidden", "git fetch|push"),
        (["git", "fetch", "--all"], "forbidden", "git fetch|push"),
        (["git", "status"], "prompt", "git"),
        (["ls", "-l"], "allow", "ls"),
        (["python", "-m", "pytest"], "allow", None),
        (["echo", "git push"], "allow", None),
        (["echo", "$(git push)"], "allow", None),
        ([], "allow", None),
        ("git push origin main", "forbidden", "git fetch|push"),
        ("cd src && pytest -q tests/x.py 2>&1 | tail -20", "allow", None),
        ("ls *.py", "allow", "ls"),
        ("echo 'git push' # git push", "allow", None),
        ("cat < git > push", "allow", None),
        ("timeout 60 pytest -k 'a and b'", "allow", None),
        ("find . -name '*.py' -newer x", "allow", None),
    ],
)
def test_the_strictest_rule_that_matches_decides(
    command: str | list[str], decision: Decision, shown: str | None
) -> None:
    ruling = BOOK.decide(command)
    assert (ruling.decision, ruling.rule and ruling.rule.shown) == (decision, shown), ruling


HIDDEN = (
    "/usr/bin/git push",
    "./git push",
    "g'i't \"push\"",
    "gi\\t push",
    "gi\\\nt push",
    "git \\\n push",
    "true && git push",
    "false||git push",
    "true;git push",
    "true\ngit push",
    "true&git push",
    "true &>x git push",
    "true|git push",
    "(git push)",
    "{ git push; }",
    "! git push",
    "if true; then git push; fi",
    "while git push; do :; done",
    "for x in a; do git push; done",
    "case x in x) git push;; esac",
    "f() { git push; }",
    "function f { git push; }",
    "A=1 B=2 git push",
    "A=$HOME git push",
    "A=*.c git push",
    ">log git push",
    "git push 2>&1 >/dev/null",
    "env git push",
    "env -i -u X A=1 git push",
    "env -S 'git push'",
    "env '-Sgit push'",
    "env '--split-string=git push'",
    "sudo -u root git push",
    "timeout -k 5 10 git push",
    "nice -n 5 nohup setsid git push",
    "xargs git push",
    "find . -exec git push {} ;",
    "time -p git push",
    "command git push",
    "exec git push",
    "eval git push",
    "eval 'git push'",
    "trap 'git push' EXIT",
    "sh -c 'git push'",
    "bash -lc 'true && git push'",
    "/bin/bash -o pipefail -c 'git push'",
    "sudo env A=1 bash -c 'sh -c \"git push\"'",
    "bash -c 'git push' 'an argument'",
    "echo $(git push)",
    'echo "a $(git push) b"',
    "echo `git push`",
    "cat <(git push)",
    "let 'a[$(git push)]'",
    "read 'a[`git push`]'",
    "test -v a[\\$\\(git\\ push\\)]",
    'let "a[\\$(git push)]"',
    "PS4='$(git push)'; set -x",
    "compgen -C 'git push'",
    "mapfile -C 'git push;' -c 1 <x",
    "jobs -x git push",
    "prlimit git push",
    "setarch -R git push",
    "pkexec git push",
    "git push $WHERE",
    "git push <<END\nx\nEND",
)


@pytest.mark.parametrize("script", HIDDEN)
def test_a_forbidden_command_does_not_hide(script: str) -> None:
    for command in (script, ["bash", "-lc", script], f"bash -lc {shlex.quote(script)}"):
        assert BOOK.decide(command).decision == "forbidden", command


@pytest.mark.parametrize(
    "script",
    [
        "$CMD push",
        "${X:-git} push",
        "gi$1 push",
        "g?t push",
        "{git,push}",
        "~/bin/git push",
        "git $X",
        "$'\\x67it' push",
        "echo $((1+1))",
        "echo $HOME",
        "cat <<END\nx\nEND",
        "bash <<< 'echo git push'",
        "echo 'git push' | bash",
        "echo 'git push' | bash -s -- x",
        "echo 'git push' | sh -o pipefail",
        "bash /dev/stdin",
        "source /dev/stdin",
        "echo push | xargs git",
        "shopt -s expand_aliases\nalias x='git push'\nx",
        "alias x=git\nx push",
        "hash -p /usr/bin/git x; x push",
        "echo git push | parallel",
        "echo 'open",
        'echo "open',
        "bash -c 'echo \"open'",
        "\0",
        "x" * (MAX_CHARACTERS + 1),
        "bash -c " * 20 + "ls",
    ],
)
def test_what_cannot_be_read_is_never_allowed(script: str) -> None:
    ruling = BOOK.decide(script)
    assert STRICTNESS[ruling.decision] >= STRICTNESS["prompt"], ruling


def test_scripts_in_scripts_end() -> None:
    script = "git push"
    for _ in range(12):
        script = f"bash -c {shlex.quote(script)}"
    assert BOOK.decide(script).unread


def test_file_names_that_may_be_words_of_a_rule_ask() -> None:
    book = Rulebook((rule("git push"),))
    assert book.decide("git pu*").unread == "a pattern where `git push` may match"
    assert book.decide("git status *.py").decision == "allow"
    assert book.decide(["git", "pu*"]).decision == "allow", "no shell, no pattern"


def test_hostile_text_takes_no_time() -> None:
    """It does not come back from these where reading is not linear."""
    several = ("[", "{a,", "\\", '"', "'", "$(", "`", "sudo ", "((", "<<", "a=b ", "2", "\\\n")
    for piece in (*several, "'$('", "\\$\\("):
        BOOK.decide((piece * MAX_CHARACTERS)[:MAX_CHARACTERS])
        BOOK.decide(["sudo", "bash", "-c", (piece * MAX_CHARACTERS)[:MAX_CHARACTERS]])


WORDS = st.sampled_from(["git", "push", "rm", "-rf", "ls", "sudo", "bash", "-c", "x", "*", "A=1"])
PLACES = st.lists(WORDS, min_size=1, max_size=2, unique=True).map(lambda each: tuple(sorted(each)))
PATTERNS = st.lists(PLACES, min_size=1, max_size=3).map(tuple)
DECISIONS: st.SearchStrategy[Decision] = st.sampled_from(["allow", "prompt", "forbidden"])
SOME = st.lists(
    st.builds(CommandRule, pattern=PATTERNS, decision=DECISIONS), max_size=4, unique=True
)
COMMANDS = st.one_of(
    st.lists(WORDS, max_size=5),
    st.lists(WORDS | st.sampled_from([";", "&&", "|", "(", ")", "'", '"', "$(", "\n", "<<"])).map(
        " ".join
    ),
    st.text(max_size=40),
)


@given(SOME, SOME, COMMANDS)
@settings(max_examples=100, deadline=None)
def test_adding_a_rule_never_loosens(
    some: list[CommandRule], more: list[CommandRule], command: str | list[str]
) -> None:
    before, after = Rulebook(some).decide(command), Rulebook(some + more).decide(command)
    assert STRICTNESS[after.decision] >= STRICTNESS[before.decision]
    assert after.decision == "allow" or after.rule or after.unread


@given(SOME, SOME, COMMANDS)
@settings(max_examples=100, deadline=None)
def test_the_order_of_layers_is_of_no_account(
    upper: list[CommandRule], lower: list[CommandRule], command: str | list[str]
) -> None:
    one, other = Union.meet(tuple(upper), tuple(lower)), Union.meet(tuple(lower), tuple(upper))
    assert Rulebook(one).decide(command) == Rulebook(other).decide(command)


@given(PATTERNS, st.lists(WORDS, max_size=3))
@settings(max_examples=100, deadline=None)
def test_a_rule_matches_its_own_pattern_in_a_shell_too(
    pattern: tuple[tuple[str, ...], ...], rest: list[str]
) -> None:
    words = [place[0] for place in pattern] + rest
    assume(words[0] != "A=1")  # no name of a program
    book = Rulebook((CommandRule(pattern=pattern, decision="forbidden"),))
    assert book.decide(words).decision == "forbidden"
    quoted = " ".join(f"'{word}'" for word in words)
    assert book.decide(f"true && {quoted}").decision == "forbidden"


def test_no_rules_no_word() -> None:
    assert Rulebook(()).decide("git push && ls *.py") == Ruling("allow")


GOOD = """\
[[rules]]
pattern = ["git", ["push", "fetch"]]
decision = "forbidden"
justification = "the runner publishes"
match = ["git push origin main", ["/usr/bin/git", "fetch"]]
not_match = ["git status", "echo git push"]

[[rules]]
pattern = [{ token = "pip" }, { any_of = ["install", "download"] }]
decision = "prompt"
"""


def test_rules_are_read_with_their_lines() -> None:
    first, second = read_rules(parse_toml(GOOD, "config.toml"))
    assert (first.shown, first.decision, first.where) == (
        *("git fetch|push", "forbidden", "config.toml, line 2"),
    )
    assert (second.shown, second.decision, second.where) == (
        *("pip download|install", "prompt", "config.toml, line 9"),
    )
    assert "where" not in first.model_dump(), "a policy is the same wherever it lies"


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("git push origin main", "git pull", "line 5: rules.0.match: the example 'git pull' does"),
        ("git status", "git push x", "line 6: rules.0.not_match: the example 'git push x' matches"),
        ('decision = "prompt"', 'decision = "deny"', "line 10: rules.1.decision: is none of"),
        ('decision = "prompt"', "", "line 8: rules.1.decision: a rule needs a decision"),
        ("justification", "justificaton", "line 4: rules.0.justificaton: unknown key"),
        ('"the runner publishes"', '""', "line 4: rules.0.justification: is empty"),
        ('"the runner publishes"', '"a\\u202eb"', "line 4: rules.0.justification: contains"),
        ('["push", "fetch"]', "[]", "line 2: rules.0.pattern: a place is a word"),
        ('["push", "fetch"]', '[["push"]]', "line 2: rules.0.pattern: a word is a printable"),
        ('"git", [', '"", [', "line 2: rules.0.pattern: a word is a printable"),
        ('"git", [', '"g\\u200bt", [', "line 2: rules.0.pattern: a word is a printable"),
        ('{ token = "pip" }', '{ tokn = "pip" }', "line 9: rules.1.pattern: a place has either"),
        ('"git status"', '"git \'status"', "line 6: rules.0.not_match: an example has a quote"),
        ('"git status"', "3", "line 6: rules.0.not_match: an example is a command"),
        ('["git", ["push", "fetch"]]', "[]", "line 2: rules.0.pattern: is no list"),
    ],
)
def test_a_rule_that_is_wrong_is_named_with_its_line(old: str, new: str, problem: str) -> None:
    assert GOOD.count(old) == 1
    with pytest.raises(ConfigError) as caught:
        read_rules(parse_toml(GOOD.replace(old, new), "config.toml"))
    assert f"config.toml, {problem}" in caught.value.problem
    assert caught.value.remedy


def test_the_schema_agrees() -> None:
    validator = Draft202012Validator(RULES_SCHEMA)
    good = tomllib.loads(GOOD)["rules"]
    assert validator.is_valid(good)
    assert not validator.is_valid([{"pattern": ["git"]}])
    assert not validator.is_valid([{"pattern": [], "decision": "forbidden"}])
    assert not validator.is_valid([{"pattern": [{"tokn": "x"}], "decision": "forbidden"}])


def test_a_near_miss_is_suggested() -> None:
    with pytest.raises(ConfigError) as caught:
        read_rules(parse_toml(GOOD.replace("justification", "justificaton"), "config.toml"))
    assert "did you mean justification?" in caught.value.remedy
