"""Record what was read elsewhere: one `recorded` event a reading, also when it changed no fact."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from workflow import commands
from workflow.answers import Case, Recorded
from workflow.attempt import check_version
from workflow.events import Origin
from workflow.facts import Context, Facts
from workflow.finding import find_case, lag_told
from workflow.judgement import open_problems
from workflow.observation import Observation
from workflow.storage import Database
from workflow.work import Rules, Work

Decide = Callable[[Case, Context], tuple[Facts, Observation]]
"""What a reading means for a case: the facts to record, and what the event says of it."""


def observe(
    database: Database,
    rules: Rules,
    reference: str,
    decide: Decide,
    *,
    now: datetime,
    origin: Origin,
    version: int,
    dry_run: bool = False,
) -> Recorded:
    """Record what `decide` says of the case; a dry run only tells what would come of it.

    Raises NoSuchCase, HistoryBroken. Conflict: the case is not at `version`, the one that was read before asking
    elsewhere. Refused: the case is final.
    """
    domain = rules.definition.domain
    with lag_told(database, reference), database.reading() if dry_run else database.writing() as store:
        case_id, found = find_case(store, reference, lock=not dry_run)
        check_version(found, version)
        others = store.older_open_cases([(case_id, domain.keys(found.facts))])[0]
        work = Work(rules, origin, now, case_id, found, others)
        facts, work.observation = decide(found, work.context)
        parsed = {sheet: domain.parse(sheet, fields) for sheet, fields in facts.items()}
        event, changed = commands.record(work, parsed)
        if not dry_run:
            store.write([work])
    problems = open_problems(rules.definition, work.case, work.context, work.examination)
    return Recorded(work.case, event, changed, tuple(letter.letter for letter in work.letters), problems)
