"""Proofs out of large trees: every node's hash lies in a file, so that memory stays flat and a proof is 20 look-ups.

RFC 9162, 2.1.3 and 2.1.4; `verify.py` checks what is made here.
"""

from __future__ import annotations

import mmap
import tempfile
from pathlib import Path
from types import TracebackType

from workflow.ledger.verify import Tree, node_hash

_HASH = 32


class TreeFile:
    """A tree whose leaf hashes are appended first and asked for proofs after that; 64 bytes a leaf on disk.

    The file has no name, so nothing of it is left when the process ends, however it ends. Raises OSError.
    """

    def __init__(self, folder: Path) -> None:
        self.size = 0
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  (closed by __exit__)
        self._peaks: list[bytes] = []
        self._map: mmap.mmap | None = None
        self._edges: dict[tuple[int, int], bytes] = {}

    def __enter__(self) -> TreeFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._map is not None:
            self._map.close()
        self._file.close()

    def append(self, leaf: bytes) -> None:
        """Add a leaf by its leaf hash; each node is written as soon as both halves below it are there."""
        self._file.write(leaf)
        size = self.size
        while size & 1:
            leaf = node_hash(self._peaks.pop(), leaf)
            self._file.write(leaf)
            size >>= 1
        self._peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The hash over all leaves."""
        return Tree(self.size, list(self._peaks)).root()

    def inclusion_path(self, index: int) -> list[bytes]:
        """The audit path of a leaf in the tree of all. Raises IndexError beyond it."""
        if not 0 <= index < self.size:
            raise IndexError(f"leaf {index} does not stand in a tree of {self.size}")
        path: list[bytes] = []
        first, end = 0, self.size
        while end - first > 1:
            middle = first + _half(end - first)
            if index < middle:
                path.append(self._subtree(middle, end))
                end = middle
            else:
                path.append(self._subtree(first, middle))
                first = middle
        return path[::-1]

    def consistency_path(self, old_size: int) -> list[bytes]:
        """The proof that the tree of the first leaves became the tree of all. Raises ValueError on a larger one."""
        if not 0 <= old_size <= self.size:
            raise ValueError(f"a tree of {old_size} leaves is no beginning of one of {self.size}")
        if old_size in (0, self.size):
            return []
        path: list[bytes] = []
        first, end = 0, self.size
        while old_size < end:
            middle = first + _half(end - first)
            if old_size <= middle:
                path.append(self._subtree(middle, end))
                end = middle
            else:
                path.append(self._subtree(first, middle))
                first = middle
        if first:
            path.append(self._subtree(first, end))
        return path[::-1]

    def _subtree(self, first: int, end: int) -> bytes:
        """The hash over the leaves from `first` until before `end`; only the right edge of the tree is not stored."""
        width = end - first
        if not width & (width - 1):
            return self._node(width.bit_length() - 1, first // width)
        if (first, end) not in self._edges:
            middle = first + _half(width)
            self._edges[first, end] = node_hash(self._subtree(first, middle), self._subtree(middle, end))
        return self._edges[first, end]

    def _node(self, level: int, number: int) -> bytes:
        """A complete subtree's hash: nodes lie in the order in which they became complete."""
        last_leaf = ((number + 1) << level) - 1
        place = (2 * last_leaf - last_leaf.bit_count() + level) * _HASH
        if self._map is None:
            self._file.flush()
            self._map = mmap.mmap(self._file.fileno(), 0, access=mmap.ACCESS_READ)
        return self._map[place : place + _HASH]


def _half(size: int) -> int:
    """The largest power of two below a size of at least two."""
    return 1 << (size - 1).bit_length() - 1
