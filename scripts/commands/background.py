"""The commands of what happens by itself: `tick`, `worker`, `forecast`."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Event, Thread, current_thread, main_thread
from typing import TYPE_CHECKING

import click

from scripts.exits import DONE, FAILED, TERMINATED
from scripts.output import Column, counted, json_array, local, moment, print_json, table, wrapped
from scripts.parameters import Whole, examples, json_option
from scripts.wiring import Session, pass_session
from workflow.errors import SchakelError

if TYPE_CHECKING:
    from scripts.passes import Passes

_BECAME = {"failed": "failed", "retried": "are to be tried again", "unknown": "may have arrived or not"}
_COLUMNS = (
    Column("WHEN"),
    Column("CASE"),
    Column("LETTER", least=12),
    Column("TO"),
    Column("WHY", least=16, folds=True),
)


@click.command(epilog=examples("schakel tick", "schakel tick --json"))
@json_option
@pass_session
def tick(session: Session) -> None:
    """Fire what is due, write the daily overview in its hour, send what waits, seal new events in the ledger, and check
    cases with Loket.nl where that is on; then say what was done and stop.

    Why letters did not go is told on standard error, so that cron mails it. SIGTERM finishes the letters in hand, and
    then exits with 143. Exit 1 when the file of checkpoints cannot be written, or the key of a signed ledger is gone;
    all else is done then.
    """
    from notifications.smtp import OPENING
    from scripts.ledger_checkup import missing_key
    from scripts.passes import NO_SERVER, Passes

    passes = Passes(session)
    with _sign_of_life(session), _stopping(passes):
        done = passes.run_once()
    said, todo, was_signed = missing_key(session) if session.signer is None else ("", "", False)
    code = FAILED if done.sealed.copy_failed or was_signed else TERMINATED if passes.is_stopping else DONE
    if session.json:
        print_json({**done.document(), "key_missing": said or None})
        click.get_current_context().exit(code)
    fired, letters = done.fired, done.delivered
    ended = f"{counted(fired.holds_ended, 'hold')} ended"
    click.echo(f"Reminders  {fired.reminders} sent on, {fired.escalations} escalated, {ended}")
    click.echo(f"Letters    {letters.sent} sent, {letters.retried} to be tried again, {letters.pending} pending")
    if letters.failed or letters.unknown:
        click.echo(f"           {letters.failed} failed, {letters.unknown} unknown. Next: schakel mail list")
    sealed = done.sealed
    if sealed.leaves or sealed.checkpoints:
        signed = f"{counted(sealed.checkpoints, 'checkpoint')} signed"
        click.echo(f"Ledger     {counted(sealed.leaves, 'event')} sealed, {signed}")
    if polled := done.polled:
        click.echo(f"Loket.nl   {counted(polled.checked, 'case')} checked, {polled.failed} could not be")
    if done.overview:
        click.echo("Overview   written for operations")
    if passes.server is None:
        click.echo(NO_SERVER, err=True)
    if said:
        click.echo(wrapped(f"No checkpoint: {said} To do: {todo}", ""), err=True)
    for what, reply in letters.said.items():
        answer = f"{reply.code or ''} {reply.words}" if reply.phase in OPENING else str(reply.code or "no clear answer")
        said_of = f"Letters {_BECAME[what]}; the first at {reply.phase}: {answer.strip()}. Next: schakel mail list"
        click.echo(wrapped(said_of, ""), err=True)  # words about a letter may name its reader, and cron mails this
    for fault in filter(None, (sealed.copy_failed, sealed.copy_refused, polled.fault)):
        click.echo(wrapped(fault, ""), err=True)
    click.get_current_context().exit(code)


@contextmanager
def _stopping(passes: Passes) -> Iterator[None]:
    """While this lasts SIGTERM stops the passes, instead of breaking off a letter that is on its way."""
    if current_thread() is not main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda *_: passes.stop())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _sign_of_life(session: Session) -> Iterator[None]:
    """Notes for doctor, and for whoever puts a copy back, that a pass began, that it goes on, and that it ended."""
    from workflow.storage import shift

    database, clock = session.database, session.clock
    with database.writing() as store:
        name = shift.begin_tick(store, f"{socket.gethostname()}:{os.getpid()}", clock.now())
    has_ended = Event()

    def beat(*, stopped: bool) -> None:
        with suppress(SchakelError), database.writing() as store:  # what stopped the pass is what is told
            shift.beat(store, name, clock.now(), stopped=stopped)

    def beat_on() -> None:
        while not has_ended.wait(shift.BEATS):
            beat(stopped=False)

    beats = Thread(target=beat_on, daemon=True)
    beats.start()
    try:
        yield
    finally:
        has_ended.set()
        beats.join()
        beat(stopped=True)


@click.command(epilog=examples("schakel worker", "schakel worker --metrics-port 9464"))
@click.option("--name", metavar="NAME", help="How doctor calls this worker (else host and process).")
@click.option("--metrics-port", metavar="PORT", type=Whole(1, 65535), help="Answer Prometheus on this port.")
@click.option("--metrics-address", metavar="ADDRESS", help="And on this address (else 127.0.0.1: this machine only).")
@json_option
@pass_session
def worker(session: Session, name: str | None, metrics_port: int | None, metrics_address: str | None) -> None:
    """Fire reminders, write the overview, send letters, seal new events in the ledger, and check cases with Loket.nl
    where that is on, until SIGTERM or Ctrl-C; the letter in hand is finished.

    Logs one JSON object a line on standard error; the last says why it ended, if nobody asked it to. --json also
    answers when it began and stopped, once it has stopped. Any number of workers may run at once; give each that is to
    be watched a --metrics-port of its own, where http://127.0.0.1:PORT/metrics then answers.
    """
    session.logs = True
    from scripts.worker import Worker

    port = metrics_port or session.settings.metrics_port
    if metrics_address is not None and port is None:
        raise click.UsageError("--metrics-address serves nothing without a port: give --metrics-port too.")
    work = Worker(session, name)
    with ExitStack() as stack:
        if port is not None:
            from scripts.metrics import serve

            address = metrics_address or session.settings.metrics_address
            stack.callback(serve(session, address, port, work.failed))
        began, ended = work.run()
    if session.json:
        print_json({"worker": work.name, "started_at": moment(began), "stopped_at": moment(ended)})


@click.command(epilog=examples("schakel forecast --days 30", "schakel forecast --days 5 --json"))
@click.option("--days", metavar="N", type=Whole(1, 366), default=30, show_default=True, help="How far ahead.")
@json_option
@pass_session
def forecast(session: Session, days: int) -> None:
    """List the letters of the coming days in order, if nothing changes until then. Nothing is written."""
    from scripts.mail_settings import desk_of
    from workflow.forecast import forecast as look_ahead

    engine = session.engine
    at_home = desk_of(session.settings).addresses
    expected = look_ahead(engine.database, engine.rules, engine.clock.now(), days, at_home)
    if session.json:
        with json_array(session) as add:
            for one in expected:
                said = {"letter": one.letter, "role": one.role, "reason": one.reason}
                add({"at": moment(one.at), "case": one.case, **said})
        return
    rows = [(local(one.at), one.case or "–", one.letter, one.role, one.reason) for one in expected]
    if not rows:
        click.echo(f"No letter will go out in the next {counted(days, 'day')}.")
        return
    for line in table(_COLUMNS, rows):
        click.echo(line)
    click.echo(wrapped(f"{counted(len(rows), 'letter')}, if nothing changes until then.", ""))
