"""Free text: what a person types is kept as it is, what could play tricks is refused with its place."""

from __future__ import annotations

import pytest

from workflow.errors import UsageError
from workflow.text import MAX_BYTES, MAX_LENGTH, check_name, check_reference, check_text, cut, is_storable, on_one_line


@pytest.mark.parametrize("text", ["", "één regel", "twee\r\nregels\tmet tab", "☎ 日本 🙂", "x" * MAX_LENGTH, None])
def test_what_a_person_types_may_stay(text: str | None) -> None:
    check_text("note", text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ab\x00", "(U+0000) at position 3"),
        ("\x1b[31m", "(U+001B) at position 1"),
        ("a\x7fb", "(U+007F) at position 2"),
        ("\u0085", "(U+0085) at position 1"),
        ("x\ud800", "(U+D800) at position 2"),
    ],
)
def test_a_character_that_could_play_tricks_is_refused_with_its_number_and_place(text: str, said: str) -> None:
    with pytest.raises(UsageError) as refused:
        check_text("note", text)

    assert str(refused.value) == f"note holds a control character {said}."


def test_what_must_stand_on_one_line_may_hold_a_tab_and_no_other_line() -> None:
    check_text("key", "a\tb", one_line=True)

    for text in ("a\nb", "a\rb"):
        with pytest.raises(UsageError, match="position 2"):
            check_text("key", text, one_line=True)


@pytest.mark.parametrize(
    ("text", "fits"),
    [("", True), ("é\n\x01", True), ("a\0", False), ("\ud800", False), ("a\udfff", False), ("\ue000\ud7ff", True)],
)
def test_a_database_can_hold_all_but_nul_and_half_characters(text: str, fits: bool) -> None:
    assert is_storable(text) is fits


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("een  regel", "een regel"),
        ("een\r\n \tregel\u2028\u3000twee\x07\x85drie", "een regel twee drie"),
        ("e\u200be\u00adn\ufeff", "een"),
        ("e\u0301é 日本 🙂", "e\u0301é 日本 🙂"),
    ],
)
def test_a_text_on_one_line_is_as_people_read_it(text: str, line: str) -> None:
    assert on_one_line(text) == line


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Groenteboer 't Hof 14", "Groenteboer 't Hof 14"),
        ("Groenteboer 't Hof 14 B.V.", "Groenteboer 't Hof..."),
        ("Groenteboer 't 1.400 B.V.", "Groenteboer 't..."),
        ("Groenteboer Hof1 234 B.V.", "Groenteboer Hof1..."),
        ("Groenteboer op de markt", "Groenteboer op de..."),
        ("1234567890123456789012", "123456789012345678..."),
    ],
)
def test_a_text_is_cut_outside_its_numbers(text: str, shown: str) -> None:
    assert cut(text, 21) == shown
    assert len(shown) <= 21


def test_an_external_reference_is_trimmed() -> None:
    assert check_reference("  E 07\t") == "E 07"


@pytest.mark.parametrize("text", ["", "  ", "\t"])
def test_an_empty_external_reference_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="external_reference is empty"):
        check_reference(text)


@pytest.mark.parametrize("text", ["K-7QDM-4XTR", " k7qdm4xtr "])
def test_an_external_reference_that_looks_like_one_of_ours_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"'{text.strip()}' has the form of Schakel's own"):
        check_reference(text)


def test_what_a_case_is_found_by_has_a_length_in_bytes() -> None:
    check_name("key", "x" * MAX_BYTES)
    check_name("key", None)
    check_reference("é" * (MAX_BYTES // 2))

    with pytest.raises(UsageError, match=r"^key is 2001 bytes long; at most 2000 are kept\. Give a shorter one\.$"):
        check_name("key", "x" * (MAX_BYTES + 1))
    with pytest.raises(UsageError, match=r"^external_reference is 2002 bytes long; at most 2000 are kept\."):
        check_reference("é" * (MAX_BYTES // 2 + 1))
