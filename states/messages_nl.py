"""The Dutch text of every problem code: what is wrong, what is right, where to find it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

_WHERE_LH = "Je vindt het op een brief van de Belastingdienst over de loonheffingen of in Loket.nl bij de werkgever."
_WHERE_WGID = (
    "Je vindt het in Loket.nl bij Werkgever, tabblad Bedrijfsgegevens. "
    "Zie je het daar niet? Ga dan met de blauwe link rechtsboven naar de nieuwe versie van Loket.nl."
)
_WHERE_RIGHTS = (
    "Kun je rechten niet zelf geven? Vraag het je accountant of salarisverwerker, of mail naar api@loket.nl. "
    "Uitleg: helpdesk.loket.nl/hc/nl/articles/360010294760"
)

DUTCH: Mapping[str, str] = MappingProxyType(
    {
        "NAME_MISSING": "De bedrijfsnaam ontbreekt. Geef de naam door van de werkgever die je wilt koppelen.",
        "NAME_GT_70": "De bedrijfsnaam is {length} tekens lang; Loket.nl kent er hooguit 70. "
        "Geef een kortere naam door, of laat weten dat deze naam klopt.",
        "NAME_DUPLICATE": "Een oudere aanvraag ({references}) heeft dezelfde bedrijfsnaam, maar een ander "
        "Werkgever ID. Kijk of het twee werkgevers zijn of een vergissing, en accepteer dan of trek er een in.",
        "CASE_DUPLICATE": "Een oudere aanvraag ({references}) heeft hetzelfde loonheffingennummer en Werkgever ID. "
        "Kijk welke van de twee verder is, ga daarmee verder en trek de andere in.",
        "EMAIL_MISSING": "Het e-mailadres ontbreekt. Geef het adres door waarop je de aanvraag van een "
        "salariskoppeling wilt ontvangen.",
        "EMAIL_SYNTAX": "Het e-mailadres klopt niet. Geef een adres door in de vorm naam@bedrijf.nl.",
        "EMAIL_IDN": "Het e-maildomein heeft letters buiten a-z; wij versturen de mail met de punycode ervan. "
        "Je hoeft niets te doen.",
        "EMAIL_SMTPUTF8": "Het e-mailadres heeft vóór de @ letters buiten a-z; niet elke mailserver kan dat aan. "
        "Geef liever een ander adres door, of laat weten dat dit adres werkt.",
        "RW_MISSING": "Het raamwerkcontractnummer ontbreekt. Dit is het nummer van je contract bij a.s.r.; "
        "het begint doorgaans met A020.",
        "RW_PREFIX": "Het raamwerkcontractnummer begint niet met A020, zoals doorgaans wel. "
        "Kijk het na in je contract met a.s.r. en verbeter het, of laat weten dat het klopt.",
        "LH_MISSING": "Het loonheffingennummer ontbreekt. Het bestaat uit 9 cijfers, de letter L en 2 cijfers. "
        + _WHERE_LH,
        "LH_IS_BTW": "Als loonheffingennummer is een btw-nummer (met een B) doorgegeven. "
        "Geef het loonheffingennummer door: 9 cijfers, de letter L en 2 cijfers. " + _WHERE_LH,
        "LH_LEADING_ZERO_LOST": "Het loonheffingennummer heeft een cijfer te weinig; vermoedelijk is de nul vooraan "
        "weggevallen, zoals in een spreadsheet gebeurt. Geef alle 9 cijfers vóór de L door, met de nul.",
        "LH_DIGIT_FOR_L": "In het loonheffingennummer staat het cijfer 1 waar de letter L hoort. "
        "Geef het opnieuw door: 9 cijfers, de letter L en 2 cijfers.",
        "LH_FORMAT": "Het loonheffingennummer heeft niet de goede vorm: 9 cijfers, de letter L en 2 cijfers. "
        "Kijk of er geen letter O voor een nul staat. " + _WHERE_LH,
        "LH_SEPARATORS_REMOVED": "Wij lezen het loonheffingennummer zonder spaties, punten, streepjes en bijzondere "
        "tekens. Je hoeft niets te doen.",
        "LH_CASE_NORMALISED": "Wij lezen het loonheffingennummer met hoofdletters. Je hoeft niets te doen.",
        "LH_ELFPROEF": "De eerste 9 cijfers van het loonheffingennummer kloppen niet (de elfproef faalt). "
        "Kijk of er een cijfer verkeerd staat of is verwisseld. " + _WHERE_LH,
        "LH_SUB00": "Het loonheffingennummer eindigt op L00; dat subnummer bestaat niet. "
        "Meestal is het L01. " + _WHERE_LH,
        "LH_POSSIBLE_BSN": "Het loonheffingennummer kan het BSN van een eenmanszaak zijn. "
        "Wij tonen het daarom nergens voluit. Kijk na of het klopt en laat het weten.",
        "WGID_MISSING": "Het Werkgever ID ontbreekt. " + _WHERE_WGID,
        "WGID_UUID": "Dit is de code van de werkgever in de API, niet het Werkgever ID. "
        "Het Werkgever ID bestaat alleen uit cijfers, zoals 8106825. " + _WHERE_WGID,
        "WGID_FORMAT": "Het Werkgever ID klopt niet. Het bestaat alleen uit cijfers, zoals 8106825. " + _WHERE_WGID,
        "WGID_NORMALISED": "Wij lezen het Werkgever ID zonder spaties en zonder nullen vooraan. "
        "Je hoeft niets te doen.",
        "DGA_UNANSWERED": "Nog niet bekend is of er DGA's in de verloning zitten. "
        "Geef van elke DGA de naam en het personeelsnummer door, of laat weten dat er geen DGA is.",
        "DGA_NAME_MISSING": "De naam van DGA {number} ontbreekt. "
        "Geef van elke DGA de naam en het personeelsnummer door.",
        "DGA_NUMBER_MISSING": "Het personeelsnummer van DGA {number} ontbreekt of is geen heel getal vanaf 1. "
        "Je vindt het in Loket.nl bij de medewerker.",
        "PERIOD_MISSING": "Nog niet bekend is of de verloning per maand of per 4 weken is. Kies er een.",
        "PERIOD_BOTH": "Verloning per maand en per 4 weken zijn allebei gekozen. Kies er een. "
        "Zijn er twee loonadministraties? Vraag dan voor elk een koppeling aan.",
        "T13_MISSING": "Nog niet bekend is of er een 13e maand wordt uitgekeerd. Antwoord met ja of nee.",
        "T13_4W_CONFIRM": "De verloning is per 4 weken én er is een 13e maand. Dertien perioden zijn nog geen "
        "13e maand: kijk na of er echt een extra maand wordt uitgekeerd en laat het weten.",
        "USER_TYPE": "De Loket.nl-gebruiker moet een nieuwe standaardgebruiker zijn, geen webservicegebruiker. "
        "Maak een standaardgebruiker aan en laat het weten.",
        "USER_NOT_DEDICATED": "De Loket.nl-gebruiker moet alleen voor deze koppeling zijn. "
        "Maak er een die je nergens anders voor gebruikt en laat het weten.",
        "USER_BLOCKED": "De Loket.nl-gebruiker moet actief zijn (niet geblokkeerd). "
        "Kijk in Loket.nl bij Gebruikers, hef een blokkade op en laat het weten.",
        "USER_BLOCKED/access_blocked": "De toegang van de Loket.nl-gebruiker tot deze werkgever is geblokkeerd. "
        "Kijk in Loket.nl bij Gebruikers, hef de blokkade op en laat het weten.",
        "USER_BLOCKED/invite_pending": "De uitnodiging van de Loket.nl-gebruiker is nog niet geaccepteerd. "
        "Laat haar accepteren via de mail die Loket.nl stuurde, en laat het weten.",
        "USER_BLOCKED/invite_expired": "De uitnodiging van de Loket.nl-gebruiker is verlopen voordat zij werd "
        "geaccepteerd. Stuur in Loket.nl bij Gebruikers een nieuwe, laat die accepteren en laat het weten.",
        "USER_NO_ACCESS": "De Loket.nl-gebruiker moet toegang hebben tot de werkgever. Geef die via een team, of maak "
        "de gebruiker direct bij de werkgever aan, en laat weten hoe je het hebt gedaan.",
        "USER_NO_ACCESS/not_listed": "De Loket.nl-gebruiker staat niet bij de gebruikers van de werkgever onder de "
        "naam die wij kennen. Geef de precieze gebruikersnaam door, of geef toegang via een team en laat dat weten.",
        "RIGHTS_MISSING": "De Loket.nl-gebruiker heeft deze rechten nog niet: {rights}. "
        "Zet ze aan; let op de precieze naam. " + _WHERE_RIGHTS,
        "RIGHTS_EXTRA": "De Loket.nl-gebruiker heeft meer rechten dan nodig: {rights}. "
        "Haal ze weg, of laat weten waarom ze moeten blijven.",
        "KVK_FORMAT": "Het KVK-nummer heeft niet precies 8 cijfers. Je vindt het op kvk.nl. "
        "Verbeter het of laat het weg; het is niet verplicht.",
        "POLICY_MISSING": "Er is nog geen polis. Leg minstens één polis vast, met polisnummer, "
        "ingangsdatum en of de dekking onder de Pensioenwet valt.",
        "POLICY_NUMBER_MISSING": "Het polisnummer van polis {number} ontbreekt. Vul het aan vanuit de "
        "polisadministratie.",
        "POLICY_START_MISSING": "De ingangsdatum van polis {number} ontbreekt. Vul die aan vanuit de "
        "polisadministratie.",
        "POLICY_BASIS_MISSING": "Van polis {number} is niet vastgelegd of de dekking onder de Pensioenwet valt. "
        "Antwoord met ja of nee; het bepaalt of BSN's mogen worden uitgewisseld.",
        "HANDOVER_REFERENCE_MISSING": "Het kenmerk van Keylane ontbreekt. Stuur het kenmerk waaronder Keylane deze "
        "koppeling inricht.",
        "CONTACT_DATE_MISSING": "De datum van het eerste contact met de aanvrager ontbreekt. "
        "Neem contact op en geef de datum door.",
        "AUTHORISATIONS_NOT_SET": "Niet bevestigd is dat de autorisaties goed staan. "
        "Zet ze samen met de aanvrager goed en bevestig het.",
        "REALISED_MISSING": "De datum waarop de koppeling is gerealiseerd ontbreekt. Geef die door.",
        "FIRST_EXCHANGE_MISSING": "De datum van de eerste uitwisseling ontbreekt. Geef die door.",
        "FIRST_EXCHANGE_BEFORE_REALISED": "De eerste uitwisseling ({date}) ligt vóór de realisatie ({realised}). "
        "Kies een datum op of na de realisatie.",
        "FIRST_EXCHANGE_IN_PAST": "De eerste uitwisseling ({date}) ligt in het verleden. "
        "Kies een latere datum, of bevestig dat de datum klopt.",
        "FIRST_EXCHANGE_NOT_WORKDAY": "De eerste uitwisseling ({date}) valt in een weekend of op een feestdag. "
        "Kies een werkdag, of bevestig dat de datum klopt.",
        "REASON_MISSING": "Hiervoor is een reden nodig. Schrijf in één zin waarom, zonder BSN.",
        "BSN_IN_TEXT": "In de tekst staat een BSN. Haal het weg: een BSN hoort nooit in een notitie, reden of kenmerk.",
        "LOKET_WAGE_TAX_DIFFERS": "Loket.nl heeft een ander loonheffingennummer ({loket}) dan het formulier ({form}). "
        "Kijk welk van de twee klopt, verbeter het andere en laat het weten.",
        "LOKET_WAGE_TAX_DIFFERS/alike": "Loket.nl heeft een ander loonheffingennummer dan het formulier; het verschil "
        "zit in cijfers die wij niet tonen. Vergelijk het formulier met de loonadministratie in Loket.nl, verbeter wat "
        "niet klopt en laat het weten.",
        "LOKET_PERIOD_DIFFERS": "Loket.nl heeft een andere verloning (per maand of per 4 weken) dan het formulier. "
        "Kijk welke van de twee klopt, verbeter de andere en laat het weten.",
        "LOKET_PERIOD_DIFFERS/monthly": "In Loket.nl is de verloning per maand, op het formulier per 4 weken. "
        "Kijk welke van de twee klopt, verbeter de andere en laat het weten.",
        "LOKET_PERIOD_DIFFERS/four_weekly": "In Loket.nl is de verloning per 4 weken, op het formulier per maand. "
        "Kijk welke van de twee klopt, verbeter de andere en laat het weten.",
        "LOKET_PERIOD_DIFFERS/other": "In Loket.nl is de verloning niet per maand en niet per 4 weken, maar "
        "bijvoorbeeld per week; dat is anders dan op het formulier. Kijk na wat klopt en laat het weten.",
    }
)
