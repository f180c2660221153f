from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rfc9162 import mth, path, subproof

from workflow.ledger.proofs import TreeFile
from workflow.ledger.verify import EMPTY_ROOT, leaf_hash

LEAVES = [leaf_hash(number.to_bytes(32, "big")) for number in range(700)]


def consistency(old: int, size: int) -> list[bytes]:
    """By the words of the RFC; from no leaves, of which it says nothing, there is no proof."""
    return subproof(old, LEAVES[:size]) if old else []


@given(size=st.integers(1, 700), data=st.data())
def test_a_tree_in_a_file_gives_the_proofs_of_the_tree_in_memory(
    tmp_path: Path, size: int, data: st.DataObject
) -> None:
    index, old = data.draw(st.integers(0, size - 1)), data.draw(st.integers(0, size))

    with TreeFile(tmp_path) as tree:
        for leaf in LEAVES[:size]:
            tree.append(leaf)

        assert tree.root() == mth(LEAVES[:size])
        assert tree.inclusion_path(index) == path(index, LEAVES[:size])
        assert tree.consistency_path(old) == consistency(old, size)


def test_small_trees_are_right_for_every_leaf_and_every_older_size(tmp_path: Path) -> None:
    for size in range(1, 34):
        with TreeFile(tmp_path) as tree:
            for leaf in LEAVES[:size]:
                tree.append(leaf)

            assert [tree.inclusion_path(index) for index in range(size)] == [
                path(index, LEAVES[:size]) for index in range(size)
            ]
            assert [tree.consistency_path(old) for old in range(size + 1)] == [
                consistency(old, size) for old in range(size + 1)
            ]


def test_a_tree_without_leaves_has_the_empty_root_and_no_proofs(tmp_path: Path) -> None:
    with TreeFile(tmp_path) as tree:
        assert tree.root() == EMPTY_ROOT
        assert tree.consistency_path(0) == []
        for index in (-1, 0):
            with pytest.raises(IndexError, match=f"^leaf {index} does not stand in a tree of 0$"):
                tree.inclusion_path(index)
        for size in (-1, 1):
            with pytest.raises(ValueError, match=f"^a tree of {size} leaves is no beginning of one of 0$"):
                tree.consistency_path(size)


def test_nothing_of_the_file_can_be_found(tmp_path: Path) -> None:
    with TreeFile(tmp_path) as tree:
        tree.append(LEAVES[0])

        assert list(tmp_path.iterdir()) == []
