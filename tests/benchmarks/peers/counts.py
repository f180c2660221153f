"""Whether a peer wrote what it claims: its rows are counted, and its chains followed, after the last round."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from tests.benchmarks.peers import story
from tests.benchmarks.peers.claims import Peer
from tests.benchmarks.sameness import rows_of

COUNTS: Mapping[str, Mapping[str, int]] = {
    # claim      what is counted, and how many of it each moved case has
    "state":  {f"cases WHERE state = '{story.REGISTERED}' AND version = 2": 1, "cases": 1},
    "event":  {"events": 2, "events WHERE kind = 'moved' AND length(canonical) > 300": 1},
    "timers": {"timers": 1, "timers JOIN cases ON cases.id = case_id WHERE timers.due_at = cases.due_at": 1},
    "outbox": {"outbox": 2, "outbox WHERE state = 'pending' AND length(context) > 1000": 2},
    "chain":  {"events JOIN cases ON cases.id = case_id WHERE head = hash": 1},
}  # fmt: skip
FOLDED = frozenset({"eventsourced"})
"""Modules that keep no tables of ours: all that they write are the events of aggregates."""


class Link(NamedTuple):
    """An event of a chain."""

    case: str
    canonical: bytes
    prev_hash: str
    hash: str


def check(peer: Peer, url: str, cases: int) -> None:
    """Raise when there are more or fewer rows than so many moved cases leave, or when a chain does not hold."""
    folded = peer.module in FOLDED
    for claim in () if folded else sorted(peer.does):
        for counted, each in COUNTS[claim].items():
            (found,) = rows_of(url, f"SELECT count(*) AS n FROM {counted}")
            if found["n"] != each * cases:
                raise AssertionError(f"{peer.name}: {found['n']} {counted} instead of {each * cases}")
    if "chain" in peer.does:
        _follow(peer, _folded(url) if folded else _stored(url), cases)


def _follow(peer: Peer, links: Iterator[Link], cases: int) -> None:
    heads: dict[str, list[str]] = {}
    for link in links:
        before = heads.setdefault(link.case, [story.NO_HEAD])
        if link.prev_hash != before[-1] or hashlib.sha256(link.canonical).hexdigest() != link.hash:
            raise AssertionError(f"{peer.name}: the chain of case {link.case} does not hold")
        before.append(link.hash)
    if sorted(map(len, heads.values())) != [3] * cases:
        raise AssertionError(f"{peer.name}: not every one of {cases} cases has two events")


def _stored(url: str) -> Iterator[Link]:
    for row in rows_of(url, "SELECT case_id, canonical, prev_hash, hash FROM events ORDER BY case_id, seq"):
        yield Link(str(row["case_id"]), row["canonical"], row["prev_hash"], row["hash"])


def _folded(url: str) -> Iterator[Link]:
    """The same from aggregates, whose events hold the letters too."""
    table = "stored_events" if url.startswith("sqlite") else "desk_events"
    for row in rows_of(url, f"SELECT originator_id, state FROM {table} ORDER BY originator_id, originator_version"):
        said = json.loads(row["state"])
        told = json.loads(said["canonical"])
        if told["kind"] == "moved" and [len(letter["context"]) > 1000 for letter in said["letters"]] != [True, True]:
            raise AssertionError(f"{told['case']} was moved without its letters")
        yield Link(str(row["originator_id"]), said["canonical"].encode(), told["prev_hash"], said["head"])
