"""What an export and the verifier read: every row as it is stored, once and in order, however few are read at once."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import astuple
from datetime import datetime
from typing import Any

import pytest
from filling import PROGRESS, minute, put, put_cases
from looking import bare

from workflow import Database, open_database
from workflow.clock import format_time
from workflow.storage import evidence, exporting
from workflow.storage.evidence import EVENT_COLUMNS, Chunks, Evidence
from workflow.storage.exporting import EVERYTHING, Range
from workflow.storage.store import Store
from workflow.storage.tables import cases, checkpoints, definitions, events, leaves, private_values, sequencer

EVENTS = [(1, 1), (1, 2), (2, 1), (3, 1), (3, 2), (3, 3), (4, 1)]
"""Of which cases which events there are; case 5 has none."""
LEAVES = [(0, 2, 1), (1, 1, 1), (2, 3, 1), (3, 3, 2), (4, 1, 2), (5, 3, 3), (6, 4, 9), (7, 2, 7)]
"""Index, case, event; the last two stand for events that are not there, and (4, 1) has none."""
VALUES = [(1, 1, "a.one"), (1, 1, "a.two"), (1, 2, "a.one"), (3, 1, "b"), (3, 3, "a"), (4, 1, "c")]
ALL = [0, 1, 2, 3, 5]


def hash_of(case: int, seq: int) -> str:
    return f"{case}{seq}" * 4


def bytes_of(case: int, seq: int) -> bytes:
    return f'{{"case":{case},"seq":{seq}}}'.encode()


@pytest.fixture
def store(database: Database) -> Iterator[Store]:
    """Five cases whose rows were written in another order than they are read in; leaf 3 has a wrong hash."""
    with database.writing() as found:
        put_cases(found, cases, 4, 2, 1)
        put(found, cases, {"id": 5, "reference": "C-5", "erased": True, "ended_at": minute(8), "due_at": minute(9)})
        put_cases(found, cases, 3, state="enriched", version=7, seq=3, facts='{"a":1}')
        for case, seq in [EVENTS[4], *reversed(EVENTS[5:]), *EVENTS[:4]]:
            at = minute(10 * case + seq)
            put(
                found,
                events,
                {"case_id": case, "seq": seq, "at": at, "canonical": bytes_of(case, seq)} | hashed(case, seq),
            )
        for index, case, seq in reversed(LEAVES):
            put(found, leaves, {"id": index, "case_id": case, "seq": seq} | hashed(case, seq, index == 3))
        for case, seq, path in reversed(VALUES):
            row = {"case_id": case, "seq": seq, "path": path, "value": f'"{path}{case}"', "salt": bytes([case, seq])}
            put(found, private_values, row)
        for number in (3, 1, 2):
            at = minute(100 - number)
            put(
                found, checkpoints, {"id": number, "at": at, "size": number, "root": f"r{number}", "note": f"n{number}"}
            )
        for name, version in (("one", "1"), ("one", "2"), ("two", "1")):
            canonical = f"{name} {version}".encode()
            put(found, definitions, {"name": name, "version": version, "digest": f"d{version}", "canonical": canonical})
        found.change(sequencer.update().values(size=8))
        yield found


def hashed(case: int, seq: int, is_wrong: bool = False) -> dict[str, str]:
    return {"hash": "ff" if is_wrong else hash_of(case, seq)}


def tuples(found: Iterable[Any]) -> list[tuple[Any, ...]]:
    return [astuple(row) for row in found]


def text(minutes: int) -> str:
    return format_time(minute(minutes))


# -- what an export reads ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("between", [EVERYTHING, (1, 3), (2, 2), (3, 5), (5, 9)])
@pytest.mark.parametrize("page", [1, 2, 3, 1000])
def test_an_export_reads_the_rows_of_a_range_of_cases_once_and_in_order(
    store: Store, between: Range, page: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "PAGE", page)
    first, last = between
    chosen = [number for number in range(1, 6) if first <= number <= last]
    index = {(case, seq): index for index, case, seq in LEAVES}

    assert tuples(exporting.events_between(store, between)) == [
        (case, seq, bytes_of(case, seq), hash_of(case, seq), index.get((case, seq)))
        for case, seq in EVENTS
        if case in chosen
    ]
    assert tuples(exporting.openings_between(store, between)) == [
        (case, f"C-{case}", seq, path, f'"{path}{case}"', bytes([case, seq]))
        for case, seq, path in VALUES
        if case in chosen
    ]
    assert tuples(exporting.leaves_between(store, between)) == [
        (index, case, f"C-{case}", seq, "ff" if index == 3 else hash_of(case, seq))
        for index, case, seq in sorted(LEAVES, key=lambda leaf: leaf[1:])
        if case in chosen
    ]
    assert list(exporting.references_between(store, between)) == [(number, f"C-{number}") for number in chosen]
    assert [case.case_id for case in exporting.cases_between(store, between)] == chosen


def test_an_export_reads_the_row_of_a_case_as_people_may_want_to_see_it(store: Store) -> None:
    third, _, fifth = exporting.cases_between(store, (3, 5))

    start = text(0)
    plain = (3, "C-3", "E-3", "enriched", 7, 3, '{"a":1}', PROGRESS, start, start, "", "", False)
    ended = (5, "C-5", None, "registered", 1, 1, "{}", PROGRESS, start, start, text(9), text(8), True)
    assert astuple(third) == plain
    assert astuple(fifth) == ended


@pytest.mark.parametrize("page", ALL[1:])
def test_an_export_reads_every_leaf_by_index(store: Store, page: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "PAGE", page)
    expected = [
        (index, case, f"C-{case}", seq, "ff" if index == 3 else hash_of(case, seq)) for index, case, seq in LEAVES
    ]

    assert tuples(exporting.all_leaves(store)) == expected
    assert tuples(filter(None, (exporting.leaf_at(store, index) for index in range(9)))) == expected
    assert exporting.leaf_at(store, 8) is None


@pytest.mark.parametrize("page", [1, 2, 1000])
@pytest.mark.parametrize(
    ("since", "before", "expected"),
    [
        (None, None, [1, 2, 3, 4]),
        (minute(12), None, [1, 2, 3, 4]),
        (minute(13), None, [2, 3, 4]),
        (minute(33), None, [3, 4]),
        (None, minute(31), [1, 2]),
        (None, minute(32), [1, 2, 3]),
        (minute(21), minute(32), [2, 3]),
        (minute(50), None, []),
    ],
)
def test_a_case_is_active_from_a_moment_until_just_before_another(
    store: Store,
    page: int,
    since: datetime | None,
    before: datetime | None,
    expected: list[int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(exporting, "PAGE", page)

    assert list(exporting.active_cases(store, since, before)) == expected


def test_what_was_altered_past_the_engine_is_exported_as_it_stands(sqlite_url: str) -> None:
    """Texts where bytes belong, moments that are none, rows of a case that is gone (SQLite, which takes all that)."""
    with bare(sqlite_url) as connection:
        connection.execute("INSERT INTO leaves VALUES (1, 7, 1, 'g')")
        connection.execute("INSERT INTO private_values VALUES (7, 1, 'a', '1', x'01')")
        columns = (
            "case_id, seq, at, actor, os_user, via, kind, to_state, definition_version, canonical, prev_hash, hash"
        )
        values = "7, 1, 'x', 'a', 'b', 'c', 'd', 'e', 'f', 'é', '', 'g'"
        connection.execute(f"INSERT INTO events ({columns}) VALUES ({values})")
        connection.execute("INSERT INTO definitions VALUES ('one', '1', 'd', 'é')")
        connection.execute("INSERT INTO checkpoints VALUES (1, 'soon', 1, 'r', 'n')")

    database = open_database(sqlite_url)
    with database.reading() as store:
        assert tuples(exporting.events_between(store, (7, 7))) == [(7, 1, "é".encode(), "g", 1)]
        assert tuples(exporting.openings_between(store, (7, 7))) == [(7, "", 1, "a", "1", b"\x01")]
        assert tuples(exporting.all_leaves(store)) == [(1, 7, "", 1, "g")]
        assert list(Evidence(store).definitions()) == [("one", "1", "d", "é")]
        assert list(Evidence(store).checkpoints()) == [("soon", 1, "r", "n")]
        assert Evidence(store).reference_of(7) == ""
    database.dispose()


# -- what the verifier reads -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("chunk", [1, 2, 500])
@pytest.mark.parametrize("case_id", [None, 3, 2, 9])
def test_the_verifier_reads_the_rows_of_all_cases_or_of_one_once_and_in_order(
    store: Store, case_id: int | None, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "CHUNK", chunk)
    read = Evidence(store, case_id)
    own = [(case, seq) for case, seq in EVENTS if case_id in (None, case)]
    index = {(case, seq): index for index, case, seq in LEAVES}
    fixed = ("anna", "anna-os", "python", "opened", None, None, "registered", "1", "")

    assert read.is_of_one_case == (case_id is not None)
    assert flat(read.linked_events(), chunk) == [
        (bytes_of(case, seq), hash_of(case, seq), case, index[case, seq] != 3 if (case, seq) in index else None)
        for case, seq in own
    ]
    assert [(*row[:4], evidence.as_text(row[4]), *row[5:]) for row in flat(read.whole_events(), chunk)] == [
        (case, bytes_of(case, seq), hash_of(case, seq), seq, text(10 * case + seq), *fixed) for case, seq in own
    ]
    assert len(EVENT_COLUMNS) == len(fixed) + 2
    assert flat(read.leaf_times(), chunk, 3) == [
        (index, case, seq, text(10 * case + seq)) for index, case, seq in LEAVES if (case, seq) in own
    ]
    assert flat(read.orphaned_leaves(), chunk) == [leaf for leaf in LEAVES[-2:] if case_id in (None, leaf[1])]
    assert sorted(flat(read.openings(), chunk)) == [
        (case, seq, path, f'"{path}{case}"', bytes([case, seq]))
        for case, seq, path in VALUES
        if case_id in (None, case)
    ]
    assert [row[:2] for row in flat(read.openings(), chunk)] == [
        (case, seq) for case, seq, _ in VALUES if case_id in (None, case)
    ]
    assert read.count_chunks() == -(-len(own) // chunk)
    assert [(number, name, row()[0]["reference"]) for number, name, row in read.cases()] == [
        (number, f"C-{number}", f"C-{number}") for number in range(1, 6) if case_id in (None, number)
    ]


@pytest.mark.parametrize("chunk", [1, 2, 500])
def test_the_verifier_reads_leaves_and_checkpoints_of_all_cases_also_for_one(
    store: Store, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evidence, "CHUNK", chunk)
    read = Evidence(store, 2)
    digests = [("one", "1", "d1", b"one 1"), ("one", "2", "d2", b"one 2"), ("two", "1", "d1", b"two 1")]

    assert flat(read.leaf_hashes(), chunk) == [
        (index, "ff" if index == 3 else hash_of(case, seq)) for index, case, seq in LEAVES
    ]
    assert list(read.checkpoints()) == [
        (text(100 - number), number, f"r{number}", f"n{number}") for number in (1, 2, 3)
    ]
    assert sorted(read.definitions()) == digests
    assert [read.reference_of(case) for case in (3, 3, 1, 9, 3, None)] == ["C-3", "C-3", "C-1", "", "C-3", ""]
    assert read.sequenced() == (8, "[]")


def test_the_verifier_is_told_when_nobody_knows_how_many_leaves_there_are(store: Store) -> None:
    store.execute("DELETE FROM sequencer")

    assert Evidence(store).sequenced() is None


def test_a_case_is_found_by_either_reference(store: Store) -> None:
    asked = [("C-3", "E-1"), ("E-3", "E-1"), (None, "E-3"), (None, "C-3"), (None, "E-9")]

    found = [evidence.find(store, reference=reference, external=external) for reference, external in asked]

    assert found == [3, None, 3, None, None]


def flat(chunks: Chunks, most: int, moment: int | None = None) -> list[tuple[Any, ...]]:
    """All rows of the chunks, of which none is longer than that; the column with a moment as text."""
    read = [[tuple(row) for row in chunk] for chunk in chunks]
    assert [len(chunk) for chunk in read[:-1]] == [most] * (len(read) - 1)
    assert all(0 < len(chunk) <= most for chunk in read)
    return [
        tuple(evidence.as_text(value) if place == moment else value for place, value in enumerate(row))
        for row in itertools.chain(*read)
    ]
