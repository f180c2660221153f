"""What `doctor` asks about the ledger: is its key there, the right one and private; and how far is it signed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from scripts.output import counted, local
from scripts.settings import Settings
from scripts.wiring import Session
from workflow.clock import parse_time
from workflow.errors import SchakelError
from workflow.ledger.outside import departure, last_kept
from workflow.ledger.sequencer import HEARTBEAT, MEND, amiss, wrong_key
from workflow.ledger.signing import read_signer, signers_of
from workflow.ledger.verify import Checkpoint, is_moment
from workflow.storage import ledger, shift
from workflow.storage.ledger import Head
from workflow.storage.shift import Heartbeat

Found = tuple[str, str, str]
"""'ok', 'warn' or 'fail'; what was found; what to do."""


def examine_key(session: Session) -> Iterator[Found]:
    """Whether the signing key is there, can be read by us alone, and is the one that signed the ledger."""
    path, last = session.settings.signing_key, _last_checkpoint(session)
    signers = signers_said(last)
    try:
        signer = read_signer(path)
    except FileNotFoundError:
        yield "fail", *_missing(path, signers)
        return
    except OSError as error:
        said = f"{path} cannot be read: {error.strerror}."
        yield "fail", said, "let the account that runs Schakel read it, and nobody else"
        return
    except SchakelError as error:
        todo = "put the right file back from its copy" + ("" if signers else ", or move it away and run schakel init")
        yield "fail", str(error), todo
        return
    if fault := wrong_key(last, signer):
        yield "fail", str(fault), f"put the key {signers} back at {path}"
    else:
        yield "ok", f"{path}; verifier key {signer.key}", ""
    yield from examine_mode(path)


def missing_key(session: Session) -> tuple[str, str, bool]:
    """What to say of a signing key that is not there, what to do, and whether the ledger was signed by one."""
    signers = signers_said(_last_checkpoint(session))
    return *_missing(session.settings.signing_key, signers), bool(signers)


def _missing(path: Path, signers: str) -> tuple[str, str]:
    if not signers:
        return f"{path} is not there.", "schakel init"
    said = f"{path} is not there, and the ledger is signed by {signers}: events are sealed, but not signed."
    lost = "without one: docs/operations.md, 'A signing key that is lost'"
    return said, f"put that key back from its copy, no other one may sign; {lost}"


def signers_said(last: Head | None) -> str:
    """The keys that signed a checkpoint, each as NAME+ID; '' when there is none."""
    return ", ".join(signers_of(last.note)) or "a key that cannot be read" if last else ""


def examine_ledger(session: Session) -> Iterator[Found]:
    """How far the ledger is signed, and whether somebody goes on with it."""
    yield from _examine_copy(session.settings.checkpoint_file)
    departures = list(_departure(session))
    for said, todo in departures:
        yield "warn", said, todo
    now = session.clock.now()
    with session.database.reading() as store:
        progress = ledger.read_progress(store)
        last, waiting, leaves = ledger.last_checkpoint(store), ledger.waiting(store), progress.size
        beats = shift.heartbeats(store)
        unsigned_since = ledger.leaf_at(store, last.size) if last else None
        wrong = amiss(store, progress)
        if not wrong and ledger.is_passed_by(store, progress.last_event):
            wrong = (
                f"The row of the sequencer says that it came to event {progress.last_event}, but events are passed over"
            )
    if wrong:
        yield "fail", f"{wrong}. Somebody altered it, or a copy was put back without it.", MEND
        return
    ways = "events are sealed by schakel worker or schakel tick"
    if last is None:
        yield "warn", f"No checkpoint was ever signed: {ways}.", "" if departures else "schakel tick"
        return
    unsigned = max(0, leaves - last.size)
    wait = f"{waiting + unsigned} {'waits' if waiting + unsigned == 1 else 'wait'} for the next"
    said = f"{counted(last.size, 'event')} under a checkpoint of {local(last.at)}; {wait}"
    if unsigned and unsigned_since:
        said = f"{said}, the first since {local(unsigned_since)}. Sealed without a checkpoint they prove nothing yet."
        yield "warn", said, "see that the signing key is in its place: the worker, or schakel tick, then signs them"
    elif waiting and now - last.at > 2 * HEARTBEAT:
        yield "warn", f"{said}.", f"see that a worker runs: {ways}"
    elif idle := [beat.name for beat in beats if _is_idle(beat, last, now)]:
        said = f"{said}. {idle[0]} has been at work since, and signed none."
        yield "warn", said, "see in its log why ('no checkpoints', 'pass failed'), mend that, and start it anew"
    else:
        yield "ok", f"{said}.", ""


def examine_outside(session: Session) -> Iterator[Found]:
    """A warning when nobody is known to keep a checkpoint, so that a ledger cut off with its notes would look whole."""
    settings = session.settings
    if settings.checkpoint_file is None and not settings.mail_auditor and _last_checkpoint(session):
        said = "No checkpoint is kept outside: a history that is cut off, with its checkpoints, would look whole."
        yield "warn", said, "set checkpoint_file or mail_auditor (docs/security.md, 'Controls')"


def _is_idle(beat: Heartbeat, last: Head, now: datetime) -> bool:
    """Whether it had two heartbeats of the ledger to sign another one (a tick: a whole pass after them), in vain."""
    if beat.is_tick:
        return beat.stopped_at is not None and now >= beat.started_at and beat.started_at - last.at > 2 * HEARTBEAT
    return beat.is_alive(now) and beat.seen_at - max(last.at, beat.started_at) > 2 * HEARTBEAT


def departed(path: Path, kept: Checkpoint, how: str) -> tuple[str, str]:
    """That the file of checkpoints ends with another history than this database's, and what to do."""
    at = local(parse_time(kept.at)) if is_moment(kept.at) else "an unreadable time"
    said = f"The last checkpoint in {path}, of {at}, {how}: an older copy was put back, or this is another database."
    return said, f"docs/operations.md, 'Putting a copy back'; when all of it is done, put {path} away: a new one begins"


def has_departed(session: Session) -> bool:
    """Whether this database is not the one that the file of checkpoints was written from."""
    return any(True for _ in _departure(session))


def _departure(session: Session) -> Iterator[tuple[str, str]]:
    path = session.settings.checkpoint_file
    with suppress(OSError):  # another check says that it cannot be read
        if path is not None and (kept := last_kept(path)) is not None:
            with session.database.reading() as store:
                how = departure(store, kept)
            if how:
                yield departed(path, kept, how)


def left_behind(settings: Settings) -> str:
    """What to do where the database is new or not there, but others of its things are; '' when none is.

    An empty one would begin a new history without a word, signed by the same key.
    """
    there = []
    for path in (settings.signing_key, settings.checkpoint_file, settings.erasures_file):
        with suppress(OSError):
            there += [str(path)] if path is not None and path.stat().st_size else []
    todo = "if a database was lost, put its copy back instead (docs/operations.md, 'Putting a copy back')"
    return f"{' and '.join(there)} {'are' if len(there) > 1 else 'is'} there already: {todo}" if there else ""


def _examine_copy(path: Path | None) -> Iterator[Found]:
    """Whether the file of checkpoints can be gone on with; it is not made, since that is for the worker's account."""
    if path is not None and (why := not_to_be_written(path)):
        todo = "let the account that runs Schakel write there: each pass appends the newest checkpoint to that file"
        yield "fail", unwritten_copy(path, why), todo


def not_to_be_written(path: Path) -> str:
    """Why a file that grows cannot be gone on with, or begun; '' when it can."""
    try:
        os.close(os.open(path, os.O_RDWR | os.O_APPEND))
    except FileNotFoundError:
        return "" if os.access(path.parent, os.W_OK | os.X_OK) else "its folder is not there, or not to be written"
    except OSError as error:
        return str(error.strerror)
    return ""


def unwritten_copy(path: Path, why: str) -> str:
    """That the file of checkpoints cannot be written, and why."""
    return f"SCHAKEL_CHECKPOINT_FILE {path} cannot be written: {why}."


def examine_mode(path: Path) -> Iterator[Found]:
    """A warning when others than the owner can read a file, or enter its folder to replace it."""
    for place, allowed in ((path, 0o600), (path.parent, 0o700)):
        mode = stat.S_IMODE(place.stat().st_mode)
        if place == path and mode & ~allowed:
            said = f"{place} can be read by others (mode {mode:04o})."
        elif place != path and mode & 0o022:
            said = f"Others can replace files in {place} (mode {mode:04o})."
        else:
            continue
        yield "warn", said, f"chmod {allowed:o} {place}"


def _last_checkpoint(session: Session) -> Head | None:
    """The newest checkpoint; None also when the database cannot be read, which another check says."""
    with suppress(SchakelError), session.database.reading() as store:
        return ledger.last_checkpoint(store)
    return None
