"""Everything that has a say in one run, as layers, and what they decide."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from runner.errors import ConfigError
from runner.policy.command_line import command_layers
from runner.policy.lattice import Decided, decide
from runner.policy.notes import plain
from runner.records.policy import Layer, fields
from runner.records.task import SILENT, Task, Words


def decide_run(
    task: Task,
    operator: Iterable[Layer],
    repository: Layer,
    protected: tuple[str, ...],
    words: Words = SILENT,
) -> Decided:
    """`operator`: the layers of the settings; `protected`: globs that are built in; `words`: of the
    command line."""
    above = (built_in(protected), *operator, repository)
    return decide((*above, task_layer(task, above), *command_layers(words)))


def built_in(protected: tuple[str, ...]) -> Layer:
    """What every other layer can only add to; all other defaults are the fields' own."""
    return Layer("built-in", "built-in", MappingProxyType({"protected": protected}))


def task_layer(task: Task, above: Iterable[Layer] = ()) -> Layer:
    """What a task says of the policy. It cannot do without the reference of a test command that a
    layer `above` it names."""
    values: dict[str, Any] = {f"limits.{name}": value for name, value in task.limits.items()}
    if task.paths:
        values["paths"] = (task.paths,)
    if task.test is not None:
        values["test"] = task.test
    values |= {name: _revived(name, value) for name, value in task.policy.items()}
    void = {}
    commanded = any(isinstance(each.values.get("test"), str) for each in above)
    if commanded and values.get("tests.baseline") is False:
        void["tests.baseline"] = values.pop("tests.baseline")
    return Layer(
        name="task",
        source=task.source,
        values=MappingProxyType(values),
        places=_places(task, values.keys() | void.keys()),
        void=MappingProxyType(void),
        sha256=task.sha256,
    )


def _places(task: Task, names: Iterable[str]) -> Mapping[str, str]:
    where = task.where
    return MappingProxyType({name: where.get(name, f"{task.source}, {name}") for name in names})


def _revived(name: str, value: Any) -> Any:
    """A task that was read back from a report has its values as JSON has them.

    Raises:
        ConfigError: another version wrote it.
    """
    try:
        return TypeAdapter(fields()[name].kind).validate_json(json.dumps(plain(value)))
    except (KeyError, ValidationError) as error:
        remedy = "run the task again"
        raise ConfigError(f"{name[:64]!a} of an earlier run is not understood", remedy) from error
