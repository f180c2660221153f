"""The commands about the workflow itself: `workflow show`, `check`, `diagram` and `impact`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import click

from scripts.exits import REFUSED, UNVERIFIED
from scripts.lazy import Group
from scripts.output import Column, counted, json_array, marks, plain, print_json, table, wrapped
from scripts.parameters import examples, json_option
from scripts.problems import problem_documents
from scripts.wiring import Session, pass_session
from workflow.answers import Stuck
from workflow.definition import Definition, LetterTo
from workflow.digest import form_of, state_form

Causes = Counter[tuple[str, ...]]
"""How many cases are stuck on the same things: codes, or what the table lacks."""


@click.group(cls=Group, epilog=examples("schakel workflow show", "schakel workflow impact"))
def workflow() -> None:
    """Show, check or draw the workflow that every case follows, or see what a change of its rules would do."""


@workflow.command(short_help="Show states and moves.", epilog=examples("schakel workflow show"))
@json_option
@pass_session
def show(session: Session) -> None:
    """Show the states with who has the ball, and the table of moves with their letters."""
    definition = session.definition
    if session.json:
        print_json(_document(definition))
        return
    click.echo(f"{definition.name}, version {definition.version}")
    click.echo("")
    states = (
        (
            state.name,
            state.holder or "-",
            ", ".join(str(rung.after) for rung in state.ladder if rung.anchor is None),
            state.means,
        )
        for state in definition.states
    )
    columns = (Column("STATE"), Column("BALL"), Column("REMINDERS"), Column("MEANS", least=16, folds=True))
    for line in table(columns, states):
        click.echo(line)
    click.echo("")
    signs, room = marks(), max(len(trigger) for trigger in definition.triggers) + 4
    for move in definition.moves:
        name = move.trigger + (" *" if move.needs_reason else "")
        way = f"{', '.join(move.sources)} {signs.arrow} {move.target}"
        click.echo(wrapped(way, " " * room, first=name.ljust(room)))
        if move.letters:
            letters = ", ".join(map(_letter, move.letters))
            click.echo(wrapped(f"letters: {letters}", " " * (room + 2), first=" " * room))
    click.echo("")
    click.echo("REMINDERS are working days after entering the state; * asks for a reason.")


@workflow.command(short_help="Prove the workflow sound.", epilog=examples("schakel workflow check"))
@json_option
@pass_session
def check(session: Session) -> None:
    """Prove the workflow sound: every state reachable, none a dead end, every letter and code in every language."""
    from notifications.rendering import templates
    from workflow.soundness import check as faults_of

    ends = [state.name for state in session.definition.states if state.final]
    faults = faults_of(session.definition, templates(), ends=ends)
    if session.json:
        print_json({"ok": not faults, "faults": list(faults)})
    elif faults:
        for fault in faults:
            click.echo(wrapped(fault, "  ", first=f"{marks().no} "))
        click.echo(f"{counted(len(faults), 'fault')}: {session.definition.name} is not sound.")
    else:
        click.echo(f"{marks().yes} {session.definition.name}, version {session.definition.version}, is sound.")
    if faults:
        click.get_current_context().exit(UNVERIFIED)


@workflow.command(short_help="Draw it in Mermaid.", epilog=examples("schakel workflow diagram > workflow.mmd"))
@json_option
@pass_session
def diagram(session: Session) -> None:
    """Print the workflow as a Mermaid diagram."""
    from workflow.diagram import mermaid

    drawn = mermaid(session.definition)
    if session.json:
        print_json({"format": "mermaid", "diagram": drawn})
    else:
        click.echo(drawn.rstrip("\n"))


@workflow.command(short_help="List the cases new rules would leave stuck.", epilog=examples("schakel workflow impact"))
@json_option
@pass_session
def impact(session: Session) -> None:
    """List the live cases that this program's rules would leave stuck, and on what; exit 5 when there are any.

    Run it with the new program before it goes live, on the database or on a copy: it only reads. A case is stuck when
    its next move would be refused for a sheet that it needed to get where it is, and its last move forward was not
    judged by that rule. What a case still waits for is not counted. A case that cannot be read is listed as such.
    """
    from scripts.progress import progress
    from workflow.clock import local_day
    from workflow.impact import stuck_cases
    from workflow.storage.listing import count_live

    with session.database.reading() as store:
        total = count_live(store)
        with progress("judging", total, session) as step:
            found = stuck_cases(store, session.engine.rules, local_day(session.clock.now()), step)
            causes = _print_json(session, found, total) if session.json else _print_table(session, found)
    if not session.json:
        _print_sum(session, causes, total)
    if causes:
        click.get_current_context().exit(REFUSED)


def _print_json(session: Session, found: Iterable[Stuck], total: int) -> Causes:
    counts = Causes()
    with json_array(session, before=f'{{"cases": {total}, "stuck": ', after="}") as add:
        for stuck in found:
            add(_stuck_document(session, stuck))
            counts[_causes(stuck)] += 1
    return counts


def _print_table(session: Session, found: Iterable[Stuck]) -> Causes:
    """Print each stuck case as it is found, in columns of which the widths are known; how many cases each cause has."""
    definition, counts = session.definition, Causes()
    states = max(map(len, definition.by_name))
    holders = max(len(state.holder or "") for state in definition.states)
    for stuck in found:
        if not counts:
            click.echo(f"{'CASE':11}  {'STATE'.ljust(states)}  {'HOLDER'.ljust(holders)}  CODES")
        causes = _causes(stuck)
        counts[causes] += 1
        first = f"{stuck.case}  {stuck.state.ljust(states)}  {(stuck.holder or '').ljust(holders)}  "
        click.echo(wrapped(", ".join(causes), " " * (states + holders + 17), first=plain(first)))
    return counts


def _print_sum(session: Session, counts: Causes, total: int) -> None:
    live = counted(total, "live case")
    rules = f"the rules of {session.definition.name}, version {session.definition.version}"
    if not counts:
        said = f"None of {live} would be stuck" if total else "There are no live cases, so none would be stuck"
        click.echo(wrapped(f"{said} under {rules}.", "  ", first=f"{marks().yes} "))
        return
    single = Counter[str]()
    for causes, count in counts.items():
        single.update(dict.fromkeys(causes, count))
    said = ", ".join(f"{cause} ({count})" for cause, count in single.most_common())
    click.echo(
        wrapped(f"{counts.total()} of {live} would be stuck under {rules}: {said}.", "  ", first=f"{marks().no} ")
    )
    click.echo("Next, with the new program: schakel why CASE")


def _causes(stuck: Stuck) -> tuple[str, ...]:
    """On what a case is stuck: the codes, each once, or what else is wrong."""
    return (
        *dict.fromkeys(problem.code for problem in stuck.problems),
        *(reason.rstrip(".") for reason in stuck.reasons),
    )


def _stuck_document(session: Session, stuck: Stuck) -> dict[str, object]:
    return {
        "case": stuck.case,
        "external_reference": stuck.external_reference,
        "state": stuck.state,
        "holder": stuck.holder,
        "problems": problem_documents(stuck.problems, session.definition, session.language),
        "reasons": list(stuck.reasons),
    }


def _letter(to: LetterTo) -> str:
    return f"{to.letter} to {to.role}" + (f" (after {to.after})" if to.after else "")


def _document(definition: Definition) -> dict[str, object]:
    """All that the digest in each event stands for, and what the states mean."""
    states = [state_form(state) | {"means": state.means} for state in definition.states]
    return {**form_of(definition), "states": states}
