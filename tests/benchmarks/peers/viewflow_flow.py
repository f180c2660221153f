"""viewflow: a BPMN flow whose open task is the case's state, and whose finished tasks are its own log."""

from __future__ import annotations

from collections.abc import Callable

from django.core.management import call_command

from tests.benchmarks.peers import django_project

APPS = ("django.contrib.contenttypes", "django.contrib.auth", "viewflow", "viewflow.workflow")


def begin(url: str, cases: int) -> Callable[[str], None]:
    """Open so many cases; moves one of them."""
    models = django_project.load(url, "viewflow_case", *APPS)
    call_command("migrate", verbosity=0)
    django_project.fill(models.Case, models.django_tables, cases)
    models.start()
    return models.register
