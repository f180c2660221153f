"""The commands about the workflow itself: `workflow show`, `check` and `diagram`."""

from __future__ import annotations

import click

from scripts.exits import UNVERIFIED
from scripts.output import Column, marks, print_json, table, wrapped
from scripts.parameters import examples, json_option
from scripts.wiring import Session, pass_session
from workflow.definition import Definition


@click.group(
    no_args_is_help=False,
    short_help="Show, check or draw the table of moves.",
    epilog=examples("schakel workflow show"),
)
def workflow() -> None:
    """Show, check or draw the workflow that every case follows."""


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
            letters = ", ".join(f"{to.letter} to {to.role}" for to in move.letters)
            click.echo(wrapped(f"letters: {letters}", " " * (room + 2), first=" " * room))
    click.echo("")
    click.echo("REMINDERS are working days after entering the state; * asks for a reason.")


@workflow.command(short_help="Prove the workflow sound.", epilog=examples("schakel workflow check"))
@json_option
@pass_session
def check(session: Session) -> None:
    """Prove the workflow sound: every state reachable, none a dead end, every letter and code in every language."""
    from notifications.desk import Desk
    from notifications.rendering import Renderer
    from workflow.soundness import check as faults_of

    faults = faults_of(session.definition, Renderer(Desk("")).templates())
    if session.json:
        print_json({"ok": not faults, "faults": list(faults)})
    elif faults:
        for fault in faults:
            click.echo(wrapped(fault, "  ", first=f"{marks().no} "))
        click.echo(f"{len(faults)} fault{'s' * (len(faults) != 1)}: {session.definition.name} is not sound.")
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


def _document(definition: Definition) -> dict[str, object]:
    return {
        "name": definition.name,
        "version": definition.version,
        "initial": definition.initial,
        "states": [
            {
                "name": state.name,
                "holder": state.holder,
                "means": state.means,
                "final": state.final,
                "ladder": [
                    {
                        "after": rung.after,
                        "letter": rung.letter,
                        "role": rung.role,
                        "kind": rung.kind,
                        "anchor": rung.anchor,
                    }
                    for rung in state.ladder
                ],
            }
            for state in definition.states
        ],
        "moves": [
            {
                "trigger": move.trigger,
                "from": list(move.sources),
                "to": move.target,
                "needs_reason": move.needs_reason,
                "letters": [{"letter": to.letter, "role": to.role} for to in move.letters],
            }
            for move in definition.moves
        ],
    }
