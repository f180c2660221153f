"""What a worker tells Prometheus agrees with what the commands say, and never keeps the worker from its work."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event

import psycopg
import pytest
from employers import bring
from prometheus_client.parser import text_string_to_metric_families
from sink import eventually

from scripts.metrics import KEPT_FOR, serve
from scripts.wiring import Session
from scripts.worker import Worker
from tests.scripts.desk import Desk
from workflow import Database, Engine
from workflow.clock import SetClock
from workflow.storage import counting, shift

ROOT = Path(__file__).parents[2]
Samples = dict[tuple[str, str], float]


@pytest.fixture
def at(url: str, tmp_path: Path, clock: SetClock) -> Desk:
    """A command line on either database, with a signing key."""
    settings = tmp_path / "schakel.toml"
    settings.touch()
    desk = Desk(
        {
            "SCHAKEL_DATABASE_URL": url,
            "SCHAKEL_SETTINGS": str(settings),
            "SCHAKEL_SIGNING_KEY": str(tmp_path / "signing.key"),
            "SCHAKEL_ACTOR": "anna",
        },
        clock,
    )
    assert desk.run("init").exit_code == 0
    return desk


@contextmanager
def scraped(desk: Desk, failed: Mapping[str, int] | None = None) -> Iterator[Callable[[], Samples]]:
    """Ask a worker that serves its metrics; samples by name and label."""
    session, port = Session(desk.environ, clock=desk.clock), free_port()
    stop = serve(session, "127.0.0.1", port, failed or {})

    def ask() -> Samples:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
        families = text_string_to_metric_families(text)
        return {(one.name, next(iter(one.labels.values()), "")): one.value for f in families for one in f.samples}

    try:
        yield ask
    finally:
        stop()
        session.database.dispose()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_it_says_what_list_doctor_and_mail_list_say(at: Desk, engine: Engine, clock: SetClock) -> None:
    for state, many in {"rights_pending": 3, "registered": 2, "enriched": 1, "confirmed": 1}.items():
        for _ in range(many):
            bring(engine, state)
    clock.moment += timedelta(days=20)

    with scraped(at) as ask:
        found = ask()

    listed, late, mail = at.ask("list"), at.ask("list --overdue"), at.ask("mail list")
    for state in ("rights_pending", "registered", "enriched", "keylane_configuring", "confirmed", "withdrawn"):
        assert found["schakel_cases", state] == sum(case["state"] == state for case in listed)
    for holder in ("applicant", "asr", "keylane"):
        assert found["schakel_cases_overdue", holder] == sum(case["holder"] == holder for case in late)
    assert sum(case["overdue"] for case in listed) == 6
    waiting = sum(letter["state"] == "pending" for letter in mail)
    assert found["schakel_letters", "pending"] + found["schakel_letters", "no_address"] == waiting > 0
    assert found["schakel_up", ""] == 1


def test_the_alerts_of_the_documents_ask_for_what_is_told(at: Desk, engine: Engine) -> None:
    bring(engine, "registered")
    assert at.run("tick").exit_code == 0
    with engine.database.writing() as store:
        shift.begin(store, "nr-1", at.clock.now())
    with scraped(at, {"timers": 0}) as ask:
        told = ask()
    rules = re.findall(r"alert: .*", (ROOT / "docs" / "deployment.md").read_text("utf-8"))

    names = {name for rule in rules for name in re.findall(r"schakel_\w+", rule)}
    states = {state for rule in rules for found in re.findall(r"state=~?'([^']+)'", rule) for state in found.split("|")}
    assert (len(names), names - {name for name, _ in told}) == (9, set())
    assert states - {label for name, label in told if name == "schakel_letters"} == set()


def test_what_waits_for_an_address_is_told_apart_from_what_waits_for_a_server(at: Desk, engine: Engine) -> None:
    bring(engine, "registered")  # two letters to the applicant, one to a.s.r.

    with scraped(at) as ask:
        without = ask()
    at.environ["SCHAKEL_MAIL_ASR"] = "asr@example.org"
    with scraped(at) as ask:
        known = ask()

    waiting = [(told["schakel_letters", "pending"], told["schakel_letters", "no_address"]) for told in (without, known)]
    assert waiting == [(2, 1), (3, 0)]


def test_ages_and_what_waits_go_down_when_a_pass_was_made(at: Desk, engine: Engine, clock: SetClock) -> None:
    bring(engine, "registered")
    clock.moment += timedelta(days=8)

    with scraped(at) as ask:
        before = ask()
        assert at.run("tick").exit_code == 0
        after = ask()
        clock.moment += timedelta(minutes=5)
        later = ask()

    assert before["schakel_unsequenced_events", ""] == 2
    assert before["schakel_oldest_due_timer_seconds", ""] > 3600
    assert ("schakel_checkpoint_age_seconds", "") not in before
    assert (after["schakel_unsequenced_events", ""], after["schakel_oldest_due_timer_seconds", ""]) == (0, 0)
    assert (after["schakel_checkpoint_age_seconds", ""], later["schakel_checkpoint_age_seconds", ""]) == (0, 300)


def test_what_a_clock_that_ran_ahead_left_is_no_sign_of_life(at: Desk, database: Database, clock: SetClock) -> None:
    def beat(name: str) -> None:
        with database.writing() as store:
            shift.begin(store, name, clock.now())

    clock.moment += timedelta(days=3)
    at.ask("audit checkpoint")
    beat("ahead")
    clock.moment -= timedelta(days=3)

    with scraped(at) as ask:
        ahead = ask()
        beat("right")
        clock.moment += timedelta(minutes=2)
        right = ask()

    for age in ("schakel_checkpoint_age_seconds", "schakel_heartbeat_age_seconds"):
        assert ahead[age, ""] == 3 * 86_400
    assert right["schakel_heartbeat_age_seconds", ""] == 120
    assert right["schakel_oldest_due_timer_seconds", ""] == 0


def test_each_worker_is_told_until_it_stops_or_is_long_gone(at: Desk, database: Database, clock: SetClock) -> None:
    def ages() -> dict[str, float]:
        name = "schakel_worker_heartbeat_age_seconds"
        return {label: value for (told, label), value in ask().items() if told == name}

    with database.writing() as store:
        for name in ("nr-1", "nr-2", "nr-3"):
            shift.begin(store, name, clock.now())
        shift.begin_tick(store, "cron", clock.now())
        shift.beat(store, "nr-3", clock.now(), stopped=True)
    clock.moment += timedelta(minutes=10)
    with database.writing() as store:
        shift.beat(store, "nr-1", clock.now())

    with scraped(at) as ask:
        one_is_silent = ages()
        clock.moment += timedelta(minutes=51)
        it_is_gone = ages()

    assert one_is_silent == {"nr-1": 0, "nr-2": 600}
    assert it_is_gone == {"nr-1": 51 * 60}


def test_what_waits_longest_is_told_and_not_what_waits_for_an_address(
    at: Desk, engine: Engine, clock: SetClock
) -> None:
    bring(engine, "registered")  # two letters to the applicant, one to a.s.r.
    clock.moment += timedelta(hours=2)
    bring(engine, "rights_pending")
    name = ("schakel_letters_oldest_pending_seconds", "")

    with scraped(at) as ask:
        waiting = ask()[name]
        with engine.database.writing() as store:
            store.execute("UPDATE outbox SET recipient = NULL")
        none_waits = ask()[name]

    assert (waiting, none_waits) == (7200, 0)


def test_how_often_a_pass_failed_is_told_also_while_the_database_is_away(at: Desk) -> None:
    session = Session(at.environ, clock=at.clock)
    work = Worker(session)
    with session.database.writing() as store:
        store.execute("ALTER TABLE workers RENAME TO away")
    with scraped(at, work.failed) as ask:
        before = ask()
        work._guarded("heartbeat")
        work._guarded("heartbeat")
        after = ask()
    session.database.dispose()

    counts = [told["schakel_passes_failed_total", "heartbeat"] for told in (before, after)]
    assert (counts, after["schakel_passes_failed_total", "timers"], after["schakel_up", ""]) == ([0, 2], 0, 0)


def test_all_cases_are_counted_again_after_a_minute_and_not_before(at: Desk, engine: Engine, clock: SetClock) -> None:
    with scraped(at) as ask:
        assert ask()["schakel_cases", "rights_pending"] == 0
        bring(engine, "rights_pending")
        assert ask()["schakel_cases", "rights_pending"] == 0
        clock.moment += KEPT_FOR
        assert ask()["schakel_cases", "rights_pending"] == 1


def test_while_the_cases_are_being_counted_all_else_is_told_with_their_count_of_before(
    at: Desk, engine: Engine, clock: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each alert would begin anew each minute, once that takes longer than a scrape waits."""
    may_count, count = Event(), counting.cases_by_state
    monkeypatch.setattr(counting, "cases_by_state", lambda store: may_count.wait(60) and count(store))
    monkeypatch.setattr("scripts.metrics._PATIENCE", 1.0)
    counted = ("schakel_cases", "rights_pending")

    with scraped(at) as ask:
        first = ask()
        may_count.set()
        assert eventually(lambda: counted in ask())
        may_count.clear()
        bring(engine, "rights_pending")
        clock.moment += KEPT_FOR
        meanwhile = [ask(), ask()]
        may_count.set()
        assert eventually(lambda: ask()[counted] == 1)

    assert counted not in first
    assert [found[counted] for found in meanwhile] == [0, 0]
    for found in (first, *meanwhile):
        assert found["schakel_up", ""] == 1
        assert ("schakel_unsequenced_events", "") in found


def test_a_database_that_is_away_is_told_and_the_next_scrape_sees_it_back(at: Desk, tmp_path: Path, url: str) -> None:
    if not url.startswith("sqlite"):
        pytest.skip("a file is easily put away")
    path = Path(url.removeprefix("sqlite:///"))
    with scraped(at) as ask:
        path.rename(tmp_path / "away.db")
        gone = ask()
        (tmp_path / "away.db").rename(path)
        back = ask()

    assert gone == {("schakel_up", ""): 0.0}
    assert back["schakel_up", ""] == 1


def test_a_server_that_hangs_is_told_before_prometheus_gives_up(
    at: Desk, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    at.environ["SCHAKEL_DATABASE_URL"] = postgres_url
    with scraped(at) as ask, psycopg.connect(postgres_url, autocommit=True) as connection:
        before = ask()
        ours = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'schakel'"
        pids = [pid for (pid,) in connection.execute(ours)]
        monkeypatch.setattr("scripts.metrics._PATIENCE", 0.3)
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            hung = [ask(), ask()]  # the second finds the first still waiting
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
        monkeypatch.setattr("scripts.metrics._PATIENCE", 30)
        after = ask()

    assert (len(pids), before["schakel_up", ""], after["schakel_up", ""]) == (1, 1, 1)
    assert hung == [{("schakel_up", ""): 0.0}] * 2


def test_what_nobody_foresaw_is_not_taken_for_a_database_that_is_away(
    at: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ValueError

    with scraped(at) as ask, monkeypatch.context() as patched:
        patched.setattr("scripts.metrics.counting.oldest_timer", fail)
        with pytest.raises(urllib.error.HTTPError, match="500"):
            ask()
        patched.undo()
        assert ask()["schakel_up", ""] == 1


def test_no_personal_value_is_in_it(at: Desk, engine: Engine) -> None:
    bring(engine, "registered")
    with scraped(at) as ask:
        said = repr(ask())

    assert not [word for word in ("Werkgever", "example.com", "Verzonnen", "999900110") if word in said]


def why_it_ended(at: Desk, words: str) -> tuple[int, str]:
    """How a worker ends that cannot start, and the one line of its log."""
    result = at.run(f"worker {words}")
    (line,) = result.stderr.splitlines()
    said = json.loads(line)
    assert (said["event"], said["level"], result.stdout) == ("ended", "error", "")
    return result.exit_code, said["message"]


def test_a_port_that_is_taken_is_one_clear_error_that_may_pass_by_itself(at: Desk) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, said = why_it_ended(at, f"--metrics-port {taken.getsockname()[1]}")

    assert code == 1
    assert "cannot be served on 127.0.0.1 port" in said
    assert said.endswith("If that does not pass by itself, give another --metrics-port.")


@pytest.mark.parametrize("address", ["192.0.2.7", "2001:db8::7", "not-yet-there.invalid"])
def test_an_address_that_is_not_there_yet_may_pass_by_itself(at: Desk, address: str) -> None:
    code, said = why_it_ended(at, f"--metrics-port 9464 --metrics-address {address}")

    assert (code, address in said) == (1, True)
    assert said.endswith("If that does not pass by itself, give another --metrics-address.")


@pytest.mark.parametrize("address", ["300.1.1.1", "127.0.0.1:9464", "http://localhost", "a..b", "x" * 64])
def test_what_is_no_address_is_a_wrong_setting(at: Desk, address: str) -> None:
    code, said = why_it_ended(at, f"--metrics-port 9464 --metrics-address {address}")

    assert (code, address in said) == (2, True)
    assert said.endswith("Give another --metrics-address.")


def test_a_port_that_is_not_for_us_is_a_wrong_setting(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("scripts.metrics.start_http_server", refuse)

    code, said = why_it_ended(at, "--metrics-port 80")

    assert (code, said.endswith("Permission denied. Give another --metrics-port.")) == (2, True)


def test_an_address_without_a_port_is_refused(at: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.worker.Worker.run", lambda _: None)

    result = at.run("worker --metrics-address 127.0.0.1")

    assert (result.exit_code, "give --metrics-port too" in " ".join(result.stderr.split())) == (2, True)
