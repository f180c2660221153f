"""What each peer does of the five writes of a move, as a table; the benchmark holds every claim against the rows."""

from __future__ import annotations

from dataclasses import dataclass

FIVE = ("state", "event", "chain", "timers", "outbox")
"""A guarded write of the state, an event, its hash in a chain, timers out and in, letters: all in one transaction."""


@dataclass(frozen=True)
class Peer:
    """A library, the module that uses it, and what commits together with a move."""

    name: str
    module: str
    does: frozenset[str]

    @property
    def does_all(self) -> bool:
        """Whether it is held against the aim."""
        return self.does == frozenset(FIVE)

    def told(self) -> str:
        """The claims as they stand beside its ratio."""
        return " ".join(word if word in self.does else "–" * len(word) for word in FIVE)


PEERS = tuple(
    Peer(name, module, frozenset(does.split()))
    for name, module, does in (
        # library                     module              in the same transaction
        ("transitions + ORM",         "transitions_orm",  "state event chain timers outbox"),
        ("python-statemachine + ORM", "statemachine_orm", "state event chain timers outbox"),
        ("django-fsm-2 + log",        "django_fsm_log",   "state event chain timers outbox"),
        ("viewflow",                  "viewflow_flow",    "state event chain timers outbox"),
        ("DBOS",                      "dbos_steps",       "state event chain timers outbox"),
        ("eventsourcing",             "eventsourced",     "event chain outbox"),
        ("SpiffWorkflow",             "spiff",            "state"),
    )
)  # fmt: skip
