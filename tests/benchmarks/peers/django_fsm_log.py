"""django-fsm-2 with a log: a protected state field, and the log an event model of the team's own."""

from __future__ import annotations

from collections.abc import Callable

from tests.benchmarks.peers import django_project


def begin(url: str, cases: int) -> Callable[[str], None]:
    """Open so many cases; moves one of them."""
    models = django_project.load(url, "django_fsm_case")
    return django_project.serve(models.Case, models.django_tables, cases, models.register)
