"""The sheets of facts, and the strict reading of what is given for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from states.masking import Mask, mask_dgas, mask_email, mask_name, mask_numbers, mask_wage_tax_number, mask_whole
from states.names import Field
from states.seal import mask_seal
from states.values import (
    Access,
    Bounded,
    Day,
    Identifier,
    Kind,
    NoneOrRows,
    NumberText,
    Reads,
    Rights,
    Text,
    Ticked,
    YesNo,
)
from workflow.errors import UsageError, check_known, nearest, sentence
from workflow.facts import Json


@dataclass(frozen=True, slots=True)
class Personal:
    """Marks a field as personal; `of_others` is the mask of a company's name that names no person, a sole trader.

    `outside` is the mask of what leaves the house, where that hides more.
    """

    mask: Mask
    of_others: Mask | None = None
    outside: Mask | None = None


class Rows(BaseModel):
    """What all sheets share: unknown fields are refused and every field may be left open."""

    model_config = ConfigDict(extra="forbid", strict=True)


class LoketUser(Rows):
    """Step 1: the Loket.nl user that is made for the coupling."""

    kind: Kind = None
    dedicated: YesNo = None
    active: YesNo = None
    access_via: Access = None
    rights: Rights = None
    user_name: Annotated[Text, Personal(mask_name)] = None


class Dga(Rows):
    """A director-major shareholder on the payroll."""

    name: Text = None
    employee_number: Identifier = None


class Registration(Rows):
    """Step 2: the form."""

    company_name: Annotated[Text, Personal(mask_name, of_others=mask_numbers, outside=mask_whole)] = None
    email: Annotated[Text, Personal(mask_email, outside=mask_name)] = None
    framework_contract_number: Identifier = None
    wage_tax_number: Annotated[NumberText, Personal(mask_wage_tax_number)] = None
    loket_employer_id: Identifier = None
    dgas: Annotated[list[Dga] | None, NoneOrRows, Personal(mask_dgas)] = None
    payroll_frequency: Ticked = None
    thirteenth_month: YesNo = None
    kvk_number: NumberText = None
    contact_name: Annotated[Text, Personal(mask_name)] = None
    language: Reads = None


class CoveredPolicy(Rows):
    """One policy, and whether its cover falls under the Pensioenwet."""

    policy_number: Identifier = None
    product: Text = None
    start_date: Day = None
    pension_act: YesNo = None


class Policy(Rows):
    """Step 3, by a.s.r.: the policies that the exchange is for."""

    policies: Annotated[list[CoveredPolicy] | None, Bounded] = None


class Handover(Rows):
    """Step 3, by Keylane: who configures, and what was arranged with the applicant."""

    keylane_reference: Identifier = None
    contact_name: Annotated[Text, Personal(mask_name)] = None
    contacted_on: Day = None
    authorisations_set: YesNo = None


class Realisation(Rows):
    """Step 4: when the coupling was realised and exchanges first."""

    realised_on: Day = None
    first_exchange_date: Day = None


class LoketSeen(Rows):
    """Step 1 as Loket.nl said it when it was last asked; nobody records it by hand."""

    checked_on: Day = None
    about: Annotated[Text, Personal(mask_seal)] = None
    """Seal of the employer and the user that were asked about: once they change, this sheet says nothing."""
    employer_uuid: Text = None
    user_uuid: Annotated[Text, Personal(mask_name)] = None
    user_status: Text = None
    integrations: Identifier = None
    tax_number_seen: Annotated[Text, Personal(mask_seal)] = None
    """Seal of the wage tax number: Loket.nl's own may be that of somebody else."""
    period_seen: Text = None
    complete_since: Day = None
    """The day on which a check found that nothing was missing any more."""
    drift: Rights = None
    """Codes of what was right before, and no longer is."""


MODELS: Mapping[str, type[Rows]] = MappingProxyType(
    {
        "loket_user": LoketUser,
        "registration": Registration,
        "policy": Policy,
        "handover": Handover,
        "realisation": Realisation,
        "loket_seen": LoketSeen,
    }
)
OBSERVED: Mapping[str, str] = MappingProxyType({"loket_seen": "schakel loket check CASE"})
"""The sheets that hold what was read elsewhere, and the command that fills them."""
SHEETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {sheet: tuple(model.model_fields) for sheet, model in MODELS.items()}
)
_NAMES: Mapping[str, frozenset[str]] = MappingProxyType({sheet: frozenset(names) for sheet, names in SHEETS.items()})
PERSONAL: Mapping[str, Personal] = MappingProxyType(
    {
        f"{sheet}.{name}": mark
        for sheet, model in MODELS.items()
        for name, declared in model.model_fields.items()
        for mark in declared.metadata
        if isinstance(mark, Personal)
    }
)
NESTED: Mapping[str, type[Rows]] = MappingProxyType({Field.DGAS.value: Dga, Field.POLICIES.value: CoveredPolicy})


def field_known(sheet: str, name: str) -> str:
    """The path of this field. Raises UsageError when the sheet or the field does not exist."""
    check_known("sheet", sheet, SHEETS)
    if name not in SHEETS[sheet]:
        raise UsageError(f"There is no field '{sheet}.{name}'.{nearest(name, SHEETS[sheet])}")
    return f"{sheet}.{name}"


def parse(sheet: str, given: object) -> dict[str, Json]:
    """The fields given, checked and trimmed; wrong values stay for the validators. Raises UsageError."""
    check_known("sheet", sheet, MODELS)
    if not isinstance(given, Mapping):
        raise UsageError(f"'{sheet}' must be an object with fields.")
    if not _NAMES[sheet].issuperset(given):
        for name in given:
            field_known(sheet, name if isinstance(name, str) else repr(name))
    try:
        read = MODELS[sheet].model_validate(dict(given))
    except ValidationError as error:
        raise UsageError(_refusal(sheet, error.errors(include_url=False)[0])) from None
    set_now = read.model_fields_set
    return {name: _plain(value) for name, value in read.__dict__.items() if name in set_now}


def _plain(value: Any) -> Json:
    """A value without pydantic's rows in it; `model_dump` does the same in twice the time of reading the sheet."""
    if type(value) is list:
        return [item.model_dump(exclude_unset=True) if isinstance(item, BaseModel) else item for item in value]
    return value  # type: ignore[no-any-return]


def _refusal(sheet: str, error: ErrorDetails) -> str:
    steps = error["loc"]
    path = sheet + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    if error["type"] == "extra_forbidden":
        rows = NESTED.get(f"{sheet}.{steps[0]}")
        return f"There is no field '{path}'.{nearest(str(steps[-1]), rows.model_fields if rows else ())}"
    if error["type"] == "value_error":
        return sentence(f"'{path}' {error['ctx']['error']}")
    expected = {"list_type": "must be a list", "model_type": "must be an object with fields"}
    return f"'{path}' {expected.get(error['type'], 'is not something Schakel can read')}."
