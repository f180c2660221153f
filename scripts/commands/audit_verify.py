"""The command `audit verify`: prove that nobody altered the history, and that every move of it was legal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click

from scripts.exits import UNVERIFIED
from scripts.output import counted, marks, plain, print_json, wrapped
from scripts.parameters import examples, json_option
from scripts.progress import progress
from scripts.reading import read_held
from scripts.wiring import Session, pass_session
from workflow.errors import UsageError

if TYPE_CHECKING:  # heavy, and not needed for the help
    from workflow.ledger.verify import Report, VerifierKey

_MOST_SHOWN = 40
_INDENT = "  "


@click.command(
    epilog=examples(
        "schakel audit verify",
        "schakel audit verify --against checkpoint.txt",
        "schakel audit verify K-7QDM-4XTR --json",
    ),
)
@click.argument("case", metavar="[CASE]", required=False)
@click.option("--against", metavar="FILE", help="Checkpoints that were kept elsewhere, one or several in a file.")
@click.option("--key", "given", metavar="VKEY", help="The verifier key (else that of SCHAKEL_SIGNING_KEY).")
@json_option
@pass_session
def verify(session: Session, case: str | None, against: str | None, given: str | None) -> None:
    """Check every event, or those of CASE: hashes, chains, times, values against what was committed to, and whether
    each move was legal by the rules of then; every stored row against its replay; leaves, roots and signatures.

    Reads one moment of the database and writes nothing. Exit 8 when anything is wrong. A history that was rewritten by
    somebody who has the signing key shows only with --against.
    """
    from scripts.passwords import database_url
    from workflow.ledger.audit import verify_database
    from workflow.storage import open_database

    session.case = case
    key = _key(session, given)
    held, cut_off = read_held(against) if against is not None else ([], 0)
    database = open_database(database_url(session.settings), without_tables=True)
    try:
        with ExitStack() as stack:

            def begin(chunks: int) -> Callable[[], None]:
                return stack.enter_context(progress("Verifying", chunks, session))

            report = verify_database(database, session.definition, key, held, case=case, begin=begin)
    finally:
        database.dispose()
    report.cut_off = cut_off
    if key is not None:
        report.prove(must=given is not None)
    if session.json:
        print_json(report.document())
    else:
        for line in _lines(report, key, len(held)):
            click.echo(line)
    if not report.ok:
        click.get_current_context().exit(UNVERIFIED)


def _key(session: Session, given: str | None) -> VerifierKey | None:
    """The key to check signatures by; None: there is none, which is a finding once there is a checkpoint."""
    from workflow.ledger.verify import NoteError, read_key

    if given is None:
        return session.signer.key if session.signer else None
    try:
        return read_key(given)
    except NoteError as error:
        raise UsageError(f"--key: {error}. Give what 'schakel audit key' printed.") from None


def _lines(report: Report, key: VerifierKey | None, held: int) -> Iterator[str]:
    from workflow.ledger.signing import short_name

    signs = marks()
    yield f"Read      {counted(report.events, 'event')} of {counted(report.cases, 'case')}"
    yield f"Ledger    {counted(report.leaves, 'leaf', 'leaves')}, {counted(report.checkpoints, 'checkpoint')}"
    if report.last is not None:
        yield f"Last      {counted(report.last.size, 'leaf', 'leaves')}, signed {plain(report.last.at)}"
    if key is not None:
        yield f"Key       {short_name(key)}"
    if held:
        yield f"Held      {counted(held, 'checkpoint')} kept elsewhere"
    if report.cut_off:
        said = f"{report.cut_off:,} more in that file cut off, by a crash as it seems: nothing was compared with them."
        yield wrapped(said, _INDENT, first=f"{signs.warning} ")
    if report.unsequenced:
        new = "event is" if report.unsequenced == 1 else "events are"
        said = f"{report.unsequenced:,} {new} too new to have a leaf: the chain holds, the ledger has yet to."
        yield wrapped(said, _INDENT, first=f"{signs.warning} ")
    if report.ok:
        yield from _praise(report, held)
        return
    findings = report.findings
    yield ""
    for finding in findings[:_MOST_SHOWN]:
        where = " ".join(filter(None, (finding.case, f"event {finding.seq}" if finding.seq else "")))
        yield plain(f"{signs.no} {finding.code}  {where}").rstrip()
        yield wrapped(finding.message, _INDENT)
    yield ""
    count = len(findings)
    more = f" {count - _MOST_SHOWN} of them are not shown." if count > _MOST_SHOWN else ""
    yield wrapped(f"{report.verdict}{more}", "")
    if report.is_unjudged and (report.is_unsigned or report.is_open_ended):
        known = "Next: schakel audit verify --against FILE, with the newest checkpoint kept elsewhere"
        if report.is_unsigned:
            known = "Next: schakel audit verify --key VKEY, with the one you hold"
        yield wrapped(f"{known}; if it was the key: docs/operations.md, 'A signing key that is lost'", "")
        return
    yield wrapped("Next: keep a copy of the database as it is now, then look at each: schakel audit verify --json", "")


def _praise(report: Report, held: int) -> Iterator[str]:
    unsigned = 0 < report.unsequenced == report.events
    said = "Nothing contradicts itself" if unsigned else "Nothing was altered"
    yield wrapped(f"{said}, and every move was legal by the rules of its time.", _INDENT, first=f"{marks().yes} ")
    if unsigned or not report.checkpoints:
        yield wrapped("Nothing is signed yet. Next: schakel audit checkpoint, and keep what it prints elsewhere", "")
    elif not held:
        said = "Whether somebody with the signing key rewrote it all shows only against a checkpoint kept elsewhere."
        yield wrapped(said, "")
        yield "Next: schakel audit verify --against FILE"
