"""What becomes of letters that say something of a case that is erased: none keeps it, and no other case loses one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from workflow.encoding import compact_json, read_json
from workflow.errors import Conflict
from workflow.facts import Json
from workflow.storage import erasing, merging
from workflow.storage.erasing import Mention
from workflow.storage.letter_states import LetterState
from workflow.storage.store import Store


def end_letters(store: Store, case_id: int, reference: str, now: datetime) -> tuple[int, int]:
    """Cancel what waits, take apart what waits about several cases, blank all the others.

    How many letters that was, and how many of the case's own were cancelled. Raises Conflict: one is being sent.
    """
    mentions = erasing.lock_letters(store, case_id, reference)
    of_others = erasing.lock_letters_of_others(store, case_id, reference)
    if sending := [letter.id for letter in (*mentions, *of_others) if letter.state is LetterState.SENDING]:
        raise Conflict(
            f"Letter {sending[0]} about {reference} is being sent at this moment, so nothing was erased. Repeat the "
            "command in a moment; a letter whose worker disappeared is settled by: schakel tick"
        )
    own = [letter for letter in mentions if letter.case_id is not None]
    merged = {letter.merged_into for letter in own}
    waiting = [letter for letter in mentions if letter.case_id is None and letter.is_unsent]
    digests = {letter.id for letter in waiting if letter.id in merged}
    told = erasing.about_several(mentions)
    others = {letter.id: without_case(letter.context, reference, told) for letter in waiting if letter.id not in merged}
    rewritten = {number: context for number, context in others.items() if context is not None}
    for number, context in rewritten.items():
        erasing.rewrite_letter(store, number, context)
    ended = [letter.id for letter in own if letter.is_unsent or letter.merged_into in digests]
    for digest in digests:
        merging.take_apart(store, digest)
    erasing.cancel_letters(store, (*ended, *digests, *(others.keys() - rewritten.keys())), now)
    erasing.blank_letters(store, [letter.id for letter in mentions if letter.id not in rewritten])
    _end_letters_of_others(store, of_others, reference)
    return len(mentions) + len(of_others), len(ended)


def _end_letters_of_others(store: Store, letters: list[Mention], reference: str) -> None:
    """Blank what left; let what may still leave say nothing of the case any more, and otherwise wait as it does."""
    done = [letter.id for letter in letters if letter.state in (LetterState.SENT, LetterState.CANCELLED)]
    erasing.blank_letters(store, done)
    for letter in letters:
        if letter.id not in done:
            change = erasing.rewrite_letter if letter.is_unsent else erasing.amend_letter
            change(store, letter.id, _silent(letter.context, reference))


def without_case(context: str, reference: str, letters: Sequence[int] = ()) -> str | None:
    """What a letter about several cases may still say without this one, or these letters; None: nothing is left."""
    left = _without(read_json(context), reference, letters)
    if not isinstance(left, dict) or not any(isinstance(value, list) and value for value in left.values()):
        return None
    return _silent(compact_json(left), reference)


def _silent(context: str, reference: str) -> str:
    """A context that leaves open which case it names."""
    return context.replace(reference, "…")


def _without(value: Json, reference: str, letters: Sequence[int]) -> Json:
    """A value without the items about a case, or these letters, and without the groups that this leaves empty."""
    if isinstance(value, dict):
        return {name: _without(inner, reference, letters) for name, inner in value.items()}
    if not isinstance(value, list):
        return value
    kept = [(item, _without(item, reference, letters)) for item in value if not _is_about(item, reference, letters)]
    return [left for item, left in kept if not _was_emptied(item, left)]


def _is_about(item: Json, reference: str, letters: Sequence[int]) -> bool:
    """Whether an item is a case, a line that begins with its reference, or one of these letters."""
    if isinstance(item, dict) and item.get("id") in letters:
        return True
    said = item.get("reference") if isinstance(item, dict) else item
    return isinstance(said, str) and said.startswith(reference)


def _was_emptied(before: Json, after: Json) -> bool:
    if not isinstance(before, dict) or not isinstance(after, dict):
        return False
    return any(isinstance(value, list) and value and not after[name] for name, value in before.items())
