from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import openpyxl
import pytest

from workflow.ledger.spreadsheets import CELL_CHARACTERS, harmless, write_csv, write_xlsx

TEN = datetime(2026, 4, 20, 10, tzinfo=UTC).replace(tzinfo=None)
FORMULAS = [
    "=1+1",
    "+31201234567",
    "-1",
    "@SUM(A1)",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "  =1+1",
    "\u00a0=1+1",
    "\u200b=1+1",
    "\x00=1+1",
    "＝1+1",
    '=HYPERLINK("http://example.com";"klik")',
    "=cmd|' /C calc'!A0",
    "\tplain",
]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_begins_a_formula_gets_an_apostrophe_in_front(text: str) -> None:
    assert harmless(text).startswith("'")


@pytest.mark.parametrize("text", ["", "Drie Dennen B.V.", "A020990001", "a=b", "O'Brien", "•••••", "😀"])
def test_what_is_harmless_stays_as_it_is(text: str) -> None:
    assert harmless(text) == text


def test_a_cell_is_one_line_and_no_longer_than_a_cell_can_be() -> None:
    assert harmless("a\r\nb\x07c\ud800d") == "a  b c d"
    assert len(harmless("=" + "x" * 40_000)) == CELL_CHARACTERS


def test_a_csv_begins_with_a_byte_order_mark_and_has_semicolons() -> None:
    file = io.StringIO(newline="")

    write_csv(file, ("a", "b"), [("=1", 2), ('x;"y', TEN), (None, "")])

    assert file.getvalue() == '\ufeffa;b\n\'=1;2\n"x;""y";2026-04-20 10:00:00\n;\n'


def test_every_formula_is_a_text_in_the_workbook_too() -> None:
    file = io.BytesIO()
    texts = [*FORMULAS, "#N/A", "01234567", "TRUE", "1e5", "<b>&amp;", " spaces "]

    write_xlsx(file, "cases", ("text",), [(text,) for text in texts])

    cells = [row[0] for row in openpyxl.load_workbook(file)["cases"].iter_rows(min_row=2)]
    assert {cell.data_type for cell in cells} == {"s"}
    assert [cell.value for cell in cells] == [harmless(text) for text in texts]


def test_numbers_and_moments_stay_numbers_and_moments_in_the_workbook() -> None:
    file = io.BytesIO()

    write_xlsx(file, "cases", ("number", "at", "none"), [(7, TEN, None)])

    (row,) = openpyxl.load_workbook(file)["cases"].iter_rows(min_row=2, values_only=True)
    assert row == (7, TEN, None)


def test_a_sheet_opens_with_bold_titles_that_stay_in_sight_columns_that_fit_and_a_filter() -> None:
    file = io.BytesIO()

    write_xlsx(file, "cases", ("n", "registration.email", "0123456789"), [("x", "y", "z")] * 3)

    sheet = openpyxl.load_workbook(file)["cases"]
    assert [(cell.value, cell.font.bold) for cell in sheet[1]] == [
        ("n", True),
        ("registration.email", True),
        ("0123456789", True),
    ]
    assert [bool(cell.font.bold) for cell in sheet[2]] == [False] * 3
    assert {name: column.width for name, column in sheet.column_dimensions.items()} == {"A": 12, "B": 20, "C": 12}
    assert sheet.freeze_panes == "B2"
    assert sheet.auto_filter.ref == "A1:C4"


def test_a_sheet_without_rows_has_a_filter_over_its_titles() -> None:
    file = io.BytesIO()

    write_xlsx(file, "cases", ("a", "b"), [])

    assert openpyxl.load_workbook(file)["cases"].auto_filter.ref == "A1:B1"


@pytest.mark.parametrize(("rows", "sheets"), [(0, [1]), (1, [2]), (3, [4]), (4, [4, 2]), (6, [4, 4]), (7, [4, 4, 2])])
def test_more_rows_than_a_sheet_holds_go_on_to_the_next(rows: int, sheets: list[int]) -> None:
    file = io.BytesIO()

    write_xlsx(file, "cases", ("n",), [(number,) for number in range(rows)], sheet_rows=4)

    book = openpyxl.load_workbook(file)
    assert [sheet.max_row for sheet in book] == sheets
    assert book.sheetnames[:2] == ["cases", "cases 2"][: len(sheets)]
    held = [value for sheet in book for (value,) in sheet.iter_rows(min_row=2, values_only=True)]
    assert held == list(range(rows))


def test_what_was_written_is_read_back_by_another_reader() -> None:
    file = io.StringIO(newline="")
    write_csv(file, ("a", "b"), [("één; twee", "'quoted' \"too\"")])

    rows = list(csv.reader(io.StringIO(file.getvalue().removeprefix("\ufeff")), delimiter=";"))

    assert rows == [["a", "b"], ["één; twee", "'quoted' \"too\""]]
