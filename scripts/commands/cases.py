"""The commands that look at cases as they stand: `show` and `list`."""

from __future__ import annotations

from collections.abc import Iterator

import click

from scripts.output import (
    Column,
    counted,
    first_of,
    fitted,
    json_array,
    local,
    marks,
    moment,
    print_json,
    table,
    wrapped,
)
from scripts.parameters import COUNT, Words, case_argument, examples, json_option
from scripts.problems import problem_documents, problem_lines
from scripts.steps import SENT_BACK, returned_document, returned_lines
from scripts.values import fact_lines, in_order
from scripts.wiring import Session, pass_session
from workflow.answers import Summary, View
from workflow.facts import Facts, Severity
from workflow.views import title_of

_COLUMNS = (
    Column("CASE"),
    Column("YOURS", least=5),
    Column("NAME", least=10),
    Column("STATE", least=12),
    Column("BALL"),
    Column("DAYS"),
    Column("DUE"),
)
_ENDED_COLUMNS = (*_COLUMNS[:4], Column("ENDED"))
_INDENT = " " * 9


@click.command(epilog=examples("schakel show K-7QDM-4XTR", "schakel show E06 --json"))
@case_argument
@click.option("--reveal", is_flag=True, help="Show personal values in full.")
@json_option
@pass_session
def show(session: Session, case: str, reveal: bool) -> None:
    """Show CASE: who has the ball and since when, what is due, what is still missing, and what is known.

    Personal values are masked unless --reveal is given; why a case was sent back is shown, as in `history`.
    """
    view = session.engine.case(case)
    domain = session.definition.domain
    facts = in_order(view.case.facts if reveal else domain.mask(view.case.facts), domain.sheets)
    problems = problem_documents(view.problems, session.definition, session.language)
    if session.json:
        print_json(_document(view, facts, problems))
        return
    for line in _lines(session, view, facts, problems, revealed=reveal):
        click.echo(line)


@click.command("list", epilog=examples("schakel list --holder asr --overdue", "schakel list --search dennen"))
@click.option("--state", metavar="STATE", help="Only cases in this state.")
@click.option("--holder", metavar="HOLDER", help="Only cases where this party has the ball.")
@click.option("--overdue", is_flag=True, help="Only cases whose first reminder is due.")
@click.option("--search", metavar="TEXT", help="Only cases whose name or reference holds this.")
@click.option(
    "--person",
    metavar="TEXT",
    type=Words(),
    help="Only cases that hold this about a person, or did, or sent a letter there; '-' reads standard input.",
)
@click.option("--erasable", is_flag=True, help="Only cases that may be erased now: their retention term has passed.")
@click.option("--limit", metavar="N", type=COUNT, help="At most so many.")
@json_option
@pass_session
def list_cases(
    session: Session,
    state: str | None,
    holder: str | None,
    overdue: bool,
    search: str | None,
    person: str | None,
    erasable: bool,
    limit: int | None,
) -> None:
    """List cases in the order they were opened; DAYS are the working days the ball has lain where it lies."""
    years = session.settings.retention_years if erasable else None
    if erasable:
        _warn_unkept(session)
    found = session.engine.cases(
        state=state,
        holder=holder,
        overdue=overdue,
        search=search,
        limit=limit if session.json else limit and limit + 1,
        retention_years=years,
        person=person,
    )
    if session.json:
        with json_array(session) as add:
            for summary in found:
                add(_document_of(summary))
        return
    summaries, more = first_of(found, limit)
    if not summaries:
        filtered = any((state, holder, overdue, search, person, erasable))
        hint = "There are no cases yet. Next: schakel import FILE.csv --advance"
        click.echo("No case matches." if filtered else hint)
        return
    columns, row = (_ENDED_COLUMNS, _ended_row) if erasable else (_COLUMNS, _row)
    for line in table(columns, map(row, summaries)):
        click.echo(line)
    late = sum(summary.overdue for summary in summaries)
    said = counted(len(summaries), "case") + (f", {late} overdue ({marks().warning})" if late else "")
    click.echo(said + "; there are more" * more)
    if erasable:
        click.echo('Next, for each: schakel audit erase CASE --reason "…"')


def _warn_unkept(session: Session) -> None:
    """Say on standard error that erased cases are not in the file outside: this list reads all cases anyway."""
    from scripts.erasure_checkup import unkept_erasures

    if unkept := unkept_erasures(session):
        said, todo = unkept
        click.echo(wrapped(said, "  ", first=f"{marks().warning} "), err=True)
        click.echo(wrapped(f"To do: {todo}", "  "), err=True)


def _document(view: View, facts: Facts, problems: list[dict[str, str]]) -> dict[str, object]:
    case = view.case
    return {
        "case": case.reference,
        "external_reference": case.external_reference,
        "state": case.state,
        "version": case.version,
        "holder": view.holder,
        "opened_at": moment(case.opened_at),
        "entered_at": moment(case.entered_at),
        "due_at": moment(view.due_at),
        "overdue": view.overdue,
        "on_hold": view.on_hold,
        "held_until": case.held_until.isoformat() if case.held_until else None,
        "ended_at": moment(case.ended_at),
        "erased": case.erased,
        "ball": dict(view.ball),
        "returned": returned_document(view.returned),
        "accepted": sorted(case.accepted),
        "facts": facts,
        "problems": problems,
    }


def _lines(
    session: Session, view: View, facts: Facts, problems: list[dict[str, str]], *, revealed: bool
) -> Iterator[str]:
    case, definition = view.case, session.definition
    yours = f"  ({case.external_reference})" if case.external_reference else ""
    yield fitted(f"{case.reference}{yours}  {title_of(definition, case)}", _INDENT)
    means = SENT_BACK if view.returned else definition.state(case.state).means
    yield wrapped(f"{case.state}: {means}", _INDENT, first="State    ")
    yield from _ball(view)
    yield from returned_lines(view.returned)
    if case.accepted:
        yield wrapped(", ".join(sorted(case.accepted)), _INDENT, first="Accepted ")
    yield f"Version  {case.version}"
    forward = definition.forward_from(case.state)
    if forward is not None:
        yield ""
        blocked = any(said["severity"] != Severity.INFO for said in problems)
        waits = "No rule stands in the way of" if view.returned else "Nothing is missing for"
        then = ", once it is corrected" if view.returned else ""
        yield f"Before '{forward.trigger}':" if blocked else fitted(f"{waits} '{forward.trigger}'{then}.", "  ")
        yield from problem_lines(problems)
    if facts:
        yield ""
        yield "Known:" if revealed else fitted("Known (personal values masked; --reveal shows them):", "  ")
        yield from fact_lines(facts)
    if case.erased:
        yield "Its facts were erased."


def _ball(view: View) -> Iterator[str]:
    case = view.case
    if view.holder:
        days = counted(view.ball.get(view.holder, 0), "working day")
        yield fitted(f"Ball     {view.holder}, {days}, in this state since {local(case.entered_at)}", _INDENT)
    else:
        yield fitted(f"Ball     nobody: it ended {local(case.entered_at)}", _INDENT)
    others = [f"{holder} {counted(days, 'working day')}" for holder, days in view.ball.items() if holder != view.holder]
    if others:
        yield fitted(f"Earlier  {', '.join(others)}", _INDENT)
    if view.on_hold:
        yield f"On hold  until {case.held_until}"
    if view.due_at:
        yield f"Due      {local(view.due_at)}" + (f"  {marks().warning} overdue" if view.overdue else "")


def _row(summary: Summary) -> tuple[str, ...]:
    due = summary.due_at
    late = f" {marks().warning}" if summary.overdue else ""
    return (
        summary.case,
        summary.external_reference or "",
        summary.title,
        summary.state,
        summary.holder or "",
        str(summary.ball_days) if summary.holder else "",
        (local(due)[:10] if due else "") + late,
    )


def _ended_row(summary: Summary) -> tuple[str, ...]:
    ended = local(summary.ended_at)[:10] if summary.ended_at else ""
    return (summary.case, summary.external_reference or "", summary.title, summary.state, ended)


def _document_of(summary: Summary) -> dict[str, object]:
    return {
        "case": summary.case,
        "external_reference": summary.external_reference,
        "company_name": summary.title,
        "state": summary.state,
        "holder": summary.holder,
        "entered_at": moment(summary.entered_at),
        "due_at": moment(summary.due_at),
        "overdue": summary.overdue,
        "days": summary.ball_days,
        "ended_at": moment(summary.ended_at),
    }
