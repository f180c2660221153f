"""The way to use Schakel from Python: open cases, record facts, advance, ask why not, read and replay history."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import date, datetime
from typing import TypeVar

from workflow import commands, finding
from workflow.answers import Case, Moved, Opened, Recorded, Replayed, Row, RowResult, RulesOf, Step, Summary, View, Why
from workflow.arguments import ClockInUtc, check_day, check_origin
from workflow.attempt import Attempt
from workflow.batch import Batch
from workflow.calendar import WorkingDays
from workflow.clock import Clock, SystemClock, local_day
from workflow.commands import Given
from workflow.definition import Definition
from workflow.errors import Conflict, Overtaken, Refused, UsageError
from workflow.events import Event, Origin
from workflow.facts import Other
from workflow.history import merge
from workflow.judgement import open_problems, problems_after, verdicts
from workflow.schedule import is_on_hold
from workflow.storage import Database
from workflow.storage.listing import Filter
from workflow.storage.store import Store
from workflow.text import check_reference, check_text
from workflow.views import steps_of, view_of
from workflow.work import Rules, Work

T = TypeVar("T")


class Engine:
    """Runs one definition on one database, which holds cases of no other: the first write of another is refused.

    Every command is one transaction; without `origin` the engine's own acts.
    """

    def __init__(
        self,
        database: Database,
        definition: Definition,
        *,
        clock: Clock | None = None,
        calendar: WorkingDays | None = None,
        origin: Origin | None = None,
    ) -> None:
        self.database = database
        self.definition = definition
        self.clock = clock or SystemClock()
        self._clock = ClockInUtc(self.clock)
        self.rules = Rules(definition, calendar or WorkingDays())
        self._origin = check_origin(origin) if origin else None

    # -- commands ----------------------------------------------------------------------------------------------------

    def open_case(
        self, facts: Given, *, external_reference: str | None = None, letters: bool = True, origin: Origin | None = None
    ) -> Opened:
        """Open a case with any of the sheets.

        Raises UsageError: a sheet, field or type that does not exist. Conflict: the external reference is known.
        Refused: the external reference holds a BSN; nothing was opened.
        """
        parsed = commands.parse_facts(self.rules, facts)
        external = check_reference(external_reference) if external_reference is not None else None
        with self.database.writing() as store:
            if external and (known := store.find(reference=None, external=external)):
                raise Conflict(
                    f"External reference '{external}' is case {known[1].reference} already.", known[1].reference
                )
            reference = finding.free_reference(store)
            (case_id,) = store.new_case_ids(1)
            keys = self.definition.domain.keys(merge({}, parsed))
            work = self._work(store.older_open_cases([(case_id, keys)])[0], case_id, None, origin)
            event = commands.open_case(work, reference, parsed, external, letters=letters)
            store.write([work])
        problems = open_problems(self.definition, work.case, work.context, work.examination)
        return Opened(work.case, event, tuple(letter.letter for letter in work.letters), problems)

    def record(self, case: str, facts: Given, *, letters: bool = True, origin: Origin | None = None) -> Recorded:
        """Add or correct facts; nothing differs: nothing is written and `event` is None.

        Raises UsageError, NoSuchCase, HistoryBroken. Refused: the case is final (its history says that it was tried).
        """
        parsed = commands.parse_facts(self.rules, facts)

        def decide(work: Work) -> Recorded:
            event, changed = commands.record(work, parsed, letters=letters)
            problems = problems_after(self.definition, work.case, work.context, changed, work.examination)
            return Recorded(work.case, event, changed, tuple(letter.letter for letter in work.letters), problems)

        return self._command(case, decide, origin, facts=parsed)

    def advance(
        self,
        case: str,
        trigger: str | None = None,
        *,
        facts: Given | None = None,
        accept: Iterable[str] = (),
        accept_warnings: bool = False,
        reason: str | None = None,
        expect_version: int | None = None,
        key: str | None = None,
        letters: bool = True,
        origin: Origin | None = None,
    ) -> Moved:
        """Make a move; without `trigger` the one forward move. Facts given along are kept only if the move is made.

        A `key` makes a repeat harmless: it returns the first answer. Raises UsageError, NoSuchCase, HistoryBroken.
        Conflict: the case is not at `expect_version`, or the key served another command. Refused: with every reason; a
        `refused` event says so in its history.
        """
        parsed = commands.parse_facts(self.rules, facts or {})
        accepted = finding.known_codes(self.definition, accept)
        finding.known_trigger(self.definition, trigger)
        check_text("reason", reason)
        attempt = Attempt.of(key, expect_version, trigger, parsed, sorted(accepted), accept_warnings, reason)

        def decide(work: Work) -> Moved:
            hold_ended = work.case.held_until if is_on_hold(work.case, work.now) else None
            event, sent, codes = commands.advance(
                work,
                trigger,
                facts=parsed,
                accept=accepted,
                accept_warnings=accept_warnings,
                reason=reason,
                letters=letters,
            )
            answer = Moved(
                case=event.case,
                trigger=event.trigger or "",
                source=event.source or "",
                target=event.target,
                version=work.case.version,
                seq=event.seq,
                hash=event.hash,
                letters=sent,
                accepted=codes,
                hold_ended=hold_ended,
            )
            return attempt.remember(work, answer)

        return self._command(case, decide, origin, facts=parsed, before=attempt.earlier_answer)

    def note(self, case: str, text: str, *, origin: Origin | None = None) -> Event:
        """Add a note to the history. Raises UsageError, NoSuchCase, HistoryBroken, Refused (what it may not hold)."""
        check_text("text", text)
        if not (text or "").strip():
            raise UsageError("The note is empty; write what should be remembered.")
        return self._command(case, lambda work: commands.note(work, text), origin)

    def hold(self, case: str, until: date, reason: str, *, origin: Origin | None = None) -> Case:
        """Stop the clock until 00:00 Amsterdam of `until`. Raises UsageError, NoSuchCase, HistoryBroken, Refused."""
        check_text("reason", reason)
        check_day("until", until)
        commands.check_hold(until, local_day(self._clock.now()))
        return self._command(case, lambda work: commands.hold(work, until, reason), origin)

    def resume(self, case: str, *, origin: Origin | None = None) -> Case:
        """End a hold early. Raises NoSuchCase, HistoryBroken, Refused (not on hold)."""
        return self._command(case, commands.resume, origin)

    def import_rows(
        self,
        rows: Iterable[Row | RowResult],
        *,
        advance: bool = False,
        accept_warnings: bool = False,
        dry_run: bool = False,
        letters: bool = True,
        origin: Origin | None = None,
    ) -> Iterator[RowResult]:
        """Open or update a case per row, many rows a transaction; one result a row, in order.

        A row that cannot be processed is an 'error' result and takes no other row with it. What its reader found wrong
        comes as such a result already, and is passed on in its place.
        """
        batch = Batch(
            self.database,
            self.rules,
            self._clock,
            (check_origin(origin) if origin else self._origin or Origin.of_user("import")).by("import"),
            advance=advance,
            accept_warnings=accept_warnings,
            dry_run=dry_run,
            letters=letters,
        )
        return batch.run(rows)

    # -- questions ---------------------------------------------------------------------------------------------------

    def why(self, case: str, trigger: str | None = None) -> Why:
        """The verdict on each move from the state, or on one's. Raises UsageError, NoSuchCase, HistoryBroken."""
        finding.known_trigger(self.definition, trigger)
        with self.database.reading() as store:
            context, _, found, returned = finding.find_case_seen(store, self.rules, case, self._clock.now())
        moves = tuple(verdicts(self.definition, found, context, trigger))
        return Why(found.reference, found.state, moves, returned)

    def case(self, case: str) -> View:
        """A case, who has the ball, what is due and what is missing. Raises NoSuchCase, HistoryBroken."""
        with self.database.reading() as store:
            context, case_id, found, returned = finding.find_case_seen(store, self.rules, case, self._clock.now())
            with finding.unless_altered(self.definition, store, case_id, found):
                return view_of(self.rules, found, context, tuple(store.stays(case_id)), self._clock.now(), returned)

    def cases(
        self,
        *,
        state: str | None = None,
        holder: str | None = None,
        overdue: bool = False,
        search: str | None = None,
        limit: int | None = None,
        retention_years: int | None = None,
        person: str | None = None,
    ) -> Iterator[Summary]:
        """Cases as they were opened; `search`: part of a reference or 'name' key. Raises UsageError, HistoryBroken.

        `retention_years`: those that ended so long ago that they may be erased, and were not. `person`: those that
        hold this in a personal value of now or of before, or in the address of a letter; that reads all there is.
        """
        now = self._clock.now()
        wanted = Filter.of(self.definition, state, holder, now if overdue else None, search, limit)
        wanted = wanted.kept_for(retention_years, now).holding(person)
        with self.database.reading() as store:
            yield from finding.summaries(store, self.rules, wanted, now)

    def history(self, case: str) -> tuple[Step, ...]:
        """Every event of a case with what it changed, personal values masked. Raises NoSuchCase, HistoryBroken."""
        with self.database.reading() as store:
            case_id, found = finding.find_case(store, case)
            with finding.unless_altered(self.definition, store, case_id, found):
                return tuple(steps_of(self.definition, store.history(case_id), found.facts))

    def replay(
        self, case: str, *, at: datetime | None = None, seq: int | None = None, by: RulesOf | None = None
    ) -> Replayed:
        """The case as it was at a moment or after an event, folded from history; `by` adds a verdict on each move.

        Raises NoSuchCase; UsageError: there was no such event yet, or at that moment the case did not exist;
        HistoryBroken: what is stored cannot be read as a history.
        """
        from workflow.replay import replay  # noqa: PLC0415  (brings the whole verifier: every command would wait for it)

        with self.database.reading() as store:
            return replay(store, self.rules, case, at=at, seq=seq, by=by)

    # -- inside ------------------------------------------------------------------------------------------------------

    def _command(
        self,
        case: str,
        decide: Callable[[Work], T],
        origin: Origin | None,
        *,
        facts: commands.Parsed | None = None,
        before: Callable[[Store, int, Case], T | None] | None = None,
    ) -> T:
        """Run a decision on a case and write what it did; a refusal is written too, then raised.

        PostgreSQL: should somebody else write the case in between, it is decided anew with the case locked.
        """

        def act(*, lock: bool) -> T:
            refused: Refused | None = None
            with self.database.writing() if lock else self.database.deciding() as store:
                case_id, found, beside = finding.find_case_among(store, case, lock=lock)
                finding.known_state(self.definition, found)
                if before and (answer := before(store, case_id, found)) is not None:
                    return answer
                others: tuple[Other, ...] = ()
                if facts is not None:
                    keys = self.definition.domain.keys(merge(found.facts, facts) if facts else found.facts)
                    others = finding.older_cases(store, case_id, keys, beside)
                work = self._work(others, case_id, found, origin)
                try:
                    answer = decide(work)
                except Refused as error:
                    refused = error
                store.write([work])
            if refused is not None:
                raise refused
            assert answer is not None
            return answer

        with suppress(Overtaken):
            return act(lock=False)
        with finding.lag_told(self.database, case):
            return act(lock=True)

    def _work(self, others: tuple[Other, ...], case_id: int, before: Case | None, origin: Origin | None) -> Work:
        acts = check_origin(origin) if origin else self._origin or Origin.of_user("python")
        return Work(self.rules, acts, self._clock.now(), case_id, before, others)
