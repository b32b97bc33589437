"""The Merkle tree of RFC 6962 (section 2.1), verified as RFC 9162 (section 2.1) describes it.

Hashes are 32 bytes. A node is named by level and index: level 0 are the leaves, and a node of
level L and index I is the root of the complete subtree over leaves I*2**L until (I+1)*2**L.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

HASH_BYTES = 32
EMPTY = hashlib.sha256(b"").digest()
"""The root of no leaves."""

Node = Callable[[int, int], bytes]
"""(level, index) -> the hash of that complete subtree."""


def leaf_hash(data: bytes) -> bytes:
    return hashlib.sha256(b"\0" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\1" + left + right).digest()


@dataclass(slots=True)
class Tree:
    """What appending needs: its size, and the roots of the complete subtrees it consists of."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)
    """The largest first; one for each 1 in the binary digits of `size`."""

    def append(self, leaf: bytes) -> bytes:
        """Add a leaf's hash; it and the hashes of the subtrees it completes, level by level."""
        made = [leaf]
        size = self.size
        while size & 1:
            made.append(node_hash(self.peaks.pop(), made[-1]))
            size >>= 1
        self.peaks.append(made[-1])
        self.size += 1
        return b"".join(made)

    def root(self) -> bytes:
        root = self.peaks[-1] if self.peaks else EMPTY
        for peak in self.peaks[-2::-1]:
            root = node_hash(peak, root)
        return root

    def copy(self) -> Tree:
        return Tree(self.size, self.peaks.copy())


def tree_of(size: int, node: Node) -> Tree:
    """The tree of the first `size` leaves."""
    levels = [level for level in range(size.bit_length()) if size >> level & 1]
    return Tree(size, [node(level, (size >> level) - 1) for level in reversed(levels)])


def inclusion(index: int, size: int, node: Node) -> list[bytes]:
    """That leaf `index` is among the first `size`: from its sibling up to the root's child."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} among {size}")
    begin, end, path = 0, size, list[bytes]()
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            path.append(_root(middle, end, node))
            end = middle
        else:
            path.append(_root(begin, middle, node))
            begin = middle
    return path[::-1]


def consistency(old: int, new: int, node: Node) -> list[bytes]:
    """That the first `old` of `new` leaves are those of the tree that had `old`."""
    if not 0 <= old <= new:
        raise ValueError(f"no tree of {old} in one of {new}")
    if old == 0:
        return []
    begin, end, path = 0, new, list[bytes]()
    while end != old:
        middle = begin + _split(end - begin)
        if old <= middle:
            path.append(_root(middle, end, node))
            end = middle
        else:
            path.append(_root(begin, middle, node))
            begin = middle
    if begin:
        path.append(_root(begin, end, node))
    return path[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> bool:
    """Whether `path` leads from the leaf's hash, at `index` of `size`, to `root`."""
    if not 0 <= index < size:
        return False
    at, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if at & 1 or at == last:
            found = node_hash(sibling, found)
            at, last = _up_from_the_right(at, last)
        else:
            found = node_hash(found, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(
    old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]
) -> bool:
    """Whether the tree of `old` leaves is the beginning of that of `new`."""
    if old == new or old == 0:
        return not path and old_root == (new_root if old else EMPTY)
    if not 0 < old < new:
        return False
    hashes = list(path) if old & (old - 1) else [old_root, *path]
    if not hashes:
        return False
    at, last = old - 1, new - 1
    while at & 1:
        at, last = at >> 1, last >> 1
    found_old = found_new = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            return False
        if at & 1 or at == last:
            found_old, found_new = node_hash(sibling, found_old), node_hash(sibling, found_new)
            at, last = _up_from_the_right(at, last)
        else:
            found_new = node_hash(found_new, sibling)
        at, last = at >> 1, last >> 1
    return last == 0 and found_old == old_root and found_new == new_root


def _up_from_the_right(at: int, last: int) -> tuple[int, int]:
    """Past the levels at which the last node has no sibling."""
    while not at & 1 and at:
        at, last = at >> 1, last >> 1
    return at, last


def _split(size: int) -> int:
    """The largest power of two below `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def _root(begin: int, end: int, node: Node) -> bytes:
    """Of leaves `begin` until `end`; `begin` is a multiple of what they are split at."""
    size = end - begin
    if not size & (size - 1):
        level = size.bit_length() - 1
        return node(level, begin >> level)
    middle = begin + _split(size)
    return node_hash(_root(begin, middle, node), _root(middle, end, node))
