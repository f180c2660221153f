"""`schakel replay`: what changed at each step, verdicts by the rules of then and now, and the exit codes."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import looking
import pytest

from scripts.parameters import parse_moment
from states import EMPLOYER_COUPLING
from tests.scripts.desk import GOOD, Desk
from workflow.clock import format_time
from workflow.events import read_event, seal
from workflow.facts import Context, Facts, Problem, Severity

CONTRACT = {"intact", "case", "seq", "at", "state", "version", "facts", "matches_stored"}


def bare(desk: Desk) -> AbstractContextManager[Any]:
    return looking.bare(desk.environ["SCHAKEL_DATABASE_URL"])


def forge_move(desk: Desk, trigger: str, target: str) -> None:
    """Append a move that nobody made to the only case, with right hashes, and make the row of the case agree."""
    with bare(desk) as connection:
        canonical, digest = connection.execute("SELECT canonical, hash FROM events ORDER BY id DESC").fetchone()
        last = read_event(canonical, digest)
        event = seal(
            case=last.case,
            seq=last.seq + 1,
            at=last.at,
            origin=last.origin,
            kind=last.kind.MOVED,
            trigger=trigger,
            source=last.target,
            target=target,
            definition=last.definition,
            body={},
            previous=last.hash,
        )
        connection.execute(
            "INSERT INTO events (case_id, seq, at, actor, os_user, via, kind, trigger, from_state, to_state,"
            " definition_version, canonical, prev_hash, hash)"
            " SELECT case_id, ?, at, actor, os_user, via, 'moved', ?, to_state, ?, definition_version, ?, hash, ?"
            " FROM events ORDER BY id DESC LIMIT 1",
            (event.seq, trigger, target, event.canonical, event.hash),
        )
        connection.execute(
            "UPDATE cases SET state = ?, seq = ?, head = ?, version = version + 1, entered_at = at",
            (target, event.seq, event.hash),
        )


@pytest.fixture
def stricter(monkeypatch: pytest.MonkeyPatch) -> None:
    """The program as it is to become: 'register' asks for a KvK number, in the same table."""

    def a_kvk_number(facts: Facts, context: Context) -> Any:
        if not facts["registration"].get("kvk_number"):
            yield Problem("KVK_FORMAT", Severity.ERROR, "registration.kvk_number", "applicant")

    moves = tuple(
        replace(move, validators=(*move.validators, a_kvk_number)) if move.forward else move
        for move in EMPLOYER_COUPLING.moves
    )
    monkeypatch.setattr("states.EMPLOYER_COUPLING", replace(EMPLOYER_COUPLING, version="2099.1", moves=moves))


def test_replay_tells_what_changed_at_each_step_up_to_the_moment(desk: Desk) -> None:
    desk.open("E06")
    desk.ask("record E06 registration kvk_number=00000001 email=new@example.com")
    desk.ask("note E06 gebeld")

    said = desk.ask("replay E06 --seq 2")
    shown = desk.run("replay E06 --seq 2").stdout

    assert set(said) >= CONTRACT
    assert "verdicts" not in said
    assert [(step["seq"], step["kind"], step["to"]) for step in said["steps"]] == [
        (1, "opened", "rights_pending"),
        (2, "recorded", "rights_pending"),
    ]
    assert said["steps"][1]["changes"]["registration.kvk_number"] == {"from": None, "to": "00000001"}
    assert "registration.kvk_number: 00000001" in shown
    assert "new@example.com" not in shown + str(said)
    assert "noted" not in shown


@pytest.mark.parametrize("by", ["then", "now"])
def test_each_move_gets_a_verdict(desk: Desk, by: str) -> None:
    desk.open("E06", registration={**GOOD["registration"], "framework_contract_number": "B1"})
    desk.ask("advance E06", code=5)
    desk.ask("advance E06 --accept RW_PREFIX")

    said = desk.ask(f"replay E06 --rules {by}")
    shown = desk.run(f"replay E06 --rules {by}")

    assert set(said) >= {*CONTRACT, "verdicts"}
    opened, moved = said["verdicts"]
    assert set(moved) >= {"seq", "trigger", "from", "to", "verdict", "problems", "reasons"}
    assert (opened["seq"], opened["trigger"], opened["verdict"]) == (1, None, "yes")
    assert (moved["seq"], moved["trigger"], moved["from"], moved["to"]) == (
        3,
        "register",
        "rights_pending",
        "registered",
    )
    assert (moved["verdict"], moved["accepted"], moved["problems"], moved["reasons"]) == ("yes", ["RW_PREFIX"], [], [])
    assert shown.exit_code == 0
    assert "accepted: RW_PREFIX" in shown.stdout


def test_a_move_that_the_table_of_then_forbids_exits_8_although_all_hashes_are_right(desk: Desk) -> None:
    desk.open("E06")
    forge_move(desk, "enrich", "enriched")

    said = desk.ask("replay E06 --rules then", code=8)
    shown = desk.run("replay E06 --rules then")

    assert said["matches_stored"] is True
    assert [verdict["verdict"] for verdict in said["verdicts"]] == ["yes", "no"]
    assert "no move 'enrich' from 'rights_pending'" in " ".join(said["verdicts"][1]["reasons"])
    assert shown.exit_code == 8
    assert "Not every move is shown to be legal: 1 yes, 1 no." in shown.stdout
    assert desk.run("replay E06").exit_code == 0


def test_a_move_to_a_state_that_does_not_exist_is_no_crash(desk: Desk) -> None:
    desk.open("E06")
    forge_move(desk, "register", "limbo")

    assert desk.ask("replay E06 --rules then", code=8)["verdicts"][1]["verdict"] == "no"
    assert desk.ask("replay E06 --rules now")["verdicts"][1]["verdict"] == "no"


def test_without_the_rules_of_then_legality_is_not_shown(desk: Desk) -> None:
    desk.open("E06")
    with bare(desk) as connection:
        connection.execute("UPDATE definitions SET canonical = '{}'")

    said = desk.ask("replay E06 --rules then", code=8)

    assert [verdict["verdict"] for verdict in said["verdicts"]] == ["unknown"]
    assert EMPLOYER_COUPLING.version in said["verdicts"][0]["reasons"][0]


def test_what_is_stored_but_not_in_history_exits_8_under_any_rules(desk: Desk) -> None:
    desk.open("E06")
    with bare(desk) as connection:
        connection.execute("UPDATE cases SET state = 'confirmed'")

    for words in ("replay E06", "replay E06 --rules then", "replay E06 --rules now"):
        assert desk.ask(words, code=8)["matches_stored"] is False


def test_no_by_the_rules_of_now_is_information(desk: Desk, stricter: None) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("states.EMPLOYER_COUPLING", EMPLOYER_COUPLING)
        desk.open("E06")
        desk.ask("advance E06")

    now, then = desk.ask("replay E06 --rules now"), desk.ask("replay E06 --rules then")
    shown = desk.run("replay E06 --rules now")

    rules = {"name": EMPLOYER_COUPLING.name, "version": EMPLOYER_COUPLING.version}
    assert [(verdict["verdict"], verdict["rules"]) for verdict in then["verdicts"]] == [("yes", rules), ("yes", rules)]
    assert [step["rules"] for step in then["steps"]] == [rules, rules]
    assert [verdict["verdict"] for verdict in now["verdicts"]] == ["yes", "no"]
    (problem,) = now["verdicts"][1]["problems"]
    assert (problem["code"], problem["severity"], problem["field"]) == (
        "KVK_FORMAT",
        "error",
        "registration.kvk_number",
    )
    assert problem["message"]
    assert shown.exit_code == 0
    assert "Not every move would be made today: 1 yes, 1 no." in shown.stdout


def test_erased_values_leave_nobody_to_tell(desk: Desk) -> None:
    desk.open("E06")
    desk.ask("advance E06")
    with bare(desk) as connection:
        connection.execute("DELETE FROM private_values")

    said = desk.run("replay E06 --rules now").stdout

    assert "? " in said
    assert "1 yes, 1 unknown" in said
    assert "erased" in said


@pytest.mark.parametrize("canonical", ["'x'", str(2**62)])
def test_a_history_that_cannot_be_read_exits_8_and_says_where_to_look(desk: Desk, canonical: str) -> None:
    case = desk.open("E06")
    with bare(desk) as connection:
        for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(f"UPDATE events SET canonical = {canonical}")

    said = desk.ask("replay E06", code=8)

    assert (said["error"], said["problems"]) == ("history", [])
    assert f"schakel audit verify {case}" in said["message"]


def test_a_forged_event_is_shown_and_called_so(desk: Desk) -> None:
    case = desk.open("E06")
    desk.run("note E06 gebeld")
    with bare(desk) as connection:
        connection.execute("DROP TRIGGER events_refuse_update")
        (said,) = connection.execute("SELECT canonical FROM events WHERE seq = 2").fetchone()
        forged = said.replace(b'"actor":"anna"', b'"actor":"olga"')
        connection.execute("UPDATE events SET actor = 'olga', canonical = ? WHERE seq = 2", (forged,))

    replayed, told, listed = desk.run("replay E06"), desk.run("history E06"), desk.run("history E06 --json")

    assert [replayed.exit_code, told.exit_code, listed.exit_code] == [8, 8, 8]
    assert desk.ask("replay E06", code=8)["intact"] is False
    assert f"audit verify {case}" in replayed.stdout
    assert "✓" not in replayed.stdout
    assert "olga" in told.stdout
    assert f"The history of {case} was altered" in told.stderr
    assert [step["actor"] for step in json.loads(listed.stdout)] == ["anna", "olga"]
    assert json.loads(listed.stderr)["error"] == "history"


def test_a_case_whose_events_are_gone_is_called_altered(desk: Desk) -> None:
    desk.open("E06")
    with bare(desk) as connection:
        for trigger in ("events_refuse_delete", "events_refuse_update"):
            connection.execute(f"DROP TRIGGER {trigger}")
        connection.execute("DELETE FROM events")

    told = desk.run("history E06")

    assert (told.exit_code, told.stdout) == (8, "")
    assert "The history of E06 was altered: events of it are gone" in told.stderr


def test_a_step_says_its_grounds(desk: Desk) -> None:
    """To whom which letter, until when, which command, by which rules: for programs as for people."""
    case = desk.open("E06", loket_user={**GOOD["loket_user"], "active": False})
    desk.run("hold E06 --until 2026-05-01 --reason 'wacht op Loket'")
    desk.ask("advance E06", code=5)
    desk.run("record E06 registration email=other@example.com kvk_number=00000001")

    listed = desk.ask("history E06")

    assert [step["kind"] for step in listed] == ["opened", "held", "refused", "recorded"]
    assert desk.ask("replay E06")["steps"] == listed
    assert all(
        step["rules"] == {"name": EMPLOYER_COUPLING.name, "version": EMPLOYER_COUPLING.version} for step in listed
    )
    bodies = [step["body"] for step in listed]
    assert (bodies[0]["external_reference"], bodies[0]["letters"]) == ("E06", ["invitation"])
    assert bodies[1] == {"until": "2026-05-01"}
    assert bodies[2] == {"problems": [{"code": "USER_BLOCKED", "field": "loket_user.active"}]}
    assert "facts" not in bodies[3]
    assert listed[3]["changes"]["registration.kvk_number"]["to"] == "00000001"
    assert not any(value in json.dumps(bodies) for value in ("example.com", "Loket", "Dennen"))
    assert f"rules {EMPLOYER_COUPLING.name} {EMPLOYER_COUPLING.version}" in desk.run(f"history {case} --full").stdout
    assert EMPLOYER_COUPLING.version not in desk.run(f"history {case}").stdout


def test_screens_of_verdicts_fit_eighty_columns(desk: Desk, stricter: None) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("states.EMPLOYER_COUPLING", EMPLOYER_COUPLING)
        desk.open("E06")
        desk.run("advance E06 confirm")
        desk.ask("advance E06")
        desk.ask("record E06 registration email=new@example.com contact_name='Jan Jansen'")

    for words in ("replay E06", "replay E06 --full", "replay E06 --rules then", "replay E06 --rules now"):
        result = desk.run(words)
        assert result.exit_code == 0, result.output
        assert max(map(len, result.stdout.splitlines())) <= 80, words


def test_rules_may_be_then_or_now(desk: Desk) -> None:
    desk.open("E06")

    assert desk.ask("replay E06 --rules tomorrow", code=2)["error"] == "usage"


def test_the_minute_that_the_history_prints_is_a_moment_at_which_it_had_happened(desk: Desk) -> None:
    desk.clock.moment = datetime(2026, 4, 20, 8, 26, 31, 500_000, tzinfo=UTC)
    desk.open("E06")
    desk.clock.moment += timedelta(minutes=1)
    desk.ask("note E06 gebeld")
    printed = desk.run("history E06").stdout[:60]

    assert "2026-04-20 10:26" in printed
    for at, seq in {"2026-04-20T10:26": 1, "2026-04-20 10:26:31": 1, "2026-04-20T1027": 2, "2026-04-20T10": 2}.items():
        assert desk.ask(f"replay E06 --at '{at}'")["seq"] == seq, at

    refused = desk.ask("replay E06 --at 2026-04-20T10:25", code=2)
    assert refused["message"].endswith("it was opened at 2026-04-20 10:26:31, Amsterdam time.")


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("2026-04-20", "2026-04-20T21:59:59.999999Z"),
        ("2026-04-20T10", "2026-04-20T08:59:59.999999Z"),
        ("2026-04-20T10:26", "2026-04-20T08:26:59.999999Z"),
        ("2026-04-20T10:26+00:00", "2026-04-20T10:26:59.999999Z"),
        ("2026-04-20 10:26:31", "2026-04-20T08:26:31.999999Z"),
        ("2026-04-20T10:26:31Z", "2026-04-20T10:26:31.999999Z"),
        ("2026-04-20T08:26:31.500000Z", "2026-04-20T08:26:31.500000Z"),
        ("2026-04-20T102631.5", "2026-04-20T08:26:31.500000Z"),
        ("2026-10-25T01", "2026-10-24T23:59:59.999999Z"),
        ("2026-10-25T02", "2026-10-25T01:59:59.999999Z"),
        ("2026-10-25T02:59", "2026-10-25T01:59:59.999999Z"),
        ("2026-10-25T02:59+02:00", "2026-10-25T00:59:59.999999Z"),
        ("2026-10-25T02:59+01:00", "2026-10-25T01:59:59.999999Z"),
        ("2026-10-25T03", "2026-10-25T02:59:59.999999Z"),
        ("2026-03-29T01:59", "2026-03-29T00:59:59.999999Z"),
        ("2026-03-29T03:00", "2026-03-29T01:00:59.999999Z"),
        ("2026-03-29T02:30+01:00", "2026-03-29T01:30:59.999999Z"),
    ],
)
def test_a_moment_is_the_last_of_what_it_names(text: str, last: str) -> None:
    assert format_time(parse_moment(text)) == last


@pytest.mark.parametrize("text", ["20260420", "2026-W17-1", "20260420T1026", "2026-W17-1T10:26", "2026-04-20x10:26"])
def test_a_day_is_written_in_one_way_in_a_moment_too(desk: Desk, text: str) -> None:
    desk.open("E06")

    refused = desk.ask(f"replay E06 --at {text}", code=2)

    assert refused["message"].endswith(f"'{text}' is not a moment; write 2026-12-04 or 2026-12-04T09:30.")


@pytest.mark.parametrize("command", ["history", "replay"])
def test_a_note_is_shown_as_it_was_written_and_the_help_says_so(desk: Desk, command: str) -> None:
    desk.open("E06", registration=GOOD["registration"] | {"contact_name": "Sanne de Verzonnen"})
    desk.ask("note E06 'Sanne belde'")

    shown, told = desk.run(f"{command} E06 --full").stdout, " ".join(desk.run(f"{command} --help").stdout.split())

    assert "Sanne belde" in shown
    assert "Sanne de Verzonnen" not in shown
    assert "Personal values in fields are masked. Notes and reasons are shown as they were written" in told


@pytest.mark.parametrize("text", ["2026-03-29T02", "2026-03-29T02:00", "2026-03-29 02:30", "2026-03-29T02:59:59.5"])
def test_a_moment_that_never_was_is_refused(desk: Desk, text: str) -> None:
    desk.open("E06")

    assert desk.ask(f"replay E06 --at '{text}'", code=2)["message"] == (
        f"Invalid value for '--at': '{text}' never was in Amsterdam: the clock was put forward then."
    )


def test_in_the_hour_that_occurs_twice_nothing_is_left_out_and_each_event_says_which_it_was_in(desk: Desk) -> None:
    desk.clock.moment = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    desk.open("E06")
    for minutes in (50, 10, 60):
        desk.clock.moment += timedelta(minutes=minutes)
        desk.ask("note E06 gebeld")
    times = ["2026-10-25 02:30+02:00", "2026-10-25 02:20+01:00", "2026-10-25 02:30+01:00", "2026-10-25 03:30"]

    listed = [line for line in desk.run("history E06").stdout.splitlines() if line[:3].strip()]

    assert [line[5:].partition("  ")[0] for line in listed] == times
    for at, seq in zip(times, (1, 2, 3, 4), strict=True):
        assert desk.ask(f"replay E06 --at '{at}'")["seq"] == seq
    assert desk.ask("replay E06 --at 2026-10-25T02:30")["seq"] == 3
