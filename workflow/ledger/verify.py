"""Prove that a history is whole and legal, with nothing but Python and `cryptography`.

    python verify.py EXPORT.zip [--key VERIFIER_KEY] [--against NOTE_FILE] [--json]

This one file is the verifier: it is copied into every export, and `schakel audit verify` runs the same functions over
a database. Take it from a release you trust, not from the export it is to judge.
It has seven parts: trees, signed notes, canonical JSON, what is found, the chain of a case, the rules a case moved by,
the ledger; then the export that is read, and the command line.
Sources: RFC 9162 (Merkle trees), C2SP signed-note and tlog-checkpoint, RFC 8785 (canonical JSON).
"""

from __future__ import annotations

import argparse
import base64
import hmac
import io
import json
import os
import re
import struct
import sys
import tempfile
import zipfile
import zlib
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import MAXYEAR, date, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import IO, Any, NamedTuple

EMPTY_ROOT = sha256(b"").digest()

# -- the tree: RFC 9162, section 2.1 -----------------------------------------------------------------------------------


def leaf_hash(entry: bytes) -> bytes:
    """The hash of a leaf; `entry` is the SHA-256 of an event's canonical bytes (32 bytes)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(slots=True)
class Tree:
    """A tree that only grows: its size and the hashes of its complete subtrees, largest first."""

    size: int = 0
    peaks: list[bytes] = field(default_factory=list)

    def append(self, leaf: bytes) -> None:
        """Add a leaf by its leaf hash."""
        peaks, size = self.peaks, self.size
        while size & 1:
            leaf = sha256(b"\x01" + peaks.pop() + leaf).digest()
            size >>= 1
        peaks.append(leaf)
        self.size += 1

    def extend(self, leaves: Iterable[bytes]) -> None:
        """Add many leaves by their leaf hashes, a level of the tree at a time."""
        row, size, odd = list(leaves), self.size, []
        self.size += len(row)
        while row:
            if size & 1:
                row.insert(0, self.peaks.pop())
            if len(row) & 1:
                odd.append(row.pop())
            level = b"".join(row)
            row = [sha256(b"\x01" + level[at : at + 64]).digest() for at in range(0, len(level), 64)]
            size >>= 1
        self.peaks += reversed(odd)

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
_SIZE = re.compile("0|[1-9][0-9]{0,15}")
_NO_TEXT = re.compile("[\x00-\x09\x0b-\x1f\ud800-\udfff]")
"""Control characters, and halves of characters that cannot be written as UTF-8."""


_NO_NOTE = "this is no signed checkpoint: a text, an empty line and signatures are expected"


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
        return sha256(self.name.encode() + b"\n" + ED25519 + self.public).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{base64.b64encode(ED25519 + self.public).decode()}"


def read_key(text: str) -> VerifierKey:
    """Read a verifier key, NAME+ID+KEY. Raises NoteError."""
    name, plus, rest = text.strip().partition("+")
    identity, plus_too, encoded = rest.partition("+")
    try:
        raw = _decoded(encoded)
    except ValueError:
        raise NoteError("the verifier key is not base64") from None
    if not (name and plus and plus_too) or _NO_TEXT.search(name) or len(raw) != 33 or raw[:1] != ED25519:
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

    @property
    def hash(self) -> str:
        """The hash (base64) of what it says, by which the next one names it; more signatures do not change it."""
        return _hash_of(self.text)

    @property
    def prev(self) -> str:
        """The hash of the one before it; '' when it names none: it is the first, or an older Schakel signed it."""
        more = self.text.decode().split("\n")[4:]
        return next((line.removeprefix("prev ") for line in more if line.startswith("prev ")), "")


def checkpoint_text(origin: str, size: int, root: bytes, at: str, before: str | None = None) -> bytes:
    """The text of a checkpoint: origin, size, root, when, and the hash of the note `before`, each on a line."""
    follows = f"prev {_hash_of(_signed_part(before))}\n" if before is not None else ""
    return f"{origin}\n{size}\n{base64.b64encode(root).decode()}\ntime {at}\n{follows}".encode()


def _hash_of(text: bytes) -> str:
    return base64.b64encode(sha256(text).digest()).decode()


def _signed_part(note: str) -> bytes:
    """What the signatures of a note are over, also of one that is no checkpoint."""
    body, _, _ = note.rpartition("\n\n")
    return f"{body}\n".encode()


def read_checkpoint(note: str) -> Checkpoint:
    """Read a signed note that is a checkpoint; its signatures are not checked here. Raises NoteError."""
    body, blank, tail = note[:MOST_NOTE].rpartition("\n\n")
    lines = body.split("\n")
    if not blank or len(lines) < 4 or not tail.endswith("\n") or _NO_TEXT.search(note):
        raise NoteError(_NO_NOTE)
    origin, size, root, time = lines[:4]
    if not _SIZE.fullmatch(size) or not origin:
        raise NoteError("this is no signed checkpoint: its second line is no size")
    try:
        head = _decoded(root)
    except ValueError:
        raise NoteError("this is no signed checkpoint: its third line is no hash") from None
    if len(head) != 32 or not time.startswith("time "):
        raise NoteError("this is no signed checkpoint of Schakel: root and time are expected")
    signatures = tuple(_signature(line) for line in tail[:-1].split("\n"))
    return Checkpoint(origin, int(size), head, time[5:], f"{body}\n".encode(), signatures)


def _signature(line: str) -> Signature:
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    try:
        raw = _decoded(encoded)
    except ValueError:
        raw = b""
    if dash != "—" or not name or len(raw) < 5:
        raise NoteError("this is no signed note: a signature line reads '— NAME BASE64'")
    return Signature(name, raw[:4], raw[4:])


def _decoded(text: str) -> bytes:
    """The bytes of base64 in its one right spelling: unused bits must be zero. Raises ValueError."""
    raw = base64.b64decode(text)
    if base64.b64encode(raw).decode() != text:
        raise ValueError
    return raw


def _verifies(key: VerifierKey, signature: bytes, text: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature  # noqa: PLC0415  (everything else works without it)
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415

    try:
        Ed25519PublicKey.from_public_bytes(key.public).verify(signature, text)
    except (InvalidSignature, ValueError):
        return False
    return True


class Notes(NamedTuple):
    """The checkpoints of a file that somebody kept, and how many more were cut off, so that they say nothing."""

    checkpoints: list[Checkpoint]
    cut_off: int


_WHOLE_SIGNATURE = 92
"""Characters of base64 that four bytes of a key's name and the 64 of its signature take."""


def split_notes(text: str) -> Iterator[str]:
    """The notes of a file that holds several, one after another; one that was cut off ends where the next begins."""
    note: list[str] = []
    for line in text.splitlines(keepends=True):
        ended = bool(note) and (note[-1] == "\n" or note[-1].startswith("— ") or line == note[0])
        if ended and not line.startswith("— "):
            yield "".join(note)
            note = []
        if note or line.strip():
            note.append(line)
    if note:
        yield "".join(note)


def read_notes(data: bytes | str) -> Notes:
    """The checkpoints of a file that somebody kept, one or several. Raises NoteError: there is none, or a false one.

    A crash may cut off what was being appended: such a note is left out, as one of several, and counted.
    """
    text = data if isinstance(data, str) else data.decode("utf-8", "replace")
    found, beginnings, cut_off = [], [], 0
    for piece in split_notes(text.removeprefix("\ufeff").replace("\r\n", "\n")):
        if "\n— " not in piece:
            beginnings.append(piece)
        elif _is_cut_off(piece):
            cut_off += 1
        else:
            found.append(read_checkpoint(piece if piece.endswith("\n") else f"{piece}\n"))
    if not found:
        raise NoteError(_why_none(data, beginnings, cut_off))
    if not all(is_moment(note.at) for note in found):
        raise NoteError("this is no signed checkpoint of Schakel: its time cannot be read")
    origins = tuple({f"{note.origin}\n" for note in found})
    cut_off += sum(any(origin.startswith(piece.partition("\n")[0]) for origin in origins) for piece in beginnings)
    return Notes(found, cut_off)


def _is_cut_off(note: str) -> bool:
    """Whether no signature of it is whole."""
    signed = note.rpartition("\n\n")[2].splitlines()
    return all(len(line.rpartition(" ")[2]) < _WHOLE_SIGNATURE for line in signed)


def _why_none(data: bytes | str, beginnings: Sequence[str], cut_off: int) -> str:
    """Why nothing that was read is a checkpoint."""
    try:
        if isinstance(data, bytes):
            data.decode()
    except UnicodeDecodeError:
        return "this is no text"
    if cut_off:
        return "the checkpoint in it was cut off: its signature is not whole"
    return _NO_NOTE if beginnings else "there is no signed checkpoint in it"


# -- canonical JSON: RFC 8785, of the part of JSON that history uses ---------------------------------------------------

_LARGEST = 2**53 - 1
_BEYOND = re.compile("[\U00010000-\U0010ffff]")
_SORTED = json.JSONEncoder(ensure_ascii=False, check_circular=False, sort_keys=True, separators=(",", ":"))
_AS_IS = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))


def canonical_json(value: Any) -> bytes:
    """The RFC 8785 bytes of strings, integers, booleans, null, arrays and objects. Raises ValueError, TypeError."""
    text = _SORTED.encode(value)
    if not text.isascii() and _BEYOND.search(text):  # keys sort by UTF-16, which only then is another order
        text = _AS_IS.encode(_by_utf16(value))
    return text.encode()


def _by_utf16(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _by_utf16(value[key]) for key in sorted(value, key=lambda key: str(key).encode("utf-16-be"))}
    return [_by_utf16(inner) for inner in value] if isinstance(value, list) else value


def parse_json(data: bytes | str) -> Any:
    """Strict JSON: no floats, no integers beyond 2^53, no key twice. Raises ValueError."""
    try:
        return _DECODER.decode(data.decode() if isinstance(data, bytes) else data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands in it twice")
    return found


def _integer(text: str) -> int:
    number = int(text) if len(text) < 18 else _LARGEST + 1
    if abs(number) > _LARGEST:
        raise ValueError("a number in it is too large")
    return number


def _no_number(text: str) -> Any:
    raise ValueError(f"{text[:20]} has no place in it")


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_no_number, parse_constant=_no_number
)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_HASH = re.compile(r"[0-9a-f]{64}")
_OPTIONAL = (str, type(None))
_SHAPE: Mapping[str, tuple[type, ...]] = {
    "actor": (str,), "at": (str,), "body": (dict,), "case": (str,), "commitments": (dict,), "definition": (dict,),
    "from": _OPTIONAL, "kind": (str,), "os_user": (str,), "prev_hash": (str,), "seq": (int,), "to": (str,),
    "trigger": _OPTIONAL, "via": (str,),
}  # fmt: skip
Says = Mapping[str, Any]
"""What the canonical bytes of an event say."""


def is_moment(text: str) -> bool:
    """Whether this is a moment as Schakel writes it: UTC, fixed width, so that text sorts as time does.

    None of the last year there is: not every one can be told in Amsterdam, nor waited from.
    """
    try:
        return bool(_MOMENT.fullmatch(text)) and datetime.fromisoformat(text[:-1]).year < MAXYEAR
    except ValueError:
        return False


def read_event(canonical: bytes) -> Says:
    """What the canonical bytes of an event say. Raises ValueError: not canonical, or not an event."""
    says = parse_json(canonical)
    if type(says) is not dict or says.keys() != _SHAPE.keys():
        raise ValueError("it has not the fields of an event")
    for name, types in _SHAPE.items():
        if type(says[name]) not in types:
            raise ValueError(f"its field '{name}' is of another type")
    if not is_moment(says["at"]):
        raise ValueError("its time cannot be read")
    if says["definition"].keys() != {"name", "version", "digest"} or not _all_strings(says["definition"].values()):
        raise ValueError("it does not say by which definition it was judged")
    if not _all_strings(says["commitments"].values()):
        raise ValueError("its commitments are no hashes")
    if canonical_json(says) != canonical:
        raise ValueError("its bytes are not in canonical form (RFC 8785)")
    return dict(says)


def _all_strings(values: Iterable[Any]) -> bool:
    return all(type(value) is str for value in values)


class Opening(NamedTuple):
    """A personal value and the salt it was committed with; a value that cannot be read is `UNREADABLE`."""

    path: str
    value: Any
    salt: bytes

    def opens(self, commitment: str) -> bool:
        """Whether this is what was committed to."""
        try:
            return hmac.digest(self.salt, canonical_json(self.value), "sha256").hex() == commitment
        except (TypeError, ValueError, RecursionError):
            return False


UNREADABLE = object()

# -- what is found -----------------------------------------------------------------------------------------------------

MOST_LISTED = 1_000
"""Findings of one code that are listed; of more only the number is told."""


class Finding(NamedTuple):
    """One thing that is wrong: a code, a sentence, and the case ('' for none) and the event (0 for none)."""

    code: str
    message: str
    case: str = ""
    seq: int = 0


@dataclass
class Report:
    """What was looked at and what was found; nothing found means that it holds."""

    events: int = 0
    cases: int = 0
    leaves: int = 0
    checkpoints: int = 0
    unsequenced: int = 0
    """Events that are too new to have a leaf: the ledger says nothing of them yet."""
    proved: int = 0
    """Events under a checkpoint that was checked with a key somebody holds; none when anything is wrong."""
    last: Checkpoint | None = None
    cut_off: int = 0
    """Checkpoints that somebody holds in part: their end is missing, so they were left out."""
    is_unsigned: bool = False
    """There was no key, so no signature was checked; that is a finding already."""
    is_keyless: bool = False
    """Who asks has no key; an export without one is told as altered."""
    is_open_ended: bool = False
    """There are leaves beyond the last checkpoint, whose signature was checked, and nobody holds a later one."""
    _listed: list[Finding] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)
    _unjudged: int = 0

    def add(self, code: str, message: str, case: str = "", seq: object = 0, *, is_judged: bool = True) -> None:
        """Note a finding; one that is not judged may have an innocent cause, which cannot be told from the other.

        An event's number that is none is told as 0.
        """
        self._counts[code] += 1
        self._unjudged += not is_judged
        if self._counts[code] <= MOST_LISTED:
            self._listed.append(Finding(code, message, case, seq if isinstance(seq, int) else 0))

    def has_told(self, code: str) -> bool:
        """Whether a finding of that kind was noted."""
        return code in self._counts

    def prove(self, *, must: bool = True) -> None:
        """All was checked, with a key that somebody holds: count what is proved; if it `must`, nothing is a finding."""
        if must and self.events and self.unsequenced == self.events:
            said = "Nothing here is signed: no checkpoint covers any of the events, so the key proves nothing of them."
            self.add("NO_CHECKPOINT", said, is_judged=False)
        self.proved = self.events - self.unsequenced if self.ok else 0

    @property
    def verdict(self) -> str:
        """What the findings come to, in a sentence."""
        count, said = len(self.findings), "this is not the history as it was"
        if self.is_unjudged:
            said = "nothing proves that this is the history as it was"
        if self.is_unjudged and self.is_open_ended:
            either = "Either somebody removed the newest or added leaves, or none was signed since"
            said = f"{said} beyond its last checkpoint. {either}"
        return f"{count} finding{'s' * (count != 1)}: {said}."

    @property
    def is_unjudged(self) -> bool:
        """Whether nothing shows that anything was altered, and yet not all is proved."""
        return not self.ok and self._unjudged == self._counts.total()

    @property
    def findings(self) -> list[Finding]:
        """Everything found, in the order it was."""
        more = ((code, count - MOST_LISTED) for code, count in self._counts.items() if count > MOST_LISTED)
        return [*self._listed, *(Finding(code, f"{count} more like this are not listed.") for code, count in more)]

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self._counts

    def document(self) -> dict[str, Any]:
        """The report as JSON."""
        last = self.last
        head = {"size": last.size, "root": last.root.hex(), "at": last.at, "origin": last.origin} if last else None
        found = [{"code": f.code, "case": f.case, "seq": f.seq, "message": f.message} for f in self.findings]
        counts = {"events": self.events, "cases": self.cases, "leaves": self.leaves, "checkpoints": self.checkpoints}
        new = {"unsequenced": self.unsequenced, "proved": self.proved, "cut_off": self.cut_off}
        return {"ok": self.ok, **counts, **new, "checkpoint": head, "findings": found}


# -- the chain of a case: hashes, numbers, time, openings --------------------------------------------------------------

GENESIS = "0" * 64
_LINK = re.compile(rb',"prev_hash":"([0-9a-f]{64})","seq":([1-9][0-9]{0,15}),"to":')
_LINK_BEGINS = b',"prev_hash":"'
_LINK_TO_Q = len(_LINK_BEGINS) + 64 + len(b'","se')
Fault = tuple[str, str]
"""A code and a sentence."""


class Chain:
    """One case's chain: events are numbered from 1 on, and each names the hash of the one before.

    It looks at the bytes alone, which is what makes it fast: the keys of canonical JSON are sorted, so the last
    `"seq"` with bare quotes is the event's own, if it is an event at all; `read_event` says whether it is.
    """

    __slots__ = ("_heads", "seq")

    def __init__(self) -> None:
        self.seq = 0
        self._heads: tuple[str, ...] = (GENESIS,)

    def follows(self, events: Iterable[Sequence[Any]]) -> bool:
        """Whether these events (bytes, stored hash, …) come next and are whole; if not, the chain stays where it was.

        The last q is that of "seq", found ten times as fast; where a later value has one too, the answer is no, and
        `take` must look closely.
        """
        head, seq = self._heads[0], self.seq
        try:
            for event in events:
                seq += 1
                canonical = event[0]
                link = f',"prev_hash":"{head}","seq":{seq},"to":'.encode()
                if not canonical.startswith(link, canonical.rfind(b"q") - _LINK_TO_Q):
                    return False
                head = event[1]
                if sha256(canonical).hexdigest() != head:
                    return False
        except (TypeError, AttributeError):  # a database may hold anything
            return False
        self.seq, self._heads = seq, (head,)
        return True

    def take(self, canonical: Any, digest: Any) -> Sequence[Fault]:
        """The faults of the next event, by its bytes and the hash that is stored beside them."""
        if self.follows([(canonical, digest)]):
            return ()
        if not isinstance(canonical, bytes) or not isinstance(digest, str):
            self.seq += 1
            return (("EVENT_UNREADABLE", "It holds no bytes, or no hash."),)
        return tuple(self._faults(canonical, digest))

    def _faults(self, canonical: bytes, digest: str) -> Iterator[Fault]:
        real = sha256(canonical).hexdigest()
        if real != digest:
            yield "EVENT_HASH", "The stored hash is not that of its bytes: one of them was changed."
        link, heads, expected = _LINK.match(canonical, canonical.rfind(_LINK_BEGINS)), self._heads, self.seq + 1
        self._heads, self.seq = (digest, real), int(link[2]) if link else expected
        if link is None:
            yield "EVENT_UNREADABLE", "Its bytes do not say which number it has and which event it follows."
        elif self.seq > expected:
            missing = f"event {expected} is" if self.seq == expected + 1 else f"events {expected} to {self.seq - 1} are"
            yield "SEQUENCE", f"In the history before it {missing} missing."
        elif self.seq < expected:
            yield "SEQUENCE", f"It calls itself event {self.seq}, where event {expected} is expected."
        elif link[1].decode() not in heads:
            yield "CHAIN", "It does not follow the event before it: that one was changed, or another put in its place."


class History:
    """One case's events in order, as what their bytes say: canonical form, time, openings, and the rules of the time.

    Begin a case with `begin`, hand its events to `read` and `take`, and close it with `end`.
    """

    def __init__(self, report: Report, legality: Legality) -> None:
        self._report = report
        self._legality = legality
        self._told: set[tuple[str, ...]] = set()
        self.begin("")

    def begin(self, case: str) -> None:
        """Another case."""
        self._case, self._at, self._erased = case, "", 0
        self._unopened: list[tuple[int, list[str]]] = []
        self._leftover: list[int] = []
        self._legality.begin()

    def read(self, canonical: bytes, seq: int = 0) -> Says | None:
        """What an event says. None: it cannot be read, which is a finding."""
        try:
            return read_event(canonical)
        except (UnicodeError, json.JSONDecodeError, RecursionError):
            reason = "its bytes are no JSON"
        except ValueError as error:
            reason = str(error)
        self._add("EVENT_UNREADABLE", f"It is no event: {reason}.", seq)
        return None

    def take(self, says: Says, openings: Iterable[Opening] | None) -> None:
        """Hold an event against those before it; `openings` are its own, None when there are none to be checked."""
        seq = says["seq"]
        if says["at"] < self._at:
            said = f"It says it happened at {says['at']}, before the event that precedes it ({self._at})."
            self._add("TIME_BACKWARDS", said, seq)
        self._at = says["at"]
        for code, message in self._legality.check(says):
            self._judged(code, message, says)
        if says["kind"] == "erased":
            self._erased = seq
        if openings is not None:
            self._open(says["commitments"], openings, seq)

    def end(self) -> None:
        """The case is complete: values may only be missing if they were erased, and then all of them must be."""
        for seq, paths in self._unopened:
            if seq > self._erased:
                said = f"{_listed(paths)}: the value is gone, though the case was not erased after it."
                self._add("OPENING_MISSING", said, seq)
        for seq in self._leftover:
            if seq < self._erased:
                self._add("OPENING_UNKNOWN", "The case was erased, but values of this event are still there.", seq)

    def _open(self, commitments: Mapping[str, str], openings: Iterable[Opening], seq: int) -> None:
        seen = set()
        for opening in openings:
            seen.add(opening.path)
            if opening.path not in commitments:
                self._add("OPENING_UNKNOWN", f"{opening.path[:80]}: a value that the event knows nothing of.", seq)
            elif not opening.opens(commitments[opening.path]):
                self._add("OPENING_DIFFERS", f"{opening.path[:80]}: the value is not the one recorded.", seq)
        if seen:
            self._leftover.append(seq)
        if missing := sorted(commitments.keys() - seen):
            self._unopened.append((seq, missing))

    def _judged(self, code: str, message: str, says: Says) -> None:
        """Tell the same fault of a definition once, not for each event."""
        about = says["definition"]
        if code.startswith("DEFINITION_"):
            fault = (code, about["name"], about["version"], about["digest"])
            if fault in self._told or len(self._told) > MOST_LISTED:
                return
            self._told.add(fault)
        self._add(code, message, says["seq"])

    def _add(self, code: str, message: str, seq: int) -> None:
        self._report.add(code, message, self._case, seq)


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return ", ".join(name[:80] for name in names[:5]) + more


# -- the rules a case moved by -----------------------------------------------------------------------------------------


class Row(NamedTuple):
    """A move of the table: where it leads, whether it needs a reason, and the sheets it requires."""

    target: str
    needs_reason: bool
    requires: tuple[str, ...]


class State(NamedTuple):
    """A state of the table; `ladder` holds name, kind and anchor of each rung."""

    final: bool
    amendable: frozenset[str]
    ladder: tuple[tuple[str, str, str | None], ...]


class Table:
    """One version of a definition, as its canonical form says it. Raises ValueError, KeyError, TypeError."""

    def __init__(self, form: Mapping[str, Any]) -> None:
        self.digest = sha256(canonical_json(form)).hexdigest()
        self.initial = str(form["initial"])
        self.warnings = frozenset(code for code, severity in dict(form["codes"]).items() if severity == "warning")
        self.states = {
            str(state["name"]): State(
                bool(state["final"]),
                frozenset(state["amendable"]),
                tuple((str(rung["name"]), str(rung["kind"]), _anchor(rung["anchor"])) for rung in state["ladder"]),
            )
            for state in form["states"]
        }
        self.moves = {
            (str(move["trigger"]), str(source)): Row(
                str(move["to"]), bool(move["needs_reason"]), tuple(map(str, move.get("requires", ())))
            )
            for move in form["moves"]
            for source in move["from"]
        }


def _anchor(value: Any) -> str | None:
    if not isinstance(value, _OPTIONAL):
        raise TypeError("a rung hangs on a field or on none")
    return value


_UNKNOWN_STATE = State(final=False, amendable=frozenset(), ladder=())
_SETS_FACTS = ("opened", "recorded", "moved")
_NOT_WHEN_FINAL = ("held", "resumed")
_NOT_WHEN_ERASED = frozenset(
    ("recorded", "moved", "held", "resumed", "noted", "reminded", "escalated", "erased", "revealed")
)
_KINDS = _NOT_WHEN_ERASED | {"opened", "refused", "letter_sent", "letter_failed", "letter_unknown"}


class Legality:
    """Whether each event of a case was allowed by the rules it names, given the events before it.

    `definitions` are the canonical forms by name and version. Feed `check` with the events of one case in order, and
    call `begin` before those of another. It keeps what the rules ask about: state, sheets, rung, hold.
    """

    def __init__(self, definitions: Mapping[tuple[str, str], Mapping[str, Any]]) -> None:
        self._definitions = definitions
        self._tables: dict[tuple[str, str], Table | None] = {}
        self._rules: Mapping[str, Callable[[Table, Says], Iterator[Fault]]] = {
            "opened": self._opened,
            "recorded": self._recorded,
            "moved": self._moved,
            "resumed": self._resumed,
            "reminded": self._climbed,
            "escalated": self._climbed,
            "erased": self._ended,
        }
        self.begin()

    def begin(self) -> None:
        """Forget the case so far: another one follows."""
        self.state: str | None = None
        self._sheets: set[str] = set()
        self._rung = 0
        self._is_held = self._is_erased = False

    def check(self, says: Says) -> list[Fault]:
        """The faults of the next event: ILLEGAL, MISSING_SHEETS, NOT_ACCEPTED, DEFINITION_UNKNOWN or _DIFFERS."""
        faults = list(self._out_of_place(says))
        self._take_facts(says)
        table = self._table(says["definition"], faults)
        if table is not None:
            if rule := self._rules.get(says["kind"]):
                faults += rule(table, says)
            faults += self._accepted(table, says)
            if says["kind"] in _NOT_WHEN_FINAL and self._state_of(table).final:
                faults.append(("ILLEGAL", f"It was {says['kind']}, although '{self.state}' is final."))
        self._follow(table, says)
        return faults

    # what holds for every kind

    def _out_of_place(self, says: Says) -> Iterator[Fault]:
        kind, source, target = says["kind"], says["from"], says["to"]
        if kind == "opened" and self.state is not None:
            yield "ILLEGAL", "It opens a case that was open already."
        elif kind != "opened" and self.state is None:
            yield "ILLEGAL", f"The history begins with '{kind[:40]}' instead of its opening."
        elif source != self.state:
            yield "ILLEGAL", f"It says it began in {_quoted(source)}, but the case was in {_quoted(self.state)}."
        if kind not in ("opened", "moved") and target != source:
            yield "ILLEGAL", f"'{kind[:40]}' cannot bring a case from {_quoted(source)} to {_quoted(target)}."
        if self._is_erased and kind in _NOT_WHEN_ERASED:
            yield "ILLEGAL", f"The case was erased before; nothing can be {kind} after that."
        if kind not in _KINDS:
            yield "ILLEGAL", f"No version up to this one records that a case was '{kind[:40]}'."
        if kind == "held" and not _is_day(says["body"].get("until")):
            yield "ILLEGAL", f"It holds the case until {_quoted(says['body'].get('until'))}, which is no day."

    def _take_facts(self, says: Says) -> None:
        """The fields an event sets or commits to, and the sheets of which something was recorded by now."""
        self._touched: set[str] = set()
        if says["kind"] in _SETS_FACTS:
            for sheet, fields in _mapping(says["body"].get("facts")).items():
                self._touched.update(f"{sheet}.{name}" for name in _mapping(fields))
                if any(value is not None for value in _mapping(fields).values()):
                    self._sheets.add(sheet)
            committed = {path for path in says["commitments"] if "." in path}
            self._sheets.update(path.partition(".")[0] for path in committed)
            self._touched |= committed

    def _table(self, stamp: Mapping[str, str], faults: list[Fault]) -> Table | None:
        named = (stamp["name"], stamp["version"])
        shown = f"version {_quoted(named[1])} of {_quoted(named[0])}"
        if named not in self._tables:
            self._tables[named] = self._read(named)
        table = self._tables[named]
        if table is None:
            faults.append(("DEFINITION_UNKNOWN", f"It was judged by {shown}, which is not here or cannot be read."))
        elif table.digest != stamp["digest"]:
            faults.append(("DEFINITION_DIFFERS", f"It was judged by {shown}, but that is not the one kept here."))
            return None
        return table

    def _read(self, named: tuple[str, str]) -> Table | None:
        try:
            return Table(self._definitions[named])
        except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
            return None

    def _state_of(self, table: Table) -> State:
        return table.states.get(self.state or "", _UNKNOWN_STATE)

    def _accepted(self, table: Table, says: Says) -> Iterator[Fault]:
        listed = says["body"].get("accepted")
        if listed is not None and says["kind"] != "moved":
            yield "NOT_ACCEPTED", "Only a move can accept warnings."
        if not isinstance(listed, list | None):
            yield "NOT_ACCEPTED", "What it accepts is no list of warnings."
        for item in listed if isinstance(listed, list) else ():
            code = _mapping(item).get("code")
            if not isinstance(code, str) or code not in table.warnings:
                yield "NOT_ACCEPTED", f"It accepts {_quoted(code)}, which was no warning in the rules of then."
            elif not isinstance(item.get("about"), list):
                yield "NOT_ACCEPTED", f"It accepts {_quoted(code)}, but does not say for which fields."

    # what holds for one kind

    def _opened(self, table: Table, says: Says) -> Iterator[Fault]:
        if says["from"] is not None or says["to"] != table.initial:
            yield "ILLEGAL", f"A case opens in {_quoted(table.initial)}, not in {_quoted(says['to'])}."

    def _recorded(self, table: Table, says: Says) -> Iterator[Fault]:
        state = self._state_of(table)
        if state.final and (closed := sorted(self._touched - state.amendable)):
            yield "ILLEGAL", f"In {_quoted(self.state)} these fields are closed: {_listed(closed)}."

    def _moved(self, table: Table, says: Says) -> Iterator[Fault]:
        trigger, source, target = says["trigger"], says["from"], says["to"]
        row = table.moves.get((trigger or "", source or ""))
        if row is None or row.target != target:
            way = f"{_quoted(trigger)} from {_quoted(source)} to {_quoted(target)}"
            yield "ILLEGAL", f"The table has no move {way}."
            return
        if missing := [sheet for sheet in row.requires if sheet not in self._sheets]:
            yield "MISSING_SHEETS", f"{_quoted(trigger)} requires what was never recorded: {_listed(missing)}."
        if row.needs_reason and "reason" not in says["commitments"]:
            yield "ILLEGAL", f"{_quoted(trigger)} needs a reason, and none was given."

    def _resumed(self, table: Table, says: Says) -> Iterator[Fault]:
        if not self._is_held:
            yield "ILLEGAL", "It ends a hold, but the case was not on hold."

    def _climbed(self, table: Table, says: Says) -> Iterator[Fault]:
        ladder, rung = self._state_of(table).ladder, says["body"].get("rung")
        if self._is_held:
            yield "ILLEGAL", "A reminder went out while the case was on hold."
        if self._rung >= len(ladder):
            yield "ILLEGAL", f"The ladder of {_quoted(self.state)} has no rung left, but {_quoted(rung)} was fired."
        elif ladder[self._rung][:2] != (rung, says["kind"]):
            yield "ILLEGAL", f"The next rung was {_quoted(ladder[self._rung][0])}, but {_quoted(rung)} was fired."

    def _ended(self, table: Table, says: Says) -> Iterator[Fault]:
        if not self._state_of(table).final:
            yield "ILLEGAL", f"It was erased in {_quoted(self.state)}, though only a case that ended may be."

    def _follow(self, table: Table | None, says: Says) -> None:
        kind = says["kind"]
        anchors = [anchor for _, _, anchor in self._state_of(table).ladder] if table else []
        if again := [index for index, anchor in enumerate(anchors) if anchor in self._touched]:
            self._rung = min(self._rung, again[0])
        match kind:
            case "moved":
                self._rung, self._is_held = 0, False
            case "held" | "resumed":
                self._is_held = kind == "held"
            case "reminded" | "escalated":
                self._rung += 1
            case "erased":
                self._is_erased = True
        self.state = says["to"]


def _is_day(value: Any) -> bool:
    try:
        return bool(_DAY.fullmatch(value)) and date.fromisoformat(value) is not None
    except (TypeError, ValueError):
        return False


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _quoted(value: Any) -> str:
    return f"'{str(value)[:40]}'"


# -- the ledger: leaves, roots, checkpoints ----------------------------------------------------------------------------

_LONGEST_WAIT = timedelta(minutes=15)
"""An event that is this much older than a checkpoint must have a leaf."""


class Kept(NamedTuple):
    """A checkpoint as it is kept: the note, and what stands beside it."""

    at: Any
    size: Any
    root: Any
    note: Any


class Ledger:
    """Grows the tree leaf by leaf and holds its root against every checkpoint whose size it reaches.

    `kept` are the checkpoints of the ledger itself in order, `held` those that somebody kept elsewhere.
    """

    def __init__(
        self, report: Report, kept: Iterable[Kept], key: VerifierKey | None, held: Iterable[Checkpoint] = ()
    ) -> None:
        self.tree = Tree()
        self._report = report
        self._held = sorted(held_by(report, key, held), key=lambda checkpoint: checkpoint.size, reverse=True)
        self._most_held = self._held[0].size if self._held else 0
        self._unmet = {checkpoint.size: checkpoint for checkpoint in self._held if checkpoint.size}
        """Those that somebody kept over as many leaves as none of the ledger's own so far."""
        self._heads = self._meet(read_heads(report, kept, key, are_all=True))
        self.is_off = False
        """The leaves gave another root than the checkpoint they reached last."""
        self._next = next(self._heads, None)
        self._arrive()

    @property
    def next(self) -> Checkpoint | None:
        """The checkpoint that covers the next leaf."""
        return self._next

    def grow(self, entries: Sequence[bytes]) -> None:
        """Append leaves by their entries, the hashes of events."""
        done = 0
        while done < len(entries):
            stop = min([len(entries), *(size - self.tree.size + done for size in self._stops())])
            self.tree.extend([sha256(b"\x00" + entry).digest() for entry in entries[done:stop]])
            done = stop
            self._arrive()

    def end(self) -> None:
        """There are no more leaves: what speaks of more is a finding."""
        report, size = self._report, self.tree.size
        report.leaves = size
        while self._next is not None:
            said = f"It names {self._next.size} leaves, but there are {size}: leaves were removed."
            report.add("CHECKPOINT_BEYOND", f"{_named(self._next)}: {said}")
            self._next = next(self._heads, None)
        if self._held:
            largest, others = self._held[0], len(self._held) - 1
            said = f"{_named(largest)}, which you hold, names more than the {size} leaves there are{_also(others)}."
            lost = largest.size - size
            missing = f"its last {lost} leaves are" if lost > 1 else "its last leaf is"
            much = f"at most {lost} events are" if lost > 1 else "at most one event is"
            said = (
                f"{said} The ledger was cut off or put back to an older state: {missing} missing here, so {much} gone"
            )
            report.add("ROLLED_BACK", f"{said} (an event that is here but has no leaf yet may be one of them).")
        elif not report.has_told("FORK"):
            self._tell_unmet()
        covered = report.last.size if report.last else 0
        if size > covered:
            is_claimed = self._most_held > covered
            report.is_open_ended = report.last is not None and not (is_claimed or report.is_unsigned)
            said = _uncovered(size - covered, any_signed=report.last is not None, is_claimed=is_claimed)
            report.add("NO_CHECKPOINT", said, is_judged=is_claimed)

    def _meet(self, heads: Iterator[Checkpoint]) -> Iterator[Checkpoint]:
        for head in heads:
            self._unmet.pop(head.size, None)
            yield head

    def _tell_unmet(self) -> None:
        """A ledger has each checkpoint that was copied from it; one that is beyond its last is told otherwise."""
        covered = self._report.last.size if self._report.last else 0
        gone = [own for own in self._unmet.values() if own.size < covered]
        if gone:
            said = f"Checkpoints that you hold and that are missing here, though later ones are not: {len(gone)}."
            largest = f"The largest is that of {gone[0].at[:40]} over {gone[0].size} leaves."
            why = "They were removed, or an older copy was put back and signed since."
            self._report.add("CHECKPOINT_GAP", f"{said} {largest} {why}")

    def _arrive(self) -> None:
        """Compare the root with every checkpoint of the size that was reached."""
        root = self.tree.root() if self.tree.size in self._stops() else b""
        while self._next is not None and self._next.size == self.tree.size:
            if self._next.root != root and not self.is_off:
                said = "The leaves give another root: one of them was changed, added, removed or moved."
                self._report.add("ROOT_DIFFERS", f"{_named(self._next)}: {said}")
            self.is_off = self._next.root != root
            self._next = next(self._heads, None)
        while self._held and self._held[-1].size == self.tree.size:
            compare_held(self._report, self._held.pop(), root)

    def _stops(self) -> list[int]:
        """The sizes at which there is a root to compare next."""
        return [stop.size for stop in (self._next, *self._held[-1:]) if stop is not None]


def read_heads(report: Report, kept: Iterable[Kept], key: VerifierKey | None, *, are_all: bool) -> Iterator[Checkpoint]:
    """The checkpoints of a ledger in order; what is wrong with them is told, and those that go back are left out.

    When they `are_all` there are, each that names the one before it must stand behind that one.
    """
    before: str | None = ""
    for one in kept:
        report.checkpoints += 1
        head, last = _read_kept(report, one, key), report.last
        if head is None:
            before = None  # which is told already
            continue
        if are_all and head.prev and before is not None and head.prev != before:
            said = "The one that it was signed after does not stand before it: it was removed, or another was put in."
            report.add("CHECKPOINT_GAP", f"{_named(head)}: {said}")
        before = head.hash
        if last is not None and (head.size < last.size or head.at < last.at):
            said = f"It stands behind that of {last.at}, but has an earlier time or fewer leaves."
            report.add("CHECKPOINT_ORDER", f"{_named(head)}: {said}")
        if last is None or head.size >= last.size:
            report.last = head
            yield head


def _read_kept(report: Report, kept: Kept, key: VerifierKey | None) -> Checkpoint | None:
    """A checkpoint of the ledger, its signature checked; None when it cannot be read, which is a finding."""
    try:
        checkpoint = read_checkpoint(str(kept.note))
    except NoteError as error:
        report.add("CHECKPOINT_UNREADABLE", f"Checkpoint {report.checkpoints} cannot be read: {error}.")
        return None
    if not is_moment(checkpoint.at):
        report.add("CHECKPOINT_UNREADABLE", f"Checkpoint {report.checkpoints} does not say when it was signed.")
        return None
    beside = (kept.at, kept.size, kept.root)
    if beside != (checkpoint.at, checkpoint.size, checkpoint.root.hex()):
        report.add("CHECKPOINT_COLUMN", f"{_named(checkpoint)}: what is kept beside the note is not what it says.")
    _check_signature(report, checkpoint, key, f"{_named(checkpoint)}:")
    return checkpoint


def held_by(report: Report, key: VerifierKey | None, held: Iterable[Checkpoint]) -> Iterator[Checkpoint]:
    """Those of the checkpoints somebody holds that bear the right signature; another is a finding."""
    for checkpoint in held:
        if _check_signature(report, checkpoint, key, f"{_named(checkpoint)}, which you hold:"):
            yield checkpoint


def compare_held(report: Report, held: Checkpoint, root: bytes) -> None:
    """Hold a checkpoint that somebody kept against the root the ledger has at its size."""
    if held.root != root:
        said = f"{_named(held)}, which you hold, was signed over another history than the one that is here now."
        report.add("FORK", said)


def _check_signature(report: Report, checkpoint: Checkpoint, key: VerifierKey | None, shown: str) -> bool:
    if key is None:
        if not report.is_unsigned:
            said = "There is no key to check the signatures of checkpoints by; give the one you hold with --key."
            report.add("CHECKPOINT_KEY", said, is_judged=not report.is_keyless)
        report.is_unsigned = True
        return True
    if checkpoint.origin != key.name or not any(
        (line.name, line.key_id) == (key.name, key.key_id) for line in checkpoint.signatures
    ):
        report.add("CHECKPOINT_KEY", f"{shown} It was signed by another key than {key.name}+{key.key_id.hex()}.")
    elif not checkpoint.signed_by(key):
        report.add("CHECKPOINT_SIGNATURE", f"{shown} Its signature is not over what it says: it was changed or forged.")
    else:
        return True
    return False


def _named(checkpoint: Checkpoint) -> str:
    return f"The checkpoint of {checkpoint.at[:40]} over {checkpoint.size} leaves"


def _also(others: int) -> str:
    """That others of the checkpoints one holds say the same."""
    if not others:
        return ""
    return f", and so do {others} others that you hold" if others > 1 else ", and so does 1 other that you hold"


def _uncovered(leaves: int, *, any_signed: bool, is_claimed: bool = False) -> str:
    why = "None was ever signed, or every checkpoint was removed."
    if any_signed:
        why = "The newest checkpoint was removed, or they were added, or nothing was signed since, for want of the key."
    if is_claimed:
        why = "The newest checkpoint was removed: you hold one of more leaves than the last here names."
    return f"Leaves that no checkpoint covers: {leaves}. {why}"


PUT_IN_OR_PASSED = "it was put in later, or the sequencer was made to pass it over"
"""What an event without a leaf means when it is too late for one."""


class Waiting:
    """Which events have no leaf yet: the newest may wait a while, one that was passed over may not."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._limit = _before(report.last.at, _LONGEST_WAIT) if report.last else ""
        self._case = ""
        self.passed: list[int] = []
        """Events of the case in hand that wait, as long as no later one has a leaf."""

    def take(self, case: str, seq: int, at: str, *, has_leaf: bool) -> None:
        """The next event of a case; one with a leaf need not be told while none waits."""
        if case != self._case:
            self._case, self.passed = case, []
        if has_leaf:
            for number in self.passed:
                self._report.add("EVENT_NOT_SEQUENCED", "It has no leaf, though a later event has one.", case, number)
            self.passed = []
            return
        self._report.unsequenced += 1
        if at < self._limit:
            said = f"It has no leaf, though the last checkpoint was signed long after it: {PUT_IN_OR_PASSED}."
            self._report.add("EVENT_NOT_SEQUENCED", said, case, seq)
        else:
            self.passed.append(seq)


def _before(at: str, wait: timedelta) -> str:
    moment = datetime.fromisoformat(at[:-1])
    return f"{(moment - wait).isoformat(timespec='microseconds')}Z" if moment.year > 1 else ""


def later_than(report: Report, signed: str, at: str, case: str, seq: int) -> None:
    """An event cannot have happened after the checkpoint that covers it was signed."""
    if at > signed:
        said = f"It says it happened at {at[:40]}, but the checkpoint that covers it was signed at {signed} already."
        report.add("TIME_AFTER_CHECKPOINT", said, case, seq)


# -- an export ---------------------------------------------------------------------------------------------------------

FORMAT = "schakel-export/1"
_MOST_LINE = 4 << 20
"""Bytes; a line of an export has some hundreds, all its definitions together some ten thousands."""
_TIGHTEST = 200
"""How many times its size an export can honestly grow when it is unpacked; zip bombs grow a thousandfold."""
_EVENT_LINE = re.compile(rb'\{"event":(\{.*\}),"hash":"([0-9a-f]{64})","leaf":(null|0|[1-9][0-9]{0,15})\}', re.DOTALL)
_BROKEN_ZIP = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, NotImplementedError),
    ValueError,  # a place beyond all files, a name in no encoding
)


class Unreadable(Exception):
    """What was given is no export at all, so that nothing can be said about it."""


class Archive:
    """The files of an export, read as streams: never more of one in memory than a line."""

    def __init__(self, zipped: zipfile.ZipFile, path: Path, report: Report) -> None:
        self._zip, self._report = zipped, report
        room = path.stat().st_size * _TIGHTEST + (1 << 20)
        if sum(info.file_size for info in zipped.infolist()) > room:
            raise Unreadable(f"{path} would unpack to more than {_TIGHTEST} times its size: it is no honest export.")
        if any(info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) for info in zipped.infolist()):
            raise Unreadable(f"{path} is packed in a way that no export of Schakel is.")
        self.manifest = self._read_manifest(path)

    @property
    def is_complete(self) -> bool:
        """Whether it says that it holds everything there was."""
        return self.manifest.get("complete") is True

    @property
    def is_revealed(self) -> bool:
        """Whether it says that it holds the personal values."""
        return self.manifest.get("revealed") is True

    @property
    def key(self) -> VerifierKey | None:
        """The key it says it is signed by."""
        try:
            return read_key(str(self.manifest.get("key")))
        except NoteError:
            return None

    @property
    def files(self) -> Mapping[str, Any]:
        """The files that the manifest names, with hash and length."""
        return _mapping(self.manifest.get("files"))

    def _read_manifest(self, path: Path) -> Mapping[str, Any]:
        try:
            with self._zip.open("manifest.json") as file:
                manifest = parse_json(file.read(_MOST_LINE))
        except KeyError:
            raise Unreadable(f"{path} holds no manifest.json: it is no export of Schakel.") from None
        except _BROKEN_ZIP:
            raise Unreadable(f"The manifest.json in {path} cannot be read.") from None
        if _mapping(manifest).get("format") != FORMAT:
            raise Unreadable(f"{path} is no export that this verifier knows ({FORMAT}).")
        return _mapping(manifest)

    def check_files(self) -> None:
        """Every file is the one the manifest names, and there is no other."""
        names = Counter(info.filename for info in self._zip.infolist())
        for name, count in names.items():
            if count > 1:
                self._report.add("MANIFEST", f"{name[:80]}: the export holds it {count} times.")
            if name != "manifest.json" and name not in self.files:
                self._report.add("MANIFEST", f"{name[:80]}: the manifest does not name this file.")
        for name, about in self.files.items():
            if name not in names:
                self._report.add("MANIFEST", f"{name[:80]}: the manifest names this file, but it is not here.")
            elif self._digest(name) != (_mapping(about).get("sha256"), _mapping(about).get("bytes")):
                self._report.add("MANIFEST", f"{name[:80]}: the file is not the one the manifest names.")

    def _digest(self, name: str) -> tuple[str, int]:
        digest, size = sha256(), 0
        try:
            with self._zip.open(name) as file:
                while block := file.read(1 << 18):
                    digest.update(block)
                    size += len(block)
        except _BROKEN_ZIP:
            return "", -1
        return digest.hexdigest(), size

    def lines(self, name: str) -> Iterator[tuple[int, bytes]]:
        """The lines of a file with their numbers; none when the file is not there. A broken end is a finding."""
        if name not in self._zip.namelist():
            return
        number = 0
        try:
            with io.BufferedReader(self._zip.open(name), 1 << 18) as file:  # type: ignore[type-var]
                while line := file.readline(_MOST_LINE):
                    number += 1
                    if not line.endswith(b"\n"):
                        self._report.add("MANIFEST", f"{name}: line {number} is cut off or far too long.")
                        return
                    yield number, line[:-1]
        except _BROKEN_ZIP:
            self._report.add("MANIFEST", f"{name}: it cannot be read behind line {number}.")

    def records(self, name: str, **shape: tuple[type, ...] | None) -> Iterator[dict[str, Any]]:
        """The lines of a file as JSON objects of exactly this shape; another one is a finding, and left out."""
        for number, line in self.lines(name):
            try:
                record = parse_json(line)
            except ValueError:
                record = None
            fits = type(record) is dict and record.keys() == shape.keys()
            if fits and all(types is None or type(record[key]) in types for key, types in shape.items()):
                yield record
            else:
                self._report.add("MANIFEST", f"{name}: line {number} is not what such a line holds.")

    def definitions(self) -> Mapping[tuple[str, str], Mapping[str, Any]]:
        """The versions of definitions in the export, by what their bytes say."""
        found: dict[tuple[str, str], Mapping[str, Any]] = {}
        room = _MOST_LINE
        for name in self._zip.namelist():
            if name.startswith("definitions/"):
                try:
                    with self._zip.open(name) as file:
                        data = file.read(room)
                    room -= len(data)
                    form = _mapping(parse_json(data))
                    found[str(form["name"]), str(form["version"])] = form
                    if canonical_json(form) != data:
                        raise ValueError
                except (*_BROKEN_ZIP, KeyError, RecursionError):
                    self._report.add("DEFINITION_DIFFERS", f"{name[:80]} is no definition in canonical form.")
        return found

    def kept(self) -> Iterator[Kept]:
        """The checkpoints of the export."""
        for record in self.records("checkpoints.jsonl", at=(str,), size=(int,), root=(str,), note=(str,)):
            yield Kept(record["at"], record["size"], record["root"], record["note"])

    def leaves(self) -> Iterator[Leaf]:
        """The leaves of the export, which must come in order."""
        last = -1
        for record in self.records("leaves.jsonl", leaf=(int,), case=(str,), seq=(int,), hash=(str,)):
            if not _HASH.fullmatch(record["hash"]) or record["leaf"] <= last:
                self._report.add("LEAF_GAP", "It is out of order, or no hash.", record["case"][:40], record["seq"])
                continue
            last = record["leaf"]
            yield Leaf(record["leaf"], record["case"], record["seq"], record["hash"])


class Leaf(NamedTuple):
    """A leaf, and the event it stands for."""

    number: int
    case: str
    seq: int
    hash: str


class Places:
    """What stands at each leaf, in a file without a name, so that a million leaves cost no memory.

    Of a leaf it remembers which event it stands for (as a digest), until when that may have happened, and whether an
    event has claimed it. `places` says where a leaf lies in the file when not all leaves are there.
    """

    _SIZE = 1 + 32 + 27

    def __init__(self, file: IO[bytes], *, complete: bool) -> None:
        self.count = self.claimed = 0
        self._file = file
        self._places: dict[int, int] | None = None if complete else {}

    def put(self, leaf: Leaf, until: str) -> None:
        """Remember a leaf; '' when nothing covers it."""
        if self._places is not None:
            self._places[leaf.number] = self.count
        self._file.write(b"\0" + _digest_of(leaf) + until.encode().ljust(27)[:27])
        self.count += 1

    def claim(self, leaf: Leaf) -> tuple[str, str]:
        """Give a leaf to an event: what is wrong with that ('' if nothing), and until when it may have happened."""
        place = leaf.number if self._places is None else self._places.get(leaf.number, self.count)
        if place >= self.count:
            return "It names a leaf that is not there.", ""
        self._file.seek(place * self._SIZE)
        record = self._file.read(self._SIZE)
        if record[0]:
            return "It names a leaf that another event has named already.", ""
        self._file.seek(place * self._SIZE)
        self._file.write(b"\1")  # a leaf that differs is told once, as in a database, and not as one without event
        self.claimed += 1
        if record[1:33] != _digest_of(leaf):
            return "The leaf it names was made of something else.", ""
        return "", record[33:].decode().strip()

    def is_claimed(self, number: int) -> bool:
        """Whether an event has claimed the leaf that was put so many places after the first."""
        self._file.seek(number * self._SIZE)
        return self._file.read(1) == b"\1"


def _digest_of(leaf: Leaf) -> bytes:
    said = f"{leaf.number}/{leaf.case}/{leaf.seq}/{leaf.hash}"
    return sha256(said.encode("utf-8", "surrogatepass")).digest()


def verify_export(path: Path, key: VerifierKey | None, held: Sequence[Checkpoint] = ()) -> tuple[Report, Archive]:
    """Check an export from its bytes up; without a key its own is used. Raises Unreadable."""
    report = Report()
    with _opened(path) as zipped, tempfile.TemporaryFile() as scratch:
        archive = Archive(zipped, path, report)
        places = Places(scratch, complete=archive.is_complete)
        archive.check_files()
        proved: dict[int, str] | None = None if archive.is_complete else {}
        check = _check_ledger if archive.is_complete else _check_heads
        check(archive, report, places, key or archive.key, held)
        _check_proofs(archive, report, proved)
        _Events(archive, report, places, proved).check()
        if places.claimed < places.count:
            _tell_unclaimed(archive, report, places)
        _check_manifest(archive, report)
    if key is not None:
        report.prove()
    return report, archive


def _opened(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror or error}.") from None
    except (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError):
        raise Unreadable(f"{path} is not a zip file, or only a part of one.") from None


def _check_ledger(
    archive: Archive, report: Report, places: Places, key: VerifierKey | None, held: Sequence[Checkpoint]
) -> None:
    """All leaves are here, so the tree is built anew."""
    ledger = Ledger(report, archive.kept(), key, held)
    for leaf in archive.leaves():
        if leaf.number != places.count:
            said = f"Leaf {places.count} is missing, so nothing behind it can be checked."
            report.add("LEAF_GAP", said, leaf.case[:40], leaf.seq)
            break
        places.put(leaf, ledger.next.at if ledger.next else "")
        ledger.grow([bytes.fromhex(leaf.hash)])
    ledger.end()


def _check_heads(
    archive: Archive, report: Report, places: Places, key: VerifierKey | None, held: Sequence[Checkpoint]
) -> None:
    """Only some leaves are here, so every checkpoint must be proved to be a beginning of the last."""
    heads = list(read_heads(report, archive.kept(), key, are_all=False))
    shape: dict[str, tuple[type, ...]] = {"from": (int,), "to": (int,), "path": (list,)}
    paths = {(one["from"], one["to"]): one["path"] for one in archive.records("consistency.jsonl", **shape)}
    for head in heads[:-1]:
        if not _leads_to(head, heads[-1], paths.get((head.size, heads[-1].size))):
            report.add("PROOF", f"{_named(head)} is not proved to be a beginning of the last one.")
    end = heads[-1].size if heads else -1
    beyond: list[Checkpoint] = []
    for own in held_by(report, key, held):
        if own.size > end:
            beyond.append(own)
        else:
            _check_held(report, own, heads, paths)
    if beyond:
        named = _named(max(beyond, key=lambda own: own.size))
        said = f"{named}, which you hold, names more leaves than the ledger had when this was made"
        said = f"{said}{_also(len(beyond) - 1)}. It was cut off or put back to an older state."
        report.add("ROLLED_BACK", said)
    sizes = [head.size for head in heads]
    for leaf in archive.leaves():
        covering = bisect_right(sizes, leaf.number)
        places.put(leaf, heads[covering].at if covering < len(heads) else "")
    report.leaves = places.count
    if places.count and not heads:
        report.add("NO_CHECKPOINT", _uncovered(places.count, any_signed=False), is_judged=False)


def _tell_unclaimed(archive: Archive, report: Report, places: Places) -> None:
    for number, leaf in enumerate(archive.leaves()):
        if number < places.count and not places.is_claimed(number):
            said = f"Leaf {leaf.number} stands for an event that is not here, or not as it was."
            report.add("LEAF_WITHOUT_EVENT", said, leaf.case[:40], leaf.seq)


def _check_held(
    report: Report, held: Checkpoint, heads: Sequence[Checkpoint], paths: Mapping[tuple[int, int], Any]
) -> None:
    last = heads[-1]
    same = next((head for head in heads if head.size == held.size), None)
    if same is not None or held.size == 0:
        compare_held(report, held, same.root if same else EMPTY_ROOT)
    elif (path := paths.get((held.size, last.size))) is None:
        said = f"{_named(held)}, which you hold, cannot be compared: ask for an export made with --against it."
        report.add("PROOF", said)
    elif not _leads_to(held, last, path):
        compare_held(report, held, b"")


def _leads_to(old: Checkpoint, new: Checkpoint, path: Any) -> bool:
    """Whether a consistency proof leads from one checkpoint to the other."""
    if old.size in (0, new.size):
        return old.root == (EMPTY_ROOT if old.size == 0 else new.root)
    steps = _hashes(path)
    return steps is not None and roots_of_consistency(old.size, new.size, old.root, steps) == (old.root, new.root)


def _hashes(path: Any) -> list[bytes] | None:
    steps: list[Any] = path if isinstance(path, list) else [None]
    fits = all(isinstance(step, str) and _HASH.fullmatch(step) for step in steps)
    return [bytes.fromhex(step) for step in steps] if fits else None


def _check_proofs(archive: Archive, report: Report, proved: dict[int, str] | None) -> None:
    """Every inclusion proof leads to the root of the last checkpoint; `proved` takes what they prove."""
    last = report.last
    for one in archive.records("proofs.jsonl", leaf=(int,), hash=(str,), size=(int,), path=(list,)):
        steps, entry = _hashes(one["path"]), _hashes([one["hash"]])
        root = (
            root_of_inclusion(leaf_hash(entry[0]), one["leaf"], one["size"], steps)
            if entry and steps is not None
            else None
        )
        if last is None or one["size"] != last.size or root != last.root:
            report.add("PROOF", f"The proof of leaf {one['leaf']} does not lead to the root of the last checkpoint.")
        elif proved is not None:
            proved[one["leaf"]] = one["hash"]


class _Events:
    """The events of an export, case after case, with their openings and their leaves."""

    def __init__(self, archive: Archive, report: Report, places: Places, proved: Mapping[int, str] | None) -> None:
        self._archive, self._report, self._places, self._proved = archive, report, places, proved
        self._history = History(report, Legality(archive.definitions()))
        self._waiting = Waiting(report)
        self._openings = _Openings(archive, report)
        self._chain, self._case = Chain(), ""
        self._seen: set[str] = set()

    def check(self) -> None:
        """Read them all."""
        for number, line in self._archive.lines("events.jsonl"):
            self._report.events += 1
            match = _EVENT_LINE.fullmatch(line)
            if match is None:
                said = f"Line {number} of events.jsonl holds no event, hash and leaf."
                self._report.add("EVENT_UNREADABLE", said, self._case)
            elif says := self._history.read(match[1]):
                leaf = None if match[3] == b"null" else int(match[3])
                self._take(match[1], match[2].decode(), leaf, says)
        self._history.end()
        self._openings.end()
        self._report.cases = len(self._seen)

    def _take(self, canonical: bytes, digest: str, leaf: int | None, says: Says) -> None:
        case, seq = says["case"][:40], says["seq"]
        if case != self._case:
            self._begin(case)
        for code, message in self._chain.take(canonical, digest):
            self._report.add(code, message, case, seq)
        openings = list(self._openings.take(case, seq, self._seen))
        self._history.take(says, openings if self._archive.is_revealed else None)
        self._waiting.take(case, seq, says["at"], has_leaf=leaf is not None)
        if leaf is not None:
            self._claim(Leaf(leaf, case, seq, digest), says["at"])

    def _begin(self, case: str) -> None:
        self._history.end()
        self._history.begin(case)
        self._chain, self._case = Chain(), case
        if case in self._seen:
            self._report.add("SEQUENCE", "Its events do not stand together: another case lies between them.", case)
        self._seen.add(case)

    def _claim(self, leaf: Leaf, at: str) -> None:
        wrong, until = self._places.claim(leaf)
        if wrong:
            self._report.add("LEAF_DIFFERS", wrong, leaf.case, leaf.seq)
        if until:
            later_than(self._report, until, at, leaf.case, leaf.seq)
        if self._proved is not None and self._report.last and self._proved.get(leaf.number) != leaf.hash:
            self._report.add("PROOF", "It is not proved to be in the ledger.", leaf.case, leaf.seq)


class _Openings:
    """The openings of an export, which stand in the order of its events."""

    def __init__(self, archive: Archive, report: Report) -> None:
        shape = {"case": (str,), "seq": (int,), "path": (str,), "value": None, "salt": (str,)}
        self._report = report
        self._records = archive.records("openings.jsonl", **shape)
        self._next = next(self._records, None)
        if self._next is not None and not archive.is_revealed:
            report.add("MANIFEST", "openings.jsonl holds values, but the manifest says that there are none: unchecked.")

    def take(self, case: str, seq: int, seen: set[str]) -> Iterator[Opening]:
        """Those of an event; what belongs to none so far is a finding."""
        while (one := self._next) is not None and one["case"] in seen:
            if (one["case"], one["seq"]) == (case, seq):
                yield Opening(one["path"], one["value"], _salt(one["salt"]))
            elif one["case"] == case and one["seq"] > seq:
                return
            else:
                self._unknown(one)
            self._next = next(self._records, None)

    def end(self) -> None:
        """Whatever is left belongs to no event."""
        while self._next is not None:
            self._unknown(self._next)
            self._next = next(self._records, None)

    def _unknown(self, one: Mapping[str, Any]) -> None:
        said = f"{one['path'][:80]}: a value of an event that is not there."
        self._report.add("OPENING_UNKNOWN", said, one["case"][:40], one["seq"])


def _salt(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        return b""


def _check_manifest(archive: Archive, report: Report) -> None:
    """What the manifest counts is what is there."""
    for name, found in (("events", report.events), ("cases", report.cases)):
        if archive.manifest.get(name) != found:
            report.add("MANIFEST", f"The manifest counts other {name} than the {found} that are here.")
    note = archive.manifest.get("checkpoint")
    try:
        text = read_checkpoint(note).text if isinstance(note, str) else None
    except NoteError:
        text = b""
    if text != (report.last.text if report.last else None):
        report.add("MANIFEST", "The checkpoint in the manifest is not the last one here.")


# -- the command line --------------------------------------------------------------------------------------------------

PROVED, UNREADABLE_INPUT, FOUND = 0, 2, 8


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify an export; 0: it holds, 8: something is wrong, 2: there was nothing that could be read."""
    asked = _parser().parse_args(arguments)
    try:
        key = read_key(_given("--key", asked.key)) if asked.key is not None else None
        held, cut_off = _read_held(_given("--against", asked.against)) if asked.against is not None else Notes([], 0)
        report, archive = verify_export(Path(_given("EXPORT.zip", asked.export)), key, held)
    except (NoteError, Unreadable, OSError) as error:
        return _cannot(str(error), as_json=asked.json)
    except ModuleNotFoundError:
        return _cannot(
            "signatures are checked with the package 'cryptography': pip install cryptography", as_json=asked.json
        )
    report.cut_off = cut_off
    shown = archive.key if key is None else key
    if asked.json:
        signed = {"key": str(shown) if shown else None, "key_given": key is not None}
        said = {**report.document(), "complete": archive.is_complete, **signed}
        _print(json.dumps(said, indent=2) + "\n")  # JSON escapes what cannot be printed
    else:
        _print(_lines(_describe(report, archive, shown, key_given=key is not None, held=len(held))))
    return PROVED if report.ok else FOUND


def _given(option: str, text: str) -> str:
    """What an option was given; '' does not leave it out, since `--key "$(cat FILE)"` gives that for want of FILE."""
    if not text.strip():
        raise NoteError(f"{option} is empty: give it a value, or leave it out")
    return text


def _read_held(path: str) -> Notes:
    try:
        return read_notes(Path(path).read_bytes())
    except NoteError as error:
        raise NoteError(f"--against {path}: {error}") from None


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="verify.py", description="Prove that an export of Schakel is whole and legal."
    )
    parser.add_argument("export", metavar="EXPORT.zip", help="what schakel audit export wrote")
    parser.add_argument("--key", metavar="VKEY", help="the verifier key you hold, NAME+ID+KEY")
    parser.add_argument("--against", metavar="NOTE_FILE", help="checkpoints that were kept elsewhere")
    parser.add_argument("--json", action="store_true", help="answer with one JSON document")
    return parser


def _describe(
    report: Report, archive: Archive, key: VerifierKey | None, *, key_given: bool, held: int
) -> Iterator[str]:
    """The report for people."""
    manifest = archive.manifest
    scope = "everything" if archive.is_complete else "a selection of cases"
    at, by = (str(manifest.get(name))[:80] for name in ("made_at", "made_by"))
    yield f"An export of {scope}, made at {at} by {by}."
    ledger = f"{report.leaves} leaves, {report.checkpoints} checkpoints"
    yield f"Read: {report.events} events of {report.cases} cases, {ledger}."
    if report.last:
        yield f"The last checkpoint: {report.last.size} leaves at {report.last.at}."
    if report.unsequenced:
        yield f"{report.unsequenced} events are too new to have a leaf: they follow from their case, no more."
    if report.cut_off:
        yield f"Checkpoints that you hold and that are cut off, so that they say nothing: {report.cut_off}."
    for code, message, case, seq in report.findings:
        where = " ".join(filter(None, (case, f"event {seq}" if seq else "")))
        yield f"  {code}  {where + ': ' if where else ''}{message}"
    if not report.ok:
        yield report.verdict
        return
    if 0 < report.unsequenced == report.events:
        yield "Nothing is wrong with it: hashes, chains, rules and time order agree."
    else:
        yield "Nothing is wrong with it: hashes, chains, leaves, roots, signatures, rules and time order agree."
    yield "Its report and lists are for reading: nothing holds them against the events, which are what counts."
    if not archive.is_complete:
        yield "What was left out of a selection cannot be seen in it. That a case ends where it does here is not proved"
        yield "either, as events may have followed: only an export of everything proves that."
    yield from _proof(report, key, key_given=key_given, held=held)
    if not held:
        yield "Whether whoever has the key rewrote it all shows only against a checkpoint kept elsewhere (--against)."


def _proof(report: Report, key: VerifierKey | None, *, key_given: bool, held: int) -> Iterator[str]:
    """What the signatures of an export in which nothing is wrong are worth."""
    if key_given and not report.events:
        yield "There are no events in it, so there is nothing to prove."
    elif key_given:
        against = f", and against {held} checkpoints you hold" if held else ""
        part = f"{report.proved} of {report.events} events; the others are too new to be signed"
        yield f"Proved with the key you gave, {key}{against}" + (f": {part}." if report.unsequenced else ".")
    elif 0 < report.unsequenced == report.events:
        yield "Nothing in it is signed, so nothing shows who made it, or when: anybody can make up such a history."
        yield "Ask for an export made after the next checkpoint, and verify that with the key you hold (--key)."
    else:
        yield f"It is signed by {key or 'nobody'}"
        yield "Compare it with the one you hold (--key): whoever made up a history can sign it with a key of their own."


def _cannot(reason: str, *, as_json: bool) -> int:
    if as_json:
        _print(_lines([json.dumps({"error": "usage", "message": reason})]))
    else:
        _complain(reason)
    return UNREADABLE_INPUT


def _print(text: str) -> None:
    """To standard output. Should that be full or closed, or its reader gone, the exit code is still the verdict's."""
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _forget(sys.stdout)
    except (OSError, AttributeError) as error:  # a stream that is closed from the beginning is None
        _forget(sys.stdout)
        _complain(f"the answer cannot be written: {getattr(error, 'strerror', None) or 'standard output is closed'}")


def _complain(reason: str) -> None:
    try:
        sys.stderr.write(_lines([f"verify.py: {reason}"]))
        sys.stderr.flush()
    except (OSError, AttributeError):
        _forget(sys.stderr)


def _forget(stream: IO[str]) -> None:
    """Let what could not be written go nowhere: the interpreter would try it again as it ends, and exit with 120."""
    with suppress(OSError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def _lines(said: Iterable[str]) -> str:
    """A line each, whatever the names in it hold: an export that somebody made up must not add a verdict of its own."""
    return "".join(f"{_plain(line)}\n" for line in said)


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() else "?" for char in text)


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    sys.exit(main())
