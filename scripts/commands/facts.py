"""The commands that say what is known of a case: `open` and `record`."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

import click

from scripts.assignments import read_assignments
from scripts.output import marks, print_json, wrapped
from scripts.parameters import actor_option, case_argument, examples, json_option
from scripts.problems import print_letters, print_missing, problem_documents
from scripts.reading import describe, read_object
from scripts.wiring import Session, pass_session
from states.names import Field, Role
from workflow.answers import Case
from workflow.errors import UsageError
from workflow.facts import Problem


@click.command(
    "open",
    epilog=examples(
        "schakel open case.json",
        """echo '{"external_reference": "E77"}' | schakel open -""",
    ),
)
@click.argument("file", metavar="[FILE|-]", default="-")
@json_option
@actor_option
@pass_session
def open_case(session: Session, file: str) -> None:
    """Open a case from a JSON object: any of the sheets, plus external_reference.

    What is not known yet may be left out; it is asked for later. Without FILE, the JSON is read from standard input:

    \b
    {"external_reference": "E77",
     "registration": {"company_name": "Bakkerij Jansen B.V.", "dgas": []}}
    """
    if file == "-" and sys.stdin.isatty():
        click.echo("Reading JSON from the keyboard; end it with Ctrl-D, or stop and name a file.", err=True)
    given = read_object(file)
    external = _external_reference(given.pop("external_reference", None), describe(file))
    opened = session.engine.open_case(_sheets(given, describe(file)), external_reference=external)
    _answer(session, opened.case, opened.problems, opened.letters, seq=opened.event.seq, digest=opened.event.hash)


@click.command(
    epilog=examples(
        "schakel record K-7QDM-4XTR registration email=salaris@example.com",
        "schakel record E06 policy --file policy.json",
    ),
)
@case_argument
@click.argument("sheet")
@click.argument("assignments", metavar="[FIELD=VALUE]...", nargs=-1)
@click.option("--file", metavar="FILE", help="A JSON object with fields of the sheet; '-' is standard input.")
@json_option
@actor_option
@pass_session
def record(session: Session, case: str, sheet: str, assignments: tuple[str, ...], file: str | None) -> None:
    """Add or correct facts of CASE in SHEET; the answer says what is still missing.

    Fields that are not named stay as they are; an empty value (email=) clears a field. A list is given whole, policies
    as a JSON array (pension_act is true or false: whether the cover falls under the Pensioenwet):

    \b
    schakel record E06 policy 'policies=[{"policy_number": "P-1",
      "product": "WIA", "start_date": "2026-05-01", "pension_act": true}]'
    """
    facts = read_assignments(assignments, session.definition, sheet=sheet)
    if file is not None:
        for name, value in read_object(file).items():
            if name in facts.get(sheet, {}):
                raise UsageError(f"The field '{name}' is in {describe(file)} and on the command line; keep one.")
            facts.setdefault(sheet, {})[name] = value
    if not facts.get(sheet):
        known = session.definition.domain.sheets.get(sheet)
        fields = f" Fields of '{sheet}': {', '.join(known)}." if known else ""
        raise UsageError(f"Nothing to record: give field=value, or --file.{fields}")
    recorded = session.engine.record(case, facts)
    event = recorded.event
    _answer(
        session,
        recorded.case,
        recorded.problems,
        recorded.letters,
        seq=event.seq if event else None,
        digest=event.hash if event else None,
        changed=recorded.changed,
    )


def _answer(
    session: Session,
    case: Case,
    problems: Sequence[Problem],
    letters: Sequence[str],
    *,
    seq: int | None,
    digest: str | None,
    changed: Sequence[str] | None = None,
) -> None:
    documents = problem_documents(problems, session.definition, session.language)
    if session.json:
        document = {
            "case": case.reference,
            "external_reference": case.external_reference,
            "state": case.state,
            "version": case.version,
            "event": None if seq is None else {"seq": seq, "hash": digest},
            "letters": list(letters),
            "problems": documents,
        }
        print_json(document if changed is None else {**document, "changed": list(changed)})
        return
    if changed is None:
        click.echo(f"{marks().yes} {case.reference} opened: {case.state}, version {case.version}")
    elif changed:
        said = f"{case.reference}, now version {case.version}, recorded: {', '.join(changed)}"
        click.echo(wrapped(said, "  ", first=f"{marks().yes} "))
    else:
        click.echo(f"{case.reference}: nothing differs from what was known; version {case.version}")
    print_letters(letters)
    if Field.EMAIL in (changed or ()):
        _tell_bounced(session, case)
    print_missing(session, case.reference, case.state, documents)


def _tell_bounced(session: Session, case: Case) -> None:
    """Say which letters failed at the address that was put right: nothing sends them again by itself."""
    from scripts.mailroom import find_letters
    from workflow.storage.letter_states import LetterState

    if session.definition.domain.recipient(Role.APPLICANT, case.facts) is None:
        return
    failed = find_letters(session, case.reference, LetterState.FAILED, None)
    bounced = [f"{row.id} ({row.letter})" for row in failed if row.role == Role.APPLICANT and not row.is_erased]
    if bounced:
        click.echo(wrapped(f"Letters that failed before: {', '.join(bounced)}.", "    ", first="  "))
        click.echo(f"  To send them again: schakel mail retry --failed --case {case.reference}")
        click.echo('  To drop what is out of date: schakel mail resolve ID --drop --reason "…"')


def _external_reference(value: object, name: str) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise UsageError(f"{name}: 'external_reference' must be text.")
    return str(value)


def _sheets(given: Mapping[str, object], name: str) -> dict[str, Mapping[str, object]]:
    sheets: dict[str, Mapping[str, object]] = {}
    for sheet, fields in given.items():
        if isinstance(fields, dict):
            sheets[sheet] = fields
        else:
            raise UsageError(f"{name}: '{sheet}' must be an object with fields, such as \"{sheet}\": {{…}}.")
    return sheets
