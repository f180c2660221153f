"""The case as viewflow has it: a flow of handles that other code runs, under viewflow's own lock of the process."""

from __future__ import annotations

from typing import Any

from django.db import connection, models, transaction
from viewflow import this
from viewflow.workflow import flow, lock
from viewflow.workflow.models import Process, Task
from viewflow.workflow.status import STATUS

from tests.benchmarks.peers import django_project, django_tables, story
from tests.benchmarks.peers.django_tables import WRITTEN, CaseFields


class Case(CaseFields):
    """A coupling, and the process that carries it."""

    state = models.CharField(max_length=30)
    process = models.OneToOneField(Process, models.PROTECT, null=True)

    class Meta:
        app_label, db_table = "peers", "cases"


class Coupling(flow.Flow):
    """The forward moves."""

    lock_impl = lock.select_for_update_lock if connection.vendor == "postgresql" else lock.no_lock

    start = flow.StartHandle(this.opened).Next(this.register)
    register = flow.Handle(this.registered).Next(this.enrich)
    enrich = flow.Handle(this.enriched).Next(this.hand_over)
    hand_over = flow.Handle(this.handed_over).Next(this.confirm)
    confirm = flow.Handle(this.confirmed).Next(this.end)
    end = flow.End()

    def opened(self, activation: Any, case: Case) -> Process:
        """The process of a new case."""
        return activation.process

    def registered(self, activation: Any, case: Case) -> None:
        """The move that is measured: guarded by the version, and everything else written beside it."""
        if not story.is_complete(case.facts):
            raise AssertionError(case.reference)
        entry, version = story.registering(case.reference, case.seq + 1, case.head), case.version
        case.state, case.seq, case.version, case.head = story.REGISTERED, case.seq + 1, version + 1, entry.hash
        case.at, case.entered_at, case.due_at = story.MOVED, story.MOVED, story.NEXT_DUE
        changed = {name: getattr(case, name) for name in WRITTEN}
        if Case.objects.filter(pk=case.pk, version=version).update(**changed) != 1:
            raise AssertionError(case.reference)
        django_project.write_rest(django_tables, case, entry)

    def enriched(self, activation: Any) -> None:
        """The policy is known."""

    def handed_over(self, activation: Any) -> None:
        """Keylane has the ball."""

    def confirmed(self, activation: Any) -> None:
        """The coupling stands."""


def start() -> None:
    """A process for every case."""
    with transaction.atomic():
        for case in Case.objects.all():
            case.process = Coupling.start.run(case=case)
            case.save(update_fields=["process"])


def register(reference: str) -> None:
    """Run the open task of a case."""
    with transaction.atomic():
        case = Case.objects.get(reference=reference)
        task = Task.objects.get(process_id=case.process_id, flow_task=Coupling.register, status=STATUS.NEW)
        Coupling.register.run(task, case=case)
