"""The outbox as rows: who may take a letter, how it goes from state to state, and who may no longer change it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from looking import bare, look

from workflow import Database, Engine
from workflow.clock import SetClock
from workflow.storage import letters, merging, tries
from workflow.storage.letter_states import LetterState
from workflow.storage.letters import OutboxRow
from workflow.storage.tries import Try
from workflow.work import Letter

PENDING, CLAIMED, SENDING = LetterState.PENDING, LetterState.CLAIMED, LetterState.SENDING
MINUTE = timedelta(minutes=1)


@pytest.fixture
def now(clock: SetClock) -> datetime:
    return clock.now()


def written(database: Database, due: datetime, **more: Any) -> int:
    """A letter about no case that is due at this moment; its number."""
    given: dict[str, Any] = {"role": "asr", "recipient": "asr@example.org", "context": "{}", **more}
    with database.writing() as store:
        return letters.add_letter(store, Letter(0, "overview", language="nl", created_at=due, **given))


def claimed(database: Database, now: datetime, token: str = "a", limit: int = 10, **more: Any) -> list[int]:
    with database.writing() as store:
        found = letters.claim(store, now=now, lease_until=now + 5 * MINUTE, token=token, limit=limit, **more)
    return [row.id for row in found]


def row_of(database: Database, number: int) -> OutboxRow:
    with database.reading() as store:
        row = letters.letter_by_id(store, number)
    assert row is not None
    return row


def begun(database: Database, row: OutboxRow, lease_until: datetime) -> bool:
    built = replace(row, message_id="<1@example.org>", subject="Over", message=b"bytes", sha256="00")
    with database.writing() as store:
        return letters.beginning(store, built, lease_until=lease_until)()


def settled(database: Database, row: OutboxRow, state: LetterState, expected: LetterState, now: datetime) -> bool:
    with database.writing() as store:
        return letters.settling(store, row, state, expected=[expected], now=now, reason="why")()


# -- claims ------------------------------------------------------------------------------------------------------------


def test_letters_that_are_due_are_claimed_oldest_first_up_to_a_number(database: Database, now: datetime) -> None:
    young, old, oldest = (written(database, now - age * MINUTE) for age in (1, 2, 3))

    first = claimed(database, now, limit=2)

    assert sorted(first) == sorted([old, oldest])
    assert row_of(database, young).state == PENDING


def test_a_letter_is_due_at_its_moment_and_not_before(database: Database, now: datetime) -> None:
    due = written(database, now)
    written(database, now + MINUTE)

    assert claimed(database, now) == [due]


def test_a_claim_says_who_holds_the_letter_and_until_when(database: Database, now: datetime) -> None:
    number = written(database, now)

    claimed(database, now, token="mine")

    row = row_of(database, number)
    assert (row.state, row.token, row.lease_until, row.attempts) == (CLAIMED, "mine", now + 5 * MINUTE, 0)


def test_what_one_has_claimed_nobody_else_gets(database: Database, now: datetime) -> None:
    written(database, now)
    claimed(database, now, token="mine")

    assert claimed(database, now, token="yours") == []


def test_a_letter_without_an_address_is_not_claimed_and_is_counted_by_role(database: Database, now: datetime) -> None:
    written(database, now, recipient=None)
    written(database, now, recipient=None)
    written(database, now, recipient=None, role="keylane")
    gone = written(database, now, recipient=None)
    settled(database, row_of(database, gone), LetterState.CANCELLED, PENDING, now)
    with_address = written(database, now)

    with database.reading() as store:
        homeless = letters.count_homeless(store)

    assert claimed(database, now) == [with_address]
    assert homeless == {"asr": 2, "keylane": 1}


def test_an_address_is_given_to_the_letters_of_its_role_that_wait(database: Database, now: datetime) -> None:
    failed = written(database, now)
    settled(database, row_of(database, failed), LetterState.FAILED, PENDING, now)
    waits = written(database, now, recipient=None)
    had_another, other_role = written(database, now), written(database, now, recipient=None, role="keylane")

    with database.writing() as store:
        letters.fill_addresses(store, "asr", "new@example.org")

    assert row_of(database, waits).recipient == "new@example.org"
    assert row_of(database, had_another).recipient == "new@example.org"
    assert row_of(database, failed).recipient == "asr@example.org"
    assert row_of(database, other_role).recipient is None


def test_whoever_is_done_puts_back_what_it_did_not_begin_and_nothing_else(database: Database, now: datetime) -> None:
    mine, yours = written(database, now - MINUTE), written(database, now)
    claimed(database, now, token="mine", limit=1)
    claimed(database, now, token="yours")

    with database.writing() as store:
        letters.release(store, "mine")

    back = row_of(database, mine)
    assert (back.state, back.token, back.lease_until) == (PENDING, None, None)
    assert row_of(database, yours).state == CLAIMED


def test_a_claim_lasts_until_its_lease_ends(database: Database, now: datetime) -> None:
    number = written(database, now)
    claimed(database, now)

    with database.writing() as store:
        letters.release_expired(store, now + 5 * MINUTE - timedelta(seconds=1))
    before = row_of(database, number).state
    with database.writing() as store:
        letters.release_expired(store, now + 5 * MINUTE)

    after = row_of(database, number)
    assert (before, after.state, after.token, after.lease_until) == (CLAIMED, PENDING, None, None)


# -- sending -----------------------------------------------------------------------------------------------------------


def test_the_bytes_are_kept_before_anything_leaves(database: Database, now: datetime) -> None:
    number = written(database, now)
    claimed(database, now)

    assert begun(database, row_of(database, number), now + 15 * MINUTE)

    row = row_of(database, number)
    assert (row.state, row.lease_until) == (SENDING, now + 15 * MINUTE)
    assert (row.message_id, row.subject, bytes(row.message or b""), row.sha256) == (
        "<1@example.org>",
        "Over",
        b"bytes",
        "00",
    )


def test_whoever_lost_its_claim_may_not_begin(database: Database, now: datetime) -> None:
    number = written(database, now)
    claimed(database, now, token="first")
    lost = row_of(database, number)
    with database.writing() as store:
        letters.release(store, "first")
    claimed(database, now, token="second")

    assert not begun(database, lost, now + 15 * MINUTE)

    row = row_of(database, number)
    assert (row.state, row.token, row.message_id) == (CLAIMED, "second", None)


def test_what_is_being_sent_is_neither_claimed_released_nor_begun_again(database: Database, now: datetime) -> None:
    number = written(database, now)
    claimed(database, now)
    begun(database, row_of(database, number), now + 15 * MINUTE)

    with database.writing() as store:
        letters.release(store, "a")
        letters.release_expired(store, now + 60 * MINUTE)

    assert row_of(database, number).state == SENDING
    assert claimed(database, now + 60 * MINUTE) == []
    assert not begun(database, row_of(database, number), now + 60 * MINUTE)


def test_a_letter_whose_worker_disappeared_while_sending_is_found_when_its_lease_ends(
    database: Database, now: datetime
) -> None:
    first, second = written(database, now), written(database, now)
    only_claimed = written(database, now)
    claimed(database, now)
    for number in (first, second):
        begun(database, row_of(database, number), now + 15 * MINUTE)

    with database.reading() as store:
        early = letters.expired_sending(store, now + 14 * MINUTE, 10)
        one, both = (letters.expired_sending(store, now + 15 * MINUTE, most) for most in (1, 10))

    assert early == []
    assert [[row.id for row in found] for found in (one, both)] == [[first], [first, second]]
    assert row_of(database, only_claimed).state == CLAIMED


# -- settled -----------------------------------------------------------------------------------------------------------


def test_a_letter_that_was_sent_is_finished_and_nobody_s(database: Database, now: datetime) -> None:
    number = written(database, now)
    claimed(database, now)
    begun(database, row_of(database, number), now + 15 * MINUTE)

    assert settled(database, replace(row_of(database, number), attempts=1), LetterState.SENT, SENDING, now + MINUTE)

    row = row_of(database, number)
    assert (row.state, row.reason, row.token, row.lease_until) == ("sent", "why", None, None)
    assert (row.finished_at, row.due_at, row.attempts) == (now + MINUTE, now, 1)


def test_a_letter_that_is_put_off_is_not_finished_and_due_later(database: Database, now: datetime) -> None:
    number = written(database, now)
    claimed(database, now)
    row = row_of(database, number)

    with database.writing() as store:
        done = letters.settling(
            store, row, PENDING, expected=[CLAIMED], now=now, reason="busy", due_at=now + 5 * MINUTE
        )()

    after = row_of(database, number)
    assert (done, after.state, after.finished_at, after.due_at) == (True, PENDING, None, now + 5 * MINUTE)


@pytest.mark.parametrize("expected", [CLAIMED, PENDING])
def test_a_letter_that_is_in_another_state_stays_as_it_is(
    database: Database, now: datetime, expected: LetterState
) -> None:
    number = written(database, now)
    claimed(database, now)
    begun(database, row_of(database, number), now + 15 * MINUTE)
    before = row_of(database, number)

    assert not settled(database, before, LetterState.FAILED, expected, now)

    assert row_of(database, number) == before


def test_whoever_lost_its_letter_settles_nothing(database: Database, now: datetime) -> None:
    number = written(database, now)
    claimed(database, now, token="second")
    before = row_of(database, number)

    assert not settled(database, replace(before, token="first"), LetterState.FAILED, CLAIMED, now)

    assert row_of(database, number) == before


def test_a_person_settles_without_a_token_from_either_of_two_states(database: Database, now: datetime) -> None:
    number = written(database, now)
    claimed(database, now)
    begun(database, row_of(database, number), now + 15 * MINUTE)
    settled(database, row_of(database, number), LetterState.UNKNOWN, SENDING, now)
    row = row_of(database, number)

    with database.writing() as store:
        done = letters.settling(
            store, row, LetterState.SENT, expected=[LetterState.FAILED, LetterState.UNKNOWN], now=now, reason=None
        )()

    assert (done, row_of(database, number).state) == (True, "sent")


def test_only_the_letter_that_was_meant_is_settled(database: Database, now: datetime) -> None:
    mine, other = written(database, now), written(database, now)
    claimed(database, now)

    settled(database, row_of(database, mine), LetterState.FAILED, CLAIMED, now)

    assert (row_of(database, mine).state, row_of(database, other).state) == ("failed", CLAIMED)


def test_tries_are_remembered_in_order_each_with_its_own_letter(database: Database, now: datetime) -> None:
    mine, other = written(database, now), written(database, now)
    told = [Try(now, "rcpt", "retry", 450, "later"), Try(now + MINUTE, "data", "sent", 250, "ok")]
    with database.writing() as store:
        for one in told:
            tries.add(store, row_of(database, mine), one)

    with database.reading() as store:
        assert tries.of_letter(store, mine) == told
        assert tries.of_letter(store, other) == []


# -- looked at ---------------------------------------------------------------------------------------------------------


def test_letters_are_read_a_page_at_a_time_in_the_order_they_were_written(database: Database, now: datetime) -> None:
    numbers = [written(database, now - n * MINUTE) for n in range(3)]

    with database.reading() as store:
        first = letters.letters_of(store, limit=2)
        rest = letters.letters_of(store, limit=2, after=first[-1].id)

    assert [[row.id for row in page] for page in (first, rest)] == [numbers[:2], numbers[2:]]


def test_all_letters_of_one_state_can_be_read_in_their_order(database: Database, now: datetime) -> None:
    gone, *numbers = (written(database, now) for _ in range(3))
    settled(database, row_of(database, gone), LetterState.CANCELLED, PENDING, now)

    with database.reading() as store:
        every = [row.id for row in letters.pages_of(store, state=PENDING)]

    assert every == numbers


@pytest.mark.parametrize("limit", [None, 0, 3, 4, 9])
def test_of_many_letters_no_more_are_read_than_was_asked(
    database: Database, now: datetime, monkeypatch: pytest.MonkeyPatch, limit: int | None
) -> None:
    monkeypatch.setattr(letters, "_PAGE", 2)
    numbers = [written(database, now) for _ in range(5)]

    with database.reading() as store:
        assert [row.id for row in letters.pages_of(store, limit=limit)] == numbers[:limit]


def test_letters_are_found_by_their_state_and_counted_but_for_those_that_were_sent(
    database: Database, now: datetime
) -> None:
    sent, failed, waits = (written(database, now + n * MINUTE) for n in range(3))
    claimed(database, now + MINUTE)
    settled(database, row_of(database, sent), LetterState.SENT, CLAIMED, now)
    settled(database, row_of(database, failed), LetterState.FAILED, CLAIMED, now)

    with database.reading() as store:
        found = {state: [row.id for row in letters.letters_of(store, state=state)] for state in ("sent", "failed")}
        assert found == {"sent": [sent], "failed": [failed]}
        assert letters.count_unsent(store) == {"failed": 1, "pending": 1}
        assert letters.count_pending(store) == 1
    assert row_of(database, waits).state == PENDING


def test_a_letter_whose_words_were_erased_is_left_out_when_that_is_asked(database: Database, now: datetime) -> None:
    erased, whole = written(database, now, context=letters.ERASED), written(database, now)

    with database.reading() as store:
        rest = letters.letters_of(store, erased=False)
        every = letters.letters_of(store)

    assert [row.id for row in rest] == [whole]
    assert [(row.id, row.is_erased) for row in every] == [(erased, True), (whole, False)]


def test_a_number_that_no_letter_has_gives_none(database: Database) -> None:
    with database.reading() as store:
        assert letters.letter_by_id(store, 4711) is None


def test_a_letter_knows_its_case_and_the_first_letter_of_it_that_was_built(engine: Engine, now: datetime) -> None:
    database = engine.database
    case = engine.open_case({"registration": {"email": "a@example.org"}}).case.reference
    with database.reading() as store:
        (invitation,) = letters.letters_of(store)
    claimed(database, now)
    begun(database, row_of(database, invitation.id), now + 15 * MINUTE)
    engine.advance(case, "withdraw", reason="op verzoek")

    with database.reading() as store:
        first, second = letters.letters_of(store, case_id=invitation.case_id)

    assert (first.case, first.first_message_id) == (case, None)
    assert (second.case, second.letter, second.first_message_id) == (case, "case_withdrawn", "<1@example.org>")


# -- reminders that become one -----------------------------------------------------------------------------------------


@pytest.fixture
def reminders(engine: Engine, url: str) -> list[int]:
    """Two reminders for one reader and one for another, each of a case of its own."""
    for address in ("a@example.org", "a@example.org", "b@example.org"):
        engine.open_case({"registration": {"email": address}})
    with bare(url) as connection:
        connection.execute("UPDATE outbox SET is_reminder = true")
    return [row["id"] for row in look(url, "SELECT id FROM outbox ORDER BY id")]


def test_reminders_are_grouped_where_one_reader_would_get_several(
    database: Database, now: datetime, reminders: list[int]
) -> None:
    with database.writing() as store:
        groups = merging.mergeable(store, now)
        early = merging.mergeable(store, now - MINUTE)

    assert [[row.id for row in group] for group in groups] == [reminders[:2]]
    assert early == []


def test_only_reminders_to_one_role_that_are_due_are_grouped(
    database: Database, now: datetime, reminders: list[int], engine: Engine, url: str
) -> None:
    for _ in range(2):
        engine.open_case({"registration": {"email": "a@example.org"}})
    with bare(url) as connection:
        connection.execute("UPDATE outbox SET is_reminder = true")
        connection.execute(f"UPDATE outbox SET role = 'asr' WHERE id > {reminders[2] + 1}")
    not_due = row_of(database, reminders[2] + 1)
    with database.writing() as store:
        letters.settling(store, not_due, PENDING, expected=[PENDING], now=now, due_at=now + MINUTE)()

    with database.writing() as store:
        groups = merging.mergeable(store, now)

    assert [[row.id for row in group] for group in groups] == [reminders[:2]]


def test_a_reminder_that_was_tried_or_is_no_reminder_is_not_grouped(
    database: Database, now: datetime, reminders: list[int], url: str
) -> None:
    with bare(url) as connection:
        connection.execute(f"UPDATE outbox SET attempts = 1 WHERE id = {reminders[0]}")

    with database.writing() as store:
        assert merging.mergeable(store, now) == []


def test_reminders_wait_for_what_is_being_gathered_and_other_letters_do_not(
    database: Database, now: datetime, reminders: list[int]
) -> None:
    other = written(database, now)

    first = claimed(database, now, reminders_until=reminders[0])

    assert sorted(first) == sorted([reminders[0], other])
    assert sorted(claimed(database, now, token="b")) == reminders[1:]


def test_what_became_part_of_another_letter_is_finished_and_says_of_which(
    database: Database, now: datetime, reminders: list[int]
) -> None:
    whole = written(database, now)
    gone = claimed(database, now, limit=1)
    with database.writing() as store:
        (group,) = [[row_of(database, number) for number in reminders[:2]]]
        merging.merge_into(store, group, whole, now + MINUTE)

    rows = [row_of(database, number) for number in reminders]
    assert [row.state for row in rows] == [CLAIMED if row.id in gone else "merged" for row in rows[:2]] + [PENDING]
    merged = rows[1]
    assert (merged.merged_into, merged.finished_at, merged.reason) == (whole, now + MINUTE, f"part of letter {whole}")
    with database.reading() as store:
        assert letters.cases_of(store, replace(row_of(database, whole), case_id=None)) == [merged.case_id]
        assert letters.cases_of(store, merged) == [merged.case_id]


def test_the_newest_reminder_that_may_go_by_itself_is_one_that_was_due_by_then(
    database: Database, now: datetime, reminders: list[int]
) -> None:
    written(database, now)
    later = row_of(database, reminders[2])
    with database.writing() as store:
        letters.settling(store, later, PENDING, expected=[PENDING], now=now, due_at=now + MINUTE)()
        found = [merging.last_number(store, now + minutes * MINUTE) for minutes in (-1, 0, 1)]

    assert found == [0, reminders[1], reminders[2]]
