import io
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest

from scripts.records import header_name
from scripts.tables import MOST_BYTES, Columns, look_through
from workflow import UsageError

COLUMNS = Columns(
    known=frozenset({"case_id", "naam", "kvk_nummer"}),
    required=frozenset({"case_id", "naam"}),
    identity="case_id",
    ignored=("reason", "expected_*"),
    textual=frozenset({"kvk_nummer"}),
)
Write = Callable[[str, str | bytes], Path]


HEADER = (
    '<row r="1"><c r="B1" t="inlineStr"><is><t>case_id</t></is></c>'
    '<c r="C1" t="inlineStr"><is><t>naam</t></is></c></row>'
)
E2 = HEADER.replace("case_id", "E2").replace("naam", "b").replace('1"', '3"')


def save(path: Path, *rows: str) -> None:
    """A workbook whose sheet has these rows, as another program might write them."""
    openpyxl.Workbook().save(path.with_suffix(".empty"))
    spaces = 'xmlns="{0}" xmlns:x="{0}"'.format("http://schemas.openxmlformats.org/spreadsheetml/2006/main")
    sheet = f"<worksheet {spaces}><sheetData>{''.join(rows)}</sheetData></worksheet>"
    with zipfile.ZipFile(path.with_suffix(".empty")) as empty, zipfile.ZipFile(path, "w") as made:
        for name in empty.namelist():
            made.writestr(name, sheet if "sheet1" in name else empty.read(name))


def cells(path: Path) -> list[tuple[int, dict[str, str], str | None]]:
    return [(line.number, line.cells, line.fault) for line in look_through(str(path), COLUMNS).lines()]


@pytest.mark.parametrize(
    "content",
    [
        "case_id,naam\nE1,Müller\n",
        "\ufeffcase_id;naam\r\nE1;Müller\r\n",
        "naam\tcase_id\nMüller\tE1",
        "sep=;\r\nnaam;case_id\r\nMüller;E1\r\n",
        ' Naam , "CASE ID"\n"Müller",E1\n',
        "case_id,naam,\nE1,Müller,\n",
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "cp1252"])
def test_the_same_row_is_read_however_it_was_saved(write: Write, content: str, encoding: str) -> None:
    if "\ufeff" in content and encoding == "cp1252":
        pytest.skip("Windows-1252 has no byte order mark")
    path = write("in.csv", content.encode(encoding))

    ((_, found, fault),) = cells(path)

    assert fault is None
    assert found == {"case_id": "E1", "naam": "Müller"}


def test_rows_are_numbered_by_the_line_they_begin_on(write: Write) -> None:
    path = write("in.csv", 'case_id,naam\n\nE1,"two\nlines"\n,\nE2,one\n')

    assert [(number, found["naam"]) for number, found, _ in cells(path)] == [(3, "two\nlines"), (6, "one")]


def test_a_ragged_row_says_its_line_and_takes_no_other_with_it(write: Write) -> None:
    path = write("in.csv", "case_id,naam\nE1\nE2,b,c\nE3,d\n")

    faults = [fault for _, _, fault in cells(path)]

    assert faults == [
        "Line 2 has 1 cells, but the header has 2.",
        "Line 3 has 3 cells, but the header has 2.",
        None,
    ]


def test_both_rows_of_a_reference_that_stands_there_twice_are_faulty(write: Write) -> None:
    path = write("in.csv", "case_id,naam\nE1,a\nE2,b\nE1,c\n")

    faults = [fault for _, _, fault in cells(path)]

    assert faults == [
        "case_id 'E1' stands on lines 2 and 4; keep one of them.",
        None,
        "case_id 'E1' stands on lines 2 and 4; keep one of them.",
    ]


def test_of_a_reference_that_stands_there_often_the_first_three_lines_are_named(write: Write) -> None:
    rows = "E1,a\nE2,b\n" * 3 + "E1,c\n" * 2995
    said = {fault for _, _, fault in cells(write("in.csv", f"case_id,naam\n{rows}"))}

    assert said == {
        "case_id 'E1' stands on lines 2, 4, 6 and 2995 more; keep one of them.",
        "case_id 'E2' stands on lines 3, 5 and 7; keep one of them.",
    }


def test_a_row_without_its_reference_is_faulty(write: Write) -> None:
    ((_, _, fault),) = cells(write("in.csv", "case_id,naam\n,a\n"))

    assert fault == "Line 2 has no case_id."


def test_unknown_columns_are_named_and_ignored_ones_are_not(write: Write) -> None:
    path = write("in.csv", "case_id,naam,Kleur,reason,expected_state\nE1,a,rood,x,y\n")

    assert look_through(str(path), COLUMNS).unknown == ("Kleur",)
    assert cells(path) == [(2, {"case_id": "E1", "naam": "a"}, None)]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"case_id,naam\n", "no rows"),
        (b"case_id,nam\nE1,a\n", "lacks the column naam. Is 'nam' meant as 'naam'"),
        (b"kleur\nrood\n", "lacks the columns case_id, naam"),
        (b"case_id,naam,Naam\nE1,a,b\n", "'naam' twice"),
        (b'case_id,naam\nE1,"a\n', "line 2 cannot be read"),
        (b"case_id,naam\nE1,\x00\n", "not a text file"),
        (b"\xff\xfec\x00", "UTF-16"),
        (b"PK\x03\x04rest", "a name that ends in .xlsx"),
        (b"case_id,naam\nE1,\x81\xe9\n", "neither UTF-8 nor Windows-1252"),
        (b"case_id,naam\nE1,B\xc3\xa4cker\nE2,M\xfcller\nE3,x\xe9\n", "in.csv, line 3: the byte FC is not UTF-8"),
        (b"case_id,naam\r\nE1,M\xfcller\r\nE2,x\r\nE3,\xe2\x82\xac\r\n", "line 2: the byte FC is not UTF-8"),
        (b"case_id,naam\rE1,x\rE2,M\xfcller B\xc3\xa4cker\r", "line 3: the byte FC .* save the file as 'CSV UTF-8'"),
        (b"\xef\xbb\xbfcase_id,naam\nE1,M\xfcller\n", "line 2: the byte FC is not UTF-8, but other letters"),
    ],
)
def test_a_file_that_is_no_table_is_refused_before_its_first_row(write: Write, content: bytes, says: str) -> None:
    path = write("in.csv", content)

    with pytest.raises(UsageError, match=says):
        look_through(str(path), COLUMNS)


OLE = bytes.fromhex("D0CF11E0A1B11AE1") + bytes(504)
SAVE = "save it as .xlsx (or CSV) in Excel"


def zipped(*names: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return made.getvalue()


@pytest.mark.parametrize("named", ["in.xlsx", "in.XLSM", "in.xls", "in.ods", "in.csv"])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (OLE, f"is an old Excel workbook (.xls), or one with a password; {SAVE}."),
        (zipped("mimetype", "content.xml"), f"is an OpenDocument spreadsheet (.ods); {SAVE}."),
        (zipped("[Content_Types].xml", "xl/workbook.bin"), f"is a binary Excel workbook (.xlsb); {SAVE}."),
        (zipped("Index/Document.iwa"), f"is a zip file, and no Excel workbook; {SAVE}."),
    ],
)
def test_a_workbook_that_cannot_be_read_is_called_what_it_is_whatever_its_name(
    write: Write, content: bytes, says: str, named: str
) -> None:
    path = write(named, content)

    with pytest.raises(UsageError, match=re.escape(f"{path} {says}")):
        look_through(str(path), COLUMNS)


def test_a_workbook_by_another_name_is_asked_to_take_its_own(write: Write) -> None:
    path = write("in.csv", zipped("[Content_Types].xml", "xl/workbook.xml"))

    with pytest.raises(UsageError, match=re.escape(f"{path} is a workbook; give it a name that ends in .xlsx.")):
        look_through(str(path), COLUMNS)


@pytest.mark.parametrize("above", ["Werkgevers 2026", "Naam", "Werkgevers; van: A, B\n\ndatum;5-1-2026"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_header_below_a_title_is_told_where_it_stands_and_where_it_must(
    write: Write, above: str, separator: str
) -> None:
    path = write("in.csv", f"{above}\n{separator.join(['case_id', 'naam', 'kleur'])}\nE1{separator}a{separator}b\n")
    line = above.count("\n") + 2
    says = f"{path} must begin with its header, which seems to stand on line {line}: take out what is above it."

    with pytest.raises(UsageError, match=re.escape(says)):
        look_through(str(path), COLUMNS)


def test_a_title_above_the_header_of_a_workbook_is_found_too(tmp_path: Path) -> None:
    path = tmp_path / "in.xlsx"
    book = openpyxl.Workbook()
    for row in (["Werkgevers 2026"], [], ["case_id", "naam"], ["E1", "a"]):
        book.active.append(row)
    book.active.merge_cells("A1:B1")
    book.save(path)

    with pytest.raises(UsageError, match="seems to stand on line 3: take out"):
        look_through(str(path), COLUMNS)


@pytest.mark.parametrize(
    ("first", "says"),
    [
        ([["x"]], "lacks the columns case_id, naam."),
        ([["case_id", "naam"]], "has a header but no rows."),
        ([], "is empty."),
    ],
)
def test_which_sheet_was_read_is_said_when_there_is_no_table_on_it(
    tmp_path: Path, first: list[list[str]], says: str
) -> None:
    path = tmp_path / "in.xlsx"
    book = openpyxl.Workbook()
    book.active.title = "Titel"
    for row in first:
        book.active.append(row)
    book.create_sheet("Klanten")
    for row in (["case_id", "naam"], ["E1", "a"]):
        book["Klanten"].append(row)
    book.save(path)

    with pytest.raises(UsageError) as refused:
        look_through(str(path), COLUMNS)

    read = "Only the first sheet, 'Titel', is read; there are rows on 'Klanten' too."
    assert str(refused.value) == f"{path} {says} {read}"


def test_a_header_that_lacks_a_column_is_not_looked_for_among_the_rows(write: Write) -> None:
    path = write("in.csv", "case_id,kleur\n" + "E1,rood\n" * 20 + "case_id,naam\n")

    with pytest.raises(UsageError, match=re.escape(f"{path} lacks the column naam.")):
        look_through(str(path), COLUMNS)


def test_a_header_that_lacks_a_column_is_told_what_of_it_was_not_understood(write: Write) -> None:
    path = write("in.csv", "case_id;Náám van de zaak;KvK-nummer;ignored;\nE1;a;12345678;x;\n")
    listed = replace(COLUMNS, listed="schakel import --columns", ignored=("ignored",))

    with pytest.raises(UsageError) as refused:
        look_through(str(path), listed)

    said = f"{path} lacks the column naam. Not understood: 'Náám van de zaak'. schakel import --columns lists them all."
    assert str(refused.value) == said


def test_of_many_columns_that_are_not_understood_the_first_are_named(write: Write) -> None:
    path = write("in.csv", ",".join(["case_id", *(f"X{number}" for number in range(1, 31))]) + "\nE1\n")

    with pytest.raises(UsageError, match=r"Not understood: 'X1', .*, 'X20' and 10 more\.$"):
        look_through(str(path), COLUMNS)


def test_a_file_without_a_header_is_refused_without_repeating_what_stands_in_it(write: Write) -> None:
    path = write("in.csv", "E1,A. Fictief,12345678\nE2,B. Verzonnen,12345679\n")

    with pytest.raises(UsageError) as refused:
        look_through(str(path), COLUMNS)

    assert str(refused.value) == f"{path} lacks the columns case_id, naam."


def test_a_huge_file_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "in.csv"
    with path.open("wb") as file:
        file.truncate(MOST_BYTES + 1)

    with pytest.raises(UsageError, match="larger than 100 MB"):
        look_through(str(path), COLUMNS)


def test_a_workbook_reads_like_a_csv_but_knows_which_zeros_were_lost(tmp_path: Path) -> None:
    path = tmp_path / "in.xlsx"
    book = openpyxl.Workbook()
    for row in (["case_id", "naam", "kvk_nummer"], [7, 12.0, "00000001"], [], ["E2", True, 1]):
        book.active.append(row)
    book.save(path)

    first, second = cells(path)

    assert first == (2, {"case_id": "7", "naam": "12", "kvk_nummer": "00000001"}, None)
    assert second[0] == 4
    assert second[2] is not None
    assert "kvk_nummer is a number in this spreadsheet" in second[2]


def test_rows_of_a_workbook_are_numbered_as_the_spreadsheet_numbers_them(tmp_path: Path) -> None:
    path = tmp_path / "in.xlsx"
    book = openpyxl.Workbook()
    for row in ([], [], [None, "case_id", "naam"], [None, "E1", "a"], [], [None, "E2", "b"]):
        book.active.append(row)
    book.save(path)

    assert [(number, found["case_id"], fault) for number, found, fault in cells(path)] == [
        (4, "E1", None),
        (6, "E2", None),
    ]


def test_a_reference_that_is_a_number_in_one_row_and_text_in_another_is_the_same(tmp_path: Path) -> None:
    path = tmp_path / "in.xlsx"
    book = openpyxl.Workbook()
    for row in (["case_id", "naam"], [7, "a"], ["7", "b"]):
        book.active.append(row)
    book.save(path)

    assert all("stands on lines 2 and 3" in str(fault) for _, _, fault in cells(path))


@pytest.mark.parametrize("error", ["#N/A", "#VALUE!", "#REF!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!"])
def test_a_cell_that_is_an_error_is_a_fault_and_never_empty(tmp_path: Path, error: str) -> None:
    path = tmp_path / "in.xlsx"
    book = openpyxl.Workbook()
    header = [None, "case_id", "naam", "kvk_nummer", "Kleur"]
    for row in ([], header, [None, "E1", error, error], [], [None, "E2", "b", None, error], [None, error, "c"]):
        book.active.append(row)
    book.save(path)

    first, second, third = cells(path)

    help_ = "an error of the spreadsheet. Correct its formula, or type the value."
    assert (first[0], first[2]) == (3, f"Line 3: naam holds {error} and kvk_nummer holds {error}, {help_}")
    assert second == (5, {"case_id": "E2", "naam": "b", "kvk_nummer": ""}, None)
    assert third[2] == f"Line 6: case_id holds {error}, {help_}"


@pytest.mark.parametrize("error", ["#N/A", "#N/B", "#VALUE!", "#WAARDE!", "#REF!", "#VERW!", "#DEEL/0!", "#LEEG!"])
def test_an_error_that_a_spreadsheet_wrote_into_a_csv_is_a_fault(write: Write, error: str) -> None:
    first, second = cells(write("in.csv", f"case_id;naam\nE1; {error}\nE2;#1 in Brood\n"))

    assert f"Line 2: naam holds {error}, an error of the spreadsheet" in str(first[2])
    assert second == (3, {"case_id": "E2", "naam": "#1 in Brood"}, None)


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_an_error_is_found_wherever_the_pieces_end_in_which_a_workbook_is_looked_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    path = tmp_path / "in.xlsx"
    book = openpyxl.Workbook()
    for row in (["case_id", "naam"], ["E1", "#N/A"]):
        book.active.append(row)
    book.save(path)
    monkeypatch.setattr("scripts.faulty_cells._CHUNK", size)

    assert "naam holds #N/A" in str(cells(path)[0][2])


def test_an_error_on_another_sheet_is_no_fault_of_this_one(tmp_path: Path) -> None:
    path = tmp_path / "in.xlsx"
    book = openpyxl.Workbook()
    for row in (["case_id", "naam"], ["E1", "a"]):
        book.active.append(row)
    book.create_sheet().append(["#N/A", "#N/A", "#N/A"])
    book.create_sheet().append(["#N/A"])
    book.save(path)

    assert cells(path) == [(2, {"case_id": "E1", "naam": "a"}, None)]


@pytest.mark.parametrize("written", ["<v/>", "<v />", "<v></v>", "", "\n "])
@pytest.mark.parametrize("formula", ["<f>X1</f>", '<f t="shared" si="0"/>', "<x:f>X1</x:f>"])
def test_a_formula_without_a_result_is_a_fault_and_never_empty(tmp_path: Path, formula: str, written: str) -> None:
    path = tmp_path / "in.xlsx"
    cell = f'<c r="C2">{formula}{written}</c>'
    save(path, HEADER, f'<row r="2"><c r="B2" t="inlineStr"><is><t>E1</t></is></c>{cell}</row>', E2)

    first, second = cells(path)

    said = "Line 2: naam holds a formula whose result is not in this file. Open it in Excel and save it there, or type "
    assert (first[0], first[1]["case_id"], first[2]) == (2, "E1", f"{said}the value.")
    assert second == (3, {"case_id": "E2", "naam": "b"}, None)


@pytest.mark.parametrize("size", [1, 3, 1 << 20])
def test_a_formula_with_a_result_is_no_fault_also_when_its_result_is_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int
) -> None:
    path = tmp_path / "in.xlsx"
    known = '<c r="B2" t="str"><f>A1</f><v>E1</v></c><c r="C2" t="str"><f>X1</f><v></v></c>'
    save(
        path, HEADER, f'<row r="2">{known}</row>', '<row r="3"><c r="B3"><f>6+1</f><v>7</v></c><c r="C3" s="0"/></row>'
    )
    monkeypatch.setattr("scripts.faulty_cells._CHUNK", size)

    assert cells(path) == [(2, {"case_id": "E1", "naam": ""}, None), (3, {"case_id": "7", "naam": ""}, None)]


def test_a_row_of_formulas_without_results_is_not_lost_below_or_beside_the_others(tmp_path: Path) -> None:
    path = tmp_path / "in.xlsx"
    save(path, HEADER, E2, '<row r="9"><c r="A9"><f>Z1</f></c><c r="B9"><f>Z2</f></c><c r="C9"><f>Z3</f></c></row>')

    first, second = cells(path)

    assert first[2] is None
    assert (second[0], second[1]["case_id"]) == (9, "")
    assert "Line 9: case_id and naam hold formulas whose results are not in this file." in str(second[2])


def test_a_formula_that_was_filled_down_beside_the_table_makes_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "in.xlsx"
    book = openpyxl.Workbook()
    for row in (["case_id", "naam", "hulp"], ["E1", "a", "=1"], [None, None, "=1"], [None, None, "#N/A"]):
        book.active.append(row)
    book.save(path)

    assert cells(path) == [(2, {"case_id": "E1", "naam": "a"}, None)]
    assert look_through(str(path), COLUMNS).count == 1


def test_a_workbook_without_faulty_cells_is_read_whatever_its_list_of_sheets_looks_like(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "in.xlsx"
    save(path, HEADER, E2)

    def not_found(*_: object) -> str:
        raise ValueError

    monkeypatch.setattr("scripts.faulty_cells._part_of", not_found)

    assert cells(path) == [(3, {"case_id": "E2", "naam": "b"}, None)]


def test_what_openpyxl_writes_for_a_formula_is_a_fault(tmp_path: Path) -> None:
    path = tmp_path / "in.xlsx"
    book = openpyxl.Workbook()
    for row in (["case_id", "naam"], ["E1", '="a"&"b"']):
        book.active.append(row)
    book.save(path)

    assert "naam holds a formula whose result is not in this file" in str(cells(path)[0][2])


def test_errors_that_cannot_be_located_refuse_the_workbook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "in.xlsx"
    book = openpyxl.Workbook()
    for row in (["case_id", "naam"], ["E1", "#N/A"]):
        book.active.append(row)
    book.save(path)

    def fails(*_: object, **__: object) -> None:
        raise KeyError("r")

    monkeypatch.setattr("scripts.faulty_cells.iterparse", fails)

    with pytest.raises(UsageError, match="an error such as #N/A, or formulas without a result, that cannot be located"):
        look_through(str(path), COLUMNS)


def test_what_only_calls_itself_a_workbook_is_refused(write: Write) -> None:
    with pytest.raises(UsageError, match="not a workbook"):
        look_through(str(write("in.xlsx", "case_id,naam\nE1,a\n")), COLUMNS)


@pytest.mark.parametrize("title", ["E-mailadres", " e mailadres", "E_MAILADRES", "ｅ_mailadres"])
def test_a_header_is_known_however_it_is_typed(title: str) -> None:
    assert header_name(title) == "e_mailadres"
