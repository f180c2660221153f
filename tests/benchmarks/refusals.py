"""Refused moves, one transaction each, against the same rows by hand: one event, and the case that ends in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.benchmarks import employers
from tests.benchmarks.databases import Place
from tests.benchmarks.moves import MOVED, OPENED, ORIGIN, compare, engine_on, references_of
from tests.benchmarks.rounds import Contestant, Line, fastest, speed
from tests.benchmarks.written import EVENT
from workflow import Engine
from workflow.answers import Row
from workflow.clock import format_time
from workflow.errors import Refused
from workflow.events import canonical_bytes
from workflow.facts import Json

BY_RULES, BY_TABLE = "register", "hand_over"
"""What a case in its first state is refused: for what its facts lack, and because the table has no such move."""
_UPDATE = (
    "UPDATE cases SET seq = :seq, head = :head, at = :now "
    "WHERE id = :case_id AND version = :was_version AND seq = :was_seq"
)


@dataclass(frozen=True)
class RefusalWriter:
    """Makes the values of a refusal's rows; `is_text`: moments are text (SQLite)."""

    trigger: str
    body: dict[str, Json]
    definition: dict[str, Json]
    is_text: bool

    def statements(self) -> tuple[str, ...]:
        """What a refusal runs after it found its case."""
        return (_UPDATE, EVENT.replace("'moved', 'register'", ":kind, :trigger"))

    def prepare(self, references: Sequence[str]) -> list[tuple[str, tuple[str, ...]]]:
        """The cases to be refused; no letters."""
        return [(reference, ()) for reference in references]

    def values(self, reference: str, _contexts: tuple[str, ...], found: Sequence[Any]) -> dict[str, Any]:
        """Every value, by name; `found` are the case's id, state, version, seq and head."""
        case_id, state, version, seq, head = found
        canonical = canonical_bytes(
            {
                "actor": ORIGIN.actor,
                "at": format_time(MOVED),
                "body": self.body,
                "case": reference,
                "commitments": {},
                "definition": self.definition,
                "from": state,
                "kind": "refused",
                "os_user": ORIGIN.os_user,
                "prev_hash": head,
                "seq": seq + 1,
                "to": state,
                "trigger": self.trigger,
                "via": ORIGIN.via,
            }
        )
        now: str | datetime = format_time(MOVED) if self.is_text else MOVED
        return {
            "case_id": case_id,
            "was_version": version,
            "was_seq": seq,
            "seq": seq + 1,
            "state": state,
            "from_state": state,
            "head": hashlib.sha256(canonical).hexdigest(),
            "was_head": head,
            "now": now,
            "kind": "refused",
            "trigger": self.trigger,
            "actor": ORIGIN.actor,
            "os_user": ORIGIN.os_user,
            "via": ORIGIN.via,
            "definition": self.definition["version"],
            "canonical": canonical,
        }


def run(place: Place, *, rounds: int = 100, moves: int = 15) -> list[Line]:
    """Cases of which three things are not right are refused `register`, others a move that their state has not.

    Told against the fastest way by hand; all of them are held against what the engine wrote.
    """
    template = _incomplete(place, (rounds + 1) * moves)
    return [
        _refused(place, template, BY_RULES, "refused by the rules", rounds, moves),
        _refused(place, template, BY_TABLE, "refused by the table", rounds, moves),
    ]


def _refused(place: Place, template: str, trigger: str, what: str, rounds: int, moves: int) -> Line:
    writer = _rehearse(place, template, trigger)

    def turns(engine: Engine, cases: Iterator[Sequence[str]]) -> Contestant:
        def turn() -> int:
            references = next(cases)
            for reference in references:
                _refuse(engine, reference, trigger)
            return len(references)

        return turn

    samples = compare(place, template, writer, turns, rounds=rounds, moves=moves)
    return speed(samples, "engine", fastest(samples, tuple(name for name in samples if name != "engine")), what=what)


def _refuse(engine: Engine, reference: str, trigger: str) -> Refused:
    try:
        engine.advance(reference, trigger)
    except Refused as refused:
        return refused
    raise AssertionError(f"{reference} was not refused")


def _incomplete(place: Place, amount: int) -> str:
    """The URL of a database with so many cases without an address, with a wrong number and a right too few."""
    url = place.create()
    engine = engine_on(url, OPENED)
    for result in engine.import_rows(_incomplete_row(row) for row in employers.rows(0, amount)):
        assert len(result.problems) == len(_WRONG), result
    engine.database.dispose()
    return url


_WRONG = ("EMAIL_MISSING", "LH_SUB00", "RIGHTS_MISSING")


def _incomplete_row(row: Row) -> Row:
    known: dict[str, dict[str, Any]] = {sheet: dict(fields) for sheet, fields in row.facts.items()}
    registration, user = known["registration"], known["loket_user"]
    del registration["email"]
    registration["wage_tax_number"] = registration["wage_tax_number"].replace("L01", "L00")
    user["rights"] = user["rights"][:-1]
    return Row(row.number, row.external_reference, known)


def _rehearse(place: Place, template: str, trigger: str) -> RefusalWriter:
    """Have one case refused, and look what that wrote."""
    engine = engine_on(place.copy(template))
    refused = _refuse(engine, references_of(engine)[0], trigger)
    assert {problem.code for problem in refused.problems} == (set(_WRONG) if trigger == BY_RULES else set()), refused
    with engine.database.reading() as store:
        said = json.loads(bytes(store.execute("SELECT canonical FROM events WHERE seq > 1").fetchone()[0]))
    engine.database.dispose()
    return RefusalWriter(trigger, said["body"], said["definition"], is_text=place.name == "SQLite")
