"""What erasing does to the rows of a case: values, answers and keys go; letters stay, but for their words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Executable, and_, bindparam, delete, func, or_, select, update

from workflow.storage.letter_states import LetterState
from workflow.storage.letters import ERASED
from workflow.storage.outbox_queries import ENDED, FREE, IS_UNSENT, UNBUILT
from workflow.storage.store import Store
from workflow.storage.tables import answers, case_keys, outbox, outbox_attempts, private_values


@dataclass(frozen=True, slots=True)
class Mention:
    """A letter that holds something of a case; `case_id` is that of its own case, None when it is about several."""

    id: int
    case_id: int | None
    state: LetterState
    context: str
    merged_into: int | None

    @property
    def is_unsent(self) -> bool:
        """Whether it has not left and may still do so."""
        return self.state in (LetterState.PENDING, LetterState.CLAIMED)


def lock_letters(store: Store, case_id: int, reference: str) -> list[Mention]:
    """Every letter that holds something of a case, kept from workers until the transaction ends; its own come first.

    So does a letter that tells of one about several cases, as the daily overview does: by its number, and without the
    reference, but with what a server said of it. The caller has the turn, so that nobody is about to write another one.
    """
    own = [_mention(row) for row in store.select(_own_letters, {"case": case_id})]
    shared = [_mention(row) for row in store.select(_shared_letters, {"case": case_id, "reference": f"%{reference}%"})]
    found = {letter.id: letter for letter in (*own, *shared)}
    for number in about_several(found.values()):
        telling = store.select(_telling_of, {"said": f'%{{"id":{number},%'})
        found |= {row["id"]: _mention(row) for row in telling}
    return list(found.values())


def about_several(mentions: Collection[Mention]) -> list[int]:
    """The numbers of letters that the case's reminders became part of, or were until these were taken apart."""
    parts = {letter.merged_into for letter in mentions if letter.merged_into is not None}
    apart = {letter.id for letter in mentions if letter.case_id is None and letter.state is not LetterState.SENT}
    return sorted(parts | apart)


def lock_letters_of_others(store: Store, case_id: int, reference: str) -> list[Mention]:
    """Every letter of another case that says this one's reference, among cases found by the same name or number.

    Only those say it: as that of an older case that is the same, or has the same name.
    """
    return [_mention(row) for row in store.select(_of_others, {"case": case_id, "reference": f"%{reference}%"})]


def erased_by_state(store: Store) -> dict[str, int]:
    """How many letters that failed, or may have arrived, were erased: nobody needs to look at those any more."""
    return {row["state"]: row["count"] for row in store.select(_erased_by_state, {})}


def delete_values(store: Store, case_id: int) -> None:
    """Delete a case's personal values and their salts: what its events commit to can be opened no more."""
    store.run(_delete_values, {"case": case_id})


def delete_answers(store: Store, case_id: int) -> None:
    """Delete the keys of a case's commands, and what they were answered."""
    store.run(_delete_answers, {"case": case_id})


def blank_letters(store: Store, letters: Iterable[int]) -> None:
    """Take from letters whom they went to and what they said, and from their tries what servers said."""
    numbers = [{"number": number} for number in letters]
    store.run_many(_blank_letter, numbers)
    store.run_many(_blank_attempts, numbers)


def cancel_letters(store: Store, letters: Iterable[int], now: datetime) -> None:
    """End letters that have not left; whoever has claimed one finds that it is no longer theirs."""
    store.run_many(_cancel_letter, [{"number": number, "now": now} for number in letters])


def rewrite_letter(store: Store, letter: int, context: str) -> None:
    """Give a letter that waits another context, so that it is built anew; a claim on it is void."""
    store.run(_rewrite_letter, {"number": letter, "new_context": context})


def amend_letter(store: Store, letter: int, context: str) -> None:
    """Give a letter that did not leave, or nobody knows, another context; sent again, it is built anew."""
    store.run(_amend_letter, {"number": letter, "new_context": context})


def _mention(row: Mapping[str, Any]) -> Mention:
    return Mention(row["id"], row["case_id"], LetterState(row["state"]), row["context"], row["merged_into"])


_MENTION = (outbox.c.id, outbox.c.case_id, outbox.c.state, outbox.c.context, outbox.c.merged_into)


def _own_letters() -> Executable:
    return select(*_MENTION).where(outbox.c.case_id == bindparam("case")).order_by(outbox.c.id).with_for_update()


def _shared_letters() -> Executable:
    """Letters about several cases that say the reference of this one, or that one of its own became part of."""
    parts = outbox.alias("parts")
    merged = select(parts.c.merged_into).where(parts.c.case_id == bindparam("case"))
    holds = or_(outbox.c.context.like(bindparam("reference")), outbox.c.id.in_(merged))
    return (
        select(*_MENTION)
        .where(outbox.c.case_id.is_(None), outbox.c.context != ERASED, holds)
        .order_by(outbox.c.id)
        .with_for_update()
    )


def _telling_of() -> Executable:
    """Letters about several cases, or about none, that name another letter by its number."""
    tells = outbox.c.context.like(bindparam("said"))
    return select(*_MENTION).where(outbox.c.case_id.is_(None), tells).order_by(outbox.c.id).with_for_update()


def _of_others() -> Executable:
    own, theirs = case_keys.alias("own"), case_keys.alias("theirs")
    same = and_(theirs.c.kind == own.c.kind, theirs.c.value == own.c.value, theirs.c.case_id != own.c.case_id)
    others = select(theirs.c.case_id).join(own, same).where(own.c.case_id == bindparam("case"))
    return (
        select(*_MENTION)
        .where(outbox.c.case_id.in_(others), outbox.c.context.like(bindparam("reference")))
        .order_by(outbox.c.id)
        .with_for_update()
    )


def _erased_by_state() -> Executable:
    settled = or_(outbox.c.state == str(LetterState.FAILED), outbox.c.state == str(LetterState.UNKNOWN))
    counted = select(outbox.c.state, func.count().label("count")).where(IS_UNSENT, settled, outbox.c.context == ERASED)
    return counted.group_by(outbox.c.state)


def _delete_values() -> Executable:
    return delete(private_values).where(private_values.c.case_id == bindparam("case"))


def _delete_answers() -> Executable:
    return delete(answers).where(answers.c.case_id == bindparam("case"))


def _blank_letter() -> Executable:
    empty = {"recipient": None, "context": ERASED, "reason": "erased", **UNBUILT}
    return update(outbox).where(outbox.c.id == bindparam("number")).values(**empty)


def _blank_attempts() -> Executable:
    return update(outbox_attempts).where(outbox_attempts.c.outbox_id == bindparam("number")).values(words=None)


def _cancel_letter() -> Executable:
    ended: dict[str, Any] = {**FREE, **ENDED, "merged_into": None}
    return update(outbox).where(outbox.c.id == bindparam("number")).values(**ended)


def _rewrite_letter() -> Executable:
    waits: dict[str, Any] = {**FREE, **UNBUILT, "context": bindparam("new_context")}
    return update(outbox).where(outbox.c.id == bindparam("number")).values(**waits)


def _amend_letter() -> Executable:
    amended: dict[str, Any] = {"context": bindparam("new_context"), "message": None}
    return update(outbox).where(outbox.c.id == bindparam("number")).values(**amended)
