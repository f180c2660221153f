"""Letters go out to a real server once; whatever happens, none is lost and none repeated by itself."""

from __future__ import annotations

import hashlib
import hmac
import json
import shutil
import socket
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import pytest
from employers import bring, employer
from looking import look
from sink import ADDRESS, DESK, NOBODY, WORKER, Sink, delivery

from notifications.delivery import Delivery
from notifications.desk import Desk
from notifications.rendering import TEMPLATES
from notifications.smtp_url import Server
from notifications.tally import Delivered
from workflow import Database, Engine, UsageError, open_database
from workflow.clock import SetClock
from workflow.events import Kind
from workflow.storage import letters

APPLICANT = "salaris01@example.com"
MINUTE = timedelta(minutes=1)


def outbox(url: str, where: str = "1 = 1") -> list[dict[str, Any]]:
    return look(url, f"SELECT * FROM outbox WHERE {where} ORDER BY id")


def states(url: str) -> dict[str, int]:
    return dict(Counter(row["state"] for row in outbox(url)))


def kinds(engine: Engine, case: str) -> list[str]:
    return [str(step.event.kind) for step in engine.history(case)]


def moment(value: datetime | str) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def nowhere() -> Server:
    """A port of this machine on which nobody listens."""
    with socket.socket() as taken:
        taken.bind((ADDRESS, 0))
        return Server(ADDRESS, taken.getsockname()[1], "none", hello_name="tests.example.org")


# -- sent -----------------------------------------------------------------------------------------------


def test_letters_refer_to_the_first_one_of_their_own_case(engine: Engine, url: str) -> None:
    cases = [bring(engine, "rights_pending") for _ in range(2)]

    with Sink() as sink:
        delivery(engine, sink).run_once()
        for trigger in ("register", "enrich"):
            for case in cases:
                engine.advance(case, trigger)
            delivery(engine, sink).run_once()

    rows = outbox(url)
    first = {row["case_id"]: row["message_id"] for row in reversed(rows)}
    refers = {one["Message-ID"]: (one["References"], one["In-Reply-To"]) for one in sink.messages()}
    assert len(first) == 2
    assert max(sink.copies().values()) == 1
    assert refers == {
        row["message_id"]: (None,) * 2 if row["message_id"] == first[row["case_id"]] else (first[row["case_id"]],) * 2
        for row in rows
    }


def test_every_letter_of_a_coupling_is_sent_once(engine: Engine, url: str) -> None:
    case = bring(engine, "keylane_configuring")

    with Sink() as sink:
        first, second = delivery(engine, sink).run_once(), delivery(engine, sink).run_once()

    rows = outbox(url)
    assert (first, second) == (Delivered(sent=len(rows)), Delivered())
    assert {row["state"] for row in rows} == {"sent"}
    assert sink.copies() == Counter(row["message_id"] for row in rows)
    assert Counter(to for to, _ in sink.letters) == Counter(row["recipient"] for row in rows)
    assert all(case in str(message["Subject"]) for message in sink.messages())
    assert kinds(engine, case).count("letter_sent") == len(rows)
    assert engine.replay(case).matches_stored


def test_letters_are_made_of_the_templates_in_the_folder_that_is_named(engine: Engine, tmp_path: Path) -> None:
    bring(engine, "rights_pending")
    folder = shutil.copytree(TEMPLATES, tmp_path / "letters")
    for language in ("nl", "en"):
        (folder / language / "invitation.j2").write_text("Subject: Our own words\n\nOur own words.\n")

    with Sink() as sink:
        Delivery(engine.database, engine.rules, engine.clock, WORKER, DESK, sink.server, folder=folder).run_once()

    (message,) = sink.messages()
    assert str(message["Subject"]).startswith("Our own words")


def test_the_history_commits_to_the_bytes_that_the_server_got(engine: Engine, url: str) -> None:
    case = bring(engine, "rights_pending")

    with Sink() as sink:
        delivery(engine, sink).run_once()

    ((_, got),) = sink.letters
    digest = hashlib.sha256(got).hexdigest()
    event = engine.history(case)[-1].event
    (kept,) = look(url, f"SELECT * FROM private_values WHERE seq = {event.seq} AND path = 'message'")
    (row,) = outbox(url)
    expected = hmac.new(bytes(kept["salt"]), json.dumps(digest).encode(), hashlib.sha256).hexdigest()
    assert (row["sha256"], json.loads(kept["value"]), bytes(row["message"])) == (digest, digest, got)
    assert event.kind is Kind.LETTER_SENT
    assert (event.body["letter"], event.body["phase"], event.body["code"]) == ("invitation", "data", 250)
    assert event.commitments["message"].removeprefix("hmac-sha256:") == expected
    assert digest not in event.canonical.decode()


def test_a_letter_that_is_tried_again_keeps_its_message_id_and_is_dated_anew(
    engine: Engine, clock: SetClock, url: str
) -> None:
    bring(engine, "rights_pending")
    with Sink(answers={APPLICANT: "450 busy"}) as busy:
        delivery(engine, busy).run_once()
    (before,) = outbox(url)

    clock.moment += 5 * MINUTE
    with Sink() as sink:
        delivery(engine, sink).run_once()

    assert (before["state"], before["message"], before["sha256"]) == ("pending", None, None)
    assert sink.copies() == Counter([before["message_id"]])
    assert parsedate_to_datetime(str(sink.messages()[0]["Date"])) == clock.moment.replace(microsecond=0)


# -- refused --------------------------------------------------------------------------------------------


def test_a_letter_that_is_put_off_is_tried_again_after_5_minutes_growing_to_3_hours_for_5_days(
    sqlite_engine: Engine, sqlite_url: str, clock: SetClock
) -> None:
    case = bring(sqlite_engine, "rights_pending")
    start, waits = clock.moment, []

    with Sink(answers={APPLICANT: "450 4.2.1 mailbox busy"}) as sink:
        worker = delivery(sqlite_engine, sink)
        while (done := worker.run_once()).retried:
            (row,) = outbox(sqlite_url)
            assert (row["state"], row["token"], done.pending) == ("pending", None, 1)
            due = moment(row["due_at"])
            waits.append(due - clock.moment)
            clock.moment = due - timedelta(seconds=1)
            assert worker.run_once() == Delivered(pending=1)
            clock.moment = due

    (row,) = outbox(sqlite_url)
    minutes = [wait // MINUTE for wait in waits]
    assert minutes[:8] == [5, 10, 20, 40, 80, 160, 180, 180]
    assert set(minutes[6:]) == {180}
    assert (done.failed, row["state"], row["attempts"]) == (1, "failed", len(waits) + 1)
    assert timedelta(days=5) <= clock.moment - start < timedelta(days=5, hours=3)
    assert (len(sink.letters), sink.tries(APPLICANT)) == (0, len(waits) + 1)
    assert kinds(sqlite_engine, case) == ["opened", "letter_failed"]


@pytest.mark.parametrize("code", [550, 554])
def test_a_letter_that_is_refused_for_good_fails_at_once_and_its_history_says_so(
    engine: Engine, clock: SetClock, url: str, code: int
) -> None:
    case = bring(engine, "rights_pending")

    with Sink(answers={APPLICANT: f"{code} <{APPLICANT}> unknown"}) as sink:
        done = delivery(engine, sink).run_once()
        clock.moment += timedelta(days=6)
        again = delivery(engine, sink).run_once()

    event = engine.history(case)[-1].event
    (row,) = outbox(url)
    (attempt,) = look(url, "SELECT * FROM outbox_attempts")
    assert (done, again) == (Delivered(failed=1), Delivered())
    assert (row["state"], sink.tries(APPLICANT), sink.letters) == ("failed", 1, [])
    assert (event.kind, event.body["phase"], event.body["code"]) == (Kind.LETTER_FAILED, "rcpt", code)
    assert (attempt["phase"], attempt["code"]) == ("rcpt", code)
    assert APPLICANT not in attempt["words"] + (row["reason"] or "") + event.canonical.decode()
    assert engine.replay(case).matches_stored


def test_a_refused_reader_does_not_keep_the_others_from_their_letters(engine: Engine) -> None:
    case = bring(engine, "enriched")

    with Sink(answers={"keylane@example.org": "550 no", "asr@example.org": "450 later"}) as sink:
        done = delivery(engine, sink).run_once()

    assert (done.failed, done.retried, done.pending) == (1, 1, 1)
    assert {to for to, _ in sink.letters} == {APPLICANT}
    assert engine.replay(case).matches_stored


# -- not yet --------------------------------------------------------------------------------------------


def test_without_a_server_letters_stay_pending_and_untried(engine: Engine, url: str) -> None:
    bring(engine, "registered")

    done = delivery(engine, None).run_once()

    assert done == Delivered(pending=3)
    assert {(row["state"], row["attempts"]) for row in outbox(url)} == {("pending", 0)}


def test_when_the_server_is_down_nothing_is_lost_and_one_try_is_counted(
    engine: Engine, clock: SetClock, url: str
) -> None:
    for _ in range(20):
        bring(engine, "rights_pending")

    done = delivery(engine, None, server=nowhere()).run_once()

    rows = outbox(url)
    tried = sum(row["attempts"] for row in rows)
    assert {(row["state"], row["token"], row["lease_until"]) for row in rows} == {("pending", None, None)}
    assert done.pending == 20
    assert 1 <= tried <= 4, "one try a connection at most"
    clock.moment += 5 * MINUTE
    with Sink() as sink:
        delivery(engine, sink).run_once()
    assert sink.copies() == Counter(row["message_id"] for row in outbox(url))
    assert len(sink.letters) == 20


def test_a_letter_without_an_address_waits_until_it_is_recorded(engine: Engine) -> None:
    given = employer("loket_user", "registration")
    given["registration"]["email"] = None
    case = engine.open_case(given).case.reference
    with Sink() as sink:
        without = delivery(engine, sink).run_once()

        engine.record(case, {"registration": {"email": "nieuw@example.com"}}, letters=False)
        done = delivery(engine, sink).run_once()

    assert (without, done) == (Delivered(pending=1), Delivered(sent=1))
    assert [to for to, _ in sink.letters] == ["nieuw@example.com"]
    assert sink.messages()[0]["To"] == "nieuw@example.com"


def test_an_address_that_is_recorded_is_for_the_letters_to_its_reader_that_wait(engine: Engine, url: str) -> None:
    facts = employer("loket_user", "registration")
    first, second = facts["registration"].pop("email"), "later@example.com"
    case = engine.open_case(facts).case.reference
    for right in facts["loket_user"]["rights"][:2]:
        engine.record(case, {"loket_user": {"rights": [right]}})
    waiting, ended, of_others = (row["id"] for row in outbox(url))
    with engine.database.writing() as store:
        store.execute(f"UPDATE outbox SET state = 'cancelled' WHERE id = {ended}")
        store.execute(f"UPDATE outbox SET role = 'asr' WHERE id = {of_others}")

    for email in (first, second):
        engine.record(case, {"registration": {"email": email}})

    assert {row["id"]: row["recipient"] for row in outbox(url)} == {waiting: second, ended: None, of_others: None}


def test_letters_to_a_role_wait_until_its_address_is_set(engine: Engine) -> None:
    bring(engine, "registered")
    with Sink() as sink:
        without = delivery(engine, sink, NOBODY).run_once()

        done = delivery(engine, sink).run_once()

    assert (without.sent, without.pending, done) == (2, 1, Delivered(sent=1))
    assert sink.letters[-1][0] == "asr@example.org"


def test_a_clock_that_does_not_say_its_zone_sends_nothing(engine: Engine, clock: SetClock) -> None:
    engine.open_case(employer())
    clock.moment = clock.moment.replace(tzinfo=None)

    with Sink() as sink, pytest.raises(UsageError, match="now of the clock must be a datetime with its time zone"):
        delivery(engine, sink).run_once()

    assert sink.letters == []


def test_a_letter_that_was_not_due_yet_is_left_alone(engine: Engine, clock: SetClock) -> None:
    bring(engine, "rights_pending")
    clock.moment -= timedelta(seconds=1)

    with Sink() as sink:
        done = delivery(engine, sink).run_once()

    assert done == Delivered(pending=1)


# -- left behind ----------------------------------------------------------------------------------------


def left_behind(engine: Engine, clock: SetClock, *, sending: bool) -> None:
    """A worker took a letter, with `sending` committed that DATA follows, and disappeared."""
    with engine.database.writing() as store:
        until = clock.moment + 5 * MINUTE
        (row,) = letters.claim(store, now=clock.moment, lease_until=until, token="gone", limit=1)
        if sending:
            assert letters.beginning(store, row, lease_until=until)()


def test_a_claim_of_a_worker_that_disappeared_goes_back_when_its_lease_ends(
    engine: Engine, clock: SetClock, url: str
) -> None:
    bring(engine, "rights_pending")
    left_behind(engine, clock, sending=False)

    with Sink() as sink:
        clock.moment += 5 * MINUTE - timedelta(seconds=1)
        before = delivery(engine, sink).run_once()
        clock.moment += timedelta(seconds=1)
        after = delivery(engine, sink).run_once()

    assert (before, after) == (Delivered(), Delivered(sent=1))
    assert states(url) == {"sent": 1}


def test_a_letter_whose_worker_disappeared_while_sending_becomes_unknown_and_is_not_sent_again(
    engine: Engine, clock: SetClock, url: str
) -> None:
    case = bring(engine, "rights_pending")
    left_behind(engine, clock, sending=True)

    with Sink() as sink:
        before = delivery(engine, sink).run_once()
        clock.moment += 5 * MINUTE
        after = delivery(engine, sink).run_once()
        clock.moment += timedelta(days=30)
        later = delivery(engine, sink).run_once()

    assert (before, after, later) == (Delivered(), Delivered(unknown=1), Delivered())
    assert (states(url), sink.letters) == ({"unknown": 1}, [])
    assert kinds(engine, case) == ["opened", "letter_unknown"]
    assert engine.replay(case).matches_stored


def test_however_many_letters_were_left_behind_one_pass_settles_them(
    engine: Engine, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("notifications.delivery.BATCH", 2)
    for _ in range(5):
        bring(engine, "rights_pending")
        left_behind(engine, clock, sending=True)
    clock.moment += 5 * MINUTE

    assert delivery(engine, None).run_once() == Delivered(unknown=5)


def test_letters_in_hand_are_claimed_for_five_minutes_and_one_that_leaves_has_fifteen(
    engine: Engine, url: str, clock: SetClock
) -> None:
    for _ in range(2):
        bring(engine, "rights_pending")
    seen = list[dict[str, Any]]()

    class Looking(Sink):
        async def handle_DATA(self, *words: Any) -> str:
            seen.extend(outbox(url, "lease_until IS NOT NULL"))
            return await super().handle_DATA(*words)

    with Looking() as sink:
        delivery(engine, sink, connections=1).run_once()

    leases = [(row["id"], row["state"], moment(row["lease_until"]) - clock.moment) for row in seen]
    assert leases == [(1, "sending", 15 * MINUTE), (2, "claimed", 5 * MINUTE), (2, "sending", 15 * MINUTE)]


def test_whoever_lost_its_claim_changes_nothing(engine: Engine, clock: SetClock, url: str) -> None:
    bring(engine, "rights_pending")
    with engine.database.writing() as store:
        (row,) = letters.claim(store, now=clock.moment, lease_until=clock.moment, token="slow", limit=1)
    with Sink() as sink:
        delivery(engine, sink).run_once()

    with engine.database.writing() as store:
        began = letters.beginning(store, row, lease_until=clock.moment + MINUTE)()

    assert (began, states(url), len(sink.letters)) == (False, {"sent": 1}, 1)


def test_two_workers_share_the_letters_and_send_each_once(url: str, make_engine: Callable[[Database], Engine]) -> None:
    databases = [open_database(url) for _ in range(2)]
    engines = [make_engine(database) for database in databases]
    for _ in range(120):
        bring(engines[0], "rights_pending")

    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    with Sink() as sink, ThreadPoolExecutor(2) as threads:
        done = list(threads.map(lambda engine: delivery(engine, sink).run_once(), engines))

    assert sum(one.sent for one in done) == 120
    assert sink.copies() == Counter(row["message_id"] for row in outbox(url))
    assert states(url) == {"sent": 120}
    for database in databases:
        database.dispose()


# -- templates ------------------------------------------------------------------------------------------


def test_a_sender_that_is_no_address_fails_no_letter_for_good_without_saying_why(
    sqlite_engine: Engine, sqlite_url: str
) -> None:
    bring(sqlite_engine, "rights_pending")

    with Sink() as sink:
        delivery(sqlite_engine, sink, Desk(sender="not an address")).run_once()

    (row,) = outbox(sqlite_url)
    assert (row["state"], sink.letters) == ("failed", [])
    assert "settings" in row["reason"]


def test_stop_lets_the_rest_wait(sqlite_engine: Engine) -> None:
    for _ in range(5):
        bring(sqlite_engine, "rights_pending")

    with Sink() as sink:
        worker = delivery(sqlite_engine, sink)
        worker.stop()
        done = worker.run_once()

    assert (done, sink.letters) == (Delivered(pending=5), [])


def test_the_desk_of_these_tests_writes_from_the_address_it_says(sqlite_engine: Engine) -> None:
    bring(sqlite_engine, "rights_pending")

    with Sink() as sink:
        delivery(sqlite_engine, sink).run_once()

    assert sink.messages()[0]["From"] == DESK.sender
