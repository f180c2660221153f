"""An export: everything an auditor needs to check history without us, in one zip, as one moment of the database."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from heapq import merge
from pathlib import Path

from workflow.clock import format_time
from workflow.events import Origin
from workflow.facts import Json
from workflow.history import FORGED
from workflow.ledger import files, lists
from workflow.ledger.account import Account, Render, seal_of, timelines
from workflow.ledger.archive import Archive, Watch, new_archive, sha256_of, writing_to
from workflow.ledger.entries import entry_of
from workflow.ledger.lists import Row
from workflow.ledger.proofs import TreeFile
from workflow.ledger.revealing import reveal
from workflow.ledger.selection import Asked, Chosen, choose
from workflow.ledger.sequencer import is_ahead, run_once, wrong_key
from workflow.ledger.signing import Signer
from workflow.ledger.spreadsheets import write_csv, write_xlsx
from workflow.ledger.verify import FORMAT
from workflow.storage import Database, exporting, ledger
from workflow.storage.exporting import StoredCase
from workflow.storage.ledger import Head
from workflow.storage.store import Store
from workflow.work import Rules

_README = """\
An export by Schakel: the history of cases, with proofs, rules and lists; report.html is for people.
To check it, with a verify.py that you took from a release: python verify.py {file} --key KEY
KEY is the verifier key that you were given before, not one from in here.
Moments in lists/ and the report are by the clocks of Amsterdam (UTC+1, in summer UTC+2), all others in UTC.
Personal values are masked in lists/, whatever was asked; an export with --reveal has them in openings.jsonl.
"""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be exported, by whom, and where to.

    `reveal` adds the personal values and leaves an event in each case. `against` are the sizes of checkpoints somebody
    holds, from which a proof leads to the last. `key` is the verifier key of this installation, if it has one, and
    `signer` seals what `reveal` adds where nothing else could before the file is written (`is_ahead`).
    """

    out: Path
    asked: Asked
    origin: Origin
    now: datetime
    reveal: bool = False
    against: tuple[int, ...] = ()
    force: bool = False
    key: str | None = None
    signer: Signer | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written; `waiting` counts events that have no leaf in the ledger yet."""

    file: Path
    events: int
    cases: int
    waiting: int
    complete: bool
    checkpoint: Head | None
    sha256: str


def export(database: Database, rules: Rules, order: Order, render: Render, watch: Watch) -> Exported:
    """Write an export, as a stream, under its name only when it is whole; `watch` is told what was written.

    Raises UsageError: it may not be written there. NoSuchCase. SchakelError: it could not be written.
    """
    with new_archive(order.out, order.now, force=order.force, watch=watch) as archive:
        counted, head = _take_down(database, rules, order, render, archive)
    return Exported(
        file=order.out,
        events=counted.events,
        cases=counted.cases,
        waiting=counted.waiting,
        complete=order.asked.everything,
        checkpoint=head,
        sha256=sha256_of(order.out),
    )


def _take_down(
    database: Database, rules: Rules, order: Order, render: Render, archive: Archive
) -> tuple[files.Counted, Head | None]:
    with database.reading() as store:
        chosen = choose(store, order.asked)
    told = array("q")
    while True:
        with database.reading() as store:
            # after the first turn only cases that were opened meanwhile: none is revealed without a word in its history
            untold = array("q", _missing(chosen.case_ids(store), Chosen(told)) if order.reveal else ())
            if not untold:
                return _Writer(archive, store, rules, order, chosen).write(render)
        reveal(database, rules, order.origin, order.now, untold, len(told) + len(untold))
        if order.signer:
            _seal_early(database, order.signer, order.now)
        told = array("q", merge(told, untold))


def _seal_early(database: Database, signer: Signer, now: datetime) -> None:
    """Give what was just revealed its leaves, if it would else seem to be put in long before the last checkpoint."""
    with database.reading() as store:
        last = _last_checkpoint(store)
    if is_ahead(last, now) and not wrong_key(last, signer):
        run_once(database, signer, now)


def _missing(case_ids: Iterable[int], told: Chosen) -> Iterator[int]:
    return (case_id for case_id in case_ids if case_id not in told)


@dataclass(frozen=True)
class _Writer:
    archive: Archive
    store: Store
    rules: Rules
    order: Order
    chosen: Chosen

    def write(self, render: Render) -> tuple[files.Counted, Head | None]:
        archive, store, chosen, order = self.archive, self.store, self.chosen, self.order
        complete, head = chosen.numbers is None, _last_checkpoint(store)
        archive.add("README.txt", _README.format(file=order.out.name).encode("utf-8", "backslashreplace"))
        counted = files.write_events(archive, store, chosen)
        if order.reveal:
            files.write_openings(archive, store, chosen)
        self._write_proofs(head, complete=complete)
        files.write_definitions(archive, store, self._write_lists())
        account = Account(
            made_at=order.now,
            made_by=order.origin.actor,
            asked=order.asked,
            revealed=order.reveal,
            events=counted.events,
            cases=counted.cases,
            waiting=counted.waiting,
            seal=seal_of(head),
            key=order.key,
            timelines=timelines(store, self.rules.definition, chosen, revealed=order.reveal),
        )
        with archive.text("report.html") as page:
            page.writelines(render(account))
        archive.add("verify.py", Path(__file__).with_name("verify.py").read_bytes())
        archive.add("manifest.json", _manifest(order, archive, head, counted, complete=complete))
        return counted, head

    def _write_proofs(self, head: Head | None, *, complete: bool) -> None:
        archive, store, against = self.archive, self.store, self.order.against
        with writing_to(self.order.out), TreeFile(self.order.out.parent) as tree:
            files.write_leaves(archive, store, self.chosen, tree, head.size if head else 0)
            sizes = files.write_checkpoints(archive, store, all_of_them=complete)
            files.write_proofs(archive, store, self.chosen, tree)
            if against or not complete:
                files.write_consistency(archive, tree, sorted({*against, *(() if complete else sizes)}))

    def _write_lists(self) -> set[tuple[str, str]]:
        """The lists; returns name and version of each definition that an event was judged by."""
        rules: set[tuple[str, str]] = set()

        def rows() -> Iterator[Row]:
            for event in self.chosen.of(self.store, exporting.events_between):
                entry = entry_of(event)
                rules.add(entry.rules)
                yield lists.event_row(entry)

        definition = self.rules.definition
        titles = lists.case_titles(definition.domain)
        row = partial(lists.case_row, definition, revealed=self.order.reveal)
        with self.archive.text("lists/cases.csv") as file:
            write_csv(file, titles, map(row, self._cases()))
        with self.archive.text("lists/events.csv") as file:
            write_csv(file, lists.EVENT_TITLES, rows())
        with self.archive.file("lists/cases.xlsx") as book:
            write_xlsx(book, "cases", titles, map(row, self._cases()))
        return rules

    def _cases(self) -> Iterator[StoredCase]:
        return self.chosen.of(self.store, exporting.cases_between)


def _last_checkpoint(store: Store) -> Head | None:
    """The last checkpoint. None also when its row was altered and cannot be read: it proves nothing then."""
    try:
        head = ledger.last_checkpoint(store)
    except FORGED:
        return None
    return head if head and files.is_size(head.size) and isinstance(head.note, str) else None


def _manifest(order: Order, archive: Archive, head: Head | None, counted: files.Counted, *, complete: bool) -> bytes:
    said: dict[str, Json] = {
        "format": FORMAT,
        "made_at": format_time(order.now),
        "made_by": order.origin.actor,
        "complete": complete,
        "selection": order.asked.document(),
        "revealed": order.reveal,
        "events": counted.events,
        "cases": counted.cases,
        "key": order.key,
        "checkpoint": head.note if head else None,
        "files": {name: {"sha256": note.sha256, "bytes": note.bytes} for name, note in archive.files.items()},
    }
    return (json.dumps(said, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "backslashreplace")
