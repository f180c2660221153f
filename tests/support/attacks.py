"""Attacks on a real database, by somebody who may write any SQL: what is done, never what is found."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from employers import bring
from looking import bare, case_row, events_of, look
from tampering import past_the_guards, put, put_event, reseal, rewrite, run

from workflow import Engine
from workflow.clock import SetClock
from workflow.events import canonical_bytes
from workflow.ledger.sequencer import run_once
from workflow.ledger.signing import Signer, make_key, read_signer
from workflow.ledger.verify import Tree, leaf_hash
from workflow.storage.tables import metadata

TABLES = tuple(table.name for table in metadata.sorted_tables)
Rows = Mapping[str, list[dict[str, Any]]]
_AT_THE_BEGINNING = "UPDATE sequencer SET size = 0, last_event = 0, skipped = '[]', peaks = '[]'"


@dataclass
class Scene:
    """A database with three cases, sealed in three turns; `backup` was made after the first of them."""

    engine: Engine
    url: str
    clock: SetClock
    signer: Signer
    folder: Path
    confirmed: str = ""
    noted: str = ""
    newest: str = ""
    backup: Rows | None = None

    def fill(self) -> None:
        """Lead the cases' lives."""
        self.confirmed, self.noted = bring(self.engine, "confirmed"), bring(self.engine, "registered")
        self.seal()
        self.backup = rows_of_all(self.url)
        self.clock.moment += timedelta(hours=1)
        self.newest = bring(self.engine, "enriched")
        self.seal()
        self.clock.moment += timedelta(hours=1)
        self.engine.note(self.noted, "gebeld")
        self.seal()

    def seal(self) -> None:
        """What the worker does within five seconds."""
        run_once(self.engine.database, self.signer, self.clock.now())


def rows_of_all(url: str) -> Rows:
    """Everything a backup holds."""
    return {table: look(url, f"SELECT * FROM {table}") for table in TABLES}


# -- one event ---------------------------------------------------------------------------------------------------------


def edit(scene: Scene) -> None:
    """Another actor, in the bytes and in the column; the hash stays."""
    row = events_of(scene.url, scene.confirmed)[2]
    edited = bytes(row["canonical"]).replace(b'"actor":"anna"', b'"actor":"eve"')
    put(scene.url, "UPDATE events SET canonical = ?, actor = 'eve' WHERE id = ?", edited, row["id"])


def edit_and_hash(scene: Scene) -> None:
    """The same, with the hash of the new bytes."""
    row = events_of(scene.url, scene.confirmed)[2]
    put_event(scene.url, row["id"], json.loads(bytes(row["canonical"])) | {"actor": "eve"})


def rehash_case(scene: Scene) -> None:
    """The event, all that follow it, the case's row and the leaves of them all."""
    rewrite(scene.url, scene.confirmed, 3, lambda says: says.update(actor="eve"))
    number = case_row(scene.url, scene.confirmed)["id"]
    of_the_event = "SELECT hash FROM events e WHERE e.case_id = leaves.case_id AND e.seq = leaves.seq"
    run(scene.url, f"UPDATE leaves SET hash = ({of_the_event}) WHERE case_id = {number}")


def delete_row(scene: Scene) -> None:
    """One event out of the middle, with its values."""
    _delete_event(scene, scene.confirmed, 3)


def swap_rows(scene: Scene) -> None:
    """Two events of a case change places, with their bytes and all that is beside them."""
    number = case_row(scene.url, scene.confirmed)["id"]
    for table in ("events", "private_values"):
        for old, new in ((3, -1), (4, 3), (-1, 4)):
            run(scene.url, f"UPDATE {table} SET seq = {new} WHERE case_id = {number} AND seq = {old}")


def cut_tail(scene: Scene) -> None:
    """The last event of a case, and its row put back to what it was before."""
    before = events_of(scene.url, scene.noted)[-2]
    _delete_event(scene, scene.noted, before["seq"] + 1)
    number = case_row(scene.url, scene.noted)["id"]
    sets = "seq = ?, head = ?, at = ?"
    put(scene.url, f"UPDATE cases SET {sets} WHERE id = {number}", before["seq"], before["hash"], before["at"])


def cut_tail_with_its_leaf(scene: Scene) -> None:
    """The newest event of all, with its leaf and the checkpoint over it."""
    cut_tail(scene)
    _wind_back(scene.url)


def cut_tail_before_its_leaf(scene: Scene) -> None:
    """An event that was recorded a moment ago, before the worker came by."""
    scene.engine.note(scene.noted, "zojuist")
    cut_tail(scene)


def _delete_event(scene: Scene, case: str, seq: int) -> None:
    number = case_row(scene.url, case)["id"]
    for table in ("events", "private_values"):
        run(scene.url, f"DELETE FROM {table} WHERE case_id = {number} AND seq = {seq}")


# -- whole cases and databases -----------------------------------------------------------------------------------------


def delete_case(scene: Scene) -> None:
    """Every row of a case, but for its leaves."""
    number = case_row(scene.url, scene.newest)["id"]
    for table in TABLES:
        column = "id" if table == "cases" else "case_id"
        if table != "leaves" and column in metadata.tables[table].c:
            run(scene.url, f"DELETE FROM {table} WHERE {column} = {number}")


def delete_case_with_its_leaves(scene: Scene) -> None:
    """The newest case without a trace: its leaves, what came after them, and every checkpoint over those."""
    cut_tail(scene)
    delete_case(scene)
    _wind_back(scene.url)


def _wind_back(url: str) -> None:
    """Leave the leaves of which there are events, and the checkpoints over those, as if no more ever was."""
    same = "SELECT 1 FROM events e WHERE e.case_id = leaves.case_id AND e.seq = leaves.seq"
    run(url, f"DELETE FROM leaves WHERE NOT EXISTS ({same})")
    run(url, "DELETE FROM checkpoints WHERE size > (SELECT count(*) FROM leaves)")
    tree = Tree()
    tree.extend([leaf_hash(bytes.fromhex(row["hash"])) for row in look(url, "SELECT hash FROM leaves ORDER BY id")])
    peaks = json.dumps([peak.hex() for peak in tree.peaks])
    last = "(SELECT coalesce(max(id), 0) FROM events)"
    put(url, f"UPDATE sequencer SET size = ?, peaks = ?, skipped = '[]', last_event = {last}", tree.size, peaks)


def empty(scene: Scene) -> None:
    """Every row of every table."""
    run(scene.url, *(f"DELETE FROM {table}" for table in reversed(TABLES)))


def empty_as_if_new(scene: Scene) -> None:
    """The same, and the sequencer's row as a new database has it."""
    run(scene.url, *(f"DELETE FROM {table}" for table in reversed(TABLES) if table != "sequencer"), _AT_THE_BEGINNING)


def unsign(scene: Scene) -> None:
    """Every leaf and checkpoint, and the sequencer's row as new: nothing was signed yet, it seems."""
    run(scene.url, "DELETE FROM leaves", "DELETE FROM checkpoints", _AT_THE_BEGINNING)


def unsign_between(scene: Scene) -> None:
    """The second of three checkpoints: the third is over all that it was over."""
    _, between, _ = look(scene.url, "SELECT id FROM checkpoints ORDER BY id")
    run(scene.url, f"DELETE FROM checkpoints WHERE id = {between['id']}")
    assert len(look(scene.url, "SELECT id FROM checkpoints")) == 2


def unsign_to_the_end(scene: Scene) -> None:
    """All but the first checkpoint; then something happens, and the worker signs one over it all."""
    first, *_ = look(scene.url, "SELECT id FROM checkpoints ORDER BY id")
    run(scene.url, f"DELETE FROM checkpoints WHERE id <> {first['id']}")
    scene.engine.note(scene.noted, "opnieuw gebeld")
    scene.seal()


def drop_triggers(scene: Scene) -> None:
    """All that keeps history from being changed."""
    with bare(scene.url) as connection:
        if scene.url.startswith("sqlite"):
            found = look(connection, "SELECT name FROM sqlite_master WHERE type = 'trigger'")
            drops = [f"DROP TRIGGER {row['name']}" for row in found]
        else:
            found = look(connection, "SELECT tgname, relname FROM pg_trigger JOIN pg_class c ON c.oid = tgrelid"
                                     " WHERE NOT tgisinternal")  # fmt: skip
            drops = [f"DROP TRIGGER {row['tgname']} ON {row['relname']}" for row in found]
        for drop in drops:
            connection.execute(drop)


def restore_backup(scene: Scene) -> None:
    """Everything as it was when the backup was made."""
    assert scene.backup is not None
    with past_the_guards(scene.url) as connection:
        for table in reversed(TABLES):
            connection.execute(f"DELETE FROM {table}")
        for table, rows in scene.backup.items():
            _insert(scene.url, connection, table, rows)


def _insert(url: str, connection: Any, table: str, rows: list[dict[str, Any]]) -> None:
    mark = "?" if url.startswith("sqlite") else "%s"
    for row in rows:
        marks = ", ".join([mark] * len(row))
        connection.execute(f"INSERT INTO {table} ({', '.join(row)}) VALUES ({marks})", tuple(row.values()))


def append(scene: Scene, case: str, **changes: Any) -> None:
    """One more event behind the last of a case, with right hashes, columns and row, past the program."""
    *_, last = events_of(scene.url, case)
    says = json.loads(bytes(last["canonical"])) | {"seq": last["seq"] + 1, "prev_hash": last["hash"]}
    says |= {"kind": "noted", "trigger": None, "body": {}, "commitments": {}, "from": says["to"], **changes}
    canonical = canonical_bytes(says)
    digest = hashlib.sha256(canonical).hexdigest()
    stated = {name: says[name] for name in ("seq", "at", "actor", "os_user", "via", "kind", "trigger", "prev_hash")}
    row = stated | {"case_id": last["case_id"], "from_state": says["from"], "to_state": says["to"], "hash": digest}
    row |= {"definition_version": says["definition"]["version"], "canonical": canonical}
    with past_the_guards(scene.url) as connection:
        _insert(scene.url, connection, "events", [row])
    sets = "seq = ?, head = ?, at = ?"
    put(scene.url, f"UPDATE cases SET {sets} WHERE id = {last['case_id']}", says["seq"], digest, says["at"])


def insert_back_dated(scene: Scene) -> None:
    """A case that was opened yesterday, it says, put in now."""
    case, at = bring(scene.engine, "rights_pending"), "2026-04-19T08:00:00.000000Z"
    rewrite(scene.url, case, 1, lambda says: says.update(at=at))
    number = case_row(scene.url, case)["id"]
    put(scene.url, f"UPDATE cases SET at = ?, opened_at = ?, entered_at = ? WHERE id = {number}", at, at, at)


def insert_back_dated_and_wait(scene: Scene) -> None:
    """The same, and the worker gives it a leaf before anybody looks."""
    insert_back_dated(scene)
    scene.seal()


def set_clock_back(scene: Scene) -> None:
    """An event of half an hour before the one it follows; the worker gives it a leaf."""
    last = events_of(scene.url, scene.noted)[-1]
    at = str(json.loads(bytes(last["canonical"]))["at"]).replace("T10:00", "T09:30")
    append(scene, scene.noted, at=at)
    scene.seal()


def set_clock_of_machine_back(scene: Scene) -> None:
    """The clock of the machine goes back an hour, and somebody opens a case."""
    scene.clock.moment -= timedelta(hours=1)
    bring(scene.engine, "rights_pending")


def move_illegally(scene: Scene) -> None:
    """Out of a final state, with right hashes and a row that fits; the worker gives it a leaf."""
    append(scene, scene.confirmed, kind="moved", trigger="register", to="registered")
    _move_row(scene, scene.confirmed, "registered")
    scene.seal()


def move_legally(scene: Scene) -> None:
    """A move that the table has, without asking the validators; the worker gives it a leaf."""
    append(scene, scene.newest, kind="moved", trigger="hand_over", to="keylane_configuring")
    _move_row(scene, scene.newest, "keylane_configuring")
    scene.seal()


def _move_row(scene: Scene, case: str, state: str) -> None:
    number = case_row(scene.url, case)["id"]
    put(scene.url, f"UPDATE cases SET state = ?, version = version + 1, entered_at = at, ended_at = NULL"
                   f" WHERE id = {number}", state)  # fmt: skip


def stranger(scene: Scene) -> Signer:
    """Another key of the same name."""
    make_key(scene.folder / "stranger", scene.signer.key.name)
    return read_signer(scene.folder / "stranger")


def sign_with_another_key(scene: Scene) -> None:
    """All rewritten, and signed with a key of one's own that has the same name."""
    rewrite(scene.url, scene.confirmed, 3, lambda says: says.update(actor="eve"))
    reseal(scene.url, stranger(scene), scene.clock.now())


def sign_with_the_stolen_key(scene: Scene) -> None:
    """All rewritten, and signed with the real key."""
    rewrite(scene.url, scene.confirmed, 3, lambda says: says.update(actor="eve"))
    reseal(scene.url, scene.signer, scene.clock.now())


def change_opening(scene: Scene) -> None:
    """The words of a note."""
    put(scene.url, "UPDATE private_values SET value = ? WHERE path = 'text'", '"niet gebeld"')


def delete_opening(scene: Scene) -> None:
    """The words of a note, without the event that erasing leaves."""
    run(scene.url, "DELETE FROM private_values WHERE path = 'text'")


def change_state(scene: Scene) -> None:
    """A case is confirmed, says its row."""
    number = case_row(scene.url, scene.newest)["id"]
    run(scene.url, f"UPDATE cases SET state = 'confirmed' WHERE id = {number}")
