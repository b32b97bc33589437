"""The `[[examples]]` of policy files, found and tried: what `policy test` and `check` share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from runner.cli.policy_layers import kind_of, layer_of
from runner.errors import ConfigError

if TYPE_CHECKING:
    from runner.cli.policy_layers import Kind
    from runner.guardrails.secret_keys import Scan
    from runner.policy.examples import Example
    from runner.proving import Claim, Proof
    from runner.records.policy import Layer


def own_failures(layer: Layer, folder: Path) -> Iterator[str]:
    """Lines on the examples of one file that do not hold. Raises ConfigError."""
    claims = claims_of([layer], {layer.source: folder}, {}, Path())
    for proof in proofs_of(claims, Path(), None, ()):
        if proof.misses:
            yield from rows(proof)


def sorted_files(
    files: tuple[Path, ...], kind: Kind | None
) -> tuple[list[tuple[Path, Layer]], dict[Path, tuple[Example, ...]]]:
    """Policies, and files that only have examples. Raises ConfigError."""
    policies: list[tuple[Path, Layer]] = []
    further: dict[Path, tuple[Example, ...]] = {}
    for path in files:
        examples = None if kind else _only_examples(path)
        if examples is None:
            policies.append((path, layer_of(path, kind)))
        else:
            further[path] = examples
    return policies, further


def _only_examples(path: Path) -> tuple[Example, ...] | None:
    """None = it is a policy, by its name or by what it says."""
    from runner.policy.examples import read_examples
    from runner.policy.files import read_bounded, shown
    from runner.policy.readers import EXAMPLES
    from runner.policy.text import decode_text
    from runner.policy.toml import MAX_BYTES, parse_toml

    try:
        kind_of(path)
    except ConfigError:
        data = read_bounded(path, MAX_BYTES, follow=True)
        if data is None:
            raise ConfigError(f"{shown(path)}: no such file", "name a file of examples") from None
        table = parse_toml(decode_text(data, shown(path)), shown(path))
        if table.values.keys() <= {EXAMPLES}:
            return read_examples(table)
    return None


def claims_of(
    layers: Iterable[Layer],
    folders: dict[str, Path],
    further: dict[Path, tuple[Example, ...]],
    elsewhere: Path,
) -> list[Claim]:
    """Those of `layers`, and `further` ones of all of them. Raises ConfigError."""
    from runner.proving import Claim, claims, ranked_over

    whole = ranked_over(layers)
    mine = claims(whole, folders, elsewhere)
    return [
        *mine,
        *(Claim(each, whole, path.parent) for path, some in further.items() for each in some),
    ]


def proofs_of(
    claims: list[Claim], repository: Path, base: str | None, alternates: tuple[Path, ...]
) -> Iterator[Proof]:
    """One after the other. Raises ConfigError."""
    from runner.proving import Bench, prove

    with ExitStack() as stack:
        bench = Bench(own_scan(stack), repository, base, alternates)
        yield from (prove(claim, bench) for claim in claims)


def own_scan(stack: ExitStack) -> Callable[[], Scan]:
    """The secret scanner of this machine's own state, whichever state is looked into; started when
    it is asked for."""

    @cache
    def scan() -> Scan:
        from runner.cli.options import made_state
        from runner.gates.scanner import Scanner

        return stack.enter_context(closing(Scanner(made_state(None) / "scanner"))).scan

    return scan


def rows(proof: Proof) -> Iterator[str]:
    """For a person."""
    from runner.policy.notes import shown

    example = proof.example
    yield f"{'failed' if proof.misses else 'ok':7} {example.where}: {example.name}"
    for miss in proof.misses:
        expected = f"{miss.what}: expected {shown(miss.expected)}, found {shown(miss.found)}"
        yield f"          {expected} ({miss.by})"
