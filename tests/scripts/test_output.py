from datetime import UTC, datetime

import pytest

from scripts.output import Column, clip, local, marks, pad, plain, table, width


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("é", 1), ("e\u0301", 1), ("テスト", 6)])
def test_the_width_of_a_text_is_what_a_terminal_shows(text: str, columns: int) -> None:
    assert width(text) == columns
    assert width(pad(text, 10)) == 10


def test_a_clipped_text_says_that_there_was_more() -> None:
    assert width(clip("テストテスト", 7)) <= 7
    assert clip("テストテスト", 7).endswith(marks().more)
    assert clip("short", 7) == "short"


def test_nothing_that_steers_a_terminal_is_printed() -> None:
    assert plain("a\x1b[31mb\nc\u202ed") == "a?[31mb c?d"


@pytest.mark.parametrize("columns", [40, 80, 120])
def test_a_table_fits_the_terminal(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    shape = (Column("A"), Column("NAME", least=5), Column("MEANS", least=8, folds=True), Column("N"))
    rows = [("K-P601-DG55", "Coöperatieve テスト " * 9, "some words that say what it means", "3")] * 3

    lines = table(shape, rows)

    assert max(map(width, lines)) <= columns
    assert lines[0].split() == ["A", "NAME", "MEANS", "N"]


def test_a_table_that_fits_is_not_clipped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")

    assert table((Column("A", least=2), Column("B")), [("long enough", "x")]) == ["A            B", "long enough  x"]


def test_where_not_even_the_least_widths_fit_each_row_is_a_block_that_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    shape = (Column("WHEN"), Column("CASE"), Column("WHY", least=16, folds=True), Column("NOTE"))
    rows = [("2026-04-20 10:00", "K-P601-DG55", "waits for an address of the applicant", ""), ("now", "K-1", "x", "y")]

    for titled in (True, False):  # a block says its titles itself
        assert table(shape, rows, indent="  ", titled=titled) == [
            "  WHEN  2026-04-20 10:00",
            "  CASE  K-P601-DG55",
            "  WHY   waits for an address of the",
            "        applicant",
            "",
            "  WHEN  now",
            "  CASE  K-1",
            "  WHY   x",
            "  NOTE  y",
            "",
        ]


def test_the_titles_of_a_table_that_goes_on_are_not_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")

    assert table((Column("A"), Column("B")), [("1", "x" * 33)], indent=" ", titled=False) == [f" 1  {'x' * 33}"]


def test_the_last_moment_there_is_can_be_shown() -> None:
    assert local(datetime(9999, 12, 31, 23, 59, tzinfo=UTC)) == "9999-12-31 23:59"
