"""Every way two workers, crashes, slow hands and a fickle server can meet over one letter: none lost, none sent twice.

The search runs the real statements of the outbox on a real database; only the network and the clock are played.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import Executable, bindparam, update

from notifications.outcomes import CLAIM_LEASE, LOST, SENDING_LEASE, settle_letter
from notifications.smtp import Outcome, Phase, Reply
from workflow import Database, Engine
from workflow.clock import SetClock
from workflow.storage import letters
from workflow.storage.letter_states import LetterState
from workflow.storage.letters import OutboxRow
from workflow.storage.outbox_queries import letters_where
from workflow.storage.store import Store
from workflow.storage.tables import outbox

MOST_ATTEMPTS = 4
STEP = timedelta(minutes=5)
REFUSED_FOR_NOW = Reply(Outcome.RETRY, Phase.RCPT, 450, "later")
REFUSED = Reply(Outcome.FAILED, Phase.RCPT, 550, "no")
# what a server does after DATA: did the letter arrive, and what does it answer
ANSWERS = (
    (True, Reply(Outcome.SENT, Phase.DATA, 250, "ok")),
    (True, Reply(Outcome.UNKNOWN, Phase.DATA, None, "dropped after it was accepted")),
    (False, Reply(Outcome.UNKNOWN, Phase.DATA, None, "dropped before it was accepted")),
    (False, Reply(Outcome.RETRY, Phase.DATA, 451, "later")),
    (False, Reply(Outcome.FAILED, Phase.DATA, 554, "no")),
)


@dataclass(frozen=True)
class Hand:
    """A worker's memory: what it holds, and the answer it has not recorded yet. A crash empties it."""

    token: str | None = None
    began: bool = False
    reply: Reply | None = None


@dataclass(frozen=True)
class World:
    """Everything that matters: the row (its times in steps from now), both workers, how often the letter arrived."""

    row: tuple[str, str | None, int | None, int, int]
    hands: tuple[Hand, Hand] = (Hand(), Hand())
    arrived: int = 0
    claims: int = 0


def the_letter() -> Executable:
    return letters_where(outbox.c.id == 1)


def put_letter() -> Executable:
    names = ("state", "token", "lease_until", "attempts", "due_at")
    return update(outbox).where(outbox.c.id == 1).values({name: bindparam(name) for name in names})


class Search:
    """Walks through every world that can be reached; `mark_first` off is the mutant that sends before it marks."""

    def __init__(self, store: Store, start: datetime, *, mark_first: bool) -> None:
        self.store = store
        self.start = start
        self.mark_first = mark_first

    def worlds(self) -> Iterator[World]:
        first = World(self._read())
        seen, todo = {first}, [first]
        while todo:
            world = todo.pop()
            yield world
            for following in self._next(world):
                if following not in seen:
                    seen.add(following)
                    todo.append(following)

    def _next(self, world: World) -> Iterator[World]:
        yield from self._later(world)
        yield from self._swept(world)
        for number in (0, 1):
            if world.hands[number] != Hand():
                yield self._with(world, number, Hand())  # kill -9
            yield from self._stepped(world, number)

    def _later(self, world: World) -> Iterator[World]:
        """Time passes until the next thing that time brings: a lease that ends, or the next try."""
        state, token, lease, attempts, due = world.row
        ahead = [steps for steps in (lease, due) if steps]
        if ahead:
            passed = min(ahead)
            left = None if lease is None else max(0, lease - passed)
            yield replace(world, row=(state, token, left, attempts, max(0, due - passed)))

    def _stepped(self, world: World, number: int) -> Iterator[World]:
        hand = world.hands[number]
        if hand.token is None:
            yield from self._claimed(world, number)
        elif hand.reply is not None:
            was = LetterState.SENDING if hand.began else LetterState.CLAIMED
            yield self._with(self._settled(world, hand, hand.reply, was), number, Hand())
        elif not hand.began and self.mark_first:
            for reply in (REFUSED_FOR_NOW, REFUSED):
                yield self._with(world, number, replace(hand, reply=reply))
            yield self._begun(world, number)
        else:
            for arrives, reply in ANSWERS:
                sent = self._with(world, number, replace(hand, reply=reply))
                yield replace(sent, arrived=world.arrived + arrives)

    def _claimed(self, world: World, number: int) -> Iterator[World]:
        if world.claims == MOST_ATTEMPTS:
            return
        token, now = f"token-{world.claims}", self.start
        self._write(world)
        found = letters.claim(self.store, now=now, lease_until=now + CLAIM_LEASE, token=token, limit=10)
        if found:
            taken = replace(world, row=self._read(), claims=world.claims + 1)
            yield self._with(taken, number, Hand(token))

    def _begun(self, world: World, number: int) -> World:
        self._write(world)
        row = self._row(world.hands[number])
        ours = letters.beginning(self.store, row, lease_until=self.start + SENDING_LEASE)()
        hand = replace(world.hands[number], began=True) if ours else Hand()
        return self._with(replace(world, row=self._read()), number, hand)

    def _settled(self, world: World, hand: Hand, reply: Reply, was: LetterState) -> World:
        self._write(world)
        settle_letter(self.store, {}, self._row(hand), reply, expected=was, now=self.start)()
        return replace(world, row=self._read())

    def _swept(self, world: World) -> Iterator[World]:
        """What every pass begins with, by whichever worker."""
        self._write(world)
        now = self.start
        for row in letters.expired_sending(self.store, now, 10):
            settle_letter(self.store, {}, row, LOST, expected=LetterState.SENDING, now=now)()
        letters.release_expired(self.store, now)
        swept = replace(world, row=self._read())
        if swept != world:
            yield swept

    def _row(self, hand: Hand) -> OutboxRow:
        row = self.store.first(the_letter, {})
        assert row is not None
        return replace(OutboxRow(**row), token=hand.token)

    def _write(self, world: World) -> None:
        state, token, lease, attempts, due = world.row
        until = None if lease is None else self.start + STEP * lease
        row = {"state": state, "token": token, "lease_until": until, "attempts": attempts}
        self.store.run(put_letter, {**row, "due_at": self.start + STEP * due})

    def _read(self) -> tuple[str, str | None, int | None, int, int]:
        row = self.store.first(the_letter, {})
        assert row is not None
        lease = None if row["lease_until"] is None else self._steps(row["lease_until"])
        return (row["state"], row["token"], lease, row["attempts"], self._steps(row["due_at"]))

    def _steps(self, moment: datetime) -> int:
        return max(0, (moment - self.start) // STEP)

    @staticmethod
    def _with(world: World, number: int, hand: Hand) -> World:
        other = world.hands[1 - number]
        first, second = sorted((hand, other), key=str)  # which of the two it is makes no difference
        return replace(world, hands=(first, second))


def worlds_of(database: Database, clock: SetClock, *, mark_first: bool) -> Iterator[World]:
    """Every world that can be reached."""
    with database.writing() as store:
        store.change(update(outbox).where(outbox.c.id > 1).values(state="cancelled"))
        yield from Search(store, clock.now(), mark_first=mark_first).worlds()


def is_broken(world: World) -> bool:
    """Sent twice; or arrived while somebody could send it again; or settled as something that did not happen."""
    state = world.row[0]
    could_go_again = state in ("pending", "claimed")
    said_not_sent = state == "failed"
    return (
        world.arrived > 1
        or (world.arrived == 1 and (could_go_again or said_not_sent))
        or (state == "sent" and world.arrived != 1)
    )


def test_no_letter_is_lost_or_sent_twice_whatever_happens(sqlite_engine: Engine, clock: SetClock) -> None:
    sqlite_engine.open_case({"registration": {"email": "a@example.com"}})

    worlds = list(worlds_of(sqlite_engine.database, clock, mark_first=True))

    assert len(worlds) > 1000, "the search did not search"
    assert not any(map(is_broken, worlds))


def test_the_search_finds_the_fault_of_sending_before_marking(sqlite_engine: Engine, clock: SetClock) -> None:
    sqlite_engine.open_case({"registration": {"email": "a@example.com"}})

    worlds = worlds_of(sqlite_engine.database, clock, mark_first=False)

    assert any(world.arrived > 1 for world in worlds)
