"""The command `loket check`: what Loket.nl itself says of step 1."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import nullcontext

import click

from loket.check import Result
from loket.hands import Hands
from loket.wording import phrase
from scripts.lazy import Group
from scripts.loket_check import Checked, checker, manners_of
from scripts.output import counted, json_array, marks, plain, print_json, wrapped
from scripts.parameters import actor_option, examples, json_option
from scripts.problems import print_letters, print_missing, problem_documents
from scripts.wiring import Session, pass_session
from states.names import StateName
from states.observing import can_ask, seen_on
from workflow.errors import HistoryBroken, SchakelError
from workflow.history import readable
from workflow.storage.listing import Filter, find_cases


@click.group(cls=Group, epilog=examples("schakel loket check E07"))
def loket() -> None:
    """Read what Loket.nl itself says of a coupling's employer, user and rights. Nothing is ever changed there."""


@loket.command(
    short_help="Check a case, or all that are pending.",
    epilog=examples(
        "schakel loket check E07", "schakel loket check E07 --dry-run", "schakel loket check --all-pending"
    ),
)
@click.argument("case", metavar="[CASE]", required=False)
@click.option("--all-pending", is_flag=True, help="Check every case in rights_pending that names its Loket.nl user.")
@click.option("--dry-run", is_flag=True, help="Record nothing.")
@json_option
@actor_option
@pass_session
def check(session: Session, case: str | None, all_pending: bool, dry_run: bool) -> None:
    """Check the preconditions of step 1 of CASE with Loket.nl, and record what was seen.

    Each is pass, fail or unknown; what Loket.nl cannot tell stays as it was attested. The exit code is 0 whatever was
    found, and 1 when Loket.nl does not answer.
    """
    if (case is None) is not all_pending:
        raise click.UsageError("Name a CASE, or give --all-pending.")
    session.case = case
    if case is None:
        asyncio.run(_check_all(session, dry_run=dry_run))
        return
    checked = asyncio.run(_check_one(session, case, dry_run=dry_run))
    if session.json:
        print_json(checked.document(session))
        return
    for line in _lines(session, checked):
        click.echo(line)
    recorded = checked.recorded
    print_letters(recorded.letters if checked.is_kept else ())
    problems = problem_documents(recorded.problems, session.definition, session.language)
    print_missing(session, recorded.case.reference, recorded.case.state, problems)


async def _check_one(session: Session, case: str, *, dry_run: bool) -> Checked:
    session.engine.case(case)  # a case that is not there is told before anything is asked
    async with checker(session, dry_run=dry_run) as checking:
        return await checking.check(case)


async def _check_all(session: Session, *, dry_run: bool) -> None:
    """Check pending cases, those that were checked longest ago first; raises what made an end to it."""
    counts, per_minute = {True: 0, False: 0}, manners_of(session).calls_per_minute
    async with checker(session, dry_run=dry_run) as checking:
        with json_array(session) if session.json else nullcontext() as add:

            def settle(reference: str, answer: Checked | SchakelError) -> None:
                counts[isinstance(answer, Checked)] += 1
                if add is not None:
                    add(_document(session, reference, answer))
                else:
                    click.echo(_line(session, reference, answer))

            hands = Hands(checking.check, settle, checking.probe, calls_per_minute=per_minute)
            await hands.work_off(_pending(session))
            if not session.json:
                tail = " Nothing was recorded (--dry-run)." if dry_run else ""
                click.echo(f"{counted(counts[True], 'case')} checked, {counts[False]} could not be.{tail}")
            if hands.fault is not None:
                raise hands.fault


def _pending(session: Session) -> list[str]:
    """Cases that can be asked about; one that cannot be read is among them, for its check says so."""
    wanted = Filter((StateName.RIGHTS_PENDING,), None, None, None)
    found: list[tuple[str, str]] = []
    with session.database.reading() as store:
        for one in find_cases(store, wanted):
            try:
                with readable(one.reference):
                    facts = one.read().facts
            except HistoryBroken:
                found.append(("", one.reference))
            else:
                found += [(seen_on(facts), one.reference)] if can_ask(facts) else []
    return [reference for _, reference in sorted(found, key=lambda one: one[0])]


def _document(session: Session, reference: str, answer: Checked | SchakelError) -> dict[str, object]:
    if isinstance(answer, Checked):
        return answer.document(session)
    return {"case": reference, "checks": [], "problems": [], "error": str(answer)}


def _line(session: Session, reference: str, answer: Checked | SchakelError) -> str:
    signs = marks()
    if isinstance(answer, SchakelError):
        return wrapped(f"{reference}  not checked: {plain(str(answer))}", "  ", first=f"{signs.warning} ")
    failed = [check.precondition.value for check in answer.checks if check.result is Result.FAIL]
    unknown = sum(check.result is Result.UNKNOWN for check in answer.checks)
    said = f"fails: {', '.join(failed)}" if failed else "nothing fails"
    drift = f"; no longer right: {', '.join(answer.drift)}" if answer.drift else ""
    return wrapped(
        f"{reference}  {said}; {unknown} unknown{drift}", "  ", first=f"{signs.no if failed else signs.yes} "
    )


def _lines(session: Session, checked: Checked) -> Iterator[str]:
    """Each check with what was read, for people."""
    signs = marks()
    sign = {Result.PASS: signs.yes, Result.FAIL: signs.no, Result.UNKNOWN: "?"}
    case = checked.recorded.case
    yield f"{case.reference} is {case.state}; Loket.nl says:"
    longest = max(len(check.precondition.value) for check in checked.checks)
    for check in checked.checks:
        head = f"{sign[check.result]} {check.precondition.value.ljust(longest)}  "
        yield wrapped(phrase(check, session.language), " " * len(head), first=head)
    if checked.drift:
        yield wrapped(f"No longer right: {', '.join(checked.drift)}.", "  ", first=f"{signs.warning} ")
    event = checked.recorded.event
    if event is not None and checked.is_kept:
        yield f"Recorded as event {event.seq}."
    else:
        yield "Nothing was recorded" + (": its facts are closed." if event is None else " (--dry-run).")
