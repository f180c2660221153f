"""One entry of a case's history: its fields, its canonical bytes, and the hash that chains it to the one before."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import pwd
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple

import rfc8785

from workflow.clock import format_time, parse_time
from workflow.encoding import sorted_json
from workflow.facts import Json

GENESIS = "0" * 64
"""What the first event of a case names as the hash before it."""
SALT_BYTES = 32
LARGEST = 2**53 - 1
"""The largest integer that every reader of JSON takes exactly."""
_EMPTY: Mapping[str, str] = MappingProxyType({})


class Kind(StrEnum):
    """What an event says happened."""

    OPENED = "opened"
    RECORDED = "recorded"
    MOVED = "moved"
    REFUSED = "refused"
    HELD = "held"
    RESUMED = "resumed"
    NOTED = "noted"
    REMINDED = "reminded"
    ESCALATED = "escalated"
    LETTER_SENT = "letter_sent"
    LETTER_FAILED = "letter_failed"
    LETTER_UNKNOWN = "letter_unknown"
    ERASED = "erased"
    REVEALED = "revealed"


COUNTS_AS_VERSION = frozenset({Kind.OPENED, Kind.RECORDED, Kind.MOVED, Kind.HELD, Kind.RESUMED, Kind.ERASED})
"""The kinds that change what an operator decided upon; the others lengthen the history only."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Who asks, and by which way: `actor` is what the caller says, `os_user` what the machine knows."""

    actor: str
    os_user: str
    via: str

    @classmethod
    def of_user(cls, via: str) -> Origin:
        """The user that runs this program."""
        user = os_user()
        return cls(user, user, via)

    def by(self, via: str) -> Origin:
        """The same, who asks by this way."""
        return replace(self, via=via)


def os_user() -> str:
    """The user this process runs as, by the machine's own account table where it has one; no variable can change it."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid-{os.getuid()}"


class Opening(NamedTuple):
    """What opens a commitment: the personal value an event only committed to, and the salt it was committed with."""

    path: str
    value: Json
    salt: bytes


class Event(NamedTuple):
    """An entry of a case's history; `canonical` are the bytes that `hash` is over (RFC 8785, all fields but `hash`)."""

    case: str
    seq: int
    at: datetime
    origin: Origin
    kind: Kind
    trigger: str | None
    source: str | None
    target: str
    definition: tuple[str, str, str]
    """Name, version and digest of the definition that judged it."""
    body: Mapping[str, Json]
    commitments: Mapping[str, str]
    previous: str
    canonical: bytes
    hash: str


def is_chained(events: Iterable[Event]) -> bool:
    """Whether these are all events of a case in order, each with the hash of its bytes and that of the one before."""
    previous = GENESIS
    for number, event in enumerate(events, 1):
        real = hashlib.sha256(event.canonical).hexdigest()
        if (event.seq, event.previous, event.hash) != (number, previous, real):
            return False
        previous = real
    return True


def seal(
    *,
    case: str,
    seq: int,
    at: datetime,
    origin: Origin,
    kind: Kind,
    trigger: str | None,
    source: str | None,
    target: str,
    definition: tuple[str, str, str],
    body: Mapping[str, Json],
    commitments: Mapping[str, str] = _EMPTY,
    previous: str,
) -> Event:
    """Make the event: write its canonical bytes and hash them. Raises ValueError on a float or a huge integer."""
    name, version, digest = definition
    says: dict[str, Json] = {
        "actor": origin.actor,
        "at": format_time(at),
        "body": dict(body),
        "case": case,
        "commitments": dict(commitments),
        "definition": {"digest": digest, "name": name, "version": version},
        "from": source,
        "kind": str(kind),
        "os_user": origin.os_user,
        "prev_hash": previous,
        "seq": seq,
        "to": target,
        "trigger": trigger,
        "via": origin.via,
    }
    canonical = _canonical(says, doubtful=[says["body"], says["commitments"]])
    digest_now = hashlib.sha256(canonical).hexdigest()
    return Event(
        case,
        seq,
        at,
        origin,
        kind,
        trigger,
        source,
        target,
        definition,
        body,
        commitments,
        previous,
        canonical,
        digest_now,
    )


def read_event(canonical: bytes, digest: str) -> Event:
    """The event that these canonical bytes say. Raises ValueError or KeyError when they say none."""
    return event_from(json.loads(canonical), canonical, digest)


def event_from(says: Mapping[str, Any], canonical: bytes, digest: str) -> Event:
    """The event that canonical bytes say which were parsed already. Raises ValueError or KeyError as above."""
    rules = says["definition"]
    return Event(
        says["case"],
        says["seq"],
        parse_time(says["at"]),
        Origin(says["actor"], says["os_user"], says["via"]),
        Kind(says["kind"]),
        says["trigger"],
        says["from"],
        says["to"],
        (rules["name"], rules["version"], rules["digest"]),
        says["body"],
        says["commitments"],
        says["prev_hash"],
        canonical,
        digest,
    )


def canonical_bytes(value: Json) -> bytes:
    """The RFC 8785 bytes of a JSON value. Raises ValueError on a float, or an integer beyond 2^53."""
    return _canonical(value, doubtful=value)


def _canonical(value: Json, *, doubtful: Json) -> bytes:
    """The same, when only `doubtful` may hold what an ordinary encoder writes otherwise."""
    if _is_simple(doubtful):  # a test holds this short cut against rfc8785 itself
        return sorted_json(value)
    _refuse_floats(value)
    return rfc8785.dumps(value)


def commit(value: Json, salt: bytes) -> str:
    """HMAC-SHA256 of a value under its own salt, as hex: says nothing about the value once the salt is gone."""
    return hmac.digest(salt, canonical_bytes(value), hashlib.sha256).hex()


def commit_all(
    values: Mapping[str, Json], random_bytes: Callable[[int], bytes]
) -> tuple[dict[str, str], tuple[Opening, ...]]:
    """Commit to each personal value with a fresh salt: the commitments for the event, the openings for their table."""
    openings = tuple(Opening(path, value, random_bytes(SALT_BYTES)) for path, value in values.items())
    return {opening.path: commit(opening.value, opening.salt) for opening in openings}, openings


def _is_simple(value: object) -> bool:
    """Whether an ordinary encoder writes what RFC 8785 asks: integers fit, keys are ASCII and so sort alike."""
    if isinstance(value, str) or value is None or isinstance(value, bool):
        return True
    if isinstance(value, dict):
        for key, inner in value.items():
            if type(key) is not str or not key.isascii() or not (type(inner) is str or _is_simple(inner)):
                return False
        return True
    if isinstance(value, int):
        return -LARGEST <= value <= LARGEST
    return isinstance(value, list) and all(map(_is_simple, value))


def _refuse_floats(value: Json) -> None:
    if isinstance(value, float):
        raise ValueError("a float has no place in history: its text differs between machines")
    if isinstance(value, dict):
        for inner in value.values():
            _refuse_floats(inner)
    elif isinstance(value, list):
        for inner in value:
            _refuse_floats(inner)
