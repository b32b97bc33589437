"""Gate `static`: analysers read the changed files, and only what is new counts.

1. Every analyser runs in a sandbox of its own, without network, over both sides of the change.
2. A finding is known by its rule and its line's words, not by the line's number or the file's name.
3. One that is not there is told; where nobody read a file of a known kind the gate is waived, or
   refused if the policy requires that analyser. One that failed is refused: nobody can tell.
4. A comment that tells analysers to look away is not heard, and told.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from runner.gates.analysers import Adapter, adapters
from runner.gates.encoding import strange
from runner.gates.sarif_in import Result, UnreadableError
from runner.ports import Case
from runner.records.gate import Finding, GateReport
from runner.records.patch import Change
from runner.records.paths import decode_path
from runner.records.static import STRICTER, Analysis, StaticRules, Threshold
from runner.text import line

NAME = "static"
REGULAR = ("100644", "100755")
ABSENT = 127
FINDINGS = 100
TEXT_CHARS = 300
_PLAIN = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.-]{0,80}")
_SILENCES = re.compile(
    rb"(?i)#\s*(?:ruff:\s*|flake8[:=]\s*)?noqa\b|#\s*nosec\b|#\s*type:\s*ignore|#\s*pyright:\s*ignore"
    rb"|#\s*pylint:\s*disable|#\s*mypy:\s*ignore|#\s*pragma:\s*no\s*(?:cover|qa)|#\s*nosemgrep"
    rb"|eslint-disable|@ts-(?:ignore|nocheck|expect-error)|(?:tslint|biome|oxlint)[-:](?:disable|ignore)"
    rb"|#\s*shellcheck\s+disable|#\s*zizmor:\s*ignore|//\s*nolint|//\s*nosec|NOSONAR|#\[allow\("
    rb"|@SuppressWarnings|#pragma\s+warning\s+disable|rubocop:\s*disable|phpcs:ignore|codeql\["
)
_UNREAD = re.compile(
    r"(?i)(?:could ?n[o']t|can ?not|can't|failed to|unable to) (?:be )?"
    r"(?:read|pars|decod|open|lint)|valid UTF-8"
)
"""Said on standard error by one that did not read a file, and ends well."""
Side = Mapping[str, bytes]
"""Content by the path's text form."""


@dataclass(slots=True)
class _Told:
    """What all analysers said."""

    findings: list[Finding] = field(default_factory=list)
    summary: list[str] = field(default_factory=list)
    absent: list[str] = field(default_factory=list)
    read: set[str] = field(default_factory=set)
    unread: set[str] = field(default_factory=set)


def check(case: Case) -> GateReport:
    """Raises InfraError: a sandbox could not be made, a blob cannot be read."""
    rules = case.plan.static
    new, old = _sides(case)
    told = _Told()
    known = adapters(rules.analysers)
    for name in sorted({*rules.require} - {each.name for each in known}):
        told.findings.append(_required(name, "no analyser has that name"))
    for adapter in known:
        _ask(case, adapter, new, old, rules, told)
    told.findings += _strange(new)
    told.findings += _silencers(new, old)
    nobody = sorted(told.unread - told.read)
    told.findings += _nobody(nobody, told.absent)
    findings = sorted(told.findings, key=lambda each: each.is_warning)
    refused = any(not each.is_warning for each in findings)
    absent = [f"not run: {', '.join(told.absent)}"] if told.absent else []
    return GateReport(
        gate=NAME,
        verdict="refused" if refused else "waived" if nobody else "passed",
        summary="; ".join((*told.summary, *absent)) or "no file of a kind the analysers read",
        findings=tuple(findings[:FINDINGS]),
    )


def _sides(case: Case) -> tuple[Side, Side]:
    new = {
        change.path: case.blob(change.new_oid)
        for change in case.patch.changes
        if change.new_oid is not None and change.new_mode in REGULAR
    }
    return new, {change.path: _old(case, change) for change in case.patch.changes}


def _old(case: Case, change: Change) -> bytes:
    regular = change.old_oid is not None and change.old_mode in REGULAR
    return case.blob(change.old_oid) if regular and change.old_oid is not None else b""


def _ask(
    case: Case, adapter: Adapter, new: Side, old: Side, rules: StaticRules, told: _Told
) -> None:
    files = {path: data for path, data in new.items() if adapter.wants(decode_path(path), data)}
    if adapter.place != "alone":
        told.unread |= {path for path in files if _is_quoted(path)}
        files = {path: data for path, data in files.items() if not _is_quoted(path)}
    if not files:
        return
    try:
        results = _run(case, adapter, files)
    except _AbsentError:
        told.absent.append(adapter.name)
        told.unread |= files.keys()
        if adapter.name in rules.require:
            told.findings.append(_required(adapter.name, "it is not there"))
        return
    except UnreadableError as error:
        told.findings.append(_failed(adapter, str(error)))
        return
    told.read |= files.keys()
    fresh = _fresh(case, adapter, results, files, old) if results else []
    told.summary.append(f"{adapter.name}: {len(files)} files, {len(fresh)} new")
    told.findings += (_finding(adapter, path, each, rules) for path, each in fresh)


class _AbsentError(Exception):
    """The sandbox has no such program."""


def _run(case: Case, adapter: Adapter, files: Side) -> list[tuple[str, Result]]:
    """Results with the path of their file.

    Raises UnreadableError, _AbsentError.
    """
    names = _names(adapter, files)
    root = "" if adapter.place == "alone" else "./"  # a name never looks like an option
    given = {f"{root}{name}": files[path].replace(*adapter.deaf) for name, path in names.items()}
    analysed = case.analyse(Analysis(adapter.command, given, adapter.place, adapter.tool))
    end = analysed.exit
    if end.code == ABSENT:
        raise _AbsentError
    if end.stopped is not None or end.code not in adapter.good:
        how = f"stopped: {end.stopped}" if end.stopped else f"exit status {end.code}"
        raise UnreadableError(f"{how}: {line(end.stderr_tail[-TEXT_CHARS:], TEXT_CHARS)}")
    if _UNREAD.search(end.stderr_tail):
        raise UnreadableError(f"it said: {line(end.stderr_tail[-TEXT_CHARS:], TEXT_CHARS)}")
    results = adapter.read(analysed.output)
    return [(names.get(each.file, ""), each) for each in results]


def _names(adapter: Adapter, files: Side) -> dict[str, str]:
    """Path by the name an analyser gets. Alone a file gets a harmless one that hides nothing."""
    if adapter.place != "alone":
        return {path: path for path in files}
    names = {}
    for number, path in enumerate(files, 1):
        parts = path.split("/")[-adapter.keeps :]
        plain = all(_PLAIN.fullmatch(part) for part in parts)
        name = "/".join(parts) if plain else f"file{_suffix(parts[-1])}"
        names[f"{number:04}/{name if '.' in parts[-1] else name + adapter.suffix}"] = path
    return names


def _is_quoted(path: str) -> bool:
    """Its name has control characters or is no UTF-8: not every program can be given it."""
    return path.startswith('"')


def _suffix(name: str) -> str:
    suffix = "." + name.rstrip('"').rpartition(".")[2].lower()
    return suffix if _PLAIN.fullmatch(suffix[1:]) else ""


def _fresh(
    case: Case, adapter: Adapter, results: list[tuple[str, Result]], files: Side, old: Side
) -> list[tuple[str, Result]]:
    """Those that the base has not. A base that cannot be read has none."""
    before = {path: data for path, data in old.items() if adapter.wants(decode_path(path), data)}
    before = {path: data for path, data in before.items() if data}
    try:
        known = Counter(
            _key(path, each, before)
            for path, each in (_run(case, adapter, before) if before else [])
        )
    except (UnreadableError, _AbsentError):
        known = Counter()
    fresh = []
    for path, each in results:
        key = _key(path, each, files)
        known[key] -= 1
        if known[key] < 0:
            fresh.append((path, each))
    return fresh


def _key(path: str, result: Result, files: Side) -> tuple[str, bytes]:
    lines = files.get(path, b"").split(b"\n")
    text = lines[result.line - 1] if 0 < result.line <= len(lines) else b""
    return result.rule, b" ".join(text.split())


def _finding(adapter: Adapter, path: str, each: Result, rules: StaticRules) -> Finding:
    place = f"{path or 'the change'}:{each.line}"
    told = f"{line(each.text, TEXT_CHARS)} ({adapter.name} {line(each.rule, 60)})"
    mild = "" if _refuses(adapter, each, rules) else "warning: "
    return Finding(
        gate=NAME,
        code=f"{NAME}.{adapter.name}",
        path=path or None,
        line=each.line or None,
        why=f"{mild}{place}: {told}",
        remedy=f"write it so that {adapter.name} has nothing to say about it",
        retryable=True,
        rule="static.refuse",
    )


def _refuses(adapter: Adapter, each: Result, rules: StaticRules) -> bool:
    is_mild = each.level == "error" and adapter.mild.fullmatch(each.rule)
    level: Threshold = "warning" if is_mild else each.level
    if rules.refuse == "security":
        security = each.is_security or adapter.security.fullmatch(each.rule) is not None
        return level == "error" and security
    return STRICTER.index(level) >= STRICTER.index(rules.refuse)


def _silencers(new: Side, old: Side) -> Iterator[Finding]:
    """Comments that tell analysers to look away, beyond those that some file had before."""
    known = Counter(words for data in old.values() for _, words in _silenced(data))
    for path, data in new.items():
        for number, words in _silenced(data):
            known[words] -= 1
            if known[words] < 0:
                yield Finding(
                    gate=NAME,
                    code=f"{NAME}.suppression",
                    path=path,
                    line=number,
                    why=f"warning: {path}:{number}: tells analysers to look away: "
                    + line(words.decode(errors="replace"), 160),
                    remedy="mend what the analyser says instead of silencing it",
                    retryable=True,
                )


def _silenced(data: bytes) -> Iterator[tuple[int, bytes]]:
    if _SILENCES.search(data):
        for number, text in enumerate(data.split(b"\n"), 1):
            if _SILENCES.search(text):
                yield number, b" ".join(text.split())[:500]


def _strange(new: Side) -> Iterator[Finding]:
    for path, data in new.items():
        if decode_path(path).lower().endswith((b".py", b".pyi")) and (what := strange(data)):
            yield Finding(
                gate=NAME,
                code=f"{NAME}.encoding",
                path=path,
                why=f"{path}: {what}: it may run as something else than analysers and people read",
                remedy="save it as UTF-8, without another encoding's declaration",
                retryable=True,
            )


def _nobody(paths: list[str], absent: list[str]) -> Iterator[Finding]:
    for path in paths:
        yield Finding(
            gate=NAME,
            code=f"{NAME}.not-run",
            path=path,
            why=f"warning: {path}: no analyser read it; not there: {', '.join(absent)}",
            remedy="install codex-runner[static] (ruff, zizmor), or put the analyser into the image"
            " or the setup",
        )


def _required(name: str, why: str) -> Finding:
    return Finding(
        gate=NAME,
        code=f"{NAME}.absent",
        why=f"the policy requires the analyser {name}: {why}",
        remedy="put it into the image or the setup, install codex-runner[static], or remove it from"
        " require under [static]",
    )


def _failed(adapter: Adapter, why: str) -> Finding:
    return Finding(
        gate=NAME,
        code=f"{NAME}.failed",
        why=f"{adapter.name} could not judge the change: {why}",
        remedy="make the changed files readable to it; if it fails on others too, mend its command",
        retryable=True,
    )
