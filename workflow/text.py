"""What free text may hold (anything a person types, but no tricks on a terminal or a mail); and how names compare."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from workflow.errors import UsageError
from workflow.reference import looks_like_reference

MAX_LENGTH = 4000
MAX_BYTES = 2000
"""Of what cases are found by: an index of PostgreSQL takes 2,704 bytes."""
_MORE = "..."
_NUMBER_AT_END, _GOES_ON = re.compile(r"\s*\d[\d.,/-]*$"), re.compile(r"[.,/-]?\d")
_BLANK = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")
_INVISIBLE = ("Cf", "Cn")
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
"""What nobody sees of other kinds: joiners, fillers, variation selectors, the empty braille pattern."""


def check_text(field: str, text: object, *, one_line: bool = False) -> None:
    """Raises UsageError naming the field: no text, too long, control characters, or on lines where it must be on one.

    None is nothing to be checked.
    """
    if text is None:
        return
    if not isinstance(text, str):
        raise UsageError(f"{field} must be text, not {type(text).__name__}.")
    if len(text) > MAX_LENGTH:
        raise UsageError(f"{field} is {len(text)} characters long; at most {MAX_LENGTH} are kept.")
    if text.isprintable():
        return
    allowed = "\t" if one_line else "\t\n\r"
    for position, character in enumerate(text, 1):
        if unicodedata.category(character) in ("Cc", "Cs") and character not in allowed:
            raise UsageError(f"{field} holds a control character (U+{ord(character):04X}) at position {position}.")


def check_name(field: str, text: object) -> None:
    """What something is found by. Raises UsageError naming the field: as `check_text`, or too many bytes."""
    check_text(field, text, one_line=True)
    if isinstance(text, str) and (size := len(text.encode())) > MAX_BYTES:
        raise UsageError(f"{field} is {size} bytes long; at most {MAX_BYTES} are kept. Give a shorter one.")


def check_key(text: object) -> None:
    """The key of a command. Raises UsageError: as `check_name`, or it is blank, which is no key of anything."""
    check_name("key", text)
    if isinstance(text, str) and not text.strip():
        raise UsageError("key is empty; leave it out, or give one that no other command has.")


def is_storable(text: str) -> bool:
    """Whether a database can hold it at all: no lone surrogates, no NUL."""
    return "\0" not in text and (text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text))


def check_reference(text: object) -> str:
    """An external reference, trimmed. Raises UsageError: empty, on two lines, or shaped like our own references."""
    check_name("external_reference", text)
    trimmed = text.strip() if isinstance(text, str) else ""
    if not trimmed:
        raise UsageError(
            "external_reference is empty; leave it out or give the reference that others know the case by."
        )
    if looks_like_reference(trimmed):
        raise UsageError(f"external_reference '{trimmed}' has the form of Schakel's own references; choose another.")
    return trimmed


def cut(text: str, most: int) -> str:
    """A text of at most so many characters, with dots where there was more; half a number would be another one."""
    if len(text) <= most:
        return text
    kept, rest = text[: most - len(_MORE)], text[most - len(_MORE) :]
    if _GOES_ON.match(rest):
        kept = _NUMBER_AT_END.sub("", kept) or kept
    return kept.rstrip() + _MORE


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Text for comparing names: NFC, casefolded, trimmed, inner spaces folded."""
    if text.isascii():
        return " ".join(text.lower().split())
    folded = unicodedata.normalize("NFC", text).casefold()
    return " ".join(unicodedata.normalize("NFC", folded).split())


def on_one_line(text: str) -> str:
    """Text as people read it: without what cannot be seen, and white space of any kind and length one space."""
    if not text.isascii():
        text = "".join(character for character in text if unicodedata.category(character) not in _INVISIBLE)
        text = _UNSEEN.sub("", text)
    return _BLANK.sub(" ", text)
