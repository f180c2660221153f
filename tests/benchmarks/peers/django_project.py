"""A Django project without files: its settings, its tables, and what its service writes beside the case."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from types import ModuleType
from typing import Any

import django
from django.conf import settings
from django.db import connection, models, transaction

from tests.benchmarks.peers import story
from tests.benchmarks.peers.address import DURABLE, is_sqlite, parts, sqlite_path


def load(url: str, module: str, *apps: str) -> ModuleType:
    """Settle the project, and import the module that holds its models, which Django allows only afterwards."""
    settings.configure(
        DATABASES={"default": _database(url)},
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["tests.benchmarks.peers", *apps],
        USE_TZ=True,
    )
    django.setup()
    return import_module(f"tests.benchmarks.peers.{module}")


def _database(url: str) -> dict[str, Any]:
    if is_sqlite(url):
        told = "".join(f"PRAGMA {pragma};" for pragma in DURABLE)
        options = {"init_command": told, "transaction_mode": "IMMEDIATE"}
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": sqlite_path(url), "OPTIONS": options}
    where = parts(url)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": where["dbname"],
        "USER": where["user"],
        "HOST": where["host"],
        "CONN_MAX_AGE": None,
        "OPTIONS": {"server_side_binding": True, "prepare_threshold": 5},  # off by default; it is faster with
    }


def serve(case: Any, tables: ModuleType, cases: int, trigger: Callable[[Any], object]) -> Callable[[str], None]:
    """Open the cases; moves one, in one transaction, whose state `trigger` changes and saves."""
    fill(case, tables, cases)

    def move(reference: str) -> None:
        with transaction.atomic():
            found = case.objects.get(reference=reference)
            entry = story.registering(reference, found.seq + 1, found.head)
            found.seq, found.version, found.head = found.seq + 1, found.version + 1, entry.hash
            found.at, found.entered_at, found.due_at = story.MOVED, story.MOVED, story.NEXT_DUE
            trigger(found)
            write_rest(tables, found, entry)

    return move


def fill(case: type[models.Model], tables: ModuleType, cases: int) -> None:
    """Make the tables, and open so many cases."""
    with connection.schema_editor() as editor:
        for model in (case, tables.Event, tables.Timer, tables.Letter):
            editor.create_model(model)
    opened = [_opened(case, tables, number) for number in range(1, cases + 1)]
    with transaction.atomic():
        for rows in zip(*opened, strict=True):
            type(rows[0])._default_manager.bulk_create(rows)


def _opened(case: type[models.Model], tables: ModuleType, number: int) -> tuple[models.Model, ...]:
    reference = story.reference_of(number)
    entry = story.opening(reference)
    return (
        case(
            id=number,
            reference=reference,
            facts=story.FACTS,
            state=story.RIGHTS_PENDING,
            version=1,
            seq=1,
            head=entry.hash,
            at=story.OPENED,
            entered_at=story.OPENED,
            due_at=story.FIRST_DUE,
        ),
        tables.Event(
            case_id=number,
            seq=1,
            at=story.OPENED,
            actor=story.ACTOR,
            kind="opened",
            to_state=story.RIGHTS_PENDING,
            canonical=entry.canonical,
            prev_hash=entry.prev_hash,
            hash=entry.hash,
        ),
        tables.Timer(case_id=number, kind="rung", rung=0, due_at=story.FIRST_DUE),
    )


def write_rest(tables: ModuleType, case: Any, entry: story.Entry) -> None:
    """The event, the timers and the letters of a move."""
    tables.Event.objects.create(
        case_id=case.id,
        seq=case.seq,
        at=story.MOVED,
        actor=story.ACTOR,
        kind="moved",
        trigger="register",
        from_state=story.RIGHTS_PENDING,
        to_state=case.state,
        canonical=entry.canonical,
        prev_hash=entry.prev_hash,
        hash=entry.hash,
    )
    tables.Timer.objects.filter(case_id=case.id).delete()
    tables.Timer.objects.create(case_id=case.id, kind="rung", rung=0, due_at=story.NEXT_DUE)
    tables.Letter.objects.bulk_create(
        tables.Letter(
            case_id=case.id,
            seq=case.seq,
            letter=letter.letter,
            role=letter.role,
            recipient=letter.recipient,
            state="pending",
            context=letter.context,
            created_at=story.MOVED,
            due_at=story.MOVED,
        )
        for letter in story.letters(case.reference)
    )
