"""The worker as a process of its own, before a real mail server: it sends, is seen to live, stops, tells no secrets."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from employers import bring
from looking import bare, look
from sink import ADDRESS, PATIENCE, Sink, eventually

from scripts.wiring import Session
from scripts.worker import Worker
from states import EMPLOYER_COUPLING
from workflow import Engine, open_database
from workflow.clock import SystemClock
from workflow.errors import StoreError

ROOT = Path(__file__).parents[2]
APPLICANT = "salaris01@example.com"
PERSONAL = (APPLICANT, "salaris01", "Verzonnen", "999900110", "koppeling.tst21", "Fictief", "asr@example.org")
UNSETTLED = "SELECT id FROM outbox WHERE state NOT IN ('sent', 'failed')"
CALL = "from scripts.__main__ import main; main()"
Process = subprocess.Popen[str]
Start = Callable[..., Process]


@pytest.fixture
def environ(url: str, tmp_path: Path) -> dict[str, str]:
    """The settings of a worker, and nothing of the machine's own."""
    settings = tmp_path / "schakel.toml"
    settings.touch()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("SCHAKEL_")}
    return kept | {
        "SCHAKEL_DATABASE_URL": url,
        "SCHAKEL_SETTINGS": str(settings),
        "SCHAKEL_SIGNING_KEY": str(tmp_path / "signing.key"),
        "SCHAKEL_MAIL_FROM": "schakel@example.org",
        "SCHAKEL_MAIL_ASR": "asr@example.org",
        "SCHAKEL_ACTOR": "anna",
    }


@pytest.fixture
def start(environ: dict[str, str]) -> Iterator[Start]:
    """Starts workers, before a mail server or before none; what still runs afterwards is ended."""
    started: list[Process] = []

    def begin(sink: Sink | None, *words: str) -> Process:
        settings = environ | (sending_to(sink) if sink else {})
        piped = subprocess.PIPE
        started.append(
            subprocess.Popen(command("worker", *words), cwd=ROOT, env=settings, stdout=piped, stderr=piped, text=True)
        )
        return started[-1]

    yield begin
    for process in started:
        process.kill()
        process.communicate()


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "scripts", *words]


def sending_to(sink: Sink) -> dict[str, str]:
    return {"SCHAKEL_SMTP_URL": f"smtp://{ADDRESS}:{sink.port}"}


def prepare(url: str, cases: int) -> None:
    """So many cases that were registered just now, each with three letters that wait."""
    database = open_database(url)
    engine = Engine(database, EMPLOYER_COUPLING, clock=SystemClock())
    for _ in range(cases):
        bring(engine, "registered")
    database.dispose()


def stop(worker: Process, how: signal.Signals = signal.SIGTERM) -> tuple[int, str, str]:
    """Ask a worker to stop: its exit code, and what it wrote on both streams."""
    worker.send_signal(how)
    out, said = worker.communicate(timeout=PATIENCE)
    return worker.returncode, out, said


def has(url: str, sql: str) -> bool:
    return bool(look(url, sql))


def at_work(url: str, name: str) -> bool:
    return has(url, f"SELECT * FROM workers WHERE name = '{name}' AND stopped_at IS NULL")


def stopped(url: str) -> list[bool]:
    return [row["stopped_at"] is not None for row in look(url, "SELECT stopped_at FROM workers")]


def states(url: str) -> dict[str, int]:
    return dict(Counter(row["state"] for row in look(url, "SELECT state FROM outbox")))


def log(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines()]


# -- a process of its own --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_it_sends_is_seen_to_live_and_stops_when_it_is_told_to(url: str, start: Start, how: signal.Signals) -> None:
    prepare(url, 4)

    with Sink() as sink:
        worker = start(sink, "--name", "nacht")
        all_came = sink.wait_for(lambda: len(sink.letters) == 12)
        was_seen = at_work(url, "nacht")
        code, out, said = stop(worker, how)

    assert (all_came, was_seen) == (True, True), said
    assert (code, out) == (0, ""), said
    assert max(sink.copies().values()) == 1
    assert (stopped(url), states(url)) == ([True], {"sent": 12})


@pytest.mark.parametrize("lost", ["full disk", "no stream", "reader that left"])
def test_a_log_that_cannot_be_written_ends_no_work_and_changes_no_exit(
    url: str, environ: dict[str, str], lost: str
) -> None:
    prepare(url, 1)
    reader, writer = os.pipe()
    full = os.open("/dev/full", os.O_WRONLY)
    line = 'exec 2>&-; exec "$@"' if lost == "no stream" else 'exec "$@"'

    with Sink() as sink:
        worker = subprocess.Popen(
            ["/bin/sh", "-c", line, "sh", *command("worker", "--name", "nacht")],
            cwd=ROOT, env=environ | sending_to(sink), stdout=subprocess.PIPE, text=True,
            stderr=writer if lost == "reader that left" else full,
        )  # fmt: skip
        for end in (reader, writer, full):
            os.close(end)
        all_came = sink.wait_for(lambda: len(sink.letters) == 3)
        was_seen = at_work(url, "nacht")
        code, out, _ = stop(worker)

    assert (all_came, was_seen, code, out) == (True, True, 0, "")
    assert stopped(url) == [True]


def test_with_json_it_tells_once_when_it_began_and_stopped(url: str, start: Start) -> None:
    worker = start(None, "--name", "nacht", "--json")
    is_there = eventually(lambda: at_work(url, "nacht"))
    code, out, said = stop(worker)

    told = json.loads(out)
    assert (is_there, code, log(said)[-1]["event"]) == (True, 0, "stopped"), said
    assert list(told) == ["worker", "started_at", "stopped_at"]
    assert (told["worker"], told["started_at"] < told["stopped_at"]) == ("nacht", True)


def test_an_error_of_a_worker_is_a_document_too(start: Start) -> None:
    out, _ = start(None, "--json", "--metrics-port", "70000").communicate(timeout=PATIENCE)

    told = json.loads(out)
    assert (told["error"], "--metrics-port" in told["message"]) == ("usage", True)


def test_it_logs_json_lines_without_personal_values(url: str, start: Start) -> None:
    prepare(url, 2)

    with Sink(answers={APPLICANT: f"550 <{APPLICANT}> B. Verzonnen unknown"}) as sink:
        worker = start(sink)
        done = eventually(lambda: not has(url, UNSETTLED))
        _, _, said = stop(worker)

    lines = log(said)
    assert done, said
    assert [lines[0]["event"], lines[-1]["event"]] == ["started", "stopped"]
    (sent,) = (line for line in lines if line["event"] == "pass" and line["job"] == "delivery")
    assert (sent["sent"], sent["failed"]) == (2, 4)
    assert all({"event", "level", "timestamp", "worker"} <= set(line) for line in lines)
    assert not [word for word in PERSONAL if word in said]


def test_it_answers_prometheus_while_it_works_and_no_longer(url: str, start: Start) -> None:
    prepare(url, 2)
    with socket.socket() as probe:
        probe.bind((ADDRESS, 0))
        port = probe.getsockname()[1]

    with Sink() as sink:
        worker = start(sink, "--metrics-port", str(port))
        all_came = sink.wait_for(lambda: len(sink.letters) == 6)
        with urllib.request.urlopen(f"http://{ADDRESS}:{port}/metrics", timeout=10) as answer:
            told = answer.read().decode()
        code, _, said = stop(worker)

    assert (all_came, code) == (True, 0), said
    assert 'schakel_cases{state="registered"} 2.0' in told
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://{ADDRESS}:{port}/metrics", timeout=10)


def test_without_a_server_it_says_so_and_letters_stay_pending(url: str, start: Start) -> None:
    prepare(url, 1)

    worker = start(None)
    is_there = eventually(lambda: has(url, "SELECT * FROM workers"))
    code, _, said = stop(worker)

    assert (is_there, code) == (True, 0), said
    assert "SCHAKEL_SMTP_URL" in log(said)[0]["mail"]
    assert states(url) == {"pending": 3}


def test_a_server_that_is_down_does_not_end_it(url: str, start: Start) -> None:
    prepare(url, 1)
    with Sink() as gone:
        pass

    worker = start(gone)
    has_tried = eventually(lambda: has(url, "SELECT * FROM outbox_attempts"))
    still_runs = worker.poll() is None
    code, _, said = stop(worker)

    assert (has_tried, still_runs, code) == (True, True, 0), said
    assert states(url) == {"pending": 3}


def test_two_at_once_send_each_letter_once(url: str, start: Start) -> None:
    prepare(url, 70)

    with Sink() as sink:
        workers = [start(sink, "--name", name) for name in ("een", "twee")]
        all_came = sink.wait_for(lambda: len(sink.letters) >= 210)
        both = eventually(lambda: len(look(url, "SELECT * FROM workers")) == 2)
        ends = [stop(worker)[0] for worker in workers]

    assert (all_came, both, ends) == (True, True, [0, 0])
    assert len(sink.copies()) == len(sink.letters) == 210
    assert (stopped(url), states(url)) == ([True, True], {"sent": 210})


class _Interrupting(Sink):
    """Asks the worker to stop while it waits for the answer to its first letter."""

    worker: Process | None = None

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if self.worker is not None:
            self.worker.send_signal(signal.SIGTERM)
            self.worker = None
        return await super().handle_DATA(server, session, envelope)


def test_asked_to_stop_it_finishes_the_letters_in_hand_and_leaves_the_rest(url: str, start: Start) -> None:
    prepare(url, 30)

    with _Interrupting() as sink:
        sink.worker = start(sink)
        out, said = sink.worker.communicate(timeout=PATIENCE) if sink.worker else ("", "")

    left = states(url)
    assert (log(said)[-1]["event"], out, stopped(url)) == ("stopped", "", [True])
    assert set(left) == {"sent", "pending"}, "a letter was claimed or sent, but never settled"
    assert left["sent"] == len(sink.letters) == len(sink.copies())
    assert left["sent"] <= 20, "it went on with other letters"


@pytest.mark.parametrize("url", ["sqlite"], indirect=True)
def test_a_clock_that_is_set_back_stops_no_work(url: str, environ: dict[str, str], tmp_path: Path) -> None:
    prepare(url, 1)
    offset = tmp_path / "offset"
    offset.write_text("3600")
    call = f"""if True:
        import datetime, pathlib
        from apscheduler.schedulers import base
        from apscheduler.triggers import interval
        from workflow import clock
        def ahead(): return float(pathlib.Path({str(offset)!r}).read_text())
        class Moved(datetime.datetime):
            @classmethod
            def now(cls, tz=None): return datetime.datetime.now(tz) + datetime.timedelta(seconds=ahead())
        base.datetime = interval.datetime = clock.datetime = Moved
        {CALL}"""
    words = [sys.executable, "-c", call, "worker"]
    worker = subprocess.Popen(words, cwd=ROOT, env=environ, stderr=subprocess.PIPE, text=True)
    sealed = "SELECT * FROM leaves"
    assert eventually(lambda: has(url, sealed))
    threading.Event().wait(1)  # all jobs wait for their second turn by now

    offset.write_text("0")
    threading.Event().wait(1)
    prepare(url, 1)
    before = len(look(url, sealed))
    goes_on = eventually(lambda: len(look(url, sealed)) > before)
    _, _, said = stop(worker)

    assert goes_on, said
    assert [line["seconds"] for line in log(said) if line["event"] == "the clock was set back"] == [3600]


def test_asked_to_stop_a_tick_finishes_the_letters_in_hand_and_leaves_the_rest(
    url: str, environ: dict[str, str]
) -> None:
    prepare(url, 30)

    with _Interrupting() as sink:
        settings = environ | sending_to(sink)
        sink.worker = subprocess.Popen(
            command("tick", "--json"), cwd=ROOT, env=settings, stdout=subprocess.PIPE, text=True
        )
        ticking = sink.worker
        out, _ = ticking.communicate(timeout=PATIENCE)

    left = states(url)
    assert (ticking.returncode, json.loads(out)["letters"]["sent"]) == (143, left["sent"])
    assert set(left) == {"sent", "pending"}, "a letter was claimed or sent, but never settled"
    assert left["sent"] == len(sink.letters) == len(sink.copies()) <= 20


def test_a_tick_says_on_standard_error_why_letters_did_not_go(url: str, environ: dict[str, str]) -> None:
    prepare(url, 1)
    run = {"cwd": ROOT, "capture_output": True, "text": True}

    with Sink() as gone:
        pass
    down = subprocess.run(command("tick"), check=False, env=environ | sending_to(gone), **run)
    with Sink(answers={"asr@example.org": "550 no such user"}) as sink:
        refused = subprocess.run(command("tick"), check=False, env=environ | sending_to(sink), **run)

    assert (down.returncode, refused.returncode) == (0, 0)
    assert "Letters are to be tried again; the first at connect:" in " ".join(down.stderr.split())
    assert "Letters failed; the first at rcpt: 550. Next: schakel mail list" in " ".join(refused.stderr.split())


def test_a_pass_that_fails_in_the_same_way_is_told_once_and_when_it_works_again(
    environ: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    session = Session(environ)
    worker = Worker(session, "nr-1")
    faults = [StoreError("gone"), StoreError("gone"), ValueError("hidden"), None, None, StoreError("gone")]

    def job() -> bool:
        if fault := faults.pop(0):
            raise fault
        return False

    worker._jobs["timers"] = (20, job)
    for _ in range(6):
        worker._guarded("timers")
    session.close()

    told = [(line["event"], line.get("error"), line.get("message")) for line in log(capsys.readouterr().err)]
    failed = ("pass failed", "StoreError", "gone")
    assert told == [failed, ("pass failed", "ValueError", None), ("pass works again", None, None), failed]


def test_the_log_says_where_letters_end_and_by_which_answer(url: str, start: Start) -> None:
    prepare(url, 1)

    with Sink(answers={"asr@example.org": "550 no such user asr@example.org"}) as sink:
        worker = start(sink)
        sink.wait_for(lambda: len(sink.letters) == 2)
        eventually(lambda: "failed" in states(url))
        _, _, said = stop(worker)

    (told,) = (line for line in log(said) if line.get("job") == "delivery")
    assert (told["level"], told["failed"], told["why"]) == ("warning", 1, {"failed": "rcpt 550"})


def test_a_tick_does_one_pass_and_says_what_it_did(url: str, environ: dict[str, str]) -> None:
    prepare(url, 2)

    with Sink() as sink:
        settings = environ | sending_to(sink)
        done = subprocess.run(command("tick", "--json"), cwd=ROOT, env=settings, capture_output=True, check=False)

    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert (told["reminders"], told["escalations"]) == (0, 0)
    assert (told["letters"]["sent"], told["letters"]["pending"]) == (6, 0)
    assert len(sink.letters) == 6


def test_a_part_of_a_tick_that_fails_keeps_the_others_from_nothing(url: str, environ: dict[str, str]) -> None:
    prepare(url, 1)
    with bare(url) as connection:  # its rung is due, and no version knows where it hangs
        connection.execute("UPDATE cases SET state = 'a_state_of_before'")
        connection.execute("UPDATE timers SET due_at = '2026-01-05T08:00:00.000000Z'")

    with Sink() as sink:
        settings = environ | sending_to(sink)
        code = f"import scripts.passes, workflow.reminders as r; r.kinds_at = lambda *_: tuple(r.TimerKind); {CALL}"
        done = subprocess.run(
            [sys.executable, "-c", code, "tick"], cwd=ROOT, env=settings, capture_output=True, check=False
        )

    assert done.returncode == 1
    assert len(sink.letters) == 3
    assert has(url, "SELECT id FROM leaves")


SEALED = (
    "SELECT leaves.id FROM leaves JOIN events ON events.case_id = leaves.case_id AND events.seq = leaves.seq"
    " WHERE events.kind = 'letter_sent'"
)


class _Waiting(Sink):
    """Takes the first letter at once, and each other when it was sealed that the first was sent; or after a while."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url, self.is_first = url, True
        self.were_sealed: list[bool] = []

    async def handle_DATA(self, *words: Any) -> str:
        if self.is_first:
            self.is_first = False
        else:
            self.were_sealed.append(await asyncio.to_thread(eventually, lambda: has(self.url, SEALED), 15))
        return await super().handle_DATA(*words)


def test_events_are_sealed_while_other_letters_of_the_first_pass_are_on_their_way(url: str, start: Start) -> None:
    prepare(url, 2)

    with _Waiting(url) as sink:
        worker = start(sink)
        all_came = sink.wait_for(lambda: len(sink.letters) == 6)
        stop(worker)

    assert all_came
    assert sink.were_sealed == [True] * 5


# -- asked to stop at any moment -------------------------------------------------------------------------------------


class NobodyHeard(Exception):
    """The worker was to be seen already, but a signal would have ended it."""


@pytest.fixture
def signals() -> Iterator[None]:
    """Signals that no worker takes are an error; afterwards the tests have their own back."""

    def unheard(_number: int, _frame: object) -> None:
        raise NobodyHeard

    before = {wanted: signal.signal(wanted, unheard) for wanted in (signal.SIGTERM, signal.SIGINT)}
    yield
    for wanted, handler in before.items():
        signal.signal(wanted, handler)


def test_a_signal_that_another_thread_gets_stops_it_too(
    url: str, environ: dict[str, str], signals: None, capsys: pytest.CaptureFixture[str]
) -> None:
    session, main = Session(environ), threading.main_thread().ident
    assert main is not None
    late = threading.Timer(PATIENCE, signal.pthread_kill, (main, signal.SIGTERM))
    late.start()

    def ask() -> None:
        eventually(lambda: has(url, "SELECT * FROM workers"))
        threading.Event().wait(1)  # the main thread waits by now
        signal.pthread_kill(threading.get_ident(), signal.SIGTERM)

    asking = threading.Thread(target=ask)
    asking.start()
    Worker(session, "nr-1").run()
    in_time = late.is_alive()
    late.cancel()
    asking.join()
    session.close()

    assert in_time
    assert log(capsys.readouterr().err)[-1]["event"] == "stopped"


def test_asked_to_stop_before_any_statement_of_its_first_pass_it_says_that_it_stopped(
    url: str, environ: dict[str, str], signals: None, capsys: pytest.CaptureFixture[str]
) -> None:
    for fatal in range(1, 13):
        session, seen = Session(environ), 0

        def failpoint(_sql: str, fatal: int = fatal) -> None:
            nonlocal seen
            seen += 1
            if seen == fatal:
                os.kill(os.getpid(), signal.SIGTERM)

        session.database.failpoint = failpoint
        Worker(session, f"nr-{fatal}").run()
        session.close()

        assert log(capsys.readouterr().err)[-1]["event"] == "stopped", fatal
    assert stopped(url) == [True] * 12


def test_a_signing_key_that_is_none_ends_it_before_it_begins(url: str, environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "signing.key").write_text("")

    run = {"cwd": ROOT, "env": environ, "capture_output": True, "text": True, "timeout": PATIENCE}
    ended = subprocess.run(command("worker"), check=False, **run)

    assert (ended.returncode, look(url, "SELECT * FROM workers")) == (2, [])
    assert "is not a signing key" in " ".join(ended.stderr.split())


def test_asked_to_stop_while_the_database_is_gone_it_says_so_and_stops(
    environ: dict[str, str], signals: None, capsys: pytest.CaptureFixture[str]
) -> None:
    session, is_gone = Session(environ), False

    def failpoint(sql: str) -> None:
        nonlocal is_gone
        if is_gone:
            os.kill(os.getpid(), signal.SIGTERM)
            raise OSError("the database is gone")
        is_gone = sql == "COMMIT"  # of noting that it began

    session.database.failpoint = failpoint
    Worker(session, "nr-1").run()
    session.close()

    lines = log(capsys.readouterr().err)
    assert [line["event"] for line in lines[-2:]] == ["could not note that it stopped", "stopped"]
    assert lines[-2]["level"] == "error"
