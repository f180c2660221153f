"""The auditor's letter of the morning: once, in its hour, with the signed head as a file, byte for byte the same."""

from __future__ import annotations

import email
import email.policy
from datetime import UTC, datetime, timedelta
from pathlib import Path

from employers import bring
from looking import look

from notifications import checkpoint
from notifications.building import Builder
from notifications.desk import Desk
from workflow import Engine
from workflow.clock import AMSTERDAM, SetClock
from workflow.ledger.sequencer import run_once
from workflow.ledger.signing import make_key, read_signer
from workflow.ledger.verify import read_checkpoint
from workflow.storage import letters


def written(url: str) -> int:
    return len(look(url, "SELECT id FROM outbox WHERE letter = 'ledger_checkpoint'"))


def local(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=AMSTERDAM).astimezone(UTC)


def sealed(engine: Engine, tmp_path: Path) -> None:
    bring(engine, "registered")
    make_key(tmp_path / "key", "schakel/test")
    run_once(engine.database, read_signer(tmp_path / "key"), engine.clock.now())


def test_it_is_written_once_a_working_morning_in_its_hour(
    engine: Engine, clock: SetClock, url: str, tmp_path: Path
) -> None:
    sealed(engine, tmp_path)
    clock.moment = local("2026-04-24T07:30")
    mornings = []
    while clock.moment < local("2026-04-28T12:00"):  # Friday to Tuesday, with Koningsdag on the Monday
        if checkpoint.run_once(engine.database, engine.rules, clock.moment):
            mornings.append(f"{clock.moment.astimezone(AMSTERDAM):%m-%d %H:%M}")
        clock.moment += timedelta(minutes=15)

    assert mornings == ["04-24 08:00", "04-28 08:00"]
    assert written(url) == 2


def test_when_nothing_ran_at_eight_it_is_written_later_that_day(engine: Engine, url: str, tmp_path: Path) -> None:
    sealed(engine, tmp_path)

    moments = [local(f"2026-04-24T{hour}") for hour in ("10:00", "16:00", "18:00")]
    told = [checkpoint.run_once(engine.database, engine.rules, moment) for moment in moments]

    assert told == [True, False, False]
    assert written(url) == 1


def test_without_a_checkpoint_there_is_nothing_to_send(engine: Engine, url: str) -> None:
    bring(engine, "registered")

    assert not checkpoint.run_once(engine.database, engine.rules, local("2026-04-24T08:15"))
    assert written(url) == 0


def test_the_file_in_it_is_the_signed_note_itself(engine: Engine, url: str, tmp_path: Path) -> None:
    sealed(engine, tmp_path)
    checkpoint.run_once(engine.database, engine.rules, local("2026-04-24T08:15"))
    with engine.database.reading() as store:
        (row,) = [one for one in letters.letters_of(store) if one.letter == "ledger_checkpoint"]

    built = Builder(Desk("koppelingen@example.com")).build(row, local("2026-04-24T08:15"))

    message = email.message_from_bytes(built.message or b"", policy=email.policy.default)
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "checkpoint.txt"
    (kept,) = look(url, "SELECT note FROM checkpoints")
    assert attached.get_content() == kept["note"].encode()
    assert read_checkpoint(attached.get_content().decode()).size == 2
