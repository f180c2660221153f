"""The statements that every letter runs on its way out, each built once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Executable, and_, bindparam, insert, or_, select, update

from workflow.storage.tables import outbox, outbox_attempts

_BUILT = ("message_id", "subject", "message", "sha256")


def begin_sending() -> Executable:
    """From claimed to sending, with the bytes that will go out, for whoever still holds the claim."""
    held = and_(outbox.c.token == bindparam("held_token"), outbox.c.state == "claimed")
    values: dict[str, Any] = {name: bindparam(name) for name in ("lease_until", *_BUILT)}
    return (
        update(outbox)
        .where(outbox.c.id == bindparam("number"), held)
        .values(state="sending", **values)
        .returning(outbox.c.id)
    )


def settle() -> Executable:
    """To the state an attempt or a person decided, from one of the expected states and, if asked, with the token."""
    expected = or_(outbox.c.state == bindparam("expected"), outbox.c.state == bindparam("or_expected"))
    held = or_(bindparam("any_token"), outbox.c.token == bindparam("held_token"))
    names = ("state", "reason", "token", "lease_until", "due_at", "finished_at", "attempts", *_BUILT)
    return (
        update(outbox)
        .where(outbox.c.id == bindparam("number"), expected, held)
        .values({name: bindparam(name) for name in names})
        .returning(outbox.c.id)
    )


def insert_attempt() -> Executable:
    """A try to send a letter."""
    names = (column.name for column in outbox_attempts.c if column.name != "id")
    return insert(outbox_attempts).values({name: bindparam(name) for name in names})


def attempts_of_letter() -> Executable:
    """The tries to send a letter, oldest first."""
    return (
        select(outbox_attempts).where(outbox_attempts.c.outbox_id == bindparam("number")).order_by(outbox_attempts.c.id)
    )
