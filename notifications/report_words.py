"""What the report of an export says in each language: labels, sentences, and what kinds of events are called."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Words(NamedTuple):
    """Every text of the report; those with {places} are filled in."""

    title: str
    made: str
    selection: str
    everything: str
    named: str
    between: str
    since: str
    until: str
    sample: str
    of_these: str
    holds: str
    counted: str
    personal: str
    revealed: str
    not_revealed: str
    erased: str
    checkpoint: str
    checkpoint_means: str
    no_checkpoint: str
    size: str
    root: str
    time: str
    signed_by: str
    key: str
    waiting: str
    check: str
    steps: tuple[str, ...]
    reading: str
    more_cases: str
    more_events: str
    state: str
    holder: str
    opened: str
    ended: str
    because: str
    accepted: str
    fields: str
    letters: str
    via: str
    footer: str


WORDS: Mapping[str, Words] = MappingProxyType(
    {
        "en": Words(
            title="History of cases",
            made="Made",
            selection="Selection",
            everything="everything",
            named="cases {cases}",
            between="every case to which something happened from {since} to {until}",
            since="every case to which something happened since {since}",
            until="every case to which something happened until {until}",
            sample="a sample of {sample} cases, drawn with seed '{seed}'",
            of_these="{sample}, out of {all}",
            holds="Holds",
            counted="cases: {cases}, events: {events}",
            personal="Personal values",
            revealed="This export holds personal values (in openings.jsonl). Keep it where only those who need it can "
            "read it. That it was made stands in the history of each case.",
            not_revealed="none: masked in the lists, and only committed to in the events",
            erased="erased; the history still verifies",
            checkpoint="Checkpoint",
            checkpoint_means="The signed head of the ledger: the root is over all events up to its size, so none of "
            "them can be changed, dropped or added without changing it.",
            no_checkpoint="There is no checkpoint: nothing in here was signed. Ask for a new export after "
            "'schakel audit checkpoint'.",
            size="Events",
            root="Root",
            time="Signed at",
            signed_by="Signed by",
            key="Verifier key",
            waiting="Events that are not in the ledger yet: {waiting}. They are chained to those that are.",
            check="How to check it",
            steps=(
                "Take verify.py from a release that you trust. The one in this export could be altered with the rest.",
                "Run it on this export, with the verifier key that you were given before (compare it with the one "
                "above), and with a checkpoint that you kept, if you have one.",
                "It needs Python and the package 'cryptography', and no network.",
            ),
            reading="Times are those of Amsterdam. The code at the end of each event is the beginning of its hash, "
            "as it stands in events.jsonl.",
            more_cases="This report shows the first {shown} cases; {more} more are in events.jsonl and in lists/.",
            more_events="{more} more events of this case are in events.jsonl and lists/events.csv.",
            state="State",
            holder="with",
            opened="Opened",
            ended="Ended",
            because="because of",
            accepted="accepted",
            fields="recorded",
            letters="letters",
            via="via",
            footer="Made by Schakel. What counts is events.jsonl and its proofs; this page is for reading.",
        ),
        "nl": Words(
            title="Geschiedenis van zaken",
            made="Gemaakt",
            selection="Selectie",
            everything="alles",
            named="zaken {cases}",
            between="elke zaak waarin iets gebeurde van {since} tot en met {until}",
            since="elke zaak waarin iets gebeurde sinds {since}",
            until="elke zaak waarin iets gebeurde tot en met {until}",
            sample="een steekproef van {sample} zaken, getrokken met '{seed}'",
            of_these="{sample}, uit {all}",
            holds="Inhoud",
            counted="zaken: {cases}, gebeurtenissen: {events}",
            personal="Persoonsgegevens",
            revealed="Deze export bevat persoonsgegevens (in openings.jsonl). Bewaar hem waar alleen wie hem nodig "
            "heeft hem kan lezen. Dat hij is gemaakt, staat in de geschiedenis van elke zaak.",
            not_revealed="geen: gemaskeerd in de lijsten, en in de gebeurtenissen alleen vastgelegd als controlegetal",
            erased="gewist; de geschiedenis blijft te controleren",
            checkpoint="Controlepunt",
            checkpoint_means="De ondertekende kop van het grootboek: de wortel gaat over alle gebeurtenissen tot aan "
            "zijn omvang. Geen ervan kan worden veranderd, weggelaten of toegevoegd zonder dat hij verandert.",
            no_checkpoint="Er is geen controlepunt: niets hierin is ondertekend. Vraag om een nieuwe export na "
            "'schakel audit checkpoint'.",
            size="Gebeurtenissen",
            root="Wortel",
            time="Ondertekend op",
            signed_by="Ondertekend door",
            key="Controlesleutel",
            waiting="Gebeurtenissen die nog niet in het grootboek staan: {waiting}. Ze zijn wel geketend aan wat er "
            "al in staat.",
            check="Zo controleer je het",
            steps=(
                "Neem verify.py uit een uitgave die je vertrouwt. Die in deze export kan met de rest zijn veranderd.",
                "Draai het op deze export, met de controlesleutel die je eerder kreeg (vergelijk hem met die "
                "hierboven), en met een controlepunt dat je bewaarde, als je dat hebt.",
                "Het heeft Python en het pakket 'cryptography' nodig, en geen netwerk.",
            ),
            reading="Tijden zijn die van Amsterdam. De code achter elke gebeurtenis is het begin van haar hash, zoals "
            "die in events.jsonl staat.",
            more_cases="Dit rapport toont de eerste {shown} zaken; nog {more} staan in events.jsonl en in lists/.",
            more_events="Nog {more} gebeurtenissen van deze zaak staan in events.jsonl en lists/events.csv.",
            state="Toestand",
            holder="bij",
            opened="Geopend",
            ended="Geëindigd",
            because="vanwege",
            accepted="geaccepteerd",
            fields="vastgelegd",
            letters="brieven",
            via="via",
            footer="Gemaakt door Schakel. Wat telt is events.jsonl met zijn bewijzen; deze bladzijde is om te lezen.",
        ),
    }
)
KINDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        # kind: English, Dutch
        "opened": {"en": "Opened", "nl": "Geopend"},
        "recorded": {"en": "Recorded", "nl": "Vastgelegd"},
        "moved": {"en": "Moved", "nl": "Doorgezet"},
        "refused": {"en": "Refused", "nl": "Geweigerd"},
        "held": {"en": "Put on hold", "nl": "Aangehouden"},
        "resumed": {"en": "Resumed", "nl": "Hervat"},
        "noted": {"en": "Noted", "nl": "Notitie"},
        "reminded": {"en": "Reminded", "nl": "Herinnerd"},
        "escalated": {"en": "Escalated", "nl": "Geëscaleerd"},
        "letter_sent": {"en": "Letter sent", "nl": "Brief verstuurd"},
        "letter_failed": {"en": "Letter failed", "nl": "Brief mislukt"},
        "letter_unknown": {"en": "Letter: arrival unknown", "nl": "Brief: aankomst onbekend"},
        "erased": {"en": "Personal values erased", "nl": "Persoonsgegevens gewist"},
        "revealed": {"en": "Personal values exported", "nl": "Persoonsgegevens geëxporteerd"},
        "unreadable": {"en": "Unreadable: altered", "nl": "Onleesbaar: veranderd"},
    }
)
