"""The statements that every letter runs on its way out, each built once."""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Executable,
    Select,
    and_,
    bindparam,
    case,
    cast,
    false,
    func,
    insert,
    literal,
    literal_column,
    or_,
    select,
    text,
    update,
)

from workflow.storage.letter_states import LetterState
from workflow.storage.packing import unpacked
from workflow.storage.tables import MERGEABLE, cases, events, outbox, outbox_attempts
from workflow.storage.wanted import is_wanted

_BUILT = ("message_id", "subject", "message", "sha256")
# written out as in the index itself, so that SQLite too sees that a partial index fits
_LEASED = text("outbox.state IN ('claimed', 'sending')")
IS_PENDING = outbox.c.state == literal_column("'pending'")
_IS_CLAIMED = and_(_LEASED, outbox.c.state == literal_column("'claimed'"))
_IS_SENDING = and_(_LEASED, outbox.c.state == literal_column("'sending'"))
IS_HOMELESS = and_(IS_PENDING, outbox.c.recipient.is_(None))
"""Letters that wait for an address."""
IS_UNSENT = text("outbox.state <> 'sent'")
"""Letters that were not simply sent: few, and with an index of their own."""
FREE = {"state": str(LetterState.PENDING), "token": None, "lease_until": None}
"""Of a letter that waits, and that nobody holds."""
ENDED = {"state": str(LetterState.CANCELLED), "finished_at": bindparam("now")}
"""Of a letter that is not to be sent."""
UNBUILT = {"subject": None, "message": None, "sha256": None}
"""Of a letter that is to be built anew; its Message-ID stays, so that later letters of its case still follow it."""
CORRECTED = "; its address was corrected since"
"""What is added to why a letter failed, or waits for its next try."""


def _is(letter: Any, *states: LetterState) -> Any:
    """Whether a letter is in one of these states."""
    return or_(*(letter.c.state == str(state) for state in states))


def letters_where(*where: Any) -> Select[Any]:
    """The columns of an `OutboxRow`, in the order the letters were written."""
    others = outbox.alias("others")
    earlier = and_(others.c.case_id == outbox.c.case_id, others.c.id < outbox.c.id, others.c.message_id.is_not(None))
    first: Any = select(others.c.message_id).where(earlier).order_by(others.c.id).limit(1).scalar_subquery()
    its_own = and_(events.c.case_id == outbox.c.case_id, events.c.seq == outbox.c.seq)
    told: Any = select(events.c.hash).where(its_own).scalar_subquery()
    return (
        select(*outbox.c, cases.c.reference.label("case"), told.label("event"), first.label("first_message_id"))
        .outerjoin(cases, cases.c.id == outbox.c.case_id)
        .where(*where)
        .order_by(outbox.c.id)
    )


def _leased_where(*where: Any) -> Select[Any]:
    """Of the few that are leased; the plus keeps SQLite from reading all letters so as not to sort these."""
    return letters_where(*where).order_by(None).order_by(text("+outbox.id"))


def if_free(which: Any) -> Any:
    """Of these letters those that nobody holds: a worker passes by what another one, or a command, is busy with."""
    return outbox.c.id.in_(select(outbox.c.id).where(which).with_for_update(skip_locked=True))


def fill_addresses() -> Executable:
    """The address of a role, for the letters to it that wait, whether for an address or with another one."""
    waiting = and_(IS_PENDING, IS_UNSENT, outbox.c.role == bindparam("to_role"))
    return _readdress(if_free(and_(waiting, outbox.c.recipient.is_distinct_from(bindparam("address")))))


def readdress_case() -> Executable:
    """The address of a role of a case, for its letters that have not left; what may have left keeps its own.

    A claim on one is void, since whoever has it would send it to the old one. One that became part of another letter
    may be taken out of it again, also of one about several cases that is on its way or in doubt (see `told_there`); or
    that is not to be seen here: whoever wrote it committed while this waited for the part (PostgreSQL).
    """
    states = (LetterState.PENDING, LetterState.CLAIMED, LetterState.FAILED)
    whole = outbox.alias("whole")
    may_return = and_(whole.c.case_id.is_(None), _is(whole, LetterState.SENDING, LetterState.UNKNOWN))
    is_open = or_(_is(whole, *states), may_return)
    part = select(is_open).where(whole.c.id == outbox.c.merged_into).scalar_subquery().is_not(false())
    unsent = or_(_is(outbox, *states), and_(_is(outbox, LetterState.MERGED), part))
    mine = and_(outbox.c.case_id == bindparam("case"), outbox.c.role == bindparam("to_role"))
    freed = {**FREE, "state": case((_is(outbox, LetterState.CLAIMED), FREE["state"]), else_=outbox.c.state)}
    return _readdress(and_(mine, unsent, outbox.c.recipient.is_distinct_from(bindparam("address"))), **freed)


def told_there() -> Executable:
    """The address that a letter about several cases was sent to, for what became part of it."""
    whole = outbox.alias("whole")
    sent = whole.c.state == literal_column("'sent'")
    address = select(whole.c.recipient).where(whole.c.id == bindparam("number"), sent, whole.c.recipient.is_not(None))
    there = address.scalar_subquery()
    parts = and_(outbox.c.merged_into == bindparam("number"), address.exists())
    values = {"recipient": there, "reason": func.replace(outbox.c.reason, literal(CORRECTED), "")}
    return update(outbox).where(parts, outbox.c.recipient.is_distinct_from(there)).values(**values)


def readdress_letter() -> Executable:
    """The address of a letter that waits again."""
    waiting = and_(outbox.c.id == bindparam("number"), IS_PENDING)
    return _readdress(and_(waiting, outbox.c.recipient.is_distinct_from(bindparam("address"))))


def _readdress(which: Any, **more: Any) -> Executable:
    added = literal(CORRECTED)
    said = func.replace(outbox.c.reason, added, "").concat(added)
    return update(outbox).where(which).values(recipient=bindparam("address"), reason=said, **UNBUILT, **more)


def claim() -> Executable:
    """Letters that are due, oldest first, for one worker; of reminders never tried, those up to a number."""
    mature = or_(text(f"NOT ({MERGEABLE})"), outbox.c.id <= bindparam("reminders_until"))
    due = (
        select(outbox.c.id)
        .where(IS_PENDING, outbox.c.recipient.is_not(None), outbox.c.due_at <= bindparam("now"), mature)
        .order_by(outbox.c.due_at, outbox.c.id)
        .limit(bindparam("limit"))
        .with_for_update(skip_locked=True)
    )
    held = {"state": str(LetterState.CLAIMED), "token": bindparam("held_token"), "lease_until": bindparam("until")}
    return update(outbox).where(outbox.c.id.in_(due)).values(**held)


def claimed_by() -> Executable:
    """What somebody has claimed and not begun to send."""
    return _leased_where(_IS_CLAIMED, outbox.c.token == bindparam("held_token"))


def release() -> Executable:
    """Back to pending, from the claim of somebody who is done. Who holds one of these now ends its claim as well."""
    mine = and_(_IS_CLAIMED, outbox.c.token == bindparam("held_token"))
    return update(outbox).where(if_free(mine)).values(**FREE).returning(outbox.c.id)


def release_expired() -> Executable:
    """Back to pending, from claims whose lease has ended."""
    expired = and_(_IS_CLAIMED, _has_ended())
    return update(outbox).where(if_free(expired)).values(**FREE)


def expired_sending() -> Executable:
    """Letters that were being sent when their lease ended."""
    expired = _leased_where(_IS_SENDING, _has_ended())
    return expired.limit(bindparam("limit"))


def _has_ended() -> Any:
    """Whether a lease ended, or ends later than any that is given: then it was given by a clock that ran ahead."""
    return or_(outbox.c.lease_until <= bindparam("now"), outbox.c.lease_until > bindparam("no_lease_until"))


def count_pending() -> Executable:
    """How many letters wait."""
    return select(func.count().label("count")).where(IS_PENDING, IS_UNSENT)


def count_unsent() -> Executable:
    """How many letters are in each state but 'sent'."""
    return select(outbox.c.state, func.count().label("count")).where(IS_UNSENT).group_by(outbox.c.state)


def count_homeless() -> Executable:
    """How many letters of each role wait for an address."""
    return select(outbox.c.role, func.count().label("count")).where(IS_HOMELESS).group_by(outbox.c.role)


def recall() -> Executable:
    """Letters that wait longer than any does: by a clock that ran ahead, or on SQLite for what is no moment."""
    waiting = and_(IS_PENDING, outbox.c.recipient.is_not(None), outbox.c.due_at > bindparam("no_try_until"))
    return update(outbox).where(waiting).values(due_at=bindparam("now"))


def begin_sending() -> Executable:
    """From claimed to sending, with the bytes that will go out, for whoever still holds the claim."""
    return _begin_sending()


def begin_sending_if_free() -> Executable:
    """The same, unless somebody else holds the letter's case, or an earlier letter of it that is due (PostgreSQL)."""
    return _begin_sending(_if_of_case(_is_free()))


def begin_reminding() -> Executable:
    """The same of a reminder, or of a letter about several cases, if somebody still needs all that it says."""
    return _begin_sending(is_wanted())


def begin_reminding_if_free() -> Executable:
    """The same, unless somebody else holds the case of a reminder, or an earlier letter of it (PostgreSQL)."""
    return _begin_sending(_if_of_case(_is_free()), is_wanted())


def _if_of_case(condition: Any) -> Any:
    """What is asked of the letters of one case; so that PostgreSQL asks it of one row, and makes no join of it."""
    return or_(outbox.c.case_id.is_(None), condition)


def _is_free() -> Any:
    """Whether a letter may leave as far as its case goes: the outcome's event will need that in a moment.

    What another worker put aside goes first: a case's letters leave in their order. One that is to be tried again later
    keeps none waiting, nor does a reminder that may become part of another letter.
    """
    free = select(cases.c.id).where(cases.c.id == outbox.c.case_id).with_for_update(read=True, skip_locked=True)
    before = outbox.alias("before")
    waits = and_(_is(before, LetterState.PENDING), before.c.recipient.is_not(None), before.c.is_reminder.is_(False))
    elsewhere = and_(_is(before, LetterState.CLAIMED), before.c.token != bindparam("held_token"))
    overtaken = select(before.c.id).where(
        before.c.case_id == outbox.c.case_id,
        before.c.id < outbox.c.id,
        before.c.due_at <= outbox.c.due_at,
        or_(waits, elsewhere),
    )
    return and_(free.exists(), ~overtaken.exists())


def _begin_sending(*where: Any) -> Executable:
    held = and_(outbox.c.token == bindparam("held_token"), _is(outbox, LetterState.CLAIMED))
    values: dict[str, Any] = {name: bindparam(name) for name in ("lease_until", *_BUILT)}
    return (
        update(outbox)
        .where(outbox.c.id == bindparam("number"), held, *where)
        .values(state=str(LetterState.SENDING), **values)
        .returning(outbox.c.id)
    )


def settle() -> Executable:
    """To the state an attempt or a person decided, from one of the expected states and, if asked, with the token."""
    return _settle()


def settle_and_built() -> Executable:
    """As `settle`, and what was built of it: not stored yet, or to be built anew."""
    return _settle(*_BUILT)


def _settle(*built: str) -> Executable:
    expected = or_(outbox.c.state == bindparam("expected"), outbox.c.state == bindparam("or_expected"))
    held = or_(bindparam("any_token"), outbox.c.token == bindparam("held_token"))
    # its words may have been erased since it was looked at: then there is nothing to send
    can_be_so = or_(outbox.c.context != "", bindparam("to_end"))
    names = ("state", "reason", "token", "lease_until", "due_at", "finished_at", "attempts", *built)
    return (
        update(outbox)
        .where(outbox.c.id == bindparam("number"), expected, held, can_be_so)
        .values({name: bindparam(name) for name in names})
        .returning(outbox.c.id)
    )


def insert_attempt() -> Executable:
    """A try to send a letter."""
    names = (column.name for column in outbox_attempts.c if column.name != "id")
    return insert(outbox_attempts).values({name: bindparam(name) for name in names})


def count_attempts() -> Executable:
    """How often each of these letters was tried; `wanted` is a JSON array of arrays of a number as text."""
    rows = unpacked("wanted")
    number = cast(rows.c.value[0].as_string(), BigInteger)
    tried = select(func.count()).select_from(outbox_attempts).where(outbox_attempts.c.outbox_id == number)
    return select(number.label("outbox_id"), tried.correlate(rows).scalar_subquery().label("count"))


def attempts_of_letter() -> Executable:
    """The tries to send a letter, oldest first."""
    return (
        select(outbox_attempts).where(outbox_attempts.c.outbox_id == bindparam("number")).order_by(outbox_attempts.c.id)
    )


def last_attempt_in_vain() -> Executable:
    """The last try to send any letter, if that letter waits."""
    last = select(func.max(outbox_attempts.c.id)).scalar_subquery()
    tried = select(outbox_attempts).join(outbox, outbox.c.id == outbox_attempts.c.outbox_id)
    return tried.where(outbox_attempts.c.id == last, IS_PENDING)
