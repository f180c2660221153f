"""An event as an export shows it to people: what happened, and never a personal value; reads altered ones too."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from workflow.clock import parse_time
from workflow.encoding import as_list, as_mapping, lenient_json
from workflow.storage.exporting import StoredEvent

UNREADABLE = "unreadable"
"""The kind of an event whose bytes say none."""
_LISTED = frozenset({"facts", "problems", "accepted", "letters", "told"})


@dataclass(frozen=True, slots=True)
class Entry:
    """What an event says; '' and None where it says nothing."""

    case: str
    seq: int
    at: datetime | None
    actor: str
    os_user: str
    via: str
    kind: str
    trigger: str
    source: str
    target: str
    fields: tuple[str, ...]
    """What it set, without the values; 'reason' and 'text' stand for words of a person."""
    codes: tuple[str, ...]
    accepted: tuple[str, ...]
    letters: tuple[str, ...]
    details: tuple[tuple[str, str], ...]
    """Whatever else it says: a hold's last day, a rung, a server's reply code."""
    rules: tuple[str, str]
    """Name and version of the definition it was judged by."""
    hash: str
    leaf: int | None


def entry_of(stored: StoredEvent, case: str = "") -> Entry:
    """The entry that stored bytes say; `case` is what to call it when they say nothing."""
    says = as_mapping(lenient_json(stored.canonical))
    body = as_mapping(says.get("body"))
    rules = as_mapping(says.get("definition"))
    facts = as_mapping(body.get("facts"))
    fields = {f"{sheet}.{name}" for sheet, values in facts.items() for name in as_mapping(values)}
    return Entry(
        case=_text(says.get("case")) or case,
        seq=stored.seq,
        at=moment(says.get("at")),
        actor=_text(says.get("actor")),
        os_user=_text(says.get("os_user")),
        via=_text(says.get("via")),
        kind=_text(says.get("kind")) or UNREADABLE,
        trigger=_text(says.get("trigger")),
        source=_text(says.get("from")),
        target=_text(says.get("to")),
        fields=tuple(sorted(fields | set(as_mapping(says.get("commitments"))))),
        codes=_codes(body.get("problems")),
        accepted=_codes(body.get("accepted")),
        letters=tuple(map(_text, as_list(body.get("letters")))),
        details=tuple((name, _text(value)) for name, value in body.items() if name not in _LISTED and _text(value)),
        rules=(_text(rules.get("name")), _text(rules.get("version"))),
        hash=_text(stored.hash),
        leaf=stored.leaf,
    )


def _codes(value: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_text(as_mapping(item).get("code")) for item in as_list(value)))


def _text(value: Any) -> str:
    if value is None or isinstance(value, dict | list):
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def moment(value: Any) -> datetime | None:
    """The moment that a stored value says; None when it says none."""
    try:
        return parse_time(_text(value))
    except ValueError:
        return None
