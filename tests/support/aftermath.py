"""What must hold after any fault: the database is sound, what was promised is stored, no letter is lost or came twice.

`settle` does what one worker does when the fault is over; `check` then looks, past Schakel where that can be done. In
both doctor must name whatever waits.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner
from looking import bare, look
from sink import Sink, delivery

from scripts.cli import cli
from scripts.wiring import Session
from states import EMPLOYER_COUPLING
from workflow import Engine, Origin, open_database, reminders
from workflow.clock import SetClock, format_time
from workflow.ledger import sequencer
from workflow.ledger.audit import verify_database
from workflow.ledger.signing import Signer

LEASES = timedelta(hours=1)
"""After which every lease has ended, and a letter that was put off is tried again."""
ENDED = {"sent", "merged", "cancelled"}
"""States of letters that need nobody any more."""
WITHOUT_LEAF = "events e WHERE NOT EXISTS (SELECT 1 FROM leaves l WHERE l.case_id = e.case_id AND l.seq = e.seq)"
WORKER = Origin("worker", "test", "worker")


def settle(url: str, signer: Signer, sink: Sink, now: datetime) -> None:
    """One pass of everything, when the leases of those who are gone have ended; until then doctor says what waits."""
    check_named(url)
    database = open_database(url)
    engine = Engine(database, EMPLOYER_COUPLING, clock=SetClock(now), origin=WORKER)
    reminders.run_once(database, engine.rules, now, WORKER)
    delivery(engine, sink).run_once()
    sequencer.run_once(database, signer, now)
    database.dispose()


def check(
    url: str, signer: Signer, sink: Sink, now: datetime, told: Path | None = None, *, allowed: Collection[str] = ()
) -> Counter[str]:
    """Everything, after `settle` at that moment; `allowed` are findings this fault may give. Letters by state."""
    assert is_sound(url)
    check_verified(url, signer, allowed)
    if told is not None:
        check_promises(url, told)
    assert stuck(url, now) == {}
    check_named(url)
    return check_letters(url, sink)


def is_sound(url: str) -> bool:
    """Whether the database itself finds no damage in it."""
    with bare(url) as connection:
        if url.startswith("sqlite"):
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        elif connection.execute("SELECT 1 FROM pg_available_extensions WHERE name = 'amcheck'").fetchone():
            connection.execute("CREATE EXTENSION IF NOT EXISTS amcheck")
            connection.execute(
                "SELECT bt_index_check(i.indexrelid, true) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid "
                "JOIN pg_am a ON a.oid = c.relam AND a.amname = 'btree' WHERE c.relpersistence = 'p'"
            )
        else:  # every row can be read, by its table
            for row in look(connection, "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
                connection.execute(f"SELECT * FROM {row['tablename']}").fetchall()
    return True


def check_verified(url: str, signer: Signer, allowed: Collection[str] = ()) -> None:
    """Verify finds nothing (more than is allowed), and each case equals its history."""
    database = open_database(url)
    engine = Engine(database, EMPLOYER_COUPLING, clock=SetClock(datetime.fromisoformat("2026-04-20T08:00:00Z")))
    found = verify_database(database, EMPLOYER_COUPLING, signer.key).findings
    assert [finding for finding in found if finding.code not in allowed] == []
    cases = [row["reference"] for row in look(url, "SELECT reference FROM cases")]
    assert [case for case in cases if not engine.replay(case).matches_stored] == []
    database.dispose()


def answers(told: Path) -> dict[str, list[dict[str, Any]]]:
    """What each writer was told, in order; a line that a kill cut off counts for nothing."""
    found = {}
    for path in sorted(told.iterdir()):
        whole, _, _ = path.read_bytes().rpartition(b"\n")
        found[path.name] = [json.loads(line) for line in whole.splitlines()]
    return found


def check_promises(url: str, told: Path) -> None:
    """What was acknowledged is stored, and what is stored was acknowledged or in flight when its writer was cut off."""
    rows = look(
        url,
        "SELECT c.reference, e.seq, e.hash, e.actor, e.kind FROM events e JOIN cases c ON c.id = e.case_id "
        "WHERE e.actor LIKE 'writer-%'",
    )
    stored = {(row["reference"], row["seq"], row["hash"]) for row in rows}
    for writer, given in answers(told).items():
        promised = {(one["case"], one["seq"], one["hash"]) for one in given if "hash" in one}
        assert promised <= stored, f"{writer} was promised what is not there"
        own = [row for row in rows if row["actor"] == writer]
        refusals = sum("refused" in one for one in given)
        cut_off = 1 + sum("unknown" in one for one in given)  # the last command, and each that got no answer
        assert 0 <= len(own) - len(promised) - refusals <= cut_off, f"{writer} did what nobody was told of"


def stuck(url: str, now: datetime) -> dict[str, int]:
    """What waits although nothing keeps it: leases that ended, timers and letters that are due, events without leaf."""
    at = format_time(now)
    waits = {
        "leases": f"outbox WHERE state IN ('claimed', 'sending') AND lease_until <= '{at}'",
        "letters": f"outbox WHERE state = 'pending' AND recipient IS NOT NULL AND due_at <= '{at}'",
        "timers": f"timers WHERE due_at <= '{at}'",
        "events": WITHOUT_LEAF,
    }
    counts = {name: look(url, f"SELECT count(*) AS n FROM {rest}")[0]["n"] for name, rest in waits.items()}
    return {name: count for name, count in counts.items() if count}


def check_named(url: str) -> None:
    """Whatever waits is named by `schakel doctor`: letters that need somebody, by state, and events without a leaf."""
    rows = look(url, "SELECT state, count(*) AS n FROM outbox GROUP BY state")
    waiting = {row["state"]: row["n"] for row in rows if row["state"] not in ENDED}
    without_leaf = look(url, f"SELECT count(*) AS n FROM {WITHOUT_LEAF}")[0]["n"]
    said = said_by_doctor(url)
    assert said == (waiting, without_leaf), f"doctor says {said} where {waiting} and {without_leaf} events wait"


def said_by_doctor(url: str) -> tuple[dict[str, int], int]:
    """The letters that `schakel doctor` names and that still need somebody, by state, and the events without a leaf."""
    # whoever runs the tests may have a key of their own where doctor looks for one
    nobodys = {"SCHAKEL_SETTINGS": os.devnull, "SCHAKEL_SIGNING_KEY": f"{os.devnull}.key"}
    session = Session(environ={"SCHAKEL_DATABASE_URL": url, "SCHAKEL_ACTOR": "anna", **nobodys})
    told = CliRunner().invoke(cli, ["doctor", "--json"], obj=session)
    checks = json.loads(told.stdout)["checks"]
    messages = [found["message"] for found in checks if found["check"] in ("mail", "ledger")]
    (line,) = [message for message in messages if message.startswith(("Letters besides", "No letter waits"))]
    counts = {state: int(count) for count, state in re.findall(r"([0-9]+) ([a-z]+)", line)}
    (ledger,) = [message for message in messages if "checkpoint" in message]
    sealed = re.search(r"([0-9]+) waits? for the next", ledger)
    letters = {state: count for state, count in counts.items() if state not in ENDED}
    return letters, int(sealed[1]) if sealed else look(url, "SELECT count(*) AS n FROM events")[0]["n"]


def check_letters(url: str, sink: Sink) -> Counter[str]:
    """No letter came twice or is said to be sent and never came; letters by state, but for those that asked in vain."""
    rows = look(url, "SELECT message_id, state FROM outbox")
    sent = {row["message_id"] for row in rows if row["state"] == "sent"}
    copies = sink.copies()
    assert [letter for letter, count in copies.items() if count > 1] == [], "sent twice"
    assert sent <= set(copies), "said to be sent, but it never came"
    unknown = {row["message_id"] for row in rows if row["state"] == "unknown"}
    assert set(copies) <= sent | unknown, "came, but is said not to have been sent"
    astray = "SELECT l.id FROM outbox l LEFT JOIN outbox d ON d.id = l.merged_into WHERE l.state = 'merged' AND "
    assert look(url, f"{astray} (d.state IS NULL OR d.state NOT IN ('sent', 'unknown'))") == [], "merged into nothing"
    vain = "o.reason = 'its case ended before it was sent' AND c.ended_at IS NOT NULL"
    dropped = f"SELECT o.id FROM outbox o JOIN cases c ON c.id = o.case_id WHERE o.state = 'cancelled' AND NOT ({vain})"
    assert look(url, dropped) == [], "not sent, though its case goes on"
    return Counter(str(row["state"]) for row in rows if row["state"] != "cancelled")
