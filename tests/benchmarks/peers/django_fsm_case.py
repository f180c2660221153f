"""The case as django-fsm-2 has it: transitions are methods, and a save that comes second fails."""

from __future__ import annotations

from django_fsm import ConcurrentTransitionMixin, FSMField, transition

from tests.benchmarks.peers import django_tables, story
from tests.benchmarks.peers.django_tables import WRITTEN, CaseFields


def is_complete(case: Case) -> bool:
    """What must hold before it can be registered."""
    return story.is_complete(case.facts)


class Case(ConcurrentTransitionMixin, CaseFields):
    """A coupling."""

    state = FSMField(max_length=30, default=story.RIGHTS_PENDING, protected=True)

    class Meta:
        app_label, db_table = "peers", "cases"

    @transition(field=state, source=story.RIGHTS_PENDING, target=story.REGISTERED, conditions=[is_complete])
    def register(self) -> None:
        """The applicant hands the form in."""

    @transition(field=state, source=story.REGISTERED, target=story.ENRICHED)
    def enrich(self) -> None:
        """The policy is known."""

    @transition(field=state, source=story.ENRICHED, target=story.KEYLANE_CONFIGURING)
    def hand_over(self) -> None:
        """Keylane has the ball."""

    @transition(field=state, source=story.KEYLANE_CONFIGURING, target=story.CONFIRMED)
    def confirm(self) -> None:
        """The coupling stands."""

    @transition(field=state, source=list(story.OPEN_STATES), target=story.WITHDRAWN)
    def withdraw(self) -> None:
        """It will not come."""


def register(case: Case) -> None:
    """Move it, and save it where nobody moved it since it was read."""
    case.register()
    case.save(update_fields=WRITTEN)


__all__ = ["Case", "django_tables", "register"]
