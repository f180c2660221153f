"""Made-up employers, as many as wanted, no two alike: each is complete and can be registered at once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import count, islice
from typing import Any

from states.numbers import elfproef
from tests.support.examples import step_1_and_2
from workflow.answers import Row
from workflow.commands import Given


def rows(first: int, amount: int) -> Iterator[Row]:
    """Rows to import, made when they are wanted; `first` is the number of the first employer, from 0."""
    for number in range(first, first + amount):
        yield Row(number + 1, reference(number), facts(number))


def reference(number: int) -> str:
    """What others call this employer."""
    return f"W{number:07}"


def facts(number: int) -> Given:
    """What is known of this employer; everything that tells employers apart depends on the number."""
    own = own_facts(number)
    return {sheet: known | own[sheet] for sheet, known in _common_facts().items()}


def own_facts(number: int) -> dict[str, dict[str, str]]:
    """The part of the facts that no other employer has."""
    return {
        "loket_user": {"user_name": f"koppeling.{number:07}"},
        "registration": {
            "company_name": f"Verzonnen Werkgever {number:07} B.V.",
            "email": f"salaris{number:07}@example.com",
            "framework_contract_number": f"A020{number:07}",
            "wage_tax_number": f"{_tax_digits(number)}L01",
            "loket_employer_id": str(8_000_000 + number),
            "contact_name": f"B. Verzonnen {number:07}",
        },
    }


@cache
def _common_facts() -> dict[str, dict[str, Any]]:
    return step_1_and_2()


def _tax_digits(number: int) -> str:
    """Nine digits that pass the eleven test; from 90… on, which no BSN begins with."""
    block, place = divmod(number, 1000)
    return _block(block)[place]


@cache
def _block(block: int) -> list[str]:
    """A thousand right numbers: about one in eleven is one."""
    digits = (f"{candidate:09}" for candidate in count(900_000_000 + block * 12_000))
    return list(islice(filter(elfproef, digits), 1000))
