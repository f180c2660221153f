import json

import pytest

from scripts.exits import run
from scripts.output import json_array
from scripts.wiring import Session
from workflow import Conflict, NoSuchCase, Refused, SchakelError, StoreError, UsageError

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
