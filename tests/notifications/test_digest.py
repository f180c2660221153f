"""Several reminders for one reader on one morning are one letter, and each case's history still has its own."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from employers import bring, employer
from looking import bare, look
from sink import DESK, Sink, delivery

from notifications.digest import merge_reminders
from scripts.mailroom import retry_letter
from states.reading import as_day
from states.wording import written_date
from workflow import Engine, Origin, reminders
from workflow.clock import AMSTERDAM, SetClock
from workflow.erasure import Wish, erase
from workflow.errors import CannotFire
from workflow.events import Kind
from workflow.storage import letters
from workflow.storage.letter_states import LetterState

WORKER = Origin("worker", "test", "worker")
APPLICANT = "salaris01@example.com"
MORNING = datetime(2026, 4, 28, 9, tzinfo=AMSTERDAM).astimezone(UTC)
"""Five working days after the cases were opened."""


def preparing(engine: Engine, language: str = "nl", email: str = APPLICANT) -> str:
    """A case of this applicant that waits for them, its invitation not to be sent."""
    given = employer("loket_user", "registration")
    given["registration"] |= {"language": language, "email": email, "wage_tax_number": None}
    return engine.open_case(given, letters=False).case.reference


def fire(engine: Engine) -> None:
    reminders.run_once(engine.database, engine.rules, engine.clock.now(), WORKER)


def reminded(engine: Engine, clock: SetClock, count: int) -> list[str]:
    """So many cases of one applicant, on the morning of their first reminder."""
    cases = [preparing(engine) for _ in range(count)]
    clock.moment = MORNING
    fire(engine)
    return cases


def outbox(url: str, where: str = "1 = 1") -> list[dict[str, Any]]:
    return look(url, f"SELECT * FROM outbox WHERE {where} ORDER BY id")


def kinds(engine: Engine, case: str) -> list[str]:
    return [str(step.event.kind) for step in engine.history(case)]


@pytest.mark.parametrize("worker_slept", [False, True])
def test_forty_reminders_for_one_reader_are_one_letter_that_lists_forty_cases(
    engine: Engine, clock: SetClock, url: str, worker_slept: bool
) -> None:
    cases = [preparing(engine) for _ in range(40)]
    clock.moment = MORNING.replace(day=29) if worker_slept else MORNING
    fire(engine)

    with Sink() as sink:
        done = delivery(engine, sink).run_once()
        delivery(engine, sink).run_once()

    (letter,) = sink.messages(APPLICANT)
    assert (done.merged, done.sent, done.pending) == (40, 1, 0)
    assert "40" in letter["Subject"]
    text = letter.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert all(case in text for case in cases)
    assert {tuple(kinds(engine, case)) for case in cases} == {("opened", "reminded", "letter_sent")}
    (digest,) = outbox(url, "case_id IS NULL")
    assert (digest["letter"], digest["seq"], digest["state"]) == ("reminder_digest", None, "sent")
    merged = outbox(url, "case_id IS NOT NULL")
    assert {(row["state"], row["merged_into"]) for row in merged} == {("merged", digest["id"])}
    assert all(engine.replay(case).matches_stored for case in cases)


def test_the_history_of_each_case_names_the_letter_that_carried_its_reminder(
    engine: Engine, clock: SetClock, url: str
) -> None:
    cases = reminded(engine, clock, 2)

    with Sink() as sink:
        delivery(engine, sink).run_once()

    (digest,) = outbox(url, "letter = 'reminder_digest'")
    for case in cases:
        told = engine.history(case)[-1].event
        assert told.kind is Kind.LETTER_SENT
        assert (told.body["letter"], told.body["outbox"]) == ("reminder_digest", digest["id"])
        assert "message" in told.commitments


@pytest.mark.parametrize(("open_ones", "subject"), [(1, "1 koppeling wacht op je"), (0, "wij kijken je gegevens na")])
def test_cases_with_nothing_open_are_not_counted(
    sqlite_engine: Engine, clock: SetClock, open_ones: int, subject: str
) -> None:
    for _ in range(open_ones):
        preparing(sqlite_engine)
    for _ in range(2):
        sqlite_engine.open_case(employer("loket_user", "registration"), letters=False)
    clock.moment = MORNING
    fire(sqlite_engine)

    with Sink() as sink:
        delivery(sqlite_engine, sink).run_once()

    (letter,) = sink.messages(APPLICANT)
    assert letter["Subject"].endswith(subject)
    text = letter.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert text.count("Je hoeft nu niets te doen.") == 2 + (not open_ones)


def test_reminders_that_wait_when_the_program_is_renewed_are_merged_with_new_ones(
    sqlite_engine: Engine, clock: SetClock, sqlite_url: str
) -> None:
    """Until rules 2026.11 a reminder did not say whom its case waits for."""
    reminded(sqlite_engine, clock, 3)
    with bare(sqlite_url) as connection:
        lacks = "json_remove(context, '$.waits_for', '$.elsewhere')"
        connection.execute(f"UPDATE outbox SET context = {lacks} WHERE case_id < 3")

    with Sink() as sink:
        delivery(sqlite_engine, sink).run_once()

    (letter,) = sink.messages(APPLICANT)
    assert letter["Subject"].endswith("3 koppelingen wachten op je")


def test_what_was_returned_asks_for_its_correction_beside_what_has_nothing_open(
    engine: Engine, clock: SetClock
) -> None:
    engine.open_case(employer("loket_user", "registration"), letters=False)
    returned = engine.open_case(employer("loket_user", "registration"), letters=False).case.reference
    clock.moment += timedelta(minutes=1)
    engine.advance(returned, "register", letters=False)
    engine.advance(returned, "return_to_applicant", reason="Het contract is van een ander", letters=False)
    clock.moment = MORNING
    fire(engine)

    with Sink() as sink:
        delivery(engine, sink).run_once()

    (letter,) = sink.messages(APPLICANT)
    assert "1 koppeling wacht op je" in letter["Subject"]
    text = " ".join(letter.get_body(("plain",)).get_content().split())  # type: ignore[union-attr]
    assert text.count("Je hoeft nu niets te doen.") == 1
    assert "De reden: Het contract is van een ander" in text


def digest_to(engine: Engine, address: str) -> tuple[str, str]:
    """Subject and text of the one letter about several cases that now goes to this address."""
    with Sink() as sink:
        delivery(engine, sink).run_once()
    (letter,) = (one for one in sink.messages(address) if "koppeling" in one["Subject"].split()[1])
    return letter["Subject"], "\n".join(letter.get_body(("plain",)).get_content().splitlines())  # type: ignore[union-attr]


def told_of(text: str, *cases: str) -> list[str]:
    """What a digest says of each of these cases, which it lists in this order."""
    told = text
    for case in cases:
        told = told.replace(f"({case})", "\0")
    return told.split("\0")[1:]


def test_an_escalation_in_a_digest_says_whom_the_case_waits_for_and_what_to_do(engine: Engine, clock: SetClock) -> None:
    waiting = preparing(engine)
    decided = engine.open_case(employer("loket_user", "registration"), letters=False).case.reference
    clock.moment = datetime(2026, 5, 5, 9, tzinfo=AMSTERDAM).astimezone(UTC)
    fire(engine)

    subject, text = digest_to(engine, DESK.addresses["operations"])

    assert subject == "2 koppelingen vragen je aandacht"
    first, second = told_of(text, waiting, decided)
    assert "Die wacht nu 10 werkdagen op de aanvrager." in first
    assert "- Bij de aanvrager: Het loonheffingennummer ontbreekt.\n" in first
    assert "Neem contact op met de aanvrager." in first
    assert "Die staat 10 werkdagen stil en wacht nu op jullie eigen besluit." in second
    assert f"Er staat niets meer open. Zet de zaak door: schakel advance {decided}" in second


def test_a_digest_of_first_exchanges_says_what_must_be_checked_and_what_if_one_was_postponed(
    engine: Engine, clock: SetClock
) -> None:
    checked = [bring(engine, "confirmed") for _ in range(2)]
    with Sink() as sink:
        delivery(engine, sink).run_once()
    clock.moment = datetime(2027, 1, 4, 9, tzinfo=AMSTERDAM).astimezone(UTC)
    fire(engine)

    subject, text = digest_to(engine, DESK.addresses["operations"])

    assert subject == "2 koppelingen vragen je aandacht"
    first, second = told_of(text, *checked)
    day = as_day(engine.case(checked[0]).case.facts["realisation"]["first_exchange_date"])
    for case, said in zip(checked, (first, second), strict=True):
        assert f"Die was op {written_date(day, 'nl')}." in said
        assert "of het aantal medewerkers klopt" in said
        assert "Kenmerk bij Keylane: KL-77" in said
        assert f"schakel record {case} realisation first_exchange_date=JJJJ-MM-DD" in said


def test_keylane_is_asked_for_nothing_about_cases_that_wait_for_others(engine: Engine, clock: SetClock) -> None:
    asked = employer()
    asked["handover"] = {}
    theirs = engine.open_case(asked, letters=False).case.reference
    for trigger in ("register", "enrich"):
        engine.advance(theirs, trigger, letters=False)
    ours = bring(engine, "enriched")
    with Sink() as sink:
        delivery(engine, sink).run_once()
    clock.moment = datetime(2026, 4, 21, 9, tzinfo=AMSTERDAM).astimezone(UTC)
    fire(engine)

    subject, text = digest_to(engine, DESK.addresses["keylane"])

    assert subject == "1 koppeling wacht op jullie"
    first, second = told_of(text, theirs, ours)
    assert "graag vóór 22 april 2026:\n- Het kenmerk van Keylane ontbreekt." in first
    assert "Deze koppeling wacht nu op ons. Jullie hoeven nu niets te doen." in second
    assert ("Jullie kenmerk" in first, "Jullie kenmerk: KL-77" in second) == (False, True)
    assert f"Werkgever ID in Loket.nl: {asked['registration']['loket_employer_id']}" in first


def test_the_second_reminders_of_a_morning_are_second_ones_in_their_digest_too(engine: Engine, clock: SetClock) -> None:
    preparing(engine), preparing(engine)
    clock.moment = MORNING
    fire(engine)
    first, _ = digest_to(engine, APPLICANT)
    clock.moment = datetime(2026, 5, 5, 9, tzinfo=AMSTERDAM).astimezone(UTC)
    fire(engine)

    with Sink() as sink:
        delivery(engine, sink).run_once()

    (letter,) = sink.messages(APPLICANT)
    text = letter.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert (first, letter["Subject"]) == (
        "2 koppelingen wachten op je",
        "Tweede herinnering: 2 koppelingen wachten op je",
    )
    assert text.count("Dan vragen we onze uitvoering of de aanvraag moet stoppen.") == 2


@pytest.mark.parametrize(
    ("languages", "digests"), [("nl en nl en", ["en", "nl"]), ("en nl en", ["en"]), ("en nl", []), ("en en", ["en"])]
)
def test_what_is_said_of_each_case_is_in_the_language_of_its_letter(
    engine: Engine, clock: SetClock, url: str, languages: str, digests: list[str]
) -> None:
    cases = [(preparing(engine, language), language) for language in languages.split()]
    clock.moment = MORNING
    fire(engine)

    with Sink() as sink:
        delivery(engine, sink).run_once()

    told = {
        letter["Content-Language"]: letter.get_body(("plain",)).get_content() for letter in sink.messages(APPLICANT)
    }
    assert len(sink.letters) == len(told) == len(set(languages.split()))
    missing = {
        "nl": "Het loonheffingennummer ontbreekt.",
        "en": "The wage tax number (loonheffingennummer) is missing.",
    }
    for case, language in cases:
        assert case in told[language]
        assert {other: told[language].count(text) for other, text in missing.items()} == {
            **dict.fromkeys(missing, 0),
            language: languages.split().count(language),
        }
    assert sorted(row["language"] for row in outbox(url, "case_id IS NULL")) == digests
    assert {kinds(engine, case)[-1] for case, _ in cases} == {"letter_sent"}


def test_an_old_reminder_that_was_put_back_keeps_the_newer_one_of_its_case_no_more_than_other_letters(
    engine: Engine, clock: SetClock, url: str
) -> None:
    """At the moment between the two things that a pass does: ending what is over, and merging."""
    case = engine.open_case(employer("loket_user", "registration"), letters=False).case.reference
    clock.moment = MORNING
    fire(engine)
    clock.moment += timedelta(hours=1)
    engine.advance(case, "register", letters=False)
    engine.advance(case, "return_to_applicant", reason="Het contract is van een ander", letters=False)
    clock.moment = MORNING + timedelta(days=9)
    fire(engine)
    with engine.database.writing() as store:
        merge_reminders(store, clock.now())
    engine.record(case, {"loket_user": {"rights": ["Raadplegen HRM"]}})

    with Sink() as sink:
        done = delivery(engine, sink).run_once()

    assert (done.sent, done.pending) == (2, 0)
    assert [(row["id"], row["state"], row["merged_into"]) for row in outbox(url)] == [
        (1, "merged", 2),
        (2, "sent", None),
        (3, "sent", None),
    ]


def test_two_rungs_that_come_late_for_one_case_are_one_letter_the_latest(
    engine: Engine, clock: SetClock, url: str
) -> None:
    case = preparing(engine)
    clock.moment = datetime(2026, 5, 5, 7, tzinfo=UTC)  # reminders 1 and 2 are both due
    fire(engine)

    with Sink() as sink:
        delivery(engine, sink).run_once()

    rows = outbox(url, "role = 'applicant'")
    assert [(row["letter"], row["state"]) for row in rows] == [
        ("reminder_applicant", "merged"),
        ("reminder_applicant_second", "sent"),
    ]
    assert len(sink.messages(APPLICANT)) == 1
    assert [kind for kind in kinds(engine, case) if kind == "reminded"] == ["reminded", "reminded"]


def test_of_two_rungs_in_two_languages_the_latest_is_told_too(engine: Engine, clock: SetClock, url: str) -> None:
    case = preparing(engine, email="")
    clock.moment = MORNING
    fire(engine)
    engine.record(case, {"registration": {"language": "en"}})
    clock.moment = datetime(2026, 5, 6, 7, tzinfo=UTC)
    fire(engine)
    engine.record(case, {"registration": {"email": APPLICANT}})

    with Sink() as sink:
        delivery(engine, sink).run_once()

    rows = outbox(url, "role = 'applicant'")
    assert [(row["language"], row["state"]) for row in rows] == [("nl", "merged"), ("en", "sent")]
    assert len(sink.messages(APPLICANT)) == 1


def test_different_readers_and_roles_get_letters_of_their_own(engine: Engine, clock: SetClock, url: str) -> None:
    preparing(engine), preparing(engine, email="ander@example.com")
    bring(engine, "registered")
    clock.moment = MORNING
    fire(engine)

    with Sink() as sink:
        delivery(engine, sink).run_once()

    assert len(sink.messages("ander@example.com")) == 1
    assert outbox(url, "letter = 'reminder_digest'") == []


def test_one_address_in_two_roles_gets_a_letter_for_each(
    sqlite_engine: Engine, sqlite_url: str, clock: SetClock
) -> None:
    engine = sqlite_engine
    preparing(engine, email="asr@example.org")
    bring(engine, "registered")
    clock.moment = MORNING
    fire(engine)

    with Sink() as sink:
        delivery(engine, sink).run_once()

    assert outbox(sqlite_url, "letter = 'reminder_digest'") == []


def test_a_letter_that_is_no_reminder_is_never_merged(sqlite_engine: Engine) -> None:
    for _ in range(3):
        bring(sqlite_engine, "rights_pending")

    with Sink() as sink:
        done = delivery(sqlite_engine, sink).run_once()

    assert (done.merged, done.sent) == (0, 3)


def test_a_reminder_that_was_tried_already_stays_a_letter_of_its_own(sqlite_engine: Engine, clock: SetClock) -> None:
    engine = sqlite_engine
    first = preparing(engine)
    clock.moment = MORNING
    fire(engine)
    with Sink(answers={APPLICANT: "450 later"}) as busy:
        delivery(engine, busy).run_once()
    clock.moment = MORNING.replace(day=21)
    second = preparing(engine)
    clock.moment = MORNING.replace(day=29)
    fire(engine)

    with Sink() as sink:
        done = delivery(engine, sink).run_once()

    assert done.merged == 0
    assert {kinds(engine, case)[-1] for case in (first, second)} == {"letter_sent"}


@pytest.mark.parametrize("late", [timedelta(), timedelta(hours=5), timedelta(days=1, hours=2)])
def test_reminders_wait_for_those_that_are_still_to_be_fired_however_late_it_is(
    engine: Engine, clock: SetClock, url: str, late: timedelta
) -> None:
    """A worker was stopped between two batches: what it wrote is not sent one by one meanwhile."""
    for _ in range(reminders.BATCH + 2):
        preparing(engine)
    clock.moment = MORNING + late
    commits = 0

    def failpoint(sql: str) -> None:
        nonlocal commits
        commits += sql == "COMMIT"
        if commits == 2:
            raise KeyboardInterrupt

    engine.database.failpoint = failpoint
    with pytest.raises(KeyboardInterrupt):
        fire(engine)
    engine.database.failpoint = None

    with Sink() as sink:
        delivery(engine, sink).run_once()
        meanwhile = len(sink.letters)
        fire(engine)
        delivery(engine, sink).run_once()

    assert (meanwhile, len(sink.letters)) == (0, 1)
    (digest,) = outbox(url, "letter = 'reminder_digest'")
    assert json.loads(digest["context"])["count"] == reminders.BATCH + 2


@pytest.mark.parametrize("days_before", [0, 7])
def test_a_case_that_cannot_be_fired_keeps_the_reminders_of_others_for_an_hour_at_most(
    engine: Engine, clock: SetClock, url: str, days_before: int
) -> None:
    clock.moment -= timedelta(days=days_before)
    odd = preparing(engine)
    clock.moment += timedelta(days=days_before)
    for _ in range(3):
        preparing(engine)
    with bare(url) as connection:
        connection.execute(f"UPDATE cases SET progress = '{{}}' WHERE reference = '{odd}'")
    clock.moment = MORNING
    with pytest.raises(CannotFire):
        fire(engine)

    with Sink() as sink:
        delivery(engine, sink).run_once()
        clock.moment += timedelta(minutes=59)
        delivery(engine, sink).run_once()
        early = len(sink.letters)
        clock.moment += timedelta(minutes=1)
        done = delivery(engine, sink).run_once()

    assert (early, done.merged, done.sent, done.pending) == (0, 3, 1, 0)
    assert len(sink.letters) == 1


def test_a_late_rung_of_a_case_on_hold_does_not_keep_the_others_from_being_merged(
    sqlite_engine: Engine, clock: SetClock
) -> None:
    engine = sqlite_engine
    held = bring(engine, "registered")
    for _ in range(3):
        preparing(engine)
    clock.moment = datetime(2026, 4, 24, 10, tzinfo=UTC)  # its first rung was due on the 23rd, but nobody was awake
    engine.hold(held, date(2026, 6, 1), "wacht op derde")
    clock.moment = MORNING
    fire(engine)

    with Sink() as sink:
        done = delivery(engine, sink).run_once()

    assert (done.merged, len(sink.messages(APPLICANT))) == (3, 3)  # the digest; invited and registered


def test_a_digest_that_fails_is_told_to_every_case_it_is_about(engine: Engine, clock: SetClock) -> None:
    cases = reminded(engine, clock, 3)

    with Sink(answers={APPLICANT: "550 no such user"}) as sink:
        delivery(engine, sink).run_once()

    assert {kinds(engine, case)[-1] for case in cases} == {str(Kind.LETTER_FAILED)}


def test_what_was_merged_is_not_sent_by_itself_later(engine: Engine, clock: SetClock, url: str) -> None:
    reminded(engine, clock, 3)

    with Sink() as sink:
        for day in (28, 29, 30):
            clock.moment = MORNING.replace(day=day)
            delivery(engine, sink).run_once()

    assert len(sink.letters) == 1
    assert {row["state"] for row in outbox(url)} == {str(LetterState.SENT), str(LetterState.MERGED)}


@pytest.mark.parametrize("how", ["moves on", "goes on hold", "has another address"])
@pytest.mark.parametrize("others", [1, 2])
def test_a_digest_that_waits_is_written_anew_without_the_case_that(
    engine: Engine, clock: SetClock, url: str, how: str, others: int
) -> None:
    staying = [preparing(engine) for _ in range(others)]
    case = preparing(engine)
    clock.moment = MORNING
    fire(engine)
    with Sink(answers={APPLICANT: "450 later"}) as busy:
        delivery(engine, busy).run_once()
    clock.moment += timedelta(minutes=1)
    if how == "moves on":
        engine.advance(case, "withdraw", reason="Stopt ermee", letters=False)
    elif how == "goes on hold":
        engine.hold(case, date(2026, 6, 1), "wacht op derde")
    else:
        engine.record(case, {"registration": {"email": "ander@example.com"}}, letters=False)

    with Sink() as sink:
        delivery(engine, sink).run_once()

    (letter,) = sink.messages(APPLICANT)
    text = letter.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert [one in text for one in (*staying, case)] == [True] * others + [False]
    assert len(sink.messages("ander@example.com")) == (how == "has another address")
    (old, *_) = outbox(url, "letter = 'reminder_digest'")
    assert (old["state"], old["reason"]) == (
        "cancelled",
        "taken apart: one of its cases moved on, went on hold, or has another day or address",
    )
    assert {(row["state"], row["merged_into"]) for row in outbox(url, f"merged_into = {old['id']}")} == set()
    ended = outbox(url, "state = 'cancelled' AND case_id IS NOT NULL")
    how_ended = {"moves on": ["moved on"], "goes on hold": ["went on hold"], "has another address": []}
    expected = [f"its case {what} before it was sent" for what in how_ended[how]]
    assert [row["reason"] for row in ended] == expected
    assert {kinds(engine, one)[-1] for one in staying} == {"letter_sent"}


def test_a_digest_that_waits_for_another_reason_stays_as_it_is(engine: Engine, clock: SetClock, url: str) -> None:
    cases = reminded(engine, clock, 2)
    with Sink(answers={APPLICANT: "450 later"}) as busy:
        delivery(engine, busy).run_once()
    clock.moment += timedelta(minutes=1)
    engine.note(cases[0], "gebeld", origin=WORKER)

    with Sink() as sink:
        delivery(engine, sink).run_once()  # it is not its time yet
        early = len(sink.letters)
        clock.moment += timedelta(hours=1)
        delivery(engine, sink).run_once()

    assert (early, len(sink.messages(APPLICANT))) == (0, 1)
    assert [row["state"] for row in outbox(url, "letter = 'reminder_digest'")] == ["sent"]


def test_a_digest_in_hand_does_not_begin_once_one_of_its_cases_moved_on(
    engine: Engine, clock: SetClock, url: str
) -> None:
    case, other = preparing(engine), preparing(engine)
    clock.moment = MORNING
    fire(engine)
    delivery(engine, None).run_once()
    lease = clock.now() + timedelta(minutes=5)
    with engine.database.writing() as store:
        (digest,) = letters.claim(store, now=clock.now(), lease_until=lease, token="mine", limit=9)
    clock.moment += timedelta(minutes=1)
    engine.advance(case, "withdraw", reason="Stopt ermee", letters=False)

    with engine.database.writing() as store:
        begun = letters.beginning(store, digest, lease_until=lease)()
        letters.release(store, "mine")
    with Sink() as sink:
        delivery(engine, sink).run_once()

    (letter,) = sink.messages(APPLICANT)
    text = letter.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert (begun, case in text, other in text) == (False, False, True)


def test_erasing_a_case_of_a_digest_frees_no_reminder_of_one_that_moved_on(
    engine: Engine, clock: SetClock, url: str
) -> None:
    erased, moved, staying = reminded(engine, clock, 3)
    delivery(engine, None).run_once()
    clock.moment += timedelta(minutes=1)
    for case in (erased, moved):
        engine.advance(case, "withdraw", reason="Stopt ermee", letters=False)
    erase(engine.database, engine.rules, clock.now(), WORKER, erased, Wish("verzoek", "Art. 17 AVG", 7))

    with Sink() as sink:
        delivery(engine, sink).run_once()

    (letter,) = sink.messages(APPLICANT)
    text = letter.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert (moved in text, staying in text) == (False, True)


def test_a_digest_to_a_role_whose_address_is_a_setting_stays_one_when_that_changes(
    engine: Engine, clock: SetClock, url: str
) -> None:
    for _ in range(2):
        bring(engine, "registered")
    with Sink() as sink:
        delivery(engine, sink).run_once()
    clock.moment = datetime(2026, 4, 24, 9, 30, tzinfo=AMSTERDAM).astimezone(UTC)
    fire(engine)
    here, there = (replace(DESK, addresses={"asr": f"{name}@example.org"}) for name in ("asr", "ander"))

    with Sink(answers={"asr@example.org": "451 later"}) as sink:
        for desk in (here, there, here, there):
            delivery(engine, sink, desk=desk).run_once()
            clock.moment += timedelta(seconds=2)
        early = sink.tries("asr@example.org"), len(sink.messages("ander@example.org"))
        clock.moment += timedelta(minutes=5)
        delivery(engine, sink, desk=there).run_once()

    assert early == (1, 0)  # it waits its five minutes
    assert len(sink.messages("ander@example.org")) == 1
    assert [row["state"] for row in outbox(url, "letter = 'reminder_digest'")] == ["sent"]


def test_a_reminder_that_was_told_in_a_digest_keeps_the_address_it_went_to(
    engine: Engine, clock: SetClock, url: str
) -> None:
    case, _ = preparing(engine), preparing(engine)
    clock.moment = MORNING
    fire(engine)
    with Sink() as sink:
        delivery(engine, sink).run_once()

    engine.record(case, {"registration": {"email": "nieuw@example.com"}}, letters=False)

    assert {row["recipient"] for row in outbox(url, "state = 'merged'")} == {APPLICANT}


ALTERED = ["{", "[]", '{"a": NaN}', r'{"a": "\ud800"}', '{"open_items": 1e999}', '{"open_items": 1}']


@pytest.mark.parametrize("context", ALTERED)
def test_a_reminder_that_was_altered_keeps_none_of_the_others(
    engine: Engine, clock: SetClock, url: str, context: str
) -> None:
    odd, *cases = reminded(engine, clock, 3)
    with bare(url) as connection:
        connection.execute(f"UPDATE outbox SET context = '{context}' WHERE case_id = 1")

    with Sink() as sink:
        done = delivery(engine, sink).run_once()

    assert (done.sent, done.failed, done.merged) == (1, 1, 2)
    (letter,) = sink.messages(APPLICANT)
    text = letter.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert [case in text for case in (odd, *cases)] == [False, True, True]


@pytest.mark.parametrize(
    "change",
    [
        {"open_items": None},
        {"open_items": [1]},
        {"elsewhere": [1]},
        {"waits_for": None},
        {"company": None},
        {"working_days": "5"},
        {"state_label": []},
        {"reference": 0},
    ],
)
def test_a_reminder_that_a_digest_could_not_say_goes_by_itself(
    sqlite_engine: Engine, clock: SetClock, sqlite_url: str, change: dict[str, Any]
) -> None:
    engine = sqlite_engine
    odd, *cases = reminded(engine, clock, 3)
    (row,) = outbox(sqlite_url, "case_id = 1")
    with bare(sqlite_url) as connection:
        context = json.dumps({**json.loads(row["context"]), **change})
        connection.execute("UPDATE outbox SET context = ? WHERE case_id = 1", [context])

    with Sink() as sink:
        delivery(engine, sink).run_once()

    assert [row["merged_into"] is None for row in outbox(sqlite_url, "case_id IS NOT NULL")] == [True, False, False]
    assert {kinds(engine, case)[-1] for case in cases} == {"letter_sent"}
    assert kinds(engine, odd)[-1] in {"letter_sent", "letter_failed"}


def test_a_reminder_whose_language_was_altered_keeps_none_of_the_others(
    sqlite_engine: Engine, clock: SetClock, sqlite_url: str
) -> None:
    """PostgreSQL takes no such value."""
    reminded(sqlite_engine, clock, 3)
    with bare(sqlite_url) as connection:
        connection.execute("UPDATE outbox SET language = x'80' WHERE case_id = 1")

    with Sink() as sink:
        done = delivery(sqlite_engine, sink).run_once()

    assert (done.sent, done.failed, done.merged) == (1, 1, 2)


def test_a_digest_that_cannot_be_built_is_taken_apart_for_good(engine: Engine, clock: SetClock, url: str) -> None:
    cases = reminded(engine, clock, 3)
    delivery(engine, None).run_once()
    with bare(url) as connection:
        connection.execute("UPDATE outbox SET context = '{' WHERE case_id IS NULL")

    with Sink() as sink:
        for _ in range(2):
            delivery(engine, sink).run_once()

    (digest,) = outbox(url, "case_id IS NULL")
    assert digest["state"] == "cancelled"
    assert digest["reason"].startswith(f"taken apart: it could not be built (Letter {digest['id']} ")
    assert datetime.fromisoformat(str(digest["finished_at"])) == clock.moment
    assert len(sink.messages(APPLICANT)) == 3
    assert {kinds(engine, case)[-1] for case in cases} == {"letter_sent"}


def test_what_was_taken_apart_for_good_stays_so_when_somebody_retries_it(
    engine: Engine, clock: SetClock, url: str
) -> None:
    reminded(engine, clock, 3)
    delivery(engine, None).run_once()
    with bare(url) as connection:
        connection.execute("UPDATE outbox SET context = '{' WHERE case_id IS NULL")
    with Sink() as sink:
        delivery(engine, sink).run_once()
    apart = [row["id"] for row in outbox(url, "reason LIKE '%was taken apart%'")]
    desk = SimpleNamespace(database=engine.database, clock=clock, engine=engine)

    retried = [retry_letter(desk, number).reason for number in apart]  # type: ignore[arg-type]
    with Sink() as sink:
        delivery(engine, sink).run_once()

    assert len(apart) == 3
    assert all("was taken apart" in (reason or "") for reason in retried)
    assert len(sink.messages(APPLICANT)) == 3


def test_a_digest_that_no_letter_can_be_built_like_stays_one(engine: Engine, clock: SetClock, url: str) -> None:
    """A setting is wrong: when that is mended, it goes as it is."""
    reminded(engine, clock, 3)

    with Sink() as sink:
        delivery(engine, sink, desk=replace(DESK, reply_to="team koppelingen")).run_once()

    (digest,) = outbox(url, "case_id IS NULL")
    assert digest["state"] == "failed"
    assert {row["merged_into"] for row in outbox(url, "case_id IS NOT NULL AND is_reminder")} == {digest["id"]}
