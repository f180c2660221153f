import email
import email.policy
import os
import smtplib
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from scripts.catcher import Catcher
from tests.scripts.desk import Desk
from workflow.calendar import WorkingDays
from workflow.clock import format_time, local_day, parse_time


@pytest.fixture
def told(bare_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return bare_desk.ask("demo")


def step(told: Any, command: str) -> Any:
    return next(step["answer"] for step in told["steps"] if step["command"].startswith(f"schakel {command}"))


def test_every_letter_of_the_demo_was_caught_and_can_be_opened(told: Any) -> None:
    letters = told["month"]["letters"]
    sent = step(told, "tick")["letters"]["sent"] + told["month"]["sent"]

    read = [email.message_from_bytes(Path(one["file"]).read_bytes(), policy=email.policy.default) for one in letters]

    assert len(letters) == sent == len(list(Path(told["month"]["folder"]).glob("*.eml")))
    assert [message["Subject"] for message in read] == [one["subject"] for one in letters]
    assert all(Path(one["file"]).with_suffix(".html").read_text("utf-8").startswith("<!") for one in letters)


def test_the_files_of_the_demo_are_for_its_owner_alone(
    bare_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = os.umask(0)
    try:
        bare_desk.ask("demo")
    finally:
        left = os.umask(before)

    (place,) = tmp_path.glob("schakel-demo-*")
    files = [file for file in place.rglob("*") if file.is_file()]
    assert left == 0
    assert {"E90.json", "employers.csv", "schakel.db"} < {file.name for file in files}
    assert {file.suffix for file in files} > {".eml", ".html"}
    assert {stat.S_IMODE(file.stat().st_mode) & 0o077 for file in (place, *files)} == {0}


def test_reminders_of_the_demo_go_out_on_working_days_and_not_on_hold(told: Any) -> None:
    moments = [parse_time(one["at"]) for one in told["month"]["letters"] if one["letter"].startswith("reminder")]
    history = [event["kind"] for event in step(told, "history E07")]

    assert moments
    assert all(WorkingDays().is_working_day(local_day(at)) for at in moments)
    assert history.index("held") < history.index("resumed") < history.index("reminded")
    assert step(told, "forecast")


@pytest.mark.parametrize("now", ["2026-12-31T22:30:00+00:00", "2027-04-03T05:00:00+00:00", "2026-11-01T12:00:00+00:00"])
def test_the_month_ends_now_whatever_day_it_is(
    bare_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, now: str
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    bare_desk.clock.moment = datetime.fromisoformat(now).astimezone(UTC)

    told = bare_desk.ask("demo")

    going_on = Desk({**told["environment"]}, bare_desk.clock)
    checks = {check["check"]: check["result"] for check in going_on.ask("doctor")["checks"]}
    assert told["month"]["until"] == format_time(bare_desk.clock.moment)
    assert checks["clock"] == "ok"
    assert "SCHAKEL_SMTP_URL" not in told["environment"]
    assert "letter_sent" in {event["kind"] for event in going_on.ask("history E22")}


def test_the_demo_lists_what_went_out_and_prints_one_letter(
    bare_desk: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    said = bare_desk.run("demo").stdout

    listed = said.partition("letters were caught")[2].partition("All of them")[0].splitlines()
    assert 10 < len(listed) <= 27
    assert "Tweede herinnering" in said.partition("$ schakel mail show")[2]
    assert all(len(act.splitlines()) < 40 for act in said.partition("$ schakel tick")[2].split("\n# "))


def test_the_catcher_keeps_a_letter_without_html_and_is_gone_afterwards(tmp_path: Path) -> None:
    with Catcher(tmp_path / "letters") as catcher:
        port = int(catcher.url.rpartition(":")[2])
        with smtplib.SMTP("127.0.0.1", port) as client:
            client.sendmail(
                "a@x.example", ["b@x.example"], "Subject: Één / ../\r\nMessage-ID: <1@x>\r\n\r\nhi\r\n".encode()
            )

    (caught,) = catcher.caught
    assert caught.file.parent == catcher.folder
    assert caught.page is None
    with pytest.raises(OSError, match="refused"):
        smtplib.SMTP("127.0.0.1", port)
