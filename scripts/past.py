"""The commands that look back: `history` and `replay`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import click

from scripts.exits import UNVERIFIED
from scripts.output import clip, local, marks, moment, plain, print_json, terminal_width, wrapped
from scripts.parameters import Moment, case_argument, examples, json_option
from scripts.values import fact_lines, in_order, value_lines
from scripts.wiring import Session, pass_session
from workflow.answers import Step
from workflow.definition import Json
from workflow.events import Event, Kind

_MOST_CHANGES = 6
_ABOUT_A_LETTER = (Kind.LETTER_SENT, Kind.LETTER_FAILED, Kind.LETTER_UNKNOWN)
_CLIMBED = (Kind.REMINDED, Kind.ESCALATED)
_INDENT = " " * 5


@click.command(
    short_help="Show what happened to a case, oldest first.",
    epilog=examples("schakel history K-7QDM-4XTR", "schakel history E06 --full"),
)
@case_argument
@click.option("--full", is_flag=True, help="Show every first value too, and the hash of each event.")
@json_option
@pass_session
def history(session: Session, case: str, full: bool) -> None:
    """Show every event of CASE: when, who, what, and what changed. Personal values are masked."""
    steps = session.engine.history(case)
    if session.json:
        print_json([_document(step) for step in steps])
        return
    for step in steps:
        click.echo(clip(_headline(step.event), terminal_width()))
        for line in _details(step, full=full):
            click.echo(line)


@click.command(
    short_help="Fold a case from its history, up to any moment.",
    epilog=examples("schakel replay E06", "schakel replay E06 --at 2026-12-04", "schakel replay E06 --seq 3 --json"),
)
@case_argument
@click.option("--at", metavar="TIME", type=Moment(), help="As it was then; a bare day means its end, Amsterdam time.")
@click.option("--seq", metavar="N", type=click.IntRange(min=1), help="As it was after event N.")
@json_option
@pass_session
def replay(session: Session, case: str, at: datetime | None, seq: int | None) -> None:
    """Fold CASE from its history, and say whether the whole history still gives what is stored (exit 8 when not)."""
    if at is not None and seq is not None:
        raise click.UsageError("Give --at or --seq, not both.")
    replayed = session.engine.replay(case, at=at, seq=seq)
    folded = replayed.case
    domain = session.definition.domain
    facts = in_order(domain.mask(folded.facts), domain.sheets)
    if session.json:
        print_json(
            {
                "case": folded.reference,
                "seq": folded.seq,
                "at": moment(folded.at),
                "state": folded.state,
                "version": folded.version,
                "facts": facts,
                "matches_stored": replayed.matches_stored,
            }
        )
    else:
        when = f"after event {folded.seq}, {local(folded.at)}"
        click.echo(f"{folded.reference} {when}: {folded.state}, version {folded.version}")
        for line in fact_lines(facts):
            click.echo(line)
        signs = marks()
        if replayed.matches_stored:
            click.echo(f"{signs.yes} The whole history gives exactly the stored case.")
        else:
            click.echo(f"{signs.no} The whole history does not give the stored case: somebody changed one of them.")
    if not replayed.matches_stored:
        click.get_current_context().exit(UNVERIFIED)


def _document(step: Step) -> dict[str, object]:
    event = step.event
    return {
        "seq": event.seq,
        "at": moment(event.at),
        "actor": event.origin.actor,
        "os_user": event.origin.os_user,
        "via": event.origin.via,
        "kind": str(event.kind),
        "trigger": event.trigger,
        "from": event.source,
        "to": event.target,
        "hash": event.hash,
        "prev_hash": event.previous,
        "codes": _codes(event),
        "letters": _names(event, "letters"),
        "accepted": _accepted(event),
        "changes": {path: {"from": before, "to": after} for path, (before, after) in step.changes.items()},
        "text": step.text,
    }


def _headline(event: Event) -> str:
    signs = marks()
    if event.kind is Kind.MOVED:
        what = f"{event.trigger}: {event.source} {signs.arrow} {event.target}"
    elif event.kind is Kind.REFUSED:
        what = f"refused: {event.trigger or event.body.get('command') or ''}"
    elif event.kind is Kind.OPENED:
        what = f"opened: {event.target}"
    elif event.kind is Kind.HELD:
        what = f"held until {event.body.get('until')}"
    elif event.kind in _ABOUT_A_LETTER:
        what = f"{str(event.kind).replace('_', ' ')}: {event.body.get('letter')} to {event.body.get('role')}"
    elif event.kind in _CLIMBED:
        what = f"{event.kind}: {event.body.get('rung')} of {event.target}"
    else:
        what = str(event.kind).replace("_", " ")
    via = "" if event.origin.via == "cli" else f" ({event.origin.via})"
    return plain(f"{event.seq:>3}  {local(event.at)}  {event.origin.actor}{via}  {what}")


def _details(step: Step, *, full: bool) -> Iterator[str]:
    event, signs = step.event, marks()
    if step.text:
        yield wrapped(f'"{step.text}"', _INDENT)
    listed = {"because of": _codes(event), "accepted": _accepted(event), "letters": _names(event, "letters")}
    for said, names in listed.items():
        if names:
            yield wrapped(f"{said}: {', '.join(names)}", _INDENT + "  ", first=_INDENT)
    first = {path: after for path, (before, after) in step.changes.items() if before is None}
    if len(first) > _MOST_CHANGES and not full:
        sheets = [path.partition(".")[0] for path in first]
        counted = ", ".join(f"{sheet} ({sheets.count(sheet)})" for sheet in dict.fromkeys(sheets))
        yield wrapped(f"first values: {counted}; --full shows them", _INDENT + "  ", first=_INDENT)
    for path, (before, after) in step.changes.items():
        if before is None and len(first) > _MOST_CHANGES and not full:
            continue
        was = "" if before is None else f"{_word(before)} {signs.arrow} "
        said = clip(f"{path}: {was}{_word(after)}", 3 * (terminal_width() - len(_INDENT)))
        yield wrapped(said, _INDENT + "  ", first=_INDENT)
    if full:
        yield clip(f"{_INDENT}hash {event.hash}", terminal_width())


def _codes(event: Event) -> list[str]:
    return _listed(event.body.get("problems"))


def _accepted(event: Event) -> list[str]:
    return _listed(event.body.get("accepted"))


def _listed(value: Json) -> list[str]:
    items = value if isinstance(value, list) else []
    return [str(item["code"]) for item in items if isinstance(item, dict) and "code" in item]


def _names(event: Event, field: str) -> list[str]:
    value = event.body.get(field)
    return [str(name) for name in value] if isinstance(value, list) else []


def _word(value: Json) -> str:
    return ", ".join(value_lines(value))
