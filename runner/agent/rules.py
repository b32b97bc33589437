"""Command rules as codex itself is told them, in `[rules]` of its requirements.toml.

There they hold whatever a user or a repository configures; `--ignore-rules`, which is on our
command line, only drops the `.rules` files of those two. Codex looks through its own
`bash -lc "a && b"` and through the path of a program, not through a variable, a parenthesis,
`env`, `sudo` or `bash -c`: this is advice to an agent that errs, the sandbox is the wall.
"""

from __future__ import annotations

from collections.abc import Iterable

from runner.records.rules import CommandRule

FORBIDDEN = "forbidden by the policy"
NOBODY = "a person would have to approve this command, and nobody is there"


def prefix_rules(rules: Iterable[CommandRule], asked: bool = False) -> list[dict[str, object]]:
    """`[{"pattern": [{"token": "git"}, {"any_of": ["fetch", "push"]}], "decision": ...}]`.

    Never an `allow`: codex would run such a command outside its sandbox. What waits for a person is
    forbidden, because nobody watches a run of `codex exec`; unless one is `asked` by the gate.
    """
    return [
        {
            "pattern": [_place(words) for words in rule.pattern],
            "decision": "forbidden",
            "justification": _justification(rule),
        }
        for rule in rules
        if rule.decision == "forbidden" or (rule.decision == "prompt" and not asked)
    ]


def _place(words: tuple[str, ...]) -> dict[str, object]:
    return {"token": words[0]} if len(words) == 1 else {"any_of": list(words)}


def _justification(rule: CommandRule) -> str:
    if rule.decision == "forbidden":
        return rule.justification or FORBIDDEN
    return f"{NOBODY}: {rule.justification}" if rule.justification else NOBODY
