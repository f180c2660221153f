"""What `history` and `replay` tell of each event, so that nobody has to guess what happened."""

from __future__ import annotations

import pytest
from sink import Sink

from tests.scripts.desk import GOOD, Desk
from workflow.storage import letters, open_database
from workflow.storage.letter_states import LetterState


@pytest.fixture
def mailing(desk: Desk) -> Desk:
    """A command line that can send letters."""
    desk.environ["SCHAKEL_MAIL_FROM"] = "koppeling@example.org"
    return desk


def deliver(desk: Desk, answers: dict[str, str]) -> None:
    """One pass, with a mail server that answers so."""
    with Sink(answers=answers) as sink:
        desk.environ["SCHAKEL_SMTP_URL"] = f"smtp://127.0.0.1:{sink.port}"
        desk.ask("tick")
    del desk.environ["SCHAKEL_SMTP_URL"]


def told(desk: Desk, words: str = "history E06") -> list[str]:
    return desk.run(words).stdout.splitlines()


def test_a_letter_that_failed_is_told_with_how_far_it_came_and_the_code(mailing: Desk) -> None:
    mailing.open("E06")
    deliver(mailing, {"salaris06@example.com": "550 5.1.1 unknown"})

    lines = told(mailing)

    assert lines[-2].endswith("letter failed: invitation to applicant")
    assert lines[-1] == "     phase rcpt, code 550"


@pytest.mark.parametrize(
    ("decision", "said"),
    [("--resend", "letter resolved as not sent: invitation to applicant"), ("--sent", "letter resolved as sent: invi")],
)
def test_a_letter_that_a_person_decided_about_is_told_as_decided(mailing: Desk, decision: str, said: str) -> None:
    mailing.open("E06")
    database = open_database(mailing.environ["SCHAKEL_DATABASE_URL"])
    with database.writing() as store:
        (row,) = letters.letters_of(store)
        assert letters.settling(store, row, LetterState.UNKNOWN, expected=(row.state,), now=mailing.clock.now())()
    database.dispose()
    mailing.ask(f"mail resolve 1 {decision} --reason 'Nagevraagd'")

    lines = told(mailing)

    assert said in " ".join(" ".join(lines).split())
    assert lines[-1] == '     "Nagevraagd"'


@pytest.mark.parametrize("words", ["history E06", "replay E06"])
def test_what_happened_is_never_cut(mailing: Desk, words: str) -> None:
    mailing.open("E06")
    mailing.ask("--actor 'Annemarie van der Meulen-de Wit' advance E06")
    mailing.ask("--actor 'Annemarie van der Meulen-de Wit' record E06 policy policies=[]")
    mailing.ask("advance E06 enrich", code=5)
    mailing.ask("--actor 'Annemarie van der Meulen-de Wit' advance E06 return_to_applicant --reason Naam")

    for more in ("", " --full"):
        lines = told(mailing, words + more)
        assert "return_to_applicant: registered → rights_pending" in " ".join(" ".join(lines).split())
        assert not any("…" in line for line in lines)
        assert max(map(len, lines)) <= 80


def test_a_long_value_is_cut_but_for_full(mailing: Desk) -> None:
    mailing.open("E06")
    product = " ".join(["verzuim"] * 60)
    mailing.ask(f"""record E06 policy 'policies=[{{"policy_number": "P1", "product": "{product}"}}]'""")

    short, full = (" ".join(" ".join(told(mailing, f"history E06{more}")).split()) for more in ("", " --full"))

    assert (product in short, product in full) == (False, True)


def test_a_refusal_by_the_table_says_what_was_tried_and_from_where(desk: Desk) -> None:
    desk.open("E06")
    desk.ask("advance E06 confirm", code=5)
    desk.ask("resume E06", code=5)
    desk.ask("advance E06 withdraw --reason verzoek")
    desk.ask("advance E06", code=5)
    desk.ask("record E06 registration company_name=Anders", code=5)

    lines = [line.partition("anna  ")[2] or line.strip() for line in told(desk) if "letters:" not in line]

    assert lines[lines.index("refused: confirm, in rights_pending") + 1] == "no such move from there"
    assert lines[lines.index("refused: resume, in rights_pending") + 1].startswith("withdraw: ")
    assert lines[lines.index("refused: advance, in withdrawn") + 1] == "no such move from there"
    assert lines[lines.index("refused: record, in withdrawn") + 1] == "about: registration.company_name"


def test_a_refusal_by_the_rules_says_its_codes_as_ever(desk: Desk) -> None:
    desk.open("E06", registration={**GOOD["registration"], "email": ""})
    desk.ask("advance E06", code=5)

    assert told(desk)[-2].endswith("refused: register, in rights_pending")
    assert told(desk)[-1] == "     because of: EMAIL_MISSING"


def test_the_first_values_of_an_erased_case_are_told_as_first_values(desk: Desk) -> None:
    desk.open("E06", registration={**GOOD["registration"], "contact_name": "A. Fictief"})
    desk.ask("record E06 registration contact_name=B.")
    desk.ask("record E06 registration kvk_number=12345678")
    desk.ask("record E06 handover contact_name=Kees")
    before, opened = told(desk), desk.ask("history E06")[0]["changes"]
    desk.ask("advance E06 withdraw --reason verzoek")
    desk.ask("audit erase E06 --reason verzoek --ground 'AVG art. 17' --yes")

    after = told(desk)
    first, changed, _, other, *_ = (event["changes"] for event in desk.ask("history E06"))

    assert [line for line in after if "first values" in line] == [line for line in before if "first values" in line]
    assert {path: change["from"] for path, change in first.items()} == dict.fromkeys(opened)
    assert first["registration.email"] == {"from": None, "to": "[erased]"}
    assert changed == {"registration.contact_name": {"from": "[erased]", "to": "[erased]"}}
    assert other == {"handover.contact_name": {"from": None, "to": "[erased]"}}


def test_moves_that_nobody_can_judge_any_more_are_not_said_to_be_refused(desk: Desk) -> None:
    desk.open("E06")
    desk.ask("advance E06")
    desk.ask("advance E06 return_to_applicant --reason naam")
    desk.ask("advance E06 withdraw --reason verzoek")
    desk.ask("audit erase E06 --reason verzoek --ground 'AVG art. 17' --yes")

    judged = desk.run("replay E06 --rules now")
    verdicts = [ruling["verdict"] for ruling in desk.ask("replay E06 --rules now")["verdicts"]]

    assert judged.exit_code == 0
    assert max(map(len, judged.stdout.splitlines())) <= 80
    assert "no" not in verdicts
    count = verdicts.count("unknown")
    assert count
    said = " ".join(judged.stdout.split())
    assert f"{count} move{'s' * (count != 1)} cannot be judged any more; none would be refused: " in said
    assert "Not every move" not in said
