"""transitions with SQLAlchemy's ORM: one Machine, to which each loaded case is added for its move."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from transitions import Machine

from tests.benchmarks.peers import story
from tests.benchmarks.peers.mapping import Case
from tests.benchmarks.peers.with_orm import serve


def begin(url: str, cases: int) -> Callable[[str], None]:
    """Open so many cases; moves one of them."""
    machine = Machine(model=None, states=list(story.STATES), initial=None, auto_transitions=False)
    for trigger, sources, to in story.MOVES:
        rules = ["is_complete"] if trigger == "register" else None
        machine.add_transition(trigger, list(sources), to, conditions=rules)

    def register(case: Any) -> None:
        machine.add_model(case, initial=case.state)
        if not case.register():
            raise AssertionError(case.reference)
        machine.remove_model(case)

    checked: Callable[[Case], object] = register
    return serve(url, cases, checked)
