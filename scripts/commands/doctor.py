"""The command `doctor`: is everything in order, and what to do where it is not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from shutil import disk_usage
from typing import TYPE_CHECKING

import click

from scripts.exits import FAILED, words_of
from scripts.output import local, marks, print_json, wrapped
from scripts.parameters import actor_option, examples, json_option
from scripts.wiring import Session, pass_session
from workflow.clock import AMSTERDAM
from workflow.errors import NotThere, SchakelError, StoreError, TooOld

if TYPE_CHECKING:  # heavy, and not needed for the help
    from scripts.ledger_checkup import Found

_LATE = timedelta(hours=1)
_SKEW = timedelta(minutes=1)
"""How far the clock of another machine may be ahead without a word."""
_LONGEST_LOG = 128 * 2**20
"""Bytes: twice what the write-ahead log shrinks to by itself."""
_LITTLE_ROOM = 500_000_000
"""Bytes left on a disk that an import, a long reader or a new version may soon fill."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked: 'ok', 'warn' or 'fail', what was found and what to do."""

    check: str
    result: str
    message: str
    todo: str = ""


@click.command(epilog=examples("schakel doctor", "schakel doctor --json", "schakel doctor --after-restore"))
@click.option(
    "--after-restore",
    is_flag=True,
    help="An older copy was put back: doubt the letters that waited in it, hold the reminders that are due.",
)
@click.option(
    "--again", is_flag=True, help="With --after-restore: one more copy was put back, while a restore was open."
)
@click.option("--release", is_flag=True, help="Let the held reminders go again.")
@actor_option
@json_option
@pass_session
def doctor(session: Session, after_restore: bool, again: bool, release: bool) -> None:
    """Check settings, database, key, clock, mail and worker, and say what to do. Exit 1 when something fails."""
    if after_restore and release:
        raise click.UsageError("Give --after-restore or --release, not both.")
    if again and not after_restore:
        raise click.UsageError("--again goes with --after-restore.")
    if after_restore or release:
        from scripts import restoring

        restoring.release(session) if release else restoring.hold(session, is_again=again)
        return
    findings = tuple(_examine(session))
    failed = any(finding.result == "fail" for finding in findings)
    if session.json:
        checks = [
            {"check": found.check, "result": found.result, "message": found.message, "todo": found.todo}
            for found in findings
        ]
        print_json({"ok": not failed, "checks": checks})
    else:
        signs = {"ok": marks().yes, "warn": marks().warning, "fail": marks().no}
        for found in findings:
            click.echo(wrapped(found.message, " " * 14, first=f"{signs[found.result]} {found.check:<12}"))
            if found.todo:
                click.echo(wrapped(f"To do: {found.todo}", " " * 14))
    if failed:
        click.get_current_context().exit(FAILED)


def _examine(session: Session) -> Iterator[Finding]:
    """Every finding; a check that ends in an error is one, unless that is the database's, which was told already."""
    from scripts.erasure_checkup import examine_erasures
    from scripts.ledger_checkup import examine_key, examine_ledger, examine_outside
    from scripts.mail_checkup import examine_mail

    checks: tuple[tuple[str, Callable[[Session], Iterator[Found]]], ...] = (
        ("actor", _actor),
        ("settings", _settings),
        ("database", _database),
        ("clock", _clock),
        ("signing key", examine_key),
        ("mail", examine_mail),
        ("worker", _worker),
        ("restore", _restore),
        ("erasures", examine_erasures),
        ("loket", _loket),
        ("ledger", examine_ledger),
        ("outside", examine_outside),
    )
    unusable = ""
    for name, check in checks:
        try:
            for found in check(session):
                yield Finding(name, *found)
        except (SchakelError, OSError) as error:
            said = words_of(error)
            if unusable and (isinstance(error, StoreError) or said == unusable):
                continue
            yield Finding(name, "fail", said, _unopened(session, error) if name == "database" else "")
            if name == "settings":
                return
            if name == "database":
                unusable = said


def _unopened(session: Session, error: Exception) -> str:
    """What to do where there is no database, but an installation was: `init` would begin an empty history."""
    from scripts.ledger_checkup import left_behind

    if isinstance(error, TooOld):
        return "schakel init, in the order of docs/operations.md, 'A newer version'"
    return left_behind(session.settings) if isinstance(error, NotThere) else ""


def _actor(session: Session) -> Iterator[Found]:
    yield "ok", f"You act as '{session.actor}'.", ""


def _settings(session: Session) -> Iterator[Found]:
    from scripts.ledger_checkup import examine_mode
    from scripts.places_checkup import examine_places
    from scripts.settings import Settings, settings_file, unknown_variables
    from workflow.errors import nearest

    path = settings_file(session.environ)
    language = session.settings.language
    where = str(path) if path.exists() else "no file: the defaults and the environment"
    yield "ok", f"{where}; problem messages in '{language}'.", ""
    yield from examine_places(session)
    for name in unknown_variables(session.environ):
        known = [f"SCHAKEL_{field.upper()}" for field in Settings.model_fields]
        message = f"{name} is set, but no setting is called so.{nearest(name, known)}"
        yield "warn", message, f"unset {name}"
    for secret in (session.settings.database_password_file, session.settings.smtp_password_file):
        with suppress(OSError):  # that it is not there or not readable is said where its password is used
            yield from examine_mode(secret) if secret is not None else ()


def _database(session: Session) -> Iterator[Found]:
    from scripts.grants_checkup import examine_writing
    from scripts.ledger_checkup import examine_mode
    from workflow.storage.database import shown_url
    from workflow.storage.tables import HEAD

    database = session.database
    kind = database.url.get_backend_name()
    pragmas = "; its pragmas took" if kind == "sqlite" else ""
    yield "ok", f"{kind}: {shown_url(database.url)}, migration {HEAD}{pragmas}.", ""
    yield from examine_writing(database)
    if kind == "sqlite":
        path = Path(str(database.url.database))
        yield from examine_mode(path)
        yield from _log_that_grows(path)
        if (left := disk_usage(path.absolute().parent).free) < _LITTLE_ROOM:
            message = f"Only {left // 1_000_000} MB are left on the disk of {path}: on a full one nothing is written."
            yield "warn", message, "free disk space, or put the database on a larger disk"


def _log_that_grows(path: Path) -> Iterator[Found]:
    """A warning when SQLite cannot empty its write-ahead log, because somebody reads what was before it."""
    log = path.with_name(path.name + "-wal")
    size = log.stat().st_size if log.exists() else 0
    if size > _LONGEST_LOG:
        message = f"{log} has grown to {size // 1_000_000} MB: a program has been reading the database for long."
        yield "warn", message, f"find it (lsof {path}) and end it; the log then shrinks by itself"


def _clock(session: Session) -> Iterator[Found]:
    from workflow.storage import ledger, shift

    now = session.clock.now()
    summer = datetime.combine(date(now.year, 7, 1), time(12), AMSTERDAM).utcoffset()
    winter = datetime.combine(date(now.year, 1, 1), time(12), AMSTERDAM).utcoffset()
    if summer == winter:
        yield "fail", "The time zone data knows no summer time in Amsterdam.", "install tzdata anew"
    with session.database.reading() as store:
        event, checkpoint, beats = store.last_event_at(), ledger.last_checkpoint(store), shift.heartbeats(store)
    ahead = []
    if event is not None and now + _SKEW < event:
        ahead.append(f"the last event was at {local(event)}")
    if checkpoint is not None and now + _SKEW < checkpoint.at:
        ahead.append(f"the last checkpoint is of {local(checkpoint.at)}")
    if beats and now + _SKEW < beats[0].seen_at:
        ahead.append(f"{beats[0].name} was seen at {local(beats[0].seen_at)}")
    if ahead:
        yield (
            "warn",
            f"The clock says {local(now)}, but {' and '.join(ahead)}.",
            "set the clock right before anything else; where it is: docs/operations.md, 'A clock that ran ahead'",
        )
    else:
        yield "ok", f"{local(now)} in Amsterdam.", ""


def _restore(session: Session) -> Iterator[Found]:
    from workflow.storage.restores import open_restore

    with session.database.reading() as store:
        restore = open_restore(store)
    if restore is not None:
        message = f"A copy was restored; reminders that were due by {local(restore.at)} are held."
        todo = "schakel doctor --after-restore lists them, schakel doctor --release lets them go"
        yield "warn", message, todo


def _worker(session: Session) -> Iterator[Found]:
    from scripts.ledger_checkup import has_departed
    from workflow.reminders import last_chance
    from workflow.storage import shift
    from workflow.storage.restores import held_until

    now = session.clock.now()
    with session.database.reading() as store:
        beats = sorted(shift.heartbeats(store), key=lambda beat: beat.seen_at > now + _SKEW)  # those to come last
        late = store.has_due_rung(last_chance(session.calendar, now - _LATE), since=held_until(store))
    first = "first see 'ledger' below: what this database says may have gone out" if has_departed(session) else ""
    alive = [beat for beat in beats if beat.is_alive(now)]
    ways = "letters and reminders only go out by schakel worker or schakel tick"
    if alive:
        names = ", ".join(beat.name for beat in alive)
        yield "ok", f"{names}, last seen {local(alive[0].seen_at)}.", ""
    elif not beats:
        yield "warn", f"No worker was ever seen: {ways}.", first or "schakel worker, or cron with tick"
    elif beats[0].is_tick and -_SKEW <= now - beats[0].seen_at <= _LATE:
        yield "ok", f"No worker runs, but {beats[0].name} last ran at {local(beats[0].seen_at)}.", ""
    elif beats[0].stopped_at is not None:
        ended = "last ran" if beats[0].is_tick else "was stopped"
        message = f"No worker runs; {beats[0].name} {ended} at {local(beats[0].stopped_at)}: {ways}."
        yield "warn", message, first or "schakel worker"
    else:
        message = f"{beats[0].name} did not stop, but was last seen {local(beats[0].seen_at)}: {ways}."
        yield "warn", message, first or "see why it is gone, then schakel worker"
    if late:
        message = "Reminders could have gone out for more than an hour, and did not."
        waits = "they go out from 09:00 on a working day"
        sends = "schakel tick sends them now" if last_chance(session.calendar, now) == now else waits
        yield "warn", message, first or f"{sends}; see that a worker runs"


def _loket(session: Session) -> Iterator[Found]:
    from scripts.loket_checkup import examine

    settings = session.settings
    if settings.loket_api_url or settings.loket_token_url or settings.loket_credentials or settings.loket_poll:
        yield from examine(session)
