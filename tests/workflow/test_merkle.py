"""The tree is that of RFC 6962 and 9162: by published vectors, and against a second implementation of the RFC's words.

Vectors: leaf inputs, roots and node hashes are those of the Certificate Transparency project's Merkle tree tests, as
transparency-dev/merkle keeps them (testonly/constants.go, testonly/reference_test.go).
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rfc9162 import mth, path, subproof

from workflow.ledger.proofs import TreeFile
from workflow.ledger.verify import (
    Tree,
    leaf_hash,
    node_hash,
    root_of_inclusion,
    roots_of_consistency,
)

INPUTS = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    bytes.fromhex(text)
    for text in (
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    )
]
LEAVES = [leaf_hash(entry) for entry in INPUTS]
NODE_1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
NODE_4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
NODE_2_TO_3 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
NODE_4_TO_5 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
NODE_6_TO_7 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
NODE_4_TO_7 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
INCLUSION = [
    # leaf, size, path
    (0, 1, []),
    (0, 2, [NODE_1]),
    (1, 2, [ROOTS[1].hex()]),
    (2, 3, [ROOTS[2].hex()]),
    (1, 5, [ROOTS[1].hex(), NODE_2_TO_3, NODE_4]),
    (0, 8, [NODE_1, NODE_2_TO_3, NODE_4_TO_7]),
    (5, 8, [NODE_4, NODE_6_TO_7, ROOTS[4].hex()]),
]
CONSISTENCY = [
    # from, to, path
    (1, 1, []),
    (1, 8, [NODE_1, NODE_2_TO_3, NODE_4_TO_7]),
    (2, 5, [NODE_2_TO_3, NODE_4]),
    (6, 8, [NODE_4_TO_5, NODE_6_TO_7, ROOTS[4].hex()]),
]
trees = st.integers(0, 200).map(lambda size: [leaf_hash(f"{size}/{number}".encode()) for number in range(size)])


@contextmanager
def filled(leaves: Sequence[bytes]) -> Iterator[TreeFile]:
    """What makes proofs, with these leaves in it."""
    with TreeFile(Path(tempfile.gettempdir())) as tree:
        for leaf in leaves:
            tree.append(leaf)
        yield tree


# -- published vectors -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", range(9))
def test_the_root_is_the_published_one(size: int) -> None:
    one_by_one, at_once = Tree(), Tree()
    for leaf in LEAVES[:size]:
        one_by_one.append(leaf)
    at_once.extend(LEAVES[:size])

    with filled(LEAVES[:size]) as tree:
        assert one_by_one.root() == at_once.root() == tree.root() == ROOTS[size]


@pytest.mark.parametrize(("leaf", "size", "expected"), INCLUSION)
def test_an_inclusion_proof_is_the_published_one(leaf: int, size: int, expected: list[str]) -> None:
    steps = [bytes.fromhex(step) for step in expected]

    with filled(LEAVES[:size]) as tree:
        assert tree.inclusion_path(leaf) == steps
    assert root_of_inclusion(LEAVES[leaf], leaf, size, steps) == ROOTS[size]


@pytest.mark.parametrize(("old", "new", "expected"), CONSISTENCY)
def test_a_consistency_proof_is_the_published_one(old: int, new: int, expected: list[str]) -> None:
    steps = [bytes.fromhex(step) for step in expected]

    with filled(LEAVES[:new]) as tree:
        assert tree.consistency_path(old) == steps
    assert roots_of_consistency(old, new, ROOTS[old], steps) == (ROOTS[old], ROOTS[new])


# -- the second implementation -----------------------------------------------------------------------------------------


@given(leaves=trees, data=st.data())
def test_roots_and_proofs_are_those_of_the_words_of_the_rfc(leaves: list[bytes], data: st.DataObject) -> None:
    """Trees of 0 to 200 leaves, grown one by one, in pieces, and at once."""
    size = len(leaves)
    cut = data.draw(st.integers(0, size))
    grown, pieces = Tree(), Tree()
    for leaf in leaves:
        grown.append(leaf)
    pieces.extend(leaves[:cut])
    pieces.extend(leaves[cut:])

    assert grown.root() == pieces.root() == mth(leaves)
    assert (grown.size, grown.peaks) == (pieces.size, pieces.peaks)
    if not size:
        return
    index = data.draw(st.integers(0, size - 1))
    assert root_of_inclusion(leaves[index], index, size, path(index, leaves)) == mth(leaves)
    old = data.draw(st.integers(1, size))
    steps = subproof(old, leaves)
    with filled(leaves) as tree:
        assert tree.inclusion_path(index) == path(index, leaves)
        assert tree.consistency_path(old) == steps
    assert roots_of_consistency(old, size, mth(leaves[:old]), steps) == (mth(leaves[:old]), mth(leaves))


def test_every_proof_of_every_small_tree_holds() -> None:
    leaves = [leaf_hash(bytes([number])) for number in range(40)]
    for size in range(1, 41):
        root = mth(leaves[:size])
        for index in range(size):
            assert root_of_inclusion(leaves[index], index, size, path(index, leaves[:size])) == root
        for old in range(1, size + 1):
            steps = subproof(old, leaves[:size])
            assert roots_of_consistency(old, size, mth(leaves[:old]), steps) == (mth(leaves[:old]), root)


@given(leaves=trees.filter(lambda leaves: len(leaves) > 1), data=st.data())
def test_no_other_leaf_place_size_or_path_leads_to_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    size, root = len(leaves), mth(leaves)
    index = data.draw(st.integers(0, size - 1))
    steps = path(index, leaves)
    place = data.draw(st.integers(0, len(steps) - 1))
    bent = [*steps[:place], bytes([steps[place][0] ^ 1, *steps[place][1:]]), *steps[place + 1 :]]
    other = data.draw(st.integers(-3, size + 3).filter(lambda number: number != index))
    wrong = data.draw(st.integers(0, 2 * size + 2).filter(lambda number: number != size))

    assert root_of_inclusion(leaf_hash(b"other"), index, size, steps) != root
    assert root_of_inclusion(leaves[index], other, size, steps) != root
    assert root_of_inclusion(leaves[index], index, size, bent) != root
    assert root_of_inclusion(leaves[index], index, size, steps[:-1]) != root
    assert root_of_inclusion(leaves[index], index, size, [*steps, root]) != root
    assert root_of_inclusion(leaves[index], index, size, [root, *steps]) != root
    assert root_of_inclusion(leaves[index], index, wrong, steps) != root or _same_shape(index, size, wrong)


def _same_shape(index: int, size: int, other: int) -> bool:
    """A path may serve trees of several sizes, as long as the way from this leaf up looks the same."""
    shapes = []
    for tree in (size, other):
        node, last, turns = index, tree - 1, []
        while last > 0:
            if node & 1 or node == last:
                turns.append("left")
                while not node & 1 and node:
                    node, last = node >> 1, last >> 1
            else:
                turns.append("right")
            node, last = node >> 1, last >> 1
        shapes.append(turns)
    return index < other and shapes[0] == shapes[1]


@given(leaves=trees.filter(lambda leaves: len(leaves) > 1), data=st.data())
def test_a_tree_that_was_changed_is_consistent_with_nothing_before(leaves: list[bytes], data: st.DataObject) -> None:
    size = len(leaves)
    old = data.draw(st.integers(1, size - 1))
    changed = data.draw(st.integers(0, old - 1))
    forked = [*leaves[:changed], leaf_hash(b"other"), *leaves[changed + 1 :]]
    before, after = mth(leaves[:old]), mth(forked)

    for steps in (subproof(old, leaves), subproof(old, forked)):
        assert roots_of_consistency(old, size, before, steps) != (before, after)


def test_a_leaf_is_no_node() -> None:
    """RFC 6962, 2.1: without separate prefixes two leaves and one leaf could have the same hash."""
    assert leaf_hash(ROOTS[1] + ROOTS[2]) != node_hash(ROOTS[1], ROOTS[2])
