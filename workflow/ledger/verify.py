"""Prove that a history is whole and legal, with nothing but Python and `cryptography`.

    python verify.py EXPORT.zip [--key VERIFIER_KEY] [--against NOTE_FILE] [--json]

This one file is the verifier: it is copied into every export, and `schakel audit verify` runs the same functions over
a database. Take it from a release you trust, not from the export it is to judge.
Sources: RFC 9162 (Merkle trees), C2SP signed-note and tlog-checkpoint, RFC 8785 (canonical JSON).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

EMPTY_ROOT = hashlib.sha256(b"").digest()

# -- the tree: RFC 9162, section 2.1 -----------------------------------------------------------------------------------


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf; `entry` is the SHA-256 of an event's canonical bytes (32 bytes)."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(slots=True)
class Tree:
    """A tree that only grows: its size and the hashes of its complete subtrees, largest first."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> None:
        """Add a leaf by its leaf hash."""
        peaks, size = self.peaks, self.size
        while size & 1:
            leaf = hashlib.sha256(b"\x01" + peaks.pop() + leaf).digest()
            size >>= 1
        peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """The hash over all leaves."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root


def root_of_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to (RFC 9162, 2.1.3.2); None when the proof has the wrong shape."""
    if not 0 <= index < size:
        return None
    node, last, root = index, size - 1, leaf
    for step in path:
        if last == 0:
            return None
        if node & 1 or node == last:
            root = node_hash(step, root)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            root = node_hash(root, step)
        node, last = node >> 1, last >> 1
    return root if last == 0 else None


def roots_of_consistency(
    old_size: int, new_size: int, old_root: bytes, path: Sequence[bytes]
) -> tuple[bytes, bytes] | None:
    """The old and new root that a consistency proof leads to (RFC 9162, 2.1.4.2); None: the wrong shape.

    `old_root` is what the caller holds; it begins the proof when the old tree is complete. An empty old tree is
    consistent with everything and has no proof, so it is not for this function.
    """
    if not 0 < old_size <= new_size:
        return None
    if old_size == new_size:
        return (old_root, old_root) if not path else None
    steps = list(path) if old_size & (old_size - 1) else [old_root, *path]
    if not steps:
        return None
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            return None
        if node & 1 or node == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            second = node_hash(second, step)
        node, last = node >> 1, last >> 1
    return (first, second) if last == 0 else None


# -- signed notes: C2SP signed-note and tlog-checkpoint ----------------------------------------------------------------

ED25519 = b"\x01"
MOST_NOTE = 100_000
"""Characters of a note that are read at all."""


class NoteError(ValueError):
    """A text is no note, no checkpoint or no key; says why."""


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """The public half of a signing key, and the name that its signatures bear."""

    name: str
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The four bytes by which a signature names its key."""
        return hashlib.sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"


def read_key(text: str) -> VerifierKey:
    """Read a verifier key, NAME+ID+KEY. Raises NoteError."""
    name, plus, rest = text.strip().partition("+")
    identity, plus_too, encoded = rest.partition("+")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        raise NoteError("the verifier key is not base64") from None
    if not (name and plus and plus_too) or len(raw) != 33 or raw[:1] != ED25519:
        raise NoteError("a verifier key reads NAME+ID+KEY and is of type Ed25519")
    key = VerifierKey(name, raw[1:])
    if key.key_id.hex() != identity.lower():
        raise NoteError("the verifier key was mistyped: its ID does not belong to it")
    return key


class Signature(NamedTuple):
    """One signature line of a note."""

    name: str
    key_id: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The signed head of a ledger: how many leaves it had, their root, and when that was said (UTC, ISO 8601)."""

    origin: str
    size: int
    root: bytes
    at: str
    text: bytes
    """What the signatures are over."""
    signatures: tuple[Signature, ...]

    def signed_by(self, key: VerifierKey) -> bool:
        """Whether this key signed it."""
        return any(
            line.name == key.name and line.key_id == key.key_id and _verifies(key, line.signature, self.text)
            for line in self.signatures
        )


def checkpoint_text(origin: str, size: int, root: bytes, at: str) -> bytes:
    """The text of a checkpoint: origin, size, root, and when, each on a line."""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\ntime {at}\n".encode()


def read_checkpoint(note: str) -> Checkpoint:
    """Read a signed note that is a checkpoint; its signatures are not checked here. Raises NoteError."""
    body, blank, tail = note[:MOST_NOTE].rpartition("\n\n")
    lines = body.split("\n")
    if not blank or len(lines) < 4 or not tail.endswith("\n") or "\r" in note:
        raise NoteError("this is no signed checkpoint: a text, an empty line and signatures are expected")
    origin, size, root, time = lines[:4]
    if not size.isascii() or not size.isdigit() or (size != "0" and size.startswith("0")) or not origin:
        raise NoteError("this is no signed checkpoint: its second line is no size")
    try:
        head = base64.b64decode(root, validate=True)
    except (ValueError, binascii.Error):
        raise NoteError("this is no signed checkpoint: its third line is no hash") from None
    if len(head) != 32 or not time.startswith("time "):
        raise NoteError("this is no signed checkpoint of Schakel: root and time are expected")
    signatures = tuple(_signature(line) for line in tail[:-1].split("\n"))
    return Checkpoint(origin, int(size), head, time[5:], f"{body}\n".encode(), signatures)


def _signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    try:
        raw = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        raw = b""
    if dash != "—" or not name or len(raw) < 5:
        raise NoteError("this is no signed note: a signature line reads '— NAME BASE64'")
    return Signature(name, raw[:4], raw[4:])


def _verifies(key: VerifierKey, signature: bytes, text: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  (everything else works without it)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True


def split_notes(text: str) -> Iterable[str]:
    """The notes of a file that holds several, one after another; a piece that was cut off is left out."""
    note: list[str] = []
    for line in text.splitlines(keepends=True):
        signs = line.startswith("— ")
        after_blank = bool(note) and note[-1] == "\n"
        if note and note[-1].startswith("— ") and not signs:
            yield "".join(note)
            note = []
        elif after_blank and not signs:
            note = []
        if note or line.strip():
            note.append(line)
    if note:
        yield "".join(note)
