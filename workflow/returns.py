"""Whether a person sent a case back to where it is, when and why: what no validator can see.

It is looked up when somebody asks, or is reminded; a case that only moves on never pays for it.
"""

from __future__ import annotations

from collections.abc import Sequence

from workflow.answers import Case, Returned
from workflow.definition import Definition
from workflow.storage.returns import LastMove, last_moves
from workflow.storage.store import Store

_OPENED_AND_LEFT = 2
"""The version of a case that did nothing else; whoever sends it back comes after that."""


def returns_of(store: Store, definition: Definition, found: Sequence[tuple[int, Case]]) -> list[Returned | None]:
    """Per case how it was sent back to its present state; None: it was not."""
    doubtful = [case_id for case_id, case in found if _may_be_returned(definition, case)]
    moves = dict(zip(doubtful, last_moves(store, doubtful), strict=True))
    return [_returned(definition, case, moves.get(case_id)) for case_id, case in found]


def never_left(store: Store, definition: Definition, case_id: int, case: Case) -> bool:
    """Whether a case stands where it was opened, and nobody sent it back there.

    Its moments alone do not tell: after a clock that ran ahead all are the same.
    """
    stays = case.state == definition.initial and case.entered_at == case.opened_at
    return stays and returns_of(store, definition, [(case_id, case)]) == [None]


def sends_back(definition: Definition, trigger: str, source: str | None, target: str) -> bool:
    """Whether a move sends a case back: it leads back, and asks for a reason."""
    rows = [move for move in definition.moves if (move.trigger, move.target) == (trigger, target)]
    return _leads_back(definition, source, target) and any(move.needs_reason for move in rows)


def _may_be_returned(definition: Definition, case: Case) -> bool:
    return (
        case.version > _OPENED_AND_LEFT
        and case.ended_at is None
        and any(
            move.needs_reason and move.target == case.state and _leads_back(definition, source, move.target)
            for move in definition.moves
            for source in move.sources
        )
    )


def _leads_back(definition: Definition, source: str | None, target: str) -> bool:
    """Whether the table of states has the target before the source; a move onward may ask for a reason too."""
    names = [state.name for state in definition.states]
    return source in names and target in names and names.index(target) < names.index(source)


def _returned(definition: Definition, case: Case, last: LastMove | None) -> Returned | None:
    if last is None or not sends_back(definition, last.trigger, last.source, case.state):
        return None
    return Returned(last.at, last.trigger, last.reason)
