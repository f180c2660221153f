"""The commands that a refusal advises: each does what it says when it is typed as it stands."""

from __future__ import annotations

import shlex
from datetime import timedelta

import pytest
from click.testing import Result
from looking import bare

from scripts.forms import JSON_FORMS, POLICIES
from tests.scripts.desk import GOOD, Desk

POLICY = {"policy_number": "P-1", "start_date": "2026-05-01", "pension_act": False}


def advised(refused: Result) -> str:
    """The command after 'Next:', without the program's name."""
    last = refused.stderr.splitlines()[-1]
    assert last.startswith("Next: schakel "), refused.stderr
    return last.removeprefix("Next: schakel ")


def without(*fields: str) -> dict[str, object]:
    """A good registration without these fields."""
    return {name: value for name, value in GOOD["registration"].items() if name not in fields}


def test_facts_given_along_are_repeated_beside_the_one_that_is_missing(desk: Desk) -> None:
    desk.open("E06", registration=without("company_name", "email"))

    refused = desk.run("""advance E06 register "company_name=Bakker's Brood & Co" """)
    next_one = advised(refused)

    assert refused.exit_code == 5
    assert "The facts given along were not kept." in " ".join(refused.stderr.split())
    assert shlex.split(next_one)[3:] == ["company_name=Bakker's Brood & Co", "registration.email=…"]
    assert desk.run(next_one.replace("…", "a@example.com")).exit_code == 0


def test_facts_given_along_are_repeated_with_the_warnings_to_accept(desk: Desk) -> None:
    desk.open("E06", registration=without("framework_contract_number", "company_name"))
    long = "x" * 71

    refused = desk.run(f"advance E06 framework_contract_number=B1 company_name={long} --accept NAME_GT_70")

    assert advised(refused).endswith(
        f"framework_contract_number=B1 company_name={long} --accept NAME_GT_70 --accept RW_PREFIX"
    )
    assert desk.run(advised(refused)).exit_code == 0


def test_a_fact_given_along_that_is_wrong_itself_is_asked_for_anew(desk: Desk) -> None:
    case = desk.open("E06")

    refused = desk.run("advance E06 email=nobody kvk_number=12345678")

    assert advised(refused) == f"advance {case} kvk_number=12345678 registration.email=…"


def test_without_facts_given_along_nothing_is_said_of_them(desk: Desk) -> None:
    case = desk.open("E06", registration=without("email"))

    refused = desk.run("advance E06")

    assert "given along" not in refused.stderr
    assert advised(refused) == f"record {case} registration email=…"


def test_a_move_that_lacks_its_reason_is_repeated_with_its_facts(desk: Desk) -> None:
    case = desk.open("E06")

    refused = desk.run("advance E06 withdraw 'registration.contact_name=A. Fictief'")

    assert advised(refused) == f"""advance {case} withdraw 'registration.contact_name=A. Fictief' --reason "…\""""
    assert desk.run(advised(refused)).exit_code == 0


def test_a_case_that_has_ended_is_not_sent_in_a_circle_but_to_a_note(desk: Desk) -> None:
    """An employer that leaves after `confirmed`, say."""
    case = desk.open("E06")
    desk.run("advance E06 withdraw --reason verzoek")

    refused = desk.run("advance E06 withdraw --reason vertrekt")
    asked = desk.run("why E06")

    for said in (refused.stderr, asked.stdout):
        assert "What becomes of it later is for a note; a new request is a new case." in " ".join(said.split())
    assert advised(refused) == f'note {case} "…"'
    assert desk.run(advised(refused)).exit_code == 0


def test_who_reads_the_reason_is_said_before_it_is_written_and_after(desk: Desk) -> None:
    desk.open("E06")
    desk.run("advance E06")

    helped = " ".join(desk.run("advance --help").stdout.split())
    lacks = " ".join(desk.run("advance E06 return_to_applicant").stderr.split())
    done = desk.run("advance E06 return_to_applicant --reason 'Naam klopt niet'").stdout
    without_letter = desk.run("hold E06 --until 2026-05-04 --reason ' '").stderr

    but = "word for word, but for BSNs, wage tax numbers and names of DGAs"
    assert f"letters of the move give it {but}" in helped
    assert f"The letters of this move give the reason {but}" in lacks
    assert "The letter to applicant gives the reason word for word." in " ".join(done.split())
    assert "word for word" not in without_letter


def test_a_reason_that_a_forward_move_gives_along_is_told_of_too(desk: Desk) -> None:
    desk.open("E06")

    given = desk.run("advance E06 --reason 'Spoed'").stdout
    stopped = desk.run("advance E06 withdraw --reason 'Toch niet'").stdout

    assert "The letter to asr gives the reason word for word." in given
    assert "The letter to applicant gives the reason word for word." in stopped
    desk.open("E07")
    assert "word for word" not in desk.run("advance E07").stdout


def test_keylane_is_not_said_to_read_the_reason_of_a_withdrawal_that_its_letter_leaves_out(desk: Desk) -> None:
    desk.open("E06", policy={"policies": [{**POLICY, "product": "Verzuim"}]})
    desk.run("advance E06")
    desk.run("advance E06")

    stopped = desk.run("advance E06 withdraw --reason 'Werkgever vertrekt'").stdout

    assert "letters: case_withdrawn, case_withdrawn" in stopped
    assert "The letter to applicant gives the reason word for word." in stopped
    assert "keylane" not in stopped.partition("The letter")[2]


def test_what_a_letter_leaves_out_of_the_reason_is_shown(desk: Desk) -> None:
    desk.open("E06", registration={**GOOD["registration"], "dgas": [{"name": "P. Öztürk", "employee_number": 1}]})
    desk.run("advance E06")

    words = "999901096L01 moet 999901111L01 zijn; P. Öztürk belt je"
    done = " ".join(desk.run(f"advance E06 return_to_applicant --reason '{words}'").stdout.split())
    letter = desk.ask("mail list --case E06")[-1]

    left = "••••••••• moet ••••••••• zijn; de DGA belt je"
    assert "word for word" not in done
    assert f'leaves out of the reason what no letter may hold (numbers, names of DGAs): "{left}"' in done
    assert left in desk.ask(f"mail show {letter['id']}")["text"]


def test_what_a_policy_looks_like_stands_in_help_error_and_advice(desk: Desk) -> None:
    desk.open("E06")
    desk.run("advance E06")

    helped = " ".join(desk.run("record --help").stdout.split())
    next_one = advised(desk.run("advance E06"))
    wrong = [desk.ask(f"record E06 policy policies={text}", code=2)["message"] for text in ("P1", "{}")]

    assert POLICIES in helped
    assert "pension_act is true or false" in helped
    assert shlex.split(next_one)[:3] == ["record", desk.ask("show E06")["case"], "policy"]
    assert desk.run(next_one).exit_code == 2  # else a made-up policy would be recorded
    assert desk.run(next_one.replace("…", "P1").replace("YYYY-MM-DD", "2026-05-01")).exit_code == 0
    assert desk.ask("advance E06")["to"] == "enriched"
    assert all(f"must be a JSON array, such as {POLICIES}" in message for message in wrong)


@pytest.mark.parametrize("path", [*JSON_FORMS])
def test_each_example_of_a_list_can_be_read(desk: Desk, path: str) -> None:
    desk.open("E06")
    sheet, _, name = path.partition(".")

    wrong = desk.ask(f"record E06 {sheet} {name}=[", code=2)["message"]

    assert f"must be a JSON array, such as {JSON_FORMS[path]}" in wrong
    assert desk.ask(f"record E06 {sheet} '{name}={JSON_FORMS[path]}'")["changed"] == [path]


def test_a_list_that_is_missing_is_advised_in_its_short_form(desk: Desk) -> None:
    case = desk.open("E06", registration=without("dgas"))
    told = advised(desk.run("advance E06"))
    rights = advised(desk.run("advance E06 rights= dgas=geen"))

    assert told == f"record {case} registration 'dgas=NAME:NUMBER;NAME:NUMBER'"
    assert rights == f"advance {case} dgas=geen 'loket_user.rights=RIGHT|RIGHT'"


@pytest.mark.parametrize(
    "words",
    [
        "resume E06",
        "hold E07 --until 2026-05-04 --reason x",
        "audit erase E06 --reason x --yes",
        "audit erase E07 --reason x --yes",
        "note E08 x",
        "record E08 registration email=a@example.com",
    ],
)
def test_after_a_refusal_that_is_about_no_move_the_case_is_to_be_looked_at(desk: Desk, words: str) -> None:
    cases = {external: desk.open(external) for external in ("E06", "E07", "E08")}
    for external in ("E07", "E08"):
        desk.ask(f"advance {external} withdraw --reason verzoek")
    desk.ask("audit erase E08 --reason verzoek --ground 'AVG art. 17' --yes")

    refused = desk.run(words)

    assert refused.exit_code == 5
    assert advised(refused) == f"show {next(cases[name] for name in cases if name in words)}"


def test_every_warning_is_accepted_again_where_it_was(desk: Desk) -> None:
    desk.open("E06", registration={**GOOD["registration"], "framework_contract_number": "B1"})

    refused = desk.run("advance E06 registration.email=nope --accept-warnings --expect-version 1 --key k1")
    next_one = advised(refused)

    assert next_one.endswith(" registration.email=… --accept-warnings")
    assert desk.run(next_one.replace("…", "a@example.com")).exit_code == 0


@pytest.mark.parametrize(
    "given", [("E 06; rm", "--yes"), ("E 06; rm", "--yes --ground 'AVG art. 17'"), ("E06", "--yes")]
)
def test_an_erasure_that_lacks_its_reason_is_repeated_with_what_else_was_said(
    desk: Desk, given: tuple[str, str]
) -> None:
    external, options = given
    desk.open(external)
    desk.ask(f"advance {shlex.quote(external)} withdraw --reason verzoek")
    desk.clock.moment += timedelta(days=0 if "--ground" in options else 8 * 366)

    refused = desk.run(f"audit erase {shlex.quote(external)} --reason '' {options}")

    assert refused.exit_code == 5
    assert desk.run(advised(refused).replace("…", "Op verzoek")).exit_code == 0


def test_a_name_with_spaces_or_signs_in_it_is_advised_so_that_it_can_be_typed(desk: Desk) -> None:
    desk.open("E 06; rm")
    named = "'E 06; rm'"
    desk.ask(f"advance {named} --key once")

    others = ("--expect-version 9", "withdraw --reason verzoek --key once")
    conflicts = [desk.run(f"advance {named} {other}") for other in others]
    with bare(desk.environ["SCHAKEL_DATABASE_URL"]) as connection:
        connection.execute("UPDATE cases SET facts = '{'")
    altered = " ".join(desk.run(f"show {named}").stderr.split())

    assert [refused.exit_code for refused in conflicts] == [7, 7]
    assert [advised(refused) for refused in conflicts] == [f"show {named}"] * 2
    assert altered.endswith(f"run: schakel audit verify {named}")


@pytest.mark.parametrize("decision", ["--sent", "--resend"])
def test_what_is_advised_about_a_letter_that_may_have_arrived_can_be_typed(desk: Desk, decision: str) -> None:
    desk.open("E06")
    with bare(desk.environ["SCHAKEL_DATABASE_URL"]) as connection:
        connection.execute("UPDATE outbox SET state = 'unknown'")
    (todo,) = [one["todo"] for one in desk.ask("doctor", code=1)["checks"] if "may or may not" in one["message"]]

    words, _, other = todo.partition(", then schakel ")[2].partition(", or with ")

    assert other == "--resend instead of --sent"
    assert desk.run(words.replace("ID", "1").replace("--sent", decision)).exit_code == 0


def test_a_move_that_the_table_refuses_is_looked_at_with_why(desk: Desk) -> None:
    case = desk.open("E06")

    assert advised(desk.run("advance E06 confirm")) == f"why {case}"


@pytest.mark.parametrize("words", ["replay E06 --rules", "mail list --state", "audit verify --against", "show"])
def test_an_option_without_its_value_leads_to_the_help_of_its_command(desk: Desk, words: str) -> None:
    path = words.partition(" E06")[0].partition(" --")[0]

    assert desk.run(words).stderr.splitlines()[-1] == f"Next: cli {path} --help"
