"""The tables beside the case as Django maps them, for every peer on Django; the case is the peer's own model."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class CaseFields(models.Model):
    """What every peer's case holds beside its state."""

    reference = models.CharField(max_length=11, unique=True)
    facts = models.JSONField()
    version = models.IntegerField()
    seq = models.IntegerField()
    head = models.CharField(max_length=64)
    at = models.DateTimeField()
    entered_at = models.DateTimeField()
    due_at = models.DateTimeField(null=True)

    class Meta:
        abstract = True


WRITTEN = ("state", "version", "seq", "head", "at", "entered_at", "due_at")
"""What a move changes in its case."""


class Event(models.Model):
    """An entry of a case's history."""

    case = models.ForeignKey("peers.Case", models.PROTECT, related_name="+", db_index=False)
    seq = models.IntegerField()
    at = models.DateTimeField()
    actor = models.CharField(max_length=60)
    kind = models.CharField(max_length=20)
    trigger = models.CharField(max_length=30, null=True)
    from_state = models.CharField(max_length=30, null=True)
    to_state = models.CharField(max_length=30)
    canonical = models.BinaryField()
    prev_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        app_label, db_table = "peers", "events"
        constraints: ClassVar = [models.UniqueConstraint(fields=["case", "seq"], name="event_once")]


class Timer(models.Model):
    """When a reminder falls due."""

    case = models.ForeignKey("peers.Case", models.CASCADE, related_name="+")
    kind = models.CharField(max_length=10)
    rung = models.IntegerField()
    due_at = models.DateTimeField(db_index=True)

    class Meta:
        app_label, db_table = "peers", "timers"


class Letter(models.Model):
    """A letter that waits for a worker."""

    case = models.ForeignKey("peers.Case", models.CASCADE, related_name="+", db_index=False)
    seq = models.IntegerField()
    letter = models.CharField(max_length=40)
    role = models.CharField(max_length=20)
    recipient = models.CharField(max_length=120, null=True)
    state = models.CharField(max_length=10)
    context = models.TextField()
    created_at = models.DateTimeField()
    due_at = models.DateTimeField()

    class Meta:
        app_label, db_table = "peers", "outbox"
        indexes: ClassVar = [models.Index(fields=["state", "due_at"], name="outbox_waiting")]
