"""Which move applies: the table of moves, run by `transitions` on a cursor that is no case."""

from __future__ import annotations

from dataclasses import dataclass

from transitions import Machine, MachineError

from workflow.definition import Definition, Move


@dataclass
class _Cursor:
    """What `transitions` moves along: a state and nothing else, so that no row is ever touched by it."""

    state: str


class MoveTable:
    """Answers, for a state and a trigger, which row of the table applies."""

    def __init__(self, definition: Definition) -> None:
        self._machine = Machine(
            model=None,
            states=[str(state.name) for state in definition.states],  # not enums: transitions treats those its own way
            initial=str(definition.initial),
            auto_transitions=False,
            transitions=[
                {
                    "trigger": str(move.trigger),
                    "source": [str(source) for source in move.sources],
                    "dest": str(move.target),
                }
                for move in definition.moves
            ],
        )
        self._rows = {(move.trigger, source): move for move in definition.moves for source in move.sources}
        self._found: dict[tuple[str, str], Move | None] = {}

    def find(self, state: str, trigger: str) -> Move | None:
        """The move that `trigger` makes from `state`; None when the table has none. Raises KeyError (unknown)."""
        if (state, trigger) not in self._found:
            self._found[state, trigger] = self._ask(state, trigger)
        return self._found[state, trigger]

    def _ask(self, state: str, trigger: str) -> Move | None:
        cursor = _Cursor(state)
        try:
            self._machine.events[trigger].trigger(cursor)
        except MachineError:
            return None
        move = self._rows[trigger, state]
        assert cursor.state == move.target, "transitions and the table disagree"
        return move
