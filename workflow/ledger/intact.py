"""Whether the history of one case is as it was written: hashes, chain, values; leaves and signatures are not asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from workflow.events import Event, Kind, is_chained
from workflow.ledger.retelling import opening_of


def is_intact(events: Sequence[Event], openings: Iterable[Sequence[Any]]) -> bool:
    """Whether nobody altered it. `openings` are the rows of its values, as `Evidence.openings` reads them."""
    return is_chained(events) and _are_committed(events, openings)


def _are_committed(events: Sequence[Event], openings: Iterable[Sequence[Any]]) -> bool:
    """Whether each value is the one that its event committed to, and none is missing but what was erased."""
    closed = {(event.seq, path): said for event in events for path, said in event.commitments.items()}
    for _, seq, *row in openings:
        opening = opening_of(*row)
        if not opening.opens(closed.pop((seq, opening.path), "")):
            return False
    erased = max((event.seq for event in events if event.kind is Kind.ERASED), default=0)
    return all(seq < erased for seq, _ in closed)
