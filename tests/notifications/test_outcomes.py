"""What an attempt leads to: the state of the letter, when it is tried again, and what is remembered of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

import pytest
from employers import bring
from looking import bare, look

from notifications.outcomes import GIVE_UP, cannot_record, settle_letter, tell_cases, wait_before
from notifications.recorder import Recorder
from notifications.smtp import Outcome, Phase, Reply
from workflow import Engine, Origin
from workflow.clock import SetClock
from workflow.events import Kind
from workflow.storage import letters, tries
from workflow.storage.letter_states import LetterState
from workflow.storage.letters import OutboxRow
from workflow.storage.store import Store
from workflow.storage.tries import Try
from workflow.work import Work

MINUTE = timedelta(minutes=1)
LATER = Reply(Outcome.RETRY, Phase.RCPT, 450, "greylisted")
AWAY = Reply(Outcome.RETRY, Phase.CONNECT, None, "nobody listens")
SENT = Reply(Outcome.SENT, Phase.DATA, 250, "ok")
REFUSED = Reply(Outcome.FAILED, Phase.RCPT, 550, "no such user")
DROPPED = Reply(Outcome.UNKNOWN, Phase.DATA, None, "dropped")
Settles = Callable[[Reply], LetterState | None]


def letter(engine: Engine) -> OutboxRow:
    with engine.database.reading() as store:
        (row,) = letters.letters_of(store)
    return row


@pytest.fixture
def settles(sqlite_engine: Engine, clock: SetClock) -> Settles:
    """Claims the one letter of a case and settles it with a reply; the clock stands still."""
    bring(sqlite_engine, "rights_pending")
    recorder = Recorder(sqlite_engine.database, sqlite_engine.rules, Origin("worker", "os", "worker"), clock)

    def settle(reply: Reply) -> LetterState | None:
        now = clock.now()
        with sqlite_engine.database.writing() as store:
            (row,) = letters.claim(store, now=now, lease_until=now + MINUTE, token="a", limit=1)
        assert row.case_id is not None
        return recorder.run_now(
            lambda store, works: settle_letter(store, works, row, reply, expected=LetterState.CLAIMED, now=now),
            [row.case_id],
        )

    return settle


@pytest.mark.parametrize(
    ("reply", "state", "kind"),
    [
        (SENT, LetterState.SENT, Kind.LETTER_SENT),
        (REFUSED, LetterState.FAILED, Kind.LETTER_FAILED),
        (DROPPED, LetterState.UNKNOWN, Kind.LETTER_UNKNOWN),
    ],
)
def test_an_outcome_that_ends_a_letter_is_in_the_history_of_its_case_with_phase_and_code(
    settles: Settles, sqlite_engine: Engine, clock: SetClock, reply: Reply, state: LetterState, kind: Kind
) -> None:
    assert settles(reply) is state

    row = letter(sqlite_engine)
    event = sqlite_engine.history(row.case or "")[-1].event
    assert (row.state, row.attempts, row.finished_at) == (state, 1, clock.now())
    assert (event.kind, event.body) == (
        kind,
        {
            "letter": "invitation",
            "outbox": row.id,
            "role": "applicant",
            "phase": str(reply.phase),
            "code": reply.code,
        },
    )


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (SENT, None),
        (REFUSED, "rcpt: 550 no such user"),
        (DROPPED, "data: dropped"),
        (LATER, "rcpt: 450 greylisted"),
        (Reply(Outcome.FAILED, Phase.RCPT, 550, "x" * 400), "rcpt: 550 " + "x" * 290),
    ],
)
def test_the_reason_is_what_the_server_said_and_a_letter_that_was_sent_has_none(
    settles: Settles, sqlite_engine: Engine, reply: Reply, reason: str | None
) -> None:
    settles(reply)

    assert letter(sqlite_engine).reason == reason


def test_a_letter_that_is_put_off_waits_five_minutes_then_ten_and_its_history_says_nothing(
    settles: Settles, sqlite_engine: Engine, clock: SetClock
) -> None:
    began = clock.now()
    assert settles(LATER) is LetterState.PENDING
    first = letter(sqlite_engine)
    clock.moment = first.due_at

    settles(LATER)

    second = letter(sqlite_engine)
    assert (first.due_at - began, first.attempts, first.finished_at) == (5 * MINUTE, 1, None)
    assert (second.due_at - clock.now(), second.attempts) == (10 * MINUTE, 2)
    assert [step.event.kind for step in sqlite_engine.history(first.case or "")] == [Kind.OPENED]


@pytest.mark.parametrize(
    ("early", "state"), [(timedelta(seconds=1), LetterState.PENDING), (timedelta(), LetterState.FAILED)]
)
def test_five_days_after_the_first_try_a_letter_is_given_up(
    settles: Settles, clock: SetClock, early: timedelta, state: LetterState
) -> None:
    settles(LATER)
    clock.moment = clock.now() + GIVE_UP - early

    assert settles(LATER) is state


def test_one_that_counts_more_tries_than_it_had_is_given_up_as_well(
    settles: Settles, sqlite_url: str, clock: SetClock
) -> None:
    """Reminders that were taken out of a digest once counted a try before they had any."""
    with bare(sqlite_url) as connection:
        connection.execute("UPDATE outbox SET attempts = 1")
    states = []
    for _ in range(3):
        states.append(settles(LATER))
        clock.moment += GIVE_UP / 2

    assert states == [LetterState.PENDING, LetterState.PENDING, LetterState.FAILED]


def test_a_first_try_is_never_the_last_however_old_the_letter(settles: Settles, clock: SetClock) -> None:
    clock.moment = clock.now() + 2 * GIVE_UP

    assert settles(LATER) is LetterState.PENDING


def test_tries_of_before_a_person_let_a_letter_go_again_count_no_more(
    settles: Settles, sqlite_url: str, clock: SetClock
) -> None:
    settles(LATER)
    clock.moment += GIVE_UP
    given_up = settles(LATER)
    clock.moment += GIVE_UP
    with bare(sqlite_url) as connection:  # as mail retry does
        connection.execute("UPDATE outbox SET state = 'pending', attempts = 0, finished_at = NULL")

    again = settles(LATER)
    clock.moment += GIVE_UP

    assert (given_up, again, settles(LATER)) == (LetterState.FAILED, LetterState.PENDING, LetterState.FAILED)


def test_a_server_that_is_away_puts_no_letter_off_and_makes_none_given_up(
    settles: Settles, sqlite_engine: Engine, clock: SetClock
) -> None:
    before = letter(sqlite_engine)

    for _ in range(4):
        assert settles(AWAY) is LetterState.PENDING
        clock.moment += 2 * GIVE_UP
    waits = letter(sqlite_engine)
    states = [settles(LATER)]
    clock.moment += GIVE_UP - timedelta(seconds=1)
    states += [settles(LATER)]
    clock.moment += timedelta(hours=3)
    states += [settles(LATER)]

    assert (waits.due_at, waits.attempts, waits.reason) == (before.due_at, 4, "connect: nobody listens")
    assert states == [LetterState.PENDING, LetterState.PENDING, LetterState.FAILED]


def test_each_try_is_remembered_with_what_the_server_said(
    settles: Settles, sqlite_engine: Engine, clock: SetClock
) -> None:
    began = clock.now()
    settles(LATER)
    clock.moment = began + 5 * MINUTE

    settles(SENT)

    row = letter(sqlite_engine)
    with sqlite_engine.database.reading() as store:
        assert tries.of_letter(store, row.id) == [
            Try(began, "rcpt", "retry", 450, "greylisted"),
            Try(began + 5 * MINUTE, "data", "sent", 250, "ok"),
        ]


def test_the_outcome_of_a_letter_that_is_no_longer_ours_is_nowhere(
    settles: Settles, sqlite_engine: Engine, sqlite_url: str, clock: SetClock
) -> None:
    row = letter(sqlite_engine)
    assert row.case_id is not None
    recorder = Recorder(sqlite_engine.database, sqlite_engine.rules, Origin("worker", "os", "worker"), clock)

    answer = recorder.run_now(
        lambda store, works: settle_letter(store, works, row, SENT, expected=LetterState.SENDING, now=clock.now()),
        [row.case_id],
    )

    assert answer is None
    assert letter(sqlite_engine) == row
    assert look(sqlite_url, "SELECT id FROM outbox_attempts") == []
    assert [step.event.kind for step in sqlite_engine.history(row.case or "")] == [Kind.OPENED]


@pytest.mark.parametrize(
    ("sha256", "reason", "personal"),
    [
        (None, None, {}),
        (None, "gebeld", {"reason": "gebeld"}),
        ("ab" * 32, None, {"message": "ab" * 32}),
        ("ab" * 32, "gebeld", {"message": "ab" * 32, "reason": "gebeld"}),
    ],
)
def test_the_reason_that_a_person_gave_and_the_hash_of_the_bytes_are_committed_to_and_kept_apart(
    sqlite_engine: Engine, sqlite_url: str, sha256: str | None, reason: str | None, personal: dict[str, str]
) -> None:
    bring(sqlite_engine, "rights_pending")
    row = replace(letter(sqlite_engine), sha256=sha256)
    recorder = Recorder(sqlite_engine.database, sqlite_engine.rules, Origin("anna", "os", "cli"), sqlite_engine.clock)

    def tell(_store: Store, works: Mapping[int, Work]) -> Callable[[], None]:
        tell_cases(works, row, Kind.LETTER_SENT, {"phase": "resolved as sent", "code": None}, reason=reason)
        return lambda: None

    recorder.run_now(tell, [row.case_id or 0])

    event = sqlite_engine.history(row.case or "")[-1].event
    kept = look(sqlite_url, "SELECT path, value FROM private_values WHERE seq = 2")
    assert sorted(event.commitments) == sorted(personal)
    assert {one["path"]: json.loads(one["value"]) for one in kept} == personal
    assert "reason" not in event.body


def test_what_hindered_the_record_of_an_outcome_is_told_with_the_letter_and_its_case(sqlite_engine: Engine) -> None:
    bring(sqlite_engine, "rights_pending")
    row = letter(sqlite_engine)

    told = [str(cannot_record(one, KeyError("x"))) for one in (row, replace(row, case_id=None, case=None))]

    assert told == [
        f"Letter {row.id}: it or its case {row.case} cannot be written (KeyError). "
        f"To see whether it is the case, run: schakel audit verify {row.case}",
        f"Letter {row.id}, about several cases: it or one of them cannot be written (KeyError). "
        "To see which, run: schakel audit verify",
    ]


@pytest.mark.parametrize(("attempts", "minutes"), [(1, 5), (2, 10), (3, 20), (6, 160), (7, 180), (500, 180)])
def test_the_wait_doubles_up_to_three_hours(attempts: int, minutes: int) -> None:
    assert wait_before(attempts) == minutes * MINUTE
