"""An older copy is put back: nothing goes out twice by itself, and what is missing is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import psycopg
import pytest
from employers import bring
from looking import bare, count, events_of, largest, look
from remains import rewrite
from sink import ADDRESS, Sink
from tampering import run

from scripts.wiring import Session
from scripts.worker import Worker
from tests.scripts.desk import Desk
from workflow import Engine, open_database
from workflow.clock import SetClock
from workflow.storage import shift

Copy = Callable[[], str]


@pytest.fixture
def desk(url: str, tmp_path: Path, clock: SetClock) -> Desk:
    """A command line on either database, with a key and a file outside that keeps the checkpoints."""
    (tmp_path / "schakel.toml").touch()
    desk = Desk(
        {
            "SCHAKEL_DATABASE_URL": url,
            "SCHAKEL_SETTINGS": str(tmp_path / "schakel.toml"),
            "SCHAKEL_SIGNING_KEY": str(tmp_path / "signing.key"),
            "SCHAKEL_CHECKPOINT_FILE": str(tmp_path / "checkpoints"),
            "SCHAKEL_MAIL_FROM": "s@example.org",
            "SCHAKEL_MAIL_ASR": "asr@example.org",
            "SCHAKEL_MAIL_KEYLANE": "keylane@example.org",
            "SCHAKEL_MAIL_OPERATIONS": "team@example.org",
            "SCHAKEL_ACTOR": "anna",
        },
        clock,
    )
    assert desk.run("init").exit_code == 0
    return desk


@pytest.fixture
def copy(url: str, tmp_path: Path) -> Iterator[Copy]:
    """Makes a copy of the database as it is now; gives its URL."""
    made: list[str] = []

    def make() -> str:
        if url.startswith("sqlite"):
            found = f"sqlite:///{tmp_path / 'copy.db'}"
            with bare(url) as connection:
                connection.execute(f"VACUUM INTO '{tmp_path / 'copy.db'}'")
            return found
        name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
        with psycopg.connect(url.replace(f"/{name}?", "/postgres?"), autocommit=True) as connection:
            connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
            connection.execute(f"CREATE DATABASE {name}_copy TEMPLATE {name}")
        made.append(f"{name}_copy")
        return url.replace(f"/{name}?", f"/{name}_copy?")

    yield make
    for name in made:
        with psycopg.connect(url.replace(f"/{name.removesuffix('_copy')}?", "/postgres?"), autocommit=True) as server:
            server.execute(f"DROP DATABASE {name} WITH (FORCE)")


def live(desk: Desk, engine: Engine, clock: SetClock) -> list[str]:
    """Two cases whose letters went out, and two whose letters wait for the next pass."""
    early = [bring(engine, state) for state in ("rights_pending", "registered")]
    assert desk.run("tick").exit_code == 0
    clock.moment += timedelta(minutes=1)
    return early + [bring(engine, state) for state in ("rights_pending", "enriched")]


def go_on(desk: Desk, engine: Engine, clock: SetClock, cases: list[str]) -> None:
    """What the copy does not know: letters went out, a week of reminders too, and somebody worked on."""
    for _ in range(8):
        desk.run("tick")
        clock.moment += timedelta(days=1)
    engine.note(cases[0], "dit weet de kopie niet")
    desk.run("tick")


def test_nothing_goes_out_twice_by_itself_and_what_is_missing_is_named(
    desk: Desk, engine: Engine, clock: SetClock, url: str, copy: Copy
) -> None:
    with Sink() as sink:
        desk.environ["SCHAKEL_SMTP_URL"] = f"smtp://{ADDRESS}:{sink.port}"
        cases = live(desk, engine, clock)
        engine.database.dispose()
        restored = copy()
        waiting = [row["id"] for row in look(restored, "SELECT id FROM outbox WHERE state = 'pending'")]
        go_on(desk, engine, clock, cases)
        arrived = len(sink.letters)

        desk.environ["SCHAKEL_DATABASE_URL"] = restored
        told = desk.ask("doctor --after-restore")
        events = [len(look(restored, "SELECT id FROM events"))]
        again = desk.ask("doctor --after-restore")
        events.append(len(look(restored, "SELECT id FROM events")))
        for _ in range(3):
            assert desk.run("tick").exit_code == 0
        quiet = len(sink.letters)
        listed = desk.ask("mail list --state unknown")
        warned = {one["check"]: one["result"] for one in desk.ask("doctor")["checks"]}
        against = desk.run(f"audit verify --against {desk.environ['SCHAKEL_CHECKPOINT_FILE']} --json")
        alone = desk.run("audit verify")

        released = desk.ask("doctor --release")
        fired = desk.ask("tick")
        after = len(sink.letters)

    assert len(waiting) > 2
    assert (told["letters"], sorted(letter["id"] for letter in listed)) == (len(waiting), sorted(waiting))
    assert {row["case"] for row in told["held"]} == set(cases)
    assert len(told["held"]) > len(cases)
    assert told["copied_at"] < told["restored_at"]
    assert again == told
    assert events[0] == events[1]
    assert quiet == arrived
    assert warned["restore"] == "warn"
    assert "ROLLED_BACK" in {one["code"] for one in json.loads(against.stdout)["findings"]}
    assert "leaves are missing here, so at most" in against.stdout
    assert (against.exit_code, alone.exit_code) == (8, 0), alone.output
    assert released == {"released": True, "reminders": len(told["held"])}
    assert fired["reminders"] + fired["escalations"] == len(told["held"])
    assert after > quiet


@pytest.mark.parametrize("ahead", [timedelta(0), timedelta(days=400)], ids=["", "after a clock that ran ahead"])
def test_no_letter_has_the_message_id_of_one_that_the_copy_does_not_know_and_one_sent_again_keeps_its_own(
    desk: Desk, engine: Engine, clock: SetClock, copy: Copy, ahead: timedelta
) -> None:
    """A server that drops what it took before, by its Message-ID, would lose a letter that has another one's.

    When a clock ran ahead, all that follows in the case is of the same microsecond.
    """
    with Sink() as sink:
        desk.environ["SCHAKEL_SMTP_URL"] = f"smtp://{ADDRESS}:{sink.port}"
        (case, *_) = live(desk, engine, clock)
        clock.moment += ahead
        engine.note(case, "met een klok die voorliep")
        clock.moment -= ahead
        engine.database.dispose()
        restored = copy()
        desk.run("tick")
        waited = sink.messages()
        engine.advance(case, "withdraw", reason="wat de kopie niet weet")
        desk.run("tick")
        (lost,) = sink.messages()[len(waited) :]
        engine.database.dispose()

        clock.moment += timedelta(hours=1)
        desk.environ["SCHAKEL_DATABASE_URL"] = restored
        desk.ask("doctor --after-restore")
        desk.ask("doctor --release")
        desk.ask(f"advance {case} withdraw --reason later")
        for letter in desk.ask("mail list --state unknown"):
            desk.ask(f"mail resolve {letter['id']} --resend --reason 'niet aangekomen'")
        desk.run("tick")
        again = sink.messages()[len(waited) + 1 :]

    written = {str(message["Message-ID"]): str(message["Subject"]) for message in waited}
    (new,) = [message for message in again if str(message["Message-ID"]) not in written]
    assert (new["Subject"], number_of(new)) == (lost["Subject"], number_of(lost))
    assert new["Message-ID"] != lost["Message-ID"]
    assert new["In-Reply-To"] == lost["In-Reply-To"] in written
    assert len(again) > 2
    assert all(written.get(str(message["Message-ID"]), new["Subject"]) == message["Subject"] for message in again)


def number_of(message: EmailMessage) -> int:
    """The number of a letter, as its Message-ID says it."""
    return int(str(message["Message-ID"]).split(".")[1])


def test_an_older_copy_is_told_by_the_file_outside_and_nothing_is_appended_to_it(
    desk: Desk, engine: Engine, clock: SetClock, copy: Copy, capsys: pytest.CaptureFixture[str]
) -> None:
    (case, *_) = cases = live(desk, engine, clock)
    engine.database.dispose()
    restored, outside = copy(), Path(desk.environ["SCHAKEL_CHECKPOINT_FILE"])
    before = checks(desk, "ledger")
    go_on(desk, engine, clock, cases)
    kept = outside.read_text("utf-8")
    clock.moment += timedelta(hours=2)

    desk.environ["SCHAKEL_DATABASE_URL"] = restored
    (rolled_back, _), worker = checks(desk, "ledger"), checks(desk, "worker")
    ticked, told = desk.ask("tick"), desk.run("tick").stderr
    capsys.readouterr()
    session = Session(environ=desk.environ, clock=clock)
    passes = Worker(session)
    for _ in range(3):
        passes._guarded("ledger")
    session.close()
    logged = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    for _ in range(30):  # beyond what was lost
        desk.ask(f"note {case} 'in de kopie'")
    desk.ask("tick")
    (grown, *_) = checks(desk, "ledger")

    assert [one["result"] for one in before] == ["ok"]
    assert (rolled_back["result"], "leaves, and the ledger of this database has" in rolled_back["message"]) == (
        ("warn", True)
    )
    assert "docs/operations.md, 'Putting a copy back'" in rolled_back["todo"]
    assert {one["todo"][:25] for one in worker} == {"first see 'ledger' below:"}
    assert (ticked["copy_failed"], "Nothing is appended to it." in ticked["copy_refused"]) == (None, True)
    assert "an older copy was put back" in " ".join(told.split())
    assert [(line["level"], "copy_refused" in line) for line in logged] == [("warning", True)]
    assert "is not one of this database's ledger" in grown["message"]
    assert outside.read_text("utf-8") == kept
    outside.rename(outside.with_name("papers"))
    assert desk.ask("tick")["copy_refused"] is None
    assert outside.read_text("utf-8") == desk.run("audit checkpoint").stdout
    assert [one["result"] for one in checks(desk, "ledger")] == ["ok"]


def test_an_empty_database_in_the_place_of_a_lost_one_is_told_and_its_head_is_not_kept_with_the_others(
    desk: Desk, engine: Engine, clock: SetClock, copy: Copy
) -> None:
    engine.database.dispose()
    empty, outside = copy(), Path(desk.environ["SCHAKEL_CHECKPOINT_FILE"])
    live(desk, engine, clock)
    kept = outside.read_text("utf-8")

    desk.environ["SCHAKEL_DATABASE_URL"] = empty
    told, unsigned = checks(desk, "ledger")
    ticked = desk.ask("tick")

    assert "names 3 leaves, and the ledger of this database has 0" in told["message"]
    assert unsigned["todo"] == ""
    assert (ticked["checkpoints"], "has 0" in ticked["copy_refused"]) == (1, True)
    assert outside.read_text("utf-8") == kept


def checks(desk: Desk, name: str) -> list[dict[str, str]]:
    return [one for one in desk.ask("doctor")["checks"] if one["check"] == name]


def test_each_doubted_letter_is_an_event_and_a_person_settles_it(
    desk: Desk, engine: Engine, clock: SetClock, copy: Copy
) -> None:
    cases = live(desk, engine, clock)
    engine.database.dispose()
    desk.environ["SCHAKEL_DATABASE_URL"] = copy()

    desk.ask("doctor --after-restore")
    (number, *_) = [one["id"] for one in desk.ask("mail list --state unknown") if one["case"] == cases[2]]
    kinds = [event["kind"] for event in desk.ask(f"history {cases[2]}")]
    settled = desk.run(f'mail resolve {number} --sent --reason "gebeld: is er"')

    assert "letter_unknown" in kinds
    assert settled.exit_code == 0, settled.output
    last = desk.ask(f"history {cases[2]}")[-1]
    assert (last["kind"], last["body"]["outbox"]) == ("letter_sent", number)
    assert {"letter", "role"} < last["body"].keys()


def test_what_is_written_after_the_restore_goes_out_and_new_reminders_fire(
    desk: Desk, engine: Engine, clock: SetClock, copy: Copy
) -> None:
    live(desk, engine, clock)
    engine.database.dispose()
    desk.environ["SCHAKEL_DATABASE_URL"] = restored = copy()
    desk.ask("doctor --after-restore")
    database = open_database(restored)
    other = Engine(database, engine.definition, clock=clock, origin=engine._origin)

    with Sink() as sink:
        desk.environ["SCHAKEL_SMTP_URL"] = f"smtp://{ADDRESS}:{sink.port}"
        new = bring(other, "rights_pending")
        desk.run("tick")
        fresh = len(sink.letters)
        clock.moment += timedelta(days=8)
        fired = desk.ask("tick")
    database.dispose()

    assert fresh == 1
    assert fired["reminders"] > 0
    assert [event["kind"] for event in desk.ask(f"history {new}")].count("reminded") == 1


def test_a_copy_from_while_a_restore_was_open_sends_nothing_twice(
    desk: Desk, engine: Engine, clock: SetClock, url: str, copy: Copy
) -> None:
    """It looks as the database itself did at that moment, so a plain repeat says what waits, and a person decides."""
    live(desk, engine, clock)
    first = desk.ask("doctor --after-restore")
    early = {row["id"] for row in look(url, "SELECT id FROM outbox")}
    case = bring(engine, "rights_pending")
    engine.database.dispose()
    restored = copy()
    with Sink() as sink:
        desk.environ["SCHAKEL_SMTP_URL"] = f"smtp://{ADDRESS}:{sink.port}"
        for _ in range(9):  # what the copy does not know: the letter left, and a reminder of the same case
            desk.run("tick")
            clock.moment += timedelta(days=1)
        arrived = len(sink.letters)

        desk.environ["SCHAKEL_DATABASE_URL"] = restored
        asked = desk.ask("doctor --after-restore", code=7)
        said = " ".join(desk.run("doctor --after-restore").stderr.split())
        untold = {row["state"] for row in look(restored, f"SELECT state FROM outbox WHERE id > {max(early)}")}
        again = desk.ask("doctor --after-restore --again")
        listed = desk.ask("doctor --after-restore")
        for _ in range(2):
            assert desk.run("tick").exit_code == 0
        quiet = len(sink.letters)
        released = desk.ask("doctor --release")
        desk.run("tick")

    assert arrived > 1
    assert (asked["restored_at"], asked["letters"]) == (first["restored_at"], first["letters"])
    assert (asked["waiting_since"], untold) == ({"letters": 1, "reminders": True}, {"pending"})
    assert "1 letter waits and reminders fell due since" in said
    assert "schakel doctor --after-restore --again" in said
    assert (again["letters"], again["waiting_since"]) == (1, {"letters": 0, "reminders": False})
    assert case in {row["case"] for row in again["held"]}
    assert listed == again
    assert quiet == arrived
    assert released == {"released": True, "reminders": len(again["held"])}
    assert len(sink.letters) > arrived


def test_what_was_erased_after_the_copy_was_made_is_named_until_it_is_erased_again(
    desk: Desk, engine: Engine, url: str, tmp_path: Path, copy: Copy
) -> None:
    desk.environ["SCHAKEL_ERASURES_FILE"] = str(tmp_path / "erasures")
    erase = 'audit erase {} --reason verzoek --ground "AVG art. 17" --yes'
    before, ended, open_then = (bring(engine, state) for state in ("withdrawn", "registered", "registered"))
    engine.advance(ended, "withdraw", reason="verzoek")
    desk.ask(erase.format(before))
    rewrite(url)
    engine.database.dispose()
    restored = copy()
    younger = bring(engine, "withdrawn")
    engine.advance(open_then, "withdraw", reason="verzoek")
    for case in (ended, open_then, younger):
        desk.ask(erase.format(case))
    rewrite(url)
    assert [one for one in desk.ask("doctor")["checks"] if one["check"] == "erasures"] == []

    desk.environ["SCHAKEL_DATABASE_URL"] = restored
    told, shown = desk.ask("doctor --after-restore"), desk.run("doctor --after-restore").stdout
    (failed,) = [one for one in desk.ask("doctor", code=1)["checks"] if one["check"] == "erasures"]
    kept = desk.ask("doctor --release", code=5)
    unread = desk.run("doctor --release", SCHAKEL_ERASURES_FILE=str(tmp_path))
    desk.ask(f"advance {open_then} withdraw --reason verzoek")
    for case in (ended, open_then):
        desk.ask(erase.format(case))
    rewrite(restored)
    after = desk.run("doctor --after-restore --json")
    released = desk.ask("doctor --release")

    assert told["erase_again"] == [ended, open_then]
    assert f"their personal data is back: {ended}, {open_then}." in " ".join(shown.split())
    assert shown.index("is back") < shown.index("schakel doctor --release")
    assert "Nothing was released, for these were erased after the copy was made" in kept["message"]
    assert f"{ended}, {open_then}. To do, before any letter goes out" in kept["message"]
    assert (unread.exit_code, "cannot be read: Is a directory." in " ".join(unread.stderr.split())) == (5, True)
    assert released["released"] is True
    assert (failed["result"], f"they are not: {ended}, {open_then}." in failed["message"]) == ("fail", True)
    assert "schakel audit erase CASE" in failed["todo"]
    assert json.loads(after.stdout)["erase_again"] == []
    assert [one for one in desk.ask("doctor")["checks"] if one["check"] == "erasures"] == []
    assert len((tmp_path / "erasures").read_text().splitlines()) == 6


def test_without_a_file_of_erasures_a_restore_says_that_nothing_names_them(desk: Desk, tmp_path: Path) -> None:
    told, shown = desk.ask("doctor --after-restore"), " ".join(desk.run("doctor --after-restore").stdout.split())
    desk.environ["SCHAKEL_ERASURES_FILE"] = str(tmp_path)
    unread, said = desk.ask("doctor --after-restore"), " ".join(desk.run("doctor --after-restore").stdout.split())

    assert (told["erase_again"], unread["erase_again"]) == (None, None)
    assert "which nothing says, as no erasures_file is set" in shown
    assert f"which {tmp_path} says, but it cannot be read: Is a directory." in said


@pytest.mark.parametrize(
    "altered", ["facts = '[1]'", "progress = '{}'", "state = 'nowhere'", "seq = LARGEST", "seq = seq - 1"]
)
def test_a_case_that_was_altered_keeps_no_letter_from_being_doubted_and_no_reminder_from_being_held(
    desk: Desk, engine: Engine, clock: SetClock, url: str, altered: str
) -> None:
    with Sink() as sink:
        desk.environ["SCHAKEL_SMTP_URL"] = f"smtp://{ADDRESS}:{sink.port}"
        quiet, other, odd, last = live(desk, engine, clock)
    waiting = [row["id"] for row in look(url, "SELECT id FROM outbox WHERE state = 'pending'")]
    run(url, largest(url, f"UPDATE cases SET {altered} WHERE reference IN ('{quiet}', '{odd}')"))
    before = {case: len(events_of(url, case)) for case in (odd, last)}
    clock.moment += timedelta(days=8)

    told = desk.ask("doctor --after-restore", code=8)
    with Sink() as sink:
        desk.environ["SCHAKEL_SMTP_URL"] = f"smtp://{ADDRESS}:{sink.port}"
        desk.run("tick")
        arrived = [letter for letter in sink.messages() if letter["To"] != "team@example.org"]
    (number, *_) = [row["id"] for row in look(url, "SELECT id, reason FROM outbox") if odd in (row["reason"] or "")]
    settled = desk.run(f'mail resolve {number} --sent --reason "gebeld: is er"')

    lags = altered == "seq = seq - 1"  # so quiet itself, of which nothing is to be written, can be read
    assert set(told["altered"]) == ({odd} if lags else {odd, quiet})
    assert {row["case"] for row in told["held"]} == ({other, last, odd, quiet} if lags else {other, last})
    assert (told["letters"], count(url, "restores")) == (len(waiting), 1)
    assert {row["state"] for row in look(url, "SELECT id, state FROM outbox") if row["id"] in waiting} == {"unknown"}
    assert arrived == []
    assert len(events_of(url, odd)) == before[odd]
    assert len(events_of(url, last)) > before[last]
    assert (settled.exit_code, f"audit verify {odd}" in " ".join(settled.stderr.split())) == (8, True), settled.output


def test_a_case_that_cannot_be_read_is_named_for_people_and_released_with_the_others(
    desk: Desk, engine: Engine, clock: SetClock, url: str
) -> None:
    odd, other, *_ = live(desk, engine, clock)
    run(url, f"UPDATE cases SET facts = '[1]' WHERE reference = '{odd}'")
    clock.moment += timedelta(days=8)

    shown, repeated = desk.run("doctor --after-restore"), desk.run("doctor --after-restore")
    released = desk.run("doctor --release")

    assert (shown.exit_code, repeated.exit_code, released.exit_code) == (8, 8, 0), shown.output
    assert f"{odd} cannot be read" in shown.stdout
    assert f"schakel audit verify {odd}" in " ".join(shown.stdout.split())
    assert (other in shown.stdout, max(map(len, shown.stdout.splitlines())) <= 80) == (True, True)
    assert repeated.stdout == shown.stdout


def test_of_a_digest_the_cases_that_were_not_altered_say_that_it_is_in_doubt(
    desk: Desk, engine: Engine, clock: SetClock, url: str
) -> None:
    odd, other = (bring(engine, "registered") for _ in range(2))
    desk.run("tick")
    clock.moment += timedelta(days=8)
    desk.environ["SCHAKEL_SMTP_URL"] = f"smtp://{ADDRESS}:1"
    for _ in range(2):
        desk.run("tick")
    assert look(url, "SELECT state FROM outbox WHERE letter = 'reminder_digest'") == [{"state": "pending"}]
    run(url, f"UPDATE cases SET progress = '{{}}' WHERE reference = '{odd}'")

    told = desk.ask("doctor --after-restore", code=8)

    assert told["altered"] == [odd]
    (digest,) = look(url, "SELECT id, state, reason FROM outbox WHERE letter = 'reminder_digest'")
    assert (digest["state"], f"audit verify {odd}" in digest["reason"]) == ("unknown", True)
    said = [event["body"].get("outbox") for event in desk.ask(f"history {other}") if event["kind"] == "letter_unknown"]
    assert digest["id"] in said


def test_a_repeat_leaves_what_was_written_since_and_what_a_person_let_go_again(
    desk: Desk, engine: Engine, clock: SetClock, url: str
) -> None:
    live(desk, engine, clock)
    told = desk.ask("doctor --after-restore")
    number = min(one["id"] for one in desk.ask("mail list --state unknown"))
    desk.ask(f'mail resolve {number} --resend --reason "gebeld: is er niet"')
    bring(engine, "rights_pending")
    before = look(url, "SELECT id, state FROM outbox ORDER BY id")

    repeated = desk.ask("doctor --after-restore", code=7)

    assert repeated == told | {"waiting_since": {"letters": 2, "reminders": False}}
    assert look(url, "SELECT id, state FROM outbox ORDER BY id") == before
    assert before[-1]["state"] == "pending"


def test_again_goes_with_a_restore_and_not_with_a_worker(desk: Desk, engine: Engine, clock: SetClock) -> None:
    desk.ask("doctor --after-restore")
    with engine.database.writing() as store:
        shift.begin(store, "w1", clock.moment)

    running = desk.run("doctor --after-restore --again")

    assert (running.exit_code, "Stop it first" in running.stderr) == (7, True)
    assert desk.run("doctor --again").exit_code == 2


def test_a_worker_that_runs_is_in_the_way(desk: Desk, engine: Engine, clock: SetClock) -> None:
    with engine.database.writing() as store:
        shift.begin(store, "w1", clock.moment)

    running = desk.run("doctor --after-restore")
    clock.moment += timedelta(minutes=6)
    gone = desk.run("doctor --after-restore")

    assert (running.exit_code, "Stop it first" in running.stderr) == (7, True)
    assert gone.exit_code == 0, gone.output


def test_with_nothing_restored_there_is_nothing_to_release(desk: Desk) -> None:
    assert desk.ask("doctor --release") == {"released": False, "reminders": 0}
    assert "nothing is held" in desk.run("doctor --release").output
