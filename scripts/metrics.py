"""What a worker tells Prometheus of the whole: counts and ages, read at each scrape; never a value of a case."""

from __future__ import annotations

import errno
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from datetime import datetime, timedelta
from ipaddress import ip_address
from threading import Lock, Thread
from time import monotonic
from typing import Generic, TypeVar

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from scripts.mail_settings import desk_of
from scripts.wiring import Session
from workflow.definition import Definition
from workflow.errors import SchakelError, UsageError
from workflow.storage import counting, ledger, letters, shift
from workflow.storage.erasing import erased_by_state
from workflow.storage.letter_states import LetterState
from workflow.storage.store import Store

KEPT_FOR = timedelta(minutes=1)
"""How long the count of all cases is used again: it is the one thing here that reads an index from end to end."""
_PATIENCE = 4.0
"""Seconds that a scrape waits for the database; Prometheus gives up after ten, and then learns nothing at all."""
_FORGOTTEN = timedelta(hours=1)
"""A worker that was last seen so long ago is told no more: else each that was ever killed would be, for good."""
_MOST_WORKERS = 100
_NAME = re.compile(r"[\w.-]*[^\W\d][\w.-]*")
"""What can be the name of a machine: digits and points alone are an address, or none."""
Gauge = GaugeMetricFamily
T = TypeVar("T")


class Look(Generic[T]):
    """Something that is read in a thread of its own.

    Whoever waits for a server that hangs cannot be ended: he is left to wait, and nobody begins beside him.
    """

    def __init__(self, read: Callable[[], T]) -> None:
        self._read = read
        self._turn = Lock()

    def until(self, moment: float) -> T | None:
        """What there is to tell; None when the database keeps silent, to this scrape or still to an earlier one."""
        if not self._turn.acquire(timeout=max(0.0, moment - monotonic())):
            return None
        answer: Future[T] = Future()

        def look() -> None:
            try:
                answer.set_result(self._read())
            except Exception as error:  # noqa: BLE001  (it is raised where it is waited for)
                answer.set_exception(error)
            finally:
                self._turn.release()

        Thread(target=look, daemon=True).start()
        try:
            return answer.result(max(0.0, moment - monotonic()))
        except TimeoutError:
            return None


class Watch(Collector):
    """Reads everything in one transaction a scrape, but for the count of all cases; of a database that cannot be read
    it says only that."""

    def __init__(self, session: Session, failed: Mapping[str, int]) -> None:
        self._session = session
        self._failed = failed
        self._all = Look(self._look)
        self._count = Look(self._count_cases)
        self._counted: tuple[datetime, Mapping[str, int]] | None = None

    def describe(self) -> Iterator[Gauge]:
        """Nothing: so that registering reads no database."""
        return iter(())

    def collect(self) -> Iterator[Gauge | CounterMetricFamily]:
        """The gauges of this moment; cases as they were counted last, while counting them anew takes longer."""
        until = monotonic() + _PATIENCE
        failed = CounterMetricFamily("schakel_passes_failed", "Passes of this worker that failed.", labels=["job"])
        for job, count in self._failed.items():
            failed.add_metric([job], count)
        yield failed
        found = self._all.until(until)
        yield Gauge("schakel_up", "Whether the database could be read.", value=float(bool(found)))
        if not found:
            return
        if (counted := self._counted) is None or abs(self._session.clock.now() - counted[0]) >= KEPT_FOR:
            self._count.until(until)
        if counted := self._counted:
            yield _each("schakel_cases", "Cases in a state.", "state", counted[1])
        yield from found

    def _look(self) -> list[Gauge]:
        try:
            now = self._session.clock.now()
            with self._session.database.reading() as store:
                return list(self._read(store, now))
        except SchakelError:
            return []

    def _count_cases(self) -> None:
        try:
            with self._session.database.reading() as store:
                found = counting.cases_by_state(store)
        except SchakelError:
            self._counted = None
            return
        states = self._session.definition.states
        self._counted = (self._session.clock.now(), {state.name: found.get(state.name, 0) for state in states})

    def _read(self, store: Store, now: datetime) -> Iterator[Gauge]:
        definition = self._session.definition
        overdue = _by_holder(definition, counting.overdue_by_state(store, now))
        yield _each("schakel_cases_overdue", "Overdue cases, by who has the ball.", "holder", overdue)
        found = _letters(store, self._session)
        yield _each("schakel_letters", "Letters that were not simply sent, by state.", "state", found)
        yield _late(
            "schakel_oldest_due_timer_seconds", "How late the oldest timer is.", counting.oldest_timer(store), now
        )
        oldest = counting.oldest_pending(store)
        yield _late("schakel_letters_oldest_pending_seconds", "How long a letter has waited at most.", oldest, now)
        yield Gauge("schakel_unsequenced_events", "Events without a leaf.", value=ledger.waiting(store))
        if last := ledger.last_checkpoint(store):
            yield _age("schakel_checkpoint_age_seconds", "Age of the last checkpoint.", last.at, now)
        if ages := {beat: abs(now - beat.seen_at) for beat in shift.heartbeats(store) if beat.stopped_at is None}:
            nearest = min(ages, key=ages.__getitem__)
            yield _age("schakel_heartbeat_age_seconds", "Since a worker was last seen.", nearest.seen_at, now)
            known = [beat for beat, age in ages.items() if age <= _FORGOTTEN and not beat.is_tick][:_MOST_WORKERS]
            each = {beat.name: ages[beat].total_seconds() for beat in known}
            says = "Since each worker was last seen that did not stop."
            yield _each("schakel_worker_heartbeat_age_seconds", says, "worker", each)


def serve(session: Session, address: str, port: int, failed: Mapping[str, int]) -> Callable[[], None]:
    """Answer on http://ADDRESS:PORT/metrics from a thread of its own, also how often a job `failed`; how to stop.

    Raises UsageError: never on this address or port; SchakelError: not at this moment, which may pass by itself.
    """
    registry = CollectorRegistry()
    registry.register(Watch(session, failed))
    try:
        server, thread = start_http_server(port, address, registry)
    except (OSError, ValueError) as error:  # ValueError: it cannot even be asked for
        raise _unserved(address, port, error) from None

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join(timeout=5)

    return stop


def _unserved(address: str, port: int, error: OSError | ValueError) -> SchakelError:
    """Why metrics cannot be served. A service manager tries again what is no UsageError."""
    where = f"Metrics cannot be served on {address} port {port}"
    if not isinstance(error, OSError) or not _can_be_an_address(address):
        return UsageError(f"{where}: this is no address. Give another --metrics-address.")
    said = f"{where}: {error.strerror or error}."
    if error.errno in (errno.EACCES, errno.EPERM):
        return UsageError(f"{said} Give another --metrics-port.")
    wrong = "port" if error.errno == errno.EADDRINUSE else "address"
    return SchakelError(f"{said} If that does not pass by itself, give another --metrics-{wrong}.")


def _can_be_an_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return _NAME.fullmatch(text) is not None
    return True


def _letters(store: Store, session: Session) -> Mapping[str, int]:
    """By state; of those that failed or are unknown not the erased ones, about which nothing can be done.

    What waits for an address is told apart from what waits for a server: no server that is back helps it.
    """
    found = Counter(letters.count_unsent(store))
    found.subtract(erased_by_state(store))
    known = desk_of(session.settings).addresses  # a letter to one of these gets it at the next pass
    homeless = sum(count for role, count in letters.count_homeless(store).items() if role not in known)
    found[LetterState.PENDING] -= homeless
    states = {str(state): found[str(state)] for state in LetterState if state is not LetterState.SENT}
    return {**states, "no_address": homeless}


def _by_holder(definition: Definition, states: Mapping[str, int]) -> Mapping[str, int]:
    found = {state.holder: 0 for state in definition.states if state.holder}
    for state in definition.states:
        if state.holder:
            found[state.holder] += states.get(state.name, 0)
    return found


def _each(name: str, says: str, label: str, counts: Mapping[str, float]) -> Gauge:
    gauge = Gauge(name, says, labels=[label])
    for value, count in counts.items():
        gauge.add_metric([str(value)], count)
    return gauge


def _age(name: str, says: str, moment: datetime, now: datetime) -> Gauge:
    """A moment to come, of a clock that ran ahead, is as far off as one that was: an alert must not take it for new."""
    return Gauge(name, says, value=abs((now - moment).total_seconds()))


def _late(name: str, says: str, due: datetime | None, now: datetime) -> Gauge:
    return Gauge(name, says, value=max(0.0, (now - due).total_seconds()) if due else 0.0)
