"""BSNs in free text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from stdnum.nl import bsn

from states.domain import EmployerCoupling
from states.numbers import hide_numbers

domain = EmployerCoupling()


def found_in(text: str) -> list[str]:
    return [problem.code for problem in domain.judge_text("reason", text)]


@pytest.mark.parametrize(
    "text",
    [
        "123456782",
        "BSN 123456782.",
        "123 456 782",
        "123-45-67.82",
        "1 2 3 4 5 6 7 8 2",
        "in 2026 123456782 genoemd",
        "x123456782y",
        "123456782L1",
        "123456782C01",
        "012345672",
        "１２３４５６７８２",
        "123\u00a0456\u00a0782",
        "123\u2011456\u2011782",
        "1234\u200b56782",
        "١٢٣٤٥٦٧٨٢",
    ],
)
def test_a_bsn_in_text_is_found(text):
    assert found_in(text) == ["BSN_IN_TEXT"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "123456783",
        "12345678",
        "1234567821",
        "0123456782",
        "123  456 782",
        "123_456_782",
        "123456782L01",
        "123456782l01",
        "123456782B01",
        "A123456782",
        "A020990001",
        "000000000",
        "06 1234 5678",
        "NL91 ABNA 0417 1643 00",
    ],
)
def test_what_is_not_a_bsn_passes(text):
    assert found_in(text) == []


def test_a_problem_with_text_names_its_field_and_does_not_repeat_the_number():
    (found,) = domain.judge_text("note", "123456782 en 123456782")

    assert (found.field, found.severity, dict(found.details)) == ("note", "error", {})


@given(st.from_regex(r"[0-9]{9}", fullmatch=True), st.sampled_from(["", " ", ".", "-"]))
def test_nine_digits_are_a_bsn_exactly_when_they_pass_the_eleven_test(digits, separator):
    expected = bsn.checksum(digits) == 0 and int(digits) > 0

    assert bool(found_in(separator.join(digits))) == expected


@given(st.text(alphabet="0123456789 .-ALBx١\u00ad", max_size=40))
def test_a_text_holds_no_bsn_once_they_are_hidden(text):
    assert found_in(hide_numbers(text)) == []


def test_a_text_without_a_number_to_hide_stays_as_it_was():
    assert hide_numbers("½ ﬁjn – A020990001") == "½ ﬁjn – A020990001"
    assert hide_numbers("nummer 999900110L01 is fout") == "nummer ••••••••• is fout"
