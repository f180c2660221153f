import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from scripts.copying import as_file
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


@pytest.mark.parametrize("number", ["123456782.0", "12345678e1", "12345678200000000000"])
def test_a_number_that_may_be_somebodys_is_not_repeated(number: str) -> None:
    with pytest.raises(UsageError, match="a number of") as refused:
        parse_json(b'{"a": %b}' % number.encode(), "case.json")

    assert "12345678" not in str(refused.value)


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


@pytest.fixture
def piped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[bytes], str]]:
    """A pipe into which somebody writes; copies lie in a folder of their own, which is empty afterwards."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "copies"))
    (tmp_path / "copies").mkdir()
    os.mkfifo(pipe := tmp_path / "pipe")
    writers = []

    def pour(content: bytes) -> str:
        writers.append(threading.Thread(target=write, args=(content,)))
        writers[-1].start()
        return str(pipe)

    def write(content: bytes) -> None:
        with suppress(BrokenPipeError):
            pipe.write_bytes(content)

    yield pour
    for writer in writers:
        writer.join()
    assert list((tmp_path / "copies").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "suffix"), [(b"a;b\n" * 600_000, ".csv"), (b"PK\x03\x04x", ".xlsx"), (b"", ".csv")]
)
def test_a_pipe_is_copied_whole_for_its_owner_alone(piped: Callable[[bytes], str], content: bytes, suffix: str) -> None:
    with as_file(piped(content), 10_000_000) as path:
        copy = Path(path)
        assert (copy.read_bytes(), copy.read_bytes()) == (content, content)
        assert (copy.suffix, stat.S_IMODE(copy.stat().st_mode)) == (suffix, 0o600)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, ValueError])
def test_a_copy_is_gone_however_the_work_ended(piped: Callable[[bytes], str], error: type[BaseException]) -> None:
    with pytest.raises(error), as_file(piped(b"x"), 10):
        raise error


def test_what_is_wrong_with_a_copy_is_said_of_what_was_named(piped: Callable[[bytes], str]) -> None:
    pipe = piped(b"x" * 11)
    with pytest.raises(UsageError, match=f"^{pipe} is larger than 0 MB; split it.$"), as_file(pipe, 10):
        pass
    with pytest.raises(UsageError, match=f"^{pipe} is odd.$"), as_file(piped(b"x"), 10) as path:
        raise UsageError(f"{path} is odd.")


def test_a_file_is_read_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x")

    with as_file(str(tmp_path / "a.csv"), 0) as path:
        assert path == str(tmp_path / "a.csv")
