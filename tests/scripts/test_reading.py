import json
from pathlib import Path

import pytest

from scripts.reading import MOST_BYTES, MOST_LEVELS, parse_json, read_json, read_object
from workflow import UsageError
from workflow.events import LARGEST


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": NaN}', "NaN"),
        (b'{"a": Infinity}', "Infinity"),
        (b'{"a": 1.5}', "no whole number"),
        (b'{"a": 1e3}', "no whole number"),
        (b'{"a": 9007199254740992}', "too large"),
        (b'{"a": -9007199254740992}', "too large"),
        (b'{"a": ' + b"9" * 5000 + b"}", "too large"),
        (b'{"a": "\\ud800"}', "half a character"),
        (b"[" * 10_000 + b"]" * 10_000, f"more than {MOST_LEVELS} levels"),
        (b'{"a":' * 10_000, f"more than {MOST_LEVELS} levels"),
        (b'{"a": "b', "not valid JSON: line 1"),
        (b'{"a": \n tru}', "line 2"),
        (b'{"a": "\xff"}', "not UTF-8"),
        (b"\xff\xfe{\x00}\x00", "not UTF-8"),
    ],
)
def test_unfit_json_is_refused_with_one_clear_message(content: bytes, says: str) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        parse_json(content, "case.json")

    assert str(refused.value).startswith("case.json")


@pytest.mark.parametrize("number", [LARGEST, -LARGEST])
def test_the_largest_number_that_history_keeps_is_read(number: int) -> None:
    assert parse_json(b'{"a": %d}' % number, "x") == {"a": number}


def test_brackets_inside_text_are_no_levels() -> None:
    text = {"a": "[" * 1000 + '"\\'}

    assert parse_json(json.dumps(text).encode(), "x") == text


def test_a_byte_order_mark_is_skipped() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": 1}', "x") == {"a": 1}


def test_many_quotes_without_an_end_are_refused_at_once() -> None:
    with pytest.raises(UsageError, match="not valid JSON"):
        parse_json(b'"' + b'\\"' * 500_000, "x")


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b" \n "), "is empty"),
        (lambda path: path.write_bytes(b" " * (MOST_BYTES + 1)), "larger than 10 MB"),
        (lambda path: None, "does not exist"),
    ],
)
def test_what_is_no_file_with_json_is_refused_by_name(tmp_path: Path, make, says: str) -> None:
    path = tmp_path / "given"
    make(path)

    with pytest.raises(UsageError, match=says):
        read_json(str(path))


@pytest.mark.parametrize("name", ["\x00", "x" * 5000, "/dev/null/x"])
def test_a_name_that_cannot_be_a_file_is_refused(name: str) -> None:
    with pytest.raises(UsageError):
        read_json(name)


@pytest.mark.parametrize(
    ("content", "kind"), [("[]", "an array"), ("null", "null"), ("3", "a number"), ('"x"', "text")]
)
def test_json_that_is_no_object_says_what_it_is(tmp_path: Path, content: str, kind: str) -> None:
    path = tmp_path / "given"
    path.write_text(content)

    with pytest.raises(UsageError, match=f"not {kind}"):
        read_object(str(path))
