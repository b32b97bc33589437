"""Examples of a policy, tried: what they expect against what it decides.

1. An example speaks of its own layer and those above it. What layers below may tighten further is
   another machine's or repository's business; what it supposes they ask for, it says itself.
2. A change is judged by the gates themselves, as one between two real trees.
3. Nothing of the machine decides: no environment, no settings, no provider.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from runner import __version__, judging, rejudging
from runner.errors import ConfigError, RefusedError
from runner.gates.paths import PROTECTED
from runner.guardrails.secret_keys import Scan
from runner.policy.examples import Edit, Example, examples_of
from runner.policy.files import read_bounded, shown
from runner.policy.lattice import Decided, compared, decide
from runner.policy.layers import built_in, task_layer
from runner.policy.levels import EVENT, trigger_bounds
from runner.policy.notes import plain
from runner.policy.origins import Origins
from runner.policy.rules import Rulebook
from runner.policy.settings import Settings
from runner.ports import Source
from runner.records.base import Oid, RunId, Sha256
from runner.records.gate import GateReport
from runner.records.level import CLASS_GATE, Standing
from runner.records.merge import LAYERS, Union
from runner.records.plan import Plan
from runner.records.policy import Layer, fields
from runner.records.task import Limits, Task
from runner.workspace.source import GitSource, open_source
from runner.workspace.specimen import make_specimen

MAX_PATCH_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Claim:
    """An example, and the layers it speaks of, from the highest down."""

    example: Example
    layers: tuple[Layer, ...]
    folder: Path
    """What the name of a patch is relative to."""


@dataclass(frozen=True, slots=True)
class Bench:
    """What changes are judged with."""

    scan: Callable[[], Scan]
    repository: Path
    """What patches are made of, at `base`; only read."""
    base: str | None = None
    alternates: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Miss:
    """What came out otherwise."""

    what: str
    """A field of the policy, `decision`, or a key of what a change expects."""
    expected: Any
    found: Any
    by: str
    """Who decided it so."""


@dataclass(frozen=True, slots=True)
class Proof:
    """One example, tried."""

    example: Example
    misses: tuple[Miss, ...]


def claims(
    layers: Iterable[Layer], folders: Mapping[str, Path], elsewhere: Path
) -> tuple[Claim, ...]:
    """All examples of some layers; `folders` by the layer's source. Raises ConfigError."""
    ranked = ranked_over(layers)
    return tuple(
        Claim(example, ranked[: at + 1], folders.get(layer.source, elsewhere))
        for at, layer in enumerate(ranked)
        for example in examples_of(layer)
    )


def ranked_over(layers: Iterable[Layer]) -> tuple[Layer, ...]:
    """From the highest down, the built-in one first; it need not be given."""
    given = [each for each in layers if each.name != "built-in"]
    order = {name: rank for rank, name in enumerate(LAYERS)}
    return (built_in(PROTECTED), *sorted(given, key=lambda layer: order[layer.name]))


def prove(claim: Claim, bench: Bench) -> Proof:
    """Raises ConfigError: what it speaks of cannot be made, naming the example."""
    example = claim.example
    above = (*claim.layers, *example.layers)
    mine = () if example.task is None else (task_layer(example.task, above),)
    decided = decide((*above, *mine))
    bounds = trigger_bounds({EVENT: example.event})
    standing = rejudging.standing_under(decided, example.task, bounds)
    if example.command is not None:
        return Proof(example, tuple(_of_command(example, decided)))
    if not example.edits and example.patch is None:
        return Proof(example, tuple(_of_fields(example, decided, standing)))
    try:
        reports = _judged(claim, decided, standing, bench)
    except ConfigError as error:
        problem = f"{example.where}: {example.name}: {error.problem}"
        raise ConfigError(problem, error.remedy) from error
    return Proof(example, tuple(_of_change(example, reports, standing)))


def _of_command(example: Example, decided: Decided) -> Iterator[Miss]:
    assert example.command is not None
    ruling = Rulebook(decided.policy.rules).decide(example.command)
    expected = example.expected["decision"]
    if ruling.decision != expected:
        by = ruling.rule.where if ruling.rule else ruling.unread or "no rule matches"
        yield Miss("decision", expected, ruling.decision, by)


def _of_fields(example: Example, decided: Decided, standing: Standing) -> Iterator[Miss]:
    """Of what layers add up, all that is expected has to be there; everything else is equal."""
    for name, expected in example.expected.items():
        decision = decided.fields[name]
        found, by = decision.value, ", ".join(place.where for place in decision.by)
        if name == "level":
            found, by = standing.level, standing.reason
        if not _holds(name, expected, found):
            yield Miss(name, plain(expected), plain(found), by)


def _holds(name: str, expected: Any, found: Any) -> bool:
    if isinstance(fields()[name].merge, type(Union)):
        return all(each in plain(found) for each in plain(expected))
    return compared(name, expected, found) is None


def _of_change(
    example: Example, reports: tuple[GateReport, ...], standing: Standing
) -> Iterator[Miss]:
    gate = example.expected.get("gate")
    asked = [each for each in reports if gate in (None, each.gate)]
    findings = [each for report in asked for each in report.findings]
    told = next((each for each in findings if not each.is_warning), next(iter(findings), None))
    by = f"{told.why} ({told.layer or 'built-in'})" if told else "no finding"
    classed = any(each.gate == CLASS_GATE for each in reports)
    refused = any(each.verdict == "refused" for each in asked)
    found: dict[str, Any] = {
        "verdict": "refused" if refused else "passed" if asked else "not asked",
        "code": [*dict.fromkeys(each.code for each in findings)],
        "level": standing.measured(reports).level if classed else None,
    }
    for what, expected in example.expected.items():
        if what == "gate" or found[what] == expected:
            continue
        if what != "code" or expected not in found["code"]:
            why = standing.measured(reports).reason if what == "level" else by
            yield Miss(f"{gate}: {what}" if gate else what, expected, found[what], why)


def _judged(
    claim: Claim, decided: Decided, standing: Standing, bench: Bench
) -> tuple[GateReport, ...]:
    with tempfile.TemporaryDirectory(prefix="codex-runner-example-") as scratch:
        source, tree = _changed(claim, bench, Path(scratch))
        with closing(source):
            if tree == source.base.tree:
                raise ConfigError("it changes nothing", "let before and after differ")
            try:
                patch = source.adopt(tree, message=claim.example.name)
            except RefusedError as refusal:
                return (judging.unmeasured(refusal),)
            plan = rejudging.plan_under(decided, _plan(claim.example, decided, source), standing)
            origins = Origins(Settings(), decided)
            measured = GateReport(gate="ingest", verdict="passed", summary="measured")
            judged = rejudging.rejudge(plan, source, patch, {}, bench.scan(), origins)
            return (measured, *judged)


def _changed(claim: Claim, bench: Bench, scratch: Path) -> tuple[GitSource, Oid]:
    example = claim.example
    if example.patch is None:
        place = scratch / "repository"
        tree = make_specimen(place, *_sides(example.edits))
        return open_source(place, None, scratch / "state"), tree
    path = claim.folder / example.patch
    content = read_bounded(path, MAX_PATCH_BYTES, follow=True)
    if content is None:
        raise ConfigError(f"{shown(path)}: no such file", "name a patch file")
    source = open_source(
        bench.repository,
        bench.base,
        scratch / "state",
        allow_dirty=True,
        alternates=bench.alternates,
    )
    try:
        return source, source.apply(content)
    except BaseException:
        source.close()
        raise


def _sides(edits: tuple[Edit, ...]) -> tuple[dict[str, bytes | None], dict[str, bytes | None]]:
    def data(text: str | None) -> bytes | None:
        return None if text is None else text.encode()

    before = {each.path: data(each.before) for each in edits if each.before is not None}
    return before, {each.path: data(each.after) for each in edits}


def _plan(example: Example, decided: Decided, source: Source) -> Plan:
    """What a run would have, as far as the cheap gates look at it."""
    nobody = Task(title=example.name, prompt="", source=example.where, sha256=Sha256(""))
    task, test = example.task or nobody, decided.policy.test
    return Plan(
        run=RunId("example"),
        version=__version__,
        codex_version="",
        task=task,
        limits=Limits(),
        engine="bubblewrap",
        inner_sandbox="auto",
        base_commit=source.base.commit,
        target="main",
        branch="codex/example",
        model="author",
        reviewer_model="reviewer",
        test=test if isinstance(test, str) else None,
        protected=(),
        paths=task.paths,
        upstream="",
        remote=None,
        forge=None,
    )
