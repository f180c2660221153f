"""Every event becomes one leaf, once, whoever is at it and whatever breaks; each head is signed and only grows."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from employers import bring
from looking import bare, count, look
from tampering import run

from workflow import Database, Engine, open_database
from workflow.clock import SetClock
from workflow.errors import HistoryBroken, UsageError
from workflow.ledger import sequencer
from workflow.ledger.outside import departure, keep_copy, last_kept
from workflow.ledger.sequencer import Sequenced, run_once
from workflow.ledger.signing import Signer, make_key, read_signer, short_name
from workflow.ledger.verify import Tree, leaf_hash, read_checkpoint


@pytest.fixture
def signer(tmp_path: Path) -> Signer:
    make_key(tmp_path / "signing.key", "schakel/test")
    return read_signer(tmp_path / "signing.key")


@pytest.fixture
def on_postgres(postgres_url: str, make_engine: Callable[[Database], Engine]) -> Iterator[Engine]:
    database = open_database(postgres_url)
    yield make_engine(database)
    database.dispose()


def leaves(url: str) -> list[dict[str, Any]]:
    return look(url, "SELECT * FROM leaves ORDER BY id")


def checkpoints(url: str) -> list[dict[str, Any]]:
    return look(url, "SELECT * FROM checkpoints ORDER BY id")


def sealed(engine: Engine, url: str, signer: Signer, clock: SetClock) -> tuple[list[dict[str, Any]], ...]:
    """Some events are leaves under a signed head: both, to see later whether they stayed."""
    bring(engine, "enriched")
    run_once(engine.database, signer, clock.now())
    return leaves(url), checkpoints(url)


def is_whole(url: str) -> None:
    """The leaves are the events, each once and each case's in order.

    Every checkpoint is over the first of them, and names the one before it.
    """
    rows = leaves(url)
    assert [row["id"] for row in rows] == list(range(len(rows)))
    events = look(url, "SELECT case_id, seq, hash FROM events")
    assert sorted((row["case_id"], row["seq"], row["hash"]) for row in rows) == sorted(
        (row["case_id"], row["seq"], row["hash"]) for row in events
    )
    for case in {row["case_id"] for row in rows}:
        seqs = [row["seq"] for row in rows if row["case_id"] == case]
        assert seqs == sorted(seqs)
    tree, roots = Tree(), {0: Tree().root()}
    for row in rows:
        tree.append(leaf_hash(bytes.fromhex(row["hash"])))
        roots[tree.size] = tree.root()
    assert all(roots[row["size"]].hex() == row["root"] for row in checkpoints(url))
    heads = [read_checkpoint(row["note"]) for row in checkpoints(url)]
    assert [head.prev for head in heads] == ["", *(head.hash for head in heads)][: len(heads)]


def test_every_event_becomes_a_leaf_under_a_signed_head(
    engine: Engine, clock: SetClock, url: str, signer: Signer
) -> None:
    bring(engine, "registered")
    bring(engine, "confirmed")

    done = run_once(engine.database, signer, clock.now())

    assert done == Sequenced(count(url, "events"), 1)
    is_whole(url)
    (row,) = checkpoints(url)
    head = read_checkpoint(row["note"])
    assert (head.origin, head.size, head.root.hex()) == ("schakel/test", done.leaves, row["root"])
    assert head.signed_by(signer.key)


def test_nothing_new_writes_nothing_until_a_quarter_of_an_hour_has_passed(
    engine: Engine, clock: SetClock, url: str, signer: Signer
) -> None:
    bring(engine, "registered")
    run_once(engine.database, signer, clock.now())

    clock.moment += timedelta(minutes=14)
    assert run_once(engine.database, signer, clock.now()) == Sequenced()
    clock.moment += timedelta(minutes=1)
    assert run_once(engine.database, signer, clock.now()) == Sequenced(0, 1)

    first, second = checkpoints(url)
    assert (first["size"], first["root"]) == (second["size"], second["root"])
    assert read_checkpoint(first["note"]).at < read_checkpoint(second["note"]).at


def test_a_pass_with_nothing_to_do_keeps_no_writer_off(
    sqlite_engine: Engine, clock: SetClock, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    bring(sqlite_engine, "registered")
    run_once(sqlite_engine.database, signer, clock.now())

    monkeypatch.setattr(sqlite_engine.database, "writing", None)

    clock.moment += timedelta(minutes=14)
    assert run_once(sqlite_engine.database, signer, clock.now()) == Sequenced()
    clock.moment += timedelta(days=1)
    assert run_once(sqlite_engine.database, None, clock.now()) == Sequenced()


def test_each_pass_goes_on_where_the_one_before_stopped(
    sqlite_engine: Engine, sqlite_url: str, clock: SetClock, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer, "BATCH", 2)
    engine, passes = sqlite_engine, []
    for states in ([], ["rights_pending"], ["registered"], ["registered", "rights_pending"], []):
        for state in states:
            bring(engine, state)
        passes.append(run_once(engine.database, signer, clock.now()))

    assert passes == [Sequenced(0, 1), Sequenced(1, 1), Sequenced(2, 1), Sequenced(3, 2), Sequenced()]
    is_whole(sqlite_url)
    assert [row["size"] for row in checkpoints(sqlite_url)] == [0, 1, 3, 5, 6]
    (progress,) = look(sqlite_url, "SELECT size, last_event, skipped FROM sequencer")
    assert progress == {"size": 6, "last_event": 6, "skipped": "[]"}


def test_without_a_key_leaves_grow_and_the_first_key_signs_them_all(
    engine: Engine, clock: SetClock, url: str, signer: Signer
) -> None:
    bring(engine, "registered")

    assert run_once(engine.database, None, clock.now()).checkpoints == 0
    is_whole(url)
    assert checkpoints(url) == []

    assert run_once(engine.database, signer, clock.now()) == Sequenced(0, 1)
    assert checkpoints(url)[0]["size"] == count(url, "events")


def test_another_key_signs_nothing_while_leaves_go_on(
    engine: Engine, clock: SetClock, url: str, signer: Signer, tmp_path: Path
) -> None:
    make_key(tmp_path / "other.key", "schakel/test")
    other = read_signer(tmp_path / "other.key")
    bring(engine, "registered")
    run_once(engine.database, signer, clock.now())
    first = checkpoints(url)
    bring(engine, "registered")
    clock.moment += timedelta(days=1)

    for _ in range(2):
        with pytest.raises(UsageError) as refused:
            run_once(engine.database, other, clock.now())

    assert str(refused.value).startswith(
        f"The ledger is signed by {short_name(signer.key)}; this key is {short_name(other.key)}: put that key back."
    )
    assert checkpoints(url) == first
    is_whole(url)
    assert count(url, "leaves") == count(url, "events")
    assert run_once(engine.database, signer, clock.now()) == Sequenced(0, 1)


def test_of_two_keys_that_begin_at_once_only_the_first_signs(
    engine: Engine, clock: SetClock, url: str, signer: Signer, tmp_path: Path
) -> None:
    make_key(tmp_path / "other.key", "schakel/test")
    other = read_signer(tmp_path / "other.key")
    bring(engine, "registered")

    def overtake(_sql: str) -> None:
        engine.database.failpoint = None
        run_once(engine.database, signer, clock.now())

    engine.database.failpoint = overtake
    with pytest.raises(UsageError, match="put that key back"):
        run_once(engine.database, other, clock.now() + timedelta(minutes=20))

    assert [row["size"] for row in checkpoints(url)] == [count(url, "events")]


def test_a_head_is_never_older_than_what_it_covers(engine: Engine, clock: SetClock, url: str, signer: Signer) -> None:
    bring(engine, "registered")
    run_once(engine.database, signer, clock.now() + timedelta(days=2))
    clock.moment -= timedelta(days=2)
    bring(engine, "registered")
    run_once(engine.database, signer, clock.now())
    clock.moment += timedelta(days=9)
    bring(engine, "registered")
    run_once(engine.database, signer, clock.now() - timedelta(days=5))

    said = [read_checkpoint(row["note"]).at for row in checkpoints(url)]
    newest = max(str(row["at"]) for row in look(url, "SELECT at FROM events"))
    assert said == sorted(said)
    assert said[-1][:19] >= newest[:19].replace(" ", "T")


def test_after_a_clock_that_ran_ahead_heads_are_signed_every_quarter_of_an_hour_of_the_right_one(
    engine: Engine, clock: SetClock, url: str, signer: Signer
) -> None:
    bring(engine, "registered")
    run_once(engine.database, signer, clock.now() + timedelta(days=3))
    signed: list[int] = []
    signed_at = None
    for minute in range(46):
        now = clock.now() + timedelta(minutes=minute)
        if run_once(engine.database, signer, now, signed_at).checkpoints:
            signed.append(minute)
            signed_at = now

    said = [read_checkpoint(row["note"]).at for row in checkpoints(url)]
    assert signed == [0, 15, 30, 45]  # at first nobody knows when
    assert said == sorted(set(said))
    is_whole(url)
    assert run_once(engine.database, signer, clock.now() + timedelta(days=3, minutes=14)) == Sequenced()
    assert run_once(engine.database, signer, clock.now() + timedelta(days=3, minutes=16)) == Sequenced(0, 1)


def test_a_head_of_another_clock_that_is_a_little_ahead_is_not_signed_again(
    engine: Engine, clock: SetClock, signer: Signer
) -> None:
    bring(engine, "registered")
    run_once(engine.database, signer, clock.now() + timedelta(minutes=14))

    assert run_once(engine.database, signer, clock.now()) == Sequenced()


def test_each_copy_of_its_heads_is_known_to_the_ledger_it_was_made_from_and_no_other(
    engine: Engine, clock: SetClock, url: str, signer: Signer, tmp_path: Path
) -> None:
    path = tmp_path / "heads"
    for _ in range(3):
        bring(engine, "registered")
        for _ in range(2):
            run_once(engine.database, signer, clock.now())
            clock.moment += timedelta(minutes=15)
    heads = [read_checkpoint(row["note"]) for row in checkpoints(url)]
    others = {
        "another root": replace(heads[-1], root=bytes(32)),
        "no such head": replace(heads[-1], size=heads[-1].size - 1),
        "more leaves": replace(heads[-1], size=heads[-1].size + 1),
        "no leaves": replace(heads[-1], size=0),
    }

    with engine.database.reading() as store:
        own = [departure(store, head) for head in heads]
        found = {name: departure(store, head) for name, head in others.items()}
    kept = [last_kept(path)]
    for said in (heads[0], heads[-1]):
        keep_copy(path, next(row["note"] for row in checkpoints(url) if read_checkpoint(row["note"]) == said))
        kept.append(last_kept(path))
    path.write_bytes(path.read_bytes() + b"schakel/test\n90\nAAAA")

    assert own == [""] * 6
    assert found == {
        "another root": "is not one of this database's ledger",
        "no such head": "is not one of this database's ledger",
        "more leaves": f"names {heads[-1].size + 1} leaves, and the ledger of this database has {heads[-1].size}",
        "no leaves": "",
    }
    assert [*kept, last_kept(path)] == [None, heads[0], heads[-1], heads[-1]]


def test_many_events_take_several_batches_each_with_its_head(
    engine: Engine, clock: SetClock, url: str, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer, "BATCH", 7)
    for _ in range(8):
        bring(engine, "enriched")

    assert run_once(engine.database, signer, clock.now()) == Sequenced(24, 4)
    is_whole(url)


def test_sequencers_at_the_same_time_make_one_ledger(
    engine: Engine, database: Database, clock: SetClock, url: str, signer: Signer
) -> None:
    faults: list[BaseException] = []
    writing = threading.Event()

    def sequence() -> None:
        try:
            while not writing.is_set():
                run_once(database, signer, clock.now())
            run_once(database, signer, clock.now())
        except BaseException as fault:  # noqa: BLE001  (a thread must not swallow it)
            faults.append(fault)

    threads = [threading.Thread(target=sequence) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(25):
        bring(engine, "enriched")
    writing.set()
    for thread in threads:
        thread.join()

    assert faults == []
    run_once(database, signer, clock.now())
    is_whole(url)


def test_a_crash_in_the_middle_leaves_nothing_half_done(
    engine: Engine, clock: SetClock, url: str, signer: Signer
) -> None:
    bring(engine, "enriched")
    met: list[str] = []
    crash_at = 0

    def crash(sql: str) -> None:
        met.append(sql)
        if len(met) == crash_at:
            raise RuntimeError("the power went")

    while True:
        crash_at += 1
        met.clear()
        engine.database.failpoint = crash
        try:
            run_once(engine.database, signer, clock.now())
        except RuntimeError:
            assert (leaves(url), checkpoints(url)) == ([], [])
            continue
        finally:
            engine.database.failpoint = None
        break

    assert crash_at > 4
    is_whole(url)


COPY = (
    "INSERT INTO events (case_id, seq, at, actor, os_user, via, kind, trigger, from_state, to_state,"
    " definition_version, canonical, prev_hash, hash) SELECT case_id, seq + 900, at, actor, os_user, via, kind,"
    " trigger, from_state, to_state, definition_version, canonical, prev_hash, hash FROM events WHERE seq = 1"
)


def test_an_event_that_commits_late_is_not_passed_by(
    postgres_url: str, on_postgres: Engine, clock: SetClock, signer: Signer
) -> None:
    engine = on_postgres
    bring(engine, "rights_pending")
    with psycopg.connect(postgres_url) as slow:
        slow.execute("SELECT pg_current_xact_id()")
        slow.execute(COPY)
        bring(engine, "registered")
        run_once(engine.database, signer, clock.now())
        assert count(postgres_url, "leaves") == 3
        run_once(engine.database, signer, clock.now())
        slow.commit()

    assert run_once(engine.database, signer, clock.now()).leaves == 1
    assert count(postgres_url, "leaves") == 4
    run_once(engine.database, signer, clock.now())
    assert look(postgres_url, "SELECT skipped FROM sequencer") == [{"skipped": "[]"}]


def test_a_number_that_was_rolled_back_is_waited_for_no_longer_than_its_transaction(
    postgres_url: str, on_postgres: Engine, clock: SetClock, signer: Signer
) -> None:
    engine = on_postgres
    bring(engine, "rights_pending")
    with psycopg.connect(postgres_url) as slow:
        slow.execute("SELECT pg_current_xact_id()")
        slow.execute(COPY)
        bring(engine, "registered")
        run_once(engine.database, signer, clock.now())
        waited = look(postgres_url, "SELECT skipped FROM sequencer")
        slow.rollback()

    run_once(engine.database, signer, clock.now())

    assert waited != [{"skipped": "[]"}]
    assert look(postgres_url, "SELECT skipped FROM sequencer") == [{"skipped": "[]"}]
    is_whole(postgres_url)


@pytest.mark.parametrize(
    ("noted", "words"),
    [
        (
            "size = 0, last_event = 0, skipped = '[]', peaks = '[]'",
            "(0 leaves, 0 peaks) is not of the tree that the 3 leaves make",
        ),
        ("size = 9", "(9 leaves, 2 peaks) is not of the tree that the 3 leaves make"),
        ("peaks = '[]'", "(3 leaves, 0 peaks) is not of the tree that the 3 leaves make"),
        ("last_event = 0", "came to event 0, but 3 has its leaf"),
    ],
)
def test_a_row_that_is_not_of_the_leaves_beside_it_is_told_as_that_and_seals_nothing(
    engine: Engine, clock: SetClock, url: str, signer: Signer, noted: str, words: str
) -> None:
    before = sealed(engine, url, signer, clock)
    bring(engine, "registered")
    run(url, f"UPDATE sequencer SET {noted}")

    with pytest.raises(HistoryBroken) as refused:
        run_once(engine.database, signer, clock.now() + timedelta(hours=1))

    assert words in str(refused.value)
    assert "put a whole copy back (docs/operations.md" in str(refused.value)
    assert (leaves(url), checkpoints(url)) == before


def test_an_event_under_a_number_that_was_never_given_is_named_and_later_ones_are_not_passed_over(
    engine: Engine, clock: SetClock, url: str, signer: Signer
) -> None:
    before = sealed(engine, url, signer, clock)
    bring(engine, "rights_pending")
    run(url, f"UPDATE events SET id = {2**63 - 1} WHERE id = (SELECT max(id) FROM events)")
    bring(engine, "registered")

    with pytest.raises(HistoryBroken, match=f"{2**63 - 1}, is none that the database gave") as refused:
        run_once(engine.database, signer, clock.now())

    assert "put a whole copy back (docs/operations.md" in str(refused.value)
    assert (leaves(url), checkpoints(url)) == before


@pytest.mark.parametrize(
    "spoil",
    [
        *(
            f"UPDATE sequencer SET skipped = '{skipped}'"
            for skipped in ("-1", "[1]", "[[1,99,9]]", "[[1,2,9],[2,2,9]]")
        ),
        *(f"UPDATE sequencer SET peaks = '{peaks}'" for peaks in ("{", "[1]", "1")),
        "UPDATE sequencer SET last_event = -1",
        "UPDATE sequencer SET id = 2",
    ],
)
def test_a_row_that_no_sequencer_wrote_is_told_as_altered(
    engine: Engine, clock: SetClock, url: str, signer: Signer, spoil: str
) -> None:
    bring(engine, "enriched")
    run_once(engine.database, signer, clock.now())
    run(url, spoil)

    with pytest.raises(HistoryBroken, match=r"^The row of the sequencer .+ schakel audit verify$"):
        run_once(engine.database, signer, clock.now() + timedelta(hours=1))


@pytest.mark.parametrize("table", ["leaves", "checkpoints"])
def test_the_ledger_refuses_to_be_changed(
    engine: Engine, clock: SetClock, url: str, signer: Signer, table: str
) -> None:
    bring(engine, "registered")
    run_once(engine.database, signer, clock.now())
    before = look(url, f"SELECT * FROM {table}")
    attempts = [f"UPDATE {table} SET id = id + 5", f"DELETE FROM {table}", f"INSERT INTO {table} SELECT * FROM {table}"]
    attempts += [f"TRUNCATE {table}"] if url.startswith("postgres") else [f"REPLACE INTO {table} SELECT * FROM {table}"]

    for sql in attempts:
        with bare(url) as connection, pytest.raises((sqlite3.Error, psycopg.Error)):
            connection.execute(sql)

    assert look(url, f"SELECT * FROM {table}") == before
