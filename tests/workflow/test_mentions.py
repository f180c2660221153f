"""What a letter about several cases still says when one of them is erased."""

from __future__ import annotations

import json
from typing import Any

import pytest

from workflow.mentions import without_case

CASE, OTHER = "K-7QDM-4XTR", "K-8RFN-5YVS"


def left(context: dict[str, Any]) -> Any:
    found = without_case(json.dumps(context), CASE)
    return None if found is None else json.loads(found)


def test_the_case_goes_and_the_others_stay_in_order() -> None:
    cases = [{"reference": name, "company": name[-1]} for name in ("K-A", CASE, OTHER)]

    assert left({"title": "Overzicht", "cases": cases}) == {"title": "Overzicht", "cases": [cases[0], cases[2]]}


def test_a_line_that_begins_with_its_reference_goes_and_one_that_only_names_it_stays_without() -> None:
    lines = [f"{CASE}: Bakkerij", f"{CASE}, Bakkerij: anders", f"{OTHER}: zie {CASE}", "geen zaak"]

    assert left({"lines": lines}) == {"lines": [f"{OTHER}: zie …", "geen zaak"]}


def test_a_list_that_is_left_empty_stays_while_another_has_something_to_say() -> None:
    context = {"cases": [{"reference": CASE, "lines": ["x"]}], "lines": [f"ook {CASE}"]}

    assert left(context) == {"cases": [], "lines": ["ook …"]}


def test_a_group_that_is_left_empty_goes_too_and_one_that_was_empty_before_stays() -> None:
    groups = [
        {"name": "alone", "cases": [{"reference": CASE}]},
        {"name": "two", "cases": [{"reference": CASE}, {"reference": OTHER}]},
        {"name": "none", "cases": []},
    ]

    assert left({"groups": groups}) == {
        "groups": [{"name": "two", "cases": [{"reference": OTHER}]}, {"name": "none", "cases": []}]
    }


@pytest.mark.parametrize(
    "context",
    [
        {"cases": [{"reference": CASE}]},
        {"cases": [{"reference": CASE}], "others": [], "title": "Overzicht"},
        {"groups": [{"cases": [f"{CASE}: Bakkerij"]}]},
    ],
)
def test_where_nothing_is_left_to_say_there_is_no_letter(context: dict[str, Any]) -> None:
    assert left(context) is None


def test_what_is_no_text_stays_as_it_was() -> None:
    context = {"cases": [{"reference": 7, "days": 3, "late": True}, None, OTHER]}

    assert left(context) == context


def test_it_is_written_without_spaces_and_with_letters_as_they_are() -> None:
    assert without_case(json.dumps({"cases": [CASE, "Café"]}), CASE) == '{"cases":["Café"]}'
