"""Many cases in one transaction: the import. Rows are judged one by one in memory and written together.

A row that cannot be processed becomes an 'error' result; should the database refuse a whole transaction, its rows are
done again one at a time, so that no row takes another with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, count

from workflow import commands, finding
from workflow.answers import Case, Row, RowResult
from workflow.changes import changes_of
from workflow.clock import Clock
from workflow.commands import Parsed
from workflow.definition import Move
from workflow.domain import Key
from workflow.errors import Conflict, HistoryBroken, Refused, UsageError
from workflow.events import Event, Origin
from workflow.facts import Facts, Other, Problem, Severity
from workflow.history import Values, altered, merge, readable
from workflow.imported import last_said, steps_of, was_refused_so, without_repeats
from workflow.judgement import Judgement, judge
from workflow.near import Near
from workflow.reference import new_reference
from workflow.returns import never_left
from workflow.storage import Database, lookups
from workflow.storage.store import Store
from workflow.text import check_reference
from workflow.work import Rules, Work

SIZE = 200
"""Rows a transaction: enough to share its costs, few enough that other writers hardly wait."""
_MOST_NAMESAKES = 1000
_DRY = 2**40
"""Where the numbers of cases begin that a dry run only imagines."""


class _Entangled(Exception):
    """A row is judged by a case that another row of the same transaction changes: they must go one after another."""


@dataclass
class _Item:
    """A row on its way through a transaction."""

    row: Row
    facts: Parsed
    found: tuple[int, Case] | None = None
    case_id: int = 0
    keys: tuple[Key, ...] = ()
    others: tuple[Other, ...] = ()
    lags: bool = False
    kept: tuple[str, ...] = ()
    """Fields that somebody changed since an import last said what this row says of them."""


@dataclass
class Batch:
    """One import: how its rows are to be treated, and where they go."""

    database: Database
    rules: Rules
    clock: Clock
    origin: Origin
    advance: bool
    accept_warnings: bool
    dry_run: bool
    letters: bool
    _imagined: Near = field(default_factory=Near)
    _imagined_cases: dict[str, tuple[int, Case]] = field(default_factory=dict)
    """External reference → the case as a dry run left it."""
    _imagined_steps: dict[int, list[tuple[Event, Values]]] = field(default_factory=dict)
    """Number of a case → what a dry run would have added to its history."""
    _imagined_numbers: Iterator[int] = field(default_factory=partial(count, _DRY))

    def run(self, rows: Iterable[Row | RowResult]) -> Iterator[RowResult]:
        """A result per row, in order, as each transaction is committed; one that is a result already is passed on."""
        chunk: list[Row | RowResult] = []
        names: set[str] = set()
        for row in rows:
            named = str(row.external_reference).strip() if isinstance(row, Row) else None
            if len(chunk) == SIZE or named in names:
                yield from self._answer(chunk)
                chunk, names = [], set()
            chunk.append(row)
            if named is not None:
                names.add(named)
        yield from self._answer(chunk)

    def _answer(self, chunk: Sequence[Row | RowResult]) -> Iterator[RowResult]:
        rows = [row for row in chunk if isinstance(row, Row)]
        results = iter(self._chunk(rows) if rows else ())
        for row in chunk:
            yield next(results) if isinstance(row, Row) else row

    def _chunk(self, rows: Sequence[Row], *, again: bool = True) -> Iterator[RowResult]:
        """The results of rows that share a transaction; one by one when another writer or one of them hinders that.

        Outside any transaction: what was committed is told, also when a later row cannot be.
        """
        results = self._together(rows, again=again)
        if results is not None:
            yield from results
        elif len(rows) > 1:
            for row in rows:
                yield from self._chunk([row])
        else:
            yield from self._chunk(rows, again=False)

    def _together(self, rows: Sequence[Row], *, again: bool) -> list[RowResult] | None:
        """The same of one transaction; None: something hinders it, and nothing was written."""
        try:
            if self.dry_run:
                with self.database.reading() as store:
                    return self._decide(store, rows, self._imagined)[0]
            last_try = nullcontext() if again else finding.lag_told(self.database, rows[0].external_reference)
            with last_try, self.database.writing() as store:
                results, works = self._decide(store, rows, Near())
                store.write(works)
            return results
        except (Conflict, HistoryBroken, UsageError, _Entangled) as error:
            return None if again else [_failed(rows[0], str(error))]

    def _decide(self, store: Store, rows: Sequence[Row], near: Near) -> tuple[list[RowResult], list[Work]]:
        parsed = [self._parse(row) for row in rows]
        items = [item for item in parsed if isinstance(item, _Item)]
        self._look_around(store, items)
        works: list[Work] = []
        decided = iter([self._process(store, item, near, works) for item in items])
        return [item if isinstance(item, RowResult) else next(decided) for item in parsed], works

    def _parse(self, row: Row) -> _Item | RowResult:
        try:
            trimmed = row._replace(external_reference=check_reference(row.external_reference))
            return _Item(trimmed, commands.parse_facts(self.rules, row.facts))
        except UsageError as error:
            return _failed(row, str(error))

    def _look_around(self, store: Store, items: Sequence[_Item]) -> None:
        """Find the cases that exist, number the new ones, and look up who shares their keys: three round trips."""
        lock = not self.dry_run
        named = [item.row.external_reference for item in items]
        found = lookups.find_external(store, named, lock=lock) | self._imagined_cases
        lagging = lookups.lagging(store, named) if self.dry_run else ()  # a real one notices when it writes
        new = [item for item in items if item.row.external_reference not in found]
        numbers = iter(self._imagine(len(new)) if self.dry_run else store.new_case_ids(len(new)))
        for item in items:
            item.found = found.get(item.row.external_reference)
            item.lags = item.row.external_reference in lagging
            item.case_id = item.found[0] if item.found else next(numbers)
            if item.found:
                finding.known_state(self.rules.definition, item.found[1])
            item.facts = changes_of(item.found[1].facts if item.found else {}, item.facts)
        self._leave_repeats(store, [item for item in items if item.found and item.facts and _may_repeat(item.found[1])])
        for item in items:
            known = item.found[1].facts if item.found else {}
            item.keys = self.rules.definition.domain.keys(merge(known, item.facts) if item.facts else known)
        # a dry run changes cases that the database still shows as they were, so it must look past those
        wanted = [(item.case_id, item.keys) for item in items]
        others = (
            store.older_open_cases(wanted, most=_MOST_NAMESAKES)
            if self.dry_run
            else lookups.first_older_open_cases(store, wanted)
        )
        updated = {item.found[1].reference for item in items if item.found}
        for item, seen in zip(items, others, strict=True):
            item.others = seen
            if len(items) > 1 and any(other.reference in updated for other in seen):
                raise _Entangled

    def _leave_repeats(self, store: Store, items: Sequence[_Item]) -> None:
        """Take from these rows what an import said before, so that none undoes what somebody did since.

        Only rows that would change a case pay for it.
        """
        histories = store.histories([item.case_id for item in items])
        for item, history in zip(items, histories, strict=True):
            with readable(item.found and item.found[1].reference):
                said = last_said(chain(history, self._imagined_steps.get(item.case_id, ())), self.origin.via)
            item.facts, item.kept = without_repeats(item.facts, said)

    def _imagine(self, wanted: int) -> list[int]:
        return [next(self._imagined_numbers) for _ in range(wanted)]

    def _process(self, store: Store, item: _Item, near: Near, works: list[Work]) -> RowResult:
        others = near.older(item.case_id, item.keys, item.others)
        before = item.found[1] if item.found else None
        work = Work(self.rules, self.origin, self.clock.now(), item.case_id, before, others)
        try:
            result = self._update(store, item, work) if before else self._open(item, work)
        except Refused as error:
            if self.dry_run or not was_refused_so(store, work):
                works.append(work)
            return self._refused(item, work, error)
        if item.lags and work.events:
            return _failed(item.row, str(altered(work.case.reference)))
        works.append(work)
        if self.dry_run:
            self._imagined_cases[item.row.external_reference] = (item.case_id, work.case)
            self._imagined_steps.setdefault(item.case_id, []).extend(steps_of(work))
        if work.case.ended_at is None:
            near.add(item.case_id, work.case.reference, item.keys)
        return result

    def _open(self, item: _Item, work: Work) -> RowResult:
        move, judgement = self._judge(work, merge({}, item.facts))
        moves = self.advance and not judgement.refuses
        external = item.row.external_reference
        reference = external if self.dry_run else new_reference()  # a case that is only imagined has no other name
        commands.open_case(work, reference, item.facts, external, letters=self.letters, invite=not moves)
        self._try(work, move)
        return self._result(item, work, judgement)

    def _update(self, store: Store, item: _Item, work: Work) -> RowResult:
        event, changed = commands.record(work, item.facts, letters=self.letters, amend=False)
        move, judgement = self._judge(work, work.case.facts)
        definition, before = self.rules.definition, work.before
        waits = work.case.state == definition.initial
        # a row that says nothing new does not overrule whoever sent its case back
        if waits and (
            event or (before and not judgement.refuses and never_left(store, definition, item.case_id, before))
        ):
            self._try(work, move)
        return self._result(item, work, judgement)._replace(changed=changed, kept=item.kept)

    def _try(self, work: Work, move: Move) -> None:
        if not self.advance:
            return
        try:
            commands.advance(work, move.trigger, facts={}, accept_warnings=self.accept_warnings, letters=self.letters)
        except Refused:
            return  # the refusal is in the history; the result lists why

    def _judge(self, work: Work, facts: Facts) -> tuple[Move, Judgement]:
        definition = self.rules.definition
        move = definition.forward_from(definition.initial)
        assert move is not None, "a definition whose first state leads nowhere is not sound"
        standing = work.case.accepted if work.before else {}
        judgement = judge(
            move,
            facts,
            work.context,
            standing=standing,
            accept_all=self.accept_warnings,
            examination=work.examination,
        )
        return move, judgement

    def _result(self, item: _Item, work: Work, judgement: Judgement) -> RowResult:
        problems = judgement.problems
        result = "unchanged" if not work.events else "reject" if judgement.missing else _outcome(problems)
        reference = None if item.case_id >= _DRY else work.case.reference
        return RowResult(item.row.number, item.row.external_reference, result, reference, work.case.state, problems)

    def _refused(self, item: _Item, work: Work, error: Refused) -> RowResult:
        if work.before is None:
            return _failed(item.row, str(error), error.problems)
        case = work.before
        if item.lags:
            return _failed(item.row, str(altered(case.reference)))
        return RowResult(
            item.row.number,
            item.row.external_reference,
            "reject",
            case.reference,
            case.state,
            error.problems,
            str(error),
            kept=item.kept,
        )


def _may_repeat(case: Case) -> bool:
    """Whether something happened to a case since it was opened, and can still be read."""
    return case.version > 1 and not case.erased


def _outcome(problems: Iterable[Problem]) -> str:
    severities = {problem.severity for problem in problems}
    if Severity.ERROR in severities:
        return "reject"
    return "warn" if Severity.WARNING in severities else "accept"


def _failed(row: Row, message: str, problems: tuple[Problem, ...] = ()) -> RowResult:
    return RowResult(row.number, row.external_reference, "error", None, None, problems, message)
