"""Attacks on a real database and on an export: each is found, or is not, as the table in docs/security.md says."""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import attacks
import psycopg
import pytest
from attacks import Scene
from employers import LONG
from forging import Files, events, pack, records, recounted, unpack

from states import EMPLOYER_COUPLING
from tests.scripts.desk import Desk
from workflow import Engine, Origin, open_database
from workflow.clock import SetClock
from workflow.events import canonical_bytes
from workflow.ledger import verify as verifier
from workflow.ledger.signing import Signer, make_key, read_signer
from workflow.ledger.verify import Tree, leaf_hash

SECURITY = Path(__file__).parents[2] / "docs" / "security.md"
ANNA = Origin("anna", "anna-os", "python")
GROWTH = 200 * LONG
"""Events between the two checkpoints."""
THIRD = slice(2, 3)
"""The third event of the confirmed case, in events.jsonl."""
NOTE, NEWEST = 7, slice(8, 11)
"""The note, and the newest case, in events.jsonl."""


# -- on the files of an export -----------------------------------------------------------------------------------------


def eve(rows: list[Any]) -> None:
    rows[THIRD][0]["event"]["actor"] = "eve"


def rehash(files: Files) -> None:
    """The chain behind the event, and the leaves."""
    rows = [json.loads(line) for line in files["events.jsonl"].splitlines()]
    eve(rows)
    for before, after in itertools.pairwise(rows):
        if after["event"]["seq"] > 1:
            after["event"]["prev_hash"] = _hash_of(before)
    hashes = {row["leaf"]: _hash_of(row) for row in rows}
    events(lambda found: found.__setitem__(slice(None), rows))(files)
    records("leaves.jsonl", lambda leaves: [leaf.update(hash=hashes[leaf["leaf"]]) for leaf in leaves])(files)
    files["proofs.jsonl"] = b""


def _hash_of(row: Any) -> str:
    return hashlib.sha256(canonical_bytes(row["event"])).hexdigest()


def back_date(rows: list[Any]) -> None:
    """A case of yesterday that no leaf knows."""
    opened = {**rows[0]["event"], "case": "K-0000-0000", "at": "2026-04-19T08:00:00.000000Z"}
    rows.append({"event": opened, "leaf": None})


def cut_with_leaf(files: Files) -> None:
    """The newest event of all, its leaf, the checkpoint over it, and proofs that lead there."""
    events(lambda rows: rows.pop(NOTE))(files)
    for name in ("leaves.jsonl", "checkpoints.jsonl"):
        records(name, lambda rows: rows.pop())(files)
    files["proofs.jsonl"] = b""


def empty(files: Files) -> None:
    files.update(dict.fromkeys(("events.jsonl", "leaves.jsonl", "checkpoints.jsonl", "proofs.jsonl"), b""))


def unsign(files: Files) -> None:
    """Every leaf and checkpoint."""
    files.update(dict.fromkeys(("leaves.jsonl", "checkpoints.jsonl", "proofs.jsonl", "consistency.jsonl"), b""))
    events(lambda rows: [row.update(leaf=None) for row in rows])(files)


def sign_again(files: Files, signer: Signer) -> None:
    """Every checkpoint over the leaves as they are now."""
    leaves = [bytes.fromhex(json.loads(line)["hash"]) for line in files["leaves.jsonl"].splitlines()]

    def sign(rows: list[Any]) -> None:
        for row in rows:
            tree = Tree()
            tree.extend(map(leaf_hash, leaves[: row["size"]]))
            row.update(root=tree.root().hex(), note=signer.checkpoint(row["size"], tree.root(), row["at"]))

    records("checkpoints.jsonl", sign)(files)


def note_opening(rows: list[Any]) -> Any:
    return next(row for row in rows if row["path"] == "text")


# -- the table ---------------------------------------------------------------------------------------------------------


class Attack(NamedTuple):
    """What is done to a database, and perhaps to the files of an honest export.

    `reveal`: it shows only in an export with openings. `signer`: whose key signs the files again.
    """

    on_database: Callable[[Scene], None]
    on_files: Callable[[Files], None] | None = None
    reveal: bool = False
    signer: Callable[[Scene], Signer] | None = None


ATTACKS = {
    "row edited": Attack(attacks.edit, events(eve, rehash=False)),
    "edited with its hash redone": Attack(attacks.edit_and_hash, events(eve)),
    "whole case rehashed (chain and leaves)": Attack(attacks.rehash_case, rehash),
    "row deleted": Attack(attacks.delete_row, events(lambda rows: rows.pop(2))),
    "tail cut": Attack(attacks.cut_tail, events(lambda rows: rows.pop(NOTE))),
    "tail cut, with its leaf and the checkpoint over it": Attack(attacks.cut_tail_with_its_leaf, cut_with_leaf),
    "case deleted": Attack(attacks.delete_case, events(lambda rows: rows.__delitem__(NEWEST))),
    "case deleted, with its leaves and all that came after": Attack(attacks.delete_case_with_its_leaves),
    "rows swapped": Attack(attacks.swap_rows, events(lambda rows: rows.insert(2, rows.pop(3)))),
    "back-dated insert": Attack(attacks.insert_back_dated, events(back_date)),
    "wrong-key checkpoint": Attack(attacks.sign_with_another_key, rehash, signer=attacks.stranger),
    "old backup restored": Attack(attacks.restore_backup),
    "stolen key": Attack(attacks.sign_with_the_stolen_key, rehash, signer=lambda scene: scene.signer),
    "clock back": Attack(attacks.set_clock_back),
    "clock of the machine back an hour, until the next seal": Attack(attacks.set_clock_of_machine_back),
    "opening changed": Attack(
        attacks.change_opening,
        records("openings.jsonl", lambda rows: note_opening(rows).update(value="niet gebeld")),
        reveal=True,
    ),
    "opening deleted without event": Attack(
        attacks.delete_opening, records("openings.jsonl", lambda rows: rows.remove(note_opening(rows))), reveal=True
    ),
    "stored state changed": Attack(attacks.change_state),
    "illegal move with right hashes": Attack(attacks.move_illegally),
    "emptied database": Attack(attacks.empty, empty),
    "emptied database, the sequencer's row as new": Attack(attacks.empty_as_if_new),
    "every leaf and checkpoint taken away, as if nothing was signed yet": Attack(attacks.unsign, unsign),
    "one checkpoint taken from between two others": Attack(
        attacks.unsign_between, records("checkpoints.jsonl", lambda rows: rows.pop(1))
    ),
    "the newest checkpoints taken away, before the worker signs the next": Attack(attacks.unsign_to_the_end),
    "database without its triggers": Attack(attacks.drop_triggers),
    "back-dated insert, once the worker gave it a leaf": Attack(attacks.insert_back_dated_and_wait),
    "legal move with right hashes": Attack(attacks.move_legally),
    "newest event removed before it had a leaf": Attack(attacks.cut_tail_before_its_leaf),
}

NOT_EXPORTED = {"EVENT_COLUMN", "STATE_DIFFERS", "TRIGGERS_MISSING", "TABLES_MISSING"}


class Found(NamedTuple):
    """What docs/security.md says is found: by the database, then against a checkpoint; in an export; in its files."""

    alone: frozenset[str]
    held: frozenset[str]
    exported: frozenset[str]
    files: frozenset[str] | None


def told() -> dict[str, Found]:
    """The table of attacks in docs/security.md."""
    _, _, text = SECURITY.read_text("utf-8").partition("### Attacks")
    lines = itertools.takewhile(lambda line: line.startswith("|"), itertools.dropwhile(_is_no_row, text.splitlines()))
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in list(lines)[2:]]
    return {row[0]: _found(*row[1:]) for row in rows}


def _is_no_row(line: str) -> bool:
    return not line.startswith("|")


def _found(alone: str, held: str, exported: str, files: str) -> Found:
    by_database = _codes(alone)
    against = by_database if held == "the same" else _codes(held)
    shown = by_database if exported == "the same" else _codes(exported)
    return Found(by_database, against, shown, None if files == "" else shown if files == "the same" else _codes(files))


def _codes(cell: str) -> frozenset[str]:
    assert cell == "nothing" or re.fullmatch(r"`[A-Z_]+`( `[A-Z_]+`)*", cell), cell
    return frozenset(re.findall("`([A-Z_]+)`", cell))


def test_the_table_of_the_docs_has_these_attacks_and_no_others() -> None:
    assert list(told()) == list(ATTACKS)
    assert {name: found.files is not None for name, found in told().items()} == {
        name: attack.on_files is not None for name, attack in ATTACKS.items()
    }


def test_an_export_shows_what_the_database_shows_of_what_is_in_both() -> None:
    """What only a database has is not in its exports, and only these have proofs; the rest agrees code for code."""
    shown = {name: found for name, found in told().items() if found.exported or not found.alone <= NOT_EXPORTED}

    for name, found in shown.items():
        assert found.exported - {"PROOF"} == found.alone - NOT_EXPORTED, name


# -- the scene ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def model(
    request: pytest.FixtureRequest,
    sqlite_template: Path,
    postgres_server: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    """The scene once on each database, to be copied by every test; nobody is connected to it."""
    folder = tmp_path_factory.mktemp("model")
    make_key(folder / "signing.key", "schakel/test")
    url = f"sqlite:///{shutil.copyfile(sqlite_template, folder / 'model.db')}"
    if request.param == "postgresql":
        _administer(postgres_server, f"CREATE DATABASE attacked_{os.getpid()} TEMPLATE template")
        url = postgres_server.format(name=f"attacked_{os.getpid()}")
    scene = _open(url, SetClock(datetime(2026, 4, 20, 8, tzinfo=UTC)), folder)
    scene.fill()
    scene.engine.database.dispose()
    yield scene
    if request.param == "postgresql":
        _administer(postgres_server, f"DROP DATABASE attacked_{os.getpid()} WITH (FORCE)")


def _open(url: str, clock: SetClock, folder: Path) -> Scene:
    engine = Engine(open_database(url), EMPLOYER_COUPLING, clock=clock, origin=ANNA)
    return Scene(engine, url, clock, read_signer(folder / "signing.key"), folder)


def _administer(server: str, sql: str) -> None:
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as connection:
        connection.execute(sql)


@pytest.fixture
def scene(model: Scene, postgres_server: str, tmp_path: Path) -> Iterator[Scene]:
    """A copy of the scene, with the last checkpoint kept outside beforehand."""
    shutil.copy(model.folder / "signing.key", tmp_path)
    url = f"sqlite:///{tmp_path / 'schakel.db'}"
    if model.url.startswith("sqlite"):
        shutil.copyfile(model.url.removeprefix("sqlite:///"), tmp_path / "schakel.db")
    else:
        name = f"attacked_{os.getpid()}_copy"
        _administer(postgres_server, f"CREATE DATABASE {name} TEMPLATE attacked_{os.getpid()}")
        url = postgres_server.format(name=name)
    copied = _open(url, SetClock(model.clock.moment), tmp_path)
    (tmp_path / "held.txt").write_text(attacks.rows_of_all(url)["checkpoints"][-1]["note"])
    yield replace(copied, confirmed=model.confirmed, noted=model.noted, newest=model.newest, backup=model.backup)
    copied.engine.database.dispose()
    if not model.url.startswith("sqlite"):
        _administer(postgres_server, f"DROP DATABASE {name} WITH (FORCE)")


class Auditor:
    """Somebody who looks: at the command line, and with verify.py alone in an empty folder."""

    def __init__(self, scene: Scene) -> None:
        self.folder, self.key = scene.folder, str(scene.signer.key)
        environ = {
            "SCHAKEL_DATABASE_URL": scene.url,
            "SCHAKEL_SIGNING_KEY": str(scene.folder / "signing.key"),
            "SCHAKEL_SETTINGS": str(scene.folder / "schakel.toml"),
            "SCHAKEL_ACTOR": "auditor",
        }
        (scene.folder / "schakel.toml").touch()
        self.desk = Desk(environ, scene.clock)

    def audit(self, *, against: bool = False) -> frozenset[str]:
        """The codes that `schakel audit verify` finds."""
        held = f" --against {self.folder / 'held.txt'}" if against else ""
        done = self.desk.run(f"audit verify --json --key {self.key}{held}")
        assert "Traceback" not in done.output
        return _codes_of(done.exit_code, done.stdout)

    def export(self, *, reveal: bool = False) -> Path:
        """An export of everything."""
        out = self.folder / "out.zip"
        self.desk.ask(f"audit export {out} --force{' --reveal' if reveal else ''}")
        return out

    def verify(self, export: Path, *, against: bool = False) -> frozenset[str]:
        """The codes that verify.py finds, alone with the export and perhaps the checkpoint."""
        folder = self.folder / "alone"
        folder.mkdir()
        shutil.copy(verifier.__file__, folder / "verify.py")
        shutil.copy(export, folder / "out.zip")
        words = ["out.zip", "--json", "--key", self.key]
        if against:
            shutil.copy(self.folder / "held.txt", folder)
            words += ["--against", "held.txt"]
        command = [sys.executable, "-I", "verify.py", *words]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        shutil.rmtree(folder)
        assert done.stderr == ""
        return _codes_of(done.returncode, done.stdout)


def _codes_of(exit_code: int, said: str) -> frozenset[str]:
    document = json.loads(said)
    found = frozenset(finding["code"] for finding in document["findings"])
    assert (exit_code, document["ok"]) == (8 if found else 0, not found)
    return found


@pytest.fixture
def auditor(scene: Scene) -> Auditor:
    """Who looks at the scene."""
    return Auditor(scene)


# -- the promise -------------------------------------------------------------------------------------------------------


def test_nothing_is_found_before_anybody_attacks(scene: Scene, auditor: Auditor) -> None:
    assert auditor.audit(against=True) == frozenset()
    assert auditor.verify(auditor.export(reveal=True), against=True) == frozenset()


@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_is_found_where_the_docs_say_so_and_nowhere_else(scene: Scene, auditor: Auditor, name: str) -> None:
    """By the database, by verify.py alone with an export made after it, and each against a checkpoint kept outside."""
    attack, found = ATTACKS[name], told()[name]

    attack.on_database(scene)

    assert (auditor.audit(), auditor.audit(against=True)) == (found.alone, found.held)
    export = auditor.export(reveal=attack.reveal)
    assert auditor.verify(export) == found.exported
    if found.held != found.alone:
        assert auditor.verify(export, against=True) == found.exported | (found.held - found.alone)


@pytest.mark.parametrize("name", [name for name, attack in ATTACKS.items() if attack.on_files])
@pytest.mark.parametrize("model", ["sqlite"], indirect=True)
def test_an_attack_on_the_files_of_an_export_is_found(scene: Scene, auditor: Auditor, name: str) -> None:
    """The manifest was made to fit, so that not its hashes but the history itself shows it."""
    attack, found = ATTACKS[name], told()[name]
    files = unpack(auditor.export(reveal=attack.reveal))

    assert attack.on_files is not None
    attack.on_files(files)
    if attack.signer:
        sign_again(files, attack.signer(scene))
    export = pack(recounted(files), scene.folder / "forged.zip")

    assert auditor.verify(export) == found.files
    assert auditor.verify(export, against=True) == (found.files or frozenset()) | (found.held - found.alone)


# -- a ledger that grows, and one that forked --------------------------------------------------------------------------


def test_a_checkpoint_of_today_agrees_with_a_ledger_that_grew_and_a_fork_is_named(
    scene: Scene, auditor: Auditor
) -> None:
    """10,000 events later with SCHAKEL_LONG=50; whole, and for one case by a proof of consistency."""
    for number in range(GROWTH):
        scene.engine.note(scene.noted, f"gebeld, {number}")
        if number % 100 == 0:
            scene.clock.moment += timedelta(minutes=20)
            scene.seal()
    scene.seal()
    held, out = scene.folder / "held.txt", scene.folder / "one.zip"

    grown = auditor.audit(against=True)
    auditor.desk.ask(f"audit export {out} --case {scene.newest} --against {held}")

    assert (grown, auditor.verify(out, against=True)) == (frozenset(), frozenset())

    attacks.sign_with_the_stolen_key(scene)
    auditor.desk.ask(f"audit export {out} --case {scene.newest} --against {held} --force")
    forked = auditor.desk.run(f"audit verify --against {held}")

    assert forked.exit_code == 8
    assert "FORK" in forked.stdout
    said = " ".join(forked.stdout.split())
    assert "The checkpoint of 2026-04-20T10:00:00.000000Z over 11 leaves, which you hold, was signed over" in said
    assert auditor.verify(out, against=True) == {"FORK"}
