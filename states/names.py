"""The words of the employer coupling: its states, triggers, roles, letters and fields."""

from __future__ import annotations

from enum import StrEnum


class StateName(StrEnum):
    """The situations a coupling can be in (manual, steps 1 to 4)."""

    RIGHTS_PENDING = "rights_pending"
    REGISTERED = "registered"
    ENRICHED = "enriched"
    KEYLANE_CONFIGURING = "keylane_configuring"
    CONFIRMED = "confirmed"
    WITHDRAWN = "withdrawn"


class Trigger(StrEnum):
    """The commands that move a coupling."""

    REGISTER = "register"
    ENRICH = "enrich"
    HAND_OVER = "hand_over"
    CONFIRM = "confirm"
    RETURN_TO_APPLICANT = "return_to_applicant"
    RETURN_TO_ASR = "return_to_asr"
    WITHDRAW = "withdraw"


class Role(StrEnum):
    """The parties that can have the ball or get a letter."""

    APPLICANT = "applicant"
    ASR = "asr"
    KEYLANE = "keylane"
    OPERATIONS = "operations"


class LetterName(StrEnum):
    """The letters; each has a template of this name."""

    INVITATION = "invitation"
    RIGHTS_MISSING = "rights_missing"
    USER_BLOCKED = "user_blocked"
    REGISTRATION_RECEIVED = "registration_received"
    ENRICHMENT_REQUESTED = "enrichment_requested"
    KEYLANE_HANDOVER = "keylane_handover"
    KEYLANE_WILL_CONTACT = "keylane_will_contact"
    CONFIGURATION_STARTED = "configuration_started"
    COUPLING_CONFIRMED = "coupling_confirmed"
    RETURNED_TO_APPLICANT = "returned_to_applicant"
    CASE_WITHDRAWN = "case_withdrawn"
    REMINDER_APPLICANT = "reminder_applicant"
    REMINDER_APPLICANT_SECOND = "reminder_applicant_second"
    REMINDER_ASR = "reminder_asr"
    REMINDER_KEYLANE = "reminder_keylane"
    ESCALATION = "escalation"
    WITHDRAW_QUESTION = "withdraw_question"
    FIRST_EXCHANGE_CHECK = "first_exchange_check"
    READY_TO_REGISTER = "ready_to_register"


class RungName(StrEnum):
    """The rungs of the reminder ladders."""

    REMINDER_1 = "reminder_1"
    REMINDER_2 = "reminder_2"
    ESCALATION = "escalation"
    WITHDRAW_QUESTION = "withdraw_question"
    FIRST_EXCHANGE_CHECK = "first_exchange_check"


class Language(StrEnum):
    """The languages people read."""

    DUTCH = "nl"
    ENGLISH = "en"


class UserKind(StrEnum):
    """The kinds of Loket.nl user."""

    STANDARD = "standard"
    WEBSERVICE = "webservice"


class AccessVia(StrEnum):
    """How the Loket.nl user reaches the employer."""

    TEAM = "team"
    EMPLOYER = "employer"


class UserStatus(StrEnum):
    """What Loket.nl says of a user's access; anything but the first means that it cannot work."""

    HAS_ACCESS = "has_access"
    USER_BLOCKED = "user_blocked"
    ACCESS_BLOCKED = "access_blocked"
    INVITE_PENDING = "invite_pending"
    INVITE_EXPIRED = "invite_expired"
    OTHER = "other"
    NOT_LISTED = "not_listed"
    """Not among the employer's own users; users of the provider are in no list."""


class Frequency(StrEnum):
    """How often wages are paid."""

    MONTHLY = "monthly"
    FOUR_WEEKLY = "four_weekly"


class Field(StrEnum):
    """The fields that something here asks for by name, each by its path 'sheet.field'; `sheets.SHEETS` has all."""

    sheet: str
    """The sheet this field is on."""
    own_name: str
    """The field's name without its sheet."""

    def __new__(cls, path: str) -> Field:
        """Make a member that knows both halves of its path: they are asked for dozens of times a move."""
        member = str.__new__(cls, path)
        member._value_ = path
        member.sheet, _, member.own_name = path.partition(".")
        return member

    KIND = "loket_user.kind"
    DEDICATED = "loket_user.dedicated"
    ACTIVE = "loket_user.active"
    ACCESS_VIA = "loket_user.access_via"
    RIGHTS = "loket_user.rights"
    USER_NAME = "loket_user.user_name"
    COMPANY_NAME = "registration.company_name"
    EMAIL = "registration.email"
    FRAMEWORK_CONTRACT = "registration.framework_contract_number"
    WAGE_TAX_NUMBER = "registration.wage_tax_number"
    LOKET_EMPLOYER_ID = "registration.loket_employer_id"
    DGAS = "registration.dgas"
    PAYROLL_FREQUENCY = "registration.payroll_frequency"
    THIRTEENTH_MONTH = "registration.thirteenth_month"
    KVK_NUMBER = "registration.kvk_number"
    CONTACT_NAME = "registration.contact_name"
    LANGUAGE = "registration.language"
    POLICIES = "policy.policies"
    KEYLANE_REFERENCE = "handover.keylane_reference"
    CONTACT_DATE = "handover.contacted_on"
    AUTHORISATIONS_SET = "handover.authorisations_set"
    REALISED_ON = "realisation.realised_on"
    FIRST_EXCHANGE_DATE = "realisation.first_exchange_date"
    SEEN_ON = "loket_seen.checked_on"
    SEEN_ABOUT = "loket_seen.about"
    SEEN_STATUS = "loket_seen.user_status"
    SEEN_INTEGRATIONS = "loket_seen.integrations"
    SEEN_TAX_NUMBER = "loket_seen.tax_number_seen"
    SEEN_PERIOD = "loket_seen.period_seen"
    SEEN_COMPLETE = "loket_seen.complete_since"
    SEEN_DRIFT = "loket_seen.drift"
