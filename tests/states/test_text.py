"""BSNs in free text."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from stdnum.nl import bsn

from notifications.rendering import cleaned
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
        "123  456 782",
        "Nummer is 123\n456\n782 denk ik",
        "123\t456\t782",
        "123\r\n456 \n 782",
        "123\u2028456\u2029782",
        "123\u0085456\u00a0\u3000782",
        "123 \u200b 456\u20657\u205f82",
        *(f"123{unseen}456782" for unseen in "\u034f\u115f\u180b\u2800\u3164\ufe0f\uffa0"),
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
        "123 - 456 - 782",
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


DISGUISED = (
    "123456782L01",
    "123456782 l 01",
    "NL123456782B01",
    "123.456.782.B.01",
    "12345672L01",
    "123/456/782",
    "123_456_782",
    "123,456,782",
    "123:456:782",
    "123'456'782",
    "123\u2019456\u2019782",
    "123 · 456 · 782",
    "123 • 456 • 782",
    "123+456+782",
    "123. 456. 782",
    "123 - 456 - 782",
    "(123)456782",
    "(123) 456-782",
    "123/456/782/L01",
    "١٢٣/٤٥٦/٧٨٢",
    "123 /\n456 /\n782",
    "zaak 7 van 2026: 123/456/782, 1990",
)
ORDINARY = (
    "+31 612/345/671",
    "+31 (0)612/345/671",
    "06/12/34/56/78",
    "050/120001",
    "01-02-2026, 4",
    "2026/11/000",
    "2026/12004",
    "NL91 ABNA 0417 1643 00",
    "KvK 12345678, 2 stuks",
    "KvK-nummer: 12 34 56 78, 2",
    "€ 1.234.567,82",
    "€ 1,123,456,782",
    "123,456,782.00",
    "A123/456/782",
    "A123456782",
    "A020 990 001 B 2",
    "123/456/783",
    "12345673L01",
    "NL823450004B01",
    "NL123456783B57",
    "123456782B001/x",
    "112, 113, 114 gewist",
    "filialen 111; 222; 333",
)
"""With the nine digits of a BSN, most of them, which are part of something else."""


@pytest.mark.parametrize("text", DISGUISED)
@pytest.mark.parametrize("field", ["external_reference", "actor", "ground"])
def test_what_is_kept_for_good_holds_no_bsn_however_it_is_written(field, text):
    assert [problem.code for problem in domain.judge_text(field, f"klant {text}")] == ["BSN_IN_TEXT"]


@pytest.mark.parametrize("text", DISGUISED)
def test_a_bsn_is_hidden_however_it_is_written(text):
    hidden = hide_numbers(f"Firma {text} en zoon")

    assert "•••••••••" in hidden
    assert len(re.findall(r"\d", hidden)) <= len(re.findall(r"\d", text)) - 8
    assert hidden.startswith("Firma ")
    assert hidden.endswith(" en zoon")


@pytest.mark.parametrize("text", ORDINARY)
def test_other_numbers_are_neither_hidden_nor_refused(text):
    assert hide_numbers(text) == text
    assert [*domain.judge_text("external_reference", text)] == []


def test_a_problem_with_text_names_its_field_and_does_not_repeat_the_number():
    (found,) = domain.judge_text("note", "123456782 en 123456782")

    assert (found.field, found.severity, dict(found.details)) == ("note", "error", {})


@given(st.from_regex(r"[0-9]{9}", fullmatch=True), st.sampled_from(["", " ", ".", "-"]))
def test_nine_digits_are_a_bsn_exactly_when_they_pass_the_eleven_test(digits, separator):
    expected = bsn.checksum(digits) == 0 and int(digits) > 0

    assert bool(found_in(separator.join(digits))) == expected


@given(st.text(alphabet="0123456789 .-/,+()ALBx١\u00ad\n\t\u2028\u3000\u2065", max_size=40))
@example("123456782/123/456/782")
def test_a_text_holds_no_bsn_once_they_are_hidden_however_a_letter_folds_it(text):
    hidden = hide_numbers(text)

    for shown in (hidden, " ".join(str(cleaned(hidden)).split())):
        assert [*domain.judge_text("ground", shown)] == []
        assert not re.search(r"(?<!\d)\d{9}L\d\d(?!\d)", shown)


def test_a_text_stays_as_it_was_unless_a_number_in_it_is_hidden():
    assert hide_numbers("½ ﬁjn – A020990001") == "½ ﬁjn – A020990001"
    assert hide_numbers("A020  990\n001 en 12345678") == "A020  990\n001 en 12345678"
    assert hide_numbers("nummer 999900110L01 is fout") == "nummer ••••••••• is fout"
    assert hide_numbers("Firma 123  456  782 en 9999\n00110L01") == "Firma ••••••••• en •••••••••"
