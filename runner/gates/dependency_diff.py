"""Two readings of one dependency file: what differs, and what of it nobody should let through."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from runner.gates.packages import Listing, Package
from runner.text import line

SHORTEST = 4
"""Shorter names are one letter from each other without anybody's ill will."""
IMPLAUSIBLE = range(90, 1900)
"""First numbers of versions made to win against every other; years are above."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """One reason; `subject` is what a policy would have to allow."""

    code: str
    path: str
    subject: str
    what: str
    only_a_warning: bool = False


@dataclass(frozen=True, slots=True)
class Differ:
    """Name -> versions, those of both sides in order."""

    added: Mapping[str, tuple[str, ...]]
    removed: Mapping[str, tuple[str, ...]]
    changed: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]]

    @property
    def touched(self) -> frozenset[str]:
        """Names whose version is new."""
        return frozenset({*self.added, *self.changed})

    def __str__(self) -> str:
        def spelled(versions: tuple[str, ...]) -> str:
            return "|".join(version or "any" for version in versions)

        rows = [f"+{name} {spelled(new)}" for name, new in self.added.items()]
        rows += [f"{name} {spelled(o)} -> {spelled(n)}" for name, (o, n) in self.changed.items()]
        return ", ".join([*rows, *(f"-{name} {spelled(o)}" for name, o in self.removed.items())])


def differ(old: Listing, new: Listing) -> Differ:
    before, after = _versions(old), _versions(new)
    both = [name for name in after if name in before and before[name] != after[name]]
    return Differ(
        {name: after[name] for name in after if name not in before},
        {name: before[name] for name in before if name not in after},
        {name: (before[name], after[name]) for name in both},
    )


def _versions(listing: Listing) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = defaultdict(set)
    for package in listing.packages:
        found[package.name].add(package.version or package.source)
    return {name: tuple(sorted(found[name])) for name in sorted(found)}


def troubles(path: str, old: Listing, new: Listing) -> Iterator[Trouble]:
    """Everything but what needs more than this one file."""
    known = frozenset(old.packages)
    before: dict[str, list[Package]] = defaultdict(list)
    for package in old.packages:
        before[package.name].append(package)
    hosts = frozenset(host for package in old.packages for host in package.hosts)
    hashed = any(package.hashes for package in old.packages)
    unknown: set[str] = set()
    for package in dict.fromkeys(new.packages):
        if package not in known:
            olds = before[package.name]
            yield from _origin(path, package, olds, hosts)
            yield from _content(path, package, olds, hashed)
            unknown |= package.hosts if not hosts else set()
    if unknown:
        what = f"its packages come from {', '.join(sorted(unknown)[:10])}"
        yield Trouble("hosts", path, "", what, only_a_warning=True)
    yield from _steering(path, old, new)


def _origin(
    path: str, package: Package, olds: list[Package], hosts: frozenset[str]
) -> Iterator[Trouble]:
    name = package.name
    if package.source and package.source not in {each.source for each in olds}:
        what = f"{name} does not come from a registry: {package.source}"
        yield Trouble("source", path, name, what)
    earlier = frozenset(host for each in olds for host in each.hosts)
    if earlier and package.hosts - earlier:
        was, now = ", ".join(sorted(earlier)), ", ".join(sorted(package.hosts - earlier))
        yield Trouble("host", path, name, f"{name} came from {was} and would come from {now}")
    elif not earlier and hosts and package.hosts - hosts:
        now = ", ".join(sorted(package.hosts - hosts))
        yield Trouble("host", path, name, f"{name} comes from {now}, nothing else at the base does")
    first = package.version.partition(".")[0]
    if package.is_exact and not olds and first.isdecimal() and int(first[:9]) in IMPLAUSIBLE:
        what = f"{name} {package.version}: a number like this wins against a private package"
        yield Trouble("confusion", path, name, what, only_a_warning=True)


def _content(path: str, package: Package, olds: list[Package], hashed: bool) -> Iterator[Trouble]:
    name = package.name
    same = [each for each in olds if each.version == package.version and each.hashes]
    if same and package.hashes and not any(each.hashes & package.hashes for each in same):
        what = f"{name} {package.version} has another content than at the base"
        yield Trouble("hash-changed", path, name, what)
    if hashed and not package.hashes and not package.source:
        what = f"{name} has no hash; at the base this file has them"
        yield Trouble("unhashed", path, name, what)
    if package.script and not any(each.script for each in olds):
        yield Trouble("install-script", path, name, f"{name} runs a script when it is installed")


def _steering(path: str, old: Listing, new: Listing) -> Iterator[Trouble]:
    for option in sorted(new.options - old.options):
        what = f"decides where packages come from: {option}"
        yield Trouble("index", path, line(option, 200), what)
    for option in sorted(old.options - new.options):
        what = f"no longer decides where packages come from: {option}"
        mild = not option.startswith("-")
        yield Trouble("index", path, line(option, 200), what, only_a_warning=mild)
    before = old.hooks or {}
    for name, words in (new.hooks or {}).items():
        if before.get(name) != words:
            what = f"{name} runs when the project is built or installed"
            yield Trouble("install-script", path, name, what)


def lookalikes(path: str, names: Iterable[str], known: Iterable[str]) -> Iterator[Trouble]:
    """New names one slip of the finger away from another one."""
    wanted = [name for name in names if len(name) >= SHORTEST]
    spelled: dict[str, set[str]] = defaultdict(set)
    for name in known if wanted else ():
        for slip in _slips(name):
            spelled[slip].add(name)
    for name in wanted:
        near = {other for slip in _slips(name) for other in spelled.get(slip, ())} - {name}
        for other in sorted(near)[:1]:
            what = f"{name} is nearly called like {other}"
            yield Trouble("lookalike", path, name, what, only_a_warning=True)


def _slips(name: str) -> set[str]:
    """What two names share that differ by one letter added, left out, changed or swapped with its
    neighbour; and, without its separators, by those alone."""
    bare = "".join(char for char in name if char.isalnum())
    if len(bare) < SHORTEST:
        return {name}
    return {bare, *(bare[:at] + bare[at + 1 :] for at in range(min(len(bare), 100)))}
