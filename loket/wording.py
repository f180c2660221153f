"""The sentence that explains a check, in the reader's language."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from loket.check import Check

_ENGLISH: Mapping[str, str] = MappingProxyType(
    {
        "attested": "Loket.nl cannot tell: what was attested stays.",
        "denied": "Loket.nl does not let us see this (403), so what was attested stays. A right, role or module of our "
        "own user or client is missing.",
        "gone": "Loket.nl says that this is not there (404), so what was attested stays.",
        "unsaid": "Loket.nl does not say: what was attested stays.",
        "no_employer": "Without access to the employer this cannot be seen: what was attested stays.",
        "no_user": "The user was not found, so this cannot be seen: what was attested stays.",
        "employer_found": "Loket.nl shows us employer {number}.",
        "employer_none": "Our own access to Loket.nl does not show employer {number}. That need not be the applicant's "
        "fault: check the Werkgever ID, or have our user let in.",
        "employer_several": "Loket.nl shows us more than one employer {number}.",
        "employer_unasked": "The case has no Werkgever ID that can be looked up.",
        "user_found": "The user is among the employer's users.",
        "user_none": "The employer has no user of this name.",
        "user_several": "The employer has several users of this name.",
        "user_unlisted": "The user is not among the employer's own users; those of the provider are in no list, so "
        "what was attested stays.",
        "user_unasked": "The case does not say what the user is called.",
        "access_has_access": "The user has access.",
        "access_user_blocked": "The user is blocked.",
        "access_access_blocked": "The user's access is blocked.",
        "access_invite_pending": "The user was invited, but has not accepted yet.",
        "access_invite_expired": "The user's invitation has expired.",
        "access_other": "Loket.nl does not say that the user has access.",
        "integrations_none": "No application has access by this user yet. That it serves nothing else stays attested.",
        "integrations_one": "One application has access by this user. That it serves nothing else stays attested.",
        "integrations_several": "{count} applications have access by this user: it does not serve this coupling only.",
        "integration_blocked": "One application has access by this user, but it is blocked.",
        "rights_all": "All {count} rights are enabled.",
        "rights_missing": "{count} missing: {missing}.",
        "rights_almost": "{count} missing: {missing}. It does have {almost}, which is not the same as {meant}.",
        "number_same": "Loket.nl has the same wage tax number as the form.",
        "number_differs": "Loket.nl has another wage tax number than the form.",
        "number_none": "Loket.nl has no wage tax number for this employer: what was attested stays.",
        "number_unasked": "The form has no wage tax number that can be compared.",
        "period_same": "Loket.nl has the same payroll frequency as the form.",
        "period_differs": "Loket.nl has another payroll frequency than the form.",
        "period_none": "Loket.nl has no payroll frequency for this employer: what was attested stays.",
        "period_unasked": "The form does not say one payroll frequency that can be compared.",
        "administrations": "The employer has more than one payroll administration: what was attested stays.",
        "administration_none": "The employer has no running payroll administration: what was attested stays.",
    }
)
_DUTCH: Mapping[str, str] = MappingProxyType(
    {
        "attested": "Loket.nl kan dit niet zeggen: de verklaring blijft gelden.",
        "denied": "Loket.nl laat ons dit niet zien (403); de verklaring blijft gelden. Onze eigen gebruiker of client "
        "mist een recht, rol of module.",
        "gone": "Volgens Loket.nl bestaat dit niet (404); de verklaring blijft gelden.",
        "unsaid": "Loket.nl zegt dit niet: de verklaring blijft gelden.",
        "no_employer": "Zonder toegang tot de werkgever is dit niet te zien: de verklaring blijft gelden.",
        "no_user": "De gebruiker is niet gevonden, dus is dit niet te zien: de verklaring blijft gelden.",
        "employer_found": "Loket.nl laat ons werkgever {number} zien.",
        "employer_none": "Onze eigen toegang tot Loket.nl toont werkgever {number} niet. Dat hoeft niet aan de "
        "aanvrager te liggen: kijk het Werkgever ID na, of laat onze gebruiker toe.",
        "employer_several": "Loket.nl laat ons meer dan één werkgever {number} zien.",
        "employer_unasked": "De zaak heeft geen Werkgever ID dat we kunnen opzoeken.",
        "user_found": "De gebruiker staat bij de gebruikers van de werkgever.",
        "user_none": "De werkgever heeft geen gebruiker met deze naam.",
        "user_several": "De werkgever heeft meer gebruikers met deze naam.",
        "user_unlisted": "De gebruiker staat niet bij de werkgever zelf; gebruikers van de provider staan in geen "
        "lijst, dus blijft de verklaring gelden.",
        "user_unasked": "De zaak zegt niet hoe de gebruiker heet.",
        "access_has_access": "De gebruiker heeft toegang.",
        "access_user_blocked": "De gebruiker is geblokkeerd.",
        "access_access_blocked": "De toegang van de gebruiker is geblokkeerd.",
        "access_invite_pending": "De gebruiker is uitgenodigd, maar heeft dat nog niet geaccepteerd.",
        "access_invite_expired": "De uitnodiging van de gebruiker is verlopen.",
        "access_other": "Loket.nl zegt niet dat de gebruiker toegang heeft.",
        "integrations_none": "Nog geen toepassing heeft toegang met deze gebruiker. Dat hij nergens anders voor dient, "
        "blijft een verklaring.",
        "integrations_one": "Eén toepassing heeft toegang met deze gebruiker. Dat hij nergens anders voor dient, "
        "blijft een verklaring.",
        "integrations_several": "{count} toepassingen hebben toegang met deze gebruiker: hij is niet alleen voor deze "
        "koppeling.",
        "integration_blocked": "Eén toepassing heeft toegang met deze gebruiker, maar die is geblokkeerd.",
        "rights_all": "Alle {count} rechten staan aan.",
        "rights_missing": "{count} ontbreekt: {missing}.",
        "rights_almost": "{count} ontbreekt: {missing}. Wel aan staat {almost}, maar dat is iets anders dan {meant}.",
        "number_same": "Loket.nl heeft hetzelfde loonheffingennummer als het formulier.",
        "number_differs": "Loket.nl heeft een ander loonheffingennummer dan het formulier.",
        "number_none": "Loket.nl heeft geen loonheffingennummer van deze werkgever: de verklaring blijft gelden.",
        "number_unasked": "Het formulier heeft geen loonheffingennummer dat we kunnen vergelijken.",
        "period_same": "Loket.nl heeft dezelfde verloning als het formulier.",
        "period_differs": "Loket.nl heeft een andere verloning dan het formulier.",
        "period_none": "Loket.nl heeft geen verloning van deze werkgever: de verklaring blijft gelden.",
        "period_unasked": "Het formulier noemt niet één verloning die we kunnen vergelijken.",
        "administrations": "De werkgever heeft meer dan één loonadministratie: de verklaring blijft gelden.",
        "administration_none": "De werkgever heeft geen lopende loonadministratie: de verklaring blijft gelden.",
    }
)
SENTENCES: Mapping[str, Mapping[str, str]] = MappingProxyType({"en": _ENGLISH, "nl": _DUTCH})


def phrase(check: Check, language: str) -> str:
    """What Loket.nl said of this precondition; English for a language that has no sentences."""
    return SENTENCES.get(language, _ENGLISH)[check.said].format_map(check.details)
