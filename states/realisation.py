"""The rules of steps 3 and 4: policies, Keylane's handover, and the first exchange."""

from __future__ import annotations

from collections.abc import Iterator

from states.codes import Code, problem
from states.names import Field
from states.reading import as_day, as_text, held, held_day, held_rows, held_text
from workflow.facts import Context, Facts, Json, Problem


def complete_policies(facts: Facts, context: Context) -> Iterator[Problem]:
    """At least one policy, each with a number, a start date and whether its cover is under the Pensioenwet."""
    rows = held_rows(facts, Field.POLICIES)
    if not rows:
        yield problem(Code.POLICY_MISSING, Field.POLICIES)
        return
    for index, policy in enumerate(rows):
        path, number = f"{Field.POLICIES}[{index}]", index + 1
        if not as_text(policy.get("policy_number")):
            yield problem(Code.POLICY_NUMBER_MISSING, f"{path}.policy_number", number=number)
        if as_day(policy.get("start_date")) is None:
            yield problem(Code.POLICY_START_MISSING, f"{path}.start_date", number=number)
        if policy.get("pension_act") is None:
            yield problem(Code.POLICY_BASIS_MISSING, f"{path}.pension_act", number=number)


def known_at_keylane(facts: Facts, context: Context) -> Iterator[Problem]:
    """Keylane has taken the case in under a reference of its own."""
    if not held_text(facts, Field.KEYLANE_REFERENCE):
        yield problem(Code.HANDOVER_REFERENCE_MISSING, Field.KEYLANE_REFERENCE)


def authorised(facts: Facts, context: Context) -> Iterator[Problem]:
    """Keylane spoke to the applicant and set the authorisations right."""
    if held_day(facts, Field.CONTACT_DATE) is None:
        yield problem(Code.CONTACT_DATE_MISSING, Field.CONTACT_DATE)
    if held(facts, Field.AUTHORISATIONS_SET) is not True:
        yield problem(Code.AUTHORISATIONS_NOT_SET, Field.AUTHORISATIONS_SET)


def realised(facts: Facts, context: Context) -> Iterator[Problem]:
    """Realised, and the first exchange on a sensible day on or after that."""
    done, first = held_day(facts, Field.REALISED_ON), held_day(facts, Field.FIRST_EXCHANGE_DATE)
    if done is None:
        yield problem(Code.REALISED_MISSING, Field.REALISED_ON)
    if first is None:
        yield problem(Code.FIRST_EXCHANGE_MISSING, Field.FIRST_EXCHANGE_DATE)
        return
    date = first.isoformat()
    if done is not None and first < done:
        about = (Field.REALISED_ON, Field.FIRST_EXCHANGE_DATE)
        code = Code.FIRST_EXCHANGE_BEFORE_REALISED
        yield problem(code, Field.FIRST_EXCHANGE_DATE, about, date=date, realised=done.isoformat())
    if first < context.today:
        yield problem(Code.FIRST_EXCHANGE_IN_PAST, Field.FIRST_EXCHANGE_DATE, date=date)
    if not context.calendar.is_working_day(first):
        yield problem(Code.FIRST_EXCHANGE_NOT_WORKDAY, Field.FIRST_EXCHANGE_DATE, date=date)


def tell_first_exchange(facts: Facts) -> Json:
    """What the letter coupling_confirmed tells: the date of the first exchange."""
    first = held_day(facts, Field.FIRST_EXCHANGE_DATE)
    return first.isoformat() if first else None
