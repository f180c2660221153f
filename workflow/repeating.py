"""What a text that is kept for good repeats of the personal values of a case, now or before."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping

from workflow.domain import Domain
from workflow.facts import Facts, Json
from workflow.text import fold, on_one_line

_SHORTEST = 4
"""Characters of a value that a text may not repeat as a whole; shorter ones occur in any sentence."""
_LETTERS = re.compile(r"[^\W\d_]+")
_LETTERS_ALIKE = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ı": "i", "æ": "ae", "œ": "oe", "þ": "th"})
"""What people type for a letter that has no accent to leave out."""
_TOKEN = re.compile(r"[\w.+-]+")
_BETWEEN = re.compile(r"[\W_]+")
_DATE = re.compile(r"(?<!\d)(?:\d{4}([-./])\d{1,2}\1\d{1,2}|\d{1,2}([-./])\d{1,2}\2\d{4})(?!\d)")
_NUMBER = re.compile(r"\d(?:[ ./()-]{0,3}\d){6,}")
_UNBROKEN = re.compile(r"\d{7,}")
_SAME = 8
"""Digits at the end that make two phone numbers one, however the country is written."""


def repeated(domain: Domain, text: str, history: Iterable[Mapping[str, Json]], known: Facts) -> str | None:
    """What the text repeats of these values, and of which field, without the value; None: nothing.

    `known` is what is known of the case now. Of notes and reasons only addresses and numbers count: their words are
    those of any sentence.
    """
    said = _Said(text)
    for values in history:
        for path, value in values.items():
            where = path if "." in path else "a note or a reason"
            leaves = list(_leaves(value))
            if "." in path and any(map(said.holds, leaves)):
                return f"what stands in {where}"
            if any(map(said.names, domain.telling(path, value, known))):
                return f"a name, or part of an address, that stands in {where}"
            if any(said.counts(number) for leaf in leaves for number in _numbers(leaf)):
                return f"a number that stands in {where}"
    return None


class _Said:
    """A text, ready to be held against values."""

    def __init__(self, text: str) -> None:
        plain = _plain(text)
        words = {*_LETTERS.findall(plain), *(_BETWEEN.sub("", token) for token in _TOKEN.findall(plain))}
        self._words = words | {word.removesuffix("s") for word in words if len(word) >= _SHORTEST}
        self._folded = fold(text)
        self._numbers = [_digits(found) for found in _NUMBER.findall(_DATE.sub("|", plain))]

    def holds(self, value: str) -> bool:
        """Whether it says this whole value."""
        folded = fold(value)
        return len(folded) >= _SHORTEST and re.search(rf"(?<!\w){re.escape(folded)}(?!\w)", self._folded) is not None

    def names(self, word: str) -> bool:
        """Whether it says this word, with or without accents, dots in it or an s behind it."""
        bare = _BETWEEN.sub("", _plain(word))
        return bool(bare) and bare in self._words

    def counts(self, number: str) -> bool:
        """Whether it says a number with the same end."""
        return any(number in said or (len(said) < _SAME and number.endswith(said)) for said in self._numbers)


def _numbers(text: str) -> Iterator[str]:
    """The ends of the numbers in a text that may be somebody's; a date is none."""
    plain = _DATE.sub("|", _plain(text))
    for found in (*_NUMBER.findall(plain), *_UNBROKEN.findall(plain)):
        yield _digits(found)[-_SAME:]


def _leaves(value: Json) -> Iterator[str]:
    if isinstance(value, (dict, list)):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _leaves(inner)
    elif isinstance(value, (str, int)) and not isinstance(value, bool):
        yield str(value)


def _plain(text: str) -> str:
    """A text without capitals and accents, on one line: a number may be written over two."""
    apart = on_one_line(unicodedata.normalize("NFKD", text.casefold()))
    return "".join(character for character in apart if not unicodedata.combining(character)).translate(_LETTERS_ALIKE)


def _digits(text: str) -> str:
    return "".join(character for character in text if character.isdigit())
