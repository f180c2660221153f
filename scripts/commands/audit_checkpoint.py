"""The commands `audit checkpoint` and `audit key`: what others keep in order to check us."""

from __future__ import annotations

import click

from scripts.output import moment, print_json, wrapped
from scripts.parameters import examples, json_option
from scripts.wiring import Session, pass_session
from workflow.errors import UsageError


@click.command(
    epilog=examples("schakel audit checkpoint > checkpoint.txt", "schakel audit verify --against checkpoint.txt")
)
@json_option
@pass_session
def checkpoint(session: Session) -> None:
    """Seal every event so far and print the signed head of the ledger (a C2SP signed note).

    Whoever keeps it can prove later that nothing up to now was changed, dropped or added: audit verify --against.
    """
    from scripts.ledger_checkup import missing_key
    from workflow.ledger import sequencer
    from workflow.storage import ledger

    database = session.database
    sequencer.run_once(database, session.signer, session.clock.now())
    with database.reading() as store:
        head = ledger.last_checkpoint(store)
    if head is None:
        raise UsageError(
            f"There is no checkpoint, and no key to sign one: {session.settings.signing_key} is not there."
        )
    if session.signer is None:
        said, todo, _ = missing_key(session)
        click.echo(wrapped(f"This is the last that was signed: {said} To do: {todo}", ""), err=True)
    if session.json:
        print_json({"checkpoint": head.note, "size": head.size, "root": head.root, "at": moment(head.at)})
    else:
        click.echo(head.note, nl=False)


@click.command(epilog=examples("schakel audit key", 'python verify.py proof.zip --key "$(schakel audit key)"'))
@json_option
@pass_session
def key(session: Session) -> None:
    """Print the verifier key, which is public: give it to whoever checks us, and let them keep it."""
    from scripts.ledger_checkup import missing_key

    signer = session.signer
    if signer is None:
        said, todo, _ = missing_key(session)
        raise UsageError(f"{said} To do: {todo}")
    if session.json:
        print_json({"key": str(signer.key), "path": str(session.settings.signing_key)})
        return
    click.echo(str(signer.key))
    click.echo(wrapped("Next: schakel audit verify", "", first=""), err=True)
