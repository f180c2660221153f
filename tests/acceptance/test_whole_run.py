"""One coupling from opening to its first exchange, over seven weeks: through the command line, and from Python."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from employers import employer
from freezegun import freeze_time
from looking import count, look

from scripts.cli import cli
from workflow import Engine, Refused
from workflow.clock import AMSTERDAM, SetClock

KINDS = [
    *("opened", "recorded", "refused", "noted", "recorded", "moved"),  # to registered
    *("recorded", "moved", "moved", "recorded", "moved"),  # to enriched, back, and to enriched again
    *("held", "resumed", "moved"),  # to keylane_configuring
    *("refused", "moved", "recorded"),  # to confirmed, and postponed
]
BALL = {"applicant": 7, "asr": 3, "keylane": 12}
"""Working days: Koningsdag, Hemelvaartsdag, 2e Pinksterdag and two days on hold do not count."""
LETTERS = [
    ("invitation", "applicant"),
    ("rights_missing", "applicant"),
    ("registration_received", "applicant"),
    ("enrichment_requested", "asr"),
    ("keylane_handover", "keylane"),
    ("keylane_will_contact", "applicant"),
    ("enrichment_requested", "asr"),
    ("keylane_handover", "keylane"),
    ("keylane_will_contact", "applicant"),
    ("configuration_started", "applicant"),
    ("coupling_confirmed", "applicant"),
    ("coupling_confirmed", "asr"),
    ("coupling_confirmed", "applicant"),
    ("coupling_confirmed", "asr"),
]


@dataclass
class Terminal:
    """A person at the command line, on the day that it is."""

    environ: dict[str, str]
    clock: Any

    def on(self, day: int, month: int, hour: int = 10) -> Terminal:
        """Go on at this hour in Amsterdam of a day in 2026."""
        self.clock.move_to(datetime(2026, month, day, hour, tzinfo=AMSTERDAM).astimezone(UTC))
        return self

    def run(self, *args: str, exit_code: int = 0, typed: str | None = None) -> str:
        """What a command says on its standard output."""
        result = CliRunner().invoke(cli, args, input=typed, env=self.environ, prog_name="schakel")
        assert result.exit_code == exit_code, result.output
        return result.stdout

    def ask(self, *args: str, exit_code: int = 0, typed: str | None = None) -> Any:
        """The JSON that a command answers."""
        return json.loads(self.run(*args, "--json", exit_code=exit_code, typed=typed))


@pytest.fixture
def environ(url: str, tmp_path: Path) -> dict[str, str]:
    return {
        "SCHAKEL_DATABASE_URL": url,
        "SCHAKEL_SETTINGS": str(tmp_path / "home" / "schakel.toml"),
        "SCHAKEL_SIGNING_KEY": str(tmp_path / "home" / "signing.key"),
        "SCHAKEL_ACTOR": "anna",
        "NO_COLOR": "1",
    }


@dataclass
class Run:
    """The run, stage by stage."""

    at: Terminal
    folder: Path
    whole: dict[str, dict[str, Any]]

    def file(self, facts: dict[str, Any]) -> str:
        """A file that holds one sheet."""
        path = self.folder / "sheet.json"
        path.write_text(json.dumps(facts))
        return str(path)

    def open_and_register(self) -> None:
        at, rights = self.at, self.whole["loket_user"]["rights"]
        # Monday 20 April: the employer is known, the Loket.nl user is not there yet
        typed = json.dumps({"external_reference": "E77", "registration": self.whole["registration"]})
        opened = at.on(20, 4).ask("open", typed=typed)
        assert (opened["state"], opened["letters"]) == ("rights_pending", ["invitation"])

        # Wednesday 22 April: the user was made, one right is missing
        user = self.file({**self.whole["loket_user"], "rights": rights[1:]})
        told = at.on(22, 4).ask("record", "E77", "loket_user", "--file", user)
        assert (told["letters"], codes(told)) == (["rights_missing"], ["RIGHTS_MISSING"])
        assert codes(at.ask("advance", "E77", exit_code=5)) == ["RIGHTS_MISSING"]

        # Tuesday 28 April, 09:00: five working days, for the 27th is Koningsdag
        assert at.on(28, 4, 8).ask("list", "--overdue") == []
        assert [row["external_reference"] for row in at.on(28, 4, 9).ask("list", "--overdue")] == ["E77"]
        at.run("note", "E77", "Gebeld: komt donderdag.")

        # Thursday 30 April: complete
        at.on(30, 4).run("record", "E77", "loket_user", "--file", self.file({"rights": rights}))
        assert at.ask("why", "E77", "register")["moves"][0]["allowed"] is True
        for _ in range(2):
            assert at.ask("advance", "E77", "register", "--key", "r1")["to"] == "registered"

    def enrich(self) -> None:
        at = self.at
        # Monday 4 May: the policy is added and goes to Keylane; on Tuesday it turns out to be another one
        at.on(4, 5).run("record", "E77", "policy", "--file", self.file(self.whole["policy"]))
        at.run("advance", "E77")
        back = at.on(5, 5).ask("advance", "E77", "return_to_asr", "--reason", "Verkeerde polis")
        assert (back["from"], back["to"]) == ("enriched", "registered")
        at.on(6, 5).run("record", "E77", "policy", "--file", self.file(other_policy(self.whole)))
        at.run("advance", "E77", "enrich")

        # Thursday 7 May: waits for a third party; Monday it is back early, Tuesday Keylane takes it in
        at.on(7, 5).run("hold", "E77", "--until", "2026-05-13", "--reason", "Wacht op de accountant")
        assert at.ask("show", "E77")["due_at"] > "2026-05-13"
        at.on(11, 5).run("resume", "E77")
        assert at.on(12, 5).ask("advance", "E77", "handover.keylane_reference=KL-77")["to"] == "keylane_configuring"

    def confirm(self) -> None:
        at = self.at
        # Tuesday 26 May: too early; Wednesday everything is known; Friday the first exchange is postponed
        assert set(codes(at.on(26, 5).ask("advance", "E77", "confirm", exit_code=5))) == {
            "CONTACT_DATE_MISSING",
            "AUTHORISATIONS_NOT_SET",
            "REALISED_MISSING",
            "FIRST_EXCHANGE_MISSING",
        }
        known = (
            "handover.contacted_on=2026-05-13",
            "handover.authorisations_set=yes",
            "realisation.realised_on=2026-05-27",
            "realisation.first_exchange_date=2026-06-02",
        )
        assert at.on(27, 5).ask("advance", "E77", "confirm", *known)["to"] == "confirmed"
        at.on(29, 5).run("record", "E77", "realisation", "first_exchange_date=2026-06-09")


def codes(answer: dict[str, Any]) -> list[str]:
    return [problem["code"] for problem in answer["problems"]]


@pytest.mark.slow
def test_a_coupling_goes_from_opening_to_its_first_exchange(environ: dict[str, str], url: str, tmp_path: Path) -> None:
    with freeze_time("2026-04-20 08:00:00", real_asyncio=True) as clock:
        at = Terminal(environ, clock)
        run = Run(at, tmp_path, employer())
        at.run("init")

        run.open_and_register()
        run.enrich()
        run.confirm()

        shown, history = at.on(10, 6).ask("show", "E77"), at.ask("history", "E77")
        assert (shown["state"], shown["holder"], shown["overdue"]) == ("confirmed", None, False)
        assert [event["kind"] for event in history] == KINDS
        assert [event["at"] for event in history] == sorted(event["at"] for event in history)
        assert {(event["actor"], event["via"]) for event in history} == {("anna", "cli")}
        assert at.ask("replay", "E77")["matches_stored"] is True
        assert at.ask("replay", "E77", "--at", "2026-05-05")["state"] == "registered"
        at.run("advance", "E77", exit_code=5)
    rows = look(url, "SELECT letter, role FROM outbox ORDER BY id")
    assert [(row["letter"], row["role"]) for row in rows] == LETTERS
    assert count(url, "cases") == 1


def other_policy(whole: dict[str, Any]) -> dict[str, Any]:
    """The policies of an employer, one of them under another number."""
    return {"policies": [{**whole["policy"]["policies"][0], "policy_number": "P-2"}]}


def test_the_same_run_from_python(engine: Engine, clock: SetClock, url: str) -> None:
    whole = employer()
    rights = whole["loket_user"]["rights"]

    def on(day: int, month: int) -> Engine:
        clock.moment = datetime(2026, month, day, 10, tzinfo=AMSTERDAM).astimezone(UTC)
        return engine

    case = on(20, 4).open_case({"registration": whole["registration"]}, external_reference="E77").case.reference
    on(22, 4).record(case, {"loket_user": {**whole["loket_user"], "rights": rights[1:]}})
    with pytest.raises(Refused):
        engine.advance(case)
    on(28, 4).note(case, "Gebeld: komt donderdag.")
    on(30, 4).record(case, {"loket_user": {"rights": rights}})
    first = engine.advance(case, "register", key="r1")
    assert engine.advance(case, "register", key="r1").hash == first.hash
    on(4, 5).record(case, {"policy": whole["policy"]})
    engine.advance(case)
    on(5, 5).advance(case, "return_to_asr", reason="Verkeerde polis")
    on(6, 5).record(case, {"policy": other_policy(whole)})
    engine.advance(case, "enrich")
    on(7, 5).hold(case, date(2026, 5, 13), "Wacht op de accountant")
    on(11, 5).resume(case)
    on(12, 5).advance(case, facts={"handover": {"keylane_reference": "KL-77"}})
    with pytest.raises(Refused):
        on(26, 5).advance(case)
    on(27, 5).advance(
        case,
        facts={
            "handover": {"contacted_on": "2026-05-13", "authorisations_set": True},
            "realisation": {"realised_on": "2026-05-27", "first_exchange_date": "2026-06-02"},
        },
    )
    on(29, 5).record(case, {"realisation": {"first_exchange_date": "2026-06-09"}})

    view = on(10, 6).case(case)

    assert (view.case.state, dict(view.ball)) == ("confirmed", BALL)
    assert [str(step.event.kind) for step in engine.history(case)] == KINDS
    rows = look(url, "SELECT letter, role FROM outbox ORDER BY id")
    assert [(row["letter"], row["role"]) for row in rows] == LETTERS
    assert engine.replay(case).matches_stored
    assert engine.replay(case, at=datetime(2026, 5, 5, 20, tzinfo=UTC)).case.state == "registered"
