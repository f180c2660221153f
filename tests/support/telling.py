"""Histories told event by event, lawful or not: sealed as the engine would, and judged by nobody."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from states import EMPLOYER_COUPLING
from workflow.digest import canonical_form, digest_of
from workflow.events import GENESIS, Kind, Origin, commit, seal
from workflow.ledger.verify import Opening

FORM: dict[str, Any] = json.loads(canonical_form(EMPLOYER_COUPLING))
STAMP = (FORM["name"], FORM["version"], digest_of(canonical_form(EMPLOYER_COUPLING)))
START = datetime(2026, 4, 20, 8, 0, tzinfo=UTC)


class Told:
    """A history told event by event, as the engine would seal it, without the engine's judgement."""

    def __init__(self) -> None:
        self.events: list[Any] = []
        self.openings: list[list[Opening]] = []
        self.state: str | None = None

    def tell(
        self,
        kind: str,
        body: dict[str, Any] | None = None,
        *,
        to: str | None = None,
        trigger: str | None = None,
        personal: dict[str, Any] | None = None,
        definition: tuple[str, str, str] = STAMP,
        source: str | None = "as it is",
    ) -> Told:
        """One more event; `source` only to claim another state than the one the case is in."""
        values = [Opening(path, value, path.encode()) for path, value in (personal or {}).items()]
        self.events.append(
            seal(
                case="K-0000-0000",
                seq=len(self.events) + 1,
                at=START + timedelta(hours=len(self.events)),
                origin=Origin("anna", "anna-os", "python"),
                kind=Kind(kind),
                trigger=trigger,
                source=self.state if source == "as it is" else source,
                target=to or self.state or "",
                definition=definition,
                body=body or ({"until": "2026-05-01"} if kind == "held" else {}),
                commitments={one.path: commit(one.value, one.salt) for one in values},
                previous=self.events[-1].hash if self.events else GENESIS,
            )
        )
        self.openings.append(values)
        self.state = to or self.state
        return self

    def opened(self, *sheets: str) -> Told:
        facts = {sheet: {"field": "value"} for sheet in sheets}
        return self.tell("opened", {"facts": facts, "letters": []}, to="rights_pending")

    def moved(self, trigger: str, to: str, **more: Any) -> Told:
        return self.tell("moved", {"letters": []} | more.pop("body", {}), to=to, trigger=trigger, **more)

    def registered(self) -> Told:
        return self.opened("loket_user", "registration").moved("register", "registered")

    def withdrawn(self) -> Told:
        return self.opened().moved("withdraw", "withdrawn", personal={"reason": "op verzoek"})

    def says(self) -> Iterator[dict[str, Any]]:
        return (json.loads(event.canonical) for event in self.events)
