"""The background process: APScheduler wakes one pass of each kind of work; everything it does, `tick` could do too."""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from datetime import UTC, datetime
from queue import Empty, SimpleQueue
from time import monotonic
from typing import Any

import structlog
from apscheduler.schedulers.background import BackgroundScheduler

from notifications.tally import Delivered
from scripts.ledger_checkup import missing_key
from scripts.passes import NO_SERVER, Passes, Sealed
from scripts.setback import Setback
from scripts.wiring import Session
from workflow.clock import SystemClock
from workflow.errors import SchakelError, UsageError
from workflow.ledger.sequencer import wrong_key
from workflow.storage import ledger, shift

_FAULTS = {"copy_failed", "copy_refused"}
"""What a pass over the ledger says each time, as long as it is so."""
_LOOKS_UP = 0.5
"""Seconds between two looks whether it was asked to stop."""
_STOPS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Of which the last comes of a terminal that is closed, and of whoever rotates logs; it is to break no letter off."""
_TELLS_AGAIN = 3600.0
"""Seconds after which a pass that fails in the same way is told again."""


class Worker:
    """One worker: wakes, does its passes, beats its heart, and stops cleanly.

    Raises SchakelError when the settings are wrong or the database cannot be used.
    """

    def __init__(self, session: Session, name: str | None = None) -> None:
        self._session = session
        self._is_signing = session.signer is not None  # a key that cannot be read ends the worker before it began
        self._key_fault = ""
        self._told: dict[str, Mapping[str, Any]] = {}
        self._failing: dict[str, tuple[Mapping[str, str], float]] = {}
        """Which passes fail, with what was said of that and when."""
        self.name = name or f"{socket.gethostname()}:{os.getpid()}"
        self._log = logger().bind(worker=self.name)
        self._passes = Passes(session)
        self._delivery = self._passes.delivery
        self._poller = self._passes.poller
        self._asked_to_stop: SimpleQueue[int] = SimpleQueue()
        self._jobs: dict[str, tuple[int, Callable[[], Any]]] = {  # each wakes every so many seconds
            "heartbeat": (shift.BEATS, self._beat),
            "ledger": (2, self._seal),
            "timers": (20, self._passes.fire),
            "overview": (60, self._passes.look_over),
            "delivery": (10, self._passes.deliver),
            "loket": (60, self._passes.poll),
        }
        self.failed = dict.fromkeys(self._jobs, 0)
        """How often the pass of each failed."""

    def run(self) -> tuple[datetime, datetime]:
        """Work until SIGTERM, SIGINT or SIGHUP, one pass at once; when it began and stopped.

        Raises StoreError: it cannot note that it began. UsageError: another key signed the ledger.
        """
        for wanted in _STOPS:  # first: whoever sees the worker may ask it to stop
            signal.signal(wanted, self._on_signal)
        database, clock = self._session.database, self._session.clock
        with database.writing() as store:
            if fault := wrong_key(ledger.last_checkpoint(store), self._session.signer):
                raise fault
            shift.begin(store, self.name, began := clock.now())
        self._log.info("started", mail="on" if self._passes.server else NO_SERVER)
        if not self._is_signing:
            said, todo, _ = missing_key(self._session)
            self._log.warning("no checkpoints", message=said, todo=todo)
        scheduler = BackgroundScheduler(
            timezone=UTC, job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None}
        )
        scheduler.start()
        for name, (seconds, _) in self._jobs.items():  # at once, one after another; meanwhile those before it go on
            if self._asked_to_stop.empty():
                self._guarded(name)
            scheduler.add_job(self._guarded, "interval", seconds=seconds, args=[name], id=name)
        self._wait_until_asked(scheduler)
        scheduler.shutdown(wait=True)
        ended = clock.now()
        try:
            with database.writing() as store:
                shift.beat(store, self.name, ended, stopped=True)
        except SchakelError as error:  # the next worker sees that this one is gone by its last heartbeat
            self._log.error("could not note that it stopped", error=type(error).__name__, message=str(error))
        self._log.info("stopped")
        return began, ended

    def _wait_until_asked(self, scheduler: BackgroundScheduler) -> None:
        """Looks up now and then: a signal that another thread got, or that came just before waiting, wakes nobody."""
        machine = SystemClock()  # by which the scheduler goes, whatever the session's clock says
        clock = Setback(machine)
        while self._asked_to_stop.empty():
            with suppress(Empty):
                self._asked_to_stop.get(timeout=_LOOKS_UP)
                return
            if seconds := clock.seconds():
                self._log.warning("the clock was set back", seconds=round(seconds))
                for job in scheduler.get_jobs():  # each waits for a moment that has become a distant one
                    job.modify(next_run_time=machine.now())

    def _on_signal(self, number: int, _frame: object) -> None:
        """Runs in the middle of anything, so it may only do what cannot fail, wait or import."""
        self._delivery.stop()
        if self._poller:
            self._poller.stop()
        self._asked_to_stop.put(number)

    def _guarded(self, name: str) -> None:
        """Run one pass; what goes wrong is logged without values, and tried again at the next wake-up."""
        try:
            _, job = self._jobs[name]
            done = job()
        except SchakelError as error:
            self._tell_fault(name, error=type(error).__name__, message=str(error))
        except Exception as error:  # noqa: BLE001  (a pass that fails must not end the worker)
            self._tell_fault(name, error=type(error).__name__)
        else:
            if self._failing.pop(name, None):
                self._log.info("pass works again", job=name)
            self._tell(name, done)

    def _tell_fault(self, name: str, **said: str) -> None:
        """Why a pass failed: once an hour as long as it is the same."""
        self.failed[name] += 1
        known, since = self._failing.get(name, ({}, 0.0))
        if said != known or monotonic() - since >= _TELLS_AGAIN:
            self._failing[name] = (said, monotonic())
            self._log.error("pass failed", job=name, **said)

    def _tell(self, name: str, done: Any) -> None:
        if isinstance(done, Delivered):
            self._tell_letters(done)
            return
        counts = asdict(done) if hasattr(done, "__dataclass_fields__") else {"written": bool(done)}
        busy = {what: count for what, count in counts.items() if count and what != "pending"}
        if busy and busy != self._told.get(name):  # what is wrong every two seconds is told once
            say = self._log.error if "copy_failed" in busy else self._log.info
            say = self._log.warning if "copy_refused" in busy else say
            say("pass", job=name, **busy)
        self._told[name] = busy if set(busy) <= _FAULTS else {}

    def _tell_letters(self, done: Delivered) -> None:
        """What became of letters; of the first that did not go, where that ended and by which answer."""
        busy = {what: count for what, count in done.counts.items() if count and what != "pending"}
        why = {what: f"{reply.phase} {reply.code or ''}".strip() for what, reply in done.said.items()}
        if why:
            self._log.warning("pass", job="delivery", **busy, why=why, todo="schakel mail list --help")
        elif busy:
            self._log.info("pass", job="delivery", **busy)

    def _seal(self) -> Sealed:
        if not self._is_signing:
            self._look_for_key()
        return self._passes.seal()

    def _look_for_key(self) -> None:
        """Sign with the key once it is there. One that may not sign is told, once, and looked at again."""
        session = self._session
        try:
            signer, fault = session.find_signer(), ""
            if signer is not None:
                with session.database.reading() as store:
                    fault = str(wrong_key(ledger.last_checkpoint(store), signer) or "")
        except UsageError as error:  # it may be only half there yet
            signer, fault = None, str(error)
        if fault and fault != self._key_fault:
            self._log.error("no checkpoints", message=fault)
        self._key_fault = fault
        if signer is not None and not fault:
            session.signer, self._is_signing = signer, True
            self._log.info("signing", message=f"{session.settings.signing_key} is there: checkpoints are signed now.")

    def _beat(self) -> None:
        with self._session.database.writing() as store:
            shift.beat(store, self.name, self._session.clock.now())


def logger() -> Any:
    """What writes the lines of the log: one JSON object each, on standard error."""
    logging.getLogger("apscheduler").setLevel(logging.CRITICAL)
    return structlog.wrap_logger(
        structlog.PrintLogger(sys.stderr),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.JSONRenderer(),
        ],
    )
