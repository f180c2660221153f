"""What a caller is told when something cannot be done, word for word, and what the history says of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest
from employers import bring, employer
from looking import events_of

from states import EMPLOYER_COUPLING
from workflow import Conflict, Engine, NoSuchCase, Origin, Refused, UsageError
from workflow.erasure import Wish, erase
from workflow.errors import HistoryBroken, SchakelError, nearest, sentence
from workflow.events import canonical_bytes
from workflow.finding import known_trigger
from workflow.history import evolve, readable
from workflow.reference import with_check
from workflow.text import MAX_LENGTH

BSN = "123456782"
Act = Callable[[Engine, str], object]


def record(**sheets: Any) -> Act:
    return lambda engine, case: engine.record(case, sheets)


def advance(trigger: str | None = None, **options: Any) -> Act:
    return lambda engine, case: engine.advance(case, trigger, **options)


def hold(until: str, reason: str = "wacht op derden") -> Act:
    return lambda engine, case: engine.hold(case, date.fromisoformat(until), reason)


def note(text: str) -> Act:
    return lambda engine, case: engine.note(case, text)


def wipe(reason: str = "op verzoek", ground: str | None = "AVG art. 17", years: int = 7) -> Act:
    return lambda engine, case: erase(
        engine.database,
        engine.rules,
        engine.clock.now(),
        Origin("olga", "olga-os", "erase"),
        case,
        Wish(reason, ground, years),
    )


def after(first: Act, then: Act) -> Act:
    """The second, when the first was done."""

    def both(engine: Engine, case: str) -> object:
        first(engine, case)
        return then(engine, case)

    return both


def found(code: str, field: str) -> dict[str, str]:
    return {"code": code, "field": field}


KNOWN_TRIGGERS = "confirm, enrich, hand_over, register, return_to_applicant, return_to_asr, withdraw"
NO_EMAIL = {"registration": {"email": None}}
REFUSED: dict[str, tuple[str, Act, str, str | None, dict[str, Any]]] = {
    # state, what is asked, what is said ({} is the case), and of the event: its trigger and what it says
    "one thing is missing": (
        "rights_pending",
        after(record(**NO_EMAIL), advance()),
        "{} cannot register yet: 1 reason.",
        "register",
        {"problems": [found("EMAIL_MISSING", "registration.email")]},
    ),
    "two things are missing": (
        "rights_pending",
        after(record(registration={"email": None, "wage_tax_number": None}), advance("register")),
        "{} cannot register yet: 2 reasons.",
        "register",
        {
            "problems": [
                found("EMAIL_MISSING", "registration.email"),
                found("LH_MISSING", "registration.wage_tax_number"),
            ]
        },
    ),
    "a reason is missing, and what the facts lack comes after it": (
        "rights_pending",
        advance("withdraw", reason=" "),
        "{} cannot withdraw yet: 1 reason.",
        "withdraw",
        {"problems": [found("REASON_MISSING", "reason")]},
    ),
    "a reason that may not be kept, also where none is asked for": (
        "registered",
        after(record(**NO_EMAIL), advance("enrich", reason=f"nummer {BSN}")),
        "{} cannot enrich yet: 2 reasons.",
        "enrich",
        {"problems": [found("BSN_IN_TEXT", "reason"), found("EMAIL_MISSING", "registration.email")]},
    ),
    "a move of another state": (
        "rights_pending",
        advance("enrich"),
        "{} is rights_pending: 'enrich' is not possible; from there: register, withdraw.",
        "enrich",
        {"problems": []},
    ),
    "a move of a case that has ended": (
        "withdrawn",
        advance("register"),
        "{} is withdrawn, which is final: nothing moves it on, so 'register' is not possible. "
        "What becomes of it later is for a note; a new request is a new case.",
        "register",
        {"problems": []},
    ),
    "the way forward of a case that has ended": (
        "confirmed",
        advance(),
        "{} is confirmed, which is final: nothing moves it on. "
        "What becomes of it later is for a note; a new request is a new case.",
        None,
        {"command": "advance", "problems": []},
    ),
    "facts of a case that was withdrawn": (
        "withdrawn",
        record(realisation={"first_exchange_date": "2026-06-15"}),
        "{} is withdrawn: its facts are closed, so realisation.first_exchange_date cannot change. "
        "Only registration.email may still change.",
        None,
        {"command": "record", "problems": [], "fields": ["realisation.first_exchange_date"]},
    ),
    "other facts of a confirmed case": (
        "confirmed",
        record(
            registration={"email": "x@example.com", "contact_name": "X"},
            realisation={"first_exchange_date": "2026-06-03"},
        ),
        "{} is confirmed: its facts are closed, so registration.contact_name cannot change. "
        "Only realisation.first_exchange_date, registration.email may still change.",
        None,
        {"command": "record", "problems": [], "fields": ["registration.contact_name"]},
    ),
    "no address of a confirmed case": (
        "confirmed",
        record(registration={"email": None}),
        "{} was not changed.",
        None,
        {"command": "record", "problems": [found("EMAIL_MISSING", "registration.email")]},
    ),
    "a wrong address of a withdrawn case": (
        "withdrawn",
        record(registration={"email": "geen adres"}),
        "{} was not changed.",
        None,
        {"command": "record", "problems": [found("EMAIL_SYNTAX", "registration.email")]},
    ),
    "a wrong date of a confirmed case": (
        "confirmed",
        record(realisation={"first_exchange_date": None}),
        "{} was not changed.",
        None,
        {"command": "record", "problems": [found("FIRST_EXCHANGE_MISSING", "realisation.first_exchange_date")]},
    ),
    "a note that may not be kept": (
        "registered",
        note(f"nummer {BSN}"),
        "The text was not kept.",
        None,
        {"command": "note", "problems": [found("BSN_IN_TEXT", "text")]},
    ),
    "a note in an erased case": (
        "withdrawn",
        after(wipe(), note("gebeld")),
        "{} was erased: nothing can be kept in it any more.",
        None,
        {"command": "note", "problems": []},
    ),
    "facts of an erased case": (
        "confirmed",
        after(wipe(), record(realisation={"first_exchange_date": "2026-06-03"})),
        "{} was erased: nothing can be kept in it any more.",
        None,
        {"command": "record", "problems": []},
    ),
    "a hold of a case that has ended": (
        "withdrawn",
        hold("2026-04-24"),
        "{} is withdrawn: there is no clock to stop.",
        None,
        {"command": "hold", "problems": []},
    ),
    "a hold without a reason": (
        "registered",
        hold("2026-04-24", " "),
        "{} was not put on hold: a reason is missing.",
        None,
        {"command": "hold", "problems": [found("REASON_MISSING", "reason")]},
    ),
    "a hold with a reason that may not be kept": (
        "registered",
        hold("2026-04-24", f"nummer {BSN}"),
        "The reason was not kept.",
        None,
        {"command": "hold", "problems": [found("BSN_IN_TEXT", "reason")]},
    ),
    "the end of a hold that there is not": (
        "registered",
        lambda engine, case: engine.resume(case),
        "{} is not on hold.",
        None,
        {"command": "resume", "problems": []},
    ),
    "erasing too early": (
        "withdrawn",
        wipe(ground=None),
        "{} ended on 2026-04-20 and is kept for 7 years: it may be erased from 2033-04-20 10:00 on, or earlier on a "
        "legal ground that you name with --ground.",
        None,
        {"command": "erase", "problems": []},
    ),
    "erasing within a year": (
        "withdrawn",
        wipe(ground=None, years=1),
        "{} ended on 2026-04-20 and is kept for 1 year: it may be erased from 2027-04-20 10:00 on, or earlier on a "
        "legal ground that you name with --ground.",
        None,
        {"command": "erase", "problems": []},
    ),
    "erasing what has not ended": (
        "registered",
        wipe(),
        "{} is registered: only a case that has ended can be erased, whatever the ground.",
        None,
        {"command": "erase", "problems": []},
    ),
    "erasing what was erased": (
        "withdrawn",
        after(wipe(), wipe()),
        "{} was erased already, on 2026-04-20: nothing is left to erase.",
        None,
        {"command": "erase", "problems": []},
    ),
    "erasing for no reason": (
        "withdrawn",
        wipe(" ", f"dossier {BSN}"),
        "{} was not erased.",
        None,
        {"command": "erase", "problems": [found("REASON_MISSING", "reason"), found("BSN_IN_TEXT", "ground")]},
    ),
    "erasing with a reason that tells": (
        "withdrawn",
        wipe("namens B. Verzonnen"),
        "{} was not erased: the reason is kept for good, and repeats what stands in registration.contact_name. "
        "Say it without.",
        None,
        {"command": "erase", "problems": []},
    ),
    "erasing on a ground that tells, in a list of somebody": (
        "withdrawn",
        wipe(ground="brief van a. den  FICTIEF"),
        "{} was not erased: the ground is kept for good, and repeats what stands in registration.dgas. Say it without.",
        None,
        {"command": "erase", "problems": []},
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_refusal_says_in_full_why_and_one_event_says_what_was_asked(
    sqlite_engine: Engine, sqlite_url: str, name: str
) -> None:
    state, act, words, trigger, body = REFUSED[name]
    case = bring(sqlite_engine, state)

    with pytest.raises(Refused) as refusal:
        act(sqlite_engine, case)

    says = json.loads(events_of(sqlite_url, case)[-1]["canonical"])
    assert (str(refusal.value), refusal.value.case) == (words.format(case), case)
    assert [found(one.code, one.field) for one in refusal.value.problems] == body["problems"]
    asked = sqlite_engine.definition.domain.reason_missing(trigger or body.get("command", ""))
    assert all(one == asked for one in refusal.value.problems if one.code == asked.code)
    assert (says["kind"], says["trigger"], says["body"]) == ("refused", trigger, body)


USED = advance("register", key="k-1")
UNDONE: dict[str, tuple[type[SchakelError], str, Act, str]] = {
    # the error, state, what is asked, what is said ({} is the case)
    "version": (
        Conflict,
        "registered",
        advance(expect_version=1),
        "{} is at version 2, not 1: somebody changed it since you read it. Look at it again and decide anew.",
    ),
    "key": (
        Conflict,
        "rights_pending",
        after(USED, advance("register", key="k-1", reason="anders")),
        "Key 'k-1' was used on {} for another command; take a new key.",
    ),
    "trigger": (
        UsageError,
        "rights_pending",
        advance("registr"),
        "There is no trigger 'registr'. Did you mean 'register'?",
    ),
    "why": (
        UsageError,
        "rights_pending",
        lambda engine, case: engine.why(case, "zzz"),
        f"There is no trigger 'zzz'. There are: {KNOWN_TRIGGERS}.",
    ),
    "code": (
        UsageError,
        "rights_pending",
        advance(accept=["EMAIL_MISSING", "RW_PREFIKS"]),
        "There is no problem code 'RW_PREFIKS'. Did you mean 'RW_PREFIX'?",
    ),
    "sheet": (
        UsageError,
        "rights_pending",
        record(registratie={}),
        "There is no sheet 'registratie'. Did you mean 'registration'?",
    ),
    "observed": (
        UsageError,
        "rights_pending",
        record(loket_seen={}),
        "'loket_seen' is not filled by hand, but by: schakel loket check CASE",
    ),
    "note": (UsageError, "rights_pending", note(" "), "The note is empty; write what should be remembered."),
    "long note": (
        UsageError,
        "rights_pending",
        note("x" * (MAX_LENGTH + 1)),
        "text is 4001 characters long; at most 4000 are kept.",
    ),
    "strange note": (
        UsageError,
        "rights_pending",
        note("een\ttwee\r\ndrie\x1b"),
        "text holds a control character (U+001B) at position 15.",
    ),
    "lines in a key": (
        UsageError,
        "rights_pending",
        advance(key="a\tb\nc"),
        "key holds a control character (U+000A) at position 4.",
    ),
    "strange reason": (
        UsageError,
        "rights_pending",
        advance("withdraw", reason="\0"),
        "reason holds a control character (U+0000) at position 1.",
    ),
    "strange reason of a hold": (
        UsageError,
        "rights_pending",
        hold("2026-04-24", "\x07"),
        "reason holds a control character (U+0007) at position 1.",
    ),
    "hold until today": (
        UsageError,
        "rights_pending",
        hold("2026-04-20"),
        "--until 2026-04-20 is not after today (2026-04-20): a hold ends on a later day.",
    ),
    "hold for ever": (
        UsageError,
        "rights_pending",
        hold("2028-04-22"),
        "--until 2028-04-22 is more than two years ahead; take an earlier day and look again then.",
    ),
    "hold until a moment": (
        UsageError,
        "rights_pending",
        lambda engine, case: engine.hold(case, engine.clock.now(), "wacht"),
        "until must be a date, not a datetime.",
    ),
    "hold until a text": (
        UsageError,
        "rights_pending",
        lambda engine, case: engine.hold(case, "2026-04-24", "wacht"),
        "until must be a date, not str.",
    ),
    "blank key": (
        UsageError,
        "rights_pending",
        advance(key=" "),
        "key is empty; leave it out, or give one that no other command has.",
    ),
    "no such event": (
        UsageError,
        "registered",
        lambda engine, case: engine.replay(case, seq=3),
        "{} has events 1 to 2; there is no event 3.",
    ),
    "event 0": (
        UsageError,
        "registered",
        lambda engine, case: engine.replay(case, seq=0),
        "{} has events 1 to 2; there is no event 0.",
    ),
    "before it was opened": (
        UsageError,
        "registered",
        lambda engine, case: engine.replay(case, at=engine.clock.now().replace(year=2025)),
        "{} did not exist at that moment: it was opened at 2026-04-20 10:00:00, Amsterdam time.",
    ),
    "no ground": (
        UsageError,
        "withdrawn",
        wipe(ground=" "),
        "The ground is empty; name the legal ground, or leave it out.",
    ),
    "lines in a ground": (
        UsageError,
        "withdrawn",
        wipe(ground="art.\n17"),
        "ground holds a control character (U+000A) at position 5.",
    ),
    "strange reason to erase": (
        UsageError,
        "withdrawn",
        wipe("\x1b"),
        "reason holds a control character (U+001B) at position 1.",
    ),
    "empty external": (
        UsageError,
        "rights_pending",
        lambda engine, case: engine.open_case(employer(), external_reference=" "),
        "external_reference is empty; leave it out or give the reference that others know the case by.",
    ),
    "external on two lines": (
        UsageError,
        "rights_pending",
        lambda engine, case: engine.open_case(employer(), external_reference="een\ntwee"),
        "external_reference holds a control character (U+000A) at position 4.",
    ),
    "external as ours": (
        UsageError,
        "rights_pending",
        lambda engine, case: engine.open_case(employer(), external_reference=" k-1234-5678 "),
        "external_reference 'k-1234-5678' has the form of Schakel's own references; choose another.",
    ),
    "nobody": (
        NoSuchCase,
        "rights_pending",
        lambda engine, case: engine.case(f" {'n' * 81} "),
        f"There is no case '{'n' * 80}'.",
    ),
    "ours, but not there": (
        NoSuchCase,
        "rights_pending",
        lambda engine, case: engine.note(with_check("0000000"), "gebeld"),
        f"There is no case '{with_check('0000000')}'.",
    ),
    "mistyped": (
        NoSuchCase,
        "rights_pending",
        lambda engine, case: engine.history("K-0000-0001"),
        "There is no case 'K-0000-0001': its last character does not fit the others, so it was probably mistyped.",
    ),
    "what no database holds": (
        NoSuchCase,
        "rights_pending",
        lambda engine, case: engine.case("één\0\ud800"),
        "There is no case '\\xe9\\xe9n\0\\ud800'.",
    ),
    "nobody, in full letters": (
        NoSuchCase,
        "rights_pending",
        lambda engine, case: engine.replay("één"),
        "There is no case 'één'.",
    ),
}


@pytest.mark.parametrize("name", UNDONE)
def test_what_makes_no_sense_or_comes_too_late_is_said_in_full_and_not_in_the_history(
    sqlite_engine: Engine, sqlite_url: str, name: str
) -> None:
    error, state, act, words = UNDONE[name]
    case = bring(sqlite_engine, state)
    before = len(events_of(sqlite_url, case))

    with pytest.raises(error) as told:
        act(sqlite_engine, case)

    assert str(told.value) == words.format(case)
    assert len(events_of(sqlite_url, case)) == before + (name == "key")


def test_a_reference_that_others_know_a_case_by_is_of_one_case(sqlite_engine: Engine) -> None:
    case = sqlite_engine.open_case(employer(), external_reference=" E42 ").case

    with pytest.raises(Conflict) as told:
        sqlite_engine.open_case(employer(), external_reference="E42")

    assert str(told.value) == f"External reference 'E42' is case {case.reference} already."
    assert [one.case for one in sqlite_engine.cases()] == [case.reference]


@pytest.mark.parametrize("reference", [f"klant {BSN}", f"{BSN}L01", f"NL{BSN}B01", "123/456/782"])
def test_nothing_is_opened_when_the_reference_may_not_be_kept(sqlite_engine: Engine, reference: str) -> None:
    with pytest.raises(Refused) as refusal:
        sqlite_engine.open_case(employer(), external_reference=reference)

    assert str(refusal.value) == "No case was opened: its external reference holds what may not be kept there."
    assert [(one.code, one.field) for one in refusal.value.problems] == [("BSN_IN_TEXT", "external_reference")]
    assert refusal.value.case is None
    assert list(sqlite_engine.cases()) == []


def test_a_text_of_the_greatest_length_and_a_hold_of_two_years_are_kept(sqlite_engine: Engine) -> None:
    case = bring(sqlite_engine, "registered")

    sqlite_engine.note(case, "x" * MAX_LENGTH)
    held = sqlite_engine.hold(case, date(2028, 4, 21), "wacht")

    assert sqlite_engine.history(case)[-2].text == "x" * MAX_LENGTH
    assert held.held_until == date(2028, 4, 21)


@pytest.mark.parametrize(
    ("word", "known", "said"),
    [
        ("anmelden", ["aanmelden", "afmelden"], " Did you mean 'aanmelden'?"),
        ("zzz", ["b", "a"], " There are: a, b."),
        ("zzz", [], ""),
        ("abcde", ["abcxyzw"], " There are: abcxyzw."),  # half alike is not meant
        ("week", ["4weken"], " There are: 4weken."),  # nor is a short word in a longer one that says something else
        ("weken", ["4weken", "maand"], " Did you mean '4weken'?"),
        ("wyh", ["why", "show"], " Did you mean 'why'?"),
        ("hodl", ["hold", "show"], " Did you mean 'hold'?"),
        ("mand", ["maand", "monthly"], " Did you mean 'maand'?"),
    ],
)
def test_who_mistypes_hears_what_was_meant_or_what_there_is(word: str, known: list[str], said: str) -> None:
    assert nearest(word, known) == said


@pytest.mark.parametrize("said", ["it is so.", "is it so?", "it is so!"])
def test_what_ends_as_a_sentence_stays_as_it_is(said: str) -> None:
    assert sentence(said) == said
    assert sentence(said[:-1]) == f"{said[:-1]}."


def test_of_an_unknown_trigger_is_said_what_was_meant() -> None:
    with pytest.raises(UsageError) as told:
        known_trigger(EMPLOYER_COUPLING, "enrch")

    assert str(told.value) == "There is no trigger 'enrch'. Did you mean 'enrich'?"


def test_a_number_with_a_point_is_no_part_of_history_and_the_error_says_why() -> None:
    with pytest.raises(ValueError) as told:  # noqa: PT011  (its whole text is compared)
        canonical_bytes({"list": [1, {"deep": 0.5}]})

    assert str(told.value) == "a float has no place in history: its text differs between machines"


def test_a_history_that_begins_with_something_else_than_its_opening_is_none(sqlite_engine: Engine) -> None:
    moved = sqlite_engine.history(bring(sqlite_engine, "registered"))[1].event

    with pytest.raises(ValueError) as told:  # noqa: PT011  (its whole text is compared)
        evolve(EMPLOYER_COUPLING, None, moved, {})

    assert str(told.value) == f"the history of {moved.case} begins with 'moved' instead of its opening"


def test_a_history_that_was_altered_says_of_which_case_and_how_to_see_where() -> None:
    with pytest.raises(HistoryBroken) as told, readable("K-1"):
        raise KeyError("kind")

    assert str(told.value) == (
        "The history of K-1 cannot be read: somebody altered it. To see where, run: schakel audit verify K-1"
    )
