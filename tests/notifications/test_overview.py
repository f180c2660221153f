"""The overview for operations: once on a working day between 8 and 9, and only with something to say."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from employers import bring, employer
from looking import look
from sink import DESK, Sink, delivery
from tampering import run

from notifications import overview
from notifications.rendering import Renderer
from notifications.samples import sample_context
from workflow import Database, Engine, open_database
from workflow.clock import AMSTERDAM, SetClock
from workflow.mentions import without_case
from workflow.storage import letters
from workflow.work import Letter


def at(clock: SetClock, text: str) -> None:
    clock.moment = datetime.fromisoformat(text).replace(tzinfo=AMSTERDAM).astimezone(UTC)


def look_over(engine: Engine) -> bool:
    return overview.run_once(engine.database, engine.rules, engine.clock.now())


def written(url: str) -> list[dict[str, Any]]:
    return look(url, "SELECT * FROM outbox WHERE letter = 'daily_overview' ORDER BY id")


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        ("2026-04-24T07:59:59", False),
        ("2026-04-24T08:00", True),
        ("2026-04-24T16:59:59", True),
        ("2026-04-24T17:00", False),
        ("2026-04-25T08:30", False),  # Saturday
        ("2026-04-27T08:30", False),  # Koningsdag
        ("2026-05-14T08:30", False),  # Hemelvaartsdag
        ("2026-10-26T08:30", True),  # the first day after the clock went back
        ("2027-03-29T08:30", False),  # Easter Monday
        ("2027-03-30T08:30", True),  # the first working day after the clock went forward
    ],
)
def test_it_is_written_from_eight_on_a_working_day_while_people_are_at_work(
    sqlite_engine: Engine, sqlite_url: str, clock: SetClock, moment: str, expected: bool
) -> None:
    bring(sqlite_engine, "enriched")
    at(clock, moment)

    assert look_over(sqlite_engine) is expected
    assert len(written(sqlite_url)) == expected


def test_it_is_written_once_a_day(engine: Engine, clock: SetClock, url: str) -> None:
    bring(engine, "enriched")

    told = []
    for moment in ("2026-04-23T08:00", "2026-04-23T08:01", "2026-04-23T08:59", "2026-04-24T08:00"):
        at(clock, moment)
        told.append(look_over(engine))

    assert told == [True, False, False, True]
    assert len(written(url)) == 2


def test_two_workers_at_once_write_one(url: str, make_engine: Callable[[Database], Engine], clock: SetClock) -> None:
    databases = [open_database(url) for _ in range(4)]
    engines = [make_engine(database) for database in databases]
    bring(engines[0], "enriched")
    at(clock, "2026-04-23T08:00")

    with ThreadPoolExecutor(4) as threads:
        told = list(threads.map(look_over, engines))

    assert sorted(told) == [False, False, False, True]
    assert len(written(url)) == 1
    for database in databases:
        database.dispose()


def test_there_is_none_when_there_is_nothing_to_say(engine: Engine, clock: SetClock, url: str) -> None:
    bring(engine, "rights_pending")
    at(clock, "2026-04-21T08:00")

    assert not look_over(engine)
    assert written(url) == []


def test_when_nothing_ran_at_eight_it_is_made_up_later_that_day_and_not_the_next(
    engine: Engine, clock: SetClock, url: str
) -> None:
    bring(engine, "enriched")

    told = []
    for moment in ("2026-04-23T10:00", "2026-04-23T16:00", "2026-04-24T18:00", "2026-04-25T10:00", "2026-04-28T08:00"):
        at(clock, moment)
        told.append(look_over(engine))

    assert told == [True, False, False, False, True]
    days = [json.loads(row["context"])["today"] for row in written(url)]
    assert days == ["23-04-2026", "28-04-2026"]


def test_with_nothing_to_say_at_eight_there_is_none_later_that_day(engine: Engine, clock: SetClock, url: str) -> None:
    at(clock, "2026-04-23T08:00")
    assert not look_over(engine)
    at(clock, "2026-04-20T08:00")
    bring(engine, "enriched")

    at(clock, "2026-04-23T10:00")
    assert not look_over(engine)
    assert written(url) == []


def test_it_says_what_is_overdue_by_holder_and_what_is_due_today(engine: Engine, clock: SetClock, url: str) -> None:
    late_keylane, late_asr = bring(engine, "enriched"), bring(engine, "registered")  # due on 21 and 23 April
    at(clock, "2026-04-21T10:00")
    today = bring(engine, "registered")  # due on 24 April
    bring(engine, "rights_pending")
    at(clock, "2026-04-24T08:10")

    look_over(engine)

    (row,) = written(url)
    told = json.loads(row["context"])
    overdue = {entry["holder"]: [case["reference"] for case in entry["cases"]] for entry in told["overdue"]}
    assert overdue == {"a.s.r.": [late_asr], "Keylane": [late_keylane]}
    assert [case["state_label"] for entry in told["overdue"] for case in entry["cases"]] == [
        "wacht op polisgegevens",
        "wacht op het kenmerk van Keylane",
    ]
    assert [(case["reference"], case["what"]) for case in told["due_today"]] == [(today, "wacht op polisgegevens")]
    assert (row["role"], row["case_id"], row["seq"]) == ("operations", None, None)


def test_it_names_the_letters_that_failed_and_never_their_address(engine: Engine, clock: SetClock) -> None:
    case = bring(engine, "rights_pending")
    with Sink(answers={"salaris01@example.com": "550 <salaris01@example.com> unknown"}) as sink:
        delivery(engine, sink).run_once()
        at(clock, "2026-04-21T08:00")
        look_over(engine)
        delivery(engine, sink).run_once()

    (letter,) = sink.messages("beheer@example.org")
    text = letter.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert f"invitation aan de aanvrager, {case}: " in text
    assert "550" in text
    assert "salaris01@" not in text


def test_the_auditor_is_named_as_he_is(engine: Engine, clock: SetClock) -> None:
    note = json.dumps(sample_context("ledger_checkpoint", "nl"))
    with engine.database.writing() as store:
        letters.add_letter(store, Letter(0, "ledger_checkpoint", "auditor", "nl", "a@example.com", note, clock.now()))
    with Sink(answers={"a@example.com": "550 unknown"}) as sink:
        delivery(engine, sink).run_once()
    at(clock, "2026-04-21T08:00")

    with engine.database.reading() as store:
        told = overview.gather(store, engine.rules, clock.now(), ())

    assert told is not None
    assert [(letter["letter"], letter["role"]) for letter in told["failed"]] == [("ledger_checkpoint", "auditor")]


def test_an_overview_of_before_its_words_were_in_it_can_still_be_read() -> None:
    case = {"reference": "K-7Q2M-4XZ9", "company": "Drie Dennen", "due_on": "20-11-2026", "working_days": 6}
    old = {
        "overdue": [{"holder": "asr", "cases": [case | {"state_label": "registered"}]}],
        "due_today": [case | {"state_label": "enriched", "what": "enriched"}],
        "failed": [{"id": 1, "letter": "invitation", "role": "applicant", "reference": "", "reason": ""}],
    }

    text = Renderer(DESK).render("daily_overview", "nl", sample_context("daily_overview", "nl") | old).text

    assert "Te laat, wacht op asr\n- K-7Q2M-4XZ9, Drie Dennen: registered, 6 werkdagen" in text
    assert "- K-7Q2M-4XZ9, Drie Dennen: enriched\n" in text
    assert "- Brief 1, invitation aan applicant\n" in text


def test_it_names_the_letters_that_wait_for_an_address_since_before_today(
    engine: Engine, clock: SetClock, url: str
) -> None:
    given = employer("loket_user", "registration")
    del given["registration"]["email"]
    at(clock, "2026-04-20T16:00")
    waits = engine.open_case(given).case.reference
    bring(engine, "rights_pending")
    at(clock, "2026-04-21T08:00")
    today = engine.open_case(given).case.reference

    assert look_over(engine)

    (row,) = written(url)
    told = json.loads(row["context"])
    assert [(letter["letter"], letter["reference"]) for letter in told["homeless"]] == [("invitation", waits)]
    text = Renderer(DESK).render("daily_overview", "nl", told).text
    assert f"invitation aan de aanvrager, {waits}\n" in text
    assert today not in text


def test_letters_to_operations_that_wait_for_their_own_address_are_no_reason_for_another(
    engine: Engine, clock: SetClock, url: str
) -> None:
    bring(engine, "enriched")
    for day in (23, 24):
        at(clock, f"2026-04-{day}T08:00")
        look_over(engine)

    contexts = [json.loads(row["context"]) for row in written(url)]
    assert len(contexts) == 2
    assert {letter["role"] for letter in contexts[1]["homeless"]} == {"a.s.r.", "Keylane"}


def test_letters_to_a_role_whose_address_is_set_wait_for_none(engine: Engine, clock: SetClock, url: str) -> None:
    bring(engine, "enriched")
    at(clock, "2026-04-24T08:00")

    overview.run_once(engine.database, engine.rules, clock.now(), addressed=("asr",))

    (row,) = written(url)
    assert {letter["role"] for letter in json.loads(row["context"])["homeless"]} == {"Keylane"}


@pytest.mark.parametrize("name", [None, "Werkgever"])
def test_a_case_without_a_name_is_named_by_its_reference_alone(
    sqlite_engine: Engine, sqlite_url: str, clock: SetClock, name: str | None
) -> None:
    given = employer("registration")
    given["registration"]["company_name"] = name
    case = sqlite_engine.open_case(given).case.reference
    at(clock, "2026-06-05T08:00")

    look_over(sqlite_engine)

    (row,) = written(sqlite_url)
    text = Renderer(DESK).render("daily_overview", "nl", json.loads(row["context"])).text
    assert f"{case}, Werkgever: " in text if name else f"{case}: " in text
    assert ", :" not in text


def test_a_number_that_was_typed_into_a_companys_name_is_not_mailed(
    sqlite_engine: Engine, sqlite_url: str, clock: SetClock
) -> None:
    case = bring(sqlite_engine, "enriched")
    facts = {
        "registration": {"company_name": "Zaak 999900110L01 en 123  456 782"},
        "loket_seen": {"drift": ["USER_BLOCKED"]},
    }
    run(sqlite_url, f"UPDATE cases SET facts = '{json.dumps(facts)}'")
    at(clock, "2026-06-05T08:00")

    look_over(sqlite_engine)

    (row,) = written(sqlite_url)
    text = Renderer(DESK).render("daily_overview", "nl", json.loads(row["context"])).text
    named = f"{case}, Zaak ••••••••• en •••••••••: "
    assert f"{named}wacht op het kenmerk van Keylane" in text
    assert f"{named}de gebruiker kan niet meer inloggen" in text


def test_an_overview_that_was_written_before_there_were_such_letters_in_it_still_leaves() -> None:
    known = sample_context("daily_overview", "nl")
    del known["homeless"]

    assert "op een adres" not in Renderer(DESK).render("daily_overview", "nl", known).text


def test_of_more_cases_and_letters_than_it_names_it_says_that_there_are(
    engine: Engine, clock: SetClock, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "MOST", 2)
    late = [bring(engine, "registered") for _ in range(3)]  # due on 23 April
    at(clock, "2026-04-21T10:00")
    today = [bring(engine, "registered") for _ in range(3)]  # due on 24 April
    at(clock, "2026-04-24T08:10")

    look_over(engine)

    told = json.loads(written(url)[0]["context"])
    assert [case["reference"] for group in told["overdue"] for case in group["cases"]] == late[:2]
    assert [case["reference"] for case in told["due_today"]] == today[:2]
    assert {heading for heading, more in told["more"].items() if more} == {"overdue", "due_today", "homeless"}
    text = Renderer(DESK).render("daily_overview", "nl", told).text
    for command in ("schakel list --overdue", "schakel forecast --days 1", "schakel mail list --state pending"):
        assert f"Er zijn er meer: {command}\n" in text
    assert text.count("Er zijn er meer") == 3
    nothing = {heading: [] for heading, more in told["more"].items() if more}
    assert without_case(json.dumps(told | nothing), late[0]) is None


@pytest.mark.parametrize("altered", ["state = 'nowhere'", "facts = '[1]'", "progress = '{}'"])
def test_a_case_that_cannot_be_read_takes_no_other_with_it_and_is_named(
    engine: Engine, clock: SetClock, url: str, altered: str
) -> None:
    late, odd = bring(engine, "registered"), bring(engine, "registered")  # due on 23 April
    at(clock, "2026-04-21T10:00")
    today, odd_today = bring(engine, "registered"), bring(engine, "registered")  # due on 24 April
    run(url, f"UPDATE cases SET {altered} WHERE reference IN ('{odd}', '{odd_today}')")
    at(clock, "2026-04-24T08:10")

    assert look_over(engine)

    told = json.loads(written(url)[0]["context"])
    assert [case["reference"] for group in told["overdue"] for case in group["cases"]] == [late]
    assert [case["reference"] for case in told["due_today"]] == [today]
    assert told["altered"] == [odd, odd_today]
    text = Renderer(DESK).render("daily_overview", "nl", told).text
    assert f"- {odd}: schakel audit verify {odd} zegt waar\n" in text
    assert json.loads(str(without_case(json.dumps(told), odd)))["altered"] == [odd_today]


def test_a_case_of_which_the_drift_cannot_be_read_is_named_once(engine: Engine, clock: SetClock, url: str) -> None:
    odd, other = bring(engine, "registered"), bring(engine, "registered")
    drift = '"loket_seen":{"drift":["USER_BLOCKED"]}'
    run(url, f"UPDATE cases SET facts = '{{{drift}}}' WHERE reference = '{other}'")
    run(url, f"UPDATE cases SET facts = '[{{{drift}}}]' WHERE reference = '{odd}'")
    at(clock, "2026-04-24T08:10")

    assert look_over(engine)

    told = json.loads(written(url)[0]["context"])
    assert (told["altered"], [line[: len(other)] for line in told["drift"]]) == ([odd], [other])


def test_of_cases_that_cannot_be_read_it_says_that_there_are_more(
    engine: Engine, clock: SetClock, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "MOST", 2)
    odd = [bring(engine, "registered") for _ in range(3)]
    run(url, "UPDATE cases SET facts = '[]'")
    at(clock, "2026-04-24T08:10")

    assert look_over(engine)

    told = json.loads(written(url)[0]["context"])
    assert (told["altered"], told["overdue"]) == (odd[:2], [])
    text = Renderer(DESK).render("daily_overview", "nl", told).text
    assert "Er zijn er meer: schakel audit verify\n" in text
    assert odd[2] not in text


def test_of_as_many_as_it_names_it_does_not_say_that_there_are_more(
    engine: Engine, clock: SetClock, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "MOST", 3)
    late = [bring(engine, "registered") for _ in range(3)]
    at(clock, "2026-04-24T08:10")

    look_over(engine)

    told = json.loads(written(url)[0]["context"])
    assert [case["reference"] for group in told["overdue"] for case in group["cases"]] == late
    assert not told["more"]["overdue"]


def test_an_overview_of_before_altered_cases_stood_in_it_can_still_be_read() -> None:
    known = sample_context("daily_overview", "nl")
    del known["altered"]

    assert "audit verify" not in Renderer(DESK).render("daily_overview", "nl", known).text


def test_an_overview_of_before_it_said_so_can_still_be_read() -> None:
    known = sample_context("daily_overview", "nl")
    told = known.pop("more")

    assert "Er zijn er meer" not in Renderer(DESK).render("daily_overview", "nl", known).text
    everywhere = known | {"more": dict.fromkeys(told, True)}
    assert Renderer(DESK).render("daily_overview", "nl", everywhere).text.count("Er zijn er meer") == len(told) == 7
