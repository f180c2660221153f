"""One pass over the outbox: take what is due, send it over several connections, record each outcome.

A letter is committed as `sending` before its DATA, so a crash can leave it unknown but never send it twice;
what is merely `claimed` has not left and goes back to pending when its lease ends.

A letter of a case that somebody else holds does not leave: it is put aside, to be tried after the others or in the next
pass, so that the outcome of what did leave need not wait, and no connection with it. Nor do two connections send
letters of one case at once, so that these leave in their order.

One connection is opened first, and the others once it stands. A server that cannot be reached, or leaves a letter in
doubt, ends the pass; it is let be for a while then, and tried with one letter (`Patience`).
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from notifications.building import Builder, CannotBuild
from notifications.desk import Desk
from notifications.digest import Merged, merge_reminders
from notifications.left_over import LeftOver
from notifications.outcomes import CLAIM_LEASE, LOST, SENDING_LEASE, settle_letter
from notifications.patience import Patience
from notifications.queue import Queue
from notifications.recorder import Act, Recorder
from notifications.rendering import TEMPLATES
from notifications.smtp import Connection, Outcome, Phase, Reply
from notifications.smtp_url import NoMailbox, Server
from notifications.tally import Delivered, Tally
from workflow.arguments import ClockInUtc
from workflow.clock import Clock
from workflow.events import Origin
from workflow.storage import Database, letters
from workflow.storage.letter_states import LetterState
from workflow.storage.letters import OutboxRow
from workflow.storage.merging import end_outdated
from workflow.storage.shift import try_turn
from workflow.storage.store import Store
from workflow.work import Rules, Work

CONNECTIONS = 10
BATCH = 200
Recorded: TypeAlias = "tuple[OutboxRow, Reply, asyncio.Future[LetterState | None]] | None"
"""A letter whose outcome is on its way into the database; None: there is none."""


class Delivery:
    """Sends what lies in the outbox, by the templates in `folder`; without a server letters stay pending."""

    def __init__(
        self,
        database: Database,
        rules: Rules,
        clock: Clock,
        origin: Origin,
        desk: Desk,
        server: Server | None,
        *,
        connections: int = CONNECTIONS,
        folder: Path = TEMPLATES,
    ) -> None:
        self._database = database
        self._clock = clock = ClockInUtc(clock)
        self._desk = desk
        self.server = server
        self._connections = connections
        self._builder = Builder(desk, folder)
        self._definition = rules.definition
        self._recorder = Recorder(database, rules, origin, clock)
        self._stopping = False
        self._has_given_up = False
        """The server failed, or the database did."""
        self._trouble: Reply | None = None
        """The first thing by which the server failed in this pass."""
        self._patience = Patience()
        self._count = Tally()
        self._left_over = LeftOver()
        self._tokens: list[str] = []
        self._held: set[int] = set()
        """Cases whose letters were put aside."""
        self._in_use: set[Connection] = set()
        """Those that are open, or being opened."""

    def stop(self) -> None:
        """Finish the letters in hand and take no more."""
        self._stopping = True

    def run_once(self) -> Delivered:
        """One pass: settle what was left behind, fill in addresses, merge reminders, send what is due.

        Raises StoreError. SchakelError, when all is done: the case of some letter cannot be written.
        """
        self._count, self._left_over = Tally(), LeftOver()
        self._has_given_up, self._trouble = False, None
        self._settle_lost()
        now = self._clock.now()
        with self._database.writing() as store:
            merged = self._put_in_order(store, now) if try_turn(store) else Merged(0, 0)
        if self.server is not None and self._patience.allows(self.server, now):
            self._send_due(self.server, merged.until)
        with self._database.reading() as store:
            pending = letters.count_pending(store)
        if self._left_over:
            with self._database.writing() as store:
                self._left_over.separate(store, self._clock.now())
            self._left_over.tell()
        return self._count.result(merged.count, pending)

    def _put_in_order(self, store: Store, now: datetime) -> Merged:
        """What one worker does at a time: another passes by, and leaves new reminders to the one that is at it."""
        letters.release_expired(store, now)
        end_outdated(store, now, self._definition)
        for role, address in self._desk.addresses.items():
            letters.fill_addresses(store, role, address)
        return merge_reminders(store, now)

    def _send_due(self, server: Server, reminders_until: int) -> None:
        """Send what is due, and then what was put aside, as long as that brings anything."""
        done, put_aside = -1, True
        while put_aside and self._count.total > done and self._may_go_on:
            done = self._count.total
            put_aside = self._send_round(server, reminders_until)

    def _send_round(self, server: Server, reminders_until: int) -> bool:
        """Send batch after batch; whether any were put aside. These stay claimed until the end, so as to be in one."""
        self._tokens, self._held = [], set()
        try:
            while self._may_go_on and (batch := self._claim(reminders_until)):
                asyncio.run(self._send(batch, server))
                self._patience.learn(self._trouble, self._clock.now())
        finally:
            with self._database.writing() as store:
                put_back = [letters.release(store, token) for token in self._tokens]
        return sum(put_back) > 0

    @property
    def _may_go_on(self) -> bool:
        return not (self._stopping or self._has_given_up)

    def _claim(self, reminders_until: int) -> list[OutboxRow]:
        token, now = secrets.token_hex(16), self._clock.now()
        self._tokens.append(token)
        with self._database.writing() as store:
            return letters.claim(
                store,
                now=now,
                lease_until=now + CLAIM_LEASE,
                token=token,
                limit=1 if self._patience.is_tried_out else BATCH,
                reminders_until=reminders_until,
            )

    async def _send(self, batch: list[OutboxRow], server: Server) -> None:
        """Over several connections; when one fails, the others finish the letter in hand before that is told."""
        queue = Queue([(row, self._cases_of(row)) for row in batch], lambda: self._may_go_on)
        first = Connection(server)
        refusal = await first.open()  # alone: ten would log in ten times with a wrong password
        others = [] if refusal else [Connection(server) for _ in range(min(self._connections, len(batch)) - 1)]
        hands = [self._work_off(queue, first, refusal), *(self._work_off(queue, other) for other in others)]
        try:
            ended = await asyncio.gather(*hands, return_exceptions=True)
        finally:
            await self._recorder.finish()
        for error in filter(None, ended):
            raise error

    async def _work_off(self, queue: Queue, connection: Connection, refusal: Reply | None = None) -> None:
        """Send letters over one connection until none is left for it, or the server failed (`refusal`: already)."""
        self._in_use.add(connection)
        recorded: Recorded = None
        has_rested = False
        try:
            while queue:
                if refusal is None and not connection.is_open:
                    refusal = await connection.open()
                    if not queue:
                        break  # others took the last one meanwhile, or the pass was asked to stop
                if refusal is not None:
                    self._in_use.discard(connection)
                    if self._in_use:
                        break  # the server takes no more connections at once: those that it took go on
                    self._give_up(refusal)
                letter = queue.take()
                if letter is None:
                    has_rested = True
                    await queue.rest()
                    continue
                row, cases = letter
                try:
                    if has_rested and refusal is None and not await connection.reset():
                        queue.put_back(letter)  # the server let go of the connection meanwhile: no fault of the letter
                        continue
                    recorded = await self._send_one(connection, row, cases, recorded, refusal)
                finally:
                    has_rested = False
                    queue.put_down(cases)
            await self._count_in(recorded)
        except Exception:
            self._has_given_up = True
            raise
        finally:
            self._in_use.discard(connection)
            await connection.close()

    def _give_up(self, reply: Reply) -> None:
        """The server failed: finish the letters in hand and take no more."""
        self._has_given_up, self._trouble = True, self._trouble or reply

    async def _send_one(
        self, connection: Connection, row: OutboxRow, cases: list[int], before: Recorded, refusal: Reply | None
    ) -> Recorded:
        """Send a letter; the outcome of the one before is recorded meanwhile, but always before this one may leave.

        With a `refusal` there is no connection to send it over.
        """
        if not self._held.isdisjoint(cases):
            return before  # a case's letters leave in their order, as far as that goes
        if row.message is not None:  # what waits is built anew, whatever somebody put there
            row = replace(row, message=None)
        try:
            built = self._builder.build(row, self._clock.now())
        except CannotBuild as error:
            await self._count_in(before)
            if cases and row.case_id is None and not isinstance(error.__cause__, NoMailbox):
                self._left_over.add_to_separate(row, f"it could not be built ({error})")
                return None
            reply = Reply(Outcome.FAILED, Phase.RENDER, None, str(error))
            act = self._settling(row, reply, LetterState.CLAIMED, cases)
            return row, reply, self._recorder.submit_if_free(act, cases)
        refusal = refusal or await self._offer(connection, built)
        await self._count_in(before)
        if refusal is not None:
            act = self._settling(built, refusal, LetterState.CLAIMED, cases)
            return row, refusal, self._recorder.submit_if_free(act, cases)
        looked_at = [] if row.case_id else cases  # by the act itself, when it is one
        may_leave: bool | None = False
        with self._left_over.noting(row):
            may_leave = await self._recorder.submit_if_free(self._beginning(built), looked_at)
            if not may_leave:  # one that cannot be written keeps no other, or it would in every pass
                self._held.update(cases)
        if not may_leave:
            await connection.reset()  # somebody holds its case, or has the letter since the lease ran out: nothing left
            return None
        reply = await connection.transmit(built.message or b"")
        if reply.outcome is Outcome.UNKNOWN:
            self._give_up(reply)  # else a bad minute of the server would leave the whole outbox in doubt
        return row, reply, self._recorder.submit(self._settling(built, reply, LetterState.SENDING, cases), cases)

    async def _offer(self, connection: Connection, row: OutboxRow) -> Reply | None:
        """Offer a letter over an open connection; None: it may be sent."""
        refusal = await connection.offer(self._desk.sender, row.recipient or "")
        if refusal is not None and connection.is_open and not await connection.reset():
            await connection.close()
        return refusal

    def _beginning(self, row: OutboxRow) -> Act[bool]:
        """The act after which a letter may leave."""
        lease, in_facts = self._clock.now() + SENDING_LEASE, self._definition.domain.in_facts
        return lambda store, _: letters.beginning(store, row, lease_until=lease, in_facts=in_facts)

    def _settling(self, row: OutboxRow, reply: Reply, was: LetterState, cases: list[int]) -> Act[LetterState | None]:
        """The act that records an outcome in the outbox and in the history of the letter's cases."""

        def act(store: Store, works: Mapping[int, Work]) -> Callable[[], LetterState | None]:
            own = {case_id: works[case_id] for case_id in cases}
            return settle_letter(store, own, row, reply, expected=was, now=self._clock.now())

        return act

    def _settle_lost(self) -> None:
        """Letters whose worker disappeared while sending: unknown, for a person to decide. Those that are held wait."""
        settled = BATCH
        while settled == BATCH:
            with self._database.reading() as store:
                lost = letters.expired_sending(store, self._clock.now(), BATCH)
            before = self._count.total
            for row in lost:
                cases = self._cases_of(row)
                act = self._settling(row, LOST, LetterState.SENDING, cases)
                with self._left_over.noting(row):
                    self._count.add(self._recorder.run_now_if_free(act, cases), LOST)
            settled = self._count.total - before

    def _cases_of(self, row: OutboxRow) -> list[int]:
        if row.case_id is not None:  # asks nothing: this is done for every letter
            return [row.case_id]
        with self._database.reading() as store:
            return letters.cases_of(store, row)

    async def _count_in(self, recorded: Recorded) -> None:
        if recorded is not None:
            row, reply, outcome = recorded
            with self._left_over.noting(row):
                self._count.add(await outcome, reply)
