"""The commands that look back: `history` and `replay`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from shlex import quote

import click

from scripts.exits import UNVERIFIED
from scripts.output import counted, local, marks, moment, print_json, wrapped
from scripts.parameters import Moment, Whole, case_argument, examples, json_option
from scripts.problems import problem_documents, problem_lines
from scripts.steps import accepted_codes, headline, rules_document, step_document, step_lines
from scripts.values import fact_lines, in_order
from scripts.wiring import Session, pass_session
from workflow.answers import Answer, Replayed, RulesOf, Ruling
from workflow.errors import HistoryBroken
from workflow.events import is_chained

_INDENT = " " * 7


@click.command(epilog=examples("schakel history K-7QDM-4XTR", "schakel history E06 --full"))
@case_argument
@click.option("--full", is_flag=True, help="Show every first value too, and the hash of each event.")
@json_option
@pass_session
def history(session: Session, case: str, full: bool) -> None:
    """Show every event of CASE: when, who, what, and what changed.

    Personal values in fields are masked. Notes and reasons are shown as they were written, whomever they name.
    Exit 8 when its hashes do not fit, so that somebody altered it.
    """
    steps = session.engine.history(case)
    if session.json:
        print_json([step_document(step) for step in steps])
    else:
        for step in steps:
            for line in step_lines(step, full=full):
                click.echo(line)
    if not (steps and is_chained(step.event for step in steps)):
        session.answered = True  # so what is wrong with it goes to standard error
        named = steps[0].event.case if steps else case
        raise HistoryBroken(
            f"The history of {named} was altered: events of it are gone, or their hashes do not fit. "
            f"To see where, run: schakel audit verify {quote(named)}"
        )


@click.command(
    epilog=examples(
        "schakel replay E06",
        "schakel replay E06 --at 2026-12-04",
        "schakel replay E06 --seq 3 --json",
        "schakel replay E06 --rules now",
    ),
)
@case_argument
@click.option("--at", metavar="TIME", type=Moment(), help="As it was at the end of this day or minute, Amsterdam time.")
@click.option("--seq", metavar="N", type=Whole(min=1), help="As it was after event N.")
@click.option(
    "--rules",
    "by",
    type=click.Choice(["then", "now"]),
    help="A verdict on each move: by the table it was judged by, or by today's table and validators.",
)
@click.option("--full", is_flag=True, help="Show every first value too, and the hash of each event.")
@json_option
@pass_session
def replay(session: Session, case: str, at: datetime | None, seq: int | None, by: str | None, full: bool) -> None:
    """Fold CASE from its history: what changed at each step, and how the case then stood.

    Personal values in fields are masked. Notes and reasons are shown as they were written, whomever they name.

    Exit 8 when the whole history does not give what is stored, when its hashes or values do not fit, or when a move is
    not shown to be legal by the rules of then. What the rules of now would say is information; they take each move's
    own day and leave out other cases.
    """
    if at is not None and seq is not None:
        raise click.UsageError("Give --at or --seq, not both.")
    replayed = session.engine.replay(case, at=at, seq=seq, by=RulesOf(by) if by else None)
    if session.json:
        print_json(_document(session, replayed, judged=by is not None))
    else:
        for line in _lines(session, replayed, by, full=full):
            click.echo(line)
    is_proved = by != "then" or all(ruling.answer is Answer.YES for ruling in replayed.rulings)
    if not (replayed.matches_stored and replayed.is_intact and is_proved):
        click.get_current_context().exit(UNVERIFIED)


def _document(session: Session, replayed: Replayed, *, judged: bool) -> dict[str, object]:
    folded, domain = replayed.case, session.definition.domain
    document: dict[str, object] = {
        "case": folded.reference,
        "seq": folded.seq,
        "at": moment(folded.at),
        "state": folded.state,
        "version": folded.version,
        "facts": in_order(domain.mask(folded.facts, replayed.known), domain.sheets),
        "matches_stored": replayed.matches_stored,
        "intact": replayed.is_intact,
        "steps": [step_document(step) for step in replayed.steps],
    }
    if judged:
        document["verdicts"] = [_ruling_document(session, ruling) for ruling in replayed.rulings]
    return document


def _ruling_document(session: Session, ruling: Ruling) -> dict[str, object]:
    event = ruling.event
    return {
        "seq": event.seq,
        "at": moment(event.at),
        "kind": str(event.kind),
        "trigger": event.trigger,
        "from": event.source,
        "to": event.target,
        "rules": rules_document(event),
        "accepted": accepted_codes(event),
        "verdict": str(ruling.answer),
        "problems": problem_documents(ruling.problems, session.definition, session.language),
        "reasons": list(ruling.reasons),
    }


def _lines(session: Session, replayed: Replayed, by: str | None, *, full: bool) -> Iterator[str]:
    folded, domain, signs = replayed.case, session.definition.domain, marks()
    if by is None:
        for step in replayed.steps:
            yield from step_lines(step, full=full)
        yield ""
    yield f"{folded.reference} after event {folded.seq}, {local(folded.at)}: {folded.state}, version {folded.version}"
    if by is None:
        yield from fact_lines(in_order(domain.mask(folded.facts, replayed.known), domain.sheets))
    else:
        yield "Each move by the rules it was judged by:" if by == "then" else "Each move by today's rules:"
        for ruling in replayed.rulings:
            yield from _ruling_lines(session, ruling)
    if not replayed.is_intact:
        said = "The history itself was altered: its hashes, or the values that it committed to, do not fit."
        yield wrapped(f"{said} To see where, run: schakel audit verify {folded.reference}", "  ", first=f"{signs.no} ")
    elif replayed.matches_stored:
        yield f"{signs.yes} The whole history gives exactly the stored case; its hashes and values fit."
    if not replayed.matches_stored:
        yield f"{signs.no} The whole history does not give the stored case: somebody changed one of them."
    if by is not None:
        yield wrapped(_sum(replayed, by), "  ", first="")


def _ruling_lines(session: Session, ruling: Ruling) -> Iterator[str]:
    signs = marks()
    sign = {Answer.YES: signs.yes, Answer.NO: signs.no}.get(ruling.answer, "?")
    yield wrapped(f"{sign} {headline(ruling.event)}", _INDENT + "  ", first="")
    if accepted := accepted_codes(ruling.event):
        yield wrapped(f"accepted: {', '.join(accepted)}", _INDENT + "  ", first=_INDENT)
    for reason in ruling.reasons:
        yield wrapped(reason, _INDENT + "  ", first=_INDENT)
    yield from problem_lines(problem_documents(ruling.problems, session.definition, session.language), _INDENT)


def _sum(replayed: Replayed, by: str) -> str:
    signs = marks()
    answers = [ruling.answer for ruling in replayed.rulings]
    said = ", ".join(f"{answers.count(answer)} {answer}" for answer in Answer if answer in answers)
    if all(answer is Answer.YES for answer in answers):
        return f"{signs.yes} Every move was legal." if by == "then" else f"{signs.yes} Every move would be made today."
    if by == "then":
        return f"{signs.no} Not every move is shown to be legal: {said}."
    if Answer.NO not in answers:
        count = counted(answers.count(Answer.UNKNOWN), "move")
        return f"{signs.warning} {count} cannot be judged any more; none would be refused: {said}."
    return f"{signs.warning} Not every move would be made today: {said}."
