import ctypes
import json
import os
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from aiosmtplib import SMTP, SMTPResponse
from looking import bare
from remains import rewrite
from sink import Sink, eventually
from tampering import put, run

from loket.poll import Polled
from notifications.smtp import Connection, Outcome, Phase, Reply
from notifications.tally import Delivered
from scripts import mail_settings
from scripts.passes import Pass, Passes, Sealed
from scripts.settings import load
from scripts.wiring import Session
from scripts.worker import Worker
from tests.scripts.desk import GOOD, Desk
from workflow import StoreError
from workflow.clock import AMSTERDAM, format_time
from workflow.reminders import Fired
from workflow.storage import letters, open_database, shift
from workflow.storage.compacting import VACUUM
from workflow.storage.letter_states import LetterState
from workflow.storage.shift import Heartbeat

ROOT = Path(__file__).parents[2]


def findings(desk: Desk, check: str, code: int = 0) -> list[dict[str, str]]:
    """What doctor says under one heading."""
    return [found for found in desk.ask("doctor", code=code)["checks"] if found["check"] == check]


def settle(desk: Desk, state: LetterState) -> None:
    """Give the first letter a state, as a delivery would."""
    database = open_database(desk.environ["SCHAKEL_DATABASE_URL"])
    with database.writing() as store:
        (row, *_) = letters.letters_of(store)
        assert letters.settling(store, row, state, expected=(LetterState.PENDING,), now=desk.clock.now())()
    database.dispose()


@pytest.fixture
def ready(desk: Desk) -> Desk:
    """A command line with a signing key."""
    desk.ask("init")
    return desk


def test_doctor_counts_letters_by_state(ready: Desk) -> None:
    ready.open("E06")

    said = [found["message"] for found in findings(ready, "mail")]

    assert "There is no mail server: letters wait." in said
    assert "Letters besides those that were sent: 1 pending." in said


@pytest.mark.parametrize(
    ("state", "todo"),
    [
        (LetterState.FAILED, "schakel mail list --state failed"),
        (LetterState.UNKNOWN, 'schakel mail resolve ID --sent --reason "…", or with --resend instead of --sent'),
    ],
)
def test_doctor_says_what_to_do_with_letters_that_did_not_go_out(ready: Desk, state: LetterState, todo: str) -> None:
    ready.open("E06")
    settle(ready, state)

    warned = [found for found in findings(ready, "mail") if found["message"].startswith("1 of them")]

    assert [found["result"] for found in warned] == ["warn"]
    assert todo in warned[0]["todo"]


def test_doctor_names_the_role_that_has_no_address(ready: Desk) -> None:
    case = ready.open("E06")
    ready.ask(f"advance {case}")

    said = {found["message"]: found["todo"] for found in findings(ready, "mail")}

    assert said["1 of them waits for an address of asr."] == "set mail_asr in schakel.toml"


def test_an_address_that_is_set_and_that_the_next_pass_will_give_is_not_said_to_be_missing(ready: Desk) -> None:
    case = ready.open("E06")
    ready.ask(f"advance {case}")
    ready.environ["SCHAKEL_MAIL_ASR"] = "polis@asr.example"
    (number,) = (row["id"] for row in ready.ask("mail list") if row["role"] == "asr")

    said = {found["message"]: found["result"] for found in findings(ready, "mail")}
    listed, shown = (ready.run(words).stdout for words in ("mail list", f"mail show {number}"))
    expected = {row["role"]: row["reason"] for row in ready.ask("forecast --days 1")}

    assert said["1 of them gets the address of asr at the next pass."] == "ok"
    assert not any("waits for an address" in message for message in said)
    assert "gets its addr" in listed
    assert "to asr (gets its address at the next pass)" in shown
    assert "no address" not in listed + shown
    assert expected["asr"] == "waits to be sent"
    ready.run("tick")
    assert not any("asr" in found["message"] for found in findings(ready, "mail"))


@pytest.mark.parametrize(
    "kept", [{"SCHAKEL_CHECKPOINT_FILE": "FOLDER/checkpoints"}, {"SCHAKEL_MAIL_AUDITOR": "ra@example.nl"}]
)
def test_doctor_warns_while_no_checkpoint_is_kept_outside(ready: Desk, kept: dict[str, str], tmp_path: Path) -> None:
    before = findings(ready, "outside")
    ready.run("tick")

    (warned,) = findings(ready, "outside")
    ready.environ |= {name: value.replace("FOLDER", str(tmp_path)) for name, value in kept.items()}

    assert (before, findings(ready, "outside")) == ([], [])
    assert (warned["result"], warned["todo"]) == (
        "warn",
        "set checkpoint_file or mail_auditor (docs/security.md, 'Controls')",
    )


def test_the_overview_names_no_letter_that_gets_its_address_in_the_same_pass(desk: Desk) -> None:
    desk.open("E06")
    desk.ask("advance E06")
    desk.environ["SCHAKEL_MAIL_ASR"] = "polis@asr.example"
    desk.clock.moment = datetime(2027, 1, 14, 7, 30, tzinfo=UTC)  # half past eight

    assert desk.ask("tick")["overview"]

    (written,) = [row["id"] for row in desk.ask("mail list") if row["letter"] == "daily_overview"]
    assert "op een adres" not in desk.ask(f"mail show {written}")["text"]


def test_doctor_fails_on_a_mail_server_without_a_sender(ready: Desk) -> None:
    ready.environ["SCHAKEL_SMTP_URL"] = "smtp://127.0.0.1:25"

    assert "fail" in {found["result"] for found in findings(ready, "mail", code=1)}


def test_doctor_names_each_setting_that_should_be_an_address_and_is_none(ready: Desk) -> None:
    right = {"SCHAKEL_MAIL_KEYLANE": "koppel@keylane.example", "SCHAKEL_MAIL_AUDITOR": "ra@müller.example"}
    wrong = {"MAIL_FROM": "geen adres", "MAIL_ASR": "asr example", "REPLY_TO": "team@example,com"}
    ready.environ |= {**right, **{f"SCHAKEL_{name}": value for name, value in wrong.items()}}

    failed = [found for found in findings(ready, "mail", code=1) if found["result"] == "fail"]

    assert [found["message"] for found in failed] == [
        f"{name} is not usable: {why}."
        for name, why in (
            ("mail_from", "this is not one plain e-mail address"),
            ("mail_asr", "this is not one plain e-mail address"),
            ("reply_to", "the domain of this address is not one"),
        )
    ]
    assert failed[1]["todo"] == "set it right in schakel.toml, or in SCHAKEL_MAIL_ASR"
    ready.environ |= {f"SCHAKEL_{name}": "a@example.com" for name in wrong}
    assert all(found["result"] != "fail" for found in findings(ready, "mail"))


def test_doctor_says_that_letters_wait_for_a_server_that_could_not_be_reached_in_its_last_words(
    ready: Desk, url: str
) -> None:
    ready.environ |= {"SCHAKEL_SMTP_URL": "smtp://127.0.0.1:1", "SCHAKEL_MAIL_FROM": "from@example.com"}
    ready.environ["SCHAKEL_DATABASE_URL"] = url
    ready.open("E06")
    before = findings(ready, "mail")
    ready.run("tick")
    away = findings(ready, "mail")
    words = ready.ask("mail show 1")["reason"]
    with Sink() as sink:
        ready.environ["SCHAKEL_SMTP_URL"] = f"smtp://127.0.0.1:{sink.port}"
        (said,) = [found for found in findings(ready, "mail") if "reached" in found["message"]]
        settle(ready, LetterState.SENT)
        after = findings(ready, "mail")

    assert not any("reached" in found["message"] for found in (*before, *away, *after))  # nor is it said twice
    assert words.startswith("connect: ")
    assert any(found["message"].endswith(f"would take no letter now: {words}") for found in away)
    assert said["result"] == "warn"
    assert said["message"].endswith(f"last try, at 2026-04-20 10:00: {words}")


def test_doctor_goes_as_far_as_a_letter_would_and_sends_none(ready: Desk) -> None:
    ready.environ["SCHAKEL_MAIL_FROM"] = "from@example.com"
    ready.open("E06")
    with Sink() as sink:
        said = {}
        for scheme in ("smtp", "smtps", "smtp+starttls"):
            ready.environ["SCHAKEL_SMTP_URL"] = f"{scheme}://127.0.0.1:{sink.port}"
            said[scheme] = findings(ready, "mail")[0]
        ready.environ["SCHAKEL_SMTP_URL"] = "smtp://127.0.0.1:1"
        said["closed"] = findings(ready, "mail")[0]

        where = f"The mail server 127.0.0.1 port {sink.port}"
        assert said["smtp"] == {
            "check": "mail",
            "result": "ok",
            "message": f"{where} answers in clear.",
            "todo": "",
        }
        assert said["smtps"]["message"].startswith(f"{where} would take no letter now: tls: ")
        assert said["smtp+starttls"]["message"].startswith(f"{where} would take no letter now: tls: ")
        assert "would take no letter now: connect: " in said["closed"]["message"]
        assert {said[name]["result"] for name in ("smtps", "smtp+starttls", "closed")} == {"warn"}
        assert (sink.steps, sink.letters) == (0, [])
    assert "see that it runs, and that smtp_url is right" in said["closed"]["todo"]


@pytest.mark.parametrize("limit", ["_STEP", "_IN_ALL"])
def test_a_mail_server_that_says_nothing_does_not_keep_doctor(
    ready: Desk, monkeypatch: pytest.MonkeyPatch, limit: str
) -> None:
    monkeypatch.setattr(f"scripts.mail_checkup.{limit}", 0.1)
    ready.environ["SCHAKEL_MAIL_FROM"] = "from@example.com"
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        ready.environ["SCHAKEL_SMTP_URL"] = f"smtp://127.0.0.1:{silent.getsockname()[1]}"

        said = findings(ready, "mail")[0]

    assert (said["result"], said["message"].endswith("within 0.1 seconds")) == ("warn", True), said


def test_doctor_shows_nothing_of_the_password_that_a_mail_server_refuses(
    ready: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def log_in(self: Connection) -> SMTPResponse:
        return SMTPResponse(535, "no hunter2 for me@example.com")

    async def ready_at_once(_: object) -> SMTPResponse:
        return SMTPResponse(220, "ready")

    monkeypatch.setattr(Connection, "_log_in", log_in)
    monkeypatch.setattr(SMTP, "connect", ready_at_once)
    monkeypatch.setattr(SMTP, "ehlo", ready_at_once)
    (tmp_path / "password").write_text("hunter2")
    ready.environ |= {
        "SCHAKEL_MAIL_FROM": "from@example.com",
        "SCHAKEL_SMTP_URL": "smtps://me@mail.example",
        "SCHAKEL_SMTP_PASSWORD_FILE": str(tmp_path / "password"),
    }

    said = findings(ready, "mail")[0]

    assert said["message"].endswith(
        "mail.example port 465 would take no letter now: login: 535 no ••• for m•••@example.com"
    )
    assert "smtp_password_file" in said["todo"]


@pytest.mark.parametrize(
    ("machine", "setting", "name"),
    [
        ("mail7.example.org", "", "mail7.example.org"),
        ("localhost", "", "bücher.example".encode("idna").decode()),
        ("mail7.example.org", "relay.example.org", "relay.example.org"),
    ],
)
def test_a_machine_without_a_full_name_greets_the_mail_server_by_the_domain_that_letters_come_from(
    monkeypatch: pytest.MonkeyPatch, machine: str, setting: str, name: str
) -> None:
    monkeypatch.setattr(mail_settings, "getfqdn", lambda: machine)
    mail_settings._own_name.cache_clear()
    environ = {
        "SCHAKEL_SMTP_URL": "smtp://mail.example",
        "SCHAKEL_MAIL_FROM": "us@bücher.example",
        "SCHAKEL_SMTP_HELLO_NAME": setting,
    }

    server = mail_settings.mail_server(load(environ))
    mail_settings._own_name.cache_clear()

    assert server is not None
    assert server.hello_name == name


@pytest.mark.parametrize(
    ("name", "is_warned_of"), [("mail7", True), ("mail7.example.org", False), ("[IPv6:::1]", False)]
)
def test_doctor_warns_of_a_name_that_many_mail_servers_refuse(ready: Desk, name: str, is_warned_of: bool) -> None:
    with Sink() as sink:
        url = f"smtp://127.0.0.1:{sink.port}"
        ready.environ |= {"SCHAKEL_SMTP_URL": url, "SCHAKEL_MAIL_FROM": "us@example.org"}
        ready.environ["SCHAKEL_SMTP_HELLO_NAME"] = name

        warned = [found for found in findings(ready, "mail") if "smtp_hello_name" in found["todo"]]

    assert [(one["result"], name in one["message"]) for one in warned] == [("warn", True)] * is_warned_of


def test_a_password_that_was_changed_is_used_from_the_next_pass_on(
    ready: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str | None] = []

    async def opened(connection: Connection) -> Reply:
        tried.append(connection._server.password)
        return Reply(Outcome.RETRY, Phase.LOGIN, 535, "wrong")

    monkeypatch.setattr(Connection, "open", opened)
    ready.environ |= {
        "SCHAKEL_MAIL_FROM": "from@example.com",
        "SCHAKEL_SMTP_URL": "smtps://me@mail.example",
        "SCHAKEL_SMTP_PASSWORD_FILE": str(tmp_path / "password"),
    }
    ready.open("E06")
    session = Session(environ=ready.environ, clock=ready.clock)
    passes = Passes(session)

    for password in ("old", "old", "new"):
        (tmp_path / "password").write_text(password)
        (tmp_path / "password").chmod(0o600)
        passes.deliver()
    session.close()

    assert tried == ["old", "new"]


@pytest.mark.parametrize(
    ("beats", "silent", "result", "words"),
    [
        ("none", 0, "warn", "No worker was ever seen"),
        ("alive", 4, "ok", "w1, last seen"),
        ("alive", 6, "warn", "w1 did not stop"),
        ("stopped", 1, "warn", "w1 was stopped"),
    ],
)
def test_doctor_reads_the_heartbeat(ready: Desk, beats: str, silent: int, result: str, words: str) -> None:
    database = open_database(ready.environ["SCHAKEL_DATABASE_URL"])
    if beats != "none":
        with database.writing() as store:
            shift.begin(store, "w1", ready.clock.now())
            shift.beat(store, "w1", ready.clock.now(), stopped=beats == "stopped")
    database.dispose()
    ready.clock.moment += timedelta(minutes=silent)

    (found,) = findings(ready, "worker")

    assert found["result"] == result
    assert words in found["message"]


@pytest.mark.parametrize(("silent", "result", "words"), [(59, "ok", "last ran at"), (61, "warn", "last ran at")])
def test_doctor_is_content_with_ticks_from_cron(ready: Desk, silent: int, result: str, words: str) -> None:
    ready.run("tick")
    ready.clock.moment += timedelta(minutes=silent)

    (found,) = findings(ready, "worker")

    assert found["result"] == result
    assert f"tick on {socket.gethostname()}:{os.getpid()} {words}" in found["message"]


def test_ticks_of_machines_with_another_name_each_time_leave_few_signs_of_life(
    ready: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["pod-1", "pod-2", "pod-1", "pod-3", "pod-4"]
    for name in names:
        monkeypatch.setattr(socket, "gethostname", lambda name=name: name)
        ready.run("tick")
        ready.clock.moment += timedelta(hours=16)

    (found,) = findings(ready, "worker")
    database = open_database(ready.environ["SCHAKEL_DATABASE_URL"])
    with database.reading() as store:
        known = [beat.name for beat in shift.heartbeats(store)]
    database.dispose()

    assert f"tick on pod-4:{os.getpid()} last ran at" in found["message"]
    assert known == [f"tick on pod-4:{os.getpid()}"]


def test_of_two_ticks_at_once_the_one_that_ends_leaves_the_sign_of_the_other(ready: Desk) -> None:
    now = ready.clock.now()
    database = open_database(ready.environ["SCHAKEL_DATABASE_URL"])
    with database.writing() as store:
        shift.begin_tick(store, "vm:1", now - timedelta(days=2))
        shift.beat(store, "tick on vm:1", now - timedelta(days=2), stopped=True)
        slow, quick = (shift.begin_tick(store, program, now) for program in ("vm:2", "vm:3"))
        shift.beat(store, quick, now, stopped=True)
        again = shift.begin_tick(store, "vm:3", now)
        shift.beat(store, again, now, stopped=True)
        known = {beat.name: beat.is_alive(now) for beat in shift.heartbeats(store)}
    database.dispose()

    assert known == {slow: True, quick: False}
    assert ready.run("doctor --after-restore").exit_code == 7


@pytest.mark.parametrize("fails", [False, True])
def test_a_tick_is_seen_while_it_runs_and_no_longer(ready: Desk, monkeypatch: pytest.MonkeyPatch, fails: bool) -> None:
    seen: list[str] = []

    def run_once(_: Passes) -> Pass:
        seen.append(ready.run("doctor --after-restore").stderr)
        if fails:
            raise StoreError("The disk is full.")
        return Pass(Fired(), overview=False, delivered=Delivered(), sealed=Sealed(0, 0), polled=Polled())

    monkeypatch.setattr(Passes, "run_once", run_once)

    assert ready.run("tick").exit_code == fails
    assert "tick on" in seen[0]
    assert "Stop it first" in seen[0]
    assert seen[0].endswith("Next: stop it, then the same again\n")
    assert ready.run("doctor --after-restore").exit_code == 0


def test_a_tick_that_takes_long_is_seen_all_the_while(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    database = open_database(ready.environ["SCHAKEL_DATABASE_URL"])
    seen: list[bool | str] = []

    def beats() -> list[Heartbeat]:
        with database.reading() as store:
            return shift.heartbeats(store)

    def run_once(_: Passes) -> Pass:
        ready.clock.moment += timedelta(minutes=6)
        seen.append(eventually(lambda: beats()[0].seen_at == ready.clock.now()))
        with database.writing() as store:
            shift.beat(store, shift.begin_tick(store, "vm:2", ready.clock.now()), ready.clock.now(), stopped=True)
        seen.append(ready.run("doctor --after-restore").stderr)
        return Pass(Fired(), overview=False, delivered=Delivered(), sealed=Sealed(0, 0), polled=Polled())

    monkeypatch.setattr(shift, "BEATS", 0.01)
    monkeypatch.setattr(Passes, "run_once", run_once)
    done = ready.run("tick")
    ended = beats()
    database.dispose()

    assert done.exit_code == 0
    assert seen[0]
    assert "Stop it first" in str(seen[1])
    assert len(ended) == 2
    assert all(beat.stopped_at for beat in ended)


@pytest.mark.parametrize(
    ("rung", "moment", "todo"),
    [
        ("28T09:00", "28T09:30", None),
        ("28T09:00", "28T10:30", "schakel tick sends them now"),
        ("28T09:00", "29T08:30", "they go out from 09:00 on a working day"),
        ("28T09:00", "25T12:30", None),
        ("25T12:00", "26T12:00", None),  # fell due on a Saturday: not before Tuesday, since Monday is Koningsdag
        ("25T12:00", "28T09:30", None),
        ("25T12:00", "28T10:00", "schakel tick sends them now"),
        ("24T12:00", "25T12:00", "they go out from 09:00 on a working day"),
        ("28T23:30", "29T00:15", None),  # late by an hour not before the next day's hour
    ],
)
def test_doctor_warns_of_reminders_that_could_have_gone_out_for_an_hour_and_says_what_sends_them(
    ready: Desk, rung: str, moment: str, todo: str | None
) -> None:
    ready.open("E06")
    with bare(ready.environ["SCHAKEL_DATABASE_URL"]) as connection:
        due = datetime.fromisoformat(f"2026-04-{rung}").replace(tzinfo=AMSTERDAM).astimezone(UTC)
        connection.execute("UPDATE timers SET due_at = ?", (format_time(due),))
    ready.clock.moment = datetime.fromisoformat(f"2026-04-{moment}").replace(tzinfo=AMSTERDAM)

    said = [found["todo"] for found in findings(ready, "worker") if "more than an hour" in found["message"]]

    assert said == ([f"{todo}; see that a worker runs"] if todo else [])


@pytest.mark.parametrize("name", ["DATABASE_PASSWORD_FILE", "SMTP_PASSWORD_FILE"])
def test_doctor_says_that_others_can_read_a_file_with_a_password(ready: Desk, tmp_path: Path, name: str) -> None:
    secret = tmp_path / "home" / "password"
    secret.write_text("secret")
    ready.environ[f"SCHAKEL_{name}"] = str(secret)
    said = []
    for mode in (0o644, 0o640, 0o600):
        secret.chmod(mode)
        checks = json.loads(ready.run("doctor --json").stdout)["checks"]
        said.append([(one["message"], one["todo"]) for one in checks if str(secret) in one["todo"]])

    assert said == [
        [(f"{secret} can be read by others (mode {mode}).", f"chmod 600 {secret}")] if mode else []
        for mode in ("0644", "0640", None)
    ]


def test_doctor_names_a_log_that_a_reader_keeps_from_shrinking(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scripts.commands.doctor._LONGEST_LOG", 200_000)
    path = Path(ready.environ["SCHAKEL_DATABASE_URL"].removeprefix("sqlite:///"))
    log = path.with_name(path.name + "-wal")
    case = ready.open("E06")
    reader = sqlite3.connect(path, isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM events").fetchone()
    before = findings(ready, "database")
    while log.stat().st_size <= 200_000:
        ready.ask(f"note {case} {'x' * 4000}")

    (warned,) = [found for found in findings(ready, "database") if found["result"] == "warn"]
    reader.close()

    assert [found["message"] for found in before if "-wal" in found["message"]] == []
    assert f"{log} has grown to 0 MB" in warned["message"]
    assert f"lsof {path}" in warned["todo"]


def test_doctor_warns_of_a_disk_that_is_nearly_full(ready: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    roomy = findings(ready, "database")
    monkeypatch.setattr("scripts.commands.doctor._LITTLE_ROOM", 10**18)

    (warned,) = [found for found in findings(ready, "database") if found not in roomy]

    assert (warned["result"], warned["todo"][:15]) == ("warn", "free disk space")


def test_doctor_names_each_place_that_is_another_one_from_another_folder(
    ready: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert len(findings(ready, "settings")) == 1
    monkeypatch.chdir(tmp_path)
    database = Path(ready.environ["SCHAKEL_DATABASE_URL"].removeprefix("sqlite:///"))
    (tmp_path / "password").write_text("hunter2")
    (tmp_path / "password").chmod(0o600)
    ready.environ |= {
        "SCHAKEL_SETTINGS": "home/schakel.toml",
        "SCHAKEL_DATABASE_URL": f"sqlite:///{database.name}",
        "SCHAKEL_SIGNING_KEY": "home/signing.key",
        "SCHAKEL_CHECKPOINT_FILE": "~/checkpoints",
        "SCHAKEL_SMTP_PASSWORD_FILE": "password",
    }

    _, *warned = findings(ready, "settings", code=1)  # that there is no folder called ~ is said elsewhere

    places = {
        "SCHAKEL_SETTINGS": "home/schakel.toml",
        "database_url": database.name,
        "signing_key": "home/signing.key",
        "checkpoint_file": "~/checkpoints",
        "smtp_password_file": "password",
    }
    assert {found["result"] for found in warned} == {"warn"}
    assert [found["message"] for found in warned] == [
        f"{name} is no full path: from this folder it means {tmp_path / path}, from another something else."
        for name, path in places.items()
    ]
    assert [found["todo"] for found in warned] == [
        "write its full path there",
        *(f"write its full path in schakel.toml, or in SCHAKEL_{name.upper()}" for name in list(places)[1:]),
    ]


def test_a_server_s_url_is_no_place(ready: Desk, postgres_url: str) -> None:
    ready.environ["SCHAKEL_DATABASE_URL"] = postgres_url

    assert len(findings(ready, "settings")) == 1


@pytest.mark.parametrize("url", ["nonsense", "mysql://x/y", "postgresql://a@h:port/db"])
def test_a_wrong_url_of_the_database_is_a_wrong_setting_and_does_not_end_doctor(ready: Desk, url: str) -> None:
    ready.environ["SCHAKEL_DATABASE_URL"] = url

    (said,) = findings(ready, "database", code=1)

    assert said["result"] == "fail"
    assert [ready.run(words).exit_code for words in ("worker", "tick", "list", "init")] == [2, 2, 2, 2]


@pytest.mark.parametrize("place", ["folder", "none/such/file"])
def test_a_file_of_checkpoints_that_cannot_be_written_is_said_by_doctor_tick_and_worker(
    ready: Desk, tmp_path: Path, place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "folder").mkdir()
    ready.environ["SCHAKEL_CHECKPOINT_FILE"] = str(tmp_path / place)
    said = f"SCHAKEL_CHECKPOINT_FILE {tmp_path / place} cannot be written"
    ready.open("E06")

    failed = [found["message"] for found in findings(ready, "ledger", code=1) if found["result"] == "fail"]
    done = ready.ask("tick", code=1)
    session = Session(environ=ready.environ, clock=ready.clock)
    Worker(session)._guarded("ledger")
    session.close()
    (line,) = [json.loads(line) for line in capsys.readouterr().err.splitlines()]

    assert [message.startswith(said) for message in failed] == [True]
    assert (done["leaves"], done["copy_failed"].startswith(said)) == (1, True)
    assert (line["level"], line["copy_failed"].startswith(said)) == ("error", True)
    ready.environ["SCHAKEL_CHECKPOINT_FILE"] = str(tmp_path / "checkpoints")
    assert findings(ready, "ledger")[0]["result"] == "ok"
    assert not (tmp_path / "checkpoints").exists()
    late = ready.ask("tick")
    assert (late["copy_failed"], late["checkpoints"]) == (None, 0)
    newest = ready.run("audit checkpoint").stdout
    assert (tmp_path / "checkpoints").read_text() == newest  # what could not be written, once it could
    assert findings(ready, "ledger")[0]["result"] == "ok"


def test_an_erasure_that_the_file_outside_does_not_have_is_said_by_doctor_and_list_until_it_is_repeated(
    ready: Desk, url: str, tmp_path: Path
) -> None:
    ready.environ["SCHAKEL_DATABASE_URL"] = url
    path = tmp_path / "gone" / "erasures"
    words = "audit erase E06 --reason verzoek --ground 'AVG art. 17' --yes"
    case = ready.open("E06")
    ready.ask("advance E06 withdraw --reason verzoek")
    ready.environ["SCHAKEL_ERASURES_FILE"] = str(path)

    told = ready.ask(words, code=1)
    rewrite(url)
    (failed,) = findings(ready, "erasures", code=1)
    path.parent.mkdir()
    warned = " ".join(ready.run("list --erasable").stderr.split())
    repeated = ready.ask(words)

    assert f"{case} was erased, but {path}" in told["message"]
    assert ready.ask(f"show {case}")["erased"] is True
    assert (failed["result"], f"{path} cannot be written" in failed["message"]) == ("fail", True)
    assert f"1 erased case is not in {path}" in warned
    assert f"unseen: {case}. To do: schakel audit erase CASE" in warned
    assert repeated["repeated"] is True
    assert path.read_text().startswith(f"{case} ")
    assert findings(ready, "erasures") == []
    assert ready.run("list --erasable").stderr == ""
    ready.environ["SCHAKEL_ERASURES_FILE"] = ""
    assert findings(ready, "erasures") == []


def test_doctor_says_until_the_files_were_rewritten_that_they_may_hold_what_was_erased(ready: Desk, url: str) -> None:
    ready.environ["SCHAKEL_DATABASE_URL"] = url
    is_sqlite = url.startswith("sqlite")
    words = "audit erase E06 --reason verzoek --ground 'AVG art. 17' --yes"
    ready.open("E06")
    ready.ask("advance E06 withdraw --reason verzoek")
    before = findings(ready, "erasures")
    with bare(url) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM cases").fetchall()
        ready.ask(words, code=1 if is_sqlite else 0)  # SQLite: its log is held, so that it cannot be emptied
    ready.ask("tick")

    (warned,) = findings(ready, "erasures")
    shown = ready.run(words).stdout
    rewrite(url)

    assert warned["result"] == "warn"
    assert warned["message"].startswith("Something was erased, and the files of the database were not rewritten since")
    assert (VACUUM in warned["todo"], f"  {VACUUM}\n" in shown) == (not is_sqlite, not is_sqlite)
    assert ("schakel audit erase CASE" in warned["todo"]) is is_sqlite
    assert "was erased at" in shown
    assert before == findings(ready, "erasures") == []
    assert ready.run(words).exit_code == 5


def test_doctor_says_since_when_events_are_sealed_and_not_signed(ready: Desk, url: str) -> None:
    ready.environ["SCHAKEL_DATABASE_URL"] = url
    key = Path(ready.environ["SCHAKEL_SIGNING_KEY"])
    case = ready.open("E06")
    ready.ask("tick")
    kept = key.rename(key.with_name("kept"))
    ready.clock.moment += timedelta(minutes=5)
    ready.ask(f"note {case} gebeld")
    ready.clock.moment += timedelta(minutes=5)
    ready.ask("tick", code=1)
    ready.ask(f"note {case} 'weer gebeld'")
    kept.rename(key)

    (warned,) = findings(ready, "ledger")
    ready.ask("tick")
    (after,) = findings(ready, "ledger")

    assert warned["result"] == "warn"
    assert (
        "under a checkpoint of 2026-04-20 10:00; 2 wait for the next, the first since 2026-04-20 10:05."
        in (warned["message"])
    )
    assert "schakel tick, then signs them" in warned["todo"]
    assert (after["result"], "; 0 wait for the next." in after["message"]) == ("ok", True)


def test_doctor_says_what_a_clock_that_ran_ahead_left_when_newer_events_were_written(ready: Desk, url: str) -> None:
    ready.environ["SCHAKEL_DATABASE_URL"] = url
    ready.open("E06")
    start = ready.clock.moment
    ready.clock.moment = start + timedelta(days=3)
    ready.ask("tick")
    ready.clock.moment = start
    ready.open("E07", registration=GOOD["registration"] | {"loket_employer_id": 9900007})

    (warned,) = findings(ready, "clock")
    (worker,) = findings(ready, "worker")
    session = Session(environ=ready.environ, clock=ready.clock)
    passes, signed = Passes(session), []
    for _ in range(4):
        signed.append(passes.seal().checkpoints)
        ready.clock.moment += timedelta(minutes=10)
    session.close()

    assert warned["message"] == (
        "The clock says 2026-04-20 10:00, but the last checkpoint is of 2026-04-23 10:00 and tick on "
        f"{socket.gethostname()}:{os.getpid()} was seen at 2026-04-23 10:00."
    )
    assert "docs/operations.md, 'A clock that ran ahead'" in warned["todo"]
    assert worker["result"] == "warn"
    assert signed == [1, 0, 1, 0]
    assert ready.ask("audit verify")["ok"] is True
    ready.clock.moment = start + timedelta(days=3)
    (right,) = findings(ready, "clock")
    assert right["result"] == "ok"


@pytest.mark.parametrize(("ahead", "result"), [(60, "ok"), (61, "warn")])
def test_doctor_lets_a_tick_of_a_machine_that_is_a_little_ahead_be_as_it_lets_its_clock(
    ready: Desk, ahead: int, result: str
) -> None:
    ready.clock.moment += timedelta(seconds=ahead)
    ready.ask("tick")
    ready.clock.moment -= timedelta(seconds=ahead)

    (clock,), (worker,) = findings(ready, "clock"), findings(ready, "worker")

    assert (clock["result"], worker["result"]) == (result, result)


@pytest.mark.parametrize(("ahead", "result"), [(60, "ok"), (61, "warn")])
def test_so_it_does_with_an_event_of_such_a_machine(ready: Desk, url: str, ahead: int, result: str) -> None:
    ready.environ["SCHAKEL_DATABASE_URL"] = url
    ready.clock.moment += timedelta(seconds=ahead)
    ready.open("E06")
    ready.clock.moment -= timedelta(seconds=ahead)

    (clock,) = findings(ready, "clock")

    assert clock["result"] == result
    assert ("the last event was at 2026-04-20 10:01" in clock["message"]) is (result == "warn")


def test_a_worker_that_the_clock_left_ahead_hides_no_tick_that_runs(ready: Desk, url: str) -> None:
    ready.environ["SCHAKEL_DATABASE_URL"] = url
    database = open_database(url)
    with database.writing() as store:
        shift.begin(store, "w1", ready.clock.now() + timedelta(days=3))
    database.dispose()
    ready.ask("tick")

    (found,) = findings(ready, "worker")

    assert found["result"] == "ok"
    assert f"tick on {socket.gethostname()}:{os.getpid()} last ran at" in found["message"]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (
            "UPDATE sequencer SET size = 0, last_event = 0, peaks = '[]'",
            "(0 leaves, 0 peaks) is not of the tree that the 1 leaves make",
        ),
        ("UPDATE sequencer SET last_event = 99", "came to event 99, but events are passed over"),
        ("UPDATE sequencer SET last_event = (SELECT max(id) FROM events)", "but events are passed over"),
        ("UPDATE events SET id = -1 WHERE id = (SELECT max(id) FROM events)", "but events are passed over"),
    ],
)
def test_doctor_says_that_the_sequencer_is_not_of_its_leaves_and_what_to_do(
    ready: Desk, url: str, spoil: str, words: str
) -> None:
    ready.environ["SCHAKEL_DATABASE_URL"] = url
    ready.ask("init")
    case = ready.ask("open -", given=json.dumps(GOOD))["case"]
    ready.run("audit checkpoint")
    (before,) = findings(ready, "ledger")
    ready.run(f"note {case} gebeld")
    run(url, spoil)

    (found,) = findings(ready, "ledger", code=1)

    assert (before["result"], found["result"]) == ("ok", "fail")
    assert words in found["message"]
    assert "'Putting a copy back'" in found["todo"]


@pytest.mark.parametrize("skipped", ["-1", "[1]", "[[1,99,1]]"])
def test_a_row_of_the_sequencer_that_cannot_be_read_is_told_as_altered(ready: Desk, url: str, skipped: str) -> None:
    ready.environ["SCHAKEL_DATABASE_URL"] = url
    ready.ask("init")
    run(url, f"UPDATE sequencer SET skipped = '{skipped}'")

    found = findings(ready, "ledger", code=1)

    assert [(one["result"], "somebody altered it" in one["message"]) for one in found] == [("fail", True)]
    assert ready.run("audit checkpoint").exit_code == 8


def test_a_checkpoint_of_the_last_moment_there_is_stops_no_check(ready: Desk, url: str) -> None:
    ready.environ["SCHAKEL_DATABASE_URL"] = url
    ready.ask("audit checkpoint")
    ready.run("tick")
    put(url, "UPDATE checkpoints SET at = ?", "9999-12-31T23:59:59.999999Z")

    (found,) = [check for check in ready.ask("doctor", code=1)["checks"] if check["check"] == "ledger"]

    assert "Row 1 of 'checkpoints' cannot be read: somebody altered its 'at'" in found["message"]


@pytest.mark.parametrize(
    ("name", "began", "seen", "stopped", "idle"),
    [
        ("w1", 0, 31, False, True),
        ("w1", 0, 30, False, False),
        ("w1", 5, 31, False, False),  # it just began: its first pass signs
        ("w1", 0, 31, True, False),
        ("tick on here", 31, 31, True, True),
        ("tick on here", 29, 29, True, False),
        ("tick on here", 31, 31, False, False),  # it is about to sign
    ],
)
def test_doctor_says_that_who_is_at_work_signs_nothing(
    ready: Desk, url: str, name: str, began: int, seen: int, stopped: bool, idle: bool
) -> None:
    ready.environ["SCHAKEL_DATABASE_URL"] = url
    ready.ask("audit checkpoint")
    start = ready.clock.moment
    database = open_database(url)
    with database.writing() as store:
        shift.begin(store, name, start + timedelta(minutes=began))
        shift.beat(store, name, start + timedelta(minutes=seen), stopped=stopped)
    database.dispose()
    ready.clock.moment += timedelta(minutes=32)

    (found,) = findings(ready, "ledger")

    assert (found["result"], f"{name} has been at work since, and signed none." in found["message"]) == (
        ("warn", True) if idle else ("ok", False)
    )


@pytest.fixture
def role(postgres_url: str) -> Iterator[Callable[[str], str]]:
    """Makes a role that may read everything, and gives the URL to be it; takes away what is named."""
    name = f"reader_{os.getpid()}"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name}")
        connection.execute(f"GRANT SELECT, UPDATE, INSERT, DELETE ON ALL TABLES IN SCHEMA public TO {name}")
        connection.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name}")

        def without(revoked: str) -> str:
            connection.execute(f"REVOKE {revoked} FROM {name}")
            return f"{postgres_url}&options=-c%20role%3D{name}"

        yield without
        connection.execute(f"DROP OWNED BY {name}")
        connection.execute(f"DROP ROLE {name}")


def test_doctor_says_what_a_role_of_the_database_may_not_read(ready: Desk, role: Callable[[str], str]) -> None:
    ready.environ["SCHAKEL_DATABASE_URL"] = role("ALL ON restores")

    checks = ready.ask("doctor", code=1)["checks"]

    failed = {found["check"]: found["message"] for found in checks if found["result"] == "fail"}
    assert set(failed) == {"database", "worker", "restore"}
    assert "SELECT on restores, INSERT on restores, UPDATE on restores" in failed.pop("database")
    assert all("permission denied" in message for message in failed.values())


def test_doctor_says_that_a_role_or_a_server_only_reads(
    ready: Desk, role: Callable[[str], str], postgres_url: str
) -> None:
    said: list[str] = []
    todo: list[str] = []
    for url in (role("UPDATE ON cases"), f"{postgres_url}&options=-c%20default_transaction_read_only%3Don"):
        ready.environ["SCHAKEL_DATABASE_URL"] = url
        found = [found for found in findings(ready, "database", code=1) if found["result"] == "fail"]
        said += [one["message"] for one in found]
        todo += [one["todo"][:36] for one in found]

    assert todo == ["as the owner of the tables: GRANT UP", ""]  # what a standby needs is in its message
    assert [message.partition(": ")[0] for message in said] == ["It cannot be written"] * 2
    assert ["permission denied" in said[0], "read-only transaction" in said[1]] == [True, True]


@pytest.mark.parametrize(
    ("revoked", "lacks", "grant"),
    [
        ("INSERT ON outbox_attempts", "INSERT on outbox_attempts", "GRANT INSERT ON outbox_attempts TO {}"),
        ("DELETE ON case_keys, timers", "DELETE on case_keys", "GRANT DELETE ON case_keys, timers TO {}"),
        ("USAGE ON SEQUENCE events_id_seq", "USAGE on events_id", "GRANT USAGE ON SEQUENCE events_id_seq TO {}"),
        ("UPDATE ON cases, timers", "It cannot be written: ", "GRANT UPDATE ON cases, timers TO {}"),
    ],
)
def test_doctor_names_the_grant_that_a_writer_lacks(
    ready: Desk, role: Callable[[str], str], revoked: str, lacks: str, grant: str
) -> None:
    ready.environ["SCHAKEL_DATABASE_URL"] = role(revoked)

    (failed,) = [found for found in findings(ready, "database", code=1) if found["result"] == "fail"]

    assert lacks in failed["message"]
    assert grant.format(f"reader_{os.getpid()}") in failed["todo"]


def test_doctor_names_the_tables_of_which_a_policy_would_hide_rows(ready: Desk, role: Callable[[str], str]) -> None:
    ready.environ["SCHAKEL_DATABASE_URL"] = url = role("UPDATE ON cases")
    with psycopg.connect(url.partition("&options")[0], autocommit=True) as connection:
        connection.execute("ALTER TABLE outbox ENABLE ROW LEVEL SECURITY")

    (failed,) = [found for found in findings(ready, "database", code=1) if found["result"] == "fail"]

    assert failed["message"].endswith("so it is refused them: outbox.")
    assert "ALTER TABLE outbox DISABLE ROW LEVEL SECURITY" in failed["todo"]


def test_doctor_fails_on_a_server_that_a_power_cut_can_take_what_was_written_from(
    ready: Desk, postgres_url: str
) -> None:
    ready.environ["SCHAKEL_DATABASE_URL"] = postgres_url
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        for statement in ("ALTER SYSTEM SET fsync = off", "SELECT pg_reload_conf()"):
            connection.execute(statement)
        try:
            assert eventually(lambda: connection.execute("SHOW fsync").fetchone() == ("off",))
            failed = [found for found in findings(ready, "database", code=1) if found["result"] == "fail"]
        finally:
            for statement in ("ALTER SYSTEM RESET fsync", "SELECT pg_reload_conf()"):
                connection.execute(statement)
            assert eventually(lambda: connection.execute("SHOW fsync").fetchone() == ("on",))  # for the tests to come

    assert [found["message"].partition(":")[0] for found in failed] == ["The server has fsync off"]
    assert "ALTER SYSTEM RESET fsync" in failed[0]["todo"]


def test_doctor_names_the_columns_in_which_different_texts_count_as_the_same(ready: Desk, postgres_url: str) -> None:
    ready.environ["SCHAKEL_DATABASE_URL"] = postgres_url
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute('CREATE COLLATION loose FROM "C"')
        for table, column in (("cases", "external_reference"), ("events", "prev_hash")):
            connection.execute(f"ALTER TABLE {table} ALTER COLUMN {column} TYPE varchar(64) COLLATE loose")
        # not every server has ICU, which such a collation needs
        connection.execute("UPDATE pg_collation SET collisdeterministic = false WHERE collname = 'loose'")

        (failed,) = [found for found in findings(ready, "database", code=1) if found["result"] == "fail"]
        for statement in failed["todo"].partition(": ")[2].split("; "):
            connection.execute(statement)

    assert "the same in cases.external_reference, events.prev_hash, by" in failed["message"]
    assert {found["result"] for found in findings(ready, "database")} == {"ok"}


@pytest.mark.parametrize(("file", "folder"), [(0o400, 0o700), (0o400, 0o500)])
def test_doctor_says_that_a_file_may_not_be_written(ready: Desk, tmp_path: Path, file: int, folder: int) -> None:
    ready.open("E06")
    path = Path(ready.environ["SCHAKEL_DATABASE_URL"].removeprefix("sqlite:///"))
    database = open_database(ready.environ["SCHAKEL_DATABASE_URL"])  # keeps its log and index there
    with database.reading() as store:
        store.last_event_at()
    path.chmod(file)
    path.parent.chmod(folder)

    ended = subprocess.run(
        [sys.executable, "-m", "scripts", "doctor", "--json"],
        cwd=ROOT,
        env=ready.environ,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_obey_modes,
    )
    path.parent.chmod(0o700)
    database.dispose()

    found = [one for one in json.loads(ended.stdout)["checks"] if one["check"] == "database"]
    assert (ended.returncode, "fail" in {one["result"] for one in found}) == (1, True), found
    assert "read-only" in " ".join(one["message"] for one in found)


def _obey_modes() -> None:
    """Of root take away, in the process that follows, that it may open anything (CAP_DAC_OVERRIDE, _READ_SEARCH)."""
    for capability in (1, 2):
        ctypes.CDLL(None).prctl(24, capability, 0, 0, 0)
