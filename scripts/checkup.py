"""The command `doctor`: is everything in order, and what to do where it is not."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path

import click

from scripts.exits import FAILED
from scripts.output import local, marks, print_json, wrapped
from scripts.parameters import examples, json_option
from scripts.wiring import Session, pass_session
from workflow.clock import AMSTERDAM
from workflow.errors import SchakelError


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked: 'ok', 'warn' or 'fail', what was found and what to do."""

    check: str
    result: str
    message: str
    todo: str = ""


@click.command(
    short_help="Check that everything is in order.", epilog=examples("schakel doctor", "schakel doctor --json")
)
@json_option
@pass_session
def doctor(session: Session) -> None:
    """Check settings, database, signing key, clock and actor, and say what to do. Exit 1 when something fails."""
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
    """Every finding; a part that cannot be built is one, and ends the checks that need it."""
    checks: tuple[tuple[str, Callable[[Session], Iterator[Finding]]], ...] = (
        ("actor", _actor),
        ("settings", _settings),
        ("database", _database),
        ("clock", _clock),
        ("signing key", _signing_key),
        ("mail", _mail),
    )
    for name, check in checks:
        try:
            yield from check(session)
        except SchakelError as error:
            if name in ("actor", "settings", "database"):
                yield Finding(name, "fail", str(error))
            if name == "settings":
                return


def _actor(session: Session) -> Iterator[Finding]:
    yield Finding("actor", "ok", f"You act as '{session.actor}'.")


def _settings(session: Session) -> Iterator[Finding]:
    from scripts.settings import Settings, settings_file, unknown_variables
    from workflow.errors import nearest

    path = settings_file(session.environ)
    language = session.settings.language
    where = str(path) if path.exists() else "no file: the defaults and the environment"
    yield Finding("settings", "ok", f"{where}; problem messages in '{language}'.")
    for name in unknown_variables(session.environ):
        known = [f"SCHAKEL_{field.upper()}" for field in Settings.model_fields]
        message = f"{name} is set, but no setting is called so.{nearest(name, known)}"
        yield Finding("settings", "warn", message, f"unset {name}")


def _database(session: Session) -> Iterator[Finding]:
    from workflow.storage.database import shown_url
    from workflow.storage.tables import HEAD

    database = session.database
    kind = database.url.get_backend_name()
    pragmas = "; its pragmas took" if kind == "sqlite" else ""
    yield Finding("database", "ok", f"{kind}: {shown_url(database.url)}, migration {HEAD}{pragmas}.")
    if kind == "sqlite":
        path = Path(str(database.url.database))
        yield from _private("database", path, 0o600)


def _clock(session: Session) -> Iterator[Finding]:
    now = session.clock.now()
    summer = datetime.combine(date(now.year, 7, 1), time(12), AMSTERDAM).utcoffset()
    winter = datetime.combine(date(now.year, 1, 1), time(12), AMSTERDAM).utcoffset()
    if summer == winter:
        yield Finding("clock", "fail", "The time zone data knows no summer time in Amsterdam.", "install tzdata anew")
    with session.database.reading() as store:
        last = store.last_event_at()
    if last is not None and now < last:
        message = f"The clock says {local(now)}, but the last event was at {local(last)}."
        yield Finding("clock", "warn", message, "set the clock right before anything else is done")
    else:
        yield Finding("clock", "ok", f"{local(now)} in Amsterdam.")


def _signing_key(session: Session) -> Iterator[Finding]:
    from scripts.keys import read_verifier_key

    path = session.settings.signing_key
    try:
        verifier = read_verifier_key(path)
    except FileNotFoundError:
        yield Finding("signing key", "fail", f"{path} is not there.", "schakel init")
        return
    except (OSError, SchakelError) as error:
        said = f"{path} cannot be read: {error.strerror}." if isinstance(error, OSError) else str(error)
        yield Finding("signing key", "fail", said, "put the right file back, or move it away and run schakel init")
        return
    yield Finding("signing key", "ok", f"{path}; verifier key {verifier}")
    yield from _private("signing key", path, 0o600)


def _mail(session: Session) -> Iterator[Finding]:
    settings = session.settings
    if settings.smtp_url is None:
        yield Finding("mail", "warn", "There is no mail server: letters wait.", "set smtp_url to send them")
    roles = {"mail_from": settings.mail_from, "mail_asr": settings.mail_asr}
    roles |= {"mail_keylane": settings.mail_keylane, "mail_operations": settings.mail_operations}
    empty = [name for name, address in roles.items() if not address]
    if empty:
        message = f"No address for {', '.join(empty)}: those letters wait."
        yield Finding("mail", "warn", message, "set them in schakel.toml")


def _private(check: str, path: Path, most: int) -> Iterator[Finding]:
    """A warning when others than the owner can read a file, or enter its folder to replace it."""
    for place, allowed in ((path, most), (path.parent, 0o700)):
        mode = stat.S_IMODE(place.stat().st_mode)
        if place == path and mode & ~allowed:
            said = f"{place} can be read by others (mode {mode:04o})."
        elif place != path and mode & 0o022:
            said = f"Others can replace files in {place} (mode {mode:04o})."
        else:
            continue
        yield Finding(check, "warn", said, f"chmod {allowed:o} {place}")
