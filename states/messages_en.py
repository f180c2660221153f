"""The English text of every problem code: what is wrong, what is right, where to find it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_WHERE_LH = "You find it on a letter from the Belastingdienst about wage taxes, or in Loket.nl at the employer."
_WHERE_WGID = (
    "You find it in Loket.nl at Werkgever, tab Bedrijfsgegevens. "
    "Not visible there? Follow the blue link at the top right to the new version of Loket.nl."
)
_WHERE_RIGHTS = (
    "Cannot grant rights yourself? Ask your accountant or payroll processor, or mail api@loket.nl. "
    "Help: helpdesk.loket.nl/hc/nl/articles/360010294760"
)

ENGLISH: Mapping[str, str] = MappingProxyType(
    {
        "NAME_MISSING": "The company name is missing. Give the name of the employer that you want to couple.",
        "NAME_GT_70": "The company name is {length} characters long; Loket.nl takes at most 70. "
        "Give a shorter name, or say that this name is right.",
        "NAME_DUPLICATE": "An older request ({references}) has the same company name but another Werkgever ID. "
        "Check whether these are two employers or a mistake; then accept this, or withdraw one of them.",
        "CASE_DUPLICATE": "An older request ({references}) has the same wage tax number and Werkgever ID. "
        "See which of the two is further, go on with that one and withdraw the other.",
        "EMAIL_MISSING": "The e-mail address is missing. Give the address on which you want to receive the request "
        "of a salary coupling.",
        "EMAIL_SYNTAX": "The e-mail address is not right. Give an address such as name@company.nl.",
        "EMAIL_IDN": "The e-mail domain has letters other than a-z; we send mail to its punycode. "
        "You need not do anything.",
        "EMAIL_SMTPUTF8": "The e-mail address has letters other than a-z before the @; not every mail server can "
        "handle that. Preferably give another address, or say that this one works.",
        "RW_MISSING": "The framework contract number (raamwerkcontractnummer) is missing. It is the number of your "
        "contract with a.s.r. and usually begins with A020.",
        "RW_PREFIX": "The framework contract number does not begin with A020, as it usually does. "
        "Check it in your contract with a.s.r. and correct it, or say that it is right.",
        "LH_MISSING": "The wage tax number (loonheffingennummer) is missing. It has 9 digits, the letter L and "
        "2 digits. " + _WHERE_LH,
        "LH_IS_BTW": "A VAT number (with a B) was given as the wage tax number. "
        "Give the wage tax number (loonheffingennummer): 9 digits, the letter L and 2 digits. " + _WHERE_LH,
        "LH_LEADING_ZERO_LOST": "The wage tax number is one digit short; probably the zero in front was lost, as "
        "happens in a spreadsheet. Give all 9 digits before the L, with the zero.",
        "LH_DIGIT_FOR_L": "The wage tax number has the digit 1 where the letter L belongs. "
        "Give it again: 9 digits, the letter L and 2 digits.",
        "LH_FORMAT": "The wage tax number does not have the right form: 9 digits, the letter L and 2 digits. "
        "Check that no letter O stands for a zero. " + _WHERE_LH,
        "LH_SEPARATORS_REMOVED": "We read the wage tax number without spaces, dots, hyphens and special characters. "
        "You need not do anything.",
        "LH_CASE_NORMALISED": "We read the wage tax number in capitals. You need not do anything.",
        "LH_ELFPROEF": "The first 9 digits of the wage tax number are not right (they fail the eleven test). "
        "Check whether a digit is wrong or two are swapped. " + _WHERE_LH,
        "LH_SUB00": "The wage tax number ends in L00; that subnumber does not exist. Usually it is L01. " + _WHERE_LH,
        "LH_POSSIBLE_BSN": "The wage tax number may be the BSN of a sole trader. "
        "That is why we never show it in full. Check that it is right and say so.",
        "WGID_MISSING": "The Werkgever ID is missing. " + _WHERE_WGID,
        "WGID_UUID": "This is the code of the employer in the API, not the Werkgever ID. "
        "The Werkgever ID has digits only, such as 8106825. " + _WHERE_WGID,
        "WGID_FORMAT": "The Werkgever ID is not right. It has digits only, such as 8106825. " + _WHERE_WGID,
        "WGID_NORMALISED": "We read the Werkgever ID without spaces and without zeros in front. "
        "You need not do anything.",
        "DGA_UNANSWERED": "It is not known yet whether there are DGAs (director-major shareholders) on the payroll. "
        "Give the name and the personnel number of each, or say that there are none.",
        "DGA_NAME_MISSING": "The name of DGA {number} is missing. Give the name and the personnel number of each DGA.",
        "DGA_NUMBER_MISSING": "The personnel number of DGA {number} is missing or is not a whole number of at least 1. "
        "You find it in Loket.nl at the employee.",
        "PERIOD_MISSING": "It is not known yet whether wages are paid per month or per 4 weeks. Choose one.",
        "PERIOD_BOTH": "Both payroll per month and payroll per 4 weeks were chosen. Choose one. "
        "Are there two payroll administrations? Then request a coupling for each.",
        "T13_MISSING": "It is not known yet whether a 13th month is paid. Answer yes or no.",
        "T13_4W_CONFIRM": "Wages are paid per 4 weeks and there is a 13th month. Thirteen periods are not a 13th "
        "month: check whether an extra month is really paid, and say so.",
        "USER_TYPE": "The Loket.nl user must be a new standard user, not a web service user. "
        "Make a standard user and tell us.",
        "USER_NOT_DEDICATED": "The Loket.nl user must be for this coupling only. "
        "Make one that you use for nothing else, and tell us.",
        "USER_BLOCKED": "The Loket.nl user must be active (not blocked). "
        "Look in Loket.nl at Gebruikers, lift a block, and tell us.",
        "USER_BLOCKED/access_blocked": "The access of the Loket.nl user to this employer is blocked. "
        "Look in Loket.nl at Gebruikers, lift the block, and tell us.",
        "USER_BLOCKED/invite_pending": "The invitation of the Loket.nl user has not been accepted yet. "
        "Have it accepted by the mail that Loket.nl sent, and tell us.",
        "USER_BLOCKED/invite_expired": "The invitation of the Loket.nl user expired before it was accepted. "
        "Send a new one in Loket.nl at Gebruikers, have it accepted, and tell us.",
        "USER_NO_ACCESS": "The Loket.nl user must have access to the employer. Give it through a team, or make the "
        "user directly at the employer, and tell us which.",
        "USER_NO_ACCESS/not_listed": "The Loket.nl user is not among the users of the employer under the name that we "
        "know. Give the exact user name, or give access through a team and tell us so.",
        "RIGHTS_MISSING": "The Loket.nl user does not have these rights yet: {rights}. "
        "Switch them on; mind the exact name. " + _WHERE_RIGHTS,
        "RIGHTS_EXTRA": "The Loket.nl user has more rights than needed: {rights}. "
        "Take them away, or tell us why they must stay.",
        "KVK_FORMAT": "The KvK number does not have exactly 8 digits. You find it on kvk.nl. "
        "Correct it or leave it out; it is not required.",
        "POLICY_MISSING": "There is no policy yet. Record at least one, with its policy number, start date and "
        "whether its cover falls under the Pensioenwet.",
        "POLICY_NUMBER_MISSING": "The policy number of policy {number} is missing. Add it from the policy "
        "administration.",
        "POLICY_START_MISSING": "The start date of policy {number} is missing. Add it from the policy administration.",
        "POLICY_BASIS_MISSING": "It is not recorded whether the cover of policy {number} falls under the Pensioenwet. "
        "Answer yes or no; it decides whether BSNs may be exchanged.",
        "HANDOVER_REFERENCE_MISSING": "Keylane's reference is missing. Send the reference under which Keylane "
        "configures this coupling.",
        "CONTACT_DATE_MISSING": "The date of the first contact with the applicant is missing. "
        "Contact the applicant and give the date.",
        "AUTHORISATIONS_NOT_SET": "It is not confirmed that the authorisations are right. "
        "Set them right together with the applicant and confirm it.",
        "REALISED_MISSING": "The date on which the coupling was realised is missing. Give it.",
        "FIRST_EXCHANGE_MISSING": "The date of the first exchange is missing. Give it.",
        "FIRST_EXCHANGE_BEFORE_REALISED": "The first exchange ({date}) lies before the realisation ({realised}). "
        "Choose a date on or after the realisation.",
        "FIRST_EXCHANGE_IN_PAST": "The first exchange ({date}) lies in the past. "
        "Choose a later date, or confirm that it is right.",
        "FIRST_EXCHANGE_NOT_WORKDAY": "The first exchange ({date}) is in a weekend or on a public holiday. "
        "Choose a working day, or confirm that it is right.",
        "REASON_MISSING": "This needs a reason. Write in one sentence why, without a BSN.",
        "BSN_IN_TEXT": "The text holds a BSN. Take it out: a BSN never belongs in a note, reason or reference.",
        "LOKET_WAGE_TAX_DIFFERS": "Loket.nl has another wage tax number ({loket}) than the form ({form}). "
        "Check which of the two is right, correct the other, and tell us.",
        "LOKET_WAGE_TAX_DIFFERS/alike": "Loket.nl has another wage tax number than the form; they differ in digits "
        "that we do not show. Compare the form with the payroll administration in Loket.nl, correct what is wrong, and "
        "tell us.",
        "LOKET_PERIOD_DIFFERS": "Loket.nl has another payroll frequency (per month or per 4 weeks) than the form. "
        "Check which of the two is right, correct the other, and tell us.",
        "LOKET_PERIOD_DIFFERS/monthly": "In Loket.nl wages are paid per month, on the form per 4 weeks. "
        "Check which of the two is right, correct the other, and tell us.",
        "LOKET_PERIOD_DIFFERS/four_weekly": "In Loket.nl wages are paid per 4 weeks, on the form per month. "
        "Check which of the two is right, correct the other, and tell us.",
        "LOKET_PERIOD_DIFFERS/other": "In Loket.nl wages are paid neither per month nor per 4 weeks but, say, per "
        "week; that is not what the form says. Check what is right, and tell us.",
    }
)
