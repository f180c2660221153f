"""The verification of a database: all that `verify.py` checks in an export, and what only a database can show.

Everything is read in one transaction, so of one moment, and as streams. First the ledger and the chains by their bytes
alone, which is fast; then what each event says, held against the rules of then and the rows that repeat it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain as joined
from itertools import groupby
from operator import itemgetter
from typing import Any

from workflow.definition import Definition
from workflow.encoding import as_mapping, lenient_json, read_json
from workflow.finding import find_case
from workflow.ledger.retelling import Retelling
from workflow.ledger.verify import (
    PUT_IN_OR_PASSED,
    Chain,
    Checkpoint,
    Kept,
    Ledger,
    Report,
    Tree,
    VerifierKey,
    Waiting,
    later_than,
)
from workflow.reference import parse_reference
from workflow.storage import Database, evidence, guards
from workflow.storage.evidence import Evidence
from workflow.storage.ledger import gaps_of
from workflow.storage.store import Store
from workflow.text import is_storable

Step = Callable[[], None]
"""Told after each chunk of events."""
_CASE, _IN_LEDGER = itemgetter(2), itemgetter(3)
"""Columns of `Evidence.linked_events`."""


def verify_database(
    database: Database,
    definition: Definition,
    key: VerifierKey | None,
    held: Sequence[Checkpoint] = (),
    *,
    case: str | None = None,
    begin: Callable[[int], Step] = lambda _: lambda: None,
) -> Report:
    """Verify everything, or one case and the ledger it is in; `definition` is the one this program runs.

    `begin` is told how many steps there will be. Raises NoSuchCase; StoreError: the database cannot be read at all.
    """
    report = Report(is_keyless=key is None)
    with database.reading() as store:
        if absent := guards.missing(store):
            lacks = ", ".join(absent[:8]) + (f" and {len(absent) - 8} more" if len(absent) > 8 else "")
            report.add("TABLES_MISSING", f"The database has no {lacks}; so nothing else was looked at.")
            return report
        for name in guards.fallen(store):
            report.add("TRIGGERS_MISSING", f"The trigger {name} is gone or refuses no more: rows can be changed.")
        found = Evidence(store, _find(store, case) if case is not None else None)
        step = begin(2 * found.count_chunks())
        verify_integrity(found, report, key, held, step)
        _check_times(found, report)
        Retelling(found, report, definition).check(step)
    return report


def verify_integrity(
    found: Evidence, report: Report, key: VerifierKey | None, held: Sequence[Checkpoint], step: Step
) -> None:
    """Hashes, chains, leaves, roots and signatures: whether anything was altered, whatever it says."""
    _check_ledger(found, report, key, held)
    linked = _check_chains(found, report, step)
    is_orphaned = False
    if linked != report.leaves or found.is_of_one_case:
        for rows in found.orphaned_leaves():
            is_orphaned = True
            for number, case_id, seq in rows:
                said = f"Leaf {number} stands for an event that is not there: it was removed."
                report.add("LEAF_WITHOUT_EVENT", said, found.reference_of(case_id), seq)
    _check_place(found, report, is_orphaned=is_orphaned)
    if strange := found.out_of_turn():
        number, case_id, seq = strange
        said = f"Its number, {number}, is none that the database gave: it was put in, so that later ones get no leaf."
        report.add("EVENT_NOT_SEQUENCED", said, found.reference_of(case_id), seq)


def _find(store: Store, case: str) -> int:
    """A case's number, without reading its row, which may be forged. Raises NoSuchCase."""
    if is_storable(case):
        number = evidence.find(store, reference=parse_reference(case), external=case.strip())
        if number is not None:
            return number
    return find_case(store, case)[0]


def _check_ledger(found: Evidence, report: Report, key: VerifierKey | None, held: Sequence[Checkpoint]) -> None:
    ledger = Ledger(report, (Kept(*row) for row in found.checkpoints()), key, held)
    expected = 0
    for rows in found.leaf_hashes():
        numbers, hashes = zip(*rows, strict=True)
        if numbers != tuple(range(expected, expected + len(rows))):
            _tell_gaps(report, expected, numbers)
        expected = numbers[-1] + 1
        try:
            entries = list(map(bytes.fromhex, hashes))
        except (TypeError, ValueError):
            entries = list(map(evidence.leaf_entry, hashes))
        ledger.grow(entries)
    ledger.end()
    _check_sequencer(found, report, ledger)


def _check_sequencer(found: Evidence, report: Report, ledger: Ledger) -> None:
    """What the next leaf would be appended to is the tree that the leaves make."""
    said = found.sequenced()
    if said is None:
        report.add("TABLES_MISSING", "The sequencer's only row is gone; the next pass of the worker would fail.")
    elif said[0] != report.leaves:
        report.add("LEAF_GAP", f"The sequencer has appended {said[0]} leaves, but there are {report.leaves}.")
    elif not ledger.is_off and not _are_peaks(said[1], ledger.tree):
        what = "The sequencer's notes (peaks) are not of the tree that the leaves make"
        report.add("ROOT_DIFFERS", f"{what}: whatever is signed next would never verify. Let no worker run.")


def _check_place(found: Evidence, report: Report, *, is_orphaned: bool) -> None:
    """The sequencer goes on behind the last event with a leaf; of those before it only what it skipped may wait."""
    row = found.came_to()
    if row is None or report.has_told("LEAF_GAP"):
        return
    (last, skipped), sealed = row, found.last_sealed()
    is_removed = is_orphaned and isinstance(last, int) and last > sealed  # the last event, as its leaf tells already
    if last != sealed and not is_removed:
        said = f"The sequencer says that it came to event {str(last)[:40]}, but the last one with a leaf is {sealed}"
        report.add("LEAF_GAP", f"{said}: events are passed over, or would get a second leaf.")
        return
    try:
        gaps = gaps_of(skipped, last)
    except (TypeError, ValueError):
        said = "What the sequencer says it skipped are no gaps below the last event that it came to"
        report.add("LEAF_GAP", f"{said}: whatever waits there gets no leaf, or a second one.")
        return
    if report.unsequenced and not report.has_told("EVENT_NOT_SEQUENCED"):
        for number, case_id, seq in joined.from_iterable(found.passed_by(last)):
            if not any(gap.first <= number <= gap.last for gap in gaps):
                said = f"It has no leaf, though the sequencer is past it: {PUT_IN_OR_PASSED}."
                report.add("EVENT_NOT_SEQUENCED", said, found.reference_of(case_id), seq)


def _are_peaks(stored: Any, tree: Tree) -> bool:
    try:
        return bool(read_json(stored) == [peak.hex() for peak in tree.peaks])
    except (TypeError, ValueError):
        return False


def _tell_gaps(report: Report, expected: int, numbers: Sequence[int]) -> None:
    for number in numbers:
        if number != expected:
            report.add("LEAF_GAP", f"Leaf {number} comes where leaf {expected} is expected.")
        expected = number + 1


def _check_chains(found: Evidence, report: Report, step: Step) -> int:
    """Every event by its bytes, and against its leaf; how many had one."""
    waiting = Waiting(report)
    chain, current, linked = Chain(), None, 0
    for rows in found.linked_events():
        done = 0
        if not waiting.passed and all(map(_IN_LEDGER, rows)):
            for case_id, group in groupby(rows, _CASE):
                if case_id != current:
                    chain, current = Chain(), case_id
                before = chain.seq
                if not chain.follows(group):
                    break
                done += chain.seq - before
        for row in rows[done:]:  # something here may be wrong
            if row[2] != current:
                chain, current = Chain(), row[2]
            linked += _look_closely(row, chain, waiting, report, found.reference_of(current))
        linked += done
        step()
    return linked


def _look_closely(row: Sequence[Any], chain: Chain, waiting: Waiting, report: Report, case: str) -> bool:
    """What is wrong with an event by its bytes; whether it has a leaf."""
    canonical, digest, _, agrees = row
    for code, message in chain.take(canonical, digest):
        report.add(code, message, case, chain.seq)
    if agrees is not None and not agrees:
        said = "Its leaf was made of another hash: one of them was changed after it was sequenced."
        report.add("LEAF_DIFFERS", said, case, chain.seq)
    waiting.take(case, chain.seq, _when(canonical), has_leaf=agrees is not None)
    return agrees is not None


def _when(canonical: Any) -> str:
    """When an event says it happened; '~', which is later than any time, when it cannot be read."""
    return str(as_mapping(lenient_json(canonical)).get("at", "~"))


def _check_times(found: Evidence, report: Report) -> None:
    """No event happened after the checkpoint that covers it."""
    heads = _ascending(found.checkpoints())
    size, signed = next(heads, (None, ""))
    for rows in found.leaf_times():
        for number, case_id, seq, at in rows:
            while size is not None and size <= number:
                size, signed = next(heads, (None, ""))
            if size is None:
                return
            if (when := str(evidence.as_text(at))) > signed:
                later_than(report, signed, when, found.reference_of(case_id), seq)


def _ascending(heads: Iterator[tuple[Any, Any, Any, Any]]) -> Iterator[tuple[int | None, str]]:
    """Size and time of the checkpoints that have more leaves than those before."""
    largest = -1
    for at, size, _, _ in heads:
        if isinstance(size, int) and size > largest:
            largest = size
            yield size, str(at)
