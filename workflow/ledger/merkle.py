"""Proofs out of a tree's leaf hashes (RFC 9162, 2.1.3 and 2.1.4); `verify.py` checks what is made here."""

from __future__ import annotations

from collections.abc import Sequence

from workflow.ledger.verify import Tree


def root_of(leaves: Sequence[bytes]) -> bytes:
    """The root over leaf hashes."""
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def inclusion_path(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """The audit path of a leaf in the tree of these leaf hashes. Raises IndexError beyond it."""
    if not 0 <= index < len(leaves):
        raise IndexError(f"leaf {index} does not stand in a tree of {len(leaves)}")
    if len(leaves) == 1:
        return []
    half = _half(len(leaves))
    if index < half:
        return [*inclusion_path(leaves[:half], index), root_of(leaves[half:])]
    return [*inclusion_path(leaves[half:], index - half), root_of(leaves[:half])]


def consistency_path(leaves: Sequence[bytes], old_size: int) -> list[bytes]:
    """The proof that the tree of the first leaves became the tree of all. Raises ValueError on a larger old size."""
    if not 0 <= old_size <= len(leaves):
        raise ValueError(f"a tree of {old_size} leaves is no beginning of one of {len(leaves)}")
    return _consistency(leaves, old_size, known=True) if 0 < old_size < len(leaves) else []


def _consistency(leaves: Sequence[bytes], old_size: int, *, known: bool) -> list[bytes]:
    if old_size == len(leaves):
        return [] if known else [root_of(leaves)]
    half = _half(len(leaves))
    if old_size <= half:
        return [*_consistency(leaves[:half], old_size, known=known), root_of(leaves[half:])]
    return [*_consistency(leaves[half:], old_size - half, known=False), root_of(leaves[:half])]


def _half(size: int) -> int:
    """The largest power of two below a size of at least two."""
    return 1 << (size - 1).bit_length() - 1
