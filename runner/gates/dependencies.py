"""Gate `dependencies`: what a change makes the project depend on.

Both sides of every manifest and lockfile are read and compared; nothing is fetched or run.
1. Every package added, removed or changed is told, with both versions.
2. Refused: a package from elsewhere than a registry, from another host than before, without the
   hash the others have, with another content under the same version; a new script at installation;
   options that say where packages come from; a file that cannot be read.
3. Refused: a lockfile that changed on its own though the task names none of its packages, and one
   that does not fit its manifest.
4. Refused: a new version with a known advisory, if the operator gave a database.
5. Told: a new dependency the task does not name (refused if the policy says so), a name that is
   nearly another one's, a format nobody here can read.
What the operator allows by name is told and not refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from runner.gates import advisories
from runner.gates.dependency_diff import Differ, Trouble, differ, lookalikes, troubles
from runner.gates.package_files import Format, format_of, is_unread
from runner.gates.packages import Listing, UnreadableError
from runner.gates.unlocked import unlocked
from runner.ports import Case
from runner.records.dependencies import DependencyRules
from runner.records.gate import Finding, GateReport
from runner.records.patch import Change
from runner.text import line

NAME = "dependencies"
REGULAR = ("100644", "100755")
FINDINGS = 100
LISTED_CHARS = 1500
WHAT_CHARS = 400


@dataclass(frozen=True, slots=True)
class File:
    """One changed dependency file, read on both sides."""

    path: str
    format: Format
    old: Listing
    new: Listing
    differ: Differ


def check(case: Case) -> GateReport:
    """Raises InfraError: a blob or the advisories cannot be read."""
    files, found = _read(case)
    rules = case.plan.dependencies
    mentioned = _Mentioned(f"{case.plan.task.title}\n{case.plan.task.prompt}")
    for file in files:
        found += troubles(file.path, file.old, file.new)
    found += _new(files, rules, mentioned)
    found += unlocked(case, files, mentioned)
    database, known = _advisories(rules, files)
    found += known
    findings = [_finding(each, rules) for each in dict.fromkeys(found)]
    findings += (_listed(file) for file in files if str(file.differ))
    findings.sort(key=lambda each: each.is_warning)
    refused = any(not each.is_warning for each in findings)
    return GateReport(
        gate=NAME,
        verdict="refused" if refused else "passed",
        summary=f"{_counted(files)}; {database}" if files else "no dependency file changed",
        findings=tuple(findings[:FINDINGS]),
    )


class _Mentioned:
    """Whether the task speaks of a package."""

    def __init__(self, task: str) -> None:
        self._text = _folded(task)

    def __call__(self, name: str) -> bool:
        last = _folded(name).rpartition(":")[2]
        return re.search(rf"(?<![\w@/-]){re.escape(last)}(?![\w/-])", self._text) is not None


def _folded(text: str) -> str:
    return re.sub(r"[-_.]+(?=\w)", "-", text.lower())


def _read(case: Case) -> tuple[list[File], list[Trouble]]:
    files: list[File] = []
    found: list[Trouble] = []
    for change in case.patch.changes:
        format = format_of(change.path)
        if format is None:
            if is_unread(change.path):
                what = "declares dependencies in a format that is not read here"
                found.append(Trouble("unread", change.path, "", what, only_a_warning=True))
            continue
        old, new = Listing(), Listing()
        try:
            new = _listing(case, change, format, is_new=True)
        except UnreadableError as error:
            found.append(Trouble("unreadable", change.path, change.path, str(error)))
        try:
            old = _listing(case, change, format, is_new=False)
        except UnreadableError as error:
            what = f"cannot be read at the base: {error}"
            found.append(Trouble("unreadable", change.path, "", what, only_a_warning=True))
        files.append(File(change.path, format, old, new, differ(old, new)))
    return files, found


def _listing(case: Case, change: Change, format: Format, *, is_new: bool) -> Listing:
    oid, mode = (change.new_oid, change.new_mode) if is_new else (change.old_oid, change.old_mode)
    if oid is None:
        return Listing()
    if mode not in REGULAR:
        raise UnreadableError("no regular file")
    return format.read(case.blob(oid))


def _new(files: Iterable[File], rules: DependencyRules, mentioned: _Mentioned) -> Iterator[Trouble]:
    """Names that no changed file of their ecosystem had."""
    files = tuple(files)
    for file in files:
        known = {
            package.name
            for other in files
            if other.format.ecosystem == file.format.ecosystem
            for package in other.old.packages
        }
        fresh = [name for name in file.differ.added if name not in known]
        direct = {package.name for package in file.new.packages if package.is_direct}
        for name in fresh if file.format.kind == "manifest" else ():
            if name in direct and not mentioned(name):
                what = f"{name} is a new dependency that the task does not name"
                yield Trouble("new", file.path, name, what, only_a_warning=rules.new == "warn")
        yield from lookalikes(file.path, fresh, known | {each.name for each in file.new.packages})


def _advisories(rules: DependencyRules, files: Iterable[File]) -> tuple[str, list[Trouble]]:
    """What the summary says of the database, and what it knows."""
    if rules.advisories is None:
        return "no advisory database", []
    pins = {
        (file.format.ecosystem, package.name, package.version): file.path
        for file in files
        for package in file.new.packages
        if package.is_exact and package.version and package.name in file.differ.touched
    }
    if not pins:
        return "advisories: nothing to ask", []
    asked = advisories.ask(rules.advisories, pins)
    age = asked.age_days(datetime.now(UTC))
    found = [_advisory(each, pins[each.pin]) for each in asked.found]
    if age is None:
        what = f"there are no advisories in {rules.advisories}: nothing was compared"
        return "advisories: none there", [Trouble("no-advisories", "", "", what, True)]
    if age > advisories.OLD_DAYS:
        what = f"the advisories are {age} days old: newer ones are not known"
        found.append(Trouble("old-advisories", "", "", what, only_a_warning=True))
    return f"advisories: {asked.records} records, {age} days old", found


def _advisory(each: advisories.Advisory, path: str) -> Trouble:
    _, name, version = each.pin
    ids = "/".join((each.id, *each.aliases[:3]))
    mended = f"fixed in {each.fixed}" if each.fixed else "no fixed version is known"
    what = f"{name} {version}: {ids} ({mended}): {line(each.summary, 200)}"
    if not each.is_certain:
        what += "; its versions cannot be compared, it may be affected"
    return Trouble("advisory", path, f"{each.id}\n{name}", what, not each.is_certain)


def _finding(each: Trouble, rules: DependencyRules) -> Finding:
    place = f"{each.path}: " if each.path else ""
    why = f"{place}{line(each.what, WHAT_CHARS)}"
    if {*each.subject.split("\n")} & {*rules.allow} and not each.only_a_warning:
        why = f"warning: {why}; the policy allows it"
    elif each.only_a_warning:
        why = f"warning: {why}"
    return Finding(
        gate=NAME,
        code=f"{NAME}.{each.code}",
        path=each.path or None,
        why=why,
        remedy=_REMEDIES.get(each.code, _OTHERWISE),
        retryable=True,
    )


_OTHERWISE = (
    "leave it out, or let a person make this change; an operator may name it in allow under"
    " [dependencies] in config.toml"
)
_REMEDIES = {
    "advisory": "take the fixed version, or an operator names the advisory in allow under"
    " [dependencies] in config.toml",
    "mismatch": "make manifest and lockfile agree",
    "not-locked": "make manifest and lockfile agree",
    "unreadable": "write a file that its own program would accept",
    "old-advisories": "download a newer database",
    "no-advisories": "download the database into that place",
}


def _listed(file: File) -> Finding:
    return Finding(
        gate=NAME,
        code=f"{NAME}.changed",
        path=file.path,
        why=f"warning: {file.path}: {line(str(file.differ), LISTED_CHARS)}",
        remedy="look at every package that is new or has another version",
    )


def _counted(files: Iterable[File]) -> str:
    differs = [file.differ for file in files]
    added, changed, removed = (
        len({name for each in differs for name in getattr(each, kind)})
        for kind in ("added", "changed", "removed")
    )
    return f"{added} packages added, {changed} changed, {removed} removed"
