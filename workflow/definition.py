"""What a workflow is: states, moves, reminder ladders and letters, all as data.

The engine runs any `Definition`; the employer coupling in `states/` is the one that ships. Everything the engine
must ask of its subject goes through the `Domain` protocol, so that this package knows no employer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType

from workflow.domain import Domain
from workflow.facts import Facts, Json, Validator


@dataclass(frozen=True, slots=True)
class LetterTo:
    """A letter by name, and the role it goes to."""

    letter: str
    role: str
    after: str | None = None
    """With a move: only when this letter, which is counted, went out for the case before; None: always."""


@dataclass(frozen=True, slots=True)
class Rung:
    """One rung on a ladder: so many working days after entering the state (or after the date in `anchor`)."""

    name: str
    after: int
    letter: str
    role: str
    kind: str = "reminded"
    """The kind of event that firing it appends: 'reminded' or 'escalated'."""
    anchor: str | None = None
    """Path of the field whose date the working days are counted from; None: the day the state was entered."""


@dataclass(frozen=True, slots=True)
class State:
    """A situation a case can be in; `holder` is the role that has the ball (None: nobody)."""

    name: str
    holder: str | None
    means: str
    ladder: tuple[Rung, ...] = ()
    """All count from the same day. A case keeps how many it climbed: a later version adds behind those."""
    final: bool = False
    amendable: tuple[str, ...] = ()
    """Fields that may still be recorded although the state is final."""


@dataclass(frozen=True, slots=True)
class Move:
    """A row of the table: from these states this trigger leads there, if all validators agree."""

    trigger: str
    sources: tuple[str, ...]
    target: str
    validators: tuple[Validator, ...] = ()
    letters: tuple[LetterTo, ...] = ()
    forward: bool = False
    """The one move that `advance` without a trigger takes."""
    needs_reason: bool = False
    """A move with a reason to a state that stands higher in the table of states sends the case back there."""
    requires: tuple[str, ...] = ()
    """Sheets of which something must have been recorded: what an auditor can check without the values."""


@dataclass(frozen=True, slots=True)
class Notice:
    """A letter that recording a field sends, when `tell` returns something other than was last told, or that was over.

    One letter may follow several fields, a row for each; recording them together sends it once. A field that is given
    when a case is opened, or along with a move, is not told.
    """

    letters: tuple[LetterTo, ...]
    states: tuple[str, ...]
    field: str
    tell: Callable[[Facts], Json]
    """What there is to tell (no personal values: it is stored in the event).

    None: nothing can be told; empty: nothing is amiss, so what was told before is told anew when it comes back.
    """


@dataclass(frozen=True, slots=True)
class Lapse:
    """A field that, when its known value becomes another, ends those that were about the old one: they are cleared.

    In a final state nothing lapses: what may change there is said by `amendable`.
    """

    field: str
    ends: tuple[str, ...]


@dataclass(frozen=True)
class Definition:
    """A whole workflow: a name, a version, the states, the table of moves, and the domain it is about.

    States stand in the order in which a case comes to them.
    """

    name: str
    version: str
    initial: str
    states: tuple[State, ...]
    moves: tuple[Move, ...]
    opening: tuple[LetterTo, ...]
    notices: tuple[Notice, ...]
    domain: Domain
    counted: tuple[str, ...] = ()
    """Letters of moves that say whether they went out before, besides those that follow a fact."""
    lapses: tuple[Lapse, ...] = ()
    asking: tuple[str, ...] = ()
    """Letters that ask their reader to do something: one that could not leave ends when its case does. Rungs all do."""

    def state(self, name: str) -> State:
        """The state with this name. Raises KeyError."""
        return self.by_name[name]

    @cached_property
    def by_name(self) -> Mapping[str, State]:
        """The states by their names."""
        return MappingProxyType({state.name: state for state in self.states})

    @cached_property
    def final(self) -> tuple[str, ...]:
        """The names of the states in which a case has ended."""
        return tuple(state.name for state in self.states if state.final)

    @cached_property
    def triggers(self) -> tuple[str, ...]:
        """Every trigger, in the order of the table."""
        return tuple(dict.fromkeys(move.trigger for move in self.moves))

    def moves_from(self, state: str) -> tuple[Move, ...]:
        """The moves that leave this state, in the order of the table."""
        return self._leaving.get(state, ())

    def forward_from(self, state: str) -> Move | None:
        """The one forward move of this state; None when it is final."""
        return self._forward.get(state)

    @cached_property
    def remembered(self) -> frozenset[str]:
        """The letters of which a case remembers how often they went out and, if they follow a fact, what they told."""
        return frozenset(to.letter for notice in self.notices for to in notice.letters) | frozenset(self.counted)

    @cached_property
    def _leaving(self) -> Mapping[str, tuple[Move, ...]]:
        sources = {source for move in self.moves for source in move.sources}
        return {state: tuple(move for move in self.moves if state in move.sources) for state in sources}

    @cached_property
    def _forward(self) -> Mapping[str, Move]:
        return {state: move for move in reversed(self.moves) if move.forward for state in move.sources}

    def letters(self) -> tuple[LetterTo, ...]:
        """Every letter the workflow can send, with its role, without repeats."""
        sent = [*self.opening]
        for move in self.moves:
            sent += move.letters
        for notice in self.notices:
            sent += notice.letters
        for state in self.states:
            sent += [LetterTo(rung.letter, rung.role) for rung in state.ladder]
        return tuple(dict.fromkeys(LetterTo(to.letter, to.role) for to in sent))
