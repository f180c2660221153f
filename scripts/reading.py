"""Reads a file or standard input whole, and JSON out of it, trusting nothing: each fault is one clear UsageError."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeAlias

import click

from workflow.errors import UsageError
from workflow.events import LARGEST

if TYPE_CHECKING:  # heavy, and only some commands need it
    from workflow.ledger.verify import Notes

Given: TypeAlias = "None | bool | int | str | list[Given] | dict[str, Given]"
"""JSON without floats: history has no place for them."""

MOST_BYTES = 10_000_000
MOST_HELD = 1_000_000_000
"""Bytes of checkpoints: a busy ledger signs some 5 MB of them a day."""
MOST_LEVELS = 50
_SHORT = 8
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)


def read_bytes(source: str, most: int = MOST_BYTES) -> bytes:
    """The bytes of a file, or of standard input for '-'. Raises UsageError: not there, a folder, too large, empty."""
    name = describe(source)
    try:
        if source == "-":
            content = sys.stdin.buffer.read(most + 1)
        else:
            with open_file(source).open("rb") as file:
                content = file.read(most + 1)
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror or error}.") from None
    if len(content) > most:
        raise UsageError(f"{name} is larger than {most // 1_000_000} MB, which is more than one case can need.")
    if not content.strip():
        raise UsageError(f"{name} is empty.")
    return content


def read_held(source: str) -> Notes:
    """The checkpoints in the file that --against names, one or several. Raises UsageError."""
    from workflow.ledger.verify import NoteError, read_notes

    try:
        return read_notes(read_bytes(source, MOST_HELD))
    except NoteError as error:
        raise UsageError(f"--against {source}: {error}. Give what 'schakel audit checkpoint' printed.") from None


def open_file(source: str) -> Path:
    """The path of a file that is there and is no folder. Raises UsageError."""
    try:
        path = Path(source)
        if path.is_dir():
            raise UsageError(f"{source} is a folder; name a file in it.")
        if not path.exists():
            raise UsageError(f"{source} does not exist.")
    except (OSError, ValueError) as error:
        raise UsageError(f"{source} cannot be read: {getattr(error, 'strerror', None) or error}.") from None
    return path


def read_json(source: str) -> Given:
    """The JSON in a file or on standard input. Raises UsageError for all that RFC 8259 or a history does not allow."""
    return parse_json(read_bytes(source), describe(source))


def read_words() -> str:
    """The text on standard input, without the newline that ends it. Raises UsageError."""
    if sys.stdin.isatty():
        click.echo("Reading the text from the keyboard; end it with Enter and Ctrl-D.", err=True)
    return re.sub(r"\r?\n\Z", "", _decoded(read_bytes("-"), describe("-")))


def parse_json(content: bytes, name: str) -> Given:
    """The JSON these bytes say; `name` is what messages call them. A byte order mark is skipped."""
    text = _decoded(content, name)
    _refuse_depth(text, name)
    try:
        value: Given = json.loads(
            text,
            object_pairs_hook=_object,
            parse_int=_integer,
            parse_float=_refuse_float,
            parse_constant=_refuse_constant,
        )
        json.dumps(value, ensure_ascii=False).encode()
    except json.JSONDecodeError as error:
        raise UsageError(f"{name} is not valid JSON: line {error.lineno}, column {error.colno}: {error.msg}.") from None
    except UnicodeEncodeError:
        raise UsageError(f"{name} holds half a character (a lone surrogate), which is no text.") from None
    except UsageError as error:
        raise UsageError(f"{name}: {error}") from None
    return value


def read_object(source: str) -> dict[str, Given]:
    """The JSON object in a file or on standard input. Raises UsageError, also when it is something else."""
    value = read_json(source)
    if not isinstance(value, dict):
        raise UsageError(f"{describe(source)} must hold a JSON object {{…}}, not {_kind(value)}.")
    return value


def describe(source: str) -> str:
    """What messages call a source."""
    return "Standard input" if source == "-" else source


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8 text (byte {error.start + 1}). Save it as UTF-8.") from None


def _refuse_depth(text: str, name: str) -> None:
    level = 0
    for token in _TOKENS.finditer(text):
        first = token[0][0]
        if first in "[{":
            level += 1
            if level > MOST_LEVELS:
                raise UsageError(f"{name} nests more than {MOST_LEVELS} levels deep, which no sheet does.")
        elif first in "]}":
            level -= 1


def _object(pairs: list[tuple[str, Given]]) -> dict[str, Given]:
    said: dict[str, Given] = {}
    for key, value in pairs:
        if key in said:
            raise UsageError(f"the field {json.dumps(key)} stands there twice; keep one.")
        said[key] = value
    return said


def _integer(text: str) -> int:
    number = int(text) if len(text) < 20 else LARGEST + 1
    if abs(number) > LARGEST:
        raise UsageError(f"a number of {len(text)} characters is too large; write it as text, in quotes.")
    return number


def _refuse_float(text: str) -> NoReturn:
    said = text if len(text) <= _SHORT else f"a number of {len(text)} characters"  # a long one may be somebody's
    raise UsageError(f"{said} is no whole number; write it as text, in quotes.")


def _refuse_constant(text: str) -> NoReturn:
    raise UsageError(f"{text} is not a JSON value.")


def _kind(value: Given) -> str:
    kinds = {dict: "an object", list: "an array", str: "text", bool: "true or false", int: "a number"}
    return kinds.get(type(value), "null")
