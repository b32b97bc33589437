"""The Merkle tree: RFC 6962's vectors, and its proofs against a naive tree."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.ledger.merkle import (
    EMPTY,
    Tree,
    consistency,
    inclusion,
    leaf_hash,
    node_hash,
    tree_of,
    verify_consistency,
    verify_inclusion,
)

LEAVES = tuple(
    bytes.fromhex(each)
    for each in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
)
ROOTS = (
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
)
"""Of the first 1, 2, ... 8 leaves: the reference vectors of Certificate Transparency."""


def naive(leaves: list[bytes]) -> bytes:
    """MTH, word for word as RFC 6962 section 2.1 defines it."""
    if len(leaves) < 2:
        return leaf_hash(leaves[0]) if leaves else hashlib.sha256(b"").digest()
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(naive(leaves[:split]), naive(leaves[split:]))


def naive_path(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH, section 2.1.1."""
    if len(leaves) == 1:
        return []
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if index < split:
        return [*naive_path(index, leaves[:split]), naive(leaves[split:])]
    return [*naive_path(index - split, leaves[split:]), naive(leaves[:split])]


def naive_proof(old: int, leaves: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF, section 2.1.2."""
    if old == len(leaves):
        return [] if whole else [naive(leaves)]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    if old <= split:
        return [*naive_proof(old, leaves[:split], whole), naive(leaves[split:])]
    return [*naive_proof(old - split, leaves[split:], False), naive(leaves[:split])]


class Kept:
    """Leaves, and every node `Tree.append` told of."""

    def __init__(self, leaves: list[bytes]) -> None:
        self.leaves, self.tree = leaves, Tree()
        self.rows = [self.tree.append(leaf_hash(leaf)) for leaf in leaves]

    def node(self, level: int, index: int) -> bytes:
        found = self.rows[((index + 1) << level) - 1][32 * level :][:32]
        assert len(found) == 32
        return found

    def root(self, size: int) -> bytes:
        return tree_of(size, self.node).root()


def counted(size: int) -> Kept:
    return Kept([b"%d" % number for number in range(size)])


def test_the_reference_vectors() -> None:
    tree = Tree()
    assert tree.root() == EMPTY == hashlib.sha256(b"").digest()
    assert EMPTY.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    for leaf, root in zip(LEAVES, ROOTS, strict=True):
        tree.append(leaf_hash(leaf))
        assert tree.root().hex() == root


PATHS = {
    (0, 1): (),
    (0, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (5, 8): (
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 3): ("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",),
    (1, 5): (
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}
PROOFS = {
    (1, 1): (),
    (1, 8): (
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ),
    (6, 8): (
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ),
    (2, 5): (
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
    ),
}


@pytest.mark.parametrize(("index", "size"), PATHS)
def test_the_reference_paths(index: int, size: int) -> None:
    path = [bytes.fromhex(each) for each in PATHS[index, size]]
    assert inclusion(index, size, Kept(list(LEAVES)).node) == path
    root = bytes.fromhex(ROOTS[size - 1])
    assert verify_inclusion(leaf_hash(LEAVES[index]), index, size, path, root)


@pytest.mark.parametrize(("old", "new"), PROOFS)
def test_the_reference_proofs(old: int, new: int) -> None:
    path = [bytes.fromhex(each) for each in PROOFS[old, new]]
    assert consistency(old, new, Kept(list(LEAVES)).node) == path
    old_root, new_root = (bytes.fromhex(ROOTS[size - 1]) for size in (old, new))
    assert verify_consistency(old, new, old_root, new_root, path)


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_the_root_is_the_naive_one(leaves: list[bytes]) -> None:
    assert Kept(leaves).tree.root() == naive(leaves)


@given(st.data())
def test_paths_are_the_naive_ones_and_verify(data: st.DataObject) -> None:
    kept = Kept(data.draw(st.lists(st.binary(max_size=4), min_size=1, max_size=70)))
    size = data.draw(st.integers(1, len(kept.leaves)))
    index = data.draw(st.integers(0, size - 1))
    path = inclusion(index, size, kept.node)
    assert path == naive_path(index, kept.leaves[:size])
    leaf, root = leaf_hash(kept.leaves[index]), kept.root(size)
    assert verify_inclusion(leaf, index, size, path, root)
    for altered in _altered(path):
        assert not verify_inclusion(leaf, index, size, altered, root)
    assert not verify_inclusion(leaf_hash(b"other leaf"), index, size, path, root)
    assert not verify_inclusion(leaf, index, size, path, b"\0" * 32)
    for elsewhere in {index - 1, index + 1, index + size, -1} - {index}:
        wrong = verify_inclusion(leaf, elsewhere, size, path, root)
        same = 0 <= elsewhere < size and kept.leaves[elsewhere] == kept.leaves[index]
        assert not wrong or same


@given(st.data())
def test_proofs_are_the_naive_ones_and_verify(data: st.DataObject) -> None:
    kept = counted(data.draw(st.integers(1, 70)))
    new = data.draw(st.integers(1, len(kept.leaves)))
    old = data.draw(st.integers(0, new))
    path = consistency(old, new, kept.node)
    assert path == (naive_proof(old, kept.leaves[:new]) if old else [])
    old_root, new_root = kept.root(old), kept.root(new)
    assert verify_consistency(old, new, old_root, new_root, path)
    for altered in _altered(path):
        assert not verify_consistency(old, new, old_root, new_root, altered)
    assert not verify_consistency(old, new, b"\0" * 32, new_root, path)
    assert not verify_consistency(old, new, old_root, b"\0" * 32, path) or old == 0
    assert not verify_consistency(new + 1, new, new_root, new_root, path)


def _altered(path: list[bytes]) -> list[list[bytes]]:
    """One too many, one too few, one wrong."""
    changed = [[*path[:at], b"\1" * 32, *path[at + 1 :]] for at in range(len(path))]
    return [[*path, b"\1" * 32], *([path[:-1]] if path else []), *changed]


@pytest.mark.parametrize("size", [0, 1, 2, 3, 31, 32, 33, 300])
def test_a_tree_read_back_goes_on_as_if_it_had_never_stopped(size: int) -> None:
    kept = counted(size)
    again = tree_of(size, kept.node)
    assert again == kept.tree
    copied = again.copy()
    again.append(leaf_hash(b"more"))
    assert again.root() == naive([*kept.leaves, b"more"])
    assert copied == kept.tree


def test_every_path_and_proof_of_a_larger_tree() -> None:
    kept = counted(130)
    root = kept.root(130)
    for index in range(130):
        path = inclusion(index, 130, kept.node)
        assert verify_inclusion(leaf_hash(kept.leaves[index]), index, 130, path, root)
        proof = consistency(index, 130, kept.node)
        assert verify_consistency(index, 130, kept.root(index), root, proof)


def test_there_is_no_path_outside() -> None:
    for index, size in ((3, 3), (-1, 3), (0, 0)):
        with pytest.raises(ValueError, match="no leaf"):
            inclusion(index, size, counted(3).node)
        assert not verify_inclusion(EMPTY, index, size, [], EMPTY)
    with pytest.raises(ValueError, match="no tree"):
        consistency(3, 2, counted(3).node)
