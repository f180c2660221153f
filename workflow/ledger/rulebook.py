"""The versions of definitions that a database keeps, and a definition that replays what was judged by one of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from workflow.answers import Case
from workflow.definition import Definition, Rung, State
from workflow.digest import canonical_form, digest_of
from workflow.events import Event
from workflow.history import FORGED, Values, evolve
from workflow.ledger.verify import Report, Says, canonical_json, parse_json


class Rulebook:
    """What is kept of every version; whatever is wrong with them is a finding of the report, if there is one."""

    def __init__(self, kept: Iterable[tuple[Any, ...]], running: Definition, report: Report | None = None) -> None:
        self.forms: dict[tuple[str, str], Mapping[str, Any]] = {}
        """By name and version."""
        self.tables: dict[tuple[str, str, str], Mapping[str, Any]] = {}
        """The same, by what the events that they judged record: also the digest."""
        self._running = running
        self._by_digest = {digest_of(canonical_form(running)): running}
        for name, version, digest, canonical in kept:
            fault = self._take(name, version, digest, canonical)
            if fault and report:
                report.add("DEFINITION_DIFFERS", f"Version '{version}' of '{name}' that is kept here {fault}.")

    def definition_of(self, says: Says) -> Definition:
        """The definition an event was judged by, for its states and ladders; the running one when it was not kept."""
        return self._by_digest.get(says["definition"]["digest"], self._running)

    def fold(self, told: Iterable[tuple[Event, Values]]) -> Case:
        """The case after these events, each by the states and ladders of the version that judged it."""
        case: Case | None = None
        for event, values in told:
            definition = self.definition_of({"definition": {"digest": event.definition[2]}})
            case = evolve(definition, case, event, values)
        if case is None:
            raise ValueError("a case without events has no state")
        return case

    def _take(self, name: Any, version: Any, digest: Any, canonical: Any) -> str:
        """Keep a version; what is wrong with it, '' when nothing."""
        try:
            form = parse_json(canonical)
            found = hashlib.sha256(canonical).hexdigest()
            if canonical_json(form) != canonical:
                return "is not in canonical form"
            if (form["name"], form["version"]) != (name, version):
                return "calls itself something else"
            self.forms[name, version] = self.tables[name, version, found] = form
            self._by_digest.setdefault(found, _as_recorded(self._running, form))
        except FORGED:
            return "cannot be read"
        return "" if found == digest else "is not the one of which the digest is kept beside it"


def _as_recorded(running: Definition, form: Mapping[str, Any]) -> Definition:
    """The states and ladders of another version, so that its history is replayed as it went."""
    states = tuple(
        State(
            state["name"],
            state["holder"],
            "",
            tuple(Rung(**rung) for rung in state["ladder"]),
            state["final"],
            tuple(state["amendable"]),
        )
        for state in form["states"]
    )
    return replace(running, name=form["name"], version=form["version"], initial=form["initial"], states=states)
