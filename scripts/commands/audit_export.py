"""The command `audit export`: one file with which an auditor checks history without us."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click

from scripts.output import counted, marks, moment, plain, print_json, wrapped
from scripts.parameters import COUNT, Day, actor_option, examples, json_option
from scripts.reading import read_held
from scripts.wiring import Session, pass_session

if TYPE_CHECKING:  # heavy, and not needed for the help
    from workflow.ledger.export import Exported, Order


@click.command(
    epilog=examples(
        "schakel audit export proof.zip",
        "schakel audit export proof.zip --case E06 --case E07",
        "schakel audit export october.zip --from 2026-10-01 --to 2026-10-31",
        "schakel audit export sample.zip --sample 25 --seed 2026-Q3",
        "python verify.py proof.zip --key KEY",
    ),
)
@click.argument("out", metavar="OUT.zip", type=click.Path(path_type=Path))
@click.option("--case", "cases", metavar="CASE", multiple=True, help="Only this case; may be given more than once.")
@click.option("--from", "since", metavar="DAY", type=Day(), help="Only cases to which something happened from DAY on.")
@click.option("--to", "until", metavar="DAY", type=Day(), help="… until DAY, included. Days are Amsterdam's.")
@click.option("--sample", metavar="N", type=COUNT, help="Only N cases, drawn by --seed.")
@click.option("--seed", metavar="TEXT", help="Anything (else one is made and told); it draws the same again.")
@click.option(
    "--reveal", is_flag=True, help="Add personal values (not to the lists); each case's history then says so."
)
@click.option("--against", metavar="FILE", help="Add the proof from the checkpoint in FILE to the last one.")
@click.option("--force", is_flag=True, help="Overwrite OUT.zip when it is a file; no link, pipe or device is.")
@json_option
@actor_option
@pass_session
def export(
    session: Session,
    out: Path,
    cases: tuple[str, ...],
    since: date | None,
    until: date | None,
    sample: int | None,
    seed: str | None,
    reveal: bool,
    against: str | None,
    force: bool,
) -> None:
    """Write events, proofs, checkpoints, rules, lists and a report to OUT.zip, with a verify.py that checks them.

    Without a selection everything is exported. Cases are always exported whole: half a chain proves nothing. --sample
    takes the cases with the lowest SHA-256 of "SEED:REFERENCE" (out of those of --from and --to when given), so anyone
    can draw it again.

    Personal values are masked in the lists and left out elsewhere. --reveal adds them as openings.jsonl, and a name to
    each case of the report; the lists then show a company's name, and go on masking the rest.

    The lists are CSV (UTF-8, semicolons: a Dutch Excel opens them right) and XLSX, in which zeros in front of a number
    stay; their moments are Amsterdam time. The report opens in any browser and prints, one case a page; its language is
    SCHAKEL_LANGUAGE.
    """
    from notifications.report import render
    from workflow.ledger.export import Order
    from workflow.ledger.export import export as write_export
    from workflow.ledger.selection import Asked

    if seed is not None and sample is None:
        raise click.UsageError("--seed goes with --sample N: alone it draws nothing.")
    if sample is not None and seed is None:
        seed = secrets.token_hex(4)
    engine, signer = session.engine, session.signer
    order = Order(
        out=out,
        asked=Asked(cases, since, until, sample, (seed or "").strip()),
        origin=session.origin(),
        now=session.clock.now(),
        reveal=reveal,
        against=tuple(sorted({held.size for held in read_held(against).checkpoints})) if against is not None else (),
        force=force,
        key=str(signer.key) if signer else None,
        signer=signer,
    )
    with _shown(session) as watch:
        done = write_export(engine.database, engine.rules, order, partial(render, language=session.language), watch)
    if session.json:
        print_json(_document(done, order.asked.seed or None))
    else:
        _tell(done, order)


def _document(done: Exported, seed: str | None) -> dict[str, object]:
    head = done.checkpoint
    return {
        "file": str(done.file),
        "events": done.events,
        "cases": done.cases,
        "complete": done.complete,
        "seed": seed,
        "checkpoint": {"size": head.size, "root": head.root, "at": moment(head.at)} if head else None,
        "sha256": done.sha256,
    }


def _tell(done: Exported, order: Order) -> None:
    from workflow.ledger.sequencer import is_ahead

    seed = order.asked.seed
    said = f"{counted(done.cases, 'case')}, {counted(done.events, 'event')}" + (f", seed {seed}" if seed else "")
    click.echo(f"{marks().yes} {done.file}: {said}")
    click.echo(f"SHA-256     {done.sha256}")
    if done.checkpoint:
        click.echo(f"Checkpoint  {counted(done.checkpoint.size, 'event')}, {moment(done.checkpoint.at)}")
    if not done.cases:
        click.echo("No case matches, so the file holds proofs of nothing.", err=True)
    if done.waiting:
        said = f"{counted(done.waiting, 'event')} not in the ledger yet; schakel tick, or the worker, puts them there."
        if done.checkpoint and is_ahead(done.checkpoint, order.now):
            said = f"{said} A clock ran ahead (docs/operations.md), so verify.py takes them for put in later."
        click.echo(wrapped(said, "  ", first=""), err=True)
    if done.checkpoint is None:
        click.echo(
            wrapped("Nothing in it is signed yet: run schakel audit checkpoint first.", "  ", first=""), err=True
        )
    said = "An auditor takes verify.py from a release, never from the export that it is to judge."
    click.echo(wrapped(said, "  ", first=""), err=True)
    click.echo(plain(f"Next: {_check(done, order.key)}"), err=True)


def _check(done: Exported, key: str | None) -> str:
    """The command that checks an export, by this Python and the verifier of this installation: both are there."""
    from workflow.ledger import verify

    words = map(quote, (sys.executable or "python", verify.__file__, str(done.file)))
    return " ".join((*words, "--key", quote(key) if key else "KEY"))


@contextmanager
def _shown(session: Session) -> Iterator[Callable[[str, int], None]]:
    """On a terminal, what is being written and how much."""
    if session.json or not sys.stderr.isatty() or session.environ.get("TERM") == "dumb":
        yield lambda _name, _size: None
        return
    from rich.console import Console

    written = 0
    with Console(stderr=True).status("Reading") as status:

        def watch(name: str, size: int) -> None:
            nonlocal written
            written += size
            status.update(f"Writing {name} ({written / 1_000_000:,.1f} MB)")

        yield watch
