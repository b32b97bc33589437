"""Paths of any bytes survive their text form."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.records.paths import decode_path, encode_path


@given(st.binary(min_size=1, max_size=40))
def test_round_trip(path: bytes) -> None:
    text = encode_path(path)
    assert decode_path(text) == path
    assert text.isprintable()
    assert json.loads(json.dumps(text)) == text


@given(st.binary(min_size=1, max_size=20), st.binary(min_size=1, max_size=20))
def test_two_paths_never_meet(one: bytes, other: bytes) -> None:
    assert (encode_path(one) == encode_path(other)) == (one == other)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (b"src/a.py", "src/a.py"),
        ("caf\u00e9".encode(), "caf\u00e9"),
        (b"caf\xe9", '"caf\\351"'),
        (b"a\nb", '"a\\nb"'),
        (b'say "x"', '"say \\"x\\""'),
        ("a\u202eb".encode(), '"a\\342\\200\\256b"'),
    ],
)
def test_written_as_git_does(path: bytes, text: str) -> None:
    assert encode_path(path) == text
