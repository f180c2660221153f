"""The records of a CSV file, whatever its encoding and separator; and what the headers and cells of a table are."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from workflow.errors import UsageError

NUMERIC = "\x00"
"""Stands before the text of a cell that was a number in a workbook; no text file can hold it."""
FAILED = NUMERIC + "#"
"""Stands before the text of a cell that was an error in a workbook, such as '#N/A'; no number begins like that."""
UNCOMPUTED = FAILED
"""Stands for a cell with a formula whose result is not in the workbook: an error that nobody can name."""
ERRORS = frozenset(
    {
        *("#N/A", "#VALUE!", "#REF!", "#DIV/0!", "#NAME?", "#NUM!", "#NULL!"),
        *("#N/B", "#WAARDE!", "#VERW!", "#DEEL/0!", "#NAAM?", "#GETAL!", "#LEEG!"),
    }
)
"""What an English and a Dutch Excel write for an error cell into a CSV."""
_SEPARATORS = (",", ";", "\t")
MOST_ABOVE = 20
"""Lines among which a header is looked for that titles were written above."""
_LONGEST_HEADER = 100_000


def header_name(text: str) -> str:
    """The name of a column as we compare it: case, spaces and dashes do not matter."""
    folded = unicodedata.normalize("NFKC", text).strip().casefold()
    return "_".join(folded.replace("-", " ").replace("_", " ").split())


def read_csv(path: Path, encoding: str, separator: str) -> Iterator[tuple[int, Sequence[str]]]:
    """The records of a CSV with the line each begins on, empty ones left out. Raises UsageError naming the line."""
    with path.open(encoding=encoding, newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True, skipinitialspace=True)
        begins = 1
        try:
            for cells in reader:
                is_hint = begins == 1 and len(cells) <= 2 and cells and cells[0].lower().startswith("sep=")
                if any(cell.strip() for cell in cells) and not is_hint:
                    yield begins, cells
                begins = reader.line_num + 1
        except csv.Error as error:
            raise UsageError(f"{path}: the record that begins on line {begins} cannot be read: {error}.") from None


def find_encoding(path: Path) -> str:
    """UTF-8 (with or without byte order mark) when the whole file is, Windows-1252 when nothing of it is.

    Raises UsageError: it is neither, or partly UTF-8 and partly not, so that either reading would spoil names.
    """
    with path.open("rb") as file:
        start = file.read(4)
    if not start:
        raise UsageError(f"{path} is empty.")
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise UsageError(f"{path} is UTF-16 text; save it as 'CSV UTF-8'.")
    for encoding in ("utf-8-sig", "cp1252"):
        try:
            with path.open(encoding=encoding, newline="") as file:
                while chunk := file.read(1 << 20):
                    if "\x00" in chunk:
                        raise UsageError(f"{path} is not a text file.")
        except UnicodeDecodeError:
            if encoding != "cp1252":
                _refuse_mixture(path)
            continue
        return encoding
    raise UsageError(f"{path} is neither UTF-8 nor Windows-1252 text; save it as 'CSV UTF-8'.")


def _refuse_mixture(path: Path) -> None:
    """Raises UsageError: beside bytes that are not UTF-8 the file holds letters that are, so it is spoilt."""
    bad, is_partly = "", False
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            is_partly = is_partly or not line.decode("utf-8", "ignore").isascii()
            if not bad:
                try:
                    line.decode()
                except UnicodeDecodeError as error:
                    place = number + line.count(b"\r", 0, error.start)
                    bad = f"line {place}: the byte {line[error.start]:02X} is not UTF-8"
            if bad and is_partly:
                raise UsageError(
                    f"{path}, {bad}, but other letters in this file are. "
                    "Correct the names on that line and save the file as 'CSV UTF-8'."
                )


def find_separator(path: Path, encoding: str, columns: frozenset[str]) -> str:
    """The separator by which one of the first lines, where the header should be, names the most columns we know."""
    with path.open(encoding=encoding, newline="") as file:
        lines = (line[:_LONGEST_HEADER] for line in file if line.strip() and not line.lower().startswith("sep="))
        first = list(islice(lines, MOST_ABOVE))

    def known(line: str, separator: str) -> int:
        cells = next(csv.reader(io.StringIO(line), delimiter=separator, skipinitialspace=True), [])
        return len({header_name(cell) for cell in cells} & columns)

    return max(_SEPARATORS, key=lambda separator: max((known(line, separator) for line in first), default=0))
