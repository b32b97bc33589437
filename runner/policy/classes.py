"""What a task asks for, by its words and paths. A guess made before anything is spent: what the
change turns out to be is measured later, and both only lower the level.

A protected class is found wherever the task speaks of it, unless its title says that documents or
tests are what it is about. A task that says nothing known is `unknown`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from runner.records.classes import Caps, ClassName, Sighting
from runner.records.level import Contribution
from runner.records.task import Task

Places = Callable[[str], Iterable[tuple[ClassName, str]]]
"""The classes of a path, and why; at least one."""

_ABOUT: Mapping[ClassName, re.Pattern[str]] = {
    "docs": re.compile(
        r"\b(?:docs?|documentation|readme|docstrings?|changelog|typos?|spelling|comments)\b",
        re.IGNORECASE,
    ),
    "tests": re.compile(
        r"\b(?:add|write|extend|improve|raise|increase|more|missing)\b.{0,40}"
        r"\b(?:tests?|test cases?|coverage)\b",
        re.IGNORECASE,
    ),
    "formatting": re.compile(
        r"\b(?:re)?format(?:ting)?\b|\bwhitespace\b|\b(?:run|apply) (?:black|prettier|gofmt)\b",
        re.IGNORECASE,
    ),
}
"""By the title."""
_CHANGING = r"\b(?:add|change|create|edit|extend|fix|modify|move|remove|rewrite|update|write)\b"
_PROTECTED: Mapping[ClassName, re.Pattern[str]] = {
    "ci": re.compile(
        rf"{_CHANGING}[^.\n]{{0,40}}\b(?:github actions?|gitlab[ -]ci|ci (?:pipelines?|workflows?"
        r"|config\w*)|workflow files?|codeowners|jenkinsfiles?)\b",
        re.IGNORECASE,
    ),
    "security": re.compile(
        r"\b(?:authenticat\w+|authori[sz]ation|log-?ins?|sign-?in|passwords?|permissions?|oauth2?"
        r"|jwts?|saml|sso|csrf|cors|cryptograph\w+|encrypt\w*|decrypt\w*|access control"
        r"|session (?:cookie|token|store)s?|(?:access|api|refresh) tokens?|credentials?)\b",
        re.IGNORECASE,
    ),
    "migration": re.compile(
        r"\b(?:database|schema|db|sql|django|alembic|rails) (?:\w+ )?migrations?\b"
        r"|\bmigrations? (?:for|of|to) (?:the |a )?(?:\w+ )?(?:database|schema|tables?|models?)\b"
        r"|\b(?:add|drop|rename|alter|remove) (?:a |an |the )?(?:\w+ ){0,2}(?:column|table)s?\b",
        re.IGNORECASE,
    ),
    "payments": re.compile(
        r"\b(?:payments?|billing|invoic\w+|checkout|stripe|paypal|refunds?|ibans?|payouts?"
        r"|credit cards?)\b",
        re.IGNORECASE,
    ),
    "privacy": re.compile(
        r"\b(?:personal data|gdpr|hipaa|pii|ssns?|social security|dates? of birth"
        r"|anonymi[sz]\w+)\b",
        re.IGNORECASE,
    ),
    "infrastructure": re.compile(
        r"\b(?:terraform|kubernetes|k8s|helm charts?|dockerfiles?|docker[ -]compose|ansible"
        r"|cloudformation|deployments?)\b",
        re.IGNORECASE,
    ),
    "dependencies": re.compile(
        r"\bmajor versions?\b|\b(?:upgrade|bump|migrate)\b[^.\n]{0,60}\b(?:to|from)\b[^.\n]{0,20}"
        r"\b(?:v?\d+(?:\.\d+)*|latest)\b",
        re.IGNORECASE,
    ),
}
_WORK = re.compile(
    r"\b(?:add|adapt|allow|apply|avoid|build|bugs?|broken|catch|change|clean|convert|correct|crash"
    r"|create|delete|drop|errors?|extend|extract|fails?|fix|handle|implement|improve|increase|leave"
    r"|let|make|mend|migrate|move|name|optimi[sz]e|parse|port|prevent|print|raise|reduce|refactor"
    r"|remove|rename|repair|replace|report|return|rewrite|round|show|simplify|sort|speed|split|support|update|use"
    r"|validate|write|wrong)(?:e?s|e?d|ing)?\b",
    re.IGNORECASE,
)


def task_bounds(task: Task, caps: Caps, places: Places) -> Iterator[Contribution]:
    """One for each class that a task is of."""
    for each in task_classes(task, places):
        yield Contribution(
            who="class",
            level=caps.of(each.name),
            why=f"{each.name}: {each.why}",
            where=task.source,
            path=each.path,
        )


def task_classes(task: Task, places: Places) -> tuple[Sighting, ...]:
    """At least one; of several reasons for a class the first."""
    found: dict[ClassName, Sighting] = {}
    for each in (*_by_paths(task.paths, places), *_by_words(task)):
        found.setdefault(each.name, each)
    if not found:
        found["unknown"] = Sighting(name="unknown", why="it names no kind of work that is known")
    return tuple(found.values())


def _by_paths(globs: Iterable[str], places: Places) -> Iterator[Sighting]:
    for glob in globs:
        whole = f"{glob}any" if glob.endswith("/") else glob
        path = re.sub(r"\*+|\?", "any", whole.removeprefix("/"))
        if "." not in path.rpartition("/")[2]:
            path = f"{path}.txt"
        for name, why in places(path):
            yield Sighting(name=name, why=f"its path {glob}: {why}", path=glob)


def _by_words(task: Task) -> Iterator[Sighting]:
    for name, pattern in _ABOUT.items():
        if hit := pattern.search(task.title):
            yield Sighting(name=name, why=f'its title says "{hit[0]}"')
            return
    text = f"{task.title}\n{task.prompt}"
    for name, pattern in _PROTECTED.items():
        if hit := pattern.search(text):
            yield Sighting(name=name, why=f'it says "{hit[0][:60]}"')
    if hit := _WORK.search(text):
        yield Sighting(name="code", why=f'it says "{hit[0]}"')
