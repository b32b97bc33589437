"""How well checks do on labelled samples: precision and recall, and the ids that were missed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from runner.errors import ConfigError
from runner.guardrails.guard import Guard
from runner.records.base import Record
from runner.records.guardrail import Asking

FORM = 'write {"id": "1", "data": "text", "expected_triggers": {"Contains PII": true}}'


@dataclass(frozen=True, slots=True)
class Labelled:
    """One line of a dataset."""

    id: str
    data: str
    expected: Mapping[str, bool]
    """By the name of a check; one that is not named is not judged by this sample."""


class Score(Record):
    """Of one check. Rates are per mille; None = there was nothing to find, or nothing was found."""

    check: str
    available: bool
    """False = it needs a model, so nothing was asked."""
    samples: int
    right: int
    """Found where expected."""
    missed: tuple[str, ...] = ()
    """Ids of samples that should have triggered it."""
    false_alarms: tuple[str, ...] = ()

    def told(self) -> dict[str, object]:
        """With its rates."""
        rates = {"precision_permille": self.precision, "recall_permille": self.recall}
        return {**self.model_dump(mode="json"), **rates}

    @property
    def precision(self) -> int | None:
        return _rate(self.right, self.right + len(self.false_alarms))

    @property
    def recall(self) -> int | None:
        return _rate(self.right, self.right + len(self.missed))


def read_samples(data: bytes | None, source: str) -> tuple[Labelled, ...]:
    """One JSON object on each line; blank lines are left out.

    Raises:
        ConfigError: there is no file, a line is not of this form, or an id is there twice.
    """
    if data is None:
        raise ConfigError(f"{source}: no such file", "name a file of labelled samples")
    found: dict[str, Labelled] = {}
    for number, row in enumerate(data.split(b"\n"), 1):
        if row.strip():
            sample = _sample(row, f"{source}, line {number}")
            if sample.id in found:
                raise ConfigError(f"{source}, line {number}: this id is there already", FORM)
            found[sample.id] = sample
    return tuple(found.values())


def _sample(row: bytes, place: str) -> Labelled:
    try:
        values = json.loads(row)
    except (RecursionError, ValueError) as error:
        raise ConfigError(f"{place}: not JSON", FORM) from error
    fields = values if isinstance(values, dict) else {}
    name, text, expected = (fields.get(key) for key in ("id", "data", "expected_triggers"))
    labels: dict[str, bool] = expected if isinstance(expected, dict) else {}
    good = isinstance(name, str | int) and labels and all(type(v) is bool for v in labels.values())
    if not good or not isinstance(text, str):
        raise ConfigError(f"{place}: not a labelled sample", FORM)
    return Labelled(str(name), text, labels)


def scores(guard: Guard, samples: Iterable[Labelled]) -> tuple[Score, ...]:
    """One for each check, by name; a check triggers when it finds anything it would tell.

    Raises InfraError: the secret scanner could not be asked.
    """
    every = tuple(samples)
    names = dict.fromkeys(each.name for each in guard.declared)
    return tuple(_score(guard, name, every) for name in names)


def triggered(guard: Guard, name: str, text: str) -> bool:
    """In any stage that declares it."""
    clean = text.encode(errors="replace").decode()
    mine = (each for each in guard.declared if each.name == name)
    return any(next(iter(guard.hits(clean, each)), None) is not None for each in mine)


def _score(guard: Guard, name: str, samples: tuple[Labelled, ...]) -> Score:
    mine = [sample for sample in samples if name in sample.expected]
    asking = [each for each in guard.declared if each.name == name and isinstance(each, Asking)]
    if asking:
        return Score(check=name, available=False, samples=len(mine), right=0)
    found = {sample.id: triggered(guard, name, sample.data) for sample in mine}
    wanted = {sample.id: sample.expected[name] for sample in mine}
    return Score(
        check=name,
        available=True,
        samples=len(mine),
        right=sum(found[each] and wanted[each] for each in found),
        missed=tuple(each for each in found if wanted[each] and not found[each]),
        false_alarms=tuple(each for each in found if found[each] and not wanted[each]),
    )


def _rate(part: int, whole: int) -> int | None:
    return None if whole == 0 else round(1000 * part / whole)
