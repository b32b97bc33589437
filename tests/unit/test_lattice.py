"""The laws of every merge and of whole layers: no layer is ever loosened from below."""

from __future__ import annotations

from itertools import permutations
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.policy.lattice import Decided, Place, compared, decide, decide_field
from runner.records.base import Record
from runner.records.merge import (
    LAYERS,
    AnyTrue,
    Hosts,
    Intersection,
    LayerName,
    Least,
    Merge,
    Most,
    Strictest,
    Union,
    Upper,
    normal_hosts,
    until,
)
from runner.records.policy import Field, Layer, Policy, fields
from runner.records.task import Limits

FIELDS = tuple(fields().values())
HOSTS = ("a.b.example", "*.b.example", "c.example", "http://c.example", "*.x.example:8443")


def words_of(merge: Merge) -> st.SearchStrategy[Any]:
    """What a layer can say to a field that is merged so."""
    some = st.lists(st.sampled_from("abcd"), unique=True).map(tuple)
    match merge:
        case Strictest():
            return st.sampled_from(merge.order)
        case Upper():
            return st.sampled_from(("x", "y", *merge.weak))
    if isinstance(merge, type(Hosts)):
        return st.lists(st.sampled_from(HOSTS)).map(normal_hosts)
    if isinstance(merge, type(Union) | type(Intersection)):
        return some
    return st.integers(1, 9)


def bare(value: Any) -> Any:
    """Without the order in which layers named things."""
    return frozenset(value) if isinstance(value, tuple) else value


def tighter(merge: Merge, one: Any, other: Any) -> bool:
    """As strict as `other`, or stricter."""
    return bool(bare(merge.meet(other, one)) == bare(one))


ASKED = st.sampled_from(FIELDS).flatmap(
    lambda field: st.tuples(st.just(field), *(words_of(field.merge),) * 3)
)


@given(ASKED)
def test_every_merge_is_a_meet(drawn: tuple[Field, Any, Any, Any]) -> None:
    merge, (one, two, three) = drawn[0].merge, drawn[1:]
    both = merge.meet(one, two)
    assert merge.meet(one, one) == one
    assert merge.meet(both, three) == merge.meet(one, merge.meet(two, three))
    assert merge.lacks(one, one) is None
    if isinstance(merge, Upper):
        return  # of two words the one of the higher layer: see the laws of layers
    assert bare(both) == bare(merge.meet(two, one))
    assert tighter(merge, both, one) and tighter(merge, both, two)
    if tighter(merge, one, two):
        assert tighter(merge, merge.meet(one, three), merge.meet(two, three))


LAYERED = st.sampled_from(FIELDS).flatmap(
    lambda field: st.tuples(
        st.just(field),
        st.dictionaries(st.sampled_from(LAYERS[1:]), words_of(field.merge), min_size=1),
    )
)


def ranked(field: Field, words: dict[LayerName, Any]) -> list[Layer]:
    return [Layer(name, name, {field.name: words[name]}) for name in LAYERS if name in words]


@given(LAYERED)
def test_what_the_organisation_says_is_never_loosened(
    drawn: tuple[Field, dict[LayerName, Any]],
) -> None:
    field, words = drawn
    layers = ranked(field, {"organisation": words[min(words)], **words})
    before = decide_field(field, layers[:1]).value
    said = layers[0].values[field.name]
    added = field.merge.until == "built-in"
    assert before == (field.merge.meet(field.default, said) if added else said)
    for count in range(1, len(layers) + 1):
        after = decide_field(field, layers[:count]).value
        if isinstance(field.merge, Upper):
            assert after == before or before in field.merge.weak
        else:
            assert tighter(field.merge, after, before)
        before = after


@given(LAYERED)
def test_no_layer_below_the_operator_loosens_a_default(
    drawn: tuple[Field, dict[LayerName, Any]],
) -> None:
    field, words = drawn
    below = [each for each in ranked(field, words) if LAYERS.index(each.name) >= 3]
    if field.merge.until in {"built-in", "user"}:
        got = decide_field(field, below).value
        assert bare(field.merge.meet(field.default, got)) == bare(got)


@given(LAYERED)
def test_saying_it_twice_is_saying_it_once(drawn: tuple[Field, dict[LayerName, Any]]) -> None:
    field, words = drawn
    layers = ranked(field, words)
    twice = [each for layer in layers for each in (layer, layer)]
    assert decide_field(field, twice).value == decide_field(field, layers).value


@given(LAYERED)
def test_a_pin_ends_the_field(drawn: tuple[Field, dict[LayerName, Any]]) -> None:
    field, words = drawn
    first, *rest = ranked(field, words)
    pin = Layer("organisation", "o", first.values, pins=frozenset({field.name}))
    found = decide_field(field, [pin, *rest])
    assert found.value == decide_field(field, [pin]).value
    assert found.pinned == Place("organisation", "o")
    assert found.by[-1] == found.pinned or found.value == field.default
    for layer in rest:
        lost = field.merge.lacks(layer.values[field.name], found.value)
        told = [each for each in found.dropped if each.asker.layer == layer.name]
        assert (lost is not None) == bool(told)
        assert all(each.by == found.pinned for each in told)


@given(st.dictionaries(st.sampled_from(LAYERS[1:]), st.integers(128, 1024), min_size=2))
def test_layers_come_in_any_order(words: dict[LayerName, int]) -> None:
    layers = ranked(fields()["limits.pids"], words)
    digests = {decide(some).policy.digest() for some in permutations(layers[:4])}
    assert len(digests) == 1


LIMITS = st.dictionaries(
    st.sampled_from(sorted({*Limits.model_fields} - {"attempts"})).map("limits.{}".format),
    st.integers(128, 1024),
)
WORDS = st.fixed_dictionaries(
    {},
    optional={
        "static.refuse": st.sampled_from(("note", "warning", "error", "security")),
        "static.require": st.lists(st.sampled_from(("ruff", "zizmor"))).map(tuple),
        "dependencies.new": st.sampled_from(("warn", "refuse")),
        "tests.strict": st.booleans(),
        "tests.coverage": st.integers(0, 100),
        "protected": st.lists(st.sampled_from(("a/", "b/"))).map(tuple),
        "models": st.lists(st.sampled_from(("m", "n")), min_size=1, unique=True).map(tuple),
        "setup.hosts": st.lists(st.sampled_from(HOSTS)).map(normal_hosts),
        "level": st.integers(0, 3),
    },
)
WHOLE = st.builds(lambda one, two: {**one, **two}, LIMITS, WORDS)


@given(WHOLE, WHOLE, WHOLE, st.sampled_from(LAYERS[3:]))
def test_a_whole_layer_never_loosens_what_is_above(
    first: dict[str, Any], second: dict[str, Any], third: dict[str, Any], who: LayerName
) -> None:
    above = [Layer("organisation", "o", first), Layer("user", "u", second)]
    before, after = decide(above), decide([*above, Layer(who, who, third)])
    for name, decision in after.fields.items():
        assert compared(name, before.fields[name].value, decision.value) in {None, "tighter"}, name
    alone = decide(above[:1])
    for name in first:
        value = before.fields[name].value
        assert compared(name, alone.fields[name].value, value) in {None, "tighter"}
    again = decide([*above, Layer(who, who, third), Layer(who, who, third)])
    assert again.policy.digest() == after.policy.digest()


def test_every_field_is_in_the_policy_and_decided() -> None:
    decided = decide(())
    assert decided.fields.keys() == fields().keys()
    for name, decision in decided.fields.items():
        value: Any = decided.policy
        for part in name.split("."):
            value = getattr(value, part)
        assert value == decision.value, name
    assert {f"limits.{name}" for name in Limits.model_fields} <= fields().keys()


def test_the_digest_covers_all_that_decides() -> None:
    """Only the line that a rule stands on is left out."""
    left_out = {
        f"{record.__name__}.{name}"
        for record in _records(Policy)
        for name, info in record.model_fields.items()
        if info.exclude
    }
    assert left_out == {"CommandRule.where"}


def _records(kind: Any) -> set[type[Record]]:
    """All that a type can hold."""
    found: set[type[Record]] = set()
    if isinstance(kind, type) and issubclass(kind, Record):
        found = {kind}
        parts: tuple[Any, ...] = tuple(info.annotation for info in kind.model_fields.values())
    else:
        parts = get_args(kind)
    return found.union(*map(_records, parts))


def test_a_field_without_a_merge_is_a_mistake() -> None:
    from runner.records.base import Record
    from runner.records.policy import _fields

    class Lax(Record):
        """Says nothing."""

        size: int = 1

    with pytest.raises(TypeError, match=r"Lax\.size"):
        list(_fields(Lax, "", None))


def asked(name: str, **words: Any) -> Decided:
    order: dict[str, LayerName] = {
        "organisation": "organisation",
        "user": "user",
        "repository": "repository",
        "task": "task",
    }
    return decide([Layer(order[who], who, {name: word}) for who, word in words.items()])


def test_a_default_holds_until_an_operator_speaks() -> None:
    def lines(**words: int) -> int:
        return asked("limits.lines", **words).policy.limits.lines

    assert lines() == 1500
    assert lines(repository=9000, task=8000) == 1500
    assert lines(user=9000, task=8000) == 8000
    assert lines(organisation=9000) == 9000
    assert lines(organisation=5000, user=9000) == 5000
    assert lines(organisation=5000, user=4000, task=4500) == 4000


def test_who_decided_and_who_did_not_get_it() -> None:
    found = asked("limits.lines", organisation=900, user=2000, repository=500, task=700)
    lines = found.fields["limits.lines"]
    assert [each.where for each in lines.by] == ["repository"]
    told = [(each.asker.where, each.asked, each.got, each.by.where) for each in lines.dropped]
    assert told == [("user", 2000, 900, "organisation"), ("task", 700, 500, "repository")]
    assert found.dropped == lines.dropped


def test_of_what_is_added_up_all_are_named() -> None:
    protected = asked("protected", organisation=("a",), repository=("a", "b"), task=("a",))
    assert protected.policy.protected == ("a", "b")
    assert [each.where for each in protected.fields["protected"].by] == [
        "organisation",
        "repository",
    ]


def test_hosts_meet_under_their_wildcards() -> None:
    meet = Hosts.meet(("*.b.example", "c.example"), ("a.b.example", "d.example"))
    assert meet == ("a.b.example",)
    assert Hosts.lacks(("a.b.example", "d.example"), meet) == ("d.example",)
    assert normal_hosts(("a.b.example", "*.b.example")) == ("*.b.example",)


def test_no_bound_and_nothing_asked() -> None:
    assert Least.meet(None, 3) == Least.meet(3, None) == 3 and Least.meet(None, None) is None
    assert Most.meet(None, 3) == 3 and Most.meet(2, 3) == 3
    assert AnyTrue.meet(False, True) is True
    assert Intersection.meet(None, ("a",)) == ("a",)
    assert until("repository", Least).until == "repository"
