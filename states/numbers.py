"""Dutch numbers as people type them, made comparable: wage tax numbers, Loket employer ids and BSNs in text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from stdnum.nl import bsn

from workflow.text import on_one_line

_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"), "-")
_SEPARATORS = re.compile(r"[\s.\-]+")
_RIGHT = re.compile(r"[0-9]{9}L[0-9]{2}")
_VAT = re.compile(r"(?:NL)?[0-9]{9}B[0-9]{2}")
_ONE_SHORT = re.compile(r"[0-9]{8}L[0-9]{2}")
_ONE_FOR_L = re.compile(r"[0-9]{9}1[0-9]{2}")
_NINE_BELOW_8 = re.compile(r"(?=[0-7][0-9]{8})")
_UUID = re.compile(r"\{?[0-9A-F]{8}-?(?:[0-9A-F]{4}-?){3}[0-9A-F]{12}\}?", re.IGNORECASE)
_DIGITS = re.compile(r"[0-9]+")
_NINE_IN_TEXT = re.compile(r"(?<![0-9])(?<![Aa])(?=([0-9](?:[ .\-]?[0-9]){8})(?![0-9])(?![LlBb][0-9]{2}))")
_TAX_IN_TEXT = re.compile(r"(?<![0-9])[0-9](?:[ .\-]?[0-9]){8}[ .\-]?[Ll][ .\-]?[0-9]{2}(?![0-9])")
_MARKS = r"._/,:;'\u2018\u2019\u00b7\u2022+()\-"
_BREAK = rf"(?![,;:] )[ {_MARKS}]{{1,3}}"  # '112, 113, 114' is a list
_BY_THREES = rf"[0-9]{{3}}{_BREAK}[0-9]{{3}}{_BREAK}[0-9]{{3}}|[1-9][0-9]{{2}}\) ?[0-9]{{6}}"
_SUBNUMBER = rf"(?:{_BREAK})?[LlBb](?:{_BREAK})?[0-9]{{2}}(?![0-9])"
_WITH_SUBNUMBER = re.compile(
    rf"(?<![0-9])(?=((?:[0-9](?:[ .\-]?[0-9]){{8}}|{_BY_THREES}){_SUBNUMBER}|[0-9]{{8}}[LlBb][0-9]{{2}}(?![0-9])))"
)
"""A wage tax or VAT number, also one that lost its zero."""
_THREES_IN_TEXT = re.compile(
    rf"(?<![0-9Aa])(?<![0-9][{_MARKS}])(?<!\+[0-9]{{2}} )(?=({_BY_THREES})(?![{_MARKS}]?[0-9])(?!{_SUBNUMBER}))"
)
"""Nine digits by threes, whatever stands between, that are not part of a longer number: an amount, a phone number."""
_NO_DIGIT = re.compile(r"[^0-9]+")
_NINE_DIGITS = re.compile(r"\D*+(?:\d\D*+){9}")
_LARGEST_ID = 2**31 - 1


def elfproef(digits: str) -> bool:
    """Whether nine digits pass the eleven test of BSNs and wage tax numbers; 000… never does."""
    return len(digits) == 9 and not digits.startswith("000") and bsn.checksum(digits) == 0


class WageTaxNumber(NamedTuple):
    """A wage tax number (loonheffingennummer): nine digits, L, two digits, once normalised."""

    normal: str
    """As normalised: NFKC, no spaces, dots or hyphens, upper case; '' when nothing is left."""
    separators_removed: bool
    case_changed: bool
    is_right: bool
    """Whether its form is right; the eleven test is another question."""
    passes: bool
    """Whether, its form being right, the first nine digits pass the eleven test."""
    may_hold_bsn: bool
    """Whether a BSN, which begins below 8, may be read from it; of a wrong form, when in doubt, yes."""

    @property
    def is_vat(self) -> bool:
        """Whether it is a VAT number (btw-nummer) instead."""
        return _VAT.fullmatch(self.normal) is not None

    @property
    def lost_zero(self) -> bool:
        """Whether it would be right with a zero in front; spreadsheets drop those."""
        return _ONE_SHORT.fullmatch(self.normal) is not None and elfproef("0" + self.normal[:8])

    @property
    def one_for_l(self) -> bool:
        """Whether a 1 stands where the L belongs."""
        return _ONE_FOR_L.fullmatch(self.normal) is not None


@lru_cache(maxsize=1024)
def wage_tax_number(given: str) -> WageTaxNumber:
    """Normalise a wage tax number, remembering what that changed."""
    given = given.strip()
    plain = unicodedata.normalize("NFKC", given)
    bare = _SEPARATORS.sub("", plain.translate(_DASHES))
    normal = bare.upper()
    is_right = _RIGHT.fullmatch(normal) is not None
    return WageTaxNumber(
        normal,
        separators_removed=bare != given,
        case_changed=normal != bare,
        is_right=is_right,
        passes=is_right and elfproef(normal[:9]),
        may_hold_bsn=normal[0] < "8" if is_right else _may_hold_bsn(normal),
    )


def _may_hold_bsn(wrong: str) -> bool:
    digits = _NO_DIGIT.sub("", wrong)
    return _ONE_SHORT.fullmatch(wrong) is not None or _NINE_BELOW_8.search(digits) is not None


class EmployerId(NamedTuple):
    """A Loket.nl employer id (Werkgever ID): a positive 32-bit integer."""

    given: str
    normal: str
    """Without spaces and leading zeros; '' when it is no such number."""

    @property
    def is_uuid(self) -> bool:
        """Whether it is the API's uuid instead."""
        return is_uuid(self.given)


def is_uuid(text: str) -> bool:
    """Whether text is a uuid, with or without braces and dashes."""
    return _UUID.fullmatch(text) is not None


@lru_cache(maxsize=1024)
def employer_id(given: str) -> EmployerId:
    """Normalise a Loket employer id."""
    given = given.strip()
    bare = "".join(unicodedata.normalize("NFKC", given).split())
    number = bare.lstrip("0")
    fits = len(number) <= 10 and _DIGITS.fullmatch(number) is not None and int(number) <= _LARGEST_ID
    return EmployerId(given, number if fits else "")


def bsns_in(text: str) -> Iterator[str]:
    """Every BSN in free text as people read it: nine digits, single separators allowed, that pass the eleven test."""
    return _bsns(_readable(text))


def _bsns(readable: str) -> Iterator[str]:
    for match in _NINE_IN_TEXT.finditer(readable):
        digits = _SEPARATORS.sub("", match[1])
        if bsn.checksum(digits) == 0 and digits != "000000000":
            yield match[1]


def holds_a_bsn(text: str) -> bool:
    """Whether a BSN may be read in a text, however it is written: by threes, as wage tax number, as VAT number too."""
    readable = _readable(text)
    return any(_bsns(readable)) or any(_disguised(readable))


def _disguised(readable: str) -> Iterator[str]:
    """BSNs in other forms than BSN_IN_TEXT names, whole; a tax number that begins with an 8 is a company's."""
    for match in _WITH_SUBNUMBER.finditer(readable):
        digits = _NO_DIGIT.sub("", match[1])[:-2].zfill(9)
        if digits < "8" and elfproef(digits):
            yield match[1]
    for match in _THREES_IN_TEXT.finditer(readable):
        if elfproef(_NO_DIGIT.sub("", match[1])):
            yield match[1]


@lru_cache(maxsize=4096)
def hide_numbers(text: str) -> str:
    """The text with every BSN and whole wage tax number blotted out, on one line; text without any stays as it was."""
    readable, is_hidden = _readable(text), False
    while found := _numbers(readable):  # again: what stood behind a number that is hidden now may no longer be its tail
        is_hidden = True
        for number in found:
            readable = readable.replace(number, "•" * 9)
    return readable if is_hidden else text


def _numbers(readable: str) -> list[str]:
    return [*_TAX_IN_TEXT.findall(readable), *_disguised(readable), *_bsns(readable)] if readable else []


def _readable(text: str) -> str:
    """Text on one line, as a letter shows it, in which every way to write a digit or a hyphen has become one.

    Of text with fewer than nine digits nothing is left: none of the numbers can be in it.
    """
    plain = text if text.isascii() else unicodedata.normalize("NFKC", text).translate(_DASHES)
    if not _NINE_DIGITS.match(plain):
        return ""
    line = on_one_line(plain)
    return line if line.isascii() else "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in line)
