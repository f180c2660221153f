"""One pass of everything that happens by itself: timers, letters, ledger, Loket.nl; for `tick`, worker and demo."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import NoReturn, TypeVar

from loket.poll import Poll, Polled
from notifications import checkpoint, overview
from notifications.delivery import Delivery
from notifications.smtp_url import Server
from notifications.tally import Delivered
from scripts.exits import PartsFailed, words_of
from scripts.ledger_checkup import departed, unwritten_copy
from scripts.mail_settings import desk_of, mail_server
from scripts.wiring import Session
from workflow import reminders
from workflow.errors import SchakelError
from workflow.ledger import sequencer
from workflow.ledger.outside import departure, keep_copy, last_kept
from workflow.reminders import Fired
from workflow.storage import ledger

T = TypeVar("T")
NO_SERVER = "No mail server is set (SCHAKEL_SMTP_URL): letters stay pending."
_TICK_POLLS = 50.0
"""Seconds that one tick gives to Loket.nl: the next one goes on where it was."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """What the ledger gained; why the copy of its head could not be written, or was not since it has another past."""

    leaves: int
    checkpoints: int
    copy_failed: str | None = None
    copy_refused: str | None = None


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass did."""

    fired: Fired
    overview: bool
    delivered: Delivered
    sealed: Sealed
    polled: Polled

    def document(self) -> dict[str, object]:
        """The counts, for JSON."""
        return {
            "reminders": self.fired.reminders,
            "escalations": self.fired.escalations,
            "holds_ended": self.fired.holds_ended,
            "overview": self.overview,
            "letters": self.delivered.counts,
            **asdict(self.sealed),
            "loket": asdict(self.polled),
        }


class Passes:
    """The parts of a pass, wired once; each can be run by itself."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._origin = session.origin("worker")
        self._signed_at: datetime | None = None
        self.is_stopping = False
        """Whether it was asked to stop, perhaps before there was anything to stop."""

    @property
    def server(self) -> Server | None:
        """The mail server, by the password that its file holds now; None when none is set, so letters wait."""
        return mail_server(self._session.settings)

    @cached_property
    def delivery(self) -> Delivery:
        """The delivery of letters."""
        engine = self._session.engine
        return Delivery(
            engine.database, engine.rules, engine.clock, self._origin, desk_of(self._session.settings), self.server
        )

    def stop(self) -> None:
        """Finish the letters in hand and take no more; for a signal, so it makes nothing and does what cannot fail."""
        self.is_stopping = True
        for made in (self.__dict__.get("delivery"), self.__dict__.get("poller")):
            if made is not None:
                made.stop()

    def fire(self) -> Fired:
        """Fire what is due."""
        engine = self._session.engine
        return reminders.run_once(engine.database, engine.rules, engine.clock.now(), self._origin)

    def look_over(self) -> bool:
        """Write the daily overview, and the auditor's letter if there is one, when their hour has come."""
        engine = self._session.engine
        if self._session.settings.mail_auditor:
            checkpoint.run_once(engine.database, engine.rules, engine.clock.now())
        addressed = desk_of(self._session.settings).addresses
        return overview.run_once(engine.database, engine.rules, engine.clock.now(), addressed)

    def deliver(self) -> Delivered:
        """Send what is due, by the password of now: it may have been changed since the last pass."""
        if self.is_stopping:
            return Delivered()
        self.delivery.server = self.server
        return self.delivery.run_once()

    def seal(self) -> Sealed:
        """Append new events to the ledger, sign its head, and copy that to the file outside."""
        database, now = self._session.database, self._session.clock.now()
        done = sequencer.run_once(database, self._session.signer, now, self._signed_at)
        self._signed_at = now if done.checkpoints else self._signed_at
        path = self._session.settings.checkpoint_file
        return Sealed(done.leaves, done.checkpoints, *(self._copy(path) if path is not None else ()))

    def _copy(self, path: Path) -> tuple[str | None, str | None]:
        """Append the newest checkpoint to the file outside; why it could not be, and why it was not.

        Not to one that ends with another history: what is there then would be taken for the beginning of this one, and
        nobody would see any more that the database was put back or replaced.
        """
        try:
            kept = last_kept(path)  # before the ledger, which has then all that another worker copied from it
            with self._session.database.reading() as store:
                head, departs = ledger.last_checkpoint(store), departure(store, kept) if kept else ""
            if kept and departs:
                said, todo = departed(path, kept, departs)
                return None, f"{said} Nothing is appended to it. To do: {todo}."
            if head:
                keep_copy(path, head.note)
        except OSError as error:
            return unwritten_copy(path, str(error.strerror)), None
        return None, None

    @cached_property
    def poller(self) -> Poll | None:
        """The morning's round of Loket.nl; None when the setting is off."""
        if not self._session.settings.loket_poll:
            return None
        from scripts.loket_poll import poll_of

        return poll_of(self._session)

    def poll(self, budget: float | None = None) -> Polled:
        """Go on with the morning's round of Loket.nl, beginning no case after so many seconds."""
        return self.poller.run_once(budget) if self.poller and not self.is_stopping else Polled()

    def run_once(self) -> Pass:
        """One pass of everything, in the order in which one makes work for the next.

        A part that fails keeps none of the others from being done; what it raised is raised after them. Raises
        PartsFailed, naming each part, when several failed by different faults or one by a fault in Schakel.
        """
        faults: dict[str, Exception] = {}

        def done(name: str, part: Callable[[], T], nothing: T) -> T:
            try:
                return part()
            except Exception as error:  # noqa: BLE001  (raised below)
                faults[name] = error
                return nothing

        made = Pass(
            done("Reminders", self.fire, Fired()),
            done("Overview", self.look_over, False),
            done("Letters", self.deliver, Delivered()),
            done("Ledger", self.seal, Sealed(0, 0)),
            done("Loket.nl", lambda: self.poll(_TICK_POLLS), Polled()),
        )
        if faults:
            _raise(faults)
        return made


def _raise(faults: Mapping[str, Exception]) -> NoReturn:
    """What stopped one part, or all of them alike, is raised as it is: it says what to do, and has its exit code."""
    first, *others = faults.values()
    if isinstance(first, SchakelError | OSError) and {words_of(first)} == {
        words_of(error) for error in faults.values()
    }:
        raise first
    raise PartsFailed(faults) from (ExceptionGroup("parts of a pass", [first, *others]) if others else first)
