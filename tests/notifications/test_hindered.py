"""What a mail server, a database, a clock or a restore may do to a pass; letters go on, and no outcome is lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from employers import bring, employer
from looking import bare, largest, look
from sink import AnyPort, Sink, delivery

from notifications import recorder as recorder_module
from notifications import restoring
from notifications.recorder import Recorder
from workflow import Database, Engine, Origin, reminders
from workflow.clock import SetClock
from workflow.errors import SchakelError, StoreError
from workflow.storage import letters
from workflow.storage.letter_states import LetterState

WORKER = Origin("worker", "test", "worker")
MINUTE = timedelta(minutes=1)


def states(url: str) -> dict[str, int]:
    return dict(Counter(row["state"] for row in look(url, "SELECT state FROM outbox")))


def numbers_of(sink: Sink) -> list[int]:
    """Those of the letters that it got, in the order in which they came."""
    return [int(str(letter["Message-ID"]).split(".")[1]) for letter in sink.messages()]


# -- an altered row --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "moment", ["2026-04-1", "morgen", "zzz", "", "5", "3 mei", "2026-x", "2027", "9999-12-31T23:59:59.999999Z"]
)
@pytest.mark.parametrize("column", ["created_at", "due_at"])
def test_a_letter_whose_moment_was_altered_goes_out_and_keeps_none_back(
    sqlite_engine: Engine, sqlite_url: str, column: str, moment: str
) -> None:
    """PostgreSQL takes no such value."""
    for _ in range(3):
        bring(sqlite_engine, "rights_pending")
    with bare(sqlite_url) as connection:
        connection.execute(f"UPDATE outbox SET {column} = ? WHERE id = 2", (moment,))

    with Sink() as sink:
        delivery(sqlite_engine, sink).run_once()

    assert states(sqlite_url) == {"sent": 3}


def test_a_letter_whose_moments_were_altered_is_listed_with_the_others(sqlite_engine: Engine, sqlite_url: str) -> None:
    bring(sqlite_engine, "rights_pending")
    bring(sqlite_engine, "rights_pending")
    with bare(sqlite_url) as connection:
        connection.execute("UPDATE outbox SET due_at = 'x', created_at = '', finished_at = 'yesterday' WHERE id = 1")

    with sqlite_engine.database.reading() as store:
        listed = [row.id for row in letters.letters_of(store)]

    assert sorted(listed) == [1, 2]


def test_what_was_put_in_the_place_of_a_message_is_not_sent_and_keeps_nothing_back(
    engine: Engine, url: str, clock: SetClock
) -> None:
    """On SQLite it may even be no bytes."""
    for number in range(3):
        engine.open_case(employer("loket_user", "registration"), letters=number == 0)
    clock.moment += timedelta(days=8, minutes=1)
    reminders.run_once(engine.database, engine.rules, clock.moment, WORKER)
    with bare(url) as connection:
        connection.execute("UPDATE outbox SET message = 'x' WHERE id = 1")

    with Sink() as sink:
        delivery(engine, sink).run_once()

    assert states(url) == {"sent": 2, "merged": 3}
    assert all(letter["Subject"] for letter in sink.messages())


# -- the mail server -------------------------------------------------------------------------------------------------


class _ThreeAtOnce(AnyPort):
    """Takes three connections; whoever comes then is told that there are too many."""

    at_once = 0

    def factory(self) -> Any:
        counter, made = self, super().factory()
        begin, end = made.connection_made, made.connection_lost
        taken = False

        def connection_made(transport: Any) -> None:
            nonlocal taken
            if counter.at_once == 3:
                transport.write(b"421 4.3.2 too many connections at once\r\n")
                transport.close()
                return
            taken = True
            counter.at_once += 1
            begin(transport)

        def connection_lost(error: Exception | None) -> None:
            if taken:
                counter.at_once -= 1
                end(error)

        vars(made).update(connection_made=connection_made, connection_lost=connection_lost)
        return made


class _Few(Sink):
    controller = _ThreeAtOnce


def test_a_server_that_takes_three_connections_gets_all_letters_over_those(engine: Engine, url: str) -> None:
    for _ in range(30):
        bring(engine, "rights_pending")

    with _Few() as sink:
        done = delivery(engine, sink, connections=10).run_once()

    assert (done.sent, done.retried) == (30, 0)
    assert states(url) == {"sent": 30}


def test_a_server_that_is_down_costs_one_letter_a_try_however_many_connections(engine: Engine, url: str) -> None:
    for _ in range(12):
        bring(engine, "rights_pending")
    with Sink() as gone:
        pass

    done = delivery(engine, gone, connections=10).run_once()

    assert (done.retried, done.pending) == (1, 12)
    assert sorted(row["attempts"] for row in look(url, "SELECT attempts FROM outbox")) == [0] * 11 + [1]


class _Weary(Sink):
    """Has enough of a connection after two letters, and says so when a third is offered."""

    said = "421 4.7.0 too many letters over one connection"

    async def handle_MAIL(self, _server: Any, session: Any, envelope: Any, address: str, _options: Any) -> str:
        session.carried = getattr(session, "carried", -1) + 1
        if session.carried == 2:
            return self.said
        envelope.mail_from = address
        return "250 OK"


@pytest.mark.parametrize("said", [_Weary.said, "452 4.5.3 too many messages in this session"])
def test_a_server_that_has_enough_of_a_connection_gets_the_letter_over_another(
    engine: Engine, url: str, said: str
) -> None:
    for _ in range(9):
        bring(engine, "rights_pending")

    with _Weary() as sink:
        sink.said = said
        done = delivery(engine, sink, connections=2).run_once()

    assert (done.sent, done.retried) == (9, 0)
    assert {row["attempts"] for row in look(url, "SELECT attempts FROM outbox")} == {1}


class _Restarts(Sink):
    """Starts anew while it has the first of eight letters: connections break, at once or when they are next used."""

    breaks_later = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self._old: list[Any] = []
        self._is_first = True

    async def handle_EHLO(self, server: Any, session: Any, _envelope: Any, name: str, answers: Any) -> Any:
        session.host_name = name
        if self._is_first:
            self._old.append(server)
        return answers

    def _answer(self, server: Any) -> str:
        return "250 OK" if self._is_first or server not in self._old else "421 4.3.2 going down"

    async def handle_RSET(self, server: Any, *_: Any) -> str:
        return self._answer(server)

    async def handle_MAIL(self, server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        envelope.mail_from = address
        return self._answer(server)

    async def handle_DATA(self, server: Any, *words: Any) -> str:
        if not self._is_first:
            return await super().handle_DATA(server, *words)
        while len(self._old) < 6:
            await asyncio.sleep(0.01)
        self._is_first = False
        for one in self._old:
            if one is not server and not self.breaks_later:
                one.transport.abort()
        return await super().handle_DATA(server, *words)


@pytest.mark.parametrize("breaks_later", [False, True])
def test_a_server_that_starts_anew_costs_no_letter_that_waits_for_another_of_its_case_a_try(
    engine: Engine, url: str, breaks_later: bool
) -> None:
    bring(engine, "keylane_configuring")

    with _Restarts() as sink:
        sink.breaks_later = breaks_later
        done = delivery(engine, sink, connections=10).run_once()

    assert (done.unknown, done.sent, done.retried) == (0, 6, 0)
    assert {row["attempts"] for row in look(url, "SELECT attempts FROM outbox")} == {1}
    assert numbers_of(sink) == [*range(1, 7)]


def test_a_letter_that_a_person_lets_go_again_is_tried_for_five_days_again(
    engine: Engine, url: str, clock: SetClock
) -> None:
    bring(engine, "rights_pending")
    with Sink({"salaris01@example.com": "450 later"}) as sink:
        for _ in range(60):
            delivery(engine, sink).run_once()
            clock.moment += timedelta(hours=3)
        given_up = states(url)
        with engine.database.writing() as store:
            row = letters.letter_by_id(store, 1)
            assert row is not None
            again, now = replace(row, attempts=0), clock.moment
            letters.settling(store, again, LetterState.PENDING, expected=(LetterState.FAILED,), now=now, due_at=now)()
        for _ in range(3):
            delivery(engine, sink).run_once()
            clock.moment += timedelta(hours=3)

    assert (given_up, states(url)) == ({"failed": 1}, {"pending": 1})


class _Slow(Sink):
    """Thinks longer about the first letter it is offered than about the others."""

    is_first = True

    async def handle_RCPT(self, *words: Any) -> str:
        if self.is_first:
            self.is_first = False
            await asyncio.sleep(0.3)
        return await super().handle_RCPT(*words)


def test_letters_of_one_case_leave_in_their_order_however_many_connections(engine: Engine) -> None:
    bring(engine, "keylane_configuring")
    with _Slow() as sink:
        delivery(engine, sink, connections=10).run_once()

    numbers = numbers_of(sink)
    assert numbers == sorted(numbers)
    assert len(numbers) > 3


# -- the database ----------------------------------------------------------------------------------------------------


class _Crowd(Sink):
    """Remembers how many letters were on their way at once; the first, about many cases, takes longest."""

    now = most = 0

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.01 if self.letters else 0.1)
        self.now -= 1
        return await super().handle_DATA(server, session, envelope)


def test_a_letter_about_many_cases_keeps_connections_only_as_long_as_it_is_on_its_way(
    engine: Engine, clock: SetClock, url: str
) -> None:
    given = employer("loket_user", "registration")
    given["registration"]["wage_tax_number"] = None
    cases = [engine.open_case(given, letters=False).case.reference for _ in range(12)]
    clock.moment = datetime(2026, 4, 28, 7, tzinfo=UTC)
    reminders.run_once(engine.database, engine.rules, clock.now(), WORKER)
    delivery(engine, None).run_once()
    for case in cases:
        engine.record(case, {"loket_user": {"rights": ["Raadplegen HRM"]}})

    with _Crowd() as sink:
        done = delivery(engine, sink, connections=4).run_once()

    assert (done.sent, done.pending) == (13, 0)
    assert sink.most > 1


class _Cutting(Sink):
    """When all letters are in its hands, it has the database end every connection of Schakel's, and says 250 to all."""

    admin: psycopg.Connection
    wanted: int
    arrived = 0

    async def handle_DATA(self, *words: Any) -> str:
        self.arrived += 1
        is_first = self.arrived == 1
        while self.arrived < self.wanted:
            await asyncio.sleep(0.01)
        if is_first:
            self.admin.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE application_name = 'schakel' AND datname = current_database()"
            )
        else:
            await asyncio.sleep(0.5)  # its outcome comes when the first has met the fault
        return await super().handle_DATA(*words)


@pytest.mark.parametrize("count", [1, 10])
def test_what_the_server_said_is_recorded_though_the_database_was_away_for_a_moment(
    postgres_url: str, opening: Callable[[str], Database], make_engine: Callable[[Database], Engine], count: int
) -> None:
    engine = make_engine(opening(postgres_url))
    for _ in range(count):
        bring(engine, "rights_pending")

    with psycopg.connect(postgres_url, autocommit=True) as admin, _Cutting() as sink:
        sink.admin, sink.wanted = admin, count
        delivery(engine, sink, connections=10).run_once()

    assert (states(postgres_url), len(sink.letters)) == ({"sent": count}, count)


@pytest.mark.parametrize("took", [0, 60])
def test_an_act_is_tried_again_for_five_seconds_after_the_first_failure_however_long_that_took(
    engine: Engine, clock: SetClock, monkeypatch: pytest.MonkeyPatch, took: float
) -> None:
    now, fails, recorder = [0.0], [True] * 4, Recorder(engine.database, engine.rules, WORKER, clock)
    commit = recorder._commit
    monkeypatch.setattr(recorder_module, "monotonic", lambda: now[0])

    def failing(*words: Any, **how: Any) -> Any:
        if fails:
            now[0] += took if len(fails) == 4 else 1
            fails.pop()
            raise StoreError("does not answer")
        return commit(*words, **how)

    monkeypatch.setattr(recorder, "_commit", failing)

    async def ask() -> str:
        return await recorder.submit(lambda store, works: lambda: "sent")

    assert asyncio.run(ask()) == "sent"


def test_a_case_that_cannot_be_written_keeps_no_letter_of_others_and_is_named_in_every_pass(
    engine: Engine, url: str, clock: SetClock
) -> None:
    case = bring(engine, "rights_pending")
    with bare(url) as connection:
        connection.execute(f"UPDATE cases SET state = 'of_no_version' WHERE reference = '{case}'")
    for _ in range(30):
        bring(engine, "rights_pending")

    with Sink() as sink:
        with pytest.raises(
            SchakelError, match=f"Letter 1: it or its case {case} cannot be written.*audit verify {case}"
        ):
            delivery(engine, sink, connections=10).run_once()
        assert states(url) == {"sending": 1, "sent": 30}
        clock.moment += 16 * MINUTE
        bring(engine, "rights_pending")
        with pytest.raises(SchakelError, match=case):
            delivery(engine, sink).run_once()

    assert states(url) == {"sending": 1, "sent": 31}
    assert len(sink.letters) == 32


def test_a_letter_about_several_cases_of_which_one_cannot_be_read_does_not_leave_but_the_others_are_reminded(
    engine: Engine, url: str, clock: SetClock
) -> None:
    case, *others = (
        engine.open_case(employer("loket_user", "registration"), letters=False).case.reference for _ in range(3)
    )
    clock.moment += timedelta(days=8, minutes=1)
    reminders.run_once(engine.database, engine.rules, clock.moment, WORKER)
    with bare(url) as connection:
        connection.execute(f"UPDATE cases SET facts = '[]' WHERE reference = '{case}'")

    with Sink() as sink, pytest.raises(SchakelError) as told:
        delivery(engine, sink).run_once()

    assert str(told.value) == (
        "Letter 4, about several cases: it or one of them cannot be written (TypeError). "
        "To see which, run: schakel audit verify"
    )
    assert (sink.letters, states(url)) == ([], {"cancelled": 1, "pending": 3})
    (digest,) = look(url, "SELECT reason FROM outbox WHERE state = 'cancelled'")
    assert digest["reason"] == "taken apart: it or one of its cases cannot be written"
    with Sink() as sink:
        with pytest.raises(SchakelError, match=f"its case {case} cannot be written"):
            delivery(engine, sink).run_once()
        clock.moment += timedelta(minutes=1)
        with suppress(SchakelError):
            delivery(engine, sink).run_once()
    assert [str(engine.history(other)[-1].event.kind) for other in others] == ["letter_sent"] * 2
    assert len(sink.letters) == 3


def test_a_letter_about_several_cases_that_cannot_leave_keeps_no_other_letter_of_those(
    engine: Engine, url: str, clock: SetClock
) -> None:
    _, case = (engine.open_case(employer("loket_user", "registration"), letters=False).case.reference for _ in range(2))
    clock.moment += timedelta(days=8, minutes=1)
    reminders.run_once(engine.database, engine.rules, clock.moment, WORKER)
    delivery(engine, None).run_once()
    clock.moment += timedelta(minutes=1)
    engine.record(case, {"loket_user": {"rights": ["Raadplegen HRM"]}})
    with bare(url) as connection:
        connection.execute("UPDATE cases SET facts = '[]' WHERE id = 1")

    with Sink() as sink, suppress(SchakelError):
        delivery(engine, sink, connections=1).run_once()

    assert [row["state"] for row in look(url, "SELECT state FROM outbox WHERE letter = 'rights_missing'")] == ["sent"]


def test_a_reminder_that_was_in_a_letter_about_several_cases_which_was_taken_apart_is_tried_as_any_other(
    engine: Engine, url: str, clock: SetClock
) -> None:
    for _ in range(3):
        engine.open_case(employer("loket_user", "registration"), letters=False)
    clock.moment += timedelta(days=8, minutes=1)
    reminders.run_once(engine.database, engine.rules, clock.moment, WORKER)
    with bare(url) as connection:
        connection.execute("UPDATE cases SET facts = '[]' WHERE id = 1")

    def others() -> list[letters.OutboxRow]:
        with engine.database.reading() as store:
            return [row for row in letters.letters_of(store) if row.case_id not in (None, 1)]

    def try_all() -> None:
        with suppress(SchakelError):
            delivery(engine, sink).run_once()

    with Sink({"salaris01@example.com": "451 later"}) as sink:
        try_all()
        apart = others()
        try_all()
        tried = others()
        for _ in range(5 * 8):
            clock.moment += timedelta(hours=3)
            try_all()

    why = "letter 4 was taken apart: it or one of its cases cannot be written"
    assert {(row.state, row.reason) for row in apart} == {("pending", why)}
    assert {(row.attempts, row.due_at - clock.moment + timedelta(days=5)) for row in tried} == {(1, 5 * MINUTE)}
    assert {row.state for row in others()} == {"failed"}


# -- clocks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("state", ["claimed", "sending"])
def test_what_a_worker_held_by_a_clock_that_ran_ahead_is_free_again(
    engine: Engine, url: str, clock: SetClock, state: str
) -> None:
    bring(engine, "rights_pending")
    ahead = clock.moment + timedelta(days=365)
    with engine.database.writing() as store:
        (row,) = letters.claim(store, now=ahead, lease_until=ahead + 5 * MINUTE, token="gone", limit=9)
        if state == "sending":
            assert letters.beginning(store, row, lease_until=ahead + 15 * MINUTE)()
    held = states(url)

    with Sink() as sink:
        clock.moment += MINUTE
        delivery(engine, sink).run_once()

    assert (held, states(url)) == ({state: 1}, {"sent" if state == "claimed" else "unknown": 1})


def test_a_letter_that_was_written_by_a_clock_that_ran_ahead_leaves_once_that_is_set_right(
    engine: Engine, url: str, clock: SetClock
) -> None:
    today = clock.moment
    clock.moment += timedelta(days=365)
    bring(engine, "rights_pending")
    clock.moment = today

    with Sink() as sink:
        delivery(engine, sink).run_once()

    assert states(url) == {"sent": 1}


def test_a_letter_that_is_to_be_tried_again_waits_for_that_as_long_as_any(engine: Engine, clock: SetClock) -> None:
    bring(engine, "rights_pending")
    with Sink({"salaris01@example.com": "450 later"}) as sink:
        for _ in range(8):
            delivery(engine, sink).run_once()
            clock.moment += timedelta(hours=3)
        tried = sink.tries("salaris01@example.com")
        delivery(engine, sink).run_once()
        clock.moment += timedelta(hours=2, minutes=59)
        delivery(engine, sink).run_once()

    assert (tried, sink.tries("salaris01@example.com")) == (8, 9)


# -- an older copy that was restored ---------------------------------------------------------------------------------


def test_reminders_that_fall_due_while_others_are_held_leave(engine: Engine, url: str, clock: SetClock) -> None:
    bring(engine, "rights_pending")
    with Sink() as sink:
        delivery(engine, sink).run_once()
        clock.moment += timedelta(days=8, minutes=1)  # its first rung is due, and will be held
        restoring.after_restore(engine.database, engine.rules, WORKER, clock)
        bring(engine, "rights_pending")
        delivery(engine, sink).run_once()
        clock.moment += timedelta(days=8)
        fired = reminders.run_once(engine.database, engine.rules, clock.moment, WORKER)
        delivery(engine, sink).run_once()

    assert fired.reminders == 1
    assert look(url, "SELECT state FROM outbox WHERE is_reminder") == [{"state": "sent"}]


def test_a_letter_that_left_meanwhile_is_not_doubted(
    engine: Engine,
    url: str,
    clock: SetClock,
    opening: Callable[[str], Database],
    make_engine: Callable[[Database], Engine],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A tick, which leaves no sign of life, may run between the look and the deed."""
    case, other, run_now = bring(engine, "rights_pending"), make_engine(opening(url)), Recorder.run_now
    with Sink() as sink:

        def late(recorder: Recorder, *words: Any) -> Any:
            delivery(other, sink).run_once()
            return run_now(recorder, *words)

        monkeypatch.setattr(Recorder, "run_now", late)
        restore, *_ = restoring.after_restore(engine.database, engine.rules, WORKER, clock)

    assert (restore.letters, states(url)) == (0, {"sent": 1})
    assert [step.event.kind for step in engine.history(case)] == ["opened", "letter_sent"]


def test_a_letter_whose_words_are_erased_while_a_person_lets_it_go_again_does_not_wait(
    engine: Engine, url: str, clock: SetClock
) -> None:
    bring(engine, "withdrawn")
    with engine.database.writing() as store:
        (row, *_) = letters.letters_of(store)
        store.execute("UPDATE outbox SET state = 'failed', context = ''")
        again = {"expected": (LetterState.FAILED,), "now": clock.moment, "due_at": clock.moment}
        waits = letters.settling(store, replace(row, attempts=0), LetterState.PENDING, **again)()

    assert (waits, set(states(url))) == (False, {"failed"})


def test_a_letter_whose_case_holds_a_number_beyond_all_bounds_keeps_no_other(
    engine: Engine, clock: SetClock, url: str
) -> None:
    odd, good = bring(engine, "rights_pending"), bring(engine, "rights_pending")
    with bare(url) as connection:
        connection.execute(largest(url, f"UPDATE cases SET seq = LARGEST WHERE reference = '{odd}'"))

    with Sink() as sink:
        for _ in range(2):
            with pytest.raises(SchakelError, match=odd):
                delivery(engine, sink).run_once()
            clock.moment += timedelta(minutes=16)

    assert engine.history(good)[-1].event.kind == "letter_sent"
    assert len(sink.letters) <= 2
