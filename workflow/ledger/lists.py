"""The lists of an export: a row a case, a row an event; for people, so personal values in them are masked."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias

from workflow.clock import AMSTERDAM, parse_time
from workflow.definition import Definition
from workflow.domain import Domain
from workflow.encoding import as_mapping, lenient_json, read_json
from workflow.facts import Facts, Json
from workflow.ledger.entries import Entry
from workflow.ledger.spreadsheets import Value
from workflow.storage.exporting import StoredCase

HIDDEN = "•••••"
"""Stands for a personal value that a mask gives back as it is: one that was altered, or of a domain that hides less."""
Row: TypeAlias = tuple[Value, ...]
_OF_A_CASE = (
    "case",
    "external_reference",
    "state",
    "holder",
    "version",
    "events",
    "opened_at",
    "entered_at",
    "due_at",
    "ended_at",
    "held_until",
    "accepted",
    "erased",
)
EVENT_TITLES = (
    "case",
    "seq",
    "at",
    "actor",
    "os_user",
    "via",
    "kind",
    "trigger",
    "from",
    "to",
    "fields",
    "problems",
    "accepted",
    "letters",
    "details",
    "rules",
    "leaf",
    "hash",
)


def case_titles(domain: Domain) -> tuple[str, ...]:
    """The columns of the list of cases: what follows from history, then every field."""
    return (*_OF_A_CASE, *(f"{sheet}.{name}" for sheet, fields in domain.sheets.items() for name in fields))


def case_row(definition: Definition, case: StoredCase, *, revealed: bool) -> Row:
    """A case as it is stored; times are Amsterdam's. A row that was altered gives what can still be read."""
    domain, progress = definition.domain, as_mapping(lenient_json(case.progress))
    state = definition.by_name.get(case.state)
    facts = shown_facts(domain, case.facts, revealed=revealed)
    accepted = progress.get("accepted")
    return (
        case.reference,
        case.external_reference,
        case.state,
        state.holder if state else None,
        case.version,
        case.seq,
        local(case.opened_at),
        local(case.entered_at),
        local(case.due_at),
        local(case.ended_at),
        cell(progress.get("held_until")),
        ", ".join(sorted(accepted)) if isinstance(accepted, dict) else "",
        "yes" if case.erased else "no",
        *(cell(facts.get(sheet, {}).get(name)) for sheet, fields in domain.sheets.items() for name in fields),
    )


def event_row(entry: Entry) -> Row:
    """An event, without any personal value; times are Amsterdam's."""
    return (
        entry.case,
        entry.seq,
        _naive(entry.at),
        entry.actor,
        entry.os_user,
        entry.via,
        entry.kind,
        entry.trigger,
        entry.source,
        entry.target,
        ", ".join(entry.fields),
        ", ".join(entry.codes),
        ", ".join(entry.accepted),
        ", ".join(entry.letters),
        ", ".join(f"{name}: {value}" for name, value in entry.details),
        " ".join(entry.rules),
        entry.leaf,
        entry.hash,
    )


def shown_facts(domain: Domain, stored: str, *, revealed: bool) -> Facts:
    """The facts of a stored row, masked; also what a mask leaves readable, unless the export reveals it anyway."""
    try:
        said = as_mapping(read_json(stored))
    except (TypeError, ValueError):
        said = {}
    facts = {sheet: fields for sheet, fields in said.items() if isinstance(fields, dict)}
    masked = domain.mask(facts, outside=not revealed)
    if revealed:
        return masked
    return {
        sheet: {
            name: HIDDEN if _is_bare(domain, f"{sheet}.{name}", value, facts[sheet][name]) else value
            for name, value in fields.items()
        }
        for sheet, fields in masked.items()
    }


def local(stored: str) -> datetime | None:
    """A stored moment by the clocks of Amsterdam, as a spreadsheet wants it: without a zone."""
    try:
        return _naive(parse_time(stored)) if stored else None
    except ValueError:
        return None


def cell(value: Json) -> Value:
    """A fact as one cell."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return "; ".join(str(cell(item) or "") for item in value) or "none"
    if isinstance(value, dict):
        return ", ".join(str(cell(inner) or "") for inner in value.values())
    return value


def _naive(at: datetime | None) -> datetime | None:
    return at.astimezone(AMSTERDAM).replace(tzinfo=None) if at else None


def _is_bare(domain: Domain, path: str, shown: Json, value: Json) -> bool:
    return bool(shown) and shown == value and domain.is_personal(path)
