"""An address that was corrected: letters that have not left are built for the new one; what may have left stays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from email import message_from_bytes
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from employers import bring, employer
from looking import WAITS, look
from sink import ADDRESS, DESK, Sink, delivery, eventually

from notifications.desk import Desk as Sender
from states import EMPLOYER_COUPLING
from tests.scripts.desk import Desk
from workflow import Database, Engine, Origin, reminders
from workflow.answers import Answer, Row, RulesOf
from workflow.clock import SetClock
from workflow.erasure import Wish, erase
from workflow.storage import letters
from workflow.storage.letter_states import LetterState
from workflow.storage.outbox_queries import CORRECTED

OLD, NEW = "salaris01@example.com", "goed@example.com"
CORRECTION = {"registration": {"email": NEW}}
WORKER = Origin("worker", "test", "worker")


@pytest.fixture
def desk(url: str, tmp_path: Path, clock: SetClock) -> Desk:
    """A command line on either database."""
    settings = tmp_path / "schakel.toml"
    settings.touch()
    return Desk(
        {
            "SCHAKEL_DATABASE_URL": url,
            "SCHAKEL_SETTINGS": str(settings),
            "SCHAKEL_SIGNING_KEY": str(tmp_path / "signing.key"),
            "SCHAKEL_MAIL_FROM": "s@example.org",
            "SCHAKEL_ACTOR": "anna",
        },
        clock,
    )


def outbox(url: str) -> list[dict[str, Any]]:
    return look(url, "SELECT * FROM outbox ORDER BY id")


def as_state(engine: Engine, state: str, number: int = 1) -> None:
    with engine.database.writing() as store:
        store.execute(f"UPDATE outbox SET state = '{state}' WHERE id = {number}")


def test_a_letter_that_has_not_left_goes_to_the_corrected_address(engine: Engine, url: str) -> None:
    case, other = bring(engine, "rights_pending"), bring(engine, "rights_pending")
    engine.record(case, CORRECTION)

    with Sink() as sink:
        delivery(engine, sink).run_once()

    assert sorted(to for to, _ in sink.letters) == [NEW, OLD]
    (letter,) = sink.messages(NEW)
    assert (letter["To"], case in letter["Subject"]) == (NEW, True)
    assert other in sink.messages(OLD)[0]["Subject"]


@pytest.mark.parametrize("answer", ["550 no such user", "451 later"])
def test_a_letter_that_was_refused_is_built_anew_for_the_corrected_address(
    engine: Engine, url: str, desk: Desk, answer: str
) -> None:
    case = bring(engine, "rights_pending")
    with Sink(answers={OLD: answer}) as sink:
        delivery(engine, sink).run_once()
        (before,) = outbox(url)
        engine.record(case, CORRECTION)
        (corrected,) = outbox(url)
        desk.ask("mail retry 1")
        delivery(engine, sink).run_once()

    assert (corrected["state"], corrected["recipient"]) == (before["state"], NEW)
    assert (corrected["subject"], corrected["message"], corrected["sha256"]) == (None, None, None)
    assert corrected["reason"] == before["reason"] + CORRECTED
    assert [to for to, _ in sink.letters] == [NEW]
    (sent,) = outbox(url)
    stored = bytes(sent["message"])
    assert (sent["state"], sent["recipient"], sent["reason"]) == ("sent", NEW, None)
    assert sha256(stored).hexdigest() == sent["sha256"]
    assert message_from_bytes(stored)["To"] == NEW
    assert sent["message_id"] == before["message_id"]
    assert engine.replay(case).matches_stored


def test_that_the_address_was_corrected_is_told_once_and_an_equal_one_changes_nothing(engine: Engine, url: str) -> None:
    case = bring(engine, "rights_pending")
    with Sink(answers={OLD: "550 no such user"}) as sink:
        delivery(engine, sink).run_once()
    (before,) = outbox(url)

    engine.record(case, {"registration": {"email": OLD.upper(), "company_name": "Anders"}}, letters=False)
    engine.record(case, {"registration": {"email": OLD, "company_name": "Anders"}}, letters=False)
    for address in ("een@example.com", NEW):
        engine.record(case, {"registration": {"email": address}})

    assert outbox(url)[0]["reason"] == before["reason"] + CORRECTED


@pytest.mark.parametrize("state", ["sending", "sent", "unknown", "cancelled"])
def test_what_is_on_its_way_or_over_or_in_doubt_keeps_its_address(engine: Engine, url: str, state: str) -> None:
    case = bring(engine, "rights_pending")
    as_state(engine, state)

    engine.record(case, CORRECTION)

    assert outbox(url)[0]["recipient"] == OLD


def test_letters_to_another_reader_keep_theirs(engine: Engine, url: str) -> None:
    case = bring(engine, "registered")
    delivery(engine, None).run_once()

    engine.record(case, CORRECTION)

    assert {row["role"]: row["recipient"] for row in outbox(url)} == {"applicant": NEW, "asr": "asr@example.org"}


@pytest.mark.parametrize("email", [None, "geen adres"])
def test_without_an_address_letters_wait_for_one(engine: Engine, url: str, email: str | None) -> None:
    case = bring(engine, "rights_pending")
    engine.record(case, {"registration": {"email": email}})
    with Sink() as sink:
        waited = delivery(engine, sink).run_once()
        engine.record(case, CORRECTION)
        delivery(engine, sink).run_once()

    assert (waited.sent, waited.pending) == (0, 1)
    assert [to for to, _ in sink.letters] == [NEW]


def test_a_letter_that_may_have_arrived_goes_to_the_new_address_once_a_person_sends_it_again(
    engine: Engine, url: str, desk: Desk
) -> None:
    case = bring(engine, "rights_pending")
    as_state(engine, "unknown")
    engine.record(case, CORRECTION)

    desk.ask("mail resolve 1 --resend --reason 'gevraagd: niet aangekomen'")
    with Sink() as sink:
        delivery(engine, sink).run_once()

    assert [to for to, _ in sink.letters] == [NEW]
    assert sink.messages()[0]["To"] == NEW


def test_one_that_did_arrive_keeps_the_address_it_arrived_at(engine: Engine, url: str, desk: Desk) -> None:
    case = bring(engine, "rights_pending")
    as_state(engine, "unknown")
    engine.record(case, CORRECTION)

    desk.ask("mail resolve 1 --sent --reason 'gevraagd: aangekomen'")

    assert [(row["state"], row["recipient"]) for row in outbox(url)] == [("sent", OLD)]


@pytest.mark.parametrize("first", ["recorded", "resent"])
def test_a_letter_without_an_address_that_a_restore_put_in_doubt_leaves_once_it_is_sent_again(
    engine: Engine, url: str, desk: Desk, first: str
) -> None:
    given = employer("loket_user", "registration")
    del given["registration"]["email"]
    case = engine.open_case(given).case.reference
    desk.ask("doctor --after-restore")
    assert outbox(url)[0]["state"] == LetterState.UNKNOWN

    if first == "recorded":
        engine.record(case, CORRECTION)
    desk.ask("mail resolve 1 --resend --reason 'niet verstuurd'")
    if first == "resent":
        engine.record(case, CORRECTION)
    with Sink() as sink:
        delivery(engine, sink).run_once()

    assert [to for to, _ in sink.letters] == [NEW]


class _Corrected(Sink):
    """Has the address corrected while it is offered the first letter, or its bytes, and answers that as it is told."""

    engine: Engine
    case: str
    step: str
    answer: str | None = "451 later"
    is_first = True

    async def _is_not_now(self, step: str) -> bool:
        if step != self.step or not self.is_first:
            return False
        self.is_first = False
        await asyncio.to_thread(self.engine.record, self.case, CORRECTION)
        return True

    async def handle_RCPT(self, *words: Any) -> str:
        said = self.answer if await self._is_not_now("RCPT") else None
        return said or await super().handle_RCPT(*words)

    async def handle_DATA(self, *words: Any) -> str:
        said = self.answer if await self._is_not_now("DATA") else None
        return said or await super().handle_DATA(*words)


@pytest.mark.parametrize("step", ["RCPT", "DATA"])
def test_a_letter_in_hand_while_its_address_is_corrected_goes_to_the_new_one_at_the_next_try(
    engine: Engine, url: str, clock: SetClock, step: str
) -> None:
    case = bring(engine, "rights_pending")
    with _Corrected() as sink:
        sink.engine, sink.case, sink.step = engine, case, step
        delivery(engine, sink).run_once()
        clock.moment += timedelta(hours=1)
        delivery(engine, sink).run_once()

    assert [to for to, _ in sink.letters] == [NEW]
    assert [(row["state"], row["recipient"]) for row in outbox(url)] == [("sent", NEW)]


def test_what_is_claimed_while_its_address_is_corrected_is_claimed_no_more(engine: Engine, url: str) -> None:
    case, lease = bring(engine, "rights_pending"), timedelta(minutes=5)
    now = engine.clock.now()
    with engine.database.writing() as store:
        (row,) = letters.claim(store, now=now, lease_until=now + lease, token="hand", limit=9)

    engine.record(case, CORRECTION)
    with engine.database.writing() as store:
        may_leave = letters.beginning(store, row, lease_until=now + lease)()

    (left,) = outbox(url)
    assert not may_leave
    assert (left["state"], left["token"], left["lease_until"], left["recipient"]) == ("pending", None, None, NEW)


@pytest.mark.parametrize(
    ("state", "command"),
    [("unknown", "mail resolve 1 --resend --reason 'niet aangekomen'"), ("failed", "mail retry 1")],
)
def test_a_letter_whose_address_was_taken_away_waits_for_another(
    engine: Engine, url: str, desk: Desk, state: str, command: str
) -> None:
    case = bring(engine, "rights_pending")
    as_state(engine, "sending")
    engine.record(case, {"registration": {"email": None}})
    as_state(engine, state)

    desk.ask(command)
    with Sink() as sink:
        delivery(engine, sink).run_once()

    assert sink.letters == []
    assert [(row["state"], row["recipient"]) for row in outbox(url)] == [("pending", None)]


def test_a_reminder_that_is_taken_out_of_a_digest_goes_to_the_corrected_address(
    engine: Engine, url: str, clock: SetClock
) -> None:
    gone, case = (
        engine.open_case(employer("loket_user", "registration"), letters=False).case.reference for _ in range(2)
    )
    clock.moment += timedelta(days=8, minutes=1)
    reminders.run_once(engine.database, engine.rules, clock.moment, WORKER)
    delivery(engine, None).run_once()
    merged = [row["state"] for row in outbox(url)]

    engine.record(case, CORRECTION)
    engine.advance(gone, "withdraw", reason="op verzoek", letters=False)
    erase(engine.database, engine.rules, clock.moment, WORKER, gone, Wish("op verzoek", "AVG 17", 7))
    with Sink() as sink:
        delivery(engine, sink).run_once()

    assert merged == ["merged", "merged", "pending"]
    assert [to for to, _ in sink.letters] == [NEW]


def two_in_a_digest(engine: Engine, clock: SetClock) -> tuple[str, str]:
    """Two cases of one reader, whose reminders became one letter, the third."""
    given = employer("loket_user", "registration")
    case, other = (engine.open_case(given, letters=False).case.reference for _ in range(2))
    clock.moment += timedelta(days=8, minutes=1)
    reminders.run_once(engine.database, engine.rules, clock.moment, WORKER)
    delivery(engine, None).run_once()
    return case, other


def assert_each_was_told(sink: Sink, case: str, other: str) -> None:
    """Each reader got a letter, about the one case, and nobody got another."""
    assert sorted(to for to, _ in sink.letters) == [NEW, OLD]
    told = {str(letter["To"]): letter.get_body(("plain",)).get_content() for letter in sink.messages()}  # type: ignore[union-attr]
    assert (case in told[NEW], other in told[NEW]) == (True, False)
    assert (case in told[OLD], other in told[OLD]) == (False, True)


@pytest.mark.parametrize(("step", "answer"), [("RCPT", None), ("RCPT", "451 later"), ("DATA", "451 later")])
def test_a_digest_in_hand_while_an_address_is_corrected_is_taken_apart(
    engine: Engine, url: str, clock: SetClock, step: str, answer: str | None
) -> None:
    case, other = two_in_a_digest(engine, clock)
    with _Corrected() as sink:
        sink.engine, sink.case, sink.step, sink.answer = engine, case, step, answer
        for _ in range(2):
            delivery(engine, sink).run_once()

    assert_each_was_told(sink, case, other)
    assert [row["state"] for row in outbox(url)] == ["sent", "sent", "cancelled"]


@pytest.mark.parametrize(
    ("state", "command"),
    [("unknown", "mail resolve 3 --resend --reason 'niet aangekomen'"), ("failed", "mail retry 3")],
)
@pytest.mark.parametrize("during", ["sending", None])
def test_a_digest_that_a_person_sends_again_is_taken_apart_when_an_address_was_corrected(
    engine: Engine, url: str, clock: SetClock, desk: Desk, state: str, command: str, during: str | None
) -> None:
    case, other = two_in_a_digest(engine, clock)
    as_state(engine, during or state, 3)
    engine.record(case, CORRECTION)
    as_state(engine, state, 3)

    desk.ask(command)
    with Sink() as sink:
        delivery(engine, sink).run_once()

    assert_each_was_told(sink, case, other)
    assert [row["state"] for row in outbox(url)] == ["sent", "sent", "cancelled"]


@pytest.mark.parametrize("decided", ["by the server", "by a person"])
def test_a_reminder_in_a_digest_that_did_arrive_keeps_the_address_it_arrived_at(
    engine: Engine, url: str, clock: SetClock, desk: Desk, decided: str
) -> None:
    case, _ = two_in_a_digest(engine, clock)
    if decided == "by the server":
        with _Corrected() as sink:
            sink.engine, sink.case, sink.step, sink.answer = engine, case, "DATA", None
            delivery(engine, sink).run_once()
    else:
        as_state(engine, "unknown", 3)
        engine.record(case, CORRECTION)
        desk.ask("mail resolve 3 --sent --reason 'gevraagd: aangekomen'")

    assert [(row["state"], row["recipient"]) for row in outbox(url)] == [
        ("merged", OLD),
        ("merged", OLD),
        ("sent", OLD),
    ]
    assert [row["reason"] for row in outbox(url)] == ["part of letter 3", "part of letter 3", None]


def test_a_reminder_in_a_digest_keeps_the_new_address_when_who_sent_it_had_lost_it(
    engine: Engine, url: str, clock: SetClock
) -> None:
    """It took so long that nobody knows any more whether it arrived, and a person decides."""
    case, _ = two_in_a_digest(engine, clock)
    as_state(engine, "sending", 3)
    with engine.database.reading() as store:
        row = letters.letter_by_id(store, 3)
    assert row is not None
    engine.record(case, CORRECTION)
    as_state(engine, "unknown", 3)

    with engine.database.writing() as store:
        is_ours = letters.settling(
            store, row, LetterState.SENT, expected=(LetterState.SENDING,), now=engine.clock.now()
        )()

    assert not is_ours
    assert [row["recipient"] for row in outbox(url)] == [NEW, OLD, OLD]


def no_longer(how: str, engine: Engine, case: str) -> None:
    """What takes the old address from a case: a command or an import that knows another; or nobody knows any more."""
    if how == "imported":
        (row,) = engine.import_rows([Row(1, "E0", engine.case(case).case.facts | CORRECTION)], letters=False)
        assert row.case == case
    else:
        engine.record(case, {"registration": {"email": NEW if how == "recorded" else None}}, letters=False)


@pytest.mark.parametrize("how", ["recorded", "imported", "taken away"])
@pytest.mark.parametrize("first", ["who gathers", "who corrects"])
def test_nobody_writes_to_an_address_that_is_corrected_while_a_digest_is_gathered(
    postgres_url: str,
    opening: Callable[[str], Database],
    make_engine: Callable[[Database], Engine],
    clock: SetClock,
    how: str,
    first: str,
) -> None:
    """PostgreSQL: one still holds the reminder when the other wants it. Of two on SQLite one waits for the other."""
    impatient = f"{postgres_url}&options={quote('-c lock_timeout=5s')}"
    engine, other = (make_engine(opening(impatient)) for _ in range(2))
    case, *others = (
        engine.open_case(employer("loket_user", "registration"), external_reference=f"E{n}", letters=False).case
        for n in range(3)
    )
    clock.moment += timedelta(days=8, minutes=1)
    reminders.run_once(engine.database, engine.rules, clock.moment, WORKER)
    act = partial(no_longer, how, other, case.reference)
    said: list[str] = []
    met: list[object] = []

    def while_gathered(sql: str) -> None:
        if sql.startswith("INSERT INTO outbox") and not met:
            met.append(pool.submit(act))
            assert eventually(lambda: bool(look(postgres_url, WAITS)))

    def while_corrected(sql: str) -> None:
        said.append(sql)
        if sql == "COMMIT" and "UPDATE outbox" in said[-2] and not met:
            met.append(delivery(engine, None).run_once())

    with ThreadPoolExecutor(1) as pool, Sink() as sink:
        if first == "who gathers":
            engine.database.failpoint = while_gathered
        else:
            other.database.failpoint = while_corrected
            act()
        delivery(engine, sink).run_once()
        pool.shutdown()
        delivery(engine, sink).run_once()

    assert len(met) == 1
    texts = [(str(letter["To"]), letter.get_body(("plain",)).get_content()) for letter in sink.messages()]  # type: ignore[union-attr]
    told = sorted((to, [one.reference in text for one in (case, *others)]) for to, text in texts)
    corrected = [(NEW, [True, False, False])] if how != "taken away" else []
    assert told == [*corrected, (OLD, [False, True, True])]


def test_a_letter_that_failed_while_its_address_was_corrected_goes_to_the_new_address_when_it_is_tried_again(
    engine: Engine, url: str, desk: Desk
) -> None:
    case = bring(engine, "rights_pending")
    as_state(engine, "sending")
    engine.record(case, CORRECTION)
    as_state(engine, "failed")

    desk.ask("mail retry 1")

    assert [(row["state"], row["recipient"]) for row in outbox(url)] == [("pending", NEW)]


@pytest.mark.parametrize("end", ["confirmed", "withdrawn"])
def test_the_address_of_a_case_that_has_ended_can_still_be_put_right(
    engine: Engine, url: str, desk: Desk, end: str
) -> None:
    case = bring(engine, end)
    with Sink(answers={OLD: "550 no such user"}) as sink:
        delivery(engine, sink).run_once()
    failed = [row for row in outbox(url) if row["state"] == "failed"]

    desk.ask(f"record {case} registration email={NEW}")
    for row in failed:
        desk.ask(f"mail retry {row['id']}")
    with Sink() as sink:
        delivery(engine, sink).run_once()

    last = {"confirmed": "is klaar", "withdrawn": "is gestopt"}[end]
    assert any(last in message["Subject"] for message in sink.messages(NEW)), [m["Subject"] for m in sink.messages(NEW)]
    assert len(sink.messages()) == len(failed)
    replayed = engine.replay(case, by=RulesOf.THEN)
    assert replayed.matches_stored
    assert {ruling.answer for ruling in replayed.rulings} == {Answer.YES}


@pytest.mark.parametrize("was", ["refused", "in doubt", "without an address"])
def test_an_invitation_that_did_not_arrive_goes_nowhere_once_its_case_was_withdrawn(
    engine: Engine, url: str, desk: Desk, was: str
) -> None:
    given = employer()
    if was == "without an address":
        del given["registration"]["email"]
    case = engine.open_case(given).case.reference
    with Sink(answers={OLD: "550 no such user"}) as sink:
        delivery(engine, sink).run_once()
        if was == "in doubt":
            as_state(engine, "unknown")
        engine.advance(case, "withdraw", reason="op verzoek")
        desk.ask(f"record {case} registration email={NEW}")
        expected = [letter["letter"] for letter in desk.ask("forecast --days 1")]
        if was == "refused":
            desk.ask("mail retry 1")
        if was == "in doubt":
            desk.ask("mail resolve 1 --resend --reason 'niet aangekomen'")
        delivery(engine, sink).run_once()

    (told,) = sink.messages()
    assert (told["To"], "is gestopt" in str(told["Subject"]), expected) == (NEW, True, ["case_withdrawn"])
    asked, stopped = outbox(url)
    assert (asked["state"], asked["reason"], stopped["state"]) == (
        "cancelled",
        "its case ended before it was sent",
        "sent",
    )


def test_what_only_informs_goes_to_its_reader_after_the_case_has_ended(engine: Engine, url: str) -> None:
    bring(engine, "confirmed")

    with Sink() as sink:
        delivery(engine, sink).run_once()

    left = {row["letter"]: row["state"] for row in outbox(url)}
    asked = {name for name, state in left.items() if state == "cancelled"}
    assert asked == set(EMPLOYER_COUPLING.asking) & left.keys()
    assert left.keys() - asked == {"registration_received", "coupling_confirmed"}
    assert len(sink.messages()) == 3


def test_the_address_of_a_case_that_was_erased_can_not(engine: Engine, clock: SetClock, desk: Desk) -> None:
    case = bring(engine, "withdrawn")
    desk.ask(f"audit erase {case} --reason 'verzoek' --ground 'art. 17 AVG' --yes")

    refused = desk.ask(f"record {case} registration email={NEW}", code=5)

    assert "was erased" in refused["message"]


def test_letters_to_a_role_go_to_the_address_that_is_set_now(engine: Engine, url: str, desk: Desk) -> None:
    bring(engine, "registered")
    moved = Sender(sender=DESK.sender, addresses={**DESK.addresses, "asr": "nieuw@example.org"})
    with Sink(answers={"asr@example.org": "550 no such user"}) as sink:
        delivery(engine, sink).run_once()
        (failed,) = [row for row in outbox(url) if row["role"] == "asr"]
        desk.ask(f"mail retry {failed['id']}")
        delivery(engine, sink, moved).run_once()

    assert failed["state"] == "failed"
    (letter,) = sink.messages("nieuw@example.org")
    assert letter["To"] == "nieuw@example.org"


def test_mail_show_tells_that_the_address_was_corrected(engine: Engine, desk: Desk) -> None:
    case = bring(engine, "rights_pending")
    with Sink(answers={OLD: "550 no such user"}) as sink:
        desk.environ["SCHAKEL_SMTP_URL"] = f"smtp://{ADDRESS}:{sink.port}"
        delivery(engine, sink).run_once()
        desk.ask(f"record {case} registration email={NEW}")

    shown = desk.run("mail show 1").output
    assert CORRECTED.removeprefix("; ") in " ".join(shown.split())
    assert "(g•••••@example.com)" in shown
