"""The worker as a process of its own, before a real mail server: it sends, is seen to live, stops, tells no secrets."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from employers import bring
from looking import look
from sink import ADDRESS, Sink, eventually

from states import EMPLOYER_COUPLING
from workflow import Engine, open_database
from workflow.clock import SystemClock

ROOT = Path(__file__).parents[2]
APPLICANT = "salaris01@example.com"
PERSONAL = (APPLICANT, "salaris01", "Verzonnen", "999900110", "koppeling.tst21", "Fictief", "asr@example.org")


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


def prepare(url: str, cases: int) -> list[str]:
    """So many cases that were registered just now, each with three letters that wait."""
    database = open_database(url)
    engine = Engine(database, EMPLOYER_COUPLING, clock=SystemClock())
    made = [bring(engine, "registered") for _ in range(cases)]
    database.dispose()
    return made


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "scripts", *words]


def start(environ: dict[str, str], *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command("worker", *words), cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def stop(worker: subprocess.Popen[str], how: signal.Signals = signal.SIGTERM) -> tuple[int, float, str, str]:
    """Ask a worker to stop: its exit code, how long it took, and what it said."""
    asked = time.monotonic()
    worker.send_signal(how)
    try:
        out, said = worker.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        worker.kill()
        worker.communicate()
        raise
    return worker.returncode, time.monotonic() - asked, out, said


def has(url: str, sql: str) -> bool:
    return bool(look(url, sql))


def log(said: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in said.splitlines()]


def sending(environ: dict[str, str], sink: Sink) -> dict[str, str]:
    return environ | {"SCHAKEL_SMTP_URL": f"smtp://{ADDRESS}:{sink.port}"}


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_it_sends_beats_its_heart_and_stops_when_it_is_told_to(
    url: str, environ: dict[str, str], how: signal.Signals
) -> None:
    prepare(url, 4)

    with Sink() as sink:
        worker = start(sending(environ, sink), "--name", "nacht")
        all_came = sink.wait_for(lambda: len(sink.letters) == 12 or worker.poll() is not None)
        beats = eventually(lambda: has(url, "SELECT * FROM workers WHERE name = 'nacht' AND stopped_at IS NULL"))
        code, seconds, out, said = stop(worker, how)

    assert all_came, said
    assert beats
    assert (code, out) == (0, ""), said
    assert seconds < 10
    assert max(sink.copies().values()) == 1
    (row,) = look(url, "SELECT * FROM workers")
    assert row["stopped_at"] is not None
    assert Counter(row["state"] for row in look(url, "SELECT state FROM outbox")) == {"sent": 12}


def test_it_logs_json_lines_without_personal_values(url: str, environ: dict[str, str]) -> None:
    cases = prepare(url, 2)

    with Sink(answers={APPLICANT: f"550 <{APPLICANT}> B. Verzonnen unknown"}) as sink:
        worker = start(sending(environ, sink))
        done = eventually(lambda: not has(url, "SELECT id FROM outbox WHERE state NOT IN ('sent', 'failed')"))
        _, _, _, said = stop(worker)

    lines = log(said)
    assert done, said
    assert [lines[0]["event"], lines[-1]["event"]] == ["started", "stopped"]
    assert any(line["event"] == "pass" and line["job"] == "delivery" for line in lines)
    assert all({"event", "level", "timestamp", "worker"} <= set(line) for line in lines)
    assert not [word for word in PERSONAL if word in said]
    assert len(cases) == 2


def test_without_a_server_it_says_so_and_letters_stay_pending(url: str, environ: dict[str, str]) -> None:
    prepare(url, 1)

    worker = start(environ)
    alive = eventually(lambda: has(url, "SELECT * FROM workers"))
    code, _, _, said = stop(worker) if alive else (None, 0, "", "")

    assert (alive, code) == (True, 0)
    assert "SCHAKEL_SMTP_URL" in log(said)[0]["mail"]
    assert Counter(row["state"] for row in look(url, "SELECT state FROM outbox")) == {"pending": 3}


def test_a_pass_over_a_server_that_is_down_does_not_end_it(url: str, environ: dict[str, str]) -> None:
    prepare(url, 1)
    with Sink() as gone:
        at_nobody = sending(environ, gone)

    worker = start(at_nobody)
    tried = eventually(lambda: has(url, "SELECT * FROM outbox_attempts"))
    runs = worker.poll() is None
    code, _, _, said = stop(worker)

    assert (tried, runs, code) == (True, True, 0), said


def test_two_workers_at_once_send_each_letter_once(url: str, environ: dict[str, str]) -> None:
    prepare(url, 30)

    with Sink() as sink, ExitStack() as stack:
        workers = [stack.enter_context(start(sending(environ, sink), "--name", name)) for name in ("een", "twee")]
        came = sink.wait_for(lambda: len(sink.letters) >= 90)
        both = eventually(lambda: len(look(url, "SELECT * FROM workers")) == 2)
        ends = [stop(worker)[0] for worker in workers]

    assert (came, both, ends) == (True, True, [0, 0])
    assert len(sink.copies()) == 90
    assert max(sink.copies().values()) == 1
    assert Counter(row["state"] for row in look(url, "SELECT state FROM outbox")) == {"sent": 90}


def test_a_tick_does_one_pass_and_says_what_it_did(url: str, environ: dict[str, str]) -> None:
    prepare(url, 2)

    with Sink() as sink:
        done = subprocess.run(
            command("tick", "--json"), cwd=ROOT, env=sending(environ, sink), capture_output=True, text=True, check=False
        )

    told = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert (told["reminders"], told["escalations"]) == (0, 0)
    assert (told["letters"]["sent"], told["letters"]["pending"]) == (6, 0)
    assert len(sink.letters) == 6


def test_a_heart_that_beats_is_younger_than_the_worker_that_started(url: str, environ: dict[str, str]) -> None:
    worker = start(environ)
    alive = eventually(lambda: has(url, "SELECT * FROM workers"))
    code, *_ = stop(worker)

    (row,) = look(url, "SELECT * FROM workers")
    seen = row["seen_at"] if isinstance(row["seen_at"], datetime) else datetime.fromisoformat(row["seen_at"])
    assert (alive, code) == (True, 0)
    assert datetime.now(UTC) - seen < timedelta(minutes=2)
