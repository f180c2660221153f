import json
from datetime import timedelta
from pathlib import Path

import pytest
from employers import bring
from looking import bare

from notifications import overview
from scripts.exits import run
from scripts.output import json_array
from scripts.passes import Passes
from scripts.wiring import Session
from scripts.worker import Worker
from tests.scripts.desk import Desk
from workflow import Conflict, Engine, NoSuchCase, Refused, SchakelError, StoreError, UsageError
from workflow.clock import SetClock

SETTINGS = {"SCHAKEL_SETTINGS": "/dev/null", "SCHAKEL_LANGUAGE": "en"}


def fail(error: BaseException) -> object:
    raise error


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (UsageError("x"), 2, "usage"),
        (NoSuchCase("x"), 3, "no_such_case"),
        (Refused("x"), 5, "refused"),
        (Conflict("x"), 7, "conflict"),
        (StoreError("x"), 1, "store"),
        (SchakelError("x"), 1, "failed"),
        (OSError(28, "No space left on device"), 1, "system"),
        (ValueError("999900171L01"), 1, "unexpected"),
    ],
)
def test_every_error_has_its_exit_code_and_its_document(
    capsys: pytest.CaptureFixture[str], error: Exception, code: int, kind: str
) -> None:
    assert run(lambda: fail(error), Session(environ=SETTINGS, json=True)) == code

    assert json.loads(capsys.readouterr().out)["error"] == kind


def test_an_unexpected_error_shows_no_values_unless_asked(capsys: pytest.CaptureFixture[str]) -> None:
    run(lambda: fail(ValueError("999900171L01")), Session(environ=SETTINGS))

    said = capsys.readouterr().err
    assert "999900171L01" not in said
    assert "SCHAKEL_TRACEBACK=1" in said


def test_a_traceback_is_shown_when_asked(capsys: pytest.CaptureFixture[str]) -> None:
    run(lambda: fail(ValueError("x")), Session(environ={**SETTINGS, "SCHAKEL_TRACEBACK": "1"}))

    assert "Traceback" in capsys.readouterr().err


def test_an_interrupt_is_quiet(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(lambda: fail(KeyboardInterrupt()), Session(environ=SETTINGS, json=True)) == 130
    assert capsys.readouterr() == ("", "")


def test_an_error_in_the_middle_of_an_array_leaves_it_whole(capsys: pytest.CaptureFixture[str]) -> None:
    session = Session(environ=SETTINGS, json=True)

    def stream() -> None:
        with json_array(session) as add:
            add({"row": 1})
            raise StoreError("the disk is full")

    assert run(stream, session) == 1

    said = capsys.readouterr()
    assert json.loads(said.out) == [{"row": 1}]
    assert json.loads(said.err)["error"] == "store"


# -- a tick -----------------------------------------------------------------------------------------------------------


def told(desk: Desk) -> str:
    """What a tick that fails says on standard error, in one line."""
    done = desk.run("tick")
    assert done.exit_code == 1, done.output
    return " ".join(done.stderr.split())


def test_a_tick_names_the_case_that_cannot_be_fired_and_every_part_that_failed(
    desk: Desk, engine: Engine, url: str, clock: SetClock, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.environ["SCHAKEL_DATABASE_URL"] = url
    case, _ = bring(engine, "registered"), bring(engine, "registered")
    with bare(url) as connection:
        connection.execute(f"UPDATE cases SET progress = '{{}}' WHERE reference = '{case}'")
    clock.moment += timedelta(days=9)

    one = told(desk)
    session = Session(environ=desk.environ, clock=clock)
    Worker(session)._guarded("timers")
    session.close()
    line = json.loads(capsys.readouterr().err)
    Path(desk.environ["SCHAKEL_SIGNING_KEY"]).write_text("rubbish")
    two = told(desk)

    assert one.startswith(f"{case} (KeyError): what is due cannot be fired")
    assert one.endswith(f"Next: schakel replay {case}")
    assert (line["job"], line["error"], line["message"][:20]) == ("timers", "CannotFire", f"{case} (KeyError)"[:20])
    assert f"Reminders: {case} (KeyError): what is due cannot be fired" in two
    assert "Ledger: " in two
    assert "is not a signing key" in two
    assert two.endswith("Next: schakel doctor")


def test_a_part_of_a_tick_that_ends_in_what_nobody_foresaw_is_named_without_its_values(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(overview, "run_once", lambda *_: fail(ValueError("999900171L01")))

    said, document = told(desk), desk.ask("tick", code=1)

    assert "Overview: An unexpected ValueError" in said
    assert "SCHAKEL_TRACEBACK=1" in said
    assert "999900171L01" not in said
    assert "Overview: " in document["message"]


def test_what_keeps_every_part_of_a_tick_from_being_done_is_said_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(_passes: Passes) -> object:
        return fail(StoreError("The database is gone."))

    for part in ("fire", "look_over", "deliver", "seal"):
        monkeypatch.setattr(Passes, part, gone)

    assert told(desk) == "The database is gone. Next: schakel doctor"


@pytest.mark.parametrize("group", ["mail", "loket", "audit", "workflow"])
def test_a_group_without_a_command_says_so_and_where_its_commands_are(desk: Desk, group: str) -> None:
    said = desk.run(group)

    assert (said.exit_code, said.stdout) == (2, "")
    assert said.stderr.splitlines() == ["Missing command.", f"Next: cli {group} --help"]
    assert desk.ask(group, code=2)["message"] == "No such option '--json'."


def test_a_note_that_begins_with_a_dash_is_told_how_it_is_typed(desk: Desk) -> None:
    desk.open("E06")

    refused = desk.run("note E06 '- gebeld, geen gehoor'")
    *_, typed = desk.run("note --help").stdout.splitlines()

    assert refused.exit_code == 2
    assert "No such option '- '. A text that begins with a dash comes after '--'." in " ".join(refused.stderr.split())
    assert refused.stderr.splitlines()[-1] == 'Next: cli note CASE -- "- …"'
    assert desk.run(typed.strip().removeprefix("schakel ")).exit_code == 0
    assert '"- called, no answer"' in desk.run("history E06").stdout


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("mail preview invitation --case E06", "No such option '--case'."),
        ("list --overdu", "No such option '--overdu'. Did you mean '--overdue'?"),
        ("note E06 x --actr anna", "No such option '--actr'. Did you mean '--actor'?"),
        ("list -x", "No such option '-x'."),
    ],
)
def test_an_option_that_is_like_another_by_its_dashes_only_is_not_taken_for_it(
    desk: Desk, words: str, said: str
) -> None:
    assert desk.ask(words, code=2)["message"] == said


@pytest.mark.parametrize(
    "words",
    [
        "replay E06 --seq x",
        "advance E06 --expect-version x",
        "forecast --days x",
        "list --limit x",
        "mail show x",
        "worker --metrics-port x",
    ],
)
def test_what_is_no_number_is_said_to_be_none(desk: Desk, words: str) -> None:
    assert "'x' is not a whole number." in desk.ask(words, code=2)["message"]


def test_a_number_outside_its_range_is_told_the_range(desk: Desk) -> None:
    assert "1<=x<=366" in desk.ask("forecast --days 0", code=2)["message"]
