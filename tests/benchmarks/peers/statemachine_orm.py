"""python-statemachine with SQLAlchemy's ORM: a machine made for each loaded case, its model."""

from __future__ import annotations

from collections.abc import Callable

from statemachine import State, StateMachine

from tests.benchmarks.peers.mapping import Case
from tests.benchmarks.peers.with_orm import serve


class Coupling(StateMachine):
    """The states and moves, as the library's documentation declares them."""

    rights_pending = State(initial=True)
    registered = State()
    enriched = State()
    keylane_configuring = State()
    confirmed = State(final=True)
    withdrawn = State(final=True)

    register = rights_pending.to(registered, cond="is_complete")
    enrich = registered.to(enriched)
    hand_over = enriched.to(keylane_configuring)
    confirm = keylane_configuring.to(confirmed)
    withdraw = withdrawn.from_(rights_pending, registered, enriched, keylane_configuring)


def begin(url: str, cases: int) -> Callable[[str], None]:
    """Open so many cases; moves one of them."""

    def register(case: Case) -> None:
        Coupling(case, state_field="state").register()

    return serve(url, cases, register)
