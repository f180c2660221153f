"""Each rule that a case must have moved by: a history that keeps it, and what is said of one that does not."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from telling import FORM, STAMP, Told

from states import VERSION
from workflow.digest import digest_of
from workflow.events import Kind, canonical_bytes
from workflow.ledger.verify import Legality


def told(history: Told, form: dict[str, Any] | None = FORM) -> list[str]:
    """What is said of it: the number of each event that is at fault, the code and the sentence."""
    legality = Legality({STAMP[:2]: form} if form is not None else {})
    return [f"{says['seq']} {code} {message}" for says in history.says() for code, message in legality.check(says)]


def started() -> Told:
    return Told().opened("loket_user", "registration")


def about(code: str) -> dict[str, Any]:
    """A warning as a move accepts it."""
    return {"code": code, "about": ["registration.company_name"]}


def confirmed() -> Told:
    history = Told().opened("loket_user", "registration", "policy", "handover", "realisation")
    history.moved("register", "registered").moved("enrich", "enriched")
    return history.moved("hand_over", "keylane_configuring").moved("confirm", "confirmed")


LAWFUL: dict[str, Callable[[], Told]] = {
    "a whole case": confirmed,
    "a withdrawal": lambda: Told().withdrawn(),
    "sheets recorded by and by": lambda: (
        Told().opened("loket_user").tell("recorded", {"facts": {"registration": {"a": None, "b": 0}}})
    ).moved("register", "registered"),
    "a sheet of committed values only": lambda: (
        Told().opened("loket_user").tell("recorded", personal={"registration.dgas.name": "x"})
    ).moved("register", "registered"),
    "a sheet that comes with the move": lambda: (
        Told().opened("loket_user").moved("register", "registered", body={"facts": {"registration": {"a": False}}})
    ),
    "a hold that ends": lambda: Told().opened().tell("held").tell("held").tell("resumed"),
    "a reminder after a hold": lambda: (
        Told().opened().tell("held").tell("resumed").tell("reminded", {"rung": "reminder_1"})
    ),
    "a reminder after a hold that a move ended": lambda: (
        started().tell("held").moved("register", "registered").tell("reminded", {"rung": "reminder_1"})
    ),
    "a ladder to its end": lambda: (
        Told().opened().tell("reminded", {"rung": "reminder_1"}).tell("reminded", {"rung": "reminder_2"})
        .tell("escalated", {"rung": "escalation"}).tell("escalated", {"rung": "withdraw_question"})
    ),
    "a ladder that a move began anew": lambda: (
        started().tell("reminded", {"rung": "reminder_1"}).moved("register", "registered")
        .tell("reminded", {"rung": "reminder_1"})
    ),
    "a ladder that what was recorded began anew": lambda: (
        confirmed().tell("reminded", {"rung": "first_exchange_check"})
        .tell("recorded", {"facts": {"realisation": {"first_exchange_date": None}}})
        .tell("reminded", {"rung": "first_exchange_check"})
    ),
    "a ladder that a committed value began anew": lambda: (
        confirmed().tell("reminded", {"rung": "first_exchange_check"})
        .tell("recorded", personal={"realisation.first_exchange_date": "x"})
        .tell("reminded", {"rung": "first_exchange_check"})
    ),
    "an accepted warning": lambda: (
        started().moved("register", "registered", body={"accepted": [about("RW_PREFIX"), about("NAME_GT_70")]})
    ),
    "nothing accepted": lambda: started().moved("register", "registered", body={"accepted": []}),
    "what is open on a closed case": lambda: (
        confirmed().tell("recorded", {"facts": {"realisation": {"first_exchange_date": "2026-06-01"}}})
    ),
    "a committed value that is open on a closed case": lambda: (
        Told().withdrawn().tell("recorded", personal={"registration.email": "x"})
    ),
    "what may follow an erasure": lambda: (
        confirmed().tell("erased").tell("letter_sent").tell("letter_failed").tell("refused")
    ),
    "a note on a closed case": lambda: confirmed().tell("noted").tell("revealed").tell("refused"),
}  # fmt: skip


@pytest.mark.parametrize("name", LAWFUL)
def test_what_the_rules_allow_is_no_finding(name: str) -> None:
    assert told(LAWFUL[name]()) == []


CLOSED = ", ".join(f"policy.{name}" for name in "abcde")
UNLAWFUL: dict[str, tuple[Callable[[], Told], list[str]]] = {
    # what happened, and what is said of it
    "begins with a note": (
        lambda: Told().tell("noted", to="rights_pending", source="rights_pending"),
        ["1 ILLEGAL The history begins with 'noted' instead of its opening."],
    ),
    "begins with a note from nowhere": (
        lambda: Told().tell("noted", to="rights_pending"),
        [
            "1 ILLEGAL The history begins with 'noted' instead of its opening.",
            "1 ILLEGAL 'noted' cannot bring a case from 'None' to 'rights_pending'.",
        ],
    ),
    "begins with an erasure": (
        lambda: Told().tell("erased", to="withdrawn", source="withdrawn"),
        [
            "1 ILLEGAL The history begins with 'erased' instead of its opening.",
            "1 ILLEGAL It was erased in 'None', though only a case that ended may be.",
        ],
    ),
    "opens twice": (
        lambda: Told().opened().opened(),
        [
            "2 ILLEGAL It opens a case that was open already.",
            "2 ILLEGAL A case opens in 'rights_pending', not in 'rights_pending'.",
        ],
    ),
    "opens from somewhere": (
        lambda: Told().tell("opened", to="rights_pending", source="registered"),
        [
            "1 ILLEGAL It says it began in 'registered', but the case was in 'None'.",
            "1 ILLEGAL A case opens in 'rights_pending', not in 'rights_pending'.",
        ],
    ),
    "opens elsewhere": (
        lambda: Told().tell("opened", to="registered"),
        ["1 ILLEGAL A case opens in 'rights_pending', not in 'registered'."],
    ),
    "moves from another state": (
        lambda: Told().registered().moved("register", "registered", source="rights_pending"),
        ["3 ILLEGAL It says it began in 'rights_pending', but the case was in 'registered'."],
    ),
    "moves elsewhere": (
        lambda: started().moved("register", "enriched"),
        ["2 ILLEGAL The table has no move 'register' from 'rights_pending' to 'enriched'."],
    ),
    "moves by an unknown trigger": (
        lambda: Told().opened().moved("jump", "confirmed"),
        ["2 ILLEGAL The table has no move 'jump' from 'rights_pending' to 'confirmed'."],
    ),
    "moves by no trigger": (
        lambda: Told().opened().tell("moved", to="registered"),
        ["2 ILLEGAL The table has no move 'None' from 'rights_pending' to 'registered'."],
    ),
    "moves by a trigger of another state": (
        lambda: Told().opened().moved("hand_over", "keylane_configuring"),
        ["2 ILLEGAL The table has no move 'hand_over' from 'rights_pending' to 'keylane_configuring'."],
    ),
    "moves with long names": (
        lambda: Told().opened().moved("t" * 41, "u" * 41),
        [f"2 ILLEGAL The table has no move '{'t' * 40}' from 'rights_pending' to '{'u' * 40}'."],
    ),
    "moves without its reason": (
        lambda: Told().opened().moved("withdraw", "withdrawn"),
        ["2 ILLEGAL 'withdraw' needs a reason, and none was given."],
    ),
    "moves without its sheets": (
        lambda: Told().opened().moved("register", "registered"),
        ["2 MISSING_SHEETS 'register' requires what was never recorded: loket_user, registration."],
    ),
    "moves without one of its sheets": (
        lambda: Told().opened("loket_user").moved("register", "registered"),
        ["2 MISSING_SHEETS 'register' requires what was never recorded: registration."],
    ),
    "moves with a sheet that holds nothing": (
        lambda: Told().opened("loket_user").tell("recorded", {"facts": {"registration": {"a": None}}})
        .moved("register", "registered"),
        ["3 MISSING_SHEETS 'register' requires what was never recorded: registration."],
    ),
    "moves with a sheet that was only noted": (
        lambda: Told().opened("loket_user").tell("noted", {"facts": {"registration": {"a": 1}}})
        .tell("noted", personal={"registration.email": "x"}).moved("register", "registered"),
        ["4 MISSING_SHEETS 'register' requires what was never recorded: registration."],
    ),
    "moves with a commitment that belongs to no sheet": (
        lambda: Told().opened("loket_user").tell("recorded", personal={"registration": "x"})
        .moved("register", "registered"),
        ["3 MISSING_SHEETS 'register' requires what was never recorded: registration."],
    ),
    "moves with facts that are none": (
        lambda: Told().opened("loket_user").tell("recorded", {"facts": [1]})
        .tell("recorded", {"facts": {"registration": "x"}}).moved("register", "registered"),
        ["4 MISSING_SHEETS 'register' requires what was never recorded: registration."],
    ),
    "moves out of a final state": (
        lambda: Told().withdrawn().moved("register", "registered"),
        ["3 ILLEGAL The table has no move 'register' from 'withdrawn' to 'registered'."],
    ),
    "a note changes the state": (
        lambda: Told().opened().tell("noted", to="confirmed"),
        ["2 ILLEGAL 'noted' cannot bring a case from 'rights_pending' to 'confirmed'."],
    ),
    "records on a closed case": (
        lambda: Told().withdrawn().tell("recorded", {"facts": {"policy": {"policies": []}}}),
        ["3 ILLEGAL In 'withdrawn' these fields are closed: policy.policies."],
    ),
    "records a committed value on a closed case": (
        lambda: Told().withdrawn().tell("recorded", personal={"registration.contact_name": "x"}),
        ["3 ILLEGAL In 'withdrawn' these fields are closed: registration.contact_name."],
    ),
    "records what is open on a closed case, and what is not": (
        lambda: confirmed().tell(
            "recorded", {"facts": {"realisation": {"first_exchange_date": "x", "realised_on": None}}}
        ),
        ["6 ILLEGAL In 'confirmed' these fields are closed: realisation.realised_on."],
    ),
    "records five fields on a closed case": (
        lambda: Told().withdrawn().tell("recorded", {"facts": {"policy": dict.fromkeys("edcba", 1)}}),
        [f"3 ILLEGAL In 'withdrawn' these fields are closed: {CLOSED}."],
    ),
    "records six fields on a closed case": (
        lambda: Told().withdrawn().tell("recorded", {"facts": {"policy": dict.fromkeys("fedcba", 1)}}),
        [f"3 ILLEGAL In 'withdrawn' these fields are closed: {CLOSED} and 1 more."],
    ),
    "records a long field on a closed case": (
        lambda: Told().withdrawn().tell("recorded", {"facts": {"policy": {"x" * 80: 1}}}),
        [f"3 ILLEGAL In 'withdrawn' these fields are closed: policy.{'x' * 73}."],
    ),
    "holds a closed case": (
        lambda: Told().withdrawn().tell("held", {"until": "2026-05-01"}),
        ["3 ILLEGAL It was held, although 'withdrawn' is final."],
    ),
    "resumes a closed case": (
        lambda: Told().withdrawn().tell("resumed"),
        [
            "3 ILLEGAL It ends a hold, but the case was not on hold.",
            "3 ILLEGAL It was resumed, although 'withdrawn' is final.",
        ],
    ),
    "resumes what was not held": (
        lambda: Told().opened().tell("resumed"),
        ["2 ILLEGAL It ends a hold, but the case was not on hold."],
    ),
    "resumes twice": (
        lambda: Told().opened().tell("held").tell("resumed").tell("resumed"),
        ["4 ILLEGAL It ends a hold, but the case was not on hold."],
    ),
    "resumes after the move ended the hold": (
        lambda: started().tell("held").moved("register", "registered").tell("resumed"),
        ["4 ILLEGAL It ends a hold, but the case was not on hold."],
    ),
    "reminds on hold": (
        lambda: Told().opened().tell("held").tell("reminded", {"rung": "reminder_1"}),
        ["3 ILLEGAL A reminder went out while the case was on hold."],
    ),
    "escalates on hold, and out of turn": (
        lambda: Told().opened().tell("held").tell("escalated", {"rung": "escalation"}),
        [
            "3 ILLEGAL A reminder went out while the case was on hold.",
            "3 ILLEGAL The next rung was 'reminder_1', but 'escalation' was fired.",
        ],
    ),
    "skips a rung": (
        lambda: Told().opened().tell("reminded", {"rung": "reminder_2"}),
        ["2 ILLEGAL The next rung was 'reminder_1', but 'reminder_2' was fired."],
    ),
    "fires no rung": (
        lambda: Told().opened().tell("reminded"),
        ["2 ILLEGAL The next rung was 'reminder_1', but 'None' was fired."],
    ),
    "fires a rung twice": (
        lambda: Told().opened().tell("reminded", {"rung": "reminder_1"}).tell("reminded", {"rung": "reminder_1"}),
        ["3 ILLEGAL The next rung was 'reminder_2', but 'reminder_1' was fired."],
    ),
    "fires a rung again that nothing began anew": (
        lambda: confirmed().tell("reminded", {"rung": "first_exchange_check"})
        .tell("recorded", {"facts": {}}).tell("reminded", {"rung": "first_exchange_check"}),
        ["8 ILLEGAL The ladder of 'confirmed' has no rung left, but 'first_exchange_check' was fired."],
    ),
    "fires a rung again after a note of its field": (
        lambda: confirmed().tell("reminded", {"rung": "first_exchange_check"})
        .tell("noted", {"facts": {"realisation": {"first_exchange_date": "x"}}})
        .tell("reminded", {"rung": "first_exchange_check"}),
        ["8 ILLEGAL The ladder of 'confirmed' has no rung left, but 'first_exchange_check' was fired."],
    ),
    "escalates with a reminder": (
        lambda: Told().opened().tell("escalated", {"rung": "reminder_1"}),
        ["2 ILLEGAL The next rung was 'reminder_1', but 'reminder_1' was fired."],
    ),
    "climbs past the end": (
        lambda: Told().withdrawn().tell("reminded", {"rung": "r" * 41}),
        [f"3 ILLEGAL The ladder of 'withdrawn' has no rung left, but '{'r' * 40}' was fired."],
    ),
    "erases an open case": (
        lambda: Told().opened().tell("erased"),
        ["2 ILLEGAL It was erased in 'rights_pending', though only a case that ended may be."],
    ),
    "accepts on opening": (
        lambda: Told().tell("opened", {"accepted": [about("RW_PREFIX")]}, to="rights_pending"),
        ["1 NOT_ACCEPTED Only a move can accept warnings."],
    ),
    "accepts nothing by recording": (
        lambda: Told().opened().tell("recorded", {"accepted": []}),
        ["2 NOT_ACCEPTED Only a move can accept warnings."],
    ),
    "accepts an error": (
        lambda: started().moved(
            "register", "registered", body={"accepted": [about("RW_PREFIX"), about("EMAIL_MISSING")]}
        ),
        ["2 NOT_ACCEPTED It accepts 'EMAIL_MISSING', which was no warning in the rules of then."],
    ),
    "accepts what is no warning": (
        lambda: started().moved(
            "register", "registered", body={"accepted": [about("LH_CASE_NORMALISED"), {"code": "NO_SUCH_CODE"}]}
        ),
        [
            "2 NOT_ACCEPTED It accepts 'LH_CASE_NORMALISED', which was no warning in the rules of then.",
            "2 NOT_ACCEPTED It accepts 'NO_SUCH_CODE', which was no warning in the rules of then.",
        ],
    ),
    "accepts what is no code": (
        lambda: started().moved("register", "registered", body={"accepted": [{"code": ["RW_PREFIX"]}, "x", {}]}),
        [
            "2 NOT_ACCEPTED It accepts '['RW_PREFIX']', which was no warning in the rules of then.",
            "2 NOT_ACCEPTED It accepts 'None', which was no warning in the rules of then.",
            "2 NOT_ACCEPTED It accepts 'None', which was no warning in the rules of then.",
        ],
    ),
    "accepts a text": (
        lambda: started().moved("register", "registered", body={"accepted": "RW_PREFIX"}),
        ["2 NOT_ACCEPTED What it accepts is no list of warnings."],
    ),
    "accepts one that is not in a list": (
        lambda: started().moved("register", "registered", body={"accepted": about("RW_PREFIX")}),
        ["2 NOT_ACCEPTED What it accepts is no list of warnings."],
    ),
    "accepts for no fields": (
        lambda: started().moved(
            "register",
            "registered",
            body={"accepted": [{"code": "RW_PREFIX"}, about("NAME_GT_70"), {"code": "RW_PREFIX", "about": "x"}]},
        ),
        ["2 NOT_ACCEPTED It accepts 'RW_PREFIX', but does not say for which fields."] * 2,
    ),
    "holds for ever": (
        lambda: Told().opened().tell("held", {"days": 3}),
        ["2 ILLEGAL It holds the case until 'None', which is no day."],
    ),
    "holds until what is no day": (
        lambda: Told().opened().tell("held", {"until": "2026-99-99"}).tell("held", {"until": 20260501})
        .tell("held", {"until": "20260501"}).tell("held", {"until": ["2026-05-01"]}),
        [
            "2 ILLEGAL It holds the case until '2026-99-99', which is no day.",
            "3 ILLEGAL It holds the case until '20260501', which is no day.",
            "4 ILLEGAL It holds the case until '20260501', which is no day.",
            "5 ILLEGAL It holds the case until '['2026-05-01']', which is no day.",
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", UNLAWFUL)
def test_what_the_rules_forbid_is_told_in_full(name: str) -> None:
    tell, expected = UNLAWFUL[name]

    assert told(tell()) == expected


@pytest.mark.parametrize(
    ("kind", "also"),
    [
        ("recorded", []),
        ("moved", ["The table has no move 'None' from 'withdrawn' to 'withdrawn'."]),
        ("held", ["It was held, although 'withdrawn' is final."]),
        (
            "resumed",
            ["It ends a hold, but the case was not on hold.", "It was resumed, although 'withdrawn' is final."],
        ),
        ("noted", []),
        ("reminded", ["The ladder of 'withdrawn' has no rung left, but 'None' was fired."]),
        ("escalated", ["The ladder of 'withdrawn' has no rung left, but 'None' was fired."]),
        ("erased", []),
        ("revealed", []),
    ],
)
def test_nothing_can_be_done_to_a_case_that_was_erased(kind: str, also: list[str]) -> None:
    said = told(Told().withdrawn().tell("erased").tell(kind))

    expected = [f"The case was erased before; nothing can be {kind} after that.", *also]
    assert said == [f"4 ILLEGAL {sentence}" for sentence in expected]


@pytest.mark.parametrize("kind", ["approved", "x" * 41, "Noted", ""])
def test_what_a_case_cannot_be_is_told_whatever_its_place(kind: str) -> None:
    (says,) = Told().tell("noted", to="registered").says()
    legality = Legality({STAMP[:2]: FORM})

    assert legality.check({**says, "kind": kind}) == [
        ("ILLEGAL", f"The history begins with '{kind[:40]}' instead of its opening."),
        ("ILLEGAL", f"'{kind[:40]}' cannot bring a case from 'None' to 'registered'."),
        ("ILLEGAL", f"No version up to this one records that a case was '{kind[:40]}'."),
    ]


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_that_is_recorded_is_known(kind: Kind) -> None:
    (_, says) = Told().opened().tell(kind).says()

    assert not any("No version up to this one" in said for _, said in Legality({STAMP[:2]: FORM}).check(says))


def test_the_rules_forget_one_case_before_the_next() -> None:
    legality = Legality({STAMP[:2]: FORM})
    for says in confirmed().tell("reminded", {"rung": "first_exchange_check"}).tell("erased").says():
        legality.check(says)

    legality.begin()

    again = Told().opened().tell("resumed").tell("reminded", {"rung": "reminder_1"}).moved("register", "registered")
    assert [fault for says in again.says() for fault in legality.check(says)] == [
        ("ILLEGAL", "It ends a hold, but the case was not on hold."),
        ("MISSING_SHEETS", "'register' requires what was never recorded: loket_user, registration."),
    ]


def test_a_hold_is_forgotten_before_the_next_case() -> None:
    legality = Legality({STAMP[:2]: FORM})
    for says in Told().opened().tell("held").says():
        legality.check(says)

    legality.begin()

    next_one = Told().opened().tell("reminded", {"rung": "reminder_1"})
    assert [fault for says in next_one.says() for fault in legality.check(says)] == []


# -- definitions -------------------------------------------------------------------------------------------------------

JUDGED = f"It was judged by version '{VERSION}' of 'employer_coupling'"
UNKNOWN = f"DEFINITION_UNKNOWN {JUDGED}, which is not here or cannot be read."
DIFFERS = f"DEFINITION_DIFFERS {JUDGED}, but that is not the one kept here."


def without(*names: str) -> dict[str, Any]:
    return {name: value for name, value in FORM.items() if name not in names}


@pytest.mark.parametrize(
    "form",
    [
        None,
        without("initial"),
        without("codes"),
        without("states"),
        without("moves"),
        {**FORM, "codes": 7},
        {**FORM, "states": 7},
        {**FORM, "states": [7]},
        {**FORM, "moves": [{"trigger": "x"}]},
        {**FORM, "extra": 1.5j},
    ],
)
def test_without_a_definition_that_can_be_read_only_the_place_is_checked(form: dict[str, Any] | None) -> None:
    history = Told().registered().tell("held").tell("noted", to="confirmed")

    assert told(history, form) == [
        f"1 {UNKNOWN}",
        f"2 {UNKNOWN}",
        f"3 {UNKNOWN}",
        "4 ILLEGAL 'noted' cannot bring a case from 'registered' to 'confirmed'.",
        f"4 {UNKNOWN}",
    ]


@pytest.mark.parametrize("anchor", [[], {}, ["a.b"], 7])
def test_a_definition_whose_rungs_hang_on_no_field_cannot_be_read(anchor: object) -> None:
    form = json.loads(json.dumps(FORM))
    next(state for state in form["states"] if state["name"] == "rights_pending")["ladder"][0]["anchor"] = anchor
    stamp = (*STAMP[:2], digest_of(canonical_bytes(form)))
    history = Told().tell("opened", {"facts": {"a": {"b": 1}}}, to="rights_pending", definition=stamp)

    assert told(history, form) == [f"1 {UNKNOWN}"]


def test_by_another_definition_than_that_of_then_only_the_place_is_checked() -> None:
    assert told(Told().opened().tell("erased"), {**FORM, "initial": "confirmed"}) == [f"1 {DIFFERS}", f"2 {DIFFERS}"]


def test_what_a_definition_is_called_is_shown_up_to_forty_characters() -> None:
    history = Told().tell("opened", to="rights_pending", definition=("n" * 41, "v" * 41, STAMP[2]))

    assert told(history) == [
        f"1 DEFINITION_UNKNOWN It was judged by version '{'v' * 40}' of '{'n' * 40}', "
        "which is not here or cannot be read."
    ]


def test_each_event_is_judged_by_the_definition_it_names() -> None:
    other = {**FORM, "version": "2026.5", "initial": "registered"}
    stamp = (other["name"], "2026.5", digest_of(canonical_bytes(other)))
    legality = Legality({STAMP[:2]: FORM, stamp[:2]: other})
    histories = [
        Told().tell("opened", to="registered", definition=stamp).tell("noted"),
        Told().tell("opened", to="registered"),
        Told().tell("opened", to="rights_pending", definition=stamp),
    ]

    said = []
    for history in histories:
        legality.begin()
        said.append([message for says in history.says() for _, message in legality.check(says)])

    assert said == [
        [],
        ["A case opens in 'rights_pending', not in 'registered'."],
        ["A case opens in 'registered', not in 'rights_pending'."],
    ]


def test_a_ladder_begins_anew_from_the_first_rung_that_hangs_on_what_was_recorded() -> None:
    """A rung may hang on a date; when that is recorded anew, it and those above it may fire again."""
    form = json.loads(json.dumps(FORM))
    state = next(state for state in form["states"] if state["name"] == "rights_pending")
    ladder = state["ladder"]
    for rung, anchor in zip(ladder, (None, "a.b", "a.b", "c.d"), strict=True):
        rung["anchor"] = anchor
    stamp = (*STAMP[:2], digest_of(canonical_bytes(form)))

    def climbed(*recorded: str) -> Told:
        history = Told().tell("opened", to="rights_pending", definition=stamp)
        for rung in ladder[:3]:
            history.tell(rung["kind"], {"rung": rung["name"]}, definition=stamp)
        for sheet in recorded:
            history.tell("recorded", {"facts": {sheet: {"b": 1, "d": 1}}}, definition=stamp)
        return history.tell("reminded", {"rung": "reminder_2"}, definition=stamp)

    assert told(climbed("a"), form) == []
    assert told(climbed("a", "c"), form) == []
    assert told(climbed("c"), form) == ["6 ILLEGAL The next rung was 'withdraw_question', but 'reminder_2' was fired."]
