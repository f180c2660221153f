import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from scripts.output import width
from tests.scripts.desk import GOOD, SAMPLE, Desk

Write = Callable[[str, str | bytes], Path]


def test_a_case_goes_from_open_to_confirmed(desk: Desk) -> None:
    case = desk.open("E06")

    assert desk.ask("advance E06")["to"] == "registered"
    policies = '[{"policy_number": "P1", "product": "WIA", "start_date": "2026-05-01", "pension_act": false}]'
    desk.ask(f"record E06 policy 'policies={policies}'")
    desk.ask("advance E06")
    desk.ask("advance E06 hand_over handover.keylane_reference=KL-1")
    desk.ask("record E06 handover contacted_on=2026-04-20 authorisations_set=ja")
    moved = desk.ask("advance E06 realised_on=2026-04-20 first_exchange_date=2026-05-04")

    assert moved == {
        "case": case,
        "trigger": "confirm",
        "from": "keylane_configuring",
        "to": "confirmed",
        "version": 7,
        "event": moved["event"],
        "letters": ["coupling_confirmed", "coupling_confirmed"],
        "accepted": [],
    }
    assert [event["to"] for event in desk.ask("history E06") if event["kind"] == "moved"] == [
        "registered",
        "enriched",
        "keylane_configuring",
        "confirmed",
    ]
    assert desk.ask("replay E06")["matches_stored"] is True


def test_a_new_first_exchange_that_is_doubtful_is_recorded_with_a_warning(desk: Desk) -> None:
    desk.open("E06")
    desk.ask("advance E06")
    desk.ask(
        'advance E06 \'policy.policies=[{"policy_number": "P1", "start_date": "2026-05-01", "pension_act": false}]\''
    )
    desk.ask("advance E06 hand_over handover.keylane_reference=KL-1")
    handed = "handover.contacted_on=2026-04-20 handover.authorisations_set=ja"
    desk.ask(f"advance E06 {handed} realised_on=2026-04-20 first_exchange_date=2026-05-04")

    told = desk.ask("record E06 realisation first_exchange_date=2026-05-09")
    said = desk.run("record E06 realisation first_exchange_date=2026-05-16").output
    fine = desk.run("record E06 realisation first_exchange_date=2026-05-18").output

    assert [problem["code"] for problem in told["problems"]] == ["FIRST_EXCHANGE_NOT_WORKDAY"]
    assert "Recorded all the same:" in said
    assert "FIRST_EXCHANGE_NOT_WORKDAY" in said
    assert "Recorded all the same:" not in fine


def test_show_has_the_keys_of_the_contract_and_masks_what_is_personal(desk: Desk) -> None:
    case = desk.open("E06")

    shown = desk.ask(f"show {case.lower().replace('-', '')}")

    assert {"case", "external_reference", "state", "version", "holder", "entered_at", "due_at"} <= set(shown)
    assert {"overdue", "facts", "problems"} <= set(shown)
    assert shown["facts"]["registration"]["email"] != "salaris06@example.com"
    assert desk.ask("show E06 --reveal")["facts"]["registration"]["email"] == "salaris06@example.com"


def test_why_lists_every_problem_of_every_move(desk: Desk) -> None:
    desk.ask("open -", '{"external_reference": "E1"}')

    why = desk.ask("why E1")

    register, withdraw = why["moves"]
    assert (register["trigger"], register["allowed"], withdraw["allowed"]) == ("register", False, True)
    assert {"code", "severity", "field", "holder", "message"} == set(register["problems"][0])
    assert len(register["problems"]) > 5


def test_a_refusal_lists_its_problems_as_json_and_for_people(desk: Desk) -> None:
    desk.open("E06", registration={**GOOD["registration"], "email": ""})

    refused = desk.ask("advance E06", code=5)
    plain = desk.run("advance E06")

    assert refused["error"] == "refused"
    assert [problem["code"] for problem in refused["problems"]] == ["EMAIL_MISSING"]
    assert "applicant must act:" in plain.stderr
    assert "EMAIL_MISSING" in plain.stderr
    assert f"Next: schakel record {refused['case']} registration email=…" in plain.stderr
    assert plain.stdout == ""


def test_a_warning_is_accepted_by_its_code(desk: Desk) -> None:
    desk.open("E06", registration={**GOOD["registration"], "framework_contract_number": "B1"})

    refused = desk.run("advance E06")
    moved = desk.ask("advance E06 --accept RW_PREFIX")

    assert "--accept RW_PREFIX" in refused.stderr
    assert moved["accepted"] == ["RW_PREFIX"]


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        ("advance E06 fly", 2, "usage"),
        ("advance E06 --accept NOPE", 2, "usage"),
        ("advance E06 enrich=x", 2, "usage"),
        ("advance E06 contact_name=x", 2, "usage"),
        ("record E06 registration emial=x", 2, "usage"),
        ("record E06 registrations email=x", 2, "usage"),
        ("record E06 registration", 2, "usage"),
        ("record E06 registration email=a email=b", 2, "usage"),
        ("record E06 registration handover.contact_name=a", 2, "usage"),
        ("list --state nowhere", 2, "usage"),
        ("replay E06 --at yesterday", 2, "usage"),
        ("replay E06 --seq 99", 2, "usage"),
        ("replay E06 --at 0001-01-01", 2, "usage"),
        ("hold E06 --until 2020-01-01 --reason x", 2, "usage"),
        ("hold E06 --until soon --reason x", 2, "usage"),
        ("hold E06 --until 2026-W20-1 --reason x", 2, "usage"),
        ("hold E06 --until 20260511 --reason x", 2, "usage"),
        ("list --limit ٣", 2, "usage"),
        ("list --limit 1_0", 2, "usage"),
        ("list --limit ' 1'", 2, "usage"),
        ("advance E06 --expect-version 0x1", 2, "usage"),
        ("note E06 ' '", 2, "usage"),
        ("show", 2, "usage"),
        ("mail show 99999999999999999999", 2, "usage"),
        ("mail retry 9223372036854775808", 2, "usage"),
        ("mail resolve 99999999999999999999 --sent --reason x", 2, "usage"),
        ("mail resolve 1 --sent --resend --reason x", 2, "usage"),
        ("mail resolve 1 --reason x", 2, "usage"),
        ("doctor --release --after-restore", 2, "usage"),
        ("mail show 9223372036854775807", 3, "no_such_case"),
        ("mail list --limit 99999999999999999999", 2, "usage"),
        ("list --limit 99999999999999999999", 2, "usage"),
        ("audit export out.zip --sample 99999999999999999999", 2, "usage"),
        ("show E06 --bogus", 2, "usage"),
        ("shwo E06", 2, "usage"),
        ("open /nowhere/at/all.json", 2, "usage"),
        ("--actor ' ' note E06 x", 2, "usage"),
        ("show E99", 3, "no_such_case"),
        ("advance E06 confirm", 5, "refused"),
        ("note E06 'call 123456782'", 5, "refused"),
        ("resume E06", 5, "refused"),
        ("advance E06 withdraw", 5, "refused"),
        ("advance E06 --expect-version 9", 7, "conflict"),
    ],
)
def test_each_kind_of_mistake_has_its_exit_code_and_one_document(desk: Desk, words: str, code: int, kind: str) -> None:
    desk.open("E06")

    said = desk.ask(words, code=code)

    assert said["error"] == kind
    assert said["message"]
    assert isinstance(said["problems"], list)


def test_opening_a_known_external_reference_is_a_conflict(desk: Desk) -> None:
    desk.open("E06")

    assert desk.ask("open -", '{"external_reference": "E06"}', code=7)["error"] == "conflict"


@pytest.mark.parametrize("blank", ["", " "])
def test_an_external_reference_that_is_blank_is_refused_as_everywhere(desk: Desk, blank: str) -> None:
    said = desk.ask("open -", json.dumps({"external_reference": blank, **GOOD}), code=2)

    assert said["message"].startswith("external_reference is empty; leave it out")
    assert desk.ask("list") == []


def test_an_external_reference_is_trimmed_or_left_out(desk: Desk) -> None:
    for given, kept in ((" E1 ", "E1"), (7, "7"), (None, None)):
        assert desk.ask("open -", json.dumps({"external_reference": given}))["external_reference"] == kept


def test_a_conflict_names_its_case_and_the_version_that_it_has(desk: Desk) -> None:
    case = desk.open("E06")
    desk.ask("advance E06 register --key k1")

    taken = desk.ask("open -", '{"external_reference": "E06"}', code=7)
    stale = desk.ask("advance E06 --expect-version 1", code=7)
    used = desk.ask("advance E06 withdraw --reason x --key k1", code=7)

    assert [(said["case"], said.get("version")) for said in (taken, stale, used)] == [
        (case, None),
        (case, 2),
        (case, None),
    ]


def test_a_key_used_twice_moves_once_and_not_for_something_else(desk: Desk) -> None:
    desk.open("E06")

    first = desk.ask("advance E06 register --key k1")
    again = desk.ask("advance E06 register --key k1")

    assert again == {**first, "repeated": True}
    assert desk.ask("advance E06 withdraw --reason x --key k1", code=7)["error"] == "conflict"


@pytest.mark.parametrize("key", ["''", "' '"])
def test_a_key_that_is_blank_is_none(desk: Desk, key: str) -> None:
    desk.open("E06")

    assert desk.ask(f"advance E06 register --key {key}", code=2)["message"].startswith("key is empty; leave it out")


def test_json_may_stand_before_the_command(desk: Desk) -> None:
    assert json.loads(desk.run("--json list").stdout) == []


def test_without_a_database_the_error_says_to_run_init(bare_desk: Desk) -> None:
    Path(bare_desk.environ["SCHAKEL_SETTINGS"]).parent.mkdir()
    Path(bare_desk.environ["SCHAKEL_SETTINGS"]).touch()

    said = bare_desk.ask("list", code=1)

    assert said["error"] == "store"
    assert "schakel init" in said["message"]


def test_a_move_that_sends_back_says_that_a_correction_is_awaited_and_no_other_does(desk: Desk) -> None:
    desk.open("E06")

    onward = desk.run("advance E06").stdout
    back = desk.run("advance E06 return_to_applicant --reason 'Klopt niet'").stdout

    assert "Now asr has the ball: rights and registration are complete" in onward
    assert "Now applicant has the ball: sent back, and waits for a correction" in back
    assert "incomplete" not in back


def test_that_a_case_was_returned_and_why_is_shown_until_it_moves_on(desk: Desk) -> None:
    desk.open("E06")
    desk.clock.moment += timedelta(days=1)
    desk.ask("advance E06")
    fresh = [desk.run(words).stdout for words in ("show E06", "why E06")]
    desk.ask("advance E06 return_to_applicant --reason 'Het contract is van een ander'")

    shown, why = desk.run("show E06").stdout, desk.run("why E06").stdout
    documents = [desk.ask(f"{words} E06")["returned"] for words in ("show", "why")]

    line = "Returned 2026-04-21 (return_to_applicant): Het contract is van een ander\n"
    assert line in shown
    assert line in why
    assert "State    rights_pending: sent back, and waits for a correction\n" in shown
    assert "No rule stands in the way of 'register', once it is corrected." in shown
    assert (
        documents
        == [{"at": documents[0]["at"], "trigger": "return_to_applicant", "reason": line.partition(": ")[2].strip()}] * 2
    )
    desk.ask("advance E06")
    assert "Returned" not in "".join([*fresh, desk.run("show E06").stdout, desk.run("why E06").stdout])
    assert desk.ask("why E06")["returned"] is None


def test_a_move_that_ends_a_hold_says_so_and_so_does_the_history(desk: Desk) -> None:
    desk.open("E06")
    desk.ask("hold E06 --until 2026-05-04 --reason wacht")

    moved = desk.run("advance E06 --key once")
    again = desk.ask("advance E06 --key once")
    later = desk.ask("advance E06 return_to_applicant --reason toch")

    assert "The hold until 2026-05-04 ended with it." in moved.stdout
    assert (again["repeated"], again["hold_ended"], "hold_ended" in later) == (True, "2026-05-04", False)
    assert "ended the hold until 2026-05-04" in desk.run("history E06").stdout
    assert [step["hold_ended"] for step in desk.ask("history E06")] == [None, None, "2026-05-04", None]


def test_a_move_after_a_hold_ran_out_ended_none(desk: Desk) -> None:
    desk.open("E06")
    desk.ask("hold E06 --until 2026-05-04 --reason wacht")
    desk.clock.moment = datetime(2026, 5, 4, 7, tzinfo=UTC)

    assert "hold_ended" not in desk.ask("advance E06")
    assert desk.ask("history E06")[-1]["hold_ended"] is None


def test_a_hold_is_shown_and_ended(desk: Desk) -> None:
    desk.open("E06")

    held = desk.ask("hold E06 --until 2026-05-04 --reason wacht")

    assert held["held_until"] == "2026-05-04"
    assert "On hold  until 2026-05-04" in desk.run("show E06").stdout
    assert desk.ask("resume E06")["held_until"] is None


@pytest.mark.parametrize("columns", [40, 60, 80])
@pytest.mark.parametrize("words", ["list", "mail list", "forecast --days 40", "doctor --after-restore"])
def test_what_is_listed_is_no_wider_than_the_terminal_and_names_each_case_in_full(
    desk: Desk, words: str, columns: int
) -> None:
    cases = {str(desk.open(f"E0{number}")) for number in (6, 7)}
    desk.clock.moment += timedelta(days=10)  # so that a reminder is due, and held

    said = desk.run(words, COLUMNS=str(columns)).stdout

    assert max(map(width, said.splitlines())) <= columns
    assert cases <= set(re.findall(r"K-\w{4}-\w{4}", said))


@pytest.mark.parametrize("words", ["show E06", "show E06 --reveal", "why E06", "import {path}"])
def test_what_is_said_of_a_case_fits_a_narrow_terminal_and_is_whole_in_a_pipe(
    desk: Desk, tmp_path: Path, words: str
) -> None:
    desk.open("E06")
    desk.ask("advance E06")
    path = tmp_path / "in.csv"
    path.write_text("\n".join(SAMPLE.read_text("utf-8").splitlines()[:4]), "utf-8")

    narrow, in_pipe = (desk.run(words.format(path=path), COLUMNS=columns).stdout for columns in ("40", ""))

    told = [line for line in narrow.splitlines() if not line.startswith("Next:")]  # that is to be typed as it stands
    assert max(map(width, told)) <= 40
    assert len(narrow.splitlines()) > len(in_pipe.splitlines())


@pytest.mark.parametrize(("words", "word"), [("list", "case"), ("mail list", "letter")])
def test_a_list_that_was_cut_short_says_that_there_are_more(desk: Desk, words: str, word: str) -> None:
    for number in (6, 7, 8):
        desk.open(f"E0{number}")

    ends = {limit: desk.run(f"{words} --limit {limit}").stdout.splitlines()[-1] for limit in (1, 2, 3, 4)}

    assert ends[1] == f"1 {word}; there are more"
    assert ends[2] == f"2 {word}s; there are more"
    assert "there are more" not in ends[3] + ends[4]
    assert len(desk.ask(f"{words} --limit 2")) == 2


def test_who_is_late_is_seen_in_the_list(desk: Desk) -> None:
    desk.open("E06")
    desk.clock.moment += timedelta(days=30)

    (late,) = desk.ask("list --overdue --holder applicant --search dennen")

    assert (late["case"], late["overdue"]) == (desk.ask("show E06")["case"], True)
    assert "1 case, 1 overdue" in desk.run("list").stdout


def test_who_may_be_erased_is_listed_with_when_each_ended_and_how(desk: Desk) -> None:
    for external in ("E06", "E07", "E08"):
        desk.open(external)
    desk.ask("advance E06 withdraw --reason verzoek")
    desk.clock.moment += timedelta(days=800)
    desk.ask("advance E07 withdraw --reason verzoek")
    assert "No case matches." in desk.run("list --erasable").stdout

    (found,) = json.loads(desk.run("list --erasable --json", SCHAKEL_RETENTION_YEARS="2").stdout)
    said = desk.run("list --erasable", SCHAKEL_RETENTION_YEARS="2").stdout

    assert (found["external_reference"], found["ended_at"]) == ("E06", "2026-04-20T08:00:00.000000Z")
    assert [one["ended_at"] is not None for one in desk.ask("list")] == [True, True, False]
    assert re.search(r"(?m)^CASE +YOURS +NAME +STATE +ENDED$", said)
    assert re.search(r"(?m)^K-\S+ +E06 +Drie Dennen Holding B.V. +withdrawn +2026-04-20$", said)
    assert said.endswith('1 case\nNext, for each: schakel audit erase CASE --reason "…"\n')


def test_a_person_is_found_without_being_shown(desk: Desk) -> None:
    first = desk.open("E06", registration={**GOOD["registration"], "contact_name": "Zoë Bos"})
    second = desk.open("E07", registration={**GOOD["registration"], "dgas": [{"name": "Zoë Bos"}]})
    desk.open("E08")
    desk.ask("record E07 registration dgas=[]")

    by_argument, by_input = desk.ask("list --person bos"), desk.ask("list --person -", "zoë bos\n")
    said = desk.run("list --person 'ZOË BOS'").stdout

    assert [one["case"] for one in by_argument] == [first, second]
    assert by_input == by_argument
    assert said.endswith("2 cases\n")
    assert "Bos" not in f"{said}{by_argument}"
    assert desk.run("list --person Voss").stdout == "No case matches.\n"


def test_history_names_the_actor_and_masks_what_changed(desk: Desk) -> None:
    desk.open("E06")
    desk.ask("--actor bob record E06 registration email=new@example.com")
    desk.ask("note E06 'called them'")

    opened, recorded, noted = desk.ask("history E06")

    assert (opened["actor"], recorded["actor"], opened["via"]) == ("anna", "bob", "cli")
    assert {"seq", "at", "actor", "via", "kind", "trigger", "from", "to", "hash"} <= set(opened)
    assert "new@" not in json.dumps(recorded)
    assert noted["text"] == "called them"
    assert "bob" in desk.run("history E06").stdout


def test_replay_goes_back_to_the_end_of_a_day(desk: Desk) -> None:
    desk.open("E06")
    desk.clock.moment = datetime(2026, 4, 21, 21, 59, tzinfo=UTC)
    desk.ask("advance E06")
    desk.clock.moment = datetime(2026, 4, 21, 22, 1, tzinfo=UTC)
    desk.ask("advance E06 return_to_applicant --reason x")

    assert desk.ask("replay E06 --at 2026-04-21")["state"] == "registered"
    assert desk.ask("replay E06 --at 2026-04-22")["state"] == "rights_pending"
    assert desk.ask("replay E06 --at 2026-04-20T23:00")["seq"] == 1


def test_record_merges_a_file_and_refuses_a_field_given_twice(desk: Desk, write: Write) -> None:
    desk.open("E06")
    path = write("r.json", '{"contact_name": "A. Fictief"}')

    recorded = desk.ask(f"record E06 registration email=new@example.com --file {path}")

    assert set(recorded["changed"]) == {"registration.contact_name", "registration.email"}
    assert desk.run(f"record E06 registration contact_name=x --file {path}").exit_code == 2
    assert desk.run("record E06 registration email=new@example.com").stdout.count("nothing differs") == 1


def test_open_refuses_what_is_no_sheet(desk: Desk) -> None:
    assert "must be an object" in desk.ask("open -", '{"registration": []}', code=2)["message"]
    assert "Did you mean 'registration'" in desk.ask("open -", '{"registratoin": {}}', code=2)["message"]
    assert desk.ask("list") == []


def test_every_screen_fits_eighty_columns(desk: Desk) -> None:
    desk.open("E06")
    desk.run("advance E06 confirm")
    screens = [
        "show E06",
        "why E06",
        "list",
        "history E06",
        "history E06 --full",
        "replay E06",
        "workflow show",
        "--help",
    ]

    for words in screens:
        result = desk.run(words)
        assert result.exit_code == 0, result.output
        assert max(map(len, result.stdout.splitlines())) <= 80, words


def test_one_of_a_kind_is_told_in_the_singular(desk: Desk, write: Write) -> None:
    head, first, *_ = SAMPLE.read_text("utf-8-sig").splitlines()
    one = write("one.csv", f"{head}\n{first}\n")
    desk.ask("init")

    said = desk.run(f"import {one}").stdout + "".join(
        desk.run(words).stdout for words in ("tick", "doctor", "audit verify", "forecast --days 1", "list")
    )

    assert "1 row: " in said
    assert "1 event sealed, 1 checkpoint signed" in said
    assert "1 event of 1 case" in said
    assert "1 leaf, 1 checkpoint" in said
    assert "1 event under a checkpoint" in said
    assert re.findall(r"\b1 (?:\w+s|leaves) (?!waits|is|gets|goes)", said) == []


def test_what_commands_that_change_something_say_fits_eighty_columns(desk: Desk) -> None:
    desk.open("E06")
    desk.ask("init")
    desk.ask("advance E06 register --key k1")
    desk.ask("doctor --after-restore")

    for words in ("advance E06 register --key k1", f"import {SAMPLE} --dry-run", "doctor --release"):
        result = desk.run(words)
        assert result.exit_code == 0, result.output
        assert max(map(len, result.stdout.splitlines())) <= 80, words


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("mail show 9999", "schakel mail list"),
        ("mail retry 9999", "schakel mail list"),
        ("show E99", "schakel list --search PART-OF-THE-NAME"),
        ("advance e06", "schakel show E06"),
        ("hold E06 --until 2026-12-14 --reason ' '", 'schakel hold E06 --until 2026-12-14 --reason "…"'),
    ],
)
def test_what_to_do_next_helps(desk: Desk, words: str, hint: str) -> None:
    desk.open("E06")

    assert desk.run(words).stderr.splitlines()[-1] == f"Next: {hint}"


def test_whose_external_reference_it_is_can_be_looked_at(desk: Desk) -> None:
    case = desk.open("E06")

    again = desk.run("open -", json.dumps({"external_reference": "E06", **GOOD}))

    assert (again.exit_code, again.stderr.splitlines()[-1]) == (7, f"Next: schakel show {case}")


def test_problems_speak_the_language_of_the_settings(desk: Desk) -> None:
    desk.open("E06", registration={**GOOD["registration"], "email": ""})

    dutch = desk.run("why E06", SCHAKEL_LANGUAGE="nl").stdout

    assert "ontbreekt" in dutch


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("payroll_frequency=123456782", "'registration.payroll_frequency' cannot have this value. There are: "),
        ("thirteenth_month=123456782", "'registration.thirteenth_month' must be yes or no (ja or nee)."),
        ("company_name=Jan 123456782", "What follows company_name=… is no assignment; write field=value"),
        ("123456782", "The first text is no assignment; write field=value"),
        ("=123456782", "The first text is no assignment; write field=value"),
        ("email", "'email' is no assignment; write field=value"),
        ("registration.email", "'registration.email' is no assignment; write field=value"),
    ],
)
def test_what_is_no_value_of_a_field_is_not_repeated(desk: Desk, words: str, said: str) -> None:
    desk.open("E06")

    told = desk.ask(f"record E06 registration {words}", code=2)["message"]

    assert told.startswith(said)
    assert "123456782" not in told
