"""The command `import`: a file of employers, one result a row, streamed."""

from __future__ import annotations

import gc
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager

import click

from scripts.copying import as_file
from scripts.exits import ROWS_FAILED
from scripts.output import Marks, counted, fitted, json_array, marks, plain, print_json, wrapped
from scripts.parameters import actor_option, examples, json_option
from scripts.progress import progress
from scripts.tables import MOST_BYTES, Columns, Sheet, look_through, said_of_sheets
from scripts.wiring import Session, pass_session
from states.masking import DOTS
from states.spreadsheet import COLUMNS, REFERENCE_COLUMN, read_row
from workflow.answers import Row, RowResult
from workflow.errors import UsageError
from workflow.facts import Severity

EMPLOYERS = Columns(
    known=frozenset({REFERENCE_COLUMN, *COLUMNS}),
    required=frozenset({REFERENCE_COLUMN, *(name for name, column in COLUMNS.items() if not column.optional)}),
    identity=REFERENCE_COLUMN,
    ignored=("reason", "expected_*"),
    textual=frozenset(name for name, column in COLUMNS.items() if column.textual),
    listed="schakel import --columns",
)
"""The Dutch columns of an import file."""

_TITLES = {"external_reference": REFERENCE_COLUMN, **{str(column.field): name for name, column in COLUMNS.items()}}
_FIELD = re.compile(r"\b[a-z_]+\.[a-z_]+|\bexternal_reference\b")

_TOTAL = re.compile(r"(eind|sub|grand )?tota(al|len|ls?)|som|sum|aantal|count|gemiddelde|average", re.IGNORECASE)
_AMOUNT = re.compile(r"[-+\d\s.,€%]*")

_ENDINGS = {
    # result        what the summary says
    "accept":       "accepted",
    "warn":         "with warnings",
    "reject":       "rejected",
    "unchanged":    "unchanged",
    "error":        "could not be processed",
}  # fmt: skip


def _show_columns(ctx: click.Context, _param: click.Parameter, value: bool) -> None:
    """Say of every column what it holds, and end, as --help does."""
    if value:
        from scripts.columns import column_documents, column_lines

        if ctx.ensure_object(Session).json:
            print_json(column_documents())
        else:
            for line in column_lines():
                click.echo(line)
        ctx.exit()


@click.command(
    "import",
    epilog=examples(
        "schakel import --columns",
        "schakel import employers.csv --dry-run",
        "schakel import employers.csv --advance",
        "schakel import employers.xlsx --advance --accept-warnings --json",
    ),
)
@click.argument("file", metavar="FILE.csv|.xlsx")
@click.option(
    "--columns",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_columns,
    help="Show every column that FILE may have, what it holds and an example, and exit.",
)
@click.option("--advance", is_flag=True, help="Move each case to registered when nothing stands in its way.")
@click.option("--accept-warnings", is_flag=True, help="Accept every warning; who did is in the history.")
@click.option("--dry-run", is_flag=True, help="Judge every row and write nothing.")
@click.option(
    "--no-letters",
    is_flag=True,
    help="No letters now; reminders follow when they are due: to take over couplings that are running already.",
)
@json_option
@actor_option
@pass_session
def import_file(
    session: Session, file: str, advance: bool, accept_warnings: bool, dry_run: bool, no_letters: bool
) -> None:
    """Import employers, one row each; a row whose case_id is known updates that case.

    Importing the same file again changes nothing, but with --advance it moves a case that waited for what has been
    settled since, such as a warning that is accepted now. One that was sent back moves only when its row has changed. A
    rejected row is a result (its case waits for what is missing); exit 6 means that a row could not be processed.

    Which columns FILE has, and how each is written, says `schakel import --columns`.

    What somebody recorded since, or was read from Loket.nl, is kept as long as the cell says what it said before: the
    result names it. A cell that changed since the last import changes the case.

    FILE may be a pipe, such as /dev/stdin; it is copied first, to a file for you alone that is gone afterwards.

    A case that has ended is not changed by an import: put an address right with record, and give a new request a new
    case_id.
    """
    with as_file(file, MOST_BYTES) as path:
        counts = _import(
            session,
            look_through(path, EMPLOYERS),
            advance=advance,
            accept_warnings=accept_warnings,
            dry_run=dry_run,
            letters=not no_letters,
        )
    if counts["error"]:
        click.get_current_context().exit(ROWS_FAILED)


def _import(
    session: Session, sheet: Sheet, *, advance: bool, accept_warnings: bool, dry_run: bool, letters: bool
) -> Counter[str]:
    """Import what was looked through and tell of each row; how often each result occurred."""
    for remark in _remarks(sheet):
        click.echo(wrapped(remark, "  ", first=""), err=True)
    results = session.engine.import_rows(
        _rows(sheet),
        advance=advance,
        accept_warnings=accept_warnings,
        dry_run=dry_run,
        letters=letters,
        origin=session.origin("import"),
    )
    session.in_parts = "row"
    told = (_without_number(session, _by_column(result)) for result in results)
    with _program_at_rest(), progress("importing", sheet.count, session, scrolls=True) as step:
        counts = _answer(session, told, step)
    if not session.json:
        _print_summary(counts, dry_run=dry_run, accepted=accept_warnings, letters=letters)
    return counts


def _remarks(sheet: Sheet) -> Iterator[str]:
    """What of the file is not read, or is doubtful."""
    for name in sheet.unknown:
        yield f"Column '{name}' means nothing here and is skipped."
    if sheet.sheets[1:]:
        yield said_of_sheets(sheet.sheets)
    if lines := sheet.garbled.lines:
        where = f"line{'s' * (len(lines) > 1)} {sheet.garbled.said()}"
        yield (
            f"On {where} a text was decoded wrongly by an earlier program, as 'Ã©' for 'é'. Letters would say it so: "
            "correct the file and import it again."
        )


@contextmanager
def _program_at_rest() -> Iterator[None]:
    """Keep the collector from looking through what was there before the first row: a twentieth of the time."""
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


def _rows(sheet: Sheet) -> Iterator[Row | RowResult]:
    """The rows that can be processed, and of each other one what is wrong with it."""
    for line in sheet.lines():
        external = line.cells.get(REFERENCE_COLUMN, "")
        try:
            if line.fault is not None:
                raise UsageError(line.fault)
            if _is_total(line.cells):
                said = f"holds '{external}', and numbers or nothing besides. Take it out of the file."
                raise UsageError(f"Line {line.number} is no employer: it {said}")
            external, facts = read_row(line.cells)
        except UsageError as error:
            yield RowResult(line.number, external, "error", None, None, (), str(error))
        else:
            yield Row(line.number, external, facts)


def _is_total(cells: Mapping[str, str]) -> bool:
    """Whether a row is the total line of a list: by its word, and because no other cell says anything in letters.

    A row of an employer has an address or a name in it, whatever its reference, so none is taken for one.
    """
    others = (cell for name, cell in cells.items() if name != REFERENCE_COLUMN)
    word = cells[REFERENCE_COLUMN].rstrip(" :")
    return _TOTAL.fullmatch(word) is not None and all(map(_AMOUNT.fullmatch, others))


def _by_column(result: RowResult) -> RowResult:
    """A result whose message calls fields as the columns of the file are called."""
    if result.message is None:
        return result
    return result._replace(message=_FIELD.sub(lambda found: _title(found[0]), result.message))


def _without_number(session: Session, result: RowResult) -> RowResult:
    """A result that does not repeat a reference which may not be kept, such as a BSN; its row tells which it was.

    One that a case has already, as older versions took it, stands in `list` and `show` too.
    """
    given = result.external_reference
    if result.case is not None or not any(session.definition.domain.judge_text("external_reference", given)):
        return result
    message = result.message and result.message.replace(given.strip(), DOTS)
    return result._replace(external_reference=DOTS, message=message)


def _title(path: str) -> str:
    """What the file calls a field."""
    return _TITLES.get(path, path)


def _answer(session: Session, results: Iterable[RowResult], step: Callable[[], None]) -> Counter[str]:
    counts: Counter[str] = Counter()
    if session.json:
        with json_array(session) as add:
            for result in results:
                add(_document(result))
                counts[result.result] += 1
                session.told += 1
                step()
        return counts
    signs = marks()
    for result in results:
        for line in _lines(result, signs, session):
            click.echo(line)
        counts[result.result] += 1
        session.told += 1
        step()
    return counts


def _document(result: RowResult) -> dict[str, object]:
    document: dict[str, object] = {
        "row": result.row,
        "external_reference": result.external_reference or None,
        "result": result.result,
        "case": result.case,
        "state": result.state,
        "codes": list(dict.fromkeys(problem.code for problem in result.problems)),
        "changed": list(result.changed),
        "kept": list(result.kept),
    }
    return document if result.message is None else {**document, "message": result.message}


def _lines(result: RowResult, signs: Marks, session: Session) -> Iterator[str]:
    """A line for each row, what it changed in a known case, and for a row that stays behind what is wrong with it."""
    sign = {"warn": signs.warning, "reject": signs.no, "error": signs.no, "accept": signs.yes}.get(result.result, "=")
    where = "  ".join(part for part in (result.case, result.state) if part)
    name = plain(result.external_reference)
    yield fitted(f"{sign} {result.row:>4}  {name:<8}  {result.result:<9}  {where}".rstrip(), " " * 8)
    if result.changed:
        yield wrapped(f"Changed: {', '.join(map(_title, result.changed))}", " " * 10, first=" " * 8)
    if result.kept:
        said = "the row says what it said before, and this was changed since"
        yield wrapped(f"Kept: {', '.join(map(_title, result.kept))} ({said})", " " * 10, first=" " * 8)
    if result.message is not None:
        yield wrapped(result.message, " " * 8)
    for problem in result.problems:
        if problem.severity is not Severity.INFO and result.result != "unchanged":
            said = session.definition.domain.phrase(problem, session.language)
            yield wrapped(f"{problem.code}: {said}", " " * 10, first=" " * 8)


def _print_summary(counts: Counter[str], *, dry_run: bool, accepted: bool, letters: bool) -> None:
    said = ", ".join(f"{counts[result]} {words}" for result, words in _ENDINGS.items() if counts[result])
    tail = ""
    if dry_run:
        tail = " Nothing was written (--dry-run)."
    elif not letters:
        tail = " No letters now; reminders follow when they are due (--no-letters)."
    click.echo(wrapped(f"{counted(sum(counts.values()), 'row')}: {said}.{tail}", "  ", first=""))
    if counts["warn"] and not (dry_run or accepted):
        click.echo("Next: schakel advance CASE --accept CODE, for each warning that is right")
