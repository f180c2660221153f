"""Whatever parse lets through, no rule, mask, key or message stumbles over."""

from __future__ import annotations

import contextlib
import json
from datetime import date

from hypothesis import example, given
from hypothesis import strategies as st

from states.domain import EmployerCoupling
from states.rights import REQUIRED_RIGHTS, tell_missing_rights
from states.sheets import NESTED, SHEETS
from states.table import READY_TO_CONFIRM
from workflow.calendar import WorkingDays
from workflow.errors import UsageError
from workflow.facts import Context

domain = EmployerCoupling()
CONTEXT = Context(date(2026, 11, 23), WorkingDays())

texts = st.one_of(
    st.text(max_size=20),
    st.text(alphabet="0123456789LB.- NL", max_size=16),
    st.sampled_from(["standard", "team", "monthly", "four_weekly", "nl", "2026-12-04", "1900-01-01", "a@b.nl", "none"]),
    st.sampled_from(REQUIRED_RIGHTS),
)
scalars = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), texts)
rows = st.dictionaries(
    st.sampled_from([name for model in NESTED.values() for name in model.model_fields]), scalars, max_size=4
)
values = st.one_of(scalars, st.lists(texts, max_size=4), st.lists(rows, max_size=3), st.lists(scalars, max_size=3))


@st.composite
def parsed_facts(draw: st.DrawFn) -> dict:
    """Facts as they can be on record: each field as parse let it through, or not there."""
    facts: dict = {}
    for sheet, names in SHEETS.items():
        for name in names:
            with contextlib.suppress(UsageError):
                facts.setdefault(sheet, {}).update(domain.parse(sheet, {name: draw(values)}))
    return facts


def by_path(facts):
    return [(f"{sheet}.{name}", value) for sheet, fields in facts.items() for name, value in fields.items()]


@given(parsed_facts())
@example({})
@example({sheet: dict.fromkeys(names) for sheet, names in SHEETS.items()})
def test_rules_masks_keys_and_messages_are_total(facts):
    found = [problem for rule in READY_TO_CONFIRM for problem in rule(facts, CONTEXT)]

    for problem in found:
        assert domain.codes[problem.code] == problem.severity
        assert domain.phrase(problem, "nl")
        assert domain.phrase(problem, "en")
        assert problem.about
    json.dumps([domain.mask(facts), domain.title(facts), [key.value for key in domain.keys(facts)]])
    domain.recipient("applicant", facts)
    tell_missing_rights(facts)
    assert all(word for path, value in by_path(facts) for word in domain.telling(path, value, facts))


@given(st.sampled_from(sorted(SHEETS)), st.dictionaries(st.one_of(st.text(max_size=8), texts), values, max_size=3))
def test_parse_answers_or_refuses_and_never_does_anything_else(sheet, given_fields):
    with contextlib.suppress(UsageError):
        parsed = domain.parse(sheet, given_fields)
        assert set(parsed) == set(given_fields)


@given(parsed_facts())
def test_what_parse_lets_through_it_lets_through_again_unchanged(facts):
    assert {sheet: domain.parse(sheet, fields) for sheet, fields in facts.items()} == facts


@given(parsed_facts())
def test_masked_facts_have_the_same_fields(facts):
    masked = domain.mask(facts)

    assert {sheet: set(fields) for sheet, fields in masked.items()} == {
        sheet: set(fields) for sheet, fields in facts.items()
    }
