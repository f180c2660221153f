"""The employer coupling as a table: its states with their ladders, its moves, its letters that follow a fact."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias

from states.identity import loket_employer_id, wage_tax_number
from states.names import Field, LetterName, Role, RungName, StateName, Trigger
from states.realisation import authorised, complete_policies, known_at_keylane, realised, tell_first_exchange
from states.registration import (
    company_name,
    dgas,
    duplicates,
    email,
    framework_contract,
    kvk_number,
    payroll_period,
    thirteenth_month,
)
from states.rights import complete_rights, suitable_user, tell_blocked, tell_missing_rights
from states.seen import as_in_loket, tell_complete
from workflow.definition import Lapse, LetterTo, Move, Notice, Rung, State
from workflow.facts import Validator

Validators: TypeAlias = tuple[Validator, ...]

VERSION = "2026.14"
"""Raise it with every change of this folder's sources; events name the version they were judged by."""

REMINDED, ESCALATED = "reminded", "escalated"

# who, and what they get
APPLICANT, ASR, KEYLANE, OPERATIONS = Role.APPLICANT, Role.ASR, Role.KEYLANE, Role.OPERATIONS
INVITATION = LetterTo(LetterName.INVITATION, APPLICANT)
RIGHTS_MISSING = LetterTo(LetterName.RIGHTS_MISSING, APPLICANT)
BLOCKED = LetterTo(LetterName.USER_BLOCKED, APPLICANT)
RECEIVED = LetterTo(LetterName.REGISTRATION_RECEIVED, APPLICANT)
TO_ENRICH = LetterTo(LetterName.ENRICHMENT_REQUESTED, ASR)
HANDOVER = LetterTo(LetterName.KEYLANE_HANDOVER, KEYLANE)
WILL_CONTACT = LetterTo(LetterName.KEYLANE_WILL_CONTACT, APPLICANT)
STARTED = LetterTo(LetterName.CONFIGURATION_STARTED, APPLICANT)
CONFIRMATION = LetterTo(LetterName.COUPLING_CONFIRMED, APPLICANT)
CONFIRMATION_ASR = LetterTo(LetterName.COUPLING_CONFIRMED, ASR)
RETURNED = LetterTo(LetterName.RETURNED_TO_APPLICANT, APPLICANT)
STOPPED = LetterTo(LetterName.CASE_WITHDRAWN, APPLICANT)
STOPPED_KEYLANE = LetterTo(LetterName.CASE_WITHDRAWN, KEYLANE)
STOPPED_IF_ASKED = LetterTo(LetterName.CASE_WITHDRAWN, KEYLANE, after=LetterName.KEYLANE_HANDOVER)
READY = LetterTo(LetterName.READY_TO_REGISTER, OPERATIONS)

# what must hold; each later move checks the earlier sheets again
FORM: Validators = (
    company_name,
    duplicates,
    email,
    framework_contract,
    wage_tax_number,
    loket_employer_id,
    dgas,
    payroll_period,
    thirteenth_month,
)
READY_TO_REGISTER: Validators = (*FORM, suitable_user, complete_rights, kvk_number, as_in_loket)
READY_TO_ENRICH: Validators = (*READY_TO_REGISTER, complete_policies)
READY_TO_HAND_OVER: Validators = (*READY_TO_ENRICH, known_at_keylane)
READY_TO_CONFIRM: Validators = (*READY_TO_HAND_OVER, authorised, realised)

# fmt: off
PENDING, REGISTERED, ENRICHED = StateName.RIGHTS_PENDING, StateName.REGISTERED, StateName.ENRICHED
CONFIGURING, CONFIRMED, WITHDRAWN = StateName.KEYLANE_CONFIGURING, StateName.CONFIRMED, StateName.WITHDRAWN

LADDERS: Mapping[str, tuple[Rung, ...]] = MappingProxyType({
    #    rung                             after  letter                                role        kind
    PENDING: (
        Rung(RungName.REMINDER_1,            5,  LetterName.REMINDER_APPLICANT,        APPLICANT,  REMINDED),
        Rung(RungName.REMINDER_2,           10,  LetterName.REMINDER_APPLICANT_SECOND, APPLICANT,  REMINDED),
        Rung(RungName.ESCALATION,           10,  LetterName.ESCALATION,                OPERATIONS, ESCALATED),
        Rung(RungName.WITHDRAW_QUESTION,    30,  LetterName.WITHDRAW_QUESTION,         OPERATIONS, ESCALATED),
    ),
    REGISTERED: (
        Rung(RungName.REMINDER_1,            3,  LetterName.REMINDER_ASR,              ASR,        REMINDED),
        Rung(RungName.REMINDER_2,            5,  LetterName.REMINDER_ASR,              ASR,        REMINDED),
        Rung(RungName.ESCALATION,           10,  LetterName.ESCALATION,                OPERATIONS, ESCALATED),
    ),
    ENRICHED: (
        Rung(RungName.REMINDER_1,            1,  LetterName.REMINDER_KEYLANE,          KEYLANE,    REMINDED),
        Rung(RungName.REMINDER_2,            2,  LetterName.REMINDER_KEYLANE,          KEYLANE,    REMINDED),
        Rung(RungName.ESCALATION,            5,  LetterName.ESCALATION,                OPERATIONS, ESCALATED),
    ),
    CONFIGURING: (
        Rung(RungName.REMINDER_1,           10,  LetterName.REMINDER_KEYLANE,          KEYLANE,    REMINDED),
        Rung(RungName.REMINDER_2,           15,  LetterName.REMINDER_KEYLANE,          KEYLANE,    REMINDED),
        Rung(RungName.ESCALATION,           25,  LetterName.ESCALATION,                OPERATIONS, ESCALATED),
    ),
    CONFIRMED: (
        Rung(RungName.FIRST_EXCHANGE_CHECK,  5,  LetterName.FIRST_EXCHANGE_CHECK,      OPERATIONS, REMINDED,
             anchor=Field.FIRST_EXCHANGE_DATE),
    ),
})

STATES = (
    #     state        holder     means (manual, steps 1 to 4)                                     ladder
    State(PENDING,     APPLICANT, "the Loket.nl user, its rights and the form are incomplete",     LADDERS[PENDING]),
    State(REGISTERED,  ASR,       "rights and registration are complete; waits for policy data",   LADDERS[REGISTERED]),
    State(ENRICHED,    KEYLANE,   "policy data went to Keylane; waits for Keylane's reference",    LADDERS[ENRICHED]),
    State(CONFIGURING, KEYLANE,   "Keylane contacts the applicant and configures the coupling",    LADDERS[CONFIGURING]),
    State(CONFIRMED,   None,      "realised; the date of the first exchange is known and told",    LADDERS[CONFIRMED],
          final=True, amendable=(Field.FIRST_EXCHANGE_DATE, Field.EMAIL)),
    State(WITHDRAWN,   None,      "stopped, with a reason", final=True, amendable=(Field.EMAIL,)),
)

# what must have been recorded to get there: an auditor sees it in history alone
RECORDED: Mapping[StateName, tuple[str, ...]] = MappingProxyType({
    REGISTERED:  ("loket_user", "registration"),
    ENRICHED:    ("loket_user", "registration", "policy"),
    CONFIGURING: ("loket_user", "registration", "policy", "handover"),
    CONFIRMED:   ("loket_user", "registration", "policy", "handover", "realisation"),
})

ANY_LATER, AT_KEYLANE = (REGISTERED, ENRICHED, CONFIGURING), (ENRICHED, CONFIGURING)
BEFORE_KEYLANE = (PENDING, REGISTERED)


def onward(trigger: Trigger, source: StateName, target: StateName, holds: Validators, *letters: LetterTo) -> Move:
    """A row that leads forward, once everything holds."""
    return Move(trigger, (source,), target, holds, letters, forward=True, requires=RECORDED[target])


def aside(trigger: Trigger, sources: tuple[StateName, ...], target: StateName, *letters: LetterTo) -> Move:
    """A row that leads back or out, for a reason."""
    return Move(trigger, sources, target, (), letters, needs_reason=True)


MOVES = (
    #      trigger                      from            to           must hold            letters
    onward(Trigger.REGISTER,            PENDING,        REGISTERED,  READY_TO_REGISTER,   RECEIVED, TO_ENRICH),
    onward(Trigger.ENRICH,              REGISTERED,     ENRICHED,    READY_TO_ENRICH,     HANDOVER, WILL_CONTACT),
    onward(Trigger.HAND_OVER,           ENRICHED,       CONFIGURING, READY_TO_HAND_OVER,  STARTED),
    onward(Trigger.CONFIRM,             CONFIGURING,    CONFIRMED,   READY_TO_CONFIRM,    CONFIRMATION, CONFIRMATION_ASR),
    aside(Trigger.RETURN_TO_APPLICANT,  ANY_LATER,      PENDING,                          RETURNED),
    aside(Trigger.RETURN_TO_ASR,        AT_KEYLANE,     REGISTERED,                       TO_ENRICH),
    aside(Trigger.WITHDRAW,             BEFORE_KEYLANE, WITHDRAWN,                        STOPPED, STOPPED_IF_ASKED),
    aside(Trigger.WITHDRAW,             AT_KEYLANE,     WITHDRAWN,                        STOPPED, STOPPED_KEYLANE),
)

OPENING = (INVITATION,)
NOT_FINAL, ONLY_PENDING, ONLY_CONFIRMED = (*BEFORE_KEYLANE, *AT_KEYLANE), (PENDING,), (CONFIRMED,)
NOTICES = (
    #      letters                           in states       field                      tells
    Notice((RIGHTS_MISSING,),                NOT_FINAL,      Field.RIGHTS,              tell_missing_rights),
    Notice((RIGHTS_MISSING,),                NOT_FINAL,      Field.ACTIVE,              tell_missing_rights),
    Notice((BLOCKED,),                       ANY_LATER,      Field.ACTIVE,              tell_blocked),
    Notice((READY,),                         ONLY_PENDING,   Field.SEEN_COMPLETE,       tell_complete),
    Notice((CONFIRMATION, CONFIRMATION_ASR), ONLY_CONFIRMED, Field.FIRST_EXCHANGE_DATE, tell_first_exchange),
)
# fmt: on

SET_AT_KEYLANE = (Field.CONTACT_DATE, Field.AUTHORISATIONS_SET)
LAPSES = tuple(Lapse(field, SET_AT_KEYLANE) for field in (Field.LOKET_EMPLOYER_ID, Field.USER_NAME, Field.ACCESS_VIA))
"""Keylane speaks about one user of one employer: of another nothing was agreed, nor set."""

COUNTED = (LetterName.KEYLANE_HANDOVER, LetterName.KEYLANE_WILL_CONTACT, LetterName.CONFIGURATION_STARTED)
"""Letters of moves that say whether they take the place of an earlier one, or come for a second round."""

ASKING = (
    LetterName.INVITATION,
    LetterName.RIGHTS_MISSING,
    LetterName.USER_BLOCKED,
    LetterName.ENRICHMENT_REQUESTED,
    LetterName.KEYLANE_HANDOVER,
    LetterName.KEYLANE_WILL_CONTACT,
    LetterName.CONFIGURATION_STARTED,
    LetterName.RETURNED_TO_APPLICANT,
    LetterName.READY_TO_REGISTER,
)
"""Letters that ask for something on the way; the others tell what has happened, and go to their reader all the same."""
