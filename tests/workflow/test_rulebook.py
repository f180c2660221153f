"""What a database keeps of its rules: each version is read back as it was recorded; what is wrong with it is said."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from states import EMPLOYER_COUPLING
from workflow.definition import Rung
from workflow.digest import canonical_form, digest_of
from workflow.ledger.rulebook import Rulebook
from workflow.ledger.verify import Finding, Report, Says

OLDER = replace(
    EMPLOYER_COUPLING,
    name="older",
    version="1",
    initial="registered",
    states=(
        replace(EMPLOYER_COUPLING.states[0], ladder=(Rung("r", 3, "letter", "asr", "escalated", "policy.policies"),)),
        *EMPLOYER_COUPLING.states[1:-1],
        replace(EMPLOYER_COUPLING.states[-1], final=False, holder="asr", amendable=("registration.email",)),
    ),
)
FORM = canonical_form(OLDER)
DIGEST = digest_of(FORM)


def book(*kept: tuple[Any, Any, Any, Any]) -> tuple[Rulebook, list[Finding]]:
    report = Report()
    return Rulebook(kept, EMPLOYER_COUPLING, report), report.findings


def judged_by(definition: bytes) -> Says:
    return {"definition": {"digest": digest_of(definition)}}


def changed(**values: object) -> bytes:
    """A form in canonical form that says something else."""
    return json.dumps({**json.loads(FORM), **values}, sort_keys=True, separators=(",", ":")).encode()


def test_an_event_is_replayed_by_the_rules_it_was_judged_by() -> None:
    rulebook, found = book(("older", "1", DIGEST, FORM))

    definition = rulebook.definition_of(judged_by(FORM))

    assert found == []
    assert rulebook.forms == {("older", "1"): json.loads(FORM)}
    assert rulebook.tables == {("older", "1", DIGEST): json.loads(FORM)}
    assert (definition.name, definition.version, definition.initial) == ("older", "1", "registered")
    assert definition.states == tuple(replace(state, means="") for state in OLDER.states)
    assert definition.domain is EMPLOYER_COUPLING.domain


def test_the_rules_that_run_now_are_used_for_what_they_judged_and_for_what_was_not_kept() -> None:
    form = canonical_form(EMPLOYER_COUPLING)
    kept = (EMPLOYER_COUPLING.name, EMPLOYER_COUPLING.version, digest_of(form), form)

    rulebook, found = book(kept)

    assert found == []
    assert rulebook.definition_of(judged_by(form)) is EMPLOYER_COUPLING
    assert rulebook.definition_of(judged_by(FORM)) is EMPLOYER_COUPLING


@pytest.mark.parametrize(
    ("kept", "fault", "is_kept"),
    [
        (("older", "1", DIGEST, b" " + FORM), "is not in canonical form", False),
        (("newer", "1", DIGEST, FORM), "calls itself something else", False),
        (("older", "2", DIGEST, FORM), "calls itself something else", False),
        (("older", "1", "0" * 64, FORM), "is not the one of which the digest is kept beside it", True),
        (("older", "1", DIGEST, b"{"), "cannot be read", False),
        (("older", "1", DIGEST, None), "cannot be read", False),
        (("older", "1", DIGEST, b"[]"), "cannot be read", False),
        (("older", "1", DIGEST, b"[" * 100_000), "cannot be read", False),
        (("older", "1", DIGEST, changed(states=[{}])), "cannot be read", True),
        (
            ("older", "1", DIGEST, changed(states=[{**json.loads(FORM)["states"][0], "ladder": [{}]}])),
            "cannot be read",
            True,
        ),
    ],
    ids=range(10),
)
def test_what_is_wrong_with_rules_that_are_kept_is_said_with_their_name(
    kept: tuple[Any, Any, Any, Any], fault: str, *, is_kept: bool
) -> None:
    rulebook, found = book(kept)

    said = f"Version '{kept[1]}' of '{kept[0]}' that is kept here {fault}."
    assert found == [Finding("DEFINITION_DIFFERS", said)]
    assert bool(rulebook.forms) == is_kept
    assert rulebook.definition_of(judged_by(b"?")) is EMPLOYER_COUPLING
