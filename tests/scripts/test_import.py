import csv
import io
import json
import zipfile
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import openpyxl
import pytest

from scripts.commands.imports import EMPLOYERS
from states.domain import EmployerCoupling
from states.spreadsheet import COLUMNS, REFERENCE_COLUMN
from tests.scripts.desk import SAMPLE, Desk
from workflow.batch import SIZE
from workflow.clock import SetClock

Write = Callable[[str, str | bytes], Path]


def sample() -> list[dict[str, str]]:
    with SAMPLE.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def as_csv(rows: list[dict[str, str]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def test_every_row_of_the_sample_ends_as_expected(desk: Desk) -> None:
    results = desk.ask(f"import {SAMPLE} --advance --accept-warnings")

    for row, result in zip(sample(), results, strict=True):
        assert result["external_reference"] == row["case_id"]
        assert (result["result"], result["state"]) == (row["expected_result"], row["expected_state"]), row["case_id"]
        assert set(result["codes"]) == set(filter(None, row["expected_codes"].split("|"))), row["case_id"]


@pytest.mark.parametrize(
    ("changes", "subject", "holds", "misses"),
    [
        ({"loonheffingennummer": ""}, "dit staat nog open", ["Het loonheffingennummer ontbreekt"], "nieuwe gebruiker"),
        (
            {"gebruiker_actief": "nee"},
            "dit staat nog open",
            ["Van de rest hebben wij de gegevens al"],
            "nieuwe gebruiker",
        ),
        ({}, "wij kijken je gegevens na", ["Je hoeft nu niets te doen"], "nog open"),
    ],
)
def test_an_invitation_asks_for_nothing_that_the_import_knows(
    desk: Desk, write: Write, changes: dict[str, str], subject: str, holds: list[str], misses: str
) -> None:
    row = next(row for row in sample() if row["case_id"] == "E06") | {"taal": "nl"} | changes

    desk.ask(f"import {write('one.csv', as_csv([row]))}")

    (letter,) = desk.ask("mail list --case E06")
    shown = desk.ask(f"mail show {letter['id']}")
    assert letter["letter"] == "invitation"
    text = " ".join(shown["text"].split())
    assert subject in shown["subject"]
    assert [words for words in holds if words not in text] == []
    assert misses not in text


def test_an_invitation_lists_all_that_is_needed_to_who_only_asked(desk: Desk) -> None:
    desk.open("E06", loket_user={})

    (letter,) = desk.ask("mail list --case E06")
    text = desk.ask(f"mail show {letter['id']}")["text"]

    assert "nieuwe gebruiker" in text
    assert "loonheffingennummer" in text


def test_the_same_file_again_changes_nothing(desk: Desk) -> None:
    desk.ask(f"import {SAMPLE} --advance")

    again = desk.ask(f"import {SAMPLE} --advance")

    assert {result["result"] for result in again} == {"unchanged"}
    assert "18 rows: 18 unchanged." in desk.run(f"import {SAMPLE}").stdout


def test_a_row_says_which_fields_of_its_case_it_changed_and_never_a_value(desk: Desk, write: Write) -> None:
    rows = sample()[:3]
    known = write("known.csv", as_csv(rows))
    opened = desk.ask(f"import {known}")
    rows[0] |= {"loonheffingennummer": "999900122L01", "contactpersoon": "Iemand Anders"}
    rows[1] |= {"bedrijfsnaam": "", "e_mailadres": "", "raamwerkcontractnummer": "", "werkgever_id": ""}
    rows[1]["dertiende_maand"] = ""
    path = write("in.csv", as_csv(rows))

    dry = desk.ask(f"import {path} --dry-run")
    shown = desk.run(f"import {path} --dry-run").stdout
    real = desk.ask(f"import {path}")

    assert [result["changed"] for result in opened] == [[], [], []]
    assert [result["changed"] for result in real] == [
        ["registration.wage_tax_number", "registration.contact_name"],
        [
            *("registration.company_name", "registration.email", "registration.framework_contract_number"),
            *("registration.loket_employer_id", "registration.thirteenth_month"),
        ],
        [],
    ]
    assert [result["changed"] for result in dry] == [result["changed"] for result in real]
    assert "\n        Changed: loonheffingennummer, contactpersoon\n" in shown
    names = "bedrijfsnaam, e_mailadres, raamwerkcontractnummer,\n          werkgever_id, dertiende_maand"
    assert f"\n        Changed: {names}\n" in shown
    assert max(map(len, shown.splitlines())) <= 80
    assert not any(value in f"{dry} {real} {shown}" for value in ("999900122", "Iemand"))


def test_a_row_says_which_fields_it_leaves_as_somebody_made_them_since(desk: Desk, write: Write) -> None:
    path = write("in.csv", as_csv(sample()[:1]))
    (opened,) = desk.ask(f"import {path} --advance")
    desk.run(f'advance {opened["case"]} return_to_applicant --reason "Verkeerd contract"')
    desk.run(f"record {opened['case']} registration framework_contract_number=A020990777")

    shown = desk.run(f"import {path} --advance").stdout
    (again,) = desk.ask(f"import {path} --advance")

    assert (again["result"], again["changed"], again["kept"]) == (
        "unchanged",
        [],
        ["registration.framework_contract_number"],
    )
    assert "\n        Kept: raamwerkcontractnummer (the row says what it said before" in shown


def test_a_dry_run_writes_nothing(desk: Desk) -> None:
    result = desk.run(f"import {SAMPLE} --advance --dry-run")

    assert result.exit_code == 0
    assert "Nothing was written" in result.stdout
    assert desk.ask("list") == []


class _Stopping(SetClock):
    """A clock on which somebody stops the program when it was read so many times: once for each row of an import."""

    def __init__(self, moment: datetime, reads: int, how: BaseException) -> None:
        super().__init__(moment)
        self.left, self.how = reads, how

    def now(self) -> datetime:
        self.left -= 1
        if self.left < 0:
            raise self.how
        return self.moment


@pytest.mark.parametrize(("how", "code"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143)], ids=["Ctrl-C", "TERM"])
@pytest.mark.parametrize(
    ("reads", "options", "done", "said"),
    [
        (2 * SIZE + 9, "", 2 * SIZE, "At least 400 rows were done. What was done is kept; the same command goes on"),
        (9, "", 0, "Nothing was written."),
        (2 * SIZE + 9, "--dry-run", 0, "Nothing was written."),
    ],
)
def test_an_import_that_is_stopped_says_what_is_kept_and_how_to_go_on(
    desk: Desk, write: Write, reads: int, options: str, done: int, said: str, how: BaseException, code: int
) -> None:
    rows = [sample()[0] | {"case_id": f"B{number:04}", "bedrijfsnaam": f"Bakker {number}"} for number in range(500)]
    path, clock = write("in.csv", as_csv(rows)), desk.clock
    desk.clock = _Stopping(clock.moment, reads, how)

    stopped = desk.run(f"import {path} --json {options}")

    desk.clock = clock
    assert stopped.exit_code == code
    assert f"Stopped. {said}" in " ".join(stopped.stderr.split())
    assert len(desk.ask("list")) == done
    assert len(json.loads(stopped.stdout or "[]")) == (done or ("--dry-run" in options and 2 * SIZE))
    assert Counter(row["result"] == "unchanged" for row in desk.ask(f"import {path}"))[True] == done


def test_rows_that_cannot_be_processed_stand_in_their_place_and_exit_6(desk: Desk, write: Write) -> None:
    lines = SAMPLE.read_text("utf-8").splitlines()
    path = write(
        "in.csv", "\n".join([lines[0], lines[1], "E50,ragged", lines[3], lines[4].replace(",nee,", ",perhaps,")])
    )

    results = desk.ask(f"import {path}", code=6)

    assert [(result["row"], result["result"]) for result in results] == [
        (2, "accept"),
        (3, "error"),
        (4, "accept"),
        (5, "error"),
    ]
    assert "header has 19" in results[1]["message"]
    assert "dertiende_maand" in results[3]["message"]
    assert len(desk.ask("list")) == 2


def test_a_row_that_cannot_be_processed_tells_its_reference_as_far_as_it_has_one(desk: Desk, write: Write) -> None:
    lines = SAMPLE.read_text("utf-8").splitlines()
    header, row = lines[0], lines[1]
    short, without = "E77,Bakkerij", row.replace(row.split(",")[0], "", 1)

    first, second = desk.ask(f"import {write('in.csv', chr(10).join((header, short, without)))}", code=6)

    assert (first["result"], first["external_reference"]) == ("error", "E77")
    assert (second["result"], second["external_reference"]) == ("error", None)


@pytest.mark.parametrize(
    ("reference", "name", "is_total"),
    [
        ("Totaal", "40", True),
        ("TOTAAL:", "", True),
        ("Subtotaal", "1.234,50", True),
        ("Grand total", "€ 40", True),
        ("som", "", True),
        ("Totaal", "Bakkerij 40", False),
        ("Total-12", "40", False),
        ("E50", "40", False),
        ("E50", "", False),
    ],
)
def test_the_total_line_of_a_list_is_no_employer(
    desk: Desk, write: Write, reference: str, name: str, is_total: bool
) -> None:
    (row, *_) = sample()
    given = {**dict.fromkeys(row, ""), "case_id": reference, "bedrijfsnaam": name}
    path = write("in.csv", as_csv([row, given]))

    _, result = desk.ask(f"import {path} --advance", code=6 if is_total else 0)

    assert result["result"] == ("error" if is_total else "reject")
    assert ("is no employer" in result.get("message", "")) is is_total
    assert len(desk.ask("list")) == 2 - is_total


def test_an_employer_whose_reference_is_such_a_word_is_imported_all_the_same(desk: Desk, write: Write) -> None:
    (row, *_) = sample()
    path = write("in.csv", as_csv([{**row, "case_id": "Total", "bedrijfsnaam": ""}]))

    (result,) = desk.ask(f"import {path}")

    assert (result["result"], result["codes"]) == ("reject", ["NAME_MISSING"])


def test_a_short_row_tells_no_reference_when_that_stands_elsewhere(desk: Desk, write: Write) -> None:
    header = SAMPLE.read_text("utf-8").splitlines()[0].split(",")
    lines = (",".join([*header[1:], header[0]]), "Bakkerij,E77")

    (answer,) = desk.ask(f"import {write('in.csv', chr(10).join(lines))}", code=6)

    assert (header[0], answer["result"], answer["external_reference"]) == ("case_id", "error", None)


def test_a_lookup_that_failed_says_neither_that_there_are_no_dgas_nor_that_a_field_is_empty(
    desk: Desk, tmp_path: Path
) -> None:
    desk.ask(f"import {SAMPLE}")
    employer = next(row for row in sample() if row["dga_lijst"])
    book = openpyxl.Workbook()
    book.active.append([*employer])
    book.active.append([*(employer | {"dga_lijst": "#N/A", "bedrijfsnaam": "#REF!"}).values()])
    book.save(typed := tmp_path / "typed.xlsx")
    path = tmp_path / "in.xlsx"
    with zipfile.ZipFile(typed) as made, zipfile.ZipFile(path, "w") as looked_up:
        for name in made.namelist():
            formula = b"<f>VLOOKUP(A2,Z1:Z9,1,0)</f><v>#N/A</v>"
            looked_up.writestr(name, made.read(name).replace(b"<v>#N/A</v>", formula))
    before = desk.ask(f"show {employer['case_id']}")

    (result,) = desk.ask(f"import {path}", code=6)

    assert (result["row"], result["result"], result["case"]) == (2, "error", None)
    assert "Line 2: bedrijfsnaam holds #REF! and dga_lijst holds #N/A" in result["message"]
    assert desk.ask(f"show {employer['case_id']}") == before


def test_faults_call_fields_by_their_column_and_every_code_stands_in_plain_lines_too(desk: Desk, write: Write) -> None:
    header, first, second, third = SAMPLE.read_text("utf-8").splitlines()[:4]
    name, other = (row["bedrijfsnaam"] for row in sample()[:2])
    known = write("known.csv", f"{header}\n{second}\n")
    desk.ask(f"import {known}")
    desk.ask("advance E02 withdraw --reason 'op verzoek'")
    lines = [
        header,
        first.replace(name, "x" * 5000),
        second.replace(other, "Anders"),
        third.replace("E03", "123456782"),
    ]
    path = write("in.csv", "\n".join(lines))

    long, closed, coded = desk.ask(f"import {path}", code=6)
    shown = desk.run(f"import {path}").stdout

    assert "bedrijfsnaam" in long["message"]
    assert "so bedrijfsnaam cannot change. A new request takes a new case_id." in closed["message"]
    assert "registration." not in f"{long} {closed} {shown}"
    assert coded["codes"] == ["BSN_IN_TEXT"]
    assert "BSN_IN_TEXT: " in shown


@pytest.mark.parametrize("value", ["Wielewaal Kwartelbos", "zoe.kwartel@kwarteldomein.example", "123456782", "ZOE"])
def test_columns_that_were_exchanged_are_named_with_what_they_may_hold_and_never_what_stands_in_them(
    desk: Desk, write: Write, value: str
) -> None:
    """Of a result that a cron job mails, nobody knows who reads it."""
    allowed = {
        **dict.fromkeys(("dertiende_maand", "gebruiker_actief", "gebruiker_uitsluitend"), "yes or no (ja or nee)"),
        **{"verloning": "maandelijks", "gebruiker_soort": "standaard", "toegang_via": "werkgever", "taal": "engels"},
    }
    rows = [sample()[0] | {"case_id": f"X{number}", name: value} for number, name in enumerate(allowed)]
    columns = list(dict.fromkeys(name for row in rows for name in row))
    path = write("in.csv", as_csv([{name: row.get(name, "") for name in columns} for row in rows]))

    told = desk.run(f"import {path} --dry-run", COLUMNS="400")
    messages = [row["message"] for row in desk.ask(f"import {path} --dry-run", code=6)]

    assert value not in told.output + str(messages)
    for (name, word), message in zip(allowed.items(), messages, strict=True):
        assert f"'{name}' " in message
        assert word in message


def test_a_reference_that_may_not_be_kept_is_not_repeated(desk: Desk, write: Write) -> None:
    """A BSN in case_id: of a row that is refused for it, of one that cannot be read, and of two that stand twice."""
    bsns = ["123456782", "111222333", "999990007", "999990007"]
    rows = [sample()[0] | {"case_id": bsn} for bsn in bsns]
    rows[1]["dertiende_maand"] = "misschien"
    path = write("in.csv", as_csv(rows))

    results = desk.ask(f"import {path}", code=6)
    told = desk.run(f"import {path}").output

    assert [(row["row"], row["external_reference"], row["result"]) for row in results] == [
        (number, "•••••", "error") for number in (2, 3, 4, 5)
    ]
    assert results[0]["codes"] == ["BSN_IN_TEXT"]
    assert results[2]["message"] == "case_id '•••••' stands on lines 4 and 5; keep one of them."
    assert not any(bsn in told + str(results) for bsn in bsns)


def test_what_import_refuses_of_an_ended_case_record_does_by_the_words_of_import(desk: Desk, write: Write) -> None:
    rows = sample()[:1]
    desk.ask(f"import {write('known.csv', as_csv(rows))}")
    desk.ask("advance E01 withdraw --reason 'op verzoek'")
    rows[0] |= {"e_mailadres": "ander@example.com", "bedrijfsnaam": "Anders B.V."}
    path = write("in.csv", as_csv(rows))

    (refused,) = desk.ask(f"import {path}")
    told = refused["message"].partition("By hand e_mailadres can: schakel ")[2].partition("…. A new request")[0]
    changed = desk.ask(f"{told}ander@example.com")["changed"]

    assert "an import changes nothing in an ended case, so bedrijfsnaam, e_mailadres cannot" in refused["message"]
    assert refused["message"].endswith("A new request takes a new case_id.")
    assert changed == ["registration.email"]
    assert "a new case_id" in desk.run("import --help").stdout.replace("\n ", "")


def test_every_column_is_listed_with_what_it_holds_and_an_example_that_an_import_takes(
    desk: Desk, write: Write
) -> None:
    listed = desk.ask("import --columns")
    path = write("in.csv", as_csv([{each["column"]: each["example"] for each in listed}]))

    assert [each["column"] for each in listed] == [REFERENCE_COLUMN, *COLUMNS]
    assert {each["column"] for each in listed if each["required"]} == EMPLOYERS.required
    assert [(row["result"], row["codes"]) for row in desk.ask(f"import {path} --advance")] == [("accept", [])]


def test_the_columns_are_told_to_people_where_import_sends_them(desk: Desk, write: Write) -> None:
    wanting = desk.run(f"import {write('in.csv', 'case_id,naam')}")
    said = desk.run("import --columns").stdout

    for sender in (desk.run("import --help").stdout, wanting.stderr):
        assert "schakel import --columns" in " ".join(sender.split())
    assert all(each["means"] in " ".join(said.split()) for each in desk.ask("import --columns"))
    assert "\nkvk_nummer  (registration.kvk_number; may be left out)\n" in said
    assert "\n    four_weekly: four_weekly, 4weken," in said


def test_unknown_columns_are_named_on_standard_error(desk: Desk, write: Write) -> None:
    header, first = SAMPLE.read_text("utf-8").splitlines()[:2]
    path = write("in.csv", f"{header},Kleur\n{first},rood\n")

    result = desk.run(f"import {path}")

    assert "Column 'Kleur' means nothing here" in result.stderr
    assert result.exit_code == 0


def test_lines_with_a_text_that_an_earlier_program_decoded_wrongly_are_named(desk: Desk, write: Write) -> None:
    names = ["Bäckerei 1", "BÃ¤ckerei 2", "Crêperie l’Été 3", "CrÃªperie lâ€™Ã‰tÃ© 4", "Ã la carte 5", "Łódź Ãé 6"]
    rows = [sample()[0] | {"case_id": f"B{line}", "bedrijfsnaam": name} for line, name in enumerate(names, start=2)]

    both = desk.run(f"import {write('in.csv', as_csv(rows))} --dry-run").stderr
    one = desk.run(f"import {write('in.csv', as_csv(rows[:2]))} --dry-run").stderr
    none = desk.run(f"import {write('in.csv', as_csv([rows[0], rows[2], rows[5]]))} --dry-run").stderr

    assert "On lines 3 and 5 a text was decoded wrongly by an earlier program" in " ".join(both.split())
    assert "On line 3 a text was decoded wrongly" in " ".join(one.split())
    assert none == ""


@pytest.mark.parametrize("column", ["loonheffingennummer", "kvk_nummer", "werkgever_id", "case_id"])
@pytest.mark.parametrize("cell", ["9,99901E+10", "9.99901e+08", "3E+10"])
def test_a_number_that_excel_shortened_in_a_csv_is_told_as_that_and_not_repeated(
    desk: Desk, write: Write, column: str, cell: str
) -> None:
    (told,) = desk.ask(f"import {write('in.csv', as_csv([sample()[0] | {column: cell}]))}", code=6)

    assert (told["result"], told["case"]) == ("error", None)
    assert told["message"] == (
        f"Line 2: {column}: Excel made a number of this and left digits out (as in 1.2E+10). "
        "Format the column as text there and type the value again."
    )


def test_the_sheets_of_a_workbook_that_are_not_read_are_named_when_they_hold_rows(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "in.xlsx"
    row = sample()[0]
    book = openpyxl.Workbook()
    book.active.title = "Werkgevers"
    for title in ("Werkgevers", "Oud", "Leeg", "Titel", "Lijst", "Ouder"):
        sheet = book["Werkgevers"] if title == "Werkgevers" else book.create_sheet(title)
        for cells in {"Leeg": [], "Titel": [["Toelichting"]]}.get(title, [[*row], [*row.values()]]):
            sheet.append(cells)
    book.create_chartsheet("Grafiek")
    book["Lijst"].sheet_state = "hidden"
    book.active = book["Oud"]
    book.save(path)

    result = desk.run(f"import {path} --json")
    del book["Ouder"]
    book.save(path)
    one = desk.run(f"import {path}").stderr
    del book["Oud"]
    book.save(path)

    said = " ".join(result.stderr.split())
    assert said == "Only the first sheet, 'Werkgevers', is read; there are rows on 'Oud' and 'Ouder' too."
    assert (result.exit_code, len(json.loads(result.stdout))) == (0, 1)
    assert "there are rows on 'Oud' too." in " ".join(one.split())
    assert desk.run(f"import {path}").stderr == ""


def test_a_missing_column_refuses_the_whole_file(desk: Desk, write: Write) -> None:
    header, first = SAMPLE.read_text("utf-8").splitlines()[:2]
    path = write("in.csv", f"{header.replace('werkgever_id', 'wgid')}\n{first}\n")

    said = desk.ask(f"import {path}", code=2)

    assert "werkgever_id" in said["message"]
    assert desk.ask("list") == []


def test_a_file_may_lack_only_what_is_optional(desk: Desk, write: Write) -> None:
    path = write("in.csv", "case_id\nE01\n")

    said = desk.ask(f"import {path}", code=2)["message"]

    needed = (
        "bedrijfsnaam, dertiende_maand, dga_lijst, e_mailadres, gebruiker_actief, gebruiker_soort, "
        "loonheffingennummer, raamwerkcontractnummer, rechten, toegang_via, verloning, werkgever_id"
    )
    assert said == f"{path} lacks the columns {needed}. schakel import --columns lists them all."


def test_the_cells_of_a_workbook_are_taken_for_what_they_say(desk: Desk, tmp_path: Path) -> None:
    path = tmp_path / "in.xlsx"
    row = sample()[0]
    cells = {
        "werkgever_id": 9910001,
        "dertiende_maand": True,
        "loonheffingennummer": 999900110,
        "kvk_nummer": 1,
        "gebruiker_actief": date(2026, 1, 5),
    }
    book = openpyxl.Workbook()
    book.active.append(list(row))
    for number, (name, cell) in enumerate(cells.items(), 1):
        book.active.append(list((row | {"case_id": f"X{number}", name: cell}).values()))
    book.save(path)

    results = desk.ask(f"import {path}", code=6)

    lost = (
        "is a number in this spreadsheet, so zeros in front of it are lost. "
        "Format the column as text and type the value again."
    )
    assert [result.get("message") for result in results] == [
        None,
        None,
        f"Line 4: loonheffingennummer {lost}",
        f"Line 5: kvk_nummer {lost}",
        "'gebruiker_actief' must be yes or no (ja or nee).",
    ]
    facts = [desk.ask(f"show {result['case']}")["facts"]["registration"] for result in results[:2]]
    assert facts[0]["loket_employer_id"] == "9910001"
    assert facts[1]["thirteenth_month"] is True


def test_no_letters_is_said_in_the_history(desk: Desk, write: Write) -> None:
    path = write("in.csv", "\n".join(SAMPLE.read_text("utf-8").splitlines()[:2]))

    desk.ask(f"import {path} --advance --no-letters")

    assert all(event["letters"] == [] and event["via"] == "import" for event in desk.ask("history E01"))


def test_without_letters_now_the_reminders_follow_and_help_and_summary_say_so(desk: Desk, write: Write) -> None:
    path = write("in.csv", "\n".join(SAMPLE.read_text("utf-8").splitlines()[:2]))
    told = "no letters now; reminders follow when they are due"

    helped, dry, done, usual = (
        " ".join(desk.run(f"import {words}").stdout.split())
        for words in ("--help", f"{path} --no-letters --dry-run", f"{path} --no-letters", f"{path}")
    )

    assert told in helped.lower()
    assert "Mail nobody" not in helped
    assert done.endswith("1 row: 1 accepted. No letters now; reminders follow when they are due (--no-letters).")
    assert dry.endswith("1 row: 1 accepted. Nothing was written (--dry-run).")
    assert "etters" not in usual
    desk.clock.moment += timedelta(days=60)
    assert desk.ask("tick")["reminders"] > 0


def test_a_reference_that_a_case_has_since_an_older_version_is_told_as_it_is(
    desk: Desk, write: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [sample()[0] | {"case_id": number} for number in ("123456782L01", "111222333L01")]
    path = write("in.csv", as_csv(rows))
    with monkeypatch.context() as older:
        older.setattr(EmployerCoupling, "judge_text", lambda *_: ())
        desk.ask(f"import {path}")

    told = desk.ask(f"import {path}")

    assert [(row["external_reference"], row["result"]) for row in told] == [
        (row["case_id"], "unchanged") for row in rows
    ]
