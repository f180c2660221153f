"""Random honest histories: whatever operators, the clock, the mail and the auditor may do to cases, in any order."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import timedelta

from employers import FORWARD, REACHED_BY, bring, employer
from examples import RIGHTS

from notifications.outcomes import tell_cases
from workflow import Conflict, Engine, Origin, Refused, UsageError, reminders
from workflow.clock import SetClock, local_day
from workflow.erasure import Wish, erase
from workflow.events import Kind
from workflow.finding import find_case
from workflow.ledger.revealing import reveal
from workflow.storage import letters
from workflow.work import Work

WORKER, OPERATOR = Origin("worker", "os", "worker"), Origin("olga", "os", "cli")
ODD = ("Jan", "Zoë 😀", "\ufb33", "quasi", '"prev_hash":"0"', "")


class Life:
    """A database in which things happen; the same number makes the same things happen."""

    def __init__(self, engine: Engine, clock: SetClock, number: int) -> None:
        self.engine, self.clock = engine, clock
        self.chance = random.Random(number)
        self.cases: list[str] = []
        often = [self._go_on, self._record, self._wait] * 3
        self.acts: list[Callable[[str], object]] = [
            *often,
            self._aside,
            self._note,
            self._hold,
            self._resume,
            self._deliver,
            self._erase,
            self._reveal,
            self._spoil,
        ]

    def go(self, steps: int) -> None:
        """Let so many things happen; what is refused is refused."""
        for _ in range(steps):
            act = self.chance.choice(self.acts) if self.cases and self.chance.random() > 0.08 else self._open
            try:
                act(self.chance.choice(self.cases or [""]))
            except (Refused, UsageError, Conflict):
                continue

    def _open(self, _case: str) -> None:
        if self.chance.random() < 0.5:
            self.cases.append(bring(self.engine, self.chance.choice([*REACHED_BY])))
            return
        sheets = self.chance.choice([(), (), ("registration",), ("loket_user", "registration"), ("loket_user",)])
        given = employer(*sheets)
        if "registration" in given:
            given["registration"]["contact_name"] = self.chance.choice(ODD) or None
        self.cases.append(self.engine.open_case(given).case.reference)

    def _go_on(self, case: str) -> None:
        facts = employer("policy", "handover", "realisation") if self.chance.random() < 0.7 else {}
        accept = self.chance.random() < 0.8
        trigger = self.chance.choice([None, None, None, None, *FORWARD])
        self.engine.advance(case, trigger, facts=facts, accept_warnings=accept)

    def _record(self, case: str) -> None:
        changes = [
            {"loket_user": {"rights": self.chance.sample(RIGHTS, self.chance.randint(0, 6)) or None}},
            {"loket_user": employer("loket_user")["loket_user"]},
            {"registration": {"framework_contract_number": self.chance.choice(["A020990001", "B1", None])}},
            {"registration": {"email": self.chance.choice(["a@example.com", "geen adres", None])}},
            {"registration": {"contact_name": self.chance.choice(ODD)}},
            {"realisation": {"first_exchange_date": self.chance.choice(["2026-06-03", "2031-06-04", None])}},
        ]
        self.engine.record(case, self.chance.choice(changes))

    def _aside(self, case: str) -> None:
        trigger = self.chance.choice(["return_to_applicant", "return_to_asr", "withdraw"])
        self.engine.advance(case, trigger, reason=self.chance.choice(["op verzoek", None]))

    def _note(self, case: str) -> None:
        self.engine.note(case, self.chance.choice(["gebeld", "nummer 123456782", "q" * 90, "Zoë\n😀"]))

    def _hold(self, case: str) -> None:
        until = local_day(self.clock.now()) + timedelta(days=self.chance.randint(1, 20))
        self.engine.hold(case, until, "wacht")

    def _resume(self, case: str) -> None:
        self.engine.resume(case)

    def _wait(self, _case: str) -> None:
        """Time passes, and now and then runs back; what is due is fired."""
        self.clock.moment += timedelta(hours=self.chance.choice([1, 20, 50, 120, -30]))
        reminders.run_once(self.engine.database, self.engine.rules, self.clock.now(), WORKER)

    def _deliver(self, case: str) -> None:
        """A letter was sent, or was not."""
        kind = self.chance.choice([Kind.LETTER_SENT, Kind.LETTER_FAILED, Kind.LETTER_UNKNOWN])
        with self.engine.database.writing() as store:
            number, found = find_case(store, case, lock=True)
            work = Work(self.engine.rules, WORKER, self.clock.now(), number, found)
            for row in letters.letters_of(store, case_id=number, limit=1):
                tell_cases({number: work}, row, kind, {"phase": "DATA", "code": 250}, reason="gezien")
            store.write([work])

    def _erase(self, case: str) -> None:
        wish = Wish("op verzoek", self.chance.choice(["AVG art. 17", None]), 7)
        erase(self.engine.database, self.engine.rules, self.clock.now(), OPERATOR, case, wish)

    def _reveal(self, case: str) -> None:
        with self.engine.database.reading() as store:
            number, _ = find_case(store, case)
        reveal(self.engine.database, self.engine.rules, OPERATOR, self.clock.now(), [number], 1)

    def _spoil(self, case: str) -> None:
        """Somebody tries what cannot be done."""
        self.engine.advance(case, "confirm", expect_version=self.chance.choice([None, 1]))
