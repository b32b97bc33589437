"""Which drafts are to be written: new ones after one yes, others each after its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from runner.errors import ConfigError
from runner.starter.draft import Draft

Outcome = Literal["created", "not created", "replaced", "kept", "unchanged"]
WRITTEN: frozenset[Outcome] = frozenset({"created", "replaced"})
Ask = Callable[[str, bool], bool]
"""A question, and what Enter alone means."""


def choose(
    drafts: Sequence[Draft],
    committed: Callable[[Draft], bool],
    *,
    yes: bool = False,
    force: bool = False,
    ask: Ask | None = None,
) -> Mapping[str, Outcome]:
    """What is to become of each path. `committed`: whether a commit has what is there now.

    Raises:
        ConfigError: forced to replace what no commit has.
    """
    new = [each.path for each in drafts if each.state == "new"]
    create = bool(new) and (yes or (ask is not None and ask(f"Write {', '.join(new)}?", True)))
    outcome: dict[str, Outcome] = {}
    for each in drafts:
        match each.state:
            case "same":
                outcome[each.path] = "unchanged"
            case "new":
                outcome[each.path] = "created" if create else "not created"
            case "different":
                replace = _replace(each, committed(each), force, ask)
                outcome[each.path] = "replaced" if replace else "kept"
    return outcome


def _replace(each: Draft, is_committed: bool, force: bool, ask: Ask | None) -> bool:
    if force and not is_committed:
        problem = f"{each.path} has content that is not committed; replacing it would lose that"
        raise ConfigError(problem, "commit it, move it away, or leave --force out")
    if force or ask is None:
        return force
    lost = "" if is_committed else ", the content of which is not committed"
    return ask(f"Replace {each.path}{lost}?", False)
