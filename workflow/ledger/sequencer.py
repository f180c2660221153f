"""The sequencer: appends each event, after its commit, as a leaf of the tree, and signs the tree's new head."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from typing import NamedTuple

from workflow.arguments import in_utc
from workflow.clock import format_time
from workflow.errors import HistoryBroken, UsageError
from workflow.ledger.signing import Signer, short_name, signers_of
from workflow.ledger.verify import Tree, leaf_hash
from workflow.storage import Database, ledger
from workflow.storage.ledger import Entry, Gap, Head, Progress
from workflow.storage.store import Store

BATCH = 2_000
"""Leaves appended in one transaction."""
HEARTBEAT = timedelta(minutes=15)
"""A checkpoint is signed at least this often, also when nothing happened."""

MEND = "run schakel audit verify, then put a whole copy back (docs/operations.md, 'Putting a copy back')"
"""What to do about a row of the sequencer that is not of the leaves beside it."""


@dataclass(frozen=True, slots=True)
class Sequenced:
    """What one pass did."""

    leaves: int = 0
    checkpoints: int = 0

    def __add__(self, other: Sequenced) -> Sequenced:
        return Sequenced(self.leaves + other.leaves, self.checkpoints + other.checkpoints)


class Moments(NamedTuple):
    """What time it is, and when the caller signed last by the same clock."""

    now: datetime
    signed_at: datetime | None


def run_once(database: Database, signer: Signer | None, now: datetime, signed_at: datetime | None = None) -> Sequenced:
    """Append what has no leaf yet, and sign; without a key leaves are appended and nothing is signed.

    `signed_at` is when the caller signed last, by the clock of `now`; it counts when the last checkpoint is of a time
    to come, since a clock ran ahead.

    Single because whoever is at it holds one row; another passes by. Leaves and checkpoint commit together. Raises
    UsageError: another key signed the ledger; leaves were appended all the same. Or `now` does not say its zone.
    HistoryBroken: the row of the sequencer is not of these leaves, so nothing was appended behind them.
    """
    now = in_utc("now", now)
    total = Sequenced()
    with database.reading() as store:
        fault = wrong_key(ledger.last_checkpoint(store), signer)
    usable = None if fault else signer
    moments = Moments(now, signed_at)
    while _has_work(database, usable, moments):
        with database.writing() as store:
            progress = ledger.take_progress(store)
            done = _batch(store, progress, usable, moments) if progress else Sequenced()
        total += done
        if done.leaves < BATCH:
            break
    if fault:
        raise fault
    return total


def wrong_key(last: Head | None, signer: Signer | None) -> UsageError | None:
    """What is wrong with signing by this key after that checkpoint: a ledger that two keys signed never verifies."""
    found = signers_of(last.note) if last else ()
    if signer is None or not found or short_name(signer.key) in found:
        return None
    return UsageError(
        f"The ledger is signed by {', '.join(found)}; this key is {short_name(signer.key)}: put that key back. A ledger"
        " is signed by one key from its first checkpoint to its last, so nothing is signed by another."
    )


def amiss(store: Store, progress: Progress) -> str:
    """What keeps the sequencer from going on behind the leaves that there are; '' when nothing does."""
    leaves, event = ledger.newest_leaf(store)
    if (progress.size, len(progress.peaks)) != (leaves, leaves.bit_count()):
        counted = f"{progress.size} leaves, {len(progress.peaks)} peaks"
        return f"The row of the sequencer ({counted}) is not of the tree that the {leaves} leaves make"
    if event > progress.last_event:
        return f"The row of the sequencer says that it came to event {progress.last_event}, but {event} has its leaf"
    if number := ledger.out_of_turn(store):
        return (
            f"The highest number of an event, {number}, is none that the database gave: later ones would be passed over"
        )
    return ""


def _has_work(database: Database, signer: Signer | None, moments: Moments) -> bool:
    """Whether a pass would write: looked up without keeping writers off."""
    with database.reading() as store:
        progress = ledger.read_progress(store)
        if progress.skipped or ledger.entries_after(store, progress.last_event, 1):
            return True
        return signer is not None and _is_due(ledger.last_checkpoint(store), progress.size, moments)


def _batch(store: Store, progress: Progress, signer: Signer | None, moments: Moments) -> Sequenced:
    if said := amiss(store, progress):
        why = "Somebody altered it, or a copy was put back without it; nothing is sealed until it is put right"
        raise HistoryBroken(f"{said}. {why}: {MEND}")
    found = ledger.entries_after(store, progress.last_event, BATCH)
    late, gaps = ((), ()) if store.is_sqlite else _late(store, progress, found)
    entries = [*late, *found]
    tree = Tree(progress.size, [bytes.fromhex(peak) for peak in progress.peaks])
    ledger.append_leaves(store, tree.size, entries)
    for entry in entries:
        tree.append(leaf_hash(bytes.fromhex(entry.hash)))
    last_event = found[-1].id if found else progress.last_event
    after = Progress(tree.size, last_event, tuple(gaps), tuple(peak.hex() for peak in tree.peaks))
    if after != progress:
        ledger.save_progress(store, after)
    return Sequenced(len(entries), _sign(store, tree, entries, signer, moments))


def _late(store: Store, progress: Progress, found: list[Entry]) -> tuple[list[Entry], list[Gap]]:
    """Events that came into earlier gaps, and the gaps that may still be filled.

    PostgreSQL numbers an event before it commits. A transaction has its own number before it numbers an event, so
    all who can still fill a gap have a number below the next one that was free when a higher event was seen.
    The new events were read first: an event of theirs can only follow one that is visible now.
    """
    lowest, following = ledger.running(store)
    late = [entry for gap in progress.skipped for entry in ledger.entries_in(store, gap)]
    open_still = [gap for gap in progress.skipped if gap.until > lowest]
    numbers = [progress.last_event, *(entry.id for entry in found)]
    fresh = [Gap(low + 1, high - 1, following) for low, high in pairwise(numbers) if high - low > 1]
    return late, [*open_still, *fresh]


def _sign(store: Store, tree: Tree, entries: list[Entry], signer: Signer | None, moments: Moments) -> int:
    last = ledger.last_checkpoint(store)
    if signer is None or not (entries or _is_due(last, tree.size, moments)):
        return 0
    if fault := wrong_key(last, signer):  # another one signed the first checkpoint just now
        raise fault
    at = max([moments.now, *(entry.at for entry in entries), *([_following(last, tree.size)] if last else [])])
    note = signer.checkpoint(tree.size, tree.root(), format_time(at), last.note if last else None)
    ledger.add_checkpoint(store, Head(at, tree.size, tree.root().hex(), note))
    return 1


def _following(last: Head, size: int) -> datetime:
    """The earliest time of the next checkpoint. A heartbeat differs from the one before by its time alone."""
    return last.at if last.size < size else last.at + timedelta(microseconds=1)


def _is_due(last: Head | None, size: int, moments: Moments) -> bool:
    """A time that lies ahead of this clock says nothing of when was signed; then this caller goes by its own."""
    if last is None or last.size < size:
        return True
    if is_ahead(last, moments.now):
        return moments.signed_at is None or abs(moments.now - moments.signed_at) >= HEARTBEAT
    return moments.now - last.at >= HEARTBEAT


def is_ahead(last: Head | None, now: datetime) -> bool:
    """Whether the last checkpoint was signed by a clock so far ahead of this one that it says nothing of when.

    What happens now has then to be sealed before it is verified: by its time it is too old to have no leaf.
    """
    return last is not None and last.at - now >= HEARTBEAT
