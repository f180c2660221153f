import base64
import errno
import hashlib
import json
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from looking import bare
from pydantic import SecretStr

from scripts.cli import COMMANDS, cli
from scripts.settings import given_names, load
from scripts.settings_text import SETTINGS_TEXT, is_said_by, settings_text
from scripts.wiring import Session
from scripts.worker import Worker
from states import EMPLOYER_COUPLING
from tests.scripts.desk import GOOD, Desk
from tests.support.telling import FORM
from workflow import UsageError
from workflow.ledger.signing import make_key

ROOT = Path(__file__).parents[2]
Write = Callable[[str, str | bytes], Path]
FORBIDDEN = {"rich", "holidays", "alembic", "cryptography", "openpyxl", "python_calamine", "psycopg"}


def mode(path: str) -> int:
    return stat.S_IMODE(Path(path).stat().st_mode)


def test_init_makes_everything_private_and_the_second_time_nothing(bare_desk: Desk) -> None:
    first = bare_desk.ask("init")
    key = bare_desk.environ["SCHAKEL_SIGNING_KEY"]
    text = Path(key).read_text()

    second = bare_desk.ask("init")

    assert (first["database"]["made"], first["signing_key"]["made"], first["settings"]["made"]) == (True, True, True)
    assert (second["database"]["made"], second["signing_key"]["made"], second["settings"]["made"]) == (
        False,
        False,
        False,
    )
    assert second["signing_key"]["verifier_key"] == first["signing_key"]["verifier_key"]
    assert Path(key).read_text() == text
    assert mode(key) == mode(bare_desk.environ["SCHAKEL_SETTINGS"]) == 0o600
    assert mode(str(Path(key).parent)) == 0o700


def test_a_disk_that_is_full_leaves_no_half_file_and_the_next_init_makes_it_whole(
    bare_desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [Path(bare_desk.environ[name]) for name in ("SCHAKEL_SETTINGS", "SCHAKEL_SIGNING_KEY")]

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    for there in ([], files[:1]):  # the settings come first, and stay once they are whole
        with monkeypatch.context() as patched:
            patched.setattr("os.fsync", full)
            failed = bare_desk.run("init")
        assert (failed.exit_code, [file for file in files if file.exists()]) == (1, there)
        if not there:
            files[0].write_text(SETTINGS_TEXT)

    made = bare_desk.ask("init")
    assert (made["settings"]["made"], made["signing_key"]["made"]) == (False, True)
    assert bare_desk.ask("doctor")["ok"] is True


def test_init_writes_what_the_environment_gave_so_that_another_shell_finds_it(
    bare_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir(mode=0o700)
    monkeypatch.chdir(tmp_path / "home")
    given = {"DATABASE_URL": "sqlite:///here.db", "SIGNING_KEY": "key", "TEAM_NAME": 'Team "K"', "LOKET_POLL": "yes"}
    bare_desk.environ |= {f"SCHAKEL_{name}": value for name, value in given.items()}
    bare_desk.environ |= {"SCHAKEL_SMTP_URL": "smtps://me@mail.example", "SCHAKEL_RETENTION_YEARS": "9"}
    made = bare_desk.ask("init")
    bare_desk.open("E06")

    monkeypatch.chdir(tmp_path)
    bare_desk.environ = {"SCHAKEL_SETTINGS": bare_desk.environ["SCHAKEL_SETTINGS"], "SCHAKEL_ACTOR": "anna"}
    found = load(bare_desk.environ)
    checks = {check["check"]: check for check in bare_desk.ask("doctor", code=1)["checks"]}

    assert (made["settings"]["made"], made["settings"]["only_in_environment"]) == (True, [])
    assert (found.team_name, found.loket_poll, found.retention_years) == ('Team "K"', True, 9)
    assert found.smtp_url == SecretStr("smtps://me@mail.example")
    assert [case["external_reference"] for case in bare_desk.ask("list")] == ["E06"]
    assert (checks["database"]["result"], checks["signing key"]["result"]) == ("ok", "ok")
    assert str(tmp_path / "home" / "key") in checks["signing key"]["message"]


@pytest.mark.parametrize(
    "url", ["postgresql://me:hunter2@db.example/s", "postgresql://me@db.example/s?password=hunter2"]
)
def test_a_password_in_the_url_is_not_written_but_where_it_belongs_is_said(
    write: Write, tmp_path: Path, url: str
) -> None:
    environ = {"SCHAKEL_DATABASE_URL": url, "SCHAKEL_SMTP_URL": "smtps://me:hunter2@mail.example"}
    given = load(environ, tmp_path)
    text = settings_text(given, given_names(environ))
    write("schakel.toml", text)

    found = load({}, tmp_path)

    assert "hunter2" not in text
    assert (found.database_url, found.smtp_url) == ("postgresql://me@db.example/s", None)
    assert text.index("# Its password stood in SCHAKEL_DATABASE_URL") < text.index('\ndatabase_url = "')
    assert not any(is_said_by(found, given, name) for name in ("database_url", "smtp_url"))


def test_init_leaves_a_file_that_is_there_and_says_what_only_the_environment_says(bare_desk: Desk) -> None:
    path = Path(bare_desk.environ["SCHAKEL_SETTINGS"])
    path.parent.mkdir(mode=0o700)
    path.write_text(f'signing_key = "{bare_desk.environ["SCHAKEL_SIGNING_KEY"]}"\nlanguage = "en"\n')
    before = path.read_text()

    made = bare_desk.ask("init")["settings"]
    said = " ".join(bare_desk.run("init", SCHAKEL_LANGUAGE="nl").stdout.split())

    assert (made["made"], made["only_in_environment"]) == (False, ["SCHAKEL_DATABASE_URL"])
    assert "SCHAKEL_DATABASE_URL, SCHAKEL_LANGUAGE: the environment decides" in said
    assert "in every shell" in said
    assert path.read_text() == before


def test_the_key_is_that_of_a_signed_note(bare_desk: Desk) -> None:
    verifier = bare_desk.ask("init")["signing_key"]["verifier_key"]

    start, middle, name, digest, encoded = (
        Path(bare_desk.environ["SCHAKEL_SIGNING_KEY"]).read_text().strip().split("+", 4)
    )
    secret = base64.b64decode(encoded)
    public = Ed25519PrivateKey.from_private_bytes(secret[1:]).public_key().public_bytes_raw()

    assert (start, middle, secret[:1], len(secret)) == ("PRIVATE", "KEY", b"\x01", 33)
    assert digest == hashlib.sha256(name.encode() + b"\n\x01" + public).hexdigest()[:8]
    assert verifier == f"{name}+{digest}+{base64.b64encode(bytes([1]) + public).decode()}"


def test_doctor_is_content_after_init(bare_desk: Desk) -> None:
    bare_desk.ask("init")

    said = bare_desk.ask("doctor")

    assert said["ok"] is True
    assert {check["check"] for check in said["checks"]} >= {"actor", "settings", "database", "clock", "signing key"}


def test_where_the_database_is_lost_doctor_and_init_advise_to_put_its_copy_back(bare_desk: Desk) -> None:
    for name in ("CHECKPOINT", "ERASURES"):
        path = Path(bare_desk.environ["SCHAKEL_SETTINGS"]).with_name(name.lower())
        bare_desk.environ[f"SCHAKEL_{name}_FILE"] = str(path)
    names = ("SIGNING_KEY", "CHECKPOINT_FILE", "ERASURES_FILE")
    key, heads, erasures = (bare_desk.environ[f"SCHAKEL_{name}"] for name in names)
    first, second = (bare_desk.ask("init")["warning"] for _ in range(2))
    bare_desk.ask("tick")
    Path(erasures).write_text(f"K-0000-0000 2026-04-20T08:00:00.000000Z {'a' * 64}\n")
    Path(bare_desk.environ["SCHAKEL_DATABASE_URL"].removeprefix("sqlite:///")).unlink()

    (failed,) = [check for check in bare_desk.ask("doctor", code=1)["checks"] if check["check"] == "database"]
    said = " ".join(bare_desk.run("init").stdout.split())

    advice = f"{key} and {heads} and {erasures} are there already: if a database was lost, put its copy back instead"
    assert (first, second) == (None, None)
    assert failed["todo"].startswith(advice)
    assert f"! Database It is empty, but {advice}" in said


def test_of_a_database_that_is_older_than_the_program_doctor_advises_init_and_no_copy(bare_desk: Desk) -> None:
    bare_desk.ask("init")
    with bare(bare_desk.environ["SCHAKEL_DATABASE_URL"]) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0005'")

    (failed,) = [check for check in bare_desk.ask("doctor", code=1)["checks"] if check["check"] == "database"]

    assert failed["message"].endswith("then run: schakel init.")
    assert failed["todo"] == "schakel init, in the order of docs/operations.md, 'A newer version'"


@pytest.mark.parametrize("spoil", ["database", "key", "broken key"])
def test_doctor_says_what_fails_and_what_to_do(bare_desk: Desk, spoil: str) -> None:
    bare_desk.ask("init")
    if spoil == "database":
        bare_desk.environ["SCHAKEL_DATABASE_URL"] += ".not"
    elif spoil == "key":
        Path(bare_desk.environ["SCHAKEL_SIGNING_KEY"]).unlink()
    else:
        Path(bare_desk.environ["SCHAKEL_SIGNING_KEY"]).write_text("PRIVATE+KEY+x+00000000+AAAA")

    said = bare_desk.ask("doctor", code=1)

    (failed,) = [check for check in said["checks"] if check["result"] == "fail"]
    assert "schakel init" in failed["message"] + failed["todo"]


def test_a_ledger_that_was_signed_gets_no_other_key(
    desk: Desk, url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signal, "signal", lambda *_: None)  # the worker's would stay
    desk.environ["SCHAKEL_DATABASE_URL"] = url
    path = Path(desk.environ["SCHAKEL_SIGNING_KEY"])
    verifier = desk.ask("init")["signing_key"]["verifier_key"]
    signer = "+".join(verifier.split("+")[:2])
    desk.open("E06")
    desk.ask("tick")
    kept = path.rename(path.with_name("kept"))

    told = desk.ask("doctor", code=1)
    left = desk.ask("init")["signing_key"]
    said = " ".join(desk.run("init").stdout.split())
    ticked, told_by_tick = desk.ask("tick", code=1), " ".join(desk.run("tick").stderr.split())
    old, no_key = desk.run("audit checkpoint"), desk.run("audit key")
    session = Session(environ=desk.environ, clock=desk.clock)
    worker = Worker(session)
    worker._on_signal(signal.SIGTERM, None)  # so it only begins and ends
    worker.run()
    session.close()
    (logged,) = [line for line in map(json.loads, capsys.readouterr().err.splitlines()) if line["level"] == "warning"]
    unsigned = [check for check in told["checks"] if check["check"] == "signing key"]

    assert (unsigned[0]["result"], "schakel init" in unsigned[0]["todo"]) == ("fail", False)
    assert f"signed by {signer}:" in unsigned[0]["message"]
    assert ticked["key_missing"] == logged["message"] == unsigned[0]["message"]
    assert logged["todo"] == unsigned[0]["todo"]
    assert f"No checkpoint: {unsigned[0]['message']} To do: {unsigned[0]['todo']}" in told_by_tick
    assert (old.exit_code, no_key.exit_code) == (0, 2)
    assert all("put that key back" in " ".join(one.stderr.split()) for one in (old, no_key))
    assert (left["made"], left["verifier_key"], left["missing"]) == (False, None, signer)
    assert f"signed by {signer}. To do, where events are signed: put that key back" in said
    assert not path.exists()
    kept.rename(path)
    assert desk.ask("init")["signing_key"]["made"] is False
    assert desk.ask("audit verify")["ok"] is True


def test_a_worker_signs_again_with_a_key_that_is_put_back_and_with_no_other(
    desk: Desk, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.environ["SCHAKEL_DATABASE_URL"] = url
    path = Path(desk.environ["SCHAKEL_SIGNING_KEY"])
    verifier = desk.ask("init")["signing_key"]["verifier_key"]
    desk.open("E06")
    desk.ask("tick")
    kept = path.rename(path.with_name("kept"))
    make_key(other := path.with_name("other"), "schakel/test")
    session = Session(environ=desk.environ, clock=desk.clock)
    worker = Worker(session)
    desk.ask("note E06 gebeld")

    def passes() -> list[tuple[str, str]]:
        for _ in range(2):
            worker._guarded("ledger")
        lines = map(json.loads, capsys.readouterr().err.splitlines())
        return [(line["level"], line.get("message", line["event"])) for line in lines]

    gone = passes()
    other.rename(path)
    wrong = passes()
    path.write_text("PRIVATE+K")
    half = passes()
    without = desk.ask(f"audit verify --key {verifier}", code=8)
    kept.replace(path)
    back = passes()
    session.close()

    assert gone == [("info", "pass")]  # the leaf alone
    assert [(level, "put that key back" in said) for level, said in wrong] == [("error", True)]
    assert half == [("error", f"{path} is not a signing key of Schakel.")]
    assert without["checkpoint"]["size"] == 1
    assert back == [("info", f"{path} is there: checkpoints are signed now."), ("info", "pass")]
    assert desk.ask("audit verify")["checkpoint"]["size"] == 2


def test_doctor_and_every_command_that_signs_know_a_key_that_is_another(desk: Desk) -> None:
    path = Path(desk.environ["SCHAKEL_SIGNING_KEY"])
    desk.ask("init")
    desk.open("E06")
    make_key(path.with_name("other"), "schakel/other")
    first = desk.ask("audit checkpoint")["size"]
    path.with_name("other").replace(path)
    desk.open("E07", registration=GOOD["registration"] | {"loket_employer_id": 9900007})

    (failed,) = [check for check in desk.ask("doctor", code=1)["checks"] if check["result"] == "fail"]
    refused = [desk.ask(words, code=2)["message"] for words in ("tick", "audit checkpoint")]
    worker = desk.run("worker")

    assert (failed["check"], first) == ("signing key", 1)
    assert all("put that key back" in said for said in [*refused, worker.stderr.replace("\n ", "")])
    assert worker.exit_code == 2


def test_doctor_warns_of_an_open_key_a_wrong_variable_and_a_late_clock(bare_desk: Desk) -> None:
    bare_desk.ask("init")
    bare_desk.open("E06")
    Path(bare_desk.environ["SCHAKEL_SIGNING_KEY"]).chmod(0o644)
    bare_desk.environ["SCHAKEL_LANGAUGE"] = "nl"
    bare_desk.clock.moment = bare_desk.clock.moment.replace(year=2020)

    said = bare_desk.ask("doctor")

    warned = {check["check"] for check in said["checks"] if check["result"] == "warn"}
    assert {"settings", "signing key", "clock"} <= warned


def test_each_command_is_called_what_the_help_calls_it_and_gives_examples() -> None:
    context = cli.make_context("schakel", [])

    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        assert command.name == name
        assert "Examples:" in (command.epilog or ""), name


def test_every_help_fits_eighty_columns(bare_desk: Desk) -> None:
    words = ["--help", *(f"{name} --help" for name in COMMANDS), "workflow show -h", "workflow check -h"]

    for line in words:
        result = bare_desk.run(line)
        assert result.exit_code == 0, result.output
        assert max(map(len, result.stdout.splitlines())) <= 80, line


def test_looking_at_a_case_loads_nothing_heavy(desk: Desk) -> None:
    desk.open("E06")
    program = (
        "import sys; from scripts.cli import cli\n"
        "for words in (['show', 'E06'], ['list'], ['why', 'E06'], ['history', 'E06']):\n"
        "    assert cli.main(words, standalone_mode=False) == 0\n"
        "print('LOADED', *sorted({name.partition('.')[0] for name in sys.modules}))"
    )

    said = subprocess.run(
        [sys.executable, "-c", program],
        env={**desk.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode == 0, said.stderr
    assert FORBIDDEN.isdisjoint(said.stdout.rpartition("LOADED")[2].split())


def test_the_program_says_errors_once_and_without_a_traceback(desk: Desk) -> None:
    said = subprocess.run(
        [sys.executable, "-m", "scripts", "note", b"E06", b"\xff"],
        env={**desk.environ, "PYTHONPATH": str(ROOT), "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.returncode == 2
    assert said.stderr.startswith("An argument is not valid UTF-8")
    assert "Traceback" not in said.stderr


def test_a_reader_that_leaves_is_no_error(desk: Desk) -> None:
    desk.open("E06")
    program = f"{sys.executable} -m scripts show E06 | true"

    said = subprocess.run(
        ["/bin/sh", "-c", program],
        env={**desk.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.stderr == ""


def test_the_demo_tells_a_true_story_and_stays(
    bare_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    told = bare_desk.ask("demo")

    assert [step["exit"] for step in told["steps"]].count(5) == 1
    assert [event["to"] for event in told["steps"][9]["answer"]][-1] == "confirmed"
    assert told["steps"][0]["answer"]["settings"]["only_in_environment"] == []
    kept = {name: value for name, value in bare_desk.environ.items() if name not in told["unset"]}
    going_on = Desk(kept | told["environment"], bare_desk.clock)
    assert all(going_on.run(line.removeprefix("schakel ")).exit_code == 0 for line in told["next"])
    assert not Path(bare_desk.environ["SCHAKEL_SIGNING_KEY"]).exists()


def test_the_demo_reads_well_at_eighty_columns(
    bare_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    said = bare_desk.run("demo", PATH="/bin")

    assert said.exit_code == 0
    assert "Your turn." in said.stdout
    shown = [line for line in said.stdout.splitlines() if not line.startswith("$ ") and str(tmp_path) not in line]
    assert max(map(len, shown)) <= 80


def test_the_workflow_is_sound_and_drawn(bare_desk: Desk) -> None:
    assert bare_desk.ask("workflow check") == {"ok": True, "faults": []}
    assert bare_desk.run("workflow diagram").stdout.startswith("stateDiagram-v2")


def test_the_workflow_is_shown_as_its_digest_knows_it_with_what_its_states_mean(bare_desk: Desk) -> None:
    shown = bare_desk.ask("workflow show")

    meanings = [state.pop("means") for state in shown["states"]]
    assert shown == FORM
    assert meanings == [state.means for state in EMPLOYER_COUPLING.states]


def test_the_signs_beyond_ascii_have_a_stand_in(desk: Desk) -> None:
    desk.open("E06")

    said = subprocess.run(
        [sys.executable, "-m", "scripts", "why", "E06"],
        env={**desk.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert said.stdout.isascii()
    assert re.search(r"^\+ register -> registered", said.stdout, re.MULTILINE)


def test_an_actor_must_be_a_name_on_one_line() -> None:
    with pytest.raises(UsageError):
        _ = Session(environ={"SCHAKEL_ACTOR": "a\nb"}).actor


@pytest.mark.parametrize("who", ["Jan 123456782", "123456782L01", "123/456/782"])
def test_an_actor_that_holds_a_bsn_is_refused_before_anything_is_written(desk: Desk, who: str) -> None:
    """It would stand in every event for good: no erasure takes it away."""
    desk.open("E06")

    said = desk.ask(f"--actor '{who}' note E06 x", code=2)

    assert said["error"] == "usage"
    assert "holds a BSN" in said["message"]
    assert who not in said["message"]
    assert [event["kind"] for event in desk.ask("history E06")] == ["opened"]
    assert desk.ask("--actor 'Jan 123456789' note E06 x")["event"]["seq"] == 2
