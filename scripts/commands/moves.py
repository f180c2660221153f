"""The commands that move a case: `why` and `advance`."""

from __future__ import annotations

import click

from scripts.assignments import by_path, read_assignments
from scripts.output import fitted, marks, print_json, wrapped
from scripts.parameters import Whole, Words, actor_option, case_argument, examples, json_option
from scripts.problems import print_letters, problem_documents, problem_lines
from scripts.steps import SENT_BACK, returned_document, returned_lines
from scripts.wiring import Session, pass_session
from workflow.answers import Moved, Verdict, Why
from workflow.commands import AFTER_THE_END

_REASON = (
    "Why; asked for by moves that go back or stop. The letters of the move give it word for word, but for BSNs, wage "
    "tax numbers and names of DGAs, to the applicant or a.s.r. for instance; '-' reads it from standard input."
)


@click.command(epilog=examples("schakel why K-7QDM-4XTR", "schakel why E06 register --json"))
@case_argument
@click.argument("trigger", required=False)
@json_option
@pass_session
def why(session: Session, case: str, trigger: str | None) -> None:
    """Say for each move that leaves CASE's state, or for TRIGGER only, whether it is open and every reason why not.

    Asking changes nothing and is not in the history.
    """
    answer = session.engine.why(case, trigger)
    if session.json:
        print_json(_why_document(session, answer))
        return
    click.echo(f"{answer.case} is {answer.state}.")
    for line in returned_lines(answer.returned):
        click.echo(line)
    if not answer.moves:
        options = ", ".join(move.trigger for move in session.definition.moves_from(answer.state))
        what = f"'{trigger}' is not possible" if trigger else "No move is possible"
        why_not = f"; from here: {options}." if options else f": this state is final. {AFTER_THE_END}"
        click.echo(wrapped(what + why_not, "  ", first=f"{marks().no} "))
    for verdict in answer.moves:
        _print_verdict(session, answer, verdict)


@click.command(
    epilog=examples(
        "schakel advance K-7QDM-4XTR",
        "schakel advance E02 register --accept NAME_DUPLICATE",
        "schakel advance E06 hand_over handover.keylane_reference=KL-2026-118",
        'schakel advance E06 return_to_applicant --reason "Wrong company name"',
    ),
)
@case_argument
@click.argument("words", metavar="[TRIGGER] [SHEET.FIELD=VALUE]...", nargs=-1)
@click.option("--accept", metavar="CODE", multiple=True, help="Accept this warning; may be repeated.")
@click.option("--accept-warnings", is_flag=True, help="Accept every warning there is.")
@click.option("--reason", metavar="TEXT", type=Words(), help=_REASON)
@click.option("--expect-version", metavar="N", type=Whole(min=0), help="Only if CASE is at version N.")
@click.option("--key", metavar="KEY", help="Do this once: the same KEY again gives the first answer again.")
@json_option
@actor_option
@pass_session
def advance(
    session: Session,
    case: str,
    words: tuple[str, ...],
    accept: tuple[str, ...],
    accept_warnings: bool,
    reason: str | None,
    expect_version: int | None,
    key: str | None,
) -> None:
    """Make a move with CASE: the one forward move of its state, or TRIGGER.

    Facts may be given along; they are kept only when the move succeeds. A refusal (exit 5) lists every reason at once.
    """
    trigger = words[0] if words and "=" not in words[0] else None
    session.moves, session.trigger = True, trigger
    assignments = words[trigger is not None :]
    facts = read_assignments(assignments, session.definition)
    session.given, session.accepted = by_path(assignments, session.definition), accept
    session.accepts_all = accept_warnings
    moved = session.engine.advance(
        case,
        trigger,
        facts=facts,
        accept=accept,
        accept_warnings=accept_warnings,
        reason=reason,
        expect_version=expect_version,
        key=key,
    )
    _print_moved(session, moved, reason)


def _print_moved(session: Session, moved: Moved, reason: str | None) -> None:
    if session.json:
        document: dict[str, object] = {
            "case": moved.case,
            "trigger": moved.trigger,
            "from": moved.source,
            "to": moved.target,
            "version": moved.version,
            "event": {"seq": moved.seq, "hash": moved.hash},
            "letters": list(moved.letters),
            "accepted": list(moved.accepted),
        }
        document |= {"hold_ended": moved.hold_ended.isoformat()} if moved.hold_ended else {}
        print_json({**document, "repeated": True} if moved.repeated else document)
        return
    signs = marks()
    again = " (done before with this key; nothing was done now)" if moved.repeated else ""
    way = f"{moved.case}: {moved.source} {signs.arrow} {moved.target}, version {moved.version}{again}"
    click.echo(wrapped(way, "  ", first=f"{signs.yes} "))
    if moved.hold_ended:
        click.echo(f"  The hold until {moved.hold_ended} ended with it.")
    if moved.accepted:
        click.echo(wrapped(f"accepted: {', '.join(moved.accepted)}", "    ", first="  "))
    print_letters(moved.letters)
    if reason and not moved.repeated:
        from scripts.reasons import told_reasons  # brings the templates

        for said in told_reasons(session, moved, reason):  # whoever wrote it may have meant it for the history only
            click.echo(wrapped(said, "  "))
    from workflow.returns import sends_back  # with the engine, which is there by now

    state = session.definition.state(moved.target)
    if state.holder:
        is_back = sends_back(session.definition, moved.trigger, moved.source, moved.target)
        means = SENT_BACK if is_back else state.means
        click.echo(wrapped(f"Now {state.holder} has the ball: {means}", "  ", first=""))


def _print_verdict(session: Session, answer: Why, verdict: Verdict) -> None:
    signs = marks()
    asks = f"  (asks for --{' --'.join(verdict.asks)})" if verdict.asks else ""
    sign = signs.yes if verdict.allowed else signs.no
    click.echo(fitted(f"{sign} {verdict.trigger} {signs.arrow} {verdict.target}{asks}", "  "))
    for line in problem_lines(problem_documents(verdict.problems, session.definition, session.language)):
        click.echo(line)


def _why_document(session: Session, answer: Why) -> dict[str, object]:
    moves = [
        {
            "trigger": verdict.trigger,
            "to": verdict.target,
            "allowed": verdict.allowed,
            "problems": problem_documents(verdict.problems, session.definition, session.language),
            "asks": list(verdict.asks),
        }
        for verdict in answer.moves
    ]
    document: dict[str, object] = {"case": answer.case, "state": answer.state, "moves": moves}
    return {**document, "returned": returned_document(answer.returned)}
