"""The calendar file of a confirmed coupling: the day of the first exchange, that a later file can move."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from types import MappingProxyType

from icalendar import Calendar, Event

FILE_NAMES = MappingProxyType({"nl": "eerste-uitwisseling.ics", "en": "first-exchange.ics"})
_SUMMARIES = MappingProxyType(
    {
        "nl": "Eerste uitwisseling van de salariskoppeling ({reference})",
        "en": "First exchange of the salary coupling ({reference})",
    }
)


def calendar_file(reference: str, domain: str, day: date, *, sequence: int, language: str, now: datetime) -> bytes:
    """An all-day event in a file that clients add or, by its higher `sequence`, move; it names nobody.

    The UID is the same for every file of a case. Lines end in CRLF.
    """
    event = Event()
    event.add("uid", f"first-exchange.{reference}@{domain}")
    event.add("sequence", sequence)
    event.add("dtstamp", now)
    event.add("dtstart", day)
    event.add("dtend", day + timedelta(days=1))
    event.add("summary", _SUMMARIES[language].format(reference=reference))
    event.add("status", "CONFIRMED")
    event.add("transp", "TRANSPARENT")
    calendar = Calendar()
    calendar.add("prodid", "-//Schakel//Salariskoppeling//NL")
    calendar.add("version", "2.0")
    calendar.add("method", "PUBLISH")
    calendar.add_component(event)
    return bytes(calendar.to_ical())
